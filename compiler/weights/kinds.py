"""The kinds of initializers, one class each, with Keras' names, arguments and distributions.

An initializer is data. It says whether it fits a weight (`check`) and what its elements are (`elements`); the numbers
are drawn in `drawing.py`, from a stream keyed by the build's seed and the weight's path: they depend on nothing else.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import ClassVar

from archonnx.compiler.weights.arguments import (
    InitializerError,
    axes,
    choice,
    number,
    seed_number,
    whole_or_number,
)
from archonnx.compiler.weights.elements import (
    Diagonal,
    Elements,
    Fill,
    Normal,
    OrthogonalMatrix,
    Shape,
    Uniform,
    Values,
)
from archonnx.contract.dtypes import DTYPES

# Standard deviation of a normal distribution cut at two standard deviations: scipy.stats.truncnorm.std(a=-2, b=2).
TRUNCATED_STDDEV = 0.87962566103423978


@dataclass(frozen=True)
class Initializer:
    """The base. Instances are immutable, compare by value and print as the call that makes them."""

    random: ClassVar[bool] = False  # whether the elements are drawn

    @property
    def own_seed(self) -> int | None:
        """The seed that takes the place of the build's."""
        return None

    def check(self, shape: Shape, dtype: str) -> None:
        """Raise InitializerError where a weight of this shape and dtype cannot start so."""
        if self.random and DTYPES[dtype].kind != "float":
            raise InitializerError(
                "E0704",
                f"{type(self).__name__} draws fractions, and the weight is {dtype}",
                f'{dtype} weights start as "zeros", "ones", Constant(value) or nested lists',
            )

    def elements(self, shape: Shape) -> Elements:
        """What the elements of a weight of this shape are."""
        raise TypeError(f"{type(self).__name__} declares no elements")

    def __str__(self) -> str:
        said = [f"{f.name}={getattr(self, f.name)!r}" for f in fields(self) if getattr(self, f.name) != f.default]
        return f"{type(self).__name__}({', '.join(said)})"


@dataclass(frozen=True)
class Zeros(Initializer):
    """0 everywhere."""

    def elements(self, shape: Shape) -> Elements:
        return Fill(0)


@dataclass(frozen=True)
class Ones(Initializer):
    """1 everywhere."""

    def elements(self, shape: Shape) -> Elements:
        return Fill(1)


@dataclass(frozen=True)
class Constant(Initializer):
    """`value` everywhere."""

    value: float | int | bool = 0.0

    def __post_init__(self) -> None:
        whole_or_number(self, "value")

    def check(self, shape: Shape, dtype: str) -> None:
        check_value(self.value, dtype)

    def elements(self, shape: Shape) -> Elements:
        return Fill(self.value)


@dataclass(frozen=True)
class Identity(Initializer):
    """The identity matrix times `gain`; for matrices only, which need not be square."""

    gain: float = 1.0

    def __post_init__(self) -> None:
        number(self, "gain")

    def check(self, shape: Shape, dtype: str) -> None:
        if len(shape) != 2:
            raise InitializerError("E0704", f"Identity makes a matrix, and the weight has the shape {list(shape)}")
        check_value(self.gain, dtype)

    def elements(self, shape: Shape) -> Elements:
        return Diagonal(self.gain)


@dataclass(frozen=True)
class Seeded(Initializer):
    """The base of those that draw. `seed` takes the place of the build's seed; the weight's path still counts."""

    random: ClassVar[bool] = True

    @property
    def own_seed(self) -> int | None:
        seed: int | None = getattr(self, "seed", None)
        return seed

    def __post_init__(self) -> None:
        seed_number(self, "seed")


@dataclass(frozen=True)
class RandomNormal(Seeded):
    """Normal numbers."""

    mean: float = 0.0
    stddev: float = 0.05
    seed: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        number(self, "mean")
        number(self, "stddev", minimum=0.0)

    def elements(self, shape: Shape) -> Elements:
        return Normal(self.mean, self.stddev, truncated=False)


@dataclass(frozen=True)
class TruncatedNormal(Seeded):
    """Normal numbers, drawn again while further than two standard deviations from the mean."""

    mean: float = 0.0
    stddev: float = 0.05
    seed: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        number(self, "mean")
        number(self, "stddev", minimum=0.0)

    def elements(self, shape: Shape) -> Elements:
        return Normal(self.mean, self.stddev, truncated=True)


@dataclass(frozen=True)
class RandomUniform(Seeded):
    """Uniform numbers between `minval` and `maxval`."""

    minval: float = -0.05
    maxval: float = 0.05
    seed: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        number(self, "minval")
        number(self, "maxval", minimum=self.minval)

    def elements(self, shape: Shape) -> Elements:
        return Uniform(self.minval, self.maxval)


@dataclass(frozen=True)
class Orthogonal(Seeded):
    """An orthogonal matrix times `gain`; axes before the last are taken as one, as Keras does for convolutions.

    Saxe et al., 2014, https://openreview.net/forum?id=_wzZwKpTDF_9C
    """

    gain: float = 1.0
    seed: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        number(self, "gain")

    def check(self, shape: Shape, dtype: str) -> None:
        super().check(shape, dtype)
        if len(shape) < 2:
            raise InitializerError(
                "E0704", f"Orthogonal needs two axes or more, and the weight has the shape {list(shape)}"
            )

    def elements(self, shape: Shape) -> Elements:
        return OrthogonalMatrix(self.gain)


