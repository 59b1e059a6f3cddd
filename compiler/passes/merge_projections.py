"""Products of one value with several matrices: one product with the matrices side by side."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

from archonnx.compiler.graph import TensorType
from archonnx.compiler.ir import Operator, OperatorGraph, Tensor
from archonnx.compiler.lowering.builder import Builder
from archonnx.compiler.passes.patterns import Fusing
from archonnx.compiler.passes.readers import Readers
from archonnx.compiler.recipes import Recipe, concatenate

LEAST = 3  # products: of two, the copies of Split cost what the product gains
ROWS = 128  # a value with so many rows keeps the product busy as it is


@dataclass(slots=True)
class Branch:
    """A MatMul with a constant matrix, and the Add of a constant bias behind it."""

    product: Operator
    add: Operator | None
    kernel: Tensor
    bias: Tensor | None

    @property
    def result(self) -> Tensor:
        return (self.add or self.product).outputs[0]

    @property
    def recipes(self) -> list[Recipe]:
        return [t.recipe for t in (self.kernel, self.bias) if t is not None and t.recipe is not None]


def merge_projections(graph: OperatorGraph) -> OperatorGraph:
    """Multiply once, then split: what short texts gain by it is told in docs/merging.md.

    1. Three or more MatMuls of one value with constant matrices, as the queries, keys and values of attention: a MatMul
       with their matrices joined, and a Split into what were their results.
    2. The same with a constant bias behind each: the biases are joined too.

    A value that has 128 rows or more whatever comes in is left alone: there is nothing to gain. So are weights that
    anything else reads, which would be stored twice; layers that share all of them merge alike.
    """
    fusing = Fusing(graph, "merge_projections")
    groups: dict[tuple[int, bool], list[Branch]] = {}
    for operator in graph.operators:
        branch = _branch(fusing, operator)
        if branch is not None:
            groups.setdefault((id(operator.inputs[0]), branch.bias is not None), []).append(branch)
    chosen = [branches for branches in groups.values() if len(branches) >= LEAST]
    for branches in _alone(graph, chosen):
        first = branches[0].product
        fusing.replace(first, f"{len(branches)} products of one value become one")
        _merge(fusing.builder, branches)
        fusing.done(first, [branch.result for branch in branches])
        for branch in branches:
            for one in (branch.product, branch.add):
                if one is not None and one is not first:
                    fusing.instead[id(one)] = []
    return fusing.finish()


def _alone(graph: OperatorGraph, groups: list[list[Branch]]) -> list[list[Branch]]:
    """The groups whose weights nothing reads but they, and others of the very same weights."""
    if not groups:
        return []
    readers = Readers(graph).of_weights()
    alike: dict[Hashable, set[int]] = {}  # of groups with the same weights, their operators
    owns = [alike.setdefault(_weights_of(branches), set()) for branches in groups]
    for own, branches in zip(owns, groups, strict=True):
        own.update(id(one) for b in branches for one in (b.product, b.add) if one is not None)
    return [
        branches
        for own, branches in zip(owns, groups, strict=True)
        if all(readers[id(w)] <= own for b in branches for r in b.recipes for w in r.weights())
    ]


def _weights_of(branches: list[Branch]) -> Hashable:
    return tuple(recipe.key() for branch in branches for recipe in branch.recipes)


def _branch(fusing: Fusing, operator: Operator) -> Branch | None:
    """The operator as one of several branches, where it can be one."""
    if operator.domain or operator.type != "MatMul":
        return None
    x, kernel = operator.inputs
    if x is None or kernel is None or x.recipe is not None or kernel.recipe is None or kernel.rank != 2 or x.rank < 2:
        return None
    rows = 1
    for dim in x.shape[:-1]:
        rows *= dim if isinstance(dim, int) else 1
    if rows >= ROWS:
        return None
    product = operator.outputs[0]
    add = fusing.reader(product)
    if add is not None and add.type == "Add":
        bias = add.inputs[1] if add.inputs[0] is product else add.inputs[0]
        if bias is not None and bias.recipe is not None and bias.shape == kernel.shape[1:]:
            return Branch(operator, add, kernel, bias)
    return Branch(operator, None, kernel, None)


def _merge(builder: Builder, branches: list[Branch]) -> None:
    """The product, the Add of the biases if there are such, the Split."""
    x = branches[0].product.inputs[0]
    assert x is not None
    y = builder.matmul(x, _joined([b.kernel for b in branches], 1))
    biases = [b.bias for b in branches if b.bias is not None]
    if biases:
        y = builder.op("Add", y, _joined(biases, 0), result=y.type)
    widths = builder.ints([d for b in branches if isinstance(d := b.kernel.shape[1], int)])
    builder.op("Split", y, widths, result=[b.result.type for b in branches], axis=y.rank - 1)


def _joined(constants: list[Tensor], axis: int) -> Tensor:
    recipe = concatenate([c.recipe for c in constants if c.recipe is not None], axis)
    return Tensor(constants[0].name, TensorType(recipe.dtype, recipe.shape), recipe=recipe)
