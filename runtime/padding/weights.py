"""The constants of a model, read one at a time: how large they are decides how large what is computed of them may be.

Field numbers are those of onnx.proto.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from archonnx.runtime.wire import Field, Source, WireError

if TYPE_CHECKING:
    import numpy as np

_GRAPH, _INITIALIZER, _NAME = 7, 5, 8


class Weights:
    """The initializers of a model by name. source: its path or its bytes; data of other files lie beside the path."""

    def __init__(self, source: str | bytes) -> None:
        self._source = source
        self._folder = str(Path(source).parent) if isinstance(source, str) else ""
        self._places: dict[str, tuple[int, int]] | None = None

    def array(self, name: str) -> np.ndarray[Any, Any] | None:
        """None where there is no such initializer, or no data of it. Raises OSError where the file is gone."""
        if isinstance(self._source, bytes):
            return self._array(Source(self._source), name)
        with open(self._source, "rb") as stream:
            return self._array(Source(stream), name)

    def _array(self, source: Source, name: str) -> np.ndarray[Any, Any] | None:
        import onnx
        from onnx import numpy_helper

        if self._places is None:
            self._places = _places(source)
        place = self._places.get(name)
        if place is None:
            return None
        tensor = onnx.TensorProto.FromString(source.read(*place))
        if tensor.data_location == onnx.TensorProto.EXTERNAL and not self._folder:
            return None
        if tensor.data_type == onnx.TensorProto.STRING:
            return None
        return numpy_helper.to_array(tensor, self._folder)


def _places(source: Source) -> dict[str, tuple[int, int]]:
    """Where each initializer of the outermost graph lies."""
    try:
        tensors = [
            f
            for graph in source.fields()
            if graph.number == _GRAPH
            for f in source.inside(graph)
            if f.number == _INITIALIZER
        ]
        return {_name(source, tensor): (tensor.start, tensor.stop) for tensor in tensors}
    except WireError:  # the file is another one by now
        return {}


def _name(source: Source, tensor: Field) -> str:
    return next((source.text(f) for f in source.inside(tensor) if f.number == _NAME), "")
