"""Where a text ends: a token that ends it, or a text, which may begin within one token and end within another."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from archonnx.contract.diagnostics import UsageError
from archonnx.runtime.generation.sampling import is_whole
from archonnx.runtime.text.tokenizer import Tokenizer


@dataclass(frozen=True, slots=True)
class Stops:
    """What ends a text: tokens by their numbers, and texts."""

    tokens: frozenset[int] = frozenset()
    texts: tuple[str, ...] = ()


def read_stops(stop: Any, tokenizer: Tokenizer | None, name: str, vocabulary: int | None) -> Stops:
    """What a call asks for: None for the tokens that end texts by the tokenizer; a number, a text or a list of them.

    A text that names one of the tokenizer's special tokens is that token. Raises UsageError.
    """
    if stop is None:
        return Stops(frozenset(tokenizer.special.ends if tokenizer is not None else ()))
    given = [stop] if is_whole(stop) or isinstance(stop, str) or not isinstance(stop, Iterable) else list(stop)
    tokens, texts = set(), []
    for one in given:
        if isinstance(one, str) and one:
            if tokenizer is None:
                raise UsageError(f"stop: {one!r} is a text, and {name} has no tokenizer; give the number of a token")
            number = tokenizer.number(one)
            if number is not None and not tokenizer.decode([number]):
                tokens.add(number)
            else:
                texts.append(one)
        elif is_whole(one):
            if one < 0 or (vocabulary is not None and one >= vocabulary):
                known = "" if vocabulary is None else f" of {name}: 0 to {vocabulary - 1}"
                raise UsageError(f"stop: {one} is outside the vocabulary{known}")
            tokens.add(int(one))
        else:
            raise UsageError(f"stop: expected numbers of tokens or texts, received {one!r}")
    return Stops(frozenset(tokens), tuple(texts))


@dataclass(slots=True)
class Watch:
    """Looks for texts in what comes piece by piece; what may be the beginning of one is held back."""

    texts: Sequence[str]
    held: str = ""
    found: str | None = field(default=None)

    def feed(self, piece: str) -> str:
        """What is sure to stand before any of the texts; `found` is the one that has come, after which all is lost."""
        if not self.texts:
            return piece
        self.held += piece
        places = [(self.held.index(text), -len(text), text) for text in self.texts if text in self.held]
        if places:
            place, _, self.found = min(places)
            sure, self.held = self.held[:place], ""
            return sure
        count = max(_overlap(self.held, text) for text in self.texts)
        cut = len(self.held) - count
        sure, self.held = self.held[:cut], self.held[cut:]
        return sure

    def end(self) -> str:
        """What was held back, as nothing follows it."""
        rest, self.held = self.held, ""
        return rest


def _overlap(text: str, wanted: str) -> int:
    """How many characters at the end of a text are the beginning of the wanted one."""
    return next((n for n in range(min(len(text), len(wanted) - 1), 0, -1) if wanted.startswith(text[-n:])), 0)
