"""models/bert.arch, gpt2.arch, llama.arch and voice.arch: parameters, work, inputs, and what they refuse."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import archonnx

MODELS = Path(__file__).resolve().parents[2] / "models"

# Counted from transformers 5.23: BertModel (with and without pooler), GPT2LMHeadModel, LlamaForCausalLM.
PARAMETERS = [
    ("bert", "BERTBase", {}, 109_482_240),
    ("bert", "BERTBase", {"pooler": False}, 108_891_648),
    ("bert", "BERTLarge", {}, 335_141_888),
    ("bert", "BERT", {"layers": 6, "width": 384, "heads": 12}, 22_713_216),
    ("bert", "MiniLM", {}, 22_713_216 - 384 * 385),  # a sentence's vector is a mean: no pooler
    ("gpt2", "GPT2Small", {}, 124_439_808),
    ("gpt2", "GPT2Medium", {}, 354_823_168),
    ("gpt2", "GPT2Large", {}, 774_030_080),
    ("gpt2", "GPT2XL", {}, 1_557_611_200),
    ("llama", "Llama2_7B", {}, 6_738_415_616),
    ("llama", "Llama2_13B", {}, 13_015_864_320),
    ("llama", "Llama2_70B", {}, 68_976_648_192),
    ("llama", "Llama3_8B", {}, 8_030_261_248),
    ("llama", "Llama3_1_8B", {}, 8_030_261_248),
    ("llama", "Llama3_2_1B", {}, 1_235_814_400),
    ("llama", "Llama3_2_3B", {}, 3_212_749_824),
]


@pytest.mark.parametrize(("file", "name", "given", "total"), PARAMETERS)
def test_parameters(file: str, name: str, given: dict[str, Any], total: int) -> None:
    summary = archonnx.compile(MODELS / f"{file}.arch", name, **given).summary()
    assert summary.to_dict()["parameters"] == {"total": total, "trainable": total, "non_trainable": 0}


def test_parameters_of_voice_activity() -> None:
    """The tensors of silero_vad_16k_op15.onnx have 309,633 numbers, 512 of them the LSTM's second bias; a transform is fixed."""
    summary = archonnx.compile(MODELS / "voice.arch", "VoiceActivity").summary()
    fixed = 258 * 256
    total = 309_633 - 512
    assert summary.to_dict()["parameters"] == {"total": total, "trainable": total - fixed, "non_trainable": fixed}


@pytest.mark.parametrize(("layers", "d", "heads"), [(12, 768, 12), (2, 48, 3)])
def test_the_work_of_gpt2_is_its_formula(layers: int, d: int, heads: int) -> None:
    graph = archonnx.compile(MODELS / "gpt2.arch", "GPT2", layers=layers, width=d, heads=heads).graph
    steps = graph.inputs[0].value.type.shape[1]
    per_text = layers * (12 * d * d * steps + 2 * d * steps * steps) + 50257 * d * steps
    assert graph.macs() == graph.inputs[0].value.type.shape[0] * per_text


@pytest.mark.parametrize(("file", "name"), [("bert", "BERTBase"), ("bert", "MiniLM"), ("gpt2", "GPT2Small")])
def test_optional_inputs_can_be_left_out(file: str, name: str) -> None:
    whole = archonnx.compile(MODELS / f"{file}.arch", name).graph
    optional = [i.name for i in whole.inputs if i.optional]
    assert optional == (["attention_mask", "token_type_ids"] if file == "bert" else ["attention_mask"])
    bare = archonnx.compile(MODELS / f"{file}.arch", name, **dict.fromkeys(optional)).graph
    assert [i.name for i in bare.inputs] == ["input_ids"]
    assert [str(o.value.type) for o in bare.outputs] == [str(o.value.type) for o in whole.outputs]
    assert [(w.path, w.shape) for w in bare.weights()] == [(w.path, w.shape) for w in whole.weights()]


@pytest.mark.parametrize(
    ("file", "model", "given", "message"),
    [
        ("bert", "BERT", {"layers": 1, "width": 100, "heads": 12}, "width 100 is not a multiple of 12 heads"),
        ("gpt2", "GPT2", {"layers": 1, "width": 100, "heads": 12}, "width 100 is not a multiple of 12 heads"),
        (
            "llama",
            "Llama",
            {"layers": 1, "width": 96, "heads": 12, "shared": 5, "inner": 8},
            "12 heads cannot share 5 heads of keys and values evenly",
        ),
    ],
)
def test_heads_that_do_not_fit_are_refused(file: str, model: str, given: dict[str, Any], message: str) -> None:
    with pytest.raises(archonnx.CompileError, match=message):
        archonnx.compile(MODELS / f"{file}.arch", model, **given)


def test_a_text_longer_than_the_positions_is_refused_by_the_runtime(tmp_path: Path) -> None:
    import numpy as np

    model = archonnx.compile(MODELS / "gpt2.arch", "GPT2", layers=1, width=8, heads=2, vocabulary=10, context=6)
    model.save(tmp_path / "gpt2.onnx")
    session = archonnx.load(tmp_path / "gpt2.onnx")
    ones = np.ones((2, 6), np.int64)
    assert session(input_ids=ones, attention_mask=ones).shape == (2, 6, 10)
    long = np.ones((2, 7), np.int64)
    with pytest.raises(archonnx.ArchonnxError, match="there are 6 positions"):
        session(input_ids=long, attention_mask=long)
