"""SimpleRNNCell, LSTMCell, GRUCell: one step each, and the math that SimpleRNN, LSTM and GRU run over time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from archonnx.compiler.layers import activations, domains
from archonnx.compiler.layers.base import arg
from archonnx.compiler.layers.domains import Flag
from archonnx.compiler.layers.recurrent_base import GatedCell, Step

if TYPE_CHECKING:
    from archonnx.compiler.ir import Tensor
    from archonnx.compiler.lowering.builder import Builder

SIMPLE = (
    "units", "activation", "use_bias", "kernel_initializer", "recurrent_initializer", "bias_initializer",
    "kernel_regularizer", "recurrent_regularizer", "bias_regularizer",
)  # fmt: skip
CONSTRAINTS = ("kernel_constraint", "recurrent_constraint", "bias_constraint", "dropout", "recurrent_dropout")
GATED = ("units", "activation", "recurrent_activation", *SIMPLE[2:])
LONG_SHORT = (*GATED[:7], "unit_forget_bias", *GATED[7:])


class SimpleMath(GatedCell):
    """A state that is `activation(x @ kernel + h @ recurrent_kernel + bias)`."""

    abstract = True
    operator = "RNN"

    def combine(self, b: Builder, z: Tensor, states: Sequence[Tensor]) -> tuple[Tensor, ...]:
        return (activations.apply(b, self.activation, b.op("Add", z, self.recurrent(b, states[0]))),)


class LSTMMath(GatedCell):
    """Two states, h and c, and four gates: input, forget, cell, output."""

    abstract = True
    state_names = ("h", "c")
    gates = 4
    operator = "LSTM"
    onnx_order = (0, 3, 1, 2)  # ONNX has input, output, forget, cell
    recurrent_activation = arg(domains.Activation(), default="sigmoid", doc="Applied to the gates.")
    unit_forget_bias = arg(Flag(), default=True, doc="Whether the forget gate's bias starts from 1.")

    def bias_start(self) -> Any:
        from archonnx.compiler.weights.forget import forget_bias

        return forget_bias(self.bias_initializer, self.unit_forget_bias)

    def activations(self) -> tuple[Any, ...]:
        return self.recurrent_activation, self.activation, self.activation

    def combine(self, b: Builder, z: Tensor, states: Sequence[Tensor]) -> tuple[Tensor, ...]:
        h, c = states
        z = b.op("Add", z, self.recurrent(b, h))
        i, f, g, o = b.split(z, (self.units,) * 4, -1)
        i, f, o = (activations.apply(b, self.recurrent_activation, gate) for gate in (i, f, o))
        entering = b.op("Mul", i, activations.apply(b, self.activation, g))
        kept = b.op("Add", b.op("Mul", f, c), entering)
        return b.op("Mul", o, activations.apply(b, self.activation, kept)), kept


class GRUMath(GatedCell):
    """A state h and three gates: update, reset, and the candidate."""

    abstract = True
    gates = 3
    operator = "GRU"
    onnx_order = (0, 1, 2)
    recurrent_activation = arg(domains.Activation(), default="sigmoid", doc="Applied to the gates.")
    reset_after = arg(
        Flag(), default=True, doc="Whether the reset gate comes after the product with the states' kernel, or before."
    )

    def bias_shape(self) -> tuple[int, ...]:
        return (2, 3 * self.units) if self.reset_after else (3 * self.units,)

    def biases(self, b: Builder) -> tuple[Tensor | None, Tensor | None]:
        if not self.use_bias:
            return None, None
        bias = b.weight("bias")
        return (b.gather(bias, 0, 0), b.gather(bias, 1, 0)) if self.reset_after else (bias, None)

    def activations(self) -> tuple[Any, ...]:
        return self.recurrent_activation, self.activation

    def attributes(self) -> dict[str, Any]:
        return {"linear_before_reset": 1} if self.reset_after else {}

    def combine(self, b: Builder, z: Tensor, states: Sequence[Tensor]) -> tuple[Tensor, ...]:
        (h,) = states
        units = self.units
        update, reset, candidate = b.split(z, (units,) * 3, -1)
        if self.reset_after:
            update_h, reset_h, candidate_h = b.split(self.recurrent(b, h), (units,) * 3, -1)
        else:
            early, late = b.split(b.weight("recurrent_kernel"), (2 * units, units), -1)
            update_h, reset_h = b.split(b.gemm_last(h, early), (units,) * 2, -1)
        update = activations.apply(b, self.recurrent_activation, b.op("Add", update, update_h))
        reset = activations.apply(b, self.recurrent_activation, b.op("Add", reset, reset_h))
        if self.reset_after:
            candidate_h = b.op("Mul", reset, candidate_h)
        else:
            candidate_h = b.gemm_last(b.op("Mul", reset, h), late)
        new = activations.apply(b, self.activation, b.op("Add", candidate, candidate_h))
        # update * h + (1 - update) * new
        return (b.op("Add", new, b.op("Mul", update, b.op("Sub", h, new))),)


class SimpleRNNCell(SimpleMath, Step):
    """One step of SimpleRNN: [batch, features] and a state [batch, units] to the result and the next state."""

    inputs = ("sequence", "*states")
    argument_order = (*SIMPLE, *CONSTRAINTS, "seed")
    keras = "SimpleRNNCell"
    torch = "RNNCell"
    onnx = ("Gemm", "Add", "Tanh")
    formula = "h' = activation(x @ kernel + h @ recurrent_kernel + bias); gives h', h'"
    example = "input x: float32[N, 8]\ninput h: float32[N, 16]\n(y, _) = (x, h) -> SimpleRNNCell(16)\noutput y"


class LSTMCell(LSTMMath, Step):
    """One step of LSTM: [batch, features] and states h, c [batch, units] to the result and the next h, c."""

    argument_order = (*LONG_SHORT, *CONSTRAINTS, "seed")
    keras = "LSTMCell"
    torch = "LSTMCell"
    onnx = ("Gemm", "Add", "Split", "Sigmoid", "Tanh", "Mul")
    formula = """i, f, g, o = split(x @ kernel + h @ recurrent_kernel + bias, 4)
c' = recurrent_activation(f) * c + recurrent_activation(i) * activation(g)
h' = recurrent_activation(o) * activation(c'); gives h', h', c'"""
    example = """input x: float32[N, 8]
input h: float32[N, 16]
input c: float32[N, 16]
(y, _, next_c) = (x, h, c) -> LSTMCell(16)
output y
output next_c"""


class GRUCell(GRUMath, Step):
    """One step of GRU: [batch, features] and a state [batch, units] to the result and the next state."""

    argument_order = (*GATED, *CONSTRAINTS, "reset_after", "seed")
    keras = "GRUCell"
    torch = "GRUCell"
    onnx = ("Gemm", "Split", "Add", "Sigmoid", "Mul", "Tanh", "Sub")
    formula = """z = recurrent_activation(x @ kernel[z] + h @ recurrent_kernel[z] + bias[z]), r likewise
n = activation(x @ kernel[h] + r * (h @ recurrent_kernel[h] + bias[1, h]) + bias[0, h])
h' = z * h + (1 - z) * n; gives h', h'"""
    example = "input x: float32[N, 8]\ninput h: float32[N, 16]\n(y, _) = (x, h) -> GRUCell(16)\noutput y"
