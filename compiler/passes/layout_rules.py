"""The rules of the layout pass: what operators do to a view. A rule returns False to leave the operator as it is."""

from __future__ import annotations

from archonnx.compiler.graph import TensorType
from archonnx.compiler.ir import Operator
from archonnx.compiler.lowering.emitter import Origin
from archonnx.compiler.passes import layout_axes, layout_contract
from archonnx.compiler.passes.axes import ALONG_ONE_AXIS, ELEMENTWISE, REDUCTIONS, permutation_of
from archonnx.compiler.passes.changes import note
from archonnx.compiler.passes.layout_fit import choose, fit, layouts, operand, result_shape
from archonnx.compiler.passes.propagate_layout import Rule, Sweep, first
from archonnx.compiler.passes.views import regroup


def transpose(sweep: Sweep, operator: Operator) -> bool:
    """Case 1: the axes are looked at in another order."""
    x = first(operator)
    if x.recipe is not None:
        return False
    view = sweep.view(x)
    note(sweep.graph, "propagate_layout", "Transpose taken along", operator)
    sweep.hold(operator, operator.outputs[0], view.tensor, tuple(view.axes[a] for a in permutation_of(operator)))
    return True


def identity(sweep: Sweep, operator: Operator) -> bool:
    """Case 1: another name for the same view."""
    view = sweep.view(first(operator))
    if view.tensor.recipe is not None:
        return False
    sweep.hold(operator, operator.outputs[0], view.tensor, view.axes)
    return True


def reshape(sweep: Sweep, operator: Operator) -> bool:
    """Case 1: axes merged or of size 1, where whole axes of the tensor make up the new ones.

    A tensor in its own order is reshaped at once, unless only axes of size 1 come or go: those wait for what follows.
    """
    x, result = first(operator), operator.outputs[0]
    if x.recipe is not None:
        return False
    view = sweep.view(x)
    axes = regroup(view, result.shape, sweep.b)
    if axes is None:
        return False
    if view.is_plain and (
        any(len(group) > 1 for group in axes) or sweep.b.static_target(view.type.shape, result.shape) is None
    ):
        return False
    sweep.hold(operator, result, view.tensor, axes)
    return True


def elementwise(sweep: Sweep, operator: Operator) -> bool:
    """Case 2."""
    return _together(sweep, operator, None)


def concat(sweep: Sweep, operator: Operator) -> bool:
    """Case 2: along the tensor's axis that the value's axis is."""
    return _together(sweep, operator, operator.attributes["axis"] % operator.outputs[0].rank)


def _together(sweep: Sweep, operator: Operator, axis: int | None) -> bool:
    result = operator.outputs[0]
    if not result.rank:  # a scalar has no order, and operands that are scalars stay such
        return False
    views = [sweep.view(t) for t in operator.inputs if t is not None]
    among = layouts(sweep, result, views)
    if axis is not None:
        among = [layout for layout in among if len(layout.axes[axis]) == 1]
    layout = choose(sweep, operator, views, among)
    if layout.is_plain:
        return False
    origin = Origin.of_operator(operator)
    if any(fit(sweep, view, layout) is None for view in views):
        return False
    # An operand may lose its leading axes of size 1 where another one brings all of the result's axes.
    broadcast = axis is None and any(view.tensor.recipe is None and view.axes for view in views)
    inputs = [
        None if t is None else operand(sweep, sweep.view(t), layout, origin, broadcast=broadcast)
        for t in operator.inputs
    ]
    attributes = dict(operator.attributes)
    if axis is not None:
        attributes["axis"] = layout.axes[axis][0]
    kind = TensorType(result.dtype, tuple(result_shape(layout, result.shape)))
    (new,) = sweep.emit(operator, inputs, [kind], attributes)
    sweep.hold(operator, result, new, layout.axes)
    return True


RULES: dict[str, Rule] = {
    "Transpose": transpose,
    "Identity": identity,
    "Reshape": reshape,
    "Squeeze": reshape,
    "Unsqueeze": reshape,
    "Flatten": reshape,
    "Concat": concat,
    **dict.fromkeys(ELEMENTWISE, elementwise),
    **dict.fromkeys(REDUCTIONS, layout_axes.reduction),
    **dict.fromkeys(ALONG_ONE_AXIS, layout_axes.along_axis),
    "ArgMax": layout_axes.arg_extreme,
    "ArgMin": layout_axes.arg_extreme,
    "CumSum": layout_axes.cumulative,
    "Gather": layout_axes.gather,
    "Pad": layout_axes.pad,
    "Slice": layout_axes.slice_,
    "Split": layout_axes.split,
    "Tile": layout_axes.tile,
    "Gemm": layout_contract.contract,
    "MatMul": layout_contract.contract,
    "Shape": layout_contract.shape,
}
