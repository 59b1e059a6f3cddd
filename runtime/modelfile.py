"""What a model file says of itself: inputs and outputs with their types, metadata, where its nodes come from, external
data.

Read from the wire format of onnx.proto (field numbers below are from there): a model of any size is scanned without
loading its weights, a truncated one is found before anything runs, and onnx itself need not be imported.
"""

from __future__ import annotations

import json
import os
import stat
from dataclasses import dataclass, field
from pathlib import Path

from archonnx.contract import metadata as keys
from archonnx.contract.dtypes import BY_ONNX
from archonnx.runtime.errors import ModelFileError
from archonnx.runtime.formats import recognise
from archonnx.runtime.wire import Field, Source, WireError, signed

Shape = tuple[int | str | None, ...]


@dataclass(frozen=True, slots=True)
class Spec:
    """An input or output. shape: one entry an axis, a size, a symbol's name or expression, or None where unknown; the
    whole is None where the rank is unknown. kind: "tensor", "sequence", "map", "optional" or "sparse"; dtype is that
    of the elements."""

    name: str
    dtype: str
    shape: Shape | None
    optional: bool = False
    kind: str = "tensor"

    @property
    def type(self) -> str:
        """As the language writes it: `float32[N, 256, 256, 3]`."""
        text = f"{self.dtype}{type_shape(self.shape)}"
        return text if self.kind == "tensor" else f"{self.kind}({text})"

    def __str__(self) -> str:
        return f"{self.name}: {self.type}"


def type_shape(shape: Shape | None) -> str:
    """A shape in brackets; `?` is an unknown size, `...` an unknown rank."""
    return "[...]" if shape is None else "[" + ", ".join("?" if s is None else str(s) for s in shape) + "]"


@dataclass(frozen=True, slots=True)
class NodePlace:
    """Where a node comes from: its operator, the path of its layer, `file:line:column`, and the applications around
    it. merged: operator, layer and place of operators of other layers that it does the work of."""

    operator: str
    layer: str | None = None
    place: str | None = None
    trail: tuple[str, ...] = ()
    merged: tuple[tuple[str, str, str], ...] = ()


@dataclass(slots=True)
class ModelFile:
    """The outline of a model file. nodes: by node name; external: data file -> bytes it must have at least;
    declared_optional: the inputs that its source lets a compilation leave out; dtypes: of its constants, and those that
    values are made or turned into inside; rounding: how many products with weights of few bits (MatMulNBits) allow the
    other factor to be rounded too; lstms: how many LSTM the outermost graph has; operators: all that it has."""

    path: str
    ir_version: int = 0
    opsets: dict[str, int] = field(default_factory=dict)
    producer: str = ""
    metadata: dict[str, str] = field(default_factory=dict)
    inputs: list[Spec] = field(default_factory=list)
    outputs: list[Spec] = field(default_factory=list)
    initializers: set[str] = field(default_factory=set)
    nodes: dict[str, NodePlace] = field(default_factory=dict)
    external: dict[str, int] = field(default_factory=dict)
    has_graph: bool = False
    declared_optional: set[str] = field(default_factory=set)
    dtypes: set[str] = field(default_factory=set)
    rounding: int = 0
    lstms: int = 0
    operators: set[str] = field(default_factory=set)

    @property
    def is_ours(self) -> bool:
        """Whether archonnx wrote it: only then are its symbols and conditions binding to the letter."""
        return keys.VERSION in self.metadata

    @property
    def weights(self) -> str | None:
        """ "initial", "given", "partial", "literal" or "none"; None for others' files."""
        return self.metadata.get(keys.WEIGHTS)

    def json(self, key: str, default: object) -> object:
        """A metadata entry that holds JSON. Raises ModelFileError."""
        text = self.metadata.get(key)
        if text is None:
            return default
        try:
            return json.loads(text)
        except ValueError:
            raise ModelFileError(self.path, f"its metadata entry {key} is damaged: no JSON") from None

    def asset(self, name: str) -> bytes:
        """A file that travels in the model. Raises KeyError where it has none of that name, ModelFileError."""
        key = keys.ASSET + name
        text = self.metadata[key]
        if not text.startswith(keys.BASE64):
            return text.encode()
        import base64
        import binascii

        try:
            return base64.b64decode(text.removeprefix(keys.BASE64), validate=True)
        except binascii.Error:
            raise ModelFileError(self.path, f"its metadata entry {key} is damaged: no base64") from None


