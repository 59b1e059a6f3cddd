"""Types in the source: making a model's input types, and binding a block's symbols to the sizes that they meet."""

from __future__ import annotations

from typing import Any

from archonnx.compiler.elaborate import constants, evaluate
from archonnx.compiler.elaborate.state import Binding, Frame
from archonnx.compiler.elaborate.values import POISON, Abort, DTypeValue, kind_of
from archonnx.compiler.graph import TensorType, Value
from archonnx.compiler.syntax import tree
from archonnx.contract import dims
from archonnx.contract.diagnostics import Label, Place, did_you_mean
from archonnx.contract.dims import Dim, Expr, Verdict
from archonnx.contract.dtypes import ALIASES, DTYPES


def dtype_of(node: tree.Name, frame: Frame) -> str:
    """The dtype that a type names; E0902 where the operator set does not have it yet."""
    name = _dtype_named(node, frame)
    frame.check_age(name, node.place)
    return name


def _dtype_named(node: tree.Name, frame: Frame) -> str:
    bound = frame.names.get(node.id)
    if bound is not None and isinstance(bound.value, DTypeValue):
        bound.read = True
        return bound.value.name
    if node.id in DTYPES:
        return node.id
    if bound is not None and isinstance(bound.value, str) and bound.value in DTYPES:
        return bound.value
    if constants.is_constant(node.id, frame):
        value = constants.constant(node.id, frame, node.place)
        if isinstance(value, DTypeValue):
            return value.name
        if value is POISON:
            raise Abort(None)
    if node.id in frame.module.failed_imports:
        raise Abort(None)
    if node.id in ALIASES:
        raise frame.error("E0387", f"{node.id} is no dtype here", node.place, f"write {ALIASES[node.id]}")
    near = did_you_mean(node.id, list(DTYPES))
    raise frame.error(
        "E0387",
        f"{node.id} is no dtype",
        node.place,
        f"did you mean {near[0]}?" if near else "dtypes are " + ", ".join(DTYPES),
    )


def declare_input(node: tree.TypeExpr, frame: Frame) -> tuple[TensorType, list[Place | None]]:
    """The type of an input of the compiled model: new symbols become the graph's. Also where its axes are written."""
    if node.dtype is None or node.shape is None:
        missing = "a dtype" if node.dtype is None else "a shape"
        raise frame.error(
            "E0613", f"an input of a model needs {missing}", node.place, "write both: float32[N, 224, 224, 3]"
        )
    dtype = dtype_of(node.dtype, frame)
    shape: list[Dim] = []
    for entry in node.shape:
        if isinstance(entry, tree.Literal) and entry.value is ...:
            raise frame.error(
                "E0613", "the axes of a model's input are counted: `...` stands in blocks only", entry.place
            )
        for name in _new_symbols(entry, frame):
            minimum = 0 if name.id in frame.zero_symbols else 1
            frame.names[name.id] = Binding(dims.symbol(name.id, minimum), name.place, "symbol")
        shape.append(size_of(entry, frame))
    return TensorType(dtype, tuple(shape)), [e.place for e in node.shape]


def unbound(entry: tree.Expr, frame: Frame) -> list[str]:
    """The capital names of a size that nothing has bound yet."""
    return [name.id for name in _new_symbols(entry, frame)]


def is_symbol_name(name: str) -> bool:
    """Whether a name in a type is a symbol: it begins with a capital."""
    return name[:1].isupper()


def _new_symbols(entry: tree.Expr, frame: Frame) -> list[tree.Name]:
    """The capital names of a size that nothing has bound yet."""
    found: list[tree.Name] = []
    stack: list[Any] = [entry]
    while stack:
        node = stack.pop()
        if isinstance(node, tree.Name):
            if is_symbol_name(node.id) and node.id not in frame.names and not constants.is_constant(node.id, frame):
                found.append(node)
        elif isinstance(node, tree.Chain):
            stack.extend(node.operands)
        elif isinstance(node, tree.Call):
            stack.extend(a.value for a in node.arguments)
        elif isinstance(node, tree.Power):
            stack.extend((node.base, node.exponent))
    return found


