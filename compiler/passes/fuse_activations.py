"""Activations that were written out, as operators of their own."""

from __future__ import annotations

from collections.abc import Iterator
from math import pi

from archonnx.compiler.ir import Operator, OperatorGraph, Tensor
from archonnx.compiler.passes.patterns import (
    Fusing,
    added,
    both_orders,
    is_number,
    made_by,
    near,
    product_of,
    scaled,
)

CUBIC = 0.044715  # of GELU by tanh
GELU_SINCE = 20


def fuse_activations(graph: OperatorGraph) -> OperatorGraph:
    """One operator for a formula over float32, whatever the order of its sums and products.

    1. 0.5 x (1 + erf(x / sqrt 2)): Gelu, since opset 20.
    2. 0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))), also with x (1 + 0.044715 x^2) inside: Gelu by tanh.
    3. x clip(x + 3, 0, 6) / 6, also with Min and Max, and x HardSigmoid(x): HardSwish.
    4. x / (1 + |x|): Softsign.

    x Sigmoid(x) stays: onnxruntime is slower with Swish. The measurements are in docs/merging.md.
    """
    fusing = Fusing(graph, "fuse_activations")
    for operator in graph.operators:
        rule = _RULES.get(operator.type) if not operator.domain else None
        if rule is not None and operator.outputs[0].dtype == "float32":
            rule(fusing, operator)
    return fusing.finish()


def _erf(fusing: Fusing, erf: Operator) -> None:
    """Case 1."""
    curve = _plus_one(fusing, erf)
    if curve is None or fusing.graph.opset < GELU_SINCE:
        return
    for x, factor in scaled(_first(erf)):
        if near(factor, 0.5**0.5) and _times_curve(fusing, x, curve, 0.5, "Gelu"):
            return


def _tanh(fusing: Fusing, tanh: Operator) -> None:
    """Case 2."""
    curve = _plus_one(fusing, tanh)
    if curve is None or fusing.graph.opset < GELU_SINCE:
        return
    for cubic, factor in scaled(_first(tanh)):
        for x in _cubic(cubic, (2 / pi) ** 0.5 / factor):
            if _times_curve(fusing, x, curve, 0.5, "Gelu", approximate="tanh"):
                return


def _cubic(tensor: Tensor, factor: float) -> Iterator[Tensor]:
    """What x may be where a tensor is factor (x + 0.044715 x^3)."""
    add, product = made_by(tensor, "Add"), made_by(tensor, "Mul")
    if add is not None and near(factor, 1.0):
        for x, rest in both_orders(add):
            if product_of(rest, [x]).is_(CUBIC, x, x, x):
                yield x
    for one, two in both_orders(product) if product is not None else ():
        square = added(made_by(two, "Add"), 1.0)
        for x, by in scaled(one) if square is not None else ():
            if near(by, factor) and square is not None and product_of(square, [x]).is_(CUBIC, x, x):
                yield x


def _clip(fusing: Fusing, clip: Operator) -> None:
    """Case 3: of what is held between 0 and 6."""
    inner: Tensor | None = None
    if clip.type == "Clip":
        bounds = [*clip.inputs[1:], None, None]
        inner = _first(clip) if is_number(bounds[0], 0.0) and is_number(bounds[1], 6.0) else None
    elif (low := made_by(_beside(clip, 6.0), "Max")) is not None:
        inner = _beside(low, 0.0)
    x = added(made_by(inner, "Add"), 3.0)
    if x is not None:
        _times_curve(fusing, x, clip.outputs[0], 1 / 6, "HardSwish")


def _beside(operator: Operator, constant: float) -> Tensor | None:
    """What Min or Max compares with this number."""
    if len(operator.inputs) != 2:
        return None
    return next((x for x, c in both_orders(operator) if is_number(c, constant)), None)


def _hard_sigmoid(fusing: Fusing, sigmoid: Operator) -> None:
    """Case 3: of HardSigmoid, where it has HardSwish's slope."""
    if near(sigmoid.attributes.get("alpha", 0.2), 1 / 6) and near(sigmoid.attributes.get("beta", 0.5), 0.5):
        _times_curve(fusing, _first(sigmoid), sigmoid.outputs[0], 1.0, "HardSwish")


def _abs(fusing: Fusing, absolute: Operator) -> None:
    """Case 4."""
    x, curve = _first(absolute), _plus_one(fusing, absolute)
    divide = fusing.reader(curve) if curve is not None else None
    if divide is not None and divide.type == "Div" and divide.inputs == [x, curve]:
        _put(fusing, x, divide, "Softsign")


def _first(operator: Operator) -> Tensor:
    assert operator.inputs[0] is not None
    return operator.inputs[0]


def _plus_one(fusing: Fusing, operator: Operator) -> Tensor | None:
    """1 + the operator's result, where nothing else reads that."""
    add = fusing.reader(operator.outputs[0])
    return add.outputs[0] if add is not None and added(add, 1.0) is operator.outputs[0] else None


def _times_curve(fusing: Fusing, x: Tensor, curve: Tensor, factor: float, kind: str, **attributes: str) -> bool:
    """Put an operator in the place of factor x curve, whichever of its products comes last."""
    result = curve
    for _ in range(3):
        root = fusing.reader(result)
        if root is None or root.type not in ("Mul", "Div"):
            return False
        result = root.outputs[0]
        if product_of(result, [x, curve]).is_(factor, x, curve):
            return _put(fusing, x, root, kind, **attributes)
    return False


def _put(fusing: Fusing, x: Tensor, root: Operator, kind: str, **attributes: str) -> bool:
    result = root.outputs[0]
    if x.type != result.type or not fusing.replace(root, f"a formula becomes {kind}"):
        return False
    fusing.builder.op(kind, x, result=result.type, **attributes)
    fusing.done(root)
    return True


_RULES = {"Erf": _erf, "Tanh": _tanh, "Clip": _clip, "Min": _clip, "HardSigmoid": _hard_sigmoid, "Abs": _abs}
