"""The house's one measure: max|y - ref| / max(1e-6, max|ref|), over one result; what is no number agrees exactly."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array: TypeAlias = NDArray[Any]


def error(y: Array, reference: Array) -> float:
    """The error between two results of one shape; infinite where a NaN or an infinity stands on one side alone."""
    import numpy as np

    if y.dtype.kind in "OUS" or reference.dtype.kind in "OUS":
        return 0.0 if list(map(_text, y.reshape(-1))) == list(map(_text, reference.reshape(-1))) else float("inf")
    kind = np.complex128 if "c" in (y.dtype.kind, reference.dtype.kind) else np.float64
    y, reference = y.astype(kind), reference.astype(kind)
    if not reference.size:
        return 0.0
    finite = np.isfinite(reference)
    if not np.array_equal(np.where(finite, 0.0, y), np.where(finite, 0.0, reference), equal_nan=True):
        return float("inf")
    if not np.isfinite(y[finite]).all():
        return float("inf")
    y, reference = np.where(finite, y, 0.0), np.where(finite, reference, 0.0)
    return float(np.max(np.abs(y - reference)) / max(1e-6, float(np.max(np.abs(reference)))))


def _text(element: Any) -> str:
    """A string: TensorFlow has bytes."""
    return element.decode("utf-8", "replace") if isinstance(element, bytes) else str(element)
