"""Files that others made: inputs and outputs by name or order, channels elsewhere, fixed sizes, other types."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import archonnx
from archonnx.verifying.checking import verify
from archonnx.verifying.matching import OtherError

KERNEL = np.random.default_rng(5).normal(size=(4, 3)).astype(np.float32)
Names = Callable[..., Path]


@pytest.fixture
def other(tmp_path: Path) -> Names:
    """Writes y = x @ kernel under names and sizes of choice."""

    def write(
        x: str = "x", y: str = "y", batch: int | str = "B", dtype: int = TensorProto.FLOAT, rank: int = 2
    ) -> Path:
        shape = [batch, *[1] * (rank - 2), 4]
        nodes = [
            helper.make_node("Cast", [x], ["cast"], to=TensorProto.FLOAT),
            helper.make_node("MatMul", ["cast", "k"], [y]),
        ]
        graph = helper.make_graph(
            nodes,
            "other",
            [helper.make_tensor_value_info(x, dtype, shape)],
            [helper.make_tensor_value_info(y, TensorProto.FLOAT, [*shape[:-1], 3])],
            [numpy_helper.from_array(KERNEL, "k")],
        )
        path = tmp_path / "other.onnx"
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)
        return path

    return write


def dense(kernel: Any = KERNEL, dtype: str = "float32") -> archonnx.CompiledModel:
    cast = "" if dtype == "float32" else "cast(x, float32) -> "
    flow = f"{cast or 'x -> '}Dense(3, use_bias=False)"
    model = archonnx.compile(text=f"model A():\n    input x: {dtype}[N, 4]\n    output y = {flow}\n")
    return model.with_weights({"dense/kernel": kernel})


def test_inputs_and_outputs_of_the_same_names(other: Names) -> None:
    report = verify(dense(), against=other())
    assert report.agrees
    assert report.notes == []
    assert [run["N"] for run in report.runs] == [1, 2, 5]
    assert set(report.times) == {"archonnx", "other.onnx"}


def test_other_names_are_matched_by_order_and_that_is_said(other: Names) -> None:
    report = verify(dense(), against=other("input_1", "Identity:0"))
    assert report.agrees
    assert report.notes == [
        "inputs are matched by order, as their names differ: x = input_1",
        "outputs are matched by order, as their names differ: y = Identity:0",
    ]


def test_a_file_of_one_batch_is_run_with_that_batch(other: Names) -> None:
    report = verify(dense(), against=other(batch=3))
    assert report.agrees
    assert report.runs == [{"N": 3}]


def test_whole_numbers_of_another_width_are_cast(other: Names) -> None:
    assert verify(dense(dtype="int32"), against=other(dtype=TensorProto.INT64)).agrees


def test_other_weights_are_a_difference(other: Names) -> None:
    report = verify(dense(KERNEL + 1), against=other())
    assert not report.agrees
    assert report.pairs[0].found is not None
    assert report.pairs[0].found.message.startswith("dense: ")


def test_other_weights_of_a_convolution_are_an_error_and_no_other_shape(tmp_path: Path) -> None:
    text = "model A():\n    input x: float32[N, 8, 8, 3]\n    Conv2D(5, 3)\n    Flatten()\n    Dense(2)\n    output y\n"
    archonnx.compile(text=text).save(tmp_path / "other.onnx", seed=1)
    found = verify(archonnx.compile(text=text), against=tmp_path / "other.onnx").pairs[0].found
    assert found is not None
    assert re.match(r"conv2d: .* part at this Conv2D: error [0-9.]+, tolerance 0.0001$", found.message)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("input x: float32[N, 4]\n    input z: float32[N, 4]\n    output y = x + z", "with as many inputs"),
        ("input a: float32[N, 4, 4]\n    output y = a", "a and x have 3 and 2 axes"),
        ("input x: float32[N, 4]\n    output y = x\n    output z = x + x", "with as many outputs"),
    ],
)
def test_what_cannot_be_compared_is_said_in_a_line(text: str, message: str, other: Names) -> None:
    with pytest.raises(OtherError, match=message) as caught:
        verify(archonnx.compile(text=f"model A():\n    {text}\n"), against=other())
    assert "\n" not in str(caught.value)
    assert "other.onnx" in str(caught.value)


def test_an_image_whose_channels_come_first(tmp_path: Path) -> None:
    text = "model A():\n    input image: float32[N, 9, 8, 3]\n    Conv2D(4, 3)\n    GlobalAveragePooling2D()\n    output y\n"
    model = archonnx.compile(text=text)
    kernel = model.values()["conv2d/kernel"]
    nodes = [
        helper.make_node("Conv", ["image", "w"], ["c"]),
        helper.make_node("GlobalAveragePool", ["c"], ["p"]),
        helper.make_node("Flatten", ["p"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "other",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["B", 3, 9, 8])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["B", 4])],
        [numpy_helper.from_array(np.ascontiguousarray(kernel.transpose(3, 2, 0, 1)), "w")],
    )
    path = tmp_path / "torch.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)
    report = verify(model, against=path)
    assert report.agrees
    assert report.notes == ["torch.onnx has the channels of image elsewhere: its axes are moved for it"]
    assert report.ledger is not None
    account = report.ledger.accounts[-1]
    assert (account.side, account.total) == ("torch.onnx", 108)
    assert [item.label for item in account.items] == ["biases not found by what they hold"]
    wrong = verify(model.with_weights({**model.values(), "conv2d/kernel": kernel * 2}), against=path)
    assert wrong.pairs[0].found is not None
    assert wrong.pairs[0].found.message.startswith("conv2d: ")


def test_data_beside_the_other_file_comes_along(tmp_path: Path) -> None:
    model = archonnx.compile(
        text="model A():\n    input x: float32[N, 64]\n    Dense(64)\n    Dense(32)\n    output y\n"
    )
    model.save(tmp_path / "plain.onnx")
    loaded = onnx.load(tmp_path / "plain.onnx")
    onnx.save(loaded, tmp_path / "split.onnx", save_as_external_data=True, location="split.data", size_threshold=0)
    assert verify(model, against=tmp_path / "split.onnx").agrees
    report = verify(
        model.with_weights({**model.values(), "dense_1/bias": np.ones(32, np.float32)}), against=tmp_path / "split.onnx"
    )
    assert report.pairs[0].found is not None
    assert report.pairs[0].found.message.startswith("dense_1: ")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["plain.onnx", "split.data", "split.onnx"]
