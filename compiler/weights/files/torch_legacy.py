"""Files of torch.save before PyTorch 1.6: pickles one after another, then the storages, each behind its length.

The order of storages is known once the pickles are read, so tensors are read slice by slice as from other files. The
older tar archives, and pickles of tensors without torch.save, cannot be and are refused. Nothing is run. Not written.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any, BinaryIO

from archonnx.compiler.weights.files.base import Format, TensorFileError
from archonnx.compiler.weights.files.pickles import Bytes, PickleError
from archonnx.compiler.weights.files.torch_state import (
    HOLDS,
    Storage,
    TorchFile,
    read_pickle,
    storage_of,
    weights_of,
)
from archonnx.contract.dtypes import DTYPES

# The number that torch.save writes first, and the pickle of it after its protocol.
NUMBER = 0x1950A86A20F9469CFC6C
BEGINNING = b"\x8a\x0a" + NUMBER.to_bytes(10, "little") + b"."
PROTOCOLS = (b"\x80\x02", b"\x80\x03", *(bytes([0x80, n, 0x95, len(BEGINNING), *bytes(7)]) for n in (4, 5)))
VERSION = 1001
BYTES_EACH = {None: 1, "ComplexFloatStorage": 8, "ComplexDoubleStorage": 16, "QInt32Storage": 4}


def open_legacy(path: Path) -> TorchFile:
    """The state dictionary in an old file of torch.save. Errors: TensorFileError."""
    try:
        file = path.open("rb")
    except OSError as error:
        raise TensorFileError(path, error.strerror or "it cannot be read") from error
    with file:
        return _read(path, file)


def _read(path: Path, file: BinaryIO) -> TorchFile:
    size = os.fstat(file.fileno()).st_size
    _refuse_others(path, file)
    source = Bytes(file, size)
    storages: dict[str, Storage] = {}
    sizes: dict[str, int] = {}

    def storage(told: Any) -> Any:
        if type(told) is tuple and told and told[0] == "module":
            raise PickleError("it holds a whole module, its class and all, where a state dictionary is due")
        if type(told) is not tuple or len(told) != 6 or told[0] != "storage":
            raise PickleError("its pickle refers to what is no storage")
        kind, key, count, view = told[1], told[2], told[4], told[5]
        found = storage_of(kind, key, count)
        if storages.setdefault(found.key, found).dtype != found.dtype:
            raise PickleError(f"its storage {found.key} is of two dtypes")
        sizes[found.key] = DTYPES[found.dtype].bits // 8 if found.dtype else BYTES_EACH.get(kind.meaning, 1)
        if view is None:
            return found
        if type(view) is not tuple or len(view) != 3 or not all(type(n) is int and n >= 0 for n in view[1:]):
            raise PickleError("its pickle has a view of a storage that is none")
        if view[1] + view[2] > found.count:
            raise PickleError(f"a view reaches beyond its storage {found.key}")
        return Storage(found.key, found.dtype, view[2], start=view[1], why=found.why)

    number = read_pickle(path, source, storage)
    version = read_pickle(path, source, storage) if number == NUMBER else None
    if version != VERSION:
        raise TensorFileError(path, "it is a pickle, but no file of torch.save", help="write it by torch.save")
    read_pickle(path, source, storage)  # sizes of the writer's integers; storages are little-endian on all machines
    views, metadata = weights_of(path, read_pickle(path, source, storage))
    keys = read_pickle(path, source, storage)
    if not isinstance(keys, list) or not all(type(k) is str and k in storages for k in keys):
        raise TensorFileError(path, "its list of storages names some that no tensor has")
    places: dict[str, int] = {}
    at = size - source.left
    for key in keys:
        file.seek(at)
        count = int.from_bytes(file.read(8), "little")
        at += 8
        if count != storages[key].count or at + count * sizes[key] > size:
            reason = "is cut short" if count == storages[key].count else f"says that it has {count} elements"
            raise TensorFileError(path, f"its storage {key} of {storages[key].count} elements {reason}")
        places[key] = at
        at += count * sizes[key]
    for name, view in views.items():
        if view.storage.key not in places:
            raise TensorFileError(path, f'the storage of "{name}" is missing', help="it is cut short or damaged")
    return TorchFile("torch-legacy", path, views, places, metadata, swap=sys.byteorder == "big")


def _refuse_others(path: Path, file: BinaryIO) -> None:
    head = file.read(512)
    file.seek(0)
    if head[257:262] == b"ustar":
        what = "it is a tar archive, as PyTorch before 0.2 wrote them, which is not read"
        raise TensorFileError(path, what, help="load it with PyTorch and write it by torch.save")
    if head[:1] != b"\x80":
        raise TensorFileError(path, "it is neither a zip archive nor a pickle, so no file of torch.save")


FORMAT = Format(
    name="torch-legacy",
    title="PyTorch state dictionary, before 1.6",
    suffixes=(".pt", ".pth", ".bin", ".ckpt"),
    open=open_legacy,
    holds=HOLDS,
    magic=tuple(protocol + BEGINNING for protocol in PROTOCOLS),
)
