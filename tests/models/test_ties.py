"""What models share is stored once: a file has the bytes of the weights, and little more."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

import archonnx
from archonnx.contract.dtypes import DTYPES

MODELS = Path(__file__).parents[2] / "models"


@pytest.mark.parametrize(
    ("file", "model", "tied"),
    [
        ("gpt2", "GPT2Small", "words/embeddings"),
        ("llama", "Llama3_2_1B", "words/embeddings"),
        ("gpt3", "GPT3_175B", "words/embeddings"),
        ("bert", "BERTBase", None),
        ("vit", "ViTB16", None),
    ],
)
def test_weights_are_in_the_file_once(file: str, model: str, tied: str | None) -> None:
    compiled = archonnx.compile(MODELS / f"{file}.arch", model=model)
    graph = compiled.lower()
    constants = list(graph.constants())
    drawn = [weight.path for c in constants if c.recipe is not None for weight in c.recipe.weights()]
    weights = {weight.path: weight for weight in compiled.graph.weights()}
    assert sorted(drawn) == sorted(weights)
    stored = sum(c.recipe.nbytes for c in constants if c.recipe is not None)
    wanted = sum(math.prod(w.shape) * DTYPES[w.dtype].bits // 8 for w in weights.values())
    assert wanted <= stored <= wanted + 10_000
    if tied is not None:
        (table,) = (c for c in constants if c.name == tied)
        readers = [o.type for o in graph.operators if table in o.inputs]
        assert readers == ["Gather", "Gemm"]


def test_a_file_is_as_long_as_its_weights(tmp_path: Path) -> None:
    model = archonnx.compile(MODELS / "gpt2.arch", model="GPT2", layers=2, width=64, heads=4)
    model.save(tmp_path / "gpt2.onnx")
    weights = sum(math.prod(w.shape) * 4 for w in model.graph.weights())
    assert weights < (tmp_path / "gpt2.onnx").stat().st_size < weights + 40_000
