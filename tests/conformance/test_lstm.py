"""models/lstm.arch against PyTorch's modules: texts of several lengths, and states that go out and in again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import archonnx

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402
from torch.nn.utils.rnn import pack_padded_sequence  # noqa: E402

MODELS = Path(__file__).resolve().parents[2] / "models"
TOLERANCE = 1e-4

Array = np.ndarray[Any, Any]

CLASSIFIER_MAP = """
layout torch
embedding = words
bidirectional = first
bidirectional_1 = second
dense = head
"""

CHARACTERS_MAP = """
layout torch
embedding = table
lstm_{i} = steps.{i}
dense = head
"""


class Classifier(nn.Module):
    """Padding is never read: the LSTMs run over packed texts."""

    def __init__(self, classes: int, vocabulary: int, width: int, units: int) -> None:
        super().__init__()
        self.words = nn.Embedding(vocabulary, width)
        self.first = nn.LSTM(width, units, batch_first=True, bidirectional=True)
        self.second = nn.LSTM(2 * units, units, batch_first=True, bidirectional=True)
        self.head = nn.Linear(2 * units, classes)

    def forward(self, tokens: Any, lengths: list[int]) -> Any:
        packed = pack_padded_sequence(self.words(tokens), lengths, batch_first=True, enforce_sorted=False)
        _, (last, _) = self.second(self.first(packed)[0])
        return self.head(torch.cat([last[0], last[1]], dim=-1)).softmax(-1)


class Characters(nn.Module):
    def __init__(self, vocabulary: int, width: int, units: int, layers: int) -> None:
        super().__init__()
        self.table = nn.Embedding(vocabulary, width)
        self.steps = nn.ModuleList(nn.LSTM(units if i else width, units, batch_first=True) for i in range(layers))
        self.head = nn.Linear(units, vocabulary)

    def forward(self, characters: Any, states: list[Any]) -> tuple[Any, list[Any]]:
        x, after = self.table(characters), []
        for lstm, (h, c) in zip(self.steps, states, strict=True):
            x, (h, c) = lstm(x, (h[None], c[None]))
            after.append((h[0], c[0]))
        return self.head(x), after


def loaded(module: Any, folder: Path, model: str, by: str, **parameters: Any) -> archonnx.Session:
    torch.save(module.state_dict(), folder / "weights.pth")
    (folder / "theirs.map").write_text(by)
    compiled = archonnx.compile(MODELS / "lstm.arch", model, **parameters)
    compiled.with_weights(folder / "weights.pth", map=folder / "theirs.map").save(folder / "lstm.onnx")
    session = archonnx.load(folder / "lstm.onnx")
    assert not session.initial_weights
    return session


def error(found: Array, expected: Any) -> float:
    expected = expected.detach().numpy()
    assert found.shape == expected.shape
    return float(np.abs(found - expected).max() / np.abs(expected).max())


def test_the_classifier_reads_texts_of_any_length(tmp_path: Path) -> None:
    torch.manual_seed(0)
    sizes = {"classes": 3, "vocabulary": 50, "width": 12, "units": 16}
    module = Classifier(**sizes).eval()
    with torch.no_grad():
        module.head.weight.mul_(5)
    session = loaded(module, tmp_path, "TextClassifier", CLASSIFIER_MAP, **sizes)
    lengths = [9, 1, 5, 7]
    tokens = np.random.default_rng(0).integers(1, 50, (4, 9)).astype(np.int32)
    for row, length in zip(tokens, lengths, strict=True):
        row[length:] = 0
    expected = module(torch.from_numpy(tokens.astype(np.int64)), lengths)
    assert expected.std(dim=0).min() > 1e-3, "texts that differ"
    found = session(tokens=tokens)
    assert error(found, expected) <= TOLERANCE
    # More padding changes nothing.
    np.testing.assert_allclose(session(tokens=np.pad(tokens, [(0, 0), (0, 4)])), found, atol=1e-6)


def test_the_classifier_has_as_many_parameters_as_its_formula() -> None:
    graph = archonnx.compile(MODELS / "lstm.arch", "TextClassifier").graph
    lstms = [2 * 4 * 64 * (i + 64 + 1) for i in (128, 128)]
    assert sum(w.size for w in graph.weights()) == 20000 * 128 + sum(lstms) + 128 * 2 + 2


def test_the_character_model_goes_on_where_it_was(tmp_path: Path) -> None:
    torch.manual_seed(0)
    sizes = {"vocabulary": 40, "width": 10, "units": 14, "layers": 3}
    module = Characters(**sizes).eval()
    session = loaded(module, tmp_path, "CharacterModel", CHARACTERS_MAP, **sizes)
    text = np.random.default_rng(0).integers(0, 40, (2, 11)).astype(np.int32)
    zeros = [(torch.zeros(2, 14), torch.zeros(2, 14)) for _ in range(3)]
    expected, states = module(torch.from_numpy(text.astype(np.int64)), zeros)
    start = {f"{name}_{i}": np.zeros((2, 14), np.float32) for name in "hc" for i in range(3)}
    whole = session(characters=text, **start)
    assert error(whole.logits, expected) <= TOLERANCE
    given = {f"{n}_{i}": s for i, state in enumerate(states) for n, s in zip("hc", state, strict=True)}

    def after(result: Any) -> dict[str, Array]:
        return {name: getattr(result, f"{name}_next") for name in start}

    for name, value in after(whole).items():
        assert error(value, given[name]) <= TOLERANCE
    steps, state = [], start
    for i in range(11):
        result = session(characters=text[:, i : i + 1], **state)
        steps.append(result.logits)
        state = after(result)
    np.testing.assert_allclose(np.concatenate(steps, axis=1), whole.logits, atol=1e-5)
