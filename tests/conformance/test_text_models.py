"""The text models against transformers' own modules with random weights, which travel through files and maps."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from keras_harness import error
from transformers_harness import random_module, session_of, theirs, tokens

torch = pytest.importorskip("torch")
pytest.importorskip("transformers", reason="its modules are what ours are held against")

TINY_BERT = {"num_hidden_layers": 3, "hidden_size": 48, "num_attention_heads": 4, "intermediate_size": 80}
OUR_TINY_BERT = {"layers": 3, "width": 48, "heads": 4, "inner": 80, "vocabulary": 90, "positions": 40}
TINY_GPT2 = {"n_layer": 3, "n_embd": 48, "n_head": 4, "vocab_size": 90, "n_positions": 40}
TINY_GPT2 |= {"bos_token_id": 0, "eos_token_id": 0}
OUR_TINY_GPT2 = {"layers": 3, "width": 48, "heads": 4, "vocabulary": 90, "context": 40}


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder for files too large to be kept."""
    yield tmp_path
    shutil.rmtree(tmp_path)


def tiny_bert(kind: str = "BertModel") -> Any:
    return random_module(kind, "BertConfig", vocab_size=90, max_position_embeddings=40, **TINY_BERT)


def tiny_gpt2(kind: str = "GPT2LMHeadModel") -> Any:
    return random_module(kind, "GPT2Config", **TINY_GPT2)


def worst_of_bert(session: Any, module: Any, vocabulary: int, sizes: list[tuple[int, int]]) -> float:
    """The largest error of both outputs over batches of these sizes."""
    worst = 0.0
    for batch, steps in sizes:
        inputs = tokens(vocabulary, batch, steps)
        found, expected = session(**inputs), theirs(module, inputs)
        for name in ("last_hidden_state", "pooler_output"):
            worst = max(worst, error(found[name], expected[name].numpy()))
    return worst


def worst_of_scores(
    session: Any, module: Any, vocabulary: int, sizes: list[tuple[int, int]], *, masked: bool = True
) -> float:
    """The largest error of the logits over batches of these sizes."""
    worst = 0.0
    for batch, steps in sizes:
        drawn = tokens(vocabulary, batch, steps)
        inputs = {name: drawn[name] for name in ("input_ids", "attention_mask")[: 1 + masked]}
        worst = max(worst, error(session(**inputs), theirs(module, inputs).logits.numpy()))
    return worst


def test_bert_base(folder: Path) -> None:
    module = random_module("BertModel", "BertConfig")
    module.save_pretrained(folder / "bert")
    with session_of(folder / "bert" / "model.safetensors", folder, "bert", "BERTBase", "transformers") as session:
        assert worst_of_bert(session, module, 30522, [(1, 1), (3, 40), (1, 512)]) <= 1e-4


def test_gpt2_small(folder: Path) -> None:
    module = random_module("GPT2LMHeadModel", "GPT2Config")
    module.save_pretrained(folder / "gpt2")
    with session_of(folder / "gpt2" / "model.safetensors", folder, "gpt2", "GPT2Small", "transformers") as session:
        assert worst_of_scores(session, module, 50257, [(1, 1), (3, 40), (1, 300)]) <= 1e-4


def sharded_safetensors(module: Any, folder: Path) -> Path:
    module.save_pretrained(folder, max_shard_size="50KB")
    assert len(list(folder.glob("*.safetensors"))) > 2
    return folder / "model.safetensors.index.json"


def pickled(module: Any, folder: Path) -> Path:
    folder.mkdir()
    torch.save(module.state_dict(), folder / "pytorch_model.bin")
    return folder / "pytorch_model.bin"


def sharded_pickles(module: Any, folder: Path) -> Path:
    folder.mkdir()
    state = module.state_dict()
    names = {name: f"pytorch_model-{number % 3 + 1:05}-of-00003.bin" for number, name in enumerate(state)}
    for file in set(names.values()):
        torch.save({name: state[name] for name in state if names[name] == file}, folder / file)
    (folder / "pytorch_model.bin.index.json").write_text(json.dumps({"metadata": {}, "weight_map": names}))
    return folder / "pytorch_model.bin.index.json"


@pytest.mark.parametrize("write", [sharded_safetensors, pickled, sharded_pickles])
@pytest.mark.parametrize("kind", ["bert", "gpt2"])
def test_through_other_files(kind: str, write: Any, folder: Path) -> None:
    if kind == "bert":
        module = tiny_bert()
        source = write(module, folder / "theirs")
        with session_of(source, folder, "bert", "BERT", "transformers", **OUR_TINY_BERT) as session:
            assert worst_of_bert(session, module, 90, [(1, 1), (4, 40)]) <= 1e-5
    else:
        module = tiny_gpt2()
        source = write(module, folder / "theirs")
        with session_of(source, folder, "gpt2", "GPT2", "transformers", **OUR_TINY_GPT2) as session:
            assert worst_of_scores(session, module, 90, [(1, 1), (4, 40)]) <= 1e-5


