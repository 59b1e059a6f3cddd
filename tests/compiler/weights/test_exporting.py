"""Weights out and in again as PyTorch and Keras have them: CompiledModel.save_weights and with_weights."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import archonnx
from archonnx.compiler.weights.files.base import TensorFileError
from archonnx.compiler.weights.files.formats import open_tensors

MODELS = {
    "image": """
model M():
    input image: float32[N, 9, 9, 3]
    image -> Conv2D(8, 3, strides=2, padding="same") -> BatchNormalization() -> DepthwiseConv2D(3) -> SeparableConv2D(4, 2)
    Conv2DTranspose(6, 3, 2)
    PReLU(shared_axes=(1, 2))
    GroupNormalization(2)
    Flatten()
    Dense(4)
    output y
""",
    "text": """
model M():
    input words: int64[N, T]
    x = words -> Embedding(20, 8, mask_zero=True) -> LayerNormalization()
    y = (x, x) -> MultiHeadAttention(2, 4)
    z = (y, x) -> GroupQueryAttention(4, 2, 1)
    r = z -> Bidirectional(LSTM(6, return_sequences=True)) -> GRU(5, return_sequences=True)
    s = r -> RNN([GRUCell(4), GRUCell(4)], return_sequences=True) -> SimpleRNN(3, use_bias=False)
    output t = s -> EinsumDense("ab,bc->ac", 3, bias_axes="c")
""",
    "shared": """
block inner(width):
    input x: [N, D]
    weight scale: [D] = "ones"
    output y = (x * scale) -> Dense(width)

block outer(width):
    input x: [N, T, D]
    weight shift: [D] = "zeros"
    output y = (x + shift) -> Dense(width)

model M():
    input x: float32[N, T, 4]
    d = Dense(4, name="d")
    a = x -> d
    b = x -> SpectralNormalization(d)
    c = x -> TimeDistributed(inner(4))
    output y = (a + b * c) -> d -> outer(3) -> Normalization()
