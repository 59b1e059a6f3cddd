"""TensorBoard's event files, as far as scalars need them: no TensorBoard is needed to write one.

A file is a sequence of records: the length (8 bytes), its masked CRC-32C (4), the message, its masked CRC-32C (4). The
message is `Event` of TensorFlow's event.proto: wall_time = 1, step = 2, file_version = 3, summary = 5, whose values
have tag = 1 and simple_value = 2.
"""

from __future__ import annotations

import os
import socket
import struct
import time
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from types import TracebackType

from archonnx.compiler.keras.training.history import Epoch
from archonnx.compiler.wire import header, varint

POLYNOMIAL = 0x82F63B78  # Castagnoli's, its bits reversed


class ScalarWriter:
    """Writes scalars by step into a new file in `folder`, which is made where it is missing."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        began = time.time()
        name = f"events.out.tfevents.{int(began)}.{socket.gethostname()}.{os.getpid()}.v2"
        self._stream = open(folder / name, "ab")  # noqa: SIM115 (closed by close)
        self._write(_event(began) + _bytes(3, b"brain.Event:2"))

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """One event. It is in the file when this returns, so that a training that runs can be watched."""
        summary = b"".join(_bytes(1, _bytes(1, tag.encode()) + b"\x15" + _float(v)) for tag, v in values.items())
        self._write(_event(time.time()) + varint(2 << 3) + varint(step) + _bytes(5, summary))

    def _write(self, message: bytes) -> None:
        length = struct.pack("<Q", len(message))
        self._stream.write(length + masked_crc(length) + message + masked_crc(message))
        self._stream.flush()

    def close(self) -> None:
        self._stream.close()


class EpochLog:
    """Writes epochs as Keras' callback does: folders `train` and `validation`, tags `epoch_loss` and so on."""

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)
        self._writers: dict[str, ScalarWriter] = {}

    def write(self, epoch: Epoch) -> None:
        """Write one epoch; steps count from 0."""
        for name, values in _parts(epoch.values):
            if name not in self._writers:
                self._writers[name] = ScalarWriter(self.folder / name)
            self._writers[name].write(epoch.number - 1, values)

    def __enter__(self) -> EpochLog:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for writer in self._writers.values():
            writer.close()


def _parts(values: Mapping[str, float]) -> Iterator[tuple[str, dict[str, float]]]:
    training = {f"epoch_{key}": value for key, value in values.items() if not key.startswith("val_")}
    validation = {f"epoch_{key[4:]}": value for key, value in values.items() if key.startswith("val_")}
    yield "train", training
    if validation:
        yield "validation", validation


def _event(wall_time: float) -> bytes:
    return b"\x09" + struct.pack("<d", wall_time)


def _bytes(number: int, data: bytes) -> bytes:
    return header(number, len(data)) + data


def _float(value: float) -> bytes:
    try:
        return struct.pack("<f", value)
    except OverflowError:  # past float32
        return struct.pack("<f", float("inf") if value > 0 else float("-inf"))


def masked_crc(data: bytes) -> bytes:
    """The checksum of a record: CRC-32C, turned by 15 bits, a constant added."""
    crc = 0xFFFFFFFF
    table = _table()
    for byte in data:
        crc = crc >> 8 ^ table[(crc ^ byte) & 0xFF]
    crc ^= 0xFFFFFFFF
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


@cache
def _table() -> tuple[int, ...]:
    table = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = crc >> 1 ^ (POLYNOMIAL if crc & 1 else 0)
        table.append(crc)
    return tuple(table)
