"""What the layers of positions share: which positions the steps have, and sines whose wavelengths grow evenly.

Angles are computed in float64 in the graph, by ONNX's Sin and Cos, from frequencies that are worked out here in decimal
arithmetic. A table of sines written by the compiler would depend on the machine's libm; float32 angles are off by 7e-5
at position 2,000, half precision's by all there is. Where the steps are known the engine folds all of it at loading.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal, localcontext
from typing import TYPE_CHECKING

from archonnx.compiler.graph import TensorType
from archonnx.compiler.layers.base import LayerError, arg
from archonnx.compiler.layers.common import KerasLayer, require_equal
from archonnx.compiler.layers.domains import Whole
from archonnx.contract.dtypes import DTYPES

if TYPE_CHECKING:
    from archonnx.compiler.ir import Tensor
    from archonnx.compiler.layers.base import Context
    from archonnx.compiler.lowering.builder import Builder
    from archonnx.contract.dims import Dim


class Positioned(KerasLayer):
    """A layer that depends on positions: start_index, start_index + 1, ... or those of the input `position_ids`."""

    abstract = True
    inputs = ("inputs", "position_ids?")
    call_arguments = ("position_ids",)
    takes_constants = True
    fractions = True  # whether positions may lie between whole numbers
    start_index = arg(Whole(minimum=0, symbolic=True), default=0, doc="The position of the first step.")

    def check_ids(self, c: Context, x: TensorType, ids: TensorType | None, axis: int) -> None:
        """That position_ids are numbers [steps] or [batch, steps]. E0302, E0303, E0308, E0309, E0329."""
        if ids is None:
            return
        name = self.type_name
        if not (isinstance(self.start_index, int) and self.start_index == 0):
            raise LayerError(
                "E0329",
                f"{name} is told where the steps stand twice: by start_index and by position_ids",
                argument="start_index",
                help="leave start_index out, or add it: position_ids=ids + start",
            )
        kinds = ("int", "uint", "float") if self.fractions else ("int", "uint")
        if DTYPES[ids.dtype].kind not in kinds:
            what = "numbers" if self.fractions else "whole numbers"
            raise LayerError("E0303", f"position_ids of {name} are {what}, got {ids}", input=1)
        if ids.rank not in (1, 2) or (ids.rank == 2 and x.rank < 3):
            expected = "[steps]" if x.rank < 3 else "[steps] or [batch, steps]"
            raise LayerError("E0302", f"position_ids of {name} are {expected}, got {ids}", input=1)
        require_equal(self, c.facts, x.shape[axis], ids.shape[-1], (x, ids), input=1, axis=ids.rank - 1)
        if ids.rank == 2 and not (isinstance(ids.shape[0], int) and ids.shape[0] == 1):
            require_equal(self, c.facts, x.shape[0], ids.shape[0], (x, ids), input=1, axis=0)

    def positions(self, b: Builder, steps: Dim, ids: Tensor | None) -> Tensor:
        """The positions, [steps] or [batch, steps]; int64 where the layer numbers them itself."""
        return ids if ids is not None else numbers(b, self.start_index, steps)


def numbers(b: Builder, start: Dim, count: Dim) -> Tensor:
    """start, start + 1, ..., as int64 [count]."""
    bounds = (b.dim(start), b.dim(start + count), b.constant(1, "int64"))
    return b.op("Range", *bounds, result=TensorType("int64", (count,)))


def place(b: Builder, positions: Tensor, rank: int, axis: int) -> Tensor:
    """Positions [steps] or [batch, steps] with axes of size 1 between, so that the steps stand at `axis` of `rank`."""
    kept = {axis} if positions.rank == 1 else {0, axis}
    return b.expand_dims(positions, [a for a in range(rank) if a not in kept])


def angles(b: Builder, positions: Tensor, frequencies: Sequence[float], axis: int) -> Tensor:
    """float64 products of positions, which have size 1 at `axis`, and frequencies along it."""
    shape = [len(frequencies) if a == axis else 1 for a in range(positions.rank)]
    along = b.reshape(b.constant(list(frequencies), "float64"), shape)
    sizes = tuple(len(frequencies) if a == axis else d for a, d in enumerate(positions.shape))
    return b.op("Mul", b.cast(positions, "float64"), along, result=TensorType("float64", sizes))


def frequencies(max_wavelength: float, exponents: Sequence[tuple[int, int]]) -> list[float]:
    """max_wavelength ** -(p / q) for each (p, q), the nearest float64: the same on every machine."""
    with localcontext() as context:
        context.prec = 40
        base = Decimal(max_wavelength)
        return [float(base ** (Decimal(-p) / Decimal(q))) for p, q in exponents]
