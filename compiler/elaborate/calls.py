"""Calls: what stands before the parentheses, and which argument belongs to which parameter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from archonnx.compiler.elaborate import apply, evaluate
from archonnx.compiler.elaborate.arithmetic import Problem
from archonnx.compiler.elaborate.builtins import BUILTINS
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
    kind_of,
    show,
)
from archonnx.compiler.graph import Value
from archonnx.compiler.layers import registry
from archonnx.compiler.layers.base import Argument, Layer, LayerError
from archonnx.compiler.syntax import tree
from archonnx.contract.diagnostics import Place, did_you_mean

PREFIXES = ("layers", "keras.layers", "tf.keras.layers")
INITIALIZER_PREFIXES = ("initializers", "keras.initializers", "tf.keras.initializers")
LAYER_EXTRAS = ("name", "trainable", "input_shape", "batch_input_shape", "input_dim", "dtype")


@dataclass(slots=True)
class Inputs:
    """What stands left of an arrow where inputs are named."""

    given: list[tuple[str | None, Any, Place]]


@dataclass(slots=True)
class Given:
    """An evaluated argument."""

    name: str | None
    value: Any
    place: Place
    value_place: Place


def call(node: tree.Call, frame: Frame) -> Any:
    """The value of a call."""
    callee = node.function
    if isinstance(callee, tree.Name):
        return _named(callee, node, frame)
    if isinstance(callee, tree.Attribute):
        return _dotted(callee, node, frame)
    if isinstance(callee, tree.Call):
        if isinstance(callee.function, tree.Name) and callee.function.id == "custom" and find("custom", frame) is None:
            return _custom(callee, node, frame)
        value = evaluate.expression(callee, frame)
        if value is POISON:
            return POISON
        if isinstance(value, Appliable):
            raise _applied_by_parentheses(value, node, frame)
    else:
        value = evaluate.expression(callee, frame)
        if value is POISON:
            return POISON
        if isinstance(value, Appliable):
            raise _applied_by_parentheses(value, node, frame)
    raise frame.error("E0509", f"{kind_of(value)} cannot be called", callee.place)


def _applied_by_parentheses(value: Appliable, node: tree.Call, frame: Frame) -> Abort:
    text = frame.module.file.text.splitlines()
    one_line = node.place.line == node.place.end_line
    inner = text[node.place.line - 1][node.function.place.column - 1 : node.function.place.end_column - 1] if one_line else value.constructor
    source = ", ".join(text[a.place.line - 1][a.place.column - 1 : a.place.end_column - 1] for a in node.arguments) if one_line else "x"
    source = f"({source})" if len(node.arguments) > 1 else source or "x"
    return frame.error("E0607", f"a layer is applied by the arrow, not by parentheses", node.place, f"write {source} -> {inner}")


def find(name: str, frame: Frame) -> tuple[Module, Any] | None:
    """The declaration that a name before `(` means in this file: a body, variant or def, with the file it stands in."""
    module = frame.module
    if name in module.imported:
        module, name = module.imported[name]
    declared = module.declared.get(name)
    if declared is None or isinstance(declared, tree.Assign):
        return None
    return module, declared


def describe_callable(name: str, frame: Frame) -> tuple[str, str] | None:
    """What a name is before `(`, for messages, with an example of its use; None where it is nothing."""
    found = find(name, frame)
    if found is not None:
        declared = found[1]
        if isinstance(declared, tree.Body):
            return f"a {declared.kind}", f"x -> {name}(...)"
        return ("a model", f"x -> {name}()") if isinstance(declared, tree.Variant) else ("a function", f"{name}(...)")
    if registry.find_function(name) is not None:
        return "a function of tensors", f"{name}(x)"
    if name in BUILTINS:
        return "a function", f"{name}(...)"
    if name[:1].isupper() and registry.find_layer(name) is not None:
        return "a layer", f"x -> {name}(...)"
    return None


def _named(callee: tree.Name, node: tree.Call, frame: Frame) -> Any:
    name = callee.id
    found = find(name, frame)
    if found is not None:
        module, declared = found
        if isinstance(declared, tree.Def):
            return _call_def(declared, module, node, frame)
        return _construct_block(declared, module, node, frame)
    if name in frame.module.failed_imports:
        for argument in node.arguments:
            evaluate.expression(argument.value, frame)
        return POISON
    if name[:1].isupper():
        layer = registry.find_layer(name)
        if layer is not None:
            return _construct_layer(layer, node, frame)
        if name in _initializers():
            return _initializer(name, node, frame)
    if name == "shape" or name == "mask":
        return _of_tensor(name, node, frame)
    if name == "custom":
        raise frame.error("E0509", "custom() names an operator and is configured by a second pair of parentheses", node.place, 'y: float32[N, K] = x -> custom("com.example", "Op")(alpha=1)')
    function = registry.find_function(name)
    if function is not None or name in BUILTINS:
        return _call_function(name, function, node, frame)
    return _unknown(callee, node, frame)


def _unknown(callee: tree.Name, node: tree.Call, frame: Frame) -> Any:
    name = callee.id
    for argument in node.arguments:
        evaluate.expression(argument.value, frame)  # what is wrong in there is worth saying too
    bound = frame.names.get(name)
    if bound is not None:
        bound.read = True
        if isinstance(bound.value, Appliable):
            raise _applied_by_parentheses(bound.value, node, frame)
        if bound.value is POISON:
            return POISON
        raise frame.error("E0509", f"{name} is {kind_of(bound.value)} and cannot be called", callee.place)
    raise unknown(callee, frame)


def unknown(callee: tree.Expr, frame: Frame) -> Abort:
    """The error of a name before `(` that nothing declares."""
    name = callee.id if isinstance(callee, tree.Name) else ".".join(_path(callee) or ["this"])
    own = [n for n, d in frame.module.declared.items() if not isinstance(d, tree.Assign)]
    known = [*own, *frame.module.imported, *registry.layer_names(), *registry.function_names(), *BUILTINS, *_initializers(), "custom", "shape", "mask"]
    near = did_you_mean(name, known)
    if name in KERAS_MODEL_WORDS:
        help = KERAS_MODEL_WORDS[name]
    else:
        help = f"did you mean {near[0]}?" if near else "`archonnx layers` lists the layers"
    kind = "layer or block" if name[:1].isupper() else "block or function"
    return frame.error("E0202", f"there is no {kind} {name}", callee.place, help)


KERAS_MODEL_WORDS = {
    "Input": "declare an input on a line of its own: input x: float32[N, 224, 224, 3]",
    "InputLayer": "declare an input on a line of its own: input x: float32[N, 224, 224, 3]",
    "Sequential": "a model's body is its list of layers, one a line",
    "Model": "a model is declared: model NAME(): with its inputs, layers and outputs below",
    "Lambda": "write the expression itself: functions of tensors have numpy's names",
}


def _dotted(callee: tree.Attribute, node: tree.Call, frame: Frame) -> Any:
    parts = _path(callee)
    if parts is not None and parts[0] not in frame.names:
        prefix, name = ".".join(parts[:-1]), parts[-1]
        if prefix == "onnx":
            return _construct_raw(callee, node, frame)
        if prefix in PREFIXES:
            layer = registry.find_layer(name)
            if layer is None:
                return _unknown(tree.Name(callee.name_place, name), node, frame)
            return _construct_layer(layer, node, frame)
        if prefix in INITIALIZER_PREFIXES and name in _initializers():
            return _initializer(name, node, frame)
        if parts[0] in ("keras", "tf", "layers", "np", "numpy", "torch", "nn", "math"):
            raise frame.error("E0202", f"there is no {'.'.join(parts)}", callee.place, f"layers and functions are called by their own names: {name}(...)")
    value = evaluate.expression(callee.value, frame)
    for argument in node.arguments:
        evaluate.expression(argument.value, frame)
    if value is POISON:
        return POISON
    help = None
    if isinstance(value, Value):
        help = f"functions take the tensor first: {callee.name}(x, ...)"
    elif callee.name == "append" and isinstance(value, list):
        help = "lists grow by a new one: items = items + [x]"
    raise frame.error("E0508", f"{kind_of(value)} has no method {callee.name}", callee.name_place, help)


def _path(node: tree.Expr) -> list[str] | None:
    """`tf.keras.layers.Dense` as its parts, where it is names all the way."""
    parts: list[str] = []
    while isinstance(node, tree.Attribute):
        parts.append(node.name)
        node = node.value
    if not isinstance(node, tree.Name):
        return None
    return [node.id, *reversed(parts)]


def arguments_of(node: tree.Call, frame: Frame) -> list[Given]:
    """The arguments, evaluated in order; E0405 where a name stands twice."""
    given: list[Given] = []
    seen: set[str] = set()
    for argument in node.arguments:
        if argument.name is not None:
            if argument.name in seen:
                raise frame.error("E0405", f"{argument.name} is given twice", argument.place, "keep one of them")
            seen.add(argument.name)
        given.append(Given(argument.name, evaluate.expression(argument.value, frame), argument.place, argument.value.place))
    return given


def bind(
    given: Sequence[Given],
    parameters: Sequence[str],
    what: str,
    place: Place,
    frame: Frame,
    extras: Sequence[str] = (),
) -> dict[str, Given]:
    """Arguments by parameter, as Python binds them. Reports each misfit (E0402, E0404, E0405) and raises after the last."""
    bound: dict[str, Given] = {}
    before = len(frame.state.diagnostics.found)
    positional = [g for g in given if g.name is None]
    if len(positional) > len(parameters):
        accepts = f"at most {len(parameters)}" if parameters else "no"
        frame.report(
            "E0404",
            f"{what} takes {accepts} argument{'s' if len(parameters) != 1 else ''} by position, got {len(positional)}",
            positional[len(parameters)].place,
            "its parameters are " + ", ".join(parameters) if parameters else None,
        )
    for parameter, argument in zip(parameters, positional, strict=False):
        bound[parameter] = argument
    for argument in given:
        if argument.name is None:
            continue
        if argument.name in bound:
            frame.report("E0405", f"{what} got {argument.name} by position and by name", argument.place, "keep one of them")
        elif argument.name in parameters or argument.name in extras:
            bound[argument.name] = argument
        else:
            near = did_you_mean(argument.name, [*parameters, *extras])
            listed = ", ".join(parameters) if parameters else "none"
            help = f"did you mean {near[0]}?" if near else f"its arguments are {listed}" if parameters else f"{what} takes no arguments"
            frame.report("E0402", f"{what} has no argument {argument.name}", argument.place, help)
    if len(frame.state.diagnostics.found) > before:
        raise Abort(None)
    return bound


def _with_defaults(declared: object, given: list[Given], parameters: Sequence[str], what: str, node: tree.Call, frame: Frame, extras: Sequence[str]) -> dict[str, Given]:
    """Bind a constructor's arguments over what `defaults` lines above it in its file say."""
    bound: dict[str, Given] = {}
    for line in frame.module.defaults:
        if line.place.line < node.place.line and constructor_of(line.call, frame) is declared:
            inner = Frame(frame.state, frame.module, None, frame.scope, frame.trail)
            bound.update(bind(arguments_of(line.call, inner), parameters, what, line.call.place, inner, extras))
    bound.update(bind(given, parameters, what, node.place, frame, extras))
    return bound


