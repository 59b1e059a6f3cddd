"""Files of torch.save since PyTorch 1.6: a zip archive, a pickle of the structure and one plain record a storage in it.

Reads without PyTorch, and without running anything: what the pickle may ask for is listed in torch_state.py. Writes
what torch.load(weights_only=True) reads: a dictionary of contiguous tensors, each with a storage that begins at a
multiple of 64 bytes. The format has no place for metadata.
"""

from __future__ import annotations

import struct
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from archonnx.compiler.weights.files.base import Format, Tensor, TensorFileError
from archonnx.compiler.weights.files.pickles import PickleError, from_bytes
from archonnx.compiler.weights.files.torch_legacy import open_legacy
from archonnx.compiler.weights.files.torch_state import (
    HOLDS,
    NEWER,
    STORAGES,
    Storage,
    TorchFile,
    read_pickle,
    storage_of,
    weights_of,
)
from archonnx.compiler.weights.files.zips import Archive
from archonnx.compiler.weights.recipe import Array
from archonnx.compiler.weights.regions import strides
from archonnx.contract.dtypes import DTYPES

ALIGNMENT = 64


def open_zip(path: Path) -> TorchFile:
    """The state dictionary in a file of torch.save. Errors: TensorFileError."""
    try:
        file = path.open("rb")
    except OSError as error:
        raise TensorFileError(path, error.strerror or "it cannot be read") from error
    with file:
        if file.read(2) != b"PK":
            return open_legacy(path)  # the endings are the same
        archive = Archive(path, file)
        pickle = next((n for n in archive.members if n.endswith("/data.pkl") or n == "data.pkl"), None)
        if pickle is None:
            raise TensorFileError(path, "it is a zip archive without data.pkl, so no file of torch.save")
        root = pickle.removesuffix("data.pkl")
        if f"{root}constants.pkl" in archive.members:
            help = "save its weights: torch.save(torch.jit.load(path).state_dict(), other)"
            raise TensorFileError(path, "it is a TorchScript program, no state dictionary", help=help)
        order = b"little"
        if f"{root}byteorder" in archive.members:
            order = archive.content(f"{root}byteorder")
        if order not in (b"little", b"big"):
            raise TensorFileError(path, f"its record byteorder says {order[:20]!r}, neither little nor big")
        places: dict[str, int] = {}

        def storage(told: Any) -> Storage:
            if type(told) is not tuple or len(told) != 5 or told[0] != "storage":
                raise PickleError("its pickle refers to what is no storage")
            found = storage_of(told[1], told[2], told[4])
            start, size = archive.place(f"{root}data/{found.key}")
            due = found.count * (DTYPES[found.dtype].bits // 8) if found.dtype else 0
            if size < due:
                raise PickleError(f"its storage {found.key} has {size} bytes, where its tensors need {due}")
            places[found.key] = start
            return found

        views, metadata = weights_of(path, read_pickle(path, from_bytes(archive.content(pickle)), storage))
        return TorchFile("torch", path, views, places, metadata, swap=order.decode() != sys.byteorder)


def _string(text: str) -> bytes:
    data = text.encode("utf-8", "surrogatepass")
    return b"X" + struct.pack("<I", len(data)) + data


def _whole(number: int) -> bytes:
    if 0 <= number < 1 << 31:
        return b"J" + struct.pack("<i", number)
    data = number.to_bytes(9, "little", signed=True)
    return b"\x8a" + bytes([len(data)]) + data


def _tuple(numbers: tuple[int, ...]) -> bytes:
    return b"(" + b"".join(map(_whole, numbers)) + b"t"


def _tensor(key: int, tensor: Tensor) -> bytes:
    """The call that makes a tensor of a storage."""
    entry = tensor.entry
    old = entry.dtype in STORAGES
    storage = f"ctorch\n{STORAGES[entry.dtype]}\n" if old else "ctorch.storage\nUntypedStorage\n"
    count = entry.size if old else entry.bytes
    data = b"(" + _string("storage") + storage.encode() + _string(str(key)) + _string("cpu") + _whole(count) + b"tQ"
    hooks = b"ccollections\nOrderedDict\n)R"
    dtype = b"" if old else f"ctorch\n{next(n for n, d in NEWER.items() if d == entry.dtype)}\n".encode()
    call = b"ctorch._utils\n_rebuild_tensor_v" + (b"2\n" if old else b"3\n")
    where = _whole(0) + _tuple(entry.shape) + _tuple(strides(entry.shape))
    return call + b"(" + data + where + b"\x89" + hooks + dtype + b"tR"


def write_zip(file: BinaryIO, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Tensors as torch.save would write a dictionary of them, slice by slice."""
    items = b"".join(_string(name) + _tensor(key, tensor) for key, (name, tensor) in enumerate(tensors.items()))
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        _record(archive, "data.pkl", b"\x80\x02}(" + items + b"u.")
        _record(archive, ".format_version", b"1")
        _record(archive, ".storage_alignment", str(ALIGNMENT).encode())
        _record(archive, "byteorder", b"little")
        for key, tensor in enumerate(tensors.values()):
            with archive.open(_member(archive, f"data/{key}", tensor.entry.bytes), "w") as record:
                for part in tensor.slices():
                    record.write(_little(part))
        _record(archive, "version", b"3\n")


def _little(part: Array) -> memoryview:
    flat = np.ascontiguousarray(part).reshape(-1)
    if sys.byteorder == "big" and flat.dtype.itemsize > 1:
        flat = flat.byteswap()
    return flat.view(np.uint8).data


def _record(archive: zipfile.ZipFile, name: str, data: bytes) -> None:
    with archive.open(_member(archive, name, len(data)), "w") as record:
        record.write(data)


def _member(archive: zipfile.ZipFile, name: str, size: int) -> zipfile.ZipInfo:
    """A record of `size` bytes, its header filled up so that they begin at a multiple of the alignment."""
    member = zipfile.ZipInfo(f"archive/{name}")
    member.file_size = size
    zip64 = 20 if size * 1.05 > zipfile.ZIP64_LIMIT else 0
    assert archive.fp is not None
    start = archive.fp.tell() + 30 + len(member.filename) + zip64 + 4
    padding = -start % ALIGNMENT
    member.extra = b"FB" + struct.pack("<H", padding) + b"Z" * padding
    return member


FORMAT = Format(
    name="torch",
    title="PyTorch state dictionary",
    suffixes=(".pt", ".pth", ".bin", ".ckpt"),
    open=open_zip,
    holds=HOLDS,
    write=write_zip,
    magic=(b"PK\x03\x04",),
)
