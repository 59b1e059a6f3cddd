"""From a file to a layer graph: which model is meant, its body executed, what no output needs left out."""

from __future__ import annotations

import gc
import sys
from collections.abc import Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from archonnx.compiler.elaborate import binding, blocks, calls, construct, statements, static
from archonnx.compiler.elaborate.loader import Loader, Module
from archonnx.compiler.elaborate.naming import Scope
from archonnx.compiler.elaborate.state import Binding, Frame, Model, State
from archonnx.compiler.elaborate.values import POISON, Abort, Appliable, Stop, show
from archonnx.compiler.graph import LayerGraph, Node, Output, Requirement, Value
from archonnx.compiler.syntax import tree
from archonnx.contract.diagnostics import CompileError, Diagnostic, Diagnostics, Place, UsageError, did_you_mean
from archonnx.contract.dims import Condition, Expr, Facts

if TYPE_CHECKING:
    from collections.abc import Iterator

# Room for 256 nested blocks, each with nested loops and expressions 200 deep; frames of Python functions cost no C stack.
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
    Raises CompileError with every diagnostic found; warnings stay in `loader.diagnostics`. UsageError: no such model or parameter.
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
        return [], [], sorted(found.found, key=_position)
    with deep():
        for declared in module.models():
            one = Diagnostics()
            loader.diagnostics = one
            state = State(loader, one, LayerGraph(""), Facts(), opset, executed=executed)
            frame = Frame(state, module, None, Scope("", (), frozenset()))
            try:
                model = _model(declared, module, frame, {})
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
    return graphs, waiting, sorted(found.found, key=_position)


def misread(found: Diagnostics) -> bool:
    """Whether lines are missing from the tree: what follows from them would be blamed on lines that are right."""
    return any(d.code < "E0200" for d in found.errors)


def _body_of(module: Module, name: str) -> object:
    """The body of a model that is no variant; a variant of it that was compiled ran this very body."""
    return module.declared[name]


def _too_deep(module: Module) -> Diagnostic:
    """Within every single bound, and still too deep: hundreds of blocks, each applied under hundreds of branches and brackets."""
    return Diagnostic(
        "E0803",
        "blocks, branches and brackets are nested too deep together",
        Place(module.name, 1, 1, 1, 1),
        help="nest fewer of them, or repeat with a loop",
    )


def failure(loader: Loader) -> CompileError:
    """Every diagnostic so far, in the order of the source, as an error."""
    found = sorted(loader.diagnostics.found, key=_position)
    return CompileError(found, loader.sources)


def _position(diagnostic: Diagnostic) -> tuple[bool, str, int, int]:
    place = diagnostic.place
    return (place is None, place.file if place else "", place.line if place else 0, place.column if place else 0)


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
    model = choose(state, module, name, parameters)
    body = model.body
    graph.name, graph.documentation, graph.place = model.name, model.documentation, body.place
    scope = Scope("", (), state.names_given(body))
    frame = Frame(state, model.module, body, scope, is_model=True, active=(body,))
    optional = _optional_inputs(body)
    frame.omitted = frozenset(n for n, v in parameters.items() if n in optional and v is None)
    frame.zero_symbols = _zero_symbols(body)
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
    return graph


def _may_be_empty(frame: Frame) -> list[Requirement]:
    """`require P >= 0` proves itself while elaborating, yet the runtime must hear of it: other symbols stand for 1 or more."""
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


