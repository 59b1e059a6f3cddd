"""Where the cache lies, and how large it may be."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from archonnx.contract.diagnostics import UsageError

VARIABLE, SIZE_VARIABLE = "ARCHONNX_CACHE", "ARCHONNX_CACHE_SIZE"
AUTO, OFF, BESIDE = "auto", "off", "beside"
_GIB = 2**30
_MOST = 8 * _GIB


def check_cache(asked: Any) -> str:
    """What `load(cache=...)` was given, as text. Raises UsageError for what is neither a word nor a folder."""
    if not isinstance(asked, str | os.PathLike) or not os.fspath(asked):
        raise UsageError(f'cache is "auto", "off", "beside" or a folder, received {asked!r}')
    text = os.fsdecode(asked)
    _asked_size(os.environ)
    if text not in (AUTO, OFF, BESIDE) and os.path.lexists(text) and not os.path.isdir(text):
        raise UsageError(f'cache is "auto", "off", "beside" or a folder; {text} is a file')
    return text


def cache_folder(
    asked: str, source: str, environment: Mapping[str, str] = os.environ, system: str = sys.platform
) -> Path | None:
    """The folder of the cache for the model file `source`, which need not exist yet; None where there is to be none.

    "auto" is what ARCHONNX_CACHE says, else the folder `MODEL.onnx.cache` where it stands beside the model, else the
    user's; "beside" is that folder even if it has to be made.
    """
    if asked == AUTO:
        asked = environment.get(VARIABLE, "").strip() or AUTO
    if asked == OFF:
        return None
    beside = Path(f"{os.path.abspath(source)}.cache")
    if asked == BESIDE or (asked == AUTO and beside.is_dir()):
        return beside
    return user_folder(environment, system) if asked == AUTO else Path(os.path.abspath(asked))


def user_folder(environment: Mapping[str, str] = os.environ, system: str = sys.platform) -> Path | None:
    """The folder for this user, where the system keeps such; None where the user has no home."""
    home = environment.get("USERPROFILE" if system == "win32" else "HOME", "") or os.path.expanduser("~")
    if system == "win32":
        local = environment.get("LOCALAPPDATA", "")
        base = Path(local) if local else Path(home, "AppData", "Local")
        found = base / "archonnx" / "Cache"
    elif system == "darwin":
        found = Path(home, "Library", "Caches", "archonnx")
    else:  # https://specifications.freedesktop.org/basedir-spec: what is no absolute path is ignored
        given = environment.get("XDG_CACHE_HOME", "")
        found = (Path(given) if os.path.isabs(given) else Path(home, ".cache")) / "archonnx"
    return found if found.is_absolute() else None


def make_folder(folder: Path) -> None:
    """Make the folder of a cache; the user's own for nobody else, one beside a model for those who may read there.
    Raises OSError."""
    if folder != user_folder():
        folder.mkdir(parents=True, exist_ok=True)
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.mkdir(exist_ok=True, mode=0o700)


def size_limit(folder: Path, environment: Mapping[str, str] = os.environ) -> int:
    """Bytes that the cache may hold: ARCHONNX_CACHE_SIZE, in GiB, else 8 GiB, no more than a quarter of what the disk
    could still give. Raises UsageError where the variable is no number of at least 0."""
    asked = _asked_size(environment)
    return min(_MOST, shutil.disk_usage(folder).free // 4) if asked is None else asked


def _asked_size(environment: Mapping[str, str]) -> int | None:
    text = environment.get(SIZE_VARIABLE, "").strip()
    if not text:
        return None
    try:
        size = float(text)
    except ValueError:
        size = -1.0
    if not 0 <= size < 1e9:
        raise UsageError(f"the environment variable {SIZE_VARIABLE} is a number of GiB, received {text!r}")
    return int(size * _GIB)
