"""What the compiler says of a model that is wrong in one place."""

from __future__ import annotations

from typing import Any

import pytest

import archonnx
from archonnx.contract.diagnostics import CompileError, Diagnostic


def error_of(text: str, **options: Any) -> Diagnostic:
    """The one error of a source."""
    with pytest.raises(CompileError) as caught:
        archonnx.compile(text=text, **options)
    (found,) = caught.value.diagnostics
    return found


def diagnose(line: str, *inputs: str) -> Diagnostic:
    """The one error of a model with these inputs, whole lines, and this line."""
    return error_of("\n    ".join(["model A():", *inputs, line]) + "\n")
