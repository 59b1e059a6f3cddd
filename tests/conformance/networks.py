"""Runs a shipped network with weights out of a file, to be held against the network that the file is of."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

import archonnx

Array = np.ndarray[Any, Any]
MODELS = Path(__file__).resolve().parents[2] / "models"


def compiled_with(weights: Path, by: str | None, source: str, model: str, **parameters: Any) -> archonnx.CompiledModel:
    """A model of the zoo with the weights of a file, by a map; None: by the one that fits."""
    return archonnx.compile(MODELS / source, model, **parameters).with_weights(weights, map=by)


def output_of(model: archonnx.CompiledModel, image: Array, folder: Path) -> Array:
    """What ONNX Runtime gives for pictures [N, H, W, 3], in two threads."""
    import onnxruntime

    path = folder / "model.onnx"
    model.save(path)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 2
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    found: Array = session.run(None, {"image": image})[0]
    return found


@contextmanager
def large_files() -> Iterator[Path]:
    """A folder that is gone afterwards: pytest's own are kept, three runs of them."""
    folder = Path(tempfile.mkdtemp(prefix="archonnx-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
