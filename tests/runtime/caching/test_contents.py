"""The hash of a file's content is the content's, whatever was noted of the file before."""

from __future__ import annotations

import hashlib
import mmap
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archonnx.runtime.caching import contents
from archonnx.runtime.caching.contents import ChangedError, content, digest


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Files count as settled at once; gives the files that are hashed."""
    if not contents.boot():
        pytest.skip("this system does not tell when it started, so that every file is hashed each time")
    monkeypatch.setattr(contents, "SETTLED", -1)
    hashed: list[str] = []
    true = contents.digest

    def counted(path: str) -> str:
        hashed.append(Path(path).name)
        return true(path)

    monkeypatch.setattr(contents, "digest", counted)
    return hashed


@given(data=st.binary(max_size=200), piece=st.integers(1, 64))
def test_the_digest_is_of_the_hashes_of_the_pieces(
    data: bytes, piece: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("d") / "f"
    path.write_bytes(data)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(contents, "PIECE", piece)
        found = digest(path)
    pieces = [data[at : at + piece] for at in range(0, max(len(data), 1), piece)]
    assert found == hashlib.sha256(b"".join(hashlib.sha256(each).digest() for each in pieces)).hexdigest()


def test_a_settled_file_is_hashed_once(tmp_path: Path, settled: list[str]) -> None:
    (tmp_path / "f").write_bytes(b"abc")
    first = content(tmp_path / "f", tmp_path / "records")
    assert content(tmp_path / "f", tmp_path / "records") == first
    assert settled == ["f"]


def test_a_file_that_was_written_just_now_is_hashed_each_time(
    tmp_path: Path, settled: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contents, "SETTLED", 10**12)
    (tmp_path / "f").write_bytes(b"abc")
    for _ in range(2):
        content(tmp_path / "f", tmp_path / "records")
    assert settled == ["f", "f"]
    assert not (tmp_path / "records").exists()


def test_other_content_of_the_same_size_and_time_is_another(tmp_path: Path, settled: list[str]) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"abc")
    before = path.stat()
    first = content(path, tmp_path)
    path.write_bytes(b"abd")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert content(path, tmp_path).digest != first.digest == hashlib.sha256(hashlib.sha256(b"abc").digest()).hexdigest()
    assert not first.still()


def test_what_is_written_through_a_mapping_shows(tmp_path: Path, settled: list[str]) -> None:
    path = tmp_path / "f"
    path.write_bytes(bytes(4096))
    with open(path, "r+b") as stream, mmap.mmap(stream.fileno(), 0) as mapped:
        mapped[7] = 1
        first = content(path, tmp_path)
        mapped[7] = 2  # the stamp tells of the first time alone, until the page was written out
        assert content(path, tmp_path).digest != first.digest


@pytest.mark.parametrize("damage", [b"", b"[]", b"{", b'{"boot": 1, "stamp": "x"}', b"\xff"])
def test_a_damaged_record_is_no_record(tmp_path: Path, settled: list[str], damage: bytes) -> None:
    (tmp_path / "f").write_bytes(b"abc")
    first = content(tmp_path / "f", tmp_path / "records")
    (record,) = (tmp_path / "records").iterdir()
    record.write_bytes(damage)
    assert content(tmp_path / "f", tmp_path / "records").digest == first.digest


def test_another_start_of_the_system_hashes_again(
    tmp_path: Path, settled: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "f").write_bytes(b"abc")
    content(tmp_path / "f", tmp_path / "records")
    monkeypatch.setattr(contents, "boot", lambda: "another")
    content(tmp_path / "f", tmp_path / "records")
    assert settled == ["f", "f"]


def test_a_file_that_is_written_to_meanwhile_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"abc")

    def slow(path: str) -> str:
        Path(path).write_bytes(b"abcd")
        return "hash"

    monkeypatch.setattr(contents, "digest", slow)
    with pytest.raises(ChangedError, match="is being written to"):
        content(path, tmp_path)
