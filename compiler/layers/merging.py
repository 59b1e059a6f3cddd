"""Layers of several inputs: Add, Subtract, Multiply, Average, Maximum, Minimum, Concatenate, Dot."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, ClassVar

from archonnx.compiler.graph import TensorType
from archonnx.compiler.layers.base import LayerError, arg
from archonnx.compiler.layers.common import (
    KerasLayer,
    broadcast,
    equal,
    product,
    require_equal,
    require_least_rank,
    require_one_dtype,
    resolve_axis,
)
from archonnx.compiler.layers.domains import Axis, Flag, Pair
from archonnx.contract.dims import Verdict
from archonnx.contract.dtypes import DTYPES

if TYPE_CHECKING:
    from archonnx.compiler.graph import Value
    from archonnx.compiler.ir import Tensor
    from archonnx.compiler.layers.base import Context
    from archonnx.compiler.lowering.builder import Builder
    from archonnx.contract.dims import Dim, Facts


class _Merge(KerasLayer):
    """Values of several inputs put together place by place. Shapes broadcast; missing axes come after the batch."""

    abstract = True
    inputs = ("*inputs",)
    operator: ClassVar[str] = "Add"

    def worked(self, x: TensorType, input: int = 0) -> TensorType:
        """The type that an input is worked in."""
        kind = DTYPES[x.dtype].kind
        if kind not in ("float", "int", "uint"):
            raise LayerError(
                "E0303",
                f"{self.type_name} needs numbers, got {x}",
                input=input,
                help='convert first: cast(x, "float32")' if kind == "bool" else None,
            )
        return self.kept(x)

    def infer(self, c: Context, *inputs: TensorType) -> TensorType:
        self.count(inputs)
        types = [self.worked(x, number) for number, x in enumerate(inputs)]
        dtype = require_one_dtype(self, types)
        rank = max(x.rank for x in types)
        aligned = [TensorType(x.dtype, _aligned(x.shape, rank)) for x in types]
        return TensorType(dtype, broadcast(self, c.facts, aligned))

    def count(self, inputs: tuple[TensorType, ...]) -> None:
        """E0312 where the number of inputs is wrong."""
        if not inputs:
            raise LayerError("E0312", f"{self.type_name} needs at least one input, got none")

    def lower(self, b: Builder, *inputs: Tensor) -> Tensor:
        rank = max(x.rank for x in inputs)
        xs = []
        for x in inputs:
            worked = b.cast(x, self.worked(x.type).dtype)
            missing = rank - worked.rank
            xs.append(b.expand_dims(worked, range(1, 1 + missing)) if missing and worked.rank else worked)
        return self.merge(b, xs)

    def merge(self, b: Builder, xs: list[Tensor]) -> Tensor:
        y = xs[0]
        for x in xs[1:]:
            y = b.op(self.operator, y, x)
        return y

    def merge_masks(self, masks: list[Value | None], apply: Callable[..., Value]) -> Value | None:
        """A place is kept where any input keeps it; an input without a mask takes the result's away."""
        result: Value | None = None
        for mask in masks:
            if mask is None:
                return None
            result = mask if result is None else apply("logical_or", result, mask)
        return result


def _aligned(shape: tuple[Dim, ...], rank: int) -> tuple[Dim, ...]:
    return (*shape[:1], *(1 for _ in range(rank - len(shape))), *shape[1:])


class Add(_Merge):
    """The sum of its inputs, [batch, ...] each, place by place; shapes broadcast."""

    operator = "Add"
    keras = "Add"
    onnx = ("Add",)
    formula = "y = inputs[0] + inputs[1] + ..."
    example = "input x: float32[N, 4]\ninput y: float32[N, 4]\n(x, y) -> Add()"


