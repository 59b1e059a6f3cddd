"""From a file to a layer graph: which model is meant, its body executed, what no output needs left out."""

from __future__ import annotations

import gc
import sys
from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from archonnx.compiler.assets import check_assets
from archonnx.compiler.elaborate import binding, blocks, calls, choosing, statements, static
from archonnx.compiler.elaborate.failures import failure, position
from archonnx.compiler.elaborate.loader import Loader, Module
from archonnx.compiler.elaborate.naming import Scope
from archonnx.compiler.elaborate.state import Binding, Frame, Model, State
from archonnx.compiler.elaborate.values import POISON, Abort, Appliable, Stop, show
from archonnx.compiler.graph import LayerGraph, Node, Output, Requirement, Value
from archonnx.compiler.syntax import tree
from archonnx.contract.diagnostics import CompileError, Diagnostic, Diagnostics, Place
from archonnx.contract.diagnostics import Frame as Application
from archonnx.contract.dims import Condition, Expr, Facts

if TYPE_CHECKING:
    from collections.abc import Iterator


# Room for 256 nested blocks, each with loops and expressions 200 deep; frames of Python functions cost no C stack.
_FRAMES = 150_000


@contextmanager
def deep() -> Iterator[None]:
    """Raise Python's recursion limit while elaborating; the language's own bounds end sooner.

    The cyclic collector rests meanwhile: nearly all that is made stays, and walking it again and again is quadratic.
    """
    before, collecting = sys.getrecursionlimit(), gc.isenabled()
    sys.setrecursionlimit(max(before, _FRAMES))
    gc.disable()
    try:
        yield
    finally:
        sys.setrecursionlimit(before)
        if collecting:
            gc.enable()


def elaborate(
    loader: Loader,
    module: Module,
    model: str | None,
    parameters: Mapping[str, Any],
    opset: int,
) -> LayerGraph:
    """The layer graph of one model of a module.

    parameters: values of the model's parameters; None for the name of an optional input leaves that input out.
    Raises CompileError with every diagnostic found, UsageError where there is no such model or parameter; warnings stay
    in `loader.diagnostics`.
    """
    if misread(loader.diagnostics):
        static.check(module, set(), loader.diagnostics, values=False)
        raise failure(loader)
    with deep():
        try:
            return _elaborate(loader, module, model, parameters, opset)
        except Stop as stop:
            loader.diagnostics.add(stop.diagnostic)
        except RecursionError:
            loader.diagnostics.add(_too_deep(module))
        except Abort as abort:
            if abort.diagnostic is not None:
                loader.diagnostics.add(abort.diagnostic)
    raise failure(loader)


def elaborate_all(loader: Loader, module: Module, opset: int) -> tuple[list[LayerGraph], list[str], list[Diagnostic]]:
    """Every model of a module that needs no argument, the names of the others, and all that is wrong, in source order.

    Bodies that no model ran are looked through for names that nothing declares.
    """
    found = loader.diagnostics  # what reading the files found
    broken = bool(found.errors)
    graphs: list[LayerGraph] = []
    waiting: list[str] = []
    executed: set[int] = set()
    if misread(found):
        static.check(module, executed, found, values=False)
        return [], [], sorted(found.found, key=position)
    with deep():
        for declared in module.models():
            one = Diagnostics()
            loader.diagnostics = one
            state = State(loader, one, LayerGraph(""), Facts(), opset, executed=executed)
            frame = Frame(state, module, None, Scope("", (), frozenset()))
            try:
                model = choosing.model_of(declared, module, frame, {})
                if any(p.default is None and p.name not in model.arguments for p in model.body.parameters):
                    waiting.append(declared.name)
                else:
                    graphs.append(_elaborate(loader, module, declared.name, {}, opset, executed))
            except (Stop, Abort) as ended:
                if ended.diagnostic is not None:
                    one.add(ended.diagnostic)
            except RecursionError:
                one.add(_too_deep(module))
            except CompileError:
                pass  # its diagnostics are in `one`
            for diagnostic in one.found:
                found.add(diagnostic)
        loader.diagnostics = found
        waiting = [name for name in waiting if id(_body_of(module, name)) not in executed]
        static.check(module, executed, found)
    if broken or found.errors:
        graphs = []
    return graphs, waiting, sorted(found.found, key=position)


def misread(found: Diagnostics) -> bool:
    """Whether lines are missing from the tree: what follows from them would be blamed on lines that are right."""
    return any(d.code < "E02" for d in found.errors)


def _body_of(module: Module, name: str) -> object:
    """The body of a model that is no variant; a variant of it that was compiled ran this very body."""
    return module.declared[name]


def _too_deep(module: Module) -> Diagnostic:
    """Within every bound, and still too deep: hundreds of blocks, each under hundreds of branches and brackets."""
    return Diagnostic(
        "E0803",
        "blocks, branches and brackets are nested too deep together",
        Place(module.name, 1, 1, 1, 1),
        help="nest fewer of them, or repeat with a loop",
    )


def _elaborate(
    loader: Loader,
    module: Module,
    name: str | None,
    parameters: Mapping[str, Any],
    opset: int,
    executed: set[int] | None = None,
) -> LayerGraph:
    graph = LayerGraph("")
    graph.facts = Facts()
    state = State(
        loader, loader.diagnostics, graph, graph.facts, opset, executed=set() if executed is None else executed
    )
    _check_defaults(state, module)
    model = choosing.choose(state, module, name, parameters)
    with _told_with(model.calls, loader):
        return _run(state, model, parameters)


