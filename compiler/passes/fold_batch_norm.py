"""Batch normalization folded into the product before it: its factor into the kernel, the rest into the bias.

    gamma * (x @ kernel + bias - mean) / sqrt(variance + epsilon) + beta
        = x @ (kernel * factor) + ((bias - mean) * factor + beta)          factor = gamma / sqrt(variance + epsilon)

Recipes change, whatever weights hold: the numbers are worked out while the file is written (weights/folding.py).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable
from dataclasses import dataclass

from archonnx.compiler.graph import TensorType
from archonnx.compiler.ir import Merged, Operator, OperatorGraph, Tensor
from archonnx.compiler.lowering.constants import literal
from archonnx.compiler.passes.axes import permutation_of
from archonnx.compiler.passes.changes import note
from archonnx.compiler.passes.readers import Readers
from archonnx.compiler.weights.folding import NormFactor, Scaled, Shifted
from archonnx.compiler.weights.recipe import Recipe
from archonnx.compiler.weights.sources import Draw
from archonnx.compiler.weights.transforms import Cast, Reshape, Transpose
from archonnx.contract.dims import Facts

ADDED = {"Conv": 2, "ConvTranspose": 2, "Gemm": 2}  # operator -> the input that is added


def fold_batch_norm(graph: OperatorGraph, facts: Facts) -> OperatorGraph:
    """Leave out each BatchNormalization, as at inference, whose input a product with a weight alone gives.

    1. Behind Conv, grouped and depthwise too, ConvTranspose of one group, Gemm, MatMul, and Add of a bias to one.
    2. Transposes in between stay: those behind the normalization often undo them.
    3. A MatMul without a bias gets an Add.
    4. Not where anything else reads the product, nor where anything else reads a weight that would change, as where
       layers share it, nor where one weight is two of these; several that share all of them fold together.
    """
    while found := _chosen(graph):
        added = {id(match.product): adding for match in found if (adding := _fold(graph, match)) is not None}
        graph.operators = [one for o in graph.operators for one in (o, added.get(id(o))) if one is not None]
        _clean(graph, {id(match.norm): match for match in found})
    return graph


@dataclass(slots=True)
class _Match:
    """A normalization and the product before it. `between` are the Transposes of that way, the last first.

    base: what gives the normalization's channels: `product`, or the Add of a bias behind it. axis: the kernel's, of
    outputs. place: the base's input that is added, None: it has none.
    """

    norm: Operator
    product: Operator
    base: Operator
    kernel: int
    axis: int
    place: int | None
    between: list[Operator]

    @property
    def bias(self) -> Tensor | None:
        """What is added already."""
        inputs = self.base.inputs
        return inputs[self.place] if self.place is not None and self.place < len(inputs) else None

    @property
    def operators(self) -> set[int]:
        return {id(self.norm), id(self.product), id(self.base)}

    def recipes(self) -> list[Recipe]:
        """The kernel's, the bias', and the normalization's."""
        tensors = [self.product.inputs[self.kernel], *self.norm.inputs[1:5], self.bias]
        return [t.recipe for t in tensors if t is not None and t.recipe is not None]

    def can_rest(self) -> bool:
        """Whether no weight is two things of the normalization: mean and bias are other numbers when read back."""
        given = (self.product.inputs[self.kernel], self.bias)
        others = {id(w) for t in given if t is not None and t.recipe is not None for w in t.recipe.weights()}
        own = [{id(w) for w in t.recipe.weights()} for t in self.norm.inputs[1:5] if t is not None and t.recipe]
        return len(others.union(*own)) == len(others) + sum(map(len, own))

    def key(self) -> Hashable:
        """The same where all that is folded is the same."""
        return self.axis, self.norm.attributes.get("epsilon"), tuple(recipe.key() for recipe in self.recipes())


