"""Files are written whole or not at all."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from archonnx.contract.diagnostics import ArchonnxError
from archonnx.contract.files import check_place, replace_file, replacing


def names(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


def test_a_new_file_appears_with_the_usual_permissions(tmp_path: Path) -> None:
    replace_file(tmp_path / "a", b"new")
    (tmp_path / "b").write_bytes(b"")
    assert (tmp_path / "a").read_bytes() == b"new"
    assert (tmp_path / "a").stat().st_mode == (tmp_path / "b").stat().st_mode


def test_an_old_file_keeps_its_permissions(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"old")
    path.chmod(0o640)
    replace_file(path, b"new")
    assert path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


@pytest.mark.parametrize("failure", [RuntimeError("x"), KeyboardInterrupt(), OSError(28, "No space left on device")])
def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path: Path, failure: BaseException) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"old")
    with pytest.raises(type(failure)), replacing(path) as stream:
        stream.write(b"half")
        raise failure
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["a"]


def test_the_error_names_the_file_that_was_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "missing" / "a"
    with pytest.raises(ArchonnxError, match=f"cannot write {path}: there is no folder {path.parent}; make it first"):
        replace_file(path, b"")
    with pytest.raises(OSError, match="No space") as full, replacing(tmp_path / "a"):
        raise OSError(28, "No space left on device")
    assert full.value.filename == str(tmp_path / "a")


def test_a_folder_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with pytest.raises(IsADirectoryError):
        replace_file(tmp_path / "a", b"")
    assert names(tmp_path) == ["a"]


def test_a_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "real").write_bytes(b"old")
    (tmp_path / "link").symlink_to("real")
    replace_file(tmp_path / "link", b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_bytes() == b"new"


def test_a_device_is_written_as_it_stands() -> None:
    replace_file(os.devnull, b"gone")
    assert stat.S_ISCHR(os.stat(os.devnull).st_mode)


def test_a_place_that_cannot_be_written_to_is_told_before_there_is_anything_to_write(tmp_path: Path) -> None:
    check_place(tmp_path / "new.txt")
    with pytest.raises(ArchonnxError, match=r"cannot write .*x\.txt: there is no folder .*gone; make it first"):
        check_place(tmp_path / "gone" / "x.txt")
    with pytest.raises(IsADirectoryError, match="Is a directory"):
        check_place(tmp_path)


@pytest.mark.parametrize("command", ["run", "profile", "quantize"])
def test_commands_look_at_the_place_of_their_results_first(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from archonnx.cli import main

    ending = {"run": "npz", "profile": "html", "quantize": "onnx"}[command]
    more = ["--data", str(tmp_path / "none.npz")] if command == "quantize" else []
    target = tmp_path / "gone" / f"x.{ending}"
    assert main([command, str(tmp_path / "none.onnx"), *more, "-o", str(target)]) == 1
    assert "gone; make it first" in capsys.readouterr().err
