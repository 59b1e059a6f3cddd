"""Application: a layer or block meets its inputs; tensor functions and operators become nodes too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from archonnx.compiler.elaborate import blocks, types
from archonnx.compiler.elaborate.references import Reference
from archonnx.compiler.elaborate.state import Frame
from archonnx.compiler.elaborate.values import (
    Abort,
    Appliable,
    AppliableBlock,
    AppliableLayer,
    Results,
    holds_tensor,
    kind_of,
    show,
)
from archonnx.compiler.graph import Node, TensorType, Value, Weight
from archonnx.compiler.layers import registry
from archonnx.compiler.layers.base import Layer, LayerError
from archonnx.compiler.syntax import tree
from archonnx.contract import dims
from archonnx.contract.diagnostics import Diagnostic, Label, Place, did_you_mean
from archonnx.contract.dims import Dim, Expr, Facts, Verdict
from archonnx.contract.dtypes import is_float, is_integer

if TYPE_CHECKING:
    from archonnx.compiler.elaborate.calls import Given


def apply(
    appliable: Appliable,
    source: Any,
    frame: Frame,
    place: Place,
    source_place: Place,
    *,
    results: int | None = None,
    announced: tree.TypeExpr | None = None,
) -> Any:
    """`source -> layer`: the result, or Results where there are several."""
    given = _split(source, appliable, source_place)
    appliable.uses += 1
    if isinstance(appliable, AppliableBlock):
        return blocks.apply_block(appliable, given, frame, place)
    assert isinstance(appliable, AppliableLayer)
    layer = appliable.layer
    inputs = _arrange(layer, given, frame, place, source_place)
    if not any(v is not None for v in inputs) and layer.inputs:
        raise frame.error("E0604", f"{layer.type_name} needs an input", place)
    name_layer(appliable, frame)
    return add(layer, inputs, frame, place, appliable, results=results, announced=announced)


def _split(source: Any, appliable: Appliable, place: Place) -> list[tuple[str | None, Any, Place]]:
    from archonnx.compiler.elaborate.calls import Inputs

    if isinstance(source, Inputs):
        return source.given
    if isinstance(source, (list, tuple)):
        return [(None, v, place) for v in source]
    return [(None, source, place)]


def _arrange(
    layer: Layer, given: Sequence[tuple[str | None, Any, Place]], frame: Frame, place: Place, source_place: Place
) -> list[Value | None]:
    """The inputs in the layer's order; E0604 where their number or names do not fit, E0606 where one is no tensor."""
    name = layer.type_name
    spec = layer.inputs
    names = [s.strip("*?") for s in spec]
    rest = next((i for i, s in enumerate(spec) if s.startswith("*")), None)
    raw = not registry.find_layer(name) and layer.parameters == ()
    taken: dict[str, Value | None] = {}
    extra: list[Value | None] = []
    position = 0
    for given_name, value, at in given:
        tensor = _tensor(value, layer, frame, at, raw)
        if given_name is not None:
            if given_name not in names:
                near = did_you_mean(given_name, names)
                help = f"did you mean {near[0]}?" if near else f"its inputs are {', '.join(names)}"
                raise frame.error("E0604", f"{name} has no input {given_name}", at, help)
            if given_name in taken:
                raise frame.error("E0604", f"{name} got its input {given_name} twice", at)
            taken[given_name] = tensor
        elif rest is not None and position >= rest:
            extra.append(tensor)
        elif position < len(names):
            taken[names[position]] = tensor
            position += 1
        else:
            most = f"{len(names)} input{'s' if len(names) != 1 else ''}"
            help = "join them first: (a, b) -> Concatenate(), or a + b" if len(names) == 1 else f"its inputs are {', '.join(names)}"
            raise frame.error("E0604", f"{name} takes {most}, got {len(given)}", source_place, help)
    arranged: list[Value | None] = []
    for i, entry in enumerate(spec):
        if i == rest:
            least = 1
            if names[i] in taken:
                extra.insert(0, taken[names[i]])
            if len(extra) < least:
                raise frame.error("E0604", f"{name} needs one or more inputs", place)
            arranged.extend(extra)
        elif names[i] in taken:
            arranged.append(taken[names[i]])
        elif entry.endswith("?"):
            arranged.append(None)
        else:
            raise frame.error("E0604", f"{name} needs its input {names[i]}", place, f"({', '.join(names)}) -> {name}(...)")
    while arranged and arranged[-1] is None and len(arranged) > 1:
        arranged.pop()
    return arranged


