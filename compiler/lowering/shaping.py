"""Builder methods that move and cut: each becomes a change of the recipe where its input is a constant."""

from __future__ import annotations

from collections.abc import Sequence

from archonnx.compiler.graph import TensorType
from archonnx.compiler.ir import Tensor
from archonnx.compiler.lowering.sizes import Sizes
from archonnx.contract.dims import Dim, ceil_div, dim_max, dim_min

END = 2**63 - 1  # an end that no axis reaches


class Shaping(Sizes):
    """Adds operators that change shapes. No method looks at the values of a weight."""

    def identity(self, x: Tensor) -> Tensor:
        """The value itself: no operator is needed to hand it on."""
        return x

    def transpose(self, x: Tensor, perm: Sequence[int]) -> Tensor:
        """Axes in the order `perm`: axis i of the result is axis perm[i] of `x`."""
        perm = tuple(p % x.rank for p in perm)
        if perm == tuple(range(x.rank)):
            return x
        result = TensorType(x.dtype, tuple(x.shape[p] for p in perm))
        if x.recipe is not None:
            return Tensor(x.name, result, recipe=x.recipe.transpose(perm))
        return self.op("Transpose", x, result=result, perm=list(perm))

    def channels_first(self, x: Tensor) -> Tensor:
        """The last axis moved to place 1: (batch, ..., channels) to (batch, channels, ...)."""
        return self.transpose(x, (0, x.rank - 1, *range(1, x.rank - 1))) if x.rank > 2 else x

    def channels_last(self, x: Tensor) -> Tensor:
        """Axis 1 moved to the end: (batch, channels, ...) to (batch, ..., channels)."""
        return self.transpose(x, (0, *range(2, x.rank), 1)) if x.rank > 2 else x

    def reshape(self, x: Tensor, shape: Sequence[Dim]) -> Tensor:
        """The elements in the same order in another shape of as many elements."""
        shape = tuple(shape)
        if self.same_shape(x.shape, shape):
            return x
        result = TensorType(x.dtype, shape)
        if x.recipe is not None:
            extents = [self.known(d) for d in shape]
            return Tensor(x.name, result, recipe=x.recipe.reshape(tuple(d for d in extents if isinstance(d, int))))
        entries = self.static_target(x.shape, shape)
        if entries is not None:
            return self.op("Reshape", x, self.ints(entries), result=result)
        if self.same_shape([d for d in x.shape if d != 1], [d for d in shape if d != 1]):
            bare = self.squeeze(x, [a for a, d in enumerate(x.shape) if d == 1])
            return self.expand_dims(bare, [a for a, d in enumerate(shape) if d == 1])
        empty = any(not self.facts.at_least(d, 1) for d in shape)  # 0 is then a size, not an axis to copy
        return self.op("Reshape", x, self.shape(shape), result=result, allowzero=1 if empty else None)

    def static_target(self, old: Sequence[Dim], new: Sequence[Dim]) -> list[int] | None:
        """The new shape in numbers, 0 for a copied axis, -1 for one that follows; None where that is not enough."""
        known = [self.known(d) for d in new]
        entries: list[int] = []
        for axis, dim in enumerate(known):
            if isinstance(dim, int):
                entries.append(dim)
            elif axis < len(old) and self.same(old[axis], dim):
                entries.append(0)
            else:
                entries.append(-1)
        if entries.count(-1) > 1 or 0 in known:
            return None
        # Where an axis may be empty, -1 cannot be worked out.
        return entries if -1 not in entries or all(self.facts.at_least(d, 1) for d in known) else None

    def flatten_from(self, x: Tensor, axis: int) -> Tensor:
        """All axes from `axis` on made into one."""
        size: Dim = 1
        for dim in x.shape[axis:]:
            size = size * dim
        return self.reshape(x, (*x.shape[:axis], size))

    def expand_dims(self, x: Tensor, axes: Sequence[int]) -> Tensor:
        """New axes of size 1 at these places of the result."""
        rank = x.rank + len(axes)
        places = sorted(a % rank for a in axes)
        rest = iter(x.shape)
        shape = tuple(1 if a in places else next(rest) for a in range(rank))
        return self._rerank("Unsqueeze", x, places, shape)

    def squeeze(self, x: Tensor, axes: Sequence[int]) -> Tensor:
        """Without these axes, all of size 1."""
        places = sorted(a % x.rank for a in axes)
        return self._rerank("Squeeze", x, places, tuple(d for a, d in enumerate(x.shape) if a not in places))

    def _rerank(self, kind: str, x: Tensor, axes: list[int], shape: tuple[Dim, ...]) -> Tensor:
        if not axes:
            return x
        result = TensorType(x.dtype, shape)
        if x.recipe is not None:
            return Tensor(x.name, result, recipe=x.recipe.reshape(tuple(d for d in shape if isinstance(d, int))))
        return self.op(kind, x, self.ints(axes), result=result)

    def concat(self, xs: Sequence[Tensor], axis: int) -> Tensor:
        """The tensors one after another along `axis`."""
        if len(xs) == 1:
            return xs[0]
        axis %= xs[0].rank
        size: Dim = 0
        for x in xs:
            size = size + x.shape[axis]
        shape = list(self.common_shape([x.shape for x in xs]))
        shape[axis] = size
        result = TensorType(xs[0].dtype, tuple(shape))
        recipes = [x.recipe for x in xs if x.recipe is not None]
        if len(recipes) == len(xs):
            from archonnx.compiler.recipes import concatenate

            return Tensor(xs[0].name, result, recipe=concatenate(recipes, axis))
        return self.op("Concat", *xs, result=result, axis=axis)

    def common_shape(self, shapes: Sequence[Sequence[Dim]]) -> tuple[Dim, ...]:
        """Of equal shapes the one with numbers wherever any has them."""
        return tuple(next((d for d in dims if isinstance(d, int)), dims[0]) for dims in zip(*shapes, strict=True))

    def slice(
        self,
        x: Tensor,
        starts: Sequence[Dim],
        ends: Sequence[Dim | None],
        axes: Sequence[int],
        steps: Sequence[int] | None = None,
        *,
        shape: Sequence[Dim] | None = None,
    ) -> Tensor:
        """A box of `x`. Bounds are as Python's: negative numbers count from the end, None as an end goes to the end.

        `shape` is the result's, where the caller has proven more than bounds alone tell.
        """
        axes = [a % x.rank for a in axes]
        steps = list(steps) if steps is not None else [1] * len(axes)
        sizes = list(x.shape)
        for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
            sizes[axis] = self._extent(self.known(x.shape[axis]), start, end, step)
        if shape is None:
            shape = sizes
        if all(s == 1 for s in steps) and self.same_shape(x.shape, shape):
            return x
        result = TensorType(x.dtype, tuple(shape))
        numbers = [b for b in (*starts, *ends) if b is None or isinstance(b, int)]
        if x.recipe is not None and len(numbers) == 2 * len(axes):
            box = [slice(None)] * x.rank
            for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
                box[axis] = slice(start, end, step)
            return Tensor(x.name, result, recipe=x.recipe[tuple(box)])
        limits = [(END if s > 0 else -END - 1) if e is None else e for e, s in zip(ends, steps, strict=True)]
        unit = all(s == 1 for s in steps)
        return self.op(
            "Slice",
            x,
            self.shape(starts),
            self.shape(limits),
            self.ints(axes),
            None if unit else self.ints(steps),
            result=result,
        )

    def _extent(self, size: Dim, start: Dim, end: Dim | None, step: int) -> Dim:
        """How many elements the bounds take of an axis."""
        if isinstance(size, int) and isinstance(start, int) and (end is None or isinstance(end, int)):
            return len(range(*slice(start, end, step).indices(size)))
        low = size + start if isinstance(start, int) and start < 0 else start
        if step < 0:
            low = dim_min(low, size - 1)
            stop: Dim = -1 if end is None else size + end if isinstance(end, int) and end < 0 else end
            return self.known(dim_max(0, ceil_div(low - stop, -step)))
        high = size if end is None else size + end if isinstance(end, int) and end < 0 else dim_min(end, size)
        return self.known(dim_max(0, ceil_div(high - low, step)))

    def gather(self, x: Tensor, indices: Tensor | int, axis: int) -> Tensor:
        """The entries of `x` along `axis` at `indices`; one number takes the axis away."""
        axis %= x.rank
        if isinstance(indices, int):
            if x.recipe is not None and isinstance(x.shape[axis], int):
                at = indices % x.shape[axis]
                return self.squeeze(self.slice(x, [at], [at + 1], [axis]), [axis])
            indices = self.constant(indices, "int64")
        result = TensorType(x.dtype, (*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :]))
        return self.op("Gather", x, indices, result=result, axis=axis or None)

    def split(self, x: Tensor, sizes: Sequence[Dim], axis: int) -> tuple[Tensor, ...]:
        """Consecutive pieces of these sizes along `axis`."""
        axis %= x.rank
        if len(sizes) == 1:
            return (x,)
        shapes = [(*x.shape[:axis], size, *x.shape[axis + 1 :]) for size in sizes]
        if x.recipe is not None and all(isinstance(s, int) for s in sizes):
            starts: list[Dim] = [0]
            for size in sizes:
                starts.append(starts[-1] + size)
            return tuple(self.slice(x, [starts[i]], [starts[i + 1]], [axis]) for i in range(len(sizes)))
        return self.op("Split", x, self.shape(sizes), result=[TensorType(x.dtype, s) for s in shapes], axis=axis)

    def pad(
        self,
        x: Tensor,
        pads_begin: Sequence[Dim],
        pads_end: Sequence[Dim],
        value: float | int | bool = 0.0,
        mode: str = "constant",
    ) -> Tensor:
        """Entries added before and after each axis. `mode` is ONNX's: constant, reflect, edge, wrap."""
        pads = [*pads_begin, *pads_end]
        if all(isinstance(p, int) and p == 0 for p in pads):
            return x
        if x.dtype in ("int16", "uint16"):  # onnxruntime has no kernel
            return self.cast(self.pad(self.cast(x, "int32"), pads_begin, pads_end, value, mode), x.dtype)
        shape = tuple(b + d + e for b, d, e in zip(pads_begin, x.shape, pads_end, strict=True))
        fill = self.like(x, value) if mode == "constant" and value != 0 else None
        return self.op(
            "Pad",
            x,
            self.shape(pads),
            fill,
            result=TensorType(x.dtype, shape),
            mode=None if mode == "constant" else mode,
        )

    def expand(self, x: Tensor, shape: Sequence[Dim]) -> Tensor:
        """The value repeated along axes of size 1, and new ones before them, to this shape."""
        if self.same_shape(x.shape, shape):
            return x
        return self.op("Expand", x, self.shape(shape), result=TensorType(x.dtype, tuple(shape)))