def constructor_of(node: tree.Call, frame: Frame) -> object:
    """What a `defaults` line is about: the declaration or the layer class."""
    callee = node.function
    if isinstance(callee, tree.Name):
        found = find(callee.id, frame)
        return found[1] if found is not None else registry.find_layer(callee.id)
    parts = _path(callee)
    if parts is not None and ".".join(parts[:-1]) in PREFIXES:
        return registry.find_layer(parts[-1])
    return None


def _construct_block(declared: tree.Body | tree.Variant, module: Module, node: tree.Call, frame: Frame) -> Any:
    given = arguments_of(node, frame)
    if any(g.value is POISON for g in given):
        return POISON
    name = declared.name
    body, home, preset = resolve_variant(declared, module, frame, node.place)
    parameters = [p.name for p in body.parameters]
    bound = _with_defaults(declared, given, parameters, name, node, frame, ("name", "trainable"))
    extras = _extras(bound, frame)
    arguments = complete(body, home, {**preset, **{n: g.value for n, g in bound.items()}}, name, node.place, frame)
    made = AppliableBlock(frame.scope, node.place, extras[0], None, extras[1], body=body, module=home, arguments=arguments)
    frame.state.appliables.append((made, frame.trail))
    return made


def resolve_variant(declared: tree.Body | tree.Variant, module: Module, frame: Frame, place: Place) -> tuple[tree.Body, Module, dict[str, Any]]:
    """The body behind a variant, with the arguments that it and the variants under it set."""
    preset: dict[str, Any] = {}
    seen: list[object] = []
    while isinstance(declared, tree.Variant):
        if any(declared is s for s in seen):
            raise frame.error("E0210", f"the model {declared.name} is a variant of itself", declared.name_place)
        seen.append(declared)
        inner = Frame(frame.state, module, None, frame.scope)
        callee = declared.call.function
        found = find(callee.id, inner) if isinstance(callee, tree.Name) else None
        if found is None or isinstance(found[1], tree.Def):
            if isinstance(callee, tree.Name) and callee.id in module.failed_imports:
                raise Abort(None)
            names = [m.name for m in module.models() if m is not declared]
            near = did_you_mean(callee.id, names) if isinstance(callee, tree.Name) else []
            raise inner.error("E0202", "a variant is made of a model: model NAME = MODEL(arguments)", callee.place, f"did you mean {near[0]}?" if near else None)
        home, base = found
        parameters = _parameters(base, home, inner, declared.call.place)
        bound = bind(arguments_of(declared.call, inner), parameters, base.name, declared.call.place, inner)
        for name, argument in bound.items():
            preset.setdefault(name, argument.value)
        declared, module = base, home
    return declared, module, preset