def _tensor(value: Any, layer: Layer, frame: Frame, place: Place, raw: bool) -> Value | None:
    if isinstance(value, Value):
        return value
    if value is None and raw:
        return None
    if raw and (isinstance(value, (int, float, bool, list, tuple, Expr))):
        return constant(value, None, frame, place)
    if value is None:
        return None
    if isinstance(value, Results) or (isinstance(value, (list, tuple)) and holds_tensor(value)):
        raise frame.error("E0606", f"{layer.type_name} takes tensors, got {kind_of(value)} as one input", place, "take one: r[0]")
    if isinstance(value, Appliable):
        raise frame.error("E0606", f"left of `->` stands a tensor, got {kind_of(value)}", place, "a chain begins with a tensor: x -> f() -> g()")
    raise frame.error("E0606", f"left of `->` stands a tensor, got {kind_of(value)}", place)


def name_layer(appliable: Appliable, frame: Frame) -> None:
    """Name a layer at its first application, in the scope that it was made in."""
    if appliable.path is not None:
        return
    scope = appliable.scope
    if appliable.given is not None:
        if not scope.claim(appliable.given):
            raise frame.error(
                "E0211",
                f"the name {appliable.given} is taken in this scope",
                appliable.place,
                'in a loop, number the names: name=f"block{i}"',
            )
        name = appliable.given
    elif appliable.hint is not None:
        name = scope.automatic(appliable.hint, hinted=True)
    else:
        kind = appliable.layer.default_name() if isinstance(appliable, AppliableLayer) else _snake(appliable.constructor)
        name = scope.automatic(kind)
    appliable.path = scope.join(name)
    if isinstance(appliable, AppliableLayer):
        appliable.layer.path = appliable.path


def _snake(name: str) -> str:
    from archonnx.compiler.layers.base import snake_case

    return snake_case(name)


class Rules:
    """The Context of layers.base: what a layer's rules may ask for during one application."""

    __slots__ = ("facts", "opset", "results", "announced", "_frame", "_path", "_layer", "_trainable", "_place", "_inputs", "fresh", "inferring")

    def __init__(self, frame: Frame, path: str, layer: Layer, trainable: bool, place: Place, inputs: Sequence[Value | None]) -> None:
        self.facts: Facts = frame.state.facts
        self.opset = frame.state.opset
        self.results: int | None = None
        self.announced: TensorType | None = None
        self._frame, self._path, self._layer, self._trainable, self._place = frame, path, layer, trainable, place
        self._inputs = inputs
        self.fresh: list[Expr] = []

    def known(self, x: TensorType, axis: int, *, input: int = 0) -> int:
        """The size of an axis as a number; E0301 where it is symbolic."""
        if not -len(x.shape) <= axis < len(x.shape):
            raise LayerError("E0302", f"{self._layer.type_name} needs an axis {axis}, got {x}", input=input)
        size = self.facts.normalize(x.shape[axis])
        if isinstance(size, int):
            return size
        which = "last axis" if axis in (-1, len(x.shape) - 1) else f"axis {axis}"
        help = "give the axis a size where it is declared"
        if which == "last axis" and len(x.shape) == 4:
            help = "give the axis a size, or reduce over it first: GlobalAveragePooling2D()"
        raise LayerError("E0301", f"{self._layer.type_name} needs a known {which}, got {x}", help=help, label="this axis is symbolic", input=input, axis=axis)

    def weight(self, name: str, shape: tuple[int, ...], initializer: Any, *, trainable: bool = True, dtype: str = "float32") -> None:
        """Declare a weight of the layer, or share the one of that path."""
        path = f"{self._path}/{name}"
        made = declare_weight(path, dtype, shape, initializer, trainable and self._trainable, self._frame, self._place, self._layer.type_name)
        self._layer.weights[name] = made

    def symbol(self, hint: str) -> Dim:
        """A new symbol for a size that depends on data."""
        state = self._frame.state
        state.fresh += 1
        made = dims.symbol(f"{hint}_{state.fresh}" if hint else f"size_{state.fresh}", 0)
        assert isinstance(made, Expr)
        self.fresh.append(made)
        return made

    def mask(self, input: int = 0) -> Value | None:
        value = self._inputs[input] if input < len(self._inputs) else None
        return value.mask if value is not None else None


