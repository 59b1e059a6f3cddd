"""Reading parts of a tensor by position: `x[:, 0]`, `x[..., :half]`, `x[None]`, take."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from archonnx.compiler.functions.base import Function, axes_of, broadcast, product, result_types
from archonnx.compiler.graph import TensorType
from archonnx.compiler.layers.base import LayerError, arg
from archonnx.compiler.layers.domains import Axis, Domain, Optional
from archonnx.contract.dims import Expr, ceil_div, dim_max, dim_min
from archonnx.contract.dtypes import is_integer

if TYPE_CHECKING:
    from archonnx.compiler.ir import Tensor
    from archonnx.compiler.layers.base import Context
    from archonnx.compiler.lowering.builder import Builder
    from archonnx.contract.dims import Dim, Facts


class _Entries(Domain):
    """What stands in the brackets of `x[...]`, as the elaborator writes it down."""

    def describe(self) -> str:
        return 'a tuple of whole numbers or dimensions, ("slice", start, stop, step), None and Ellipsis'

    def parse(self, value: Any) -> Any:
        if not isinstance(value, (list, tuple)):
            raise self.fail()
        for entry in value:
            if isinstance(entry, (list, tuple)):
                good = len(entry) == 4 and entry[0] == "slice" and all(n is None or _is_number(n) for n in entry[1:])
            else:
                good = entry is None or entry is ... or _is_number(entry)
            if not good:
                raise self.fail()
        return tuple(tuple(entry) if isinstance(entry, list) else entry for entry in value)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, Expr)) and not isinstance(value, bool)


class getitem(Function):
    """`x[index]`: numbers take an axis away, slices keep it, None makes one, `...` is all that is not named."""

    inputs = ("x",)
    parameters = ("x", "index")
    onnx = ("Slice", "Gather", "Unsqueeze")
    index = arg(_Entries(), doc="What stands in the brackets.")

    def entries(self, x: TensorType) -> list[tuple[Any, int]]:
        """Every entry with the axis of x that it reads (-1 for None), slices for the axes that are not named."""
        index = list(self.index)
        named = [e for e in index if e is not None and e is not ...]
        if len(named) > x.rank:
            raise LayerError("E0357", f"{len(named)} indices into {x}, which has {x.rank} axes", argument="index")
        if index.count(...) > 1:
            raise LayerError("E0357", "`...` stands once in an index", argument="index")
        if ... not in index:
            index.append(...)
        at = index.index(...)
        index[at : at + 1] = [("slice", None, None, None)] * (x.rank - len(named))
        axes = iter(range(x.rank))
        return [(e, -1 if e is None else next(axes)) for e in index]

    def infer(self, c: Context, x: TensorType) -> TensorType:
        shape: list[Dim] = []
        for entry, axis in self.entries(x):
            if entry is None:
                shape.append(1)
            elif isinstance(entry, tuple):
                shape.append(extent(c.facts, x, axis, entry))
            else:
                _check_index(c.facts, x, axis, entry)
        return TensorType(x.dtype, tuple(shape))

    def lower(self, b: Builder, x: Tensor) -> Tensor:
        entries = self.entries(x.type)
        sliced = [
            (e, a) for e, a in entries if isinstance(e, tuple) and e[1:] not in ((None, None, None), (None, None, 1))
        ]
        if sliced:
            shape = list(x.shape)
            for entry, axis in sliced:
                shape[axis] = extent(b.facts, x.type, axis, entry)
            for at, (entry, axis) in enumerate(sliced):
                x, sliced[at] = _cut_first(b, x, axis, entry)
            steps = [1 if e[3] is None else e[3] for e, _ in sliced]
            starts = [(0 if s > 0 else -1) if e[1] is None else e[1] for (e, _), s in zip(sliced, steps, strict=True)]
            x = b.slice(x, starts, [e[2] for e, _ in sliced], [a for _, a in sliced], steps, shape=shape)
        picked = [(e, a) for e, a in entries if e is not None and not isinstance(e, tuple)]
        for entry, axis in reversed(picked):
            if isinstance(entry, int):
                x = b.gather(x, entry, axis)
            else:
                x = b.gather(x, b.dim(entry), axis)
        return b.expand_dims(x, [i for i, e in enumerate(_kept(entries)) if e is None])


def _cut_first(b: Builder, x: Tensor, axis: int, entry: Any) -> tuple[Tensor, tuple[Any, int]]:
    """A slice that goes back from a start that may lie before the axis: Python's is empty, ONNX's begins at 0.

    x[-3:stop:-1] is x[:-2][:stop:-1], where a stop below 0 counts from the new end.
    """
    _, start, stop, step = entry
    facts, size = b.facts, x.shape[axis]
    if step is None or step > 0 or start is None or not facts.at_least(-start, 2) or facts.at_least(size + start, 0):
        return x, (entry, axis)
    left = extent(facts, x.type, axis, ("slice", None, start + 1, None))
    x = b.slice(x, [0], [start + 1], [axis], shape=(*x.shape[:axis], left, *x.shape[axis + 1 :]))
    if stop is not None and not facts.at_least(stop, 0):
        stop = dim_min(stop - start - 1, -1)
    return x, (("slice", None, stop, step), axis)


def _kept(entries: list[tuple[Any, int]]) -> list[Any]:
    """The entries that stand for axes of the result."""
    return [e for e, _ in entries if e is None or isinstance(e, tuple)]


def _from_start(facts: Facts, x: TensorType, axis: int, bound: Dim) -> Dim:
    """A position counted from the start: negative ones count from the end. E0357 where nothing tells the sign."""
    if facts.at_least(bound, 0):
        return bound
    if facts.at_least(-bound, 1):
        return x.shape[axis] + bound
    raise LayerError(
        "E0357",
        f"index {bound} at axis {axis} of {x}: nothing says that it is at least 0, and below 0 it counts from the end",
        help=f"if it always is, say so first: require {bound} >= 0",
        argument="index",
    )


def _check_index(facts: Facts, x: TensorType, axis: int, index: Dim) -> None:
    """E0357 where an index is out of range, or where nothing says that it is in range."""
    size = x.shape[axis]
    place = _from_start(facts, x, axis, index)
    if facts.at_least(place, 0) and facts.at_least(size - place, 1):
        return
    if isinstance(size, int) and isinstance(index, int):
        raise LayerError(
            "E0357", f"index {index} is out of range at axis {axis} of {x}", argument="index", input=0, axis=axis
        )
    least = -index if facts.at_least(-index, 1) else index + 1
    raise LayerError(
        "E0357",
        f"index {index} at axis {axis} of {x}: nothing says that {size} is at least {least}",
        help=f"if it always is, say so first: require {size} >= {least}",
        argument="index",
        input=0,
        axis=axis,
    )


def extent(facts: Facts, x: TensorType, axis: int, entry: tuple[Any, ...]) -> Dim:
    """How many elements a slice takes of an axis: Python's rules, exact where the bounds are symbolic."""
    size = x.shape[axis]
    _, start, stop, step = entry
    step = 1 if step is None else step
    if isinstance(step, Expr) or step == 0:
        raise LayerError("E0357", f"a slice's step is a whole number and not 0, got {step}", argument="index")
    if all(b is None or isinstance(b, int) for b in (start, stop)) and isinstance(size, int):
        return len(range(*slice(start, stop, step).indices(size)))
    ahead = _ahead(facts, x, axis, start, stop) if step > 0 else None
    if ahead is not None:
        return facts.normalize(ceil_div(ahead if facts.at_least(ahead, 0) else dim_max(0, ahead), step))
    least, most = (0, size) if step > 0 else (-1, size - 1)
    first, last = (least, most) if step > 0 else (most, least)
    low = first if start is None else _clamp(facts, _from_start(facts, x, axis, start), least, most)
    high = last if stop is None else _clamp(facts, _from_start(facts, x, axis, stop), least, most)
    length = high - low if step > 0 else low - high
    if not facts.at_least(length, 0):
        length = dim_max(0, length)
    return facts.normalize(ceil_div(length, abs(step)))


