"""Recurrent layers as nn.LSTM, GRU, RNN and their cells, where the activations are PyTorch's.

Where a mask comes, the steps that count are packed to the front, as for ONNX' operators, and run as packed sequences.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from archonnx.compiler.graph import TensorType
from archonnx.compiler.layers import recurrent_time
from archonnx.compiler.layers.recurrent_base import How
from archonnx.compiler.torch.making import Making

if TYPE_CHECKING:
    from archonnx.compiler.ir import Tensor
    from archonnx.compiler.layers.recurrent_base import GatedCell
    from archonnx.compiler.layers.recurrent_masks import Packing
    from archonnx.compiler.lowering.builder import Builder

Made = Any


def usual(cell: GatedCell) -> dict[str, Any] | None:
    """What PyTorch's module is told of the activations, None where it has others."""
    found = cell.activations()
    if cell.operator == "RNN":
        return {"nonlinearity": found[0]} if found[0] in ("tanh", "relu") else None
    if cell.operator == "GRU" and not cell.arguments["reset_after"]:
        return None
    return {} if found == ("sigmoid", "tanh", "tanh")[: len(found)] else None


def over_time(m: Making, sequences: Tensor, *initials: Tensor) -> Made:
    """SimpleRNN, LSTM, GRU, and RNN of a cell or of several of one kind."""
    from archonnx.compiler.weights.layouts.torch_recurrent import stacked

    layer, b = m.layer, m.b
    cells = stacked(layer)
    if cells is None or any(cell.compute_dtype != layer.compute_dtype for cell in cells):
        return None
    x, mask = m.floating(sequences), b.mask(0)
    if mask is not None:
        if len(cells) > 1 or usual(cells[0]) is None:
            return None
        how = How(layer.return_sequences, layer.go_backwards, layer.zero_output_for_mask)
        run = recurrent_time.by_operator(b, cells[0], x, [m.floating(t) for t in initials], mask, how, _packed(m))
        return (run.result, *run.states) if layer.return_state else run.result
    made = _module(m, cells, 1, x, initials, bool(layer.return_sequences), bool(layer.go_backwards))
    if made is None:
        return None
    return made if layer.return_state else made[0]


def bidirectional(m: Making, sequences: Tensor, *initials: Tensor) -> Made:
    """Both ways at once, their results side by side or merged by operators."""
    from archonnx.compiler.weights.layouts.torch_recurrent import stacked

    layer, b = m.layer, m.b
    ways = [stacked(way) for way in layer.ways]
    if None in ways or layer.forward.go_backwards:
        return None
    cells = [cell for way in ways if way is not None for cell in way]
    alike = {(cell.operator, cell.units, cell.use_bias, cell.compute_dtype) for cell in cells}
    settings = [usual(cell) for cell in cells]
    if len(cells) != 2 or len(alike) != 1 or settings[0] != settings[1]:
        return None
    if cells[0].compute_dtype != layer.compute_dtype or settings[0] is None:
        return None
    x, mask = m.floating(sequences), b.mask(0)
    if mask is not None:
        middle = len(initials) // 2
        given = [[m.floating(t) for t in half] for half in (initials[:middle], initials[middle:])]
        every = bool(layer.layer.return_sequences)
        y, ended = recurrent_time.both_ways(b, cells, x, given, mask, every, _packed(m))
        return (*layer.joined(b, y), *(ended if layer.layer.return_state else ()))
    made = _module(m, cells[:1], 2, x, initials, bool(layer.layer.return_sequences), False)
    if made is None:
        return None
    y, states = made[0], made[1:]
    results = [y]
    if layer.merge_mode != "concat":
        units = cells[0].units
        results = layer.merge(b, b.split(y, (units, units), -1))
    return (*results, *states) if layer.layer.return_state else tuple(results)


def _module(
    m: Making,
    cells: list[GatedCell],
    directions: int,
    x: Tensor,
    initials: tuple[Tensor, ...],
    sequences: bool,
    backwards: bool,
) -> tuple[Tensor, ...] | None:
    """The module's results: those of all steps or the last, then the last states."""
    options = usual(cells[0])
    if options is None or any(usual(cell) != options for cell in cells):
        return None
    cell, dtype = cells[0], x.dtype
    batch, steps, width = x.shape
    units, wide = cell.units, cell.units * directions
    state = TensorType(dtype, (batch, units))
    result = TensorType(dtype, (batch, steps, wide) if sequences else (batch, wide))

    def make(nn: Any) -> Any:
        told = {"batch_first": True, "bidirectional": directions == 2, "num_layers": len(cells), **options}
        return getattr(nn, cell.operator)(width, units, bias=cell.use_bias, **told)

    return m.module(
        make,
        x,
        *(m.b.cast(t, dtype) for t in initials),
        result=[result, *[state] * (len(cell.state_names) * len(cells) * directions)],
        call="recurrent",
        sequences=sequences,
        backwards=backwards,
    )


def _packed(m: Making) -> recurrent_time.Operate:
    """What runs cells over packed steps: the layer's module, told how many of them count in each sequence."""

    def run(
        b: Builder,
        cells: Sequence[GatedCell],
        x: Tensor,
        initials: Sequence[Sequence[Tensor | None]],
        packing: Packing | None,
        *,
        backwards: bool | None,
    ) -> tuple[Tensor, list[Tensor]]:
        assert packing is not None
        x, cell, ways = packing.pack(x), cells[0], 2 if backwards is None else 1
        batch, steps, width = x.shape
        options = usual(cell)
        assert options is not None
        told = {"batch_first": True, "bidirectional": ways == 2, **options}
        state = TensorType(x.dtype, (ways, batch, cell.units))
        made = m.module(
            lambda nn: getattr(nn, cell.operator)(width, cell.units, bias=cell.use_bias, **told),
            x,
            packing.lengths,
            *(t for half in initials for t in half),
            result=[TensorType(x.dtype, (steps, ways, batch, cell.units)), *[state] * len(cell.state_names)],
            call="packed",
            backwards=bool(backwards),
        )
        return made[0], list(made[1:])

    return run


def step(m: Making, inputs: Tensor, *states: Tensor) -> Made:
    """nn.LSTMCell, GRUCell, RNNCell."""
    cell = m.layer
    options = usual(cell)
    if options is None:
        return None
    x = m.floating(inputs)
    width = x.shape[-1]
    kind = TensorType(x.dtype, (x.shape[0], cell.units))
    return m.module(
        lambda nn: getattr(nn, f"{cell.operator}Cell")(width, cell.units, bias=cell.use_bias, **options),
        x,
        *(m.floating(state) for state in states),
        result=[kind] * (1 + len(cell.state_names)),
        call="cell",
    )


RECURRENT: dict[str, Callable[..., Made]] = {
    **dict.fromkeys(("SimpleRNN", "LSTM", "GRU", "RNN"), over_time),
    **dict.fromkeys(("SimpleRNNCell", "LSTMCell", "GRUCell"), step),
    "Bidirectional": bidirectional,
}
