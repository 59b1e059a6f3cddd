"""RotaryEmbedding: queries and keys turned by their positions."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

from archonnx.compiler.graph import TensorType
from archonnx.compiler.layers.base import LayerError, arg
from archonnx.compiler.layers.common import require_least_rank, resolve_axis
from archonnx.compiler.layers.domains import Axis, Flag, Optional, Real, Whole
from archonnx.compiler.layers.positions import Positioned, angles, frequencies, numbers, place

if TYPE_CHECKING:
    from archonnx.compiler.ir import Tensor
    from archonnx.compiler.layers.base import Context
    from archonnx.compiler.lowering.builder import Builder

_FACTORS = ("low_freq_factor", "high_freq_factor", "old_context_len")


class _Places(NamedTuple):
    """The axes of steps and features, counted from the first, and how many of the features are turned."""

    steps: int
    features: int
    turned: int


class RotaryEmbedding(Positioned):
    """Turns pairs of features by angles that grow with the position: [batch, steps, ..., features] to the same shape.

    Feature i is paired with i + features / 2 (Llama, GPT-NeoX), or, `interleaved`, 2i with 2i + 1 (GPT-J). The three
    factors are Llama 3.1's: long waves are stretched by `scaling_factor`, short ones kept, those between in between.
    """

    masking = "pass"
    argument_order = (
        *("max_wavelength", "scaling_factor", "sequence_axis", "feature_axis", *_FACTORS),
        *("interleaved", "rotary_dim", "start_index"),
    )
    max_wavelength = arg(Real(above=0), default=10000, doc="2 pi times this bounds the waves' lengths, in positions.")
    scaling_factor = arg(Real(above=0), default=1.0, doc="Positions are divided by it.")
    sequence_axis = arg(Axis(), default=1, doc="The axis of the steps.")
    feature_axis = arg(Axis(), default=-1, doc="The axis of the features that are turned.")
    low_freq_factor = arg(Optional(Real(above=0)), default=None, doc="Waves longer than context / this are stretched.")
    high_freq_factor = arg(Optional(Real(above=0)), default=None, doc="Waves shorter than context / this are kept.")
    old_context_len = arg(Optional(Whole(minimum=1)), default=None, doc="The context before stretching, in steps.")
    interleaved = arg(Flag(), default=False, doc="Whether pairs are neighbours, not half the features apart.")
    rotary_dim = arg(Optional(Whole(minimum=2)), default=None, doc="How many features are turned; None: all.")
    onnx = ("RotaryEmbedding", "Range", "Mul", "Cos", "Sin", "Split", "Sub", "Add", "Concat", "Expand")
    formula = """t = p / scaling_factor * max_wavelength ** (-2i / rotary_dim), p = start_index + step or position_ids
