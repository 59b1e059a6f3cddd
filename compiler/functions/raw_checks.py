"""What onnx's shape inference lets pass, and no runtime does: orders, axes and sizes that do not fit (E0905)."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from archonnx.compiler.graph import TensorType
from archonnx.compiler.layers.base import LayerError

if TYPE_CHECKING:
    from archonnx.compiler.functions.raw import Raw
    from archonnx.compiler.layers.base import Context

_AXIS = frozenset(["GatherElements", "ScatterElements", "LpNormalization", "LayerNormalization", "RMSNormalization"])
_AXIS_INPUT = frozenset(["CumSum", "CumProd"])  # the axis is their second input


def check_fit(layer: Raw, c: Context, inputs: tuple[TensorType | None, ...]) -> None:
    """LayerError E0905 where

    1. a Transpose does not order every axis,
    2. the axis of an operator is none of its first input's,
    3. a Reshape to known sizes has another number of elements.
    """
    x = inputs[0] if inputs else None
    if x is None:
        return
    _check_order(layer, x)
    _check_axis(layer, c, x)
    if layer.type_name == "Reshape":
        _check_elements(layer, c, x)


def _check_order(layer: Raw, x: TensorType) -> None:
    perm = layer.arguments.get("perm")
    if layer.type_name == "Transpose" and perm is not None and sorted(perm) != list(range(x.rank)):
        wanted = f"names each axis from 0 to {x.rank - 1} once" if x.rank else "of a scalar is []"
        message = f"ONNX refuses Transpose of {x}: perm {wanted}, got {perm}"
        raise LayerError("E0905", message, argument="perm")


def _check_axis(layer: Raw, c: Context, x: TensorType) -> None:
    axis = None
    if layer.type_name in _AXIS:
        axis = layer.arguments.get("axis")
    elif layer.type_name in _AXIS_INPUT:
        value = c.array(1)
        axis = int(value.reshape(-1)[0]) if value is not None and value.size == 1 else None
    if axis is None or -x.rank <= axis < x.rank:
        return
    wanted = f"axis is {-x.rank} to {x.rank - 1}" if x.rank else "a scalar has no axis"
    message = f"ONNX refuses {layer.type_name} of {x}: {wanted}, got {axis}"
    if layer.type_name in _AXIS:
        raise LayerError("E0905", message, argument="axis")
    raise LayerError("E0905", message, input=1)


def _check_elements(layer: Raw, c: Context, x: TensorType) -> None:
    wanted = c.array(1)
    known = [size for size in x.shape if isinstance(size, int)]
    if wanted is None or wanted.ndim != 1 or len(known) != x.rank or 0 in known:
        return
    sizes = [int(size) for size in wanted]
    copied = not layer.arguments.get("allowzero")
    sizes = [known[at] if not size and copied and at < x.rank else size for at, size in enumerate(sizes)]
    have, rest = prod(known), prod(size for size in sizes if size != -1)
    if sizes.count(-1) == 1:
        fits = rest != 0 and have % rest == 0
    else:
        fits = have == rest or min(sizes, default=0) < 0  # what is negative onnx refuses
    if not fits:
        message = f"ONNX refuses Reshape of {x}: its {have:,} elements do not fill {wanted.tolist()}"
        raise LayerError("E0905", message, input=1)
