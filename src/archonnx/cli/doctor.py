"""`archonnx doctor`: what this machine can run models on, and why not on more."""

from __future__ import annotations

import json
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import click

from archonnx._version import __version__
from archonnx.cli.console import out
from archonnx.cli.options import color_option, format_option

# What archonnx uses, and the extra that brings it (none: always installed).
_LIBRARIES = {
    "onnx": "",
    "numpy": "",
    "onnxruntime": "cpu",
    "onnxruntime-gpu": "gpu",
    "onnxruntime-ep-openvino": "openvino",
    "keras": "keras",
    "tensorflow": "keras",
    "tensorflow-cpu": "keras",
    "torch": "torch",
}


def libraries() -> dict[str, str | None]:
    """The version of each library archonnx may use, None where it is not installed."""
    found: dict[str, str | None] = {}
    for name in _LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = None
    return found


def system() -> dict[str, Any]:
    """This machine and interpreter, in words."""
    return {
        "archonnx": __version__,
        "python": platform.python_version(),
        "executable": sys.executable,
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
    }