def size_of(entry: tree.Expr, frame: Frame) -> Dim:
    """The size that a type's entry stands for; every name in it must be bound."""
    if isinstance(entry, tree.Literal) and entry.value is None:
        raise frame.error(
            "E0386", "None is no size", entry.place, "name the axis: N for the batch, T for time, H and W"
        )
    if isinstance(entry, tree.Name) and entry.id not in frame.names and not constants.is_constant(entry.id, frame):
        help = f"a symbol begins with a capital: {entry.id.capitalize()}" if entry.id[:1].islower() else None
        raise frame.error("E0384", f"{entry.id} stands in a type and is not bound", entry.place, help)
    value = evaluate.expression(entry, frame)
    if value is POISON:
        raise Abort(None)
    if isinstance(value, int) and not isinstance(value, bool):
        if value < 1:
            raise frame.error("E0386", f"a size is 1 or more, got {value}", entry.place)
        if value > dims.DIM_LIMIT:
            raise frame.error("E0804", f"the size {value} is past 2**63 - 1", entry.place)
        return value
    if isinstance(value, Expr):
        return value
    help = "sizes are whole numbers: `//` divides, `int()` cuts" if isinstance(value, float) else None
    raise frame.error(
        "E0386",
        f"a size is a whole number, got {kind_of(value)}" + (f" ({value})" if isinstance(value, float) else ""),
        entry.place,
        help,
    )


def match(node: tree.TypeExpr, value: Value, frame: Frame, what: str, place: Place | None = None) -> None:
    """Hold a tensor against a type that is written: bind the symbols that are new, and check the rest.

    `what` names the tensor in messages ("input x of attend"); `place` is where the blame goes, else the type's place.
    """
    at = place or node.place
    blame = frame if place is None or place == node.place else frame.outside()
    if node.dtype is not None:
        dtype = dtype_of(node.dtype, frame)
        if dtype != value.type.dtype:
            raise blame.error(
                "E0380",
                f"{what} is {dtype}, got {value.type}",
                at,
                f"convert it: cast(tensor, {dtype})",
                labels=_labels(value, at, node.place),
            )
    if node.shape is None:
        return
    spread = [i for i, e in enumerate(node.shape) if isinstance(e, tree.Literal) and e.value is ...]
    if len(spread) > 1:
        raise frame.error("E0387", "`...` stands once in a type", node.shape[spread[1]].place)
    sizes = value.type.shape
    fixed = len(node.shape) - len(spread)
    if (len(sizes) < fixed) if spread else (len(sizes) != fixed):
        axes = f"{fixed} or more axes" if spread else f"{fixed} ax{'i' if fixed == 1 else 'e'}s"
        raise blame.error("E0381", f"{what} has {axes}, got {value.type}", at, labels=_labels(value, at, node.place))
    first = spread[0] if spread else len(node.shape)
    pairs = list(zip(node.shape[:first], sizes[:first], strict=True))
    tail = node.shape[first + 1 :]
    pairs += list(zip(tail, sizes[len(sizes) - len(tail) :], strict=True)) if tail else []
    for entry, size in pairs:
        _match_size(entry, size, value, frame, blame, what, at)


def _match_size(entry: tree.Expr, size: Dim, value: Value, frame: Frame, blame: Frame, what: str, at: Place) -> None:
    if isinstance(entry, tree.Name):
        if entry.id == "_":
            return
        if is_symbol_name(entry.id) and entry.id not in frame.names and not constants.is_constant(entry.id, frame):
            frame.names[entry.id] = Binding(size, entry.place, "symbol")
            return
    for name in _new_symbols(entry, frame):
        raise frame.error(
            "E0384",
            f"{name.id} is not bound yet, and only a symbol that stands alone is bound by what it meets",
            name.place,
            f"let {name.id} be the size, and state the rest: require {name.id} % 2 == 0",
        )
    wanted = size_of(entry, frame)
    verdict = frame.state.facts.equal(wanted, size)
    if verdict is Verdict.YES:
        return
    written = frame.module.file.line(entry.place.line)[entry.place.column - 1 : entry.place.end_column - 1]
    meaning = written
    if written != str(wanted):
        meaning += f" = {wanted}" if isinstance(wanted, int) else f" (here {wanted})"
    if verdict is Verdict.NO:
        raise blame.error(
            "E0382",
            f"{what} needs the size {meaning}, got {size} in {value.type}",
            at,
            labels=_labels(value, at, entry.place),
        )
    raise blame.error(
        "E0383",
        f"{what} needs the size {meaning}, and nothing says that it equals {size} in {value.type}",
        at,
        f"if they are always equal, say so first: require {wanted} == {size}",
        labels=_labels(value, at, entry.place),
    )


def _labels(value: Value, at: Place, written: Place) -> list[Label]:
    """Where the tensor comes from, and where its type is written, unless the blame lies there anyway."""
    labels = [] if at.line == written.line and at.file == written.file else [Label(written, "declared here")]
    if value.place is not None and value.place != at:
        labels.append(Label(value.place, f"{value.type} comes from here"))
    return labels
