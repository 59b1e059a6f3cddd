"""Domains of arguments: what values an argument takes, and how a value is brought to its one form.

    Domain.parse(value)   the value in its one form; DomainError where it lies outside. parse(parse(v)) == parse(v)
    Domain.describe()     "a whole number, at least 1": what an error says was expected, and `archonnx layers` prints
    Domain.examples       values inside the domain, for documentation and completion

Values that arrive are compile-time values: int, float, bool, str, None, tuple, list, a symbolic dimension
(contract.dims.Expr), an Initializer, a Layer. A boolean is never a number, a float never a whole number.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from archonnx.contract.diagnostics import did_you_mean
from archonnx.contract.dtypes import ALIASES, DTYPES


class DomainError(Exception):
    """A value outside a domain. `expected` completes "NAME must be ..."; `help` is the mend, if there is one.

    `code` is the code of the diagnostic where the value has one of its own (an initializer's), else None.
    """

    def __init__(self, expected: str, *, help: str | None = None, code: str | None = None) -> None:
        super().__init__(expected)
        self.expected, self.help, self.code = expected, help, code


class Domain:
    """The base of all domains; itself it takes anything."""

    examples: tuple[Any, ...] = ()

    def parse(self, value: Any) -> Any:
        """The value in its one form; raises DomainError."""
        return value

    def describe(self) -> str:
        """What the values are, as a noun phrase."""
        return "a value"

    def fail(self, help: str | None = None) -> DomainError:
        return DomainError(self.describe(), help=help)


class Anything(Domain):
    """Takes every value as it is."""


class Ignored(Domain):
    """Arguments of Keras that only training uses: regularizers, constraints, seeds. Every value is taken."""

    def describe(self) -> str:
        return "anything: it has no effect on inference"


class Whole(Domain):
    """A whole number within bounds. With `symbolic`, a dimension over the model's symbols too."""

    def __init__(self, minimum: int | None = None, maximum: int | None = None, *, symbolic: bool = False) -> None:
        self.minimum, self.maximum, self.symbolic = minimum, maximum, symbolic
        self.examples = (minimum if minimum is not None else 0,)

    def parse(self, value: Any) -> Any:
        if is_symbolic(value):
            if self.symbolic:
                return value
            raise self.fail(f"{value} is known only when the model runs; give a number")
        if not is_whole(value):
            if isinstance(value, float) and value.is_integer():
                raise self.fail(f"write {int(value)}, or int(...) around a computed value")
            raise self.fail()
        if (self.minimum is not None and value < self.minimum) or (self.maximum is not None and value > self.maximum):
            raise self.fail()
        return int(value)

    def describe(self) -> str:
        kind = "a whole number or a dimension" if self.symbolic else "a whole number"
        return kind + bounds_text(self.minimum, self.maximum)


class Real(Domain):
    """A finite number, whole or not, within bounds; `above` and `below` are bounds that it must not reach."""

    def __init__(
        self,
        minimum: float | None = None,
        maximum: float | None = None,
        *,
        above: float | None = None,
        below: float | None = None,
    ) -> None:
        self.minimum, self.maximum, self.above, self.below = minimum, maximum, above, below
        middle = [v for v in (minimum, maximum) if v is not None]
        self.examples = (float(middle[0]),) if middle else (0.5,)

    def parse(self, value: Any) -> float:
        if not is_number(value) or not math.isfinite(value):
            raise self.fail()
        number = float(value)
        if (
            (self.minimum is not None and number < self.minimum)
            or (self.maximum is not None and number > self.maximum)
            or (self.above is not None and number <= self.above)
            or (self.below is not None and number >= self.below)
        ):
            raise self.fail()
        return number

    def describe(self) -> str:
        text = "a number" + bounds_text(self.minimum, self.maximum)
        if self.above is not None:
            text += f", above {self.above:g}"
        if self.below is not None:
            text += f", below {self.below:g}"
        return text


class Flag(Domain):
    """True or False, and nothing that merely passes for them."""

    examples = (True, False)

    def parse(self, value: Any) -> bool:
        if not isinstance(value, bool):
            raise self.fail()
        return value

    def describe(self) -> str:
        return "True or False"


class Text(Domain):
    """Any string."""

    def parse(self, value: Any) -> str:
        if not isinstance(value, str):
            raise self.fail()
        return value

    def describe(self) -> str:
        return "a string"


class Choice(Domain):
    """One of some strings; upper and lower case are the same, as in Keras."""

    def __init__(self, *choices: str) -> None:
        self.choices = choices
        self.examples = choices

    def parse(self, value: Any) -> str:
        if not isinstance(value, str):
            raise self.fail()
        if value.lower() not in self.choices:
            raise self.fail(mean(value, self.choices))
        return value.lower()

    def describe(self) -> str:
        return one_of(self.choices)


class DataFormat(Choice):
    """The place of the channels' axis. None, Keras' default, is "channels_last"."""

    def __init__(self) -> None:
        super().__init__("channels_last", "channels_first")

    def parse(self, value: Any) -> str:
        return "channels_last" if value is None else super().parse(value)


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
            raise DomainError(self.describe(), help=error.help) from None
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

    def __init__(self, rank: int, minimum: int = 1) -> None:
        super().__init__(Whole(minimum), rank)


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
        for size in values:
            if not is_symbolic(size) and (not is_whole(size) or size < -1 or (size == -1 and not self.rest)):
                raise self.fail()
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


class Absent(Domain):
    """An argument of Keras that would change the layer itself in a way that is not offered: only `absent` is taken."""

    def __init__(self, reason: str, absent: Any = None) -> None:
        self.reason, self.absent = reason, absent
        self.examples = (absent,)

    def parse(self, value: Any) -> Any:
        if value != self.absent or type(value) is not type(self.absent):
            raise self.fail()
        return value

    def describe(self) -> str:
        return f"{self.absent} ({self.reason})"


class LayerDomain(Domain):
    """A layer, configured and not yet applied: what wrappers such as Bidirectional take."""

    def parse(self, value: Any) -> Any:
        from archonnx.compiler.layers.base import Layer

        if not isinstance(value, Layer):
            raise self.fail()
        return value

    def describe(self) -> str:
        return "a layer"


class Literal(Domain):
    """A number, or nested lists of numbers as long as one another at each depth. The one form is nested tuples."""

    examples = (0.5, (0.1, 0.2))

    def parse(self, value: Any) -> Any:
        if is_number(value):
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


def is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def is_symbolic(value: Any) -> bool:
    """Whether a value is a dimension over the model's symbols."""
    if value is None or isinstance(value, (int, float, str, tuple, list)):
        return False
    from archonnx.contract.dims import Expr

    return isinstance(value, Expr)


def bounds_text(minimum: float | None, maximum: float | None) -> str:
    if minimum is not None and maximum is not None:
        return f" from {minimum:g} to {maximum:g}"
    if minimum is not None:
        return f", at least {minimum:g}"
    return f", at most {maximum:g}" if maximum is not None else ""


def one_of(choices: Sequence[str]) -> str:
    quoted = [f'"{choice}"' for choice in choices]
    return quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])} or {quoted[-1]}"


def mean(word: str, known: Sequence[str]) -> str | None:
    """The mend for a misspelt word, where one of the known ones is near."""
    near = did_you_mean(word, known)
    return f"did you mean {one_of(near)}?" if near else None
