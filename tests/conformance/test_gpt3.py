"""models/gpt3.arch against transformers' GPT-2 of the same sizes: the same decoder, by the map of gpt2.arch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from transformers_harness import MODELS, random_module, session_of

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")


def test_gpt3_computes_what_the_decoder_of_gpt2_computes(tmp_path: Path) -> None:
    sizes = {"n_layer": 3, "n_embd": 64, "n_head": 4, "vocab_size": 97, "n_positions": 40}
    module = random_module("GPT2LMHeadModel", "GPT2Config", bos_token_id=0, eos_token_id=0, **sizes)
    module.save_pretrained(tmp_path / "theirs")
    ids = np.random.default_rng(0).integers(0, 97, (2, 33))
    seen = np.ones_like(ids)
    seen[1, 20:] = 0
    with torch.no_grad():
        expected = module(torch.from_numpy(ids), attention_mask=torch.from_numpy(seen)).logits.numpy()
    ours = {"layers": 3, "width": 64, "heads": 4, "head_width": 16, "vocabulary": 97, "context": 40}
    given = str(MODELS / "gpt2.transformers.map")
    source = tmp_path / "theirs" / "model.safetensors"
    with session_of(source, tmp_path, "gpt3", "GPT3", given, **ours) as session:
        found = session(input_ids=ids, attention_mask=seen)
    shown = seen.astype(bool)
    error = np.abs(found[shown] - expected[shown]).max() / np.abs(expected).max()
    assert error <= 1e-4
