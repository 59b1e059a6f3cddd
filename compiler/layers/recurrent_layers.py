"""SimpleRNN, LSTM and GRU: cells of Keras run along the axis of time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from archonnx.compiler.graph import TensorType
from archonnx.compiler.layers.base import Layer, LayerError, arg
from archonnx.compiler.layers.common import equal, product, require_rank
from archonnx.compiler.layers.domains import Absent, Flag, Ignored
from archonnx.compiler.layers.recurrent_base import Cell, How, Run, inside, require_states
from archonnx.compiler.layers.recurrent_cells import (
    CONSTRAINTS,
    GATED,
    LONG_SHORT,
    SIMPLE,
    GRUMath,
    LSTMMath,
    SimpleMath,
)
from archonnx.contract.dims import Verdict

if TYPE_CHECKING:
    from archonnx.compiler.graph import Value
    from archonnx.compiler.ir import Tensor
    from archonnx.compiler.layers.base import Context
    from archonnx.compiler.lowering.builder import Builder
    from archonnx.contract.dims import Dim

TIME = ("return_sequences", "return_state", "go_backwards", "stateful", "unroll")


class OverTime(Cell):
    """A cell that is run along axis 1 of a sequence, [batch, steps, ...]."""

    abstract = True
    inputs = ("sequences", "*initial_state?")
    masking = "use"
    return_sequences = arg(Flag(), default=False, doc="Whether the results of all steps are given, or the last.")
    return_state = arg(Flag(), default=False, doc="Whether the last states are given too.")
    go_backwards = arg(
        Flag(), default=False, doc="Whether time runs from the last step to the first; results stand in that order."
    )
    stateful = arg(
        Absent("states in and out are inputs and outputs: return_state=True", absent=False),
        default=False,
        doc="Not offered.",
    )
    zero_output_for_mask = arg(
        Flag(), default=False, doc="Whether masked steps give zeros, not the result before.", keras=False
    )

    @property
    def cell(self) -> Cell:
        """What is run: the layer itself."""
        return self

    def step_of(self, c: Context, sequences: TensorType) -> TensorType:
        """The type of one step, once it is sure that the cell can take it."""
        require_rank(self, sequences, ("batch", "steps", "features"))
        self.cell.check_step(c, sequences)
        return TensorType(self.compute_dtype, (sequences.shape[0], *sequences.shape[2:]))

    def declare(self, c: Context, sequences: TensorType, *initial_state: TensorType | None) -> None:
        self.declare_step(c, self.step_of(c, sequences))

    def infer(
        self, c: Context, sequences: TensorType, *initial_state: TensorType | None
    ) -> TensorType | tuple[TensorType, ...]:
        x = self.floating(sequences)
        step = self.step_of(c, x)
        require_mask(self, c, x)
        states = self.cell.state_types(c, step)
        if initial_state:
            require_states(self, self.cell.named_states, c, initial_state, states)
        shape = self.cell.result_type(c, step).shape
        if self.return_sequences:
            shape = (shape[0], x.shape[1], *shape[1:])
        result = TensorType(self.compute_dtype, shape)
        return (result, *(TensorType(self.compute_dtype, s.shape) for s in states)) if self.return_state else result

    def merge_masks(self, masks: list[Value | None], apply: Callable[..., Value]) -> Value | None:
        return masks[0] if self.return_sequences else None

    def macs(self, inputs: tuple[Any, ...], outputs: tuple[TensorType, ...]) -> Dim:
        batch, steps, *rest = inputs[0].shape
        return product((steps, self.cell.step_macs(TensorType(self.compute_dtype, (batch, *rest)))))

    def lower(self, b: Builder, sequences: Tensor, *initial_state: Tensor) -> Tensor | tuple[Tensor, ...]:
        how = How(self.return_sequences, self.go_backwards, self.zero_output_for_mask)
        run = self.run(b, sequences, initial_state, b.mask(0), how)
        return (run.result, *run.states) if self.return_state else run.result

    def run(self, b: Builder, sequences: Tensor, initial_state: Sequence[Tensor], mask: Tensor | None, how: How) -> Run:
        """Every step; what comes out is of the layer's dtype, whatever the cell computes in."""
        cell = self.cell
        x = b.cast(self.cast_floating(b, sequences), cell.compute_dtype)
        starts = [b.cast(state, cell.compute_dtype) for state in initial_state]
        with inside(b, cell):
            made = cell.over_time(b, x, starts, mask, how)
        return Run(self.cast_floating(b, made.result), tuple(self.cast_floating(b, s) for s in made.states))


