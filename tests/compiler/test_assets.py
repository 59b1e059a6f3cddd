"""Files that travel in a model: attached to it, and looked into where it is known what they are for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import archonnx
from archonnx.compiler import assets
from archonnx.compiler.assets import AssetError
from archonnx.contract.diagnostics import CompileError, UsageError
from archonnx.contract.vocabulary import VocabularyError, vocabulary_size

MODEL = """model A(rows = 4):
    input tokens: int32[N, T]
    asset labels = "labels.txt"
    Embedding(rows, 2)
    output y
"""


@pytest.fixture
def model(tmp_path: Path) -> Any:
    (tmp_path / "labels.txt").write_text("cat\ndog\n")
    return archonnx.compile(text=MODEL, root=tmp_path)


def test_files_are_attached_and_replaced(model: Any, tmp_path: Path) -> None:
    (tmp_path / "characters.txt").write_text("a\nb\n")
    made = model.with_assets(tokenizer=tmp_path / "characters.txt", labels=b"one\ntwo\n")
    assert {n: a.data for n, a in made.graph.assets.items()} == {"labels": b"one\ntwo\n", "tokenizer": b"a\nb\n"}
    assert model.graph.assets.keys() == {"labels"}, "the model itself stays as it was"
    session = archonnx.load(made, device="cpu")
    assert session.labels == ["one", "two"]
    assert session(text="ba").shape == (1, 2, 2)


def test_what_is_refused(model: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(
        AssetError, match=r"^A: the tokenizer the asset tokenizer, line 1: expected one character, received 2"
    ):
        model.with_assets(tokenizer=b"ab\n")
    (tmp_path / "t.txt").write_text("a\nb\nc\nd\ne\n")
    said = (
        r"^A: the tokenizer .*t\.txt has 5 tokens, the table of tokens has 4 rows; give the tokenizer that the model's"
    )
    with pytest.raises(AssetError, match=said):
        model.with_assets(tokenizer=tmp_path / "t.txt")
    with pytest.raises(FileNotFoundError):
        model.with_assets(notes=tmp_path / "nowhere")
    with pytest.raises(UsageError, match="an asset has a name such as labels or tokenizer, received 'a b'"):
        model.with_assets(**{"a b": b""})
    monkeypatch.setattr(assets, "MAX_BYTES", 4)
    with pytest.raises(AssetError, match="too large to travel in a model"):
        model.with_assets(notes=b"12345")


def test_a_declared_tokenizer_is_looked_into(tmp_path: Path) -> None:
    source = MODEL.replace('labels = "labels.txt"', 'tokenizer = "t.txt"')
    for content, code in (("a\nbc\n", "E1120"), ("a\nb\nc\nd\ne\n", "E1121"), ("a\nb\nc\nd\n", None)):
        (tmp_path / "t.txt").write_text(content)
        if code is None:
            assert archonnx.compile(text=source, root=tmp_path).graph.assets["tokenizer"].data == content.encode()
            continue
        with pytest.raises(CompileError) as caught:
            archonnx.compile(text=source, root=tmp_path)
        (found,) = caught.value.diagnostics
        assert (found.code, str(found.place)) == (code, "text.arch:3:23")


def test_a_tokenizer_of_several_inputs(tmp_path: Path) -> None:
    """Only `input_ids` is known to be what a tokenizer gives."""
    text = "model B():\n    input a: int32[T]\n    input {0}: int32[T]\n    x = a -> Embedding(2, 2)\n    output y = x + ({0} -> Embedding(3, 2))\n"
    archonnx.compile(text=text.format("b")).with_assets(tokenizer=b"a\nb\nc\nd\n")
    with pytest.raises(AssetError, match="the table of input_ids has 3 rows"):
        archonnx.compile(text=text.format("input_ids")).with_assets(tokenizer=b"a\nb\nc\nd\n")


@pytest.mark.parametrize(
    ("document", "size"),
    [
        ({"model": {"vocab": {"a": 0, "b": 7}}}, 8),
        ({"model": {"vocab": {"a": 0}}, "added_tokens": [{"id": 9}]}, 10),
        ({"model": {"vocab": [["a", -1.5], ["b", -2.5]]}}, 2),
        ({"version": "1.0", "model": {"vocab": {}}, "added_tokens": None}, 0),
    ],
)
def test_the_size_of_a_vocabulary(document: object, size: int) -> None:
    assert vocabulary_size(json.dumps(document).encode()) == size


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"version": "1.0"', "this is no tokenizer.json: Expecting"),
        ('{"version": "1.0"}', 'it has no "model" with a "vocab"'),
        ('{"model": []}', 'it has no "model" with a "vocab"'),
        ('{"model": {"vocab": {"a": "b"}}}', "a token of it has no whole number"),
        ('{"model": ' + "[" * 100_000, "it is nested too deeply"),
    ],
)
def test_damaged_vocabularies(text: str, said: str) -> None:
    with pytest.raises(VocabularyError, match=said):
        vocabulary_size(text.encode())