class Subtract(_Merge):
    """The first input less the second, [batch, ...] each, place by place; shapes broadcast."""

    operator = "Sub"
    keras = "Subtract"
    onnx = ("Sub",)
    formula = "y = inputs[0] - inputs[1]"
    example = "input x: float32[N, 4]\ninput y: float32[N, 4]\n(x, y) -> Subtract()"

    def count(self, inputs: tuple[TensorType, ...]) -> None:
        if len(inputs) != 2:
            raise LayerError(
                "E0312", f"Subtract needs two inputs, got {len(inputs)}", help="write (a, b) -> Subtract()"
            )


def _kept(b: Builder, xs: Sequence[Tensor]) -> list[Tensor | None]:
    """The masks of the inputs, bool [..., 1], where they tell the last axis' places apart; none on unlike ranks.

    Keras brings inputs of unlike ranks to one rank first, which takes their masks off.
    """
    masks = [b.mask(number) for number in range(len(xs))]
    return [
        b.expand_dims(mask, [-1]) if mask is not None and all(x.rank == mask.rank + 1 for x in xs) else None
        for mask in masks
    ]


def _where(b: Builder, kept: Tensor, x: Tensor, other: Tensor) -> Tensor:
    # onnxruntime's Where takes no 16-bit whole numbers and no uint64; what is only handed on comes back as it was.
    dtype = {"int16": "int32", "uint16": "int32", "uint64": "int64"}.get(x.dtype, x.dtype)
    shape = [o if isinstance(a, int) and a == 1 else a for a, o in zip(x.shape, other.shape or x.shape, strict=True)]
    moved = (b.cast(x, dtype), b.cast(other, dtype))
    return b.cast(b.op("Where", kept, *moved, result=TensorType(dtype, tuple(shape))), x.dtype)


class Multiply(_Merge):
    """The product of its inputs, [batch, ...] each, place by place; shapes broadcast.

    As in Keras, a place that an input's mask leaves out counts as 1; one that all inputs leave out gives 0.
    """

    masking = "use"
    operator = "Mul"
    keras = "Multiply"
    onnx = ("Mul", "Where")
    formula = "y = inputs[0] * inputs[1] * ..."
    example = "input x: float32[N, 4]\ninput y: float32[N, 4]\n(x, y) -> Multiply()"

    def merge(self, b: Builder, xs: list[Tensor]) -> Tensor:
        kept = _kept(b, xs)
        y = super().merge(b, [x if k is None else _where(b, k, x, b.like(x, 1)) for x, k in zip(xs, kept, strict=True)])
        masks = [k for k in kept if k is not None]
        if len(masks) < len(xs):
            return y
        any_kept = masks[0]
        for mask in masks[1:]:
            any_kept = b.op("Or", any_kept, mask)
        return _where(b, any_kept, y, b.like(y, 0))


class Average(_Merge):
    """The mean of its inputs, [batch, ...] each, place by place; shapes broadcast."""

    operator = "Add"
    keras = "Average"
    onnx = ("Add", "Div")
    formula = "y = (inputs[0] + inputs[1] + ...) / len(inputs)"
    example = "input x: float32[N, 4]\ninput y: float32[N, 4]\n(x, y) -> Average()"

    def worked(self, x: TensorType, input: int = 0) -> TensorType:
        return self.floating(x, input)

    def merge(self, b: Builder, xs: list[Tensor]) -> Tensor:
        total = super().merge(b, xs)
        return b.op("Div", total, b.like(total, float(len(xs))))


class _Extreme(_Merge):
    """The largest or the smallest; as in Keras, of those inputs whose masks keep the place."""

    abstract = True
    masking = "use"

    def merge(self, b: Builder, xs: list[Tensor]) -> Tensor:
        kept = _kept(b, xs)
        if any(k is not None for k in kept):
            y, known = xs[0], kept[0]
            for x, mask in zip(xs[1:], kept[1:], strict=True):
                other = x if mask is None else _where(b, mask, x, y)
                y = self.of(b, [y if known is None else _where(b, known, y, other), other])
                known = b.op("Or", known, mask) if known is not None and mask is not None else None
            return y
        return self.of(b, xs)

    def of(self, b: Builder, xs: list[Tensor]) -> Tensor:
        """The largest or smallest of values that all count."""
        dtype = xs[0].dtype
        if dtype in ("int16", "uint16"):  # onnxruntime has no kernel
            return b.cast(super().merge(b, [b.cast(x, "int32") for x in xs]), dtype)
        return super().merge(b, xs)


