"""RNN: a cell run along the axis of time, one of one's own or one of Keras'."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from archonnx.compiler.layers.base import arg
from archonnx.compiler.layers.domains_single import Domain, DomainError, Flag, Ignored
from archonnx.compiler.layers.inner import declare_inner
from archonnx.compiler.layers.recurrent_base import Step
from archonnx.compiler.layers.recurrent_layers import TIME, OverTime
from archonnx.compiler.layers.recurrent_stack import StackedRNNCells

if TYPE_CHECKING:
    from archonnx.compiler.graph import LayerGraph, TensorType, Value
    from archonnx.compiler.ir import Tensor
    from archonnx.compiler.layers.base import Context
    from archonnx.compiler.lowering.builder import Builder
    from archonnx.contract.dims import Dim


@dataclass(frozen=True, slots=True, eq=False)
class CellBlock:
    """A block as an argument. `block` is the elaborator's, which alone knows how to run it."""

    block: Any

    def __str__(self) -> str:
        return f"{self.block.constructor}(...)"


class CellDomain(Domain):
    """A block that is constructed and not applied, a cell of Keras, or a list of such cells."""

    def parse(self, value: Any) -> CellBlock | Step:
        if isinstance(value, (list, tuple)) and value and all(isinstance(v, Step) for v in value):
            return StackedRNNCells({"cells": tuple(value), "dtype": None})
        if not isinstance(value, (CellBlock, Step)):
            help = "RNN(LSTMCell(64)), or declare one, `block cell(units):`, its inputs the step and the states"
            raise DomainError(self.describe(), help=help, code="E0620")
        return value

    def describe(self) -> str:
        return "a block or a cell, constructed and not applied, or a list of cells"


@dataclass(slots=True, eq=False)
class Elaborated:
    """A cell elaborated for one application.

    The graph's inputs are the step and the states, its outputs the result and the next states. `captured` are values
    from outside that it reads; the application has them as inputs, after the sequence and the initial states.
    `kinds` are the types of the application's inputs, `results` of its results.
    """

    graph: LayerGraph
    captured: tuple[Value, ...]
    kinds: tuple[TensorType | None, ...]
    results: tuple[TensorType, ...]


class RNN(OverTime):
    """A cell over time, run along axis 1: a block from (step, states...) to (result, next states...), or Keras' cell.

    Gives the last result, or all of them, [batch, steps, ...], with `return_sequences`; then, with `return_state`, the
    last states. States start from what stands left of the arrow behind the sequence, else from zeros.
    """

    cell = arg(CellDomain(), doc="The block, its inputs the step and the states; or a cell such as LSTMCell(64).")
    unroll = arg(Ignored(), default=False, doc="How Keras computes it.")
    zero_output_for_mask = arg(Flag(), default=False, doc="Whether masked steps give zeros, not the result before.")
    argument_order = ("cell", *TIME, "zero_output_for_mask")
    keras = "RNN"
    onnx = ("Scan", "Expand", "LSTM", "GRU", "RNN")
    formula = "(y[:, t], *h[t]) = cell(sequences[:, t], *h[t - 1]) for every step t; h[-1] = initial_state, or zeros"
    example = """block cell(units):
    input x: [N, D]
    input h: [N, units]
    both = (x, h) -> Concatenate()
    output y = both -> Dense(units, activation="tanh")
    output state h = y

model Example():
    input x: float32[N, T, 8]
    RNN(cell(16), return_sequences=True)"""

    def __init__(self, arguments: Any) -> None:
        super().__init__(arguments)
        self.steps: dict[str, Elaborated] = {}  # by the name of the node, filled by the elaborator
        self.applied: Elaborated | None = None  # the one that is being applied

    @property
    def runs_cell(self) -> bool:  # type: ignore[override]
        return isinstance(self.cell, CellBlock)

    def counterparts(self) -> tuple[str, ...]:
        """PyTorch's layer of the cell too: LSTM for LSTMCell."""
        inside = () if self.runs_cell else self.cell.counterparts()
        return ("RNN", *(name.removesuffix("Cell") for name in inside if name.endswith("Cell")))

    def biases_of_torch(self) -> int:
        return 0 if self.runs_cell else self.cell.biases_of_torch()

    def declare(self, c: Context, *inputs: Any) -> None:
        if not self.runs_cell:
            name = self.cell.given_name or self.cell.default_name()
            declare_inner(c, self, self.cell, name, self.step_of(c, inputs[0]))

    def infer(self, c: Context, *inputs: Any) -> TensorType | tuple[TensorType, ...]:
        if not self.runs_cell:
            return super().infer(c, *inputs)
        assert self.applied is not None
        return self.applied.results

    def macs(self, inputs: tuple[TensorType | None, ...], outputs: tuple[TensorType, ...]) -> Dim:
        """Those of one step, times the steps."""
        if not self.runs_cell:
            return super().macs(inputs, outputs)
        step = next(s for s in self.steps.values() if s.kinds == inputs)
        assert inputs[0] is not None
        return step.graph.macs() * inputs[0].shape[1]

    def lower(self, b: Builder, *inputs: Any) -> Tensor | tuple[Tensor, ...]:
        return self._lower_block(b, *inputs) if self.runs_cell else super().lower(b, *inputs)

    def _lower_block(self, b: Builder, *inputs: Tensor | None) -> tuple[Tensor, ...]:
        from archonnx.compiler.lowering.scan import Loop

        assert b.node is not None
        step = self.steps[b.node.name]
        first = 1 + len(step.graph.inputs) - 1
        sequence, initials, captured = inputs[0], inputs[1:first], inputs[first:]
        assert sequence is not None
        loop = Loop(
            b,
            step.graph,
            sequence,
            initials,
            dict(zip(step.captured, [t for t in captured if t is not None], strict=True)),
            mask=b.mask(0),
            zeros_where_masked=self.zero_output_for_mask,
        )
        result, states = loop.emit(sequences=self.return_sequences, backwards=self.go_backwards)
        return (result, *states) if self.return_state else (result,)
