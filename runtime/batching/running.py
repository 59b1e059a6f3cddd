"""A batch that is too large for one run is run in parts, and the results are laid side by side."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from archonnx.contract.diagnostics import UsageError
from archonnx.runtime.batching.planning import Bare, Planner
from archonnx.runtime.batching.rows import bucketed, count_rows, parted, row_axes
from archonnx.runtime.buffers import misshapen
from archonnx.runtime.contract import Contract
from archonnx.runtime.devicearray import GPU_DEVICES
from archonnx.runtime.errors import OutOfMemoryError, RunError
from archonnx.runtime.modelfile import ModelFile, Spec
from archonnx.runtime.runner import Before, Runner

if TYPE_CHECKING:
    import numpy as np

    from archonnx.runtime.awaiting import Stop

    Arrays = Mapping[str, np.ndarray[Any, Any]]

_NONE: dict[str, Any] = {}
_REFUSED = ("CUDNN_STATUS_NOT_SUPPORTED", "CUDNN_BACKEND_API_FAILED")  # what cuDNN says of tensors past 2^31 elements


def in_batches(
    runner: Runner, model: ModelFile, contract: Contract, bare: Bare, asked: int | tuple[int, ...] | None
) -> Runner:
    """A runner that takes any batch, where the model has an open one. asked: what `read_batch` gives.

    Raises UsageError where numbers of rows were asked for of a model whose rows do not run apart.
    """
    axes = row_axes(contract.inputs)
    if any(spec.kind != "tensor" for spec in contract.inputs) or not axes:
        if asked is not None:
            raise UsageError(f"batch={asked}: no input of {model.path} has an open axis of rows that could be cut")
        return runner
    planner = Planner(model, contract, axes, bare, runner.choice.device, asked)
    planner.check_asked()
    return Batches(runner, planner)


def why_whole(runner: Runner) -> str | None:
    """Why a runner's batch is not run in parts; None where it may be."""
    planner: Planner | None = getattr(runner, "planner", None)
    return planner.whole() if planner else "no input has an open axis of rows that could be cut"


