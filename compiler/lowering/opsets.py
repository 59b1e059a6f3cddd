"""Which operator sets are compiled for. The measurements behind the default are in docs/opset.md."""

from __future__ import annotations

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
