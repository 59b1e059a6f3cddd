""".weights.h5 written so that Keras loads it, and weights of Keras in several files."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from file_tensors import read_all, same, tensors

from archonnx.cli import main
from archonnx.compiler.weights.files.base import TensorFileError
from archonnx.compiler.weights.files.formats import open_tensors, tensors_of, write_tensors
from archonnx.compiler.weights.files.keras_like import placed
from archonnx.compiler.weights.recipe import Array

h5py = pytest.importorskip("h5py", reason="Keras' files are HDF5")
keras = pytest.importorskip("keras", reason="Keras is the oracle")
Output = pytest.CaptureFixture[str]


def model() -> Any:
    """A model with layers within layers, names of one's own, and a generator's state."""
    keras.utils.clear_session(free_memory=False)
    k = keras.layers
    x = start = keras.Input((6, 6, 2))
    for layer in (
        k.Conv2D(3, 3, name="stem"),
        k.BatchNormalization(),
        k.Conv2D(4, 1),
        k.Dropout(0.5),
        k.Reshape((16, 4)),
        k.Bidirectional(k.LSTM(2, return_sequences=True), name="both"),
        k.RNN([k.GRUCell(3), k.SimpleRNNCell(2)], return_sequences=True),
    ):
        x = layer(x)
    x = k.MultiHeadAttention(2, 3)(x, x)
    x = keras.Sequential([k.Dense(3), k.Dense(4, use_bias=False)], name="inner")(x)
    return keras.Model(start, k.Dense(2)(x))


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Array]]:
    """A folder with the model's files, and its weights by path."""
    folder = tmp_path_factory.mktemp("model")
    first = model()
    random = np.random.default_rng(0)
    first.set_weights([random.standard_normal(w.shape) for w in first.weights])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Keras' own, as it saves
        first.save(folder / "m.keras")
        first.save_weights(folder / "m.weights.h5")
        first.save_weights(folder / "s.weights.json", max_shard_size=400 / 1024**3)
    return folder, {w.path: w.numpy() for w in first.weights}


def loads(path: Path, expected: dict[str, Array]) -> None:
    fresh = model()
    fresh.load_weights(path)
    assert {w.path for w in fresh.weights} == expected.keys()
    for weight in fresh.weights:
        assert np.array_equal(weight.numpy(), expected[weight.path]), weight.path


@pytest.mark.parametrize("source", ["m.keras", "m.weights.h5", "s.weights.json"])
def test_files_of_keras_3_become_one_that_keras_loads(
    source: str, saved: tuple[Path, dict[str, Array]], tmp_path: Path
) -> None:
    folder, expected = saved
    assert main(["weights", "convert", str(folder / source), str(tmp_path / "out.weights.h5")]) == 0
    loads(tmp_path / "out.weights.h5", expected)


def test_tensors_from_elsewhere_take_the_places_of_a_model(
    saved: tuple[Path, dict[str, Array]], tmp_path: Path, capsys: Output
) -> None:
    folder, expected = saved
    other = {name: array + 1 for name, array in expected.items()}
    write_tensors(tmp_path / "in.safetensors", tensors(other))
    argv = ["weights", "convert", str(tmp_path / "in.safetensors"), str(tmp_path / "out.weights.h5")]
    assert main(argv) == 1
    said = capsys.readouterr().err
    assert "does not say its place among Keras' groups; --like MODEL.keras takes it from a file of the model" in said
    assert said.count("\n") == 1
    assert not (tmp_path / "out.weights.h5").exists()
    assert main([*argv, "--like", str(folder / "m.keras")]) == 0
    loads(tmp_path / "out.weights.h5", other)


def without(name: str) -> Callable[[dict[str, Array]], object]:
    return lambda arrays: arrays.pop(name)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (without("stem/kernel"), "it has stem/kernel, which are not given"),
        (lambda arrays: arrays.update(more=np.zeros(2)), "given are more, which it does not have"),
        (
            lambda arrays: arrays.update({"stem/bias": np.zeros(9)}),
            r"'stem/bias' is float32\[3\] in it, given is float64\[9\]",
        ),
        (dict.clear, r"and \d+ more, which are not given"),
    ],
)
def test_a_model_that_is_another(
    change: Callable[[dict[str, Array]], object], said: str, saved: tuple[Path, dict[str, Array]]
) -> None:
    folder, arrays = saved[0], dict(saved[1])
    change(arrays)
    with open_tensors(folder / "m.keras") as like, pytest.raises(TensorFileError, match=said):
        placed(tensors(arrays), like)


