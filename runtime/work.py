"""Multiply-accumulates (MACs) of the nodes of any model, from the shapes that onnx infers."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any

Shapes = Mapping[str, tuple[int | None, ...]]
_NAME = re.compile(r"[^\W\d]\w*")
_FUNCTIONS = frozenset({"ceil", "floor", "min", "max"})
_GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}


def count_macs(model: bytes, sizes: Mapping[str, int]) -> dict[str, int | None]:
    """Node name -> MACs, for the nodes outside of branches and loops that have a name: as `counted_macs`."""
    return {name: macs for name, macs in counted_macs(model, sizes) if name}


def counted_macs(model: bytes, sizes: Mapping[str, int]) -> list[tuple[str, int | None]]:
    """The name and the MACs of each node outside of branches and loops; None where the shapes do not tell.

    model: a ModelProto, with or without weights; sizes: of its inputs' symbols and, by input and axis as `x.0`, of
    axes without a name; what is not given is 1. Operators that do no matrix product, convolution or recurrent layer
    count as 0, as `archonnx summary` has it.
    """
    import onnx

    proto = onnx.load_from_string(model)
    declared = {  # exact in files of ours; elsewhere, what shares the symbols of the inputs
        each.name: _dims(each, sizes) for each in [*proto.graph.value_info, *proto.graph.output] if _has_shape(each)
    }
    held = {each.name for each in proto.graph.initializer}
    for value in proto.graph.input:
        if value.name in held or not _has_shape(value):
            continue
        for axis, dim in enumerate(value.type.tensor_type.shape.dim):
            if not dim.HasField("dim_value") or dim.dim_value < 0:
                name = dim.dim_param or f"{value.name}.{axis}"
                dim.dim_value = sizes.get(name) or evaluated(name, sizes) or 1
    del proto.graph.value_info[:]
    for output in proto.graph.output:
        if _has_shape(output):
            output.type.tensor_type.ClearField("shape")
    inferred = onnx.shape_inference.infer_shapes(proto, data_prop=True)
    shapes = {each.name: tuple(each.dims) for each in inferred.graph.initializer}
    for value in [*inferred.graph.input, *inferred.graph.value_info, *inferred.graph.output]:
        if _has_shape(value):
            shapes[value.name] = _dims(value, {})
    for name, dims in declared.items():
        if None not in dims or name not in shapes:
            shapes[name] = dims
    return [(node.name, macs_of(node, shapes)) for node in inferred.graph.node]


def macs_of(node: Any, shapes: Shapes) -> int | None:
    """The MACs of a NodeProto whose values have these shapes; None where those that count are not known."""
    rule = _RULES.get(node.op_type)
    return 0 if rule is None else _counted(rule, node, shapes)


def symbols_of(axis: str) -> set[str]:
    """The names that the size of an axis is made of: of an expression several, else the size's own."""
    names = set(_NAME.findall(axis)) - _FUNCTIONS
    sizes = dict.fromkeys(names, 1)
    return names if names and evaluated(axis, sizes) is not None else {axis}


def evaluated(size: str, sizes: Mapping[str, int]) -> int | None:
    """What an axis's size comes to, None where it is no expression of `sizes`."""
    from archonnx.contract.dims import parse_dim, symbol

    if size in sizes:
        return sizes[size]
    names = set(_NAME.findall(size)) - _FUNCTIONS
    if not names or not names <= sizes.keys():
        return None
    try:
        found = parse_dim(size, {name: symbol(name, 0) for name in sorted(names)})
        return found if isinstance(found, int) else found.evaluate(dict(sizes))
    except ValueError:  # a name with other signs in it, which others' files may have
        return None


def _has_shape(value: Any) -> bool:
    return bool(value.type.HasField("tensor_type") and value.type.tensor_type.HasField("shape"))


def _dims(value: Any, sizes: Mapping[str, int]) -> tuple[int | None, ...]:
    dims = value.type.tensor_type.shape.dim
    return tuple(d.dim_value if d.HasField("dim_value") else evaluated(d.dim_param, sizes) for d in dims)


def _counted(rule: Callable[[Any, Shapes], int], node: Any, shapes: Shapes) -> int | None:
    """None where a shape that the rule looks at is not known, or is not what the operator takes."""
    try:
        return rule(node, shapes)
    except (KeyError, TypeError, IndexError):
        return None


def _attribute(node: Any, name: str, default: Any) -> Any:
    from onnx import helper

    return next((helper.get_attribute_value(each) for each in node.attribute if each.name == name), default)


def _size(shape: tuple[int | None, ...]) -> int:
    return math.prod(shape)  # type: ignore[arg-type]  # None raises TypeError, which is caught


def _conv(weight: int) -> Callable[[Any, Shapes], int]:
    """Each element of the output takes a product for each of the filter's."""
    return lambda node, shapes: _size(shapes[node.output[0]]) * _size(shapes[node.input[weight]][1:])


def _transposed(node: Any, shapes: Shapes) -> int:
    return _size(shapes[node.input[0]]) * _size(shapes[node.input[1]][1:])


def _product(node: Any, shapes: Shapes) -> int:
    return _size(shapes[node.output[0]]) * _size(shapes[node.input[0]][-1:])


def _fused_product(node: Any, shapes: Shapes) -> int:
    inner = shapes[node.input[0]][-2 if _attribute(node, "transA", 0) else -1]
    return _size((*shapes[node.output[0]], inner))


def _gemm(node: Any, shapes: Shapes) -> int:
    inner = shapes[node.input[0]][0 if _attribute(node, "transA", 0) else 1]
    return _size((*shapes[node.output[0]], inner))


def _bits(node: Any, shapes: Shapes) -> int:
    return _size(shapes[node.input[0]]) * int(_attribute(node, "N", None))


def _recurrent(node: Any, shapes: Shapes) -> int:
    steps, batch, inputs = shapes[node.input[0]]
    directions, _, units = shapes[node.input[2]]
    return _size((steps, batch, directions, _GATES[node.op_type], units)) * _size((inputs,)) + _size(
        (steps, batch, directions, _GATES[node.op_type], units, units)
    )


def _einsum(node: Any, shapes: Shapes) -> int:
    terms = _attribute(node, "equation", b"").decode().replace(" ", "").split("->")[0].split(",")
    if len(terms) < 2:
        return 0
    sizes: dict[str, int | None] = {}
    for term, name in zip(terms, node.input, strict=True):
        shape = shapes[name]
        if "." in term or len(term) != len(shape):
            raise KeyError(term)
        sizes.update(zip(term, shape, strict=True))
    return _size(tuple(sizes.values()))


_RULES: dict[str, Callable[[Any, Shapes], int]] = {
    "Conv": _conv(1),
    "ConvInteger": _conv(1),
    "QLinearConv": _conv(3),
    "ConvTranspose": _transposed,
    "MatMul": _product,
    "MatMulInteger": _product,
    "QLinearMatMul": _product,
    "Gemm": _gemm,
    "FusedConv": _conv(1),
    "FusedGemm": _gemm,
    "FusedMatMul": _fused_product,
    "MatMulNBits": _bits,
    "RNN": _recurrent,
    "GRU": _recurrent,
    "LSTM": _recurrent,
    "Einsum": _einsum,
}