y[i] = x[i] * cos(t) - x[j] * sin(t), j = i + rotary_dim / 2, for 2i and 2i + 1 where interleaved
y[j] = x[j] * cos(t) + x[i] * sin(t)"""
    example = "input query: float32[N, 12, 8, 64]\nRotaryEmbedding()"

    def validate(self) -> None:
        given = [name for name in _FACTORS if getattr(self, name) is not None]
        if given and len(given) < len(_FACTORS):
            missing = next(name for name in _FACTORS if name not in given)
            raise LayerError(
                "E0329",
                f"RotaryEmbedding takes {', '.join(_FACTORS)} together, and {missing} is left out",
                argument=given[0],
            )
        if given and self.high_freq_factor <= self.low_freq_factor:
            raise LayerError(
                "E0329",
                f"high_freq_factor of RotaryEmbedding is above low_freq_factor, {self.low_freq_factor:g}, "
                f"got {self.high_freq_factor:g}",
                argument="high_freq_factor",
            )

    def infer(self, c: Context, inputs: TensorType, position_ids: TensorType | None = None) -> TensorType:
        x = self.floating(inputs)
        require_least_rank(self, x, 3)
        steps = resolve_axis(self, x, self.sequence_axis, "sequence_axis")
        features = resolve_axis(self, x, self.feature_axis, "feature_axis")
        for axis, argument in ((steps, "sequence_axis"), (features, "feature_axis")):
            if axis == 0:
                raise LayerError("E0311", "RotaryEmbedding turns no axis 0, the batch", argument=argument)
        if steps == features:
            raise LayerError(
                "E0311",
                f"RotaryEmbedding needs an axis of steps and another of features, got {steps} for both",
                argument="feature_axis",
            )
        self._check_width(c.known(x, features), x, features)
        self.check_ids(c, x, position_ids, steps)
        return x

    def _check_width(self, width: int, x: TensorType, axis: int) -> None:
        if self.rotary_dim is not None and (self.rotary_dim % 2 or self.rotary_dim > width):
            raise LayerError(
                "E0328",
                f"rotary_dim of RotaryEmbedding is even and at most the {width} features of {x}, got {self.rotary_dim}",
                argument="rotary_dim",
            )
        if self.rotary_dim is None and width % 2:
            raise LayerError(
                "E0328",
                f"RotaryEmbedding turns pairs of features, and {x} has {width}",
                input=0,
                axis=axis,
                label=f"{width} here",
                help=f"turn some of them: rotary_dim={width - 1}" if width > 2 else None,
            )

    def lower(self, b: Builder, inputs: Tensor, position_ids: Tensor | None = None) -> Tensor:
        x = self.cast_floating(b, inputs)
        width = b.known(x.shape[self.feature_axis])
        assert isinstance(width, int)
        at = _Places(self.sequence_axis % x.rank, self.feature_axis % x.rank, self.rotary_dim or width)
        if b.opset >= 23 and x.dtype != "float64":
            y = self._one_operator(b, x, position_ids, at)
            if y is not None:
                return y
        positions = self.positions(b, x.shape[at.steps], position_ids)
        cos, sin = self._tables(b, place(b, positions, x.rank, at.steps), at.features, at.turned)
        pieces = b.split(x, (at.turned, width - at.turned) if at.turned < width else (width,), at.features)
        y = _turn(b, pieces[0], cos, sin, at.features, self.interleaved)
        return b.concat([y, *pieces[1:]], at.features)

    def _one_operator(self, b: Builder, x: Tensor, ids: Tensor | None, at: _Places) -> Tensor | None:
        """ONNX's RotaryEmbedding, over [batch, heads, steps, features] or [batch, steps, heads * features]."""
        heads = b.known(x.shape[2]) if x.rank == 4 and at.steps == 1 else 1
        if (
            at.features != x.rank - 1
            or (x.rank, at.steps) not in ((3, 1), (4, 1), (4, 2))
            or not isinstance(heads, int)
        ):
            return None
        steps, width = x.shape[at.steps], x.shape[-1]
        attributes: dict[str, Any] = {
            "interleaved": 1 if self.interleaved else None,
            "rotary_embedding_dim": at.turned if self.rotary_dim is not None and at.turned != width else None,
        }
        if at.steps == 1:
            given = b.reshape(x, (x.shape[0], steps, heads * width))
            attributes["num_heads"] = heads
        else:
            given = x
            known = b.known(x.shape[1])
            attributes["num_heads"] = known if isinstance(known, int) else None
        each = ids is not None and ids.rank == 2 and not b.same(ids.shape[0], 1)
        positions = self.positions(b, steps, b.reshape(ids, (steps,)) if ids is not None and not each else ids)
        cos, sin = self._tables(b, b.expand_dims(positions, [-1]), -1, at.turned)
        # A table for all examples is read through the numbers of its rows, one for each example would be copied.
        rows = None if each else b.expand(b.expand_dims(numbers(b, 0, steps), [0]), (x.shape[0], steps))
        y = b.op("RotaryEmbedding", given, cos, sin, rows, result=given.type, **attributes)
        return b.reshape(y, x.shape)

    def _tables(self, b: Builder, positions: Tensor, axis: int, turned: int) -> tuple[Tensor, Tensor]:
        """Cosines and sines in the layer's type; positions have size 1 at `axis`."""
        t = angles(b, positions, self._frequencies(turned), axis % positions.rank)
        cos, sin = (b.op(kind, t, result=t.type) for kind in ("Cos", "Sin"))
        return b.cast(cos, self.compute_dtype), b.cast(sin, self.compute_dtype)

    def _frequencies(self, turned: int) -> list[float]:
        factors = (self.low_freq_factor, self.high_freq_factor, self.old_context_len)
        return turning_frequencies(turned, self.max_wavelength, self.scaling_factor, *factors)


def turning_frequencies(
    turned: int, max_wavelength: float, scaling: float, low: float | None, high: float | None, context: int | None
) -> list[float]:
    """Radians a step of each pair, with + - * / alone, so that they are the same on every machine."""
    plain = frequencies(max_wavelength, [(2 * i, turned) for i in range(turned // 2)])
    if low is None or high is None or context is None:
        return [f / scaling for f in plain]
    made = []
    for f in plain:
        waves = context * f / (2 * math.pi)  # in the old context
        kept = min(1.0, max(0.0, (waves - low) / (high - low)))
        made.append((1 - kept) * f / scaling + kept * f)
    return made


def _turn(b: Builder, x: Tensor, cos: Tensor, sin: Tensor, axis: int, interleaved: bool) -> Tensor:
    """The pairs along `axis` turned; cos and sin broadcast against half of it."""
    half = cos.shape[axis]
    if interleaved:
        ahead, behind = x.shape[:axis], x.shape[axis + 1 :]
        pairs = b.reshape(x, (*ahead, half, 2, *behind))
        cos, sin = b.expand_dims(cos, [axis + 1]), b.expand_dims(sin, [axis + 1])
        left, right = b.split(pairs, (1, 1), axis + 1)
        return b.reshape(b.concat(_turned(b, left, right, cos, sin), axis + 1), x.shape)
    left, right = b.split(x, (half, half), axis)
    return b.concat(_turned(b, left, right, cos, sin), axis)


def _turned(b: Builder, left: Tensor, right: Tensor, cos: Tensor, sin: Tensor) -> tuple[Tensor, Tensor]:
    kind = left.type

    def times(x: Tensor, factor: Tensor) -> Tensor:
        return b.op("Mul", x, factor, result=kind)

    return (
        b.op("Sub", times(left, cos), times(right, sin), result=kind),
        b.op("Add", times(right, cos), times(left, sin), result=kind),
    )
