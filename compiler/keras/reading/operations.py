"""Operations of keras.ops as expressions of the language, with the casts that Keras makes without a word."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

from archonnx.compiler.keras.reading.arguments import plain, written
from archonnx.compiler.keras.reading.steps import (
    AND,
    ATOM,
    COMPARISON,
    FLOW,
    OR,
    POWER,
    PRODUCT,
    SHIFT,
    SIGN,
    SUM,
    XOR,
    Applied,
    Argument,
    Slot,
    Step,
    Tensor,
    Text,
    text,
)
from archonnx.compiler.keras.refusals import Refused
from archonnx.compiler.layers.registry import find_function, function_names

USE_LAYERS = "use functions and layers that `archonnx layers` lists"
# Keras' class: the operator, its level, the least levels of both sides.
OPERATORS = {
    "Add": ("+", SUM, SUM, PRODUCT),
    "Subtract": ("-", SUM, SUM, PRODUCT),
    "Multiply": ("*", PRODUCT, PRODUCT, SIGN),
    "Divide": ("/", PRODUCT, PRODUCT, SIGN),
    "TrueDivide": ("/", PRODUCT, PRODUCT, SIGN),
    "FloorDivide": ("//", PRODUCT, PRODUCT, SIGN),
    "Mod": ("%", PRODUCT, PRODUCT, SIGN),
    "Matmul": ("@", PRODUCT, PRODUCT, SIGN),
    "Power": ("**", POWER, ATOM, SIGN),
    "Greater": (">", COMPARISON, OR, OR),
    "GreaterEqual": (">=", COMPARISON, OR, OR),
    "Less": ("<", COMPARISON, OR, OR),
    "LessEqual": ("<=", COMPARISON, OR, OR),
    "Equal": ("==", COMPARISON, OR, OR),
    "NotEqual": ("!=", COMPARISON, OR, OR),
    "LogicalAnd": ("&", AND, AND, SHIFT),
    "LogicalOr": ("|", OR, OR, XOR),
}
COMPARISONS = ("Greater", "GreaterEqual", "Less", "LessEqual", "Equal", "NotEqual")
BOOLEAN = ("LogicalAnd", "LogicalOr", "LogicalXor", "LogicalNot")
SECOND_NAMES = {
    "Absolute": "abs",
    "Amax": "max",
    "Amin": "min",
    "BitwiseInvert": "bitwise_not",
    "BitwiseLeftShift": "left_shift",
    "BitwiseRightShift": "right_shift",
}
GIVE_INT64 = ("argmax", "argmin", "argsort")
UNCHANGED = ("Copy", "StopGradient", "ConvertToTensor")
# Activations that the library has as layers: Keras' class, ours, attributes of one that are arguments of the other.
LAYERS: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "Relu6": ("ReLU6", {}),
    "SparseSigmoid": ("SparseSigmoid", {}),
    "Softsign": ("Softsign", {}),
    "SoftShrink": ("SoftShrink", {"threshold": "threshold"}),
    "SparsePlus": ("SparsePlus", {}),
    "Silu": ("SiLU", {}),
    "Squareplus": ("Squareplus", {"b": "b"}),
    "LogSigmoid": ("LogSigmoid", {}),
    "LeakyRelu": ("LeakyReLU", {"negative_slope": "negative_slope"}),
    "HardSigmoid": ("HardSigmoid", {}),
    "HardSilu": ("HardSiLU", {}),
    "Elu": ("ELU", {"alpha": "alpha"}),
    "Selu": ("SELU", {}),
    "Gelu": ("GELU", {"approximate": "approximate"}),
    "Celu": ("CELU", {"alpha": "alpha"}),
    "Glu": ("GLU", {"axis": "axis"}),
    "TanhShrink": ("TanhShrink", {}),
    "HardTanh": ("HardTanh", {}),
    "HardShrink": ("HardShrink", {"threshold": "threshold"}),
    "Threshold": ("Threshold", {"threshold": "threshold", "default_value": "default_value"}),
    "Sparsemax": ("Sparsemax", {"axis": "axis"}),
}
SHORTEST = 16  # numbers of an array that are written where it is used, instead of being a buffer
POOLS = {"MaxPool": "MaxPooling", "AveragePool": "AveragePooling"}


@cache
def functions() -> dict[str, str]:
    """The library's functions by the names of Keras' classes: ExpandDims -> expand_dims."""
    found = {}
    for name in function_names():
        keras_name = getattr(find_function(name), "keras", None)
        if keras_name and name != "concatenate":
            short = keras_name.removeprefix("ops.")
            found["".join(part.capitalize() for part in short.split("_"))] = name
    return found | SECOND_NAMES


def expression(
    operation: Any, given: Mapping[str, Any], results: Sequence[Tensor], hold: Callable[[Any], Tensor]
) -> Step | Tensor:
    """The step of one operation, or the tensor that it gives unchanged. `given` are its call's values, by name.

    `hold` makes a tensor of an array that is too large to be written. Refused where the language has no such.
    """
    name, result = type(operation).__name__, results[0]
    operands = _Operands(given, hold)
    if name in UNCHANGED or (name == "Cast" and operands.tensor("x").dtype == result.dtype):
        return operands.tensor(next(iter(given)))
    if name in OPERATORS:
        operator, level, left, right = OPERATORS[name]
        dtype = operands.promoted() if name in COMPARISONS else "bool" if name in BOOLEAN else result.dtype
        sides = [operands.part("x1", dtype, left), f" {operator} ", operands.part("x2", dtype, right)]
        return Step(results, text(*sides, level=level), operation=operation)
    if name == "Negative":
        return Step(results, text("-", operands.part("x", result.dtype, SIGN), level=SIGN), operation=operation)
    if name == "LogicalNot":
        return Step(results, text("~", operands.part("x", "bool", SIGN), level=SIGN), operation=operation)
    if name == "GetItem":
        return Step(results, text(operands.part("x", None, ATOM), f"[{_index(given['key'])}]"), operation=operation)
    if name in LAYERS:
        layer, attributes = LAYERS[name]
        made = Applied(layer, arguments=_attributes(layer, operation, attributes))
        return Step(results, text(operands.part("x", result.dtype, ATOM)), made, operation)
    if name in POOLS:
        return _pool(operation, operands, results)
    return _function(name, operation, operands, results)


class _Operands:
    """What a call was given: tensors of ours, numbers, arrays."""

    def __init__(self, given: Mapping[str, Any], hold: Callable[[Any], Tensor]) -> None:
        self.given, self.hold = given, hold

    def tensor(self, name: str) -> Tensor:
        value = self.given[name]
        return value if isinstance(value, Tensor) else self.hold(value)

    def part(self, name: str, dtype: str | None, level: int = FLOW) -> Text | Slot | str:
        return self.value(self.given[name], dtype, level)

    def value(self, value: Any, dtype: str | None, level: int = FLOW) -> Text | Slot | str:
        """An operand: a tensor, cast where it is of another type, a number, or a short list of them."""
        value = _short(value)
        if isinstance(value, list):
            return written(value)
        if isinstance(value, bool) or value is None:
            return written(value)
        if isinstance(value, (int, float)):
            number = float(value) if dtype is not None and dtype.startswith(("float", "bfloat")) else value
            if number != number or number in (float("inf"), float("-inf")):
                raise Refused(f"it holds the number {value}", "take a finite one")
            short = written(int(number) if float(number).is_integer() and abs(number) < 1e6 else number)
            return f"({short})" if value < 0 and level > SIGN else short
        tensor = value if isinstance(value, Tensor) else self.hold(value)
        if dtype is None or tensor.dtype == dtype:
            return Slot(tensor, level)
        return text("cast(", tensor, f", {dtype})")

    def promoted(self) -> str:
        """The type in which Keras compares."""
        import keras

        sides = (self.given["x1"], self.given["x2"])
        kinds = [v.dtype if hasattr(v, "dtype") else type(v) for v in sides]
        return str(keras.backend.result_type(*kinds))


def _short(value: Any) -> Any:
    """An array of one number as that number, one of a few numbers as a list; anything else as it is."""
    if isinstance(value, Tensor) or not hasattr(value, "shape") or not hasattr(value, "dtype"):
        return value
    import keras
    import numpy as np

    array = np.asarray(keras.ops.convert_to_numpy(value))
    if array.ndim > 1 or array.size > SHORTEST or not array.size:
        return value
    if array.dtype.kind != "f":
        return array.tolist()
    return [float(str(one)) for one in array] if array.ndim else float(str(array[()]))  # the shortest decimals


def _function(name: str, operation: Any, operands: _Operands, results: Sequence[Tensor]) -> Step:
    """A call of a tensor function."""
    ours = functions().get(name)
    kind = find_function(ours) if ours is not None else None
    if ours is None or kind is None or not type(operation).__module__.startswith("keras.src.ops."):
        raise Refused(f"the language has no function for keras.ops' {name}", USE_LAYERS)
    result = results[0]
    said = {name: getattr(operation, name, None) for name in ("decimals", "initial")}
    if any(value not in (None, 0) for value in said.values()):
        raise Refused("its " + ", ".join(f"{k} is {v}" for k, v in said.items() if v), "leave it out")
    inside = None if result.dtype == "bool" or ours in GIVE_INT64 or ours in ("top_k", "one_hot") else result.dtype
    if ours in BOOLEAN_FUNCTIONS:
        inside = "bool"
    parts: list[Any] = []
    names = [one.rstrip("?") for one in kind.inputs]
    if not names[0].startswith("*") and names[0] not in operands.given:
        operands.given = dict(zip(names, operands.given.values(), strict=False))  # BitwiseAnd calls them x and y
    by_name = False
    for parameter in kind.parameters:
        value: Any
        if parameter in ("tensors", "operands"):
            listed = next(iter(operands.given.values()))
            tensors = [operands.value(one, inside) for one in listed]
            piece: list[Any] = [x for t in tensors for x in (", ", t)][1:]
            if parameter == "tensors":
                piece = ["(", *piece, *([","] if len(tensors) == 1 else []), ")"]
        elif parameter in names:
            value = operands.given.get(parameter, getattr(operation, parameter, None))
            if value is None:
                by_name = True
                continue
            asked = {"condition": "bool", "indices": None}.get(parameter, inside)
            piece = [operands.value(value, asked)]
            if by_name:
                piece = [f"{parameter}=", *piece]
        else:
            found = _setting(ours, kind, parameter, operation, operands)
            if found is None:
                by_name = True
                continue
            alone = kind.declared[parameter].required or (parameter == "axes" and not by_name)
            piece = [found if alone else f"{parameter}={found}"]
        parts += [", ", *piece]
    call = text(f"{ours}(", *parts[1:], ")")
    if ours in GIVE_INT64 and result.dtype != "int64":
        down = Text(text("cast(", call, f", {result.dtype})").parts, ATOM, (call, "int64"))
        return Step(results, down, operation=operation)
    if ours == "cast":
        return Step(results, text("cast(", operands.part("x", None), f", {result.dtype})"), operation=operation)
    return Step(results, call, operation=operation)


SINGLE = ("axis", "source", "destination", "shift")  # where a number does for a tuple of one
BOOLEAN_FUNCTIONS = ("logical_xor", "any", "all")


def _setting(ours: str, kind: Any, parameter: str, operation: Any, operands: _Operands) -> str | None:
    """One argument that is no tensor, None where it is the default."""
    attribute = {"shape": "newshape"}.get(parameter, parameter) if ours == "reshape" else parameter
    value = plain(operands.given.get(parameter, getattr(operation, attribute, None)))
    argument = kind.declared[parameter]
    if ours in ("reshape", "broadcast_to") and any(size is None for size in value):
        raise Refused(f"its shape {value} holds sizes that only a run tells", "write -1 for one of them")
    if value is None or (not argument.required and value == argument.default):
        return None
    if isinstance(value, list) and parameter in ("axis", "shape", "axes", "repeats"):
        value = tuple(value)
    if isinstance(value, tuple) and len(value) == 1 and parameter in SINGLE:
        (value,) = value
    if parameter == "dtype":
        return str(value)
    if isinstance(value, Tensor):
        raise Refused(f"its {parameter} is a tensor", "take a number")
    return written(value)


def _attributes(layer: str, operation: Any, names: Mapping[str, str]) -> list[Argument]:
    from archonnx.compiler.keras.reading.arguments import argument_text
    from archonnx.compiler.layers.registry import find_layer

    kind = find_layer(layer)
    assert kind is not None
    found: list[Argument] = []
    for theirs, ours in names.items():
        value = plain(getattr(operation, theirs))
        given = argument_text(kind.declared[ours], value)
        if given is not None:
            first = len(names) == 1 and ours != "axis" and given not in ("True", "False")
            found.append(Argument(ours, given, kind.declared[ours].required or first))
    return found


def _pool(operation: Any, operands: _Operands, results: Sequence[Tensor]) -> Step:
    from archonnx.compiler.keras.reading.arguments import argument_text
    from archonnx.compiler.layers.registry import find_layer

    x = operands.tensor("inputs")
    made = Applied(f"{POOLS[type(operation).__name__]}{x.rank - 2}D")
    kind = find_layer(made.constructor)
    assert kind is not None
    for key in ("pool_size", "strides", "padding", "data_format"):
        value = plain(getattr(operation, key))
        if key == "strides" and value == plain(operation.pool_size):
            continue
        given = argument_text(kind.declared[key], value)
        if given is not None:
            made.arguments.append(Argument(key, given, key == "pool_size"))
    return Step(results, text(Slot(x, ATOM)), made, operation)


def _index(key: Any) -> str:
    """What stands in the brackets of a subscript."""
    entries = key if isinstance(key, tuple) else (key,)
    if isinstance(key, list) and any(entry is None or entry is ... or isinstance(entry, slice) for entry in key):
        entries = tuple(key)  # Keras loads a tuple as a list
    found = []
    for entry in entries:
        entry = plain(entry)
        if isinstance(entry, slice):
            bounds = [plain(b) for b in (entry.start, entry.stop, entry.step)]
            if any(b is not None and not isinstance(b, int) for b in bounds):
                raise Refused("its slice has bounds that only a run tells", "slice by numbers")
            start, stop, step = ("" if b is None else str(b) for b in bounds)
            found.append(f"{start}:{stop}" + (f":{step}" if step else ""))
        elif entry is None or entry is ... or (isinstance(entry, int) and not isinstance(entry, bool)):
            found.append(written(entry))
        else:
            raise Refused("it is indexed by a tensor or a list", "use keras.ops.take")
    return ", ".join(found)
