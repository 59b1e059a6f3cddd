"""A GPU that is not there: arrays that say they lie on one, and a session that treats CUDA graphs as onnxruntime does.

The memory is the processor's. What these tests show is our own logic; nothing here shows that a GPU agrees.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import onnxruntime
import pytest

from archonnx.runtime import dlpack
from archonnx.runtime.contract import Contract
from archonnx.runtime.cuda.engine import CudaEngine
from archonnx.runtime.cuda.graphs import Graphs
from archonnx.runtime.devices import CPU, CUDA, Choice
from archonnx.runtime.modelfile import read_model
from archonnx.runtime.session import Session

ON_CUDA = Choice("cuda", (CUDA, CPU), "asked for")


class Tensor:
    """An array of the library `fakelib`, on GPU `index` as it says."""

    def __init__(self, array: Any, index: int = 0) -> None:
        self.array, self.index = np.asarray(array), index

    @property
    def dtype(self) -> Any:
        return self.array.dtype

    def __dlpack_device__(self) -> tuple[int, int]:
        return 2, self.index

    def __dlpack__(self, **options: Any) -> Any:
        raise AssertionError("it was copied, or read by the processor")

    __array__ = __dlpack__


class Value:
    """onnxruntime's value, that says it lies on a GPU."""

    def __init__(self, value: Any, index: int) -> None:
        self._value, self._index = value, index

    def __getattr__(self, name: str) -> Any:
        return getattr(self._value, name)

    def __dlpack_device__(self) -> tuple[int, int]:
        return 2, self._index


def from_dlpack(array: Any) -> Tensor:
    """What PyTorch's function does: the memory of what is given, shared."""
    return Tensor(np.from_dlpack(array.value))


def install(patch: pytest.MonkeyPatch) -> None:
    """Let `fakelib` be a library that was imported, whose arrays onnxruntime takes."""
    library = ModuleType("fakelib")
    library.from_dlpack = from_dlpack  # type: ignore[attr-defined]
    patch.setitem(sys.modules, "fakelib", library)
    patch.setattr(Tensor, "__module__", "fakelib")

    def adopt(value: Tensor) -> Any:
        made = onnxruntime.OrtValue.ortvalue_from_numpy(value.array)
        return Value(made, value.index) if value.index else made

    patch.setattr(dlpack, "adopt", adopt)


def session_of(model: bytes) -> Any:
    options = onnxruntime.SessionOptions()
    options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    return onnxruntime.InferenceSession(model, options, providers=[CPU.name])


class GraphingSession:
    """A session on the CPU that treats `gpu_graph_id` as the CUDA provider does: the first run of a thread with a number
    is captured, and each later one repeats the run that was captured, whatever binding it is given.

    fails: the capture raises; stale: a replay leaves the outputs as the capture made them; noise: it adds to them.
    """

    def __init__(self, model: bytes, **faults: Any) -> None:
        self._real = session_of(model)
        self.fails, self.stale, self.noise = (faults.get(name) for name in ("fails", "stale", "noise"))
        self.captured: dict[tuple[int, str], Any] = {}
        self.runs: list[str] = []

    def run(self, names: Any, feeds: Any, options: Any) -> Any:
        assert options.get_run_config_entry("gpu_graph_id") == "-1", "a run that is not bound would be captured"
        self.runs.append("run")
        return self._real.run(names, feeds, options)

    def run_with_iobinding(self, binding: Any, options: Any) -> None:
        number = options.get_run_config_entry("gpu_graph_id")
        key = (threading.get_ident(), number)
        if number == "-1":
            self.runs.append("bound")
            self._real.run_with_iobinding(binding, options)
        elif key not in self.captured:
            self.runs.append("capture")
            if self.fails:
                raise RuntimeError("CUDA failure 900: operation not permitted when stream is capturing ; GPU=0")
            self._real.run_with_iobinding(binding, options)
            self.captured[key] = binding
        else:
            self.runs.append("replay")
            if not self.stale:
                self._real.run_with_iobinding(self.captured[key], options)
            if self.noise:
                for value in self.captured[key].get_outputs():
                    value.update_inplace(value.numpy() + np.float32(self.noise))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


def on_gpu(
    model: Any, graphs: Graphs | None = None, anew: Callable[[], Any] | None = None, **faults: Any
) -> tuple[Session, Any]:
    """A session whose model runs on the GPU that is not there, and onnxruntime's beneath it."""
    data = model.SerializeToString()
    outline = read_model(data)
    beneath: Any = GraphingSession(data, **faults) if graphs else session_of(data)
    engine = CudaEngine(beneath, outline, ON_CUDA, 1, graphs, anew, place="cpu")
    return Session(outline, Contract(outline), engine, None, data), beneath
