"""Initializers by name: Keras 3's, with Keras' names, arguments and distributions (keras.initializers).

    resolve(value)               what an argument such as kernel_initializer means
    from_call(name, args, ...)   what a call such as TruncatedNormal(stddev=0.02) means

Both raise InitializerError, which a diagnostic is made of. The classes themselves are in `kinds.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from functools import cache
from typing import Any

from archonnx.compiler.weights.arguments import InitializerError, bind, flatten_numbers, known_class
from archonnx.compiler.weights.kinds import (
    Constant,
    GlorotNormal,
    GlorotUniform,
    HeNormal,
    HeUniform,
    Identity,
    Initializer,
    LecunNormal,
    LecunUniform,
    Literal,
    Ones,
    Orthogonal,
    RandomNormal,
    RandomUniform,
    TruncatedNormal,
    VarianceScaling,
    Zeros,
    compute_fans,
)

__all__ = [
    "ALIASES",
    "CLASSES",
    "Initializer",
    "InitializerError",
    "Literal",
    "compute_fans",
    "from_call",
    "resolve",
]

CLASSES: Mapping[str, type[Initializer]] = {
    c.__name__: c
    for c in (
        Zeros, Ones, Constant, Identity, RandomNormal, RandomUniform, TruncatedNormal, VarianceScaling, GlorotUniform,
        GlorotNormal, HeUniform, HeNormal, LecunUniform, LecunNormal, Orthogonal,
    )
}  # fmt: skip

# Keras' own aliases, beside its snake_case names.
ALIASES: Mapping[str, str] = {
    "normal": "RandomNormal",
    "one": "Ones",
    "uniform": "RandomUniform",
    "zero": "Zeros",
    "IdentityInitializer": "Identity",
    "OrthogonalInitializer": "Orthogonal",
}


def from_call(name: str, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None) -> Initializer:
    """The initializer of a call, `TruncatedNormal(stddev=0.02)`; raises InitializerError."""
    cls = known_class(name, CLASSES, ALIASES)
    return cls(**bind(name, [f.name for f in fields(cls)], args, kwargs or {}))


@cache
def _named(name: str) -> Initializer:
    """The initializer of a bare name; they are immutable, so that one serves every weight."""
    return from_call(name)


def resolve(value: Any) -> Initializer:
    """The initializer that a value means: itself, a name, a number, nested lists, None (Keras' default, GlorotUniform).

    Raises InitializerError.
    """
    if isinstance(value, Initializer):
        return value
    if value is None:
        return GlorotUniform()
    if isinstance(value, str):
        return _named(value)
    return Literal(*flatten_numbers(value))
