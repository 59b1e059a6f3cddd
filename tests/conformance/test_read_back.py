"""The .onnx that archonnx wrote of a model, read as the model's weights and written again, is the same: every layer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from layer_cases import CASES, TORCH_CASES

import archonnx
from archonnx.compiler.weights.filling import fill

TEXTS = list(dict.fromkeys(case.text() for case in [*CASES, *TORCH_CASES]))
PARTS = 8


def initializers(path: Path) -> dict[str, bytes]:
    return {t.name: t.SerializeToString() for t in onnx.load(path).graph.initializer}


@pytest.mark.parametrize("part", range(PARTS))
def test_a_model_that_is_read_back_is_written_as_it_was(part: int, tmp_path: Path) -> None:
    """A few of the cases of each layer, in turn: all of them take minutes."""
    read = 0
    for text in TEXTS[part :: 4 * PARTS]:
        model = archonnx.compile(text=text)
        weights = list(model.graph.weights())
        if not weights:
            continue
        rng = np.random.default_rng(0)
        arrays: dict[str, Any] = {}
        for weight in weights:
            value = rng.uniform(0.5, 1.5, weight.shape)
            arrays[weight.path] = archonnx_array(value, weight.dtype)
        model.with_weights(arrays).save(tmp_path / "once.onnx")
        found = fill(model, tmp_path / "once.onnx")
        model.with_given(found.given).save(tmp_path / "twice.onnx")
        assert initializers(tmp_path / "twice.onnx") == initializers(tmp_path / "once.onnx"), text
        if any("folded into kernels" in note for note in found.notes):  # the file has the weights' products alone
            model.with_weights(arrays).save(tmp_path / "plain.onnx", optimization=1)
            found = fill(model, tmp_path / "plain.onnx")
        for path, recipe in found.given.items():
            values = recipe.whole(model.evaluation())
            # A part that no result depends on, and what is written narrower than the weight is, are not in the file.
            if "PositionEmbedding" not in text and "reverse_dtype" not in text:
                np.testing.assert_array_equal(values, arrays[path], err_msg=text)
        read += 1
    assert read > 20


def archonnx_array(value: Any, dtype: str) -> Any:
    from archonnx.compiler.recipes import numpy_dtype

    return value.astype(numpy_dtype(dtype))


def test_a_square_kernel_is_not_taken_as_it_lies_in_the_file(tmp_path: Path) -> None:
    """Its shape tells nothing: (width, in, out) here, (out, in, width) there, all the same size."""
    model = archonnx.compile(text="model A():\n    input x: float32[N, 9, 4]\n    Conv1D(4, 4)\n    output y\n")
    kernel = np.arange(64, dtype="float32").reshape(4, 4, 4)
    full = model.with_weights({"conv1d/kernel": kernel, "conv1d/bias": np.ones(4, "float32")})
    full.save(tmp_path / "m.onnx")
    np.testing.assert_array_equal(model.with_weights(tmp_path / "m.onnx").values()["conv1d/kernel"], kernel)


def test_what_nothing_computes_with_stays_as_it_is_drawn(tmp_path: Path) -> None:
    text = "model A():\n    input x: int32[N, T]\n    ReversibleEmbedding(9, 4, tie_weights=False)\n    output y\n"
    model = archonnx.compile(text=text)
    model.save(tmp_path / "m.onnx", seed=5)
    found = fill(model, tmp_path / "m.onnx")
    assert found.notes == (
        "reversible_embedding/reverse_embeddings stays as it is drawn: nothing computes with it, and the file is without",
    )
    with pytest.raises(archonnx.ArchonnxError, match=r"1 missing\n  missing: reversible_embedding/reverse_embeddings"):
        model.with_weights({"reversible_embedding/embeddings": np.zeros((9, 4), "float32")})


def test_the_file_of_a_model_does_not_fill_a_scope_by_its_names(tmp_path: Path) -> None:
    """Its tensors are laid out for that model's operators."""
    part = archonnx.compile(text="model A():\n    input x: float32[N, 9, 4]\n    Conv1D(4, 4)\n    output y\n")
    part.save(tmp_path / "m.onnx")
    text = "block body():\n    Conv1D(4, 4)\nmodel B():\n    input x: float32[N, 9, 4]\n    body()\n    output y\n"
    model = archonnx.compile(text=text)
    with pytest.raises(archonnx.ArchonnxError, match=r"archonnx weights export MODEL\.arch"):
        model.with_weights(tmp_path / "m.onnx", scope="body")
    part.with_weights(tmp_path / "m.onnx").save_weights(tmp_path / "w.safetensors")
    assert model.with_weights(tmp_path / "w.safetensors", scope="body").given
