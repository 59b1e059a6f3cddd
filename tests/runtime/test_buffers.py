"""Results written into arrays of the caller: out=, bind(), and what they refuse."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from onnx import TensorProto, helper

from archonnx.contract.diagnostics import UsageError
from archonnx.runtime.errors import InputError

X = np.arange(6, dtype=np.float32).reshape(2, 3)


@pytest.fixture(scope="module")
def neg(make: Any, load: Any) -> Any:
    """y = -x, float32[N, 3]."""
    return load(make({"x": ("float32", ["N", 3])}, "Neg", {"y": ("float32", ["N", 3])}))


@pytest.fixture(scope="module")
def two(make: Any, load: Any) -> Any:
    """minus = -x, size = |x|, both float32[N]."""
    nodes = [helper.make_node("Neg", ["x"], ["minus"]), helper.make_node("Abs", ["x"], ["size"])]
    return load(make({"x": ("float32", ["N"])}, nodes, {"minus": ("float32", ["N"]), "size": ("float32", ["N"])}))


def test_out_is_written_into_and_returned(neg: Any) -> None:
    out = np.full((2, 3), 7, np.float32)
    assert neg(X, out=out) is out
    np.testing.assert_array_equal(out, -X)
    assert neg(x=X + 1, out={"y": out}) is out
    np.testing.assert_array_equal(out, -X - 1)
    np.testing.assert_array_equal(neg(np.asfortranarray(X), out=out), -X)
    np.testing.assert_array_equal(neg([[1, 2, 3]], out=np.empty((1, 3), np.float32)), [[-1, -2, -3]])
    assert asyncio.run(neg.arun(X, out=out)) is out


def test_out_of_some_outputs(two: Any) -> None:
    size = np.empty(2, np.float32)
    found = two(np.array([1, -2], np.float32), out={"size": size})
    assert found.size is size
    assert found.size.tolist() == [1, 2]
    assert found.minus.tolist() == [-1, 2]


@pytest.mark.parametrize(
    ("out", "words"),
    [
        (np.empty((2, 3)), "output y: expected float32[N, 3], received float64[2, 3]"),
        (
            np.empty((2, 3), np.dtype(np.float32).newbyteorder()),
            "output y: expected float32[N, 3], received float32[2, 3], whose bytes are in another order than this machine's",
        ),
        (np.empty((2, 4), np.float32), "output y: expected float32[N, 3], received float32[2, 4]: axis 1 is 3, not 4"),
        (np.empty(6, np.float32), "output y: expected float32[N, 3], received float32[6]: 2 axes, not 1"),
        (np.empty((3, 3), np.float32), "output y: the array has the shape [3, 3], the result [2, 3]"),
        (np.empty((1, 3), np.float32), "output y: the array has the shape [1, 3], the result [2, 3]"),
        (np.empty((3, 2), np.float32).T, "output y: the array is not contiguous; numpy.ascontiguousarray makes one"),
        (np.broadcast_to(np.float32(1), (1, 3)).view(), "output y: the array is "),
        ([[1.0]], "output y: expected an array, float32[N, 3], received list"),
        ({"Y": X.copy()}, "there is no output Y; did you mean y? (the model gives y)"),
        (X, "output y shares memory with input x; give it an array of its own"),
    ],
)
def test_out_that_does_not_fit_is_refused(neg: Any, out: Any, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        neg(X, out=out)
    assert str(caught.value).startswith(f"out: {words}")
    assert "\n" not in str(caught.value)


def test_out_that_is_read_only_is_refused(neg: Any) -> None:
    out = np.empty((2, 3), np.float32)
    out.flags.writeable = False
    with pytest.raises(UsageError, match=r"^out: output y: the array is read-only$"):
        neg(X, out=out)


def test_several_outputs_need_names_and_memory_of_their_own(two: Any) -> None:
    x, both = np.zeros(2, np.float32), np.zeros(3, np.float32)
    with pytest.raises(UsageError, match=r'^out= takes arrays by name, as the model gives several: out={"minus": '):
        two(x, out=both)
    with pytest.raises(UsageError, match=r"^out: output minus shares memory with output size; "):
        two(x, out={"minus": both[:2], "size": both[1:]})


def test_an_input_of_that_name_is_that_input(make: Any, load: Any) -> None:
    session = load(make({"out": ("float32", ["N"])}, "Neg"))
    assert session(out=[1]).tolist() == [-1]


def test_strings_have_no_buffers(make: Any, load: Any) -> None:
    session = load(make({"s": ("string", ["N"])}, "Identity", {"y": ("string", ["N"])}))
    with pytest.raises(UsageError, match=r"^out: output y is string\[N\], which is not written into an array$"):
        session(["a"], out=np.empty(1, object))
    with pytest.raises(UsageError, match=r"^input s is string\[N\]: it cannot be bound"):
        session.bind(["a"])


def test_outputs_that_no_node_computes_are_written_too(make: Any, load: Any) -> None:
    """An input that is passed on, and a constant."""
    nodes = [helper.make_node("Identity", ["x"], ["same"]), helper.make_node("Identity", ["w"], ["fixed"])]
    outputs = {"same": ("float32", ["N"]), "fixed": ("float32", [2])}
    weight = helper.make_tensor("w", TensorProto.FLOAT, [2], [3.0, 4.0])
    session = load(make({"x": ("float32", ["N"])}, nodes, outputs, initializers=[weight]))
    out = {"same": np.zeros(3, np.float32), "fixed": np.zeros(2, np.float32)}
    session(np.array([1, 2, 3], np.float32), out=out)
    assert out["same"].tolist() == [1, 2, 3]
    assert out["fixed"].tolist() == [3, 4]


def test_types_that_numpy_does_not_know(make: Any, load: Any) -> None:
    session = load(make({"x": ("bfloat16", ["N"])}, "Identity", {"y": ("bfloat16", ["N"])}))
    x = np.array([1, -2.5], ml_dtypes.bfloat16)
    out = np.zeros(2, ml_dtypes.bfloat16)
    assert session(x, out=out) is out
    assert out.tolist() == x.tolist()


def test_a_bound_session_reads_and_writes_the_same_arrays(neg: Any) -> None:
    x = X.copy()
    bound = neg.bind(x)
    assert bound.inputs.x is x
    first = bound()
    np.testing.assert_array_equal(first, -X)
    x += 10
    assert bound() is first is bound.outputs.y
    np.testing.assert_array_equal(first, -X - 10)
    out = np.empty((2, 3), np.float32)
    assert neg.bind(x, out=out)() is out
    np.testing.assert_array_equal(out, -x)


def test_what_is_no_array_is_converted_once(neg: Any, two: Any) -> None:
    bound = neg.bind([[1, 2, 3]])
    assert bound().tolist() == [[-1, -2, -3]]
    bound.inputs.x[...] = 5
    assert bound().tolist() == [[-5, -5, -5]]
    found = two.bind([1, -2])()
    assert (found.minus.tolist(), found.size.tolist()) == ([-1, 2], [1, 2])


def test_binding_refuses_what_a_call_refuses(neg: Any) -> None:
    with pytest.raises(InputError, match="axis 1 is 3, not 2"):
        neg.bind(X[:, :2])
    with pytest.raises(UsageError, match=r"^out: output y: the array has the shape"):
        neg.bind(X, out=np.empty((1, 3), np.float32))


def test_numbers_of_tokens_are_looked_at_in_each_call(make: Any, load: Any) -> None:
    metadata = {"archonnx.version": "1", "archonnx.tokens": json.dumps({"ids": {"size": 10, "masked": False}})}
    ids = np.array([9])
    bound = load(make({"ids": ("int64", ["N"])}, "Neg", {"y": ("int64", ["N"])}, metadata=metadata)).bind(ids)
    ids[0] = 10
    with pytest.raises(InputError, match="is outside the vocabulary"):
        bound()


def test_a_closed_session_is_closed_to_what_was_bound(make: Any, load: Any) -> None:
    session = load(make({"x": ("float32", ["N"])}, "Neg", {"y": ("float32", ["N"])}))
    bound = session.bind([1])
    session.close()
    with pytest.raises(UsageError, match="the session is closed"):
        bound()


def test_an_output_that_is_an_input_is_bound_to_an_array_of_its_own(make: Any, load: Any) -> None:
    value = ("float32", ["N", 3])
    session = load(make({"x": value}, [helper.make_node("Neg", ["x"], ["y"])], {"x": value, "y": value}))
    bound = session.bind(X.copy())
    bound.inputs.x[:] += 1
    found = bound()
    np.testing.assert_array_equal(found.x, X + 1)
    np.testing.assert_array_equal(found.y, -X - 1)
    assert not np.shares_memory(found.x, bound.inputs.x)


def test_results_that_are_none_of_the_declared_ones_are_not_bound(make: Any, load: Any) -> None:
    """Where a loop has no round, onnxruntime gives what it collects one axis."""
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in ("sum", "more", "each")]
    flags = [helper.make_tensor_value_info(name, TensorProto.BOOL, []) for name in ("before", "after")]
    count = helper.make_tensor_value_info("i", TensorProto.INT64, [])
    body = [
        helper.make_node("Identity", ["before"], ["after"]),
        helper.make_node("Add", ["sum", "x"], ["more"]),
        helper.make_node("Identity", ["more"], ["each"]),
    ]
    graph = helper.make_graph(body, "body", [count, flags[0], values[0]], [flags[1], *values[1:]])
    loop = helper.make_node("Loop", ["n", "", "x"], ["total", "y"], body=graph)
    inputs = {"x": ("float32", ["N"]), "n": ("int64", [])}
    session = load(make(inputs, [loop], {"y": ("float32", [None, "N"])}))
    assert session.bind(X[0], 2)().shape == (2, 3)
    reason = r"output y is float32\[\?, N\], and float32\[0\] in this run: it cannot be bound; call without bind\(\)"
    with pytest.raises(UsageError, match=reason):
        session.bind(X[0], 0)


def test_what_may_be_no_array_is_not_bound(load: Any) -> None:
    value = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N"])
    several = helper.make_sequence_type_proto(helper.make_tensor_type_proto(TensorProto.FLOAT, None))
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N"]), helper.make_value_info("s", several)]
    nodes = [helper.make_node("Neg", ["x"], ["y"]), helper.make_node("SequenceConstruct", ["x"], ["s"])]
    graph = helper.make_graph(nodes, "g", [value], outputs)
    session = load(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8))
    assert session(X[0]).s[0].tolist() == X[0].tolist()
    for call in (lambda: session.bind(X[0]), lambda: session(X[0], out={"y": np.empty(3, np.float32)})):
        with pytest.raises(UsageError, match=r"^output s is sequence\(float32.*\): it cannot be bound; call without"):
            call()
