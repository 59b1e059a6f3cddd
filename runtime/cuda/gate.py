"""While a CUDA graph is captured, nothing else of this process may ask CUDA for memory: it would spoil the capture.

onnxruntime captures in CUDA's global mode, in which another thread's cudaMalloc or synchronous copy is an error
(cudaStreamCaptureModeGlobal in its cuda_graph.cc). So all runs of ours go through this gate, many at once, and a
capture alone. What other libraries do meanwhile is out of our hands; a capture that is spoilt is told, and given up.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Gate:
    """Many pass at once, or one alone; who waits to be alone goes before those that come later."""

    def __init__(self) -> None:
        self._change = threading.Condition()
        self._inside = self._waiting = 0
        self._alone = False

    def __enter__(self) -> None:
        with self._change:
            while self._alone or self._waiting:
                self._change.wait()
            self._inside += 1

    def __exit__(self, *error: object) -> None:
        with self._change:
            self._inside -= 1
            if not self._inside:
                self._change.notify_all()

    @contextmanager
    def alone(self) -> Iterator[None]:
        with self._change:
            self._waiting += 1
            try:
                while self._alone or self._inside:
                    self._change.wait()
            finally:
                self._waiting -= 1
            self._alone = True
        try:
            yield
        finally:
            with self._change:
                self._alone = False
                self._change.notify_all()


GATE = Gate()
