"""What a training borrows of the process, and gives back: Ctrl-C, Python's random numbers, warnings."""

from __future__ import annotations

import random
import re
import signal
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Interruption:
    """A `with` block in which the first Ctrl-C only sets `asked`; the second one interrupts as ever.

    Where the program has a handler of its own for it, or this is not the main thread, Ctrl-C is left alone.
    """

    def __init__(self) -> None:
        self.asked = False
        self._taken = False

    def __call__(self) -> bool:
        return self.asked

    def __enter__(self) -> Interruption:
        main = threading.current_thread() is threading.main_thread()
        if main and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, self._handle)
            self._taken = True
        return self

    def __exit__(self, *_: object) -> None:
        if self._taken:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Python's generator, from which Keras draws the seeds of dropout and augmentation, begun at `seed` for a while."""
    before = random.getstate()
    random.seed(seed)
    try:
        yield
    finally:
        random.setstate(before)


@contextmanager
def unreached() -> Iterator[list[str]]:
    """Gives the names of the variables that Keras finds no gradient for, once the block is done; no warning of them.

    Other warnings are given on.
    """
    found: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield found
    for one in caught:
        names = re.search(r"Gradients do not exist for variables \[(.*?)\]", str(one.message))
        if names:
            found += [name for name in re.findall(r"'([^']*)'", names[1]) if name not in found]
        else:
            warnings.warn_explicit(one.message, one.category, one.filename, one.lineno, source=one.source)
