"""PyTorch's recurrent layers: weight_ih and weight_hh, gates one below the other, and two biases.

LSTM, RNN    gates as Keras has them; both biases are added on the way in, the second is 0 on the way out
GRU          reset, update, new where Keras has update, reset, new; the two biases are rows of Keras' one
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from archonnx.compiler.weights.layouts.base import Exchange, Turned, rearranged
from archonnx.compiler.weights.layouts.nested import Nested
from archonnx.compiler.weights.recipe import numpy_dtype
from archonnx.compiler.weights.sources import Constant
from archonnx.compiler.weights.transforms import Sum, concatenate

if TYPE_CHECKING:
    from archonnx.compiler.layers.base import Layer
    from archonnx.compiler.layers.recurrent_base import GatedCell
    from archonnx.compiler.weights.recipe import Recipe

GATES = {"GRU": (1, 0, 2)}  # of PyTorch's gates, Keras' number


class AddedBiases(Exchange):
    """Keras' one bias for PyTorch's two, which are only ever added: in and out again, how they differed is lost."""

    def __init__(self, end: str) -> None:
        self.ours, self.first, self.second = ("bias",), f"bias_ih{end}", f"bias_hh{end}"
        self.theirs = {self.first: True, self.second: True}

    def read(self, theirs: Mapping[str, Recipe]) -> dict[str, Recipe]:
        return {"bias": Sum([theirs[self.first], theirs[self.second]])}

    def write(self, ours: Mapping[str, Recipe]) -> dict[str, Recipe]:
        bias = ours["bias"]
        zeros = Constant(np.zeros(bias.shape, numpy_dtype(bias.dtype)), bias.dtype)
        return {self.first: bias, self.second: zeros}

    def one(self, ours: str, theirs: Recipe) -> Recipe:
        return theirs


class TwoBiases(Exchange):
    """GRU's: the rows of Keras' bias (2, 3 * units), the gates in PyTorch's order."""

    def __init__(self, end: str, blocks: Sequence[int]) -> None:
        self.ours, self.both, self.blocks = ("bias",), (f"bias_ih{end}", f"bias_hh{end}"), blocks
        self.theirs = dict.fromkeys(self.both, True)

    def read(self, theirs: Mapping[str, Recipe]) -> dict[str, Recipe]:
        rows = [rearranged(theirs[name], self.blocks) for name in self.both]  # the order undoes itself
        return {"bias": concatenate([row.reshape((1, row.size)) for row in rows], 0)}

    def write(self, ours: Mapping[str, Recipe]) -> dict[str, Recipe]:
        return {name: rearranged(ours["bias"][row], self.blocks) for row, name in enumerate(self.both)}

    def one(self, ours: str, theirs: Recipe) -> Recipe:
        if len(theirs.shape) != 2 or theirs.shape[0] != 2:
            raise ValueError(f"both biases one above the other are needed, got {list(theirs.shape)}: stack(a, b)")
        return self.read({name: theirs[row] for row, name in enumerate(self.both)})["bias"]


def cell_exchanges(cell: Any, shapes: Mapping[str, tuple[int, ...]]) -> list[Exchange]:
    """nn.LSTMCell, GRUCell, RNNCell."""
    return gated(cell, "")


def gated(cell: GatedCell, end: str) -> list[Exchange]:
    """A cell's weights; `end` is what PyTorch adds to their names: `_l0_reverse`."""
    if cell.operator == "GRU" and not cell.arguments["reset_after"]:
        return []  # PyTorch's reset gate comes after the product
    blocks = GATES.get(cell.operator)
    found: list[Exchange] = [
        Turned(ours, tuple(cell.weights[ours].shape), f"{theirs}{end}", perm=(1, 0), blocks=blocks)
        for ours, theirs in (("kernel", "weight_ih"), ("recurrent_kernel", "weight_hh"))
    ]
    if "bias" in cell.weights:
        found.append(TwoBiases(end, blocks) if blocks is not None else AddedBiases(end))
    return found


def recurrent_exchanges(layer: Layer) -> list[Exchange] | None:
    """nn.LSTM, GRU, RNN, one direction or both, several deep for a stack of cells; None for what is none of them."""
    from archonnx.compiler.layers.bidirectional import Bidirectional
    from archonnx.compiler.layers.recurrent_layers import OverTime

    if isinstance(layer, Bidirectional):
        ways = list(zip(layer.ways, ("", "_reverse"), strict=True))
    elif isinstance(layer, OverTime):
        ways = [(layer, "")]
    else:
        return None
    found: list[Exchange] = []
    names = {id(weight): name for name, weight in layer.weights.items()}
    for way, direction in ways:
        cells = stacked(way)
        if cells is None:
            return None
        for depth, cell in enumerate(cells):
            ours = {name: names[id(weight)] for name, weight in cell.weights.items()}
            found += [Nested(exchange, ours, "") for exchange in gated(cell, f"_l{depth}{direction}")]
    return found


def stacked(layer: Any) -> list[GatedCell] | None:
    """The cells that run over time, one on the other, where they are of one kind and width, as PyTorch's are."""
    from archonnx.compiler.layers.recurrent_base import GatedCell
    from archonnx.compiler.layers.recurrent_stack import StackedRNNCells

    if layer.runs_cell:
        return None
    cells = layer.cell.cells if isinstance(layer.cell, StackedRNNCells) else [layer.cell]
    if not all(isinstance(cell, GatedCell) for cell in cells):
        return None
    kinds = {(cell.operator, cell.units, cell.use_bias, cell.arguments.get("reset_after")) for cell in cells}
    return list(cells) if len(kinds) == 1 else None
