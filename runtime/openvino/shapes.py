"""A model compiled for all shapes, and where that is asked for, for those of calls too: OpenVINO works out the sizes of
every node in each call else."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from archonnx.runtime.openvino.compiled import Compiled, Kept
from archonnx.runtime.openvino.library import library_errors

log = logging.getLogger("archonnx.runtime")
_Key = tuple[tuple[int, ...], ...]


class Shapes:
    """What runs the model, by the shapes of its inputs. most: how many sets of shapes have a model of their own."""

    def __init__(
        self, graph: Any, path: str, properties: Mapping[str, str], most: int, kept: Mapping[str, Any] | None = None
    ) -> None:
        """kept: properties by which the model for all shapes comes from the cache. Raises MachineError."""
        self._graph, self._path, self._properties, self._most = graph, path, properties, most
        self._lock = threading.Lock()
        self._fixed: OrderedDict[_Key, Compiled | None] = OrderedDict()  # None: it cannot be compiled for them
        self._kept = kept or {}
        self.every = Compiled(graph, path, {**properties, **self._kept})

    def of(self, inputs: Mapping[int, Any]) -> Compiled:
        """The model for inputs by their places; made anew after a run that failed. Raises MachineError."""
        with self._lock:
            if self._most and not any(isinstance(value, Kept) for value in inputs.values()):
                fixed = self._of_shapes(tuple(inputs[at].shape for at in sorted(inputs)))
                if fixed is not None:
                    return fixed
            if self.every.turns.spoiled:
                log.info("%s: compiled anew, as OpenVINO gives old results after a run that failed", self._path)
                self.every = Compiled(self._graph, self._path, {**self._properties, **self._kept})
            return self.every

    def _of_shapes(self, key: _Key) -> Compiled | None:
        if key not in self._fixed or _spoiled(self._fixed[key]):
            self._fixed[key] = self._compiled_for(key)
            while len(self._fixed) > self._most:
                self._fixed.popitem(last=False)
        self._fixed.move_to_end(key)
        return self._fixed[key]

    def _compiled_for(self, key: _Key) -> Compiled | None:
        graph = self._graph.clone()
        try:
            graph.reshape({at: list(shape) for at, shape in enumerate(key)})
        except library_errors():  # they do not fit, which the run for all shapes tells better
            return None
        log.info("%s: compiled for %s", self._path, ", ".join(str(list(shape)) for shape in key))
        return Compiled(graph, self._path, self._properties)


def _spoiled(compiled: Compiled | None) -> bool:
    return compiled is not None and compiled.turns.spoiled
