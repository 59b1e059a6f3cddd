"""Data to measure a model on, as calls."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from archonnx.contract.diagnostics import UsageError
from archonnx.runtime.contract import Contract
from archonnx.runtime.errors import InputError
from archonnx.runtime.modelfile import read_model
from archonnx.runtime.samples import read_samples

Make = Callable[..., onnx.ModelProto]


def contract(make: Make, **inputs: tuple[str, Any]) -> Contract:
    return Contract(read_model(make(inputs).SerializeToString()))


def test_rows_of_a_mapping_are_calls_of_one_example(make: Make) -> None:
    x = np.arange(12, dtype=np.float32).reshape(4, 3)
    found = read_samples({"x": x}, contract(make, x=("float32", ["N", 3])))
    assert [sample["x"].shape for sample in found] == [(1, 3)] * 4
    assert np.array_equal(np.concatenate([sample["x"] for sample in found]), x)


@pytest.mark.parametrize("axis", ["N", "batch_size", "unk__28", "p2o.DynamicDimension.0", None])
def test_an_axis_of_examples_goes_by_many_names(make: Make, axis: str | None) -> None:
    assert len(read_samples(np.zeros((2, 3), np.float32), contract(make, x=("float32", [axis, 3])))) == 2


@pytest.mark.parametrize("shape", [["T", 3], ["sequence", 3]])
def test_an_axis_of_steps_is_not_cut(make: Make, shape: list[Any]) -> None:
    (found,) = read_samples(np.zeros((4, 3), np.float32), contract(make, x=("float32", shape)))
    assert found["x"].shape == (4, 3)


def test_a_vector_is_one_call(make: Make) -> None:
    (found,) = read_samples(np.zeros(16_000, np.float32), contract(make, x=("float32", ["N"])))
    assert found["x"].shape == (16_000,)


@pytest.mark.parametrize("shape", [(6, 3), (3, 2, 3)])
def test_a_fixed_batch_is_cut_into_its_own_size_or_unstacked(make: Make, shape: tuple[int, ...]) -> None:
    x = np.arange(18, dtype=np.float32).reshape(shape)
    found = read_samples({"x": x}, contract(make, x=("float32", [2, 3])))
    assert [sample["x"].shape for sample in found] == [(2, 3)] * 3
    assert np.array_equal(np.concatenate([sample["x"] for sample in found]).ravel(), x.ravel())


def test_inputs_without_examples_go_to_every_call(make: Make) -> None:
    both = contract(make, x=("float32", ["N", 3]), scale=("float32", [3]))
    found = read_samples({"x": np.zeros((2, 3), np.float32), "scale": np.ones(3, np.float32)}, both)
    assert [sample["scale"].shape for sample in found] == [(3,), (3,)]


def test_a_list_of_mappings_is_taken_as_it_is(make: Make) -> None:
    calls = [{"x": np.zeros((n, 3), np.float32)} for n in (1, 5)]
    found = read_samples(calls, contract(make, x=("float32", ["N", 3])))
    assert [sample["x"].shape for sample in found] == [(1, 3), (5, 3)]


@pytest.mark.parametrize("named", [True, False])
def test_a_file_holds_examples(make: Make, tmp_path: Path, named: bool) -> None:
    x = np.ones((2, 3), np.float32)
    path = tmp_path / "x.npz"
    np.savez(path, **({"x": x, "label": np.zeros(2)} if named else {"arr_0": x}))
    assert len(read_samples(path, contract(make, x=("float32", ["N", 3])))) == 2


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ([], "received an empty list"),
        (3.0, "received float"),
        ({"x": np.zeros((0, 3), np.float32)}, "it holds no example"),
        ({"x": np.array([[0, 1, 2], [0, np.nan, np.nan]], np.float32)}, r"input x holds 2 numbers that are NaN \(row 1\)"),
        ({"x": np.array([[np.inf, 1, 2], [0, 0, np.nan]], np.float32)}, r"infinite or NaN \(row 0, and 1 more rows\)"),
        ([{"x": np.array([[0, np.nan, 0]], np.float32)}], r"data\[0\]: input x holds 1 number that is NaN"),
        ({"y": np.zeros((1, 3), np.float32)}, "the model has no input y"),
    ],
)  # fmt: skip
def test_data_that_nothing_can_be_measured_on(make: Make, data: Any, text: str) -> None:
    with pytest.raises(UsageError, match=text):
        read_samples(data, contract(make, x=("float32", ["N", 3])))


def test_arrays_that_do_not_fit(make: Make, tmp_path: Path) -> None:
    one, two = contract(make, x=("float32", ["N", 3])), contract(make, x=("float32", ["N", 3]), y=("float32", ["N", 3]))
    with pytest.raises(InputError, match=r"example 0: input x: expected float32\[N, 3\], received float64"):
        read_samples({"x": np.zeros((2, 3))}, one)
    with pytest.raises(InputError, match="different numbers of examples: x 2, y 3"):
        read_samples({"x": np.zeros((2, 3), np.float32), "y": np.zeros((3, 3), np.float32)}, two)
    with pytest.raises(UsageError, match="the model's inputs are x: float32"):
        read_samples(np.zeros((2, 3), np.float32), two)
    path = tmp_path / "x.npz"
    np.savez(path, z=np.zeros(3))
    with pytest.raises(UsageError, match="holds z; the model's inputs are x"):
        read_samples(path, one)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(InputError, match="or a damaged one"):
        read_samples(path, one)
    path.write_text("no pickle")
    with pytest.raises(InputError, match=r"x\.npz: this is no \.npz file, or a damaged one$"):
        read_samples(path, one)
    np.savez(path, x=np.array([1, None], object))
    with pytest.raises(InputError, match="it holds Python objects, which are refused: reading them could run any code"):
        read_samples(path, one)
    with pytest.raises(UsageError, match=r"expected an \.npz file"):
        read_samples("x.npy", one)
    with pytest.raises(OSError, match=r"missing\.npz"):
        read_samples(tmp_path / "missing.npz", one)


def test_bfloat16_is_looked_at_too(make: Make) -> None:
    import ml_dtypes

    with pytest.raises(UsageError, match="input x holds 1 number that is NaN"):
        read_samples({"x": np.array([[0, np.nan]], ml_dtypes.bfloat16)}, contract(make, x=("bfloat16", ["N", 2])))
