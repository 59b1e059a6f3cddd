"""What is asked for with `buckets=`: what is wrong with it is said, with what is right."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from behind import drawn, graph_of, n
from onnx import TensorProto, helper

from archonnx.contract.diagnostics import UsageError
from archonnx.runtime.loading import load
from archonnx.runtime.padding.declared import Buckets, read_buckets

MODEL = graph_of([n("Softmax", "hidden", "y")]).SerializeToString()


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ([32], r"buckets names the input that is the mask, with the sizes .* received \[32\]"),
        ({}, r"buckets names the input .* received \{\}"),
        ({"a": [1], "b": [2]}, "buckets names the input"),
        ({"mask": []}, "buckets names the input"),
        ({3: [4]}, "buckets names the input"),
        ({"mask": [0, 4]}, "a size is a whole number of tokens of at least 1 and at most 2147483647, received 0"),
        ({"mask": [4, -8]}, "received -8"),
        ({"mask": [4, 8.0]}, r"received 8\.0"),
        ({"mask": [True]}, "received True"),
        ({"mask": ["4"]}, "received '4'"),
        ({"mask": [8, 4]}, r"sizes rise, and each is there once: \[4, 8\]; received \[8, 4\]"),
        ({"mask": [4, 4]}, r"each is there once: \[4\]; received \[4, 4\]"),
        ({"mask": 2**31}, "received 2147483648"),
    ],
)
def test_sizes_that_are_none_are_refused(asked: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        load(MODEL, "cpu", buckets=asked)


def test_sizes_are_read() -> None:
    assert read_buckets(None) is None
    assert read_buckets({"mask": 8}) == Buckets("mask", (8,))
    assert read_buckets({"mask": (4, 8)}) == Buckets("mask", (4, 8))
    assert read_buckets({"mask": [np.int64(4), np.int32(8)]}) == Buckets("mask", (4, 8))
    assert str(Buckets("mask", (4, 8))) == "mask=4,8"


def test_an_input_that_is_not_there_is_told_with_those_that_are() -> None:
    with pytest.raises(UsageError, match=r"has no input masks; did you mean mask\? \(its inputs are given: float32"):
        load(MODEL, "cpu", buckets={"masks": [4]})


def _small(inputs: dict[str, tuple[int, list[Any]]]) -> bytes:
    graph = helper.make_graph(
        [n("Identity", next(iter(inputs)), "y")],
        "graph",
        [helper.make_tensor_value_info(name, *type_) for name, type_ in inputs.items()],
        [helper.make_tensor_value_info("y", *next(iter(inputs.values())))],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10).SerializeToString()


@pytest.mark.parametrize(
    ("type_", "message"),
    [
        (
            (TensorProto.STRING, ["B", "T"]),
            r"buckets: input mask: string\[B, T\] is no mask: a mask is a tensor of boo",
        ),
        ((TensorProto.INT64, []), r"input mask: int64\[\] is no mask"),
        ((TensorProto.INT64, ["B", 16]), r"axis 1 of input mask: int64\[B, 16\] is always 16: nothing can be padded"),
    ],
)
def test_an_input_that_can_be_no_mask_is_refused(type_: tuple[int, list[Any]], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        load(_small({"mask": type_}), "cpu", buckets={"mask": [4]})


def test_tokens_are_no_mask() -> None:
    import archonnx

    source = "model M():\n    input ids: int64[B, T]\n    output y = ids -> Embedding(9, 2)\n"
    with pytest.raises(UsageError, match=r"buckets: input ids: int64.* holds numbers of tokens, of which there are 9"):
        load(archonnx.compile(text=source), "cpu", buckets={"ids": [4]})


def test_numbers_that_are_given_for_a_mask_and_are_none_run_in_their_exact_shape() -> None:
    """Nobody can tell at load that `ids` is no mask; each call tells."""
    session = load(graph_of([n("Cast", "ids", "y", to=1)]).SerializeToString(), "cpu", buckets={"ids": [4, 8]})
    feeds = drawn(np.random.default_rng(0), 2, 3)
    feeds["ids"][:] = 5
    assert session(feeds).tolist() == [[5.0] * 3] * 2
    assert session.padding is not None
    assert session.padding.padded == 0


def test_axes_without_names_are_those_in_the_same_place() -> None:
    inputs = {"x": (TensorProto.FLOAT, [None, None, 3]), "mask": (TensorProto.BOOL, [None, None])}
    session = load(_small(inputs), "cpu", buckets={"mask": [4]})
    x, mask = np.ones((2, 3, 3), np.float32), np.ones((2, 3), bool)
    assert session(x, mask).shape == (2, 3, 3)
    assert session.padding is not None
    assert session.padding.padded == 1
    assert session(np.ones((2, 5, 3), np.float32), mask).shape == (2, 5, 3)  # lengths that differ are its own business
    assert session.padding.whole == {"its inputs hold different numbers of tokens or rows, or none": 1}


def test_a_mask_whose_axis_is_computed_of_others_is_not_padded_alone() -> None:
    inputs = {"x": (TensorProto.FLOAT, ["B", "T"]), "mask": (TensorProto.BOOL, ["B", "T + P"])}
    session = load(_small(inputs), "cpu", buckets={"mask": [4]})
    assert session.padding is not None
    assert session.padding.why is not None


def test_a_model_in_stages_is_refused() -> None:
    from archonnx.runtime.settings import Settings
    from archonnx.runtime.sharding.opening import _check_asked

    with pytest.raises(UsageError, match="buckets of mask: the proof is about whole models"):
        _check_asked(Settings(buckets=Buckets("mask", (4,))), "m.shards.json")
