"""Calls: what stands before the parentheses, and which argument belongs to which parameter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from archonnx.compiler.elaborate import binding, construct, evaluate, library, pasted, tensors
from archonnx.compiler.elaborate.arithmetic import Problem
from archonnx.compiler.elaborate.builtins import BUILTINS
from archonnx.compiler.elaborate.state import Frame
from archonnx.compiler.elaborate.values import (
    POISON,
    Abort,
    Appliable,
    holds_tensor,
    is_poisoned,
    kind_of,
)
from archonnx.compiler.graph import Value
from archonnx.compiler.layers import registry
from archonnx.compiler.layers.base import Layer
from archonnx.compiler.syntax import tree
from archonnx.contract.diagnostics import Place, did_you_mean

INITIALIZER_PREFIXES = ("initializers", "keras.initializers", "tf.keras.initializers")


@dataclass(slots=True)
class Inputs:
    """What stands left of an arrow where inputs are named."""

    given: list[tuple[str | None, Any, Place]]


def call(node: tree.Call, frame: Frame) -> Any:
    """The value of a call."""
    callee = node.function
    if isinstance(callee, tree.Name):
        return _named(callee, node, frame)
    if isinstance(callee, tree.Attribute):
        return _dotted(callee, node, frame)
    if isinstance(callee, tree.Call):
        if (
            isinstance(callee.function, tree.Name)
            and callee.function.id == "custom"
            and binding.find("custom", frame) is None
        ):
            return construct.custom(callee, node, frame)
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
    text = frame.module.file.line(node.place.line)
    one_line = node.place.line == node.place.end_line
    inner = text[node.function.place.column - 1 : node.function.place.end_column - 1] if one_line else value.constructor
    source = ", ".join(text[a.place.column - 1 : a.place.end_column - 1] for a in node.arguments) if one_line else "x"
    source = f"({source})" if len(node.arguments) > 1 else source or "x"
    return frame.error(
        "E0607", "a layer is applied by the arrow, not by parentheses", node.place, f"write {source} -> {inner}"
    )


def describe_callable(name: str, frame: Frame) -> tuple[str, str] | None:
    """What a name is before `(`, for messages, with an example of its use; None where it is nothing."""
    found = binding.find(name, frame)
    if found is not None:
        declared = found[1]
        if isinstance(declared, tree.Body):
            return f"a {declared.kind}", f"x -> {name}(...)"
        return ("a model", f"x -> {name}()") if isinstance(declared, tree.Variant) else ("a function", f"{name}(...)")
    if registry.find_function(name) is not None:
        return "a function of tensors", f"{name}(x)"
    if name in BUILTINS:
        return "a function", f"{name}(...)"
    if name[:1].isupper() and library.is_layer(name):
        return "a layer", f"x -> {name}(...)"
    return None


def _named(callee: tree.Name, node: tree.Call, frame: Frame) -> Any:
    name = callee.id
    found = binding.find(name, frame)
    if found is not None:
        module, declared = found
        if isinstance(declared, tree.Def):
            return construct.call_def(declared, module, node, frame)
        return construct.construct_block(declared, module, node, frame)
    if name in frame.module.failed_imports:
        for argument in node.arguments:
            evaluate.expression(argument.value, frame)
        return POISON
    if name[:1].isupper():
        layer = library.find_layer(name, frame, callee.place)
        if layer is not None:
            return construct.construct_layer(layer, node, frame)
        if name in _initializers():
            return _initializer(name, node, frame)
    kept = pasted.training_only([name])
    if kept is not None:
        binding.arguments_of(node, frame)
        return kept
    if name == "shape" or name == "mask":
        return _of_tensor(name, node, frame)
    if name == "custom":
        raise frame.error(
            "E0509",
            "custom() names an operator and is configured by a second pair of parentheses",
            node.place,
            'y: float32[N, K] = x -> custom("com.example", "Op")(alpha=1)',
        )
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
    name = callee.id if isinstance(callee, tree.Name) else ".".join(binding.dotted_path(callee) or ["this"])
    own = [n for n, d in frame.module.declared.items() if not isinstance(d, tree.Assign)]
    known = [
        *own,
        *frame.module.imported,
        *library.constructors(),
        *registry.function_names(),
        *BUILTINS,
        *_initializers(),
        "custom",
        "shape",
        "mask",
    ]
    if name[:1].isupper():  # a layer was meant: functions are near only where they are the same word
        known = [k for k in known if k[:1].isupper() or k in own or k.lower() == name.lower()]
    near = did_you_mean(name, known)
    if name in KERAS_MODEL_WORDS:
        help = KERAS_MODEL_WORDS[name]
    else:
        help = f"did you mean {near[0]}?" if near else "`archonnx layers` lists the layers"
        if name in registry.NOT_OFFERED:
            help = f"Keras' {name} {registry.NOT_OFFERED[name]}"
    kind = "layer or block" if name[:1].isupper() else "block or function"
    return frame.error("E0202", f"there is no {kind} {name}", callee.place, help)


def is_known(name: str) -> bool:
    """Whether a name before `(` means something of the library."""
    return (
        name in ("custom", "shape", "mask", "RNN")
        or name in BUILTINS
        or registry.find_function(name) is not None
        or name in _initializers()
        or name in pasted.TRAINING_ONLY
    )


KERAS_MODEL_WORDS = {
    "Input": "declare an input on a line of its own: input x: float32[N, 224, 224, 3]",
    "InputLayer": "declare an input on a line of its own: input x: float32[N, 224, 224, 3]",
    "Sequential": "a model's body is its list of layers, one a line",
    "Model": "a model is declared: model NAME(): with its inputs, layers and outputs below",
    "Lambda": "write the expression itself: functions of tensors have numpy's names",
}


def _dotted(callee: tree.Attribute, node: tree.Call, frame: Frame) -> Any:
    parts = binding.dotted_path(callee)
    if parts is not None and parts[0] not in frame.names:
        prefix, name = ".".join(parts[:-1]), parts[-1]
        if prefix == "onnx":
            return construct.construct_raw(callee, node, frame)
        if prefix in binding.PREFIXES:
            layer = library.find_layer(name, frame, callee.name_place)
            if layer is None:
                return _unknown(tree.Name(callee.name_place, name), node, frame)
            return construct.construct_layer(layer, node, frame)
        if prefix in INITIALIZER_PREFIXES and name in _initializers():
            return _initializer(name, node, frame)
        kept = pasted.training_only(parts)
        if kept is not None:
            binding.arguments_of(node, frame)
            return kept
        if name in KERAS_MODEL_WORDS and parts[0] in ("keras", "tf"):
            raise frame.error("E0202", f"there is no {'.'.join(parts)}", callee.place, KERAS_MODEL_WORDS[name])
        if parts[0] in ("keras", "tf", "layers", "np", "numpy", "torch", "nn", "math"):
            raise frame.error(
                "E0202",
                f"there is no {'.'.join(parts)}",
                callee.place,
                f"layers and functions are called by their own names: {name}(...)",
            )
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


def _call_function(name: str, function: type[Layer] | None, node: tree.Call, frame: Frame) -> Any:
    """A tensor function where a tensor is an argument or the function makes one, else one of compile-time values."""
    given = binding.arguments_of(node, frame)
    if is_poisoned(*(g.value for g in given)):
        return POISON
    among = any(holds_tensor(g.value) for g in given)
    alone = function is not None and (function.of_numbers or (not function.inputs and name not in BUILTINS))
    if function is not None and (among or alone):
        return tensors.call_function(function, name, given, node, frame)
    if name in BUILTINS:
        if among:
            raise frame.error(
                "E0509", f"{name}() takes no tensor", node.place, "its length is shape(x)[0]" if name == "len" else None
            )
        named = [g for g in given if g.name is not None]
        if named:
            raise frame.error("E0402", f"{name}() takes its arguments by position", named[0].place)
        frame.state.walk(node.place, *[g.value for g in given])
        try:
            return BUILTINS[name](*[g.value for g in given])
        except Problem as problem:
            raise frame.problem(problem, node.place) from None
    raise frame.error("E0509", f"{name}() needs a tensor among its arguments", node.place)


def _of_tensor(name: str, node: tree.Call, frame: Frame) -> Any:
    given = binding.arguments_of(node, frame)
    if is_poisoned(*(g.value for g in given)):
        return POISON
    if len(given) != 1 or not isinstance(given[0].value, Value):
        got = kind_of(given[0].value) if len(given) == 1 else f"{len(given)} arguments"
        raise frame.error("E0509", f"{name}() takes one tensor, got {got}", node.place)
    tensor = given[0].value
    if name == "shape":
        return tuple(tensor.type.shape)
    if tensor.mask is None:
        raise frame.error(
            "E0511",
            "this tensor carries no mask",
            given[0].place,
            "Masking and Embedding(mask_zero=True) set one, and not every layer passes it on",
        )
    return tensor.mask


def _initializers() -> Any:
    from archonnx.compiler.weights.initializers import CLASSES

    return CLASSES


def _initializer(name: str, node: tree.Call, frame: Frame) -> Any:
    from archonnx.compiler.weights.initializers import InitializerError, from_call

    given = binding.arguments_of(node, frame)
    if is_poisoned(*(g.value for g in given)):
        return POISON
    for argument in given:
        construct.bounded_nest(argument.value, argument.value_place, frame)
    try:
        return from_call(
            name, [g.value for g in given if g.name is None], {g.name: g.value for g in given if g.name is not None}
        )
    except InitializerError as error:
        raise frame.error(error.code, error.message, node.place, error.help) from None
