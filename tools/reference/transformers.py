"""References of transformers' language models: `python -m tools.reference.transformers [--check]`.

Counted of the modules themselves, for texts of 128 tokens. Llama's rotary positions are left out of the MACs:
transformers computes their angles as a matrix product of one column and one row, which multiplies no weight.
"""

from __future__ import annotations

import sys
from functools import partial
from importlib.metadata import version
from typing import Any

from tools.reference.modules import entry, on_meta, prepare
from tools.reference.writing import Entries, Entry, main

TOKENS = 128

# Model -> layers, width, heads, and for BERT the inner width.
BERT = {"BERTBase": (12, 768, 12, 3072), "BERTLarge": (24, 1024, 16, 4096), "MiniLM": (6, 384, 12, 1536)}
GPT2 = {
    "GPT2Small": (12, 768, 12),
    "GPT2Medium": (24, 1024, 16),
    "GPT2Large": (36, 1280, 20),
    "GPT2XL": (48, 1600, 25),
}
# Model -> layers, width, heads, heads of keys and values, inner width, and by how much its positions are stretched.
LLAMA2 = {
    "Llama2_7B": (32, 4096, 32, 32, 11008, None),
    "Llama2_13B": (40, 5120, 40, 40, 13824, None),
    "Llama2_70B": (80, 8192, 64, 8, 28672, None),
}
LLAMA3 = {
    "Llama3_8B": (32, 4096, 32, 8, 14336, None),
    "Llama3_1_8B": (32, 4096, 32, 8, 14336, 8.0),
    "Llama3_2_1B": (16, 2048, 32, 8, 8192, 32.0),
    "Llama3_2_3B": (28, 3072, 24, 8, 8192, 32.0),
}


def configuration(name: str) -> tuple[str, dict[str, Any]]:
    """The class of a model's configuration in transformers, and what it says; GPT-3's is that of GPT-2."""
    from tools.reference.papers import CONTEXT, GPT3

    sizes: dict[str, Any]
    if name in BERT:
        layers, width, heads, inner = BERT[name]
        sizes = {"num_hidden_layers": layers, "hidden_size": width, "num_attention_heads": heads}
        return "BertConfig", {**sizes, "intermediate_size": inner, "vocab_size": 30522}
    if name in GPT2 or name in GPT3:
        layers, width, heads = GPT2[name] if name in GPT2 else GPT3[name][:3]
        sizes = {"n_layer": layers, "n_embd": width, "n_head": heads}
        return "GPT2Config", {**sizes, "n_positions": CONTEXT} if name in GPT3 else sizes
    layers, width, heads, shared, inner, stretch = {**LLAMA2, **LLAMA3}[name]
    sizes = {"num_hidden_layers": layers, "hidden_size": width, "num_attention_heads": heads}
    old = name in LLAMA2
    rotary: dict[str, Any] = {"rope_type": "default", "rope_theta": 10_000.0 if old else 500_000.0}
    if stretch is not None:
        rotary |= {"rope_type": "llama3", "factor": stretch, "low_freq_factor": 1.0, "high_freq_factor": 4.0}
        rotary["original_max_position_embeddings"] = 8192
    return "LlamaConfig", {
        **sizes,
        "rms_norm_eps": 1e-5,
        "num_key_value_heads": shared,
        "intermediate_size": inner,
        "vocab_size": 32_000 if old else 128_256,
        "max_position_embeddings": 4096 if old else 8192 if stretch is None else 131_072,
        "rope_parameters": rotary,
        "tie_word_embeddings": name.startswith("Llama3_2"),
    }


def entries() -> Entries:
    """What transformers' modules count."""
    prepare()
    return {
        "bert": {name: _counted(name, "BertModel", add_pooling_layer=name != "MiniLM") for name in BERT},
        "gpt2": {name: _counted(name, "GPT2LMHeadModel") for name in GPT2},
        "llama": {name: _counted(name, "LlamaForCausalLM") for name in (*LLAMA2, *LLAMA3)},
    }


def _counted(name: str, kind: str, **given: Any) -> Entry:
    import torch
    import transformers

    config, options = configuration(name)
    configured = getattr(transformers, config)(**options, attn_implementation="eager")
    made = on_meta(partial(getattr(transformers, kind), configured, **given))
    ids = torch.zeros(1, TOKENS, dtype=torch.int64, device="meta")
    run: dict[str, Any] = {"input_ids": ids, "leave_out": ("rotary_emb",)}
    if kind != "BertModel":  # a decoder looks at the numbers of positions where it has no mask
        run["attention_mask"] = torch.ones_like(ids)
    layers, width, *_ = {**BERT, **GPT2, **LLAMA2, **LLAMA3}[name]
    of = f"{layers} layers of {width}{'' if given.get('add_pooling_layer', True) else ', without a pooler'}"
    source = f"transformers {version('transformers')} {kind}, {of}, counted by tools/reference/transformers.py"
    return entry(source, made, bind={"T": TOKENS}, **run)


if __name__ == "__main__":
    sys.exit(main(entries, __doc__))