def _parameters(declared: tree.Body | tree.Variant, module: Module, frame: Frame, place: Place) -> list[str]:
    if isinstance(declared, tree.Body):
        return [p.name for p in declared.parameters]
    return [p.name for p in resolve_variant(declared, module, frame, place)[0].parameters]


def complete(body: tree.Body | tree.Def, module: Module, values: dict[str, Any], what: str, place: Place, frame: Frame) -> dict[str, Any]:
    """The value of every parameter: what was given, else its default, which may use the parameters to its left."""
    inner = Frame(frame.state, module, None, frame.scope, frame.trail)
    done: dict[str, Any] = {}
    missing = [p.name for p in body.parameters if p.name not in values and p.default is None]
    if missing:
        raise frame.error("E0401", f"{what} needs {_listed(missing)}", place, f"{what}({', '.join(_signature(body))})")
    for parameter in body.parameters:
        if parameter.name in values:
            done[parameter.name] = values[parameter.name]
        else:
            assert parameter.default is not None
            done[parameter.name] = evaluate.expression(parameter.default, inner)
        inner.names[parameter.name] = Binding(done[parameter.name], parameter.place, "parameter")
    return done


def _listed(names: Sequence[str]) -> str:
    word = "the argument" if len(names) == 1 else "the arguments"
    return f"{word} {', '.join(names)}"