def require_mask(layer: Layer, c: Context, x: TensorType) -> None:
    """E0624 unless the mask that comes with a sequence tells its steps."""
    mask = c.mask()
    if mask is None:
        return
    shape = mask.type.shape
    if len(shape) != 2 or any(equal(c.facts, a, b) is not Verdict.YES for a, b in zip(shape, x.shape[:2], strict=True)):
        raise LayerError(
            "E0624", f"{layer.type_name} needs a mask bool[{x.shape[0]}, {x.shape[1]}], got {mask.type}", input=0
        )


class SimpleRNN(SimpleMath, OverTime):
    """A fully connected recurrent layer: [batch, steps, features] to [batch, units], or to [batch, steps, units]."""

    activity_regularizer = arg(Ignored(), default=None, doc="Used in training only.")
    unroll = arg(Ignored(), default=False, doc="How Keras computes it.")
    argument_order = (*SIMPLE, "activity_regularizer", *CONSTRAINTS, *TIME, "seed", "zero_output_for_mask")
    keras = "SimpleRNN"
    torch = "RNN"
    onnx = ("RNN", "Where")
    formula = "h[t] = activation(x[:, t] @ kernel + h[t - 1] @ recurrent_kernel + bias)"
    example = "input x: float32[N, T, 8]\nSimpleRNN(16)"


class LSTM(LSTMMath, OverTime):
    """Long short-term memory: [batch, steps, features] to [batch, units], or to [batch, steps, units].

    Hochreiter and Schmidhuber, 1997, https://doi.org/10.1162/neco.1997.9.8.1735
    """

    activity_regularizer = arg(Ignored(), default=None, doc="Used in training only.")
    unroll = arg(Ignored(), default=False, doc="How Keras computes it.")
    use_cudnn = arg(Ignored(), default="auto", doc="How Keras computes it.")
    argument_order = (
        *LONG_SHORT, "activity_regularizer", *CONSTRAINTS, "seed", *TIME, "use_cudnn", "zero_output_for_mask",
    )  # fmt: skip
    keras = "LSTM"
    torch = "LSTM"
    onnx = ("LSTM", "Where")
    formula = """i, f, g, o = split(x[:, t] @ kernel + h[t - 1] @ recurrent_kernel + bias, 4)
c[t] = recurrent_activation(f) * c[t - 1] + recurrent_activation(i) * activation(g)
h[t] = recurrent_activation(o) * activation(c[t])"""
    example = "input x: float32[N, T, 8]\nLSTM(16, return_sequences=True)"


class GRU(GRUMath, OverTime):
    """Gated recurrent units: [batch, steps, features] to [batch, units], or to [batch, steps, units].

    Cho et al., 2014, https://arxiv.org/abs/1406.1078
    """

    activity_regularizer = arg(Ignored(), default=None, doc="Used in training only.")
    unroll = arg(Ignored(), default=False, doc="How Keras computes it.")
    use_cudnn = arg(Ignored(), default="auto", doc="How Keras computes it.")
    argument_order = (
        *GATED, "activity_regularizer", *CONSTRAINTS, "seed", *TIME, "reset_after", "use_cudnn", "zero_output_for_mask",
    )  # fmt: skip
    keras = "GRU"
    torch = "GRU"
    onnx = ("GRU", "Where")
    formula = """z = recurrent_activation(x[:, t] @ kernel[z] + h[t - 1] @ recurrent_kernel[z] + bias[z]), r likewise
n = activation(x[:, t] @ kernel[h] + r * (h[t - 1] @ recurrent_kernel[h] + bias[1, h]) + bias[0, h])
h[t] = z * h[t - 1] + (1 - z) * n"""
    example = "input x: float32[N, T, 8]\nGRU(16)"
