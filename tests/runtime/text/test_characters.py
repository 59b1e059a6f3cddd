"""Files of characters: what they may say, what they become, and what is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archonnx.runtime.text.characters import characters_file
from archonnx.runtime.text.tokenizer import TokenizerError, read_tokenizer

FILE = b"<pad>\n<bos>\na\nb\n\\s\n\\n\n\\\\\n\\u00e9\n\\U0001f600\n\xc3\xbc\n"


def test_each_line_is_a_token() -> None:
    made = read_tokenizer(FILE)
    assert made.vocabulary == 10
    assert made.encode("ab \n\\é😀ü") == [1, 2, 3, 4, 5, 6, 7, 8, 9]
    assert made.encode("ab", special=False) == [2, 3]
    assert made.decode([1, 2, 3, 4, 0]) == "ab "
    assert made.decode([1, 2, 0], special=True) == "<bos>a<pad>"
    assert (made.special.bos, made.special.pad, made.special.eos, made.special.unk) == (1, 0, None, None)
    assert (made.token(5), made.token(10), made.number("b"), made.number("x")) == ("\n", None, 3, None)


def test_lines_of_windows_and_a_mark_at_the_beginning() -> None:
    assert read_tokenizer(b"\xef\xbb\xbfa\r\nb\r\n \r\n").encode("b a") == [1, 2, 0]


def test_braces_are_characters() -> None:
    assert read_tokenizer(b'{\n}\n"\nv\n').encode('{"v"}') == [0, 2, 3, 2, 1]


def test_unknown_characters() -> None:
    with pytest.raises(
        TokenizerError, match=r"^c\.txt: 'x', at place 1 of the text, is none of its 2 characters; leave"
    ):
        read_tokenizer(b"a\nb\n", "c.txt").encode("axb")
    known = read_tokenizer(b"a\nb\n<unk>\n")
    assert known.encode("axb") == [0, 2, 1]
    assert known.decode([0, 2]) == "a\ufffd"


def test_cutting_leaves_the_beginning() -> None:
    assert read_tokenizer(FILE).encode_one("abab", limit=3).ids == [1, 2, 3]


def test_batches_are_filled_up() -> None:
    made = read_tokenizer(FILE)
    right = made.batch(["a", "bab"], special=False)
    assert right.ids.tolist() == [[2, 0, 0], [3, 2, 3]]
    assert right.mask.tolist() == [[1, 0, 0], [1, 1, 1]]
    assert (right.ids.dtype, right.mask.dtype, right.types.tolist()) == ("int64", "int64", [[0] * 3] * 2)
    left = made.batch(["a", "bab"], special=False, pad=9, left=True)
    assert left.ids.tolist() == [[9, 9, 2], [3, 2, 3]]
    assert left.mask.tolist() == [[0, 0, 1], [1, 1, 1]]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "c.txt: the file is empty; expected one character a line"),
        (b"a\n\nb\n", "c.txt, line 2: it is empty; a line break is written \\n, a space \\s"),
        (b"a\n\r\n", "c.txt, line 2: it is empty"),
        (b"a\nb\na\n", "c.txt, line 3: 'a' stands on line 1 too"),
        (b"\\u0061\na\n", "c.txt, line 2: 'a' stands on line 1 too"),
        (
            b"[PAD]\n",
            "c.txt, line 1: expected one character, received 5: '[PAD]'; for tokens of several characters give",
        ),
        (b"a\n\\q\n", "c.txt, line 2: \\q is no escape; they are \\n \\r \\t \\s \\\\, \\u00e9"),
        (b"\\\n", "c.txt, line 1: \\ is no escape"),
        (b"\\ud800\n", "c.txt, line 1: \\ud800 is no escape"),
        (b"\\Uffffffff\n", "c.txt, line 1: \\Uffffffff is no escape"),
        (
            b"a\n\xff\n",
            "c.txt: this is no UTF-8 text, at byte 2; expected the tokenizers library's tokenizer.json or a",
        ),
        (b"\n\x0e\x00\x80", "a model of SentencePiece is none"),
    ],
)
def test_what_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(TokenizerError) as caught:
        read_tokenizer(data, "c.txt")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_files_that_are_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("archonnx.runtime.text.tokenizer.LIMIT", 8)
    assert read_tokenizer(b"a\nb\nc\nd\n").vocabulary == 4
    with pytest.raises(TokenizerError, match=r"^t: a file of more than 0 MB is no tokenizer"):
        read_tokenizer(b"a\nb\nc\nd\ne\n", "t")


def test_numbers_that_are_no_token() -> None:
    for wrong in (3, -1):
        with pytest.raises(TokenizerError, match=rf"c: {wrong} is no token: there are 2, from 0"):
            read_tokenizer(b"a\nb\n", "c").decode([0, wrong])


@given(
    st.lists(
        st.characters(exclude_categories=["Cs"]) | st.sampled_from(["<pad>", "<unk>", "\\"]), unique=True, min_size=1
    )
)
def test_what_is_written_is_read(tokens: list[str]) -> None:
    text = characters_file(tokens)
    made = read_tokenizer(text.encode())
    assert [made.token(n) for n in range(made.vocabulary)] == tokens
    assert len(text.splitlines()) >= len(tokens)
    characters = "".join(t for t in tokens if len(t) == 1)
    assert made.decode(made.encode(characters)) == characters


def test_what_no_file_holds() -> None:
    with pytest.raises(TokenizerError, match=r"'ab' is neither a character nor one of <pad>"):
        characters_file(["a", "ab"])
