"""Domains of arguments: what values an argument takes, and how a value is brought to its one form.

    Domain.parse(value)   the value in its one form; DomainError where it lies outside. parse(parse(v)) == parse(v)
    Domain.describe()     "a whole number, at least 1": what an error says was expected, and `archonnx layers` prints
    Domain.examples       values inside the domain, for documentation and completion

Those of single values are in domains_single.py. Values that arrive are compile-time values: int, float, bool, str,
None, tuple, list, a symbolic dimension (contract.dims.Expr), an Initializer, a Layer. A boolean is never a number, a
float never a whole number.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from archonnx.compiler.layers.domains_single import (
    LARGEST,
    LARGEST_REAL,
    Absent,
    Anything,
    Choice,
    DataFormat,
    Domain,
    DomainError,
    Flag,
    Ignored,
    PaddingName,
    Real,
    Text,
    Whole,
    is_number,
    is_symbolic,
    is_whole,
    mean,
    one_of,
)
from archonnx.contract.dtypes import ALIASES, DTYPES

__all__ = [
    "Absent",
    "Activation",
    "Anything",
    "Axes",
    "Axis",
    "Choice",
    "DTypeDomain",
    "DataFormat",
    "Domain",
    "DomainError",
    "Either",
    "Flag",
    "FloatDType",
    "Ignored",
    "InitializerDomain",
    "LayerDomain",
    "LayerOrBlock",
    "Literal",
    "Numbers",
    "Optional",
    "PaddingName",
    "Pair",
    "Real",
    "Repeated",
    "Shape",
    "Sides",
    "Text",
    "Whole",
    "literal_shape",
]


MOST_AXES = 64  # of a tensor, as in NumPy


class Optional(Domain):
    """None, or a value of another domain."""

    def __init__(self, of: Domain) -> None:
        self.of = of
        self.examples = (None, *of.examples)

    def parse(self, value: Any) -> Any:
        if value is None:
            return None
        try:
            return self.of.parse(value)
        except DomainError as error:
            raise DomainError(f"{error.expected}, or None", help=error.help, code=error.code) from None

    def describe(self) -> str:
        return f"{self.of.describe()}, or None"


class Either(Domain):
    """A value of the first of several domains that takes it."""

    def __init__(self, *of: Domain) -> None:
        self.of = of
        self.examples = tuple(example for domain in of for example in domain.examples[:1])

    def parse(self, value: Any) -> Any:
        for domain in self.of:
            try:
                return domain.parse(value)
            except DomainError:
                continue
        raise self.fail()

    def describe(self) -> str:
        return ", or ".join(domain.describe() for domain in self.of)


class Repeated(Domain):
    """A tuple of values of one domain: `count` of them where it is given, else at least `least`.

    With `alone`, one value stands for `count` equal ones, as `strides=2` does; without a count it is a tuple of one.
    """

    def __init__(self, of: Domain, count: int | None = None, *, alone: bool = True, least: int = 0) -> None:
        self.of, self.count, self.alone, self.least = of, count, alone, least
        single = of.examples[0] if of.examples else 0
        self.examples = (single,) if alone else ((single,) * (count or max(least, 1)),)

    def parse(self, value: Any) -> tuple[Any, ...]:
        try:
            if isinstance(value, (tuple, list)):
                if (self.count is not None and len(value) != self.count) or len(value) < self.least:
                    raise self.fail()
                return tuple(self.of.parse(v) for v in value)
            if self.alone:
                return (self.of.parse(value),) * (1 if self.count is None else self.count)
        except DomainError as error:
            raise DomainError(self.describe(), help=error.help, code=error.code) from None
        raise self.fail()

    def describe(self) -> str:
        one = self.of.describe()
        many = "a tuple" if self.count is None else f"a tuple of {self.count}"
        if not self.alone or self.count == 1:
            return f"{many}, each {one}" if not self.alone else one
        return f"{one}, or {many} of such"


class Pair(Repeated):
    """Two values of one domain, or one that stands for both."""

    def __init__(self, of: Domain) -> None:
        super().__init__(of, 2)


class Numbers(Repeated):
    """`rank` whole numbers, or one that stands for all of them: kernel sizes, strides."""

    def __init__(self, rank: int, minimum: int = 1, maximum: int | None = None) -> None:
        super().__init__(Whole(minimum, maximum), rank)


class Sides(Domain):
    """Amounts before and after along each of `rank` axes: n, (n, m, ...) an axis, or ((before, after), ...).

    Along one axis Keras takes n or (before, after). The one form is ((before, after), ...).
    """

    def __init__(self, rank: int) -> None:
        self.rank = rank
        self.examples = (1, (1, 2)) if rank == 1 else (1, (1, 2, 3)[:rank], ((1, 2),) * rank)

    def parse(self, value: Any) -> tuple[tuple[int, int], ...]:
        def amount(v: Any) -> int:
            if not is_whole(v) or v < 0:
                raise self.fail()
            if v > LARGEST:
                raise self.too_large()
            return int(v)

        if is_whole(value):
            return ((amount(value), amount(value)),) * self.rank
        if not isinstance(value, (tuple, list)):
            raise self.fail()
        if self.rank == 1 and len(value) == 2 and all(is_whole(v) for v in value):
            return ((amount(value[0]), amount(value[1])),)
        if len(value) != self.rank:
            raise self.fail()
        sides = []
        for entry in value:
            if isinstance(entry, (tuple, list)):
                if len(entry) != 2:
                    raise self.fail()
                sides.append((amount(entry[0]), amount(entry[1])))
            else:
                sides.append((amount(entry), amount(entry)))
        return tuple(sides)

    def describe(self) -> str:
        if self.rank == 1:
            return "a whole number, at least 0, or (before, after)"
        return f"a whole number, at least 0, or {self.rank} of them, or {self.rank} pairs (before, after)"


class Axis(Whole):
    """The number of an axis; negative ones count from the last."""

    def describe(self) -> str:
        return "the number of an axis"


class Axes(Repeated):
    """Numbers of axes, or one. The one form is a tuple without repetition."""

    def __init__(self) -> None:
        super().__init__(Axis())

    def parse(self, value: Any) -> tuple[Any, ...]:
        axes = super().parse(value)
        if len(set(axes)) != len(axes):
            raise self.fail("each axis once")
        return axes

    def describe(self) -> str:
        return "the number of an axis, or a tuple of them"


class Shape(Domain):
    """Sizes: whole numbers or dimensions, at most one of them -1 ("what is left") where `rest` allows it."""

    examples = ((4, 16), (-1, 8))

    def __init__(self, *, rest: bool = True) -> None:
        self.rest = rest

    def parse(self, value: Any) -> tuple[Any, ...]:
        values = tuple(value) if isinstance(value, (tuple, list)) else (value,)
        if len(values) > MOST_AXES:
            raise self.fail(f"a tensor has {MOST_AXES} axes at most, and these are {len(values)}")
        for size in values:
            if not is_symbolic(size) and (not is_whole(size) or size < -1 or (size == -1 and not self.rest)):
                raise self.fail()
            if is_whole(size) and size > LARGEST:
                raise self.too_large()
        if sum(1 for size in values if is_whole(size) and size == -1) > 1:
            raise self.fail("only one size can be left to be computed")
        return values

    def describe(self) -> str:
        sizes = "a tuple of sizes, whole numbers or dimensions"
        return sizes + (", one of them -1 for what is left" if self.rest else "")


class DTypeDomain(Domain):
    """An element type by its name. The one form is the name in contract.dtypes.DTYPES."""

    examples: tuple[Any, ...] = ("float32", "float16", "int64")

    def parse(self, value: Any) -> str:
        name = value if isinstance(value, str) else getattr(value, "name", None)
        if not isinstance(name, str):
            raise self.fail()
        name = ALIASES.get(name, name)
        if name not in DTYPES:
            raise self.fail(mean(name, tuple(DTYPES)))
        return name

    def describe(self) -> str:
        return 'an element type, such as "float32"'


class InitializerDomain(Domain):
    """What a weight starts from: a name, a call such as TruncatedNormal(stddev=0.02), or nested lists of numbers."""

    examples = ("zeros", "glorot_uniform", "he_normal")

    def parse(self, value: Any) -> Any:
        from archonnx.compiler.weights.initializers import InitializerError, resolve

        try:
            return resolve(value)
        except InitializerError as error:
            raise DomainError(self.describe(), help=error.help or error.message, code=error.code) from error

    def describe(self) -> str:
        return "an initializer: a name, a call, or nested lists of numbers"


class Activation(Domain):
    """The name of a Keras activation, or an activation layer. Its one form: the first name, None for "linear"."""

    examples = ("relu", "gelu", None)

    def parse(self, value: Any) -> Any:
        from archonnx.compiler.layers.activations import ACTIVATIONS, ALIASES

        if value is None:
            return None
        if getattr(value, "acts_elementwise", False):
            return value
        if not isinstance(value, str):
            raise self.fail()
        name = ALIASES.get(value, value)
        if name == "linear":
            return None
        if name not in ACTIVATIONS:
            raise self.fail(mean(value, (*ACTIVATIONS, *ALIASES)))
        return name

    def describe(self) -> str:
        return "the name of an activation, None, or an activation layer without weights"


class FloatDType(DTypeDomain):
    """A floating element type: what a layer computes in."""

    examples = ("float32", "float16")
    kinds = ("float16", "bfloat16", "float32", "float64")

    def parse(self, value: Any) -> str:
        try:
            name = super().parse(value)
        except DomainError:
            raise self.fail(mean(value, self.kinds) if isinstance(value, str) else None) from None
        if name not in self.kinds:
            raise self.fail()
        return name

    def describe(self) -> str:
        return f"a floating element type: {one_of(self.kinds)}"


class LayerDomain(Domain):
    """A layer, configured and not yet applied: what wrappers such as Bidirectional take."""

    def parse(self, value: Any) -> Any:
        from archonnx.compiler.layers.base import Layer

        if not isinstance(value, Layer):
            raise self.fail()
        return value

    def describe(self) -> str:
        return "a layer"


@dataclass(frozen=True, slots=True, eq=False)
class Unapplied:
    """A layer or a block as an argument. `appliable` is the elaborator's, which alone knows how to apply it."""

    appliable: Any

    def __str__(self) -> str:
        return f"{self.appliable.constructor}(...)"


class LayerOrBlock(Domain):
    """A layer or a block, configured and not yet applied: what the elaborator applies inside another."""

    def parse(self, value: Any) -> Any:
        if not isinstance(value, Unapplied):
            raise self.fail()
        return value

    def describe(self) -> str:
        return "a layer or a block that is constructed and not applied"


class Literal(Domain):
    """A number, or nested lists of numbers as long as one another at each depth. The one form is nested tuples."""

    examples = (0.5, (0.1, 0.2))

    def parse(self, value: Any) -> Any:
        if is_number(value):
            if not -LARGEST_REAL <= value <= LARGEST_REAL:
                raise self.fail("float32 ends at 3.4e38")
            return value
        if not isinstance(value, (tuple, list)):
            raise self.fail()
        parts = tuple(self.parse(v) for v in value)
        if len({literal_shape(part) for part in parts}) > 1:
            raise self.fail("the lists must be of one length at each depth")
        return parts

    def describe(self) -> str:
        return "a number, or nested lists of numbers"


def literal_shape(value: Any) -> tuple[int, ...]:
    """The shape of nested tuples of numbers."""
    if not isinstance(value, (tuple, list)):
        return ()
    return (len(value), *(literal_shape(value[0]) if value else ()))
