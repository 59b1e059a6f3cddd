"""The networks that are built, as modules of PyTorch: those of torchvision, and those that it has not by hand.

Each function gives a module and the inputs that it is traced with. Nothing of archonnx is imported: what an import
takes would count as the peer's.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

TOKENS = 128
Made = tuple[Any, tuple[Any, ...]]


def _vision(name: str) -> Made:
    import torch

    folder = str(Path(__file__).resolve().parents[3] / "tests" / "conformance")
    sys.path.insert(0, folder)
    from importlib import import_module

    import_module("torchvision_operators").install()
    import torchvision

    return getattr(torchvision.models, name)(weights=None), (torch.zeros(1, 3, 224, 224),)


def dnn() -> Made:
    """models/dnn.arch."""
    import torch
    from torch import nn

    layers: list[Any] = []
    before = 3
    for filters in (256, 128, 64):
        layers += [nn.Conv2d(before, filters, 3, padding="same"), nn.ReLU(), nn.MaxPool2d(2)]
        before = filters
    model = nn.Sequential(*layers, nn.Flatten(), nn.Linear(64 * 32 * 32, 64), nn.ReLU(), nn.Linear(64, 10))
    return model, (torch.zeros(1, 3, 256, 256),)


def stack(width: int, depth: int = 24) -> Made:
    """dense.arch beside this file."""
    import torch
    from torch import nn

    layers = [layer for _ in range(depth) for layer in (nn.Linear(width, width), nn.ReLU())]
    return nn.Sequential(*layers), (torch.zeros(1, width),)


def _attention(width: int, heads: int) -> Any:
    from torch import nn

    class Attention(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)

        def forward(self, x: Any, mask: Any) -> Any:
            batch, tokens, _ = x.shape
            parts = self.qkv(x).view(batch, tokens, 3, heads, width // heads).permute(2, 0, 3, 1, 4)
            q, k, v = parts.unbind(0)
            seen = nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=mask)
            return self.out(seen.transpose(1, 2).reshape(batch, tokens, width))

    return Attention()


def bert(layers: int = 12, width: int = 768, heads: int = 12) -> Made:
    """BERTBase of models/bert.arch."""
    import torch
    from torch import nn

    class Layer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.attention = _attention(width, heads)
            self.expand, self.contract = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
            self.first, self.second = nn.LayerNorm(width, 1e-12), nn.LayerNorm(width, 1e-12)

        def forward(self, x: Any, mask: Any) -> Any:
            x = self.first(x + self.attention(x, mask))
            return self.second(x + self.contract(nn.functional.gelu(self.expand(x))))

    class Bert(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.words, self.places = nn.Embedding(30522, width), nn.Embedding(512, width)
            self.types, self.norm = nn.Embedding(2, width), nn.LayerNorm(width, 1e-12)
            self.layers = nn.ModuleList(Layer() for _ in range(layers))
            self.pooler = nn.Linear(width, width)

        def forward(self, ids: Any, mask: Any, types: Any) -> Any:
            places = self.places(torch.arange(ids.shape[1]))
            x = self.norm(self.words(ids) + places + self.types(types))
            seen = (mask != 0)[:, None, None, :]
            for layer in self.layers:
                x = layer(x, seen)
            return x, torch.tanh(self.pooler(x[:, 0]))

    ids = torch.ones(1, TOKENS, dtype=torch.int64)
    return Bert(), (ids, torch.ones_like(ids), torch.zeros_like(ids))


def gpt2(layers: int = 12, width: int = 768, heads: int = 12) -> Made:
    """GPT2Small of models/gpt2.arch."""
    import torch
    from torch import nn

    class Layer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.attention = _attention(width, heads)
            self.expand, self.contract = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
            self.first, self.second = nn.LayerNorm(width), nn.LayerNorm(width)

        def forward(self, x: Any, mask: Any) -> Any:
            x = x + self.attention(self.first(x), mask)
            return x + self.contract(nn.functional.gelu(self.expand(self.second(x)), approximate="tanh"))

    class GPT2(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.words, self.places = nn.Embedding(50257, width), nn.Embedding(1024, width)
            self.layers = nn.ModuleList(Layer() for _ in range(layers))
            self.norm = nn.LayerNorm(width)

        def forward(self, ids: Any, mask: Any) -> Any:
            tokens = ids.shape[1]
            x = self.words(ids) + self.places(torch.arange(tokens))
            before = torch.ones(tokens, tokens, dtype=torch.bool).tril()
            seen = (mask != 0)[:, None, None, :] & before
            for layer in self.layers:
                x = layer(x, seen)
            return nn.functional.linear(self.norm(x), self.words.weight)

    ids = torch.ones(1, TOKENS, dtype=torch.int64)
    return GPT2(), (ids, torch.ones_like(ids))


def gru() -> Made:
    """gru.arch beside this file."""
    import torch
    from torch import nn

    class Outputs(nn.Module):
        """The layer's results, without its last states."""

        def __init__(self) -> None:
            super().__init__()
            self.gru = nn.GRU(256, 256, batch_first=True, bidirectional=True)

        def forward(self, x: Any) -> Any:
            return self.gru(x)[0]

    return Outputs(), (torch.zeros(1, 128, 256),)


def lstm() -> Made:
    """CharacterModel of models/lstm.arch."""
    import torch
    from torch import nn

    class Characters(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding, self.dense = nn.Embedding(128, 64), nn.Linear(256, 128)
            self.lstm = nn.LSTM(64, 256, 2, batch_first=True)

        def forward(self, characters: Any, h0: Any, h1: Any, c0: Any, c1: Any) -> Any:
            states = torch.stack((h0, h1)), torch.stack((c0, c1))
            x, (h, c) = self.lstm(self.embedding(characters), states)
            return self.dense(x), h[0], h[1], c[0], c[1]

    return Characters(), (torch.ones(1, TOKENS, dtype=torch.int32), *(torch.zeros(1, 256) for _ in range(4)))


NETWORKS: dict[str, Callable[[], Made]] = {
    "DNN": dnn,
    "ResNet-50": lambda: _vision("resnet50"),
    "VGG-19": lambda: _vision("vgg19"),
    "EfficientNet-B0": lambda: _vision("efficientnet_b0"),
    "BERT-base": bert,
    "GPT-2": gpt2,
    "GRU": gru,
    "LSTM": lstm,
}
