"""A line that says how far a long measurement is, and how long it will go on."""

from __future__ import annotations

import shutil
import sys
import time
from typing import TextIO

WIDTH = 24


class Bar:
    """Steps with the seconds that each is expected to take; what is left is told by how long those before it took."""

    def __init__(self, expected: float, out: TextIO | None = None) -> None:
        self._out = out or sys.stderr
        self._shown = self._out.isatty()
        self._expected, self._done, self._step = max(expected, 1e-9), 0.0, 0.0
        self._began = time.perf_counter()

    def step(self, name: str, expected: float) -> None:
        """The step before is done, this one begins."""
        self._done, self._step = self._done + self._step, expected
        if self._shown:
            self._draw(name)

    def say(self, line: str) -> None:
        """A line that stays."""
        clear = "\r\x1b[K" if self._shown else ""
        print(f"{clear}{line}", file=self._out, flush=True)

    def close(self) -> None:
        if self._shown:
            print("\r\x1b[K", end="", file=self._out, flush=True)

    def left(self) -> float:
        """Seconds that it may still take: what is expected, by how much longer than expected it took so far."""
        passed = time.perf_counter() - self._began
        pace = passed / self._done if self._done else 1.0
        return max(self._expected - self._done, 0.0) * pace

    def _draw(self, name: str) -> None:
        share = min(self._done / self._expected, 1.0)
        filled = round(share * WIDTH)
        minutes, seconds = divmod(round(self.left()), 60)
        text = f"[{'#' * filled}{'.' * (WIDTH - filled)}] {share:4.0%}, {minutes}:{seconds:02} left  {name}"
        print(f"\r\x1b[K{text[: shutil.get_terminal_size().columns - 1]}", end="", file=self._out, flush=True)