""",
}


def same(a: Any, b: Any) -> bool:
    first, second = a.values(), b.values()
    return first.keys() == second.keys() and all(first[n].tobytes() == second[n].tobytes() for n in first)


@pytest.mark.parametrize("name", MODELS)
def test_a_file_is_the_state_dictionary_of_the_module(name: str, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is what this is held against")
    source = archonnx.compile(text=MODELS[name])
    written = source.save_weights(tmp_path / "w.pth", seed=3)
    expected = archonnx.to_torch(source, seed=3).state_dict()
    found = torch.load(tmp_path / "w.pth", weights_only=True)
    assert list(found) == list(expected)
    assert all(torch.equal(found[n], expected[n]) and found[n].dtype == expected[n].dtype for n in expected)
    assert (written.tensors, written.layout) == (len(expected), "torch")
    assert written.nbytes == sum(t.numel() * t.element_size() for t in expected.values())


@pytest.mark.parametrize("name", MODELS)
def test_the_state_dictionary_of_a_module_fills_the_model(name: str) -> None:
    pytest.importorskip("torch", reason="PyTorch is what this is held against")
    source = archonnx.compile(text=MODELS[name])
    module = archonnx.to_torch(source, seed=5)
    again = source.with_weights(module.state_dict())
    expected, found = source.values(5), again.values()
    assert found.keys() == expected.keys()
    assert all(np.array_equal(found[n], expected[n]) for n in expected)


def test_what_was_trained_in_pytorch_comes_back(tmp_path: Path) -> None:
    """Both biases of a recurrent layer have moved, each by itself: their sum is what counts."""
    torch = pytest.importorskip("torch", reason="PyTorch is what this is held against")
    source = archonnx.compile(text=MODELS["text"])
    module = archonnx.to_torch(source)
    optimizer = torch.optim.SGD(module.parameters(), 0.5)
    words = torch.arange(1, 13).reshape(3, 4)
    module(words).square().sum().backward()
    optimizer.step()
    torch.save(module.state_dict(), tmp_path / "trained.pth")
    again = archonnx.to_torch(source.with_weights(tmp_path / "trained.pth"))
    with torch.no_grad():
        assert torch.allclose(again.eval()(words), module.eval()(words), atol=1e-6)
        assert not torch.allclose(archonnx.to_torch(source).eval()(words), module(words), atol=1e-3)


@pytest.mark.parametrize("layout", ["torch", "keras", "none"])
@pytest.mark.parametrize("ending", ["safetensors", "npz"])
@pytest.mark.parametrize("name", MODELS)
def test_every_layout_comes_back(name: str, ending: str, layout: Any, tmp_path: Path) -> None:
    source, path = archonnx.compile(text=MODELS[name]), tmp_path / f"w.{ending}"
    source.save_weights(path, layout=layout, seed=9)
    expected, found = source.values(9), source.with_weights(path).values()
    assert found.keys() == expected.keys()
    assert all(np.array_equal(found[n], expected[n]) for n in expected)


def test_by_default_the_ending_tells_the_layout(tmp_path: Path) -> None:
    source = archonnx.compile(text="model M():\n    input x: float32[N, 4]\n    Dense(3)\n    output y\n")
    names = {}
    for ending in ("pth", "pt", "npz", "safetensors", "h5"):
        assert source.save_weights(tmp_path / f"w.{ending}").path == tmp_path / f"w.{ending}"
        with open_tensors(tmp_path / f"w.{ending}") as file:
            names[ending] = set(file.entries)
    assert names["pth"] == names["pt"] == {"dense.weight", "dense.bias"}
    assert names["npz"] == names["safetensors"] == names["h5"] == {"dense/kernel", "dense/bias"}


@pytest.mark.filterwarnings("ignore:.*:DeprecationWarning")
def test_keras_loads_its_file_by_name(tmp_path: Path) -> None:
    keras = pytest.importorskip("keras", reason="Keras is what this is held against")
    keras.utils.clear_session(free_memory=False)
    source = archonnx.compile(
        text=MODELS["text"].replace(" -> RNN([GRUCell(4), GRUCell(4)], return_sequences=True)", "")
    )
    source.save_weights(tmp_path / "w.h5", seed=4)
    expected = archonnx.to_keras(source, seed=4).get_weights()
    model = archonnx.to_keras(source, seed=0)
    model.load_weights(tmp_path / "w.h5", by_name=True)
    assert all(np.array_equal(a, b) for a, b in zip(model.get_weights(), expected, strict=True))


def test_pytorch_is_not_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    source = archonnx.compile(text=MODELS["image"])
    source.save_weights(tmp_path / "w.pth")
    assert same(source.with_weights(tmp_path / "w.pth"), source)


def test_a_large_weight_is_written_slice_by_slice(tmp_path: Path) -> None:
    import tracemalloc

    source = archonnx.compile(text="model M():\n    input x: float32[N, 4000]\n    Dense(4000)\n    output y\n")
    tracemalloc.start()
    source.save_weights(tmp_path / "w.safetensors", layout="none")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < (tmp_path / "w.safetensors").stat().st_size


@pytest.mark.parametrize(
    ("name", "options", "error", "said"),
    [
        ("w.pth", {"layout": "onnx"}, archonnx.UsageError, r"^layout is none, torch or keras, got 'onnx'$"),
        ("w.pth", {"seed": -1}, archonnx.UsageError, r"^seed is a whole number from 0 to 2\*\*64 - 1, got -1$"),
        ("w.txt", {}, TensorFileError, "its ending names no format of weights"),
        ("w.weights.h5", {}, TensorFileError, "Keras 3 numbers the groups of its files .*; to_keras"),
        ("none/w.pth", {}, archonnx.ArchonnxError, "there is no folder .*none; make it first"),
    ],
)
def test_what_cannot_be_written(name: str, options: Any, error: type[Exception], said: str, tmp_path: Path) -> None:
    source = archonnx.compile(text="model M():\n    input x: float32[N, 4]\n    Dense(3)\n    output y\n")
    with pytest.raises(error, match=said):
        source.save_weights(tmp_path / name, **options)
    assert not list(tmp_path.iterdir())
