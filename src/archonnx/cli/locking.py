"""`build --locked`, `--lock` and `--update-lock`: which lock a build is held against, and what is said of it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from archonnx.cli.console import say, styled
from archonnx.cli.options import FilePath
from archonnx.contract.diagnostics import UsageError

if TYPE_CHECKING:
    from archonnx.compiler.locking.hold import Lock

Function = TypeVar("Function", bound=Callable[..., Any])


def lock_options(function: Function) -> Function:
    """--locked, --lock and --update-lock, passed on as `locked`, `lock` and `update_lock`."""
    for option in (
        click.option("--update-lock", is_flag=True, help="Write the lock anew, whatever it says."),
        click.option("--lock", type=FilePath(), metavar="FILE.lock", help="The lock, where it has another place."),
        click.option(
            "--locked",
            is_flag=True,
            help="Hold the build, of a model, its stages or several models, against OUT.lock beside FILE, or write it "
            "where there is none (docs/locks.md).",
        ),
    ):
        function = option(function)
    return function


def checked_lock(locked: bool, lock: Path | None, update: bool, besides: str | None) -> bool:
    """Whether a build is held against a lock. Raises UsageError for what is no lock, or an option that goes without."""
    if not (locked or update or lock is not None):
        return False
    if besides is not None:
        raise UsageError(f"{besides} goes without a lock: leave --locked, --lock and --update-lock out")
    if lock is not None and lock.suffix != ".lock":
        raise UsageError(f"--lock {lock}: the file's name ends in .lock")
    return True


def lock_of(file: Path, target: Path, lock: Path | None, *, folder: bool = False) -> Path:
    """Where the lock of a build is: the one that was named, else it is called as OUT is and lies beside FILE, where it
    can be committed; that of a model that ships lies beside OUT. folder: OUT is one, of several models."""
    if lock is not None:
        return lock
    name = Path(os.path.abspath(target)).name if folder else target.stem
    return (target.parent if _ships(file) else file.parent) / f"{name}.lock"


def _ships(file: Path) -> bool:
    from archonnx.compiler.elaborate.loader import zoo_folder, zoo_packages

    folders = (zoo_folder(package) for package in zoo_packages())
    real = Path(os.path.realpath(file))
    return any(folder is not None and real.is_relative_to(os.path.realpath(folder)) for folder in folders)


def tell_lock(lock: Lock) -> None:
    """Whether a lock was written, or what was built is what it says."""
    said = {"written": "written: commit it", "updated": "written anew", "same": "what was built is what it says"}
    say(f"{lock.path}: {said[lock.outcome]}")
    for text in lock.notes:
        say(f"{styled('note', 'cyan', sys.stderr)}: {text}")