def test_bert_without_inputs_that_may_be_left_out(folder: Path) -> None:
    module = tiny_bert()
    state = {name: tensor.numpy() for name, tensor in module.state_dict().items()}
    given = {**OUR_TINY_BERT, "attention_mask": None, "token_type_ids": None, "pooler": False}
    with session_of(state, folder, "bert", "BERT", "transformers", **given) as session:
        inputs = {"input_ids": tokens(90, 3, 17)["input_ids"]}
        assert error(session(**inputs), theirs(module, inputs).last_hidden_state.numpy()) <= 1e-5


@pytest.mark.parametrize("kind", ["BertForPreTraining", "BertForMaskedLM"])
def test_bert_inside_a_model_that_has_more(kind: str, folder: Path) -> None:
    module = tiny_bert(kind)
    state = {name: tensor.numpy() for name, tensor in module.state_dict().items()}
    given = {**OUR_TINY_BERT, "pooler": kind == "BertForPreTraining"}
    with session_of(state, folder, "bert", "BERT", "transformers", **given) as session:
        inputs = tokens(90, 3, 17)
        found, expected = session(**inputs), theirs(module.bert, inputs).last_hidden_state.numpy()
        assert error(found["last_hidden_state"] if given["pooler"] else found, expected) <= 1e-5


def test_the_published_form_of_bert(folder: Path) -> None:
    """Heads of pretraining beside it, everything of the encoder under `bert.`, gamma and beta, numbered positions."""
    module = tiny_bert("BertForPreTraining")
    state = {name: tensor.numpy() for name, tensor in module.state_dict().items()}
    for ours, old in (("LayerNorm.weight", "LayerNorm.gamma"), ("LayerNorm.bias", "LayerNorm.beta")):
        state = {name.replace(ours, old): array for name, array in state.items()}
    state["bert.embeddings.position_ids"] = np.arange(40)[None]
    with session_of(state, folder, "bert", "BERT", "pretraining", **OUR_TINY_BERT) as session:
        assert worst_of_bert(session, module.bert, 90, [(3, 17)]) <= 1e-5


def test_the_published_form_of_gpt2(folder: Path) -> None:
    """Names without `transformer.`, and the causal mask as a buffer of each layer."""
    module = tiny_gpt2()
    state = {name: tensor.numpy() for name, tensor in module.transformer.state_dict().items()}
    state |= {f"h.{i}.attn.bias": np.tril(np.ones((1, 1, 40, 40), np.float32)) for i in range(3)}
    with session_of(state, folder, "gpt2", "GPT2", "transformers", **OUR_TINY_GPT2) as session:
        assert worst_of_scores(session, module, 90, [(3, 17)]) <= 1e-5


STRETCHED = {"rope_type": "llama3", "rope_theta": 5000.0, "factor": 8.0, "low_freq_factor": 1.0}
STRETCHED |= {"high_freq_factor": 4.0, "original_max_position_embeddings": 64}


@pytest.mark.parametrize("opset", [20, 23])
@pytest.mark.parametrize(
    ("shared", "tied", "rotary", "stretch"),
    [
        (8, False, {"rope_type": "default", "rope_theta": 5000.0}, None),
        (2, False, {"rope_type": "default", "rope_theta": 5000.0}, None),
        (1, True, STRETCHED, [8, 1, 4, 64]),
    ],
    ids=["own", "shared", "tied-stretched"],
)
def test_llama(
    shared: int, tied: bool, rotary: dict[str, Any], stretch: list[int] | None, opset: int, folder: Path
) -> None:
    module = random_module(
        "LlamaForCausalLM",
        "LlamaConfig",
        num_hidden_layers=3,
        hidden_size=64,
        num_attention_heads=8,
        num_key_value_heads=shared,
        intermediate_size=96,
        vocab_size=90,
        rms_norm_eps=1e-5,
        rope_parameters=rotary,
        tie_word_embeddings=tied,
    )
    module.save_pretrained(folder / "llama")
    given = {"layers": 3, "width": 64, "heads": 8, "shared": shared, "inner": 96, "vocabulary": 90, "theta": 5000}
    given |= {"stretch": stretch, "tied": tied, "opset": opset}
    with session_of(
        folder / "llama" / "model.safetensors", folder, "llama", "Llama", "transformers", **given
    ) as session:
        assert worst_of_scores(session, module, 90, [(1, 1), (3, 17), (1, 300)], masked=False) <= 1e-4
