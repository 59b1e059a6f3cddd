"""What the passes that fuse ask of a graph: who made a tensor, who reads it, which numbers it is multiplied with."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from archonnx.compiler.ir import Operator, OperatorGraph, Tensor
from archonnx.compiler.lowering.builder import Builder
from archonnx.compiler.lowering.constants import literal
from archonnx.compiler.lowering.emitter import Origin
from archonnx.compiler.passes.changes import note
from archonnx.compiler.passes.remove_dead import remove_dead
from archonnx.contract.dims import Facts

CLOSE = 1e-6  # by so much a number may differ from the one that a formula has: how it was rounded when it was written
DEEPEST = 6  # products in products that are looked through


def made_by(tensor: Tensor | None, *kinds: str) -> Operator | None:
    """The operator of ONNX, of one of these types, that gives a tensor."""
    producer = tensor.producer if tensor is not None else None
    return producer if producer is not None and producer.type in kinds and not producer.domain else None


def number(tensor: Tensor | None) -> float | None:
    """The number of a float32 literal of one element."""
    array = literal(tensor)
    return float(array.reshape(-1)[0]) if array is not None and array.size == 1 and array.dtype == "float32" else None


def is_number(tensor: Tensor | None, wanted: float) -> bool:
    """Whether a tensor is this number, as exactly as float32 has it."""
    found = number(tensor)
    return found is not None and near(found, wanted)


def near(found: float, wanted: float) -> bool:
    return abs(found - wanted) <= CLOSE * abs(wanted)


def both_orders(operator: Operator) -> Iterator[tuple[Tensor, Tensor]]:
    """The two inputs of an operator, either first."""
    one, two = operator.inputs
    assert one is not None
    assert two is not None
    yield one, two
    yield two, one


def added(operator: Operator | None, constant: float) -> Tensor | None:
    """What an Add adds this number to."""
    if operator is None or operator.type != "Add":
        return None
    return next((x for x, c in both_orders(operator) if is_number(c, constant)), None)


@dataclass(slots=True)
class Product:
    """A tensor as a number times others."""

    factor: float = 1.0
    terms: list[Tensor] = field(default_factory=list)

    def is_(self, factor: float, *terms: Tensor) -> bool:
        """Whether it is this number times these tensors."""
        return near(self.factor, factor) and sorted(map(id, self.terms)) == sorted(map(id, terms))


def product_of(tensor: Tensor, whole: Iterable[Tensor], depth: int = DEEPEST) -> Product:
    """A tensor as Mul, Div by a number and Pow by 2 or 3 make it of others. Those of `whole` are not taken apart."""
    whole = tuple(whole)
    operator = made_by(tensor, "Mul", "Div", "Pow")
    value = number(tensor)
    if value is not None:
        return Product(value)
    if operator is None or depth == 0 or any(tensor is one for one in whole):
        return Product(1.0, [tensor])
    left, right = operator.inputs
    assert left is not None
    assert right is not None
    one = product_of(left, whole, depth - 1)
    if operator.type == "Mul":
        two = product_of(right, whole, depth - 1)
        return Product(one.factor * two.factor, one.terms + two.terms)
    by = number(right)
    if operator.type == "Div" and by:
        return Product(one.factor / by, one.terms)
    if operator.type == "Pow" and by in (2.0, 3.0):
        return Product(one.factor**by, one.terms * int(by))
    return Product(1.0, [tensor])


def scaled(tensor: Tensor) -> Iterator[tuple[Tensor, float]]:
    """What a tensor may be a number times of: itself first, then what Mul and Div by a literal lead back to."""
    factor = 1.0
    for _ in range(DEEPEST):
        yield tensor, factor
        operator = made_by(tensor, "Mul", "Div")
        if operator is None:
            return
        pairs = both_orders(operator) if operator.type == "Mul" else iter([next(both_orders(operator))])
        found = next(((x, by) for x, c in pairs if (by := number(c))), None)
        if found is None:
            return
        tensor, by = found
        factor = factor * by if operator.type == "Mul" else factor / by


class Fusing:
    """A pass that puts one operator in the place of several: who reads what, and what stands in whose place.

    What other operators read of those in between stays, as what nobody reads any longer goes.
    """

    def __init__(self, graph: OperatorGraph, rule: str) -> None:
        self.graph, self.rule = graph, rule
        self.builder = Builder(OperatorGraph(graph.name, graph.opset), Facts())
        self.instead: dict[int, list[Operator]] = {}
        self.readers: dict[int, list[Operator | None]] = {}
        for operator in graph.operators:
            for tensor in operator.inputs:
                if tensor is not None:
                    self.readers.setdefault(id(tensor), []).append(operator)
        for _, tensor in graph.outputs:
            self.readers.setdefault(id(tensor), []).append(None)

    def reader(self, tensor: Tensor) -> Operator | None:
        """The one operator of ONNX that reads a tensor, once; None where there are others, or where it is an output."""
        readers = self.readers.get(id(tensor), [])
        only = readers[0] if len(readers) == 1 else None
        return only if only is not None and not only.domain else None

    def replace(self, root: Operator, what: str) -> bool:
        """Whether `root` still stands: then `builder` makes what stands in its place, and `done` puts it there."""
        if id(root) in self.instead:
            return False
        self.builder.graph.operators, self.builder.origin = [], Origin.of_operator(root)
        note(self.graph, self.rule, what, root)
        return True

    def done(self, root: Operator, results: list[Tensor] | None = None) -> None:
        """What `builder` made stands in the place of `root`, and gives its results, or these."""
        made = self.builder.graph.operators
        made[-1].outputs = root.outputs if results is None else results  # the same tensors: who reads them goes on so
        for tensor in made[-1].outputs:
            tensor.producer = made[-1]
        self.instead[id(root)] = made

    def finish(self) -> OperatorGraph:
        """The graph with what was made, without what nobody reads any longer."""
        if not self.instead:
            return self.graph
        old = self.graph.operators
        self.graph.operators = [new for operator in old for new in self.instead.get(id(operator), [operator])]
        return remove_dead(self.graph)
