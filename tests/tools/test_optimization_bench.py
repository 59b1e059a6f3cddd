"""The benchmark of levels of passes measures every level; how fast they are is not tested."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest

import archonnx

ROOT = Path(__file__).resolve().parents[2]
TEXT = """
model Small():
    input x: float32[N, T, 12]
    x -> Dense(8) -> BatchNormalization() -> ReLU() -> Dense(5)
    output y
"""


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module, imported as `python -m tools.bench.optimization` does, from the root."""
    monkeypatch.syspath_prepend(str(ROOT))
    import tools.bench.optimization

    return tools.bench.optimization


def test_every_level_is_measured_and_told(bench: ModuleType, tmp_path: Path) -> None:
    found = bench.measured(archonnx.compile(text=TEXT), tmp_path, 2)
    assert [each.level for each in found] == [0, 1, 2]
    assert found[2].operators < found[1].operators
    assert max(each.error for each in found) < 1e-5
    assert all(len(times) == 2 for each in found for times in each.times.values())
    lines = bench.table({"Small": found}).splitlines()
    assert [line.split(" | ")[1] for line in lines[2:]] == ["-O0", "-O1", "-O2"]
    assert len({line.count("|") for line in lines}) == 1


def test_statistics_are_not_those_that_change_nothing(bench: ModuleType) -> None:
    values = bench.prepared(archonnx.compile(text=TEXT)).values()
    assert values["batch_normalization/moving_variance"].std() > 0
    assert values["batch_normalization/beta"].any()
