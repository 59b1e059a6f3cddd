"""Rules of the layout pass for operators that name axes (case 3): the axes are renumbered to those of the tensor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from archonnx.compiler.graph import TensorType
from archonnx.compiler.ir import Operator, Tensor
from archonnx.compiler.lowering.constants import literal_ints
from archonnx.compiler.lowering.opsets import reduces_by_input
from archonnx.compiler.passes.axes import ALONG_ONE_AXIS, reduced_axes
from archonnx.compiler.passes.layout_fit import Layout, result_shape
from archonnx.compiler.passes.propagate_layout import Sweep, first
from archonnx.compiler.passes.views import Axes, View, plain
from archonnx.contract.dims import Dim

T = TypeVar("T")


def reduction(sweep: Sweep, operator: Operator) -> bool:
    """The axes that are reduced; without `keepdims` they leave the view too."""
    view = sweep.view(first(operator))
    reduced = reduced_axes(operator)
    if view.is_plain or view.tensor.recipe is not None or not reduced:
        return False
    places = sorted(a for axis in reduced for a in view.axes[axis])
    if not places:
        return False
    shape, axes = _reduced(view, reduced, places, bool(operator.attributes.get("keepdims", 1)))
    attributes = {k: v for k, v in operator.attributes.items() if k != "axes"}
    inputs: list[Tensor | None] = [view.tensor]
    if reduces_by_input(operator.type, sweep.graph.opset):
        inputs.append(sweep.b.ints(places))
    else:
        attributes["axes"] = places
    result = operator.outputs[0]
    (new,) = sweep.emit(operator, inputs, [TensorType(result.dtype, shape)], attributes)
    sweep.hold(operator, result, new, axes)
    return True


def _reduced(view: View, reduced: Sequence[int], places: Sequence[int], keep: bool) -> tuple[tuple[Dim, ...], Axes]:
    """The tensor's shape and the value's axes once the tensor's axes `places` are reduced."""
    if keep:
        return tuple(1 if a in places else d for a, d in enumerate(view.tensor.shape)), view.axes
    kept = [a for a in range(view.tensor.rank) if a not in places]
    number = {a: i for i, a in enumerate(kept)}
    groups = (group for axis, group in enumerate(view.axes) if axis not in reduced)
    return tuple(view.tensor.shape[a] for a in kept), tuple(tuple(number[a] for a in group) for group in groups)


def arg_extreme(sweep: Sweep, operator: Operator) -> bool:
    """ArgMax, ArgMin: as a reduction of the one axis."""
    view = sweep.view(first(operator))
    axis = operator.attributes.get("axis", 0) % view.type.rank
    if view.is_plain or len(view.axes[axis]) != 1:
        return False
    places = list(view.axes[axis])
    shape, axes = _reduced(view, [axis], places, bool(operator.attributes.get("keepdims", 1)))
    result = operator.outputs[0]
    (new,) = sweep.emit(
        operator, [view.tensor], [TensorType(result.dtype, shape)], {**operator.attributes, "axis": places[0]}
    )
    sweep.hold(operator, result, new, axes)
    return True


def along_axis(sweep: Sweep, operator: Operator) -> bool:
    """Softmax and its kind; where the result is wanted in its own order, the value is brought into it before."""
    view = sweep.view(first(operator))
    axis = operator.attributes.get("axis", ALONG_ONE_AXIS[operator.type]) % view.type.rank
    result = operator.outputs[0]
    if view.is_plain or len(view.axes[axis]) != 1 or sweep.wanted_axes(result) == plain(result.rank):
        return False
    (new,) = sweep.emit(
        operator, [view.tensor], [view.tensor.type], {**operator.attributes, "axis": view.axes[axis][0]}
    )
    sweep.hold(operator, result, new, view.axes)
    return True


def cumulative(sweep: Sweep, operator: Operator) -> bool:
    """CumSum: its axis is an input."""
    view = sweep.view(first(operator))
    axis = literal_ints(operator.inputs[1])
    if view.is_plain or axis is None or len(view.axes[axis[0] % view.type.rank]) != 1:
        return False
    place = sweep.b.constant(view.axes[axis[0] % view.type.rank][0], "int64")
    (new,) = sweep.emit(operator, [view.tensor, place], [view.tensor.type])
    sweep.hold(operator, operator.outputs[0], new, view.axes)
    return True


