"""Keras' layout: weights as ours are, under the names of its variables below the layer.

A recurrent layer of Keras has a cell inside, which its variables' paths name: `lstm/lstm_cell/kernel`. Files that leave
it out, `lstm/kernel`, are read too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from archonnx.compiler.weights.layouts.base import Layout

if TYPE_CHECKING:
    from archonnx.compiler.layers.base import Layer
    from archonnx.compiler.weights.recipe import Recipe

CELLS = {"LSTM": "lstm_cell", "GRU": "gru_cell", "SimpleRNN": "simple_rnn_cell"}
CONV_CELL = "conv_lstm_cell"


class KerasLayout(Layout):
    """Keras' variables."""

    name = "keras"

    def names(self, layer: Layer) -> Mapping[str, bool]:
        made: dict[str, bool] = {}
        for ours in layer.weights:
            known = _names(layer, ours)
            made |= dict.fromkeys(known, len(known) == 1)
        return made

    def read(self, layer: Layer, theirs: Mapping[str, Recipe]) -> dict[str, Recipe]:
        found: dict[str, Recipe] = {}
        for ours in layer.weights:
            known = _names(layer, ours)
            given = [theirs[name] for name in known if name in theirs]
            if not given:
                raise ValueError(f"there is no {known[0]}")
            found[ours] = given[0]
        return found

    def write(self, layer: Layer, ours: Mapping[str, Recipe]) -> dict[str, Recipe]:
        return {_names(layer, name)[0]: recipe for name, recipe in ours.items()}

    def one(self, layer: Layer, ours: str, theirs: Recipe) -> Recipe:
        return theirs


def _names(layer: Layer, ours: str) -> list[str]:
    """What Keras calls a weight below its layer, its own first."""
    from archonnx.compiler.layers.bidirectional import Bidirectional

    before, _, last = ours.rpartition("/")
    inner = layer
    if isinstance(layer, Bidirectional):
        inner = dict(zip(layer.names, layer.ways, strict=True)).get(before, layer)
    kinds = [base.__name__ for base in type(inner).__mro__]
    cell = next((CELLS[kind] for kind in kinds if kind in CELLS), None)
    if cell is None and type(inner).__name__.startswith("ConvLSTM"):
        cell = CONV_CELL
    return [ours] if cell is None else [f"{before}/{cell}/{last}".lstrip("/"), ours]


LAYOUT = KerasLayout()
