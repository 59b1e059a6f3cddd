"""A block, or a model, applied: its body runs in a frame of its own, its layers named in a scope of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from archonnx.compiler.elaborate import apply, limits, statements
from archonnx.compiler.elaborate.naming import Scope
from archonnx.compiler.elaborate.state import Binding, Frame
from archonnx.compiler.elaborate.values import POISON, Abort, AppliableBlock, Results, Stop, show
from archonnx.compiler.graph import Value
from archonnx.compiler.syntax import tree
from archonnx.contract.diagnostics import Diagnostic, Place
from archonnx.contract.diagnostics import Frame as Application

if TYPE_CHECKING:
    from archonnx.compiler.elaborate.cells import CellInputs


def apply_block(
    block: AppliableBlock,
    given: Sequence[tuple[str | None, Any, Place]],
    frame: Frame,
    place: Place,
    cell: CellInputs | None = None,
) -> Any:
    """What the block's body gives for these inputs: a tensor, or Results in the order of its outputs.

    `cell` takes the inputs where the block is run as one.
    """
    state = frame.state
    body = block.body
    if state.depth >= limits.NESTED_BLOCKS:
        raise Stop(
            Diagnostic(
                "E0803",
                f"blocks are nested more than {limits.NESTED_BLOCKS} deep",
                place,
                trail=frame.trail,
                help="a block may be applying itself through another",
            )
        )
    if any(b is body for b in frame.active):
        raise frame.error(
            "E0212", f"the {body.kind} {body.name} applies itself", place, "repeat with a loop: for i in range(depth):"
        )
    apply.name_layer(block, frame)
    assert block.path is not None
    if block.inner is None:
        block.inner = Scope(block.path, (*block.scope.blocks, body.name), state.names_given(body))
    else:
        block.inner.restart()
    loops = tuple((name, show(value)) for name, value in frame.loops)
    inner = Frame(
        state,
        block.module,
        body,
        block.inner,
        (Application(body.name, place, loops), *frame.trail),
        frame.trainable and block.trainable,
        given=list(given),
        application=place,
        cell=cell,
    )
    inner.active = (*frame.active, body)
    for parameter in body.parameters:
        inner.names[parameter.name] = Binding(block.arguments[parameter.name], parameter.place, "parameter")
    state.executed.add(id(body))
    state.depth += 1
    try:
        return run(inner, body, place)
    finally:
        state.depth -= 1


def run(inner: Frame, body: tree.Body, place: Place) -> Any:
    """Execute a block's body and collect what it gives."""
    if not declares_input(body.statements):
        if len(inner.given) != 1 or not isinstance(inner.given[0][1], Value):
            got = f"{len(inner.given)} inputs" if len(inner.given) != 1 else show(inner.given[0][1])
            raise inner.outside().error(
                "E0604",
                f"{body.name} takes one tensor, got {got}",
                place,
                f"a {body.kind} with more inputs declares them: input x",
            )
        inner.it = Binding(inner.given.pop()[1], place, "parameter")
        inner.it_is_input = True
    statements.execute(body.statements, inner)
    if inner.given:
        raise _left_over(inner, body)
    return results(inner, place)


def _left_over(inner: Frame, body: tree.Body) -> Abort:
    """What to say of the first input that the body did not take."""
    names = inner.inputs
    name, _, at = inner.given[0]
    if name in names:
        return inner.outside().error("E0604", f"{body.name} got its input {name} twice", at, "keep one of them")
    help = f"its inputs are {', '.join(names)}" if len(names) > 1 else f"its input is {names[0]}" if names else None
    if name is not None:
        return inner.outside().error("E0604", f"{body.name} has no input {name}", at, help)
    most = f"{len(names)} input{'s' if len(names) != 1 else ''}"
    return inner.outside().error("E0604", f"{body.name} takes {most}, got {len(names) + len(inner.given)}", at, help)


def results(frame: Frame, place: Place) -> Any:
    """The outputs of a body that has run, else its `it`."""
    if frame.outputs:
        if frame.it is not None and not frame.it_is_input:
            frame.check_read("it", frame.it)
    elif frame.it is not None:
        frame.it.read = True
    for name, binding in frame.names.items():
        frame.check_read(name, binding)
    if not frame.outputs:
        if frame.it is None:
            assert frame.body is not None
            raise frame.error(
                "E0603",
                f"{frame.body.name} gives nothing: it has no output and no current value",
                frame.body.place,
                "end it with a line that is a tensor, or with `output`",
            )
        return frame.it.value
    values = tuple(v for _, v, _ in frame.outputs)
    if len(values) == 1:
        return values[0]
    if any(v is POISON for v in values):
        return POISON
    return Results.named(values, tuple(n for n, _, _ in frame.outputs))


def declares_input(body: Sequence[tree.Statement]) -> bool:
    """Whether an `input` stands anywhere in a body, also under `if` and `for`."""
    stack: list[tree.Statement] = list(body)
    while stack:
        node = stack.pop()
        if isinstance(node, tree.Input):
            return True
        if isinstance(node, tree.If):
            for branch in node.branches:
                stack.extend(branch.body)
            stack.extend(node.otherwise)
        elif isinstance(node, tree.For):
            stack.extend(node.body)
    return False
