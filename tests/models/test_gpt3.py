"""models/gpt3.arch: the eight sizes of the paper's table 2.1, and the two rows that do not fit themselves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import archonnx
from archonnx.compiler.artifact import models_of

MODELS = Path(__file__).resolve().parents[2] / "models"

# Name -> layers, width, parameters of the sizes counted for a vocabulary of 50257 and a context of 2048.
SIZES = {
    "GPT3Small": (12, 768, 125_226_240),
    "GPT3Medium": (24, 1024, 355_871_744),
    "GPT3Large": (24, 1536, 760_300_032),
    "GPT3XL": (24, 2048, 1_315_723_264),
    "GPT3_2_7B": (32, 2560, 2_651_553_280),
    "GPT3_6_7B": (32, 4096, 6_658_404_352),
    "GPT3_13B": (40, 5120, 12_853_386_240),
    "GPT3_175B": (96, 12288, 174_604_259_328),
}


def formula(layers: int, d: int) -> int:
    return 50257 * d + 2048 * d + layers * (12 * d * d + 13 * d) + 2 * d


def test_the_sizes_are_those_of_the_table() -> None:
    assert [name for name, ready in models_of(MODELS / "gpt3.arch") if ready] == list(SIZES)
    assert formula(40, 5140) == 12_952_938_780, "the row of 13B as it is printed"


@pytest.mark.parametrize("name", SIZES)
def test_parameters(name: str) -> None:
    layers, width, total = SIZES[name]
    assert formula(layers, width) == total
    summary = archonnx.compile(MODELS / "gpt3.arch", name).summary()
    assert summary.to_dict()["parameters"] == {"total": total, "trainable": total, "non_trainable": 0}


@pytest.mark.parametrize(
    ("name", "given", "message"),
    [
        ("GPT3XL", {"heads": 24}, "24 heads of 128 are 3072 wide, not 2048"),
        ("GPT3_13B", {"width": 5140}, "40 heads of 128 are 5120 wide, not 5140"),
        ("GPT3Small", {"head_width": 65}, "12 heads of 65 are 780 wide, not 768"),
    ],
)
def test_the_rows_as_printed_are_refused(name: str, given: dict[str, Any], message: str) -> None:
    with pytest.raises(archonnx.CompileError, match=message):
        archonnx.compile(MODELS / "gpt3.arch", name, **given)


def test_the_texts_are_bounded_by_the_context(tmp_path: Path) -> None:
    sizes = {"layers": 2, "width": 12, "heads": 3, "head_width": 4, "vocabulary": 20, "context": 8}
    archonnx.compile(MODELS / "gpt3.arch", "GPT3", attention_mask=None, **sizes).save(tmp_path / "gpt3.onnx")
    session = archonnx.load(tmp_path / "gpt3.onnx")
    ids = np.arange(16).reshape(2, 8) % 20
    logits = session(input_ids=ids)
    assert logits.shape == (2, 8, 20)
    # What comes later changes nothing that was said before.
    np.testing.assert_allclose(session(input_ids=ids[:, :5]), logits[:, :5], rtol=1e-4, atol=1e-5)
    with pytest.raises(archonnx.ArchonnxError, match="there are 8 positions"):
        session(input_ids=np.zeros((1, 9), np.int64))
