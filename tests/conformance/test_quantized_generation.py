"""Models of text with weights in few bits: they generate, with a cache as without."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

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


def scored(session: archonnx.Session, ids: NDArray[Any]) -> NDArray[Any]:
    """The scores at every place of texts that are whole."""
    takes_mask = any(spec.name == "attention_mask" for spec in session.inputs)
    found: NDArray[Any] = session(input_ids=ids, **({"attention_mask": np.ones_like(ids)} if takes_mask else {}))
    return found


@pytest.mark.parametrize("bits", [4, 8])
@pytest.mark.parametrize("family", SIZES)
def test_with_a_cache_each_token_is_the_best_of_reading_all_again(family: str, bits: int, tmp_path: Path) -> None:
    with archonnx.load(saved(family, tmp_path / "cached.onnx", cache=True, bits=bits)) as session:
        cached = session.generate(PROMPT, max_new_tokens=24)
    assert cached.cached
    with archonnx.load(saved(family, tmp_path / "again.onnx", cache=False, bits=bits)) as session:
        scores = scored(session, np.array([PROMPT + cached.tokens[:-1]]))[0, len(PROMPT) - 1 :]
    # Values are rounded to 8 bits before they are multiplied, so that the last bit of one may move a score a little.
    chosen = scores[np.arange(24), cached.tokens]
    assert (scores.max(axis=1) - chosen).max() <= 0.02 * np.abs(scores).max()


@pytest.mark.parametrize(("bits", "error"), [(8, 0.05), (4, 0.5)])
@pytest.mark.parametrize("family", SIZES)
def test_scores_are_near_those_of_float32(family: str, bits: int, error: float, tmp_path: Path) -> None:
    ids = np.random.default_rng(0).integers(0, 300, (2, 12))
    found = []
    for name, each in (("plain", None), ("few", bits)):
        with archonnx.load(saved(family, tmp_path / f"{name}.onnx", cache=False, bits=each)) as session:
            found.append(scored(session, ids))
    assert 0 < np.abs(found[1] - found[0]).max() < error * np.abs(found[0]).max()
