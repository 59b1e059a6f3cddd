"""Where the cache lies."""

from __future__ import annotations

from pathlib import Path

import pytest

from archonnx.contract.diagnostics import UsageError
from archonnx.runtime.caching.folders import cache_folder, check_cache, size_limit


@pytest.mark.parametrize(
    ("environment", "system", "folder"),
    [
        ({"HOME": "/home/a"}, "linux", "/home/a/.cache/archonnx"),
        ({"HOME": "/home/a", "XDG_CACHE_HOME": "/fast"}, "linux", "/fast/archonnx"),
        ({"HOME": "/home/a", "XDG_CACHE_HOME": "relative"}, "linux", "/home/a/.cache/archonnx"),
        ({"HOME": "/Users/a"}, "darwin", "/Users/a/Library/Caches/archonnx"),
        ({"LOCALAPPDATA": "/local"}, "win32", "/local/archonnx/Cache"),
        ({"USERPROFILE": "/users/a"}, "win32", "/users/a/AppData/Local/archonnx/Cache"),
        ({"HOME": "/home/a", "ARCHONNX_CACHE": "/mine"}, "linux", "/mine"),
    ],
)
def test_auto_is_the_users_folder(environment: dict[str, str], system: str, folder: str) -> None:
    assert cache_folder("auto", "m.onnx", environment, system) == Path(folder)


def test_off_is_no_folder() -> None:
    assert cache_folder("off", "m.onnx", {"HOME": "/a"}) is None
    assert cache_folder("auto", "m.onnx", {"HOME": "/a", "ARCHONNX_CACHE": "off"}) is None


def test_what_load_is_told_goes_before_the_variable() -> None:
    assert cache_folder("/there", "m.onnx", {"ARCHONNX_CACHE": "off"}) == Path("/there")


def test_a_folder_beside_the_model_is_taken_where_it_stands(tmp_path: Path) -> None:
    model, beside = tmp_path / "m.onnx", tmp_path / "m.onnx.cache"
    assert cache_folder("beside", str(model), {}) == beside
    assert cache_folder("auto", str(model), {"HOME": "/a"}, "linux") == Path("/a/.cache/archonnx")
    beside.mkdir()
    assert cache_folder("auto", str(model), {"HOME": "/a"}) == beside
    assert cache_folder("auto", str(model), {"ARCHONNX_CACHE": "/mine"}) == Path("/mine")


@pytest.mark.parametrize("asked", [None, True, 3, "", b""])
def test_what_is_no_folder_is_refused(asked: object) -> None:
    with pytest.raises(UsageError, match="cache is"):
        check_cache(asked)


def test_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "f").touch()
    with pytest.raises(UsageError, match="f is a file"):
        check_cache(tmp_path / "f")


@pytest.mark.parametrize("text", ["much", "-1", "nan", "inf"])
def test_a_size_that_is_none_is_refused(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="ARCHONNX_CACHE_SIZE is a number of GiB"):
        size_limit(tmp_path, {"ARCHONNX_CACHE_SIZE": text})
    monkeypatch.setenv("ARCHONNX_CACHE_SIZE", text)
    with pytest.raises(UsageError, match="ARCHONNX_CACHE_SIZE"):
        check_cache("auto")


def test_the_size_is_that_of_the_variable_or_bounded_by_the_disk(tmp_path: Path) -> None:
    assert size_limit(tmp_path, {"ARCHONNX_CACHE_SIZE": "0.5"}) == 2**29
    assert 0 <= size_limit(tmp_path, {}) <= 8 * 2**30
