"""What recurrent layers share: a cell, which is one step with its weights, and what running it over time gives.

    Cell           one step: state types, weights, MACs, `once` (a single step) and `over_time` (all of them)
    WeightedCell   a cell with `kernel`, `recurrent_kernel` and `bias`
    GatedCell      a cell of gates over `kernel`, `recurrent_kernel` and `bias`: an operator of ONNX, or Scan
    Run            what a run over time gives

States are tensors in Keras' order. The math is in recurrent_cells.py, the operators in recurrent_time.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from archonnx.compiler.graph import TensorType
from archonnx.compiler.layers import domains
from archonnx.compiler.layers.base import Layer, LayerError, arg
from archonnx.compiler.layers.common import KerasLayer, equal, product, require_rank, require_text
from archonnx.compiler.layers.domains import Flag, Ignored, InitializerDomain, Real, Whole
from archonnx.contract.dims import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator

    from archonnx.compiler.ir import Tensor
    from archonnx.compiler.layers.base import Context
    from archonnx.compiler.lowering.builder import Builder
    from archonnx.contract.dims import Dim


@dataclass(frozen=True, slots=True)
class How:
    """How a cell is run over time.

    sequences   whether the results of all steps are wanted, else the last
    backwards   whether time runs from the last step to the first
    zeros       whether masked steps give zeros, not the result before
    in_order    results of all steps stand in the order of the steps, else as they are computed
    """

    sequences: bool
    backwards: bool
    zeros: bool = False
    in_order: bool = False


@dataclass(frozen=True, slots=True)
class Run:
    """What a run gives: the results of all steps, [batch, steps, ...], or the last; and the last states."""

    result: Tensor
    states: tuple[Tensor, ...]


@contextmanager
def inside(b: Builder, layer: Layer) -> Iterator[None]:
    """The builder while a layer inside the node's lowers itself: weights are that layer's."""
    before, b.inner = b.inner, layer
    try:
        yield
    finally:
        b.inner = before


class Cell(KerasLayer):
    """One step of a recurrent layer: from the step and the states to the result and the next states."""

    abstract = True
    state_names: ClassVar[tuple[str, ...]] = ("h",)

    @property
    def named_states(self) -> tuple[str, ...]:
        """The states' names for messages."""
        return self.state_names

    def check_step(self, c: Context, x: TensorType) -> None:
        """The errors of a sequence [batch, steps, ...], or of a step, that the cell cannot take."""
        raise TypeError(self.type_name)

    def state_types(self, c: Context, step: TensorType) -> tuple[TensorType, ...]:
        """The states' types for a step of this type."""
        raise TypeError(self.type_name)

    def result_type(self, c: Context, step: TensorType) -> TensorType:
        """The result's type for a step of this type: that of the first state."""
        return self.state_types(c, step)[0]

    def declare_step(self, c: Context, step: TensorType) -> None:
        """The weights that a step of this type needs."""
        raise TypeError(self.type_name)

    def step_macs(self, step: TensorType) -> Dim:
        """Multiply-accumulates of one step."""
        raise TypeError(self.type_name)

    def once(self, b: Builder, x: Tensor, states: Sequence[Tensor]) -> tuple[Tensor, tuple[Tensor, ...]]:
        """One step: the result and the next states. `x` and the states are of the cell's dtype."""
        raise TypeError(self.type_name)

    def over_time(self, b: Builder, x: Tensor, initials: Sequence[Tensor | None], mask: Tensor | None, how: How) -> Run:
        """Every step along axis 1 of `x`, which is of the cell's dtype; initials: None for zeros."""
        raise TypeError(self.type_name)


