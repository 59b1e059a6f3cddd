"""What a tokenizer does, whatever file it comes from: texts to the numbers of tokens, and back.

tokenizer = read_tokenizer("tokenizer.json")
tokenizer.encode("A cat")  # [101, 1037, 4937, 102]
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from archonnx.contract.diagnostics import ArchonnxError
from archonnx.contract.vocabulary import LIMIT, VocabularyError, is_library_file, text_of

if TYPE_CHECKING:
    import numpy as np

    from archonnx.runtime.text.streaming import TextStream


class TokenizerError(ArchonnxError):
    """The file is no tokenizer, or it cannot make tokens of a text, or a text of tokens."""


@dataclass(frozen=True, slots=True)
class Special:
    """The numbers of special tokens, None where there is no such: begin and end of a text, padding, unknown.

    ends: all that end a text; `eos` is the first of them.
    """

    bos: int | None = None
    eos: int | None = None
    pad: int | None = None
    unk: int | None = None
    ends: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Encoded:
    """One text as tokens. ids: their numbers; types: which of the parts of a text each belongs to; added: how many of
    them are special ones, which the tokenizer put around the text."""

    ids: list[int]
    types: list[int]
    added: int = 0


@dataclass(frozen=True, slots=True)
class Batch:
    """Texts as tokens, filled up to one length T: three arrays of int64[N, T]. mask: 1 for a token, 0 for padding."""

    ids: np.ndarray[Any, Any]
    mask: np.ndarray[Any, Any]
    types: np.ndarray[Any, Any]


class Tokenizer(ABC):
    """Texts to the numbers of tokens and back. Immutable; may be used from several threads at once.

    special: the numbers of special tokens. vocabulary: the numbers that it gives are below this.
    """

    special: Special
    vocabulary: int

    @abstractmethod
    def encode_one(self, text: str, *, special: bool = True, limit: int | None = None) -> Encoded:
        """One text as tokens, cut to `limit` of them where that is given. special: put those around it that its model
        expects. Raises TokenizerError."""

    @abstractmethod
    def decode(self, ids: Sequence[int], *, special: bool = False) -> str:
        """The text that tokens stand for. special: show special tokens too. Raises TokenizerError for a number that is
        no token."""

    @abstractmethod
    def token(self, number: int) -> str | None:
        """What the tokenizer calls a token, None where there is none of this number."""

    @abstractmethod
    def number(self, token: str) -> int | None:
        """The number of a token, None where there is none of this name."""

    def encode(self, text: str, *, special: bool = True) -> list[int]:
        """The numbers of a text's tokens. special: put those around it that its model expects. Raises
        TokenizerError."""
        return self.encode_one(text, special=special).ids

    def batch(self, texts: Sequence[str], *, special: bool = True, pad: int | None = None, left: bool = False) -> Batch:
        """Several texts, filled up to the longest with `pad`, by default the tokenizer's own padding token, else 0;
        on the right, or on the left. Raises TokenizerError."""
        return pad_batch([self.encode_one(text, special=special) for text in texts], self.pad(pad), left=left)

    def pad(self, wanted: int | None = None) -> int:
        """What fills texts up: as wanted, else the tokenizer's own padding token, else 0."""
        return next((n for n in (wanted, self.special.pad) if n is not None), 0)

    def stream(self, after: Sequence[int] = ()) -> TextStream:
        """Tokens to text as they come, one by one. after: those that went before them, whose text is known."""
        from archonnx.runtime.text.streaming import TextStream

        return TextStream(self, after)


def pad_batch(found: Sequence[Encoded], pad: int, *, length: int | None = None, left: bool = False) -> Batch:
    """Texts' tokens as arrays of `length`, by default that of the longest, filled up with `pad` on one side."""
    import numpy as np

    length = max((len(one.ids) for one in found), default=0) if length is None else length
    ids = np.full((len(found), length), pad, np.int64)
    mask, types = np.zeros_like(ids), np.zeros_like(ids)
    for row, one in enumerate(found):
        place = slice(length - len(one.ids), length) if left else slice(0, len(one.ids))
        ids[row, place], types[row, place], mask[row, place] = one.ids, one.types, 1
    return Batch(ids, mask, types)


def read_tokenizer(source: str | os.PathLike[str] | bytes, name: str | None = None) -> Tokenizer:
    """The tokenizer of a file or of its bytes: the tokenizers library's `tokenizer.json`, or a file of characters, one
    a line. name: what messages call it.

    Raises TokenizerError where it is neither, MachineError where the library is missing, OSError where the file cannot
    be read.
    """
    if isinstance(source, bytes):
        data, name = source, name or "the tokenizer"
    else:
        name = name or os.fspath(source)
        with open(source, "rb") as stream:
            data = stream.read(LIMIT + 1)
    if len(data) > LIMIT:
        raise TokenizerError(f"{name}: a file of more than {LIMIT // 2**20} MB is no tokenizer")
    try:
        text = text_of(data)
    except VocabularyError as error:
        raise TokenizerError(f"{name}: {error}") from None
    if is_library_file(text):
        from archonnx.runtime.text.library import LibraryTokenizer

        return LibraryTokenizer(text, name)
    from archonnx.runtime.text.characters import read_characters

    return read_characters(text, name)
