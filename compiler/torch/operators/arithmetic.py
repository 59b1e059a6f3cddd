"""Arithmetic, comparisons, logic and bits, element by element."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import Any

import torch

from archonnx.compiler.torch.operators.tensors import DTYPES, together

Function = Callable[..., Any]
UNSIGNED = (torch.uint16, torch.uint32, torch.uint64)


def _two(function: Function) -> Function:
    def apply(a: torch.Tensor, b: torch.Tensor) -> Any:
        return _signed(function, *together(a, b))

    return apply


def _signed(function: Function, *tensors: torch.Tensor) -> Any:
    """PyTorch computes little with whole numbers of 16 bits or more without a sign: they take 64 bits meanwhile."""
    dtype = tensors[0].dtype
    if dtype not in UNSIGNED:
        return function(*tensors)
    made = function(*(t.to(torch.int64) for t in tensors))
    return made.to(dtype) if made.dtype == torch.int64 else made


def _many(function: Function) -> Function:
    def apply(*tensors: torch.Tensor) -> Any:
        return _signed(lambda *wide: reduce(function, wide), *together(*tensors))

    return apply


def _divide(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Whole numbers are cut towards zero."""
    return torch.div(a, b, rounding_mode=None if a.is_floating_point() else "trunc")


def _modulo(a: torch.Tensor, b: torch.Tensor, *, fmod: int = 0) -> Any:
    a, b = together(a, b)
    return _signed(torch.fmod if fmod else torch.remainder, a, b)


def _power(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    return torch.pow(a, b).to(a.dtype)


def _shift(a: torch.Tensor, b: torch.Tensor, *, direction: str) -> torch.Tensor:
    a, b = together(a, b)
    wide, by = a.to(torch.int64), b.to(torch.int64)  # PyTorch shifts no numbers without a sign
    shift = torch.bitwise_left_shift if direction == "LEFT" else torch.bitwise_right_shift
    return shift(wide, by).to(a.dtype)


def _clip(x: torch.Tensor, least: torch.Tensor | None = None, largest: torch.Tensor | None = None) -> Any:
    x, least, largest = together(x, least, largest)
    if least is None and largest is None:
        return x
    return torch.clamp(x, min=least, max=largest)


def _where(condition: torch.Tensor, a: torch.Tensor, b: torch.Tensor) -> Any:
    return torch.where(*together(condition, a, b))


def _cast(x: torch.Tensor, *, to: int, saturate: int = 1) -> torch.Tensor:
    """What is no number of a whole type is what the processor makes of it, in ONNX as in PyTorch."""
    return x.to(DTYPES[to])


def _is_infinite(x: torch.Tensor, *, detect_negative: int = 1, detect_positive: int = 1) -> torch.Tensor:
    if detect_negative and detect_positive:
        return torch.isinf(x)
    return torch.isposinf(x) if detect_positive else torch.isneginf(x)


def _sum(*tensors: torch.Tensor) -> Any:
    return reduce(torch.add, together(*tensors))


OPERATORS: dict[str, Function] = {
    "Abs": torch.abs,
    "Acos": torch.acos,
    "Acosh": torch.acosh,
    "Add": _two(torch.add),
    "And": _two(torch.logical_and),
    "Asin": torch.asin,
    "Asinh": torch.asinh,
    "Atan": torch.atan,
    "Atanh": torch.atanh,
    "BitShift": _shift,
    "BitwiseAnd": _two(torch.bitwise_and),
    "BitwiseNot": lambda x: _signed(torch.bitwise_not, x),
    "BitwiseOr": _two(torch.bitwise_or),
    "BitwiseXor": _two(torch.bitwise_xor),
    "Cast": _cast,
    "CastLike": lambda x, like, saturate=1: x.to(like.dtype),
    "Ceil": lambda x: torch.ceil(x),
    "Clip": _clip,
    "Cos": torch.cos,
    "Cosh": torch.cosh,
    "Div": _two(_divide),
    "Equal": _two(torch.eq),
    "Erf": torch.erf,
    "Exp": torch.exp,
    "Floor": torch.floor,
    "Greater": _two(torch.gt),
    "GreaterOrEqual": _two(torch.ge),
    "Identity": lambda x: x,
    "IsInf": _is_infinite,
    "IsNaN": torch.isnan,
    "Less": _two(torch.lt),
    "LessOrEqual": _two(torch.le),
    "Log": torch.log,
    "Max": _many(torch.maximum),
    "Mean": lambda *tensors: _sum(*tensors) / len(tensors),
    "Min": _many(torch.minimum),
    "Mod": _modulo,
    "Mul": _two(torch.mul),
    "Neg": torch.neg,
    "Not": torch.logical_not,
    "Or": _two(torch.logical_or),
    "Pow": _two(_power),
    "Reciprocal": torch.reciprocal,
    "Round": torch.round,
    "Sign": torch.sign,
    "Sin": torch.sin,
    "Sinh": torch.sinh,
    "Sqrt": torch.sqrt,
    "Sub": _two(torch.sub),
    "Sum": _sum,
    "Tan": torch.tan,
    "Where": _where,
    "Xor": _two(torch.logical_xor),
}