def _ahead(facts: Facts, x: TensorType, axis: int, start: Dim | None, stop: Dim | None) -> Dim | None:
    """How many places a slice spans, below 0 where it spans none; None where it goes from the end to the start.

    The axis stands in it once: a slice of a slice of a slice has a size that does not grow twice as long each time.
    """
    size = x.shape[axis]
    for bound in (start, stop):
        if bound is not None:
            _from_start(facts, x, axis, bound)
    back = [bound is not None and not facts.at_least(bound, 0) for bound in (start, stop)]
    if start is not None and back[0]:
        if stop is None:
            return _least(facts, size, -start)
        return _least(facts, size, -start) + stop if back[1] else None
    begin = 0 if start is None else start
    if stop is None:
        return size - begin
    return (size + stop if back[1] else _least(facts, size, stop)) - begin


def _least(facts: Facts, a: Dim, b: Dim) -> Dim:
    """The smaller of two sizes, one of them where it is known to be it."""
    return a if facts.at_least(b - a, 0) else b if facts.at_least(a - b, 0) else dim_min(a, b)


def _clamp(facts: Facts, place: Dim, least: Dim, most: Dim) -> Dim:
    """A position held between two bounds, where it is not known to lie between them."""
    if not facts.at_least(place - least, 0):
        place = dim_max(least, place)
    return place if facts.at_least(most - place, 0) else dim_min(place, most)


