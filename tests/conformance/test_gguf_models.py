"""Llama from GGUF files as llama.cpp's converter writes them: the rows of query and key are interleaved head by head.

The files are written with the package gguf; transformers, which reads such files too, and its own module are the oracles.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from keras_harness import error
from transformers_harness import MODELS, Array, random_module, session_of, theirs, tokens

import archonnx

gguf = pytest.importorskip("gguf")
transformers = pytest.importorskip("transformers", reason="its Llama is what ours is held against")
torch = pytest.importorskip("torch")

LAYERS, WIDTH, HEADS, SHARED, INNER, VOCABULARY, THETA = 2, 64, 8, 2, 96, 90, 5000.0
OURS = {"layers": LAYERS, "width": WIDTH, "heads": HEADS, "shared": SHARED, "inner": INNER}
OURS |= {"vocabulary": VOCABULARY, "theta": THETA}
# How far a type may take the scores from those of the numbers before; three times what was seen.
QUANTISATION_ERROR = {
    "F32": 1e-4,
    "F16": 2e-3,
    "BF16": 1e-2,
    "Q8_0": 3e-2,
    "Q5_0": 0.3,
    "Q5_1": 0.3,
    "Q4_0": 0.4,
    "Q4_1": 0.4,
}


def llama() -> Any:
    return random_module(
        "LlamaForCausalLM",
        "LlamaConfig",
        num_hidden_layers=LAYERS,
        hidden_size=WIDTH,
        num_attention_heads=HEADS,
        num_key_value_heads=SHARED,
        intermediate_size=INNER,
        vocab_size=VOCABULARY,
        rms_norm_eps=1e-5,
        rope_parameters={"rope_type": "default", "rope_theta": THETA},
    )


def interleaved(rows: Array, heads: int) -> Array:
    """The order of rows that llama.cpp's rotary positions need: of each head the first of both halves, the second, ..."""
    return rows.reshape(heads, 2, rows.shape[0] // heads // 2, -1).swapaxes(1, 2).reshape(rows.shape)


def halved(rows: Array, heads: int) -> Array:
    """The way back."""
    return rows.reshape(heads, rows.shape[0] // heads // 2, 2, -1).swapaxes(1, 2).reshape(rows.shape)


def heads_of(name: str) -> int | None:
    """Of a projection whose rows are interleaved, the heads."""
    return HEADS if "q_proj" in name else SHARED if "k_proj" in name else None


def write(path: Path, state: Mapping[str, Array], kind: str) -> None:
    """A GGUF file of a state dictionary, its matrices in the type `kind`, vectors in F32."""
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_block_count(LAYERS)
    writer.add_context_length(512)
    writer.add_embedding_length(WIDTH)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(SHARED)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_rope_freq_base(THETA)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(VOCABULARY)
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, LAYERS)
    for name, array in state.items():
        heads = heads_of(name)
        array = array if heads is None else interleaved(array, heads)
        quantisation = gguf.GGMLQuantizationType[kind if array.ndim > 1 else "F32"]
        data = gguf.quants.quantize(array, quantisation)
        writer.add_tensor(names.get_name(name, (".weight",)), data, raw_dtype=quantisation)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def as_held(state: Mapping[str, Array], kind: str) -> dict[str, Array]:
    """The numbers that a file of that type stands for."""
    held = dict(state)
    quantisation = gguf.GGMLQuantizationType[kind]
    for name, array in state.items():
        if array.ndim > 1:
            heads = heads_of(name)
            rows = array if heads is None else interleaved(array, heads)
            rows = gguf.quants.dequantize(gguf.quants.quantize(rows, quantisation), quantisation)
            held[name] = rows if heads is None else halved(rows, heads)
    return held


@pytest.mark.parametrize("kind", list(QUANTISATION_ERROR))
def test_llama_from_gguf(kind: str, tmp_path: Path) -> None:
    module = llama()
    state = {name: tensor.numpy().copy() for name, tensor in module.state_dict().items()}
    write(tmp_path / "llama.gguf", state, kind)
    held = as_held(state, kind)

    compiled = archonnx.compile(MODELS / "llama.arch", "Llama", **OURS)
    ours = compiled.with_weights(tmp_path / "llama.gguf", map="gguf").values()
    same = compiled.with_weights(held, map="transformers").values()
    assert ours.keys() == same.keys()
    for path in ours:
        np.testing.assert_array_equal(ours[path], same[path])

    inputs = {"input_ids": tokens(VOCABULARY, 3, 21)["input_ids"]}
    with session_of(tmp_path / "llama.gguf", tmp_path, "llama", "Llama", "gguf", **OURS) as session:
        found = session(**inputs)
    before = theirs(module, inputs).logits.numpy()
    assert error(found, before) <= QUANTISATION_ERROR[kind]
    module.load_state_dict({name: torch.from_numpy(array) for name, array in held.items()})
    assert error(found, theirs(module, inputs).logits.numpy()) <= 1e-4


@pytest.mark.parametrize("kind", ["F32", "Q8_0"])
def test_transformers_reads_the_file_as_we_do(kind: str, tmp_path: Path) -> None:
    module = llama()
    write(tmp_path / "llama.gguf", {n: t.numpy() for n, t in module.state_dict().items()}, kind)
    read = transformers.LlamaForCausalLM.from_pretrained(tmp_path, gguf_file="llama.gguf", dtype=torch.float32).eval()
    inputs = {"input_ids": tokens(VOCABULARY, 3, 21)["input_ids"]}
    with session_of(tmp_path / "llama.gguf", tmp_path, "llama", "Llama", "gguf", **OURS) as session:
        assert error(session(**inputs), theirs(read, inputs).logits.numpy()) <= 1e-4
