"""A model in int8 as a file."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from archonnx.contract.diagnostics import UsageError
from archonnx.contract.files import replace_file
from archonnx.runtime.contract import Contract
from archonnx.runtime.int8.calibrating import METHODS
from archonnx.runtime.int8.lowering import Quantized, lower
from archonnx.runtime.modelfile import read_model
from archonnx.runtime.samples import read_samples
from archonnx.runtime.settings import read_max_error
from archonnx.runtime.threads import thread_count
from archonnx.runtime.weightfiles import check_weights

if TYPE_CHECKING:
    from archonnx.runtime.samples import Data


def write_int8(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    data: Data,
    *,
    max_error: float | None = None,
    method: str = "minmax",
    threads: int | None = None,
    progress: Callable[[str], None] = lambda step: None,
) -> Quantized:
    """Quantize a model file to int8, and write it, whole or not at all. data: as `load` takes it, examples by input.

    Raises UsageError where an argument makes no sense, MachineError where the model cannot be quantized or does not
    stay within max_error, InputError for data that do not fit it, ModelFileError, RunError, OSError.
    """
    if method not in METHODS:
        raise UsageError(f"method {method!r} is not known; it is one of {', '.join(map(repr, METHODS))}")
    path = os.fspath(source)
    if Path(target).exists() and os.path.samefile(path, target):
        raise UsageError(f"{path} would be overwritten by its own int8: give -o another name")
    bound, model = read_max_error(max_error), read_model(path)
    check_weights(path, model)
    samples = read_samples(data, Contract(model))
    made = lower(
        path,
        model,
        samples,
        max_error=bound,
        method=method,
        threads=thread_count(threads),
        progress=progress,
    )
    replace_file(target, made.model)
    return made
