"""Texts of a tokenizer of bytes, whose tokens end within characters: what is streamed is what all tokens together say."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import archonnx
from archonnx.cli import main

pytest.importorskip("tokenizers", reason="the extra `text` installs it")

VOCABULARY = 400
SIZES = {"layers": 2, "width": 32, "heads": 4, "vocabulary": VOCABULARY, "context": 256}


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tokenizer as GPT-2's is made, of this very file."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=["<|endoftext|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    made.train_from_iterator([Path(__file__).read_text(encoding="utf-8")], trainer)
    assert made.get_vocab_size() == VOCABULARY
    target = tmp_path_factory.mktemp("tokenizer") / "tokenizer.json"
    made.save(str(target))
    return target


def test_pieces_together_are_the_text(tokenizer: Path) -> None:
    session = archonnx.load(archonnx.compile("zoo:gpt2", "GPT2", cache=True, **SIZES), tokenizer=tokenizer)
    known = session.tokenizer
    assert known is not None
    reasons, broken = set(), 0
    for seed in range(10):
        stream = session.stream(["The model", "ä€"], seed=seed, temperature=1.5, max_new_tokens=100)
        told = ["", ""]
        for piece in stream:
            told[piece.row] += piece.text or ""
        for row, text in zip(stream.result.rows, told, strict=True):
            assert text == row.text
            assert known.decode(row.prompt + row.tokens) == known.decode(row.prompt) + text
            reasons.add(row.reason)
            broken += "\ufffd" in text
    assert reasons == {"stop", "length"}
    assert broken, "random bytes are seldom characters"


def test_a_special_token_is_named_to_end_a_text(tokenizer: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sizes = [word for name, size in SIZES.items() for word in ("--set", f"{name}={size}")]
    prompts = ["--prompt", "The model"] * 8
    call = ["generate", "zoo:gpt2", "--model", "GPT2", *sizes, "--tokenizer", str(tokenizer), *prompts]
    found = []
    for stop in ([], ["--stop", "<|endoftext|>"], ["--stop", "no such text"]):
        options = ["--temperature", "1.5", "--seed", "7", "--max-new-tokens", "240", "--format", "json", *stop]
        assert main([*call, *options]) == 0
        texts = json.loads(capsys.readouterr().out)["texts"]
        found.append([(len(row["tokens"]), row["reason"], row["stopped_by"]) for row in texts])
    assert found[0] == found[1]
    assert {row[1:] for row in found[0]} == {("stop", 0), ("length", None)}
    assert set(found[2]) == {(240, "length", None)}
