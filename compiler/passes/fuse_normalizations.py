"""Normalizations that were written out, as operators of their own, or in the form that onnxruntime makes one of."""

from __future__ import annotations

from dataclasses import dataclass

from archonnx.compiler.ir import Operator, OperatorGraph, Tensor
from archonnx.compiler.lowering.builder import Builder
from archonnx.compiler.passes.axes import reduced_axes
from archonnx.compiler.passes.patterns import Fusing, both_orders, is_number, made_by, number, product_of
from archonnx.contract.dims import Dim

RMS_SINCE = 23


@dataclass(slots=True)
class Norm:
    """`value` over the root of its mean square over the axes from `axis` on, which `root` gives.

    best: whether it is written as onnxruntime wants it.
    """

    value: Tensor
    axis: int
    epsilon: float
    root: Operator
    best: bool

    @property
    def sizes(self) -> tuple[Dim, ...]:
        """Of the axes that are normalized."""
        return self.value.shape[self.axis :]


def fuse_normalizations(graph: OperatorGraph) -> OperatorGraph:
    """One operator for a formula over float32, d / sqrt(mean(d^2) + epsilon), the mean over the last axes.

    1. d = x - mean(x): LayerNormalization, with the constants that a Mul and an Add behind it scale and shift with.
    2. Any other d, and a scale: RMSNormalization, since opset 23; before, Pow and Div, of which onnxruntime makes one
       operator, where the square was a product or the division a product with the reciprocal.
    """
    fusing = Fusing(graph, "fuse_normalizations")
    for operator in graph.operators:
        if operator.type == "Sqrt" and not operator.domain and operator.outputs[0].dtype == "float32":
            norm = _norm(fusing, operator)
            if norm is not None and not _layer(fusing, norm):
                _root_mean_square(fusing, norm)
    return fusing.finish()


def _norm(fusing: Fusing, sqrt: Operator) -> Norm | None:
    """The formula around a square root."""
    add = made_by(sqrt.inputs[0], "Add")
    if add is None:
        return None
    mean, epsilon = next(
        ((made_by(x, "ReduceMean"), n) for x, c in both_orders(add) if (n := number(c)) is not None), (None, None)
    )
    axis = _last_axes(mean)
    square = made_by(mean.inputs[0], "Mul", "Pow") if mean is not None else None
    value = square.inputs[0] if square is not None else None
    if square is None or value is None or axis is None or epsilon is None:
        return None
    if not product_of(square.outputs[0], [value]).is_(1.0, value, value):
        return None
    length, kind = sqrt.outputs[0], "Div"
    root = fusing.reader(length)
    if root is not None and _inverts(root, length):
        length, kind = root.outputs[0], "Mul"
        root = fusing.reader(length)
    if root is None or root.type != kind or root.outputs[0].type != value.type:
        return None
    if root.inputs != [value, length] and not (kind == "Mul" and root.inputs == [length, value]):
        return None
    return Norm(value, axis, epsilon, root, best=square.type == "Pow" and kind == "Div")


def _last_axes(mean: Operator | None) -> int | None:
    """The axis from which on a ReduceMean takes all, keeping them."""
    if mean is None or not mean.attributes.get("keepdims", 1):
        return None
    axes, x = reduced_axes(mean), mean.inputs[0]
    return axes[0] if axes and x is not None and axes == list(range(axes[0], x.rank)) else None


def _inverts(operator: Operator, tensor: Tensor) -> bool:
    """Whether it is 1 / tensor."""
    by_division = operator.type == "Div" and operator.inputs[1] is tensor and is_number(operator.inputs[0], 1.0)
    return by_division or operator.type == "Reciprocal"


def _behind(fusing: Fusing, kind: str, norm: Norm) -> Tensor | None:
    """The constant that an operator behind scales or shifts what is normalized with: it is then the formula's root."""
    result = norm.root.outputs[0]
    operator = fusing.reader(result)
    if operator is not None and operator.type == kind and operator.outputs[0].type == result.type:
        for x, constant in both_orders(operator):
            if x is result and constant.recipe is not None and constant.shape == norm.sizes:
                norm.root = operator
                return constant
    return None


def _layer(fusing: Fusing, norm: Norm) -> bool:
    """Case 1."""
    centred = made_by(norm.value, "Sub")
    x, middle = centred.inputs if centred is not None else (None, None)
    mean = made_by(middle, "ReduceMean")
    if x is None or mean is None or mean.inputs[0] is not x or x.type != norm.value.type:
        return False
    sizes = [d for d in norm.sizes if isinstance(d, int)]
    if _last_axes(mean) != norm.axis or len(sizes) < len(norm.sizes):
        return False
    b = fusing.builder
    scale = _behind(fusing, "Mul", norm)
    shift = _behind(fusing, "Add", norm)
    if fusing.replace(norm.root, "a formula becomes LayerNormalization"):
        scale = _ones(b, sizes) if scale is None else scale
        axis, epsilon = norm.axis - x.rank, norm.epsilon
        b.op("LayerNormalization", x, scale, shift, result=x.type, axis=axis, epsilon=epsilon)
        fusing.done(norm.root)
    return True


def _ones(b: Builder, sizes: list[int]) -> Tensor:
    import numpy as np

    return b.constant(np.ones(sizes, np.float32))


def _root_mean_square(fusing: Fusing, norm: Norm) -> None:
    """Case 2."""
    b, x = fusing.builder, norm.value
    scale = _behind(fusing, "Mul", norm)
    if scale is None:
        return
    if b.opset >= RMS_SINCE:
        if fusing.replace(norm.root, "a formula becomes RMSNormalization"):
            axis, epsilon = norm.axis - x.rank, norm.epsilon
            b.op("RMSNormalization", x, scale, result=x.type, axis=axis, epsilon=epsilon)
            fusing.done(norm.root)
    elif not norm.best and fusing.replace(norm.root, "a formula becomes one that onnxruntime makes one operator of"):
        mean = b.reduce("Mean", b.op("Pow", x, b.like(x, 2.0), result=x.type), range(norm.axis, x.rank), keepdims=True)
        root = b.op("Sqrt", b.op("Add", mean, b.like(x, norm.epsilon), result=mean.type))
        b.op("Mul", b.op("Div", x, root, result=x.type), scale, result=x.type)
        fusing.done(norm.root)
