"""The house's one measure: max|y - ref| / max(1e-6, max|ref|), over one result; what is no number agrees exactly."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array: TypeAlias = NDArray[Any]


# What is allowed where nothing else is asked for: by the narrowest type that the model computes in.
TOLERANCE = 1e-4
TOLERANCES = {"float16": 5e-3, "bfloat16": 4e-2}


def usual_tolerance(dtypes: Iterable[str]) -> float:
    """The error that is allowed between two ways to compute in these types."""
    return max((TOLERANCES.get(dtype, TOLERANCE) for dtype in dtypes), default=TOLERANCE)


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
    y, reference = np.where(finite, y, 0.0), np.where(finite, reference, 0.0)
    return float(np.max(np.abs(y - reference)) / max(1e-6, float(np.max(np.abs(reference)))))


@dataclass(frozen=True, slots=True)
class Difference:
    """How far a result is from its reference. `said` tells where shapes or types differ: the error is infinite then."""

    error: float
    said: str = ""


def compare(y: Array, reference: Array, *, typed: bool = True) -> Difference:
    """The difference of two results. `typed` False: their element types may differ."""
    if y.shape != reference.shape:
        return Difference(float("inf"), f"the shape is {shown(y.shape)}, not {shown(reference.shape)}")
    if typed and y.dtype != reference.dtype:
        return Difference(float("inf"), f"the type is {y.dtype}, not {reference.dtype}")
    return Difference(error(y, reference))


def _text(element: Any) -> str:
    """A string: TensorFlow has bytes."""
    return element.decode("utf-8", "replace") if isinstance(element, bytes) else str(element)


def shown(shape: tuple[int, ...]) -> str:
    """A shape as types are written."""
    return f"[{', '.join(map(str, shape))}]"


def flat(array: Array) -> bool:
    """Whether a result tells little: all its numbers are 0, 1 or one and the same, as a softmax that is sure gives."""
    import numpy as np

    if array.dtype.kind not in "fc" or array.size < 2:
        return False
    return bool(np.all((np.abs(array) < 1e-30) | (array == 1)) or np.all(array == array.reshape(-1)[0]))
