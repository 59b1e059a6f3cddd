"""How much memory a run may still take, where it runs."""

from __future__ import annotations

import ctypes
import sys

from archonnx.runtime.devicearray import GPU_DEVICES
from archonnx.runtime.machine import free_memory

WIDEST = 2**31 - 1  # elements of a tensor that cuDNN takes, and kernels that count in 32 bits


def free_on(device: str) -> int | None:
    """Bytes that are free for runs on a device; None where nobody tells."""
    return gpu_memory() if device in GPU_DEVICES else free_memory()


def gpu_memory() -> int | None:
    """Free bytes of the first GPU, as NVIDIA's driver tells; None where there is none.

    By https://docs.nvidia.com/cuda/cuda-driver-api/: in the primary context, which onnxruntime uses too.
    """
    try:
        driver = ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return None
    device, context = ctypes.c_int(0), ctypes.c_void_p()
    free, total = ctypes.c_size_t(0), ctypes.c_size_t(0)
    if driver.cuInit(0) or driver.cuDeviceGet(ctypes.byref(device), 0):
        return None
    if driver.cuDevicePrimaryCtxRetain(ctypes.byref(context), device):
        return None
    try:
        if driver.cuCtxPushCurrent_v2(context):
            return None
        failed = driver.cuMemGetInfo_v2(ctypes.byref(free), ctypes.byref(total))
        driver.cuCtxPopCurrent_v2(ctypes.byref(ctypes.c_void_p()))
        return None if failed else int(free.value)
    finally:
        driver.cuDevicePrimaryCtxRelease_v2(device)
