"""Arrays of the caller that results are written into: what they must be, and how onnxruntime is given them."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from archonnx.contract.diagnostics import UsageError, did_you_mean
from archonnx.runtime.arrays import describe, numpy_dtype
from archonnx.runtime.devicearray import DeviceArray, like
from archonnx.runtime.dlpack import NotTakenError, shared, taken
from archonnx.runtime.modelfile import Spec
from archonnx.runtime.results import Results

if TYPE_CHECKING:
    import numpy as np

_SHAPE = re.compile(
    r"The output OrtValue provided for output '([^']*)'.*? has shape \{([^}]*)\} but the computed output shape for "
    r"this run is \{([^}]*)\}",
    re.DOTALL,
)

_TOO_SMALL = re.compile(r"Could set new shape: \[([^\]]*)\]")  # OpenVINO's words


def named_out(outputs: Sequence[Spec], out: Any) -> Mapping[str, Any]:
    """`out` by output: an array where the model has one, else arrays by name, of all outputs or of some.

    Raises UsageError.
    """
    if isinstance(out, Mapping):
        return out
    if len(outputs) != 1:
        raise UsageError(f'out= takes arrays by name, as the model gives several: out={{"{outputs[0].name}": ...}}')
    return {outputs[0].name: out}


def read_out(outputs: Sequence[Spec], out: Mapping[str, Any], feeds: Mapping[str, Any]) -> dict[str, Any]:
    """`out` as arrays by output, each one that the output can be written into: numpy's, which share the memory of
    other libraries' arrays, and DeviceArrays. feeds: the inputs of the call. Raises UsageError that names the output.
    """
    specs = {spec.name: spec for spec in outputs}
    found: dict[str, Any] = {}
    for name, value in out.items():
        if name not in specs:
            near = did_you_mean(str(name), list(specs), 1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise UsageError(f"out: there is no output {name}{hint} (the model gives {', '.join(specs)})")
        spec = specs[name]
        if spec.kind != "tensor" or spec.dtype == "string":
            raise UsageError(f"out: output {name} is {spec.type}, which is not written into an array")
        found[name] = _writable(spec, value)
        _check(spec, found[name])
    all_of_them = [*((f"output {n}", a) for n, a in found.items()), *((f"input {n}", a) for n, a in feeds.items())]
    for number, (name, array) in enumerate(all_of_them[: len(found)]):
        for other, second in all_of_them[number + 1 :]:
            if _overlap(array, second):
                raise UsageError(f"out: {name} shares memory with {other}; give it an array of its own")
    return found


def _writable(spec: Spec, value: Any) -> Any:
    """An array of any library that shares its memory. Raises UsageError for what is none."""
    import numpy as np

    if isinstance(value, np.ndarray | DeviceArray):
        return value
    kind = type(value).__name__
    if not hasattr(value, "__dlpack__"):
        raise UsageError(f"out: output {spec.name}: expected an array, {spec.type}, received {kind}")
    try:
        return taken(value, spec.name, shared)
    except NotTakenError as error:
        raise UsageError(f"out: output {spec.name}: this {kind} cannot be written into: {error}") from None


def _overlap(array: Any, other: Any) -> bool:
    import numpy as np

    if isinstance(array, DeviceArray) and isinstance(other, DeviceArray):
        return array.overlaps(other)
    both = isinstance(array, np.ndarray) and isinstance(other, np.ndarray)
    return both and np.may_share_memory(array, other)


def _check(spec: Spec, array: Any) -> None:
    expected = f"out: output {spec.name}: expected {spec.type}, received {describe(array)}"
    if array.dtype != numpy_dtype(spec.dtype):
        order = "" if array.dtype.isnative else ", whose bytes are in another order than this machine's"
        raise UsageError(f"{expected}{order}")
    if spec.shape is not None:
        if len(spec.shape) != array.ndim:
            raise UsageError(f"{expected}: {len(spec.shape)} axes, not {array.ndim}")
        for axis, size in enumerate(spec.shape):
            if isinstance(size, int) and size != array.shape[axis]:
                raise UsageError(f"{expected}: axis {axis} is {size}, not {array.shape[axis]}")
    if isinstance(array, DeviceArray):  # contiguous: onnxruntime takes no other
        return
    if not array.flags.c_contiguous:
        raise UsageError(f"out: output {spec.name}: the array is not contiguous; numpy.ascontiguousarray makes one")
    if not array.flags.writeable:
        raise UsageError(f"out: output {spec.name}: the array is read-only")


def contiguous(feeds: Mapping[str, Any], inputs: Sequence[Spec]) -> dict[str, np.ndarray[Any, Any]]:
    """The inputs of a call as arrays that can be bound. Raises UsageError for what is none."""
    import numpy as np

    for spec in inputs:
        if spec.name in feeds and (spec.kind != "tensor" or spec.dtype == "string"):
            raise UsageError(f"input {spec.name} is {spec.type}: it cannot be bound; call without out= or bind()")
    return {
        name: array if isinstance(array, DeviceArray) or array.flags.c_contiguous else np.ascontiguousarray(array)
        for name, array in feeds.items()
    }


def check_bound(outputs: Sequence[Spec]) -> None:
    """That a run can leave its outputs in arrays. Raises UsageError for a sequence, a map or what may be missing."""
    for spec in outputs:
        if spec.kind != "tensor":
            raise UsageError(f"output {spec.name} is {spec.type}: it cannot be bound; call without out= or bind()")


def written_into(
    outputs: Sequence[Spec], values: Sequence[Any], given: Mapping[str, Any], feeds: Mapping[str, Any]
) -> dict[str, Any]:
    """What the runs of a bound session write into: the arrays that were given, and for other outputs the values of its
    first run, those that lie in an input's memory as copies. Raises UsageError for text, and for what has not the axes
    that the file tells of, as onnxruntime's result of a loop without rounds."""
    import numpy as np

    found: dict[str, Any] = {}
    for spec, value in zip(outputs, values, strict=True):
        if spec.dtype == "string":
            raise UsageError(f"output {spec.name} is {spec.type}: it cannot be bound; call without bind()")
        if spec.shape is not None and len(spec.shape) != len(value.shape):
            received = f"{spec.type}, and {describe(value)} in this run"
            raise UsageError(f"output {spec.name} is {received}: it cannot be bound; call without bind()")
        shared = spec.name not in given and any(_overlap(value, array) for array in feeds.values())
        found[spec.name] = np.array(value) if shared and isinstance(value, np.ndarray) else value
    return found


