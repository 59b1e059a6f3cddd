"""Pools by norms: LpPooling1D/2D/3D, the length of each window's values, PyTorch's LPPool."""

from __future__ import annotations

from typing import TYPE_CHECKING

from archonnx.compiler.graph import TensorType
from archonnx.compiler.layers import unfolding
from archonnx.compiler.layers.base import arg
from archonnx.compiler.layers.domains import Numbers, Optional, Whole
from archonnx.compiler.layers.pooling import Pool
from archonnx.compiler.layers.windows import padded

if TYPE_CHECKING:
    from archonnx.compiler.ir import Tensor
    from archonnx.compiler.lowering.builder import Builder
    from archonnx.contract.dims import Dim

_NORM = "The exponent p: 1 sums absolute values, 2 is the Euclidean length."
_STRIDES = "Steps between two windows; None: the window's size."


class _LpPool(Pool):
    """The p-norm of each window; what "same" adds is zeros. Absolute values are taken for odd p too, as ONNX does."""

    abstract = True
    operator = "LpPool"
    norm_type = arg(Whole(minimum=1), doc=_NORM)
    argument_order = ("norm_type", "pool_size", "strides", "padding", "data_format")
    onnx = ("LpPool",)
    formula = """y[p, c] = (sum over k of abs(inputs[p * strides + k, c]) ** norm_type) ** (1 / norm_type)
p, k: places of the result and of the window, a number for each spatial axis"""

    def pooled(self, b: Builder, x: Tensor, spatial: list[Dim]) -> Tensor:
        unfolded = x.dtype == "float64"  # onnxruntime has no kernel
        filled, padding = padded(b, x, self.window, unfolded=unfolded)
        if not unfolded:
            return b.op(
                "LpPool",
                filled,
                result=TensorType(x.dtype, (*x.shape[:2], *spatial)),
                kernel_shape=list(self.pool_size),
                p=self.norm_type,
                **b.window(self.window.strides, None, **padding),
            )
        seen = unfolding.unfold(b, filled, self.window, spatial)
        axes = range(2 + self.rank, 2 + 2 * self.rank)
        if self.norm_type <= 2:
            return b.reduce(f"L{self.norm_type}", seen, axes)
        powers = b.op("Pow", b.op("Abs", seen, result=seen.type), b.like(seen, float(self.norm_type)), result=seen.type)
        total = b.reduce("Sum", powers, axes)
        return b.op("Pow", total, b.like(total, 1 / self.norm_type), result=total.type)


class LpPooling1D(_LpPool):
    """The p-norm of each window over one axis: [batch, steps, channels]."""

    rank = 1
    pool_size = arg(Numbers(1), doc="Size of the window.")
    strides = arg(Optional(Numbers(1)), default=None, doc=_STRIDES)
    torch = "LPPool1d"
    example = "input x: float32[N, 100, 8]\nLpPooling1D(2, 4)"


class LpPooling2D(_LpPool):
    """The p-norm of each window over height and width: [batch, height, width, channels]."""

    rank = 2
    pool_size = arg(Numbers(2), doc="Size of the window.")
    strides = arg(Optional(Numbers(2)), default=None, doc=_STRIDES)
    torch = "LPPool2d"
    example = "input image: float32[N, 32, 32, 3]\nLpPooling2D(2, 2)"


class LpPooling3D(_LpPool):
    """The p-norm of each window over depth, height and width: [batch, depth, height, width, channels]."""

    rank = 3
    pool_size = arg(Numbers(3), doc="Size of the window.")
    strides = arg(Optional(Numbers(3)), default=None, doc=_STRIDES)
    torch = "LPPool3d"
    example = "input volume: float32[N, 8, 8, 8, 2]\nLpPooling3D(2, 2)"
