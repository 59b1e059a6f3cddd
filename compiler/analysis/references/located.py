"""JSON whose objects know where in the text their keys and values stand, for diagnostics with a place."""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NoReturn

from archonnx.contract.diagnostics import Diagnostic, Place
from archonnx.contract.render import printable

DEEPEST = 20  # objects within objects
BLANK = " \t\n\r"


class Fault(Exception):
    """Something wrong with a text, as a diagnostic."""

    def __init__(self, diagnostic: Diagnostic) -> None:
        super().__init__(diagnostic.message)
        self.diagnostic = diagnostic


@dataclass(slots=True)
class Located:
    """A value and where it stands. An object has `members`, and `keys` are the places of their names.

    value: the whole value as json.loads gives it.
    """

    value: Any
    place: Place
    members: dict[str, Located] = field(default_factory=dict)
    keys: dict[str, Place] = field(default_factory=dict)


def parse(text: str, name: str) -> Located:
    """Read a JSON text. `name` is its file's in diagnostics. Raises Fault with E1100 where it is none."""
    return _Reader(text, name).whole()


def items(text: str, array: Located) -> Iterator[Place]:
    """The places of an array's items, in a text that was read before."""
    reader = _Reader(text, array.place.file)
    at = reader.offset(array.place) + 1
    for _ in array.value:
        start = reader.skip(at)
        _, end = reader.decoder.raw_decode(text, start)
        yield reader.place(start, end)
        at = reader.skip(end) + 1  # over the comma


class _Reader:
    def __init__(self, text: str, name: str) -> None:
        self.text, self.name, self.at = text, name, 0
        self.starts = [0, *(n + 1 for n, c in enumerate(text) if c == "\n")]
        self.decoder = json.JSONDecoder(parse_constant=self._constant)

    def whole(self) -> Located:
        try:
            found, end = self._value(self.skip(0), 0)
            end = self.skip(end)
            if end < len(self.text):
                self._fail(f"JSON ends here, and the text goes on with {self._shown(end)}", end)
            return found
        except json.JSONDecodeError as error:
            said = error.msg[:1].lower() + error.msg[1:]
            self._fail(f"JSON cannot be read here: {said}, at {self._shown(error.pos)}", error.pos)
        except RecursionError:
            self._fail("brackets are nested too deep in this text", 0)

    def _value(self, at: int, depth: int) -> tuple[Located, int]:
        if self.text[at : at + 1] == "{":
            return self._object(at, depth)
        self.at = at
        try:
            value, end = self.decoder.raw_decode(self.text, at)
        except json.JSONDecodeError:
            raise
        except ValueError:  # a number of thousands of digits
            self._fail("this number is too long", at)
        return Located(value, self.place(at, end)), end

    def _object(self, start: int, depth: int) -> tuple[Located, int]:
        if depth == DEEPEST:
            self._fail("objects are nested too deep", start)
        found = Located({}, self.place(start, start + 1))
        at = self.skip(start + 1)
        while self.text[at : at + 1] != "}":
            if found.members:
                at = self.skip(self._expect(",", at, "between two keys of an object"))
            if self.text[at : at + 1] != '"':
                self._fail(f"a key in double quotes is expected, here is {self._shown(at)}", at)
            key, end = self.decoder.raw_decode(self.text, at)
            if key in found.members:
                self._fail(f'the key "{printable(key)}" is given twice', at, end, help="keep one of them")
            found.keys[key] = self.place(at, end)
            after = self._expect(":", self.skip(end), f'behind the key "{printable(key)}"')
            found.members[key], at = self._value(self.skip(after), depth + 1)
            found.value[key] = found.members[key].value
            at = self.skip(at)
        found.place = self.place(start, at + 1)
        return found, at + 1

    def _expect(self, mark: str, at: int, where: str) -> int:
        if self.text[at : at + 1] != mark:
            self._fail(f'"{mark}" is expected {where}, here is {self._shown(at)}', at)
        return at + 1

    def _shown(self, at: int) -> str:
        if at >= len(self.text):
            return "the end of the file"
        return "the end of the line" if self.text[at] == "\n" else f'"{printable(self.text[at])}"'

    def _constant(self, text: str) -> NoReturn:
        self._fail(f"{text} is no number of JSON", self.text.find(text, self.at))

    def _fail(self, message: str, start: int, stop: int | None = None, help: str | None = None) -> NoReturn:
        help = help or "`python -m json.tool FILE` reads it too; a reference is one object, {...}, in UTF-8"
        raise Fault(Diagnostic("E1100", message, self.place(start, start + 1 if stop is None else stop), help=help))

    def skip(self, at: int) -> int:
        """Over blanks and ends of lines."""
        while at < len(self.text) and self.text[at] in BLANK:
            at += 1
        return at

    def place(self, start: int, stop: int) -> Place:
        """The stretch from `start` to `stop`."""
        line = bisect_right(self.starts, start)
        last = bisect_right(self.starts, max(stop - 1, start))
        return Place(self.name, line, start - self.starts[line - 1] + 1, last, stop - self.starts[last - 1] + 1)

    def offset(self, place: Place) -> int:
        """Where in the text a place begins."""
        return self.starts[place.line - 1] + place.column - 1
