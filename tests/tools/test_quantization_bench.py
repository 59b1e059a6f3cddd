"""The benchmark of weights in few bits measures every form; how fast they are is not tested."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import archonnx

ROOT = Path(__file__).resolve().parents[2]
TEXT = """
model Small():
    input x: float32[N, 128]
    output y = x -> Dense(128, activation="relu") -> Dense(64)
"""


@pytest.fixture
def quantization(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module, imported as `python -m tools.bench.quantization` does, from the root."""
    monkeypatch.syspath_prepend(str(ROOT))
    import tools.bench.quantization

    return tools.bench.quantization


def test_every_form_is_measured_and_told(quantization: ModuleType, tmp_path: Path) -> None:
    found = quantization.forms(archonnx.compile(text=TEXT), tmp_path)
    assert list(tmp_path.iterdir()) == []
    feeds = {"x": np.random.default_rng(0).normal(size=(3, 128)).astype(np.float32)}
    quantization.measure(found, {"three rows": feeds}, 2)
    exact = found[0].run(feeds)
    error = {f.name: float(np.abs(f.run(feeds) - exact).max() / np.abs(exact).max()) for f in found}
    assert error["float32"] == 0
    assert 0 < error["8 bits, blocks of 32"] < error["4 bits, blocks of 32"] < 0.5
    lines = quantization.table(found, {"error": lambda form: f"{error[form.name]:.3f}"}).splitlines()
    assert lines[0] == "| weights | size | three rows | error |"
    assert [line.split(" | ")[0] for line in lines[2:]] == [f"| {form.name}" for form in found]
    assert all(len(form.times["three rows"]) == 2 for form in found)
    assert found[-1].nbytes < found[0].nbytes / 4
