"""models/translate.arch against PyTorch: the whole translator, and its reader and writer, which generate step by step."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import archonnx

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence  # noqa: E402

MODELS = Path(__file__).resolve().parents[2] / "models"
TOLERANCE = 1e-4

Array = np.ndarray[Any, Any]

SIZES = {"vocabulary": 30, "width": 8, "units": 10}
MAP = """
layout torch
reader/embedding = source
reader/bidirectional = encode
reader/first_h = bridge_h
reader/first_c = bridge_c
writer/embedding = target
writer/lstm = decode
writer/keys = align
writer/mix = mix
writer/scores = head
"""


class Translator(nn.Module):
    """General attention of 1508.04025: the state times a matrix times what was read, for tokens that are no padding."""

    def __init__(self, vocabulary: int, width: int, units: int) -> None:
        super().__init__()
        self.source = nn.Embedding(vocabulary, width)
        self.encode = nn.LSTM(width, units, batch_first=True, bidirectional=True)
        self.bridge_h = nn.Linear(2 * units, units)
        self.bridge_c = nn.Linear(2 * units, units)
        self.target = nn.Embedding(vocabulary, width)
        self.decode = nn.LSTM(width, units, batch_first=True)
        self.align = nn.Linear(2 * units, units, bias=False)
        self.mix = nn.Linear(3 * units, units, bias=False)
        self.head = nn.Linear(units, vocabulary)

    def read(self, source: Any) -> tuple[Any, Any, Any]:
        lengths = (source != 0).sum(1)
        packed = pack_padded_sequence(self.source(source), lengths, batch_first=True, enforce_sorted=False)
        memory, (h, c) = self.encode(packed)
        memory, _ = pad_packed_sequence(memory, batch_first=True, total_length=source.shape[1])
        h, c = torch.cat([h[0], h[1]], dim=1), torch.cat([c[0], c[1]], dim=1)
        return memory, self.bridge_h(h).tanh(), self.bridge_c(c).tanh()

    def write(self, token: Any, source: Any, memory: Any, h: Any, c: Any) -> tuple[Any, Any, Any]:
        """The scores of one step, [batch, vocabulary], and the state after it."""
        y, (h, c) = self.decode(self.target(token)[:, None], (h[None], c[None]))
        rows = []
        for query, kept, text in zip(y[:, 0], memory, source, strict=True):
            seen = kept[text != 0]
            weights = torch.softmax(seen @ self.align.weight.T @ query, dim=0)
            rows.append(torch.cat([query, weights @ seen]))
        return self.head(self.mix(torch.stack(rows)).tanh()), h[0], c[0]

    def forward(self, source: Any, tokens: Any) -> Any:
        memory, h, c = self.read(source)
        steps = []
        for token in tokens.T:
            scores, h, c = self.write(token, source, memory, h, c)
            steps.append(scores)
        return torch.stack(steps, dim=1)


@pytest.fixture(scope="module")
def module() -> Any:
    torch.manual_seed(0)
    made = Translator(**SIZES).eval()
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.mul_(2)
    return made


@pytest.fixture(scope="module")
def sessions(module: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, archonnx.Session]:
    """A Translator with PyTorch's weights, and a Reader and a Writer with the weights of that Translator, by their maps."""
    folder = tmp_path_factory.mktemp("translate")
    torch.save(module.state_dict(), folder / "weights.pth")
    (folder / "theirs.map").write_text(MAP)
    whole = archonnx.compile(MODELS / "translate.arch", "Translator", **SIZES)
    whole = whole.with_weights(folder / "weights.pth", map=folder / "theirs.map")
    np.savez(folder / "weights.npz", **whole.values())
    made = {"Translator": whole}
    for name in ("Reader", "Writer"):
        made[name] = archonnx.compile(MODELS / "translate.arch", name, **SIZES).with_weights(folder / "weights.npz")
    loaded = {}
    for name, model in made.items():
        model.save(folder / f"{name}.onnx")
        loaded[name] = archonnx.load(folder / f"{name}.onnx")
        assert not loaded[name].initial_weights
    return loaded


def texts() -> tuple[Array, Array]:
    draw = np.random.default_rng(0)
    source = draw.integers(1, 30, (3, 7)).astype(np.int32)
    source[1, 4:] = 0
    source[2, 1:] = 0
    return source, draw.integers(1, 30, (3, 5)).astype(np.int32)


def long(array: Array) -> Any:
    return torch.from_numpy(array.astype(np.int64))


def error(found: Array, expected: Any) -> float:
    expected = expected.detach().numpy()
    assert found.shape == expected.shape
    return float(np.abs(found - expected).max() / np.abs(expected).max())


def test_the_translator(module: Any, sessions: dict[str, archonnx.Session]) -> None:
    source, tokens = texts()
    expected = module(long(source), long(tokens))
    found = sessions["Translator"](source=source, tokens=tokens)
    assert error(found, expected) <= TOLERANCE
    # More padding changes nothing.
    padded = np.pad(source, [(0, 0), (0, 3)])
    np.testing.assert_allclose(sessions["Translator"](source=padded, tokens=tokens), found, atol=1e-5)


def test_reader_and_writer_generate_what_pytorch_generates(module: Any, sessions: dict[str, archonnx.Session]) -> None:
    source, _ = texts()
    memory, h, c = module.read(long(source))
    seen = sessions["Reader"](source=source)
    real = source != 0
    np.testing.assert_array_equal(seen.read, real)
    np.testing.assert_allclose(seen.memory[real], memory.detach().numpy()[real], atol=1e-5)
    assert error(seen.h, h) <= TOLERANCE
    assert error(seen.c, c) <= TOLERANCE
    state, token = {"h": seen.h, "c": seen.c}, np.ones(3, np.int32)
    written = []
    for _ in range(6):
        scores, h, c = module.write(long(token), long(source), memory, h, c)
        step = sessions["Writer"](tokens=token[:, None], memory=seen.memory, read=seen.read, **state)
        assert error(step.logits[:, 0], scores) <= TOLERANCE
        state = {"h": step.h_next, "c": step.c_next}
        token = step.logits[:, 0].argmax(-1).astype(np.int32)
        np.testing.assert_array_equal(token, scores.argmax(-1).numpy())
        written.append(token)
    tokens = np.stack([np.ones(3, np.int32), *written[:-1]], axis=1)
    whole = sessions["Translator"](source=source, tokens=tokens)
    np.testing.assert_array_equal(whole.argmax(-1), np.stack(written, axis=1))


def test_the_weights_of_both_parts_are_those_of_the_whole() -> None:
    def weights(model: str) -> dict[str, tuple[int, ...]]:
        graph = archonnx.compile(MODELS / "translate.arch", model).graph
        return {w.path: tuple(w.shape) for w in graph.weights()}

    whole, reader, writer = weights("Translator"), weights("Reader"), weights("Writer")
    assert whole == reader | writer
    assert not reader.keys() & writer.keys()
    e, u, v = 256, 512, 16000
    lstm = 4 * u * (e + u + 1)
    total = 2 * v * e + 3 * lstm + 2 * (2 * u + 1) * u + 2 * u * u + 3 * u * u + (u + 1) * v
    assert sum(int(np.prod(shape)) for shape in whole.values()) == total