def _signature(body: tree.Body | tree.Def) -> list[str]:
    return [p.name if p.default is None else f"{p.name}=..." for p in body.parameters]


def _extras(bound: dict[str, Given], frame: Frame) -> tuple[str | None, bool]:
    """`name=` and `trainable=`, which every layer takes; taken out of `bound`."""
    name, trainable = bound.pop("name", None), bound.pop("trainable", None)
    given: str | None = None
    if name is not None and name.value is not None:
        if not isinstance(name.value, str):
            raise frame.error("E0403", f"name is a string, got {kind_of(name.value)}", name.value_place)
        if not name.value or "/" in name.value or "#" in name.value or any(c.isspace() or ord(c) < 32 for c in name.value):
            raise frame.error("E0403", f"{show(name.value)} is no name of a layer: letters, digits and punctuation, no space, `/` or `#`", name.value_place)
        given = name.value
    if trainable is not None and not isinstance(trainable.value, bool):
        raise frame.error("E0403", f"trainable is True or False, got {kind_of(trainable.value)}", trainable.value_place)
    return given, trainable is None or bool(trainable.value)


def _call_def(declared: tree.Def, module: Module, node: tree.Call, frame: Frame) -> Any:
    given = arguments_of(node, frame)
    if is_poisoned(*(g.value for g in given)):
        return POISON
    if any(declared is d for d in frame.state.calling):
        raise frame.error("E0213", f"the function {declared.name} calls itself", node.place, "functions are expressions without recursion")
    bound = bind(given, [p.name for p in declared.parameters], declared.name, node.place, frame)
    frame.state.calling.append(declared)
    try:
        values = complete(declared, module, {n: g.value for n, g in bound.items()}, declared.name, node.place, frame)
        inner = Frame(frame.state, module, None, frame.scope, frame.trail)
        inner.names = {n: Binding(v, node.place, "parameter") for n, v in values.items()}
        return evaluate.expression(declared.value, inner)
    finally:
        frame.state.calling.pop()


