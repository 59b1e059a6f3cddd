"""The layout pass: orders of axes are carried along as views, a Transpose is emitted only where an operator needs it.

Layers are lowered channels last, so that each convolution stands between two Transposes. Here a Transpose emits
nothing: it changes the order in which the value's axes are looked at (views.py). Then, operator by operator:

1. Transpose, Squeeze, Unsqueeze, Reshape that merges axes, Identity: the view changes, no operator.
2. Elementwise operators, Concat: all inputs in one order, the one that moves the fewest bytes before and behind;
   constants move in their recipes.
3. Reductions, Softmax, Pad, Slice, Split, Gather, ArgMax, CumSum, Tile: their axes are renumbered.
4. Gemm and MatMul with a constant kernel: the kernel's rows take the order that the data is in.
5. Shape: the sizes are known, whatever the order.
6. All else, and outputs: the value is brought into its own order, once for all who need it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from archonnx.compiler.graph import TensorType
from archonnx.compiler.ir import Operator, OperatorGraph, Tensor
from archonnx.compiler.lowering.builder import Builder
from archonnx.compiler.lowering.emitter import Origin
from archonnx.compiler.passes.axes import find_wishes
from archonnx.compiler.passes.views import Arranger, Axes, View, plain
from archonnx.contract.dims import Facts


def propagate_layout(graph: OperatorGraph, facts: Facts) -> OperatorGraph:
    """The same graph with as few bytes transposed as this pass can find."""
    from archonnx.compiler.passes.layout_rules import RULES

    sweep = Sweep(graph, facts)
    for operator in graph.operators:
        rule = RULES.get(operator.type) if not operator.domain else None
        scalars = all(t is None or t.rank == 0 for t in operator.inputs)  # of no axes that could be ordered
        if rule is None or scalars or not rule(sweep, operator):
            sweep.keep(operator)
    for name, tensor in graph.outputs:
        sweep.graph.outputs.append((name, sweep.whole(tensor)))
    return sweep.graph


class Sweep:
    """The new graph while it is made, and the view that each tensor of the old one has become."""

    def __init__(self, old: OperatorGraph, facts: Facts) -> None:
        self.graph = OperatorGraph(
            old.name,
            old.opset,
            inputs=list(old.inputs),
            domains=dict(old.domains),
            documentation=old.documentation,
            metadata=dict(old.metadata),
            changes=old.changes,
        )
        self.b = Builder(self.graph, facts)
        self.arranger = Arranger(self.b)
        self.wishes = find_wishes(old)
        self.views: dict[int, View] = {}
        for tensor in old.inputs:
            self.b.carry(tensor, is_input=True)
            self.views[id(tensor)] = View(tensor.type, tensor, plain(tensor.rank), Origin(), tensor.stands_for)

    def view(self, tensor: Tensor) -> View:
        """The view that a tensor of the old graph has become; constants are themselves."""
        if tensor.recipe is not None:
            return View(tensor.type, tensor, plain(tensor.rank), Origin())
        return self.views[id(tensor)]

    def whole(self, tensor: Tensor) -> Tensor:
        """The tensor of the new graph that holds the value in its own order."""
        return self.arranger.whole(self.view(tensor))

    def keep(self, operator: Operator) -> None:
        """Case 6: the operator as it is."""
        inputs = [None if t is None else self.whole(t) for t in operator.inputs]
        results = self.emit(operator, inputs, [t.type for t in operator.outputs], operator.attributes)
        for old, new in zip(operator.outputs, results, strict=True):
            self.hold(operator, old, new, plain(new.rank))

    def emit(
        self,
        operator: Operator,
        inputs: Sequence[Tensor | None],
        types: Sequence[TensorType],
        attributes: dict[str, Any] | None = None,
    ) -> tuple[Tensor, ...]:
        """The operator anew over these inputs; attributes are its own unless given."""
        self.b.origin = Origin.of_operator(operator)
        named = operator.attributes if attributes is None else attributes
        results = self.b.op(operator.type, *inputs, result=list(types), domain=operator.domain)
        assert results[0].producer is not None
        results[0].producer.attributes = dict(named)
        results[0].producer.omissible, results[0].producer.merged = operator.omissible, operator.merged
        return results

    def hold(self, operator: Operator, old: Tensor, tensor: Tensor, axes: Axes) -> None:
        """Note that `old` is now `tensor`, looked at along `axes`."""
        view = View(old.type, tensor, axes, Origin.of_operator(operator), old.stands_for)
        self.views[id(old)] = view
        fresh = tensor.stands_for is None and tensor.producer is not None
        if fresh and old.stands_for is not None and view.simple:
            tensor.stands_for = old.stands_for
            permutation = tuple(sorted(range(tensor.rank), key=lambda i: axes[i]))
            tensor.permutation = None if permutation == tuple(range(tensor.rank)) else permutation

    def wanted_axes(self, tensor: Tensor) -> Axes | None:
        """The view's axes that the users of an old tensor would like best; None where none of them cares."""
        wish = self.wishes.get(id(tensor))
        if wish is None:
            return None
        places = {axis: place for place, axis in enumerate(wish.order)}
        return tuple((places[a],) for a in range(tensor.rank))

    def early(self, tensor: Tensor, result: Tensor) -> View:
        """The view of an operator's input, in the order that the result is wanted in where that is cheaper now."""
        view = self.view(tensor)
        axes = self.wanted_axes(result)
        if axes is None or not view.is_plain or axes == view.axes or tensor.rank != result.rank:
            return view
        wish = self.wishes[id(result)]
        order = tuple((a,) for a in wish.order)
        if self.arranger.cost(view.tensor, order) >= wish.price:
            return view
        shape = [view.type.shape[a] for (a,) in order]
        return View(view.type, self.arranger.arrange(view.tensor, order, shape, view.origin), axes, view.origin)


Rule = Callable[[Sweep, Operator], bool]


def first(operator: Operator) -> Tensor:
    """The first input, of operators that always have one."""
    tensor = operator.inputs[0]
    assert tensor is not None
    return tensor
