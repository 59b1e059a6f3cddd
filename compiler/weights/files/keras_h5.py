"""Keras' files: .keras, .weights.h5 and the .h5 of Keras 1 and 2. Tensors have the paths that Keras gives variables.

    .keras        a zip archive with a configuration and model.weights.h5, read where it lies in the archive
    .weights.h5   variables numbered in groups of layers: keras_names.py says how they get names
    .h5           "layer_names" and "weight_names" as attributes; the `dense/kernel:0` of `dense` is `dense/kernel`

A variable of a layer within `outer` is `outer/inner/kernel`. The optimizer's variables are left out, which metadata
says. Links to other files are refused. Over some damaged files HDF5 itself crashes or runs forever, so a process of its
own goes through a file's groups first.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from archonnx.compiler.weights.files.base import Entry, Format, TensorFile, TensorFileError
from archonnx.compiler.weights.files.keras_names import Classes
from archonnx.compiler.weights.files.zips import Archive
from archonnx.compiler.weights.recipe import Array, numpy_dtype
from archonnx.compiler.weights.regions import boxes

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
MOST_GROUPS = 1_000_000
SECONDS = 60


class KerasFile(TensorFile):
    """Datasets of an HDF5 file by the names of Keras' variables."""

    def __init__(
        self,
        format: str,
        path: Path,
        file: Any,
        under: Any,
        datasets: Mapping[str, Any],
        metadata: Mapping[str, str],
    ) -> None:
        self.format = format
        self.path, self.file, self.under, self.metadata = path, file, under, metadata
        self.datasets = datasets
        self.entries = {name: _entry(path, name, dataset) for name, dataset in datasets.items()}

    def read(self, name: str, start: int, length: int) -> Array:
        dataset, entry = self.datasets[name], self.entries[name]
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
            raise TensorFileError(self.path, f'"{name}" cannot be read ({_short(error)})') from error
        return flat

    def close(self) -> None:
        self.file.close()
        if self.under is not None:
            self.under.close()


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
    try:
        import h5py
    except ImportError as error:
        help = "install archonnx[keras], or h5py alone"
        raise TensorFileError(path, "files of Keras are read by h5py, which is not installed", help=help) from error
    try:
        file = h5py.File(where, "r")
    except H5_ERRORS as error:
        what = f"it is no HDF5 file that can be read ({_short(error)})"
        raise TensorFileError(path, what, help="it is cut short, damaged, or of another format") from error
    try:
        if not tried:
            _try(path)
        root = Group(path, file)
        legacy = root.group("model_weights") if "model_weights" in file else root
        old = any(name in legacy.item.attrs for name in ("layer_names", "layer_names0"))
        found = dict(_legacy(legacy) if old else _numbered(root, Classes(config)))
        left = [n for n in ("optimizer", "optimizer_weights") if n in file]
        under = where if isinstance(where, Window) else None
        metadata = {"left_out": ", ".join(left)} if left else {}
        return KerasFile("keras-legacy" if old else "keras", path, file, under, found, metadata)
    except H5_ERRORS as error:
        file.close()
        raise TensorFileError(path, f"it is damaged ({_short(error)})") from error
    except TensorFileError:
        file.close()
        raise


