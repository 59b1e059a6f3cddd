"""Drafts: what they leave where they are put in a place, where they are not, and where the system has less."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from archonnx.contract import drafts
from archonnx.contract.drafts import Draft, abandoned, hidden, lock, sweep
from archonnx.contract.files import replace_file, replacing


@pytest.fixture(params=["unnamed", "named"])
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "named":
        monkeypatch.setattr(drafts, "_UNNAMED", 0)
    elif not drafts._UNNAMED:
        pytest.skip("no files without names here")
    return str(request.param)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_nothing_is_seen_of_a_draft_where_the_system_has_files_without_names(tmp_path: Path, kind: str) -> None:
    with replacing(tmp_path / "a") as stream:
        stream.write(b"half")
        stream.flush()
        assert len(names(tmp_path)) == (1 if kind == "named" else 0)
        assert Path(stream.name).read_bytes() == b"half"
    assert (tmp_path / "a").read_bytes() == b"half"


def test_a_place_that_is_taken_is_left_alone(tmp_path: Path, kind: str) -> None:
    place = tmp_path / "a"
    for text, taken in ((b"one", True), (b"two", False)):
        with Draft(place) as draft:
            draft.stream.write(text)
            assert draft.place(place) is taken
    assert place.read_bytes() == b"one"
    with Draft(place) as draft:
        draft.stream.write(b"three")
        draft.replace(place)
    assert place.read_bytes() == b"three"
    assert names(tmp_path) == ["a"]


def test_a_disk_without_second_names_will_do(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    for text in (b"one", b"two"):
        replace_file(tmp_path / "a", text)
        assert (tmp_path / "a").read_bytes() == text
        (tmp_path / "a").chmod(0o640)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o640
    with Draft(tmp_path / "a") as draft:
        assert draft.place(tmp_path / "a") is False
    assert names(tmp_path) == ["a"]


def test_permissions_are_those_of_files_that_are_opened(tmp_path: Path, kind: str) -> None:
    before = os.umask(0o027)
    try:
        replace_file(tmp_path / "a", b"")
        (tmp_path / "b").write_bytes(b"")
    finally:
        os.umask(before)
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in "ab"]
    assert modes == [0o640, 0o640]
    (tmp_path / "a").chmod(0o400)
    replace_file(tmp_path / "a", b"new")
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o400


def test_a_stream_that_was_closed_is_put_in_place_too(tmp_path: Path, kind: str) -> None:
    with replacing(tmp_path / "a") as stream:
        stream.write(b"all")
        stream.close()
    assert (tmp_path / "a").read_bytes() == b"all"


@pytest.mark.parametrize("name", ["é" * 100, "x" * 250, "a.b.part", ".hidden", "[*]"])
def test_any_name_that_a_file_may_have(tmp_path: Path, kind: str, name: str) -> None:
    target = tmp_path / name
    for text in (b"one", b"two"):
        replace_file(target, text)
        assert target.read_bytes() == text
    left = hidden(target)
    left.write_bytes(b"of a dead process")
    assert list(abandoned(target)) == [left]
    assert names(tmp_path) == [name]


def test_drafts_of_other_targets_and_open_ones_are_no_leftovers(tmp_path: Path) -> None:
    target = tmp_path / "a"
    mine = hidden(target)
    mine.write_bytes(b"")
    others = [hidden(tmp_path / "a.b"), hidden(tmp_path / "b"), tmp_path / ".a.12.34.part", tmp_path / ".a.part"]
    for path in others:
        path.write_bytes(b"")
    link = hidden(target)
    link.symlink_to(others[0])
    held = hidden(target)
    with open(held, "wb") as stream:
        assert lock(stream.fileno())
        with open(held, "rb") as other:
            assert lock(other.fileno()) is False
        sweep(target)
        assert set(names(tmp_path)) == {path.name for path in (*others, link, held)}
    sweep(target)
    assert set(names(tmp_path)) == {path.name for path in (*others, link)}
