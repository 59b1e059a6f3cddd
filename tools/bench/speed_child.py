"""A way to run a network in a process of its own, which takes turns with others."""

from __future__ import annotations

import multiprocessing
from pathlib import Path
from typing import Any

from tools.bench.speed_ways import serve

PATIENCE = 900.0  # seconds that a way may take to start: torch.compile, and models that are exported


class Child:
    """A way in a process of its own."""

    def __init__(self, subject: str, way: str, folder: Path) -> None:
        context = multiprocessing.get_context("spawn")
        self._channel, theirs = context.Pipe()
        self._process = context.Process(target=serve, args=(theirs, subject, way, str(folder)), daemon=True)
        self._process.start()
        theirs.close()

    def started(self) -> tuple[str, Any]:
        """("ready", facts) or ("failed", reason)."""
        if not self._channel.poll(PATIENCE):
            return "failed", f"it did not start within {PATIENCE:.0f} s"
        try:
            found: tuple[str, Any] = self._channel.recv()
        except EOFError:
            self._process.join(10)
            return "failed", f"its process ended with code {self._process.exitcode}"
        return found

    def turn(self, seconds: float) -> list[float]:
        """Raises EOFError, OSError where the process has ended."""
        self._channel.send(seconds)
        found: list[float] = self._channel.recv()
        return found

    def close(self) -> None:
        self._channel.close()
        self._process.terminate()
        self._process.join(10)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