class Maximum(_Extreme):
    """The largest of its inputs, [batch, ...] each, place by place; shapes broadcast."""

    operator = "Max"
    keras = "Maximum"
    onnx = ("Max", "Where")
    formula = "y = maximum(inputs[0], inputs[1], ...)"
    example = "input x: float32[N, 4]\ninput y: float32[N, 4]\n(x, y) -> Maximum()"


class Minimum(_Extreme):
    """The smallest of its inputs, [batch, ...] each, place by place; shapes broadcast."""

    operator = "Min"
    keras = "Minimum"
    onnx = ("Min", "Where")
    formula = "y = minimum(inputs[0], inputs[1], ...)"
    example = "input x: float32[N, 4]\ninput y: float32[N, 4]\n(x, y) -> Minimum()"


class Concatenate(KerasLayer):
    """Its inputs, [batch, ...] each, one after another along an axis; all other axes agree."""

    inputs = ("*inputs",)
    applied: list[TensorType]  # the inputs of the application that is being elaborated
    axis = arg(Axis(), default=-1, doc="The axis along which they follow one another.")
    keras = "Concatenate"
    onnx = ("Concat",)
    formula = "y = concat(inputs, axis=axis)"
    example = "input x: float32[N, 4]\ninput y: float32[N, 6]\n(x, y) -> Concatenate()"

    def infer(self, c: Context, *inputs: TensorType) -> TensorType:
        if not inputs:
            raise LayerError("E0312", "Concatenate needs at least one input, got none")
        types = [self.kept(x) for x in inputs]
        self.applied = types
        dtype = require_one_dtype(self, types)
        first = types[0]
        axis = resolve_axis(self, first, self.axis, "axis")
        shape = list(first.shape)
        for number, x in enumerate(types[1:], 1):
            if x.rank != first.rank:
                raise LayerError(
                    "E0302", f"Concatenate needs inputs of as many axes, got {first} and {x}", input=number
                )
            for place, (a, b) in enumerate(zip(first.shape, x.shape, strict=True)):
                if place == axis:
                    shape[axis] = shape[axis] + b
                else:
                    mend = None if self._differ(c.facts, first, x) != [place] else f"join along it: axis={place}"
                    require_equal(self, c.facts, a, b, (first, x), input=number, axis=place, help=mend)
                    shape[place] = b if isinstance(b, int) else shape[place]
        return TensorType(dtype, (*shape[:axis], c.facts.normalize(shape[axis]), *shape[axis + 1 :]))

    def _differ(self, facts: Facts, x: TensorType, y: TensorType) -> list[int]:
        """The axes whose sizes are not known to agree."""
        return [
            a for a, (m, n) in enumerate(zip(x.shape, y.shape, strict=True)) if equal(facts, m, n) is not Verdict.YES
        ]

    def lower(self, b: Builder, *inputs: Tensor) -> Tensor:
        return b.concat([self.cast_kept(b, x) for x in inputs], self.axis)

    def merge_masks(self, masks: list[Value | None], apply: Callable[..., Value]) -> Value | None:
        """The masks one after another; along the last axis, which masks lack, a place is kept where any input keeps it.

        An input without a mask keeps all its places.
        """
        rank = self.applied[0].rank
        present = [mask for mask in masks if mask is not None]
        if any(mask.type.rank != rank - 1 for mask in present):
            return None
        if self.axis % rank != rank - 1:
            parts = [
                apply("ones", shape=x.shape[:-1], dtype="bool") if mask is None else mask
                for mask, x in zip(masks, self.applied, strict=True)
            ]
            return apply("concatenate", *parts, axis=self.axis % rank)
        result = present[0]
        for mask in present[1:]:
            result = apply("logical_or", result, mask)
        if len(present) < len(masks):
            result = apply("logical_or", result, apply("logical_not", result))
        return result