class WeightedCell(Cell):
    """A cell with a kernel for the step, one for the state, and a bias: the arguments that all of Keras' cells take."""

    abstract = True
    activation = arg(domains.Activation(), default="tanh", doc="Applied to what enters the state.")
    use_bias = arg(Flag(), default=True, doc="Whether a bias is added.")
    kernel_initializer = arg(InitializerDomain(), default="glorot_uniform", doc="What the kernel starts from.")
    recurrent_initializer = arg(InitializerDomain(), default="orthogonal", doc="What the states' kernel starts from.")
    bias_initializer = arg(InitializerDomain(), default="zeros", doc="What the bias starts from.")
    kernel_regularizer = arg(Ignored(), default=None, doc="Used in training only.")
    recurrent_regularizer = arg(Ignored(), default=None, doc="Used in training only.")
    bias_regularizer = arg(Ignored(), default=None, doc="Used in training only.")
    kernel_constraint = arg(Ignored(), default=None, doc="Used in training only.")
    recurrent_constraint = arg(Ignored(), default=None, doc="Used in training only.")
    bias_constraint = arg(Ignored(), default=None, doc="Used in training only.")
    dropout = arg(Real(0, 1), default=0.0, doc="Used in training only.")
    recurrent_dropout = arg(Real(0, 1), default=0.0, doc="Used in training only.")
    seed = arg(Ignored(), default=None, doc="Used in training only.")


