"""Application: a layer or block meets its inputs; tensor functions and operators become nodes too."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from archonnx.compiler.elaborate import blocks, rules, tensors, types
from archonnx.compiler.elaborate.state import Frame
from archonnx.compiler.elaborate.values import (
    Abort,
    Appliable,
    AppliableBlock,
    AppliableLayer,
    Results,
    Stop,
    holds_tensor,
    kind_of,
    show,
)
from archonnx.compiler.elaborate.wanted import Wanted
from archonnx.compiler.graph import Node, TensorType, Value
from archonnx.compiler.layers.base import Layer, LayerError
from archonnx.compiler.layers.plugins import Guard, broken, check_types, is_size
from archonnx.compiler.syntax import tree
from archonnx.contract import dims
from archonnx.contract.diagnostics import Place, did_you_mean
from archonnx.contract.dims import Dim, DimTooLargeError, Expr, Verdict

if TYPE_CHECKING:
    from archonnx.compiler.elaborate.binding import Given


def apply(
    appliable: Appliable,
    source: Any,
    frame: Frame,
    place: Place,
    source_place: Place,
    wanted: Wanted | None = None,
) -> Any:
    """`source -> layer`: the result, or Results where there are several."""
    given = _split(source, appliable, source_place)
    appliable.uses += 1
    if isinstance(appliable, AppliableBlock):
        return blocks.apply_block(appliable, given, frame, place)
    assert isinstance(appliable, AppliableLayer)
    layer = appliable.layer
    if layer.runs_cell:
        from archonnx.compiler.elaborate.cells import apply_recurrent

        return apply_recurrent(appliable, given, frame, place)
    if layer.runs_layer:
        from archonnx.compiler.elaborate.distributed import apply_distributed

        return apply_distributed(appliable, given, frame, place)
    inputs = arrange(layer, given, frame, place, source_place)
    needs_one = bool(layer.inputs) and not (layer.takes_constants and all(s.endswith("?") for s in layer.inputs))
    if needs_one and not any(v is not None for v in inputs):
        raise frame.error("E0604", f"{layer.type_name} needs an input", place)
    name_layer(appliable, frame)
    return add(layer, inputs, frame, place, appliable, wanted=wanted)


def _split(source: Any, appliable: Appliable, place: Place) -> list[tuple[str | None, Any, Place]]:
    from archonnx.compiler.elaborate.calls import Inputs

    if isinstance(source, Inputs):
        return source.given
    if isinstance(source, (list, tuple)):
        return [(None, v, place) for v in source]
    return [(None, source, place)]


def arrange(
    layer: Layer, given: Sequence[tuple[str | None, Any, Place]], frame: Frame, place: Place, source_place: Place
) -> list[Value | None]:
    """The inputs in the layer's order; E0604 where their number or names do not fit, E0606 where one is no tensor."""
    name = layer.type_name
    spec = layer.inputs
    names = [s.strip("*?") for s in spec]
    rest = next((i for i, s in enumerate(spec) if s.startswith("*")), None)
    raw = layer.takes_constants
    taken: dict[str, Value | None] = {}
    extra: list[Value | None] = []
    position = 0
    for given_name, value, at in given:
        if rest is not None and given_name == names[rest] and isinstance(value, (list, tuple)):
            extra.extend(_tensor(v, layer, frame, at, raw) for v in value)  # initial_state=[h, c]
            continue
        if given_name is not None and given_name not in names and given_name in layer.declared:
            help = f"write it in the parentheses: {name}(..., {given_name}={show(value)})"
            raise frame.error("E0604", f"{given_name} is an argument of {name}, not an input", at, help)
        tensor = _tensor(value, layer, frame, at, raw)
        if given_name is not None:
            if given_name not in names:
                near = did_you_mean(given_name, names)
                listed = f"its inputs are {', '.join(names)}" if rest is None else "its inputs are given in order"
                help = f"did you mean {near[0]}?" if near else listed
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
            help = (
                "join them first: (a, b) -> Concatenate(), or a + b"
                if len(names) == 1 and not raw
                else f"its input{'s are' if len(names) != 1 else ' is'} {', '.join(names)}"
                if names
                else f"it has none: () -> {layer.written_name}(...)"
            )
            help = layer.surplus_help(frame.state.opset) or help
            raise frame.error("E0604", f"{name} takes {most}, got {len(given)}", source_place, help)
    arranged: list[Value | None] = []
    for i, entry in enumerate(spec):
        if i == rest:
            if names[i] in taken:
                extra.insert(0, taken[names[i]])
            if not extra and not entry.endswith("?"):
                what = "inputs" if not i else names[i]
                listed = ", ".join(names)
                raise frame.error(
                    "E0604", f"{name} needs one or more {what}", place, f"({listed}, ...) -> {layer.written_name}(...)"
                )
            if any(v is None for v in extra) and not entry.endswith("?") and not raw:
                raise frame.error("E0604", f"{name} takes tensors, and one of its inputs is None", source_place)
            arranged.extend(extra)
        elif taken.get(names[i]) is not None or (names[i] in taken and entry.endswith("?")):
            arranged.append(taken[names[i]])
        elif entry.endswith("?"):
            arranged.append(None)
        else:
            needed = [n for n, s in zip(names, spec, strict=True) if not s.endswith("?")]
            source = f"({', '.join(needed)})" if len(needed) > 1 else needed[0]
            raise frame.error(
                "E0604", f"{name} needs its input {names[i]}", place, f"{source} -> {layer.written_name}(...)"
            )
    while arranged and arranged[-1] is None and len(arranged) > 1:
        arranged.pop()
    return arranged


