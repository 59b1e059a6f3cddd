"""Domains of single values: numbers, flags, strings; and what every domain is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from archonnx.contract.diagnostics import did_you_mean

LARGEST = 2**63 - 1  # of whole numbers: sizes, and what ONNX holds in attributes and constants
LARGEST_REAL = 3.4028234663852886e38  # of float32; what is larger would be infinite in the model


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
    takes_tensor: bool = False  # whether a tensor whose numbers are written out may be given, which comes as an array

    def parse(self, value: Any) -> Any:
        """The value in its one form; raises DomainError."""
        return value

    def describe(self) -> str:
        """What the values are, as a noun phrase."""
        return "a value"

    def fail(self, help: str | None = None) -> DomainError:
        return DomainError(self.describe(), help=help)

    def too_large(self) -> DomainError:
        return DomainError(self.describe(), help="whole numbers end at 2**63 - 1", code="E0804")


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
                short = abs(value) < LARGEST  # longer ones are no size that anybody means
                raise self.fail(f"write {int(value)}, or int(...) around a computed value" if short else None)
            raise self.fail()
        if (self.minimum is not None and value < self.minimum) or (self.maximum is not None and value > self.maximum):
            raise self.fail()
        if not -LARGEST - 1 <= value <= LARGEST:
            raise self.too_large()
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
        if not is_number(value) or (isinstance(value, float) and not math.isfinite(value)):
            raise self.fail()
        if not -LARGEST_REAL <= value <= LARGEST_REAL:
            raise self.fail("float32 ends at 3.4e38")
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


class PaddingName(Choice):
    """What a window's padding is called. Numbers, as PyTorch takes, and "causal" are told what to write instead."""

    def parse(self, value: Any) -> str:
        if is_whole(value) or (isinstance(value, (tuple, list)) and all(map(is_whole, value))):
            raise self.fail(
                "a number of zeros is added by a layer before: ZeroPadding1D, ZeroPadding2D or ZeroPadding3D"
            )
        if isinstance(value, str) and value.lower() == "causal" and "causal" not in self.choices:
            raise self.fail("Conv1D alone pads before")
        return super().parse(value)


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
        return f" from {_number(minimum)} to {_number(maximum)}"
    if minimum is not None:
        return f", at least {_number(minimum)}"
    return f", at most {_number(maximum)}" if maximum is not None else ""


def _number(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:g}"


def one_of(choices: Sequence[str]) -> str:
    quoted = [f'"{choice}"' for choice in choices]
    return quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])} or {quoted[-1]}"


def mean(word: str, known: Sequence[str]) -> str | None:
    """The mend for a misspelt word, where one of the known ones is near."""
    near = did_you_mean(word, known)
    return f"did you mean {one_of(near)}?" if near else None
