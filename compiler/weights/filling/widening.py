"""Which element types hold every number of another: casting to them changes nothing."""

from __future__ import annotations

from archonnx.contract.dtypes import DTYPES

# Bits of the significand, the smallest exponent with subnormals, the largest exponent.
_FLOATS = {
    "float16": (11, -24, 15),
    "bfloat16": (8, -133, 127),
    "float32": (24, -149, 127),
    "float64": (53, -1074, 1023),
    "float8e4m3fn": (4, -9, 8),
    "float8e4m3fnuz": (4, -10, 7),
    "float8e5m2": (3, -16, 15),
    "float8e5m2fnuz": (3, -17, 15),
    "float4e2m1": (2, -1, 2),
}


def widens(source: str, target: str) -> bool:
    """Whether every number of one type is one of the other."""
    if source == target:
        return True
    if source not in DTYPES or target not in DTYPES:
        return False
    one, two = DTYPES[source], DTYPES[target]
    if two.kind == "float" and target in _FLOATS:
        bits, low, high = _FLOATS[target]
        if source in _FLOATS:
            return _FLOATS[source][0] <= bits and _FLOATS[source][1] >= low and _FLOATS[source][2] <= high
        width = one.bits - (one.kind == "int")
        return one.kind in ("int", "uint") and width <= bits and width <= high
    if one.kind == "uint" and two.kind == "int":
        return one.bits < two.bits
    return one.kind == two.kind and one.kind in ("int", "uint") and one.bits <= two.bits
