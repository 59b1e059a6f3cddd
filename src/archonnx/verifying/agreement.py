"""How two results compare: by the error of `contract.agreement`, their shapes and their types."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from archonnx.contract.agreement import error

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array: TypeAlias = NDArray[Any]


# What is allowed where nothing else is asked for: by the narrowest type that the model computes in.
TOLERANCE = 1e-4
TOLERANCES = {"float16": 5e-3, "bfloat16": 4e-2}


def usual_tolerance(dtypes: Iterable[str]) -> float:
    """The error that is allowed between two ways to compute in these types."""
    return max((TOLERANCES.get(dtype, TOLERANCE) for dtype in dtypes), default=TOLERANCE)


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


def shown(shape: tuple[int, ...]) -> str:
    """A shape as types are written."""
    return f"[{', '.join(map(str, shape))}]"


def flat(array: Array) -> bool:
    """Whether a result tells little: all its numbers are 0, 1 or one and the same, as a softmax that is sure gives."""
    import numpy as np

    if array.dtype.kind not in "fc" or array.size < 2:
        return False
    return bool(np.all((np.abs(array) < 1e-30) | (array == 1)) or np.all(array == array.reshape(-1)[0]))
