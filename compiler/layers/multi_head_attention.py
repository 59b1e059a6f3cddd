"""Attention with projections of its own: MultiHeadAttention and GroupQueryAttention, with a key and value cache."""

from __future__ import annotations

from typing import TYPE_CHECKING

from archonnx.compiler.layers import attention_rules as rules
from archonnx.compiler.layers.base import LayerError, arg
from archonnx.compiler.layers.common import counted
from archonnx.compiler.layers.domains import Axes, Optional, Repeated, Whole
from archonnx.compiler.layers.projected_attention import ProjectedAttention

if TYPE_CHECKING:
    from archonnx.compiler.graph import TensorType
    from archonnx.contract.dims import Dim


class MultiHeadAttention(ProjectedAttention):
    """Multi-head attention: query [batch, T, D], value and key [batch, S, ...], to [batch, T, D].

    With several axes between batch and width, attention runs over `attention_axes`, all of them by default. Masks that
    travel with the inputs, `attention_mask` ([T, S], [batch, T, S] or [batch, heads, T, S]), `use_causal_mask` and
    `sliding_window` hold together. The inputs keep their masks; Keras 3.15 takes them off the tensors while it runs, so
    that of two layers there that read one masked value, or sums with it, the second sees no mask.

    With `use_cache`, the keys and values of all steps, [batch, heads, steps, width], are results behind the others;
    fed back as `past_key` and `past_value` they stand before those of the next steps, whose places count from there:

        (y, keys, values) = (x, x, past_key=past_key, past_value=past_value) -> MultiHeadAttention(
            4, 16, use_causal_mask=True, use_cache=True)
    """

    argument_order = (
        "num_heads",
        "key_dim",
        "value_dim",
        "dropout",
        "use_bias",
        "output_shape",
        "attention_axes",
        "sliding_window",
        "flash_attention",
        "kernel_initializer",
        "bias_initializer",
        "kernel_regularizer",
        "bias_regularizer",
        "activity_regularizer",
        "kernel_constraint",
        "bias_constraint",
        "use_gate",
        "seed",
        "use_causal_mask",
        "return_attention_scores",
        "use_cache",
    )
    takes_query_mask = False
    num_heads = arg(Whole(minimum=1), doc="Number of heads.")
    key_dim = arg(Whole(minimum=1), doc="Width of a head's query and key.")
    value_dim = arg(Optional(Whole(minimum=1)), default=None, doc="Width of a head's value; None is key_dim.")
    output_shape = arg(
        Optional(Repeated(Whole(minimum=1))),
        default=None,
        doc="Sizes in place of the query's last axis; None keeps it.",
    )
    attention_axes = arg(
        Optional(Axes()), default=None, doc="Axes that are attended over; None is all between the batch and the last."
    )
    keras = "MultiHeadAttention"
    torch = "MultiheadAttention"
    onnx = ("Attention", "MatMul", "Add", "Mul", "Softmax", "Where", "Range", "GreaterOrEqual", "Sigmoid")
    formula = """q, k, v = query @ Wq + bq, key @ Wk + bk, value @ Wv + bv, in heads
y = softmax(q @ transpose(k) / sqrt(key_dim) where masked -inf) @ v
result = y of all heads @ Wo + bo"""
    example = "input x: float32[N, T, 64]\n(x, x) -> MultiHeadAttention(4, 16)"

    @property
    def heads(self) -> int:
        return int(self.num_heads)

    @property
    def groups(self) -> int:
        return int(self.num_heads)

    @property
    def key_width(self) -> int:
        return int(self.key_dim)

    @property
    def value_width(self) -> int:
        return int(self.value_dim or self.key_dim)

    @property
    def own_result(self) -> bool:
        return bool(self.output_shape)

    def attended(self, query: TensorType) -> tuple[int, ...]:
        return rules.attention_axes(self, query, self.attention_axes)

    def result_sizes(self, query: TensorType) -> tuple[Dim, ...]:
        return self.output_shape or query.shape[-1:]


class GroupQueryAttention(ProjectedAttention):
    """Attention with fewer heads for keys and values: query [batch, T, D], value and key [batch, S, E] to [batch, T, D]

    Each head of key and value serves `num_query_heads / num_key_value_heads` heads of the query, one after another;
    nothing is repeated. Masks and the cache are as in MultiHeadAttention, the cache has the heads of key and value.
    """

    argument_order = (
        "head_dim",
        "num_query_heads",
        "num_key_value_heads",
        "dropout",
        "use_bias",
        "sliding_window",
        "flash_attention",
        "kernel_initializer",
        "bias_initializer",
        "kernel_regularizer",
        "bias_regularizer",
        "activity_regularizer",
        "kernel_constraint",
        "bias_constraint",
        "use_gate",
        "seed",
        "use_causal_mask",
        "return_attention_scores",
        "use_cache",
    )

    @classmethod
    def default_name(cls) -> str:
        return "grouped_query_attention"  # the name of Keras' class, whose public name is another

    head_dim = arg(Whole(minimum=1), doc="Width of a head.")
    num_query_heads = arg(Whole(minimum=1), doc="Number of heads of the query.")
    num_key_value_heads = arg(Whole(minimum=1), doc="Number of heads of key and value.")
    keras = "GroupQueryAttention"
    onnx = MultiHeadAttention.onnx
    formula = """q = query @ Wq + bq in num_query_heads heads
k, v = key @ Wk + bk, value @ Wv + bv in num_key_value_heads heads
y[h] = softmax(q[h] @ transpose(k[g]) / sqrt(head_dim) where masked -inf) @ v[g], g = h // (heads of q / heads of k)
result = y of all heads @ Wo + bo"""
    example = "input x: float32[N, T, 64]\n(x, x) -> GroupQueryAttention(16, 4, 2, use_causal_mask=True)"

    def validate(self) -> None:
        if self.num_query_heads % self.num_key_value_heads:
            raise LayerError(
                "E0320",
                f"GroupQueryAttention cannot share {counted(self.num_key_value_heads, 'head')} of key and value "
                f"evenly among {counted(self.num_query_heads, 'head')} of the query",
                argument="num_key_value_heads",
                help=f"take a divisor of {self.num_query_heads}" if self.num_query_heads > 1 else "take 1",
            )

    @property
    def heads(self) -> int:
        return int(self.num_query_heads)

    @property
    def groups(self) -> int:
        return int(self.num_key_value_heads)

    @property
    def key_width(self) -> int:
        return int(self.head_dim)

    @property
    def value_width(self) -> int:
        return int(self.head_dim)

    def attended(self, query: TensorType) -> tuple[int, ...]:
        return rules.only_steps(self, query)
