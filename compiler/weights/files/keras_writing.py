"""Writing HDF5 files for Keras: datasets slice by slice, through a file that HDF5 may read back as it writes."""

from __future__ import annotations

import math
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

import numpy as np

from archonnx.compiler.weights.files.base import CannotHoldError, Tensor
from archonnx.compiler.weights.recipe import numpy_dtype
from archonnx.compiler.weights.regions import boxes, extents
from archonnx.contract.diagnostics import MachineError

MOST_BYTES = 60_000  # HDF5 has 64 KiB for the attributes of a group's header
MOST_AXES = 32
MISSING = "which is not installed: pip install 'archonnx[keras]', or h5py alone"


@contextmanager
def writing(file: BinaryIO) -> Iterator[Any]:
    """An h5py.File to fill; its bytes go to `file` when the body ends. MachineError where h5py is missing."""
    try:
        import h5py
    except ImportError:
        raise MachineError(f"files of Keras are written by h5py, {MISSING}") from None
    # HDF5 reads what it has written, which a file that is open for writing alone does not let it.
    if isinstance(getattr(file, "name", None), str) and os.path.isfile(file.name):
        with open(file.name, "r+b") as again, h5py.File(again, "w") as out:
            yield out
        return
    with tempfile.TemporaryFile() as scratch:
        with h5py.File(scratch, "w") as out:
            yield out
        scratch.seek(0)
        shutil.copyfileobj(scratch, file, 1 << 20)


def write_dataset(group: Any, key: str, name: str, tensor: Tensor) -> None:
    """A tensor as a dataset under a key of a group; bfloat16 as Keras has it. `name` is what errors call it."""
    entry = tensor.entry
    if len(entry.shape) > MOST_AXES:
        raise CannotHoldError(f"HDF5 has at most {MOST_AXES} axes, {name[:100]!r} has {len(entry.shape)}")
    raw = entry.dtype == "bfloat16"
    dataset = group.create_dataset(key, entry.shape, "V2" if raw else numpy_dtype(entry.dtype))
    if raw:
        dataset.attrs["dtype"] = "bfloat16"
    at = 0
    for part in tensor.slices():
        flat = np.ascontiguousarray(part).reshape(-1)
        flat = flat.view("V2") if raw else flat
        done = 0
        for box in boxes(entry.shape, at, at + flat.size):
            count = math.prod(extents(box))
            dataset[tuple(slice(*extent) for extent in box)] = flat[done : done + count].reshape(extents(box))
            done += count
        at += flat.size
    if at != entry.size:
        raise ValueError(f"{name} is declared {entry} and gives {at} elements")
