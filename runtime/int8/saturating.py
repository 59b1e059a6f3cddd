"""How large the numbers of weights in int8 may be on this processor."""

from __future__ import annotations

from archonnx.runtime.tuning.fingerprint import machine

_VNNI = frozenset({"avx512_vnni", "avx_vnni", "avx512vnni"})


def saturates() -> bool:
    """Whether the processor's 8-bit products overflow: x86 without VNNI, where weights get 7 bits."""
    found = machine()
    features = set(found.get("features", "").split())
    return bool(features) and "avx2" in features and not features & _VNNI


def largest_weight() -> int:
    """The largest number that a weight in int8 may be, and its negative."""
    return 63 if saturates() else 127