def test_a_model_without_groups(saved: tuple[Path, dict[str, Array]], tmp_path: Path, capsys: Output) -> None:
    source = str(saved[0] / "m.keras")
    write_tensors(tmp_path / "a.npz", tensors({"w": np.zeros(2)}))
    assert main(["weights", "convert", source, str(tmp_path / "b.weights.h5"), "--like", str(tmp_path / "a.npz")]) == 1
    assert "a.npz: it is no .keras or .weights.h5, so it says nothing of Keras' groups" in capsys.readouterr().err
    assert main(["weights", "convert", source, str(tmp_path / "b.npz"), "--like", source]) == 2
    assert "it is for files that end with .weights.h5" in capsys.readouterr().err


def test_every_type_comes_through(tmp_path: Path) -> None:
    ml_dtypes = pytest.importorskip("ml_dtypes")
    random = np.random.default_rng(0)
    dtypes = ["float16", "float32", "float64", "int8", "int64", "uint16", "bool", ml_dtypes.bfloat16]
    with h5py.File(tmp_path / "a.weights.h5", "w") as file:
        for i, dtype in enumerate(dtypes):
            array = random.normal(size=(3, 2)).astype(dtype)
            name = f"layers/own_{i}/vars/0"
            file[name] = array if i < 7 else array.view("V2")
            if i == 7:
                file[name].attrs["dtype"] = "bfloat16"
        file["layers/own/vars/0"], file["layers/none/vars/0"] = np.float32(3), np.zeros((0, 2), np.float32)
    with open_tensors(tmp_path / "a.weights.h5") as source:
        write_tensors(tmp_path / "b.weights.h5", tensors_of(source))
    one, other = read_all(tmp_path / "a.weights.h5"), read_all(tmp_path / "b.weights.h5")
    assert len(one) == 10
    assert one.keys() == other.keys()
    assert all(same(one[name], other[name]) for name in one)


def test_weights_in_several_files_read_as_those_in_one(saved: tuple[Path, dict[str, Array]]) -> None:
    folder, _ = saved
    places = json.loads((folder / "s.weights.json").read_text())["weight_map"].values()
    assert any(isinstance(files, list) for files in places)  # a layer whose variables stand in two files
    one, several = read_all(folder / "m.weights.h5"), read_all(folder / "s.weights.json")
    assert one.keys() == several.keys()
    assert all(same(one[name], several[name]) for name in one)
    with open_tensors(folder / "s.weights.json") as file:
        assert file.format == "keras-index"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "it is no JSON"),
        ("[]", "it has no weight_map"),
        ({"weight_map": {"/layers/dense/vars": 3}}, "to what are no names of files"),
        ({"weight_map": {"/layers/dense/vars": ["../a.weights.h5"]}}, "the index' own folder"),
        ({"weight_map": {"/layers/dense/vars": "gone.weights.h5"}}, "there is no gone.weights.h5 beside it"),
        ({"weight_map": {"/layers/dense/vars": "text.weights.h5"}}, "text.weights.h5: it is no HDF5 file"),
        ({"weight_map": {"/layers/lost/vars": "a.weights.h5"}}, "it names the group '/layers/lost/vars', which its"),
        ({"weight_map": {"/layers/dense/vars": ["a.weights.h5", "b.weights.h5"]}}, "vars/0 stands in two files"),
    ],
)
def test_an_index_that_is_wrong(content: Any, said: str, tmp_path: Path) -> None:
    for name in ("a", "b"):
        with h5py.File(tmp_path / f"{name}.weights.h5", "w") as file:
            file["layers/dense/vars/0"] = np.zeros(2)
    (tmp_path / "text.weights.h5").write_text("text")
    path = tmp_path / "m.weights.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    with pytest.raises(TensorFileError, match=said) as caught:
        open_tensors(path)
    assert "\n" not in str(caught.value)