def given_back(values: Sequence[Any], feeds: Mapping[str, Any]) -> list[Any]:
    """Results on the GPU as arrays of the library whose array was given there; the others as they are."""
    if not any(isinstance(value, DeviceArray) for value in values):
        return list(values)
    source = next((array.source for array in feeds.values() if isinstance(array, DeviceArray)), None)
    return [like(value, source) for value in values]


def shape_error(text: str) -> UsageError | None:
    """What to raise where a run found that an array of `out` has another shape than the result; None for other
    errors."""
    match = _SHAPE.search(text)
    if match is None:
        return None
    given, found = (", ".join(part.strip() for part in shape.split(",")) for shape in match.groups()[1:])
    return UsageError(f"out: output {match[1]}: the array has the shape [{given}], the result [{found}]")


def too_small(text: str, out: Mapping[str, np.ndarray[Any, Any]]) -> UsageError | None:
    """The same for OpenVINO, which tells the shape of the result and not which one it is."""
    match = _TOO_SMALL.search(text)
    if match is None or not out:
        return None
    shape = tuple(int(size) for size in match[1].split(",") if size)
    alike = [name for name, array in out.items() if array.ndim == len(shape) and array.shape != shape]
    name = next(iter(alike or out))
    return misshapen(name, out[name], shape)


def misshapen(name: str, array: np.ndarray[Any, Any], shape: Sequence[int]) -> UsageError:
    """That an array for an output has another shape than the result."""
    given, found = (", ".join(map(str, sizes)) for sizes in (array.shape, shape))
    return UsageError(f"out: output {name}: the array has the shape [{given}], the result [{found}]")


def sources(feeds: Mapping[str, Any]) -> dict[str, Any]:
    """Inputs as the caller knows them: an array on the GPU is that of its own library."""
    return {n: a.source if isinstance(a, DeviceArray) and a.source is not None else a for n, a in feeds.items()}


class Bound:
    """A session with the arrays that it reads and writes. Call it as often as you like: no array is made or checked.

    inputs: by name; write into them before a call. outputs: by name; each call writes into the same ones.
    Calls from several threads come one after another.
    """

    def __init__(self, run: Callable[[], object], inputs: Mapping[str, Any], outputs: Mapping[str, Any]) -> None:
        self._run, self._lock = run, threading.Lock()
        self.inputs, self.outputs = Results(inputs), Results(outputs)

    def __call__(self) -> Any:
        """Run the model on what `inputs` hold now. Returns `outputs`, or the array where there is one.

        Raises UsageError where the session is closed, InputError for numbers that are no tokens, RunError and
        MachineError.
        """
        with self._lock:
            self._run()
        return self.outputs[0] if len(self.outputs) == 1 else self.outputs
