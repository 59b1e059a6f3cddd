"""A tokenizer of characters: a text file that has one a line, in the order of their numbers, and needs no library.

What is hard to see is escaped: \\n \\r \\t, \\s for a space, \\\\ for a backslash, \\u00e9 and \\U0001f600 for any
character by its number. The lines <pad>, <unk>, <bos> and <eos> are special tokens.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from archonnx.runtime.text.tokenizer import Encoded, Special, Tokenizer, TokenizerError

_ESCAPES = {"\\n": "\n", "\\r": "\r", "\\t": "\t", "\\s": " ", "\\\\": "\\"}
_WRITTEN = {character: escape for escape, character in _ESCAPES.items()}
_NUMBER = re.compile(r"\\u([0-9a-fA-F]{4})|\\U([0-9a-fA-F]{8})")
_SPECIAL = ("<pad>", "<unk>", "<bos>", "<eos>")


class CharacterTokenizer(Tokenizer):
    """Each character is a token. tokens: in the order of their numbers, special ones as `<pad>`."""

    def __init__(self, tokens: Sequence[str], name: str = "the tokenizer") -> None:
        self._tokens, self._name = tuple(tokens), name
        self._numbers = {token: number for number, token in enumerate(tokens)}
        pad, unk, bos, eos = (self._numbers.get(token) for token in _SPECIAL)
        self.special = Special(bos, eos, pad, unk, () if eos is None else (eos,))
        self.vocabulary = len(self._tokens)

    def encode_one(self, text: str, *, special: bool = True, limit: int | None = None) -> Encoded:
        before = [self.special.bos] if special and self.special.bos is not None else []
        if limit is not None:
            text = text[: max(0, limit - len(before))]
        ids = [*before, *(self._number(text, at) for at in range(len(text)))]
        return Encoded(ids, [0] * len(ids), len(before))

    def decode(self, ids: Sequence[int], *, special: bool = False) -> str:
        wrong = next((n for n in ids if not 0 <= n < self.vocabulary), None)
        if wrong is not None:
            raise TokenizerError(f"{self._name}: {wrong} is no token: there are {self.vocabulary}, from 0")
        tokens = (self._tokens[number] for number in ids)
        if special:
            return "".join(tokens)
        return "".join("\ufffd" if t == "<unk>" else t for t in tokens if t not in ("<pad>", "<bos>", "<eos>"))

    def token(self, number: int) -> str | None:
        return self._tokens[number] if 0 <= number < self.vocabulary else None

    def number(self, token: str) -> int | None:
        return self._numbers.get(token)

    def _number(self, text: str, at: int) -> int:
        number = self._numbers.get(text[at], self.special.unk)
        if number is None:
            what = f"{text[at]!r}, at place {at} of the text, is none of its {self.vocabulary} characters"
            raise TokenizerError(f"{self._name}: {what}; leave it out, or give the file a line <unk> for such")
        return number


def read_characters(text: str, name: str) -> CharacterTokenizer:
    """The tokenizer of a file of characters. Raises TokenizerError that names the line."""
    lines = text.split("\n")
    if lines[-1] == "":
        lines.pop()
    if not lines:
        raise TokenizerError(f"{name}: the file is empty; expected one character a line, or a tokenizer.json")
    tokens: dict[str, int] = {}
    for number, line in enumerate(lines, 1):
        token = _token(line if line == "\r" else line.removesuffix("\r"))
        if token is None or line == "\r":
            raise TokenizerError(f"{name}, line {number}: {_wrong(line.removesuffix(chr(13)))}")
        if token in tokens:
            raise TokenizerError(f"{name}, line {number}: {line!r} stands on line {tokens[token]} too")
        tokens[token] = number
    return CharacterTokenizer(list(tokens), name)


def characters_file(tokens: Iterable[str]) -> str:
    """The text of a file that `read_characters` reads as these tokens: characters, and special ones as `<pad>`."""
    return "".join(_line(token) + "\n" for token in tokens)


def _line(token: str) -> str:
    if token in _SPECIAL or (len(token) == 1 and token.isprintable() and token not in _WRITTEN):
        return token
    if len(token) != 1:
        raise TokenizerError(f"{token!r} is neither a character nor one of {', '.join(_SPECIAL)}")
    code = ord(token)
    return _WRITTEN.get(token) or (f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}")


def _token(line: str) -> str | None:
    """What a line says, None where it says nothing."""
    if (len(line) == 1 and line != "\\") or line in _SPECIAL:
        return line
    if line in _ESCAPES:
        return _ESCAPES[line]
    match = _NUMBER.fullmatch(line)
    code = int(match[1] or match[2], 16) if match else 0x110000
    return chr(code) if code < 0x110000 and not 0xD800 <= code < 0xE000 else None


def _wrong(line: str) -> str:
    shown = repr(line if len(line) <= 40 else line[:37] + "...")
    if not line:
        return "it is empty; a line break is written \\n, a space \\s"
    if line.startswith("\\"):
        return f"{line} is no escape; they are {' '.join(_ESCAPES)}, \\u00e9 and \\U0001f600, and \\\\ is a backslash"
    other = "; for tokens of several characters give the tokenizers library's tokenizer.json"
    return f"expected one character, received {len(line)}: {shown}{other}"
