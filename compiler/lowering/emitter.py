"""The bottom of the Builder: operators with types, constants and weights, each marked with the layer it comes from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, overload

from archonnx.compiler.graph import Node, TensorType, Value, Weight
from archonnx.compiler.ir import Operator, OperatorGraph, Tensor
from archonnx.compiler.lowering.opsets import takes
from archonnx.contract.dims import Dim, Expr, Facts, Verdict
from archonnx.contract.dims_atoms import Symbol
from archonnx.contract.dtypes import DTYPES

if TYPE_CHECKING:
    from archonnx.compiler.layers.base import Layer
    from archonnx.contract.diagnostics import Frame, Place

# Operators whose result is bool.
COMPARISONS = frozenset(
    ("Equal", "Less", "LessOrEqual", "Greater", "GreaterOrEqual", "IsNaN", "IsInf", "And", "Or", "Xor", "Not")
)


@dataclass(frozen=True, slots=True)
class Origin:
    """What operators come from: the prefix of their names (`dense#1/`), the layer's path, the place and its trail."""

    prefix: str = ""
    layer: str = ""
    place: Place | None = None
    trail: tuple[Frame, ...] = ()

    @staticmethod
    def of_node(node: Node) -> Origin:
        return Origin(f"{node.name}/", node.path, node.place, node.trail)

    @staticmethod
    def of_operator(operator: Operator) -> Origin:
        prefix = operator.name[: operator.name.rfind("/") + 1]
        return Origin(prefix, operator.layer, operator.place, operator.trail)


def symbol_name(dim: Expr) -> str | None:
    """The symbol's name where a size is one symbol and nothing else."""
    if len(dim.terms) != 1:
        return None
    ((monomial, coefficient),) = dim.terms.items()
    if coefficient != 1 or len(monomial) != 1 or monomial[0][1] != 1:
        return None
    atom = monomial[0][0]
    return atom.name if isinstance(atom, Symbol) else None


