"""Arrays of other libraries (PyTorch, JAX, CuPy, ...) taken where they lie, without a copy.

By DLPack, https://dmlc.github.io/dlpack/latest/python_spec.html, and in the processor's memory by whatever else numpy
takes. None of these libraries is imported here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from archonnx.contract.dtypes import BY_ONNX
from archonnx.runtime.arrays import numpy_dtype

if TYPE_CHECKING:
    import numpy as np

    from archonnx.runtime.devicearray import DeviceArray

# DLDeviceType: what the processor reads, its own memory and what CUDA has pinned of it; and NVIDIA's GPUs.
_HOST, _CUDA = (1, 3), 2
_OTHERS = {4: "OpenCL", 7: "Vulkan", 8: "Metal", 10: "ROCm", 13: "CUDA's managed memory", 14: "oneAPI", 15: "WebGPU"}
_FAILURES = (TypeError, ValueError, RuntimeError, BufferError, OverflowError, AttributeError)


class NotTakenError(ValueError):
    """Why an array is not taken: one line, and how it is mended."""


def place_of(value: Any) -> tuple[int, int] | None:
    """DLPack's kind of device and its number; None for what does not speak DLPack, or lies nowhere."""
    told = getattr(value, "__dlpack_device__", None)
    if told is None:
        return None
    try:
        kind, index = told()
    except _FAILURES:  # PyTorch's device "meta" holds nothing
        return None
    return int(kind), int(index)


def taken(value: Any, name: str, host: Callable[[Any], Any] | None = None) -> np.ndarray[Any, Any] | DeviceArray:
    """An array of any library: numpy's where the processor reads it, sharing its memory; else one on the GPU.

    name: what the caller calls it, for the mend; host: how the processor's memory is read. Raises NotTakenError.
    """
    import numpy as np

    if isinstance(value, np.ndarray):
        return np.asarray(value)
    if getattr(value, "requires_grad", False) is True:
        raise NotTakenError(f"it requires a gradient, and a run gives none: {name}.detach()")
    place = place_of(value)
    if place is None or place[0] in _HOST:
        return (host or _on_host)(value)
    if place[0] == _CUDA:
        return _on_gpu(value, name)
    raise NotTakenError(
        f"it lies on {_OTHERS.get(place[0], f'device type {place[0]}')}; copy it to the processor's memory"
    )


def host_views(arrays: Mapping[str, Any]) -> dict[str, Any] | None:
    """numpy's views of arrays that all speak DLPack and lie in the processor's memory; None where one does not, or
    would have to be looked at more closely."""
    import numpy as np

    found: dict[str, Any] = {}
    for name, value in arrays.items():
        if type(value) is np.ndarray:
            found[name] = value
            continue
        place = place_of(value)
        if isinstance(value, np.ndarray) or place is None or place[0] not in _HOST:  # a masked array is looked at
            return None
        try:
            found[name] = np.asarray(value)
        except _FAILURES:
            return None
    return found


def shared(value: Any) -> np.ndarray[Any, Any]:
    """As numpy's array, by DLPack alone: what is written into it is written into `value`. Raises NotTakenError."""
    import numpy as np

    try:
        return np.from_dlpack(value)
    except _FAILURES as error:
        return _by_value(value, error)


def _on_host(value: Any) -> np.ndarray[Any, Any]:
    import numpy as np

    speaks = hasattr(value, "__dlpack__")
    try:
        # Eight times as fast for a tensor of PyTorch as DLPack, and no copy either.
        return np.from_dlpack(value) if speaks and not hasattr(value, "__array__") else np.asarray(value)
    except _FAILURES as error:
        if not speaks:
            raise NotTakenError(str(error).splitlines()[0]) from None
        return _by_value(value, error)


def _by_value(value: Any, error: Exception) -> np.ndarray[Any, Any]:
    """Types that numpy lacks, bfloat16 and the like: through onnxruntime's value. error: numpy's own."""
    import numpy as np
    from onnxruntime import OrtValue

    try:
        held = OrtValue.from_dlpack(value)
    except _FAILURES as second:
        reason = error if "dtype" in str(second).lower() else second
        text = str(reason).splitlines()[0]
        raise NotTakenError("it is not contiguous" if "IsContiguousTensor" in text else text) from None
    dtype = numpy_dtype(BY_ONNX[held.element_type()].name)
    return np.asarray(_Memory(held, dtype)).view(dtype)


class _Memory:
    """What numpy reads through its array interface; keeps the memory alive for as long as an array shows it."""

    def __init__(self, held: Any, dtype: np.dtype[Any]) -> None:
        self._held = held
        shape, bits = tuple(held.shape()), f"|u{dtype.itemsize}" if dtype.itemsize == 1 else f"<u{dtype.itemsize}"
        self.__array_interface__ = {"shape": shape, "typestr": bits, "data": (held.data_ptr(), False), "version": 3}


def _on_gpu(value: Any, name: str) -> DeviceArray:
    from archonnx.runtime.devicearray import DeviceArray

    try:
        return DeviceArray(adopt(value), value)
    except KeyError:
        raise NotTakenError("its elements are of a type that onnxruntime does not know") from None
    except _FAILURES as error:
        text = str(error).splitlines()[0]
        if "IsContiguousTensor" in text:
            raise NotTakenError(f"it is not contiguous: {name}.contiguous()") from None
        raise NotTakenError(f"onnxruntime does not take it: {text}") from None


def adopt(value: Any) -> Any:
    """An array on the GPU as onnxruntime's value, which shares its memory."""
    from onnxruntime import OrtValue

    return OrtValue.from_dlpack(value)
