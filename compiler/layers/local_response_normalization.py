"""LocalResponseNormalization: each value divided by what its neighbours among the channels amount to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from archonnx.compiler.graph import TensorType
from archonnx.compiler.layers.base import LayerError, arg
from archonnx.compiler.layers.common import KerasLayer, product, require_floats, require_least_rank, resolve_axis
from archonnx.compiler.layers.domains import Axis, Real, Whole

if TYPE_CHECKING:
    from archonnx.compiler.ir import Tensor
    from archonnx.compiler.layers.base import Context
    from archonnx.compiler.lowering.builder import Builder


class LocalResponseNormalization(KerasLayer):
    """Divides by a power of the mean square of neighbouring channels: [batch, ..., channels] to the same.

    As in AlexNet and GoogLeNet, by PyTorch's definition. TensorFlow's `depth_radius=r` is `size = 2 * r + 1`, and its
    alpha, that of the sum, is `alpha * size` here.
    """

    inputs = ("inputs",)
    size = arg(Whole(minimum=1), doc="How many channels are looked at, the value's own in their middle.")
    alpha = arg(Real(minimum=0), default=1e-4, doc="Factor of the mean square.")
    beta = arg(Real(), default=0.75, doc="The power.")
    k = arg(Real(minimum=0), default=1.0, doc="Added to the mean square.")
    axis = arg(Axis(), default=-1, doc="The axis of the channels.")
    torch = "LocalResponseNorm"
    onnx = ("LRN", "AveragePool", "Mul", "Add", "Pow", "Div")
    formula = """y[c] = inputs[c] / (k + alpha / size * s) ** beta
s = sum of the squares of inputs[c - size // 2] to inputs[c + (size - 1) // 2], of those that there are"""
    example = "input image: float32[N, 55, 55, 96]\nLocalResponseNormalization(5, k=2.0)"

    def infer(self, c: Context, inputs: TensorType) -> TensorType:
        require_floats(self, inputs)
        require_least_rank(self, inputs, 3)
        if resolve_axis(self, inputs, self.axis, "axis") == 0:
            raise LayerError(
                "E0311",
                f"LocalResponseNormalization looks at neighbouring channels; axis 0 of {inputs} is the batch",
                argument="axis",
            )
        return self.floating(inputs)

    def lower(self, b: Builder, inputs: Tensor) -> Tensor:
        x = self.cast_floating(b, inputs)
        axis = self.axis % x.rank
        # onnxruntime's LRN takes images, odd sizes, alpha and beta above 0, and no float64; ONNX's even windows lie
        # otherwise than PyTorch's.
        taken = self.size % 2 and self.alpha > 0 and self.beta > 0
        if taken and x.rank == 4 and x.dtype in ("float32", "float16"):
            return self._by_operator(b, x, axis)
        return self._by_pool(b, x, axis)

    def _by_operator(self, b: Builder, x: Tensor, axis: int) -> Tensor:
        order = [a for a in range(x.rank) if a != axis]
        order.insert(1, axis)
        turned = b.transpose(x, order)
        y = b.op("LRN", turned, result=turned.type, size=self.size, alpha=self.alpha, beta=self.beta, bias=self.k)
        return b.transpose(y, [order.index(a) for a in range(x.rank)])

    def _by_pool(self, b: Builder, x: Tensor, axis: int) -> Tensor:
        order = [*(a for a in range(x.rank) if a != axis), axis]
        last = b.transpose(x, order)
        wide = b.cast(last, "float64" if x.dtype == "float64" else "float32")
        square = b.op("Mul", wide, wide)
        mean = self._mean_by_sums(b, square) if wide.dtype == "float64" else self._mean(b, square)
        total = b.op("Add", b.op("Mul", mean, b.like(wide, self.alpha)), b.like(wide, self.k))
        y = b.op("Div", wide, b.op("Pow", total, b.like(wide, self.beta), result=wide.type))
        return b.transpose(b.cast(y, x.dtype), [order.index(a) for a in range(x.rank)])

    def _mean(self, b: Builder, x: Tensor) -> Tensor:
        """A pool whose window is 1 along all axes but the last."""
        if x.rank > 5:  # onnxruntime's pools go over three axes at most
            flat = b.reshape(x, (x.shape[0], product(x.shape[1:-1]), x.shape[-1]))
            return b.reshape(self._mean(b, flat), x.shape)
        rank = x.rank - 2
        before, after = [0] * rank, [0] * rank
        before[-1], after[-1] = self.size // 2, (self.size - 1) // 2
        return b.op(
            "AveragePool",
            x,
            result=x.type,
            kernel_shape=[*[1] * (rank - 1), self.size],
            count_include_pad=1,
            **b.window(pads_begin=before, pads_end=after),
        )

    def _mean_by_sums(self, b: Builder, x: Tensor) -> Tensor:
        """In float64, for which onnxruntime has no pool: the sum of all up to the window's end, less that before it."""
        rank, channels = x.rank, x.shape[-1]
        none = [0] * (rank - 1)
        padded = b.pad(x, [*none, self.size // 2 + 1], [*none, (self.size - 1) // 2])
        sums = b.op("CumSum", padded, b.constant(rank - 1, "int64"), result=padded.type)
        upper = b.slice(sums, [self.size], [None], [-1], shape=x.shape)
        lower = b.slice(sums, [0], [channels], [-1], shape=x.shape)
        return b.op("Mul", b.op("Sub", upper, lower, result=x.type), b.like(x, 1 / self.size))