def declare_weight(
    path: str, dtype: str, shape: tuple[int, ...], initializer: Any, trainable: bool, frame: Frame, place: Place, what: str
) -> Weight:
    """The weight of that path: a new one, or the one that an earlier application made, which must be of the same shape."""
    from archonnx.compiler.weights.initializers import InitializerError, resolve

    known = frame.state.weights.get(path)
    if known is not None:
        if known.shape != shape or known.dtype != dtype:
            raise LayerError(
                "E0391",
                f"{what} is applied again, and its weight {path} would be {dtype}{list(shape)}: it is {known.dtype}{list(known.shape)}",
                help="layers that share weights take inputs of the same width",
            )
        return known
    elements = 1
    for extent in shape:
        elements *= extent
    if elements > dims.DIM_LIMIT:
        raise LayerError("E0804", f"the weight {path} of shape {list(shape)} has more than 2**63 - 1 elements")
    try:
        made = resolve(initializer)
        made.check(shape, dtype)
    except InitializerError as error:
        raise LayerError(error.code, error.message, help=error.help) from None
    weight = Weight(path, dtype, shape, made, trainable, place)
    frame.state.weights[path] = weight
    return weight


def add(
    layer: Layer,
    inputs: Sequence[Value | None],
    frame: Frame,
    place: Place,
    appliable: AppliableLayer | None = None,
    *,
    path: str | None = None,
    results: int | None = None,
    announced: tree.TypeExpr | None = None,
) -> Any:
    """Append a node: weights at the first application, types, masks. The result, or Results where there are several."""
    if path is None:
        assert layer.path is not None
        path = layer.path
    trainable = frame.trainable if appliable is None else appliable.trainable and frame.trainable
    rules = Rules(frame, path, layer, trainable, appliable.place if appliable is not None else place, inputs)
    rules.results = results
    rules.announced = _announced_type(announced, frame) if announced is not None else None
    kinds = tuple(v.type if v is not None else None for v in inputs)
    places = appliable.argument_places if appliable is not None else {}
    try:
        if appliable is not None and appliable.announced_shape is not None:
            _check_announced(appliable.announced_shape, kinds[0], frame)
        layer.declare(rules, *kinds)
        inferred = layer.infer(rules, *kinds)
    except LayerError as error:
        raise layer_error(error, frame, place, places, inputs) from None
    made = inferred if isinstance(inferred, tuple) and not isinstance(inferred, TensorType) else (inferred,)
    made = tuple(_checked(t, layer, frame, place) for t in made)
    node = frame.state.add_node(path, layer, inputs, made, frame, place)
    _pass_masks(node, frame, place)
    shown = node.outputs[:-1] if layer.makes_mask else node.outputs
    if announced is not None and len(shown) == 1:
        _bind_fresh(announced, shown[0], rules.fresh, frame)
    return shown[0] if len(shown) == 1 else Results(shown)


def _checked(type: TensorType, layer: Layer, frame: Frame, place: Place) -> TensorType:
    """Sizes as simple as the facts make them, none below its least and none past the limit."""
    shape = tuple(s if isinstance(s, int) else frame.state.facts.normalize(s) for s in type.shape)
    least = 0 if layer.parameters or not layer.type_name[:1].isupper() else 1
    for axis, size in enumerate(shape):
        if isinstance(size, int):
            if size < least:
                raise frame.error("E0386", f"{layer.type_name} would give the size {size} at axis {axis}: {TensorType(type.dtype, shape)}", place, "its input is too small for it")
            if size > dims.DIM_LIMIT:
                raise frame.error("E0804", f"{layer.type_name} would give a size past 2**63 - 1 at axis {axis}", place)
    return TensorType(type.dtype, shape)


