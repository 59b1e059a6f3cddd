"""Which operator sets are compiled for. The measurements behind the default are in docs/opset.md."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from archonnx.contract.diagnostics import UsageError

OLDEST_OPSET = 17
NEWEST_OPSET = 28  # of onnx 1.23
DEFAULT_OPSET = 20


def checked_opset(opset: int | None) -> int:
    """The operator set that is meant: the default for None. UsageError where it is outside the range."""
    if opset is None:
        return DEFAULT_OPSET
    if not OLDEST_OPSET <= opset <= NEWEST_OPSET:
        raise UsageError(
            f"opset {opset} is not compiled for: expected {OLDEST_OPSET} to {NEWEST_OPSET}; "
            f"leave it out for the default, {DEFAULT_OPSET}"
        )
    return opset


def reduces_by_input(kind: str, opset: int) -> bool:
    """Whether a reduction takes its axes as an input (ReduceSum since 13, the others since 18) or as an attribute."""
    return kind == "ReduceSum" or opset >= 18


@cache
def takes(kind: str, opset: int, dtypes: Sequence[str | None]) -> bool:
    """Whether an operator of ONNX takes inputs of these types in an operator set; None is an input left out."""
    import onnx

    schema = onnx.defs.get_schema(kind, opset, "")
    variables = {c.type_param_str: c.allowed_type_strs for c in schema.type_constraints}
    for place, dtype in enumerate(dtypes):
        asked = schema.inputs[min(place, len(schema.inputs) - 1)].type_str  # the last may stand for several
        if dtype is not None and f"tensor({dtype})" not in variables.get(asked, (asked,)):
            return False
    return True
