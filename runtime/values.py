"""Arrays as onnxruntime's values, and back."""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Any

from archonnx.contract.diagnostics import MachineError
from archonnx.contract.dtypes import DTYPES
from archonnx.runtime.arrays import numpy_dtype
from archonnx.runtime.modelfile import Spec

if TYPE_CHECKING:
    import numpy as np

# Types that numpy has no dtype of its own for: onnxruntime takes and gives them as bytes only.
FOREIGN = frozenset({"bfloat16", "float8e4m3fn", "float8e4m3fnuz", "float8e5m2", "float8e5m2fnuz"})

UNCARRIED = frozenset({"int4", "uint4", "int2", "uint2", "float4e2m1", "float8e8m0"})  # not even as bytes


def to_value(spec: Spec, array: np.ndarray[Any, Any]) -> Any:
    """An array of an input's type as onnxruntime's value, which may point into it."""
    import numpy as np
    from onnxruntime import OrtValue

    if spec.dtype not in FOREIGN:
        return OrtValue.ortvalue_from_numpy(array)
    bits = DTYPES[spec.dtype].bits
    return OrtValue.ortvalue_from_numpy_with_onnx_type(
        array.view(np.uint16 if bits == 16 else np.uint8), DTYPES[spec.dtype].onnx
    )


def to_numpy(spec: Spec, value: Any) -> Any:
    import numpy as np

    if spec.dtype not in FOREIGN:
        return value.numpy()
    if value.device_name() != "cpu":
        raise MachineError(
            f"output {spec.name}: onnxruntime left the {spec.dtype} on {value.device_name()}, out of reach"
        )
    dtype, shape = numpy_dtype(spec.dtype), tuple(value.shape())
    size = dtype.itemsize * int(np.prod(shape, dtype=np.int64))
    data = ctypes.string_at(value.data_ptr(), size) if size else b""
    return np.frombuffer(data, dtype).reshape(shape).copy()


def to_host(spec: Spec, value: Any) -> np.ndarray[Any, Any]:
    """A copy of a device's value in the processor's memory, an array of its own."""
    import numpy as np

    array = np.empty(tuple(value.shape()), numpy_dtype(spec.dtype))
    if array.size:
        to_value(spec, array).update_inplace(value)
    return array


def view(spec: Spec, value: Any) -> np.ndarray[Any, Any]:
    """An output that onnxruntime gave, as an array that shares its memory where numpy knows the type."""
    import numpy as np

    if spec.dtype in FOREIGN:
        found: np.ndarray[Any, Any] = to_numpy(spec, value)
        return found
    return np.from_dlpack(value)
