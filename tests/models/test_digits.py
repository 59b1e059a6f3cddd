"""models/digits.arch: the weights that ship with it, and that it learns."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import archonnx
from archonnx.cli import main
from archonnx.compiler.weights.files.formats import open_tensors
from tools.train_digits import HELD_OUT, digits

MODELS = Path(__file__).resolve().parents[2] / "models"
MODEL, WEIGHTS = MODELS / "digits.arch", MODELS / "digits.safetensors"


def test_the_shipped_weights_know_the_digits_that_were_held_out(tmp_path: Path) -> None:
    target = tmp_path / "digits.onnx"
    assert main(["build", str(MODEL), "--weights", str(WEIGHTS), "-o", str(target)]) == 0
    _, held_out = digits()
    with archonnx.load(target) as session:
        logits = session(held_out["image"])
    accuracy = np.mean(logits.argmax(axis=1) == held_out["digit"])
    assert len(logits) == HELD_OUT
    assert accuracy > 0.98
    with open_tensors(WEIGHTS) as file:
        assert float(file.metadata["test_accuracy"]) == pytest.approx(accuracy, abs=1e-6)


def test_the_shipped_weights_are_small_and_say_where_they_come_from() -> None:
    assert WEIGHTS.stat().st_size < 200_000
    with open_tensors(WEIGHTS) as file:
        assert {entry.dtype for entry in file.entries.values()} == {"float32"}
        said = file.metadata
    assert "UCI Machine Learning Repository" in said["data"]
    assert said["data_licence"].startswith("CC BY 4.0")
    training, _ = digits()
    assert said["split"].startswith(f"the first {len(training['digit']):,} of 1,797")
    assert said["training"].startswith("tools/train_digits.py")


def test_a_short_training_learns_digits() -> None:
    training, held_out = digits()
    result = archonnx.fit(archonnx.compile(MODEL), training, test_data=held_out, epochs=6)
    assert result.test is not None
    assert result.test["accuracy"] > 0.85
    assert result.history["loss"][-1] < 0.3 * result.history["loss"][0]
