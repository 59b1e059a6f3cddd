"""Masking: which steps of a sequence count."""

from __future__ import annotations

from typing import TYPE_CHECKING

from archonnx.compiler.graph import TensorType
from archonnx.compiler.layers.base import LayerError, arg
from archonnx.compiler.layers.common import KerasLayer, require_least_rank
from archonnx.compiler.layers.domains import Real
from archonnx.contract.dtypes import DTYPES

if TYPE_CHECKING:
    from archonnx.compiler.ir import Tensor
    from archonnx.compiler.layers.base import Context
    from archonnx.compiler.lowering.builder import Builder


class Masking(KerasLayer):
    """Masks the places of [batch, ..., features] whose values all equal `mask_value`, and sets those values to 0."""

    inputs = ("inputs",)
    makes_mask = True
    mask_value = arg(Real(), default=0.0, doc="The value that marks a place to be masked.")
    keras = "Masking"
    onnx = ("Equal", "Not", "ReduceMax", "Where")
    formula = """y = where(mask[..., None], inputs, 0)
mask = any(inputs != mask_value, axis=-1)"""
    example = "input x: float32[N, 10, 8]\nMasking()"

    def infer(self, c: Context, inputs: TensorType) -> tuple[TensorType, ...]:
        if DTYPES[inputs.dtype].kind not in ("float", "int", "uint"):
            raise LayerError("E0303", f"Masking needs numbers, got {inputs}", input=0)
        require_least_rank(self, inputs, 1)
        x = self.kept(inputs)
        if DTYPES[x.dtype].kind != "float" and not self.mask_value.is_integer():
            raise LayerError(
                "E0303", f"Masking compares with {self.mask_value}, which {x} never holds", argument="mask_value"
            )
        return x, TensorType("bool", x.shape[:-1])

    def lower(self, b: Builder, inputs: Tensor) -> tuple[Tensor, ...]:
        x = self.cast_kept(b, inputs)
        differs = b.op("Not", b.op("Equal", x, b.constant(self.mask_value, x.dtype)))
        kept = b.cast(b.reduce("Max", b.cast(differs, "int32"), [-1], keepdims=True), "bool")
        # onnxruntime's Where takes no 16 bits and no uint64; what is only handed on comes back as it was.
        moved = b.cast(x, {"int16": "int32", "uint16": "int32", "uint64": "int64"}.get(x.dtype, x.dtype))
        y = b.op("Where", kept, moved, b.like(moved, 0), result=moved.type)
        return b.cast(y, x.dtype), b.squeeze(kept, [-1])
