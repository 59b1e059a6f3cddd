"""Models of text with weights in few bits: they generate, and a cache gives what reading all again gives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import archonnx

MODELS = Path(__file__).resolve().parents[2] / "models"
SIZES: dict[str, tuple[str, dict[str, Any]]] = {
    "gpt2": ("GPT2", {"layers": 2, "width": 64, "heads": 4, "vocabulary": 300, "context": 64}),
    "llama": ("Llama", {"layers": 2, "width": 64, "heads": 4, "shared": 2, "inner": 96, "vocabulary": 300}),
}
PROMPT = [7, 250, 31, 4, 299]


def saved(family: str, path: Path, *, cache: bool, bits: Any) -> Path:
    name, sizes = SIZES[family]
    model = archonnx.compile(MODELS / f"{family}.arch", model=name, cache=cache, **sizes)
    model.save(path, seed=5, weight_bits=bits)
    return path


@pytest.mark.parametrize("bits", [4, 8])
@pytest.mark.parametrize("family", SIZES)
def test_the_cache_gives_the_same_tokens(family: str, bits: int, tmp_path: Path) -> None:
    with archonnx.load(saved(family, tmp_path / "cached.onnx", cache=True, bits=bits)) as session:
        cached = session.generate(PROMPT, max_new_tokens=24, seed=3)
    with archonnx.load(saved(family, tmp_path / "again.onnx", cache=False, bits=bits)) as session:
        again = session.generate(PROMPT, max_new_tokens=24, seed=3)
    assert (cached.cached, again.cached) == (True, False)
    assert len(set(cached.tokens)) > 5  # drawn: the best token of random weights is the same again and again
    assert cached.tokens == again.tokens


@pytest.mark.parametrize(("bits", "error"), [(8, 0.05), (4, 0.5)])
@pytest.mark.parametrize("family", SIZES)
def test_scores_are_near_those_of_float32(family: str, bits: int, error: float, tmp_path: Path) -> None:
    ids = np.random.default_rng(0).integers(0, 300, (2, 12))
    found = []
    for name, each in (("plain", None), ("few", bits)):
        with archonnx.load(saved(family, tmp_path / f"{name}.onnx", cache=False, bits=each)) as session:
            inputs = {"input_ids": ids}
            if any(spec.name == "attention_mask" and not spec.optional for spec in session.inputs):
                inputs["attention_mask"] = np.ones_like(ids)
            found.append(session(**inputs))
    assert 0 < np.abs(found[1] - found[0]).max() < error * np.abs(found[0]).max()
