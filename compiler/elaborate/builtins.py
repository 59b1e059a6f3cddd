"""The functions of compile-time values: Python's own, by their names, and a few of math's."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any

from archonnx.compiler.elaborate import limits
from archonnx.compiler.elaborate.arithmetic import Problem, binary, bounded, compare, finite, truth, whole
from archonnx.compiler.elaborate.values import kind_of
from archonnx.contract import dims
from archonnx.contract.dims import Condition, Expr, Ratio


def _take(name: str, arguments: list[Any], low: int, high: int) -> list[Any]:
    if not low <= len(arguments) <= high:
        count = str(low) if low == high else f"{low} to {high}"
        raise Problem("E0509", f"{name}() takes {count} argument{'s' if high != 1 else ''}, got {len(arguments)}")
    return arguments


def sequence(value: Any, what: str) -> list[Any] | tuple[Any, ...] | range | str:
    """The value where it can be walked through."""
    if isinstance(value, (list, tuple, range, str)):
        return value
    help = None
    if isinstance(value, Expr):
        help = "a loop needs a number of turns: this size is symbolic"
    elif what == "`for`" and isinstance(value, int):
        help = f"count with range({value})"
    raise Problem("E0504", f"{what} needs a list, a tuple, a range or a string, got {kind_of(value)}", help)


def _length(*arguments: Any) -> int:
    (value,) = _take("len", list(arguments), 1, 1)
    return len(sequence(value, "len()"))


def _range(*arguments: Any) -> range:
    _take("range", list(arguments), 1, 3)
    made = [whole(a, "range()") for a in arguments]
    if len(made) == 3 and made[2] == 0:
        raise Problem("E0502", "range() has a step of 0")
    start, stop, step = (0, made[0], 1) if len(made) == 1 else (made[0], made[1], made[2] if len(made) == 3 else 1)
    length = max(0, (stop - start + step - (1 if step > 0 else -1)) // step)
    if length > limits.ELEMENTS:
        raise Problem("E0806", f"a range of {length:,} elements; {limits.ELEMENTS:,} are the most", stop=True)
    return range(*made)


def _enumerate(*arguments: Any) -> list[Any]:
    _take("enumerate", list(arguments), 1, 2)
    start = whole(arguments[1], "enumerate()") if len(arguments) == 2 else 0
    return list(enumerate(sequence(arguments[0], "enumerate()"), start))


def _zip(*arguments: Any) -> list[Any]:
    return list(zip(*(sequence(a, "zip()") for a in arguments), strict=False))


def _reversed(*arguments: Any) -> list[Any]:
    (value,) = _take("reversed", list(arguments), 1, 1)
    return list(reversed(sequence(value, "reversed()")))


def _extreme(name: str, operator: str, of_dims: Callable[..., Any]) -> Callable[..., Any]:
    def extreme(*arguments: Any) -> Any:
        values = list(sequence(arguments[0], f"{name}()")) if len(arguments) == 1 else list(arguments)
        if not values:
            raise Problem("E0502", f"{name}() of nothing")
        if set(map(type, values)) <= {int, float}:
            return min(values) if operator == "<" else max(values)
        if any(isinstance(v, Expr) for v in values):
            for v in values:
                if not isinstance(v, Expr):
                    whole(v, f"{name}() of sizes")
            return of_dims(*values)
        best = values[0]
        for value in values[1:]:
            if compare(operator, value, best) is True:
                best = value
        return best

    return extreme


def _sum(*arguments: Any) -> Any:
    _take("sum", list(arguments), 1, 2)
    total = arguments[1] if len(arguments) == 2 else 0
    values: Any = sequence(arguments[0], "sum()")
    if isinstance(total, list) and set(map(type, values)) <= {list}:
        total = list(total)  # a sum of lists one by one would copy the first of them each time
        for value in values:
            total.extend(value)
            bounded(total)
        return total
    for value in values:
        total = binary("+", total, value)
    return total


def _round(*arguments: Any) -> Any:
    _take("round", list(arguments), 1, 2)
    if isinstance(arguments[0], Ratio):
        raise Problem("E0509", "round() of a symbolic quotient", "use floor() or ceil()")
    value = _real("round", arguments[0])
    if isinstance(value, float):
        finite(value)
    if len(arguments) == 1:
        return round(value)
    places = whole(arguments[1], "round()")
    if abs(places) > limits.INTEGER_BITS:  # past all digits that a number can have
        return value if places > 0 else type(value)(0)
    try:
        return round(value, places)
    except OverflowError:
        raise Problem("E0502", f"round({value}, {places}) is too large for a float") from None


def _abs(*arguments: Any) -> Any:
    (value,) = _take("abs", list(arguments), 1, 1)
    return abs(_real("abs", value))


def _real(name: str, value: Any) -> Any:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return value
    raise Problem("E0509", f"{name}() needs a number, got {kind_of(value)}")


def _int(*arguments: Any) -> Any:
    (value,) = _take("int", list(arguments), 1, 1)
    if isinstance(value, Expr):
        return value
    if isinstance(value, Ratio):
        return value.floor()  # sizes are not negative: cutting is flooring
    if isinstance(value, str):
        try:
            return bounded(int(value)) if len(value) <= 1300 else _too_many_digits(value)
        except ValueError:
            raise Problem("E0509", f"int() cannot read {value!r}") from None
    if isinstance(value, bool):
        return int(value)
    value = _real("int", value)
    if isinstance(value, float):
        finite(value)
    return int(value)


def _too_many_digits(value: str) -> int:
    raise Problem("E0805", f"an integer of {len(value):,} digits", stop=True)


def _float(*arguments: Any) -> float:
    (value,) = _take("float", list(arguments), 1, 1)
    try:
        if isinstance(value, str):
            return float(value)
        return float(value) if isinstance(value, bool) else float(_real("float", value))
    except (ValueError, OverflowError) as error:
        raise Problem("E0509", f"float() cannot make a float of {value!r:.60}") from error


def _str(*arguments: Any) -> str:
    (value,) = _take("str", list(arguments), 1, 1)
    return text_of(value)


def text_of(value: Any) -> str:
    """What `str()` and an f-string make of a value."""
    from archonnx.compiler.elaborate.values import DTypeValue, show

    if isinstance(value, str):
        return value
    if value is None or isinstance(value, (bool, int, float, Expr, Condition, DTypeValue)):
        return str(value)
    if isinstance(value, (list, tuple, range)):
        return str(bounded(show(list(value) if isinstance(value, range) else value)))
    raise Problem("E0509", f"{kind_of(value)} has no text")


def _rounding(name: str, of_number: Callable[[Any], int], of_ratio: Callable[[Ratio], Any]) -> Callable[..., Any]:
    def rounding(*arguments: Any) -> Any:
        (value,) = _take(name, list(arguments), 1, 1)
        if isinstance(value, Ratio):
            return of_ratio(value)
        if isinstance(value, Expr):
            return value
        value = _real(name, value)
        return of_number(finite(value) if isinstance(value, float) else value)

    return rounding


def _sqrt(*arguments: Any) -> float:
    (value,) = _take("sqrt", list(arguments), 1, 1)
    return _math("sqrt", math.sqrt, value)


def _log(*arguments: Any) -> float:
    _take("log", list(arguments), 1, 2)
    top = _math("log", math.log, arguments[0])
    return top if len(arguments) == 1 else binary("/", top, _math("log", math.log, arguments[1]))


def _log2(*arguments: Any) -> float:
    (value,) = _take("log2", list(arguments), 1, 1)
    return _math("log2", math.log2, value)


def _exp(*arguments: Any) -> float:
    (value,) = _take("exp", list(arguments), 1, 1)
    return _math("exp", math.exp, value)


def _math(name: str, function: Callable[[Any], float], value: Any) -> float:
    if isinstance(value, (Expr, Ratio)):
        raise Problem("E0509", f"{name}() needs a number, got {kind_of(value)} ({value})")
    try:
        return function(_real(name, value))
    except (ValueError, OverflowError):
        raise Problem("E0502", f"{name}({value}) is no finite number") from None


def _quantified(name: str, wanted: bool) -> Callable[..., Any]:
    def quantified(*arguments: Any) -> Any:
        (values,) = _take(name, list(arguments), 1, 1)
        parts = [truth(v) for v in sequence(values, f"{name}()")]
        if any(p is wanted for p in parts):
            return wanted
        open_ones = [p for p in parts if isinstance(p, Condition)]
        if not open_ones:
            return not wanted
        return (Condition.or_ if wanted else Condition.and_)(*open_ones)

    return quantified


def _sorted(*arguments: Any) -> list[Any]:
    (values,) = _take("sorted", list(arguments), 1, 1)
    items = list(sequence(values, "sorted()"))
    for a, b in pairwise(items):
        if isinstance(compare("<", a, b), Condition):
            raise Problem("E0503", "sorted() of symbolic sizes")
    return sorted(items)


def _list(*arguments: Any) -> list[Any]:
    _take("list", list(arguments), 0, 1)
    return list(sequence(arguments[0], "list()")) if arguments else []


def _tuple(*arguments: Any) -> tuple[Any, ...]:
    _take("tuple", list(arguments), 0, 1)
    return tuple(sequence(arguments[0], "tuple()")) if arguments else ()


def _bool(*arguments: Any) -> Any:
    (value,) = _take("bool", list(arguments), 1, 1)
    return truth(value)


BUILTINS: dict[str, Callable[..., Any]] = {
    "len": _length,
    "range": _range,
    "enumerate": _enumerate,
    "zip": _zip,
    "reversed": _reversed,
    "sorted": _sorted,
    "min": _extreme("min", "<", dims.dim_min),
    "max": _extreme("max", ">", dims.dim_max),
    "sum": _sum,
    "round": _round,
    "abs": _abs,
    "int": _int,
    "float": _float,
    "bool": _bool,
    "str": _str,
    "list": _list,
    "tuple": _tuple,
    "ceil": _rounding("ceil", math.ceil, lambda r: r.ceil()),
    "floor": _rounding("floor", math.floor, lambda r: r.floor()),
    "sqrt": _sqrt,
    "log": _log,
    "log2": _log2,
    "exp": _exp,
    "all": _quantified("all", False),
    "any": _quantified("any", True),
}


def format_value(value: Any, spec: str) -> str:
    """`{value:spec}` of an f-string; widths are bounded as strings are."""
    import re

    if not spec:
        return text_of(value)
    if any(int(n) > 10_000 for n in re.findall(r"\d+", spec)):
        raise Problem("E0512", f"the format {spec!r} asks for more than 10,000 characters")
    if not isinstance(value, (int, float, str)):
        raise Problem("E0512", f"{kind_of(value)} takes no format")
    try:
        return format(value, spec)
    except (ValueError, OverflowError):
        raise Problem("E0512", f"{spec!r} is no format for {kind_of(value)}") from None


__all__ = ["BUILTINS", "format_value", "sequence", "text_of"]
