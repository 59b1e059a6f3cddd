"""What a model asks of a call: which inputs, of which types, and how they fit together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from archonnx.contract.diagnostics import UsageError, did_you_mean
from archonnx.runtime.arrays import describe, to_array
from archonnx.runtime.devicearray import on_host
from archonnx.runtime.dlpack import host_views, place_of
from archonnx.runtime.errors import InputError
from archonnx.runtime.modelfile import ModelFile, Spec
from archonnx.runtime.pixels import channel_hint
from archonnx.runtime.symbols import read_symbols
from archonnx.runtime.tokens import check_tokens, read_tokens

if TYPE_CHECKING:
    import numpy as np

_REMEMBERED = 256  # shapes may differ in every call of a long life


class Contract:
    """The inputs of one model and the check of each call. Immutable once made; may be used from several threads.

    inputs: those a call gives, in the file's order; overridable: initializers of others' files that may be replaced;
    tokens: by input name, those that are numbers of tokens.
    """

    def __init__(self, model: ModelFile) -> None:
        listed = [spec for spec in model.inputs if spec.name not in model.initializers]
        defaults = [spec for spec in model.inputs if spec.name in model.initializers and model.ir_version >= 4]
        self.inputs = [s for s in model.inputs if s in listed or (s in defaults and s.optional)]
        self.overridable = [s for s in defaults if not s.optional]
        self.symbols = read_symbols(model)
        self.tokens = read_tokens(model)
        self._declared_optional = model.declared_optional
        self._known = {spec.name: spec for spec in [*self.inputs, *self.overridable]}
        self._names = tuple(spec.name for spec in self.inputs)
        self._seen: dict[tuple[Any, ...], list[np.dtype[Any]]] = {}

    def names(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """The values of a call by input name. One mapping alone is taken as names and values. Raises UsageError."""
        given: dict[str, Any] = {}
        if len(args) == 1 and isinstance(args[0], Mapping):
            given.update(args[0])
            args = ()
        if len(args) > len(self.inputs):
            raise UsageError(f"{len(args)} inputs were given by position, {self._takes()}")
        for spec, value in zip(self.inputs, args, strict=False):
            given[spec.name] = value
        for name, value in kwargs.items():
            if name in given:
                raise UsageError(f"input {name} is given twice")
            given[name] = value
        unknown = [name for name in given if name not in self._known]
        if unknown:
            near = did_you_mean(str(unknown[0]), list(self._known), 1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise UsageError(f"the model has no input {unknown[0]}{hint} ({self._takes()})")
        # None is "left out" for what may be left out: the value that an optional parameter has in Python.
        given = {n: v for n, v in given.items() if v is not None or not self._known[n].optional}
        missing = [spec for spec in self.inputs if spec.name not in given and not spec.optional]
        if missing:
            what = (
                f"inputs {', '.join(s.name for s in missing)} are"
                if len(missing) > 1
                else f"input {missing[0].name} is"
            )
            left_out = [spec.name for spec in missing if spec.name in self._declared_optional]
            mend = f"; compile the model with {left_out[0]}=None to leave it out" if left_out else ""
            raise UsageError(f"{what} missing; {self._takes()}{mend}")
        return given

    def known(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any] | None:
        """The arrays of a call whose names, types and shapes were found right before, so that only what they hold is
        looked at; None for any other call. Raises InputError for numbers that are no tokens."""
        feeds: dict[str, Any]
        if not kwargs and len(args) == 1 and type(args[0]) is dict:
            feeds = dict(args[0])
        elif not kwargs and len(args) == len(self._names):
            feeds = dict(zip(self._names, args, strict=True))
        elif kwargs and not args:
            feeds = dict(kwargs)
        else:
            return None
        key = _key(feeds)
        types = self._seen.get(key)
        if types is None:
            viewed = None if key else host_views(feeds)
            types = None if viewed is None else self._seen.get(_key(viewed))
            if viewed is None or types is None:
                return None
            feeds = viewed
        for array, type_ in zip(feeds.values(), types, strict=True):
            if array.dtype is not type_:
                return None
        self.check_values(feeds)
        return feeds

    def check_values(self, feeds: Mapping[str, Any]) -> None:
        """Check what arrays hold, where that is told: numbers of tokens. Raises InputError."""
        for name in self.tokens:
            if name in feeds:
                check_tokens(self._known[name], on_host(feeds[name]), self.tokens[name])

    def takes(self, name: str) -> bool:
        """Whether a call may give an input of this name."""
        return name in self._known

    def remember(self, given: Mapping[str, Any], feeds: Mapping[str, Any]) -> None:
        """That these arrays were found right, if they are fed as they came, in their own memory; strings are to be
        looked at each time."""
        key = _key(feeds)
        if key and all(
            (given[name] is array or place_of(given[name]) is not None) and array.dtype != object
            for name, array in feeds.items()
        ):
            if len(self._seen) >= _REMEMBERED:
                self._seen.clear()
            self._seen[key] = [array.dtype for array in feeds.values()]

    def check(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """What onnxruntime is fed: arrays of the inputs' types; sequences and maps as they came. Raises InputError."""
        feeds: dict[str, Any] = {}
        shapes: dict[str, tuple[int, ...]] = {}
        for name, value in given.items():
            spec = self._known[name]
            if spec.kind in ("tensor", "optional"):
                array = to_array(spec, value)
                check_shape(spec, array)
                if name in self.tokens:
                    check_tokens(spec, on_host(array), self.tokens[name])
                feeds[name], shapes[name] = array, array.shape
            elif spec.kind.endswith("sequence"):
                feeds[name] = _sequence(spec, value)
            elif spec.kind == "map" and not isinstance(value, Mapping):
                message = f"input {name}: expected a dictionary, received {type(value).__name__}"
                raise InputError(message, name)
            else:
                feeds[name] = value
        self.symbols.bind(shapes, self._known)
        self.remember(given, feeds)
        return feeds

    def _takes(self) -> str:
        if not self.inputs:
            return "the model takes none"
        return "it takes " + ", ".join(f"{s}{' (optional)' if s.optional else ''}" for s in self.inputs)


