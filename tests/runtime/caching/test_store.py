"""Entries of the cache: whole, checked, bounded."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from archonnx.runtime.caching.store import Store


def add(store: Store, key: str, data: bytes = b"weights", **info: object) -> None:
    with store.adding("graphs", key) as part:
        (part.folder / "data").write_bytes(data)
        part.info |= info
        part.keep = True


def leftovers(folder: Path) -> list[str]:
    return [path.name for path in folder.rglob(".*")]


def test_an_entry_is_found_with_what_was_noted(tmp_path: Path) -> None:
    store = Store(tmp_path / "cache")
    assert store.find("graphs", "k") is None
    add(store, "k", ran=["a"])
    entry = store.find("graphs", "k")
    assert entry is not None
    assert entry.info == {"ran": ["a"]}
    assert (entry.folder / "data").read_bytes() == b"weights"
    assert leftovers(tmp_path) == []


def test_what_is_not_kept_or_fails_leaves_nothing(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with store.adding("graphs", "k") as part:
        (part.folder / "data").touch()
    with pytest.raises(ZeroDivisionError), store.adding("graphs", "k") as part:
        part.keep = True
        _ = 1 / 0
    assert store.entries() == []
    assert leftovers(tmp_path) == []


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[0] ^= 1
    path.write_bytes(bytes(data))


def same_time(path: Path) -> None:
    before = path.stat()
    flip(path)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


DAMAGES: dict[str, tuple[str, Callable[[Path], object]]] = {
    "a bit": ("data", flip),
    "a bit, and the time set back": ("data", same_time),
    "cut short": ("data", lambda path: path.write_bytes(b"w")),
    "empty": ("data", lambda path: path.write_bytes(b"")),
    "gone": ("data", lambda path: path.unlink()),
    "no JSON": ("entry.json", lambda path: path.write_bytes(b"{")),
    "no entry": ("entry.json", lambda path: path.unlink()),
    "no object": ("entry.json", lambda path: path.write_text('{"format": 1, "files": [], "info": {}}')),
    "a later format": ("entry.json", lambda path: path.write_text('{"format": 99, "files": {}, "info": {}}')),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_entry_is_said_in_one_line_and_gone(
    tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    store = Store(tmp_path)
    add(store, "k")
    name, spoil = DAMAGES[damage]
    time.sleep(0.01)  # past the tick of the file system's clock
    spoil(tmp_path / "graphs" / "k" / name)
    with caplog.at_level(logging.WARNING, "archonnx.runtime"):
        assert store.find("graphs", "k") is None
    assert len(caplog.records) == 1
    assert "is of no use and will be made again" in caplog.text
    assert store.find("graphs", "k") is None
    add(store, "k")
    assert store.find("graphs", "k") is not None


def test_an_entry_that_was_moved_is_hashed_and_taken(tmp_path: Path) -> None:
    add(Store(tmp_path / "a"), "k")
    (tmp_path / "b" / "graphs").mkdir(parents=True)
    copy = tmp_path / "b" / "graphs" / "k"
    copy.mkdir()
    for path in (tmp_path / "a" / "graphs" / "k").iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    assert Store(tmp_path / "b").find("graphs", "k") is not None


def test_the_oldest_go_and_the_newest_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARCHONNX_CACHE_SIZE", str(25_000 / 2**30))
    store = Store(tmp_path)
    for number, key in enumerate("abc"):
        add(store, key, bytes(8_000))
        os.utime(tmp_path / "graphs" / key / "entry.json", (number + 1, number + 1))
    store.find("graphs", "a")  # used again: b is the oldest
    add(store, "d", bytes(8_000))
    assert sorted(entry.folder.name for entry in store.entries()) == ["a", "c", "d"]
    add(store, "e", bytes(90_000))  # larger than all that may be: it is kept all the same, as it was made for somebody
    assert [entry.folder.name for entry in store.entries()] == ["e"]


def test_what_a_dead_process_left_goes_after_an_hour(tmp_path: Path) -> None:
    store = Store(tmp_path)
    old, new = tmp_path / "graphs" / ".a.1.x.part", tmp_path / "graphs" / ".b.1.x.part"
    for folder in (old, new):
        folder.mkdir(parents=True)
    os.utime(old, (1, 1))
    add(store, "k")
    assert not old.exists()
    assert new.exists()


def test_many_write_the_same_entry_at_once(tmp_path: Path) -> None:
    store, errors = Store(tmp_path), []
    gate = threading.Barrier(8)

    def work() -> None:
        gate.wait()
        try:
            for _ in range(5):
                add(store, "k", bytes(1000))
                assert store.find("graphs", "k") is not None
        except (OSError, AssertionError) as error:
            errors.append(error)

    workers = [threading.Thread(target=work) for _ in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not errors
    assert leftovers(tmp_path) == []


def test_clear_tells_how_many_bytes_went(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert store.clear() == 0
    add(store, "k", bytes(1000))
    (tmp_path / "mine.txt").write_text("not the cache's")
    assert store.clear() > 1000
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
