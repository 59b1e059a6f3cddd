"""Biases of attention scores by distance: a step of a decoder, buckets at their borders, and what is said of bad input."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnxruntime import InferenceSession

import archonnx
from archonnx.compiler.layers.registry import find_layer
from archonnx.contract.diagnostics import CompileError, Diagnostic

Array = np.ndarray[Any, Any]


def compiled(*lines: str, **options: Any) -> Any:
    return archonnx.compile(text="\n    ".join(["model A():", *lines]) + "\n", **options)


def diagnose(*lines: str) -> Diagnostic:
    with pytest.raises(CompileError) as caught:
        compiled(*lines)
    (found,) = caught.value.diagnostics
    return found


def run(model: Any, folder: Path, x: Array) -> Array:
    model.save(folder / "a.onnx", seed=1)
    session = InferenceSession(folder / "a.onnx", providers=["CPUExecutionProvider"])
    (y,) = session.run(None, {"x": x})
    return np.asarray(y)


@pytest.mark.parametrize("line", ["AlibiBias()", "RelativePositionBias()", "RelativePositionBias(bidirectional=False)"])
def test_a_decoders_step_gets_what_the_whole_gets(line: str, tmp_path: Path) -> None:
    model = compiled("input x: float32[N, 4, Q, K]", "require Q <= K", line)
    whole = run(model, tmp_path, np.zeros((1, 4, 9, 9), np.float32))
    for step in range(9):
        y = run(model, tmp_path, np.zeros((1, 4, 1, step + 1), np.float32))
        row = whole[:, :, step : step + 1, : step + 1]
        assert np.allclose(y - y[..., :1], row - row[..., :1], atol=1e-6)  # as softmax sees them


def test_the_slopes_are_those_of_the_paper() -> None:
    layer = find_layer("AlibiBias")
    assert layer is not None
    made: Any = layer({"alibi_bias_max": 8, "dtype": None})
    assert made._slopes(8) == [2.0**-i for i in range(1, 9)]
    assert made._slopes(16)[:2] == [2.0**-0.5, 0.5]
    assert made._slopes(3) == [2.0**-4, 2.0**-8, 2.0**-2]
    assert made._slopes(1) == [2.0**-8]


@given(st.integers(2, 40), st.integers(2, 300), st.booleans())
def test_buckets_are_floors_of_logarithms(buckets: int, most: int, both: bool) -> None:
    """Beside borders, which floating logarithms may miss, and from which whole numbers never stray."""
    layer = find_layer("RelativePositionBias")
    assert layer is not None
    made: Any = layer(
        {"num_buckets": 2 * buckets if both else buckets, "max_distance": most, "bidirectional": both, "dtype": None}
    )
    single = buckets // 2
    if most <= single:
        return
    found = made._buckets()
    assert len(found) == 2 * most + 1
    behind, after = found[most::-1], found[most + 1 :]
    assert behind[:single] == list(range(single))
    assert behind == sorted(behind)
    assert after == ([buckets + b for b in behind[1:]] if both else [0] * most)
    for distance in range(single, most + 1):
        exact = (buckets - single) * math.log(distance / single) / math.log(most / single)
        if abs(exact - round(exact)) > 1e-9:
            assert behind[distance] == min(buckets - 1, single + math.floor(exact))


SCORES = "input x: float32[N, 8, 5, 5]"
ERRORS = [
    ("input x: float32[N, 8, 5]", "AlibiBias()", "E0302", "AlibiBias needs 4 axes (batch, heads, queries, keys)"),
    ("input x: float32[N, H, 5, 5]", "AlibiBias()", "E0301", "AlibiBias needs a known axis 1"),
    ("input x: string[N, 8, 5, 5]", "AlibiBias()", "E0303", "AlibiBias needs numbers"),
    (SCORES, "AlibiBias(0)", "E0403", "alibi_bias_max of AlibiBias is a whole number, at least 1, got 0"),
    (SCORES, "AlibiBias(8.0)", "E0403", "alibi_bias_max of AlibiBias is a whole number, at least 1, got 8.0"),
    (SCORES, "(x, x) -> AlibiBias()", "E0604", "AlibiBias takes 1 input, got 2"),
    ("input x: float32[N, 8, 5]", "RelativePositionBias()", "E0302", "RelativePositionBias needs 4 axes (batch, heads"),
    ("input x: float32[N, H, 5, 5]", "RelativePositionBias()", "E0301", "RelativePositionBias needs a known axis 1"),
    ("input x: string[N, 8, 5, 5]", "RelativePositionBias()", "E0303", "RelativePositionBias needs numbers"),
    ("input x: float32[N, 8, 6, 5]", "RelativePositionBias()", "E0308", "has more queries, 6, than keys, 5"),
    ("input x: float32[N, 8, Q, K]", "RelativePositionBias()", "E0309", "may have more queries, Q, than keys, K"),
    (SCORES, "RelativePositionBias(7)", "E0329", "num_buckets of RelativePositionBias is even and at least 4"),
    (SCORES, "RelativePositionBias(2)", "E0329", "num_buckets of RelativePositionBias is even and at least 4"),
    (SCORES, "RelativePositionBias(1)", "E0403", "num_buckets of RelativePositionBias is a whole number, at least 2"),
    (SCORES, "RelativePositionBias(32, 8)", "E0329", "max_distance of RelativePositionBias is above 8, the distances"),
    (SCORES, "RelativePositionBias(32, 16, False)", "E0329", "max_distance of RelativePositionBias is above 16, the"),
    (
        SCORES,
        "RelativePositionBias(max_distance=-1)",
        "E0403",
        "max_distance of RelativePositionBias is a whole number",
    ),
    (
        SCORES,
        "RelativePositionBias(bidirectional=0)",
        "E0403",
        "bidirectional of RelativePositionBias is True or False",
    ),
]


@pytest.mark.parametrize(("x", "line", "code", "message"), ERRORS, ids=[f"{e[1]}-{e[0]}" for e in ERRORS])
def test_errors(x: str, line: str, code: str, message: str) -> None:
    found = diagnose(x, line)
    assert (found.code, message) == (code, message if message in found.message else found.message)


def test_the_mend_that_is_offered_mends() -> None:
    x, line = "input x: float32[N, 8, Q, K]", "RelativePositionBias()"
    help = diagnose(x, line).help
    assert help == "state it: require Q <= K"
    compiled(x, help.removeprefix("state it: "), line)
