"""Cells over time: ONNX' RNN, LSTM and GRU, and Scan where these cannot say it.

The operators want time first, one array a kind of weight, [directions, gates * units, ...], with gates in an order of
their own; onnxruntime has neither float64 for them nor the layout with the batch first. Weights become theirs by
recipes, so that nothing depends on their values.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

from archonnx.compiler.graph import TensorType
from archonnx.compiler.layers.recurrent_base import GatedCell, How, Run, inside
from archonnx.compiler.layers.recurrent_masks import Packing

if TYPE_CHECKING:
    from archonnx.compiler.ir import Tensor
    from archonnx.compiler.lowering.builder import Builder


class Operate(Protocol):
    """What runs cells over time: `operate` by an operator of ONNX."""

    def __call__(
        self,
        b: Builder,
        cells: Sequence[GatedCell],
        x: Tensor,
        initials: Sequence[Sequence[Tensor | None]],
        packing: Packing | None,
        *,
        backwards: bool | None,
    ) -> tuple[Tensor, list[Tensor]]: ...


class Named(NamedTuple):
    """An activation of ONNX' recurrent operators, with the numbers that it takes."""

    name: str
    alpha: float | None = None
    beta: float | None = None


# By the names of Keras' activations, None being "linear".
NAMED: dict[str | None, Named] = {
    None: Named("Affine", 1.0, 0.0),
    "celu": Named("Elu", 1.0),
    "elu": Named("Elu", 1.0),
    "hard_sigmoid": Named("HardSigmoid", 1 / 6, 0.5),
    "leaky_relu": Named("LeakyRelu", 0.2),
    "relu": Named("Relu"),
    "sigmoid": Named("Sigmoid"),
    "softplus": Named("Softplus"),
    "softsign": Named("Softsign"),
    "sparse_sigmoid": Named("HardSigmoid", 0.5, 0.5),
    "tanh": Named("Tanh"),
}
USUAL = {"RNN": ("Tanh",), "LSTM": ("Sigmoid", "Tanh", "Tanh"), "GRU": ("Sigmoid", "Tanh")}


def has_operator(cell: GatedCell) -> bool:
    """Whether ONNX' operator computes the cell, and onnxruntime runs it."""
    plain = all(a is None or isinstance(a, str) for a in cell.activations())
    return cell.compute_dtype != "float64" and plain and all(a in NAMED for a in cell.activations())


def by_operator(
    b: Builder,
    cell: GatedCell,
    x: Tensor,
    initials: Sequence[Tensor | None],
    mask: Tensor | None,
    how: How,
    run: Operate | None = None,
) -> Run:
    """One direction by one operator, or by `run`."""
    packing = Packing(b, mask) if mask is not None else None
    y, ended = (run or operate)(b, [cell], x, [initials], packing, backwards=how.backwards)
    last = [b.squeeze(state, [0]) for state in ended]
    states = _started(packing, last, initials)
    if not how.sequences:
        zeros = packing is not None and how.zeros
        return Run(packing.stopped(last[0], how.backwards) if packing is not None and zeros else last[0], states)
    y = b.transpose(b.squeeze(y, [1]), (1, 0, 2))
    if packing is not None:
        y = packing.unpack(y, how.backwards, how.zeros)
    return Run(flip(b, y) if how.backwards and not how.in_order else y, states)


def both_ways(
    b: Builder,
    cells: Sequence[GatedCell],
    x: Tensor,
    initials: Sequence[Sequence[Tensor | None]],
    mask: Tensor | None,
    sequences: bool,
    run: Operate | None = None,
) -> tuple[Tensor, list[Tensor]]:
    """Both directions by one operator, or by `run`: results side by side, and the last states, those forwards first.

    The results are [batch, steps, 2, units], with zeros where a step is masked, or the last, [batch, 2, units].
    """
    packing = Packing(b, mask) if mask is not None else None
    y, ended = (run or operate)(b, cells, x, initials, packing, backwards=None)
    halves = [b.split(state, (1, 1), 0) for state in ended]
    states = [
        state
        for way in (0, 1)
        for state in _started(packing, [b.squeeze(half[way], [0]) for half in halves], initials[way])
    ]
    if not sequences:
        return b.transpose(ended[0], (1, 0, 2)), states
    y = b.transpose(y, (2, 0, 1, 3))
    return y if packing is None else packing.unpack(y, False, True), states


def _started(
    packing: Packing | None, states: Sequence[Tensor], initials: Sequence[Tensor | None]
) -> tuple[Tensor, ...]:
    if packing is None:
        return tuple(states)
    return tuple(
        s if i is None else packing.started(s, i) for s, i in zip(states, initials or [None] * len(states), strict=True)
    )


