"""Calls that are filled up with tokens behind their mask, to the size of a bucket, and results that are cut back."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from archonnx.contract.diagnostics import UsageError
from archonnx.runtime.batching.planning import Bare
from archonnx.runtime.batching.values import Blame
from archonnx.runtime.contract import Contract
from archonnx.runtime.errors import OutOfMemoryError, RunError
from archonnx.runtime.modelfile import ModelFile
from archonnx.runtime.padding.analysis import GIVEN, Proof, analyse
from archonnx.runtime.padding.declared import Buckets, Tokens, token_axes, why_not
from archonnx.runtime.padding.report import Padding
from archonnx.runtime.padding.weights import Weights
from archonnx.runtime.placement import blamed
from archonnx.runtime.runner import Before, Runner
from archonnx.runtime.wire import WireError

if TYPE_CHECKING:
    import numpy as np

    from archonnx.runtime.awaiting import Stop

    Arrays = Mapping[str, np.ndarray[Any, Any]]

log = logging.getLogger("archonnx.runtime")
_PROVEN = ("float32", "tf32", "bfloat16")  # these reach as far as float32, which the proof is about
_NONE: dict[str, Any] = {}

SHORT = "it has fewer tokens than the model takes by number"
LONG = "it has more tokens than the largest bucket"
FIRST = "its mask hides the first token of a row"
OTHER = "its mask holds numbers other than 0 and 1"
LARGE = "an input is no number, or too large for the proof"
FOREIGN = "its arrays are those of another library"
INPUTS = "it leaves inputs out, or gives others than the proof is about"
SIZES = "its inputs hold different numbers of tokens or rows, or none"
NAN = "a result of it, filled up, was no number"
FAILED = "a call failed when it was filled up"


def in_buckets(
    runner: Runner, source: str | bytes, model: ModelFile, contract: Contract, bare: Bare, asked: Buckets
) -> Runner:
    """A runner that fills calls up; where nothing proves that no result changes, one that says so and does not. Raises
    UsageError where the mask can be none."""
    tokens = token_axes(asked, model, contract)
    given = [spec.name for spec in contract.inputs if spec.name in tokens.axes or not spec.optional]
    proof = _proof(runner, source, model, contract, bare, asked, tokens, given)
    why = None if proof.blame is None else blamed(model, proof.blame)
    if why is not None:
        log.warning("%s: %s", model.path, Padding(asked, why))
    return Filled(runner, Padding(asked, why), tokens, proof, model, given)


def _proof(
    runner: Runner,
    source: str | bytes,
    model: ModelFile,
    contract: Contract,
    bare: Bare,
    asked: Buckets,
    tokens: Tokens,
    given: list[str],
) -> Proof:
    why = why_not(tokens, contract.inputs)
    if runner.choice.precision not in _PROVEN:
        why = f"in {runner.choice.precision} other numbers are infinite, or 0, than the proof is about"
    outline = None if why else bare()
    if why is None and outline is None:
        why = "its file has changed since it was loaded, or is gone"
    if why is not None or outline is None:
        return Proof({}, blame=Blame("", "", why or ""))
    try:
        return analyse(outline, tokens, contract.symbols.sizes, given, Weights(source), asked.sizes[-1])
    except (OSError, WireError) as error:
        return Proof({}, blame=Blame("", "", f"its weights cannot be read: {error}"))


class Filled(Before):
    """A Runner before another one: a call between two buckets is filled up to the larger one. padding: what came of
    it."""

    def __init__(
        self, runner: Runner, padding: Padding, tokens: Tokens, proof: Proof, model: ModelFile, given: list[str]
    ) -> None:
        super().__init__(runner)
        self.padding = padding
        self._tokens, self._proof, self._model = tokens, proof, model
        self._names = frozenset(given)
        self._outputs = [(spec.name, proof.axes.get(spec.name, ())) for spec in model.outputs]

    def run(self, feeds: dict[str, Any], stop: Stop | None = None) -> list[Any]:
        size = self._counted(feeds)
        return self._runner.run(feeds, stop) if size is None else self._filled(feeds, size, stop)

    def bind(self, feeds: Arrays, out: Arrays) -> Any:
        return None if isinstance(self._size(feeds), int) else self._runner.bind(feeds, out)

    def run_bound(self, binding: Any, feeds: Arrays, out: Arrays, stop: Stop | None = None) -> list[Any]:
        size = self._counted(feeds)
        if size is None:
            binding = self._runner.bind(feeds, out) if binding is None else binding
            return self._runner.run_bound(binding, feeds, out, stop)
        values = self._filled(dict(feeds), size, stop)
        return [self._put(name, value, out) for (name, _), value in zip(self._outputs, values, strict=True)]

    def bare(self, feeds: Arrays) -> Callable[[], None] | None:
        size = self._size(feeds)
        return self._runner.bare(self._full(feeds, size) if isinstance(size, int) else feeds)

    def _filled(self, feeds: dict[str, Any], size: int, stop: Stop | None) -> list[Any]:
        """The outputs of a call that is filled up; where that fails, or gives no number, of the call as it is."""
        try:
            values = self._cut(self._runner.run(self._full(feeds, size), stop), feeds, size)
        except RunError as error:
            if stop is not None and stop.stopped:
                raise
            if FAILED not in self.padding.whole:
                log.warning("%s: %s, and runs in its exact shape: %s", self._model.path, FAILED, error)
            self.padding.count(FAILED)
            return self._runner.run(feeds, stop)
        if values is None:
            self.padding.count(NAN)
            return self._runner.run(feeds, stop)
        self.padding.count(None)
        return values

    def _counted(self, feeds: Arrays) -> int | None:
        """The size that a call is filled up to, None where it runs in its exact shape."""
        size = self._size(feeds)
        if self.padding.why is None and isinstance(size, str) and size:
            self.padding.count(size)
        return size if isinstance(size, int) else None

    def _size(self, feeds: Arrays) -> int | str:
        """The bucket of a call, or why it has none; nothing where it needs none."""
        import numpy as np

        if self.padding.why is not None:
            return self.padding.why
        if frozenset(feeds) != self._names:
            return INPUTS
        if any(type(array) is not np.ndarray for array in feeds.values()):
            return FOREIGN
        lengths = {
            feeds[name].shape[axis] for name, axes in self._tokens.axes.items() if name in feeds for axis in axes
        }
        rows = {feeds[name].shape[0] for name in self._tokens.rows if name in feeds}
        length, mask = lengths.pop(), feeds[self._tokens.mask]
        if lengths or len(rows) > 1 or not mask.size:
            return SIZES
        if length in self.padding.sizes:
            return ""
        size = next((size for size in self.padding.sizes if size > length), None)
        if size is None:
            return LONG
        if length < self._proof.least:
            return SHORT
        return size if (reason := self._unfit(feeds, mask)) is None else reason

    def _unfit(self, feeds: Arrays, mask: np.ndarray[Any, Any]) -> str | None:
        """Why the proof does not hold for what a call gives; None where it does."""
        import numpy as np

        if mask.dtype != np.bool_ and not ((mask == 0) | (mask == 1)).all():
            return OTHER
        if not (mask[..., 0] != 0).all():
            return FIRST
        for name, array in feeds.items():
            if array.dtype.kind == "c":
                return LARGE
            if name != self._tokens.mask and array.dtype.kind not in "iubOU" and array.size:
                least, most = float(array.min()), float(array.max())
                if not (least >= -GIVEN and most <= GIVEN):
                    return LARGE
        return None

    def _full(self, feeds: Arrays, size: int) -> dict[str, Any]:
        """The inputs of the run: what is filled up is 0."""
        import numpy as np

        found: dict[str, Any] = {}
        for name, array in feeds.items():
            axes = self._tokens.axes.get(name)
            if axes is None:
                found[name] = array
                continue
            shape = tuple(size if axis in axes else each for axis, each in enumerate(array.shape))
            try:
                full = np.full(shape, "", object) if array.dtype == object else np.zeros(shape, array.dtype)
            except MemoryError as error:
                what = f"{self._model.path}: there is not enough memory for input {name} filled up to {size} tokens"
                raise OutOfMemoryError(what) from error
            full[tuple(map(slice, array.shape))] = array
            found[name] = full
        return found

    def _cut(self, values: list[Any], feeds: Arrays, size: int) -> list[Any] | None:
        """The results of the call's own tokens; None where one of them is no number, which is then looked at alone."""
        import numpy as np

        mask = feeds[self._tokens.mask]
        found = []
        for (name, axes), value in zip(self._outputs, values, strict=True):
            kept = value
            for axis in axes:
                if value.shape[axis] != size:
                    given = f"{value.shape[axis]} places for {size} tokens"
                    raise RunError(f"output {name}: its axis {axis} has {given}")
                kept = kept[(slice(None),) * axis + (slice(mask.shape[-1]),)]
            if kept.dtype.kind == "f" and np.isnan(kept).any():
                return None
            found.append(np.ascontiguousarray(kept) if kept.ndim else kept)
        return found

    def _put(self, name: str, value: Any, out: Arrays) -> Any:
        """A result, in the array that was given for it."""
        given = out.get(name)
        if given is None:
            return value
        if given.shape != value.shape:
            shapes = f"the array has the shape {list(given.shape)}, the result {list(value.shape)}"
            raise UsageError(f"out: output {name}: {shapes}")
        given[...] = value
        return given
