"""Patterns: names with numbers in braces. On the left they match paths, on the right they become names.

    stage_{i}/dense_{k:0..2}    {i} is a number, {k:0..2} one of 0, 1, 2, {k:1..} one from 1 on
    layer{i + 1}.fc{k}          on the right a number is worked out, of variables and of the model's parameters
    block{"abc"[k]}             or it chooses a letter
    *.num_batches_tracked       `*` stands for anything, in what `ignore` and `initial` choose

Of our paths `_{i}` at the end of a part also matches nothing, and i is 0: names that are counted have no number first.
So do names of the file where it has none with the number: Keras counts as we do.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from archonnx.compiler.weights.maps.numbers import Number, NumberError
from archonnx.contract.diagnostics import Place


@dataclass(frozen=True, slots=True)
class Variable:
    """`{k:low..high}` of a pattern that matches; `high` None: without an end."""

    name: str
    low: int
    high: int | None
    place: Place


@dataclass(frozen=True, slots=True)
class Anything:
    """`*`."""


@dataclass(frozen=True, slots=True)
class Letter:
    """`{"abc"[index]}`: one letter of a text."""

    text: str
    index: Number


Piece = str | Variable | Number | Letter | Anything


@dataclass(frozen=True)
class Pattern:
    """`text` is how it is written; `counted`: it matches our paths, where the first of a count has no number."""

    text: str
    pieces: tuple[Piece, ...]
    counted: bool = False

    def variables(self) -> list[str]:
        """The variables that it binds, each once."""
        return list(dict.fromkeys(p.name for p in self.pieces if isinstance(p, Variable)))

    def match(self, name: str) -> dict[str, int] | None:
        """The numbers that its variables have where it matches the whole of a name, else None."""
        found = self._expression.fullmatch(name)
        if found is None:
            return None
        bound: dict[str, int] = {}
        groups = found.groups()
        for variable, text in zip((p for p in self.pieces if isinstance(p, Variable)), groups, strict=True):
            value = int(text or 0)
            within = variable.low <= value and (variable.high is None or value <= variable.high)
            if not within or bound.setdefault(variable.name, value) != value:
                return None
        return bound

    def expand(self, variables: Mapping[str, int], *, counted: bool = False) -> str:
        """The name that it stands for. `counted`: `_0` at the end of a part is left out. Raises NumberError."""
        made: list[str] = []
        for at, piece in enumerate(self.pieces):
            if isinstance(piece, Number):
                value = piece.value(variables)
                if value < 0:
                    raise NumberError(f"this is {value} here, and a name has no negative number", piece.place)
                after = self.pieces[at + 1] if at + 1 < len(self.pieces) else "/"
                if counted and not value and made and made[-1].endswith("_") and str(after)[:1] in ("/", "."):
                    made[-1] = made[-1].removesuffix("_")
                else:
                    made.append(str(value))
            elif isinstance(piece, Letter):
                made.append(piece.text[piece.index.place_in(len(piece.text), variables)])
            else:
                assert isinstance(piece, str)
                made.append(piece)
        return "".join(made)

    @cached_property
    def _expression(self) -> re.Pattern[str]:
        parts: list[str] = []
        waiting = False
        for at, piece in enumerate(self.pieces):
            after = self.pieces[at + 1] if at + 1 < len(self.pieces) else None
            if isinstance(piece, Variable):
                if self.counted and self._counts(at, after):
                    parts[-1] = parts[-1].removesuffix("_") + r"(?:_(0|[1-9][0-9]{0,8}))?"
                else:
                    parts.append("(0|[1-9][0-9]{0,8})")
            elif isinstance(piece, Anything):
                # The first place where what follows fits will do, where that is text: nothing is tried twice.
                parts.append("(?>.*?" if isinstance(after, str) else ".*")
                waiting = isinstance(after, str)
                continue
            else:
                assert isinstance(piece, str)
                last = waiting and after is None
                parts.append(re.escape(piece) + (")" if waiting else ""))
                if last:  # but at the end only the last place fits
                    parts[-2:] = [".*", re.escape(piece)]
                waiting = False
        return re.compile("".join(parts), re.DOTALL)

    def _counts(self, at: int, after: Piece | None) -> bool:
        """Whether the variable at this place is the count at the end of a part of a path."""
        before = self.pieces[at - 1] if at else ""
        ends = after is None or (isinstance(after, str) and after.startswith("/"))
        return isinstance(before, str) and before.endswith("_") and ends