class Dot(KerasLayer):
    """The products of two inputs along an axis of each, summed: [batch, ...] twice to [batch, all other axes]."""

    inputs = ("*inputs",)
    axes = arg(Pair(Axis()), doc="The axis of both, or one of each; the batch is axis 0.")
    normalize = arg(Flag(), default=False, doc="Whether the inputs are brought to length 1 first: cosine similarity.")
    keras = "Dot"
    onnx = ("Einsum", "ReduceSumSquare", "Sqrt", "Max", "Div")
    formula = """y[n, i, j] = sum over k of inputs[0][n, i, k] * inputs[1][n, j, k]
k: along axes of both; i, j: along all other axes
with normalize, x / sqrt(max(sum(x * x, axis=axes), 1e-14)) of each input x"""
    example = "input x: float32[N, 4]\ninput y: float32[N, 4]\n(x, y) -> Dot(1)"

    def _axes(self, x: TensorType, y: TensorType) -> tuple[int, int]:
        first, second = resolve_axis(self, x, self.axes[0], "axes"), resolve_axis(self, y, self.axes[1], "axes")
        if first == 0 or second == 0:
            raise LayerError(
                "E0311", "Dot cannot sum along axis 0, the batch", argument="axes", help="the first axis after it is 1"
            )
        return first, second

    def infer(self, c: Context, *inputs: TensorType) -> TensorType:
        if len(inputs) != 2:
            raise LayerError("E0312", f"Dot needs two inputs, got {len(inputs)}", help="write (a, b) -> Dot(axes)")
        for number, given in enumerate(inputs):
            require_least_rank(self, given, 2, input=number)
        x, y = self.floating(inputs[0], 0), self.floating(inputs[1], 1)
        first, second = self._axes(x, y)
        require_equal(self, c.facts, x.shape[0], y.shape[0], (x, y), input=1, axis=0)
        require_equal(self, c.facts, x.shape[first], y.shape[second], (x, y), input=1, axis=second)
        left = [d for axis, d in enumerate(x.shape) if axis != first]
        right = [d for axis, d in enumerate(y.shape) if axis not in (0, second)]
        shape = (*left, *right)
        return TensorType(x.dtype, shape if len(shape) > 1 else (*shape, 1))

    def macs(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Dim:
        first, _ = self._axes(inputs[0], inputs[1])
        return product(outputs[0].shape) * inputs[0].shape[first]

    def lower(self, b: Builder, *inputs: Tensor) -> Tensor:
        x, y = (self.cast_floating(b, given) for given in inputs)
        first, second = self._axes(x.type, y.type)
        if self.normalize:
            x, y = _unit(b, x, first), _unit(b, y, second)
        letters = "abcdefghijklmnopqrstuvw"
        left = ["z", *letters[: x.rank - 1]]
        right = ["z", *letters[x.rank - 1 : x.rank + y.rank - 2]]
        left[first] = right[second] = "y"
        kept = [s for s in left if s != "y"] + [s for s in right[1:] if s != "y"]
        sizes: dict[str, Dim] = dict(zip(right, y.shape, strict=True)) | dict(zip(left, x.shape, strict=True))
        result = TensorType(x.dtype, tuple(sizes[s] for s in kept))
        equation = f"{''.join(left)},{''.join(right)}->{''.join(kept)}"
        z = b.op("Einsum", x, y, result=result, equation=equation)
        return z if z.rank > 1 else b.expand_dims(z, [1])

    def merge_masks(self, masks: list[Value | None], apply: Callable[..., Value]) -> Value | None:
        """The summed axis is gone, and with it the masks."""
        return None


def _unit(b: Builder, x: Tensor, axis: int) -> Tensor:
    """x over its length along an axis: keras.ops.normalize, which takes 1e-7 for shorter ones."""
    squares = b.reduce("SumSquare", x, [axis], keepdims=True)
    return b.op("Div", x, b.op("Sqrt", b.op("Max", squares, b.like(x, 1e-14))))
