"""Keras' files: .keras, .weights.h5 and the .h5 of Keras 1 and 2. Tensors have the paths that Keras gives variables.

    .keras        a zip archive with a configuration and model.weights.h5, read where it lies in the archive
    .weights.h5   variables numbered in groups of layers: keras_names.py says how they get names
    .h5           "layer_names" and "weight_names" as attributes; the `dense/kernel:0` of `dense` is `dense/kernel`

A variable of a layer within `outer` is `outer/inner/kernel`. The optimizer's variables are left out, which metadata
says. Links to other files are refused. Over some damaged files HDF5 itself crashes or runs forever, so a process of its
own goes through a file's groups first.
"""

from __future__ import annotations

import io
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from archonnx.compiler.weights.files.base import Entry, Format, TensorFile, TensorFileError
from archonnx.compiler.weights.files.keras_groups import Group, Variable, Vars, Way, collected, legacy, numbered
from archonnx.compiler.weights.files.keras_names import Classes
from archonnx.compiler.weights.files.keras_trial import try_first
from archonnx.compiler.weights.files.keras_writing import MISSING
from archonnx.compiler.weights.files.zips import Archive
from archonnx.compiler.weights.recipe import Array, numpy_dtype
from archonnx.compiler.weights.regions import boxes
from archonnx.contract.diagnostics import MachineError

BEGINNING = b"\x89HDF\r\n\x1a\n"
DTYPES = "float16 float32 float64 int8 int16 int32 int64 uint8 uint16 uint32 uint64 bool".split()
HOLDS = frozenset([*DTYPES, "bfloat16"])
# What h5py raises for files that are damaged, beside OSError.
H5_ERRORS = (
    OSError,
    RuntimeError,
    KeyError,
    ValueError,
    TypeError,
    AttributeError,
    IndexError,
    OverflowError,
    NotImplementedError,
)


class KerasFile(TensorFile):
    """Datasets of HDF5 files by the names of Keras' variables. `files` are closed with it."""

    def __init__(
        self, format: str, path: Path, files: Sequence[Any], variables: Sequence[Variable], metadata: Mapping[str, str]
    ) -> None:
        self.format = format
        self.path, self.files, self.metadata = path, files, metadata
        self.variables = {variable.name: variable for variable in variables}
        self.entries = {name: _entry(path, name, variable.dataset) for name, variable in self.variables.items()}

    def place(self, name: str) -> tuple[str, str] | None:
        variable = self.variables[name]
        return (variable.place, variable.label) if variable.place else None

    def read(self, name: str, start: int, length: int) -> Array:
        dataset, entry = self.variables[name].dataset, self.entries[name]
        flat = np.empty(length, numpy_dtype(entry.dtype))
        at = 0
        try:
            for box in boxes(entry.shape, start, start + length):
                part = np.asarray(dataset[tuple(slice(*extent) for extent in box)]).reshape(-1)
                if entry.dtype == "bfloat16":
                    part = part.view(flat.dtype)
                flat[at : at + part.size] = part
                at += part.size
        except H5_ERRORS as error:
            raise TensorFileError(self.path, f'"{name}" cannot be read ({short(error)})') from error
        return flat

    def close(self) -> None:
        for file in self.files:
            file.close()


class Window(io.RawIOBase):
    """A stretch of a file as a file of its own."""

    def __init__(self, path: Path, start: int, size: int) -> None:
        self.number = os.open(path, os.O_RDONLY)
        self.start, self.size, self.at = start, size, 0

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        data = os.pread(self.number, max(0, min(len(view), self.size - self.at)), self.start + self.at)
        view[: len(data)] = data
        self.at += len(data)
        return len(data)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self.at = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self.at, os.SEEK_END: self.size}[whence]
        return self.at

    def tell(self) -> int:
        return self.at

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def close(self) -> None:
        if not self.closed:
            os.close(self.number)
        super().close()


def open_keras(path: Path, *, tried: bool = False) -> TensorFile:
    """The variables in a file of Keras. Errors: TensorFileError. `tried`: no process of its own opens it first."""
    try:
        with path.open("rb") as file:
            head = file.read(8)
            if head[:4] == b"PK\x03\x04":
                return _open_archive(path, Archive(path, file), tried)
    except OSError as error:
        raise TensorFileError(path, error.strerror or "it cannot be read") from error
    return _open_h5(path, path, None, tried)


def _open_archive(path: Path, archive: Archive, tried: bool) -> TensorFile:
    name = "model.weights.h5"
    if name not in archive.members:
        help = 'save the model anew by model.save("model.keras")'
        raise TensorFileError(path, f"it is a zip archive without {name}, so no .keras file that is read", help=help)
    config = None
    if "config.json" in archive.members:
        try:
            config = json.loads(archive.content("config.json"))
        except (ValueError, RecursionError) as error:
            raise TensorFileError(path, "its config.json is no JSON", help="it is damaged") from error
    window = Window(path, *archive.place(name))
    try:
        return _open_h5(path, window, config, tried)
    except TensorFileError:
        window.close()
        raise


def _open_h5(path: Path, where: Path | Window, config: Any, tried: bool) -> TensorFile:
    file = h5_file(path, where)
    try:
        if not tried:
            try_first(path)
        root = Group(path, file)
        old_root = root.group("model_weights") if "model_weights" in file else root
        old = any(name in old_root.item.attrs for name in ("layer_names", "layer_names0"))
        if old:
            found = list(legacy(old_root))
        else:
            groups: dict[Way, Vars] = {}
            collected(root, groups)
            found = list(numbered(path, groups, Classes(config)))
        left = [n for n in ("optimizer", "optimizer_weights") if n in file]
        metadata = {"left_out": ", ".join(left)} if left else {}
        open_files = [file, where] if isinstance(where, Window) else [file]
        form = "keras-legacy" if old else "keras" if isinstance(where, Window) else "keras-weights"
        return KerasFile(form, path, open_files, found, metadata)
    except H5_ERRORS as error:
        file.close()
        raise TensorFileError(path, f"it is damaged ({short(error)})") from error
    except (TensorFileError, MachineError):
        file.close()
        raise


def h5_file(path: Path, where: Path | Window) -> Any:
    """An HDF5 file, open. Errors: TensorFileError; MachineError where h5py is missing."""
    try:
        import h5py
    except ImportError as error:
        raise MachineError(f"{path}: files of Keras are read by h5py, {MISSING}") from error
    try:
        return h5py.File(where, "r")
    except H5_ERRORS as error:
        what = f"it is no HDF5 file that can be read ({short(error)})"
        raise TensorFileError(path, what, help="it is cut short, damaged, or of another format") from error


def _entry(path: Path, name: str, dataset: Any) -> Entry:
    """The type of a dataset. bfloat16 is stored as two bytes without a type, and named beside them."""
    shape, dtype = dataset.shape, dataset.dtype
    if shape is None:
        raise TensorFileError(path, f'"{name}" has no shape')
    if dtype.itemsize == 2 and dataset.attrs.get("dtype") == "bfloat16":
        return Entry("bfloat16", tuple(shape))
    if dtype.name not in DTYPES:
        raise TensorFileError(path, f'"{name}" is of the type {dtype}, which is none of real numbers')
    return Entry(dtype.name, tuple(shape))


def short(error: Exception) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) < 160 else text[:157] + "..."


FORMAT = Format(
    name="keras",
    title="Keras model",
    suffixes=(".keras",),
    instead="a .keras holds a model too: archonnx.to_keras(compiled).save(path) writes one, .weights.h5 holds weights",
    open=open_keras,
    holds=HOLDS,
    magic=(BEGINNING,),
    extra="keras",
)
