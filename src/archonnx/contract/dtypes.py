"""Element types: names as the language and ONNX write them in lower case, their ONNX numbers and sizes."""

from __future__ import annotations

import math
from typing import NamedTuple


class DType(NamedTuple):
    """An element type. `onnx` is the number of onnx.TensorProto.DataType; `bits` an element's size (0: variable).

    `since` is the operator set whose operators take it first, where that is past what every file has.
    """

    name: str
    onnx: int
    bits: int
    kind: str  # "float", "int", "uint", "bool", "string" or "complex"
    since: int = 13


# Numbers from onnx.proto's TensorProto.DataType.
DTYPES: dict[str, DType] = {
    d.name: d
    for d in (
        DType("float32", 1, 32, "float"),
        DType("uint8", 2, 8, "uint"),
        DType("int8", 3, 8, "int"),
        DType("uint16", 4, 16, "uint"),
        DType("int16", 5, 16, "int"),
        DType("int32", 6, 32, "int"),
        DType("int64", 7, 64, "int"),
        DType("string", 8, 0, "string"),
        DType("bool", 9, 8, "bool"),
        DType("float16", 10, 16, "float"),
        DType("float64", 11, 64, "float"),
        DType("uint32", 12, 32, "uint"),
        DType("uint64", 13, 64, "uint"),
        DType("complex64", 14, 64, "complex"),
        DType("complex128", 15, 128, "complex"),
        DType("bfloat16", 16, 16, "float"),
        DType("float8e4m3fn", 17, 8, "float", 19),
        DType("float8e4m3fnuz", 18, 8, "float", 19),
        DType("float8e5m2", 19, 8, "float", 19),
        DType("float8e5m2fnuz", 20, 8, "float", 19),
        DType("uint4", 21, 4, "uint", 21),
        DType("int4", 22, 4, "int", 21),
        DType("float4e2m1", 23, 4, "float", 23),
        DType("float8e8m0", 24, 8, "float", 24),
        DType("uint2", 25, 2, "uint", 25),
        DType("int2", 26, 2, "int", 25),
    )
}

BY_ONNX: dict[int, DType] = {d.onnx: d for d in DTYPES.values()}

ALIASES = {"float": "float32", "half": "float16", "double": "float64"}


def is_float(dtype: str) -> bool:
    return DTYPES[dtype].kind == "float"


def bounds(dtype: str) -> tuple[int, int]:
    """The smallest and the largest number of a whole number's dtype."""
    bits, signed = DTYPES[dtype].bits, DTYPES[dtype].kind == "int"
    return (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)


# Half a step past the largest number: from here on what is rounded to these is infinite.
_INFINITE = {"float16": 65520.0, "bfloat16": 2.0**128 - 2.0**119, "float32": 2.0**128 - 2.0**103}


def misfit(value: float | int | bool, dtype: str) -> str:
    """Why a number is none of a dtype's: "300 does not fit uint8, which holds 0 to 255"; "" where it is one."""
    if is_integer(dtype):
        low, high = bounds(dtype)
        return "" if low <= value <= high else f"{_shown(int(value))} does not fit {dtype}, which holds {low} to {high}"
    if _INFINITE.get(dtype, math.inf) <= abs(value) < math.inf:
        return f"{_shown(value)} does not fit {dtype}, which ends at {65504 if dtype == 'float16' else '3.4e38'}"
    return ""


def _shown(value: float | int) -> str:
    return str(value) if isinstance(value, float) or abs(value) < 10**40 else f"an integer of {value.bit_length()} bits"


def is_integer(dtype: str) -> bool:
    return DTYPES[dtype].kind in ("int", "uint")