class Batches(Before):
    """A Runner before another one: what fits runs as it is, what does not runs in parts of rows.

    planner: says how many rows fit, and whether rows may run apart.
    """

    def __init__(self, runner: Runner, planner: Planner) -> None:
        super().__init__(runner)
        self._planner = planner
        self._first, self._axis = next(iter(planner.axes.items()))
        self._fits = planner.light  # bytes of inputs that one run takes without a question
        self._buckets = planner.asked if isinstance(planner.asked, tuple) else ()
        self._most = planner.asked if isinstance(planner.asked, int) else 2**31
        # On a GPU a binding takes memory there, which a run does without.
        self._bindable = runner.choice.device not in GPU_DEVICES and all(
            spec.kind == "tensor" and spec.dtype != "string" for spec in planner.specs
        )

    @property
    def planner(self) -> Planner:
        """What is known of the batch."""
        return self._planner

    def run(self, feeds: dict[str, Any], stop: Stop | None = None) -> list[Any]:
        sizes = self._sizes(feeds)
        if sizes is not None:
            return self._parts(feeds, sizes, {}, stop)
        try:
            return self._runner.run(feeds, stop)
        except (OutOfMemoryError, RunError) as error:
            return self._parts(feeds, self._halved(feeds, error), {}, stop)

    def bind(self, feeds: Arrays, out: Arrays) -> Any:
        if self._sizes(feeds, out) is not None:
            return None  # parts are bound as they come
        try:
            return self._runner.bind(feeds, out)
        except (OutOfMemoryError, RunError) as error:
            self._halved(feeds, error, out)
            return None

    def run_bound(self, binding: Any, feeds: Arrays, out: Arrays, stop: Stop | None = None) -> list[Any]:
        sizes = self._sizes(feeds, out)
        if sizes is None and binding is None:
            binding = self._runner.bind(feeds, out)
        if sizes is not None:
            return self._parts(feeds, sizes, out, stop)
        try:
            return self._runner.run_bound(binding, feeds, out, stop)
        except (OutOfMemoryError, RunError) as error:
            return self._parts(feeds, self._halved(feeds, error, out), out, stop)

    def bare(self, feeds: Arrays) -> Callable[[], None] | None:
        sizes = self._sizes(feeds)
        if sizes is None:
            return self._runner.bare(feeds)
        calls, start = [], 0
        for rows, size in sizes:
            call = self._runner.bare(self._part(feeds, start, rows, size))
            if call is None:
                return None
            calls.append(call)
            start += rows

        def run() -> None:
            for call in calls:
                call()

        return run

    def _sizes(self, feeds: Mapping[str, Any], out: Mapping[str, Any] = _NONE) -> list[tuple[int, int]] | None:
        """The parts that a call runs in, as (its rows, the rows of the run); None where it runs as it is."""
        first = feeds.get(self._first)
        if first is None:
            return None
        rows = first.shape[self._axis]
        if self._buckets and rows and rows not in self._buckets:
            apart = self._apart(feeds, out)
            return None if apart is None else bucketed(apart, self._buckets)
        if rows <= self._most:
            weight = 0
            for array in feeds.values():
                weight += array.nbytes
            if weight <= self._fits or rows < 2:
                return None
            most = self._planner.fitting(feeds, rows)
            if most >= rows:
                return None
        else:
            most = min(self._most, self._planner.fitting(feeds, rows))
        apart = self._apart(feeds, out)
        return None if apart is None else [(size, size) for size in parted(apart, most)]

    def _apart(self, feeds: Mapping[str, Any], out: Mapping[str, Any]) -> int | None:
        """How many rows a call has, where they may run apart."""
        import numpy as np

        rows = count_rows(feeds, self._planner.axes)
        if rows is None or any(type(array) is not np.ndarray for array in [*feeds.values(), *out.values()]):
            return None  # other libraries' arrays on a GPU are not cut up
        return rows if self._planner.verdict(feeds).blame is None else None

    def _halved(
        self, feeds: Mapping[str, Any], error: Exception, out: Mapping[str, Any] = _NONE
    ) -> list[tuple[int, int]]:
        """The parts in which a run that failed is tried again. Raises the error where there are none."""
        rows = count_rows(feeds, self._planner.axes) or 0
        if not self._too_large(error) or rows < 2:
            raise error
        if self._apart(feeds, out) is None:
            raise self._planner.refusal(feeds, error) from error
        self._planner.halve(feeds, rows)
        return [(size, size) for size in parted(rows, -(-rows // 2))]

    def _too_large(self, error: Exception) -> bool:
        """Whether fewer rows may do what failed."""
        if isinstance(error, OutOfMemoryError):
            return True
        return self.choice.device in GPU_DEVICES and any(text in str(error) for text in _REFUSED)

    def _part(self, feeds: Mapping[str, Any], start: int, rows: int, size: int) -> dict[str, Any]:
        """The inputs of a run of `size` rows, of which `rows` are the call's and the rest the last of them again."""
        try:
            return self._cut(feeds, start, rows, size)
        except MemoryError as error:
            raise OutOfMemoryError(f"{self._planner.model.path}: there is not enough memory for {size} rows") from error

    def _cut(self, feeds: Mapping[str, Any], start: int, rows: int, size: int) -> dict[str, Any]:
        import numpy as np

        found = {}
        for name, array in feeds.items():
            axis = self._planner.axes.get(name)
            if axis is None:
                found[name] = array
                continue
            cut = array[(slice(None),) * axis + (slice(start, start + rows),)]
            if size > rows:
                last = cut[(slice(None),) * axis + (slice(rows - 1, rows),)]
                cut = np.concatenate([cut, *[last] * (size - rows)], axis)
            found[name] = np.ascontiguousarray(cut) if cut.ndim else cut
        return found

    def _parts(
        self, feeds: Mapping[str, Any], sizes: list[tuple[int, int]], out: Arrays, stop: Stop | None
    ) -> list[Any]:
        """The outputs of a call whose rows run in parts. A part for which memory is short is halved."""
        axes = self._planner.verdict(feeds).axes
        whole = Whole(self._planner.outputs, axes, sum(rows for rows, _ in sizes), out)
        start, waiting = 0, list(sizes)
        while waiting:
            rows, size = waiting.pop(0)
            try:
                part = self._part(feeds, start, rows, size)
                whole.put(start, rows, size, self._run_part(part, whole.views(start, rows, size), stop))
            except (OutOfMemoryError, RunError) as error:
                if not self._too_large(error) or size < 2 or self._buckets:
                    raise
                half = -(-size // 2)
                self._planner.halve(feeds, size)
                left = rows + sum(each for each, _ in waiting)
                waiting = [(each, each) for each in parted(left, half)]
                continue
            start += rows
        return whole.values

    def _run_part(self, part: dict[str, Any], views: dict[str, Any], stop: Stop | None) -> list[Any]:
        if not views or not self._bindable:
            return self._runner.run(part, stop)
        return self._runner.run_bound(self._runner.bind(part, views), part, views, stop)


class Whole:
    """The outputs of all parts. The first part says how large they are; the others are written where they belong."""

    def __init__(
        self, outputs: Sequence[Spec], axes: Mapping[str, int | None], rows: int, out: Mapping[str, Any]
    ) -> None:
        self._names, self._axes = [spec.name for spec in outputs], axes
        self._rows, self._out = rows, out
        self._places: dict[str, int] = {}  # of each output, for a row
        self._arrays: dict[str, Any] = {}

    @property
    def values(self) -> list[Any]:
        return [self._arrays[name] for name in self._names]

    def views(self, start: int, rows: int, size: int) -> dict[str, Any]:
        """Where the outputs of a part may be written at once."""
        if rows != size:  # the rows that fill it up belong nowhere
            return {}
        return {
            name: self._arrays[name][start * places : (start + rows) * places]
            for name, places in self._places.items()
            if self._axes[name] == 0
        }

    def put(self, start: int, rows: int, size: int, values: list[Any]) -> None:
        """Lay down what a part gave, where it was not written there already."""
        import numpy as np

        views = self.views(start, rows, size)
        for name, value in zip(self._names, values, strict=True):
            axis = self._axes[name]
            if axis is not None and len(value.shape) <= axis:
                self._nothing(name, value)
                continue
            if name not in self._arrays:
                self._begin(name, axis, size, value)
            if axis is None:
                continue
            places, array = self._places.get(name, 0), self._arrays[name]
            if value.shape[axis] != places * size:
                given = f"{value.shape[axis]} places for {size} rows"
                raise RunError(f"output {name}: its axis {axis} has {given}, and had {places} for each before")
            if name in views and np.may_share_memory(value, views[name]):
                continue
            cut = (slice(None),) * axis
            array[(*cut, slice(start * places, (start + rows) * places))] = value[(*cut, slice(0, rows * places))]

    def _nothing(self, name: str, value: Any) -> None:
        """What a loop without rounds has collected, which onnxruntime gives one axis: it is that of all rows too, where
        no part gives more."""
        first = self._arrays.setdefault(name, value)
        if name in self._out:
            raise misshapen(name, self._out[name], value.shape)
        if 0 not in value.shape or value.shape != first.shape:
            given = f"{list(value.shape)} for one part of the rows and {list(first.shape)} for others"
            raise RunError(f"output {name}: it has the shape {given}; run such a call as a whole, without batch=")

    def _begin(self, name: str, axis: int | None, size: int, value: Any) -> None:
        import numpy as np

        shape = tuple(value.shape)
        if axis is not None:
            self._places[name], rest = divmod(shape[axis], size)
            if rest:
                raise RunError(f"output {name}: its axis {axis} has {shape[axis]} places for {size} rows")
            shape = (*shape[:axis], self._places[name] * self._rows, *shape[axis + 1 :])
        given = self._out.get(name)
        if given is None:
            self._arrays[name] = value if axis is None else _made(name, shape, value.dtype)
            return
        if given.shape != shape:
            shapes = f"the array has the shape {list(given.shape)}, the result {list(shape)}"
            raise UsageError(f"out: output {name}: {shapes}")
        if axis is None:
            np.copyto(given, value)
        self._arrays[name] = given


def _made(name: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
    import numpy as np

    try:
        return np.empty(shape, dtype)
    except MemoryError as error:
        raise OutOfMemoryError(f"output {name}: there is not enough memory for all of its rows: {error}") from error
