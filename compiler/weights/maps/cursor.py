"""Walking through the text of a map: blanks and comments, places, and the one way in which a map is found wrong."""

from __future__ import annotations

from bisect import bisect_right
from typing import NoReturn

from archonnx.contract.diagnostics import Diagnostic, Place


class Fault(Exception):
    """Something wrong with a map, as a diagnostic."""

    def __init__(self, diagnostic: Diagnostic) -> None:
        super().__init__(diagnostic.message)
        self.diagnostic = diagnostic


class Cursor:
    """`at` is where reading goes on; `depth` counts open brackets, within which a line may end anywhere."""

    def __init__(self, text: str, name: str) -> None:
        # The same number of characters, so that places are those of the text as it stands.
        self.text, self.name = text.replace("\r\n", " \n").replace("\r", "\n"), name
        self.at = self.depth = 0
        self._starts = [0, *(n + 1 for n, c in enumerate(self.text) if c == "\n")]

    @property
    def char(self) -> str:
        """The next character, "" at the end."""
        return self.text[self.at : self.at + 1]

    @property
    def ends(self) -> bool:
        return self.at >= len(self.text)

    def place(self, start: int, stop: int | None = None) -> Place:
        """The stretch from `start` to `stop`, by default to here; at least one character."""
        stop = max(self.at if stop is None else stop, start + 1)
        line = bisect_right(self._starts, start)
        last = bisect_right(self._starts, stop - 1)
        column, end = start - self._starts[line - 1] + 1, stop - self._starts[last - 1] + 1
        return Place(self.name, line, column, last, end)

    def skip(self) -> None:
        """Over blanks and comments, and over the ends of lines within brackets."""
        while not self.ends:
            if self.char == "#" and (self.at == 0 or self.text[self.at - 1].isspace()):
                self.at = self._line_end()
            elif self.char == "\n" and not self.depth:
                return
            elif self.char.isspace():
                self.at += 1
            else:
                return

    def skip_line(self) -> None:
        """To the beginning of the next line."""
        self.at, self.depth = min(self._line_end() + 1, len(self.text)), 0

    def take(self, mark: str) -> bool:
        """Whether `mark` comes next; it is read then."""
        self.skip()
        if not self.text.startswith(mark, self.at):
            return False
        self.at += len(mark)
        return True

    def expect(self, mark: str, after: str, help: str | None = None) -> None:
        if not self.take(mark):
            self.fail_here(f'"{mark}" is expected after {after}, here is {self.shown()}', help)

    def shown(self) -> str:
        """What comes next, as a message names it."""
        if self.ends:
            return "the end of the file"
        return "the end of the line" if self.char == "\n" else f'"{self.char}"'

    def fail_here(self, message: str, help: str | None = None) -> NoReturn:
        self.fail("E1001", message, self.place(self.at), help)

    def fail(self, code: str, message: str, place: Place, help: str | None = None) -> NoReturn:
        raise Fault(Diagnostic(code, message, place, help=help))

    def _line_end(self) -> int:
        found = self.text.find("\n", self.at)
        return len(self.text) if found < 0 else found
