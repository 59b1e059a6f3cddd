"""Rectangles: the forms that their four numbers take, under Keras' names.

xyxy          left, top, right, bottom
yxyx          top, left, bottom, right
xywh          left, top, width, height
center_xywh   centre along x, centre along y, width, height
center_yxhw   centre along y, centre along x, height, width
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from archonnx.compiler.graph import TensorType
from archonnx.compiler.layers.base import Layer, LayerError
from archonnx.compiler.layers.common import require_least_rank
from archonnx.compiler.layers.domains import Choice
from archonnx.contract.dtypes import DTYPES

if TYPE_CHECKING:
    from archonnx.compiler.ir import Tensor
    from archonnx.compiler.layers.base import Context
    from archonnx.compiler.lowering.builder import Builder

CORNERS, CORNER, CENTER = "corners", "corner and size", "centre and size"
FORMS = {
    "xyxy": (CORNERS, "xy"),
    "yxyx": (CORNERS, "yx"),
    "xywh": (CORNER, "xy"),
    "center_xywh": (CENTER, "xy"),
    "center_yxhw": (CENTER, "yx"),
}
BOX_FORMAT = Choice(*FORMS)


def require_columns(layer: Layer, c: Context, x: TensorType, columns: int, what: str, input: int = 0) -> None:
    """Unless the last axis has `columns` places: E0301 where its size is not known, E0345 where it is another."""
    require_least_rank(layer, x, 2, input)
    if DTYPES[x.dtype].kind in ("string", "complex", "bool"):
        raise LayerError("E0303", f"{layer.type_name} needs numbers, got {x}", input=input)
    size = c.known(x, -1, input=input)
    if size != columns:
        raise LayerError(
            "E0345",
            f"{layer.type_name} needs {columns} number{'s' if columns > 1 else ''} for each place ({what}), got {x}",
            input=input,
            axis=-1,
            label=f"{size} here",
        )


def convert(b: Builder, boxes: Tensor, source: str, target: str) -> Tensor:
    """Boxes [..., 4] of one format in another."""
    form, order = FORMS[source]
    wanted, turned = FORMS[target]
    if order != turned:
        boxes = b.gather(boxes, b.ints([1, 0, 3, 2]), -1)
    if form == wanted:
        return boxes
    first, second = halves(b, boxes)
    half = b.like(boxes, 0.5)

    def op(kind: str, x: Tensor, y: Tensor) -> Tensor:
        return b.op(kind, x, y, result=first.type)

    if form == CORNERS:
        size = op("Sub", second, first)
        first = op("Mul", op("Add", first, second), half) if wanted == CENTER else first
        return join(b, first, size)
    if form == CORNER:
        if wanted == CORNERS:
            return join(b, first, op("Add", first, second))
        return join(b, op("Add", first, op("Mul", second, half)), second)
    reach = op("Mul", second, half)
    low = op("Sub", first, reach)
    return join(b, low, second if wanted == CORNER else op("Add", first, reach))


def halves(b: Builder, boxes: Tensor) -> tuple[Tensor, Tensor]:
    """[..., 4] as two of [..., 2]."""
    first, second = b.split(boxes, (2, 2), -1)
    return first, second


def join(b: Builder, first: Tensor, second: Tensor) -> Tensor:
    """Two of [..., 2] as [..., 4]."""
    return b.concat((first, second), -1)
