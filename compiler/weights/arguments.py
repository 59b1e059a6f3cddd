"""Arguments of initializers: binding, checks, and nested lists of numbers. Everything wrong raises InitializerError."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from archonnx.contract.diagnostics import did_you_mean

C = TypeVar("C", bound=type)


class InitializerError(Exception):
    """What is wrong with an initializer, for a diagnostic: `code`, `message` and the mend (`help`), if there is one.

    `argument` is the name of the initializer's argument at fault.
    """

    def __init__(self, code: str, message: str, help: str | None = None, *, argument: str | None = None) -> None:
        super().__init__(message)
        self.code, self.message, self.help, self.argument = code, message, help, argument


def known_class(name: str, classes: Mapping[str, C], aliases: Mapping[str, str]) -> C:
    """The class that a name means, in CamelCase, snake_case or one of Keras' aliases; E0701 where there is none."""
    if name in classes:
        return classes[name]
    spelt = {snake(n): n for n in classes} | dict(aliases)
    if name in spelt:
        return classes[spelt[name]]
    if name in ("stft", "STFT", "STFTInitializer"):
        raise InitializerError("E0701", "the initializer STFT, made for kernels of STFTSpectrogram, is not supported")
    names = sorted(map(snake, classes) if name.islower() else classes)
    near = did_you_mean(name, names, most=1)
    help = f"did you mean {near[0]}?" if near else f"known: {', '.join(names)}"
    raise InitializerError("E0701", f'there is no initializer "{name}"', help)


def snake(name: str) -> str:
    """Keras' to_snake_case: `GlorotUniform` -> `glorot_uniform`."""
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()


def bind(callee: str, names: Sequence[str], args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments by name, as Python binds them; E0703 where it would not."""
    if len(args) > len(names):
        takes = f"at most {len(names)} arguments" if names else "no arguments"
        raise InitializerError("E0703", f"{callee} takes {takes}, got {len(args)}")
    bound = dict(zip(names, args, strict=False))
    for name, value in kwargs.items():
        if name not in names:
            near = did_you_mean(name, names, most=1)
            listed = f"its arguments: {', '.join(names)}" if names else "it has none"
            help = f"did you mean {near[0]}?" if near else listed
            raise InitializerError("E0703", f"{callee} has no argument {name}", help, argument=name)
        if name in bound:
            raise InitializerError("E0703", f"{callee} is given {name} twice", argument=name)
        bound[name] = value
    return bound


def _refuse(instance: object, name: str, wanted: str, value: object) -> InitializerError:
    return InitializerError(
        "E0703", f"{name} of {type(instance).__name__} is {wanted}, got {shown(value)}", argument=name
    )


def shown(value: object) -> str:
    """A value as a message shows it: short, and never an address."""
    if value is None or isinstance(value, str | int | float):
        text = f'"{value}"' if isinstance(value, str) else repr(value)
        return text if len(text) <= 60 else text[:57] + "..."
    kinds: dict[type, str] = {list: "a list", tuple: "a tuple", dict: "a dictionary"}
    return kinds.get(type(value), f"a {type(value).__name__}")


def is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def number(instance: Any, name: str, *, minimum: float | None = None, above: float | None = None) -> None:
    """Check a finite number and store it as a float."""
    value = getattr(instance, name)
    wanted = "a number"
    if minimum is not None:
        wanted += f" of at least {minimum:g}"
    if above is not None:
        wanted += f" above {above:g}"
    if not is_number(value):
        raise _refuse(instance, name, wanted, value)
    try:
        real = float(value)
    except OverflowError:
        raise _refuse(instance, name, wanted, value) from None
    if not math.isfinite(real) or (minimum is not None and real < minimum) or (above is not None and real <= above):
        raise _refuse(instance, name, wanted, value)
    object.__setattr__(instance, name, real)


def whole_or_number(instance: Any, name: str) -> None:
    """Check a number or boolean, kept as it is: whole numbers are exact in integer weights."""
    value = getattr(instance, name)
    if not isinstance(value, int | float):
        raise _refuse(instance, name, "a number", value)


def seed_number(instance: Any, name: str) -> None:
    value = getattr(instance, name)
    if value is not None and (not isinstance(value, int) or isinstance(value, bool)):
        raise _refuse(instance, name, "a whole number or None", value)


def choice(instance: Any, name: str, known: Sequence[str], also: Mapping[str, str] | None = None) -> None:
    """Check one of some strings, in any case as Keras does; `also` maps other spellings."""
    value = getattr(instance, name)
    spelt = value.lower() if isinstance(value, str) else value
    spelt = (also or {}).get(spelt, spelt) if isinstance(spelt, str) else spelt
    if spelt not in known:
        error = _refuse(instance, name, "one of " + ", ".join(f'"{k}"' for k in known), value)
        near = did_you_mean(value, known, most=1) if isinstance(value, str) else []
        error.help = f'did you mean "{near[0]}"?' if near else None
        raise error
    object.__setattr__(instance, name, spelt)


def axes(instance: Any, name: str) -> None:
    """Check a list of axes and store it as a tuple; None stays."""
    value = getattr(instance, name)
    if value is None:
        return
    if not isinstance(value, list | tuple) or not all(isinstance(a, int) and not isinstance(a, bool) for a in value):
        raise _refuse(instance, name, "a list of axes or None", value)
    object.__setattr__(instance, name, tuple(value))


def flatten_numbers(value: Any) -> tuple[tuple[int, ...], tuple[float | int | bool, ...]]:
    """Shape and elements in C order of a number or nested lists; E0702 where they are ragged, E0701 for others."""
    shape: list[int] = []
    level: list[Any] = [value]
    while any(isinstance(item, list | tuple) for item in level):
        depth = len(shape) + 1
        uneven = InitializerError("E0702", f"the lists of a weight's numbers differ in length at depth {depth}")
        if not all(isinstance(item, list | tuple) for item in level):
            raise uneven
        lengths = {len(item) for item in level}
        if len(lengths) > 1:
            raise uneven
        shape.append(lengths.pop())
        level = [element for item in level for element in item]
    for element in level:
        if not isinstance(element, int | float):
            raise InitializerError(
                "E0701",
                f"an initializer is a name, a call or nested lists of numbers, got {shown(element)}",
                'such as "glorot_uniform", TruncatedNormal(stddev=0.02) or [[1, 0], [0, 1]]',
            )
    return tuple(shape), tuple(level)