def read_model(data: bytes | str | os.PathLike[str], path: str | None = None) -> ModelFile:
    """The outline of a file, or of bytes. path: what messages call it.

    Raises ModelFileError where it is no complete ONNX model, OSError where it cannot be read.
    """
    if isinstance(data, bytes):
        return _read(Source(data), path or "<bytes>")
    mode = os.stat(data).st_mode
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):  # opening a pipe may wait for ever, a folder says so itself
        reason = "it is no regular file, but a pipe or a device; write it to a file, or load its bytes"
        raise ModelFileError(path or os.fsdecode(data), reason)
    with open(data, "rb") as stream:
        return _read(Source(stream), path or os.fspath(data))


def _read(source: Source, path: str) -> ModelFile:
    if source.size == 0:
        raise ModelFileError(path, "the file is empty; expected an ONNX model")
    other = recognise(source.read(0, 4096), Path(path).suffix.lower())
    if other:
        raise ModelFileError(path, other)
    model = ModelFile(path)
    try:
        _Reader(source, model).model()
    except WireError as error:
        if error.cut and model.ir_version:
            reason = f"the ONNX file is cut short: it ends at byte {source.size:,}, {error}; copy or build it again"
        else:
            reason = f"this is no ONNX model: {error}"
        raise ModelFileError(path, reason) from None
    if not model.has_graph or not model.ir_version or not model.opsets:
        missing = "no graph" if not model.has_graph else "no opset import" if model.ir_version else "no IR version"
        reason = "cut short, or no ONNX model" if model.ir_version else "no ONNX model"
        raise ModelFileError(path, f"the file has {missing}: it is {reason}")
    declared = model.json(keys.OPTIONAL, [])
    model.declared_optional = {str(name) for name in declared} if isinstance(declared, list) else set()
    # What the source declares optional can be left out only of a file that has a value for it, or a type without one.
    given = model.declared_optional & model.initializers
    model.inputs = [
        Spec(s.name, s.dtype, s.shape, s.kind.startswith("optional") or s.name in given, s.kind) for s in model.inputs
    ]
    return model


