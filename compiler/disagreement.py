"""How a model file differs from what the compiler makes of its source, weights aside: a line for each difference."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from archonnx.compiler.recipes import Evaluation
from archonnx.contract import metadata
from archonnx.contract.dtypes import BY_ONNX

if TYPE_CHECKING:
    from onnx import ModelProto, TensorProto

    from archonnx.compiler.layout import Layout, Outgoing
    from archonnx.compiler.writer import Initializer

SHOWN = 20
# What is said of the weights, of who wrote the file and of texts, not of the graph.
_ASIDE = {metadata.WEIGHTS, metadata.SEED, metadata.BUILD, metadata.VERSION, metadata.SOURCES}


def disagreements(theirs: ModelProto, ours: Outgoing, layout: Layout) -> list[str]:
    """Where a file, `theirs`, is not what is to be written, its weights where the layout says; [] where it is."""
    found = [*_tensors(theirs, ours, layout), *_graphs(theirs, ours), *_metadata(theirs, ours)]
    more = [f"and {len(found) - SHOWN:,} differences more"] if len(found) > SHOWN else []
    return [*found[:SHOWN], *more]


def _tensors(theirs: ModelProto, ours: Outgoing, layout: Layout) -> Iterator[str]:
    there = {tensor.name: tensor for tensor in theirs.graph.initializer}
    for initializer in ours.skeleton.initializers:
        name = initializer.tensor.name
        tensor = there.pop(name, None)
        if tensor is None:
            yield f"{name}: it is not in the file, expected {_type(initializer.proto)}"
        elif _type(tensor) != _type(initializer.proto):
            yield f"{name}: the file has {_type(tensor)}, expected {_type(initializer.proto)}"
        else:
            yield from _place(tensor, initializer, layout)
    for name, tensor in there.items():
        yield f"{name}: the file has it, {_type(tensor)}, and the model has no such weight"


def _place(tensor: TensorProto, initializer: Initializer, layout: Layout) -> Iterator[str]:
    stretch = layout.places.get(id(initializer))
    said = {entry.key: entry.value for entry in tensor.external_data}
    if stretch is None:
        if initializer.tensor.dtype == "string":
            same = list(tensor.string_data) == list(initializer.proto.string_data)
        else:
            same = tensor.raw_data == b"".join(map(bytes, initializer.recipe.iter_bytes(Evaluation(0))))
        if not same:
            yield f"{tensor.name}: the file has another constant"
        return
    for key, value in (("offset", stretch.offset), ("length", initializer.recipe.nbytes)):
        if said.get(key) != str(value):
            yield f"{tensor.name}: the file has its data at {key} {said.get(key, 'unknown')}, expected {value}"


def _graphs(theirs: ModelProto, ours: Outgoing) -> Iterator[str]:
    graph = ours.skeleton.graph
    for what in ("input", "output", "node", "value_info"):
        one, other = getattr(theirs.graph, what), getattr(graph, what)
        if len(one) != len(other):
            yield f"the file has {len(one):,} of its graph's {what}, expected {len(other):,}"
            continue
        unlike = next((b for a, b in zip(one, other, strict=True) if a != b), None)
        if unlike is not None:
            yield f"the graph's {what} {unlike.name or '?'} is another in the file"
    model = ours.skeleton.model
    for what in ("ir_version", "doc_string", "producer_name"):
        if getattr(theirs, what) != getattr(model, what):
            yield f"{what}: the file has {_short(getattr(theirs, what))}, expected {_short(getattr(model, what))}"
    imports = [{i.domain: i.version for i in m.opset_import} for m in (theirs, model)]
    if imports[0] != imports[1]:
        yield f"operator sets: the file has {imports[0]}, expected {imports[1]}"


def _metadata(theirs: ModelProto, ours: Outgoing) -> Iterator[str]:
    said: list[Mapping[str, str]] = [{p.key: p.value for p in m.metadata_props} for m in (theirs, ours.skeleton.model)]
    for key in sorted((said[0].keys() | said[1].keys()) - _ASIDE):
        one, other = said[0].get(key, "nothing"), said[1].get(key, "nothing")
        if one != other:
            yield f"{key}: the file has {_short(one)}, expected {_short(other)}"


def _type(tensor: TensorProto) -> str:
    name = BY_ONNX[tensor.data_type].name if tensor.data_type in BY_ONNX else f"type {tensor.data_type}"
    return f"{name}[{', '.join(map(str, tensor.dims))}]"


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 60 else text[:57] + "..."
