"""Writing files whole or not at all."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from archonnx.contract.diagnostics import ArchonnxError
from archonnx.contract.drafts import Draft, sweep


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[IO[bytes]]:
    """Give a file to write; it takes the place of `path` when the body ends, and vanishes when the body fails.

    A link is followed, the permissions of an old file are kept, and what is no regular file (a pipe, a device) is
    written as it stands. The stream's `name` is a path under which this process can open it again meanwhile. What dead
    processes have left beside `path` is removed.

    Raises ArchonnxError where the folder is missing, and OSError, named after `path`, where it cannot be written.
    """
    check_place(path)
    target = Path(os.path.realpath(path))
    mode = _mode(target)
    if mode is not None and not stat.S_ISREG(mode):
        with open(target, "wb") as stream:
            yield stream
        return
    try:
        draft = Draft(target)
    except OSError as error:
        raise _about(error, path) from None
    sweep(target)
    try:
        with draft:
            yield draft.stream
            if mode is not None:
                os.chmod(draft.path, stat.S_IMODE(mode))
            if mode is not None or not draft.place(target):
                draft.replace(target)
    except BaseException as error:
        if isinstance(error, OSError) and error.filename in (None, str(draft.path), str(draft.partial)):
            raise _about(error, path) from error
        raise


def check_place(path: str | os.PathLike[str]) -> None:
    """Raise what `replacing` would, as far as it is known before there is anything to write: ArchonnxError where the
    folder is missing, OSError where the path is a folder."""
    target = Path(os.path.realpath(path))
    if not target.parent.is_dir():
        raise ArchonnxError(f"cannot write {os.fspath(path)}: there is no folder {target.parent}; make it first")
    if target.is_dir():
        raise OSError(errno.EISDIR, os.strerror(errno.EISDIR), os.fspath(path))


def replace_file(path: str | os.PathLike[str], data: bytes) -> None:
    """Write `data` to `path`, whole or not at all."""
    with replacing(path) as stream:
        stream.write(data)


def _mode(path: Path) -> int | None:
    try:
        return path.stat().st_mode
    except FileNotFoundError:
        return None


def _about(error: OSError, path: str | os.PathLike[str]) -> OSError:
    """The same refusal, about the file that was asked for instead of the one beside it."""
    return OSError(error.errno, error.strerror, os.fspath(path))
