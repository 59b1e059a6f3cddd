"""ONNX' layout: kernels with the channels first, Gemm's (out, in), and the operators LSTM, GRU and RNN with W, R and B.

W is (directions, gates * units, in), R (directions, gates * units, units), B (directions, 2 * gates * units): the bias
of the step, then that of the state. Gates of LSTM stand in the order i o f c, those of GRU z r h. Names are those that
exporters keep of a module: `weight`, `bias`, `running_mean`. The kernel of a MatMul is (in, out): as_is(...) in a map.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from archonnx.compiler.weights.layouts.base import Exchange, inverse, rearranged, shown
from archonnx.compiler.weights.layouts.torch import TorchLayout
from archonnx.compiler.weights.transforms import Sum, concatenate

if TYPE_CHECKING:
    from archonnx.compiler.layers.base import Layer
    from archonnx.compiler.weights.recipe import Recipe


class Directions(Exchange):
    """The weights of both ways, or of one, that ONNX has in one tensor along its first axis.

    ours: a name for each way. theirs: W or R. shape: our weight's. order: Keras' number of each of ONNX' gates.
    """

    def __init__(self, ours: Sequence[str], theirs: str, shape: tuple[int, ...], order: Sequence[int]) -> None:
        self.ours, self.theirs, self.order = tuple(ours), {theirs: True}, order
        self.expected = (len(ours), shape[1], shape[0])

    def read(self, theirs: Mapping[str, Recipe]) -> dict[str, Recipe]:
        (name,) = self.theirs
        given = theirs[name]
        if tuple(given.shape) != self.expected:
            raise ValueError(f"{name} has the shape {shown(tuple(given.shape))}, expected {shown(self.expected)}")
        return {ours: self._turned(given[way]) for way, ours in enumerate(self.ours)}

    def write(self, ours: Mapping[str, Recipe]) -> dict[str, Recipe]:
        (name,) = self.theirs
        ways = [rearranged(ours[one].transpose((1, 0)), self.order) for one in self.ours]
        return {name: concatenate([way.reshape((1, *way.shape)) for way in ways], 0)}

    def one(self, ours: str, theirs: Recipe) -> Recipe:
        """From the whole tensor, of which the way is taken, or from one way's, (gates * units, in)."""
        if tuple(theirs.shape) == self.expected[1:]:
            return self._turned(theirs)
        (name,) = self.theirs
        return self.read({name: theirs})[ours]

    def _turned(self, way: Recipe) -> Recipe:
        return rearranged(way, inverse(self.order)).transpose((1, 0))


class Biases(Exchange):
    """B, whose halves are added for a bias of one row, and are the rows of a bias of two."""

    def __init__(self, ours: Sequence[str], shape: tuple[int, ...], order: Sequence[int]) -> None:
        self.ours, self.theirs, self.order, self.shape = tuple(ours), {"B": True}, order, shape
        self.expected = (len(ours), 2 * shape[-1])

    def read(self, theirs: Mapping[str, Recipe]) -> dict[str, Recipe]:
        given = theirs["B"]
        if tuple(given.shape) != self.expected:
            raise ValueError(f"B has the shape {shown(tuple(given.shape))}, expected {shown(self.expected)}")
        return {ours: self._turned(given[way]) for way, ours in enumerate(self.ours)}

    def write(self, ours: Mapping[str, Recipe]) -> dict[str, Recipe]:
        ways = [self._halves(ours[name]) for name in self.ours]
        return {"B": concatenate([way.reshape((1, *way.shape)) for way in ways], 0)}

    def one(self, ours: str, theirs: Recipe) -> Recipe:
        if tuple(theirs.shape) == self.expected[1:]:
            return self._turned(theirs)
        return self.read({"B": theirs})[ours]

    def _turned(self, way: Recipe) -> Recipe:
        size = self.shape[-1]
        halves = [rearranged(half, inverse(self.order)) for half in (way[:size], way[size:])]
        if len(self.shape) == 1:
            return Sum(halves)
        return concatenate([half.reshape((1, size)) for half in halves], 0)

    def _halves(self, bias: Recipe) -> Recipe:
        if len(self.shape) == 1:
            rows = [bias, _zeros(bias)]
        else:
            rows = [bias[0], bias[1]]
        return concatenate([rearranged(row, self.order) for row in rows], 0)


def _zeros(like: Recipe) -> Recipe:
    import numpy as np

    from archonnx.compiler.weights.recipe import numpy_dtype
    from archonnx.compiler.weights.sources import Constant

    return Constant(np.zeros(like.shape, numpy_dtype(like.dtype)), like.dtype)


class OnnxLayout(TorchLayout):
    """Initializers as the operators take them."""

    name = "onnx"

    def exchanges(self, layer: Layer) -> list[Exchange]:
        ways = _ways(layer)
        return super().exchanges(layer) if not ways else self._recurrent(layer, ways)

    def _recurrent(self, layer: Layer, ways: Sequence[Any]) -> list[Exchange]:
        names = {id(weight): name for name, weight in layer.weights.items()}
        ours = {local: [names[id(way.cell.weights[local])] for way in ways] for local in ways[0].cell.weights}
        shapes = {local: tuple(weight.shape) for local, weight in ways[0].cell.weights.items()}
        order = ways[0].cell.onnx_order
        found: list[Exchange] = [
            Directions(ours["kernel"], "W", shapes["kernel"], order),
            Directions(ours["recurrent_kernel"], "R", shapes["recurrent_kernel"], order),
        ]
        if "bias" in ours:
            found.append(Biases(ours["bias"], shapes["bias"], order))
        return found


def _ways(layer: Layer) -> Sequence[Any]:
    """The layers that run over time, forwards and back, where each is an operator of ONNX with one cell."""
    from archonnx.compiler.layers.bidirectional import Bidirectional
    from archonnx.compiler.layers.recurrent_base import GatedCell
    from archonnx.compiler.layers.recurrent_layers import OverTime

    ways: Sequence[Any] = ()
    if isinstance(layer, Bidirectional | OverTime):
        ways = layer.ways if isinstance(layer, Bidirectional) else [layer]
    fits = all(not way.runs_cell and isinstance(way.cell, GatedCell) and way.cell.weights for way in ways)
    shapes = [{n: tuple(w.shape) for n, w in way.cell.weights.items()} for way in ways] if fits else []
    alike = all(one == shapes[0] for one in shapes)
    return ways if ways and fits and alike and len({way.cell.operator for way in ways}) == 1 else ()


LAYOUT = OnnxLayout()
