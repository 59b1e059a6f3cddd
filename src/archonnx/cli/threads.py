"""numpy without threads of its own, for commands that draw weights in threads of theirs."""

from __future__ import annotations

import os
import sys

VARIABLE = "OPENBLAS_NUM_THREADS"


def numpy_in_one_thread() -> None:
    """Import numpy so that its products of matrices start no threads, unless it is there or the user has said.

    Threads that draw weights would wait for those of the products, and all of them for the processors: a translator's
    recurrent weights took five times as long on two processors.
    """
    if "numpy" in sys.modules or VARIABLE in os.environ:
        return
    os.environ[VARIABLE] = "1"  # it is read when the library is loaded
    try:
        import numpy  # noqa: F401
    finally:
        del os.environ[VARIABLE]
