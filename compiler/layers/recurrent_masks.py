"""Masks and ONNX' recurrent operators, which know lengths alone: masked steps go behind the others and come back after.

With n steps that count, the operator sees them in the first n places, in their order, and gives zeros in the places
behind. Then step t takes the result of the place

    count(t) - 1     running forwards: of the last step up to t that counts
    count(t - 1)     running backwards: of the first step from t on that counts

where count(t) is the number of steps up to t that count. Where there is none, the place is one of those behind: -1 is
the last of all, and n the first of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from archonnx.compiler.graph import TensorType

if TYPE_CHECKING:
    from archonnx.compiler.ir import Tensor
    from archonnx.compiler.lowering.builder import Builder


class Packing:
    """The order that a mask, bool [batch, steps], asks for. `lengths`: int32 [batch]."""

    def __init__(self, b: Builder, mask: Tensor) -> None:
        self.b, self.mask = b, mask
        batch, steps = mask.shape
        numbers = TensorType("int64", (batch, steps))
        counts = b.cast(mask, "int64")
        self.counted = b.op("CumSum", counts, b.constant(1, "int64"), result=numbers)
        self.lengths = b.cast(b.reduce("Sum", counts, [1]), "int32")
        self.empty = b.expand_dims(b.op("Equal", self.lengths, b.like(self.lengths, 0)), [1])
        time = b.op("Range", b.constant(0, "int64"), b.dim(steps), b.constant(1, "int64"), result=_row(steps))
        # Those that count have the numbers steps - t, all above 0, the others -t.
        score = b.op("Sub", b.op("Mul", counts, b.dim(steps)), time)
        _, self.order = b.op("TopK", score, b.shape((steps,)), result=(numbers, numbers), axis=1)

    def pack(self, x: Tensor) -> Tensor:
        """x [batch, steps, ...] with the steps that count first."""
        return self._take(x, self.order)

    def unpack(self, y: Tensor, backwards: bool, zeros: bool) -> Tensor:
        """The results [batch, places, ...] of the packed steps, for every step; masked steps hold, or are zeros."""
        b = self.b
        if backwards:
            places = b.op("Sub", self.counted, b.cast(self.mask, "int64"))
        else:
            places = b.op("Sub", self.counted, b.constant(1, "int64"))
        taken = self._take(y, places)
        if not zeros:
            return taken
        return b.op("Where", b.expand_dims(self.mask, range(2, y.rank)), taken, b.like(y, 0), result=y.type)

    def started(self, state: Tensor, initial: Tensor) -> Tensor:
        """The last state [batch, units]: the initial one where no step counts."""
        return self.b.op("Where", self.empty, initial, state, result=state.type)

    def stopped(self, last: Tensor, first: bool) -> Tensor:
        """The last result [batch, units]: zeros where the last step, or the first, is masked."""
        b = self.b
        end = b.slice(self.mask, [0 if first else -1], [1 if first else None], [1], shape=(self.mask.shape[0], 1))
        return b.op("Where", end, last, b.like(last, 0), result=last.type)

    def _take(self, x: Tensor, places: Tensor) -> Tensor:
        return self.b.op("GatherND", x, self.b.expand_dims(places, [2]), result=x.type, batch_dims=1)


def _row(steps: object) -> TensorType:
    return TensorType("int64", (steps,))  # type: ignore[arg-type]
