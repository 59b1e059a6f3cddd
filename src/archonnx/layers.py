"""What a package needs to add layers of its own to the language.

A layer is one class. It is found by the language, and by every command, once the package declares it:

    [project.entry-points."archonnx.layers"]
    BetaSwish = "mylayers:BetaSwish"

    from archonnx.layers import Builder, Context, Layer, Tensor, TensorType, arg, domains

    class BetaSwish(Layer):
        \"\"\"`x * sigmoid(beta * x)`, its result of its input's shape.\"\"\"

        inputs = ("x",)
        beta = arg(domains.Real(), default=1.0, doc="Slope of the gate.")
        onnx = ("Sigmoid", "Mul")
        formula = "y = x * sigmoid(beta * x)"
        example = "input x: float32[N, 16]\\nBetaSwish(beta=1.5)"

        def infer(self, c: Context, x: TensorType) -> TensorType:
            return x

        def lower(self, b: Builder, x: Tensor) -> Tensor:
            return b.op("Mul", x, b.op("Sigmoid", b.op("Mul", x, b.like(x, self.beta))))

Layer         the base: what a layer declares, its rules `validate`, `declare`, `infer`, `macs` and `lower`
KerasLayer    a layer with `dtype=`, which computes in float32 whatever floating type comes in; Elementwise: of its
              input's shape besides
arg, domains  an argument, and what values it takes
LayerError    what a rule raises where arguments or inputs do not fit: a code, a message, a place, the way out; the code
              is one of the library's (`archonnx explain`), or REFUSED
TensorType    an element type and an exact shape; a Dim is a whole number or an expression over symbols
Context       what `declare` and `infer` may ask for: known sizes, new weights, facts
Builder       what `lower` builds operators with; a Tensor is a value of the operator graph

and checks that many layers share. docs/own-layers.md shows a whole package, and the way without one: a `block`.
"""

from __future__ import annotations

from archonnx.compiler.graph import TensorType
from archonnx.compiler.ir import Tensor
from archonnx.compiler.layers import domains
from archonnx.compiler.layers.base import Context, Layer, LayerError, arg
from archonnx.compiler.layers.common import (
    Elementwise,
    KerasLayer,
    product,
    require_equal,
    require_least_rank,
    require_one_dtype,
    require_rank,
    resolve_axis,
)
from archonnx.compiler.layers.plugins import REFUSED
from archonnx.compiler.lowering.builder import Builder
from archonnx.contract.dims import Dim

__all__ = [
    "REFUSED",
    "Builder",
    "Context",
    "Dim",
    "Elementwise",
    "KerasLayer",
    "Layer",
    "LayerError",
    "Tensor",
    "TensorType",
    "arg",
    "domains",
    "product",
    "require_equal",
    "require_least_rank",
    "require_one_dtype",
    "require_rank",
    "resolve_axis",
]
