"""Bidirectional: a recurrent layer run forwards, and another backwards."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from archonnx.compiler.graph import TensorType
from archonnx.compiler.layers import recurrent_time
from archonnx.compiler.layers.base import Layer, LayerError, arg
from archonnx.compiler.layers.common import KerasLayer
from archonnx.compiler.layers.domains import Optional
from archonnx.compiler.layers.domains_single import Absent, Choice, Domain, DomainError
from archonnx.compiler.layers.inner import declare_inner, infer_inner
from archonnx.compiler.layers.recurrent_base import GatedCell, How, require_states
from archonnx.compiler.layers.recurrent_layers import OverTime

if TYPE_CHECKING:
    from collections.abc import Callable

    from archonnx.compiler.graph import Value
    from archonnx.compiler.ir import Tensor
    from archonnx.compiler.layers.base import Context
    from archonnx.compiler.lowering.builder import Builder
    from archonnx.contract.dims import Dim

HELP = "such as LSTM(8), GRU(8) or RNN(LSTMCell(8)), constructed and not applied"


class RecurrentLayer(Domain):
    """A recurrent layer of Keras, constructed and not applied."""

    def parse(self, value: Any) -> OverTime:
        if not isinstance(value, OverTime):
            raise DomainError(self.describe(), help=HELP, code="E0642")
        if value.runs_cell:
            help = "run it both ways by hand: two RNNs, one with go_backwards=True, and Concatenate"
            raise DomainError(self.describe(), help=help, code="E0642")
        return value

    def describe(self) -> str:
        return "a recurrent layer of Keras"


class Bidirectional(KerasLayer):
    """A recurrent layer run over [batch, steps, ...] from both ends; what each way gives is merged step by step.

    States, in and out, are those of the way forwards, then those of the way back.
    """

    inputs = ("sequences", "*initial_state?")
    masking = "use"
    layer = arg(RecurrentLayer(), doc="The layer that runs forwards; a copy of it with weights of its own runs back.")
    merge_mode = arg(
        Optional(Choice("sum", "mul", "concat", "ave")),
        default="concat",
        doc="How both results become one; None gives both.",
    )
    weights = arg(Absent("weights are given to the model"), default=None, doc="Not offered.")
    backward_layer = arg(
        Optional(RecurrentLayer()), default=None, doc="The layer that runs back, where it is not a copy of the other."
    )
    keras = "Bidirectional"
    onnx = ("LSTM", "GRU", "RNN", "Scan", "Concat")
    formula = "merge(layer(x)[t], backward_layer(x)[t]) for every step t, or of the last results"
    example = "input x: float32[N, T, 8]\nBidirectional(LSTM(16, return_sequences=True))\nBidirectional(GRU(8))"

    def __init__(self, arguments: Any) -> None:
        super().__init__(arguments)
        self.forward: OverTime = copied(self.layer)
        back = self.backward_layer
        self.backward: OverTime = copied(self.layer, go_backwards=True) if back is None else copied(back)
        self.ways = (self.forward, self.backward)

    @property
    def names(self) -> tuple[str, str]:
        """What the layers inside are called, as in Keras."""
        name = self.layer.given_name or self.layer.default_name()
        forward = f"forward_{name.removeprefix('forward_')}"
        if self.backward_layer is None:
            return forward, f"backward_{name.removeprefix('backward_')}"
        other = self.backward_layer.default_name()
        again = "_1" if other == self.layer.default_name() and self.layer.given_name is None else ""
        return forward, self.backward_layer.given_name or other + again

    def validate(self) -> None:
        forward, backward = self.ways
        if forward.go_backwards == backward.go_backwards:
            if self.backward_layer is None:
                raise LayerError(
                    "E0643",
                    "layer of Bidirectional runs forwards, and a copy of it backwards; got go_backwards=True",
                    argument="layer",
                    help="leave go_backwards out",
                )
            way = "backwards" if forward.go_backwards else "forwards"
            raise LayerError(
                "E0643",
                f"the layers of Bidirectional run opposite ways; both run {way}",
                argument="backward_layer",
                help=f"give it go_backwards={not forward.go_backwards}",
            )
        for name in ("return_sequences", "return_state"):
            ours, theirs = forward.arguments[name], backward.arguments[name]
            if ours != theirs:
                raise LayerError(
                    "E0643",
                    f"the layers of Bidirectional have the same {name}; got {ours} and {theirs}",
                    argument="backward_layer",
                    help=f"give it {name}={ours}",
                )

    @property
    def masked_results(self) -> int:  # type: ignore[override]
        return 1 if self.merge_mode else 2

    def halves(self, c: Context, x: TensorType) -> list[tuple[TensorType, ...]]:
        """The states' types of each way."""
        return [way.cell.state_types(c, way.step_of(c, way.floating(x))) for way in self.ways]

    def declare(self, c: Context, sequences: TensorType, *initial_state: TensorType | None) -> None:
        for way, name in zip(self.ways, self.names, strict=True):
            declare_inner(c, self, way, name, sequences)

    def infer(self, c: Context, sequences: TensorType, *initial_state: TensorType | None) -> tuple[TensorType, ...]:
        x = self.floating(sequences)
        made = []
        for way, name in zip(self.ways, self.names, strict=True):
            one = infer_inner(c, self, way, name, x)
            made.append(one if isinstance(one, tuple) else (one,))
        if initial_state:
            names = [
                f"{way}_{state}"
                for way, layer in zip(("forward", "backward"), self.ways, strict=True)
                for state in layer.cell.named_states
            ]
            require_states(self, names, c, initial_state, [kind for half in self.halves(c, x) for kind in half])
        (forward, *forward_states), (backward, *backward_states) = made
        results = [TensorType(self.compute_dtype, one.shape) for one in (forward, backward)]
        if self.merge_mode is not None:
            results = [self.merged(results)]
        return (*results, *forward_states, *backward_states)

    def merged(self, results: Sequence[TensorType]) -> TensorType:
        """The type of both results as one. E0643 where they do not fit."""
        forward, backward = results
        fits = forward.shape[:-1] == backward.shape[:-1]
        if not fits or (self.merge_mode != "concat" and forward.shape[-1] != backward.shape[-1]):
            asked = "all sizes but the last" if self.merge_mode == "concat" else "the same sizes"
            raise LayerError(
                "E0643",
                f'merge_mode "{self.merge_mode}" of Bidirectional needs results of {asked}, '
                f"got {forward} and {backward}",
                argument="backward_layer",
            )
        if self.merge_mode != "concat":
            return forward
        return TensorType(forward.dtype, (*forward.shape[:-1], forward.shape[-1] + backward.shape[-1]))

    def counterparts(self) -> tuple[str, ...]:
        """PyTorch's layer of both ways too."""
        return ("Bidirectional", *self.forward.counterparts())

    def biases_of_torch(self) -> int:
        return sum(way.biases_of_torch() for way in self.ways)

    def merge_masks(self, masks: list[Value | None], apply: Callable[..., Value]) -> Value | None:
        return masks[0] if self.layer.return_sequences else None

    def macs(self, inputs: tuple[Any, ...], outputs: tuple[TensorType, ...]) -> Dim:
        return self.forward.macs(inputs, outputs) + self.backward.macs(inputs, outputs)

    def lower(self, b: Builder, sequences: Tensor, *initial_state: Tensor) -> tuple[Tensor, ...]:
        x = self.cast_floating(b, sequences)
        middle = len(initial_state) // 2
        starts = initial_state[:middle], initial_state[middle:]
        sequences_wanted, mask = bool(self.layer.return_sequences), b.mask(0)
        cells = [way.cell for way in self.ways]
        gated = [cell for cell in cells if isinstance(cell, GatedCell)]
        if len(gated) == 2 and self.alike(*gated):
            dtype = gated[0].compute_dtype
            given = [[b.cast(state, dtype) for state in half] for half in starts]
            y, ended = recurrent_time.both_ways(b, gated, b.cast(x, dtype), given, mask, sequences_wanted)
            results = self.joined(b, self.cast_floating(b, y))
        else:
            # Keras has masked steps give zeros here where all results are wanted.
            runs = [
                way.run(b, x, half, mask, How(sequences_wanted, way.go_backwards, sequences_wanted, in_order=True))
                for way, half in zip(self.ways, starts, strict=True)
            ]
            ended = [state for run in runs for state in run.states]
            results = self.merge(b, [self.cast_floating(b, run.result) for run in runs])
        if self.forward.go_backwards and sequences_wanted:
            results = [recurrent_time.flip(b, y) for y in results]
        if not self.layer.return_state:
            return tuple(results)
        dtypes = [way.compute_dtype for way in self.ways for _ in way.cell.named_states]
        return (*results, *(b.cast(state, dtype) for state, dtype in zip(ended, dtypes, strict=True)))

    def alike(self, forward: GatedCell, backward: GatedCell) -> bool:
        """Whether one operator of ONNX runs both ways."""
        same = ("units", "use_bias", "reset_after")
        return (
            forward.operator == backward.operator
            and forward.compute_dtype == backward.compute_dtype
            and all(forward.arguments.get(name) == backward.arguments.get(name) for name in same)
            and all(recurrent_time.has_operator(cell) for cell in (forward, backward))
            and not self.forward.go_backwards
        )

    def joined(self, b: Builder, y: Tensor) -> list[Tensor]:
        """Results side by side, [..., 2, units], merged."""
        *places, _, units = y.shape
        if self.merge_mode == "concat":
            return [b.reshape(y, (*places, 2 * units))]
        if self.merge_mode is None:
            return [b.squeeze(part, [-2]) for part in b.split(y, (1, 1), -2)]
        return [b.reduce({"sum": "Sum", "ave": "Mean", "mul": "Prod"}[self.merge_mode], y, [-2])]

    def merge(self, b: Builder, results: Sequence[Tensor]) -> list[Tensor]:
        """Both results as one, or both."""
        forward, backward = results
        if self.merge_mode is None:
            return [forward, backward]
        if self.merge_mode == "concat":
            return [b.concat(results, -1)]
        merged = b.op("Mul" if self.merge_mode == "mul" else "Add", forward, backward, result=forward.type)
        return [b.op("Mul", merged, b.like(merged, 0.5), result=merged.type) if self.merge_mode == "ave" else merged]


def copied(layer: Any, **changes: Any) -> Any:
    """A layer of the same arguments, with weights of its own; layers among the arguments are copied too."""
    arguments = {name: _copied_value(value) for name, value in layer.arguments.items()}
    made = type(layer)({**arguments, **changes})
    made.given_name, made.given_trainable, made.place = layer.given_name, layer.given_trainable, layer.place
    return made


def _copied_value(value: Any) -> Any:
    if isinstance(value, Layer):
        return copied(value)
    if isinstance(value, tuple):
        return tuple(_copied_value(v) for v in value)
    return value
