"""ReversibleEmbedding: a table that is looked up, and multiplied with to get back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from archonnx.compiler.graph import TensorType
from archonnx.compiler.layers.base import LayerError, arg
from archonnx.compiler.layers.common import decide, product, require_least_rank
from archonnx.compiler.layers.dense import Embedding
from archonnx.compiler.layers.domains import Flag, FloatDType, Optional, Real
from archonnx.contract.dtypes import DTYPES

if TYPE_CHECKING:
    from archonnx.compiler.ir import Tensor
    from archonnx.compiler.layers.base import Context
    from archonnx.compiler.lowering.builder import Builder
    from archonnx.contract.dims import Dim


class ReversibleEmbedding(Embedding):
    """A table looked up by whole numbers, [...] to [..., output_dim]; in reverse, scores of all rows, [..., input_dim].

    `(x, reverse=True) -> embed` applies a layer named `embed` in reverse, to vectors [..., output_dim].
    """

    inputs = ("inputs", "reverse?")  # type: ignore[assignment]
    takes_constants = True
    order = (
        "input_dim",
        "output_dim",
        "tie_weights",
        "embeddings_initializer",
        "embeddings_regularizer",
        "embeddings_constraint",
        "mask_zero",
        "reverse_dtype",
        "logit_soft_cap",
        "dtype",
    )
    tie_weights = arg(Flag(), default=True, doc="Whether the way back uses the table too, not a kernel of its own.")
    reverse_dtype = arg(Optional(FloatDType()), default=None, doc="Floating type of the way back; None: as it comes.")
    logit_soft_cap = arg(
        Optional(Real(above=0)), default=None, doc="c: the way back gives tanh(scores / c) * c; None: scores."
    )
    keras = "ReversibleEmbedding"
    torch = None  # type: ignore[assignment]
    onnx = ("Gather", "Gemm", "MatMul", "Div", "Tanh", "Mul")  # type: ignore[assignment]
    formula = """y = embeddings[inputs]
in reverse: y = inputs @ embeddings^T, or inputs @ reverse_embeddings without tie_weights
with logit_soft_cap: y = tanh(y / logit_soft_cap) * logit_soft_cap"""
    example = """input tokens: int32[N, 12]
embed = ReversibleEmbedding(1000, 64)
x = tokens -> embed
(x, reverse=True) -> embed"""

    def declare(self, c: Context, inputs: TensorType, reverse: TensorType | None = None) -> None:
        super().declare(c, inputs)
        if not self.tie_weights:
            shape = (self.output_dim, self.input_dim)
            c.weight("reverse_embeddings", shape, self.embeddings_initializer, dtype=self.compute_dtype)

    def infer(
        self, c: Context, inputs: TensorType, reverse: TensorType | None = None
    ) -> TensorType | tuple[TensorType, ...]:
        backwards = False if reverse is None else c.constant(1)
        if not isinstance(backwards, bool):
            raise LayerError(
                "E0403",
                f"reverse of ReversibleEmbedding is True or False, got {reverse if backwards is None else backwards}",
                input=1,
                help="write (x, reverse=True) -> embed",
            )
        if not backwards:
            return super().infer(c, inputs)
        if DTYPES[inputs.dtype].kind not in ("float", "int", "uint"):
            raise LayerError("E0303", f"ReversibleEmbedding needs numbers, got {inputs}", input=0)
        require_least_rank(self, inputs, 1)
        if decide(c.facts, "==", inputs.shape[-1], self.output_dim) is not True:
            raise LayerError(
                "E0308",
                f"ReversibleEmbedding in reverse takes vectors of {self.output_dim}, its output_dim, got {inputs}",
                input=0,
                axis=inputs.rank - 1,
                label=f"{inputs.shape[-1]} here",
            )
        return TensorType(self._reverse_dtype(inputs.dtype), (*inputs.shape[:-1], self.input_dim))

    def _reverse_dtype(self, given: str) -> str:
        """The layer casts no input by itself: without `reverse_dtype` the wider type of vectors and table counts."""
        if self.reverse_dtype is not None:
            return str(self.reverse_dtype)
        table = self.compute_dtype
        if given == table or DTYPES[given].kind != "float":
            return table
        if DTYPES[given].bits == DTYPES[table].bits:
            return "float32"  # float16 and bfloat16: neither holds the other
        return given if DTYPES[given].bits > DTYPES[table].bits else table

    def macs(self, inputs: tuple[Any, ...], outputs: tuple[TensorType, ...]) -> Dim:
        # Two inputs with as many axes in the result as in the first: the way back.
        if len(inputs) > 1 and outputs[0].rank == inputs[0].rank:
            return product((*inputs[0].shape, self.input_dim))
        return 0

    def lower(self, b: Builder, inputs: Tensor, reverse: Tensor | None = None) -> Tensor | tuple[Tensor, ...]:
        from archonnx.compiler.lowering.constants import literal

        backwards = literal(reverse)
        if backwards is None or not backwards.item():
            return super().lower(b, inputs)
        dtype = self._reverse_dtype(inputs.dtype)
        x = b.cast(inputs, dtype)
        shape = (*x.shape[:-1], self.input_dim)
        if not self.tie_weights:
            y = b.matmul(x, b.cast(b.weight("reverse_embeddings"), dtype))
        else:
            # Gemm reads the table as it lies; a transposed copy of it would stand in the file beside it.
            rows = b.reshape(x, (product(x.shape[:-1]), self.output_dim))
            table = b.cast(b.weight("embeddings"), dtype)
            result = TensorType(dtype, (rows.shape[0], self.input_dim))
            y = b.reshape(b.op("Gemm", rows, table, result=result, transB=1), shape)
        if self.logit_soft_cap is None:
            return y
        cap = b.like(y, self.logit_soft_cap)
        return b.op("Mul", b.op("Tanh", b.op("Div", y, cap)), cap)
