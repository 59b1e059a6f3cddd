"""The tables of tools/bench/precision.py, of a small model."""

from __future__ import annotations

import re
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import archonnx

SOURCE = """
model Small():
    input x: float32[N, 64]
    x -> Dense(128, activation="relu") -> Dense(64)
"""


ROOT = Path(__file__).resolve().parents[2]


def case() -> tuple[archonnx.CompiledModel, list[dict[str, Any]]]:
    random = np.random.default_rng(0)
    return archonnx.compile(text=SOURCE), [{"x": random.random((1, 64), np.float32)} for _ in range(2)]


@pytest.fixture
def precision(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module, imported as `python -m tools.bench.precision` does, with a small model."""
    monkeypatch.syspath_prepend(str(ROOT))
    import tools.bench.precision

    monkeypatch.setattr(tools.bench.precision, "CASES", {"small": case, "MiniLM*": case})
    return tools.bench.precision


def test_the_tables(precision: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert precision.main(["--only", "small"]) == 0
    devices, halves, bits = capsys.readouterr().out.strip().split("\n\n")
    assert re.search(r"^\| small \| cpu float32 \| \d+\.\d\d \| 1\.00 \|  \|$", devices, re.MULTILINE)
    assert re.search(
        r"^\| small \| float16 \| \d of \d \| \d\.\de-0\d \| \d\.\de-0\d \| none \|$", halves, re.MULTILINE
    )
    assert re.search(r"^\| small \| bfloat16 \| \d of \d \| \d\.\de-0\d \|  \| none \|$", halves, re.MULTILINE)
    for number in (4, 8):
        assert re.search(rf"^\| {number} \| as the file says \| .* \| \d\.\de-0\d \|$", bits, re.MULTILINE)
        assert re.search(rf'^\| {number} \| precision="float32" \| .* \| 1\.00 \|  \|$', bits, re.MULTILINE)


def test_photographs_become_calls(precision: ModuleType) -> None:
    found = precision.pictures(32, 0, 255)
    assert len(found) >= 3
    assert {sample["image"].shape for sample in found} == {(1, 32, 32, 3)}
    assert 0.2 < float(np.mean([sample["image"].mean() for sample in found])) < 0.8
