"""What the table of depth runs and says; nothing is measured here but one check of a few layers."""

from __future__ import annotations

import os
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import archonnx

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def depth(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module, imported as `python -m tools.bench.depth` does, from the root."""
    monkeypatch.syspath_prepend(str(ROOT))
    import tools.bench.depth as module

    return module


@pytest.fixture
def plan(depth: Any, tmp_path: Path) -> Any:
    """All that is planned, as if every command had taken a second for a thousand layers, and a megabyte."""
    from tools.bench.measure import Spent

    found = depth.planned(tmp_path, [100, 1_000, 10_000, 100_000])
    for runs in found:
        runs.taken.append(Spent((runs.layers or 1_000) / 10_000, (runs.layers or 1_000) / 1_000, 1.0, 0, ""))
    return found


def test_every_shape_has_the_layers_that_it_says(depth: Any) -> None:
    for make, _ in depth.SHAPES.values():
        assert 28 <= len(archonnx.compile(text=make(30)).graph.nodes) <= 40


def test_all_commands_run_on_all_sizes_and_on_gpt3(depth: Any, plan: Any) -> None:
    shapes = sum(4 if most == 100_000 else 3 for _, most in depth.SHAPES.values())
    assert len(plan) == (shapes + 1) * len(depth.COMMANDS)
    assert {runs.arguments[0] for runs in plan} == set(depth.COMMANDS)
    assert all(Path(runs.arguments[1]).exists() for runs in plan)


def test_the_page_has_every_figure_and_the_exponents(depth: Any, plan: Any) -> None:
    page = depth.page(plan, 1, 0.5)
    assert "| 100,000 | 10.00 s, 1 MB | 10.00 s, 1 MB | 10.00 s, 1 MB | 10.00 s, 1 MB |" in page
    assert page.count("| exponent | 1.00 | 1.00 | 1.00 | 1.00 |") == len(depth.SHAPES)
    assert page.endswith("All are kept.")


def test_what_is_past_its_bound_or_fails_is_told(depth: Any, plan: Any) -> None:
    slow = next(r for r in plan if (r.what, r.command, r.layers) == ("a loop of Dense", "check", 100_000))
    big = next(r for r in plan if (r.what, r.command) == ("GPT-3 175B", "build"))
    slow.failure = "exit code 1: error"
    big.taken[0] = type(big.taken[0])(1.0, 1.0, 900.0, 0, "")
    page = depth.page(plan, 1, 0.5)
    assert "NOT kept: check of a loop of Dense: exit code 1: error; build of GPT-3 175B: 1.00 s, 900 MB." in page
    assert not slow.holds
    assert not big.holds
    assert depth.growth(plan, "a loop of Dense", "check") == "1.00"  # over those that ran


def test_a_command_is_run_and_counted(depth: Any, tmp_path: Path) -> None:
    (tmp_path / "deep.arch").write_text(depth.loop(3), encoding="utf-8")
    runs = depth.Runs("a loop", "check", 3, ["check", str(tmp_path / "deep.arch")])
    wrong = depth.Runs("none", "check", 3, ["check", str(tmp_path / "none.arch")])
    depth.run([runs, wrong], 1, dict(os.environ), said=False)
    assert len(runs.taken) == 1
    assert runs.megabytes > 5
    assert wrong.failure.startswith("exit code 1")


def test_the_page_that_ships_has_the_place_for_the_tables() -> None:
    page = (ROOT / "docs" / "scale.md").read_text(encoding="utf-8")
    assert "<!-- depth: begin -->" in page
    assert "| exponent |" in page
