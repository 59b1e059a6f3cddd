"""The networks whose speed is compared with other tools': ours, and the same in PyTorch and in Keras."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import archonnx
from tools.bench.scale import keras_networks, torch_networks
from tools.gpu.subjects import dnn

MODELS = Path(__file__).resolve().parents[2] / "models"
TOKENS, STEPS, UNITS = 128, 128, 512
LSTM = f"""
model LSTM2():
    input x: float32[N, {STEPS}, {UNITS}]
    LSTM({UNITS}, return_sequences=True)
    LSTM({UNITS}, return_sequences=True)
    output y
"""
Feeds = dict[str, np.ndarray[Any, Any]]


@dataclass(frozen=True, slots=True)
class Subject:
    """A network. ours: compiled; feeds: its inputs; torch, keras: the peers' networks; bound: the most that ours may
    take, as a ratio to onnxruntime on PyTorch's export, where an error of 1e-2 is allowed; None: it is measured by
    tools.bench.scale alone."""

    name: str
    ours: Callable[[], Any]
    feeds: Callable[[], Feeds]
    torch: Callable[[], Any]
    keras: Callable[[], Any]
    bound: float | None
    pictures: bool = False

    def torch_inputs(self) -> tuple[Any, ...]:
        """The same inputs as tensors, pictures with their channels first."""
        import torch

        arrays = [np.moveaxis(a, -1, 1) if self.pictures else a for a in self.feeds().values()]
        return tuple(torch.from_numpy(np.ascontiguousarray(array)) for array in arrays)


def _pictures(size: int) -> Callable[[], Feeds]:
    return lambda: {"image": np.random.default_rng(0).random((1, size, size, 3), np.float32)}


def _tokens() -> Feeds:
    ids = np.random.default_rng(0).integers(1, 30522, (1, TOKENS))
    return {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}


def _text() -> Feeds:
    ids = np.random.default_rng(0).integers(0, 50257, (1, TOKENS))
    return {"input_ids": ids, "attention_mask": np.ones_like(ids)}


def _sequence() -> Feeds:
    return {"x": np.random.default_rng(0).standard_normal((1, 128, 256), np.float32)}


def _characters() -> Feeds:
    states = {name: np.zeros((1, 256), np.float32) for name in ("h_0", "h_1", "c_0", "c_1")}
    return {"characters": np.random.default_rng(0).integers(0, 128, (1, 128), np.int32), **states}


def _steps() -> Feeds:
    return {"x": np.random.default_rng(0).standard_normal((1, STEPS, UNITS), np.float32)}


def _torchvision(name: str) -> Callable[[], Any]:
    def build() -> Any:
        import torchvision

        return getattr(torchvision.models, name)(weights=None)

    return build


def _bert() -> Any:
    from torch import nn
    from transformers import BertConfig, BertModel

    class Outputs(nn.Module):
        """The model, its outputs a tuple."""

        def __init__(self) -> None:
            super().__init__()
            self.model = BertModel(BertConfig())

        def forward(self, ids: Any, mask: Any, types: Any) -> Any:
            found = self.model(input_ids=ids, attention_mask=mask, token_type_ids=types, return_dict=True)
            return found.last_hidden_state, found.pooler_output

    return Outputs()


def _lstm() -> Any:
    from torch import nn

    return nn.LSTM(UNITS, UNITS, 2, batch_first=True)


def _keras_dnn() -> Any:
    import keras

    layers: list[Any] = [keras.Input((256, 256, 3))]
    for filters in (256, 128, 64):
        layers += [keras.layers.Conv2D(filters, 3, activation="relu", padding="same"), keras.layers.MaxPooling2D()]
    dense = [keras.layers.Flatten(), keras.layers.Dense(64, activation="relu"), keras.layers.Dense(10)]
    return keras.Sequential([*layers, *dense])


def _keras_application(name: str) -> Callable[[], Any]:
    def build() -> Any:
        import keras

        return getattr(keras.applications, name)(weights=None)

    return build


def _keras_bert() -> Any:
    return archonnx.to_keras(archonnx.compile(MODELS / "bert.arch", model="BERTBase"))


def _keras_lstm() -> Any:
    import keras

    layers = [keras.layers.LSTM(UNITS, return_sequences=True) for _ in range(2)]
    return keras.Sequential([keras.Input((STEPS, UNITS)), *layers])


SUBJECTS = {
    subject.name: subject
    for subject in (
        Subject("DNN", lambda: archonnx.compile(MODELS / "dnn.arch"), _pictures(256), dnn, _keras_dnn, 0.2, True),
        Subject(
            "ResNet-50",
            lambda: archonnx.compile(MODELS / "resnet.arch", model="ResNet50V1_5"),
            _pictures(224),
            _torchvision("resnet50"),
            _keras_application("ResNet50"),
            0.2,
            True,
        ),
        Subject(
            "VGG-19",
            lambda: archonnx.compile(MODELS / "vgg.arch", model="VGG19"),
            _pictures(224),
            _torchvision("vgg19"),
            _keras_application("VGG19"),
            0.2,
            True,
        ),
        Subject(
            "BERT-base",
            lambda: archonnx.compile(MODELS / "bert.arch", model="BERTBase"),
            _tokens,
            _bert,
            _keras_bert,
            0.28,
        ),
        Subject("LSTM", lambda: archonnx.compile(text=LSTM), _steps, _lstm, _keras_lstm, 0.4),
        Subject(
            "EfficientNet-B0",
            lambda: archonnx.compile(MODELS / "efficientnet.arch", model="EfficientNetB0"),
            _pictures(224),
            _torchvision("efficientnet_b0"),
            _keras_application("EfficientNetB0"),
            None,
            True,
        ),
        Subject(
            "GPT-2",
            lambda: archonnx.compile(MODELS / "gpt2.arch", model="GPT2Small"),
            _text,
            lambda: torch_networks.gpt2()[0],
            keras_networks.gpt2,
            None,
        ),
        Subject(
            "GRU",
            lambda: archonnx.compile(Path(__file__).parent / "scale" / "gru.arch"),
            _sequence,
            lambda: torch_networks.gru()[0],
            keras_networks.gru,
            None,
        ),
        Subject(
            "LSTM, characters",
            lambda: archonnx.compile(MODELS / "lstm.arch", model="CharacterModel"),
            _characters,
            lambda: torch_networks.lstm()[0],
            keras_networks.lstm,
            None,
        ),
    )
}
