"""A session of onnxruntime whose runs are watched over: its weights are mapped from files that somebody may write to,
and a GPU may be lost."""

from __future__ import annotations

import os
import re
import weakref
from collections.abc import Iterable, Sequence
from typing import Any

from archonnx.runtime.wrapping import Wrapped

# Errors after which, by CUDA's documentation of cudaError_t, all further work of the process fails as well, and those
# of a device that is gone.
_FATAL = {46, 100, 101, 214, 220, 226, 700, 702, 709, 710, 714, 715, 716, 717, 718, 719, 721, 999}
_OPEN = 16
_CUDA = re.compile(r"CUDA(?: failure| error)? (\d+): ([^;]*)")


def lost_device(text: str) -> str | None:
    """What CUDA said of a GPU that is of no more use to this process; None where an error is another."""
    match = _CUDA.search(text)
    return f"CUDA error {match[1]}: {match[2].strip()}" if match and int(match[1]) in _FATAL else None


class Watch:
    """Files that a session maps. Where one is written to, or cut short, its runs would read what is there now; one
    that is deleted, or replaced by another file, is mapped on as it was."""

    def __init__(self, files: Iterable[str | os.PathLike[str]]) -> None:
        """Raises OSError."""
        paths = [os.fspath(file) for file in files]
        # A file that is open is looked at in a third of the time; a process may not have many.
        handles = [os.open(path, os.O_RDONLY) for path in paths] if len(paths) <= _OPEN else []
        weakref.finalize(self, _close, handles)
        places: list[int] | list[Any] = handles or paths
        self._files = [(path, at, os.stat(at)) for path, at in zip(paths, places, strict=True)]

    def check(self) -> None:
        """Raise RuntimeError where a file is not as it was."""
        for path, at, before in self._files:
            try:
                now = os.stat(at)
            except OSError:  # gone, and mapped on
                continue
            if (now.st_ino, now.st_dev) != (before.st_ino, before.st_dev):
                continue
            if (now.st_size, now.st_mtime_ns) != (before.st_size, before.st_mtime_ns):
                raise RuntimeError(
                    f"its weights in {path} were written to after it was loaded: load it again; new weights belong in "
                    "a new file, which is then renamed"
                )


def _close(handles: Sequence[int]) -> None:
    for handle in handles:
        os.close(handle)


class Guarded(Wrapped):
    """The session, its runs checked before and after; it runs no more once its GPU is lost."""

    def __init__(self, session: Any, watch: Watch | None = None) -> None:
        from archonnx.runtime.translate import ort_errors

        super().__init__(session)
        self._watch, self._errors = watch, ort_errors
        self._lost: str | None = None

    def _run(self, run: Any, args: tuple[Any, ...]) -> Any:
        if self._lost is not None:
            raise RuntimeError(self._lost)
        watch = self._watch
        if watch is not None:
            watch.check()
        try:
            found = run(*args)
        except self._errors() as error:
            if lost_device(str(error)):
                self._lost = str(error)
            raise
        if watch is not None:  # what was written meanwhile was read in part
            watch.check()
        return found
