"""Rules of the layout pass for products with a constant (case 4) and for Shape (case 5)."""

from __future__ import annotations

from archonnx.compiler.graph import TensorType
from archonnx.compiler.ir import Operator, Tensor
from archonnx.compiler.passes.changes import note
from archonnx.compiler.passes.propagate_layout import Sweep, first
from archonnx.compiler.passes.views import Axes, View, plain, product


def contract(sweep: Sweep, operator: Operator) -> bool:
    """Flatten then Dense: the data stays as it is, the rows of the kernel take its order.

    The kernel (H * W * C, units) is reshaped to (H, W, C, units), moved to (C, H, W, units) and reshaped back.
    """
    x, kernel = first(operator), operator.inputs[1]
    assert kernel is not None
    view = sweep.view(x)
    columns = bool(operator.attributes.get("transB"))  # the kernel is (units, inputs)
    if view.tensor.recipe is not None or kernel.recipe is None or kernel.rank != 2 or x.rank < 2:
        return False
    if operator.attributes.get("transA") or not sweep.arranger.moves(view.tensor, view.axes):
        return False
    inner = view.axes[-1]
    ordered = (*view.axes[:-1], tuple(sorted(inner)))
    sizes = [d for a in inner if isinstance(d := view.tensor.shape[a], int)]
    if sweep.arranger.moves(view.tensor, ordered) or len(sizes) != len(inner):
        return False
    ranks = sorted(range(len(inner)), key=lambda i: inner[i])
    assert kernel.recipe is not None
    if columns:
        recipe = kernel.recipe.reshape((kernel.recipe.shape[0], *sizes)).transpose((0, *(r + 1 for r in ranks)))
    else:
        recipe = kernel.recipe.reshape((*sizes, kernel.recipe.shape[1])).transpose((*ranks, len(inner)))
    moved = Tensor(kernel.name, kernel.type, recipe=recipe.reshape(kernel.recipe.shape))
    inputs = [_in_place(sweep, view, ordered), moved]
    inputs += [sweep.whole(t) for t in operator.inputs[2:] if t is not None]
    result = operator.outputs[0]
    note(
        sweep.graph,
        "propagate_layout",
        f"rows of the kernel of {operator.type} in the order of what it reads",
        operator,
    )
    (new,) = sweep.emit(operator, inputs, [result.type])
    sweep.hold(operator, result, new, plain(result.rank))
    return True


def _in_place(sweep: Sweep, view: View, axes: Axes) -> Tensor:
    """The value with the elements of its last axis in the tensor's order: a Reshape, no Transpose."""
    shape = [product([view.tensor.shape[a] for a in group]) for group in axes]
    return sweep.arranger.arrange(view.tensor, axes, shape, view.origin)


def shape(sweep: Sweep, operator: Operator) -> bool:
    """Sizes are known as expressions: nothing is brought into order to ask for them."""
    x, result = first(operator), operator.outputs[0]
    view = sweep.view(x)
    if view.is_plain or view.tensor.recipe is not None:
        return False
    start = operator.attributes.get("start", 0)
    sizes = x.shape[start : operator.attributes.get("end")]
    found = sweep.b.shape(sizes)
    sweep.views[id(result)] = View(TensorType("int64", result.shape), found, plain(1), view.origin, result.stands_for)
    return True
