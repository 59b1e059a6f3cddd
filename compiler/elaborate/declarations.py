"""The declarations of a body: inputs, outputs, weights, requirements, assets."""

from __future__ import annotations

import os
import re
from typing import Any

from archonnx.compiler import assets
from archonnx.compiler.elaborate import construct, evaluate, rules, tensors, types
from archonnx.compiler.elaborate.arithmetic import truth, whole
from archonnx.compiler.elaborate.state import Binding, Frame
from archonnx.compiler.elaborate.values import POISON, Abort, Appliable, Results, is_poisoned, kind_of, show
from archonnx.compiler.graph import Asset, Input, Requirement, Value
from archonnx.compiler.layers.base import LayerError
from archonnx.compiler.syntax import tree
from archonnx.contract.diagnostics import Place
from archonnx.contract.dims import Condition, Verdict


def first_input(frame: Frame, binding: Binding) -> None:
    """The only input is the first `it`; a second one unsets it."""
    inputs = sum(1 for b in frame.names.values() if b.kind == "input")
    if inputs == 1 and frame.it is None and not isinstance(binding.value, list):
        frame.it, frame.it_is_input = binding, True
    elif inputs > 1 and frame.it_is_input:
        frame.it, frame.it_is_input = None, False


def input_statement(node: tree.Input, frame: Frame) -> None:
    earlier = frame.names.get(node.name)
    if earlier is not None and earlier.kind == "input":
        raise frame.error("E0609", f"the input {node.name} is declared twice", node.name_place)
    if earlier is not None and earlier.kind == "parameter":
        raise frame.error(
            "E0609", f"{node.name} is a parameter and an input", node.name_place, "give one of them another name"
        )
    count = None
    if node.count is not None:
        count = whole(evaluate.expression(node.count, frame), f"the number of inputs {node.name}")
        if count < 0:
            raise frame.error("E0609", f"the number of inputs {node.name} is {count}", node.count.place)
    frame.inputs.append(node.name)
    if frame.is_model:
        value = _declare_inputs(node, count, frame)
    else:
        value = _take_input(node, count, frame)
        if frame.cell is not None and value is not None and value is not POISON:
            value = frame.cell.enter(node, value, frame)
    binding = Binding(value, node.name_place, "input")
    if value is None:
        binding.read = True
        binding.kind = "absent"
    frame.names[node.name] = binding
    if value is not None:
        first_input(frame, binding)


def _declare_inputs(node: tree.Input, count: int | None, frame: Frame) -> Any:
    if node.optional and node.name in frame.omitted:
        return None
    if node.type is None:
        raise frame.error(
            "E0613",
            "an input of a model needs its type",
            node.place,
            f"write input {node.name}: float32[N, 224, 224, 3]",
        )
    type, axes = types.declare_input(node.type, frame)
    names = [node.name] if count is None else [f"{node.name}_{i}" for i in range(count)]
    made: list[Value] = []
    taken = {i.name for i in frame.state.graph.inputs}
    given = {o.name for o in frame.state.graph.outputs}
    for name in names:
        if name in taken:
            raise frame.error("E0609", f"two inputs are called {name}", node.name_place)
        if name in given:
            help = "give one of them another name"
            raise frame.error("E0609", f"{name} is an input and an output", node.name_place, help)
        value = Value(type, None, 0, name, place=node.place)
        frame.state.axis_places[id(value)] = axes
        frame.state.graph.inputs.append(
            Input(name, value, node.optional, None if count is None else node.name, node.place)
        )
        made.append(value)
    return made[0] if count is None else made


