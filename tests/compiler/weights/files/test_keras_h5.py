"""Keras' files: the names and values that Keras itself gives, and files that are damaged or lie."""

from __future__ import annotations

import json
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from archonnx.compiler.weights.files import keras_h5, keras_trial
from archonnx.compiler.weights.files.base import Entry, TensorFileError
from archonnx.compiler.weights.files.keras_h5 import FORMAT
from archonnx.compiler.weights.files.keras_names import Classes, snake

h5py = pytest.importorskip("h5py", reason="Keras' files are HDF5")


def load(path: Path) -> dict[str, np.ndarray]:
    with FORMAT.open(path) as tensors:
        return {name: tensors.whole(name) for name in tensors.entries}


def refused(path: Path) -> str:
    with pytest.raises(TensorFileError) as caught:
        load(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, np.ndarray]]:
    """A model in all of Keras' files, and its weights by path."""
    keras = pytest.importorskip("keras", reason="Keras is the oracle")
    keras.utils.clear_session(free_memory=False)  # names count from the first again, whatever ran before
    k = keras.layers
    x = start = keras.Input((8, 8, 3))
    for layer in (
        k.Normalization(),
        k.Conv2D(4, 3, name="stem"),
        k.BatchNormalization(scale=False),
        k.SeparableConv2D(4, 3),
        k.DepthwiseConv2D(2),
        k.GroupNormalization(2, center=False),
        k.PReLU(),
        k.Conv2DTranspose(4, 1, use_bias=False),
        k.Reshape((9, 4)),
        k.RMSNormalization(),
        k.Bidirectional(k.LSTM(3, return_sequences=True)),
        k.RNN([k.GRUCell(3), k.SimpleRNNCell(2)], return_sequences=True),
        k.TimeDistributed(k.Dense(3, name="timed")),
        k.LayerNormalization(scale=False),
    ):
        x = layer(x)
    x = k.MultiHeadAttention(2, 3)(x, x)
    x = k.GRU(4, use_bias=False)(x)
    x = keras.Sequential([k.Dense(3), k.Dense(4, use_bias=False)], name="inner")(x)
    model = keras.Model(start, k.Dense(2)(k.Dense(2)(x)), name="outer")
    model.compile("sgd", "mse")
    rng = np.random.default_rng(0)
    model.set_weights([rng.standard_normal(w.shape) for w in model.weights])
    folder = tmp_path_factory.mktemp("keras")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Keras advises against its older format
        model.save(folder / "m.keras")
        model.save(folder / "m.h5")
        model.save_weights(folder / "m.weights.h5")
    return folder, {w.path: w.numpy() for w in model.weights}


@pytest.mark.parametrize("file", ["m.keras", "m.h5"])
def test_weights_have_keras_names_and_values(saved: tuple[Path, dict[str, np.ndarray]], file: str) -> None:
    folder, expected = saved
    ours = load(folder / file)
    assert set(ours) == set(expected)
    for name, array in expected.items():
        assert ours[name].dtype == array.dtype
        assert np.array_equal(ours[name], array), name


def test_numbers_stay_where_a_file_without_configuration_leaves_two_readings(
    saved: tuple[Path, dict[str, np.ndarray]],
) -> None:
    folder, expected = saved
    ours = load(folder / "m.weights.h5")
    numbered = {
        "batch_normalization/0": "batch_normalization/beta",
        "batch_normalization/1": "batch_normalization/moving_mean",
        "batch_normalization/2": "batch_normalization/moving_variance",
        "group_normalization/0": "group_normalization/gamma",
        "layer_normalization/0": "layer_normalization/beta",
        "time_distributed/timed/0": "time_distributed/timed/kernel",
        "time_distributed/timed/1": "time_distributed/timed/bias",
    }
    assert {numbered.get(name, name) for name in ours} == set(expected)
    for name, array in ours.items():
        assert np.array_equal(array, expected[numbered.get(name, name)]), name


