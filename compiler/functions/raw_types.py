"""The types of a raw operator's results: its schema's constraints, then onnx's own shape inference on this one node."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from archonnx.compiler.functions.raw_checks import check_fit
from archonnx.compiler.graph import TensorType
from archonnx.compiler.layers.base import LayerError
from archonnx.contract.dtypes import BY_ONNX, DTYPES

if TYPE_CHECKING:
    from archonnx.compiler.functions.raw import Raw
    from archonnx.compiler.layers.base import Context
    from archonnx.contract.dims import Dim

MOST_PARTS = 100_000
ENDLESS = 2**31 - 1  # what a schema says where it takes any number


def infer_with_onnx(layer: Raw, c: Context, inputs: tuple[TensorType | None, ...]) -> tuple[TensorType, ...]:
    """The results' types; sizes that onnx cannot tell are those announced, else new symbols.

    LayerError E0905 where onnx refuses the inputs; E0906 where it cannot tell the rank and no type is announced.
    """
    import onnx

    schema: Any = onnx.defs.get_schema(layer.type_name, c.opset, "")
    _check_dtypes(schema, inputs)
    check_fit(layer, c, inputs)
    count = _result_count(schema, c.results, _parts(layer, c))
    names = ["" if t is None else f"i{k}" for k, t in enumerate(inputs)]
    left_out = layer.omissible & c.dropped
    results = ["" if k in left_out else f"o{k}" for k in range(count)]
    symbols: dict[str, Dim] = {}
    kinds: dict[str, Any] = {}
    data: dict[str, Any] = {}
    for k, kind in enumerate(inputs):
        if kind is None:
            continue
        kinds[names[k]] = onnx.helper.make_tensor_type_proto(
            DTYPES[kind.dtype].onnx, [_named(c.facts.normalize(size), symbols) for size in kind.shape]
        )
        value = c.array(k)
        if value is not None:
            data[names[k]] = onnx.numpy_helper.from_array(value, names[k])
    node = layer.node(names, results)
    try:
        found = onnx.shape_inference.infer_node_outputs(
            schema, node, kinds, data, opset_imports=[onnx.helper.make_opsetid("", c.opset)]
        )
    except (onnx.shape_inference.InferenceError, onnx.checker.ValidationError, RuntimeError, ValueError) as error:
        reason = _reason(error)
        named = next((n for n in layer.attributes() if re.search(rf"\b{re.escape(n)}\b", reason)), None)
        raise LayerError("E0905", f"ONNX refuses {_call(layer.type_name, inputs)}: {reason}", argument=named) from None
    ranked = all(found[o].tensor_type.HasField("shape") for o in results if o in found) if found else False
    if not ranked and (schema.has_function or schema.has_context_dependent_function):
        found = {**found, **_by_definition(node, kinds, data, c.opset)}
    unread = TensorType(next((t.dtype for t in inputs if t is not None), "float32"), ())
    made = [
        unread if k in left_out else _type(found.get(o), layer, c, symbols, k, inputs) for k, o in enumerate(results)
    ]
    return tuple(made)


def _by_definition(node: Any, kinds: dict[str, Any], data: dict[str, Any], opset: int) -> dict[str, Any]:
    """The results' types of an operator that has no shape rule, through the operators that define it."""
    import onnx

    inputs = [onnx.helper.make_value_info(name, kind) for name, kind in kinds.items() if name not in data]
    outputs = [onnx.helper.make_empty_tensor_value_info(name) for name in node.output if name]
    graph = onnx.helper.make_graph([node], "definition", inputs, outputs, list(data.values()))
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", opset)])
    try:
        inferred = onnx.shape_inference.infer_shapes(model, data_prop=True)
    except onnx.shape_inference.InferenceError:
        return {}  # it is told what it gives instead
    return {value.name: value.type for value in inferred.graph.output}


def _named(size: Dim, symbols: dict[str, Dim]) -> int | str:
    """A size as onnx takes it: a number, or a name that stands for every size equal to this one."""
    if isinstance(size, int):
        return size
    for name, known in symbols.items():
        if known == size:
            return name
    name = f"d{len(symbols)}"
    symbols[name] = size
    return name


def _call(name: str, inputs: tuple[TensorType | None, ...]) -> str:
    given = ", ".join("None" if t is None else str(t) for t in inputs)
    return f"{name} of {given}" if given else name


def _reason(error: Exception) -> str:
    """The sentence of an error of onnx's, without what stands around it."""
    text = str(error).strip().splitlines()[-1]
    return re.sub(r"^((\[[^\]]*\]|\([^)]*\))[: ]*)+", "", text).rstrip(". ")