def _take_input(node: tree.Input, count: int | None, frame: Frame) -> Any:
    """The caller's tensor for a block's input: by its name, else the next by position."""
    assert frame.body is not None
    assert frame.application is not None
    what = f"input {node.name} of {frame.body.name}"
    at = next((i for i, g in enumerate(frame.given) if g[0] == node.name), None)
    if at is None:
        at = next((i for i, g in enumerate(frame.given) if g[0] is None), None)
    if at is None:
        if node.optional:
            return None
        if frame.cell is not None and frame.cell.inputs:
            return frame.cell.unset(node, count, frame)
        names = [s.name for s in frame.body.statements if isinstance(s, tree.Input)]
        help = f"({', '.join(names)}) -> {frame.body.name}(...)" if len(names) > 1 else None
        raise frame.outside().error("E0604", f"{frame.body.name} needs its input {node.name}", frame.application, help)
    value = frame.given.pop(at)[1]
    if value is None and node.optional:
        return None
    if is_poisoned(value):
        return POISON
    if count is not None:
        if not isinstance(value, (list, tuple)) or len(value) != count or not all(isinstance(v, Value) for v in value):
            raise frame.outside().error(
                "E0604", f"{what} is a list of {count} tensors, got {kind_of(value)}", frame.application
            )
        if node.type is not None:
            for i, one in enumerate(value):
                types.match(node.type, one, frame, f"{what} ({i})", frame.application)
        return list(value)
    if not isinstance(value, Value):
        help = "unpack several results first: (a, b) = ..." if isinstance(value, Results) else None
        raise frame.outside().error("E0606", f"{what} is a tensor, got {kind_of(value)}", frame.application, help)
    if node.type is not None:
        types.match(node.type, value, frame, what, frame.application)
    return value


def output_statement(node: tree.Output, frame: Frame) -> None:
    if node.value is not None:
        value = evaluate.expression(node.value, frame)
    else:
        assert node.name is not None
        bound = frame.names.get(node.name)
        if bound is not None and (bound.kind in ("tensor", "input") or isinstance(bound.value, (Value, list))):
            bound.read = True
            value = bound.value
        else:
            value = evaluate.current(frame, node.place)
    if value is POISON or is_poisoned(value):
        raise Abort(None)
    count = None
    if node.count is not None:
        count = whole(evaluate.expression(node.count, frame), f"the number of outputs {node.name}")
    name = node.name
    if name is None:
        if frame.is_model:
            raise frame.error("E0612", "an output of a model has a name", node.place, "write output NAME = tensor")
        if isinstance(value, (Results, list, tuple)):
            raise frame.error("E0614", f"an output is one tensor, got {kind_of(value)}", node.place)
    if isinstance(value, list) and (count is not None or node.state):
        _family(node, value, count, frame)
        return
    if not isinstance(value, Value):
        help = (
            f"give the list a count: output {name or 'present'}[{len(value)}] = ..."
            if isinstance(value, list)
            else "unpack several results first"
            if isinstance(value, Results)
            else None
        )
        raise frame.error(
            "E0614", f"the output {name or ''} is a tensor, got {kind_of(value)}".replace("  ", " "), node.place, help
        )
    if node.type is not None:
        types.match(node.type, value, frame, f"output {name}", node.type.place)
    _give(name, value, node, frame, None)
    if node.value is not None and name is not None:
        frame.names[name] = Binding(value, node.place, "tensor", read=True)


def _family(node: tree.Output, values: list[Any], count: int | None, frame: Frame) -> None:
    assert node.name is not None
    if count is not None and count != len(values):
        raise frame.error("E0614", f"output {node.name}[{count}] got a list of {len(values)}", node.place)
    for value in values:
        if not isinstance(value, Value):
            raise frame.error(
                "E0614", f"output {node.name} is a list of tensors, got {kind_of(value)} in it", node.place
            )
        if node.type is not None:
            types.match(node.type, value, frame, f"output {node.name}", node.type.place)
    if not frame.is_model:
        if any(n == node.name for n, _, _ in frame.outputs):
            raise frame.error("E0609", f"the output {node.name} is given twice", node.place)
        frame.outputs.append((node.name, list(values), node.place))
        return
    for i, value in enumerate(values):
        _give(f"{node.name}_{i}", value, node, frame, node.name)


