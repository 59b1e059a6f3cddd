"""Which model of a file is meant, and what its parameters are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from archonnx.compiler.elaborate import construct
from archonnx.compiler.elaborate.failures import failure
from archonnx.compiler.elaborate.loader import Loader, Module
from archonnx.compiler.elaborate.naming import Scope
from archonnx.compiler.elaborate.state import Frame, Model, State
from archonnx.compiler.elaborate.values import Abort
from archonnx.compiler.graph import LayerGraph
from archonnx.compiler.syntax import tree
from archonnx.contract.diagnostics import Diagnostic, Place, UsageError, did_you_mean
from archonnx.contract.dims import Facts


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
        return model_of(declared, home, frame, parameters)
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
        return model_of(next(iter(models.values())), module, frame, parameters)
    ready: list[Model] = []
    for declared in models.values():
        try:
            model = model_of(declared, module, frame, parameters if _takes(declared, module, frame, parameters) else {})
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
            model = model_of(declared, module, frame, {})
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
    names = {p.name for p in body.parameters} | optional_inputs_of(body)
    return all(n in names for n in parameters)


def model_of(declared: tree.Body | tree.Variant, module: Module, frame: Frame, parameters: Mapping[str, Any]) -> Model:
    body, home, preset = construct.resolve_variant(declared, module, frame, declared.place)
    names = [p.name for p in body.parameters]
    optional = optional_inputs_of(body)
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
    calls = construct.variant_trail(declared, module, frame)
    return Model(declared.name, body, home, arguments, body.documentation, calls)


def optional_inputs_of(body: tree.Body) -> frozenset[str]:
    return frozenset(n.name for n in _statements(body) if isinstance(n, tree.Input) and n.optional)


def zero_symbols_of(body: tree.Body) -> frozenset[str]:
    """The symbols that a `require X >= 0` of the body allows to be 0."""
    found: set[str] = set()
    for node in _statements(body):
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


def _statements(body: tree.Body) -> Iterator[Any]:
    """Every statement of a body, those of its arms and loops included, whichever run."""
    stack: list[Any] = list(body.statements)
    while stack:
        node = stack.pop()
        yield node
        if isinstance(node, tree.If):
            stack.extend(s for b in node.branches for s in b.body)
            stack.extend(node.otherwise)
        elif isinstance(node, tree.For):
            stack.extend(node.body)
