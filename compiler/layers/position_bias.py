"""Biases of attention scores by distance: linear (AlibiBias) and learned (RelativePositionBias).

Scores are [batch, heads, queries, keys]. The last query stands at the last key: a decoder's step, one query over all
keys so far, gets what it gets in the whole.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from archonnx.compiler.graph import TensorType
from archonnx.compiler.layers.base import LayerError, arg
from archonnx.compiler.layers.common import KerasLayer, decide, require_rank, require_text
from archonnx.compiler.layers.domains import Flag, InitializerDomain, Whole
from archonnx.compiler.layers.positions import angles, frequencies, numbers

if TYPE_CHECKING:
    from archonnx.compiler.ir import Tensor
    from archonnx.compiler.layers.base import Context
    from archonnx.compiler.lowering.builder import Builder

_AXES = ("batch", "heads", "queries", "keys")


class AlibiBias(KerasLayer):
    """Attention scores less their distance times the head's slope: [batch, heads, queries, keys] to the same shape.

    The slopes fall evenly from 2 ** (-alibi_bias_max / heads) to 2 ** -alibi_bias_max. For every query keys count back
    from the last one: softmax makes no difference of that.
    """

    inputs = ("attention_scores",)
    alibi_bias_max = arg(Whole(minimum=1), default=8, doc="The last head's slope is 2 to the power of minus this.")
    onnx = ("Range", "Mul", "Add")
    formula = "y[h, q, k] = attention_scores[h, q, k] + slope[h] * (k - (keys - 1))"
    example = "input scores: float32[N, 8, T, T]\nAlibiBias()"

    def infer(self, c: Context, attention_scores: TensorType) -> TensorType:
        x = self.floating(attention_scores)
        require_rank(self, x, _AXES)
        c.known(x, 1)
        return x

    def lower(self, b: Builder, attention_scores: Tensor) -> Tensor:
        x = self.cast_floating(b, attention_scores)
        heads, keys = b.known(x.shape[1]), x.shape[3]
        assert isinstance(heads, int)
        back = b.expand_dims(numbers(b, 1 - keys, keys), [0, 1])
        bias = angles(b, back, self._slopes(heads), 0)
        return b.op("Add", x, b.cast(bias, x.dtype), result=x.type)

    def _slopes(self, heads: int) -> list[float]:
        """Of heads that are no power of two, those of the next lower one, then every second of the next higher one."""
        whole = 1 << (heads.bit_length() - 1)
        exponents = [(self.alibi_bias_max * (i + 1), whole) for i in range(whole)]
        exponents += [(self.alibi_bias_max * (2 * i + 1), 2 * whole) for i in range(heads - whole)]
        return frequencies(2.0, exponents)


class RelativePositionBias(KerasLayer):
    """T5's bias, learned for each head and bucket of distances, added to scores [batch, heads, queries, keys].

    The nearer half of the buckets hold a distance each, the others ever more, up to `max_distance`, past which all are
    in the last. `bidirectional`: keys before and after the query have half of the buckets each, else those after count
    as at distance 0.
    """

    inputs = ("attention_scores",)
    num_buckets = arg(Whole(minimum=2), default=32, doc="How many buckets there are, an even number if bidirectional.")
    max_distance = arg(Whole(minimum=2, maximum=100_000), default=128, doc="The distance from which on all are one.")
    bidirectional = arg(Flag(), default=True, doc="Whether keys after the query have buckets of their own.")
    initializer = arg(InitializerDomain(), default="uniform", doc="What the biases start from.")
    onnx = ("Gather", "Range", "Sub", "Clip", "Add")
    formula = "y[h, q, k] = attention_scores[h, q, k] + embeddings[bucket(k - (q + keys - queries)), h]"
    example = "input scores: float32[N, 8, T, T]\nRelativePositionBias()"

    def validate(self) -> None:
        if self.bidirectional and (self.num_buckets % 2 or self.num_buckets < 4):
            raise LayerError(
                "E0329",
                f"num_buckets of RelativePositionBias is even and at least 4 where it is bidirectional, "
                f"got {self.num_buckets}",
                argument="num_buckets",
            )
        if self.max_distance <= self._single:
            raise LayerError(
                "E0329",
                f"max_distance of RelativePositionBias is above {self._single}, the distances that have a bucket each, "
                f"got {self.max_distance}",
                argument="max_distance",
            )

    @property
    def _one_way(self) -> int:
        """The buckets of one direction."""
        return int(self.num_buckets // 2 if self.bidirectional else self.num_buckets)

    @property
    def _single(self) -> int:
        """How many distances, from 0, have a bucket of their own."""
        return self._one_way // 2

    def declare(self, c: Context, attention_scores: TensorType) -> None:
        require_rank(self, attention_scores, _AXES)
        shape = (self.num_buckets, c.known(attention_scores, 1))
        c.weight("embeddings", shape, self.initializer, dtype=self.compute_dtype)

    def infer(self, c: Context, attention_scores: TensorType) -> TensorType:
        x = self.floating(attention_scores)
        require_rank(self, x, _AXES)
        queries, keys = x.shape[2:]
        fits = decide(c.facts, "<=", queries, keys)
        if fits is not True:
            known = "has" if fits is False else "may have"
            raise LayerError(
                "E0308" if fits is False else "E0309",
                f"RelativePositionBias: {x} {known} more queries, {queries}, than keys, {keys}",
                input=0,
                axis=2,
                label=f"{queries} here",
                help=None if fits is False else f"state it: {require_text('<=', queries, keys)}",
            )
        return x

    def lower(self, b: Builder, attention_scores: Tensor) -> Tensor:
        x = self.cast_floating(b, attention_scores)
        queries, keys = x.shape[2:]
        most = self.max_distance
        # One bias for each distance from -most to most, which the engine works out at loading; then one for each pair.
        by_head = b.transpose(b.weight("embeddings"), (1, 0))
        each = b.gather(by_head, b.constant(self._buckets(), "int64"), 1)
        at = b.expand_dims(numbers(b, keys - queries, queries), [1])
        away = b.op("Sub", b.expand_dims(numbers(b, 0, keys), [0]), at, result=TensorType("int64", (queries, keys)))
        held = b.op("Clip", away, b.constant(-most, "int64"), b.constant(most, "int64"), result=away.type)
        places = b.op("Add", held, b.constant(most, "int64"), result=away.type)
        bias = b.gather(each, places, 1)
        return b.op("Add", x, bias, result=x.type)

    def _buckets(self) -> list[int]:
        """The bucket of each distance of key from query, -max_distance to max_distance, in whole numbers throughout."""
        single, ways = self._single, self._one_way
        rest = ways - single
        near: list[int] = []
        bucket = single
        for distance in range(self.max_distance + 1):
            # single + floor(rest * log(distance / single) / log(max_distance / single)), the last at most.
            while bucket < ways - 1 and self._reaches(distance, bucket + 1 - single, single, rest):
                bucket += 1
            near.append(distance if distance < single else bucket)
        after = [ways + n for n in near[1:]] if self.bidirectional else [0] * self.max_distance
        return [*reversed(near), *after]

    def _reaches(self, distance: int, step: int, single: int, rest: int) -> bool:
        """Whether rest * log(distance / single) >= step * log(max_distance / single), of numbers above 0."""
        return distance > 0 and distance**rest * single**step >= self.max_distance**step * single**rest
