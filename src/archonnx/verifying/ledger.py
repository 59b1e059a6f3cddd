"""The parameter ledger: what each side counts, and each difference from the model's own weights, summing exactly."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from archonnx.contract.dtypes import DTYPES, is_float

if TYPE_CHECKING:
    from pathlib import Path

    from onnx import GraphProto, TensorProto

    from archonnx.compiler.artifact import CompiledModel
    from archonnx.compiler.graph import LayerGraph, Weight
    from archonnx.compiler.ir import Operator, OperatorGraph, Tensor
    from archonnx.compiler.recipes import Recipe

CONSTANTS = "constants: shapes, axes, thresholds"
SECOND = "second forms of weights"
BESIDE = "zeros and ones beside weights"
FOLDED = "weights folded into others"
UNREAD = "that no operator reads"
FLOATS = frozenset(kind.onnx for kind in DTYPES.values() if kind.kind == "float")
FOLDING = ("Conv", "ConvTranspose", "Gemm", "MatMul")
INTO = "numbers that they were folded into"
STATISTICS = "moving statistics, which are buffers there"
KINDS = {
    **dict.fromkeys(("kernel", "depthwise_kernel", "pointwise_kernel", "recurrent_kernel"), "kernels"),
    **dict.fromkeys(("gamma", "beta", "scale"), "scales and shifts of norms"),
    **dict.fromkeys(("moving_mean", "moving_variance", "mean", "variance"), "statistics of norms"),
    "bias": "biases",
    "embeddings": "embeddings",
}
SECOND_BIASES = "second biases of recurrent layers"
TORCH_OWN = "parameters that its modules have otherwise"
KERAS_OWN = "variables that Keras keeps beside them"


@dataclass(frozen=True, slots=True)
class Item:
    """A difference: how many parameters more (or, below 0, fewer), in how many tensors (0: not told)."""

    label: str
    count: int
    tensors: int = 0

    def __str__(self) -> str:
        sign = "+" if self.count >= 0 else "−"
        return f"{sign} {abs(self.count):,} {self.label}" + (f" ({self.tensors})" if self.tensors else "")


@dataclass(frozen=True, slots=True)
class Account:
    """What one side counts; the model's own number and the items add up to `total`."""

    side: str
    total: int
    items: tuple[Item, ...] = ()


@dataclass(frozen=True, slots=True)
class Ledger:
    """The model's own number, of it what is trained, and an account for each side."""

    total: int
    trainable: int
    accounts: list[Account] = field(default_factory=list)

    def add(self, side: str, total: int, items: Iterable[Item]) -> None:
        """Enter an account. ValueError unless it adds up."""
        kept = tuple(item for item in items if item.count)
        if self.total + sum(item.count for item in kept) != total:
            raise ValueError(f"the account of {side} does not add up: {self.total} and {kept} are not {total}")
        self.accounts.append(Account(side, total, kept))


def opened(graph: LayerGraph) -> Ledger:
    """The ledger with what the model itself has."""
    from archonnx.compiler.analysis.cost import count_parameters

    counted = count_parameters(graph.weights())
    return Ledger(counted.total, counted.trainable)


def enter_keras(ledger: Ledger, counted: int) -> None:
    """What Keras counts in its own model."""
    ledger.add("keras", counted, [Item(KERAS_OWN, counted - ledger.total)])


def enter_torch(ledger: Ledger, graph: LayerGraph, counted: int | None = None) -> None:
    """What PyTorch's `parameters()` of the same layers hold: as counted, or by what is known of its layers."""
    from archonnx.compiler.analysis.cost import STATISTICS as NAMES

    buffers = [w for w in graph.weights() if not w.trainable and w.path.rsplit("/", 1)[-1] in NAMES]
    layers = {id(node.layer): node.layer for node in graph.nodes}.values()
    second = [layer.biases_of_torch() for layer in layers if layer.biases_of_torch()]
    items = [
        Item(STATISTICS, -sum(w.size for w in buffers), len(buffers)),
        Item(SECOND_BIASES, sum(second), len(second)),
    ]
    expected = ledger.total + sum(item.count for item in items)
    if counted is not None:
        items.append(Item(TORCH_OWN, counted - expected))
    ledger.add("pytorch", expected if counted is None else counted, items)


def enter_graph(ledger: Ledger, side: str, model: CompiledModel, graph: OperatorGraph, path: Path) -> None:
    """The initializers of a file that was written from an operator graph, which knows the weights behind them."""
    ours = side == "archonnx"
    bodies = [t for o in graph.everywhere() for body in o.bodies.values() for t in body.literals()]
    stored = [t for t in (*graph.constants(), *bodies) if t.recipe is not None]
    recipes = [t.recipe for t in stored if t.recipe is not None]
    read = {id(w) for recipe in recipes for w in recipe.weights()}
    missing = [w for w in model.graph.weights() if id(w) not in read]
    items = [*_forms([recipe for recipe in recipes if not recipe.is_literal])]
    items += _by_kind(missing, UNREAD if ours else "folded")
    short = {w.path.rpartition("/")[0] for w in missing}
    readers = _readers(graph)
    into = [t for t in stored if not ours and missing and _is_folded(t, readers[id(t)], short)]
    rest = [t for t in stored if t.recipe is not None and t.recipe.is_literal and not any(t is one for one in into)]
    items += [_item(INTO, [t.recipe.size for t in into if t.recipe is not None])]
    items += [_item(CONSTANTS, [t.recipe.size for t in rest if t.recipe is not None])]
    ledger.add(side, sum(math.prod(dims) for _, dims in _stored(path)), items)


