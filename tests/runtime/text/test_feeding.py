"""Texts as inputs: which inputs they become, how long they may be, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import archonnx
from archonnx.contract.diagnostics import UsageError
from archonnx.runtime.errors import InputError
from archonnx.runtime.text.tokenizer import TokenizerError

CHARACTERS = b"<pad>\na\nb\nc\n"
MEAN = """model Mean(most = 6):
    input input_ids: int64[B, T]
    input attention_mask: int32[B, T] = None
    require T <= most, f"there are {most} places"
    x = input_ids -> Embedding(4, 2)
    if attention_mask != None:
        kept = cast(attention_mask, float32)[..., None]
        output y = sum(x * kept, axis=1) / sum(kept, axis=1)
    else:
        output y = mean(x, axis=1)
"""
MASKED = """model Masked():
    input tokens: int32[N, T]
    Embedding(5, 2, mask_zero=True)
    LSTM(2)
    output y
"""
TYPES = """model Types():
    input input_ids: int64[B, 4]
    input token_type_ids: int64[B, 4]
    input position_ids: int64[B, 4]
    input attention_mask: float32[B, 4]
    x = (input_ids -> Embedding(4, 2)) + (token_type_ids -> Embedding(2, 2)) + (position_ids -> Embedding(4, 2))
    output y = x * attention_mask[..., None]
