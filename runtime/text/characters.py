"""A tokenizer of characters: a text file that has one a line (contract/vocabulary.py), and needs no library."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from archonnx.contract.vocabulary import SPECIAL, VocabularyError, character_line, characters_of
from archonnx.runtime.text.tokenizer import Encoded, Special, Tokenizer, TokenizerError


class CharacterTokenizer(Tokenizer):
    """Each character is a token. tokens: in the order of their numbers, special ones as `<pad>`."""

    def __init__(self, tokens: Sequence[str], name: str = "the tokenizer") -> None:
        self._tokens, self._name = tuple(tokens), name
        self._numbers = {token: number for number, token in enumerate(tokens)}
        pad, unk, bos, eos = (self._numbers.get(token) for token in SPECIAL)
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
    try:
        return CharacterTokenizer(characters_of(text), name)
    except VocabularyError as error:
        where = name if error.line is None else f"{name}, line {error.line}"
        raise TokenizerError(f"{where}: {error}") from None


def characters_file(tokens: Iterable[str]) -> str:
    """The text of a file that `read_characters` reads as these tokens: characters, and special ones as `<pad>`.

    Raises TokenizerError for what is neither.
    """
    try:
        return "".join(character_line(token) + "\n" for token in tokens)
    except VocabularyError as error:
        raise TokenizerError(str(error)) from None