def _pass_masks(node: Node, frame: Frame, place: Place) -> None:
    layer = node.layer
    if not node.outputs:
        return
    if layer.makes_mask:
        node.outputs[0].mask = node.outputs[-1]
        return
    masks = [v.mask if v is not None else None for v in node.inputs]
    if layer.masking == "drop" or not any(m is not None for m in masks):
        return

    def silently(name: str, *values: Value, **arguments: Any) -> Value:
        before = len(frame.state.graph.nodes)
        made = function(name, list(values), arguments, frame, place)
        frame.state.silent.update(id(n) for n in frame.state.graph.nodes[before:])
        assert isinstance(made, Value)
        return made

    mask = layer.merge_masks(masks, silently)
    node.outputs[0].mask = mask


def _announced_type(node: tree.TypeExpr, frame: Frame) -> TensorType | None:
    """A written type as far as it is known: for operators whose results onnx cannot infer."""
    if node.dtype is None or node.shape is None:
        return None
    shape: list[Dim] = []
    for entry in node.shape:
        if isinstance(entry, tree.Literal) and entry.value is ...:
            return None
        if isinstance(entry, tree.Name) and types.is_symbol_name(entry.id) and entry.id not in frame.names:
            made = dims.symbol(entry.id, 0)
            shape.append(made)
        else:
            shape.append(types.size_of(entry, frame))
    return TensorType(types.dtype_of(node.dtype, frame), tuple(shape))


def _bind_fresh(node: tree.TypeExpr, value: Value, fresh: Sequence[Expr], frame: Frame) -> None:
    """Name the sizes that depend on data: the new symbols of a result take the names written in its announced type."""
    if node.shape is None or len(node.shape) != len(value.type.shape):
        return
    renamed: list[Dim] = []
    for entry, size in zip(node.shape, value.type.shape, strict=True):
        new_name = isinstance(entry, tree.Name) and types.is_symbol_name(entry.id) and entry.id not in frame.names
        if new_name and isinstance(size, Expr) and size in fresh:
            assert isinstance(entry, tree.Name)
            renamed.append(dims.symbol(entry.id, 0))
        else:
            renamed.append(size)
    value.type = TensorType(value.type.dtype, tuple(renamed))


def layer_error(
    error: LayerError, frame: Frame, place: Place, places: Mapping[str, Place], inputs: Sequence[Value | None] = ()
) -> Abort:
    """A LayerError with its places: the argument's where it names one, labels at the input's declaration."""
    at = places.get(error.argument, place) if error.argument is not None else place
    labels: list[Label] = []
    if error.input is not None and error.input < len(inputs):
        value = inputs[error.input]
        if value is not None:
            axes = frame.state.axis_places.get(id(value))
            axis_place = axes[error.axis] if axes is not None and error.axis is not None and -len(axes) <= error.axis < len(axes) else None
            if axis_place is not None:
                labels.append(Label(axis_place, error.label))
            elif value.place is not None and value.place != at:
                labels.append(Label(value.place, f"{value.type} comes from here"))
    return Abort(Diagnostic(error.code, error.message, at, "", tuple(labels), frame.trail, error.help))


def weight_of(appliable: Appliable, node: tree.Attribute, frame: Frame) -> Value:
    """`embed.embeddings`: a layer's weight as a tensor, once the layer was applied."""
    if not isinstance(appliable, AppliableLayer):
        raise frame.error("E0508", f"a block has no weights of its own to name: {appliable.constructor}.{node.name}", node.name_place)
    layer = appliable.layer
    if not layer.weights:
        if appliable.path is None:
            raise frame.error("E0508", f"{layer.type_name} has no weights before it is applied", node.name_place, "apply it first: x -> layer")
        raise frame.error("E0508", f"{layer.type_name} has no weights", node.name_place)
    weight = layer.weights.get(node.name)
    if weight is None:
        near = did_you_mean(node.name, list(layer.weights))
        help = f"did you mean {near[0]}?" if near else f"its weights are {', '.join(layer.weights)}"
        raise frame.error("E0508", f"{layer.type_name} has no weight {node.name}", node.name_place, help)
    return reference(weight, frame, node.place)