class GatedCell(WeightedCell):
    """A cell of `gates` gates, each a function of `x @ kernel + h @ recurrent_kernel + bias`."""

    abstract = True
    gates: ClassVar[int] = 1
    operator: ClassVar[str] = ""  # ONNX' own
    onnx_order: ClassVar[tuple[int, ...]] = (0,)  # Keras' number of each of the operator's gates

    units = arg(Whole(minimum=1), doc="Width of the result and of each state.")

    def validate(self) -> None:
        require_widths(self)

    def check_step(self, c: Context, x: TensorType) -> None:
        c.known(x, -1)

    def state_types(self, c: Context, step: TensorType) -> tuple[TensorType, ...]:
        return (TensorType(self.compute_dtype, (step.shape[0], self.units)),) * len(self.state_names)

    def bias_shape(self) -> tuple[int, ...]:
        return (self.gates * self.units,)

    def bias_start(self) -> Any:
        """What the bias starts from."""
        return self.bias_initializer

    def declare_step(self, c: Context, step: TensorType) -> None:
        wide, dtype = self.gates * self.units, self.compute_dtype
        c.weight("kernel", (c.known(step, -1), wide), self.kernel_initializer, dtype=dtype)
        c.weight("recurrent_kernel", (self.units, wide), self.recurrent_initializer, dtype=dtype)
        if self.use_bias:
            c.weight("bias", self.bias_shape(), self.bias_start(), dtype=dtype)

    def biases_of_torch(self) -> int:
        return int(self.gates * self.units) if self.use_bias and len(self.bias_shape()) == 1 else 0

    def step_macs(self, step: TensorType) -> Dim:
        rows: Dim = step.shape[-1] + self.units
        return product((*step.shape[:-1], rows, self.gates * self.units))

    # What a subclass says.
    def biases(self, b: Builder) -> tuple[Tensor | None, Tensor | None]:
        """The bias of `x @ kernel` and that of `h @ recurrent_kernel`."""
        return (b.weight("bias") if self.use_bias else None), None

    def activations(self) -> tuple[Any, ...]:
        """The activations in the order of the operator's attribute."""
        return (self.activation,)

    def combine(self, b: Builder, z: Tensor, states: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """The next states from `z`, which is `x @ kernel` and its bias. The result is the first."""
        raise TypeError(self.type_name)

    def attributes(self) -> dict[str, Any]:
        """Attributes of the operator, beside the size and the activations."""
        return {}

    def project(self, b: Builder, x: Tensor) -> Tensor:
        """`x @ kernel` and its bias, over the last axis of a step or of a sequence."""
        return b.gemm_last(x, b.weight("kernel"), self.biases(b)[0])

    def recurrent(self, b: Builder, h: Tensor) -> Tensor:
        """`h @ recurrent_kernel` and its bias."""
        return b.gemm_last(h, b.weight("recurrent_kernel"), self.biases(b)[1])

    def once(self, b: Builder, x: Tensor, states: Sequence[Tensor]) -> tuple[Tensor, tuple[Tensor, ...]]:
        made = self.combine(b, self.project(b, x), states)
        return made[0], made

    def over_time(self, b: Builder, x: Tensor, initials: Sequence[Tensor | None], mask: Tensor | None, how: How) -> Run:
        from archonnx.compiler.layers import recurrent_time

        if recurrent_time.has_operator(self):
            return recurrent_time.by_operator(b, self, x, initials, mask, how)
        return recurrent_time.by_scan(b, self, self.project(b, x), initials, mask, how)


class Step(Cell):
    """A cell applied by itself: `(x, states...) -> cell`."""

    abstract = True
    inputs = ("inputs", "*states")
    masking = "drop"

    def declare(self, c: Context, inputs: TensorType, *states: TensorType | None) -> None:
        require_rank(self, inputs, ("batch", "features"))
        self.declare_step(c, inputs)

    def infer(self, c: Context, inputs: TensorType, *states: TensorType | None) -> tuple[TensorType, ...]:
        x = self.floating(inputs)
        kinds = self.state_types(c, x)
        require_states(self, self.named_states, c, states, kinds)
        return (self.result_type(c, x), *kinds)

    def macs(self, inputs: tuple[Any, ...], outputs: tuple[TensorType, ...]) -> Dim:
        return self.step_macs(inputs[0])

    def lower(self, b: Builder, inputs: Tensor, *states: Tensor) -> tuple[Tensor, ...]:
        result, after = self.once(b, self.cast_floating(b, inputs), [self.cast_floating(b, s) for s in states])
        return (result, *after)


def require_widths(layer: Layer) -> None:
    """E0645 for an activation that halves what it is given."""
    for name in ("activation", "recurrent_activation"):
        if layer.arguments.get(name) == "glu":
            raise LayerError(
                "E0645",
                f'{name} of {layer.type_name} keeps the width of the state, and "glu" halves it',
                argument=name,
                help=f'the usual one is "{type(layer).declared[name].default}"',
            )


def require_states(
    layer: Layer, names: Sequence[str], c: Context, states: Sequence[TensorType | None], kinds: Sequence[TensorType]
) -> None:
    """E0640 unless there is a state for each name, E0641 and E0309 unless they have these shapes."""
    if len(states) != len(kinds):
        told = f"{len(kinds)} state{'s' if len(kinds) != 1 else ''}, {', '.join(names)}"
        raise LayerError(
            "E0640",
            f"{layer.type_name} starts from {told}; got {len(states)}",
            input=1,
            help=f"(x, {', '.join(names)}) -> {layer.type_name}(...)",
        )
    for number, (name, given, kind) in enumerate(zip(names, states, kinds, strict=True), 1):
        assert given is not None
        require_state(layer, c, name, given, kind, number)


def require_state(layer: Layer, c: Context, name: str, given: TensorType, kind: TensorType, input: int) -> None:
    """E0641 unless a state that comes in has the cell's shape; E0309 where that is not known."""
    from archonnx.contract.dtypes import DTYPES

    message = f"the state {name} of {layer.type_name} is {kind}, got {given}"
    if given.rank != kind.rank or DTYPES[given.dtype].kind in ("string", "complex"):
        raise LayerError("E0641", message, input=input)
    for axis, (a, b) in enumerate(zip(kind.shape, given.shape, strict=True)):
        verdict = equal(c.facts, a, b)
        if verdict is Verdict.NO:
            raise LayerError("E0641", message, input=input, axis=axis, label=f"{b} here")
        if verdict is not Verdict.YES:
            raise LayerError(
                "E0309",
                f"{layer.type_name} cannot tell whether {a} and {b} are equal: the state {name} is {kind}, got {given}",
                input=input,
                axis=axis,
                label=f"{b} here",
                help=f"state it: {require_text('==', a, b)}",
            )