def _give(name: str | None, value: Value, node: tree.Output, frame: Frame, family: str | None) -> None:
    if name is not None and any(n == name for n, _, _ in frame.outputs):
        raise frame.error("E0609", f"the output {name} is given twice", node.place)
    if frame.is_model:
        from archonnx.compiler.graph import Output

        state = _state_input(name, value, node, frame) if node.state else None
        inputs = {i.name for i in frame.state.graph.inputs}
        assert name is not None
        given = name
        if name in inputs:
            if not node.state:
                raise frame.error(
                    "E0609", f"{name} is an input and an output", node.place, "give the output another name"
                )
            given = f"{name}_next"  # ONNX wants every name once: the next value of state h leaves as h_next
        others = {o.name for o in frame.state.graph.outputs} | (inputs if given != name else set())
        if given in others:
            what = f"the next value of {given.removesuffix('_next')} leaves the file as {given}, which is taken twice"
            raise frame.error("E0609", what, node.place, f"give the other {given} another name")
        frame.state.graph.outputs.append(Output(given, value, state, family, node.place))
    frame.outputs.append((name, value, node.place))


def _state_input(name: str | None, value: Value, node: tree.Output, frame: Frame) -> str | None:
    """The input whose next value this is; their types must agree."""
    match = next((i for i in frame.state.graph.inputs if i.name == name), None)
    if match is None:
        raise frame.error(
            "E0610",
            f"there is no input {name} whose next value this could be",
            node.place,
            "a state output has the name of its input",
        )
    mine, theirs = value.type, match.value.type
    if mine.dtype != theirs.dtype or len(mine.shape) != len(theirs.shape):
        raise frame.error("E0610", f"the state {name} is {theirs}, its next value {mine}", node.place)
    for axis, (before, after) in enumerate(zip(theirs.shape, mine.shape, strict=True)):
        # a symbolic axis may grow from step to step, as a cache of past tokens does; a number stays
        if isinstance(before, int) and frame.state.facts.equal(before, after) is not Verdict.YES:
            raise frame.error(
                "E0610",
                f"the state {name} is {theirs}, its next value {mine}: axis {axis} cannot be fed back",
                node.place,
                "a size that is a number stays from call to call; an axis that grows is a symbol",
            )
    return name


def weight_statement(node: tree.Weight, frame: Frame) -> None:
    kind = "weight" if node.trainable else "buffer"
    if node.type.shape is None:
        raise frame.error("E0388", f"a {kind} needs its shape", node.type.place, f'{kind} {node.name}: [64] = "ones"')
    dtype = types.dtype_of(node.type.dtype, frame) if node.type.dtype is not None else "float32"
    shape: list[int] = []
    for entry in node.type.shape:
        if isinstance(entry, tree.Literal) and entry.value is ...:
            raise frame.error("E0388", f"the shape of a {kind} is written out: `...` has no place in it", entry.place)
        size = frame.state.facts.normalize(types.size_of(entry, frame))
        if not isinstance(size, int):
            raise frame.error(
                "E0388",
                f"the shape of a {kind} is numbers, got {size}",
                entry.place,
                "give that axis a number where it is declared",
            )
        shape.append(size)
    initializer = (
        evaluate.expression(node.initializer, frame)
        if node.initializer is not None
        else "glorot_uniform"
        if node.trainable
        else "zeros"
    )
    if is_poisoned(initializer):
        raise Abort(None)
    if isinstance(initializer, (Value, Appliable)):
        raise frame.error(
            "E0701",
            f"an initializer is a string, a call or nested lists of numbers, got {kind_of(initializer)}",
            node.place,
        )
    place = node.initializer.place if node.initializer is not None else node.place
    construct.bounded_nest(initializer, place, frame)
    earlier = frame.names.get(node.name)
    name = node.name
    if not frame.scope.claim(name):
        name = frame.scope.automatic(name, hinted=True)
    if earlier is not None:
        frame.check_read(node.name, earlier)
    path = frame.scope.join(name)
    try:
        made = rules.declare_weight(
            path,
            dtype,
            tuple(shape),
            initializer,
            node.trainable and frame.trainable,
            frame,
            node.place,
            f"the {kind} {name}",
        )
    except LayerError as error:
        raise rules.layer_error(error, frame, place, {}) from None
    frame.names[node.name] = Binding(tensors.reference(made, frame, node.place, path), node.name_place, "tensor")


