"""Calls like one that was found right are not checked again, and nothing else slips in with them."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from archonnx.contract.diagnostics import UsageError
from archonnx.runtime import contract as module
from archonnx.runtime.contract import Contract
from archonnx.runtime.errors import InputError
from archonnx.runtime.modelfile import ModelFile, Spec

X, Y = np.zeros((2, 3), np.float32), np.zeros((2,), np.int64)


@pytest.fixture
def two() -> Contract:
    """x: float32[N, 3] and y: int64[N], a call of which was found right."""
    specs = [Spec("x", "float32", ("N", 3)), Spec("y", "int64", ("N",))]
    made = Contract(ModelFile("m.onnx", ir_version=10, inputs=specs))
    made.check({"x": X, "y": Y})
    return made


def test_the_same_call_again_is_known(two: Contract) -> None:
    again = X + 1
    calls = [((again, Y), {}), ((), {"x": again, "y": Y}), (({"x": again, "y": Y},), {})]
    for found in (two.known(*call) for call in calls):
        assert found is not None
        assert found["x"] is again
        assert found["y"] is Y


@pytest.mark.parametrize(
    ("args", "kwargs"),
    [
        ((X.astype(np.float64), Y), {}),
        ((X.astype(">f4"), Y), {}),
        ((X[:1], Y), {}),
        ((X, Y.astype(np.int32)), {}),
        ((X,), {}),
        ((X, Y, Y), {}),
        ((X,), {"y": Y}),
        ((), {"y": X, "x": Y}),
        ((), {"x": X, "z": Y}),
        ((), {"x": X}),
        ((), {}),
        (({"x": X, "y": Y},), {"y": Y}),
        (({"x": X, "z": Y},), {}),
        (({"y": X, "x": Y},), {}),
        (({"x": X[:1], "y": Y},), {}),
        (({},), {}),
        ((X.tolist(), Y), {}),
        ((np.ma.masked_array(X, mask=True), Y), {}),
        ((X, None), {}),
    ],
)
def test_any_other_call_is_not(two: Contract, args: Any, kwargs: Any) -> None:
    assert two.known(args, kwargs) is None


def test_a_call_that_was_refused_is_not(two: Contract) -> None:
    wrong = np.zeros((5, 4), np.float32)
    with pytest.raises(InputError):
        two.check({"x": wrong, "y": np.zeros(5, np.int64)})
    assert two.known((wrong, np.zeros(5, np.int64)), {}) is None
    with pytest.raises(InputError):  # N is not the same
        two.check({"x": X, "y": np.zeros(5, np.int64)})
    assert two.known((X, np.zeros(5, np.int64)), {}) is None


def test_what_was_converted_is_converted_each_time() -> None:
    made = Contract(ModelFile("m.onnx", ir_version=10, inputs=[Spec("x", "float32", (2,)), Spec("s", "string", (1,))]))
    x, s = np.zeros(2, np.float32), np.array(["a"], object)
    made.check({"x": x.astype(">f4"), "s": s})
    made.check({"x": x, "s": s})
    assert made.known((x, s), {}) is None
    assert made.known((x, np.array([1], object)), {}) is None


def test_numbers_of_tokens_are_looked_at_each_time() -> None:
    tokens = {"ids": {"size": 10, "masked": False}}
    metadata = {"archonnx.version": "1", "archonnx.tokens": json.dumps(tokens)}
    specs = [Spec("ids", "int64", ("N",))]
    made = Contract(ModelFile("m.onnx", ir_version=10, inputs=specs, metadata=metadata))
    made.check({"ids": Y})
    assert made.known((Y + 9,), {}) is not None
    with pytest.raises(InputError, match=r"10 at \[0\] .* is outside the vocabulary"):
        made.known((Y + 10,), {})


def test_only_so_many_shapes_are_remembered(two: Contract, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_REMEMBERED", 3)
    for size in range(10):
        two.check({"x": np.zeros((size, 3), np.float32), "y": np.zeros(size, np.int64)})
        assert 1 <= len(two._seen) <= 3


def test_a_session_refuses_after_a_right_call_what_it_refuses_before(make: Any, load: Any) -> None:
    session = load(make({"x": ("float32", ["N", 3])}, "Neg"))
    for _ in range(2):
        assert session(X).shape == (2, 3)
        assert session(x=X).shape == (2, 3)
        with pytest.raises(InputError, match="axis 1 is 3, not 2"):
            session(X[:, :2])
        with pytest.raises(InputError, match="float64"):
            session(X.astype(np.float64))
        with pytest.raises(UsageError, match="no input z"):
            session(z=X)