def reference(weight: Weight, frame: Frame, place: Place, path: str | None = None) -> Value:
    """A weight as a tensor of the graph."""
    if path is None:
        path = frame.scope.join(frame.scope.automatic(weight.path.rpartition("/")[2]))
    value = add(Reference(weight), (), frame, place, path=path)
    assert isinstance(value, Value)
    return value


def constant(value: Any, dtype: str | None, frame: Frame, place: Place) -> Value:
    """A number, a nested list or a dimension as a tensor. Without a dtype: int64, float32 or bool, as the numbers are."""
    if isinstance(value, Expr):
        size = frame.state.facts.normalize(value)
        if isinstance(size, Expr):
            layer = _need("dimension")({"value": size, "dtype": dtype or "int64"})
            made = add(layer, (), frame, place, path=frame.scope.join(frame.scope.automatic("dimension")))
            assert isinstance(made, Value)
            return made
        value = size
    numbers, ragged = _numbers(value)
    if ragged or not all(isinstance(n, (int, float, bool)) for n in numbers):
        odd = next((n for n in numbers if not isinstance(n, (int, float, bool))), None)
        what = "lists of different lengths" if ragged else kind_of(odd)
        raise frame.error("E0511", f"a constant is a number or nested lists of numbers, got {what}", place)
    if dtype is None:
        dtype = "float32" if any(isinstance(n, float) for n in numbers) else "bool" if numbers and all(isinstance(n, bool) for n in numbers) else "int64"
    if is_integer(dtype) and any(isinstance(n, float) and not n.is_integer() for n in numbers):
        odd = next(n for n in numbers if isinstance(n, float) and not n.is_integer())
        raise frame.error("E0511", f"the fraction {odd} stands beside {dtype}", place, "convert the tensor first: cast(x, float32)")
    layer = _need("constant")({"value": _frozen(value), "dtype": dtype})
    made = add(layer, (), frame, place, path=frame.scope.join(frame.scope.automatic("constant")))
    assert isinstance(made, Value)
    return made


def _numbers(value: Any) -> tuple[list[Any], bool]:
    """Every number of nested lists, and whether the lists are ragged."""
    level = [value]
    while any(isinstance(v, (list, tuple, range)) for v in level):
        if not all(isinstance(v, (list, tuple, range)) for v in level) or len({len(v) for v in level}) > 1:
            return level, True
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


def _apply_function(cls: type[Layer], name: str, given: Sequence[tuple[str | None, Any, Place]], frame: Frame, place: Place) -> Any:
    from archonnx.compiler.elaborate.calls import Given as Bound
    from archonnx.compiler.elaborate.calls import bind
    from archonnx.compiler.elaborate.calls import _plain
    from archonnx.compiler.layers.domains import DomainError

    tensors = {s.strip("*?"): s for s in cls.inputs}
    parameters = [p.strip("*?") for p in (cls.parameters or (*cls.inputs, *cls.declared))]
    star = next((i for i, p in enumerate(parameters) if tensors.get(p, "").startswith("*")), None)
    positional = [g for g in given if g[0] is None]
    if star is not None and len(positional) > star + 1 and not isinstance(positional[star][1], (list, tuple)):
        tail = positional[star:]  # concat(a, b, c) as well as concat([a, b, c]); what follows goes by name
        given = [*positional[:star], (None, [t[1] for t in tail], tail[0][2]), *(g for g in given if g[0] is not None)]
    bound = bind([Bound(n, v, p, p) for n, v, p in given], parameters, f"{name}()", place, frame)
    values: dict[str, Any] = {}
    places: dict[str, Place] = {}
    before = len(frame.state.diagnostics.found)
    for argument in cls.declared.values():
        if argument.name not in bound:
            if argument.required:
                frame.report("E0401", f"{name}() needs its argument {argument.name}", place)
            values[argument.name] = argument.default
            continue
        one = bound[argument.name]
        places[argument.name] = one.value_place
        try:
            values[argument.name] = argument.domain.parse(_plain(one.value))
        except DomainError as error:
            frame.report("E0403", f"{argument.name} of {name}() is {error.expected}, got {show(one.value)}", one.value_place)
    if len(frame.state.diagnostics.found) > before:
        raise Abort(None)
    inputs = _operands(cls, name, {p: bound[p] for p in tensors if p in bound}, frame, place)
    layer = cls(values)
    try:
        layer.validate()
    except LayerError as error:
        raise layer_error(error, frame, place, places, inputs) from None
    layer.path = frame.scope.join(frame.scope.automatic(name))
    made = AppliableLayer(frame.scope, place, None, None, True, layer.path, 1, layer=layer, argument_places=places)
    return add(layer, inputs, frame, place, made)


