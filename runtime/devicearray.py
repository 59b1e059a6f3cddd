"""Arrays that lie on a GPU: inputs of other libraries taken where they are, and results that stay there."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from archonnx.contract.dtypes import BY_ONNX
from archonnx.runtime.arrays import numpy_dtype
from archonnx.runtime.errors import InputError
from archonnx.runtime.modelfile import Spec
from archonnx.runtime.values import to_host

if TYPE_CHECKING:
    import numpy as np

GPU_DEVICES = ("cuda", "tensorrt")
_COPY = "the array is shared, not copied"


class DeviceArray:
    """An array on an NVIDIA GPU, which onnxruntime and any library that speaks DLPack can read: `torch.from_dlpack(a)`.

    dtype: numpy's or ml_dtypes'; shape: of its elements; device: the GPU's number; source: the array of another library
    that it was taken from, None for a result.
    """

    __slots__ = ("_type", "device", "dtype", "shape", "source", "value")

    def __init__(self, value: Any, source: Any = None) -> None:
        self.value, self.source = value, source
        self._type = BY_ONNX[value.element_type()].name
        self.dtype: np.dtype[Any] = numpy_dtype(self._type)
        self.shape: tuple[int, ...] = tuple(value.shape())
        self.device: int = int(value.__dlpack_device__()[1])

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def nbytes(self) -> int:
        size = self.dtype.itemsize
        for length in self.shape:
            size *= length
        return size

    def overlaps(self, other: DeviceArray) -> bool:
        """Whether they share memory."""
        first, second = self.value.data_ptr(), other.value.data_ptr()
        apart = first + self.nbytes <= second or second + other.nbytes <= first
        return bool(self.device == other.device and self.nbytes and other.nbytes and not apart)

    def numpy(self) -> np.ndarray[Any, Any]:
        """A copy in the processor's memory."""
        return to_host(Spec("array", self._type, None), self.value)

    def __dlpack__(self, *, stream: Any = None, **options: Any) -> Any:
        """The memory itself: the run that wrote it has ended, so that any stream may read it."""
        if options.get("copy"):
            raise BufferError(_COPY)
        return self.value.__dlpack__(stream=stream)

    def __dlpack_device__(self) -> tuple[int, int]:
        kind, index = self.value.__dlpack_device__()
        return int(kind), int(index)

    def __repr__(self) -> str:
        return f"<DeviceArray {self.dtype.name}{list(self.shape)} on GPU {self.device}>"


def on_host(array: Any) -> Any:
    """An array whose values the processor reads: a copy of one on the GPU."""
    return array.numpy() if isinstance(array, DeviceArray) else array


def check_reach(kind: str, arrays: Mapping[str, Any], device: str) -> None:
    """Refuse arrays on a GPU where the model runs elsewhere: nothing is copied unasked. kind: "input" or "output".

    Raises InputError.
    """
    for name, array in arrays.items():
        if not isinstance(array, DeviceArray):
            continue
        if device not in GPU_DEVICES:
            reason = f"the array lies on GPU {array.device}, the model runs on {device}"
            raise InputError(
                f'{kind} {name}: {reason}; copy it to the processor\'s memory, or load with device="cuda"', name
            )
        if array.device:
            reason = f"the array lies on GPU {array.device}, the model runs on GPU 0"
            raise InputError(f"{kind} {name}: {reason}; CUDA_VISIBLE_DEVICES={array.device} makes that one GPU 0", name)


def like(value: Any, source: Any) -> Any:
    """A result on the GPU as an array of the library that `source` is of, sharing its memory; all else as it is.

    The library is found by the array API's `__array_namespace__` (JAX, CuPy), else by the name of the type's module
    (PyTorch); where it has no `from_dlpack`, the DeviceArray itself is given.
    """
    if not isinstance(value, DeviceArray):
        return value
    named = getattr(source, "__array_namespace__", None)
    library = sys.modules.get(type(source).__module__.partition(".")[0]) if named is None else named()
    make = getattr(library, "from_dlpack", None)
    if make is None:
        return value
    made = make(value)
    if value.dtype.kind == "b" and not str(made.dtype).endswith("bool"):  # onnxruntime before 1.32 calls them bytes
        return made != 0
    return made
