"""Where weights lie that are not within a model's file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from archonnx.runtime.loading import load
from archonnx.runtime.modelfile import read_model
from archonnx.runtime.weightfiles import external_files


@pytest.fixture
def path(make: Any, tmp_path: Path) -> str:
    """y = x w, the weights in a file beside it."""
    weight = numpy_helper.from_array(np.random.default_rng(0).random((64, 64), np.float32), "w")
    products = [helper.make_node("MatMul", ["x", "w"], ["y"])]
    model = make({"x": ("float32", ["N", 64])}, products, {"y": ("float32", ["N", 64])}, [weight])
    onnx.save(model, tmp_path / "m.onnx", save_as_external_data=True, location="m.data", size_threshold=0)
    return str(tmp_path / "m.onnx")


def test_what_was_made_of_a_model_has_its_weights_within(path: str) -> None:
    model = read_model(path)
    assert external_files(path, model) == (Path(path).with_name("m.data"),)
    assert external_files(b"", model, "elsewhere") == (Path("elsewhere/m.data"),)
    assert external_files(b"", model) == ()


def test_int8_is_made_of_weights_beside_the_file_from_any_folder(path: str) -> None:
    x = np.random.default_rng(1).random((8, 64), np.float32)
    found = load(path, "cpu", precision="int8", data=x, cache="off")(x)
    expected = load(path, "cpu")(x)
    assert np.abs(found - expected).max() < 0.1 * np.abs(expected).max()
