"""Whole models of each family, layer by layer against Keras' own prediction."""

from __future__ import annotations

from pathlib import Path

import pytest
from test_transformers import ENCODER, READER, TRANSLATOR
from test_whole_models import MODELS

import archonnx
from archonnx.verifying.checking import verify

pytest.importorskip("keras")

MODELS_OF = Path(__file__).resolve().parents[2] / "models"
TEXTS = {case.name: case.text for case in MODELS} | {
    "transformer": ENCODER,
    "translator": TRANSLATOR,
    "reader": READER,
}


@pytest.mark.parametrize("name", TEXTS)
def test_a_family_agrees_layer_by_layer(name: str) -> None:
    report = verify(archonnx.compile(text=TEXTS[name]), via="prediction", layers=True)
    assert report.agrees
    pair = report.pairs[0]
    assert pair.layers is not None
    assert pair.layers[0] > 3
    assert pair.error <= 1e-5
    assert len(report.runs) == 3


@pytest.mark.parametrize("name", ["AND", "OR", "NAND", "XOR"])
def test_gates_agree_without_any_error(name: str) -> None:
    report = verify(archonnx.compile(MODELS_OF / "gates.arch", model=name), via="prediction", layers=True)
    assert [pair.error for pair in report.pairs] == [0]


def test_the_network_of_the_introduction_agrees() -> None:
    report = verify(archonnx.compile(MODELS_OF / "dnn.arch"), via="prediction", bind={"N": 1})
    assert report.agrees
    assert report.pairs[0].error <= 1e-5
