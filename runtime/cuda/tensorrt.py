"""TensorRT, NVIDIA's compiler of graphs: whether it is here, as onnxruntime's provider needs it."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata as distributions
from importlib import util
from pathlib import Path

NAME = "TensorrtExecutionProvider"
MAJOR = 10  # what the providers of onnxruntime 1.31 and 1.32 are linked to
LIBRARIES = (f"libnvinfer.so.{MAJOR}", f"libnvonnxparser.so.{MAJOR}")
# TensorRT computes float32 in TF32 unless this is "0": onnxruntime has no option for it, NVIDIA's libraries read this.
VARIABLE = "NVIDIA_TF32_OVERRIDE"


@dataclass(frozen=True, slots=True)
class TensorRt:
    """What was found. version: of the package with the libraries, None where pip knows none; missing: libraries that
    are not found; tf32: the environment variable that forbids TF32."""

    version: str | None = None
    missing: tuple[str, ...] = ()
    tf32: str | None = None


def package(needs: tuple[int, int]) -> str:
    """The package of PyPI with the libraries, for the CUDA version that onnxruntime was built for."""
    return f"tensorrt-cu{needs[0] or 13}"


def look(needs: tuple[int, int], environment: Mapping[str, str] = os.environ) -> TensorRt:
    """Look for TensorRT's libraries, and load them from where pip puts them, as the provider finds them only then.

    needs: the CUDA version that onnxruntime was built for.
    """
    import ctypes

    version = None
    with contextlib.suppress(distributions.PackageNotFoundError):
        version = distributions.version(f"{package(needs)}-libs")
    tf32 = environment.get(VARIABLE)
    if sys.platform != "linux":  # the provider's own loading says what is missing there
        return TensorRt(version, (), tf32)
    missing = []
    for name in LIBRARIES:
        for place in (name, *(str(folder / name) for folder in _folders())):
            try:
                ctypes.CDLL(place, mode=ctypes.RTLD_GLOBAL)
                break
            except OSError:
                continue
        else:
            missing.append(name)
    return TensorRt(version, tuple(missing), tf32)


def _folders() -> list[Path]:
    """Where pip puts the libraries."""
    spec = util.find_spec("tensorrt_libs")
    return [Path(folder) for folder in (spec.submodule_search_locations or [])] if spec else []