def _try(path: Path) -> None:
    """Go through a file in another process. TensorFileError where HDF5 crashes over it, or does not come back."""
    if not sys.executable:
        return
    code = f"import sys, pathlib; from {__name__} import go_through; go_through(pathlib.Path(sys.argv[1]))"
    found = {**os.environ, "PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry)}
    command = [sys.executable, "-P", "-c", code, str(path)]
    try:
        done = subprocess.run(command, env=found, stdin=subprocess.DEVNULL, capture_output=True, timeout=SECONDS)
    except subprocess.TimeoutExpired as error:
        what = f"it is damaged: HDF5 has not come to the end of its groups within {SECONDS} seconds"
        raise TensorFileError(path, what) from error
    if done.returncode < 0:
        raise TensorFileError(path, f"it is damaged: HDF5 crashes over it (signal {-done.returncode})")


def go_through(path: Path) -> None:
    """Open a file and read one element of each variable, for what HDF5 makes of it."""
    with contextlib.suppress(TensorFileError), open_keras(path, tried=True) as tensors:
        for name, entry in tensors.entries.items():
            tensors.read(name, 0, min(entry.size, 1))


class Group:
    """A group of an HDF5 file whose members are its own: no link leads out of it."""

    def __init__(self, path: Path, item: Any) -> None:
        self.path, self.item = path, item

    def member(self, name: str) -> Any:
        import h5py

        if not isinstance(self.item.get(name, getlink=True), h5py.HardLink):
            raise TensorFileError(self.path, f"its member {self.item.name}/{name} is a link, which is not followed")
        return self.item[name]

    def group(self, name: str) -> Group:
        import h5py

        item = self.member(name)
        if not isinstance(item, h5py.Group):
            raise TensorFileError(self.path, f"{item.name} in it is no group")
        return Group(self.path, item)

    def dataset(self, name: str) -> Any:
        """The dataset under a name, which may lead through groups."""
        import h5py

        *way, last = [n for n in name.split("/") if n]
        group = self
        for step in way:
            group = group.group(step)
        item = group.member(last)
        if not isinstance(item, h5py.Dataset) or item.is_virtual or item.external:
            raise TensorFileError(self.path, f"{self.item.name}/{name} in it is no dataset with data of its own")
        return item

    def strings(self, name: str) -> list[str]:
        """An attribute that is a list of strings, which Keras cuts into parts where it is long."""
        attributes = self.item.attrs
        parts = [attributes[name]] if name in attributes else []
        while name not in attributes and f"{name}{len(parts)}" in attributes:
            parts.append(attributes[f"{name}{len(parts)}"])
        flat = [item for part in parts for item in np.asarray(part).reshape(-1).tolist()]
        return [item.decode("utf-8") if isinstance(item, bytes) else str(item) for item in flat]


def _legacy(root: Group) -> Iterator[tuple[str, Any]]:
    """Variables by the attributes that name them: of layers, and of the model itself."""
    seen: set[str] = set()
    top = ["top_level_model_weights"] if "top_level_model_weights" in root.item else []
    for layer in root.strings("layer_names") + top:
        group = root
        for step in layer.split("/"):
            group = group.group(step)
        for weight in group.strings("weight_names"):
            name = weight.removesuffix(":0")
            if layer not in top and not name.startswith(f"{layer}/"):
                # A model may stand before its layer, `sequential/dense/kernel`; or the layer's name may be missing.
                name = f"{layer}/{name.partition(f'/{layer}/')[2] or name}"
            if name in seen:
                raise TensorFileError(root.path, f'two variables in it are named "{name}"')
            seen.add(name)
            yield name, group.dataset(weight)


def _numbered(root: Group, classes: Classes) -> Iterator[tuple[str, Any]]:
    """Variables in groups `vars`, by the names of the groups around them."""
    import h5py

    names: set[str] = set()
    visited: set[Any] = set()

    def walk(group: Group, way: tuple[str, ...], spelt: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
        where = h5py.h5o.get_info(group.item.id).addr
        if where in visited or len(visited) > MOST_GROUPS or len(way) > 100:
            raise TensorFileError(root.path, "its groups hold each other without end")
        visited.add(where)
        if "vars" in group.item:
            variables = group.group("vars")
            told = variables.item.attrs.get("name")
            told = told if isinstance(told, str) and told else None
            if told is not None and way:
                spelt = (*spelt[:-1], told)
            elif told is not None:
                spelt = (told,)
            keys = sorted(variables.item, key=lambda k: (not k.isdecimal(), int(k) if k.isdecimal() else 0, k))
            datasets = [variables.dataset(key) for key in keys]
            known = None
            if all(key == str(i) for i, key in enumerate(keys)):
                known = classes.variables(way[-1] if way else "", told, [d.ndim for d in datasets])
            prefix = "/".join(spelt)
            if any(f"{prefix}/{key}" in names for key in known or keys):
                prefix = "/".join(way)
            for key, dataset in zip(known or keys, datasets, strict=True):
                name = f"{prefix}/{key}" if prefix else key
                if name in names:
                    raise TensorFileError(root.path, f'two variables in it are named "{name}"')
                names.add(name)
                yield name, dataset
        for key in group.item:
            if key == "vars" or (not way and key in ("optimizer", "optimizer_weights")):
                continue
            if isinstance(group.item.get(key, getlink=True), h5py.HardLink) and group.item.get(key, getclass=True) is (
                h5py.Dataset
            ):
                raise TensorFileError(root.path, f"{group.item.name}/{key} in it is no variable of Keras")
            own = spelt if way else ()
            container = key in ("layers", "cells", "_layer_checkpoint_dependencies") or key.startswith("container")
            yield from walk(group.group(key), (*way, key), own if container else (*own, key))

    yield from walk(root, (), ())


def _entry(path: Path, name: str, dataset: Any) -> Entry:
    """The type of a dataset. bfloat16 is stored as two bytes without a type, and named beside them."""
    told = dataset.attrs.get("dtype")
    if dataset.shape is None:
        raise TensorFileError(path, f'"{name}" has no shape')
    if told == "bfloat16" and dataset.dtype.itemsize == 2:
        return Entry("bfloat16", tuple(dataset.shape))
    if dataset.dtype.name not in DTYPES:
        raise TensorFileError(path, f'"{name}" is of the type {dataset.dtype}, which is none of real numbers')
    return Entry(dataset.dtype.name, tuple(dataset.shape))


def _short(error: Exception) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) < 160 else text[:157] + "..."


FORMAT = Format(
    name="keras",
    title="Keras",
    suffixes=(".keras", ".weights.h5"),
    open=open_keras,
    holds=HOLDS,
    magic=(BEGINNING,),
    extra="keras",
)