class Scaled(Seeded):
    """Numbers whose variance is `scale` divided by a count of units: Keras' VarianceScaling, and its named cases."""

    def scaling(self) -> tuple[float, str, str]:
        """(scale, mode, distribution)."""
        raise TypeError(f"{type(self).__name__} declares no scaling")

    def check(self, shape: Shape, dtype: str) -> None:
        super().check(shape, dtype)
        rank = len(shape)
        for name in ("input_axes", "output_axes"):
            for axis in getattr(self, name) or ():
                if not -rank <= axis < rank:
                    raise InitializerError(
                        "E0704", f"{name} says axis {axis}, and the weight has the shape {list(shape)}"
                    )

    def elements(self, shape: Shape) -> Elements:
        scale, mode, distribution = self.scaling()
        fan_in, fan_out = compute_fans(shape, getattr(self, "input_axes", None), getattr(self, "output_axes", None))
        units = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2.0}[mode]
        variance = scale / max(1.0, units)
        if distribution == "uniform":
            limit = math.sqrt(3.0 * variance)
            return Uniform(-limit, limit)
        if distribution == "truncated_normal":
            return Normal(0.0, math.sqrt(variance) / TRUNCATED_STDDEV, truncated=True)
        return Normal(0.0, math.sqrt(variance), truncated=False)


@dataclass(frozen=True)
class VarianceScaling(Scaled):
    """Variance `scale / n`, n the units in, out or their mean (`mode`), from the named `distribution`."""

    scale: float = 1.0
    mode: str = "fan_in"
    distribution: str = "truncated_normal"
    seed: int | None = None
    input_axes: tuple[int, ...] | None = None
    output_axes: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        number(self, "scale", above=0.0)
        choice(self, "mode", ("fan_in", "fan_out", "fan_avg"))
        known = ("truncated_normal", "untruncated_normal", "uniform")
        choice(self, "distribution", known, {"normal": "truncated_normal"})
        axes(self, "input_axes")
        axes(self, "output_axes")

    def scaling(self) -> tuple[float, str, str]:
        return self.scale, self.mode, self.distribution


@dataclass(frozen=True)
class _Named(Scaled):
    """A VarianceScaling whose scale, mode and distribution are in its name."""

    fixed: ClassVar[tuple[float, str, str]]

    seed: int | None = None
    input_axes: tuple[int, ...] | None = None
    output_axes: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        axes(self, "input_axes")
        axes(self, "output_axes")

    def scaling(self) -> tuple[float, str, str]:
        return self.fixed


class GlorotUniform(_Named):
    """Uniform within sqrt(6 / (fan_in + fan_out)): Glorot and Bengio, 2010."""

    fixed = (1.0, "fan_avg", "uniform")


class GlorotNormal(_Named):
    """Truncated normal of variance 2 / (fan_in + fan_out): Glorot and Bengio, 2010."""

    fixed = (1.0, "fan_avg", "truncated_normal")


class HeUniform(_Named):
    """Uniform within sqrt(6 / fan_in): He et al., 2015."""

    fixed = (2.0, "fan_in", "uniform")


class HeNormal(_Named):
    """Truncated normal of variance 2 / fan_in: He et al., 2015."""

    fixed = (2.0, "fan_in", "truncated_normal")


class LecunUniform(_Named):
    """Uniform within sqrt(3 / fan_in): Klambauer et al., 2017."""

    fixed = (1.0, "fan_in", "uniform")


class LecunNormal(_Named):
    """Truncated normal of variance 1 / fan_in: Klambauer et al., 2017."""

    fixed = (1.0, "fan_in", "truncated_normal")


@dataclass(frozen=True)
class Literal(Initializer):
    """Numbers written in the source, nested as the weight's shape is. `shape` is their own shape."""

    shape: Shape
    flat: tuple[float | int | bool, ...]

    def check(self, shape: Shape, dtype: str) -> None:
        if self.shape != shape:
            help = "a number for every element: Constant(value) fills a weight with one" if self.shape == () else None
            raise InitializerError(
                "E0702", f"the numbers have the shape {list(self.shape)}, and the weight {list(shape)}", help
            )
        for value in self.flat:
            check_value(value, dtype)

    def elements(self, shape: Shape) -> Elements:
        return Values(self.flat)

    def __str__(self) -> str:
        return f"numbers of shape {list(self.shape)}"


def check_value(value: float | int | bool, dtype: str) -> None:
    """Raise InitializerError where an element of this dtype cannot be this number."""
    kind, bits = DTYPES[dtype].kind, DTYPES[dtype].bits
    if kind in ("string", "complex"):
        raise InitializerError("E0704", f"a weight is a tensor of numbers, not of {dtype}")
    if kind == "bool" and value not in (0, 1):
        raise InitializerError("E0704", f"{value} is no element of a bool weight", "write True or False")
    if kind in ("int", "uint"):
        low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if kind == "int" else (0, 2**bits - 1)
        if value != value or value in (math.inf, -math.inf) or value != int(value):
            raise InitializerError("E0704", f"{value} is no whole number, and the weight is {dtype}")
        if not low <= value <= high:
            raise InitializerError("E0704", f"{int(value)} does not fit {dtype}, which holds {low} to {high}")


def compute_fans(
    shape: Shape, input_axes: Sequence[int] | None = None, output_axes: Sequence[int] | None = None
) -> tuple[int, int]:
    """Units in and out of a weight: Keras' compute_fans. A kernel is (..., input channels, output channels)."""
    if input_axes is not None and output_axes is not None:
        return math.prod(shape[a] for a in input_axes), math.prod(shape[a] for a in output_axes)
    if not shape:
        return 1, 1
    if len(shape) == 1:
        return shape[0], shape[0]
    field = math.prod(shape[:-2])
    return shape[-2] * field, shape[-1] * field