@pytest.mark.parametrize("file", ["m.keras", "m.weights.h5", "m.h5"])
def test_the_optimizer_is_left_out_and_said(saved: tuple[Path, dict[str, np.ndarray]], file: str) -> None:
    with FORMAT.open(saved[0] / file) as tensors:
        assert tensors.metadata == {"left_out": "optimizer_weights" if file == "m.h5" else "optimizer"}


def test_slices_are_those_of_the_whole(saved: tuple[Path, dict[str, np.ndarray]]) -> None:
    with FORMAT.open(saved[0] / "m.keras") as tensors:
        flat = tensors.whole("stem/kernel").reshape(-1)
        for start in range(0, flat.size, 5):
            for length in (1, 4, 13, 50):
                got = tensors.read("stem/kernel", start, min(length, flat.size - start))
                assert np.array_equal(got, flat[start : start + length])
        assert np.array_equal(np.concatenate(list(tensors.slices("stem/kernel", 28))), flat)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # of Keras' own, as it saves
def test_bfloat16_and_float16_are_themselves(tmp_path: Path) -> None:
    keras = pytest.importorskip("keras", reason="Keras writes the file")
    for dtype in ("bfloat16", "float16", "float64"):
        model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, dtype=dtype, name="d")])
        model.save_weights(tmp_path / "m.weights.h5")
        with FORMAT.open(tmp_path / "m.weights.h5") as tensors:
            assert tensors.entries == {"d/kernel": Entry(dtype, (3, 2)), "d/bias": Entry(dtype, (2,))}
            assert tensors.whole("d/kernel").tobytes() == model.weights[0].numpy().tobytes()


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # of Keras' own, as it saves
def test_layers_of_a_model_of_ones_own_have_the_names_that_keras_gave(tmp_path: Path) -> None:
    keras = pytest.importorskip("keras", reason="Keras writes the file")

    class Own(keras.Model):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__(name="own")
            self.first = keras.layers.Dense(2, name="dense_7")
            self.blocks = [keras.layers.Dense(2, name="block_a"), keras.layers.LayerNormalization(name="block_b")]
            self.odd = keras.layers.BatchNormalization(name="dense_8", scale=False, center=False)

        def call(self, x: Any) -> Any:
            return self.odd(self.blocks[1](self.blocks[0](self.first(x))))

    model = Own()
    model(np.ones((1, 3), np.float32))
    model.save_weights(tmp_path / "m.weights.h5")
    ours = load(tmp_path / "m.weights.h5")
    assert sorted(ours) == [
        "blocks/block_a/bias",
        "blocks/block_a/kernel",
        "blocks/block_b/beta",
        "blocks/block_b/gamma",
        "dense_7/bias",
        "dense_7/kernel",
        "dense_8/moving_mean",
        "dense_8/moving_variance",
    ]
    assert np.array_equal(ours["blocks/block_a/kernel"], model.blocks[0].kernel.numpy())


def legacy(path: Path, layers: dict[str, dict[str, Any]], under: str = "/") -> Path:
    with h5py.File(path, "w") as file:
        root = file.require_group(under)
        root.attrs["layer_names"] = [n.encode() for n in layers]
        for layer, weights in layers.items():
            group = root.create_group(layer)
            group.attrs["weight_names"] = [n.encode() for n in weights]
            for name, value in weights.items():
                group[name] = value
    return path


@pytest.mark.parametrize("under", ["/", "model_weights"])
def test_names_of_keras_1_and_2(under: str, tmp_path: Path) -> None:
    path = legacy(
        tmp_path / "old.h5",
        {
            "dense": {"dense/kernel:0": np.ones((2, 3), "f4"), "dense/bias:0": np.zeros(3, "f4")},
            "empty": {},
            "inner": {"conv/kernel:0": np.arange(4, dtype=">i4")},
            "dense_1": {"dense_1_W": np.float64(3)},
            "last": {"sequential/last/kernel": np.ones((1, 1), "f2")},
        },
        under,
    )
    ours = load(path)
    assert list(ours) == ["dense/kernel", "dense/bias", "inner/conv/kernel", "dense_1/dense_1_W", "last/kernel"]
    assert ours["inner/conv/kernel"].tolist() == [0, 1, 2, 3]
    assert ours["inner/conv/kernel"].dtype == np.int32
    assert ours["dense_1/dense_1_W"].shape == ()


