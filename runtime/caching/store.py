"""Entries of a cache: folders that appear whole, are checked when they are used, and go when they are the oldest.

FOLDER/KIND/KEY holds an entry's files, `entry.json` with their hashes, and `checked.json` with what the system told of
them when they were checked in full. An entry is written under another name and renamed: two that write the same at
once both succeed, and whoever comes later finds one of them. Nothing is locked.
"""

from __future__ import annotations

import errno
import json
import logging
import os
import secrets
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import astuple, dataclass, field
from pathlib import Path
from typing import Any

from archonnx.contract.files import replace_file
from archonnx.runtime.caching.contents import boot, digest, read_json, stamp, write_json
from archonnx.runtime.caching.folders import make_folder, size_limit

log = logging.getLogger("archonnx.runtime")

KINDS = ("graphs", "blobs", "halves", "int8")
_FORMAT = 1
_ENTRY, _CHECKED = "entry.json", "checked.json"
_ABANDONED = 3600.0  # seconds after which what was being written belongs to a process that is gone


@dataclass(frozen=True, slots=True)
class Entry:
    """A folder of the cache. info: what was noted with it; size: bytes; used: when it was used last, in seconds since
    1970."""

    folder: Path
    info: Mapping[str, Any]
    size: int
    used: float


@dataclass(slots=True)
class Part:
    """An entry that is being written: files go into `folder`, what is to be noted into `info`. It becomes an entry
    where `keep` is set."""

    folder: Path
    info: dict[str, Any] = field(default_factory=dict)
    keep: bool = False


