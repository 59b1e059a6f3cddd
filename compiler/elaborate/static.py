"""A look through the bodies that nothing runs: names that nothing declares, arguments that a layer does not have."""

from __future__ import annotations

from archonnx.compiler.elaborate import binding, calls, constants, construct, library, types
from archonnx.compiler.elaborate.loader import Loader, Module
from archonnx.compiler.elaborate.naming import Scope, walk
from archonnx.compiler.elaborate.state import Binding, Frame, State
from archonnx.compiler.elaborate.values import POISON, Abort, show
from archonnx.compiler.graph import LayerGraph
from archonnx.compiler.syntax import tree
from archonnx.contract.diagnostics import Diagnostics, did_you_mean
from archonnx.contract.dims import Facts


def check(module: Module, executed: set[int], diagnostics: Diagnostics, *, values: bool = True) -> None:
    """Report what is wrong for every argument in the bodies of a file that have not run.

    `values` False looks at layers and their arguments alone, for files of which not every line could be read.
    """
    for name, declared in module.declared.items():
        state = State(Loader(diagnostics), diagnostics, LayerGraph(""), Facts(), 0)
        frame = Frame(state, module, None, Scope("", (), frozenset()))
        if isinstance(declared, tree.Body):
            if id(declared) not in executed:
                frame.body = declared
                _check_body(declared, values, frame)
        elif values:
            try:
                if isinstance(declared, tree.Assign):
                    constants.constant(name, frame, declared.place)
                elif isinstance(declared, tree.Def):
                    _check_function(declared, frame)
            except Abort as abort:
                if abort.diagnostic is not None:
                    diagnostics.add(abort.diagnostic)
    if values:
        _check_defaults(module, diagnostics)


def _check_function(function: tree.Def, frame: Frame) -> None:
    """A function's names, and that it does not call itself, through others neither."""
    for parameter in function.parameters:
        frame.names[parameter.name] = Binding(POISON, parameter.place, "parameter")
    nodes = list(walk(function.value))
    for name in _bound_names(None, nodes):
        frame.names[name] = Binding(POISON, function.place, "parameter")
    callees = {id(n.function) for n in nodes if isinstance(n, tree.Call)}
    for node in nodes:
        if isinstance(node, tree.Call):
            _check_call(node, frame)
        elif isinstance(node, tree.Name) and id(node) not in callees and node.id not in frame.names:
            constants.constant(node.id, frame, node.place)
    called, pending = {id(function)}, [function]
    while pending:
        for node in walk(pending.pop().value):
            if not (isinstance(node, tree.Call) and isinstance(node.function, tree.Name)):
                continue
            found = binding.find(node.function.id, frame)
            if found is not None and found[1] is function:
                raise frame.error(
                    "E0213",
                    f"the function {function.name} calls itself",
                    node.place,
                    "functions are expressions without recursion",
                )
            here = found is not None and found[0] is frame.module
            if found is not None and here and isinstance(found[1], tree.Def) and id(found[1]) not in called:
                called.add(id(found[1]))
                pending.append(found[1])


def _check_defaults(module: Module, diagnostics: Diagnostics) -> None:
    """The arguments of `defaults` lines: known ones, and within their domains."""
    from archonnx.compiler.layers.base import Layer
    from archonnx.compiler.layers.domains_single import DomainError

    for line in module.defaults:
        state = State(Loader(diagnostics), diagnostics, LayerGraph(""), Facts(), 0)
        frame = Frame(state, module, None, Scope("", (), frozenset()))
        layer = binding.constructor_of(line.call, frame)
        if not (isinstance(layer, type) and issubclass(layer, Layer)):
            continue
        try:
            given = binding.arguments_of(line.call, frame)
            bound = binding.bind(
                given, list(layer.declared), layer.__name__, line.call.place, frame, binding.LAYER_EXTRAS
            )
            for name, one in bound.items():
                if name in layer.declared and one.value is not POISON:
                    try:
                        layer.declared[name].domain.parse(construct.plain(one.value, one.value_place, frame))
                    except DomainError as error:
                        frame.report(
                            error.code or "E0403",
                            f"{name} of {layer.__name__} is {error.expected}, got {show(one.value)}",
                            one.value_place,
                            error.help,
                        )
        except Abort as abort:
            if abort.diagnostic is not None:
                diagnostics.add(abort.diagnostic)


def _check_body(body: tree.Body, values: bool, frame: Frame) -> None:
    nodes = list(walk(body.statements))
    for name in _bound_names(body, nodes):
        frame.names[name] = Binding(POISON, body.place, "parameter")
    callees = {id(n.function) for n in nodes if isinstance(n, tree.Call)}
    dtypes = {id(n.dtype) for n in nodes if isinstance(n, tree.TypeExpr)}
    prefixes = {id(m) for n in nodes if isinstance(n, tree.Attribute) for m in walk(n) if binding.dotted_path(n)}
    for node in nodes:
        try:
            if isinstance(node, tree.Call):
                if values or is_layer_call(node):
                    _check_call(node, frame)
            elif not values:
                continue
            elif isinstance(node, tree.Name) and not {id(node)} & (callees | dtypes | prefixes):
                if node.id not in frame.names and node.id not in ("it", "_") and not types.is_symbol_name(node.id):
                    constants.constant(node.id, frame, node.place)
            elif isinstance(node, tree.TypeExpr) and node.dtype is not None:
                types.dtype_of(node.dtype, frame)
        except Abort as abort:
            if abort.diagnostic is not None:
                frame.state.diagnostics.add(abort.diagnostic)


def is_layer_call(node: tree.Call) -> bool:
    """Whether the name before `(` is a layer's by its capital; a block's or function's may stand on a line not read."""
    parts = binding.dotted_path(node.function)
    return parts is not None and parts[-1][:1].isupper()


def _bound_names(body: tree.Body | None, nodes: list[tree.Node]) -> set[str]:
    """Every name that a body, or an expression, may bind, wherever it does so."""
    found = {p.name for p in body.parameters} if body is not None else set()
    for node in nodes:
        if isinstance(node, (tree.Input, tree.Weight)) or (isinstance(node, tree.Output) and node.name is not None):
            found.add(str(node.name))
        elif isinstance(node, (tree.Assign, tree.For, tree.Clause)):
            stack: list[tree.Target] = [node.target]
            while stack:
                top = stack.pop()
                if isinstance(top, tree.TargetTuple):
                    stack.extend(top.items)
                else:
                    found.add(top.id)
    return found


def _check_call(node: tree.Call, frame: Frame) -> None:
    callee = node.function
    parts = binding.dotted_path(callee)
    if parts is None:
        return
    name = parts[-1]
    if len(parts) > 1:
        if ".".join(parts[:-1]) not in binding.PREFIXES:
            return
        layer = library.find_layer(name, frame, callee.place)
    else:
        found = binding.find(name, frame)
        if found is not None:
            return
        layer = library.find_layer(name, frame, callee.place) if name[:1].isupper() else None
        if layer is None:
            if name in frame.names or name in frame.module.failed_imports or calls.is_known(name):
                return
            raise calls.unknown(callee, frame)
    if layer is None:
        return
    known = [*layer.declared, *binding.LAYER_EXTRAS]
    for argument in node.arguments:
        if argument.name is not None and argument.name not in known:
            near = did_you_mean(argument.name, known)
            help = f"did you mean {near[0]}?" if near else f"its arguments are {', '.join(layer.declared)}"
            if argument.name in binding.input_names(layer):
                help = binding.input_help(argument.name, name)
            frame.report("E0402", f"{name} has no argument {argument.name}", argument.place, help)
