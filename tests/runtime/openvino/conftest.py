"""Whether OpenVINO's own library can be tested here, and loading on it."""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Callable
from importlib import metadata as distributions
from typing import Any

import onnx
import pytest

# While tests are collected, before one loads the plug-in: a process holds one of the two, and tests of the plug-in run
# in processes of their own. Else, on Intel's processors, the order of tests would choose which of them are skipped.
with contextlib.suppress(ImportError):
    importlib.import_module("openvino")


@pytest.fixture(scope="session")
def openvino() -> Any:
    """The library, which this process loads before onnxruntime's plug-in could be."""
    try:
        distributions.version("openvino")
    except distributions.PackageNotFoundError:
        pytest.skip("the package openvino is not installed")
    import openvino

    from archonnx.runtime.openvino import plugin

    if plugin._registered:
        pytest.skip("this process has loaded OpenVINO's plug-in, beside which its library is not loaded")
    return openvino


@pytest.fixture(scope="session")
def on_library(openvino: Any) -> Callable[..., Any]:
    """`on_library(model, ...)` loads a ModelProto, bytes, a path or a compiled model on OpenVINO's library."""
    from archonnx.runtime.loading import load

    def loaded(model: Any, **options: Any) -> Any:
        source = model.SerializeToString() if isinstance(model, onnx.ModelProto) else model
        session = load(source, "openvino", **options)
        assert session.providers == ("OpenVINO",)
        return session

    return loaded
