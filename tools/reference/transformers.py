"""References of transformers' language models: `python -m tools.reference.transformers [--check]`.

Counted of the modules themselves, for texts of 128 tokens. Llama's rotary positions are left out of the MACs:
transformers computes their angles as a matrix product of one column and one row, which multiplies no weight.
"""

from __future__ import annotations

import sys
from importlib.metadata import version
from typing import Any

from tools.reference.modules import entry, on_meta, prepare
from tools.reference.writing import Entries, Entry, main

TOKENS = 128

GPT2 = {"Small": (12, 768, 12), "Medium": (24, 1024, 16), "Large": (36, 1280, 20), "XL": (48, 1600, 25)}
LLAMA2 = {"max_position_embeddings": 4096, "vocab_size": 32000}
LLAMA3 = {"max_position_embeddings": 8192, "vocab_size": 128256}
# Model -> layers, width, heads, heads of keys and values, inner width; and what else its configuration says.
LLAMA: dict[str, tuple[tuple[int, int, int, int, int], dict[str, Any]]] = {
    "Llama2_7B": ((32, 4096, 32, 32, 11008), LLAMA2),
    "Llama2_13B": ((40, 5120, 40, 40, 13824), LLAMA2),
    "Llama2_70B": ((80, 8192, 64, 8, 28672), LLAMA2),
    "Llama3_8B": ((32, 4096, 32, 8, 14336), LLAMA3),
    "Llama3_1_8B": ((32, 4096, 32, 8, 14336), LLAMA3),
    "Llama3_2_1B": ((16, 2048, 32, 8, 8192), {**LLAMA3, "tie_word_embeddings": True}),
    "Llama3_2_3B": ((28, 3072, 24, 8, 8192), {**LLAMA3, "tie_word_embeddings": True}),
}


def entries() -> Entries:
    """What transformers' modules count."""
    prepare()
    bert = {
        "BERTBase": _bert("BERT-base", True, 12, 768, 12, 3072),
        "BERTLarge": _bert("BERT-large", True, 24, 1024, 16, 4096),
        "MiniLM": _bert("all-MiniLM-L6-v2's sizes, without a pooler", False, 6, 384, 12, 1536),
    }
    gpt2 = {f"GPT2{name}": _gpt2(name, *sizes) for name, sizes in GPT2.items()}
    llama = {name: _llama(name, sizes, options) for name, (sizes, options) in LLAMA.items()}
    return {"bert": bert, "gpt2": gpt2, "llama": llama}


def _counted(module: str, kind: str, of: str, config: dict[str, Any], given: dict[str, Any], **options: Any) -> Entry:
    import torch
    import transformers

    made = on_meta(
        lambda: getattr(transformers, module)(
            getattr(transformers, kind)(**config, attn_implementation="eager"), **given
        )
    )
    ids = torch.zeros(1, TOKENS, dtype=torch.int64, device="meta")
    if module != "BertModel":  # a decoder looks at the numbers of positions where it has no mask
        options |= {"attention_mask": torch.ones_like(ids)}
    source = f"transformers {version('transformers')} {module}, counted by tools/reference/transformers.py with {of}"
    return entry(source, made, bind={"T": TOKENS}, input_ids=ids, **options)


def _bert(of: str, pooler: bool, layers: int, width: int, heads: int, inner: int) -> Entry:
    config = {"num_hidden_layers": layers, "hidden_size": width, "num_attention_heads": heads}
    config |= {"intermediate_size": inner, "vocab_size": 30522}
    return _counted("BertModel", "BertConfig", of, config, {"add_pooling_layer": pooler})


def _gpt2(name: str, layers: int, width: int, heads: int) -> Entry:
    config = {"n_layer": layers, "n_embd": width, "n_head": heads}
    return _counted("GPT2LMHeadModel", "GPT2Config", f"{layers} layers of {width}, the tied head once", config, {})


def _llama(name: str, sizes: tuple[int, int, int, int, int], options: dict[str, Any]) -> Entry:
    layers, width, heads, shared, inner = sizes
    config = {"num_hidden_layers": layers, "hidden_size": width, "num_attention_heads": heads, **options}
    config |= {"num_key_value_heads": shared, "intermediate_size": inner}
    of = f"{layers} layers of {width}, without the angles of rotary positions in the MACs"
    return _counted("LlamaForCausalLM", "LlamaConfig", of, config, {}, leave_out=("rotary_emb",))


if __name__ == "__main__":
    sys.exit(main(entries, __doc__))
