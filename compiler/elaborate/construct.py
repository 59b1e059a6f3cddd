"""Constructors: layers, blocks, variants, raw and custom operators, from their bound arguments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from archonnx.compiler.elaborate import apply, binding, evaluate, library, limits, rules
from archonnx.compiler.elaborate.loader import Module
from archonnx.compiler.elaborate.state import Binding, Frame
from archonnx.compiler.elaborate.values import (
    POISON,
    Abort,
    Appliable,
    AppliableBlock,
    AppliableLayer,
    holds_tensor,
    is_poisoned,
    measure,
    show,
)
from archonnx.compiler.graph import Value
from archonnx.compiler.layers.base import Layer, LayerError
from archonnx.compiler.layers.plugins import Guard
from archonnx.compiler.syntax import tree
from archonnx.contract.diagnostics import Frame as Application
from archonnx.contract.diagnostics import Place, did_you_mean

if TYPE_CHECKING:
    from archonnx.compiler.layers.domains import Domain


def construct_block(declared: tree.Body | tree.Variant, module: Module, node: tree.Call, frame: Frame) -> Any:
    given = binding.arguments_of(node, frame)
    if any(g.value is POISON for g in given):
        return POISON
    name = declared.name
    body, home, preset = resolve_variant(declared, module, frame, node.place)
    parameters = [p.name for p in body.parameters]
    bound = binding.with_defaults(declared, given, parameters, name, node, frame, ("name", "trainable"))
    extras = binding.extras_of(bound, frame)
    arguments = binding.complete(
        body, home, {**preset, **{n: g.value for n, g in bound.items()}}, name, node.place, frame
    )
    made = AppliableBlock(
        frame.scope, node.place, extras[0], None, extras[1], body=body, module=home, arguments=arguments
    )
    frame.state.appliables.append((made, frame.trail))
    return made


def resolve_variant(
    declared: tree.Body | tree.Variant, module: Module, frame: Frame, place: Place
) -> tuple[tree.Body, Module, dict[str, Any]]:
    """The body behind a variant, with the arguments that it and the variants under it set."""
    preset: dict[str, Any] = {}
    parameters = [p.name for p in base_body(declared, module, frame).parameters]
    while isinstance(declared, tree.Variant):
        inner = Frame(frame.state, module, None, frame.scope)
        home, base = _base(declared, module, inner)
        bound = binding.bind(
            binding.arguments_of(declared.call, inner), parameters, base.name, declared.call.place, inner
        )
        for name, argument in bound.items():
            preset.setdefault(name, argument.value)
        declared, module = base, home
    return declared, module, preset


def base_body(declared: tree.Body | tree.Variant, module: Module, frame: Frame) -> tree.Body:
    """The body behind a variant of a variant of ...; E0210 where they go round in a circle."""
    seen: list[tree.Variant] = []
    while isinstance(declared, tree.Variant):
        if any(declared is s for s in seen):
            chain = " -> ".join(s.name for s in (*seen, declared))
            raise frame.error(
                "E0210",
                f"the model {declared.name} is a variant of itself: {chain}",
                declared.name_place,
                "one of them has to be a model with a body",
            )
        seen.append(declared)
        module, declared = _base(declared, module, Frame(frame.state, module, None, frame.scope))
    return declared


def _base(variant: tree.Variant, module: Module, frame: Frame) -> tuple[Module, tree.Body | tree.Variant]:
    """What a variant is made of, with its file; E0202 where nothing of that name is a model."""
    callee = variant.call.function
    found = binding.find(callee.id, frame) if isinstance(callee, tree.Name) else None
    if found is not None and not isinstance(found[1], tree.Def):
        return found
    if isinstance(callee, tree.Name) and callee.id in module.failed_imports:
        raise Abort(None)
    form = "a variant is made of a model: model NAME = MODEL(arguments)"
    names = [m.name for m in module.models() if m is not variant]
    if not isinstance(callee, tree.Name) or found is not None or library.is_layer(callee.id):
        raise frame.error("E0202", form, callee.place)
    near = did_you_mean(callee.id, names)
    help = f"did you mean {near[0]}?" if near else f"its models are {', '.join(names)}" if names else form
    raise frame.error("E0202", f"there is no model {callee.id}", callee.place, help)


def variant_trail(declared: tree.Body | tree.Variant, module: Module, frame: Frame) -> tuple[Application, ...]:
    """The calls by which a variant comes to its body, innermost first; () for a body."""
    calls: list[Application] = []
    while isinstance(declared, tree.Variant):
        place = declared.call.place
        module, declared = _base(declared, module, Frame(frame.state, module, None, frame.scope))
        calls.insert(0, Application(declared.name, place))
    return tuple(calls)


def call_def(declared: tree.Def, module: Module, node: tree.Call, frame: Frame) -> Any:
    given = binding.arguments_of(node, frame)
    if is_poisoned(*(g.value for g in given)):
        return POISON
    if any(declared is d for d in frame.state.calling):
        raise frame.error(
            "E0213",
            f"the function {declared.name} calls itself",
            node.place,
            "functions are expressions without recursion",
        )
    bound = binding.bind(given, [p.name for p in declared.parameters], declared.name, node.place, frame)
    frame.state.calling.append(declared)
    try:
        values = binding.complete(
            declared, module, {n: g.value for n, g in bound.items()}, declared.name, node.place, frame
        )
        inner = Frame(frame.state, module, None, frame.scope, frame.trail)
        inner.names = {n: Binding(v, node.place, "parameter") for n, v in values.items()}
        return evaluate.expression(declared.value, inner)
    finally:
        frame.state.calling.pop()


def construct_layer(layer: type[Layer], node: tree.Call, frame: Frame) -> Any:
    given = binding.arguments_of(node, frame)
    bound = binding.with_defaults(layer, given, list(layer.declared), layer.__name__, node, frame, binding.LAYER_EXTRAS)
    return construct(layer, bound, node, frame)


def construct(layer: type[Layer], bound: dict[str, binding.Given], node: tree.Call, frame: Frame) -> Any:
    """A layer of the library from its bound arguments; each value is held against its domain (E0403)."""
    from archonnx.compiler.layers.domains import DomainError

    name = layer.__name__
    if any(g.value is POISON for g in bound.values()):
        return POISON
    tensors = [
        g
        for n, g in bound.items()
        if holds_tensor(g.value)
        and not (n in layer.declared and layer.declared[n].domain.takes_tensor and isinstance(g.value, Value))
    ]
    if tensors:
        text = f"x -> {_written(layer)}(...)"
        raise frame.error(
            "E0607",
            f"{name} is configured in parentheses and applied by the arrow: a tensor does not go in",
            tensors[0].place,
            f"write {text}",
        )
    given_name, trainable = binding.extras_of(bound, frame)
    values: dict[str, Any] = {}
    before = frame.reports
    for argument in layer.declared.values():
        if argument.name not in bound:
            if argument.required:
                missing = [a.name for a in layer.declared.values() if a.required and a.name not in bound]
                frame.report(
                    "E0401",
                    f"{name} needs {binding.listed(missing)}",
                    node.place,
                    f"{_written(layer)}({_layer_signature(layer)})",
                )
                break
            values[argument.name] = None  # parsed below, once all that is given is right
            continue
        one = bound[argument.name]
        try:
            with Guard(layer, f"the domain of {argument.name}", Abort):
                values[argument.name] = argument.domain.parse(plain(one.value, one.value_place, frame, argument.domain))
        except DomainError as error:
            frame.report(
                error.code or "E0403",
                f"{argument.name} of {name} is {error.expected}, got {show(one.value)}",
                one.value_place,
                getattr(error, "help", None),
            )
        except LayerError as error:
            raise rules.layer_error(error, frame, one.value_place, {}) from None
    if frame.reports > before:
        raise Abort(None)
    for argument in layer.declared.values():
        if argument.name not in bound:
            values[argument.name] = argument.parsed_default()
    places = {n: g.value_place for n, g in bound.items()}
    try:
        with Guard(layer, "the rule validate"):
            made = layer(values)
            made.given_name, made.given_trainable = given_name, trainable
            made.validate()
    except LayerError as error:
        raise rules.layer_error(error, frame, node.place, places) from None
    made.place = node.place
    appliable = AppliableLayer(frame.scope, node.place, given_name, None, trainable, layer=made, argument_places=places)
    for extra in binding.LAYER_EXTRAS[2:]:
        if extra in bound and extra not in layer.declared:
            appliable.announced_shape = apply.announced_shape(extra, bound[extra], frame)
    frame.state.appliables.append((appliable, frame.trail))
    return appliable


def plain(value: Any, place: Place, frame: Frame, domain: Domain | None = None) -> Any:
    """What a domain gets: a wrapped layer as itself, dtypes by name, ranges as lists. E0806 where it is too long."""
    from archonnx.compiler.layers.domains import LayerOrBlock, Unapplied

    bounded_nest(value, place, frame)
    if isinstance(value, Value) and domain is not None and domain.takes_tensor:
        return written_out(value, place, frame)
    if isinstance(value, Appliable) and isinstance(domain, LayerOrBlock):
        value.uses += 1
        return Unapplied(value)
    if isinstance(value, AppliableLayer):
        value.uses += 1  # a wrapper applies it
        return value.layer
    if isinstance(value, AppliableBlock):
        from archonnx.compiler.layers.recurrent import CellBlock

        value.uses += 1
        return CellBlock(value)
    if isinstance(value, (list, tuple)) and any(isinstance(v, Appliable) for v in value):
        return [plain(v, place, frame, domain) for v in value]
    from archonnx.compiler.elaborate.values import DTypeValue

    if isinstance(value, DTypeValue):
        return value.name
    if isinstance(value, range):
        return list(value)
    return value


def written_out(value: Value, place: Place, frame: Frame) -> Any:
    """The array of a tensor that is known while compiling. E0911: its numbers come from elsewhere."""
    from archonnx.compiler.elaborate import known

    array = known.array_of(value, frame.state)
    if array is None:
        raise frame.error(
            "E0911",
            f"an attribute is known while compiling, and the numbers of {value.type} are not",
            place,
            "write the numbers, cast where need be: cast([1, 2], int32)",
        )
    known.silence(value, frame.state)
    return array


def bounded_nest(value: Any, place: Place, frame: Frame) -> None:
    """Nested lists that are read as numbers have their bounds: E0806 past them."""
    elements, depth = measure(value)
    if elements > limits.ELEMENTS:
        raise frame.error("E0806", f"nested lists of {elements:,} elements; {limits.ELEMENTS:,} are the most", place)
    if depth > limits.RANK:
        raise frame.error("E0806", f"lists nested {depth:,} deep; {limits.RANK} are the most", place)


def _written(layer: type[Layer]) -> str:
    from archonnx.compiler.functions.raw import Raw

    return f"onnx.{layer.__name__}" if issubclass(layer, Raw) else layer.__name__


def _layer_signature(layer: type[Layer]) -> str:
    return ", ".join(a.name if a.required else f"{a.name}=..." for a in list(layer.declared.values())[:6]) + (
        ", ..." if len(layer.declared) > 6 else ""
    )


def construct_raw(callee: tree.Attribute, node: tree.Call, frame: Frame) -> Any:
    from archonnx.compiler.functions.raw import attribute_elsewhere, raw_operator

    try:
        layer = raw_operator(callee.name, frame.state.opset)
    except LayerError as error:
        raise rules.layer_error(error, frame, callee.place, {}) from None
    given = binding.arguments_of(node, frame)
    for g in given:
        if g.name is None and isinstance(g.value, Value):
            raise frame.error(
                "E0607",
                f"onnx.{callee.name} is applied by the arrow: a tensor does not go into its parentheses",
                g.place,
                f"write x -> onnx.{callee.name}(...)",
            )
        if g.name is not None and g.name not in layer.declared and g.name not in ("name", "trainable"):
            elsewhere = attribute_elsewhere(callee.name, g.name, frame.state.opset)
            if elsewhere is not None:
                raise rules.layer_error(elsewhere, frame, node.place, {g.name: g.place})
    bound = binding.bind(
        given,
        list(layer.declared),
        f"onnx.{callee.name}",
        node.place,
        frame,
        ("name", "trainable"),
    )
    return construct(layer, bound, node, frame)


def custom(callee: tree.Call, node: tree.Call, frame: Frame) -> Any:
    from archonnx.compiler.functions.custom import custom_operator

    which = binding.arguments_of(callee, frame)
    if len(which) != 2 or not all(isinstance(g.value, str) and g.value for g in which):
        raise frame.error(
            "E0509",
            "custom() takes a domain and an operator's name, two strings",
            callee.place,
            'custom("com.example", "Op")',
        )
    given = binding.arguments_of(node, frame)
    if is_poisoned(*(g.value for g in given)):
        return POISON
    if any(g.name is None for g in given):
        raise frame.error("E0404", "attributes of a custom operator are given by name", node.place)
    try:
        layer = custom_operator(
            which[0].value,
            which[1].value,
            {g.name or "": plain(g.value, g.value_place, frame) for g in given if g.name not in ("name", "trainable")},
        )
    except LayerError as error:
        raise rules.layer_error(error, frame, callee.place, {g.name or "": g.value_place for g in given}) from None
    bound = {g.name: g for g in given if g.name is not None}
    return construct(
        layer, {n: g for n, g in bound.items() if n in layer.declared or n in ("name", "trainable")}, node, frame
    )