class Emitter:
    """Adds operators to a graph, each marked with the current `origin`."""

    def __init__(self, graph: OperatorGraph, facts: Facts) -> None:
        self.graph = graph
        self.facts = facts
        self.opset = graph.opset
        self.node: Node | None = None  # the node being lowered
        self.inner: Layer | None = None  # the layer inside the node's that lowers itself now (layers/inner.py)
        self.origin = Origin()
        self.tensors: dict[int, Tensor] = {}  # id of a layer graph's value -> the tensor that holds it
        self.carriers: dict[str, tuple[Tensor, int]] = {}  # symbol -> a tensor with an axis of that very size
        self.mixed: list[tuple[Tensor, int]] = []  # axes of inputs whose size is an expression over symbols
        self.measured: dict[Dim, tuple[Tensor, int]] = {}  # such an expression -> an axis of any tensor
        self.sizes: dict[Dim, Tensor] = {}  # sizes that are computed already
        self.sources: Mapping[str, str] | None = None  # texts by file name, for diagnostics
        self._weights: dict[int, Tensor] = {}

    # Operators

    @overload
    def op(
        self,
        kind: str,
        /,
        *inputs: Tensor | None,
        result: TensorType | None = None,
        domain: str = "",
        **attributes: Any,
    ) -> Tensor: ...
    @overload
    def op(
        self, kind: str, /, *inputs: Tensor | None, result: Sequence[TensorType], domain: str = "", **attributes: Any
    ) -> tuple[Tensor, ...]: ...
    def op(
        self,
        kind: str,
        /,
        *inputs: Tensor | None,
        result: TensorType | Sequence[TensorType] | None = None,
        domain: str = "",
        **attributes: Any,
    ) -> Tensor | tuple[Tensor, ...]:
        """Add one operator. An input None is an optional one left out; an attribute None stays unwritten.

        `result` is the result's type, or several for several results; by default the inputs' shapes broadcast, and the
        dtype is the first input's, bool for comparisons. Where the operator set's operator does not take bfloat16, it
        computes in float32 between casts.
        """
        if result is None:
            given = [t for t in inputs if t is not None]
            dtype = "bool" if kind in COMPARISONS else given[0].dtype
            result = TensorType(dtype, self.broadcast(t.shape for t in given))
        types = (result,) if isinstance(result, TensorType) else tuple(result)
        if not domain and self._lacks_bfloat16(kind, inputs):
            wide = [None if t is None else self.cast(t, "float32") if t.dtype == "bfloat16" else t for t in inputs]
            widened = [TensorType("float32", t.shape) if t.dtype == "bfloat16" else t for t in types]
            found = self.op(kind, *wide, result=widened, **attributes)
            narrow = tuple(self.cast(t, announced.dtype) for t, announced in zip(found, types, strict=True))
            return narrow[0] if isinstance(result, TensorType) else narrow
        needed = list(inputs)
        while needed and needed[-1] is None:
            needed.pop()
        at = self.origin
        operator = Operator(
            kind,
            needed,
            [],
            {k: v for k, v in attributes.items() if v is not None},
            domain,
            name=at.prefix + kind,
            layer=at.layer,
            place=at.place,
            trail=at.trail,
        )
        name = at.prefix + kind.lower()
        operator.outputs = [Tensor(f"{name}:{i}" if i else name, t, operator) for i, t in enumerate(types)]
        if domain and domain not in self.graph.domains:
            self.graph.domains[domain] = 1
        self.graph.operators.append(operator)
        for tensor in operator.outputs:
            self.carry(tensor)
        return operator.outputs[0] if isinstance(result, TensorType) else tuple(operator.outputs)

    def _lacks_bfloat16(self, kind: str, inputs: Sequence[Tensor | None]) -> bool:
        if self.node is None or self.node.layer.takes_constants:
            return False  # passes move what is right already; raw operators stand as written, their types checked
        dtypes = tuple(None if t is None else t.dtype for t in inputs)
        return "bfloat16" in dtypes and not takes(kind, self.opset, dtypes)

    def cast(self, x: Tensor, dtype: str) -> Tensor:
        """The value in another dtype."""
        if x.dtype == dtype:
            return x
        result = TensorType(dtype, x.shape)
        if x.recipe is not None:
            return Tensor(x.name, result, recipe=x.recipe.cast(dtype))
        return self.op("Cast", x, result=result, to=DTYPES[dtype].onnx)

    def carry(self, tensor: Tensor, *, is_input: bool = False) -> None:
        """Note the symbols whose value the tensor's shape tells at run time."""
        for axis, dim in enumerate(tensor.shape):
            if not isinstance(dim, int):
                name = symbol_name(dim)
                if name is not None:
                    self.carriers.setdefault(name, (tensor, axis))
                else:
                    self.measured.setdefault(dim, (tensor, axis))
                    if is_input:
                        self.mixed.append((tensor, axis))

    # Types

    def same(self, a: Dim, b: Dim) -> bool:
        """Whether two sizes are equal for every value of their symbols, with what is known of them."""
        return a == b or (not (isinstance(a, int) and isinstance(b, int)) and self.facts.equal(a, b) is Verdict.YES)

    def same_shape(self, a: Sequence[Dim], b: Sequence[Dim]) -> bool:
        return len(a) == len(b) and all(map(self.same, a, b))

    def known(self, dim: Dim) -> Dim:
        """The size, as a number where the facts make it one."""
        return dim if isinstance(dim, int) else self.facts.normalize(dim)

    def broadcast(self, shapes: Iterable[Sequence[Dim]]) -> tuple[Dim, ...]:
        """The shape that these broadcast to: of several sizes of an axis a known one, else the first that is not 1."""
        result: list[Dim] = []
        for shape in shapes:
            if len(shape) > len(result):
                result[:0] = shape[: len(shape) - len(result)]
            for axis in range(-1, -len(shape) - 1, -1):
                old, new = result[axis], shape[axis]
                if (isinstance(old, int) and old == 1) or (isinstance(new, int) and new != 1):
                    result[axis] = new
        return tuple(result)

    # Constants

    def constant(self, value: Any, dtype: str = "float32") -> Tensor:
        """A constant of a number, nested lists of numbers, or a numpy array."""
        from archonnx.compiler.recipes import Constant

        recipe = Constant(value, dtype)
        return Tensor(self.origin.prefix + "constant", TensorType(dtype, recipe.shape), recipe=recipe)

    def ints(self, values: Sequence[int]) -> Tensor:
        """A one-dimensional int64 constant."""
        return self.constant(list(values), "int64")

    def like(self, x: Tensor, number: float | int | bool) -> Tensor:
        """A scalar constant of the dtype of `x`."""
        return self.constant(number, x.dtype)

    # Weights and masks

    def weight(self, name: str) -> Tensor:
        """The current layer's weight, in the layer's own layout. KeyError: it has none of that name."""
        assert self.node is not None
        return self.weight_tensor((self.inner or self.node.layer).weights[name])

    def weight_tensor(self, weight: Weight) -> Tensor:
        """The tensor of a weight: one for all its uses."""
        found = self._weights.get(id(weight))
        if found is None:
            from archonnx.compiler.recipes import Draw

            found = Tensor(weight.path, TensorType(weight.dtype, weight.shape), recipe=Draw(weight))
            self._weights[id(weight)] = found
        return found

    def has_weight(self, name: str) -> bool:
        """Whether the current layer has a weight of that name."""
        return self.node is not None and name in (self.inner or self.node.layer).weights

    def mask(self, i: int = 0) -> Tensor | None:
        """The mask that came with the current node's input `i`, a bool tensor, or None."""
        assert self.node is not None
        value = self.node.inputs[i] if i < len(self.node.inputs) else None
        return self.tensor_of(value.mask) if value is not None and value.mask is not None else None

    def tensor_of(self, value: Value) -> Tensor:
        """The tensor that holds a value of the layer graph."""
        return self.tensors[id(value)]