def test_long_lists_of_names_come_in_parts(tmp_path: Path) -> None:
    path = legacy(tmp_path / "old.h5", {"a": {"a/w:0": [1.0]}, "b": {"b/w:0": [2.0]}})
    with h5py.File(path, "a") as file:
        del file.attrs["layer_names"]
        file.attrs["layer_names0"], file.attrs["layer_names1"] = [b"a"], [b"b"]
    assert {n: a.tolist() for n, a in load(path).items()} == {"a/w": [1.0], "b/w": [2.0]}


def test_links_out_of_the_file_are_refused(tmp_path: Path) -> None:
    secret = legacy(tmp_path / "secret.h5", {"a": {"a/w:0": [1.0]}})
    for link in (h5py.ExternalLink(str(secret), "/a/a/w:0"), h5py.SoftLink("/a/a/w:0")):
        path = legacy(tmp_path / "link.h5", {"a": {}})
        with h5py.File(path, "a") as file:
            file["a"].attrs["weight_names"] = [b"w"]
            file["a/w"] = link
        assert "is a link, which is not followed" in refused(path)
    with h5py.File(tmp_path / "m.weights.h5", "w") as file:
        file["layers/dense/vars/0"] = h5py.ExternalLink(str(secret), "/a/a/w:0")
    assert "is a link, which is not followed" in refused(tmp_path / "m.weights.h5")


def test_datasets_whose_data_lie_elsewhere_are_refused(tmp_path: Path) -> None:
    (tmp_path / "raw").write_bytes(b"secret!!")
    with h5py.File(tmp_path / "m.weights.h5", "w") as file:
        file.create_dataset("layers/dense/vars/0", (8,), "u1", external=[(str(tmp_path / "raw"), 0, 8)])
    assert "is no dataset with data of its own" in refused(tmp_path / "m.weights.h5")


def test_groups_that_hold_each_other_end(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "m.weights.h5", "w") as file:
        inner = file.create_group("layers/dense")
        inner["again"] = file["layers"]
    assert "its groups hold each other without end" in refused(tmp_path / "m.weights.h5")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.array([b"a", b"b"]), '"dense/0" is of the type |S1, which is none of real numbers'),
        (np.array([1j], "c8"), '"dense/0" is of the type complex64, which is none of real numbers'),
        (h5py.Empty("f4"), '"dense/0" has no shape'),
    ],
)
def test_datasets_that_are_no_weights_are_refused(value: Any, message: str, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "m.weights.h5", "w") as file:
        file["layers/dense/vars/0"] = value
    assert message in refused(tmp_path / "m.weights.h5")


def test_other_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.h5"
    for data in (b"", b"text", b"\x89HDF\r\n\x1a\n" + bytes(50)):
        path.write_bytes(data)
        assert "it is no HDF5 file that can be read" in refused(path)
    path.unlink()
    assert "No such file" in refused(path)
    with h5py.File(path, "w") as file:
        file["images"] = np.ones(3)
    assert "images in it is no variable of Keras" in refused(path)
    with zipfile.ZipFile(tmp_path / "m.keras", "w") as archive:
        archive.writestr("config.json", "{}")
    assert "it is a zip archive without model.weights.h5" in refused(tmp_path / "m.keras")


