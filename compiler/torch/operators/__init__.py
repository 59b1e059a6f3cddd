"""Operators of ONNX by PyTorch's functions: one module a family, `find(type)` for one of them.

A function takes the operator's inputs, None for one left out, and its attributes by name; it gives a tensor, or a tuple
of them. The modules import PyTorch: this one does not.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from functools import cache
from typing import Any

MODULES = (
    *("arithmetic", "curves", "moving", "gathering", "reducing", "products"),
    *("windows", "normalizing", "recurrent", "images", "looking"),
)


@cache
def table() -> dict[str, Callable[..., Any]]:
    """Every operator by its type, those of another domain than ONNX's own by `domain::type`."""
    here = __name__
    return {name: f for module in MODULES for name, f in importlib.import_module(f"{here}.{module}").OPERATORS.items()}


def find(kind: str, domain: str = "") -> Callable[..., Any] | None:
    """The function of an operator, None where there is none."""
    return table().get(f"{domain}::{kind}" if domain else kind)
