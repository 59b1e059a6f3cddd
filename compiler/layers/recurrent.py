"""Recurrent layers: a cell of one's own, run along the axis of time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from archonnx.compiler.graph import TensorType
from archonnx.compiler.layers.base import Layer, arg
from archonnx.compiler.layers.domains_single import Absent, Domain, DomainError, Flag, Ignored

if TYPE_CHECKING:
    from archonnx.compiler.graph import LayerGraph, Value
    from archonnx.compiler.ir import Tensor
    from archonnx.compiler.layers.base import Context
    from archonnx.compiler.lowering.builder import Builder
    from archonnx.contract.dims import Dim


@dataclass(frozen=True, slots=True, eq=False)
class Cell:
    """A block as an argument. `block` is the elaborator's, which alone knows how to run it."""

    block: Any

    def __str__(self) -> str:
        return f"{self.block.constructor}(...)"


class CellDomain(Domain):
    """A block that is constructed and not applied."""

    def parse(self, value: Any) -> Cell:
        if not isinstance(value, Cell):
            help = "declare one, `block cell(units):`, its inputs the step and the states, and write RNN(cell(64))"
            raise DomainError(self.describe(), help=help, code="E0620")
        return value

    def describe(self) -> str:
        return "a block that is constructed and not applied"


@dataclass(slots=True, eq=False)
class Step:
    """A cell elaborated for one application.

    The graph's inputs are the step and the states, its outputs the result and the next states. `captured` are values
    from outside that it reads; the application has them as inputs, after the sequence and the initial states.
    `kinds` are the types of the application's inputs, `results` of its results.
    """

    graph: LayerGraph
    captured: tuple[Value, ...]
    kinds: tuple[TensorType | None, ...]
    results: tuple[TensorType, ...]


class RNN(Layer):
    """A cell of one's own over time: a block from (step, states...) to (result, next states...), run along axis 1.

    Gives the last result, or all of them, [batch, steps, ...], with `return_sequences`; then, with `return_state`, the
    last states. States start from what stands left of the arrow behind the sequence, else from zeros.
    """

    inputs = ("sequence", "initial_state?")
    masking = "use"
    runs_cell = True
    cell = arg(CellDomain(), doc="The block, constructed: its first input is the step, the others are states.")
    return_sequences = arg(Flag(), default=False, doc="Whether the results of all steps are given.")
    return_state = arg(Flag(), default=False, doc="Whether the last states are given too.")
    go_backwards = arg(Flag(), default=False, doc="Whether time runs from the last step to the first.")
    stateful = arg(
        Absent("states in and out are inputs and outputs: return_state=True", absent=False),
        default=False,
        doc="Not offered.",
    )
    unroll = arg(Ignored(), default=False, doc="How Keras computes it.")
    zero_output_for_mask = arg(Flag(), default=False, doc="Whether masked steps give zeros, not the result before.")
    onnx = ("Scan", "Expand")
    formula = "(y[:, t], *h[t]) = cell(sequence[:, t], *h[t - 1]) for every step t; h[-1] = initial_state, or zeros"
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
        self.steps: dict[str, Step] = {}  # by the name of the node, filled by the elaborator
        self.applied: Step | None = None  # the one that is being applied

    def infer(self, c: Context, *inputs: TensorType | None) -> tuple[TensorType, ...]:
        assert self.applied is not None
        return self.applied.results

    def merge_masks(self, masks: list[Value | None], apply: Callable[..., Value]) -> Value | None:
        return masks[0] if self.return_sequences else None

    def macs(self, inputs: tuple[TensorType | None, ...], outputs: tuple[TensorType, ...]) -> Dim:
        """Those of one step, times the steps."""
        step = next(s for s in self.steps.values() if s.kinds == inputs)
        assert inputs[0] is not None
        return step.graph.macs() * inputs[0].shape[1]

    def lower(self, b: Builder, *inputs: Tensor | None) -> tuple[Tensor, ...]:
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
