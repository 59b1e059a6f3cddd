"""The .h5 of Keras 1 and 2 as it is written: read back bit for bit, and by Keras."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from archonnx.compiler.weights.files.base import Entry, Tensor, TensorFileError
from archonnx.compiler.weights.files.formats import format_to_write, open_tensors, write_tensors
from archonnx.compiler.weights.files.keras_h5 import open_keras
from archonnx.compiler.weights.files.keras_legacy import FORMAT
from archonnx.compiler.weights.recipe import numpy_dtype

pytest.importorskip("h5py", reason="Keras' files are HDF5")

DTYPES = sorted(FORMAT.holds)


def write(arrays: dict[str, np.ndarray], path: Path) -> None:
    def tensor(dtype: str, a: np.ndarray) -> Tensor:
        flat = a.reshape(-1)
        return Tensor(Entry(dtype, a.shape), lambda: iter([flat[i : i + 5] for i in range(0, flat.size, 5)]))

    names = {numpy_dtype(d): d for d in DTYPES}
    write_tensors(path, {n: tensor(names[a.dtype], a) for n, a in arrays.items()})


def load(path: Path) -> dict[str, np.ndarray]:
    with open_keras(path, tried=True) as tensors:
        return {name: tensors.whole(name) for name in tensors.entries}


def random_array(dtype: str, shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    data = np.random.default_rng(seed).integers(0, 256, int(np.prod(shape)) * numpy_dtype(dtype).itemsize, np.uint8)
    return ((data & 1).astype(bool) if dtype == "bool" else data.view(numpy_dtype(dtype))).reshape(shape)


words = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="/\0"), min_size=1, max_size=9)
words = words.filter(lambda w: w != "." and not w.endswith(":0"))
# Three words or one: no name then leads through another.
names = st.one_of(words.map("-{}".format), st.tuples(words, words, words).map("/".join))
shapes = st.lists(st.integers(0, 5), max_size=4).map(tuple)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(names, st.tuples(st.sampled_from(DTYPES), shapes, st.integers(0, 99)), max_size=5))
def test_what_is_written_reads_back_bit_for_bit(tmp_path: Path, what: dict[str, Any]) -> None:
    arrays = {name: random_array(*each) for name, each in what.items()}
    write(arrays, tmp_path / "w.h5")
    ours = load(tmp_path / "w.h5")
    assert set(ours) == set(arrays)
    for name, array in arrays.items():
        assert ours[name].dtype == array.dtype
        assert ours[name].shape == array.shape
        assert ours[name].tobytes() == array.tobytes()


def test_thousands_of_names_are_held(tmp_path: Path) -> None:
    arrays = {f"block/{'x' * 40}_{i}/kernel": np.float32([i]) for i in range(2500)}
    write(arrays, tmp_path / "w.h5")
    assert {n: a.tolist() for n, a in load(tmp_path / "w.h5").items()} == {n: a.tolist() for n, a in arrays.items()}


def test_keras_reads_it_by_name(tmp_path: Path) -> None:
    keras = pytest.importorskip("keras", reason="Keras is the oracle")
    x = start = keras.Input((5, 3))
    for layer in (
        keras.layers.Conv1D(4, 2, name="c"),
        keras.layers.BatchNormalization(name="n"),
        keras.layers.Dense(2),
    ):
        x = layer(x)
    model = keras.Model(start, x)
    wanted = {w.path: random_array("uint8", tuple(w.shape), i).astype("f4") for i, w in enumerate(model.weights)}
    write(wanted, tmp_path / "w.h5")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Keras advises against its older format
        model.load_weights(tmp_path / "w.h5", by_name=True)
    for weight in model.weights:
        assert np.array_equal(weight.numpy(), wanted[weight.path]), weight.path


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["a//b"], "HDF5 has no place for the name 'a//b'; nothing was written"),
        ([""], "HDF5 has no place for the name ''"),
        (["a/."], "HDF5 has no place for the name 'a/.'"),
        (["a\0"], "HDF5 has no place for the name 'a\\x00'"),
        (["a/b:0"], "Keras would read the name 'a/b:0' as another"),
        (["top_level_model_weights/b"], "Keras would read the name"),
        (["a/b", "a/b/c"], "'a/b' cannot be a tensor and hold others"),
    ],
)
def test_names_that_are_not_held_are_refused(names: list[str], message: str, tmp_path: Path) -> None:
    with pytest.raises(TensorFileError) as caught:
        write({name: np.ones(1, np.float32) for name in names}, tmp_path / "w.h5")
    assert message in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_more_axes_than_hdf5_has_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TensorFileError, match="HDF5 has at most 32 axes, 'a' has 33"):
        write({"a": np.ones((1,) * 33, np.float32)}, tmp_path / "w.h5")


def test_models_are_read_and_not_written(tmp_path: Path) -> None:
    with pytest.raises(TensorFileError, match="is read, not written"):
        format_to_write(tmp_path / "w.keras")
    assert format_to_write(tmp_path / "w.weights.h5").name == "keras-weights"
    write({"a/b": np.ones(2, np.float32)}, tmp_path / "w.h5")
    with open_tensors(tmp_path / "w.h5") as tensors:
        assert tensors.entries == {"a/b": Entry("float32", (2,))}
