"""Which argument belongs to which parameter, and what the parameters left out are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from archonnx.compiler.elaborate import evaluate, library
from archonnx.compiler.elaborate.loader import Module
from archonnx.compiler.elaborate.state import Binding, Frame
from archonnx.compiler.elaborate.values import (
    Abort,
    kind_of,
    show,
)
from archonnx.compiler.layers.base import Layer
from archonnx.compiler.syntax import tree
from archonnx.contract.diagnostics import Place, did_you_mean

PREFIXES = ("layers", "keras.layers", "tf.keras.layers")


LAYER_EXTRAS = ("name", "trainable", "input_shape", "batch_input_shape", "input_dim", "dtype")


@dataclass(slots=True)
class Given:
    """An evaluated argument."""

    name: str | None
    value: Any
    place: Place
    value_place: Place


def find(name: str, frame: Frame) -> tuple[Module, Any] | None:
    """The declaration that a name before `(` means in this file: a body, variant or def, with the file it stands in."""
    module = frame.module
    if name in module.imported:
        module, name = module.imported[name]
    declared = module.declared.get(name)
    if declared is None or isinstance(declared, tree.Assign):
        return None
    return module, declared


def dotted_path(node: tree.Expr) -> list[str] | None:
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
        given.append(
            Given(argument.name, evaluate.expression(argument.value, frame), argument.place, argument.value.place)
        )
    return given


def bind(
    given: Sequence[Given],
    parameters: Sequence[str],
    what: str,
    place: Place,
    frame: Frame,
    extras: Sequence[str] = (),
    inputs: Sequence[str] = (),
) -> dict[str, Given]:
    """Arguments by parameter, as Python binds them. Reports each misfit (E0402, E0404, E0405), then raises.

    `inputs` are names that are written left of the arrow, for the mend.
    """
    bound: dict[str, Given] = {}
    before = frame.reports
    positional = [g for g in given if g.name is None]
    if len(positional) > len(parameters):
        accepts = f"at most {len(parameters)}" if parameters else "no"
        frame.report(
            "E0404",
            f"{what} takes {accepts} argument{'s' if len(parameters) != 1 else ''} by position, got {len(positional)}",
            positional[len(parameters)].place,
            ("its parameters are " if len(parameters) > 1 else "its parameter is ") + ", ".join(parameters)
            if parameters
            else None,
        )
    for parameter, argument in zip(parameters, positional, strict=False):
        bound[parameter] = argument
    for argument in given:
        if argument.name is None:
            continue
        if argument.name in bound:
            frame.report(
                "E0405", f"{what} got {argument.name} by position and by name", argument.place, "keep one of them"
            )
        elif argument.name in parameters or argument.name in extras:
            bound[argument.name] = argument
        else:
            near = did_you_mean(argument.name, [*parameters, *extras])
            listed = ", ".join(parameters) if parameters else "none"
            help = (
                input_help(argument.name, what)
                if argument.name in inputs
                else f"did you mean {near[0]}?"
                if near
                else f"its arguments are {listed}"
                if parameters
                else f"{what} takes no arguments"
            )
            frame.report("E0402", f"{what} has no argument {argument.name}", argument.place, help)
    if frame.reports > before:
        raise Abort(None)
    return bound


def input_help(name: str, layer: str) -> str:
    """The mend where an input is written among the arguments."""
    return f"{name} is an input, left of the arrow: (..., {name}=...) -> {layer}(...)"


def input_names(declared: object) -> list[str]:
    """The names of a layer's inputs; of a block none, as its parameters may have the same."""
    if not (isinstance(declared, type) and issubclass(declared, Layer)):
        return []
    return [entry.strip("*?") for entry in declared.inputs]


def with_defaults(
    declared: object,
    given: list[Given],
    parameters: Sequence[str],
    what: str,
    node: tree.Call,
    frame: Frame,
    extras: Sequence[str],
) -> dict[str, Given]:
    """Bind a constructor's arguments over what `defaults` lines above it in its file say."""
    bound: dict[str, Given] = {}
    for line in frame.module.defaults:
        if line.place.line < node.place.line and constructor_of(line.call, frame) is declared:
            inner = Frame(frame.state, frame.module, None, frame.scope, frame.trail)
            bound.update(bind(arguments_of(line.call, inner), parameters, what, line.call.place, inner, extras))
    bound.update(bind(given, parameters, what, node.place, frame, extras, input_names(declared)))
    return bound


def constructor_of(node: tree.Call, frame: Frame) -> object:
    """What a `defaults` line is about: the declaration or the layer class."""
    callee = node.function
    if isinstance(callee, tree.Name):
        found = find(callee.id, frame)
        return found[1] if found is not None else library.find_layer(callee.id, frame, callee.place)
    parts = dotted_path(callee)
    if parts is not None and ".".join(parts[:-1]) in PREFIXES:
        return library.find_layer(parts[-1], frame, callee.place)
    return None


def complete(
    body: tree.Body | tree.Def, module: Module, values: dict[str, Any], what: str, place: Place, frame: Frame
) -> dict[str, Any]:
    """The value of every parameter: what was given, else its default, which may use the parameters to its left."""
    inner = Frame(frame.state, module, None, frame.scope, frame.trail)
    done: dict[str, Any] = {}
    missing = [p.name for p in body.parameters if p.name not in values and p.default is None]
    if missing:
        raise frame.error("E0401", f"{what} needs {listed(missing)}", place, f"{what}({', '.join(_signature(body))})")
    for parameter in body.parameters:
        if parameter.name in values:
            done[parameter.name] = values[parameter.name]
        else:
            assert parameter.default is not None
            done[parameter.name] = evaluate.expression(parameter.default, inner)
        inner.names[parameter.name] = Binding(done[parameter.name], parameter.place, "parameter")
    return done


def listed(names: Sequence[str]) -> str:
    word = "the argument" if len(names) == 1 else "the arguments"
    return f"{word} {', '.join(names)}"


def _signature(body: tree.Body | tree.Def) -> list[str]:
    return [p.name if p.default is None else f"{p.name}=..." for p in body.parameters]


def extras_of(bound: dict[str, Given], frame: Frame) -> tuple[str | None, bool]:
    """`name=` and `trainable=`, which every layer takes; taken out of `bound`."""
    name, trainable = bound.pop("name", None), bound.pop("trainable", None)
    given: str | None = None
    if name is not None and name.value is not None:
        if not isinstance(name.value, str):
            raise frame.error("E0403", f"name is a string, got {kind_of(name.value)}", name.value_place)
        if (
            not name.value
            or "/" in name.value
            or "#" in name.value
            or any(c.isspace() or ord(c) < 32 for c in name.value)
        ):
            raise frame.error(
                "E0403",
                f"{show(name.value)} is no name of a layer: letters, digits and punctuation, no space, `/` or `#`",
                name.value_place,
            )
        given = name.value
    if trainable is not None and not isinstance(trainable.value, bool):
        raise frame.error("E0403", f"trainable is True or False, got {kind_of(trainable.value)}", trainable.value_place)
    return given, trainable is None or bool(trainable.value)