def operate(
    b: Builder,
    cells: Sequence[GatedCell],
    x: Tensor,
    initials: Sequence[Sequence[Tensor | None]],
    packing: Packing | None,
    *,
    backwards: bool | None,
) -> tuple[Tensor, list[Tensor]]:
    """The operator: results [steps, directions, batch, units], and the last states [directions, batch, units].

    x [batch, steps, features]; initials by direction, by state. backwards None: two cells, forwards and backwards.
    """
    dtype, cell = x.dtype, cells[0]
    inner = "float32" if dtype == "bfloat16" else dtype  # of which onnxruntime has no kernels
    if packing is not None:
        x = packing.pack(x)
    batch, steps, _ = x.shape
    weights = [packed(b, c, inner) for c in cells]
    bias = None if weights[0][2] is None else b.concat([w[2] for w in weights if w[2] is not None], 0)
    count = len(cell.state_names)
    units, ways = cell.units, len(cells)
    state = TensorType(inner, (ways, batch, units))
    made = b.op(
        cell.operator,
        b.transpose(b.cast(x, inner), (1, 0, 2)),
        b.concat([w[0] for w in weights], 0),
        b.concat([w[1] for w in weights], 0),
        bias,
        None if packing is None else packing.lengths,
        *(_initial(b, [way[i] if way else None for way in initials], state) for i in range(count)),
        result=(TensorType(inner, (steps, ways, batch, units)), *(state,) * count),
        hidden_size=units,
        direction="bidirectional" if backwards is None else "reverse" if backwards else None,
        **cell.attributes(),
        **_activations(cells),
    )
    return b.cast(made[0], dtype), [b.cast(state, dtype) for state in made[1:]]


def _initial(b: Builder, given: Sequence[Tensor | None], kind: TensorType) -> Tensor | None:
    """The operator's initial state, [directions, batch, units]; zeros for a direction that has none, None where all."""
    if not any(t is not None for t in given):
        return None
    one = TensorType(kind.dtype, (1, *kind.shape[1:]))
    parts = [
        b.expand(b.constant(0, kind.dtype), one.shape) if t is None else b.expand_dims(b.cast(t, kind.dtype), [0])
        for t in given
    ]
    return b.concat(parts, 0)


def packed(b: Builder, cell: GatedCell, dtype: str) -> tuple[Tensor, Tensor, Tensor | None]:
    """The cell's weights as the operator wants them, for one direction."""
    with inside(b, cell):
        kernel, recurrent = b.weight("kernel"), b.weight("recurrent_kernel")
        entering, holding = cell.biases(b)
    bias = None
    if entering is not None:
        none = b.constant(np.zeros(cell.gates * cell.units, np.float32), entering.dtype)
        halves = [_reorder(b, cell, half, 0) for half in (entering, none if holding is None else holding)]
        bias = b.cast(b.expand_dims(b.concat(halves, 0), [0]), dtype)
    turned = [
        b.cast(b.expand_dims(b.transpose(_reorder(b, cell, w, 1), (1, 0)), [0]), dtype) for w in (kernel, recurrent)
    ]
    return turned[0], turned[1], bias


def _reorder(b: Builder, cell: GatedCell, weight: Tensor, axis: int) -> Tensor:
    """The gates along `axis` in the operator's order."""
    if list(cell.onnx_order) == sorted(cell.onnx_order):
        return weight
    gates = b.split(weight, (cell.units,) * cell.gates, axis)
    return b.concat([gates[i] for i in cell.onnx_order], axis)


def _activations(cells: Sequence[GatedCell]) -> dict[str, Any]:
    """The operator's attributes for activations, where they are not the usual ones."""
    named = [NAMED[a] for cell in cells for a in cell.activations()]
    names = [n.name for n in named]
    if names == [*USUAL[cells[0].operator]] * len(cells):
        return {}
    # An activation takes its number from the front of what is left, if it takes one.
    alphas, betas = [n.alpha for n in named if n.alpha is not None], [n.beta for n in named if n.beta is not None]
    return {"activations": names, "activation_alpha": alphas or None, "activation_beta": betas or None}


def by_scan(
    b: Builder, cell: GatedCell, z: Tensor, initials: Sequence[Tensor | None], mask: Tensor | None, how: How
) -> Run:
    """A Scan over `z`, which is `x @ kernel` and its bias for every step."""
    from archonnx.compiler.lowering.scan import Scanned

    class Gates(Scanned):
        def step(self) -> tuple[Tensor, list[Tensor]]:
            self.body.node, self.body.inner = b.node, b.inner
            made = cell.combine(self.body, self.read, self.before)
            return made[0], list(made)

    state = TensorType(z.dtype, (z.shape[0], cell.units))
    scan = Gates(
        b,
        z,
        ("projected", TensorType(z.dtype, (z.shape[0], z.shape[2]))),
        [(name, state) for name in cell.state_names],
        initials or [None] * len(cell.state_names),
        mask=mask,
        zeros_where_masked=how.zeros,
    )
    result, states = scan.emit(sequences=how.sequences, backwards=how.backwards, in_order=how.in_order)
    return Run(result, tuple(states))


def flip(b: Builder, y: Tensor) -> Tensor:
    """The steps, axis 1, from the last to the first."""
    return b.slice(y, [-1], [None], [1], [-1], shape=y.shape)
