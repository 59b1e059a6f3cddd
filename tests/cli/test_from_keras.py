"""`archonnx from-keras`: whole models in files, and files that are none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from archonnx.cli import main

keras = pytest.importorskip("keras")

Output = pytest.CaptureFixture[str]
TEXT = """\
model Small():
    input image: float32[N, 6, 6, 1]
    Conv2D(4, 3, activation="relu")
    BatchNormalization()
    Flatten()
    Dense(3, activation="softmax")
    output dense
"""
# TensorFlow's variables hand themselves to NumPy in the old way; Keras would have .keras instead of .h5.
pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:The object being serialized includes a `lambda`:UserWarning"),
]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    keras.utils.clear_session(free_memory=False)
    return tmp_path


def small() -> Any:
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((6, 6, 1), name="image"),
            layers.Conv2D(4, 3, activation="relu"),
            layers.BatchNormalization(),
            layers.Flatten(),
            layers.Dense(3, activation="softmax"),
        ],
        name="Small",
    )


@pytest.mark.parametrize("name", ["small.keras", "small.h5"])
def test_a_model_becomes_a_text(name: str, folder: Path, capsys: Output) -> None:
    small().save(name)
    assert main(["from-keras", name]) == 0
    assert capsys.readouterr().out == TEXT


def test_text_and_weights_build_what_the_model_computes(folder: Path, capsys: Output) -> None:
    import onnxruntime

    model = small()
    model.save("small.keras")
    assert main(["from-keras", "small.keras", "-o", "small.arch", "--weights", "small.safetensors"]) == 0
    said = capsys.readouterr().err
    assert "small.safetensors: 8 tensors" in said
    assert "small.arch: Small, 251 parameters" in said
    assert (folder / "small.arch").read_text() == TEXT
    assert main(["build", "small.arch", "--weights", "small.safetensors", "-o", "first.onnx"]) == 0
    assert main(["from-keras", "small.keras", "-o", "second.onnx"]) == 0
    x = np.random.default_rng(0).uniform(-1, 1, (2, 6, 6, 1)).astype(np.float32)
    expected = keras.ops.convert_to_numpy(model(x, training=False))
    for name in ("first.onnx", "second.onnx"):
        (found,) = onnxruntime.InferenceSession(name, providers=["CPUExecutionProvider"]).run(None, {"image": x})
        assert np.max(np.abs(found - expected)) <= 1e-6


def test_code_in_a_file_is_refused(folder: Path, capsys: Output) -> None:
    inputs = keras.Input((4,))
    layers = keras.layers
    for made in (
        layers.Lambda(lambda value: value + 1)(inputs),
        layers.Dense(3, activation=lambda value: value * 2)(inputs),
    ):
        keras.Model(inputs, made).save("code.keras")
        assert main(["from-keras", "code.keras", "-o", "code.arch"]) == 1
        said = capsys.readouterr().err
        assert said.startswith("error: code.keras: it holds Python code, a Lambda or a function of its own")
        assert said.count("\n") == 1
        assert not (folder / "code.arch").exists()


def test_a_class_of_ones_own_is_refused(folder: Path, capsys: Output) -> None:
    class Own(keras.layers.Layer):  # type: ignore[misc]
        def call(self, inputs: Any) -> Any:
            return inputs

    inputs = keras.Input((4,))
    keras.Model(inputs, Own()(inputs)).save("own.keras")
    assert main(["from-keras", "own.keras"]) == 1
    assert (
        "own.keras: it holds the class Own, which is not Keras' own; build the model without it"
        in capsys.readouterr().err
    )


def test_files_that_hold_no_model(folder: Path, capsys: Output) -> None:
    small().save_weights("small.weights.h5")
    small().save("small.keras")
    Path("cut.keras").write_bytes(Path("small.keras").read_bytes()[:3000])
    np.savez("arrays.npz", x=np.zeros(3))
    for name, reason in (
        ("small.weights.h5", "it holds weights without a model; give them to one: archonnx build --weights"),
        ("cut.keras", "it cannot be unpacked"),
        ("arrays.npz", "this is no file of Keras (.keras, .h5), but npz"),
        ("none.keras", "there is no such file"),
    ):
        assert main(["from-keras", name, "-o", "made.arch"]) == 1
        said = capsys.readouterr().err
        assert said.startswith(f"error: {name}: {reason}")
        assert said.count("\n") == 1
        assert not Path("made.arch").exists()


def test_what_the_command_does_not_take(folder: Path, capsys: Output) -> None:
    small().save("small.keras")
    assert main(["from-keras", "small.keras", "-o", "small.txt"]) == 2
    assert "-o small.txt: the file's name ends in .arch or .onnx" in capsys.readouterr().err
    assert main(["from-keras", "small.keras", "--weights", "small.txt"]) == 2
    assert "small.txt" in capsys.readouterr().err