def need_indices(name: str, indices: TensorType) -> None:
    """E0353 where a tensor does not hold whole numbers."""
    if not is_integer(indices.dtype):
        raise LayerError(
            "E0353", f"{name} needs whole numbers as indices, got {indices}", help="cast(indices, int64)", input=1
        )


def as_indices(b: Builder, x: Tensor) -> Tensor:
    """Indices in a type that ONNX takes."""
    return x if x.dtype in ("int32", "int64") else b.cast(x, "int64")


def _check_written(c: Context, what: str, size: Dim) -> None:
    """E0357 where an index that is written out lies outside an axis of known size."""
    if isinstance(size, int):
        for index in _numbers(c.constant(1)):
            if not -size <= index < size:
                raise LayerError("E0357", f"{what}: index {index} is out of range, its size is {size}", input=1)


def _numbers(value: Any) -> Iterator[int]:
    """The whole numbers of nested tuples."""
    if isinstance(value, (tuple, list)):
        for inner in value:
            yield from _numbers(inner)
    elif isinstance(value, int):
        yield value


class take(Function):
    """The entries at `indices` along an axis, or of the flattened tensor where no axis is given."""

    inputs = ("x", "indices")
    parameters = ("x", "indices", "axis")
    index_inputs = ("indices",)
    keras = "ops.take"
    torch = "index_select"
    onnx = ("Gather",)
    axis = arg(Optional(Axis()), default=None, doc="The axis; None: of all elements in order.")

    def infer(self, c: Context, x: TensorType, indices: TensorType) -> TensorType:
        need_indices("take", indices)
        if self.axis is None:
            _check_written(c, f"take of {x}, flattened", product(x.shape))
            return TensorType(x.dtype, indices.shape)
        at = axes_of("take", x, (self.axis,))[0]
        _check_written(c, f"take of {x} along axis {at}", x.shape[at])
        return TensorType(x.dtype, (*x.shape[:at], *indices.shape, *x.shape[at + 1 :]))

    def lower(self, b: Builder, x: Tensor, indices: Tensor) -> Tensor:
        indices = as_indices(b, indices)
        return b.gather(b.flatten_from(x, 0) if self.axis is None else x, indices, self.axis or 0)


class take_along_axis(Function):
    """Along an axis, for every place of the others, the entries at the indices of that place."""

    inputs = ("x", "indices")
    parameters = ("x", "indices", "axis")
    index_inputs = ("indices",)
    keras = "ops.take_along_axis"
    torch = "take_along_dim"
    onnx = ("GatherElements",)
    axis = arg(Optional(Axis()), default=None, doc="The axis; None: of all elements in order, by indices of one axis.")

    def infer(self, c: Context, x: TensorType, indices: TensorType) -> TensorType:
        need_indices("take_along_axis", indices)
        rank = 1 if self.axis is None else x.rank
        if indices.rank != rank:
            raise LayerError(
                "E0354", f"take_along_axis of {x} by {indices}: the indices need {rank} axes, as many as x", input=1
            )
        if self.axis is None:
            return TensorType(x.dtype, indices.shape)
        at = axes_of("take_along_axis", x, (self.axis,))[0]
        before = broadcast(c, "take_along_axis", x.shape[:at], indices.shape[:at], behind=x.rank - at)
        after = broadcast(c, "take_along_axis", x.shape[at + 1 :], indices.shape[at + 1 :])
        return TensorType(x.dtype, (*before, indices.shape[at], *after))

    def lower(self, b: Builder, x: Tensor, indices: Tensor) -> Tensor:
        if self.axis is None:
            x = b.flatten_from(x, 0)
        at = 0 if self.axis is None else self.axis % x.rank
        result = result_types(b)[0]
        head, tail = result.shape[:at], result.shape[at + 1 :]
        x = b.expand(x, (*head, x.shape[at], *tail))
        indices = b.expand(as_indices(b, indices), result.shape)
        return b.op("GatherElements", x, indices, result=result, axis=at)
