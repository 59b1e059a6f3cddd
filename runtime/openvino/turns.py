"""Runs one after another, and none after one that failed.

Where a run fails, nodes of OpenVINO 2026.4 remember shapes for which they have computed nothing: the next runs fail
too, or give the results of an earlier one. Its runs wait for each other anyway, having one stream.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any

from archonnx.runtime.wrapping import Wrapped


class SpoiledError(Exception):
    """A run failed before."""


class Turns:
    """A context that one thread is in at a time. Where an exception leaves it, entering it raises SpoiledError from
    then on."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.spoiled = False

    def __enter__(self) -> None:
        self._lock.acquire()
        if self.spoiled:
            self._lock.release()
            raise SpoiledError

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Where onnxruntime stops, OpenVINO has not begun, or has come to its end.
        self.spoiled = error is not None and "terminate flag" not in str(error)
        self._lock.release()


class OneByOne(Wrapped):
    """A session of onnxruntime whose runs have turns. It cannot be made anew where it stands, so that it is of no more
    use after one that failed."""

    def __init__(self, session: Any) -> None:
        super().__init__(session)
        self._turns = Turns()

    def _run(self, run: Callable[..., Any], args: tuple[Any, ...]) -> Any:
        try:
            with self._turns:
                return run(*args)
        except SpoiledError:
            reason = "an earlier run failed, and OpenVINO's plug-in may give old results after that"
            raise RuntimeError(f"{reason}: load the model again") from None