def gather(sweep: Sweep, operator: Operator) -> bool:
    """One entry of an axis, which leaves the view, or several."""
    data, indices = first(operator), operator.inputs[1]
    assert indices is not None
    view = sweep.view(data)
    axis = operator.attributes.get("axis", 0) % data.rank
    if view.is_plain or view.tensor.recipe is not None or indices.rank > 1 or len(view.axes[axis]) != 1:
        return False
    place = view.axes[axis][0]
    shape = list(view.tensor.shape)
    axes = view.axes
    if indices.rank:
        shape[place] = indices.shape[0]
    else:
        _, axes = _reduced(view, [axis], [place], False)
        del shape[place]
    result = operator.outputs[0]
    kind = TensorType(result.dtype, tuple(shape))
    (new,) = sweep.emit(operator, [view.tensor, sweep.whole(indices)], [kind], {**operator.attributes, "axis": place})
    sweep.hold(operator, result, new, axes)
    return True


def split(sweep: Sweep, operator: Operator) -> bool:
    """The pieces keep the view."""
    x = first(operator)
    view = sweep.view(x)
    axis = operator.attributes.get("axis", 0) % x.rank
    if view.is_plain or view.tensor.recipe is not None or len(view.axes[axis]) != 1:
        return False
    layout = Layout(view.axes, view.tensor.shape)
    kinds = [TensorType(x.dtype, tuple(result_shape(layout, t.shape))) for t in operator.outputs]
    sizes = [None if t is None else sweep.whole(t) for t in operator.inputs[1:]]
    attributes = {**operator.attributes, "axis": view.axes[axis][0]}
    for old, new in zip(operator.outputs, sweep.emit(operator, [view.tensor, *sizes], kinds, attributes), strict=True):
        sweep.hold(operator, old, new, view.axes)
    return True


def slice_(sweep: Sweep, operator: Operator) -> bool:
    """Only the numbers of the axes change: bounds and steps stay as they are."""
    x, result = first(operator), operator.outputs[0]
    view = sweep.view(x)
    given = operator.inputs[3] if len(operator.inputs) > 3 else None
    starts = operator.inputs[1]
    assert starts is not None
    count = starts.shape[0] if starts.rank else None
    axes = literal_ints(given) if given is not None else list(range(count)) if isinstance(count, int) else None
    if view.is_plain or view.tensor.recipe is not None or axes is None:
        return False
    groups = [view.axes[a % x.rank] for a in axes]
    if any(len(group) != 1 for group in groups):
        return False
    rest = [None if t is None else sweep.whole(t) for t in (*operator.inputs[1:3], *operator.inputs[4:])]
    inputs = [view.tensor, *rest[:2], sweep.b.ints([group[0] for group in groups]), *rest[2:]]
    return _same_view(sweep, operator, view, inputs, result)


def _same_view(sweep: Sweep, operator: Operator, view: View, inputs: Sequence[Tensor | None], result: Tensor) -> bool:
    layout = Layout(view.axes, view.tensor.shape)
    kind = TensorType(result.dtype, tuple(result_shape(layout, result.shape)))
    (new,) = sweep.emit(operator, inputs, [kind])
    sweep.hold(operator, result, new, view.axes)
    return True


def _moved(view: View, numbers: Sequence[T]) -> list[T]:
    """One entry for each axis of the value, in the order of the tensor's axes."""
    moved = list(numbers)
    for number, (place,) in zip(numbers, view.axes, strict=True):
        moved[place] = number
    return moved


def pad(sweep: Sweep, operator: Operator) -> bool:
    """Pads by number, in the tensor's order; a Transpose wanted behind goes before, where there is less to move."""
    pads = literal_ints(operator.inputs[1])
    if pads is None or (len(operator.inputs) > 3 and operator.inputs[3] is not None):
        return False
    result = operator.outputs[0]
    view = sweep.early(first(operator), result)
    if view.is_plain or not view.simple or view.tensor.recipe is not None:
        return False
    half = len(pads) // 2
    sweep.b.origin = view.origin
    moved = sweep.b.ints(_moved(view, pads[:half]) + _moved(view, pads[half:]))
    fill = [None if t is None else sweep.whole(t) for t in operator.inputs[2:3]]
    return _same_view(sweep, operator, view, [view.tensor, moved, *fill], result)


def tile(sweep: Sweep, operator: Operator) -> bool:
    """Repeats in the tensor's order."""
    view = sweep.view(first(operator))
    repeats = literal_ints(operator.inputs[1])
    if view.is_plain or not view.simple or repeats is None or view.tensor.recipe is not None:
        return False
    moved = sweep.b.ints(_moved(view, repeats))
    return _same_view(sweep, operator, view, [view.tensor, moved], operator.outputs[0])
