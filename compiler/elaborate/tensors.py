"""Tensor functions, and what becomes a tensor beside one: numbers, nested lists, dimensions, weights, indices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from archonnx.compiler.elaborate import apply, binding, construct, limits, rules
from archonnx.compiler.elaborate.references import Reference
from archonnx.compiler.elaborate.state import Frame
from archonnx.compiler.elaborate.values import (
    Abort,
    Appliable,
    AppliableLayer,
    WeightGroup,
    kind_of,
    show,
)
from archonnx.compiler.graph import Value, Weight
from archonnx.compiler.layers import registry
from archonnx.compiler.layers.base import Layer, LayerError
from archonnx.compiler.syntax import tree
from archonnx.contract.diagnostics import Place, did_you_mean
from archonnx.contract.dims import Expr
from archonnx.contract.dtypes import is_float, is_integer, misfit

if TYPE_CHECKING:
    from archonnx.compiler.elaborate.binding import Given


def weight_of(appliable: Appliable, node: tree.Attribute, frame: Frame, prefix: str = "") -> Value | WeightGroup:
    """`embed.embeddings`: a layer's weight as a tensor, once the layer was applied; `attend.query` of several."""
    if not isinstance(appliable, AppliableLayer):
        raise frame.error(
            "E0508", f"a block has no weights of its own to name: {appliable.constructor}.{node.name}", node.name_place
        )
    layer = appliable.layer
    if not layer.weights:
        if appliable.path is None:
            raise frame.error(
                "E0508",
                f"{layer.type_name} has no weights before it is applied",
                node.name_place,
                "apply it first: x -> layer",
            )
        raise frame.error("E0508", f"{layer.type_name} has no weights", node.name_place)
    weight = layer.weights.get(prefix + node.name)
    if weight is None and any(name.startswith(f"{prefix}{node.name}/") for name in layer.weights):
        return WeightGroup(appliable, f"{prefix}{node.name}/")
    if weight is None:
        known = [name.removeprefix(prefix).replace("/", ".") for name in layer.weights if name.startswith(prefix)]
        near = did_you_mean(node.name, known)
        help = f"did you mean {near[0]}?" if near else f"its weights are {', '.join(known)}"
        raise frame.error("E0508", f"{layer.type_name} has no weight {node.name}", node.name_place, help)
    return reference(weight, frame, node.place)


def reference(weight: Weight, frame: Frame, place: Place, path: str | None = None) -> Value:
    """A weight as a tensor of the graph."""
    if path is None:
        path = frame.scope.join(frame.scope.automatic(weight.path.rpartition("/")[2]))
    value = apply.add(Reference(weight), (), frame, place, path=path)
    assert isinstance(value, Value)
    return value


def constant(value: Any, dtype: str | None, frame: Frame, place: Place, *, strings: bool = False) -> Value:
    """A number, a nested list or a dimension as a tensor. Without a dtype: int64, float32 or bool, as they are.

    `strings`: whether strings, or nested lists of them, are taken too.
    """
    if isinstance(value, Expr):
        size = frame.state.facts.normalize(value)
        if isinstance(size, Expr):
            layer = _need("dimension")({"value": size, "dtype": dtype or "int64"})
            made = apply.add(layer, (), frame, place, path=frame.scope.join(frame.scope.automatic("dimension")))
            assert isinstance(made, Value)
            return made
        value = size
    numbers, ragged = _numbers(value, frame, place)
    if strings and not ragged and numbers and all(isinstance(n, str) for n in numbers):
        return _constant(value, "string", frame, place)
    if ragged or not all(isinstance(n, (int, float, bool)) for n in numbers):
        odd = next((n for n in numbers if not isinstance(n, (int, float, bool))), None)
        what = "lists of different lengths" if ragged else kind_of(odd)
        raise frame.error("E0511", f"a constant is a number or nested lists of numbers, got {what}", place)
    if dtype is None:
        dtype = (
            "float32"
            if any(isinstance(n, float) for n in numbers)
            else "bool"
            if numbers and all(isinstance(n, bool) for n in numbers)
            else "int64"
        )
    if is_integer(dtype) and any(isinstance(n, float) and not n.is_integer() for n in numbers):
        odd = next(n for n in numbers if isinstance(n, float) and not n.is_integer())
        raise frame.error(
            "E0511",
            f"the fraction {odd} stands beside {dtype}",
            place,
            "convert the tensor first: cast(tensor, float32)",
        )
    for number in (min(numbers), max(numbers)) if numbers else ():
        why = misfit(number, dtype)
        if why:
            wider = ("int32", "int64", "float32") if is_integer(dtype) else ("float32", "float64")
            holds = next((d for d in wider if not misfit(number, d)), "float64")
            raise frame.error("E0511", why, place, f"convert the tensor first: cast(tensor, {holds})")
    return _constant(value, dtype, frame, place)


