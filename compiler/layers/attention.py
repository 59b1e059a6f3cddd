"""Attention without projections: Attention (Luong's) and AdditiveAttention (Bahdanau's)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from archonnx.compiler.graph import TensorType
from archonnx.compiler.layers import attention_rules as rules
from archonnx.compiler.layers.attention_masks import as_bool, check_sizes
from archonnx.compiler.layers.base import arg
from archonnx.compiler.layers.common import KerasLayer, product, require_equal
from archonnx.compiler.layers.domains import Choice, Flag, Ignored, Real

if TYPE_CHECKING:
    from archonnx.compiler.graph import Value
    from archonnx.compiler.ir import Tensor
    from archonnx.compiler.layers.base import Context
    from archonnx.compiler.lowering.attention import Geometry, Masks
    from archonnx.compiler.lowering.builder import Builder
    from archonnx.contract.dims import Dim

LOWEST = {"float16": -65504.0}  # what Keras adds to a score that does not count
LOWEST_FLOAT = -1e9


class Inputs(NamedTuple):
    """The inputs of an application in their order: types while inferring, tensors while lowering."""

    query: Any
    value: Any
    key: Any = None
    query_mask: Any = None
    value_mask: Any = None


class PlainAttention(KerasLayer):
    """What attention without projections has in common; a subclass says what the scores are."""

    abstract = True
    inputs = ("query", "value", "key?", "query_mask?", "value_mask?")
    call_arguments = ("query_mask", "value_mask")
    masking = "use"
    dropout = arg(Real(minimum=0, maximum=1), default=0.0, doc="Used in training only.")
    seed = arg(Ignored(), default=None, doc="Used in training only.")
    use_causal_mask = arg(
        Flag(), default=False, doc="Whether a step looks only at itself and those before it.", keras=False
    )
    return_attention_scores = arg(
        Flag(), default=False, doc="Whether the scores are given too, [batch, query steps, value steps].", keras=False
    )

    def infer(self, c: Context, *inputs: Any) -> tuple[TensorType, ...]:
        given = Inputs(*inputs)
        query, value = self.floating(given.query), self.floating(given.value, 1)
        key = value if given.key is None else self.floating(given.key, 2)
        rules.check_sides(self, c, given, (query.rank - 2,))
        number = 1 if given.key is None else 2
        require_equal(self, c.facts, query.shape[-1], key.shape[-1], (query, key), input=number, axis=query.rank - 1)
        for number, name, x in ((3, "query_mask", query), (4, "value_mask", value)):
            if given[number] is not None:
                axes = ["batch", *(f"axis {axis}" for axis in range(1, x.rank - 2)), "steps"]
                check_sizes(self, c, f"a {name}", given[number], x.shape[:-1], axes, input=number)
        result = TensorType(query.dtype, (*query.shape[:-1], value.shape[-1]))
        if not self.return_attention_scores:
            return (result,)
        return result, TensorType(query.dtype, (*query.shape[:-1], value.shape[-2]))

    def macs(self, inputs: tuple[Any, ...], outputs: tuple[TensorType, ...]) -> Dim:
        """The scores' and those of what is taken from the values."""
        query, value = inputs[0], inputs[1]
        return product((*query.shape[:-1], value.shape[-2], query.shape[-1] + value.shape[-1]))

    def result_mask(self, inputs: Sequence[Value | None], apply: Callable[..., Value]) -> Value | None:
        """The query's: the one that is given, or where none is given the one that travels with it."""
        given = Inputs(*inputs)
        if given.query_mask is None and given.value_mask is None:
            mask: Value | None = given.query.mask
            return mask
        mask = given.query_mask
        return mask if mask is None or mask.type.dtype == "bool" else apply("cast", mask, dtype="bool")

    def scores(self, b: Builder, query: Tensor, key: Tensor) -> Tensor:
        """[batch, query steps, value steps], before masks and softmax."""
        raise TypeError(self.type_name)

    def lower(self, b: Builder, *inputs: Tensor | None) -> tuple[Tensor, ...]:
        from archonnx.compiler.lowering.attention import Geometry, additive, kept, masks_of

        given = Inputs(*inputs)
        query, value = self.cast_floating(b, given.query), self.cast_floating(b, given.value)
        key = value if given.key is None else self.cast_floating(b, given.key)
        g = Geometry(query.shape[:-2], 1, 1, query.shape[-2:-1], value.shape[-2:-1])
        masked = given.query_mask is not None or given.value_mask is not None  # then Keras looks at these alone
        queries = given.query_mask if masked else b.mask(0)
        values = given.value_mask if masked else b.mask(1)
        given_masks = [] if values is None else [b.expand_dims(as_bool(b, values), [values.rank - 1])]
        masks = masks_of(b.facts, g, given_masks, causal=self.use_causal_mask, window=None)
        y, weights = self._fused(b, g, query, key, value, masks), None
        if y is None:
            scores = self.scores(b, query, key)
            mask = kept(b, g, masks)
            if mask is not None:
                lowest = LOWEST.get(scores.dtype, LOWEST_FLOAT)
                scores = b.op("Add", scores, additive(b, mask, scores.dtype, lowest), result=scores.type)
            weights = b.op("Softmax", scores, result=scores.type, axis=-1)
            y = b.matmul(weights, value)
        if queries is not None:
            rows = b.expand_dims(as_bool(b, queries), [queries.rank])
            y = b.op("Where", rows, y, b.like(y, 0.0), result=y.type)
        return (y, weights) if self.return_attention_scores and weights is not None else (y,)

    def _fused(self, b: Builder, g: Geometry, q: Tensor, k: Tensor, v: Tensor, masks: Masks) -> Tensor | None:
        """All of it by one operator, where ONNX has it."""
        return None