def test_archives_are_read_where_they_lie_or_refused(saved: tuple[Path, Any], tmp_path: Path) -> None:
    with zipfile.ZipFile(saved[0] / "m.keras") as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    path = tmp_path / "m.keras"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("model.weights.h5", parts["model.weights.h5"])
    assert "is compressed; unpack it" in refused(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("model.weights.h5", parts["model.weights.h5"])
    assert set(load(path)) == set(load(saved[0] / "m.weights.h5"))
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("config.json", "{")
    assert "its config.json is no JSON" in refused(path)


def test_a_file_cut_short_anywhere_is_one_error(tmp_path: Path) -> None:
    data = legacy(tmp_path / "old.h5", {"a": {"a/w:0": np.ones(5, "f4")}}).read_bytes()
    path = tmp_path / "cut.h5"
    for length in range(0, len(data) - 1, 7):
        path.write_bytes(data[:length])
        refused(path)


def test_flipped_bytes_of_the_beginning_give_tensors_or_one_error(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "m.weights.h5", "w") as file:
        file["layers/dense/vars/0"], file["layers/dense/vars/1"] = np.ones((2, 3), "f4"), np.ones(3, "f4")
    data, path = (tmp_path / "m.weights.h5").read_bytes(), tmp_path / "flipped.h5"
    rng, outcomes = np.random.default_rng(0), {"read": 0, "refused": 0}
    for at in range(96):
        flipped = bytearray(data)
        flipped[at] ^= int(rng.integers(1, 256))
        path.write_bytes(flipped)
        try:
            with keras_h5.open_keras(path, tried=True) as tensors:
                assert set(tensors.entries) == {"dense/kernel", "dense/bias"}
            outcomes["read"] += 1
        except TensorFileError:
            outcomes["refused"] += 1
    assert min(outcomes.values()) > 10


def damaged(path: Path) -> Path:
    """A file whose heap of strings has an object of a size that leads back to it: HDF5 reads it forever."""
    with h5py.File(path, "w") as file:
        file["layers/dense/vars/0"] = np.ones((2, 3), "f4")
        file["layers/dense/vars"].attrs["name"] = "d"
    data = bytearray(path.read_bytes())
    heap = data.index(b"GCOL")
    data[heap + 16 + 8 : heap + 16 + 16] = (2**64 - 16).to_bytes(8, "little")
    path.write_bytes(data)
    return path


def test_a_file_that_hdf5_reads_forever_is_one_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keras_trial, "SECONDS", 3)
    assert "it is damaged" in refused(damaged(tmp_path / "m.weights.h5"))


def test_a_file_that_hdf5_crashes_over_is_one_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with h5py.File(tmp_path / "m.weights.h5", "w") as file:
        file["layers/dense/vars/0"] = np.ones((2, 3), "f4")
    assert list(load(tmp_path / "m.weights.h5")) == ["dense/kernel"]
    monkeypatch.setattr(keras_trial.sys, "executable", str(crashing(tmp_path)))
    (tmp_path / "m.weights.h5").touch()  # what has changed is tried again
    assert "it is damaged: HDF5 crashes over it (signal 11)" in refused(tmp_path / "m.weights.h5")


def crashing(folder: Path) -> Path:
    """A program that ends as one does over such a file."""
    path = folder / "crashes"
    path.write_text("#!/bin/sh\nkill -11 $$\n", encoding="utf-8")
    path.chmod(0o755)
    return path


def test_snake_case_is_keras_own() -> None:
    naming = pytest.importorskip("keras.src.utils.naming", reason="Keras names the groups")
    for name in "Dense Conv2D Conv2DTranspose PReLU LSTMCell SimpleRNNCell RMSNormalization SeedGenerator".split():
        assert snake(name) == naming.to_snake_case(name)


def test_a_name_of_two_layers_says_nothing() -> None:
    config = json.loads(
        """[{"class_name": "BatchNormalization", "config": {"name": "n", "scale": false, "center": true}},
            {"class_name": "BatchNormalization", "config": {"name": "n", "scale": true, "center": false}},
            {"class_name": "BatchNormalization", "config": {"name": "m", "scale": true, "center": false}}]"""
    )
    known = Classes(config)
    assert known.variables("batch_normalization", "n", [1, 1, 1]) is None
    assert known.variables("batch_normalization_1", "m", [1, 1, 1]) == ["gamma", "moving_mean", "moving_variance"]
    assert known.variables("batch_normalization", "n", [1, 1]) == ["moving_mean", "moving_variance"]


def test_a_layer_that_has_another_class_name_is_told_by_the_ranks_of_its_variables() -> None:
    known = Classes()
    assert known.variables("own", "dense_8", [2, 1]) == ["kernel", "bias"]
    assert known.variables("own", "dense_8", [1, 1]) is None
    assert known.variables("own", "mine", [2, 1]) is None
