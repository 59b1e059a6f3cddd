"""Which calls are captured as CUDA graphs, and how many.

A graph replays the kernels of one run, on the same memory, without launching each of them. onnxruntime keeps it for
the thread that captured it, under a number (`gpu_graph_id`), and gives none back before the session ends, also where
the thread has: there may be only so many.
"""

from __future__ import annotations

import itertools
import sys
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from archonnx.contract.diagnostics import UsageError
from archonnx.runtime.modelfile import ModelFile

if TYPE_CHECKING:
    from archonnx.runtime.cuda.static import Static

MOST = 64  # graphs of one session, each with its buffers
_SEEN = 256  # shapes whose calls are counted
NONE = "-1"  # onnxruntime's number for a run that is neither captured nor replayed
_BRANCHING = ("If", "Loop", "Scan")


def read_graphs(graphs: Any) -> bool | None:
    """The setting of `load(graphs=)`: True, False, or None for "auto". Raises UsageError."""
    if graphs in (True, False) and isinstance(graphs, bool):
        return graphs
    if isinstance(graphs, str) and graphs == "auto":
        return None
    raise UsageError(f'graphs is "auto", True or False, received {graphs!r}')


def forbidden(model: ModelFile) -> str | None:
    """Why no run of this model can be a graph, as far as its file tells; onnxruntime finds the rest."""
    for spec in [*model.inputs, *model.outputs]:
        if spec.kind != "tensor" or spec.dtype == "string":
            return f"{spec.name} is {spec.type}, and a graph has tensors alone"
    for name, node in model.nodes.items():
        if node.operator in _BRANCHING:
            where = f" at {node.place}" if node.place else ""
            return f"{node.operator} ({node.layer or name}{where}) decides while it runs what comes next"
    return None


def signature(feeds: Mapping[str, Any]) -> tuple[Any, ...]:
    """What the calls that one graph may stand for have in common."""
    return tuple((name, array.shape, array.dtype) for name, array in feeds.items())


class Own:
    """What one thread has captured."""

    def __init__(self) -> None:
        self.seen: dict[tuple[Any, ...], int] = {}
        self.statics: dict[tuple[Any, ...], Static] = {}
        self.numbers: set[int] = set()


class Graphs:
    """The graphs of one session. after: how many calls with the same shapes run without one before it is captured."""

    def __init__(self, after: int) -> None:
        self.after = after
        self.told = False  # that there are as many as may be
        self._numbers = itertools.count(1)
        self._local = threading.local()
        self._lock = threading.Lock()
        self.count = 0  # also of threads that have ended: onnxruntime keeps theirs

    def number(self) -> int:
        return next(self._numbers)

    @property
    def own(self) -> Own:
        """Of the calling thread."""
        found: Own | None = getattr(self._local, "own", None)
        if found is None:
            found = self._local.own = Own()
        return found

    def captured(self, number: int) -> None:
        """That the calling thread has captured a graph."""
        with self._lock:
            self.own.numbers.add(number)
            self.count += 1

    def never(self, key: tuple[Any, ...]) -> None:
        """Capture no such calls of the calling thread: there is no memory for their buffers."""
        self.own.seen[key] = -sys.maxsize

    def due(self, key: tuple[Any, ...]) -> bool:
        """Count a call of the calling thread; whether it is to be captured now."""
        seen = self.own.seen
        if key not in seen and len(seen) >= _SEEN:
            seen.clear()
        seen[key] = seen.get(key, 0) + 1
        return seen[key] > self.after and self.count < MOST
