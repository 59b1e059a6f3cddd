"""What the elements of a weight are, before any number is drawn: an initializer's answer to a shape."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

Shape: TypeAlias = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Fill:
    """Every element is `value`."""

    value: float | int | bool


@dataclass(frozen=True, slots=True)
class Uniform:
    """Uniform between `low` and `high`."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Normal:
    """Normal; with `truncated`, drawn again while further than two `stddev` from the mean."""

    mean: float
    stddev: float
    truncated: bool


@dataclass(frozen=True, slots=True)
class Diagonal:
    """A matrix with `gain` on its main diagonal and 0 elsewhere."""

    gain: float


@dataclass(frozen=True, slots=True)
class OrthogonalMatrix:
    """`gain` times the orthogonal factor of a matrix of normal numbers, signs fixed: uniform over such matrices."""

    gain: float


@dataclass(frozen=True, slots=True)
class Values:
    """The elements themselves, in C order."""

    flat: tuple[float | int | bool, ...]


@dataclass(frozen=True, slots=True)
class Waves:
    """Kernels of a short-time Fourier transform: cosines or sines times a window (waves.py)."""

    side: str
    window: str | tuple[float, ...] | None
    scaling: str | None
    periodic: bool


@dataclass(frozen=True, slots=True)
class Pieces:
    """One after another, in C order: so many elements of each. All of them cost what a run is long."""

    parts: tuple[tuple[Elements, int], ...]


Elements: TypeAlias = "Fill | Uniform | Normal | Diagonal | OrthogonalMatrix | Values | Waves | Pieces"
