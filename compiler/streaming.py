"""Streaming models to their files: bytes in order, weights beside them in a file of their own, reading back."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from archonnx.compiler import wire
from archonnx.compiler.committing import Data, commit
from archonnx.compiler.layout import Layout, Outgoing
from archonnx.compiler.sink import Sink, digest_of, settle
from archonnx.compiler.weights.ahead import Ahead, Wanted
from archonnx.compiler.writer import serialized
from archonnx.contract.diagnostics import ArchonnxError
from archonnx.contract.drafts import Draft

if TYPE_CHECKING:
    from archonnx.compiler.recipes import Recipe

Progress: TypeAlias = Callable[[int, int], None]  # bytes done, bytes in all


class SaveError(ArchonnxError):
    """A file that could not be written; what was there before is as it was."""


@dataclass(frozen=True, slots=True)
class Written:
    """A model file: the digest of its bytes, and how many they are."""

    digest: str
    nbytes: int


class Saving:
    """One save of one model or several: where each byte goes, and the steps of writing them.

    layout: of their data. stem: what the data file's name begins with. bare: the data is left out. check: called when
    everything is written and nothing is in its place yet, with where the models and their data can be read meanwhile;
    what it raises ends the save. before: as `commit` takes it.
    """

    def __init__(
        self,
        models: Sequence[Outgoing],
        layout: Layout,
        *,
        stem: str,
        bare: bool = False,
        progress: Progress | None = None,
        check: Callable[[Sequence[Path], Path | None], None] | None = None,
        before: Callable[[], None] | None = None,
    ) -> None:
        self.models, self.layout, self.stem, self.bare = models, layout, stem, bare
        self.progress, self.check, self.before = progress, check, before
        self.total = 0 if bare else layout.length
        self.total += sum(i.recipe.nbytes for m in models for i in m.stored if layout.is_inside(i))
        self.done = 0
        self.data: Path | None = None

    def run(self) -> list[Written]:
        """Write all. Whatever is raised, the targets are as they were, or whole."""
        with ExitStack() as stack:
            self.ahead = stack.enter_context(Ahead(self.order()))
            data: Data | None = None
            if self.layout.stretches and self.bare:
                self._refer(f"{self.stem}.{self.layout.digest(self.models)}.data")
            elif self.layout.stretches:
                data = self._write_data(stack)
                self._refer(data.path.name)
            drafts: list[tuple[Draft, Path]] = []
            written: list[Written] = []
            for model in self.models:
                if model.target.exists() and not model.target.is_file():
                    written.append(self._write_device(model))
                    continue
                draft = stack.enter_context(Draft(model.target))
                written.append(self._write_model(model, draft))
                drafts.append((draft, model.target))
            if self.check is not None:
                self.check([draft.path for draft, _ in drafts], None if data is None else data.draft.path)
            if drafts:
                commit(drafts, data, self.before)
            self.data = None if data is None else data.path
        return written

    def order(self) -> Iterator[Wanted]:
        """The recipes whose bytes are written, in order."""
        if not self.bare:
            yield from ((stretch.recipe, stretch.evaluation) for stretch in self.layout.stretches)
        for model in self.models:
            yield from ((i.recipe, model.evaluation) for i in model.stored if self.layout.is_inside(i))

    # Data outside the models

    def _refer(self, location: str) -> None:
        from onnx import TensorProto

        for model in self.models:
            for initializer in model.stored:
                stretch = self.layout.places.get(id(initializer))
                if stretch is None:
                    continue
                entries = (("location", location), ("offset", stretch.offset), ("length", initializer.recipe.nbytes))
                for key, value in entries:
                    initializer.proto.external_data.add(key=key, value=str(value))
                initializer.proto.data_location = TensorProto.EXTERNAL

    def _write_data(self, stack: ExitStack) -> Data:
        """Write the data file; its name says what is in it."""
        for target in (model.target for model in self.models):
            if target.exists() and not target.is_file():
                raise SaveError(f"cannot write {target}: it is no file that can have data beside it")
        target = self.models[0].target
        draft = stack.enter_context(Draft(target))
        sink = Sink(draft.stream, digest_size=8)
        for stretch in self.layout.stretches:
            sink.write(bytes(stretch.offset - sink.length))
            self._stream(stretch.recipe, sink)
        settle(sink)
        digest = sink.hexdigest()
        if digest_of(draft.path, digest_size=8) != digest:
            raise SaveError(f"cannot write {target}: what was written for its data is not what can be read back")
        return Data(draft, target.with_name(f"{self.stem}.{digest}.data"), digest)

    def _stream(self, recipe: Recipe, sink: Sink) -> None:
        before = sink.length
        for part in self.ahead.parts(recipe):
            sink.write(part)
            self.done += len(part)
            if self.progress is not None:
                self.progress(self.done, self.total)
        if sink.length - before != recipe.nbytes:
            raise SaveError(f"a weight gave {sink.length - before} bytes instead of {recipe.nbytes}")

    # The models

    def _write_model(self, model: Outgoing, draft: Draft) -> Written:
        sink = Sink(draft.stream, digest_size=16)
        self._write_parts(model, sink)
        settle(sink)
        self._verify(model, draft.path, sink)
        return Written(sink.hexdigest(), sink.length)

    def _write_device(self, model: Outgoing) -> Written:
        """Write to what is no regular file, as it stands."""
        with open(model.target, "wb") as stream:
            sink = Sink(stream, digest_size=16)
            self._write_parts(model, sink)
            stream.flush()
        return Written(sink.hexdigest(), sink.length)

    def _write_parts(self, model: Outgoing, sink: Sink) -> None:
        for part in self.parts(model):
            if isinstance(part, bytes):
                sink.write(part)
            else:
                self._stream(part, sink)

    def parts(self, model: Outgoing) -> Iterator[bytes | Recipe]:
        """The file from start to end, fields in the order of their numbers as protobuf itself writes them."""
        import onnx

        head, tail = onnx.ModelProto(), onnx.ModelProto()
        head.CopyFrom(model.skeleton.model)
        for name in ("opset_import", "metadata_props"):
            getattr(tail, name).extend(getattr(head, name))
            head.ClearField(name)
        tensors: list[tuple[bytes, Recipe | None]] = []
        for initializer in model.skeleton.initializers:
            start = initializer.proto.SerializeToString(deterministic=True)
            inside = initializer.recipe if self.layout.is_inside(initializer) else None
            nbytes = 0
            if inside is not None:
                nbytes = inside.nbytes
                start += wire.header(wire.TENSOR_RAW_DATA, nbytes)
            tensors.append((wire.header(wire.GRAPH_INITIALIZER, len(start) + nbytes) + start, inside))
        graph, last = model.skeleton.graph, ("input", "output", "value_info")
        first = [field.name for field, _ in graph.ListFields() if field.name not in last]
        graph_head, graph_tail = serialized(graph, first), serialized(graph, last)
        length = len(graph_head) + len(graph_tail) + sum(len(h) + (r.nbytes if r else 0) for h, r in tensors)
        yield head.SerializeToString(deterministic=True)
        yield wire.header(wire.MODEL_GRAPH, length)
        yield graph_head
        for start, recipe in tensors:
            yield start
            if recipe is not None:
                yield recipe
        yield graph_tail
        yield tail.SerializeToString(deterministic=True)

    def _verify(self, model: Outgoing, written: Path, sink: Sink) -> None:
        """Raise SaveError unless the file holds what was streamed, byte for byte, and parses as the model meant."""
        import onnx

        with open(written, "rb") as stream:
            walked = wire.walk(stream)
        lengths = [i.recipe.nbytes if self.layout.is_inside(i) else 0 for i in model.skeleton.initializers]
        parsed = onnx.ModelProto.FromString(walked.skeleton)
        if [region.length for region in walked.regions] != lengths or not model.skeleton.is_in(parsed):
            raise SaveError(f"cannot write {model.target}: what was written is not the model that was meant")
        if digest_of(written, digest_size=16) != sink.hexdigest():
            raise SaveError(f"cannot write {model.target}: what was written is not what can be read back")