class Store:
    """The cache in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def records(self) -> Path:
        """Where hashes of model files are noted."""
        return self.folder / "files"

    def find(self, kind: str, key: str) -> Entry | None:
        """The entry, checked; None where there is none, or a damaged one, which is said and taken away.

        Raises OSError for one that this user may not read.
        """
        place = self.folder / kind / key
        if not place.is_dir():
            return None
        with suppress(FileNotFoundError), open(place / _ENTRY, "rb"):  # one that may not be read is not damaged
            pass
        info = read_json(place / _ENTRY)
        reason = _damage(place, info)
        if reason is not None:
            self.drop(kind, key, reason)
            return None
        with suppress(OSError):  # in a folder that may only be read, no oldest entry has to go
            os.utime(place / _ENTRY)
        return _entry(place, info)

    def drop(self, kind: str, key: str, reason: str) -> None:
        """Take an entry away, and say why."""
        log.warning("the cache entry %s is of no use and will be made again: %s", self.folder / kind / key, reason)
        self.remove(kind, key)

    def remove(self, kind: str, key: str) -> None:
        """Take an entry away, where there is one."""
        _remove(self.folder / kind / key)

    @contextmanager
    def adding(self, kind: str, key: str) -> Iterator[Part]:
        """Write an entry; where the body sets `keep`, it is there afterwards. Raises OSError where it cannot be."""
        parent = self.folder / kind
        part = Part(parent / f".{key}.{os.getpid()}.{secrets.token_hex(4)}.part")
        make_folder(self.folder)
        part.folder.mkdir(parents=True)
        try:
            yield part
            if part.keep:
                _seal(part)
                try:
                    os.rename(part.folder, parent / key)
                except OSError:
                    if not (parent / key).is_dir():  # else somebody was faster
                        raise
        finally:
            _remove(part.folder)
        self.prune(parent / key)

    def check_room(self, needed: int) -> None:
        """Raise OSError where the disk has too little room for so many bytes."""
        if shutil.disk_usage(self.folder).free < needed:
            raise OSError(errno.ENOSPC, f"the disk has less than {needed:,} bytes left", str(self.folder))

    def entries(self, model: str | None = None) -> list[Entry]:
        """All of them, or those of a model by its absolute path, the one that was used last first."""
        found = []
        for kind in KINDS:
            for place in sorted((self.folder / kind).glob("[!.]*")):
                if place.is_dir():
                    found.append(_entry(place, read_json(place / _ENTRY)))
        own = [entry for entry in found if model is None or entry.info.get("model") == model]
        return sorted(own, key=lambda entry: -entry.used)

    def prune(self, keep: Path | None = None) -> None:
        """Take away the oldest entries until the rest is within the limit, never `keep`, and what dead processes
        left."""
        left = size_limit(self.folder)
        for entry in self.entries():
            left -= entry.size
            if left < 0 and entry.folder != keep:
                log.info("the cache is full: %s goes", entry.folder)
                _remove(entry.folder)
                left += entry.size
        for kind in KINDS:
            for part in (self.folder / kind).glob(".*.part"):
                if time.time() - _time(part) > _ABANDONED:
                    _remove(part)

    def clear(self, model: str | None = None) -> int:
        """Take everything away, or the entries of a model by its absolute path, and tell how many bytes that were."""
        if model is not None:
            entries = self.entries(model)
            for entry in entries:
                _remove(entry.folder)
            return sum(entry.size - _sizes(entry.folder) for entry in entries)
        before = sum(_sizes(self.folder / name) for name in (*KINDS, "files"))
        for name in (*KINDS, "files"):
            shutil.rmtree(self.folder / name, ignore_errors=True)
        return before - sum(_sizes(self.folder / name) for name in (*KINDS, "files"))


def _seal(part: Part) -> None:
    """Note the files of an entry, and what the system tells of them."""
    files, checked = {}, {}
    for path in sorted(path for path in part.folder.rglob("*") if path.is_file()):
        name = path.relative_to(part.folder).as_posix()
        checked[name] = list(astuple(stamp(path)))
        files[name] = digest(path)
    entry = {"format": _FORMAT, "files": files, "info": part.info}
    write_json(part.folder / _CHECKED, {"boot": boot(), "stamps": checked})
    replace_file(part.folder / _ENTRY, json.dumps(entry, indent=1, sort_keys=True).encode())


def _damage(place: Path, info: Mapping[str, Any]) -> str | None:
    """What is wrong with an entry, None where nothing is. What may have changed since it was checked is hashed."""
    files = info.get("files")
    if info.get("format") != _FORMAT or not isinstance(files, dict) or not isinstance(info.get("info"), dict):
        return f"its {_ENTRY} cannot be read"
    noted = read_json(place / _CHECKED)
    stamps = noted.get("stamps") if noted.get("boot") == boot() != "" else None
    stamps = stamps if isinstance(stamps, dict) else {}
    now: dict[str, list[int]] = {}
    try:
        for name, wanted in files.items():
            now[name] = list(astuple(stamp(place / name)))
            if stamps.get(name) != now[name] and digest(place / name) != wanted:
                return f"{name} was changed, or damaged"
    except PermissionError:
        raise
    except OSError as error:
        return f"{Path(str(error.filename)).name}: {error.strerror}"
    if now != stamps and boot():
        write_json(place / _CHECKED, {"boot": boot(), "stamps": now})
    return None


def _entry(place: Path, info: Mapping[str, Any]) -> Entry:
    inner = info.get("info")
    return Entry(place, inner if isinstance(inner, dict) else {}, _sizes(place), _time(place / _ENTRY))


def _sizes(folder: Path) -> int:
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.stat(os.path.join(parent, name)).st_size
            except OSError:  # it goes while we look
                continue
    return total


def _time(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def _remove(folder: Path) -> None:
    """Out of sight at once, where the system allows it, then gone. A file that somebody has open may stay."""
    if not folder.is_dir():
        return
    aside = folder.with_name(f".{folder.name.strip('.')}.{secrets.token_hex(4)}.part")
    try:
        os.rename(folder, aside)
    except OSError:
        aside = folder
    shutil.rmtree(aside, ignore_errors=True)
