"""Files of tokenizers, as far as they are told without a library: which kind a file is of, and how many tokens it has.

There are two: `tokenizer.json` of the tokenizers library, and a text file of characters, one a line, in the order of
their numbers. In the latter what is hard to see is escaped: \\n \\r \\t, \\s for a space, \\\\ for a backslash,
\\u00e9 and \\U0001f600 for any character by its number; <pad>, <unk>, <bos> and <eos> are special tokens.
"""

from __future__ import annotations

import json
import re
from typing import Any

LIMIT = 64 * 1024 * 1024  # bytes
SPECIAL = ("<pad>", "<unk>", "<bos>", "<eos>")
ESCAPES = {"\\n": "\n", "\\r": "\r", "\\t": "\t", "\\s": " ", "\\\\": "\\"}
_NUMBER = re.compile(r"\\u([0-9a-fA-F]{4})|\\U([0-9a-fA-F]{8})")
_JSON = re.compile(r'\s*\{\s*"\w')  # a file of characters may begin with a brace too, but not so


class VocabularyError(ValueError):
    """The file is no tokenizer. line: where, in a file of characters."""

    def __init__(self, message: str, line: int | None = None) -> None:
        self.line = line
        super().__init__(message)


def text_of(data: bytes) -> str:
    """The text of a tokenizer's file. Raises VocabularyError where it is none."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        mend = "expected the tokenizers library's tokenizer.json or a file of characters, one a line"
        model = "; a model of SentencePiece is none: transformers' tokenizers write the file by save_pretrained()"
        hint = model if b"\0" in data[:4096] or data[:1] == b"\n" else ""
        raise VocabularyError(f"this is no UTF-8 text, at byte {error.start:,}; {mend}{hint}") from None


def is_library_file(text: str) -> bool:
    """Whether it is the tokenizers library that reads the file, rather than `characters_of`."""
    return _JSON.match(text) is not None


def vocabulary_size(data: bytes) -> int:
    """One more than the largest number of a token. Raises VocabularyError where the file is no tokenizer."""
    text = text_of(data)
    return _library_size(text) if is_library_file(text) else len(characters_of(text))


def characters_of(text: str) -> list[str]:
    """The tokens of a file of characters, special ones as `<pad>`. Raises VocabularyError with the line."""
    lines = text.split("\n")
    if lines[-1] == "":
        lines.pop()
    if not lines:
        raise VocabularyError("the file is empty; expected one character a line, or a tokenizer.json")
    tokens: dict[str, int] = {}
    for number, line in enumerate(lines, 1):
        line = line.removesuffix("\r")
        token = _token(line)
        if token is None:
            raise VocabularyError(_wrong(line), number)
        if token in tokens:
            raise VocabularyError(f"{line!r} stands on line {tokens[token]} too", number)
        tokens[token] = number
    return list(tokens)


def character_line(token: str) -> str:
    """How a file of characters writes a token. Raises VocabularyError for what is neither a character nor special."""
    if token in SPECIAL or (len(token) == 1 and token.isprintable() and token not in ESCAPES.values()):
        return token
    if len(token) != 1:
        raise VocabularyError(f"{token!r} is neither a character nor one of {', '.join(SPECIAL)}")
    escaped = next((escape for escape, character in ESCAPES.items() if character == token), None)
    return escaped or (f"\\u{ord(token):04x}" if ord(token) < 0x10000 else f"\\U{ord(token):08x}")


def _token(line: str) -> str | None:
    """What a line says, None where it says nothing."""
    if (len(line) == 1 and line != "\\") or line in SPECIAL:
        return line
    if line in ESCAPES:
        return ESCAPES[line]
    match = _NUMBER.fullmatch(line)
    code = int(match[1] or match[2], 16) if match else 0x110000
    return chr(code) if code < 0x110000 and not 0xD800 <= code < 0xE000 else None


def _wrong(line: str) -> str:
    shown = repr(line if len(line) <= 40 else line[:37] + "...")
    if not line:
        return "it is empty; a line break is written \\n, a space \\s"
    if line.startswith("\\"):
        return f"{line} is no escape; they are {' '.join(ESCAPES)}, \\u00e9 and \\U0001f600, and \\\\ is a backslash"
    other = "; for tokens of several characters give the tokenizers library's tokenizer.json"
    return f"expected one character, received {len(line)}: {shown}{other}"


def _library_size(text: str) -> int:
    try:
        document: Any = json.loads(text)
    except RecursionError:
        raise VocabularyError("this is no tokenizer.json: it is nested too deeply") from None
    except ValueError as error:
        raise VocabularyError(f"this is no tokenizer.json: {error}") from None
    model = document.get("model")
    vocabulary: Any = model.get("vocab") if isinstance(model, dict) else None
    added = document.get("added_tokens") or []
    numbers: list[Any]
    if isinstance(vocabulary, list):  # of Unigram: a token's place is its number
        numbers = [len(vocabulary) - 1]
    elif isinstance(vocabulary, dict):
        numbers = [*vocabulary.values()]
    else:
        raise VocabularyError('this is no tokenizer.json: it has no "model" with a "vocab"')
    if isinstance(added, list):
        numbers += [each.get("id") for each in added if isinstance(each, dict)]
    if not all(isinstance(number, int) for number in numbers):
        raise VocabularyError("this is no tokenizer.json: a token of it has no whole number")
    return max(numbers, default=-1) + 1
