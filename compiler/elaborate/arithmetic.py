"""Python's operators on compile-time values: numbers, strings, lists, and dimensions that hold symbols."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, cast

from archonnx.compiler.elaborate import limits
from archonnx.compiler.elaborate.values import kind_of
from archonnx.contract import dims
from archonnx.contract.dims import Condition, DimTooLargeError, Expr, Ratio


class Problem(Exception):
    """What is wrong with a value; the evaluator adds the place."""

    def __init__(self, code: str, message: str, help: str | None = None, *, stop: bool = False) -> None:
        super().__init__(message)
        self.code, self.message, self.help, self.stop = code, message, help, stop


def bounded(value: Any) -> Any:
    """The value itself, once it is known to be within the bounds of the language."""
    if isinstance(value, int):
        if value.bit_length() > limits.INTEGER_BITS:
            bits = value.bit_length()
            raise Problem("E0805", f"an integer of {bits:,} bits; {limits.INTEGER_BITS:,} are the most", stop=True)
    elif isinstance(value, (str, list, tuple, range)) and len(value) > limits.ELEMENTS:
        raise _too_long(type(value).__name__, len(value))
    return value


def _too_long(kind: str, length: int) -> Problem:
    kind = {"str": "string"}.get(kind, kind)
    return Problem("E0806", f"a {kind} of {length:,} elements; {limits.ELEMENTS:,} are the most", stop=True)


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_size(value: object) -> bool:
    return (isinstance(value, int) and not isinstance(value, bool)) or isinstance(value, Expr)


def binary(operator: str, a: Any, b: Any) -> Any:
    """`a operator b`; raises Problem E0501 where the kinds do not go together, E0502 where there is no result."""
    try:
        if (_is_number(a) or isinstance(a, bool)) and (_is_number(b) or isinstance(b, bool)):
            return bounded(_numbers(operator, a, b))
        if isinstance(a, (Expr, Ratio)) or isinstance(b, (Expr, Ratio)):
            return _dimensions(operator, a, b)
        if operator == "+":
            for kind in (str, list, tuple):
                if isinstance(a, kind) and isinstance(b, kind):
                    if len(a) + len(b) > limits.ELEMENTS:
                        raise _too_long(kind.__name__, len(a) + len(b))
                    return a + b  # type: ignore[operator]
        if operator == "*":
            for left, right in ((a, b), (b, a)):
                if isinstance(left, (str, list, tuple)) and isinstance(right, int) and not isinstance(right, bool):
                    if len(left) * max(right, 0) > limits.ELEMENTS:
                        raise _too_long(type(left).__name__, len(left) * right)
                    return left * right
        if operator in ("&", "|", "^") and isinstance(a, Condition | bool) and isinstance(b, Condition | bool):
            raise Problem("E0501", f"`{operator}` does not join conditions", "write `and` or `or`")
    except ZeroDivisionError:
        raise Problem("E0502", f"division by zero: {a} {operator} {b}") from None
    except DimTooLargeError:
        raise
    except OverflowError:
        raise Problem("E0502", f"the result of {operator} is too large for a float") from None
    mend = (
        "make a string of it: str(...), or an f-string"
        if operator == "+" and (type(a) is str or type(b) is str)
        else None
    )
    raise Problem("E0501", f"`{operator}` does not go between {kind_of(a)} and {kind_of(b)}", mend)


def _numbers(operator: str, a: Any, b: Any) -> Any:
    if operator == "@":
        raise Problem("E0501", "`@` multiplies matrices: one side is a tensor", "numbers are multiplied by `*`")
    if operator == "**":
        if (
            isinstance(a, int)
            and isinstance(b, int)
            and b > 0
            and abs(a) > 1
            and (a.bit_length() - 1) * b >= limits.INTEGER_BITS
        ):
            what = f"{a} ** {b}" if a.bit_length() + b.bit_length() < 64 else "this power"
            raise Problem(
                "E0805", f"{what} has more than {limits.INTEGER_BITS} bits, the most of an integer", stop=True
            )
        value = a**b
        if isinstance(value, complex):
            raise Problem("E0502", f"{a} ** {b} is not a real number")
        return value
    if operator in ("<<", ">>", "&", "|", "^"):
        if isinstance(a, float) or isinstance(b, float):
            raise Problem("E0501", f"`{operator}` needs whole numbers, got {a} and {b}")
        if operator in ("<<", ">>"):
            if b < 0:
                raise Problem("E0502", f"a shift by {b}")
            if operator == "<<" and b > limits.INTEGER_BITS:
                raise Problem(
                    "E0805", f"a shift by {b} is past the {limits.INTEGER_BITS} bits of an integer", stop=True
                )
    return _OPERATORS[operator](a, b)


_OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
    "//": lambda a, b: a // b,
    "%": lambda a, b: a % b,
    "<<": lambda a, b: a << b,
    ">>": lambda a, b: a >> b,
    "&": lambda a, b: a & b,
    "|": lambda a, b: a | b,
    "^": lambda a, b: a ^ b,
}


def _dimensions(operator: str, a: Any, b: Any) -> Any:
    if not (_is_size(a) and _is_size(b)):
        quotient = isinstance(a, Ratio) or isinstance(b, Ratio)
        raise Problem(
            "E0501",
            f"`{operator}` does not go between {kind_of(a)} and {kind_of(b)}",
            "divide sizes with `//`, or round the quotient: ceil(a / b)"
            if quotient
            else "sizes are whole numbers: use `//` and int()",
        )
    if operator in ("+", "-", "*", "//", "%"):
        return _OPERATORS[operator](a, b)
    if operator == "/":
        return a / b if isinstance(a, Expr) else dims.Ratio(a, b)
    if operator == "**":
        if isinstance(b, int) and 0 <= b <= 64:
            return a**b
        raise Problem("E0501", f"a symbolic size is raised to a whole number from 0 to 64, not to {b}")
    raise Problem("E0501", f"`{operator}` is not defined for symbolic sizes")


def unary(operator: str, a: Any) -> Any:
    """`-a`, `+a` or `~a`."""
    if operator == "-" and (_is_number(a) or isinstance(a, Expr)):
        return -a
    if operator == "+" and (_is_number(a) or isinstance(a, Expr)):
        return a
    if operator == "~" and isinstance(a, int) and not isinstance(a, bool):
        return ~a
    raise Problem("E0501", f"`{operator}` does not go before {kind_of(a)}")


def compare(operator: str, a: Any, b: Any) -> bool | Condition:
    """A comparison; a Condition where it hangs on a symbol."""
    if operator in ("is", "is not"):
        same = (a is None) == (b is None) if a is None or b is None else None
        if same is None:
            raise Problem("E0501", f"`{operator}` compares with None only", "compare values with `==`")
        return same if operator == "is" else not same
    if operator in ("in", "not in"):
        return _contains(a, b) if operator == "in" else not _contains(a, b)
    if (_is_size(a) and _is_size(b)) and (isinstance(a, Expr) or isinstance(b, Expr)):
        return dims.compare(cast("dims.Operator", operator), a, b)
    if operator in ("==", "!="):
        equal = _equal(a, b)
        return equal if operator == "==" else not equal
    orderly = (_is_number(a) and _is_number(b)) or (isinstance(a, str) and isinstance(b, str))
    if not orderly:
        raise Problem("E0501", f"`{operator}` does not go between {kind_of(a)} and {kind_of(b)}")
    return bool({"<": a < b, "<=": a <= b, ">": a > b, ">=": a >= b}[operator])


def _equal(a: Any, b: Any) -> bool:
    """Python's ==, but that True is not 1. Lists may hold lists many times over: pairs are remembered."""
    stack, seen = [(a, b)], set[tuple[int, int]]()
    while stack:
        x, y = stack.pop()
        if isinstance(x, (list, tuple)) and isinstance(y, (list, tuple)):
            if type(x) is not type(y) or len(x) != len(y):
                return False
            if x is not y and (id(x), id(y)) not in seen:
                seen.add((id(x), id(y)))
                stack.extend(zip(x, y, strict=True))
        elif not _same(x, y):
            return False
    return True


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, Expr) or isinstance(b, Expr):
        if isinstance(a, Expr) and isinstance(b, Expr):
            return a is b or a == b
        return False
    if isinstance(a, bool) != isinstance(b, bool) and _is_number(a) != _is_number(b):
        return False
    return bool(a == b)


