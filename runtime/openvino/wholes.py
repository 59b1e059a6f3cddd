"""Whole numbers that OpenVINO computes otherwise: those of few bits, whose ends it does not go round, and constants of
more than 32 bits.

Of what the library reads, `reading` finds these in its own graph; of the plug-in's models they are found here, before
onnxruntime hands them over. Branches, loops and functions are not looked into.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from archonnx.contract.diagnostics import MachineError
from archonnx.contract.dtypes import BY_ONNX
from archonnx.runtime.modelfile import ModelFile
from archonnx.runtime.openvino.nodes import Node, told
from archonnx.runtime.skeleton import skeleton
from archonnx.runtime.wire import BYTES, Field, Source, WireError, signed

NARROW = frozenset({"int8", "uint8", "int16", "uint16"})
_ARITHMETIC = frozenset("Abs Add CumSum Div Mul Neg Pow ReduceProd ReduceSum Sub Sum".split())
_CUT = frozenset("Add Div Mod Mul Pow Sub Sum".split())
_WIDE = {7: "i", 12: "u", 13: "u"}  # int64, uint32, uint64: by the numbers of TensorProto.DataType
_WIDE_TYPES = frozenset({"int64", "uint32", "uint64"})
_LARGE = 4096  # bytes; larger ones are tables, and not reckoned with
_LEAST, _MOST = -(2**31), 2**31 - 1


def check_wholes(source: str | bytes, model: ModelFile, nodes: Sequence[Node]) -> None:
    """Raises MachineError for what would be computed otherwise. nodes: all of the model."""
    types = {spec.dtype for spec in model.inputs} | model.dtypes
    reckoning = [node for node in nodes if node.standard and node.operator in _ARITHMETIC and node.outputs]
    if reckoning and types & NARROW:
        made = _types(source)
        for node in reckoning:
            if (type_ := made.get(node.outputs[0])) in NARROW:
                reason = f"it computes in {type_}, whose ends OpenVINO does not go round"
                raise MachineError(f'{model.path}: {reason} ({told([node], model)}); use device="cpu" for it')
    constants = {node.outputs[0] for node in nodes if node.operator == "Constant" and node.outputs} | model.initializers
    cutting = [node for node in nodes if node.standard and node.operator in _CUT]
    taken = {name: node for node in cutting for name in node.inputs if name in constants}
    for name, wide in _wide(source) if taken and types & _WIDE_TYPES else ():
        if name in taken:
            reason = f"it computes with the constant {wide:,}, which OpenVINO cuts to 32 bits"
            raise MachineError(f'{model.path}: {reason} ({told([taken[name]], model)}); use device="cpu" for it')


def _types(source: str | bytes) -> dict[str, str]:
    """Value -> element type, of the model's own graph, as far as onnx infers them."""
    import onnx

    graph = onnx.shape_inference.infer_shapes(onnx.load_from_string(skeleton(source))).graph
    found = {each.name: each.data_type for each in graph.initializer}
    for value in [*graph.value_info, *graph.input, *graph.output]:
        found[value.name] = value.type.tensor_type.elem_type
    return {name: BY_ONNX[number].name for name, number in found.items() if number in BY_ONNX}


def _wide(source: str | bytes) -> Iterator[tuple[str, int]]:
    """The constants that hold a whole number of more than 32 bits with its sign, each with such a number."""
    if isinstance(source, bytes):
        yield from _wide_of(Source(source))
        return
    with open(source, "rb") as stream:
        yield from _wide_of(Source(stream))


def _wide_of(source: Source) -> Iterator[tuple[str, int]]:
    for graph in (f for f in source.fields() if f.number == 7):
        for f in source.inside(graph):
            if f.stop - f.start > _LARGE:
                continue
            if f.number == 5:
                named = next((source.text(g) for g in source.inside(f) if g.number == 8), "")
                found = _beyond(source, f)
            elif f.number == 1:
                named, found = _constant(source, f)
            else:
                continue
            if found is not None:
                yield named, found


def _constant(source: Source, node: Field) -> tuple[str, int | None]:
    """What a Constant is called, and such a number in it."""
    name, operator, found = "", "", None
    for f in source.inside(node):
        if f.number == 2:
            name = source.text(f)
        elif f.number == 4:
            operator = source.text(f)
        elif f.number == 5:
            for g in source.inside(f):
                if g.number == 5:  # value
                    found = _beyond(source, g)
                elif g.number == 3 and not _LEAST <= signed(g.value) <= _MOST:  # value_int
                    found = signed(g.value)
    return name, found if operator == "Constant" else None


def _beyond(source: Source, tensor: Field) -> int | None:
    """Such a number among the elements of a tensor."""
    import numpy as np

    kind, raw, numbers = 0, b"", list[int]()
    for f in source.inside(tensor):
        if f.number == 2:
            kind = f.value
        elif f.number == 9:
            raw = source.read(f.start, f.stop)
        elif f.number in (7, 11):
            numbers += [signed(number) for number in _numbers(source, f)]
    if kind not in _WIDE:
        return None
    bits = 4 if kind == 12 else 8
    if len(raw) % bits:
        raise WireError(f"the tensor at byte {tensor.start:,} is cut short")
    numbers += np.frombuffer(raw, f"<{_WIDE[kind]}{bits}").tolist()
    return next((number for number in numbers if not _LEAST <= number <= _MOST), None)


def _numbers(source: Source, field: Field) -> Iterator[int]:
    if field.type != BYTES:
        yield field.value
        return
    at = field.start
    while at < field.stop:
        value, at = source.varint(at, field.stop)
        yield value
