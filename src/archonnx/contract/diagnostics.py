"""Diagnostics as values: a code, a message that stands alone, a place, and the way out; renderers live in `render.py`.

Every code has a page `codes/CODE.md` (prose, example, rendering): `archonnx explain CODE` prints it, tests run it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, slots=True)
class Place:
    """A stretch of a source file. Lines and columns count from 1; the end column is the first one after the stretch."""

    file: str
    line: int
    column: int
    end_line: int
    end_column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"

    def to(self, end: Place) -> Place:
        """The stretch from the start of this place to the end of `end`."""
        return Place(self.file, self.line, self.column, end.end_line, end.end_column)


@dataclass(frozen=True, slots=True)
class Label:
    """A second place worth seeing, with what it says: the dashes of a rendered diagnostic."""

    place: Place
    text: str


@dataclass(frozen=True, slots=True)
class Frame:
    """One application of a block on the way to a place: what was applied, where, and the loop variables there."""

    name: str
    place: Place
    bindings: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        at = ", ".join(f"{name} = {value}" for name, value in self.bindings)
        return f"{self.name}, applied at {self.place}" + (f" ({at})" if at else "")


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One finding. `message` makes sense alone, on one line; `label` stands beside the carets."""

    code: str
    message: str
    place: Place | None = None
    label: str = ""
    labels: tuple[Label, ...] = ()
    trail: tuple[Frame, ...] = ()  # innermost application first
    help: str | None = None
    severity: Literal["error", "warning"] = "error"

    def __str__(self) -> str:
        where = f"{self.place}: " if self.place else ""
        return f"{where}{self.severity}[{self.code}]: {self.message}"


class ArchonnxError(Exception):
    """The base of every error that archonnx raises on purpose. `exit_code` is what the command line ends with."""

    exit_code = 1


class CompileError(ArchonnxError):
    """A source that cannot be compiled: its diagnostics in source order, the texts they point into by file name."""

    def __init__(self, diagnostics: Sequence[Diagnostic], sources: Mapping[str, str] | None = None) -> None:
        self.diagnostics = tuple(diagnostics)
        self.sources = dict(sources or {})
        super().__init__(self._text())

    def _text(self) -> str:
        from archonnx.contract.render import render_text

        return render_text(self.diagnostics, self.sources)


class UsageError(ArchonnxError):
    """The command or the call is wrong, not the file."""

    exit_code = 2


class MachineError(ArchonnxError):
    """This machine cannot do what was asked: a device, a library or memory is missing."""

    exit_code = 3


@dataclass(slots=True)
class Diagnostics:
    """Collects what one pass finds. The same code at the same place is reported once, with its first trail."""

    found: list[Diagnostic] = field(default_factory=list)
    _seen: set[tuple[str, Place | None]] = field(default_factory=set)

    def add(self, diagnostic: Diagnostic) -> None:
        key = (diagnostic.code, diagnostic.place)
        if key not in self._seen:
            self._seen.add(key)
            self.found.append(diagnostic)

    @property
    def errors(self) -> list[Diagnostic]:
        return [d for d in self.found if d.severity == "error"]


def did_you_mean(word: str, known: Sequence[str], most: int = 3) -> list[str]:
    """The known words nearest to `word`, best first; case counts less than letters."""
    import difflib

    lowered: dict[str, str] = {}
    for candidate in known:
        lowered.setdefault(candidate.lower(), candidate)
    near = difflib.get_close_matches(word.lower(), list(lowered), n=most, cutoff=0.6)
    return [lowered[n] for n in near]