def require_statement(node: tree.Require, frame: Frame) -> None:
    value = evaluate.expression(node.condition, frame)
    if value is POISON:
        raise Abort(None)
    if isinstance(value, Value):
        raise frame.error(
            "E0385", "a requirement is about sizes and arguments, not about a tensor's values", node.condition.place
        )
    if not isinstance(value, (bool, Condition)):
        raise frame.error(
            "E0385",
            f"a requirement is a condition, got {kind_of(value)}",
            node.condition.place,
            "compare: require T <= 512",
        )
    condition = truth(value)
    facts = frame.state.facts
    decided = condition if isinstance(condition, bool) else facts.decide(condition)
    if decided is True:
        return
    message = ""
    if node.message is not None:
        text = evaluate.expression(node.message, frame)
        if text is POISON:
            raise Abort(None)
        message = text if isinstance(text, str) else show(text)
    written = _text_of(node.condition.place, frame)
    if decided is False:
        raise _blamed(frame, message or f"{written} does not hold", node.condition.place, written)
    assert isinstance(condition, Condition)
    try:
        facts.require(condition)
    except ValueError:
        raise _blamed(
            frame, message or f"{written} cannot hold beside what was required before", node.condition.place, written
        ) from None
    frame.state.graph.requirements.append(Requirement(condition, message or f"{condition} is required", node.place))


def _blamed(frame: Frame, message: str, place: Place, written: str) -> Abort:
    words = set(re.findall(r"\w+", written))
    known = [
        f"{n} = {b.value}"
        for n, b in frame.names.items()
        if n in words
        and b.kind in ("symbol", "parameter", "loop")
        and not isinstance(b.value, (Value, Appliable))
        and str(b.value) != n  # a symbol that stands for itself
    ]
    return frame.error("E0385", message, place, None, "not so" + (f": {', '.join(known)}" if known else ""))


def _text_of(place: Place, frame: Frame) -> str:
    if place.line != place.end_line:
        return "the requirement"
    return frame.module.file.line(place.line)[place.column - 1 : place.end_column - 1]


def _shipped(value: str) -> str | None:
    """The way out where an asset is not there and one of that name ships: a model that ships was copied without it."""
    from archonnx.compiler.elaborate.loader import zoo_folder

    shipped = os.path.join(zoo_folder("zoo") or "", os.path.basename(value))
    return f"a file of that name ships with archonnx, copy it: {shipped}" if os.path.isfile(shipped) else None


def asset_statement(node: tree.Asset, frame: Frame) -> None:
    """The file's bytes, read below the root as imports are; only the compiled model's assets travel."""
    value = evaluate.expression(node.value, frame)
    if value is POISON:
        raise Abort(None)
    if not isinstance(value, str) or not value:
        raise frame.error("E0790", f"an asset is the path of a file, got {kind_of(value)}", node.value.place)
    module = frame.module
    if module.folder is None or module.root is None:
        raise frame.error(
            "E0791", "a text without a folder has no assets", node.value.place, "say which folder it stands in: root="
        )
    real = os.path.realpath(os.path.join(module.folder, value)) if "\0" not in value else ""
    if not real.startswith(module.root.rstrip(os.sep) + os.sep):
        raise frame.error("E0791", f"the asset {show(value)} is not below the root", node.value.place)
    try:
        with open(real, "rb") as stream:
            data = stream.read(assets.MAX_BYTES + 1)
    except OSError as error:
        help = _shipped(value) if isinstance(error, FileNotFoundError) else None
        raise frame.error(
            "E0791", f"the asset {show(value)} cannot be read: {error.strerror}", node.value.place, help
        ) from None
    if len(data) > assets.MAX_BYTES:
        raise frame.error(
            "E0791", f"the asset {show(value)} is larger than {assets.MAX_BYTES // 2**20} MB", node.value.place
        )
    if frame.is_model:
        if node.name in frame.state.graph.assets:
            raise frame.error("E0609", f"the asset {node.name} is declared twice", node.name_place)
        frame.state.graph.assets[node.name] = Asset(node.name, value, data, node.value.place)
