"""Discretization: numbers sorted into bins."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from archonnx.compiler.graph import TensorType
from archonnx.compiler.layers.base import LayerError, arg
from archonnx.compiler.layers.category_encoding import SPARSE, encode, encoded_shape
from archonnx.compiler.layers.common import KerasLayer
from archonnx.compiler.layers.domains import Absent, Choice, Ignored, Optional, Real, Repeated
from archonnx.contract.dtypes import DTYPES

if TYPE_CHECKING:
    from archonnx.compiler.ir import Tensor
    from archonnx.compiler.layers.base import Context
    from archonnx.compiler.lowering.builder import Builder

# Up to so many boundaries each is compared with; past them halving, log2 steps of Gather, takes less time.
COMPARED = 64
LARGEST = 3.4028235e38  # of float32, which boundaries are held in


class Boundaries(Repeated):
    """Numbers in ascending order."""

    def __init__(self) -> None:
        super().__init__(Real(-LARGEST, LARGEST), alone=False)
        self.examples = ((0.0, 1.0, 2.0),)

    def parse(self, value: Any) -> tuple[Any, ...]:
        numbers = super().parse(value)
        if list(numbers) != sorted(numbers):
            raise self.fail(f"in order they are {sorted(numbers)}")
        return numbers

    def describe(self) -> str:
        return "a tuple of numbers in ascending order"


class Discretization(KerasLayer):
    """The number of the bin that each value lies in: numbers [...] to int32 [...], or one-hot and counts of them.

    Bin k holds what is at least boundary k - 1 and below boundary k; the first and the last bin are open. Comparisons
    are of float32 unless dtype is "float64".
    """

    inputs = ("inputs",)
    masking = "drop"
    bin_boundaries = arg(Optional(Boundaries()), default=None, doc="Where one bin ends and the next begins.")
    num_bins = arg(Absent("bins are not learned from data: give bin_boundaries"), default=None, doc="Not offered.")
    epsilon = arg(Ignored(), default=0.01, doc="Used only where Keras learns the bins.")
    output_mode = arg(
        Choice("int", "one_hot", "multi_hot", "count"),
        default="int",
        doc="Whether bins are given as numbers, one-hot, or as which or how many stand along the last axis.",
    )
    sparse = arg(SPARSE, default=False, doc="Not offered.")
    keras = "Discretization"
    onnx = (
        "Less",
        "Not",
        "ReduceSum",
        "Gather",
        "Add",
        "Where",
        "Equal",
        "Range",
        "Min",
        "Expand",
        "ScatterElements",
        "Slice",
    )
    formula = "bin(x) = number of boundaries <= x"
    example = "input ages: float32[N, 1]\nDiscretization([18, 40, 65])"

    def validate(self) -> None:
        if self.bin_boundaries is None:
            raise LayerError(
                "E0340",
                "Discretization needs bin_boundaries: bins are not learned from data here",
                help="bin_boundaries=[0, 1, 2]; after adapt() in Keras, layer.bin_boundaries holds them",
            )

    @property
    def _depth(self) -> int:
        return len(self.bin_boundaries) + 1

    @property
    def _result(self) -> str:
        return "int32" if self.output_mode == "int" else self.compute_dtype

    def infer(self, c: Context, inputs: TensorType) -> TensorType:
        self.floating(inputs)
        return TensorType(self._result, encoded_shape(self, inputs, self.output_mode, self._depth))

    def lower(self, b: Builder, inputs: Tensor) -> Tensor:
        # Keras casts floats to its dtype first, and compares in float32 or float64.
        x = self.cast_kept(b, inputs)
        if x.dtype != "float64" or DTYPES[inputs.dtype].kind != "float":
            x = b.cast(x, "float32")
        find = _compared if len(self.bin_boundaries) <= COMPARED else _halved
        return encode(b, find(b, x, self.bin_boundaries), self.output_mode, self._depth, self._result)


def _compared(b: Builder, x: Tensor, boundaries: tuple[float, ...]) -> Tensor:
    """How many boundaries are at most x, each compared. NaN is below none, as in Keras."""
    if not boundaries:
        return b.expand(b.constant(0, "int64"), x.shape)
    edges = b.constant(_array(boundaries), x.dtype)
    above = b.op("Less", b.expand_dims(x, [x.rank]), edges)
    return b.reduce("Sum", b.cast(b.op("Not", above), "int64"), [-1])


def _halved(b: Builder, x: Tensor, boundaries: tuple[float, ...]) -> Tensor:
    """The same by halving: at each step the boundary in the middle of what is left is looked up."""
    import numpy as np

    steps = len(boundaries).bit_length()
    edges = np.full(2**steps - 1, np.inf, np.float32)
    edges[: len(boundaries)] = _array(boundaries)
    table = b.constant(edges, x.dtype)
    place = b.expand(b.constant(0, "int64"), x.shape)
    for step in reversed(range(steps)):
        middle = b.gather(table, b.op("Add", place, b.constant(2**step - 1, "int64"), result=place.type), 0)
        further = b.op("Add", place, b.constant(2**step, "int64"), result=place.type)
        place = b.op("Where", b.op("Less", x, middle), place, further, result=place.type)
    # What is infinite or no number goes past the boundaries that fill up the table.
    return b.op("Min", place, b.constant(len(boundaries), "int64"), result=place.type)


def _array(boundaries: tuple[float, ...]) -> Any:
    """The boundaries as Keras has them: float32, whatever is compared."""
    import numpy as np

    return np.asarray(boundaries, np.float32)
