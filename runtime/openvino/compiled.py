"""A model that OpenVINO has compiled, its inference requests, and arrays as its tensors."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from archonnx.contract.diagnostics import MachineError
from archonnx.runtime.forks import Mark
from archonnx.runtime.openvino.library import core, library_errors, version
from archonnx.runtime.openvino.turns import Turns
from archonnx.runtime.translate import clean, lacks_memory

if TYPE_CHECKING:
    import numpy as np

AGAIN = 0.01  # seconds after which a run that goes on is cancelled again


class Compiled:
    """A model, compiled for the processor. turns: what its runs are made in, one at a time."""

    def __init__(self, graph: Any, path: str, properties: Mapping[str, Any]) -> None:
        """graph: an openvino.Model. Raises MachineError."""
        try:
            self._compiled = core().compile_model(graph, "CPU", dict(properties))
            if self._has_one_thread():
                self._compiled = core().compile_model(graph, "CPU", {**properties, "NUM_STREAMS": "0"})
        except library_errors() as error:
            if lacks_memory(error):
                raise MachineError(f"{path}: there is not enough memory to load the model") from error
            reason = f"OpenVINO {version()} cannot run it: {clean(str(error))}"
            raise MachineError(f'{path}: {reason}; use device="cpu" for it') from error
        self.mark = Mark(self, path)
        self.turns = Turns()
        self._free: deque[Any] = deque()

    def _has_one_thread(self) -> bool:
        """Whether it has a thread of its own and no more, where OpenVINO drops what a run raises: library.spread."""
        names = ("NUM_STREAMS", "INFERENCE_NUM_THREADS")
        return [int(self._compiled.get_property(name)) for name in names] == [1, 1]

    def executed(self) -> Any:
        """The graph that runs: a model of OpenVINO whose nodes tell of themselves in their runtime info."""
        return self._compiled.get_runtime_model()

    def take(self) -> Any:
        """An inference request that nobody else has until it is given back; one that is not, is forgotten."""
        try:
            return self._free.pop()
        except IndexError:
            return self._compiled.create_infer_request()

    def give_back(self, request: Any) -> None:
        """Let others have it."""
        self._free.append(request)


class Lease:
    """Gives a request back once nothing needs its tensors any more."""

    def __init__(self, compiled: Compiled, request: Any) -> None:
        self._compiled, self._request = compiled, request

    def __del__(self) -> None:
        self._compiled.give_back(self._request)


class Kept:
    """An output that stays where it was made, for a run to come."""

    def __init__(self, tensor: Any, lease: Lease) -> None:
        self.tensor, self._lease = tensor, lease

    def shape(self) -> list[int]:
        """As onnxruntime's values have it."""
        return list(self.tensor.shape)


class Bound:
    """A request with its inputs and outputs laid down: it reads arrays that the caller keeps, and writes into some."""

    def __init__(self, compiled: Compiled, inputs: Iterable[tuple[int, Any]], outputs: Iterable[tuple[int, Any]]):
        """inputs, outputs: places, each with an array or a Kept."""
        self.compiled, self.request = compiled, compiled.take()
        self._copies: list[tuple[Any, Any]] = []
        self._arrays: list[Any] = []  # a tensor points into an array, and does not keep it alive
        for place, value in inputs:
            if isinstance(value, Kept):
                self.request.set_input_tensor(place, value.tensor)
                self._arrays.append(value)
                continue
            array = value
            if not (value.flags.c_contiguous and value.flags.writeable):
                array = value.copy(order="C")
                self._copies.append((array, value))
            self.request.set_input_tensor(place, to_tensor(array))
            self._arrays.append(array)
        for place, array in outputs:
            self.request.set_output_tensor(place, to_tensor(array))

    def refresh(self) -> None:
        """Copy what had to be copied again: the caller may have written into it."""
        for own, array in self._copies:
            own[...] = array

    def infer(self) -> None:
        """Run it, in the thread that calls."""
        self.request.infer(share_outputs=True)

    def output(self, place: int, dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
        """What the last run made, where it made it."""
        found: np.ndarray[Any, Any] = self.request.get_output_tensor(place).data
        return found if found.dtype == dtype else found.view(dtype)  # of bfloat16, the library knows the bits alone


class End:
    """Stands for onnxruntime's RunOptions: `awaiting.Stop` sets `terminate` where a run is to end.

    OpenVINO takes no notice where a request is cancelled that has not come to its first operator, so that one is
    cancelled again and again until its run is over.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._request: Any = None
        self._ended = False

    def begin(self, request: Any) -> bool:
        """Belong to this run from now on. False where it was ended before it began."""
        with self._lock:
            self._request = request
            return not self._ended

    def over(self) -> None:
        """Belong to no run any more: the request may soon be another's."""
        with self._lock:
            self._request = None

    @property
    def terminate(self) -> bool:
        """Whether it was ended."""
        return self._ended

    @terminate.setter
    def terminate(self, ended: bool) -> None:
        with self._lock:
            self._ended = ended
            begun = ended and self._request is not None
        if begun:
            threading.Thread(target=self._insist, name="archonnx-cancel", daemon=True).start()

    def _insist(self) -> None:
        while True:
            with self._lock:
                if self._request is None:
                    return
                self._request.cancel()
            time.sleep(AGAIN)


def to_tensor(array: np.ndarray[Any, Any]) -> Any:
    """A tensor that points into a contiguous array, which must outlive it."""
    import numpy as np
    import openvino

    if array.dtype.name == "bfloat16":
        return openvino.Tensor(array.view(np.uint16), array.shape, openvino.Type.bf16)
    return openvino.Tensor(array, shared_memory=True)
