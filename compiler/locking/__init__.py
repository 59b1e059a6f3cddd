"""`NAME.lock`: what a build is made of and what came out, so that the next one is the same or says what is not."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from archonnx.contract.diagnostics import UsageError

if TYPE_CHECKING:
    from archonnx.compiler.artifact import CompiledModel
    from archonnx.compiler.locking.hold import Asked


def asked(model: CompiledModel, lock: str | os.PathLike[str] | None, update: bool) -> Asked | None:
    """The lock that a build of `model` is held against; None where none is asked for, and nothing of locks is read.

    Raises UsageError as `check_named`.
    """
    check_named(lock, update)
    if lock is None:
        return None
    from archonnx.compiler.locking.hold import Asked

    return Asked(model, lock, update)


def check_named(lock: str | os.PathLike[str] | None, update: bool) -> None:
    """Raise UsageError where a lock is to be written anew and none is named."""
    if update and lock is None:
        raise UsageError("update_lock belongs to lock: name the lock too")
