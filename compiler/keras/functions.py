"""Tensor functions as calls of keras.ops, which a functional model keeps as operations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from archonnx.compiler.keras.names import keras_name
from archonnx.compiler.keras.refusals import Refused
from archonnx.compiler.layers.domains_single import is_symbolic
from archonnx.contract.dims import evaluate, parse_dim

if TYPE_CHECKING:
    from archonnx.compiler.graph import Node
    from archonnx.compiler.layers.base import Layer

UNWRITTEN = ("constant", "dimension", "getitem", "positive")  # what stands in the graph without being written as a call
FIXED = "give the model a fixed size there, or use a layer, such as Reshape, Flatten or RepeatVector"


def apply_function(node: Node, inputs: Sequence[Any], measured: Mapping[str, tuple[Any, int]]) -> tuple[Any, ...]:
    """The results of a tensor function on these, tensors of Keras or arrays. Refused where keras.ops has no such.

    `measured` says of which tensor and axis each symbol is the size.
    """
    layer, name = node.layer, node.type_name
    if layer.keras is None and name not in UNWRITTEN:
        raise Refused("it has no counterpart in Keras", "build it with the layers and functions that Keras has")
    arguments = dict(layer.arguments)
    if name == "reshape":
        arguments["shape"] = _least_open(arguments["shape"])
    symbols = _symbols(tuple(arguments.values()))
    if symbols:
        return (_measured(node, inputs, arguments, sorted(symbols), measured),)
    return compute(type(layer), arguments, inputs, [value.type.dtype for value in node.outputs])


def compute(
    kind: type[Layer], arguments: Mapping[str, Any], inputs: Sequence[Any], dtypes: Sequence[str]
) -> tuple[Any, ...]:
    """The results of a function by keras.ops, of these dtypes."""
    import keras

    name = kind.__name__
    if name in ("constant", "dimension"):
        made: Any = keras.ops.convert_to_tensor(arguments["value"])
    elif name == "positive":
        made = inputs[0]
    elif name == "getitem":
        made = inputs[0][tuple(slice(*e[1:]) if isinstance(e, tuple) else e for e in arguments["index"])]
    elif name == "clip":
        made = _clipped(*inputs)
    else:
        function = getattr(keras.ops, str(kind.keras).removeprefix("ops."))
        if name == "einsum":
            made = function(arguments["subscripts"], *inputs)
        elif kind.inputs[:1] == ("*tensors",):
            made = function(list(inputs), axis=arguments["axis"])
        else:
            given = {**arguments, **dict(zip((n.rstrip("?") for n in kind.inputs), inputs, strict=False))}
            made = function(*(given.get(parameter) for parameter in kind.parameters))
    results = tuple(made) if isinstance(made, (list, tuple)) else (made,)
    return tuple(
        result if keras.backend.standardize_dtype(result.dtype) == dtype else keras.ops.cast(result, dtype)
        for result, dtype in zip(results, dtypes, strict=True)
    )


def _measured(
    node: Node,
    inputs: Sequence[Any],
    arguments: Mapping[str, Any],
    symbols: Sequence[str],
    measured: Mapping[str, tuple[Any, int]],
) -> Any:
    """The result of a function that takes sizes that only a run tells, by a layer that measures them."""
    from archonnx.compiler.keras.held import MeasuredFunction

    texts = str(encoded(tuple(arguments.values())))
    unknown = [symbol for symbol in symbols if symbol not in measured]
    if unknown or len(node.outputs) != 1 or "min(" in texts or "max(" in texts:
        raise Refused(f"its sizes {', '.join(symbols)} are known only when the model runs", FIXED)
    (value,) = node.outputs
    function = MeasuredFunction(
        node.type_name,
        {name: encoded(given) for name, given in arguments.items()},
        {symbol: measured[symbol][1] for symbol in symbols},
        [size if isinstance(size, int) else None for size in value.type.shape],
        value.type.dtype,
        name=keras_name(node.name),
    )
    return function([*inputs, *(measured[symbol][0] for symbol in symbols)])


def encoded(value: Any) -> Any:
    """An argument as a model of Keras can be stored with it: `decoded` gives it back."""
    if isinstance(value, (tuple, list)):
        return {"items": [encoded(v) for v in value]}
    if value is ...:
        return {"rest": True}
    return {"size": str(value)} if is_symbolic(value) else value


def decoded(value: Any, sizes: Mapping[str, Any]) -> Any:
    """An argument that was `encoded`, its sizes worked out of those of the symbols."""
    if not isinstance(value, Mapping):
        return value
    if "items" in value:
        return tuple(decoded(v, sizes) for v in value["items"])
    return ... if "rest" in value else evaluate(parse_dim(value["size"]), sizes)


def _symbols(value: Any) -> set[str]:
    """The symbols of the sizes in an argument."""
    if isinstance(value, (tuple, list)):
        return {symbol for v in value for symbol in _symbols(v)}
    return set(value.symbols()) if is_symbolic(value) else set()


def _least_open(shape: Sequence[Any]) -> tuple[Any, ...]:
    """A shape with -1 for its one size that only a run tells, so that nothing need be measured."""
    if sum(1 for size in shape if is_symbolic(size)) != 1 or -1 in shape:
        return tuple(shape)
    return tuple(-1 if is_symbolic(size) else size for size in shape)


def _clipped(x: Any, least: Any = None, largest: Any = None) -> Any:
    """Keras' clip takes both bounds only."""
    import keras

    if least is not None:
        x = keras.ops.maximum(x, least)
    return x if largest is None else keras.ops.minimum(x, largest)


def open_shape(shape: Sequence[Any]) -> tuple[int, ...]:
    """The sizes of a shape with -1 for a size that only a run tells. Refused where there are more of them."""
    found = tuple(-1 if is_symbolic(size) else size for size in shape)
    if found.count(-1) > 1:
        sizes = ", ".join(str(size) for size in shape if is_symbolic(size) or size == -1)
        raise Refused(f"its sizes {sizes} are known only when the model runs, and Keras takes one such", FIXED)
    return found