def _key(feeds: Mapping[str, Any]) -> tuple[Any, ...]:
    """Names and shapes; () where there is anything but arrays of numpy itself."""
    import numpy as np

    found: list[Any] = []
    for name, array in feeds.items():
        if type(array) is not np.ndarray:
            return ()
        found += (name, array.shape)
    return tuple(found)


def _sequence(spec: Spec, value: Any) -> list[Any]:
    if not isinstance(value, list | tuple):
        message = f"input {spec.name}: expected {spec.type}, a list of arrays, received {type(value).__name__}"
        raise InputError(message, spec.name)
    return [to_array(spec, item) for item in value]


def check_shape(spec: Spec, array: np.ndarray[Any, Any]) -> None:
    """Check rank and known sizes. Raises InputError that says the type expected, the one received, and the mend."""
    expected, shape = spec.shape, array.shape
    if expected is None:
        return
    received = f"expected {spec.type}, received {describe(array)}"
    if len(shape) != len(expected):
        axes = f"{len(expected)} {'axis' if len(expected) == 1 else 'axes'}, not {len(shape)}"
        raise InputError(
            f"input {spec.name}: {received}: {axes}{_rank_hint(spec, shape) or channel_hint(spec, shape)}", spec.name
        )
    wrong = [axis for axis, size in enumerate(expected) if isinstance(size, int) and size != shape[axis]]
    if wrong:
        sizes = ", ".join(f"axis {axis} is {expected[axis]}, not {shape[axis]}" for axis in wrong)
        raise InputError(
            f"input {spec.name}: {received}: {sizes}{_order_hint(spec, shape) or channel_hint(spec, shape)}", spec.name
        )


def _fits(expected: Sequence[int | str | None], shape: Sequence[int]) -> bool:
    return len(expected) == len(shape) and all(
        not isinstance(size, int) or size == got for size, got in zip(expected, shape, strict=True)
    )


def _rank_hint(spec: Spec, shape: tuple[int, ...]) -> str:
    name = spec.name if spec.name.isidentifier() else "array"
    assert spec.shape is not None
    if _fits(spec.shape, (1, *shape)):
        return f"; add the first axis: {name}[None]"
    if shape[:1] == (1,) and _fits(spec.shape, shape[1:]):
        return f"; take the first axis off: {name}[0]"
    return ""


def _order_hint(spec: Spec, shape: tuple[int, ...]) -> str:
    name = spec.name if spec.name.isidentifier() else "array"
    assert spec.shape is not None
    if len(shape) < 3:
        return ""
    if _fits(spec.shape, (shape[0], *shape[2:], shape[1])):
        return f"; the channels seem to come first: numpy.moveaxis({name}, 1, -1)"
    if _fits(spec.shape, (shape[0], shape[-1], *shape[1:-1])):
        return f"; the channels seem to come last: numpy.moveaxis({name}, -1, 1)"
    return ""
