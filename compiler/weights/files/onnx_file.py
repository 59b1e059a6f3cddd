"""The initializers of an ONNX model, in the file or in those that it names: raw data are read in place.

A model without any may have its weights within nodes: onnx_nodes.py. Matrices in few bits: onnx_blocks.py.

Numbers that are stored in typed fields instead (float_data and others) are read with what describes them: they may
stand there in several pieces.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from archonnx.compiler import wire
from archonnx.compiler.weights.files.base import Entry, Format, TensorFile, TensorFileError, read_exactly, stamp
from archonnx.compiler.weights.files.onnx_blocks import BlocksFile, Packed, packed_in
from archonnx.compiler.weights.files.onnx_nodes import tensors_within
from archonnx.compiler.weights.files.onnx_writer import write_model
from archonnx.compiler.weights.files.stored import StoredFile, decode, is_shape, opened
from archonnx.compiler.weights.recipe import Array, bytes_of
from archonnx.contract import metadata as said
from archonnx.contract.dtypes import BY_ONNX, DTYPES

if TYPE_CHECKING:
    from onnx import TensorProto


class OnnxFile(StoredFile):
    """An open model. `places` are those of raw data; what stands in other files is in `_outside`."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, FORMAT.name)
        self.packed: dict[str, Packed] = {}
        self._outside: dict[str, tuple[Path, int]] = {}
        self._typed: dict[str, TensorProto] = {}
        self._kept: tuple[str, Array] | None = None
        self._other: tuple[Path, BinaryIO] | None = None
        try:
            self._read_model()
        except BaseException:
            self.close()
            raise

    def _read_model(self) -> None:
        import onnx
        from google.protobuf.message import DecodeError

        try:
            walked = wire.walk(self.stream, inside=True)
            model = onnx.ModelProto.FromString(walked.skeleton)
        except (wire.MalformedFileError, DecodeError) as error:
            raise self._wrong(f"it is no ONNX model ({error})", "it is cut short or damaged, perhaps") from None
        tensors = list(model.graph.initializer)
        if not model.ir_version or not model.HasField("graph") or len(tensors) != len(walked.regions):
            raise self._wrong("it is no ONNX model: it has no graph", "it is cut short or damaged, perhaps")
        if model.graph.sparse_initializer:
            raise self._wrong("it has sparse initializers", "they are not read; make them dense")
        if any(prop.key == said.WEIGHTS and prop.value == "none" for prop in model.metadata_props):
            help = f"they are written by: archonnx weights write {self.path}"
            if any(prop.key == said.SHARD for prop in model.metadata_props):
                help = "it is one stage of a model; build all of them again with the weights: --shards"
            raise self._wrong("it was built without weights (--weights none)", help)
        for tensor, region in zip(tensors, walked.regions, strict=True):
            self._enter(self._text(tensor.name, "of an initializer"), tensor, region)
        if not tensors:
            try:
                within = tensors_within(model.graph, walked.inside)
            except ValueError as error:
                raise self._wrong(f"it is no ONNX model: {error}", "it is damaged, perhaps") from None
            for name, tensor, region in within:
                self._enter(self._text(name, "of a tensor within a node"), tensor, region)
        for prop in model.metadata_props:
            self.metadata[self._text(prop.key, "of its metadata")] = self._text(prop.value, f"of its {prop.key!r}")
        self.packed = packed_in(model.graph, self.entries, self.metadata)

    def _enter(self, name: str, tensor: TensorProto, region: wire.Region) -> None:
        from onnx.helper import tensor_dtype_to_field

        shape = tuple(tensor.dims)
        if name in self.entries:
            raise self._wrong(f"the initializer {name!r} is in it twice")
        if tensor.data_type not in BY_ONNX:
            raise self._wrong(f"the initializer {name!r} is of type {tensor.data_type}, which ONNX does not have")
        if not is_shape(shape) or tensor.HasField("segment"):
            raise self._wrong(f"the initializer {name!r} has the shape {list(shape)}, which is none")
        entry = Entry(BY_ONNX[tensor.data_type].name, shape)
        if entry.dtype == "string":
            count = len(tensor.string_data)
            if count != entry.size:
                raise self._wrong(f"the initializer {name!r} is {entry} and has {count} elements")
            self._typed[name] = tensor
        elif tensor.data_location == tensor.EXTERNAL:
            self._outside[name] = self._external(name, entry, region.external)
        elif region.start:
            if region.length != entry.bytes:
                raise self._wrong(f"the initializer {name!r} is {entry}, {entry.bytes} bytes, and has {region.length}")
            self.places[name] = region.start
        else:
            self._typed[name] = tensor
            count = len(getattr(tensor, tensor_dtype_to_field(tensor.data_type)))
            each = {"int4": 2, "uint4": 2, "float4e2m1": 2, "int2": 4, "uint2": 4}.get(entry.dtype, 1)
            needed = -(-entry.size // each) * (2 if DTYPES[entry.dtype].kind == "complex" else 1)
            if count != needed:
                raise self._wrong(f"the initializer {name!r} is {entry}, {needed} numbers, and has {count}")
        self.entries[name] = entry

    def _external(self, name: str, entry: Entry, given: Mapping[str, str]) -> tuple[Path, int]:
        """File and offset of data outside the model, which may stand nowhere but in its folder and below."""
        location = given.get("location", "")
        folder = self.path.parent.resolve()
        inside = bool(location) and "\0" not in location and not Path(location).is_absolute()
        target = (folder / location).resolve() if inside else folder
        if inside and (folder / location).is_symlink() and not target.is_relative_to(folder):
            raise self._wrong(
                f"{location!r}, the data of {name!r}, is a link out of the model's folder", "copy it there"
            )
        if not inside or ".." in Path(location).parts or not target.is_relative_to(folder) or target == folder:
            raise self._wrong(
                f"the data of {name!r} are said to be in {location!r}", "data stand in the model's own folder or below"
            )
        numbers = []
        for key, otherwise in (("offset", 0), ("length", entry.bytes)):
            text = given.get(key, str(otherwise))
            if not (text.isascii() and text.isdigit() and len(text) < 20):
                raise self._wrong(f"the {key} of the data of {name!r} is {text[:40]!r}, which is no number")
            numbers.append(int(text))
        offset, length = numbers
        if length != entry.bytes:
            raise self._wrong(f"the initializer {name!r} is {entry}, {entry.bytes} bytes, and has {length}")
        self.watched().setdefault(target, stamp(target))
        if not target.is_file():
            raise self._wrong(f"there is no file {location!r} with the data of {name!r}", "put it beside the model")
        if offset + length > target.stat().st_size:
            raise TensorFileError(
                target, f"the data of {name!r} end at byte {offset + length}, the file before", help="it is cut short"
            )
        return target, offset

    def read(self, name: str, start: int, length: int) -> Array:
        entry = self.entries[name]
        if name in self._typed:
            if self._kept is None or self._kept[0] != name:
                self._kept = (name, self._read_typed(name))
            return self._kept[1][start : start + length]
        if name not in self._outside:
            return super().read(name, start, length)
        path, offset = self._outside[name]
        if self._other is None or self._other[0] != path:
            if self._other is not None:
                self._other[1].close()
            self._other = (path, opened(path))
        bits = DTYPES[entry.dtype].bits
        first, skip = start * bits // 8, start * bits % 8 // min(bits, 8)
        count = ((skip + length) * bits + 7) // 8
        return decode(read_exactly(self._other[1].fileno(), offset + first, count, path), entry.dtype, length, skip)

    def _read_typed(self, name: str) -> Array:
        from onnx import numpy_helper

        entry = self.entries[name]
        if entry.dtype == "string":
            try:
                texts = [text.decode("utf-8") for text in self._typed[name].string_data]
            except UnicodeDecodeError:
                raise self._wrong(f"the initializer {name!r} holds text that is not UTF-8") from None
            return np.array(texts, dtype=object)
        # Through bytes, so that what is smaller than a byte looks the same from wherever it comes.
        found = bytes_of(numpy_helper.to_array(self._typed[name]), DTYPES[entry.dtype].bits)
        return decode(bytes(found), entry.dtype, entry.size)

    def _text(self, text: str | bytes, of: str) -> str:
        """A text of the model, which protobuf gives as bytes where it is none."""
        if isinstance(text, bytes):
            raise self._wrong(f"the text {text[:60]!r} {of} is not UTF-8", "it is damaged, perhaps")
        return text

    def _wrong(self, what: str, help: str | None = None) -> TensorFileError:
        return TensorFileError(self.path, what, help=help)

    def close(self) -> None:
        if self._other is not None:
            self._other[1].close()
            self._other = None
        super().close()


def open_file(path: Path) -> TensorFile:
    """Open the initializers of a model. Errors: TensorFileError, OSError."""
    file = OnnxFile(path)
    return BlocksFile(file, file.packed) if file.packed else file


FORMAT = Format(
    name="onnx",
    title="ONNX model",
    suffixes=(".onnx",),
    open=open_file,
    holds=frozenset(DTYPES) - {"string"},
    write_file=write_model,
    keeps=True,
)
