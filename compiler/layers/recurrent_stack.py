"""StackedRNNCells: several cells, each on the result of the one before, as one cell."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from archonnx.compiler.layers.base import arg
from archonnx.compiler.layers.domains_single import Domain, DomainError
from archonnx.compiler.layers.inner import declare_inner
from archonnx.compiler.layers.recurrent_base import How, Run, Step, inside
from archonnx.contract.dims import Dim

if TYPE_CHECKING:
    from archonnx.compiler.graph import TensorType
    from archonnx.compiler.ir import Tensor
    from archonnx.compiler.layers.base import Context
    from archonnx.compiler.lowering.builder import Builder


class Cells(Domain):
    """A tuple of one or more cells."""

    def parse(self, value: Any) -> tuple[Step, ...]:
        if not isinstance(value, (tuple, list)) or not value or not all(isinstance(v, Step) for v in value):
            help = "cells are LSTMCell, GRUCell and SimpleRNNCell: StackedRNNCells([LSTMCell(8), LSTMCell(8)])"
            raise DomainError(self.describe(), help=help, code="E0644")
        return tuple(value)

    def describe(self) -> str:
        return "a list of one or more cells"


class StackedRNNCells(Step):
    """Cells one on the other: each takes the result of the one before, and the states are those of all, in order.

    Run over time, each cell is one operator over the whole sequence.
    """

    cells = arg(Cells(), doc="The cells, the first one first.")
    keras = "StackedRNNCells"
    onnx = ("Gemm", "Add", "Split", "Sigmoid", "Tanh", "Mul", "Sub")
    formula = "x, states[i] = cells[i](x, states[i]) for every i; gives x, states"
    example = """input x: float32[N, 8]
input h: float32[N, 16]
input g: float32[N, 4]
(y, _, _) = (x, h, g) -> StackedRNNCells([GRUCell(16), GRUCell(4)])
output y"""

    @property
    def named_states(self) -> tuple[str, ...]:
        return tuple(f"{name}_{i}" for i, cell in enumerate(self.cells) for name in cell.named_states)

    def names(self) -> list[str]:
        """What the cells are called: by name=, else Keras' lstm_cell, lstm_cell_1."""
        taken: dict[str, int] = {}
        found = []
        for cell in self.cells:
            name = cell.given_name or cell.default_name()
            number = taken.get(name, 0)
            taken[name] = number + 1
            found.append(f"{name}_{number}" if number else name)
        return found

    def steps(self, c: Context, step: TensorType) -> list[TensorType]:
        """What each cell sees of a step, and the result last."""
        found = [step]
        for cell in self.cells:
            found.append(cell.result_type(c, found[-1]))
        return found

    def check_step(self, c: Context, x: TensorType) -> None:
        self.cells[0].check_step(c, x)

    def state_types(self, c: Context, step: TensorType) -> tuple[TensorType, ...]:
        seen = self.steps(c, step)
        return tuple(kind for cell, x in zip(self.cells, seen, strict=False) for kind in cell.state_types(c, x))

    def result_type(self, c: Context, step: TensorType) -> TensorType:
        return self.steps(c, step)[-1]

    def declare_step(self, c: Context, step: TensorType) -> None:
        for cell, name, x in zip(self.cells, self.names(), self.steps(c, step), strict=False):
            declare_inner(c, self, cell, name, x)

    def counterparts(self) -> tuple[str, ...]:
        """PyTorch's layer where all cells are of one kind: it is several deep."""
        kinds = {cell.counterparts() for cell in self.cells}
        return ("StackedRNNCells", *(kinds.pop() if len(kinds) == 1 else ()))

    def biases_of_torch(self) -> int:
        return sum(cell.biases_of_torch() for cell in self.cells)

    def step_macs(self, step: TensorType) -> Dim:
        total: Dim = 0
        for cell in self.cells:
            total = total + cell.step_macs(step)
            step = type(step)(step.dtype, (*step.shape[:-1], cell.units))
        return total

    def once(self, b: Builder, x: Tensor, states: Sequence[Tensor]) -> tuple[Tensor, tuple[Tensor, ...]]:
        left, after = list(states), []
        for cell in self.cells:
            own = [b.cast(left.pop(0), cell.compute_dtype) for _ in cell.named_states]
            with inside(b, cell):
                x, made = cell.once(b, b.cast(x, cell.compute_dtype), own)
            after.extend(made)
        return x, tuple(after)

    def over_time(self, b: Builder, x: Tensor, initials: Sequence[Tensor | None], mask: Tensor | None, how: How) -> Run:
        left, after = list(initials), []
        # Where a step is masked nothing depends on what the cells below the last give.
        below = How(True, how.backwards, in_order=True)
        for cell in self.cells:
            dtype = cell.compute_dtype
            own = [None if t is None else b.cast(t, dtype) for t in (left.pop(0) for _ in cell.named_states if left)]
            with inside(b, cell):
                last = cell is self.cells[-1]
                made = cell.over_time(b, b.cast(x, dtype), own, mask, how if last else below)
            x = made.result
            after.extend(made.states)
        return Run(x, tuple(after))
