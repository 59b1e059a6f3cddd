"""What libraries print past Python, TensorFlow's greetings foremost, kept off the terminal."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quieted() -> Iterator[None]:
    """Nothing that is written to the process' stderr is seen while the body runs, except what this program says."""
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    before = sys.stderr
    own = os.fdopen(os.dup(kept), "w", encoding="utf-8", errors="backslashreplace") if _is_real(before) else None
    before.flush()
    try:
        os.dup2(nowhere, 2)
        if own is not None:
            sys.stderr = own
        yield
    finally:
        if own is not None:
            own.flush()
            sys.stderr = before
            own.close()
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def _is_real(stream: object) -> bool:
    """Whether a stream is the process' own stderr, not one that a test put in its place."""
    return stream is sys.__stderr__
