"""What a layer's rules may ask for, and how their errors find their places."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from archonnx.compiler.elaborate.state import Frame
from archonnx.compiler.elaborate.values import (
    Abort,
)
from archonnx.compiler.graph import TensorType, Value, Weight
from archonnx.compiler.layers.base import Layer, LayerError
from archonnx.compiler.layers.inner import require_same
from archonnx.contract import dims
from archonnx.contract.diagnostics import Diagnostic, Label, Place
from archonnx.contract.dims import Dim, Expr, Facts

if TYPE_CHECKING:
    pass


LONGEST = 400  # characters of a message


class Rules:
    """The Context of layers.base: what a layer's rules may ask for during one application."""

    __slots__ = (
        "facts",
        "opset",
        "results",
        "dropped",
        "announcements",
        "_frame",
        "_path",
        "_layer",
        "_trainable",
        "_place",
        "_inputs",
        "fresh",
        "inferring",
    )

    def __init__(
        self, frame: Frame, path: str, layer: Layer, trainable: bool, place: Place, inputs: Sequence[Value | None]
    ) -> None:
        self.facts: Facts = frame.state.facts
        self.opset = frame.state.opset
        self.results: int | None = None
        self.dropped: frozenset[int] = frozenset()
        self.announcements: tuple[TensorType | None, ...] = ()
        self._frame, self._path, self._layer, self._trainable, self._place = frame, path, layer, trainable, place
        self._inputs = inputs
        self.fresh: list[Expr] = []

    def announced(self, index: int = 0) -> TensorType | None:
        """The type written beside the name that a result is bound to."""
        return self.announcements[index] if index < len(self.announcements) else None

    def known(self, x: TensorType, axis: int, *, input: int = 0) -> int:
        """The size of an axis as a number; E0301 where it is symbolic."""
        if not -len(x.shape) <= axis < len(x.shape):
            raise LayerError("E0302", f"{self._layer.type_name} needs an axis {axis}, got {x}", input=input)
        size = self.facts.normalize(x.shape[axis])
        if isinstance(size, int):
            return size
        which = "last axis" if axis in (-1, len(x.shape) - 1) else f"axis {axis}"
        help = "give the axis a size where it is declared"
        if len(x.shape) > 1 and axis in (0, -len(x.shape)):
            help = "the first axis is the batch: name another axis, or give the batch a size where it is declared"
        if which == "last axis" and len(x.shape) == 4:
            help = "give the axis a size, or reduce over it first: GlobalAveragePooling2D()"
        raise LayerError(
            "E0301",
            f"{self._layer.type_name} needs a known {which}, got {x}",
            help=help,
            label="this axis is symbolic",
            input=input,
            axis=axis,
        )

    def weight(
        self, name: str, shape: tuple[int, ...], initializer: Any, *, trainable: bool = True, dtype: str = "float32"
    ) -> None:
        """Declare a weight of the layer, or share the one of that path; a layer that was inside another has its own."""
        path = f"{self._path}/{name}"
        held = self._layer.weights.get(name)
        if held is not None and held.path != path:
            require_same(held, dtype, shape, self._layer.type_name)
            return
        try:
            made = declare_weight(
                path,
                dtype,
                shape,
                initializer,
                trainable and self._trainable,
                self._frame,
                self._place,
                self._layer.type_name,
            )
        except LayerError as error:
            if error.code in ("E0702", "E0704"):
                # What it starts from is an argument's value: the place is the argument's.
                error.argument = next((n for n, v in self._layer.arguments.items() if v is initializer), None)
                whose = f"{error.argument} of {self._layer.type_name}" if error.argument else f"the weight {path}"
                error.message = f"{whose}: {error.message}"
            elif error.code == "E0804":
                error.argument = largest_argument(self._layer)
            raise
        self._layer.weights[name] = made

    def symbol(self, hint: str) -> Dim:
        """A new symbol for a size that depends on data."""
        state = self._frame.state
        state.fresh += 1
        made = dims.symbol(f"{hint}_{state.fresh}" if hint else f"size_{state.fresh}", 0)
        assert isinstance(made, Expr)
        self.fresh.append(made)
        return made

    def constant(self, input: int = 0) -> Any:
        """The number or nested tuples of numbers of an input that is written out in the source, else None."""
        value = self._inputs[input] if input < len(self._inputs) else None
        if value is None or value.producer is None or value.producer.type_name != "constant":
            return None
        return value.producer.layer.arguments["value"]

    def array(self, input: int = 0) -> Any:
        from archonnx.compiler.elaborate.known import array_of

        value = self._inputs[input] if input < len(self._inputs) else None
        return array_of(value, self._frame.state) if value is not None else None

    def mask(self, input: int = 0) -> Value | None:
        value = self._inputs[input] if input < len(self._inputs) else None
        return value.mask if value is not None else None


def largest_argument(layer: Layer) -> str | None:
    """The argument that holds the largest whole number, alone or among others: where a size past all bounds is from."""
    found: dict[str, int] = {}
    for name, value in layer.arguments.items():
        whole = [v for v in (value if isinstance(value, tuple) else (value,)) if isinstance(v, int)]
        found[name] = max(whole, default=0)
    largest = max(found.items(), key=lambda item: item[1], default=("", 0))
    return largest[0] if largest[1] > 1 << 16 else None


def declare_weight(
    path: str,
    dtype: str,
    shape: tuple[int, ...],
    initializer: Any,
    trainable: bool,
    frame: Frame,
    place: Place,
    what: str,
) -> Weight:
    """The weight of that path: a new one, or that of an earlier application, which must be of the same shape."""
    from archonnx.compiler.weights.initializers import InitializerError, resolve

    known = frame.state.weights.get(path)
    if known is not None:
        require_same(known, dtype, shape, what)
        return known
    elements = 1
    for extent in shape:
        elements *= extent
    if elements > dims.DIM_LIMIT:
        raise LayerError("E0804", f"the weight {path} of shape {list(shape)} has more than 2**63 - 1 elements")
    try:
        made = resolve(initializer)
        made.check(shape, dtype)
    except InitializerError as error:
        raise LayerError(error.code, error.message, help=error.help) from None
    weight = Weight(path, dtype, shape, made, trainable, place)
    frame.state.weights[path] = weight
    return weight


def layer_error(
    error: LayerError, frame: Frame, place: Place, places: Mapping[str, Place], inputs: Sequence[Value | None] = ()
) -> Abort:
    """A LayerError with its places: the argument's where it names one, labels at the input's declaration."""
    at = places.get(error.argument, place) if error.argument is not None else place
    labels: list[Label] = []
    if error.input is not None and error.input < len(inputs):
        value = inputs[error.input]
        if value is not None:
            axes = frame.state.axis_places.get(id(value))
            axis_place = (
                axes[error.axis]
                if axes is not None and error.axis is not None and -len(axes) <= error.axis < len(axes)
                else None
            )
            if axis_place is not None:
                labels.append(Label(axis_place, error.label))
            elif value.place is not None and value.place != at:
                labels.append(Label(value.place, f"{value.type} comes from here"))
    return Abort(Diagnostic(error.code, shortened(error.message), at, "", tuple(labels), frame.trail, error.help))


def shortened(message: str) -> str:
    """A message that a long value makes too long to read, without its middle."""
    return message if len(message) <= LONGEST else f"{message[:200]} ... {message[-100:]}"
