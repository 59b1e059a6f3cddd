"""gpt2.arch, gpt3.arch and llama.arch with `cache=True`: token by token, in pieces and padded, the scores of the plain model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import archonnx

MODELS = Path(__file__).resolve().parents[2] / "models"
VOCABULARY, CONTEXT, LAYERS = 61, 24, 3
SIZES: dict[str, Any] = {"layers": LAYERS, "width": 32, "vocabulary": VOCABULARY, "context": CONTEXT}
STRETCH = (8, 1, 4, 16)
FAMILIES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "gpt2": ("gpt2", "GPT2", {"heads": 4}),
    "gpt3": ("gpt3", "GPT3", {"heads": 4, "head_width": 8}),
    "llama": ("llama", "Llama", {"heads": 4, "shared": 2, "inner": 48}),
    "llama tied": ("llama", "Llama", {"heads": 4, "shared": 1, "inner": 48, "tied": True, "stretch": STRETCH}),
}
Array = np.ndarray[Any, Any]
States = dict[str, Array]


def loaded(family: str, folder: Path, opset: int | None = None, **parameters: Any) -> archonnx.Session:
    """A small model; weights are drawn by their names, so that with and without `cache` they are the same."""
    file, model, sizes = FAMILIES[family]
    compiled = archonnx.compile(MODELS / f"{file}.arch", model, opset=opset, **SIZES, **sizes, **parameters)
    target = folder / f"{family}{len(list(folder.iterdir()))}.onnx"
    compiled.save(target)
    return archonnx.load(target)


def empty(session: archonnx.Session, batch: int) -> States:
    """The states of no token."""
    found = {}
    for spec in session.inputs:
        if spec.name in session.states.values():
            assert spec.shape is not None
            sizes = [n if isinstance(n, int) else 0 for n in spec.shape]
            found[spec.name] = np.zeros((batch, *sizes[1:]), np.float32)
    assert len(found) == 2 * LAYERS
    return found


def step(session: archonnx.Session, states: States, **inputs: Array) -> tuple[Array, States]:
    results = session(**inputs, **states)
    return results.logits, {before: results[after] for after, before in session.states.items()}


def seen(session: archonnx.Session, mask: Array) -> States:
    """The mask, where the model takes one."""
    return {"attention_mask": mask} if any(spec.name == "attention_mask" for spec in session.inputs) else {}


def plain_scores(plain: archonnx.Session, ids: Array) -> Array:
    return plain(input_ids=ids, **seen(plain, np.ones_like(ids)))


@pytest.mark.parametrize("masked", [True, False])
@pytest.mark.parametrize("opset", [None, 23, 25])
@pytest.mark.parametrize("family", FAMILIES)
def test_the_cache_gives_the_scores_of_the_plain_model(
    family: str, opset: int | None, masked: bool, tmp_path: Path
) -> None:
    given = {} if masked else {"attention_mask": None}
    plain = loaded(family, tmp_path, opset)
    cached = loaded(family, tmp_path, opset, cache=True, **given)
    ids = np.random.default_rng(0).integers(0, VOCABULARY, (2, CONTEXT))
    expected = plain_scores(plain, ids)
    assert expected.std(axis=1).min() > 1e-4, "places that differ"
    states, at = empty(cached, 2), 0
    for count in (5, 1, 1, 7, 1, CONTEXT - 15):
        at += count
        logits, states = step(
            cached, states, input_ids=ids[:, at - count : at], **seen(cached, np.ones((2, at), np.int64))
        )
        assert logits.shape == (2, 1, VOCABULARY)
        assert np.abs(logits[:, 0] - expected[:, at - 1]).max() <= 1e-5 * np.abs(expected).max()
    assert all(state.shape[2] == CONTEXT for state in states.values())


@pytest.mark.parametrize("family", FAMILIES)
def test_padding_on_the_left_changes_nothing(family: str, tmp_path: Path) -> None:
    plain, cached = loaded(family, tmp_path), loaded(family, tmp_path, cache=True)
    draw = np.random.default_rng(1)
    texts = [draw.integers(0, VOCABULARY, (1, length)) for length in (9, 12, 5)]
    ids = np.concatenate([np.pad(text[:, :-3], [(0, 0), (12 - text.shape[1], 0)]) for text in texts])
    mask = np.concatenate([np.pad(np.ones_like(t[:, :-3]), [(0, 0), (12 - t.shape[1], 0)]) for t in texts])
    states = empty(cached, 3)
    for after in range(3, -1, -1):
        logits, states = step(cached, states, input_ids=ids, attention_mask=mask)
        for row, text in enumerate(texts):
            expected = plain_scores(plain, text[:, : text.shape[1] - after])[0, -1]
            assert np.abs(logits[row, 0] - expected).max() <= 1e-5 * np.abs(expected).max()
        if after:
            ids = np.concatenate([text[:, [-after]] for text in texts])
            mask = np.pad(mask, [(0, 0), (0, 1)], constant_values=1)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_weights_are_those_of_the_plain_model(family: str) -> None:
    file, model, sizes = FAMILIES[family]
    found = [
        [
            (w.path, w.shape)
            for w in archonnx.compile(MODELS / f"{file}.arch", model, **SIZES, **sizes, **one).graph.weights()
        ]
        for one in ({}, {"cache": True})
    ]
    assert found[0] == found[1]


@pytest.mark.parametrize("family", FAMILIES)
def test_texts_end_at_the_context(family: str, tmp_path: Path) -> None:
    for parameters in ({}, {"cache": True}):
        session = loaded(family, tmp_path, **parameters)
        ids = np.zeros((1, CONTEXT + 1), np.int64)
        states = empty(session, 1) if parameters else {}
        with pytest.raises(archonnx.ArchonnxError, match=f"there are {CONTEXT} positions"):
            session(input_ids=ids, **seen(session, np.ones_like(ids)), **states)


@pytest.mark.parametrize(
    ("model", "context"), [("Llama2_7B", 4096), ("Llama3_8B", 8192), ("Llama3_1_8B", 131072), ("Llama3_2_3B", 131072)]
)
def test_the_contexts_of_llama(model: str, context: int) -> None:
    graph = archonnx.compile(MODELS / "llama.arch", model, cache=True).graph
    assert [str(require.condition) for require in graph.requirements if "T" in str(require.condition)] == [
        f"P + T <= {context}"
    ]
