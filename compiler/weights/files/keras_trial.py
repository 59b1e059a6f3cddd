"""A process of its own that goes through an HDF5 file first: over some damaged files HDF5 crashes, or runs forever."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from archonnx.compiler.weights.files.base import TensorFileError

SECONDS = 60
_good: set[tuple[int, ...]] = set()  # files that this process has tried


def try_first(path: Path, others: Sequence[Path] = ()) -> None:
    """Go through a file in another process. TensorFileError where HDF5 crashes over it, or does not come back.

    A file that was gone through and has not changed since is not tried again. others: files that it leads to.
    """
    if not sys.executable:
        return
    marks = {_mark(file) for file in (path, *others)}
    if marks <= _good:
        return
    code = f"import sys, pathlib; from {__name__} import go_through; go_through(pathlib.Path(sys.argv[1]))"
    found = {**os.environ, "PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry)}
    command = [sys.executable, "-P", "-c", code, str(path)]
    try:
        done = subprocess.run(command, env=found, stdin=subprocess.DEVNULL, capture_output=True, timeout=SECONDS)
    except subprocess.TimeoutExpired as error:
        what = f"it is damaged: HDF5 has not come to the end of its groups within {SECONDS} seconds"
        raise TensorFileError(path, what) from error
    if done.returncode < 0:
        raise TensorFileError(path, f"it is damaged: HDF5 crashes over it (signal {-done.returncode})")
    _good.update(marks)


def _mark(path: Path) -> tuple[int, ...]:
    status = path.stat()
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def go_through(path: Path) -> None:
    """Open a file and read one element of each variable, for what HDF5 makes of it."""
    from archonnx.compiler.weights.files.keras_h5 import open_keras
    from archonnx.compiler.weights.files.keras_index import open_index

    opening = open_index if path.name.endswith(".json") else open_keras
    with contextlib.suppress(TensorFileError), opening(path, tried=True) as tensors:
        for name, entry in tensors.entries.items():
            tensors.read(name, 0, min(entry.size, 1))
