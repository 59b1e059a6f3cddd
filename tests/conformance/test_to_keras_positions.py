"""Layers of positions, which Keras has none of, and layers that read numbers alone, through to_keras and back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras_harness
import numpy as np
import pytest
from keras_harness import Case, Ours, error, random_inputs
from layer_cases import TORCH_CASES
from test_to_keras import both, results
from transformers_harness import MODELS, tokens

import archonnx

keras = pytest.importorskip("keras")

NAMES = ("PositionEmbedding", "SinePositionEncoding", "RotaryEmbedding")
BERT = {"layers": 2, "width": 48, "heads": 4, "vocabulary": 90, "positions": 40}
MODELS_OF_TEXT: list[tuple[str, str, dict[str, Any]]] = [
    ("bert", "BERT", BERT),
    ("bert", "BERT", {**BERT, "attention_mask": None, "token_type_ids": None, "pooler": False}),
    ("bert", "SentenceBERT", BERT),
    ("gpt2", "GPT2", {"layers": 2, "width": 48, "heads": 4, "vocabulary": 90, "context": 40}),
    ("llama", "Llama", {"layers": 2, "width": 64, "heads": 8, "shared": 2, "inner": 96, "vocabulary": 90}),
    (
        "llama",
        "Llama",
        {"layers": 1, "width": 64, "heads": 8, "inner": 96, "vocabulary": 90, "tied": True, "stretch": [8, 1, 4, 16]},
    ),
]


@pytest.fixture(autouse=True)
def names_count_anew() -> None:
    keras.utils.clear_session(free_memory=False)


def cases() -> list[Case]:
    """Those of the layers of positions, each form of call once."""
    found: dict[str, Case] = {}
    for case in TORCH_CASES:
        if case.layer in NAMES and case.opset is None and "start_index=S" not in case.call:
            found.setdefault(f"{case.call} {case.inputs} {case.flow}", case)
    return list(found.values())


@pytest.mark.parametrize("case", cases(), ids=lambda case: case.id)
def test_a_layer_of_positions_computes_what_the_file_does(case: Case) -> None:
    ours = Ours(case)
    model = archonnx.to_keras(ours.model)
    for sizes in case.runs():
        arrays = random_inputs(case, sizes)
        for y, reference in zip(results(model, arrays), ours.run(arrays, sizes), strict=True):
            assert (y.shape, y.dtype) == (reference.shape, reference.dtype)
            assert error(y, reference) <= case.tolerance


def test_every_layer_of_positions_is_sampled() -> None:
    found = [case.layer for case in cases()]
    assert all(found.count(name) > 4 for name in NAMES)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # of Keras' own, as it saves
@pytest.mark.parametrize(("file", "name", "given"), MODELS_OF_TEXT)
def test_models_of_text_there_and_back(file: str, name: str, given: dict[str, Any], tmp_path: Path) -> None:
    source = archonnx.compile(MODELS / f"{file}.arch", name, **given)
    drawn = tokens(90, 3, 17)
    arrays = {one.name: drawn[one.name] for one in source.graph.inputs}
    model, worst = both(source, arrays, seed=5)
    assert worst <= 1e-5
    expected = results(model, list(arrays.values()))
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    for one, reference in zip(results(again, list(arrays.values())), expected, strict=True):
        assert error(one, reference) <= 1e-6
    session = archonnx.load(archonnx.from_keras(again))
    y = session(**arrays)
    found = [y] if isinstance(y, np.ndarray) else list(y.values())
    for one, reference in zip(found, expected, strict=True):
        assert error(one, reference) <= 1e-5


NUMBERS = """
model Prompted():
    input x: float32[N, T, 4]
    prompt = arange(3) -> Embedding(3, 4)
    output y = x + mean(prompt, axis=0)
"""


def test_a_layer_that_reads_numbers_alone_has_its_weights_and_learns() -> None:
    x = np.random.default_rng(0).normal(size=(2, 5, 4)).astype(np.float32)
    model, worst = both(archonnx.compile(text=NUMBERS), {"x": x}, seed=3)
    assert worst <= keras_harness.TOLERANCE
    before = model.get_weights()[0].copy()
    model.compile("sgd", "mse")
    model.fit(x, x + 1, epochs=1, verbose=0)
    assert not np.allclose(model.get_weights()[0], before)


def test_a_table_that_is_read_backwards_comes_back() -> None:
    table = keras.layers.ReversibleEmbedding(10, 4)
    entering = keras.Input((None,), dtype="int32")
    model = keras.Model(entering, table(table(entering), reverse=True))
    tokens = np.array([[1, 2, 9, 0]], np.int32)
    found = archonnx.load(archonnx.from_keras(model))(tokens)
    assert error(found, results(model, [tokens])[0]) <= keras_harness.TOLERANCE