def _chosen(graph: OperatorGraph) -> list[_Match]:
    """The matches whose weights nobody else reads."""
    norms = [operator for operator in graph.operators if operator.type == "BatchNormalization"]
    if not norms:
        return []
    readers = Readers(graph)
    matches = [match for norm in norms if (match := _match(norm, readers)) is not None]
    if not matches:
        return []
    reading = readers.of_weights()
    alike: dict[Hashable, list[_Match]] = defaultdict(list)
    for match in matches:
        alike[match.key()].append(match)
    chosen: list[_Match] = []
    for group in alike.values():
        inside = {key for match in group for key in match.operators}
        weights = {id(weight) for recipe in group[0].recipes() for weight in recipe.weights()}
        if group[0].can_rest() and all(reading[weight] <= inside for weight in weights):
            chosen += group
    return chosen


def _match(norm: Operator, readers: Readers) -> _Match | None:
    """The product that a normalization can be folded into."""
    if norm.domain or norm.attributes.get("training_mode"):
        return None
    if not all(_can_rest(t, place) for place, t in enumerate(norm.inputs[1:5])):
        return None
    if any(readers.read(result) for result in norm.outputs[1:]):
        return None
    tensor, axis, between = norm.inputs[0], 1, list[Operator]()
    while tensor is not None and tensor.producer is not None and readers.only(tensor):
        base = tensor.producer
        if base.domain:
            return None
        if base.type == "Transpose":
            axis = permutation_of(base)[axis]
            between.append(base)
            tensor = base.inputs[0]
            continue
        return _product(norm, base, axis, between, readers)
    return None


def _product(norm: Operator, base: Operator, axis: int, between: list[Operator], readers: Readers) -> _Match | None:
    """The match of a base whose channels are this axis of its result."""
    last = base.outputs[0].rank - 1
    product, place = base, ADDED.get(base.type)
    if base.type == "Add" and axis == last:
        place = next((i for i, t in enumerate(base.inputs) if t is not None and t.recipe is not None), None)
        other = None if place is None else base.inputs[1 - place]
        if other is None or other.producer is None or not readers.only(other) or other.rank != last + 1:
            return None
        product = other.producer
    if product.domain or (product.type != "MatMul" and product is not base):
        return None
    kernel_axis = _kernel_axis(product, axis)
    if kernel_axis is None:
        return None
    match = _Match(norm, product, base, 1, kernel_axis, place, between)
    kernel = product.inputs[1]
    assert kernel is not None
    size = kernel.shape[kernel_axis]
    bias = match.bias
    if bias is not None and not (
        bias.recipe is not None and bias.recipe.shape == (size,) and _is_weight(bias.recipe, folded=True)
    ):
        return None
    return match if all(t is not None and t.shape == (size,) for t in norm.inputs[1:5]) else None


def _kernel_axis(product: Operator, axis: int) -> int | None:
    """The axis of a product's kernel that becomes this axis of its result; None where that is not so."""
    kernel = product.inputs[1] if len(product.inputs) > 1 else None
    attributes = product.attributes
    if kernel is None or kernel.recipe is None or kernel.recipe.is_literal:
        return None
    if product.type == "Conv":
        return 0 if axis == 1 else None
    if product.type == "ConvTranspose":
        return 1 if axis == 1 and attributes.get("group", 1) == 1 else None
    if product.type == "Gemm":
        plain = attributes.get("beta", 1.0) == 1.0
        return (0 if attributes.get("transB") else 1) if axis == 1 and plain else None
    if product.type == "MatMul" and kernel.rank == 2:
        result = product.outputs[0]
        return 1 if result.rank >= 2 and axis == result.rank - 1 else None
    return None


def _can_rest(tensor: Tensor | None, place: int) -> bool:
    """Whether a file that has it folded can be read back: a weight, or the ones or zeros that stand for no weight."""
    if tensor is None or tensor.recipe is None:
        return False
    if _is_weight(tensor.recipe):
        return True
    array = literal(tensor)
    return array is not None and place < 2 and bool((array == 1 - place).all())