class _Reader:
    """Fills a ModelFile from a source. Graphs inside nodes (loops, branches) are walked from a list, not by
    recursion."""

    def __init__(self, source: Source, model: ModelFile) -> None:
        self.source, self.into = source, model
        self.pending: list[tuple[Field, bool]] = []  # graphs yet to walk, and whether each is the model's own

    def model(self) -> None:
        text, model = self.source.text, self.into
        for f in self.source.fields():
            if f.number == 1:
                model.ir_version = f.value
            elif f.number == 2:
                model.producer = text(f)
            elif f.number == 7:
                model.has_graph = True
                self.pending.append((f, True))
            elif f.number == 8:
                domain, version = "", 0
                for g in self.source.inside(f):
                    domain, version = (text(g), version) if g.number == 1 else (domain, signed(g.value))
                model.opsets["" if domain == "ai.onnx" else domain] = version
            elif f.number == 14:
                key, value = self.entry(f)
                model.metadata[key] = value
            elif f.number == 25:  # a function: its nodes
                for g in self.source.inside(f):
                    if g.number == 7:
                        self.node(g)
        while self.pending:
            self.graph(*self.pending.pop())

    def graph(self, graph: Field, outermost: bool) -> None:
        for f in self.source.inside(graph):
            if f.number == 1:
                operator = self.node(f)
                if outermost:
                    self.into.lstms += operator == "LSTM"
                    self.into.operators.add(operator)
            elif f.number == 5:
                name = self.tensor(f)
                if outermost:
                    self.into.initializers.add(name)
            elif f.number == 15:  # a sparse initializer: its values carry the name, its indices may lie outside too
                tensors = [self.tensor(g) for g in self.source.inside(f) if g.number in (1, 2)]
                if outermost and tensors:
                    self.into.initializers.add(tensors[0])
            elif f.number == 11 and outermost:
                self.into.inputs.append(self.value(f))
            elif f.number == 12 and outermost:
                self.into.outputs.append(self.value(f))

    def node(self, node: Field) -> str:
        """The node's operator; notes where it comes from."""
        name, operator, props = "", "", {}
        for f in self.source.inside(node):
            if f.number == 3:
                name = self.source.text(f)
            elif f.number == 4:
                operator = self.source.text(f)
            elif f.number == 5:
                self.attribute(f)
            elif f.number == 9:
                key, value = self.entry(f)
                props[key] = value
        if name:
            trail, merged = _strings(props.get(keys.TRAIL)), _triples(props.get(keys.MERGED))
            self.into.nodes[name] = NodePlace(operator, props.get(keys.LAYER), props.get(keys.PLACE), trail, merged)
        return operator

    def attribute(self, attribute: Field) -> None:
        name = ""
        for f in self.source.inside(attribute):
            if f.number == 1:
                name = self.source.text(f)
            elif f.number == 3 and name in ("to", "dtype") and f.value in BY_ONNX:
                self.into.dtypes.add(BY_ONNX[f.value].name)
            elif f.number == 3 and name == "accuracy_level":
                self.into.rounding += f.value > 1  # 1 is float32, 0 leaves it so
            elif f.number in (5, 10):
                self.tensor(f)
            elif f.number in (6, 11):
                self.pending.append((f, False))

    def tensor(self, tensor: Field) -> str:
        """The tensor's name; notes the stretch of a data file that it needs."""
        name, place = "", {}
        for f in self.source.inside(tensor):
            if f.number == 2 and f.value in BY_ONNX:
                self.into.dtypes.add(BY_ONNX[f.value].name)
            elif f.number == 8:
                name = self.source.text(f)
            elif f.number == 13:
                key, value = self.entry(f)
                place[key] = value
        if "location" in place:
            try:
                needed = int(place.get("offset", 0)) + int(place.get("length", 0))
            except ValueError:
                raise WireError(f"the tensor {name} lies at no number of {place['location']}") from None
            known = self.into.external.get(place["location"], 0)
            self.into.external[place["location"]] = max(known, needed)
        return name

    def entry(self, entry: Field) -> tuple[str, str]:
        key = value = ""
        for f in self.source.inside(entry):
            if f.number == 1:
                key = self.source.text(f)
            elif f.number == 2:
                value = self.source.text(f)
        return key, value

    def value(self, info: Field) -> Spec:
        name, kind, dtype, shape = "", "tensor", "?", None
        for f in self.source.inside(info):
            if f.number == 1:
                name = self.source.text(f)
            elif f.number == 2:
                kind, dtype, shape = self.type(f)
        return Spec(name, dtype, shape, kind=kind)

    def type(self, proto: Field) -> tuple[str, str, Shape | None]:
        """Kind, element type and shape of a TypeProto; of a sequence or optional, those of its elements."""
        kind = ""
        at: Field | None = proto
        dtype, shape = "?", None
        while at is not None:
            message, at = at, None
            for f in self.source.inside(message):
                if f.number in (1, 8):
                    dtype, shape = self.tensor_type(f)
                    kind = kind or ("tensor" if f.number == 1 else "sparse")
                elif f.number in (4, 9):
                    kind = f"{kind} {'sequence' if f.number == 4 else 'optional'}".lstrip()
                    at = next((g for g in self.source.inside(f) if g.number == 1), None)
                elif f.number == 5:
                    kind = kind or "map"
        return kind or "tensor", dtype, shape

    def tensor_type(self, tensor: Field) -> tuple[str, Shape | None]:
        dtype: str = "?"
        shape: Shape | None = None
        for f in self.source.inside(tensor):
            if f.number == 1:
                dtype = BY_ONNX[f.value].name if f.value in BY_ONNX else f"type{f.value}"
            elif f.number == 2:
                shape = tuple(self.dimension(g) for g in self.source.inside(f) if g.number == 1)
        return dtype, shape

    def dimension(self, dimension: Field) -> int | str | None:
        for f in self.source.inside(dimension):
            if f.number == 1 and signed(f.value) >= 0:  # old exporters write -1 where they mean unknown
                return f.value
            if f.number == 2:
                return self.source.text(f) or None
        return None


def _strings(text: str | None) -> tuple[str, ...]:
    """A JSON list of strings; what is none, in a node's metadata, is no reason to refuse the model."""
    if text is None:
        return ()
    try:
        found = json.loads(text)
    except ValueError:
        return (text,)
    return tuple(str(item) for item in found) if isinstance(found, list) else (text,)


def _triples(text: str | None) -> tuple[tuple[str, str, str], ...]:
    """A JSON list of lists of three strings; what is none is left out."""
    try:
        found = json.loads(text or "[]")
    except ValueError:
        return ()
    listed = found if isinstance(found, list) else []
    return tuple(
        (one[0], one[1], one[2])
        for one in listed
        if isinstance(one, list) and len(one) == 3 and all(isinstance(part, str) for part in one)
    )