def _construct_layer(layer: type[Layer], node: tree.Call, frame: Frame) -> Any:
    given = arguments_of(node, frame)
    bound = _with_defaults(layer, given, list(layer.declared), layer.__name__, node, frame, LAYER_EXTRAS)
    return construct(layer, bound, node, frame)


def construct(layer: type[Layer], bound: dict[str, Given], node: tree.Call, frame: Frame) -> Any:
    """A layer of the library from its bound arguments; each value is held against its domain (E0403)."""
    from archonnx.compiler.layers.domains import DomainError

    name = layer.__name__
    if any(g.value is POISON for g in bound.values()):
        return POISON
    tensors = [g for g in bound.values() if holds_tensor(g.value)]
    if tensors:
        text = f"x -> {name}(...)"
        raise frame.error("E0607", f"{name} is configured in parentheses and applied by the arrow: a tensor does not go in", tensors[0].place, f"write {text}")
    given_name, trainable = _extras(bound, frame)
    values: dict[str, Any] = {}
    before = len(frame.state.diagnostics.found)
    for argument in layer.declared.values():
        if argument.name not in bound:
            if argument.required:
                missing = [a.name for a in layer.declared.values() if a.required and a.name not in bound]
                frame.report("E0401", f"{name} needs {_listed(missing)}", node.place, f"{name}({_layer_signature(layer)})")
                break
            values[argument.name] = argument.default
            continue
        one = bound[argument.name]
        try:
            values[argument.name] = argument.domain.parse(_plain(one.value))
        except DomainError as error:
            frame.report("E0403", f"{argument.name} of {name} is {error.expected}, got {show(one.value)}", one.value_place, getattr(error, "help", None))
    if len(frame.state.diagnostics.found) > before:
        raise Abort(None)
    for argument in layer.declared.values():
        values[argument.name] = _parse_default(argument, values[argument.name], argument.name in bound)
    made = layer(values)
    places = {n: g.value_place for n, g in bound.items()}
    try:
        made.validate()
    except LayerError as error:
        raise apply.layer_error(error, frame, node.place, places) from None
    made.place = node.place
    appliable = AppliableLayer(frame.scope, node.place, given_name, None, trainable, layer=made, argument_places=places)
    for extra in LAYER_EXTRAS[2:]:
        if extra in bound and extra not in layer.declared:
            appliable.announced_shape = apply.announced_shape(extra, bound[extra], frame)
    frame.state.appliables.append((appliable, frame.trail))
    return appliable


def _parse_default(argument: Argument, value: Any, given: bool) -> Any:
    """Defaults are written as a user would write them: they pass through the domain too, unless it does not take them (None)."""
    if given or value is None:
        return value
    return argument.domain.parse(value)


def _plain(value: Any) -> Any:
    """What a domain gets: a wrapped layer as the layer itself, dtypes by name, ranges as lists."""
    if isinstance(value, AppliableLayer):
        value.uses += 1  # a wrapper applies it
        return value.layer
    from archonnx.compiler.elaborate.values import DTypeValue

    if isinstance(value, DTypeValue):
        return value.name
    if isinstance(value, range):
        return list(value)
    return value


