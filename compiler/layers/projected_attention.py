"""What attention with projections of its own has in common: masks, heads, a key and value cache."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from archonnx.compiler.graph import TensorType
from archonnx.compiler.layers import attention_rules as rules
from archonnx.compiler.layers.attention_masks import as_bool, of_tokens, on_scores
from archonnx.compiler.layers.base import arg
from archonnx.compiler.layers.common import KerasLayer, product
from archonnx.compiler.layers.domains import Flag, Ignored, InitializerDomain, Optional, Real, Whole

if TYPE_CHECKING:
    from archonnx.compiler.ir import Tensor
    from archonnx.compiler.layers.base import Context
    from archonnx.compiler.lowering.attention import Geometry, Masks
    from archonnx.compiler.lowering.builder import Builder
    from archonnx.contract.dims import Dim


class Inputs(NamedTuple):
    """The inputs of an application in their order: types while inferring, tensors while lowering."""

    query: Any
    value: Any
    key: Any = None
    query_mask: Any = None
    value_mask: Any = None
    key_mask: Any = None
    attention_mask: Any = None
    past_key: Any = None
    past_value: Any = None

    @property
    def keys(self) -> Any:
        """What the keys are projected from."""
        return self.value if self.key is None else self.key


class ProjectedAttention(KerasLayer):
    """What attention with projections has in common; a subclass says how many heads there are, and how wide."""

    abstract = True
    inputs = (
        "query",
        "value",
        "key?",
        "query_mask?",
        "value_mask?",
        "key_mask?",
        "attention_mask?",
        "past_key?",
        "past_value?",
    )
    call_arguments = ("query_mask", "value_mask", "key_mask", "attention_mask")
    masking = "use"
    takes_query_mask = True  # whether Keras looks at a query_mask that is given

    dropout = arg(
        Real(minimum=0, maximum=1),
        default=0.0,
        doc="Used in training only; above 0, a step that may look at nothing gets zeros, not the mean, as in Keras.",
    )
    use_bias = arg(Flag(), default=True, doc="Whether the projections add biases.")
    sliding_window = arg(
        Optional(Whole(minimum=1)), default=None, doc="A step looks at those less than this far from it, on both sides."
    )
    flash_attention = arg(Ignored(), default=None, doc="How Keras computes it.")
    kernel_initializer = arg(InitializerDomain(), default="glorot_uniform", doc="What the kernels start from.")
    bias_initializer = arg(InitializerDomain(), default="zeros", doc="What the biases start from.")
    kernel_regularizer = arg(Ignored(), default=None, doc="Used in training only.")
    bias_regularizer = arg(Ignored(), default=None, doc="Used in training only.")
    activity_regularizer = arg(Ignored(), default=None, doc="Used in training only.")
    kernel_constraint = arg(Ignored(), default=None, doc="Used in training only.")
    bias_constraint = arg(Ignored(), default=None, doc="Used in training only.")
    use_gate = arg(
        Flag(), default=False, doc="Whether sigmoid(query @ gate) multiplies what is found, before the last projection."
    )
    seed = arg(Ignored(), default=None, doc="Used in training only.")
    use_causal_mask = arg(
        Flag(), default=False, doc="Whether a step looks only at itself and those before it.", keras=False
    )
    return_attention_scores = arg(
        Flag(),
        default=False,
        doc="Whether the scores are given too, [batch, heads, query steps, value steps].",
        keras=False,
    )
    use_cache = arg(
        Flag(),
        default=False,
        doc="Whether the keys and values of all steps so far are given too, [batch, heads, steps, width] each, "
        "to come back as past_key and past_value.",
        keras=False,
    )

    @property
    def groups(self) -> int:
        """Heads of key and value."""
        raise TypeError(self.type_name)

    @property
    def heads(self) -> int:
        """Heads of the query."""
        raise TypeError(self.type_name)

    @property
    def key_width(self) -> int:
        raise TypeError(self.type_name)

    @property
    def value_width(self) -> int:
        raise TypeError(self.type_name)

    def attended(self, query: TensorType) -> tuple[int, ...]:
        """The axes that are attended over."""
        return (1,)

    def result_sizes(self, query: TensorType) -> tuple[Dim, ...]:
        """The sizes that the last projection puts in place of the query's last axis."""
        return query.shape[-1:]

    # Rules

    def declare(self, c: Context, *inputs: Any) -> None:
        given = Inputs(*inputs)
        rules.check_ranks(self, given.query, given.value, given.key)
        width = c.known(given.query, -1)
        sides = [
            ("query", width, self.heads, self.key_width),
            ("key", self._known(c, given, "key"), self.groups, self.key_width),
            *([("gate", width, self.heads, self.value_width)] if self.use_gate else []),
            ("value", self._known(c, given, "value"), self.groups, self.value_width),
        ]
        for name, size, heads, head in sides:
            self._weights(c, name, (size,), (heads, head))
        result = tuple(d for d in self.result_sizes(given.query) if isinstance(d, int)) if self.own_result else (width,)
        self._weights(c, "attention_output", (self.heads, self.value_width), result)

    @property
    def own_result(self) -> bool:
        """Whether the result's sizes are an argument, not the query's."""
        return False

    def _known(self, c: Context, given: Inputs, name: str) -> int:
        number = 1 if name == "value" or given.key is None else 2
        return c.known(given[number], -1, input=number)

    def _weights(self, c: Context, name: str, taken: tuple[int, ...], made: tuple[int, ...]) -> None:
        c.weight(f"{name}/kernel", (*taken, *made), self.kernel_initializer, dtype=self.compute_dtype)
        if self.use_bias:
            c.weight(f"{name}/bias", made, self.bias_initializer, dtype=self.compute_dtype)

    def infer(self, c: Context, *inputs: Any) -> tuple[TensorType, ...]:
        given = Inputs(*inputs)
        query = self.floating(given.query)
        self.floating(given.value, 1)
        if given.key is not None:
            self.floating(given.key, 2)
        attended = self.attended(query)
        rules.check_sides(self, c, given, attended)
        rules.check_order(self, query, attended)
        rules.check_cache(self, c, given)
        g = self.geometry(given)
        rules.check_masks(self, c, given, g, attended)
        results = [TensorType(query.dtype, (*query.shape[:-1], *self.result_sizes(query)))]
        if self.return_attention_scores:
            results.append(TensorType(query.dtype, g.scores))
        if self.use_cache:
            for width in (self.key_width, self.value_width):
                results.append(TensorType(query.dtype, (g.batch[0], g.groups, g.source[0], width)))
        return tuple(results)

    def geometry(self, given: Inputs) -> Geometry:
        from archonnx.compiler.lowering.attention import Geometry

        query, value = given.query, given.value
        attended = self.attended(query if isinstance(query, TensorType) else query.type)
        past: Dim = 0 if given.past_key is None else given.past_key.shape[2]
        return Geometry(
            batch=tuple(d for axis, d in enumerate(query.shape[:-1]) if axis not in attended),
            groups=self.groups,
            repeats=self.heads // self.groups,
            steps=tuple(query.shape[axis] for axis in attended),
            source=tuple(value.shape[axis] + past for axis in attended),
            past=past,
        )

    def macs(self, inputs: tuple[Any, ...], outputs: tuple[TensorType, ...]) -> Dim:
        """The projections and both products; what the cache brings is not projected again."""
        given = Inputs(*inputs)
        g = self.geometry(given)
        queries, gates = product(given.query.shape), 2 if self.use_gate else 1
        result = self.result_sizes(given.query)
        total = queries * self.heads * self.key_width + queries * (gates - 1) * self.heads * self.value_width
        total = total + product(given.keys.shape) * self.groups * self.key_width
        total = total + product(given.value.shape) * self.groups * self.value_width
        total = total + product(g.scores) * (self.key_width + self.value_width)
        return total + product(given.query.shape[:-1]) * self.heads * self.value_width * product(result)

    # Operators

    def lower(self, b: Builder, *inputs: Tensor | None) -> tuple[Tensor, ...]:
        from archonnx.compiler.lowering.attention import attend, attend_fused, fuses

        given = Inputs(*inputs)
        query = self.cast_floating(b, given.query)
        value = self.cast_floating(b, given.value)
        key = value if given.key is None else self.cast_floating(b, given.key)
        attended = self.attended(query.type)
        g = self.geometry(given)
        # Keras takes another way for these, which ends with zeros where nothing may be looked at.
        zero_empty = self.dropout > 0 or self.return_attention_scores or query.rank != 3
        masks = self.masks(b, given, g, attended)
        q, k, v = (self.project(b, n, x) for n, x in (("query", query), ("key", key), ("value", value)))
        scale = self.key_width**-0.5
        past = None if given.past_key is None else (given.past_key, given.past_value)
        results: list[Tensor] = []
        cache: tuple[Tensor, ...] = ()
        if fuses(b, g, wants_scores=self.return_attention_scores) and (past is not None or not self.use_cache):
            mixed, *cached = attend_fused(b, g, q, k, v, masks, zero_empty=zero_empty, past=past)
            cache = tuple(cached)
        else:
            q, k, v = (
                self.split(b, x, heads, attended) for x, heads in ((q, self.heads), (k, self.groups), (v, self.groups))
            )
            if past is not None:
                k, v = b.concat([past[0], k], 2), b.concat([past[1], v], 2)
            cache = (k, v)
            mixed, scores = attend(
                b,
                g,
                q,
                k,
                v,
                masks,
                scale=scale,
                zero_empty=zero_empty,
                wants_scores=self.return_attention_scores,
            )
            mixed = self.join(b, mixed, query, attended)
            results += [scores] if scores is not None else []
        if self.use_gate:
            gate = self.project(b, "gate", query)
            mixed = b.op("Mul", mixed, b.op("Sigmoid", gate), result=mixed.type)
        sizes = self.result_sizes(query.type)
        y = self.project(b, "attention_output", mixed, taken=2)
        y = b.reshape(y, (*y.shape[:-1], *sizes))
        return (y, *results, *(cache if self.use_cache else ()))

    def project(self, b: Builder, name: str, x: Tensor, taken: int = 1) -> Tensor:
        """`x @ kernel + bias`, the kernel's first `taken` axes as one, and the others."""
        kernel = b.weight(f"{name}/kernel")
        sizes = [d for d in kernel.shape if isinstance(d, int)]
        inside, outside = product(sizes[:taken]), product(sizes[taken:])
        y = b.matmul(x, b.reshape(kernel, (inside, outside)))
        if not self.use_bias:
            return y
        return b.op("Add", y, b.reshape(b.weight(f"{name}/bias"), (outside,)), result=y.type)

    def split(self, b: Builder, x: Tensor, heads: int, attended: tuple[int, ...]) -> Tensor:
        """[batch, ..., heads * width] to [*batch, heads, attended, width], the attended axes as one."""
        width = x.shape[-1]
        assert isinstance(width, int)
        rank = x.rank
        x = b.reshape(x, (*x.shape[:-1], heads, width // heads))
        batch = [axis for axis in range(rank - 1) if axis not in attended]
        x = b.transpose(x, (*batch, rank - 1, *attended, rank))
        lead = x.shape[: len(batch) + 1]
        return b.reshape(x, (*lead, product(x.shape[len(lead) : -1]), x.shape[-1]))

    def join(self, b: Builder, mixed: Tensor, query: Tensor, attended: tuple[int, ...]) -> Tensor:
        """The way back: [*batch, heads, steps, width] to [batch, ..., heads * width] in the query's order."""
        rank = query.rank
        lead, width = mixed.shape[:-2], mixed.shape[-1]
        mixed = b.reshape(mixed, (*lead, *(query.shape[axis] for axis in attended), width))
        batch = [axis for axis in range(rank - 1) if axis not in attended]
        order = [*batch, rank - 1, *attended, rank]
        mixed = b.transpose(mixed, [order.index(axis) for axis in range(rank + 1)])
        return b.reshape(mixed, (*query.shape[:-1], mixed.shape[-2] * width))

    def masks(self, b: Builder, given: Inputs, g: Geometry, attended: tuple[int, ...]) -> Masks:
        """The masks that travel with the inputs, those that are given, and those that arguments ask for."""
        from archonnx.compiler.lowering.attention import masks_of

        rank, found = given.query.rank, []
        if given.attention_mask is not None:
            found.append(on_scores(b, as_bool(b, given.attention_mask), len(g.scores), 2 * len(attended)))
        own = given.query_mask if given.query_mask is not None else b.mask(0)
        if own is not None:
            found.append(of_tokens(b, as_bool(b, own), attended, rank, query=True))
        seen: list[Tensor] = []
        for number, mask in ((1, given.value_mask), (2, given.key_mask)):
            mask = mask if mask is not None else b.mask(number)
            if mask is not None and not any(mask is other for other in seen):
                seen.append(mask)
                found.append(of_tokens(b, as_bool(b, mask), attended, rank, query=False))
        return masks_of(b.facts, g, found, causal=self.use_causal_mask, window=self.sliding_window)
