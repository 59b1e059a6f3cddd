"""Several inputs in one order: how operands that broadcast are brought into a layout, and which layout costs least."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from archonnx.compiler.graph import TensorType
from archonnx.compiler.ir import Operator, Tensor
from archonnx.compiler.lowering.emitter import Origin
from archonnx.compiler.passes.propagate_layout import Sweep
from archonnx.compiler.passes.views import Axes, View, is_one, plain, product
from archonnx.contract.dims import Dim


@dataclass(frozen=True, slots=True)
class Layout:
    """An order for a result: `axes` as in a View, `shape` the sizes of the tensor's axes where they are merged."""

    axes: Axes
    shape: tuple[Dim, ...]

    @property
    def rank(self) -> int:
        return len(self.shape)

    @property
    def is_plain(self) -> bool:
        return self.axes == plain(self.rank)


def choose(sweep: Sweep, operator: Operator, views: Sequence[View], among: Sequence[Layout]) -> Layout:
    """The layout that moves the fewest bytes, of the inputs now and of the result later; the first of equals."""
    result = operator.outputs[0]
    wanted = sweep.wanted_axes(result)
    best, least = among[-1], -1
    for layout in among:
        cost = 0
        if wanted is not None and _order(layout.axes) != _order(wanted):
            cost = sweep.wishes[id(result)].price
        for view in views:
            groups = fit(sweep, view, layout)
            if groups is None:
                break
            cost += sweep.arranger.cost(view.tensor, groups)
        else:
            if least < 0 or cost < least:
                best, least = layout, cost
    return best


def _order(axes: Axes) -> list[int]:
    return [a for group in axes for a in group]


def layouts(sweep: Sweep, result: Tensor, views: Sequence[View]) -> list[Layout]:
    """Those that the inputs have, the result's own, and the one that its users want."""
    found: dict[Layout, None] = {}
    for view in views:
        if view.tensor.recipe is None and len(view.axes) == result.rank and _spans(sweep, view, result):
            found[Layout(view.axes, view.tensor.shape)] = None
            if len(found) == 4:  # enough to choose from; keeps operators of many inputs linear
                break
    own = Layout(plain(result.rank), result.shape)
    if not any(layout.is_plain for layout in found):
        found[own] = None
    wanted = sweep.wanted_axes(result)
    if wanted is not None and not any(layout.axes == wanted for layout in found):
        order = sweep.wishes[id(result)].order
        found[Layout(wanted, tuple(result.shape[a] for a in order))] = None
    return list(found)


def _spans(sweep: Sweep, view: View, result: Tensor) -> bool:
    """Whether merged axes of the view are as long as the result's: only then can others be split in the same way."""
    return all(
        len(group) < 2 or sweep.b.same(dim, extent)
        for group, dim, extent in zip(view.axes, view.type.shape, result.shape, strict=True)
    )


def fit(sweep: Sweep, view: View, layout: Layout) -> Axes | None:
    """The groups of the view's axes that the axes of a layout's tensor are made of; None where they cannot be."""
    offset = len(layout.axes) - len(view.axes)
    groups: list[tuple[int, ...]] = [()] * layout.rank
    for place, inner in enumerate(layout.axes):
        own = view.axes[place - offset] if place >= offset else ()
        if len(inner) == 1:
            groups[inner[0]] = own
        elif inner:
            if place < offset or is_one(view.type.shape[place - offset]):
                groups[inner[0]] = own
            elif view.tensor.recipe is not None:
                if not all(isinstance(layout.shape[a], int) for a in inner):
                    return None
                groups[inner[0]] = own  # `constant_in` splits it
            elif len(own) == len(inner) and all(
                sweep.b.same(view.tensor.shape[a], layout.shape[b]) for a, b in zip(own, inner, strict=True)
            ):
                for a, b in zip(own, inner, strict=True):
                    groups[b] = (a,)
            else:
                return None
        elif own and not is_one(view.type.shape[place - offset]):
            return None
    return tuple(groups)


def operand(sweep: Sweep, view: View, layout: Layout, origin: Origin, *, broadcast: bool = True) -> Tensor:
    """The view's value in the layout; where it may `broadcast`, without needless leading axes of size 1."""
    if view.tensor.recipe is not None:
        return constant_in(view.tensor, layout, broadcast)
    if layout.is_plain and (broadcast or len(view.axes) == layout.rank):
        return sweep.arranger.whole(view)
    groups = fit(sweep, view, layout)
    assert groups is not None
    if broadcast and not view.axes:
        return sweep.arranger.whole(view)
    shape = [product([view.tensor.shape[a] for a in group]) for group in groups]
    return sweep.arranger.arrange(view.tensor, groups, shape, origin)


def constant_in(tensor: Tensor, layout: Layout, broadcast: bool) -> Tensor:
    """A constant in a layout: its recipe reshaped, its axes split as the layout merges them, and moved."""
    if layout.is_plain or (broadcast and product(tensor.shape) == 1 and tensor.rank <= layout.rank):
        return tensor
    offset = len(layout.axes) - tensor.rank
    shape = [1] * layout.rank
    places: list[int] = []  # of the axes of more than one element, in the constant's order
    for inner, extent in zip(layout.axes[offset:], tensor.shape, strict=True):
        if not is_one(extent):
            places += inner
            for place, size in zip(
                inner, [extent] if len(inner) == 1 else [layout.shape[a] for a in inner], strict=True
            ):
                assert isinstance(size, int)
                shape[place] = size
    perm = sorted(range(len(places)), key=lambda i: places[i])
    assert tensor.recipe is not None
    recipe = tensor.recipe.reshape([shape[place] for place in places]).transpose(perm)
    while broadcast and shape and shape[0] == 1:
        shape.pop(0)
    return Tensor(tensor.name, TensorType(tensor.dtype, tuple(shape)), recipe=recipe.reshape(shape))


def result_shape(layout: Layout, shape: Sequence[Dim]) -> Iterator[Dim]:
    """The sizes of the tensor's axes for a value of this shape in the layout."""
    owner = {inner[0]: place for place, inner in enumerate(layout.axes) if len(inner) == 1}
    merged = {a for inner in layout.axes if len(inner) > 1 for a in inner}
    for axis in range(layout.rank):
        yield shape[owner[axis]] if axis in owner else layout.shape[axis] if axis in merged else 1