@contextmanager
def _told_with(calls: tuple[Application, ...], loader: Loader) -> Iterator[None]:
    """The errors of a variant's body end their trail with the lines that set its arguments."""
    found = loader.diagnostics
    before = len(found.found)
    try:
        yield
    except (Stop, Abort, CompileError) as ended:
        if not calls:
            raise
        if not isinstance(ended, CompileError) and ended.diagnostic is not None:
            found.add(ended.diagnostic)
        found.found[before:] = [replace(d, trail=(*d.trail, *calls)) for d in found.found[before:]]
        raise failure(loader) from None


def _run(state: State, model: Model, parameters: Mapping[str, Any]) -> LayerGraph:
    """The graph of a model that was chosen, with the values of its parameters."""
    loader, graph, body = state.loader, state.graph, model.body
    graph.name, graph.documentation, graph.place = model.name, model.documentation, body.place
    scope = Scope("", (), state.names_given(body))
    frame = Frame(state, model.module, body, scope, is_model=True, active=(body,))
    optional = choosing.optional_inputs_of(body)
    frame.omitted = frozenset(n for n, v in parameters.items() if n in optional and v is None)
    frame.zero_symbols = choosing.zero_symbols_of(body)
    arguments = binding.complete(body, model.module, model.arguments, model.name, body.place, frame)
    graph.arguments = {n: show(v) for n, v in arguments.items()}
    for parameter in body.parameters:
        value = arguments[parameter.name]
        frame.names[parameter.name] = Binding(value, parameter.place, "parameter")
    if not blocks.declares_input(body.statements):
        frame.report(
            "E0615",
            f"the model {model.name} has no input",
            body.name_place,
            "declare one: input image: float32[N, 224, 224, 3]",
        )
        frame.it = Binding(POISON, body.place, "parameter", read=True)
    state.executed.add(id(body))
    statements.execute(body.statements, frame)
    given = blocks.results(frame, body.place)
    if not frame.outputs and isinstance(given, Value):
        graph.outputs.append(Output("output", given, place=body.place))
    _check_applied(state)
    if loader.diagnostics.errors:
        raise failure(loader)
    graph.requirements = [*_may_be_empty(frame), *_distinct(graph)]
    leave_out(state)
    check_assets(graph, loader.diagnostics)
    if loader.diagnostics.errors:
        raise failure(loader)
    return graph


def _may_be_empty(frame: Frame) -> list[Requirement]:
    """`require P >= 0` proves itself here, yet the runtime must hear of it: other symbols are 1 or more."""
    found: list[Requirement] = []
    for name in sorted(frame.zero_symbols):
        bound = frame.names.get(name)
        if bound is not None and isinstance(bound.value, Expr):
            condition = Condition(">=", (bound.value, 0))
            found.append(Requirement(condition, f"{condition} is required", bound.place))
    return found


def _distinct(graph: LayerGraph) -> list[Any]:
    """Requirements once each: a block that is applied a hundred times states its own a hundred times."""
    return list({(r.condition, r.message): r for r in graph.requirements}.values())


def _check_defaults(state: State, module: Module) -> None:
    """Every `defaults` line is about a layer or block that exists."""
    for line in module.defaults:
        frame = Frame(state, module, None, Scope("", (), frozenset()))
        declared = binding.constructor_of(line.call, frame)
        callee = line.call.function
        if declared is None and not (isinstance(callee, tree.Name) and callee.id in module.failed_imports):
            found = calls.unknown(callee, frame).diagnostic
            assert found is not None
            state.diagnostics.add(found)


def _check_applied(state: State) -> None:
    """A layer that is never applied is an error; after other errors it may only look so."""
    if state.diagnostics.errors:
        return
    unused: list[tuple[Appliable, Any]] = [(a, trail) for a, trail in state.appliables if a.uses == 0]
    for appliable, trail in unused:
        state.diagnostics.add(
            Diagnostic(
                "E0602",
                f"{appliable.constructor} is never applied",
                appliable.place,
                trail=trail,
                help="apply it: x -> layer, or remove it",
            )
        )


def leave_out(state: State) -> None:
    """Remove the nodes that no output needs, and say which layers those are (W0601)."""
    graph = state.graph
    needed: set[int] = set()
    stack: list[Node] = [o.value.producer for o in graph.outputs if o.value.producer is not None]
    while stack:
        node = stack.pop()
        if id(node) in needed:
            continue
        needed.add(id(node))
        uses_masks = node.layer.masking == "use"
        for value in node.inputs:
            if value is None:
                continue
            for one in (value, value.mask if uses_masks else None):
                if one is not None and one.producer is not None and id(one.producer) not in needed:
                    stack.append(one.producer)
    kept = [n for n in graph.nodes if id(n) in needed]
    for node in graph.nodes:
        if id(node) not in needed and id(node) not in state.silent and not node.layer.hidden:
            graph.left_out.append(node)
            state.diagnostics.add(
                Diagnostic(
                    "W0601",
                    f"no output needs {node.path} ({node.type_name}): it is left out",
                    node.place,
                    trail=node.trail,
                    help="remove it, or give what it computes as an output",
                    severity="warning",
                )
            )
    graph.nodes = kept
