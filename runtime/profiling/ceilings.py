"""What this machine can do at most, measured by the library, threads and device that run the model: multiplications of
matrices that stay in its caches, and sums of arrays that do not."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import cache
from typing import Any

from archonnx.runtime.devices import CPU, CUDA
from archonnx.runtime.threads import set_threads

_RUNS = 12
_SIDES = {"cpu": (384, 512, 1024), "cuda": (4096, 8192)}  # of the matrices: which is fastest depends on the caches
_ELEMENTS = {"cpu": 1 << 24, "cuda": 1 << 28}  # of the arrays: 64 MB or 1 GB each, three of them


@dataclass(frozen=True, slots=True)
class Ceilings:
    """compute: float32 operations a second, a multiplication and a sum being two; memory: bytes a second."""

    compute: float
    memory: float

    def least(self, macs: int, moved: int) -> tuple[float, float]:
        """The seconds that so many multiply-accumulates and so many bytes take at the very least."""
        return 2 * macs / self.compute, moved / self.memory


@cache
def measure(device: str, threads: int | None) -> Ceilings:
    """The ceilings of the CPU or of CUDA, in about half a second: the best of a few runs each. Once a process."""
    elements = _ELEMENTS[device]
    compute = max(2 * side**3 / _best("MatMul", (side, side), device, threads) for side in _SIDES[device])
    return Ceilings(compute, 3 * 4 * elements / _best("Add", (elements,), device, threads))


def _best(operator: str, shape: tuple[int, ...], device: str, threads: int | None) -> float:
    """Seconds of the fastest run of one operator on two arrays, which lie where it runs, as does its result."""
    import numpy as np
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    set_threads(options, threads)
    providers = [CUDA, CPU] if device == "cuda" else [CPU]
    named = [(provider.name, provider.settings(threads)) for provider in providers]
    session: Any = onnxruntime.InferenceSession(_model(operator, shape), options, providers=named)
    arrays = [np.full(shape, 0.5, np.float32) for _ in "ab"]  # two: one would be read from the caches the second time
    values = [onnxruntime.OrtValue.ortvalue_from_numpy(array, device) for array in arrays]
    result = onnxruntime.OrtValue.ortvalue_from_shape_and_type(list(shape), np.float32, device)
    binding = session.io_binding()
    for name, value in zip("ab", values, strict=True):
        binding.bind_ortvalue_input(name, value)
    binding.bind_ortvalue_output("y", result)
    times = []
    for _ in range(_RUNS + 1):
        began = time.perf_counter()
        session.run_with_iobinding(binding)
        times.append(time.perf_counter() - began)
    return min(times[1:])


def _model(operator: str, shape: tuple[int, ...]) -> bytes:
    from onnx import TensorProto, helper

    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in ("a", "b", "y")]
    graph = helper.make_graph([helper.make_node(operator, ["a", "b"], ["y"])], "ceiling", values[:2], values[2:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    found: bytes = model.SerializeToString()
    return found
