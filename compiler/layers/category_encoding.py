"""CategoryEncoding, and what layers that give categories share: one-hot, multi-hot and counts.

one_hot     a comparison with 0, 1, ..., depth - 1: half the time of OneHot in onnxruntime, and a negative number
            gives zeros, as in Keras, where OneHot counts it from the end
multi_hot   ones, and count: weights, scattered into zeros; a number outside lands in a column that is cut off
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from archonnx.compiler.graph import TensorType
from archonnx.compiler.layers.base import Layer, LayerError, arg
from archonnx.compiler.layers.common import KerasLayer, require_equal, require_least_rank
from archonnx.compiler.layers.domains import Absent, Choice, Optional, Whole
from archonnx.contract.dtypes import DTYPES

if TYPE_CHECKING:
    from archonnx.compiler.ir import Tensor
    from archonnx.compiler.layers.base import Context
    from archonnx.compiler.lowering.builder import Builder
    from archonnx.contract.dims import Dim

WRITTEN = 1 << 10  # categories that are written into the file
SPARSE = Absent("ONNX models give dense results", absent=False)


class Count(Whole):
    """A number of categories: as many as an index of 32 bits tells apart."""

    def __init__(self, minimum: int) -> None:
        super().__init__(minimum, 2**31 - 2)

    def describe(self) -> str:
        return f"a whole number from {self.minimum} to {self.maximum}"


class OutputMode(Choice):
    """How categories are given; Keras' older words for two of them are taken too."""

    older = {"binary": "multi_hot", "tf-idf": "tf_idf"}  # noqa: RUF012

    def parse(self, value: Any) -> str:
        meant = self.older.get(value.lower(), value) if isinstance(value, str) else value
        return super().parse(meant if meant in self.choices else value)


def require_whole_numbers(layer: Layer, x: TensorType) -> None:
    """E0303 unless the input holds what can be cut to whole numbers."""
    if DTYPES[x.dtype].kind not in ("int", "uint", "float", "bool"):
        raise LayerError("E0303", f"{layer.type_name} needs whole numbers, got {x}", input=0)


def encoded_shape(layer: Layer, x: TensorType, mode: str, depth: int) -> tuple[Dim, ...]:
    """The shape of categories that are given as `mode`. E0302 where the mode does not take so many axes."""
    if mode == "int":
        return x.shape
    require_least_rank(layer, x, 1)
    if mode == "one_hot":
        single = x.rank > 1 and isinstance(x.shape[-1], int) and x.shape[-1] == 1
        return (*(x.shape[:-1] if single else x.shape), depth)
    if x.rank > 2:
        raise LayerError(
            "E0302",
            f'{layer.type_name} takes 1 or 2 axes for "{mode}", got {x}',
            input=0,
            help='"one_hot" takes any number of axes',
        )
    return (*x.shape[:-1], depth)


def encode(b: Builder, x: Tensor, mode: str, depth: int, dtype: str, weights: Tensor | None = None) -> Tensor:
    """Categories, whole numbers from 0 to depth - 1, as `mode`, in `dtype`. Others count for nothing.

    `x` (..., L); one_hot (..., L, depth), multi_hot and count (..., depth). `weights` have the shape of `x`.
    """
    if mode == "int":
        return b.cast(x, dtype)
    if mode == "one_hot":
        if x.rank > 1 and isinstance(x.shape[-1], int) and x.shape[-1] == 1:
            x = b.squeeze(x, [-1])
        hot = b.op("Equal", b.expand_dims(x, [x.rank]), _categories(b, depth, x.dtype))
        return b.cast(hot, dtype)
    last = x.rank - 1
    outside = b.like(x, depth)
    inside = b.op("Min", b.op("Where", b.op("Less", x, b.like(x, 0)), outside, x, result=x.type), outside)
    wide = (*x.shape[:-1], depth + 1)
    summed = weights.dtype if weights is not None and weights.dtype == "float64" else "float32"
    added = b.cast(weights, summed) if weights is not None else b.expand(b.constant(1.0, summed), x.shape)
    zeros = b.expand(b.constant(0.0, summed), wide)
    largest = mode == "multi_hot" and b.opset >= 18
    y = b.op(
        "ScatterElements",
        zeros,
        inside,
        added,
        result=zeros.type,
        axis=last,
        reduction="max" if largest else "add",
    )
    y = b.slice(y, [0], [depth], [last])
    if mode == "multi_hot" and not largest:
        y = b.op("Min", y, b.like(y, 1))
    return b.cast(y, dtype)


