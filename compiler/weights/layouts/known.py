"""The layouts by name, as maps write them, and the mark between a layer's name and its tensors' in each."""

from __future__ import annotations

import importlib

from archonnx.compiler.weights.layouts.base import Layout

SEPARATORS = {"torch": ".", "keras": "/", "onnx": ".", "none": "/"}
MODULES = {"torch": "torch", "keras": "keras", "onnx": "onnx", "none": "ours"}


def layout_of(name: str) -> Layout:
    """The layout of that name, one of SEPARATORS."""
    found: Layout = importlib.import_module(f"archonnx.compiler.weights.layouts.{MODULES[name]}").LAYOUT
    return found
