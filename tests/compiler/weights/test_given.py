"""Weights from elsewhere: recipes of files and arrays stand in for what initializers draw, in everything made of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import numpy_helper

import archonnx
from archonnx.compiler.recipes import Constant, Evaluation, FileTensor, Sum, concatenate
from archonnx.compiler.weights.files.base import Entry, Tensor
from archonnx.compiler.weights.files.formats import open_tensors, write_tensors

TEXT = """\
model Small():
    input image: float32[N, 8, 8, 3]
    Conv2D(4, 3, padding="same")
    BatchNormalization()
    GlobalAveragePooling2D()
    Dense(5)
    output logits
"""


def write(path: Path, arrays: dict[str, Any]) -> Path:
    """The arrays as a file of weights."""
    tensors = {
        name: Tensor(Entry(a.dtype.name, a.shape), lambda a=a: iter([a.reshape(-1)])) for name, a in arrays.items()
    }
    write_tensors(path, tensors, {})
    return path


def random_weights(model: archonnx.CompiledModel) -> dict[str, Any]:
    rng = np.random.default_rng(3)
    return {w.path: rng.uniform(0.5, 1.5, w.shape).astype(w.dtype) for w in model.graph.weights()}


def test_the_weights_of_a_file_are_those_of_the_model_that_is_saved(tmp_path: Path) -> None:
    model = archonnx.compile(text=TEXT)
    arrays = random_weights(model)
    report = model.with_weights(write(tmp_path / "w.safetensors", arrays)).save(tmp_path / "m.onnx", optimization=1)
    assert report.weights == "given"
    proto = onnx.load(tmp_path / "m.onnx")
    stored = {t.name: numpy_helper.to_array(t) for t in proto.graph.initializer}
    assert np.array_equal(stored["conv2d/kernel"].transpose(2, 3, 1, 0), arrays["conv2d/kernel"])
    for name in ("conv2d/bias", "batch_normalization/moving_variance", "dense/kernel", "dense/bias"):
        assert np.array_equal(stored[name].reshape(-1), arrays[name].reshape(-1)), name


def test_what_is_given_of_some_weights_leaves_the_others_as_drawn(tmp_path: Path) -> None:
    model = archonnx.compile(text=TEXT)
    some = model.with_given({"dense/kernel": Constant(np.full((4, 5), 2, "float32"))})
    before, after = model.values(seed=4), some.values(seed=4)
    assert after.pop("dense/kernel").max() == 2
    assert before.pop("dense/kernel").max() < 2
    assert all(np.array_equal(before[path], after[path]) for path in before)
    report = some.save(tmp_path / "m.onnx")
    assert report.weights == "partial"
    assert archonnx.load(tmp_path / "m.onnx").initial_weights
    assert model.save(tmp_path / "n.onnx").weights == "initial"


@pytest.mark.parametrize(
    ("recipes", "said"),
    [
        ({"dens/kernel": np.zeros((4, 5), "float32")}, "the model Small has no weight dens/kernel"),
        ({"dense/kernel": np.zeros((5, 4), "float32")}, r"dense/kernel is float32\[4, 5\], got float32\[5, 4\]"),
        ({"dense/kernel": np.zeros((4, 5), "float64")}, r"dense/kernel is float32\[4, 5\], got float64\[4, 5\]"),
    ],
)
def test_what_is_given_has_to_be_a_weight(recipes: dict[str, Any], said: str) -> None:
    with pytest.raises(archonnx.UsageError, match=said):
        archonnx.compile(text=TEXT).with_given({path: Constant(a) for path, a in recipes.items()})


def test_the_seed_of_values_is_checked() -> None:
    with pytest.raises(archonnx.UsageError, match="seed is a whole number"):
        archonnx.compile(text=TEXT).values(seed=-1)


@given(
    shape=st.lists(st.integers(1, 6), min_size=1, max_size=4).map(tuple),
    slice_bytes=st.sampled_from([4, 16, 64, 1 << 20]),
    data=st.data(),
)
def test_a_tensor_of_a_file_is_read_alike_in_slices_of_any_size(
    shape: tuple[int, ...], slice_bytes: int, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    array = np.arange(np.prod(shape), dtype="int32").reshape(shape)
    path = write(tmp_path_factory.mktemp("file") / "w.npz", {"w": array})
    perm = data.draw(st.permutations(range(len(shape))))
    with open_tensors(path) as file:
        recipe = FileTensor(file, "w")
        evaluation = Evaluation(0, slice_bytes=slice_bytes)
        streamed = b"".join(map(bytes, recipe.transpose(perm).iter_bytes(evaluation)))
        assert streamed == array.transpose(perm).tobytes()
        joined = concatenate([recipe[::-1], recipe], 0)
        assert np.array_equal(joined.whole(evaluation), np.concatenate([array[::-1], array]))
        assert np.array_equal(Sum([recipe, recipe]).transpose(perm).whole(evaluation), 2 * array.transpose(perm))


def test_what_does_not_add_is_refused() -> None:
    with pytest.raises(ValueError, match=r"float32\[2\] and float32\[3\] do not add"):
        Sum([Constant(np.zeros(2, "float32")), Constant(np.zeros(3, "float32"))])
