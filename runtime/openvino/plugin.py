"""The plug-in of onnxruntime (the package onnxruntime-ep-openvino): registered once a process, and what OpenVINO offers
here."""

from __future__ import annotations

import sys
import threading
from dataclasses import dataclass, field
from importlib import metadata as distributions
from typing import Any

from archonnx.runtime.openvino.library import Library, look_at_library

PACKAGE = "onnxruntime-ep-openvino"
NAME = "OpenVINOExecutionProvider"
_MODULE = "onnxruntime_ep_openvino"
_INTEL = 0x8086  # as the plug-in knows it
_lock = threading.Lock()
_registered: set[str] = set()  # a library that offers nothing is not seen in onnxruntime's list of devices


@dataclass(frozen=True, slots=True)
class OpenVino:
    """What was found. version: the plug-in's, None where it is not installed; error: why it does not load, else None;
    devices: what it runs on by OpenVINO's names, {"CPU": "Intel(R) Xeon(R) ..."}; vendor: the processor's maker, as
    onnxruntime sees it; capabilities: what the processor is good at, in OpenVINO's words: FP32, BF16, FP16, INT8;
    library: OpenVINO's own, None where it was not looked at, as the plug-in is taken or may have been loaded."""

    version: str | None = None
    error: str | None = None
    devices: dict[str, str] = field(default_factory=dict)
    vendor: str | None = None
    capabilities: tuple[str, ...] = ()
    library: Library | None = None

    @property
    def computes(self) -> tuple[str, ...]:
        """The capabilities of what runs models here: the plug-in, else the library."""
        return self.capabilities or (self.library.capabilities if self.library else ())


def look() -> OpenVino:
    """What runs models here. The plug-in is loaded, where onnxruntime and it are installed, the processor is one of
    Intel's and the process has not loaded OpenVINO's library already: some milliseconds. Else the library is, half a
    second."""
    import onnxruntime

    from archonnx.runtime.translate import clean, ort_errors

    kinds = onnxruntime.OrtHardwareDeviceType
    processors = [each.device for each in onnxruntime.get_ep_devices() if each.device.type == kinds.CPU]
    vendor = processors[0].vendor if processors else None
    try:
        version = distributions.version(PACKAGE)
    except distributions.PackageNotFoundError:
        return OpenVino(vendor=vendor, library=look_at_library())
    if all(each.vendor_id != _INTEL for each in processors) or "openvino" in sys.modules:
        return OpenVino(version, vendor=vendor, library=look_at_library())
    try:
        each_one = {_device(each): each.ep_metadata for each in offered()}
    except (ImportError, OSError) as error:  # the package, or its library, is not whole
        return OpenVino(version, " ".join(str(error).split()))
    except ort_errors() as error:
        return OpenVino(version, clean(str(error)))
    found = {name: about.get("FULL_DEVICE_NAME", "") for name, about in each_one.items()}
    able = tuple(each_one.get("CPU", {}).get("OPTIMIZATION_CAPABILITIES", "").split())
    return OpenVino(version, None, found, vendor, able)


def offered() -> list[Any]:
    """onnxruntime's devices of the plug-in, which the first call registers; none where it takes no hardware here.

    Raises ImportError, OSError and onnxruntime's own errors where it does not load.
    """
    import onnxruntime

    with _lock:
        found = _listed(onnxruntime)
        if not found and _MODULE not in _registered:
            import onnxruntime_ep_openvino

            onnxruntime.register_execution_provider_library(_MODULE, onnxruntime_ep_openvino.get_library_path())
            _registered.add(_MODULE)
            found = _listed(onnxruntime)
    return found


def cpu() -> Any:
    """onnxruntime's device that stands for OpenVINO on the processor. Raises as `offered`, KeyError where none is."""
    return {_device(each): each for each in offered()}["CPU"]


def _listed(onnxruntime: Any) -> list[Any]:
    return [each for each in onnxruntime.get_ep_devices() if each.ep_name == NAME]


def _device(each: Any) -> str:
    return str(each.ep_metadata.get("ov_device", ""))