def _item(label: str, sizes: Sequence[int]) -> Item:
    return Item(label, sum(sizes), len(sizes))


def _by_kind(weights: Sequence[Weight], what: str) -> list[Item]:
    """The weights that are missing, an item for each kind: kernels, biases, what norms have."""
    kinds: dict[str, list[int]] = defaultdict(list)
    for weight in weights:
        kinds[KINDS.get(weight.path.rsplit("/", 1)[-1], "other weights")].append(-weight.size)
    return [_item(f"{kind} {what}", sizes) for kind, sizes in kinds.items()]


def _readers(graph: OperatorGraph) -> dict[int, list[Operator]]:
    """The operators that read each tensor, by the tensor's identity."""
    found: dict[int, list[Operator]] = defaultdict(list)
    for operator in graph.everywhere():
        for tensor in operator.inputs:
            if tensor is not None:
                found[id(tensor)].append(operator)
    return found


def _is_folded(tensor: Tensor, readers: Sequence[Operator], short: set[str]) -> bool:
    """Whether a literal holds what weights were folded into: numbers that a layer short of its weights reads, or
    one that no layer is known of, or the operators that fold."""
    recipe = tensor.recipe
    if recipe is None or not recipe.is_literal or not is_float(recipe.dtype) or not recipe.shape:
        return False
    layers = {operator.layer for operator in readers}
    near = any(path == layer or path.startswith(f"{layer}/") for layer in layers if layer for path in short)
    return near or "" in layers or any(operator.type in FOLDING for operator in readers)


def enter_other(ledger: Ledger, side: str, model: CompiledModel, seed: int, path: Path) -> None:
    """The initializers of anybody's file: weights are found by their paths, else by the numbers that they hold."""
    import onnx
    from onnx import numpy_helper

    from archonnx.compiler.keras.route.recognizing import Recognizer

    weights = {w.path: w for w in model.graph.weights()}
    known = Recognizer(model.graph.nodes, model.evaluation(seed))
    found: set[int] = set()
    second: list[int] = []
    numbers: list[int] = []
    constants: list[int] = []
    for initializer in _initializers(onnx.load(path).graph):
        size = math.prod(initializer.dims)
        named = weights.get(initializer.name)
        holds = [named] if named is not None and named.size == size else []
        if not holds and size > 1:
            recipe = known.weight_in(numpy_helper.to_array(initializer), ())
            holds = list(recipe.weights()) if recipe is not None else []
        if not holds:
            (numbers if initializer.data_type in FLOATS and initializer.dims else constants).append(size)
        elif id(holds[0]) in found:
            second.append(size)
        else:
            found.add(id(holds[0]))
    missing = [w for w in weights.values() if id(w) not in found]
    items = [
        _item(SECOND, second),
        *_by_kind(missing, "not found by what they hold"),
        _item(INTO, numbers if missing else []),
        _item(CONSTANTS, constants if missing else [*numbers, *constants]),
    ]
    ledger.add(side, sum(math.prod(dims) for _, dims in _stored(path)), items)


def _forms(recipes: Sequence[Recipe]) -> Iterator[Item]:
    """What the stored forms of weights hold beyond the weights, or short of them, group by group of what hangs
    together: a weight cut in slices is one group with its slices, and so are weights folded into one."""
    groups: dict[int, int] = {}  # weight -> the group's first weight

    def root(key: int) -> int:
        while groups[key] != key:
            key = groups[key]
        return key

    weights: dict[int, Weight] = {}
    for recipe in recipes:
        ids = []
        for weight in recipe.weights():
            weights[id(weight)] = weight
            groups.setdefault(id(weight), id(weight))
            ids.append(id(weight))
        for other in ids[1:]:
            groups[root(other)] = root(ids[0])
    stored: dict[int, int] = defaultdict(int)
    padded: dict[int, bool] = defaultdict(bool)
    own: dict[int, int] = defaultdict(int)
    for recipe in recipes:
        group = root(id(next(recipe.weights())))
        stored[group] += recipe.size
        padded[group] = padded[group] or _holds_literals(recipe)
    for key, weight in weights.items():
        own[root(key)] += weight.size
    counts: dict[str, list[int]] = {SECOND: [], BESIDE: [], FOLDED: []}
    for group, size in stored.items():
        more = size - own[group]
        if more:
            counts[FOLDED if more < 0 else BESIDE if padded[group] else SECOND].append(more)
    for label, found in counts.items():
        yield Item(label, sum(found), len(found))


def _holds_literals(recipe: Recipe) -> bool:
    """Whether numbers of the graph's own stand beside weights in a constant."""
    return recipe.is_literal or any(_holds_literals(part) for part in recipe.inputs())


def _stored(path: Path) -> Iterator[tuple[str, list[int]]]:
    """Name and shape of every initializer of a file, those in bodies too."""
    import onnx

    for initializer in _initializers(onnx.load(path, load_external_data=False).graph):
        yield initializer.name, list(initializer.dims)


def _initializers(graph: GraphProto) -> Iterator[TensorProto]:
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from _initializers(attribute.g)
