"""Functions that repeat, turn round and add to axes: tile, repeat, flip, roll, pad."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from archonnx.compiler.functions.base import Function, axes_of, product, result_types
from archonnx.compiler.graph import TensorType
from archonnx.compiler.layers.base import LayerError, arg
from archonnx.compiler.layers.domains import Axes, Axis, Choice, Domain, Either, Optional, Real, Repeated, Whole
from archonnx.contract.dtypes import DTYPES, is_float, misfit

if TYPE_CHECKING:
    from archonnx.compiler.ir import Tensor
    from archonnx.compiler.layers.base import Context
    from archonnx.compiler.lowering.builder import Builder
    from archonnx.contract.dims import Dim


class tile(Function):
    """The whole tensor again and again along its axes."""

    inputs = ("x",)
    parameters = ("x", "repeats")
    keras = "ops.tile"
    torch = "tile"
    onnx = ("Tile",)
    repeats = arg(Repeated(Whole(0, symbolic=True)), doc="How often along each axis; counted from the last axis.")

    def counts(self, rank: int) -> tuple[Dim, ...]:
        return (*(1,) * (rank - len(self.repeats)), *self.repeats)

    def infer(self, c: Context, x: TensorType) -> TensorType:
        counts = self.counts(x.rank)
        shape = (1,) * (len(counts) - x.rank) + x.shape
        return TensorType(x.dtype, tuple(d * n for d, n in zip(shape, counts, strict=True)))

    def lower(self, b: Builder, x: Tensor) -> Tensor:
        counts = self.counts(x.rank)
        x = b.expand_dims(x, list(range(len(counts) - x.rank)))
        if all(isinstance(n, int) and n == 1 for n in counts):
            return x
        return b.op("Tile", x, b.shape(counts), result=result_types(b)[0])


class repeat(Function):
    """Every element again and again along an axis, or in order where no axis is given."""

    inputs = ("x",)
    parameters = ("x", "repeats", "axis")
    keras = "ops.repeat"
    torch = "repeat_interleave"
    onnx = ("Expand", "Reshape", "Gather")
    repeats = arg(
        Either(Whole(0, symbolic=True), Repeated(Whole(0), alone=False, least=1)),
        doc="How often; a tuple: how often each element of the axis.",
    )
    axis = arg(Optional(Axis()), default=None, doc="The axis; None: all axes as one.")

    def infer(self, c: Context, x: TensorType) -> TensorType:
        flat = self.axis is None
        shape = (product(x.shape),) if flat else x.shape
        at = 0 if flat else axes_of("repeat", x, (self.axis,))[0]
        size = shape[at]
        counts = self.repeats
        if isinstance(counts, tuple):
            if len(counts) == 1:
                return TensorType(x.dtype, (*shape[:at], size * counts[0], *shape[at + 1 :]))
            if c.facts.normalize(size) != len(counts):
                raise LayerError(
                    "E0351", f"repeat of {x}: {len(counts)} counts for an axis of {size}", argument="repeats"
                )
            return TensorType(x.dtype, (*shape[:at], sum(counts), *shape[at + 1 :]))
        return TensorType(x.dtype, (*shape[:at], size * counts, *shape[at + 1 :]))

    def lower(self, b: Builder, x: Tensor) -> Tensor:
        result = result_types(b)[0]
        if self.axis is None:
            x = b.flatten_from(x, 0)
        at = 0 if self.axis is None else self.axis % x.rank
        counts = self.repeats
        if isinstance(counts, tuple) and len(counts) > 1:
            return b.gather(x, b.ints([i for i, n in enumerate(counts) for _ in range(n)]), at)
        count = counts[0] if isinstance(counts, tuple) else counts
        apart = b.expand_dims(x, [at + 1])
        return b.reshape(b.expand(apart, (*x.shape[: at + 1], count, *x.shape[at + 1 :])), result.shape)


def flipped(b: Builder, x: Tensor, axes: list[int]) -> Tensor:
    """The tensor turned round along axes."""
    if not axes:
        return x
    return b.slice(x, [-1] * len(axes), [None] * len(axes), axes, [-1] * len(axes), shape=x.shape)


class flip(Function):
    """The elements in reverse order along axes, by default along all."""

    inputs = ("x",)
    parameters = ("x", "axis")
    keras = "ops.flip"
    torch = "flip"
    onnx = ("Slice",)
    axis = arg(Optional(Axes()), default=None, doc="The axis or axes; None: all.")

    def infer(self, c: Context, x: TensorType) -> TensorType:
        axes_of("flip", x, self.axis)
        return x

    def lower(self, b: Builder, x: Tensor) -> Tensor:
        return flipped(b, x, axes_of("flip", x.type, self.axis))


class roll(Function):
    """The elements moved on along axes; those that leave at the end come in at the beginning."""

    inputs = ("x",)
    parameters = ("x", "shift", "axis")
    keras = "ops.roll"
    torch = "roll"
    onnx = ("Slice", "Concat")
    shift = arg(Repeated(Whole()), doc="By how many places, for each axis; negative ones go back.")
    axis = arg(Optional(Axes()), default=None, doc="The axis or axes; None: all axes as one.")

    def validate(self) -> None:
        if self.axis is None and len(self.shift) != 1:
            raise LayerError("E0355", "roll of all axes as one has one shift", argument="shift")
        if self.axis is not None and len(self.shift) not in (1, len(self.axis)):
            raise LayerError("E0355", f"roll has {len(self.shift)} shifts for {len(self.axis)} axes", argument="shift")

    def infer(self, c: Context, x: TensorType) -> TensorType:
        axes_of("roll", x, self.axis)
        shape = (product(x.shape),) if self.axis is None else x.shape
        for axis, shift in self.moves(x.rank):
            size = shape[axis]
            if not isinstance(size, int) and not c.facts.at_least(size - abs(shift), 0):
                raise LayerError(
                    "E0356",
                    f"roll of {x} by {shift}: nothing says that {size} is at least {abs(shift)}",
                    help=f"if it always is, say so first: require {size} >= {abs(shift)}",
                    argument="shift",
                )
        return x

    def moves(self, rank: int) -> list[tuple[int, int]]:
        if self.axis is None:
            return [(0, self.shift[0])]
        shifts = self.shift * len(self.axis) if len(self.shift) == 1 else self.shift
        return [(a % rank, s) for a, s in zip(self.axis, shifts, strict=True)]

    def lower(self, b: Builder, x: Tensor) -> Tensor:
        shape = x.shape
        if self.axis is None:
            x = b.flatten_from(x, 0)
        for axis, shift in self.moves(x.rank):
            size = x.shape[axis]
            if isinstance(size, int):
                shift = shift % size if size else 0
            if shift:
                back: Dim = -shift
                parts = [size - back, back] if shift < 0 else [shift, size - shift]
                head, tail = x.shape[:axis], x.shape[axis + 1 :]
                cut = size - shift if shift > 0 else back
                last = b.slice(x, [cut], [None], [axis], shape=(*head, parts[0], *tail))
                first = b.slice(x, [0], [cut], [axis], shape=(*head, parts[1], *tail))
                moved = b.concat([last, first], axis)
                moved.type = TensorType(x.dtype, x.shape)
                x = moved
        return b.reshape(x, shape)


class PadWidth(Domain):
    """numpy's pad_width: n, (before, after), or a pair for each axis. The one form is a tuple of pairs."""

    examples = (1, (1, 2), ((0, 0), (1, 2)))
    amount = Whole(0, symbolic=True)

    def parse(self, value: Any) -> tuple[tuple[Dim, Dim], ...]:
        if not isinstance(value, (tuple, list)):
            one = self.amount.parse(value)
            return ((one, one),)
        pairs = [value] if not any(isinstance(v, (tuple, list)) for v in value) else list(value)
        found: list[tuple[Dim, Dim]] = []
        for pair in pairs:
            if not isinstance(pair, (tuple, list)) or len(pair) not in (1, 2):
                raise self.fail()
            before, after = self.amount.parse(pair[0]), self.amount.parse(pair[-1])
            found.append((before, after))
        if not found:
            raise self.fail()
        return tuple(found)

    def describe(self) -> str:
        return "a whole number, a pair (before, after), or such a pair for each axis"