def _layer_signature(layer: type[Layer]) -> str:
    return ", ".join(a.name if a.required else f"{a.name}=..." for a in list(layer.declared.values())[:6]) + (", ..." if len(layer.declared) > 6 else "")


def _construct_raw(callee: tree.Attribute, node: tree.Call, frame: Frame) -> Any:
    from archonnx.compiler.functions.raw import raw_operator

    try:
        layer = raw_operator(callee.name, frame.state.opset)
    except LayerError as error:
        raise apply.layer_error(error, frame, callee.place, {}) from None
    bound = bind(arguments_of(node, frame), list(layer.declared), f"onnx.{callee.name}", node.place, frame, ("name", "trainable"))
    return construct(layer, bound, node, frame)


def _custom(callee: tree.Call, node: tree.Call, frame: Frame) -> Any:
    from archonnx.compiler.functions.custom import custom_operator

    which = arguments_of(callee, frame)
    if len(which) != 2 or not all(isinstance(g.value, str) and g.value for g in which):
        raise frame.error("E0509", "custom() takes a domain and an operator's name, two strings", callee.place, 'custom("com.example", "Op")')
    given = arguments_of(node, frame)
    if is_poisoned(*(g.value for g in given)):
        return POISON
    if any(g.name is None for g in given):
        raise frame.error("E0404", "attributes of a custom operator are given by name", node.place)
    try:
        layer = custom_operator(which[0].value, which[1].value, {g.name: _plain(g.value) for g in given if g.name not in ("name", "trainable")})
    except LayerError as error:
        raise apply.layer_error(error, frame, callee.place, {g.name or "": g.value_place for g in given}) from None
    bound = {g.name: g for g in given if g.name is not None}
    return construct(layer, {n: g for n, g in bound.items() if n in layer.declared or n in ("name", "trainable")}, node, frame)


def _call_function(name: str, function: type[Layer] | None, node: tree.Call, frame: Frame) -> Any:
    """A tensor function where a tensor is among the arguments or the function makes one, else one of compile-time values."""
    given = arguments_of(node, frame)
    if is_poisoned(*(g.value for g in given)):
        return POISON
    tensors = any(holds_tensor(g.value) for g in given)
    if function is not None and (tensors or (not function.inputs and name not in BUILTINS)):
        return apply.call_function(function, name, given, node, frame)
    if name in BUILTINS:
        if tensors:
            raise frame.error("E0509", f"{name}() takes no tensor", node.place, "its length is shape(x)[0]" if name == "len" else None)
        named = [g for g in given if g.name is not None]
        if named:
            raise frame.error("E0402", f"{name}() takes its arguments by position", named[0].place)
        try:
            return BUILTINS[name](*(g.value for g in given))
        except Problem as problem:
            raise frame.problem(problem, node.place) from None
    raise frame.error("E0509", f"{name}() needs a tensor among its arguments", node.place)


def _of_tensor(name: str, node: tree.Call, frame: Frame) -> Any:
    given = arguments_of(node, frame)
    if is_poisoned(*(g.value for g in given)):
        return POISON
    if len(given) != 1 or not isinstance(given[0].value, Value):
        got = kind_of(given[0].value) if len(given) == 1 else f"{len(given)} arguments"
        raise frame.error("E0509", f"{name}() takes one tensor, got {got}", node.place)
    tensor = given[0].value
    if name == "shape":
        return tuple(tensor.type.shape)
    if tensor.mask is None:
        raise frame.error("E0511", "this tensor carries no mask", given[0].place, "Masking and Embedding(mask_zero=True) set one, and not every layer passes it on")
    return tensor.mask


def _initializers() -> Any:
    from archonnx.compiler.weights.initializers import CLASSES

    return CLASSES


def _initializer(name: str, node: tree.Call, frame: Frame) -> Any:
    from archonnx.compiler.weights.initializers import InitializerError, from_call

    given = arguments_of(node, frame)
    if is_poisoned(*(g.value for g in given)):
        return POISON
    try:
        return from_call(name, [g.value for g in given if g.name is None], {g.name: g.value for g in given if g.name is not None})
    except InitializerError as error:
        raise frame.error(error.code, error.message, node.place, error.help) from None

