"""Writing, hashing, settling: the same digest on the way and of the file, and no failure of the disk is lost."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import xxhash

from archonnx.compiler import sink as sinks
from archonnx.compiler.sink import Sink, digest_of, settle


@pytest.mark.parametrize("size", [0, 1, sinks.READ, 3 * sinks.READ + 5])
def test_the_digest_on_the_way_is_that_of_the_file(tmp_path: Path, size: int) -> None:
    data = bytes(i * 7 % 251 for i in range(1000)) * (size // 1000 + 1)
    path = tmp_path / "f"
    with open(path, "wb") as stream:
        sink = Sink(stream, digest_size=8)
        for start in range(0, size, 300_001):
            sink.write(memoryview(data)[start : min(start + 300_001, size)])
        settle(sink)
    assert sink.length == size
    assert path.read_bytes() == data[:size]
    assert sink.hexdigest() == digest_of(path, digest_size=8) == xxhash.xxh3_128_hexdigest(data[:size])[:16]


def test_the_disk_gets_what_was_written_while_more_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    whole = os.fsync
    monkeypatch.setattr(sinks, "BEHIND", 1000)
    monkeypatch.setattr(os, "fdatasync", lambda _: calls.append("on the way"), raising=False)
    monkeypatch.setattr(os, "fsync", lambda descriptor: (calls.append("at the end"), whole(descriptor))[0])
    with open(tmp_path / "f", "wb") as stream:
        sink = Sink(stream, digest_size=8)
        sink.write(bytes(999))
        assert calls == []
        sink.write(bytes(2000))
        settle(sink)
    assert calls == ["on the way", "at the end"]


def test_a_disk_that_fails_on_the_way_is_told_at_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(sinks, "BEHIND", 1000)
    monkeypatch.setattr(os, "fdatasync", fail, raising=False)
    with open(tmp_path / "f", "wb") as stream:
        sink = Sink(stream, digest_size=8)
        sink.write(bytes(2000))
        with pytest.raises(OSError, match="Input/output"):
            settle(sink)