class Attention(PlainAttention):
    """Dot-product attention: query [batch, T, D], value [batch, S, V] and key [batch, S, D] to [batch, T, V].

    The key is the value where none is given. A query's mask sets its steps to 0, a value's keeps steps from being
    looked at; those that travel with the inputs hold, unless one is given.
    """

    argument_order = (
        "use_scale",
        "score_mode",
        "dropout",
        "seed",
        "use_causal_mask",
        "return_attention_scores",
    )
    use_scale = arg(Flag(), default=False, doc="Whether the scores are multiplied with a weight.")
    score_mode = arg(
        Choice("dot", "concat"), default="dot", doc='"dot": query times key; "concat": the sum of tanh(query + key).'
    )
    keras = "Attention"
    onnx = ("Attention", "MatMul", "Softmax", "Add", "Mul", "Tanh", "ReduceSum", "Where")
    formula = "y = softmax(scale * query @ transpose(key)) @ value"
    example = "input query: float32[N, T, 16]\ninput value: float32[N, S, 16]\n(query, value) -> Attention()"

    def declare(self, c: Context, *inputs: Any) -> None:
        if self.use_scale:
            c.weight("scale", (), "ones", dtype=self.compute_dtype)
        if self.score_mode == "concat":
            c.weight("concat_score_weight", (), "ones", dtype=self.compute_dtype)

    def scores(self, b: Builder, query: Tensor, key: Tensor) -> Tensor:
        scale = b.weight("scale") if self.use_scale else None
        if self.score_mode == "dot":
            axes = range(key.rank)
            turned = b.transpose(key, (*axes[:-2], axes[-1], axes[-2]))
            if scale is not None:
                query = b.op("Mul", query, scale, result=query.type)
            return b.matmul(query, turned)
        both = _sums(b, query, key)
        if scale is not None:
            both = b.op("Mul", both, scale, result=both.type)
        total = b.reduce("Sum", b.op("Tanh", both), [-1])
        return b.op("Mul", total, b.weight("concat_score_weight"), result=total.type)

    def _fused(self, b: Builder, g: Geometry, q: Tensor, k: Tensor, v: Tensor, masks: Masks) -> Tensor | None:
        from archonnx.compiler.lowering.attention import attend_fused, fuses

        if self.score_mode != "dot" or not fuses(b, g, wants_scores=self.return_attention_scores):
            return None
        if self.use_scale:
            q = b.op("Mul", q, b.weight("scale"), result=q.type)
        lowest = LOWEST.get(q.dtype, LOWEST_FLOAT)
        return attend_fused(b, g, q, k, v, masks, scale=1.0, zero_empty=False, lowest=lowest)[0]


class AdditiveAttention(PlainAttention):
    """Additive attention: query [batch, T, D], value [batch, S, V] and key [batch, S, D] to [batch, T, V].

    A score is the sum of `scale * tanh(query + key)`. Key and masks are as in Attention.
    """

    argument_order = ("use_scale", "dropout", "seed", "use_causal_mask", "return_attention_scores")
    use_scale = arg(Flag(), default=True, doc="Whether a weight multiplies each feature of tanh(query + key).")
    seed = arg(Ignored(), default=None, doc="Used in training only.", keras=False)
    keras = "AdditiveAttention"
    onnx = ("MatMul", "Softmax", "Add", "Tanh", "ReduceSum", "Where")
    formula = "y = softmax(sum(scale * tanh(query[:, :, None] + key[:, None]), axis=-1)) @ value"
    example = "input query: float32[N, T, 16]\ninput value: float32[N, S, 16]\n(query, value) -> AdditiveAttention()"

    def declare(self, c: Context, *inputs: Any) -> None:
        rules.check_ranks(self, *inputs[:3])
        if self.use_scale:
            c.weight("scale", (c.known(inputs[0], -1),), "glorot_uniform", dtype=self.compute_dtype)

    def scores(self, b: Builder, query: Tensor, key: Tensor) -> Tensor:
        found = b.op("Tanh", _sums(b, query, key))
        return b.matmul(found, b.weight("scale")) if self.use_scale else b.reduce("Sum", found, [-1])


def _sums(b: Builder, query: Tensor, key: Tensor) -> Tensor:
    """Each step of the query plus each of the key: [batch, query steps, key steps, features]."""
    return b.op("Add", b.expand_dims(query, [query.rank - 1]), b.expand_dims(key, [key.rank - 2]))
