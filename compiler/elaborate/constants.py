"""Names that are values of the file: constants, imported ones too, and dtypes."""

from __future__ import annotations

from typing import Any

from archonnx.compiler.elaborate import calls, evaluate
from archonnx.compiler.elaborate.state import Frame
from archonnx.compiler.elaborate.values import (
    POISON,
    Abort,
    Appliable,
    DTypeValue,
    holds_tensor,
    kind_of,
)
from archonnx.compiler.syntax import tree
from archonnx.contract.diagnostics import Place, did_you_mean
from archonnx.contract.dtypes import DTYPES


def is_constant(name: str, frame: Frame) -> bool:
    """Whether the file declares or imports a constant of this name."""
    if name in frame.module.declared:
        return isinstance(frame.module.declared[name], tree.Assign)
    if name in frame.module.imported:
        source, original = frame.module.imported[name]
        return isinstance(source.declared[original], tree.Assign)
    return False


def constant(name: str, frame: Frame, place: Place) -> Any:
    """The value of a constant of the file, or of a dtype's name."""
    module = frame.module
    if name in module.imported:
        module, name = module.imported[name]
    if name in module.constants:
        return module.constants[name]
    declared = module.declared.get(name)
    if isinstance(declared, tree.Assign):
        return _file_constant(name, declared, frame, module, place)
    if name in DTYPES:
        return DTypeValue(name)
    if name in module.failed_imports:
        return POISON
    raise _unknown(name, frame, place)


def _file_constant(name: str, node: tree.Assign, frame: Frame, module: Any, place: Place) -> Any:
    state = frame.state
    key = (module.name, name)
    if key in state.evaluating:
        raise frame.error(
            "E0213", f"the constant {name} is defined by itself", place, "one of them has to be a plain value"
        )
    state.evaluating.add(key)
    inner = Frame(state, module, None, frame.scope)
    try:
        value = evaluate.expression(node.value, inner)
        if isinstance(value, Appliable) or holds_tensor(value):
            raise inner.error(
                "E0505",
                f"the constant {name} holds {kind_of(value)}",
                node.value.place,
                "make layers where they are used: in a block",
            )
    except Abort as abort:
        if abort.diagnostic is not None:
            state.diagnostics.add(abort.diagnostic)
        value = POISON
    finally:
        state.evaluating.discard(key)
    module.constants[name] = value
    return value


def _unknown(name: str, frame: Frame, place: Place) -> Abort:
    what = calls.describe_callable(name, frame)
    if what is not None:
        kind, example = what
        return frame.error("E0201", f"{name} is {kind}, not a value", place, f"call it: {example}")
    known = [
        *frame.names,
        *(n for n, d in frame.module.declared.items() if isinstance(d, tree.Assign)),
        *frame.module.imported,
    ]
    near = did_you_mean(name, [*known, *DTYPES] if any(c.isdigit() for c in name) else known)
    help = f"did you mean {near[0]}?" if near else None
    return frame.error("E0201", f"there is no {name} here", place, help)