def _operands(cls: type[Layer], name: str, bound: Mapping[str, Given], frame: Frame, place: Place) -> list[Value | None]:
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
                raise frame.error("E0509", f"{parameter} of {name}() is a list of tensors, got {kind_of(one.value)}", one.value_place)
            flat.extend((parameter, v, one.value_place) for v in one.value)
        else:
            flat.append((parameter, one.value, one.value_place))
    first = next((v.type.dtype for p, v, _ in flat if isinstance(v, Value) and p not in cls.index_inputs and not _is_condition(cls, p)), None)
    made: list[Value | None] = []
    for parameter, value, at in flat:
        if value is None or isinstance(value, Value):
            made.append(value)
        elif parameter in cls.index_inputs:
            made.append(constant(value, "int64", frame, at))
        elif isinstance(value, (int, float, bool, list, tuple, range, Expr)):
            if isinstance(value, float) and first is not None and not is_float(first) and not value.is_integer():
                raise frame.error("E0511", f"the fraction {value} stands beside {first}", at, "convert the tensor first: cast(x, float32)")
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
            raise frame.error("E0506", "one tensor of indices at a time", node.place, "take the others first: take(x, indices, axis=1)")
        at = gathered[0]
        before = items[:at]
        if any(b is not ... and b != slice(None) and not isinstance(b, slice) for b in before):
            raise frame.error("E0506", "a tensor of indices stands beside slices only", node.place, "write take(x, indices, axis=1)")
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


def announced_shape(name: str, given: Given, frame: Frame) -> tuple[str, tuple[Any, ...], Place] | None:
    """Keras' input_shape=, batch_input_shape= and input_dim=, kept to be held against the flow; dtype= says nothing here."""
    value = given.value
    if name == "dtype" or value is None:
        return None
    if name == "input_dim":
        value = (value,)
    if not isinstance(value, (tuple, list)) or not all(v is None or isinstance(v, int) for v in value):
        raise frame.error("E0403", f"{name} is a tuple of sizes, got {show(value)}", given.value_place)
    return name, tuple(value), given.value_place


def _check_announced(announced: tuple[str, tuple[Any, ...], Place], kind: TensorType | None, frame: Frame) -> None:
    name, sizes, place = announced
    if kind is None:
        return
    flowing = kind.shape if name == "batch_input_shape" else kind.shape[-1:] if name == "input_dim" else kind.shape[1:]
    fits = len(flowing) == len(sizes) and all(
        a is None or frame.state.facts.equal(a, b) is Verdict.YES for a, b in zip(sizes, flowing, strict=True)
    )
    if not fits:
        text = f"({', '.join(map(str, flowing))})"
        raise LayerError("E0382", f"{name}={show(sizes)} does not fit the flow, which brings {text}", argument=name, input=0, help="leave it out: shapes come from the flow")


__all__ = ["add", "apply", "constant", "declare_weight", "function", "index_tensor", "layer_error", "reference", "weight_of"]