def _is_weight(recipe: Recipe, *, folded: bool = False) -> bool:
    """Whether it is a whole weight, in another form perhaps; or one that a normalization is folded into already."""
    while isinstance(recipe, (Cast, Reshape, Transpose)):
        recipe = recipe.source
    return isinstance(recipe, Draw) or (folded and isinstance(recipe, Shifted))


def _fold(graph: OperatorGraph, match: _Match) -> Operator | None:
    """Put the normalization's numbers into the product's recipes. The result goes behind the product (case 3)."""
    norm, product, base = match.norm, match.product, match.base
    gamma, beta, mean, variance = (t.recipe for t in norm.inputs[1:5] if t is not None)
    kernel = product.inputs[match.kernel]
    assert kernel is not None
    assert kernel.recipe is not None
    assert mean is not None
    assert variance is not None
    factor = NormFactor(
        gamma if gamma is not None and _is_weight(gamma) else None, variance, norm.attributes.get("epsilon", 1e-5)
    )
    product.inputs[match.kernel] = Tensor(kernel.name, kernel.type, recipe=Scaled(kernel.recipe, match.axis, factor))
    place, bias = match.place, match.bias
    moved = Shifted(
        None if bias is None else bias.recipe,
        mean,
        factor,
        beta if beta is not None and _is_weight(beta) else None,
        kernel.dtype,
    )
    adding = None
    added = Tensor("bias" if bias is None else bias.name, TensorType(kernel.dtype, moved.shape), recipe=moved)
    if place is not None:
        base.inputs += [None] * (place + 1 - len(base.inputs))
        base.inputs[place] = added
    else:
        adding = _adding(match, added)
    into = "MatMul" if product is not base else base.type
    note(graph, "fold_batch_norm", f"BatchNormalization into {into}", norm)
    base.merged += Merged(norm.type, norm.layer, norm.place), *norm.merged
    # What the product gives is no longer its layer's value; in the normalization's place it stands for that one's.
    for operator in (product, base, *match.between):
        operator.outputs[0].stands_for = operator.outputs[0].permutation = None
    last, result = norm.inputs[0], norm.outputs[0]
    assert last is not None
    last.stands_for, last.permutation = result.stands_for, result.permutation
    return adding


def _adding(match: _Match, bias: Tensor) -> Operator:
    """The Add behind a MatMul, which whoever read the product reads."""
    product = match.product
    result = product.outputs[0]
    prefix = product.name[: product.name.rfind("/") + 1]
    adding = Operator("Add", [result, bias], [], {}, "", f"{prefix}Add", product.layer, product.place, product.trail)
    adding.outputs = [Tensor(f"{prefix}add", result.type, adding)]
    reader = match.between[-1] if match.between else match.norm
    reader.inputs[0] = adding.outputs[0]
    return adding


def _clean(graph: OperatorGraph, folded: dict[int, _Match]) -> None:
    """Without the normalizations, and without what hung dead on their products: it would hold another value now."""
    live = Readers(graph).live
    instead: dict[int, Tensor] = {}
    changed = {
        id(operator.outputs[0]) for match in folded.values() for operator in (match.product, match.base, *match.between)
    }
    kept: list[Operator] = []
    for operator in graph.operators:
        hangs = any(id(t) in changed for t in operator.inputs if t is not None)
        operator.inputs = [None if t is None else instead.get(id(t), t) for t in operator.inputs]
        if id(operator) in folded:
            source = operator.inputs[0]
            assert source is not None
            instead[id(operator.outputs[0])] = source
        elif hangs and id(operator) not in live:
            changed.update(id(t) for t in operator.outputs)
        else:
            kept.append(operator)
    graph.operators = kept
    graph.outputs = [(name, instead.get(id(tensor), tensor)) for name, tensor in graph.outputs]
