"""JSON that somebody may have edited, read key by key: a value of the wrong kind, a key too many or too few is said
with its place."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar, cast

from archonnx.contract.diagnostics import did_you_mean

_MISSING: Any = object()
Word = TypeVar("Word", bound=str)
Truth = TypeVar("Truth", bool, None)


class Damaged(Exception):
    """What is wrong with a file, and where in it."""


def parse(data: bytes) -> Reader:
    """The outermost object. Raises Damaged."""
    try:
        found = json.loads(data.decode("utf-8-sig"), parse_constant=_no_number, object_pairs_hook=_once)
    except RecursionError:
        raise Damaged("it is nested too deep") from None
    except UnicodeDecodeError:
        raise Damaged("it is no text in UTF-8") from None
    except json.JSONDecodeError as error:
        raise Damaged(f"it is no JSON: {error.msg} in line {error.lineno}") from None
    except ValueError as error:  # a number of more digits than Python reads
        raise Damaged(f"it is no JSON: {error}") from None
    return Reader(found, "")


def _no_number(text: str) -> Any:
    raise Damaged(f"{text} is no number of JSON")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        twice = next(name for place, (name, _) in enumerate(pairs) if name in [n for n, _ in pairs[:place]])
        raise Damaged(f"{twice!r} is there twice")
    return found


class Reader:
    """One object of the file. place: where it stands, as `batches[0].kept[1]`. Each method raises Damaged."""

    def __init__(self, value: Any, place: str) -> None:
        self.place = place
        if not isinstance(value, dict):
            raise Damaged(f"{place or 'the whole'} is {_shown(value)}, an object is expected")
        self._value: dict[str, Any] = value
        self._read: set[str] = set()

    def _take(self, name: str, default: Any, what: str) -> Any:
        self._read.add(name)
        if name in self._value:
            return self._value[name]
        if default is _MISSING:
            raise Damaged(f"{self._at(name)} is missing, {what} is expected")
        return default

    def _at(self, name: str) -> str:
        return f"{self.place}.{name}" if self.place else name

    def _wrong(self, name: str, value: Any, what: str) -> Damaged:
        return Damaged(f"{self._at(name)} is {_shown(value)}, {what} is expected")

    def text(self, name: str, default: Any = _MISSING) -> str:
        """A string of one line."""
        value = self._take(name, default, "a text")
        if not isinstance(value, str) or not value.isprintable():
            raise self._wrong(name, value, "a text of one line")
        return value

    def word(self, name: str, known: Sequence[Word], default: Any = _MISSING) -> Word:
        """One of the words that are known."""
        what = f"one of {', '.join(known)}"
        value = self._take(name, default, what)
        if value not in known:
            raise self._wrong(name, value, what)
        return cast(Word, value)

    def truth(self, name: str, default: Truth) -> bool | Truth:
        """true or false."""
        value = self._take(name, default, "true or false")
        if value is not default and not isinstance(value, bool):
            raise self._wrong(name, value, "true or false")
        found: bool | Truth = value
        return found

    def count(self, name: str, most: int, default: Any = _MISSING) -> int | None:
        """A whole number from 1 to `most`."""
        what = f"a whole number from 1 to {most}"
        value = self._take(name, default, what)
        if value is default and value is not _MISSING:
            return cast("int | None", value)
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
            raise self._wrong(name, value, what)
        return value

    def number(self, name: str, default: Any = _MISSING) -> float | None:
        """A number of at least 0."""
        value = self._take(name, default, "a number")
        if value is default and value is not _MISSING:
            return cast("float | None", value)
        if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
            raise self._wrong(name, value, "a number of at least 0")
        try:
            found = float(value)
        except OverflowError:
            found = math.inf
        if not math.isfinite(found):
            raise self._wrong(name, value, "a number of at least 0")
        return found

    def mapping(self, name: str, default: Any = _MISSING) -> Mapping[str, Any]:
        """An object, as it stands."""
        value = self._take(name, default, "an object")
        if not isinstance(value, dict):
            raise self._wrong(name, value, "an object")
        return value

    def texts(self, name: str) -> dict[str, str]:
        """An object of texts."""
        value = self.mapping(name)
        if not all(isinstance(t, str) and t.isprintable() for pair in value.items() for t in pair):
            raise self._wrong(name, value, "an object of texts")
        return dict(value)

    def inner(self, name: str) -> Reader:
        """An object, to be read in its turn."""
        return Reader(self.mapping(name), self._at(name))

    def maybe(self, name: str) -> Reader | None:
        """As `inner`; None where it is null."""
        value = self._take(name, _MISSING, "an object or null")
        return None if value is None else Reader(value, self._at(name))

    def each(self, name: str) -> list[Reader]:
        """A list of objects, to be read in their turn."""
        value = self._take(name, _MISSING, "a list")
        if not isinstance(value, list):
            raise self._wrong(name, value, "a list")
        return [Reader(item, f"{self._at(name)}[{place}]") for place, item in enumerate(value)]

    def end(self) -> None:
        """Nothing else may be there."""
        for name in self._value:
            if name not in self._read:
                near = did_you_mean(name, sorted(self._read), 1)
                hint = f"; did you mean {near[0]}?" if near else ""
                where = f" in {self.place}" if self.place else ""
                raise Damaged(f"{_shown(name)}{where} is no part of a plan{hint}")


def _shown(value: Any) -> str:
    text = json.dumps(value, default=str)
    return text if len(text) <= 60 else f"{text[:57]}..."
