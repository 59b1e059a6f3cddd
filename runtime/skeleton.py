"""A model without its weights: what shapes are inferred from, copied field by field out of a file or of bytes.

Field numbers are those of onnx.proto.
"""

from __future__ import annotations

import os

from archonnx.runtime.errors import ModelFileError
from archonnx.runtime.wire import BYTES, FIXED32, FIXED64, VARINT, Field, Source

_GRAPH, _INITIALIZER = 7, 5
_DATA = frozenset({4, 5, 6, 7, 9, 10, 11})  # a tensor's fields that hold its elements
_SMALL = 1024  # bytes; shapes, axes and the like are smaller, and decide shapes of others


class Origin:
    """Where a loaded model came from, as long as that is as it was."""

    def __init__(self, path: str, source: str | None, bare: bytes) -> None:
        """path: what messages call it; source: its file, None where there is none: then `bare` is its skeleton."""
        self._path, self._source, self._bare = path, source, bare
        self._stamp = _stamp(source) if source is not None and os.path.exists(source) else None

    def skeleton(self) -> bytes:
        """The model without its weights. Raises OSError where its file is gone, ModelFileError where it is another."""
        if self._source is None:
            return self._bare
        if _stamp(self._source) != self._stamp:
            raise ModelFileError(self._path, "it was changed since it was loaded; load it again")
        return skeleton(self._source)


def _stamp(path: str) -> tuple[int, ...]:
    found = os.stat(path)
    return found.st_size, found.st_mtime_ns, found.st_ino, found.st_dev


def skeleton(data: bytes | str | os.PathLike[str]) -> bytes:
    """The model as a ModelProto whose large initializers have a type and a shape, and no elements.

    Raises OSError where the file cannot be read, WireError where it is no model.
    """
    if isinstance(data, bytes):
        return _model(Source(data))
    with open(data, "rb") as stream:
        return _model(Source(stream))


def _model(source: Source) -> bytes:
    parts = [_packed(f, _graph(source, f)) if f.number == _GRAPH else _copy(source, f) for f in source.fields()]
    return b"".join(parts)


def _graph(source: Source, graph: Field) -> bytes:
    fields = source.inside(graph)
    parts = [_packed(f, _tensor(source, f)) if f.number == _INITIALIZER else _copy(source, f) for f in fields]
    return b"".join(parts)


def _tensor(source: Source, tensor: Field) -> bytes:
    if tensor.stop - tensor.start <= _SMALL:
        return source.read(tensor.start, tensor.stop)
    return b"".join(_copy(source, f) for f in source.inside(tensor) if f.number not in _DATA)


def _copy(source: Source, field: Field) -> bytes:
    if field.type == BYTES:
        return _packed(field, source.read(field.start, field.stop))
    key = _varint(field.number << 3 | field.type)
    if field.type in (FIXED32, FIXED64):
        return key + source.read(field.start, field.stop)
    assert field.type == VARINT
    return key + _varint(field.value)


def _packed(field: Field, value: bytes) -> bytes:
    return _varint(field.number << 3 | BYTES) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    found = bytearray()
    while value >= 0x80:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    found.append(value)
    return bytes(found)