class pad(Function):
    """Elements added before and after along the axes."""

    inputs = ("x",)
    parameters = ("x", "pad_width", "mode", "constant_values")
    keras = "ops.pad"
    torch = "nn.functional.pad"
    onnx = ("Pad",)
    pad_width = arg(PadWidth(), doc="How many: one number or pair for all axes, or a pair (before, after) for each.")
    mode = arg(
        Choice("constant", "reflect", "symmetric", "edge", "wrap"),
        default="constant",
        doc="What is added: a constant, the tensor mirrored without or with its edge, its edge, its other end.",
    )
    constant_values = arg(Optional(Either(Whole(), Real())), default=None, doc="The constant that is added; None: 0.")

    def validate(self) -> None:
        if self.mode != "constant" and self.constant_values is not None:
            raise LayerError("E0361", f'pad adds no constant in the mode "{self.mode}"', argument="constant_values")

    def pairs(self, x: TensorType) -> list[tuple[Dim, Dim]]:
        if len(self.pad_width) == 1:
            return [self.pad_width[0]] * x.rank
        if len(self.pad_width) != x.rank:
            raise LayerError("E0355", f"pad of {x} names {len(self.pad_width)} axes of {x.rank}", argument="pad_width")
        return list(self.pad_width)

    def infer(self, c: Context, x: TensorType) -> TensorType:
        pairs = self.pairs(x)
        value = self.constant_values
        if value is not None and not is_float(x.dtype) and (isinstance(value, float) or DTYPES[x.dtype].kind == "bool"):
            raise LayerError("E0361", f"pad of {x.dtype} with {value}", argument="constant_values")
        why = misfit(value, x.dtype) if value is not None else ""
        if why:
            raise LayerError("E0361", f"pad of {x.dtype}: {why}", argument="constant_values")
        # A mirror shows each element once; `wrap` and `symmetric` have one more to show than `reflect`.
        spare = {"reflect": 1, "symmetric": 0, "wrap": 0, "edge": None, "constant": None}[self.mode]
        if spare is not None:
            what = f'pad of {x} in the mode "{self.mode}"'
            for size, pair in zip(x.shape, pairs, strict=True):
                for amount in pair:
                    if not c.facts.at_least(size - spare - amount, 0):
                        least = amount + spare
                        raise LayerError(
                            "E0356",
                            f"{what} by {amount}: {size} is not known to be at least {least}",
                            help=None if isinstance(size, int) else f"say so first: require {size} >= {least}",
                            argument="pad_width",
                        )
        return TensorType(x.dtype, tuple(before + d + after for d, (before, after) in zip(x.shape, pairs, strict=True)))

    def lower(self, b: Builder, x: Tensor) -> Tensor:
        pairs = self.pairs(x.type)
        begins, ends = [p[0] for p in pairs], [p[1] for p in pairs]
        if self.mode == "symmetric" or (self.mode == "wrap" and b.opset < 19):
            for axis, (before, after) in enumerate(pairs):
                x = _extended(b, x, axis, before, after, mirror=self.mode == "symmetric")
            return x
        return b.pad(x, begins, ends, self.constant_values or 0, self.mode)


def _extended(b: Builder, x: Tensor, axis: int, before: Dim, after: Dim, *, mirror: bool) -> Tensor:
    """An axis with a piece of itself before and after it, mirrored with its edge or taken from the other end."""
    size = x.shape[axis]
    head, tail = x.shape[:axis], x.shape[axis + 1 :]

    def piece(start: Dim, end: Dim | None, length: Dim) -> Tensor:
        return b.slice(x, [start], [end], [axis], shape=(*head, length, *tail))

    pieces = [x]
    if before != 0:
        first = flipped(b, piece(0, before, before), [axis]) if mirror else piece(size - before, None, before)
        pieces.insert(0, first)
    if after != 0:
        last = flipped(b, piece(size - after, None, after), [axis]) if mirror else piece(0, after, after)
        pieces.append(last)
    return b.concat(pieces, axis)
