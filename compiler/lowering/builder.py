"""What a layer's `lower` is given: methods that add typed ONNX operators in the form that the operator set asks for.

    op, constant, ints, like, weight, mask                   emitter.py
    shape, dim                                               sizes.py
    transpose, reshape, concat, slice, split, pad, ...       shaping.py
    matmul, gemm_last, reduce, conv                          here

Every method returns `ir.Tensor`s with exact types.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from archonnx.compiler.graph import TensorType
from archonnx.compiler.ir import Tensor
from archonnx.compiler.lowering.opsets import reduces_by_input
from archonnx.compiler.lowering.shaping import Shaping
from archonnx.contract.dims import Dim


class Builder(Shaping):
    """Adds operators for one node of the layer graph after another; `node` is the current one."""

    def matmul(self, a: Tensor, b: Tensor) -> Tensor:
        """numpy's matmul: one-dimensional operands are vectors, leading axes broadcast."""
        left, right = a.shape, b.shape
        if len(left) == 1 and len(right) == 1:
            shape: tuple[Dim, ...] = ()
        elif len(left) == 1:
            shape = (*right[:-2], right[-1])
        elif len(right) == 1:
            shape = left[:-1]
        else:
            shape = (*self.broadcast((left[:-2], right[:-2])), left[-2], right[-1])
        return self.op("MatMul", a, b, result=TensorType(a.dtype, shape))

    def gemm_last(self, x: Tensor, kernel: Tensor, bias: Tensor | None = None) -> Tensor:
        """`x @ kernel + bias` over the last axis. `x` (..., inputs), kernel (inputs, outputs), bias (outputs,)."""
        if x.rank == 2:
            result = TensorType(x.dtype, (x.shape[0], kernel.shape[1]))
            return self.op("Gemm", x, kernel, bias, result=result)
        product = self.matmul(x, kernel)
        return product if bias is None else self.op("Add", product, bias, result=product.type)

    def reduce(self, kind: str, x: Tensor, axes: Sequence[int] | None = None, keepdims: bool = False) -> Tensor:
        """`Reduce` + kind ("Mean", "Sum", "Max", "LogSumExp", ...) over axes; None: over all."""
        places = sorted(range(x.rank) if axes is None else {a % x.rank for a in axes})
        if not places:
            return x
        if keepdims:
            shape = tuple(1 if a in places else d for a, d in enumerate(x.shape))
        else:
            shape = tuple(d for a, d in enumerate(x.shape) if a not in places)
        result = TensorType(x.dtype, shape)
        name = f"Reduce{kind}"
        if reduces_by_input(name, self.opset):
            return self.op(name, x, self.ints(places), result=result, keepdims=int(keepdims))
        return self.op(name, x, result=result, axes=places, keepdims=int(keepdims))

    def conv(
        self,
        x: Tensor,
        kernel: Tensor,
        bias: Tensor | None = None,
        *,
        spatial: Sequence[Dim],
        strides: Sequence[int] | None = None,
        dilations: Sequence[int] | None = None,
        groups: int = 1,
        pads_begin: Sequence[int] | None = None,
        pads_end: Sequence[int] | None = None,
        auto_pad: str | None = None,
    ) -> Tensor:
        """Convolution, channels first: x (N, C, ...), kernel (filters, channels / groups, ...), bias (filters,).

        `spatial` are the result's spatial sizes; padding is given by numbers, or by `auto_pad` ("same_upper") where the
        sizes are not known. What equals ONNX's default is not written, except the kernel's shape.
        """
        window = [d for d in kernel.shape[2:] if isinstance(d, int)]
        result = TensorType(x.dtype, (x.shape[0], kernel.shape[0], *spatial))
        return self.op(
            "Conv",
            x,
            kernel,
            bias,
            result=result,
            kernel_shape=window,
            group=groups if groups != 1 else None,
            **self.window(strides, dilations, pads_begin, pads_end, auto_pad),
        )

    def window(
        self,
        strides: Sequence[int] | None = None,
        dilations: Sequence[int] | None = None,
        pads_begin: Sequence[int] | None = None,
        pads_end: Sequence[int] | None = None,
        auto_pad: str | None = None,
    ) -> dict[str, Any]:
        """The attributes of a sliding window that differ from ONNX's defaults, for Conv and the pools alike."""
        attributes: dict[str, Any] = {}
        if strides is not None and any(s != 1 for s in strides):
            attributes["strides"] = list(strides)
        if dilations is not None and any(d != 1 for d in dilations):
            attributes["dilations"] = list(dilations)
        if auto_pad is not None:
            attributes["auto_pad"] = auto_pad.upper()
        elif any(pads_begin or ()) or any(pads_end or ()):
            assert pads_begin is not None
            assert pads_end is not None
            attributes["pads"] = [*pads_begin, *pads_end]
        return attributes