def _tensor(value: Any, layer: Layer, frame: Frame, place: Place, raw: bool) -> Value | None:
    if isinstance(value, Value):
        return value
    if value is None and raw:
        return None
    if raw and isinstance(value, (int, float, bool, str, list, tuple, Expr)) and not holds_tensor(value):
        return tensors.constant(value, None, frame, place, strings=True)
    if value is None:
        return None
    if isinstance(value, Results) or (isinstance(value, (list, tuple)) and holds_tensor(value)):
        raise frame.error(
            "E0606", f"{layer.type_name} takes tensors, got {kind_of(value)} as one input", place, "take one: r[0]"
        )
    if isinstance(value, Appliable):
        raise frame.error(
            "E0606",
            f"left of `->` stands a tensor, got {kind_of(value)}",
            place,
            "a chain begins with a tensor: x -> f() -> g()",
        )
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
        kind = (
            appliable.layer.default_name() if isinstance(appliable, AppliableLayer) else _snake(appliable.constructor)
        )
        name = scope.automatic(kind)
    appliable.path = scope.join(name)
    if isinstance(appliable, AppliableLayer):
        appliable.layer.path = appliable.path


def _snake(name: str) -> str:
    from archonnx.compiler.layers.base import snake_case

    return snake_case(name)


def add(
    layer: Layer,
    inputs: Sequence[Value | None],
    frame: Frame,
    place: Place,
    appliable: AppliableLayer | None = None,
    *,
    path: str | None = None,
    wanted: Wanted | None = None,
) -> Any:
    """Append a node: weights at the first application, types, masks. The result, or Results where there are several."""
    if path is None:
        assert layer.path is not None
        path = layer.path
    trainable = frame.trainable if appliable is None else appliable.trainable and frame.trainable
    context = rules.Rules(frame, path, layer, trainable, appliable.place if appliable is not None else place, inputs)
    if wanted is not None:
        context.results, context.dropped = wanted.count, wanted.dropped
        context.announcements = tuple([_announced_type(t, frame) if t is not None else None for t in wanted.types])
    kinds = tuple(v.type if v is not None else None for v in inputs)
    places = appliable.argument_places if appliable is not None else {}
    try:
        if appliable is not None and appliable.announced_shape is not None:
            _check_announced(appliable.announced_shape, kinds[0], frame)
        with Guard(layer, "the rule declare"):
            layer.declare(context, *kinds)
        with Guard(layer, "the rule infer"):
            inferred = layer.infer(context, *kinds)
        check_types(layer, inferred)
        made = tuple(
            [_checked(t, layer, frame, place) for t in (inferred if isinstance(inferred, tuple) else (inferred,))]
        )
    except LayerError as error:
        raise rules.layer_error(error, frame, place, places, inputs) from None
    except DimTooLargeError as error:
        what = f"a size that {layer.type_name} would give is too large to keep exact: {error}"
        raise frame.error("E0804", what, places.get(rules.largest_argument(layer) or "", place)) from None
    node = frame.state.add_node(path, layer, inputs, made, frame, place)
    if layer.package is not None:
        _check_macs(node, frame, place)
    _pass_masks(node, frame, place)
    shown = node.results
    for index, value in enumerate(shown):
        written = wanted.type_of(index) if wanted is not None else None
        if written is not None:
            _bind_fresh(written, value, context.fresh, frame)
    return shown[0] if len(shown) == 1 else Results(shown)