"""


def loaded(text: str, tokenizer: bytes | None = CHARACTERS, **parameters: Any) -> Any:
    return archonnx.load(archonnx.compile(text=text, **parameters), device="cpu", tokenizer=tokenizer)


def test_a_call_with_texts_is_one_with_their_tokens() -> None:
    session = loaded(MEAN)
    made = session.tokenize(["ab", "cabc"])
    assert made["input_ids"].tolist() == [[1, 2, 0, 0], [3, 1, 2, 3]]
    assert made["attention_mask"].tolist() == [[1, 1, 0, 0], [1, 1, 1, 1]]
    assert {name: str(array.dtype) for name, array in made.items()} == {"input_ids": "int64", "attention_mask": "int32"}
    expected = session(made)
    for given in (
        session(text=["ab", "cabc"]),
        session({"text": ("ab", "cabc")}),
        session(text=np.array(["ab", "cabc"])),
    ):
        np.testing.assert_array_equal(given, expected)
    # The mask tells padding apart: alone, a text has the same vector.
    np.testing.assert_allclose(session(text="ab")[0], expected[0], rtol=1e-6)
    assert session.check(text="ab").keys() == {"input_ids", "attention_mask"}
    assert session.run_with_timing(text="ab")[0]["y"].shape == (1, 2)
    assert session.vocabularies == {"input_ids": 4}


def test_inputs_of_other_names_and_fixed_length() -> None:
    made = loaded(TYPES).tokenize(["ab", "b"])
    assert made["input_ids"].tolist() == [[1, 2, 0, 0], [2, 0, 0, 0]]
    assert made["attention_mask"].dtype == np.float32
    assert made["position_ids"].tolist() == [[0, 1, 1, 1], [0, 0, 0, 0]]
    assert made["token_type_ids"].tolist() == [[0] * 4] * 2
    with pytest.raises(
        InputError, match=r"^text 1 has 5 tokens, Types takes 4 at most \(input_ids: int64\[B, 4\]\); sho"
    ):
        loaded(TYPES).tokenize("abcab")


def test_the_only_input_of_tokens() -> None:
    session = loaded(MASKED, b"<pad>\na\nb\nc\n\\s\n")
    made = session.tokenize(["ab a", "b"])
    assert {name: array.tolist() for name, array in made.items()} == {"tokens": [[1, 2, 4, 1], [2, 0, 0, 0]]}
    np.testing.assert_allclose(session(text=["ab a", "b"])[1], session(text="b")[0], rtol=1e-6)


def test_padding_that_nothing_tells_from_text() -> None:
    session = loaded(MEAN, attention_mask=None)
    assert session(text=["ab", "bc"]).shape == (2, 2)
    said = "the texts have 2 and 1 tokens, and 2 are taken: Mean has no input attention_mask that tells tokens from padding"
    with pytest.raises(InputError, match=said):
        session(text=["ab", "b"])
    with pytest.raises(InputError, match="text 1: 0 is 'a' for the tokenizer, and padding for Masked"):
        loaded(MASKED, b"a\nb\n")(text="ba")


def test_texts_that_are_too_long() -> None:
    session = loaded(MEAN)
    with pytest.raises(InputError) as caught:
        session(text=["a", "abcabca"])
    said = "text 2 has 7 tokens, Mean takes 6 at most (T <= 6: there are 6 places, at text.arch:4:5); shorten it"
    assert str(caught.value).startswith(said)
    lines: list[str] = []
    made = session.tokenize(["a", "abcabca"], truncate=True, say=lines.append)
    assert made["input_ids"].tolist() == [[1, 0, 0, 0, 0, 0], [1, 2, 3, 1, 2, 3]]
    assert lines == ["text 2: cut from 7 tokens to 6", "text: 2 texts of 1 and 6 tokens, filled up to 6"]
    many: list[str] = []
    session.tokenize(["a"] * 5, say=many.append)
    assert many == ["text: 5 texts of 1 tokens"]


@pytest.mark.parametrize(
    ("condition", "longest"),
    [("T < 5", 4), ("8 - T >= 3", 5), ("2 * T <= 9", 4), ("T <= 100", None), ("T % 2 == 1", None), ("T >= 7", None)],
)
def test_what_bounds_a_text(condition: str, longest: int | None) -> None:
    session = loaded(MEAN.replace("T <= most", condition).replace("{most}", "few"))
    if longest is None:  # not told here: the check of every call says what is required
        session.tokenize("a" * 6)
        return
    assert session.tokenize("a" * longest)
    with pytest.raises(InputError, match=rf"^text 1 has {longest + 1} tokens, Mean takes {longest} at most"):
        session.tokenize("a" * (longest + 1))


def test_texts_that_are_none() -> None:
    session = loaded(MEAN)
    for text, said in (
        ("", "text 1 is empty: no token is in it; Mean needs one at least"),
        (["a", ""], "text 2 is empty"),
        ([], "the list of texts is empty; Mean takes one at least"),
    ):
        with pytest.raises(InputError) as caught:
            session(text=text)
        assert said in str(caught.value)
    for wrong in (3, b"ab", {"a": "b"}, None):
        with pytest.raises(UsageError, match=r"^text is a string, or a list of strings; received "):
            session(text=wrong)
    with pytest.raises(UsageError, match=r"^text 2 is a string, as every text; received int"):
        session(text=["a", 3])
    with pytest.raises(TokenizerError, match=r"^text 2: .*'x', at place 0 of the text, is none of its 4 characters"):
        session(text=["a", "x"])
    with pytest.raises(InputError, match=r"^text 1 is empty: no token is in it but those around every text"):
        loaded(MEAN, b"<pad>\n<bos>\na\n")(text="")
    with pytest.raises(UsageError, match="input input_ids is given, and made of the text too"):
        session(text="a", input_ids=[[1]])


def test_models_without_what_it_takes() -> None:
    with pytest.raises(UsageError, match=r"^Mean has no tokenizer, which .* run --tokenizer FILE, archonnx\.load"):
        loaded(MEAN, None)(text="a")
    dense = "model A():\n    input x: float32[N, 3]\n    Dense(2)\n    output y\n"
    with pytest.raises(UsageError, match=r"^A takes no text: none of its inputs is tokens alone \(they are x: float32"):
        loaded(dense, None)(text="a")
    two = "model B():\n    input a: int32[T]\n    input b: int32[T]\n    c = a -> Embedding(9, 2)\n    output y = c + (b -> Embedding(9, 2))\n"
    with pytest.raises(UsageError, match=r"^B takes no text"):
        loaded(two)(text="a")
    with pytest.raises(
        TokenizerError, match="its tokenizer has 5 tokens, its input input_ids takes 4: it is the tokenizer"
    ):
        loaded(MEAN, b"a\nb\nc\nd\ne\n")(text="a")


def test_one_text_at_a_time() -> None:
    session = loaded("model C():\n    input a: int32[T]\n    Embedding(9, 2)\n    output y\n")
    assert session(text="ab").shape == (2, 2)
    with pytest.raises(InputError, match="input a: C takes one text at a time, received 2"):
        session(text=["ab", "b"])


def test_an_input_that_is_called_text(make: Any, load: Any) -> None:
    session = load(make({"text": ("string", ["N"])}))
    assert session(text=["a", "b"]).tolist() == ["a", "b"]


def test_files_of_others(make: Any, load: Any) -> None:
    from onnx import helper

    node = helper.make_node("Add", ["input_ids", "input_mask"], ["y"])
    session = load(
        make({"input_ids": ("int64", ["N", "T"]), "input_mask": ("int64", ["N", "T"])}, [node]), tokenizer=CHARACTERS
    )
    assert session(text=["a", "bc"]).tolist() == [[2, 0], [3, 4]]
