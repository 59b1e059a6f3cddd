"""What becomes of a session where the process forks: its threads stay behind in the parent.

A call in the child would wait for them for ever, and so would the end of the session's life: there it is refused, and
the session is never freed.
"""

from __future__ import annotations

import ctypes
import os
import weakref
from typing import Any

from archonnx.contract.diagnostics import UsageError

_alive: weakref.WeakSet[Mark] = weakref.WeakSet()


class Mark:
    """Belongs to one session of onnxruntime, and tells whether the process has forked since. path: of its model."""

    __slots__ = ("__weakref__", "_session", "forked", "path")

    def __init__(self, session: Any, path: str) -> None:
        self._session, self.path = session, path
        self.forked = False
        _alive.add(self)

    def leave(self) -> None:
        """Refuse calls from now on, and keep the session for ever."""
        self.forked = True
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(self._session))

    def refuse(self) -> None:
        """Raises UsageError."""
        raise UsageError(
            f"{self.path}: this process was forked after the session was loaded, and its threads stayed in "
            "the parent; load the model in each process, or start processes by multiprocessing's method 'spawn'"
        )


def _in_child() -> None:
    for mark in list(_alive):
        mark.leave()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)