def _check_macs(node: Node, frame: Frame, place: Place) -> None:
    """The count of work of a package's layer, asked for here, where an error has its place."""
    layer = node.layer
    try:
        with Guard(layer, "the rule macs"):
            count = layer.macs(tuple(v and v.type for v in node.inputs), tuple(v.type for v in node.outputs))
        if not is_size(count):
            raise broken(layer, f"its rule macs gives {count!r}, which is no whole number")
    except LayerError as error:
        raise rules.layer_error(error, frame, place, {}) from None


def _checked(type: TensorType, layer: Layer, frame: Frame, place: Place) -> TensorType:
    """Sizes as simple as the facts make them, none below its least and none past the limit."""
    frame.check_age(type.dtype, place)
    shape = tuple(s if isinstance(s, int) else frame.state.facts.normalize(s) for s in type.shape)
    function = bool(layer.parameters) or not layer.type_name[:1].isupper()
    least = 0 if function or layer.takes_constants else 1
    for axis, size in enumerate(shape):
        if isinstance(size, int):
            if size < least:
                raise frame.error(
                    "E0386",
                    f"{layer.type_name} would give the size {size} at axis {axis}: {TensorType(type.dtype, shape)}",
                    place,
                    "its input is too small for it",
                )
            if size > dims.DIM_LIMIT:
                message = f"{layer.type_name} would give a size past 2**63 - 1 at axis {axis}"
                raise LayerError("E0804", message, argument=rules.largest_argument(layer))
        elif size not in frame.state.bounded_sizes:
            smallest = frame.state.facts.bounds(size)[0]
            if smallest is not None and smallest > dims.DIM_LIMIT:
                what = f"{layer.type_name} would give a size past 2**63 - 1 at axis {axis}, whatever its symbols are"
                raise frame.error("E0804", what, place)
            frame.state.bounded_sizes.add(size)
    return TensorType(type.dtype, shape)


def _pass_masks(node: Node, frame: Frame, place: Place) -> None:
    layer = node.layer
    if not node.outputs:
        return
    if layer.makes_mask:
        if len(node.outputs) > 1:  # one application may make none
            node.outputs[0].mask = node.outputs[-1]
        return
    if layer.masking == "drop":
        return

    def silently(name: str, *values: Value, **arguments: Any) -> Value:
        before = len(frame.state.graph.nodes)
        made = tensors.function(name, list(values), arguments, frame, place)
        frame.state.silent.update(id(n) for n in frame.state.graph.nodes[before:])
        assert isinstance(made, Value)
        return made

    try:
        with Guard(layer, "the rule merge_masks", Abort, Stop):
            mask = layer.result_mask(node.inputs, silently)
    except LayerError as error:
        raise rules.layer_error(error, frame, place, {}, node.inputs) from None
    for value in node.outputs[: layer.masked_results]:
        value.mask = mask


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


def announced_shape(name: str, given: Given, frame: Frame) -> tuple[str, tuple[Any, ...], Place] | None:
    """Keras' input_shape=, batch_input_shape= and input_dim=, held against the flow later; dtype= says nothing."""
    value = given.value
    if name == "dtype" or value is None:
        return None
    if name == "input_dim":
        value = (value,)
    if not isinstance(value, (tuple, list)) or not all(v is None or isinstance(v, int) for v in value):
        raise frame.error("E0403", f"{name} is a tuple of sizes, got {show(value)}", given.value_place)
    return name, tuple(value), given.value_place


def _check_announced(announced: tuple[str, tuple[Any, ...], Place], kind: TensorType | None, frame: Frame) -> None:
    name, sizes, _ = announced
    if kind is None:
        return
    flowing = kind.shape if name == "batch_input_shape" else kind.shape[-1:] if name == "input_dim" else kind.shape[1:]
    fits = len(flowing) == len(sizes) and all(
        a is None or frame.state.facts.equal(a, b) is Verdict.YES for a, b in zip(sizes, flowing, strict=True)
    )
    if not fits:
        text = f"({', '.join(map(str, flowing))}{',' if len(flowing) == 1 else ''})"
        raise LayerError(
            "E0382",
            f"{name}={show(sizes)} does not fit the flow, which brings {text}",
            argument=name,
            input=0,
            help="leave it out: shapes come from the flow",
        )
