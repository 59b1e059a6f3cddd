"""The benchmark of loading runs, and reports every way; how fast they are is not tested."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def loading(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module, imported as `python -m tools.bench.loading` does, from the root."""
    monkeypatch.syspath_prepend(str(ROOT))
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "src"))
    import tools.bench.loading

    return tools.bench.loading


def test_every_way_is_measured(loading: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert loading.main(["--rounds", "1", "--model", "DNN"]) in (0, 1)
    *_, last = capsys.readouterr().out.splitlines()
    cells = [cell.strip() for cell in last.strip("|").split("|")]
    assert cells[0] == "DNN, 18 MB"
    assert len(cells) == len(loading.COLUMNS)
    assert all(float(cell.replace(",", "")) > 0 for cell in cells[1:])


def test_the_ratio_is_of_times_in_the_same_round(loading: ModuleType) -> None:
    assert loading.ratio([1.0, 2.0, 5.0], [2.0, 8.0, 5.0]) == 0.5


def test_a_load_that_fails_ends_it_with_what_was_said(loading: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "a.onnx").write_bytes(b"no model")
    with pytest.raises(SystemExit, match=r"a\.onnx, onnxruntime: "):
        loading.main(["--rounds", "1", str(tmp_path / "a.onnx")])
