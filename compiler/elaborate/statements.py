"""The statements of a body, executed in order. After an error what a statement would have bound is POISON."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from archonnx.compiler.elaborate import apply, constants, declarations, evaluate, flow, types, unpacking
from archonnx.compiler.elaborate.arithmetic import Problem
from archonnx.compiler.elaborate.builtins import sequence
from archonnx.compiler.elaborate.naming import names_in, names_in_all
from archonnx.compiler.elaborate.state import Binding, Frame
from archonnx.compiler.elaborate.values import POISON, Abort, Appliable, Results, is_poisoned, kind_of
from archonnx.compiler.elaborate.wanted import Wanted, announced
from archonnx.compiler.graph import Value
from archonnx.compiler.syntax import tree
from archonnx.contract.dims import DimTooLargeError


def execute(body: list[tree.Statement], frame: Frame) -> None:
    """Run the statements of a body."""
    for node in body:
        frame.state.step(node.place)
        try:
            _TABLE[type(node)](node, frame)
        except Abort as abort:
            if abort.diagnostic is not None:
                frame.state.diagnostics.add(abort.diagnostic)
            _poison(node, frame)
        except Problem as problem:
            raised = frame.problem(problem, node.place)
            if not isinstance(raised, Abort):
                raise raised from None
            assert raised.diagnostic is not None
            frame.state.diagnostics.add(raised.diagnostic)
            _poison(node, frame)
        except DimTooLargeError as error:
            frame.report("E0804", f"a size on this line is too large to keep exact: {error}", node.place)
            _poison(node, frame)


def _poison(node: tree.Statement, frame: Frame) -> None:
    """After an error, which is counted: what the statement would have set is POISON, what it reads counts as read."""
    frame.state.failures += 1
    for name in names_in(node):
        bound = frame.it if name == "it" else frame.names.get(name)
        if bound is not None:
            bound.read = True
    if isinstance(node, tree.ExprStatement):
        if frame.it is not None:
            frame.it.read = True
        frame.it = Binding(POISON, node.place, "tensor", read=True)
        frame.it_is_input = False
    elif isinstance(node, tree.Assign):
        frame.poison(node.target)
        for _, written in announced(node):
            _poison_symbols(written, frame)
    elif isinstance(node, tree.Input):
        _poison_symbols(node.type, frame)
        frame.names[node.name] = Binding(POISON, node.place, "input", read=True)
        declarations.first_input(frame, frame.names[node.name])
    elif isinstance(node, tree.Weight):
        frame.names[node.name] = Binding(POISON, node.place, "tensor", read=True)
    elif isinstance(node, tree.Output):
        frame.outputs.append((node.name, POISON, node.place))
        if node.name is not None and node.value is not None:
            frame.names[node.name] = Binding(POISON, node.place, "tensor", read=True)
    elif isinstance(node, (tree.If, tree.For)):
        _poison_all(node, frame)


def _poison_symbols(type: tree.TypeExpr | None, frame: Frame) -> None:
    """The symbols that a type would have bound."""
    shape = type.shape if type is not None else None
    for name in names_in_all(shape or []):
        if types.is_symbol_name(name) and name not in frame.names and not constants.is_constant(name, frame):
            assert type is not None
            frame.names[name] = Binding(POISON, type.place, "symbol", read=True)


def _poison_all(node: tree.Statement, frame: Frame) -> None:
    """An `if` or `for` that cannot be resolved: all that its bodies may set is POISON."""
    stack: list[tree.Statement] = [node]
    while stack:
        top = stack.pop()
        if isinstance(top, tree.If):
            for branch in top.branches:
                stack.extend(branch.body)
            stack.extend(top.otherwise)
        elif isinstance(top, tree.For):
            frame.poison(top.target)
            stack.extend(top.body)
        else:
            _poison(top, frame)


def _line(node: tree.ExprStatement, frame: Frame) -> None:
    """A line that is a layer is applied to `it`; a line that is a tensor becomes `it`."""
    value = evaluate.expression(node.value, frame)
    if isinstance(value, Appliable):
        source = evaluate.current(frame, node.place)
        if is_poisoned(source):
            value.uses += 1
            value = POISON
        else:
            value = apply.apply(value, source, frame, node.place, node.place)
    if value is POISON:
        raise Abort(None)
    if isinstance(value, Results):
        raise frame.error(
            "E0608",
            f"this line gives {len(value)} results, and `it` is one tensor",
            node.place,
            f"unpack them: ({_names(len(value))}) = x -> ...",
        )
    if not isinstance(value, Value):
        raise frame.error(
            "E0611",
            f"this line is {kind_of(value)} and does nothing",
            node.place,
            "a line is a layer or a tensor; a value is assigned to a name",
        )
    frame.set_it(value, node.place)


def _assign(node: tree.Assign, frame: Frame) -> None:
    if isinstance(node.value, tree.Flow):
        value = flow.flow(node.value, frame, Wanted.by(node))
    else:
        value = evaluate.expression(node.value, frame)
    fresh = isinstance(value, Appliable) and value.hint is None and value.path is None and value.scope is frame.scope
    if fresh and isinstance(node.target, tree.Name) and node.target.id != "_":
        value.hint = node.target.id
    if value is not POISON:
        _hold_against_types(node, value, frame)
    if isinstance(value, Appliable) and isinstance(node.target, tree.Name):
        frame.bind(node.target.id, value, node.target.place, "layer")
        return
    unpacking.assign(node.target, value, frame)


def _names(count: int) -> str:
    """Names to unpack that many results to: those of an LSTM, or numbered ones."""
    return ", ".join(("y", "h", "c")[:count] if count < 4 else [f"y{i}" for i in range(count)])


def _hold_against_types(node: tree.Assign, value: Any, frame: Frame) -> None:
    """Hold results against the types beside their names, unless there are too many or too few to unpack."""
    names = [node.target] if isinstance(node.target, tree.Name) else node.target.items
    values = [value] if isinstance(node.target, tree.Name) else value
    if not isinstance(values, (list, tuple)) or len(values) != len(names):
        return
    for index, written in announced(node):
        name, one = names[index], values[index]
        if one is POISON:
            continue
        if not isinstance(one, Value):
            raise frame.error("E0611", f"a type stands beside {kind_of(one)}", written.place, "types are for tensors")
        types.match(written, one, frame, name.id if isinstance(name, tree.Name) else "this tensor")


def _if(node: tree.If, frame: Frame) -> None:
    for branch in node.branches:
        if evaluate.decide(branch.condition, frame, "`if`"):
            execute(branch.body, frame)
            return
    execute(node.otherwise, frame)


def _for(node: tree.For, frame: Frame) -> None:
    walked = evaluate.expression(node.iterable, frame)
    if is_poisoned(walked) and not isinstance(walked, (list, tuple)):
        raise Abort(None)
    if isinstance(walked, Value):
        raise frame.error(
            "E0504",
            f"a loop walks through what is known while elaborating, got {kind_of(walked)}",
            node.iterable.place,
            "split it first: split(x, 4, axis=1)",
        )
    failures = frame.state.failures
    depth = len(frame.loops)
    try:
        turns = sequence(walked, "`for`")
    except Problem as problem:
        raise frame.problem(problem, node.iterable.place) from None
    for value in turns:
        unpacking.assign(node.target, value, frame, fresh=True)
        frame.loops[depth:] = _loop_names(node.target, frame)
        execute(node.body, frame)
        if frame.state.failures > failures + 20:
            break  # the same mistake at every turn
    del frame.loops[depth:]


def _loop_names(target: tree.Target, frame: Frame) -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    stack: list[tree.Target] = [target]
    while stack:
        top = stack.pop()
        if isinstance(top, tree.TargetTuple):
            stack.extend(reversed(top.items))
        elif top.id != "_":
            found.append((top.id, frame.names[top.id].value))
    return found


def _pass(node: tree.Pass, frame: Frame) -> None:
    """Nothing."""


_TABLE: dict[type, Callable[[Any, Frame], None]] = {
    tree.ExprStatement: _line,
    tree.Assign: _assign,
    tree.Input: declarations.input_statement,
    tree.Output: declarations.output_statement,
    tree.Weight: declarations.weight_statement,
    tree.Require: declarations.require_statement,
    tree.Asset: declarations.asset_statement,
    tree.If: _if,
    tree.For: _for,
    tree.Pass: _pass,
}