def _categories(b: Builder, depth: int, dtype: str) -> Tensor:
    """0, 1, ..., depth - 1: a constant where they are not many."""
    if depth <= WRITTEN:
        return b.constant(list(range(depth)), dtype)
    return b.op("Range", *(b.constant(n, dtype) for n in (0, depth, 1)), result=TensorType(dtype, (depth,)))


class CategoryEncoding(KerasLayer):
    """Whole numbers as categories: one-hot [..., L] to [..., L, num_tokens], multi-hot and counts to [..., num_tokens].

    A number outside 0 to num_tokens - 1 counts for nothing.
    """

    inputs = ("inputs", "count_weights?")
    call_arguments = ("count_weights",)
    masking = "drop"
    num_tokens = arg(Optional(Count(1)), default=None, doc="The number of categories.")
    output_mode = arg(
        OutputMode("multi_hot", "one_hot", "count"),
        default="multi_hot",
        doc='"one_hot" for each number, or which ("multi_hot") or how many ("count") stand along the last axis.',
    )
    sparse = arg(SPARSE, default=False, doc="Not offered.")
    keras = "CategoryEncoding"
    onnx = ("Equal", "Range", "Less", "Where", "Min", "Expand", "ScatterElements", "Slice")
    formula = (
        "one_hot: y[..., i, k] = 1 if x[..., i] == k else 0\n"
        "multi_hot: y[..., k] = 1 if any x[..., i] == k else 0\n"
        "count: y[..., k] = sum over i with x[..., i] == k of count_weights[..., i] (1 without weights)"
    )
    example = 'input tokens: int64[N, 5]\nCategoryEncoding(10, "count")'

    def validate(self) -> None:
        if self.num_tokens is None:
            raise LayerError(
                "E0340",
                "CategoryEncoding needs num_tokens, the number of categories",
                help="CategoryEncoding(num_tokens=10)",
            )

    def infer(self, c: Context, inputs: TensorType, count_weights: TensorType | None = None) -> TensorType:
        require_whole_numbers(self, inputs)
        shape = encoded_shape(self, inputs, self.output_mode, self.num_tokens)
        if count_weights is not None:
            self._check_weights(c, inputs, count_weights)
        return TensorType(self.compute_dtype, shape)

    def _check_weights(self, c: Context, x: TensorType, weights: TensorType) -> None:
        if self.output_mode != "count":
            raise LayerError(
                "E0341",
                f'CategoryEncoding uses count_weights in "count" alone, and its output_mode is "{self.output_mode}"',
                input=1,
                help='output_mode="count"',
            )
        self.floating(weights, input=1)
        if weights.rank != x.rank:
            raise LayerError(
                "E0308", f"CategoryEncoding needs one weight for each number, got {x} and {weights}", input=1
            )
        for axis, (size, other) in enumerate(zip(x.shape, weights.shape, strict=True)):
            require_equal(self, c.facts, size, other, (x, weights), input=1, axis=axis)

    def lower(self, b: Builder, inputs: Tensor, count_weights: Tensor | None = None) -> Tensor:
        weights = None if count_weights is None else self.cast_floating(b, count_weights)
        return encode(b, indices(b, inputs), self.output_mode, self.num_tokens, self.compute_dtype, weights)


def indices(b: Builder, x: Tensor) -> Tensor:
    """Numbers cut to whole ones, in a type that operators take as indices."""
    return x if x.dtype in ("int32", "int64") else b.cast(x, "int64")