def _check_dtypes(schema: Any, inputs: tuple[TensorType | None, ...]) -> None:
    """E0905 where a dtype is none of its port's, or two ports that share a type variable have two dtypes."""
    import onnx

    ports = list(schema.inputs)
    bound: dict[str, str] = {}
    for k, kind in enumerate(inputs):
        if kind is None or not ports:
            continue
        port = ports[min(k, len(ports) - 1)]
        if _spelling(kind.dtype) not in port.types:
            wanted = [name for name in DTYPES if _spelling(name) in port.types]
            raise LayerError(
                "E0905",
                f"ONNX refuses {_call(schema.name, inputs)}: {port.name} is {'one of ' * (len(wanted) > 1)}"
                f"{', '.join(wanted)}",
                help=_conversion(wanted),
                input=k,
            )
        variadic = port.option == onnx.defs.OpSchema.FormalParameterOption.Variadic
        if (variadic and not port.is_homogeneous) or "(" in port.type_str:
            continue
        first = bound.setdefault(port.type_str, kind.dtype)
        if first != kind.dtype:
            raise LayerError(
                "E0905",
                f"ONNX refuses {_call(schema.name, inputs)}: {port.name} is {kind.dtype} beside {first}",
                help=f"convert one of them: cast(tensor, {first})",
                input=k,
            )


def _conversion(wanted: Sequence[str]) -> str | None:
    """How to bring a tensor to one of these dtypes."""
    best = next((d for d in ("float32", "int64", "int32", "uint8") if d in wanted), None)
    if best is not None:
        return f"convert it: cast(tensor, {best})"
    return "compare it, which gives booleans: x > 0" if "bool" in wanted else None


def _spelling(dtype: str) -> str:
    """The dtype as schemas write it: `tensor(float)`."""
    return f"tensor({ {'float32': 'float', 'float64': 'double'}.get(dtype, dtype) })"


def _parts(layer: Raw, c: Context) -> int | None:
    """How many parts a Split says that it makes; None for other operators, and where only its data tells."""
    if layer.type_name != "Split":
        return None
    sizes = c.array(1)
    if sizes is not None:
        return int(sizes.size)
    listed: list[int] | None = layer.arguments.get("split")
    count: int | None = layer.arguments.get("num_outputs")
    return len(listed) if listed is not None else count


def _result_count(schema: Any, wanted: int | None, parts: int | None) -> int:
    """How many results are meant: what is unpacked, else the parts of a Split, else those that are always there."""
    least: int = max(1, schema.min_output)
    most: int = schema.max_output
    if parts is not None:  # onnx reads past the end where it is told another number
        if not 1 <= parts <= MOST_PARTS:
            raise LayerError("E0905", f"{schema.name} makes 1 to {MOST_PARTS:,} parts, got {parts:,}")
        least = most = parts
    if wanted is None:
        return least
    if not least <= wanted <= most:
        text = f"{least} or more" if most >= ENDLESS else f"{least} to {most}" if most > least else str(least)
        raise LayerError("E0608", f"{schema.name} gives {text} results, {wanted} are unpacked")
    return wanted


def _by_rank(layer: Raw, inputs: Sequence[TensorType | None], c: Context) -> TensorType | None:
    """The result of operators of which onnx does not say that it has as many axes as the first input."""
    x = inputs[0] if inputs else None
    if x is None:
        return None
    name = layer.type_name
    if name == "GroupNormalization":
        return x
    if name == "Pad" or (name.startswith("Reduce") and layer.arguments.get("keepdims") != 0):
        return TensorType(x.dtype, tuple([c.symbol("size") for _ in x.shape]))
    return None


def _type(
    proto: Any, layer: Raw, c: Context, symbols: dict[str, Dim], index: int, inputs: Sequence[TensorType | None]
) -> TensorType:
    announced = c.announced(index)
    known = proto is not None and proto.HasField("tensor_type")
    if not known or not proto.tensor_type.elem_type or not proto.tensor_type.HasField("shape"):
        if announced is not None:
            told = BY_ONNX.get(proto.tensor_type.elem_type) if known else None
            return announced if told is None else TensorType(told.name, announced.shape)
        own = _by_rank(layer, inputs, c)
        if own is not None:
            return own
        written = "it: y: float32[N, K]" if c.results is None else "each: y: float32[N, K], z: float32[N]"
        raise LayerError(
            "E0906",
            f"ONNX cannot tell what {layer.type_name} gives here",
            help=f"announce {written} = x -> onnx.{layer.type_name}(...)",
        )
    dtype = BY_ONNX.get(proto.tensor_type.elem_type)
    if dtype is None:
        raise LayerError("E0905", f"{layer.type_name} gives a type that the language has no name for")
    shape: list[Dim] = []
    for axis, dim in enumerate(proto.tensor_type.shape.dim):
        if dim.HasField("dim_value"):
            shape.append(int(dim.dim_value))
        elif dim.dim_param in symbols:
            shape.append(symbols[dim.dim_param])
        elif announced is not None and len(announced.shape) > axis:
            shape.append(announced.shape[axis])
        else:
            shape.append(c.symbol("size"))
    return TensorType(dtype.name, tuple(shape))
