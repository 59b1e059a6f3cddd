"""Fully connected layers and tables: Dense, Embedding."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from archonnx.compiler.graph import TensorType
from archonnx.compiler.layers import activations, domains
from archonnx.compiler.layers.base import LayerError, arg
from archonnx.compiler.layers.common import KerasLayer, product, require_least_rank
from archonnx.compiler.layers.domains import Absent, Flag, Ignored, InitializerDomain, Whole
from archonnx.contract.dtypes import DTYPES

if TYPE_CHECKING:
    from archonnx.compiler.ir import Tensor
    from archonnx.compiler.layers.base import Context
    from archonnx.compiler.lowering.builder import Builder
    from archonnx.contract.dims import Dim

LORA = Absent("low-rank adapters are not offered")
QUANTIZED = Absent("precision is chosen when the model is run")


class Dense(KerasLayer):
    """Fully connected: `activation(x @ kernel + bias)` over the last axis."""

    inputs = ("inputs",)
    pointwise = True
    units = arg(Whole(minimum=1), doc="Width of the result.")
    activation = arg(domains.Activation(), default=None, doc="Applied to the result.")
    use_bias = arg(Flag(), default=True, doc="Whether a bias is added.")
    kernel_initializer = arg(InitializerDomain(), default="glorot_uniform", doc="What the kernel starts from.")
    bias_initializer = arg(InitializerDomain(), default="zeros", doc="What the bias starts from.")
    kernel_regularizer = arg(Ignored(), default=None, doc="Used in training only.")
    bias_regularizer = arg(Ignored(), default=None, doc="Used in training only.")
    activity_regularizer = arg(Ignored(), default=None, doc="Used in training only.")
    kernel_constraint = arg(Ignored(), default=None, doc="Used in training only.")
    bias_constraint = arg(Ignored(), default=None, doc="Used in training only.")
    lora_rank = arg(LORA, default=None, doc="Not offered.")
    lora_alpha = arg(LORA, default=None, doc="Not offered.")
    quantization_config = arg(QUANTIZED, default=None, doc="Not offered.")
    keras = "Dense"
    torch = "Linear"
    onnx = ("Gemm", "MatMul", "Add")
    formula = "y = activation(inputs @ kernel + bias)"
    example = "input x: float32[N, 16]\nDense(10)"

    def declare(self, c: Context, inputs: TensorType) -> None:
        require_least_rank(self, inputs, 1)
        width = c.known(inputs, -1)
        c.weight("kernel", (width, self.units), self.kernel_initializer, dtype=self.compute_dtype)
        if self.use_bias:
            c.weight("bias", (self.units,), self.bias_initializer, dtype=self.compute_dtype)

    def infer(self, c: Context, inputs: TensorType) -> TensorType:
        x = self.floating(inputs)
        require_least_rank(self, x, 1)
        return activations.activated(c, self.activation, TensorType(x.dtype, (*x.shape[:-1], self.units)))

    def macs(self, inputs: tuple[Any, ...], outputs: tuple[TensorType, ...]) -> Dim:
        return product((*inputs[0].shape, self.units))

    def lower(self, b: Builder, inputs: Tensor) -> Tensor:
        x = self.cast_floating(b, inputs)
        y = b.gemm_last(x, b.weight("kernel"), b.weight("bias") if self.use_bias else None)
        return activations.apply(b, self.activation, y)


class Embedding(KerasLayer):
    """A table looked up by whole numbers: integers [...] to vectors [..., output_dim]."""

    inputs = ("inputs",)
    masking = "drop"
    input_dim = arg(Whole(minimum=1), doc="Rows of the table: one more than the largest number.")
    output_dim = arg(Whole(minimum=1), doc="Width of a row.")
    embeddings_initializer = arg(InitializerDomain(), default="uniform", doc="What the table starts from.")
    embeddings_regularizer = arg(Ignored(), default=None, doc="Used in training only.")
    embeddings_constraint = arg(Ignored(), default=None, doc="Used in training only.")
    mask_zero = arg(Flag(), default=False, doc="Whether 0 marks a place to be masked.")
    weights = arg(Absent("give `embeddings_initializer`"), default=None, doc="Not offered.")
    lora_rank = arg(LORA, default=None, doc="Not offered.")
    lora_alpha = arg(LORA, default=None, doc="Not offered.")
    quantization_config = arg(QUANTIZED, default=None, doc="Not offered.")
    keras = "Embedding"
    torch = "Embedding"
    onnx = ("Gather",)
    formula = """y = embeddings[inputs]
mask = inputs != 0, with mask_zero"""
    example = "input tokens: int32[N, 12]\nEmbedding(1000, 64)"

    @property
    def makes_mask(self) -> bool:  # type: ignore[override]
        return bool(self.mask_zero)

    def declare(self, c: Context, inputs: TensorType) -> None:
        c.weight("embeddings", (self.input_dim, self.output_dim), self.embeddings_initializer, dtype=self.compute_dtype)

    def infer(self, c: Context, inputs: TensorType) -> TensorType | tuple[TensorType, ...]:
        if DTYPES[inputs.dtype].kind not in ("int", "uint", "float"):
            raise LayerError("E0303", f"Embedding needs whole numbers, got {inputs}", input=0)
        result = TensorType(self.compute_dtype, (*inputs.shape, self.output_dim))
        return (result, TensorType("bool", inputs.shape)) if self.mask_zero else result

    def lower(self, b: Builder, inputs: Tensor) -> Tensor | tuple[Tensor, ...]:
        # Keras cuts floats to int32; ONNX's Gather takes int32 and int64 alone.
        places = inputs if inputs.dtype in ("int32", "int64") else b.cast(inputs, _index_dtype(inputs.dtype))
        y = b.gather(b.weight("embeddings"), places, 0)
        if not self.mask_zero:
            return y
        return y, b.op("Not", b.op("Equal", inputs, b.like(inputs, 0)))


def _index_dtype(dtype: str) -> str:
    return "int64" if DTYPES[dtype].kind == "uint" and DTYPES[dtype].bits >= 32 else "int32"
