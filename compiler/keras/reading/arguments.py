"""Arguments of Keras' layers as the language writes them, in the shortest form that means the same."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from archonnx.compiler.keras.refusals import Refused
from archonnx.compiler.layers.base import Argument
from archonnx.compiler.layers.domains import (
    Activation,
    DataFormat,
    Domain,
    DomainError,
    Either,
    InitializerDomain,
    Optional,
    Repeated,
    Sides,
)
from archonnx.compiler.weights.initializers import CLASSES, InitializerError, from_call


def written(value: Any) -> str:
    """A value as the language writes it: numbers, strings, None, tuples, lists, types, slices apart."""
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if value is ...:
        return "..."
    if isinstance(value, tuple):
        inner = ", ".join(map(written, value))
        return f"({inner},)" if len(value) == 1 else f"({inner})"
    if isinstance(value, list):
        return f"[{', '.join(map(written, value))}]"
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e16:
        return f"{value:.1f}"
    return repr(value)


def plain(value: Any) -> Any:
    """A value of a configuration with Python's own numbers, lists and tuples."""
    if isinstance(value, Mapping) and value.get("class_name") == "__tuple__":
        return tuple(map(plain, value["items"]))
    if isinstance(value, Mapping) and "class_name" in value and "config" in value:
        config = value["config"]
        if isinstance(config, Mapping) and "value" in config and value["class_name"] in ("__numpy__", "__tensor__"):
            return plain(config["value"])
    if isinstance(value, (list, tuple)):
        return type(value)(map(plain, value)) if type(value) in (list, tuple) else tuple(map(plain, value))
    if hasattr(value, "tolist"):  # NumPy's arrays and numbers
        return value.tolist()
    return value


def argument_text(argument: Argument, value: Any) -> str | None:
    """The argument's value, None where it is the default. Refused where the library's layer does not take it."""
    domain = argument.domain
    try:
        parsed = domain.parse(value)
    except DomainError as error:
        raise Refused(
            f"its {argument.name} is {written(value)}, and ours takes {error.expected}", error.help or "change it"
        ) from None
    default = argument.default
    if not argument.required:
        if default is not None or isinstance(domain, DataFormat):
            default = domain.parse(default)
        if parsed == default and type(parsed) is type(default):
            return None
    short = _short(domain, parsed)
    return written(short if domain.parse(short) == parsed else parsed)


def default_text(argument: Argument) -> str | None:
    """What an argument is where it is left out, None where it must be given."""
    if argument.required:
        return None
    if argument.default is None or isinstance(argument.domain, (Activation, InitializerDomain)):
        return written(argument.default)
    return written(_short(argument.domain, argument.domain.parse(argument.default)))


def _short(domain: Domain, value: Any) -> Any:
    """The shortest value that a domain takes for its one form."""
    if isinstance(domain, Optional):
        return value if value is None else _short(domain.of, value)
    if isinstance(domain, Either):
        return value
    if isinstance(domain, Sides):
        sides = [before if before == after else (before, after) for before, after in value]
        if all(side == sides[0] and not isinstance(side, tuple) for side in sides):
            return sides[0]
        return sides[0] if domain.rank == 1 else tuple(sides) if not _mixed(sides) else value
    if isinstance(domain, Repeated) and domain.alone and value and all(one == value[0] for one in value):
        return _short(domain.of, value[0]) if domain.count is not None or len(value) == 1 else value
    return value


def _mixed(sides: list[Any]) -> bool:
    return len({isinstance(side, tuple) for side in sides}) > 1


def initializer_text(given: Any, default: Any) -> str | None:
    """An initializer of Keras; None for the default, or where the language has no such: the weights are given."""
    name = type(given).__name__
    if name not in CLASSES or not type(given).__module__.startswith("keras."):
        return None
    config = {key: plain(value) for key, value in given.get_config().items()}
    config.pop("shared_object_id", None)
    if not isinstance(config.get("seed"), int):
        config.pop("seed", None)
    try:
        made = from_call(name, (), config)
        if default is not None and made == from_call(default, (), {}):
            return None
    except (InitializerError, TypeError):
        return None
    if any(isinstance(v, float) and not math.isfinite(v) for v in config.values()):
        return None
    text = str(made)
    if text == f"{name}()":
        return written(_snake_name(name))
    return text.replace("'", '"')


def _snake_name(name: str) -> str:
    from archonnx.compiler.layers.base import snake_case

    return snake_case(name)
