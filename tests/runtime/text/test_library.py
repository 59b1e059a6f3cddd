"""The tokenizers library's files, held against the library itself; and tokens that come one by one."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from archonnx.contract.diagnostics import MachineError
from archonnx.contract.vocabulary import vocabulary_size
from archonnx.runtime.text.characters import CharacterTokenizer
from archonnx.runtime.text.tokenizer import Tokenizer, TokenizerError, read_tokenizer

pytest.importorskip("tokenizers", reason="the extra `text` installs it")
TEXTS = ["A cat sits on the mat.", "Zürich, 東京 and 😀👩‍👩‍👧 too", "x", "it's  two   spaces\nand a line"]


@pytest.fixture(scope="module")
def byte_fallback() -> Any:
    """A tokenizer like Llama's: a mark for the space before a word, and bytes as tokens for what it does not know."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, processors

    tokens = ["<unk>", "<s>", "</s>", *(f"<0x{n:02X}>" for n in range(256)), "▁", "c", "a", "t", "▁c", "at", "▁cat"]
    merges = [("▁", "c"), ("a", "t"), ("▁c", "at")]
    model = models.BPE(
        {t: n for n, t in enumerate(tokens)}, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True
    )
    made = Tokenizer(model)
    made.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    steps = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    made.decoder = decoders.Sequence(steps)
    made.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    made.add_special_tokens([AddedToken(t, special=True) for t in ("<s>", "</s>", "<unk>")])
    return made


def ours(made: Any) -> Tokenizer:
    return read_tokenizer(made.to_str().encode())


def test_tokens_are_the_library_s(byte_level: Any, byte_fallback: Any) -> None:
    for made in (byte_level, byte_fallback):
        for text in TEXTS:
            for special in (True, False):
                expected = made.encode(text, add_special_tokens=special).ids
                assert ours(made).encode(text, special=special) == expected
                assert ours(made).decode(expected) == made.decode(expected)


def test_special_tokens(byte_level: Any, byte_fallback: Any) -> None:
    end = byte_level.token_to_id("<|endoftext|>")
    found = ours(byte_level)
    assert (found.special.bos, found.special.eos, found.special.pad, found.special.ends) == (end, end, None, (end,))
    assert found.vocabulary == end + 1 == vocabulary_size(byte_level.to_str().encode())
    assert (found.pad(), found.pad(7)) == (0, 7)
    llama = ours(byte_fallback)
    assert (llama.special.bos, llama.special.eos, llama.special.unk) == (1, 2, 0)
    assert llama.encode_one("cat").added == 1
    assert llama.decode([1, *llama.encode("cat", special=False)], special=True).startswith("<s>")


def test_its_own_lengths_are_switched_off(byte_level: Any) -> None:
    from tokenizers import Tokenizer as Library

    made = Library.from_str(byte_level.to_str())
    made.enable_padding(length=50, pad_id=5, pad_token=made.id_to_token(5))
    made.enable_truncation(3)
    found = ours(made)
    assert found.encode(TEXTS[0]) == byte_level.encode(TEXTS[0]).ids
    assert found.special.pad == 5
    assert found.batch(TEXTS[:2]).ids[0, -1] == 5


def test_cutting_keeps_special_tokens(byte_fallback: Any) -> None:
    whole, cut = ours(byte_fallback).encode("cat cat cat"), ours(byte_fallback).encode_one("cat cat cat", limit=3)
    assert cut.ids == whole[:3]
    assert (cut.added, len(cut.types)) == (1, 3)
    assert ours(byte_fallback).encode_one("cat", limit=50).ids == ours(byte_fallback).encode("cat")


def test_streams_give_whole_characters(byte_level: Any, byte_fallback: Any) -> None:
    long = " ".join(TEXTS * 6)
    for made in (byte_level, byte_fallback):
        found = ours(made)
        ids = found.encode(long, special=False)
        for start in (0, 1, 7, 40):
            stream = found.stream(ids[:start])
            pieces = [stream.feed(n) for n in ids[start:]]
            assert not any("\ufffd" in piece for piece in pieces)
            assert stream.end() == ""
            whole, known = found.decode(ids), found.decode(ids[:start]).rstrip("\ufffd")
            assert known + "".join(pieces) == whole


def test_streams_do_not_wait_for_ever(byte_level: Any) -> None:
    found = ours(byte_level)
    half = found.encode("😀", special=False)[:1]
    stream = found.stream()
    pieces = [stream.feed(n) for n in half * 10 + found.encode("cat")]
    assert "".join(pieces) + stream.end() == found.decode(half * 10 + found.encode("cat"))
    assert "\ufffd" in "".join(pieces[:10])
    stream = found.stream()
    assert stream.feed(half[0]) == ""
    assert stream.end() == "\ufffd"
    assert stream.end() == ""


def test_streams_of_characters() -> None:
    stream = CharacterTokenizer(["a", "b"]).stream([0])
    assert [stream.feed(n) for n in (1, 0, 0)] == ["b", "a", "a"]
    with pytest.raises(TokenizerError, match="7 is no token"):
        stream.feed(7)
    assert stream.feed(1) == "b"


@pytest.mark.parametrize(
    "text",
    [
        '{"version": "1.0"',
        '{"a": 1}',
        '{"model": {"type": "BPE"}}',
        '{"model": {"type": "WordLevel", "vocab": {"a": -1}, "unk_token": "a"}}',
        '{"model": {"type": "WordLevel", "vocab": {"a": 99999999999}, "unk_token": "a"}}',
    ],
)
def test_damaged_files(text: str) -> None:
    with pytest.raises(TokenizerError, match=r"^t\.json: this is no tokenizer\.json: \S.*$"):
        read_tokenizer(text.encode(), "t.json")


def test_files_that_are_cut_or_changed_are_no_traceback(byte_level: Any) -> None:
    data = byte_level.to_str().encode()
    for end in range(20, len(data), 97):
        with pytest.raises(TokenizerError):
            read_tokenizer(data[:end])
    document = json.loads(data)
    for key in document:
        try:
            read_tokenizer(json.dumps({**document, key: {"type": "none such"}}).encode()).encode("a cat")
        except TokenizerError as error:
            assert "\n" not in str(error)


def test_files_that_the_library_panics_over(byte_fallback: Any) -> None:
    """Its panic is no Exception, and would end a program."""
    document = json.loads(byte_fallback.to_str())
    document["post_processor"]["special_tokens"] = {}
    with pytest.raises(TokenizerError, match=r"^t: (it makes no tokens of this text|this is no tokenizer\.json): \S"):
        read_tokenizer(json.dumps(document).encode(), "t").encode("cat")


def test_texts_that_make_no_tokens() -> None:
    from tokenizers import Tokenizer as Library
    from tokenizers import models

    made = ours(Library(models.WordLevel({"cat": 0}, "<unk>")))
    with pytest.raises(TokenizerError, match="it makes no tokens of this text: WordLevel error: Missing"):
        made.encode("dog")
    with pytest.raises(TokenizerError, match="no Unicode: half of a character at place 1"):
        made.encode("a\udcff")
    with pytest.raises(TokenizerError, match="9 is no token: there are 1, from 0"):
        made.decode([9])


def test_the_library_may_be_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    (tmp_path / "tokenizer.json").write_text('{"version": "1.0"}')
    with pytest.raises(
        MachineError, match=r"needs the library tokenizers, .* pip install 'archonnx\[text\]'"
    ) as caught:
        read_tokenizer(tmp_path / "tokenizer.json")
    assert caught.value.exit_code == 3
