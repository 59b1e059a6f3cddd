"""Which inputs are numbers of tokens, and of how many."""

from __future__ import annotations

from pathlib import Path

import pytest

import archonnx
from archonnx.compiler.analysis.tokens import Tokens, token_inputs

MODELS = Path(__file__).resolve().parents[3] / "models"


def found(*lines: str) -> dict[str, Tokens]:
    text = "model A():\n    input x: int32[N, T]\n" + "".join(f"    {line}\n" for line in lines)
    return token_inputs(archonnx.compile(text=text).graph)


@pytest.mark.parametrize(
    "flow",
    [
        "output y = x -> Embedding(7, 2)",
        "output y = cast(x, int64) -> Embedding(7, 2)",
        "output y = reshape(x, [N * T]) -> Embedding(7, 2)",
        "output y = (x, concat([x, x], axis=1)) -> Concatenate() -> Embedding(7, 2)",
        "a = x -> Embedding(9, 2)\n    b = x -> Embedding(7, 2)\n    output y = a + b",
        "e = ReversibleEmbedding(7, 2)\n    output y = ((x -> e), reverse=True) -> e",
    ],
)
def test_every_element_is_looked_up(flow: str) -> None:
    assert found(flow) == {"x": Tokens(7)}


@pytest.mark.parametrize(
    "flow",
    [
        "output y = x + 1",
        "output y = x[:, 0] -> Embedding(7, 2)",  # the others may be anything
        "output y = (x + 1) -> Embedding(7, 2)",
        "output y = cast(x, uint8) -> Embedding(7, 2)",
    ],
)
def test_other_numbers(flow: str) -> None:
    assert found(flow) == {}


def test_masks() -> None:
    assert found("output y = x -> Embedding(7, 2, mask_zero=True) -> LSTM(2)") == {"x": Tokens(7, True)}
    both = ("a = x -> Embedding(9, 2)", "b = x -> Embedding(7, 2, mask_zero=True)", "output y = a + b")
    assert found(*both) == {"x": Tokens(7, False)}


def test_a_table_that_is_multiplied_with() -> None:
    text = """model A():
    input x: int32[N, 2]
    input t: int32[N, T]
    e = ReversibleEmbedding(7, 2)
    output a = t -> e
    output b = (x, reverse=True) -> e
"""
    assert token_inputs(archonnx.compile(text=text).graph) == {"t": Tokens(7)}


def test_the_models_that_ship() -> None:
    bert = token_inputs(archonnx.compile(MODELS / "bert.arch", "MiniLM").graph)
    assert bert == {"input_ids": Tokens(30522), "token_type_ids": Tokens(2)}
    assert token_inputs(archonnx.compile(MODELS / "gpt2.arch", "GPT2Small").graph) == {"input_ids": Tokens(50257)}
    assert token_inputs(archonnx.compile(MODELS / "lstm.arch", "TextClassifier").graph) == {
        "tokens": Tokens(20000, True)
    }
