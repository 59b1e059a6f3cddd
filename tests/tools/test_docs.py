"""docs/layers.md is what the layers' classes generate, and every layer has been measured; nothing is measured here."""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from archonnx.compiler.layers.registry import layer_names

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def docs(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module, imported as `python -m tools.docs.layers` does, from the root."""
    monkeypatch.syspath_prepend(str(ROOT))
    import tools.docs.layers

    return tools.docs.layers


@pytest.fixture
def measuring(docs: ModuleType) -> Any:
    return docs.measuring


def test_the_page_is_what_the_classes_say(docs: ModuleType) -> None:
    found, expected = (ROOT / "docs" / "layers.md").read_text(encoding="utf-8"), docs.generated()
    assert found == expected, f"docs/layers.md is out of date; write it by: {docs.WRITE}"


def test_every_layer_is_measured_over_all_its_cases(docs: ModuleType, measuring: Any) -> None:
    problems = measuring.stale(layer_names())
    assert problems == {}, f"measure again by: {docs.MEASURE}"


def test_no_recorded_error_is_past_what_the_cases_allow(measuring: Any) -> None:
    record = measuring.recorded()
    assert set(record["peers"]) == set(measuring.PEERS)
    known = measuring.cases_by_layer()
    for name, row in record["layers"].items():
        for peer, found in row.items():
            assert found.get("error", 0) <= measuring.STRICT, (name, peer)
            allowed = max(case.tolerance for case in known[name][peer])
            assert found.get("half_error", 0) <= allowed, (name, peer)


def test_what_is_stale_is_told(measuring: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    known = measuring.cases_by_layer()
    rows = {
        name: {peer: {"cases": len(cases)} for peer, cases in known.get(name, {}).items()} for name in layer_names()
    }
    monkeypatch.setattr(measuring, "recorded", lambda: {"peers": {}, "layers": rows})
    assert measuring.stale(layer_names()) == {}
    rows["Dense"]["keras"]["cases"] += 1
    rows["Gone"] = {}
    del rows["Conv2D"]
    told = "\n".join(measuring.stale([*layer_names(), "Uncased"]).values())
    assert "Gone is measured and is no layer" in told
    assert "Uncased has no case" in told
    assert re.search(r"^Dense has cases .*'keras': \d+.*, measured ", told, re.MULTILINE)
    assert re.search(r"^Conv2D has cases .*, measured \{\}", told, re.MULTILINE)
    assert len(told.splitlines()) == 4


def test_measuring_records_and_remembers(measuring: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """With harnesses that only count: one comparison a case, none a second time, none of it written on failure."""
    monkeypatch.setattr(measuring, "ERRORS", tmp_path / "errors.json")
    monkeypatch.setattr(measuring, "CACHE", tmp_path / "cache.json")
    asked: list[str] = []

    def compare(case: Any) -> float:
        asked.append(case.id)
        return 1.2e-7 if case.tolerance <= 1e-5 else 3.4e-4

    class Harness:
        compare_with_torch = staticmethod(compare)

    Harness.compare = staticmethod(compare)  # type: ignore[attr-defined]
    monkeypatch.setattr(measuring, "import_module_of_tests", lambda name: Harness)
    steps: list[tuple[int, int]] = []
    assert measuring.measure(["Dense"], lambda *step: steps.append(step)) == []
    cases = measuring.cases_by_layer()["Dense"]
    assert len(asked) == sum(map(len, cases.values()))
    assert steps[-1] == (len(asked), len(asked))
    record = json.loads((tmp_path / "errors.json").read_text())
    assert list(record["layers"]) == ["Dense"]
    assert record["layers"]["Dense"]["keras"] == {
        "cases": len(cases["keras"]), "error": 2e-7, "half_cases": 1, "half_error": 4e-4
    }  # fmt: skip
    before = len(asked)
    assert measuring.measure(["Dense"], lambda *step: None) == []
    assert len(asked) == before
    (tmp_path / "cache.json").write_text("{}")

    def fails(case: Any) -> float:
        raise ValueError("no such thing")

    Harness.compare = staticmethod(fails)  # type: ignore[attr-defined]
    (tmp_path / "errors.json").unlink()
    failures = measuring.measure(["Dense"], lambda *step: None)
    assert len(failures) == len(cases["keras"])
    assert failures[0].endswith("ValueError: no such thing")
    assert not (tmp_path / "errors.json").exists()


@pytest.mark.parametrize(
    ("error", "rounded"),
    [(0.0, 0.0), (1.3e-7, 2e-7), (2e-7, 2e-7), (9.01e-6, 1e-5), (0.0004, 0.0004), (1.0, 1.0), (9.99, 10.0)],
)
def test_errors_are_rounded_up(error: float, rounded: float, measuring: Any) -> None:
    assert measuring.rounded_up(error) == rounded


def test_every_layer_stands_once_under_one_heading(docs: ModuleType) -> None:
    families = docs.by_family(layer_names())
    assert sorted(name for names in families.values() for name in names) == layer_names()
    anchors = [docs.anchor(title) for title in (*families, *layer_names())]
    assert len(set(anchors)) == len(anchors), "two headings of the page have one link"


def test_links_of_the_page_lead_somewhere(docs: ModuleType) -> None:
    page = re.sub(r"^```.*?^```$", "", docs.generated(), flags=re.MULTILINE | re.DOTALL)
    headings = {docs.anchor(title) for title in re.findall(r"^#+ (.*)$", page, re.MULTILINE)}
    for target in re.findall(r"\]\(([^)]+)\)", page):
        if target.startswith("#"):
            assert target[1:] in headings, target
        else:
            assert (ROOT / "docs" / target).exists(), target


def test_tables_have_their_cells(docs: ModuleType) -> None:
    for block in re.findall(r"(?:^\|.*\|\n)+", docs.generated(), re.MULTILINE):
        rows = [len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()]
        assert len(set(rows)) == 1, block