def _contains(a: Any, b: Any) -> bool:
    if isinstance(b, str):
        if not isinstance(a, str):
            raise Problem("E0501", f"`in` looks for a string in a string, not for {kind_of(a)}")
        return a in b
    if isinstance(b, (list, tuple, range)):
        if not isinstance(a, (list, tuple)) and a not in b:
            return False
        return any(_equal(a, x) for x in b)
    raise Problem("E0501", f"`in` looks into a list, a tuple or a string, not into {kind_of(b)}")


def whole(value: Any, what: str) -> int:
    """The value where it is a whole number; Problem E0510 for floats, booleans and symbols."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    mend = None
    if isinstance(value, float):
        mend = "`//` divides whole numbers, `int()` cuts a float"
    elif isinstance(value, Expr):
        mend = "this size is symbolic: give the axis a number where it is declared"
    raise Problem("E0510", f"{what} needs a whole number, got {_shown(value)}", mend)


def _shown(value: Any) -> str:
    if isinstance(value, (bool, int, float, Expr)):
        return f"{kind_of(value)} ({value})"
    return kind_of(value)


def truth(value: Any) -> bool | Condition:
    """Python's truth of a value; a Condition stays one, a symbolic size is an error."""
    if isinstance(value, Condition):
        return value
    if value is None or isinstance(value, (bool, int, float, str, list, tuple, range)):
        return bool(value)
    raise Problem("E0501", f"{kind_of(value)} is neither true nor false")


def finite(value: float) -> float:
    if math.isfinite(value):
        return value
    raise Problem("E0502", f"the result is {value}")
