"""Pickles read without running anything: a machine whose only calls are to functions that it was handed.

A name that is not among them ends the reading, so no import, no `__reduce__` and no `__setstate__` of anyone ever runs.
Memory is bounded by the length of the pickle: lengths are checked against what is left before anything is made.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO

TEXT = "surrogatepass"


class PickleError(Exception):
    """What is wrong with a pickle, as half a sentence."""


class Forbidden(PickleError):
    """The pickle asks for a name that nothing is known under. `name` is the name with its module."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"its pickle asks for {name}")


class Bytes:
    """A file with its end known: reading past it is an error and never an allocation."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self.file, self.left = file, size

    def take(self, count: int) -> bytes:
        if not 0 <= count <= self.left:
            raise PickleError("its pickle is cut short")
        data = self.file.read(count)
        if len(data) < count:
            raise PickleError("its pickle is cut short")
        self.left -= count
        return data

    def number(self, count: int) -> int:
        return int.from_bytes(self.take(count), "little")

    def line(self) -> bytes:
        data = self.file.readline(self.left)
        if not data.endswith(b"\n"):
            raise PickleError("its pickle is cut short")
        self.left -= len(data)
        return data[:-1]


class _Mark:
    pass


MARK = _Mark()


class Machine:
    """One pickle. `names` gives what a global name stands for; `storage` what a persistent id does."""

    def __init__(
        self, source: Bytes, names: Mapping[str, Any], storage: Callable[[Any], Any], calls: frozenset[str]
    ) -> None:
        self.source, self.names, self.storage, self.calls = source, names, storage, calls
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}

    def run(self) -> Any:
        """What the pickle holds. Errors: PickleError, whatever the bytes are."""
        try:
            while True:
                code = self.source.take(1)
                if code == b".":
                    return self.pop()
                step = STEPS.get(code)
                if step is None:
                    raise PickleError(f"its pickle has the instruction {code!r}, which no state dictionary needs")
                step(self)
        except (IndexError, KeyError, TypeError, ValueError, OverflowError, struct.error) as error:
            raise PickleError(f"its pickle is malformed ({type(error).__name__})") from error

    def push(self, value: Any) -> None:
        self.stack.append(value)

    def pop(self) -> Any:
        value = self.stack.pop()
        if value is MARK:
            raise PickleError("its pickle is malformed (a mark where a value is due)")
        return value

    def top(self, kind: type) -> Any:
        value = self.stack[-1]
        if type(value) is not kind:
            raise PickleError(f"its pickle is malformed (no {kind.__name__} where one is due)")
        return value

    def marked(self) -> list[Any]:
        """What lies above the last mark, taken off with it."""
        at = len(self.stack) - 1
        while self.stack[at] is not MARK:
            at -= 1
            if at < 0:
                raise PickleError("its pickle is malformed (no mark)")
        values = self.stack[at + 1 :]
        del self.stack[at:]
        return values

    def set_items(self, pairs: list[Any]) -> None:
        target = self.top(dict)
        for key, value in zip(pairs[::2], pairs[1::2], strict=True):
            # Nested tuples may take forever to hash, and long numbers cannot be shown.
            if not all(_plain(k) for k in (key if type(key) is tuple else (key,))):
                raise PickleError("its pickle has a dictionary whose keys are neither names nor numbers")
            target[key] = value

    def find(self, module: str, name: str) -> Named:
        full = f"{'builtins' if module == '__builtin__' else module}.{name}"  # Python 2's name, in the protocol 2
        if full not in self.names:
            raise Forbidden(full if full.isprintable() and len(full) < 200 else repr(full[:100]))
        return Named(full, self.names[full])

    def call(self) -> None:
        arguments, function = self.pop(), self.pop()
        if not isinstance(function, Named) or function.name not in self.calls or type(arguments) is not tuple:
            name = function.name if isinstance(function, Named) else type(function).__name__
            raise PickleError(f"its pickle calls {name}, which is not one of the calls of a state dictionary")
        self.push(function.meaning(*arguments))

    def build(self) -> None:
        """The state of an object: attributes of dictionaries and tensors, which nothing here needs."""
        self.pop()
        self.push(self.pop())

    def memoize(self, index: int) -> None:
        value = self.stack[-1]
        if value is MARK:
            raise PickleError("its pickle is malformed (a mark where a value is due)")
        self.memo[index] = value


class Named:
    """A global name in a pickle, and what it stands for here."""

    __slots__ = ("name", "meaning")

    def __init__(self, name: str, meaning: Any) -> None:
        self.name, self.meaning = name, meaning


def _plain(key: Any) -> bool:
    return key is None or type(key) in (str, bytes, float, bool) or (type(key) is int and key.bit_length() < 65)


def _text(data: bytes) -> str:
    return data.decode("utf-8", TEXT)


def _latin(data: bytes) -> str:
    """A byte string of Python 2, where names of weights were such."""
    return data.decode("latin-1")


def _quoted(line: bytes) -> str:
    if len(line) < 2 or line[:1] != line[-1:] or line[:1] not in (b"'", b'"'):
        raise PickleError("its pickle is malformed (a string without quotes)")
    return line[1:-1].decode("unicode_escape")


def _integer(line: bytes) -> int | bool:
    return {b"00": False, b"01": True}[line] if line in (b"00", b"01") else int(line.rstrip(b"L"))


def _signed(data: bytes) -> int:
    return int.from_bytes(data, "little", signed=True)


def _extend(m: Machine, values: list[Any]) -> None:
    m.top(list).extend(values)


def _tuple(m: Machine, count: int) -> None:
    values = tuple(m.pop() for _ in range(count))[::-1]
    m.push(values)


def _global(m: Machine) -> None:
    module, name = _text(m.source.line()), _text(m.source.line())
    m.push(m.find(module, name))


def _stack_global(m: Machine) -> None:
    name, module = m.pop(), m.pop()
    if type(name) is not str or type(module) is not str:
        raise PickleError("its pickle is malformed (a global name that is no string)")
    m.push(m.find(module, name))


def _dictionary(m: Machine) -> None:
    pairs = m.marked()
    m.push({})
    m.set_items(pairs)


def _one_item(m: Machine) -> None:
    value, key = m.pop(), m.pop()
    m.set_items([key, value])


def _one_append(m: Machine) -> None:
    value = m.pop()
    m.top(list).append(value)


# A set's elements are kept as a list: nothing here asks which they are.
STEPS: dict[bytes, Callable[[Machine], Any]] = {
    b"\x80": lambda m: m.source.take(1),
    b"\x95": lambda m: m.source.take(8),
    b"(": lambda m: m.push(MARK),
    b"0": lambda m: m.stack.pop(),
    b"1": lambda m: m.marked(),
    b"2": lambda m: m.push(m.stack[-1]),
    b"N": lambda m: m.push(None),
    b"\x88": lambda m: m.push(True),
    b"\x89": lambda m: m.push(False),
    b"I": lambda m: m.push(_integer(m.source.line())),
    b"L": lambda m: m.push(_integer(m.source.line())),
    b"F": lambda m: m.push(float(m.source.line())),
    b"J": lambda m: m.push(_signed(m.source.take(4))),
    b"K": lambda m: m.push(m.source.number(1)),
    b"M": lambda m: m.push(m.source.number(2)),
    b"G": lambda m: m.push(struct.unpack(">d", m.source.take(8))[0]),
    b"\x8a": lambda m: m.push(_signed(m.source.take(m.source.number(1)))),
    b"\x8b": lambda m: m.push(_signed(m.source.take(m.source.number(4)))),
    b"S": lambda m: m.push(_quoted(m.source.line())),
    b"V": lambda m: m.push(m.source.line().decode("raw_unicode_escape")),
    b"T": lambda m: m.push(_latin(m.source.take(m.source.number(4)))),
    b"U": lambda m: m.push(_latin(m.source.take(m.source.number(1)))),
    b"X": lambda m: m.push(_text(m.source.take(m.source.number(4)))),
    b"\x8c": lambda m: m.push(_text(m.source.take(m.source.number(1)))),
    b"\x8d": lambda m: m.push(_text(m.source.take(m.source.number(8)))),
    b"B": lambda m: m.push(m.source.take(m.source.number(4))),
    b"C": lambda m: m.push(m.source.take(m.source.number(1))),
    b"\x8e": lambda m: m.push(m.source.take(m.source.number(8))),
    b"\x96": lambda m: m.push(m.source.take(m.source.number(8))),
    b")": lambda m: m.push(()),
    b"t": lambda m: m.push(tuple(m.marked())),
    b"\x85": lambda m: _tuple(m, 1),
    b"\x86": lambda m: _tuple(m, 2),
    b"\x87": lambda m: _tuple(m, 3),
    b"]": lambda m: m.push([]),
    b"l": lambda m: m.push(m.marked()),
    b"a": _one_append,
    b"e": lambda m: _extend(m, m.marked()),
    b"}": lambda m: m.push({}),
    b"d": _dictionary,
    b"s": _one_item,
    b"u": lambda m: m.set_items(m.marked()),
    b"\x8f": lambda m: m.push([]),
    b"\x90": lambda m: _extend(m, m.marked()),
    b"\x91": lambda m: m.push(m.marked()),
    b"p": lambda m: m.memoize(int(m.source.line())),
    b"q": lambda m: m.memoize(m.source.number(1)),
    b"r": lambda m: m.memoize(m.source.number(4)),
    b"\x94": lambda m: m.memoize(len(m.memo)),
    b"g": lambda m: m.push(m.memo[int(m.source.line())]),
    b"h": lambda m: m.push(m.memo[m.source.number(1)]),
    b"j": lambda m: m.push(m.memo[m.source.number(4)]),
    b"c": _global,
    b"\x93": _stack_global,
    b"P": lambda m: m.push(m.storage(_text(m.source.line()))),
    b"Q": lambda m: m.push(m.storage(m.pop())),
    b"R": Machine.call,
    b"\x81": Machine.call,
    b"b": Machine.build,
}


def unpickle(source: Bytes, names: Mapping[str, Any], calls: frozenset[str], storage: Callable[[Any], Any]) -> Any:
    """What a pickle holds. `names` it may mention, of these `calls` it may call. Errors: PickleError."""
    return Machine(source, names, storage, calls).run()


def from_bytes(data: bytes) -> Bytes:
    return Bytes(io.BytesIO(data), len(data))