def _constant(value: Any, dtype: str, frame: Frame, place: Place) -> Value:
    layer = _need("constant")({"value": _frozen(value), "dtype": dtype})
    made = apply.add(layer, (), frame, place, path=frame.scope.join(frame.scope.automatic("constant")))
    assert isinstance(made, Value)
    return made


def _numbers(value: Any, frame: Frame, place: Place) -> tuple[list[Any], bool]:
    """Every number of nested lists, and whether the lists are ragged. E0806 where there are too many."""
    level = [value]
    depth = 0
    while any(isinstance(v, (list, tuple, range)) for v in level):
        if not all(isinstance(v, (list, tuple, range)) for v in level) or len({len(v) for v in level}) > 1:
            return level, True
        count, depth = sum([len(v) for v in level]), depth + 1
        frame.state.step(place, count // limits.ELEMENTS_A_STEP)
        if count > limits.ELEMENTS:
            raise frame.error("E0806", f"a constant of {count:,} numbers; {limits.ELEMENTS:,} are the most", place)
        if depth > limits.RANK:
            raise frame.error("E0511", f"a constant of more than {limits.RANK} axes", place)
        level = [n for v in level for n in v]
    return level, False


def _frozen(value: Any) -> Any:
    return tuple(_frozen(v) for v in value) if isinstance(value, (list, tuple, range)) else value


def _need(name: str) -> type[Layer]:
    found = registry.find_function(name)
    if found is None:
        raise LookupError(f"the library has no tensor function {name}")
    return found


def function(name: str, operands: Sequence[Any], arguments: Mapping[str, Any], frame: Frame, place: Place) -> Any:
    """A tensor function by name, of tensors and of numbers beside them."""
    cls = registry.find_function(name)
    if cls is None:
        raise frame.error("E0501", f"{name} is not defined for tensors", place)
    given = [(None, v, place) for v in operands] + [(n, v, place) for n, v in arguments.items()]
    return _apply_function(cls, name, given, frame, place)


def call_function(cls: type[Layer], name: str, given: Sequence[Given], node: tree.Call, frame: Frame) -> Any:
    """`mean(x, axis=-1)`: bound as Python binds it."""
    return _apply_function(cls, name, [(g.name, g.value, g.value_place) for g in given], frame, node.place)


def _apply_function(
    cls: type[Layer], name: str, given: Sequence[tuple[str | None, Any, Place]], frame: Frame, place: Place
) -> Any:
    from archonnx.compiler.layers.domains import DomainError

    tensors = {s.strip("*?"): s for s in cls.inputs}
    parameters = [p.strip("*?") for p in (cls.parameters or (*cls.inputs, *cls.declared))]
    star = next((i for i, p in enumerate(parameters) if tensors.get(p, "").startswith("*")), None)
    positional = [g for g in given if g[0] is None]
    if star is not None and len(positional) > star + 1 and not isinstance(positional[star][1], (list, tuple)):
        tail = positional[star:]  # concat(a, b, c) as well as concat([a, b, c]); what follows goes by name
        given = [*positional[:star], (None, [t[1] for t in tail], tail[0][2]), *(g for g in given if g[0] is not None)]
    elif star is not None and len(positional) == len(parameters) == star + 1 and isinstance(positional[star][1], Value):
        alone = positional[star]  # einsum("ij->ji", x): what comes last comes one by one
        given = [*positional[:star], (None, [alone[1]], alone[2]), *(g for g in given if g[0] is not None)]
    bound = binding.bind([binding.Given(n, v, p, p) for n, v, p in given], parameters, f"{name}()", place, frame)
    values: dict[str, Any] = {}
    places: dict[str, Place] = {}
    before = frame.reports
    for argument in cls.declared.values():
        if argument.name not in bound:
            if argument.required:
                frame.report("E0401", f"{name}() needs its argument {argument.name}", place)
            values[argument.name] = argument.default
            continue
        one = bound[argument.name]
        places[argument.name] = one.value_place
        try:
            values[argument.name] = argument.domain.parse(construct.plain(one.value, one.value_place, frame))
        except DomainError as error:
            frame.report(
                "E0403", f"{argument.name} of {name}() is {error.expected}, got {show(one.value)}", one.value_place
            )
    if frame.reports > before:
        raise Abort(None)
    inputs = _operands(cls, name, {p: bound[p] for p in tensors if p in bound}, frame, place)
    layer = cls(values)
    try:
        layer.validate()
    except LayerError as error:
        raise rules.layer_error(error, frame, place, places, inputs) from None
    layer.path = frame.scope.join(frame.scope.automatic(name))
    made = AppliableLayer(frame.scope, place, None, None, True, layer.path, 1, layer=layer, argument_places=places)
    return apply.add(layer, inputs, frame, place, made)


def _operands(
    cls: type[Layer], name: str, bound: Mapping[str, Given], frame: Frame, place: Place
) -> list[Value | None]:
    """The tensors of a function; numbers beside a tensor take its type, indices are int64."""
    flat: list[tuple[str, Any, Place]] = []
    for spec in cls.inputs:
        parameter = spec.strip("*?")
        one = bound.get(parameter)
        if one is None or one.value is None:
            if spec.endswith("?"):
                flat.append((parameter, None, place))
                continue
            raise frame.error("E0401", f"{name}() needs its argument {parameter}", place)
        if spec.startswith("*"):
            if not isinstance(one.value, (list, tuple)):
                raise frame.error(
                    "E0509", f"{parameter} of {name}() is a list of tensors, got {kind_of(one.value)}", one.value_place
                )
            flat.extend((parameter, v, one.value_place) for v in one.value)
        else:
            flat.append((parameter, one.value, one.value_place))
    first = next(
        (
            v.type.dtype
            for p, v, _ in flat
            if isinstance(v, Value) and p not in cls.index_inputs and not _is_condition(cls, p)
        ),
        None,
    )
    if first is None:  # numbers alone: one fraction among them makes fractions of all
        alone = [(v, at) for p, v, at in flat if p not in cls.index_inputs and not isinstance(v, Value)]
        if any(isinstance(n, float) for v, at in alone for n in _numbers(v, frame, at)[0]):
            first = "float32"
    made: list[Value | None] = []
    for parameter, value, at in flat:
        if value is None or isinstance(value, Value):
            made.append(value)
        elif parameter in cls.index_inputs:
            made.append(constant(value, "int64", frame, at))
        elif isinstance(value, (int, float, bool, list, tuple, range, Expr)):
            if isinstance(value, float) and first is not None and not is_float(first) and not value.is_integer():
                raise frame.error(
                    "E0511",
                    f"the fraction {value} stands beside {first}",
                    at,
                    "convert the tensor first: cast(tensor, float32)",
                )
            made.append(constant(value, None if first == "bool" or _is_condition(cls, parameter) else first, frame, at))
        else:
            raise frame.error("E0509", f"{parameter} of {name}() is a tensor, got {kind_of(value)}", at)
    while made and made[-1] is None:
        made.pop()
    return made


def _is_condition(cls: type[Layer], parameter: str) -> bool:
    return parameter in ("condition",)


def index_tensor(value: Value, items: list[Any], node: tree.Subscript, frame: Frame) -> Any:
    """`x[:, 0]`, `x[..., :half]`, `x[None]`; one tensor or list among plain slices gathers along its axis."""
    gathered = [i for i, item in enumerate(items) if isinstance(item, (Value, list))]
    if gathered:
        if len(gathered) > 1:
            raise frame.error(
                "E0506",
                "one tensor of indices at a time",
                node.place,
                "take the others first: take(x, indices, axis=1)",
            )
        at = gathered[0]
        before = items[:at]
        if any(b is not ... and b != slice(None) and not isinstance(b, slice) for b in before):
            raise frame.error(
                "E0506", "a tensor of indices stands beside slices only", node.place, "write take(x, indices, axis=1)"
            )
        axis = at if ... not in before else at - len(items)
        rest = [slice(None) if i == at else item for i, item in enumerate(items)]
        if any(item is not ... and item != slice(None) for item in rest):
            value = index_tensor(value, rest, node, frame)
        return function("take", [value, items[at]], {"axis": axis}, frame, node.place)
    index: list[Any] = []
    for item in items:
        if isinstance(item, slice):
            bounds = tuple(_bound(b, frame, node) for b in (item.start, item.stop, item.step))
            index.append(("slice", *bounds))
        elif item is None or item is ...:
            index.append(item)
        else:
            index.append(_bound(item, frame, node))
    return function("getitem", [value], {"index": tuple(index)}, frame, node.place)


def _bound(value: Any, frame: Frame, node: tree.Subscript) -> Any:
    if value is None or isinstance(value, Expr) or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    raise frame.error("E0506", f"an index into a tensor is a whole number, got {kind_of(value)}", node.place)
