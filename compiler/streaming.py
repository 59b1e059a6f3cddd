"""Streaming a model to its file: which weights stand in it and which beside it, bytes in order, reading them back."""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from archonnx.compiler import wire
from archonnx.compiler.sink import Sink, digest_of, settle, sync_folder
from archonnx.compiler.weights.resolving import resolved
from archonnx.contract.diagnostics import ArchonnxError
from archonnx.contract.files import replacing

if TYPE_CHECKING:
    from archonnx.compiler.recipes import Evaluation, Recipe
    from archonnx.compiler.writer import Initializer, Skeleton

Progress: TypeAlias = Callable[[int, int], None]  # bytes done, bytes in all

SMALL = 4096  # bytes: constants below stay in the model, for tools that read shapes from them
PAGE, CHUNK = 1 << 12, 1 << 16  # alignment of data outside the model: pages, and what Windows can map for large tensors


class SaveError(ArchonnxError):
    """A file that could not be written; what was there before is as it was."""


@dataclass(slots=True)
class _Piece:
    """A stretch of data outside the model."""

    initializer: Initializer
    offset: int


class Saving:
    """One save: where each byte goes, and the steps of writing them."""

    def __init__(
        self,
        skeleton: Skeleton,
        target: Path,
        evaluation: Evaluation,
        progress: Progress | None,
        *,
        bare: bool,
        limit: int,
    ) -> None:
        self.skeleton, self.target, self.evaluation, self.progress = skeleton, target, evaluation, progress
        stored = [i for i in skeleton.initializers if i.tensor.dtype != "string"]
        large = sum(i.recipe.nbytes for i in stored) + skeleton.graph.ByteSize() > limit
        self.outside: list[_Piece] = []
        end = 0
        for initializer in stored:
            nbytes = initializer.recipe.nbytes
            if (not initializer.recipe.is_literal) if bare else (large and nbytes >= SMALL):
                step = PAGE if nbytes < 1 << 20 else CHUNK
                offset = -(-end // step) * step
                self.outside.append(_Piece(initializer, offset))
                end = offset + nbytes
        self.bare, self.data_length = bare, end
        chosen = {id(piece.initializer) for piece in self.outside}
        self.inside = {id(i) for i in stored if id(i) not in chosen}
        inline = sum(i.recipe.nbytes for i in stored if id(i) in self.inside)
        self.total = inline + (0 if bare else end)
        self.done = 0

    def run(self) -> tuple[str, int, Path | None]:
        """(digest of the model file, bytes written in all, the data file)."""
        old = old_data(self.target)
        data: Path | None = None
        fresh = False
        try:
            if self.outside and self.bare:
                self._refer(f"{self.target.stem}.{self._layout()}.data")
            elif self.outside:
                data, fresh = self._write_data()
                self._refer(data.name)
            digest, nbytes = self._write_model()
        except BaseException:
            if data is not None and fresh:
                data.unlink(missing_ok=True)
            raise
        sync_folder(self.target.parent)
        for leftover in old:
            if data is None or leftover != data:
                leftover.unlink(missing_ok=True)
        return digest, nbytes + (self.data_length if data is not None else 0), data

    # Data outside the model

    def _layout(self) -> str:
        """A hash of what the data file will hold where: its name until the data is there."""
        digest = hashlib.blake2b(digest_size=8)
        for piece in self.outside:
            tensor = piece.initializer.tensor
            digest.update(f"{tensor.name}\0{tensor.dtype}\0{piece.initializer.recipe.shape}\0{piece.offset}\n".encode())
        return digest.hexdigest()

    def _refer(self, location: str) -> None:
        from onnx import TensorProto

        for piece in self.outside:
            proto = piece.initializer.proto
            entries = (("location", location), ("offset", piece.offset), ("length", piece.initializer.recipe.nbytes))
            for key, value in entries:
                proto.external_data.add(key=key, value=str(value))
            proto.data_location = TensorProto.EXTERNAL

    def _write_data(self) -> tuple[Path, bool]:
        """Write the data file under the name that its content gives it: (path, whether it was not there before)."""
        if self.target.exists() and not self.target.is_file():
            raise SaveError(f"cannot write {self.target}: it is no file that can have data beside it")
        partial = self.target.with_name(f".{self.target.name[:200]}.{os.getpid()}.data.part")
        try:
            with open(partial, "xb") as stream:
                sink = Sink(stream, digest_size=8)
                for piece in self.outside:
                    sink.write(bytes(piece.offset - sink.length))
                    self._stream(piece.initializer.recipe, sink)
                settle(stream)
            if digest_of(partial, digest_size=8) != sink.hexdigest():
                raise SaveError(
                    f"cannot write {self.target}: what was written for its data is not what can be read back"
                )
            path = self.target.with_name(f"{self.target.stem}.{sink.hexdigest()}.data")
            fresh = not path.exists()
            os.replace(partial, path)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
        return path, fresh

    def _stream(self, recipe: Recipe, sink: Sink) -> None:
        before = sink.length
        for part in resolved(recipe, self.evaluation.given).iter_bytes(self.evaluation):
            sink.write(part)
            self.done += len(part)
            if self.progress is not None:
                self.progress(self.done, self.total)
        if sink.length - before != recipe.nbytes:
            raise SaveError(f"a weight gave {sink.length - before} bytes instead of {recipe.nbytes}")

    # The model

    def _write_model(self) -> tuple[str, int]:
        with replacing(self.target) as stream:
            sink = Sink(stream, digest_size=16)
            for part in self._parts():
                if isinstance(part, bytes):
                    sink.write(part)
                else:
                    self._stream(part, sink)
            if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
                stream.flush()
            else:
                settle(stream)
                self._verify(Path(stream.name), sink)
        return sink.hexdigest(), sink.length

    def _parts(self) -> Iterator[bytes | Recipe]:
        """The file from start to end, fields in the order of their numbers as protobuf itself writes them."""
        import onnx

        model, tail = onnx.ModelProto(), onnx.ModelProto()
        model.CopyFrom(self.skeleton.model)
        for name in ("opset_import", "metadata_props"):
            getattr(tail, name).extend(getattr(model, name))
            model.ClearField(name)
        graph, rest = onnx.GraphProto(), onnx.GraphProto()
        graph.CopyFrom(self.skeleton.graph)
        for name in ("input", "output", "value_info"):
            getattr(rest, name).extend(getattr(graph, name))
            graph.ClearField(name)
        tensors: list[tuple[bytes, Recipe | None]] = []
        for initializer in self.skeleton.initializers:
            head = initializer.proto.SerializeToString(deterministic=True)
            inside = initializer.recipe if id(initializer) in self.inside else None
            nbytes = 0
            if inside is not None:
                nbytes = inside.nbytes
                head += wire.header(wire.TENSOR_RAW_DATA, nbytes)
            tensors.append((wire.header(wire.GRAPH_INITIALIZER, len(head) + nbytes) + head, inside))
        graph_head, graph_tail = (m.SerializeToString(deterministic=True) for m in (graph, rest))
        length = len(graph_head) + len(graph_tail) + sum(len(h) + (r.nbytes if r else 0) for h, r in tensors)
        yield model.SerializeToString(deterministic=True)
        yield wire.header(wire.MODEL_GRAPH, length)
        yield graph_head
        for head, recipe in tensors:
            yield head
            if recipe is not None:
                yield recipe
        yield graph_tail
        yield tail.SerializeToString(deterministic=True)

    def _verify(self, written: Path, sink: Sink) -> None:
        """Raise SaveError unless the file holds what was streamed, byte for byte, and parses as the model meant."""
        import onnx

        expected = self.skeleton.whole()
        with open(written, "rb") as stream:
            walked = wire.walk(stream)
        lengths = [i.recipe.nbytes if id(i) in self.inside else 0 for i in self.skeleton.initializers]
        if [region.length for region in walked.regions] != lengths or onnx.ModelProto.FromString(
            walked.skeleton
        ) != expected:
            raise SaveError(f"cannot write {self.target}: what was written is not the model that was meant")
        if digest_of(written, digest_size=16) != sink.hexdigest():
            raise SaveError(f"cannot write {self.target}: what was written is not what can be read back")


def old_data(target: Path) -> list[Path]:
    """The data files that the model now at `target` refers to and that carry its name; none where it is no model."""
    try:
        if not stat.S_ISREG(target.stat().st_mode):
            return []
        with open(target, "rb") as stream:
            regions = wire.walk(stream).regions
    except (OSError, wire.MalformedFileError):
        return []
    ours = re.compile(re.escape(target.stem) + r"\.[0-9a-f]{16}\.data")
    names = {region.external.get("location", "") for region in regions}
    return [target.with_name(name) for name in sorted(names) if ours.fullmatch(name)]