def choose(state: State, module: Module, name: str | None, parameters: Mapping[str, Any]) -> Model:
    """The model that is meant: the named one, else the only one, else the only one that needs no argument."""
    frame = Frame(state, module, None, Scope("", (), frozenset()))
    models: dict[str, tree.Body | tree.Variant] = {m.name: m for m in module.models()}
    if name is not None:
        declared: Any = models.get(name)
        home = module
        if declared is None and name in module.imported:
            home, original = module.imported[name]
            declared = home.declared[original]
        if not isinstance(declared, tree.Variant) and not (
            isinstance(declared, tree.Body) and declared.kind == "model"
        ):
            if state.diagnostics.errors:
                raise failure(state.loader)
            near = did_you_mean(name, list(models))
            known = (
                f"did you mean {near[0]}?"
                if near
                else f"its models are {', '.join(models)}"
                if models
                else "it declares no model"
            )
            raise UsageError(f"{module.name} has no model {name}: {known}")
        return _model(declared, home, frame, parameters)
    if not models:
        if state.diagnostics.errors:
            raise failure(state.loader)
        place = Place(module.name, 1, 1, 1, 1)
        raise Abort(
            Diagnostic(
                "E0215",
                f"{module.name} declares no model",
                place,
                help="a model is declared: model NAME(): with its inputs and layers below",
            )
        )
    if len(models) == 1:
        return _model(next(iter(models.values())), module, frame, parameters)
    ready: list[Model] = []
    for declared in models.values():
        try:
            model = _model(declared, module, frame, parameters if _takes(declared, module, frame, parameters) else {})
        except Abort as abort:
            if abort.diagnostic is not None:
                state.diagnostics.add(abort.diagnostic)
            continue
        if all(p.default is not None or p.name in model.arguments for p in model.body.parameters):
            ready.append(model)
    if len(ready) == 1:
        return ready[0]
    if state.diagnostics.errors:
        raise failure(state.loader)
    listed = ", ".join(models)
    count = "several models need" if ready else "no model does without"
    raise UsageError(
        f"{module.name} declares {len(models)} models, say which: --model NAME (one of {listed})"
        + ("" if ready else f"; {count} arguments")
    )


def declared_models(loader: Loader, module: Module) -> list[tuple[str, bool]]:
    """The models of a module, in order, each with whether it needs no argument. Raises CompileError."""
    state = State(loader, loader.diagnostics, LayerGraph(""), Facts(), 0)
    frame = Frame(state, module, None, Scope("", (), frozenset()))
    found: list[tuple[str, bool]] = []
    for declared in module.models():
        try:
            model = _model(declared, module, frame, {})
        except Abort as abort:
            if abort.diagnostic is not None:
                loader.diagnostics.add(abort.diagnostic)
            continue
        found.append(
            (declared.name, all(p.default is not None or p.name in model.arguments for p in model.body.parameters))
        )
    if loader.diagnostics.errors:
        raise failure(loader)
    return found


def _takes(declared: tree.Body | tree.Variant, module: Module, frame: Frame, parameters: Mapping[str, Any]) -> bool:
    body = construct.resolve_variant(declared, module, frame, declared.place)[0]
    names = {p.name for p in body.parameters} | _optional_inputs(body)
    return all(n in names for n in parameters)


def _model(declared: tree.Body | tree.Variant, module: Module, frame: Frame, parameters: Mapping[str, Any]) -> Model:
    body, home, preset = construct.resolve_variant(declared, module, frame, declared.place)
    names = [p.name for p in body.parameters]
    optional = _optional_inputs(body)
    for name, value in parameters.items():
        if name in optional and value is None:
            continue
        if name not in names:
            near = did_you_mean(name, names)
            known = (
                f"did you mean {near[0]}?"
                if near
                else f"its parameters are {', '.join(names)}"
                if names
                else "it has none"
            )
            raise UsageError(f"the model {declared.name} has no parameter {name}: {known}")
    arguments = {**preset, **{n: v for n, v in parameters.items() if n in names}}
    return Model(declared.name, body, home, arguments, body.documentation)


def _optional_inputs(body: tree.Body) -> frozenset[str]:
    found: set[str] = set()
    stack: list[Any] = list(body.statements)
    while stack:
        node = stack.pop()
        if isinstance(node, tree.Input) and node.optional:
            found.add(node.name)
        elif isinstance(node, tree.If):
            stack.extend(s for b in node.branches for s in b.body)
            stack.extend(node.otherwise)
        elif isinstance(node, tree.For):
            stack.extend(node.body)
    return frozenset(found)


def _zero_symbols(body: tree.Body) -> frozenset[str]:
    """The symbols that a `require X >= 0` of the body allows to be 0."""
    found: set[str] = set()
    for node in body.statements:
        if isinstance(node, tree.Require) and isinstance(node.condition, tree.Compare):
            first, *rest = node.condition.operands
            operators = [o.text for o in node.condition.operators]
            if (
                isinstance(first, tree.Name)
                and operators == [">="]
                and isinstance(rest[0], tree.Literal)
                and rest[0].value == 0
            ):
                found.add(first.id)
    return frozenset(found)


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
                    severity="warning",
                )
            )
    graph.nodes = kept
