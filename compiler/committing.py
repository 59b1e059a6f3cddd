"""Putting models and their data in their places: data first, then the models, one renaming each, old data last.

At each moment every model that can be read has its own data beside it, whoever builds the same target meanwhile and
whenever a process is killed. Names of data files say what is in them, so that none is ever written over by other bytes.

1. The new models get hidden names, by which a later build finds what a dead one has left.
2. The data file gets its name. Where it is there already, it is taken as it is, if its bytes are right.
3. Each model takes the place of the old one, which is locked meanwhile: two builds replace one after the other, and
   each sees whose model it replaces. The old model keeps a hidden name until its data are gone, for the same reason.
4. Data that only replaced models referred to are removed.

Whoever puts a model in place that refers to a data file holds a lock on it, and whoever removes one must get it first.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from archonnx.compiler import wire
from archonnx.compiler.sink import digest_of, sync_folder
from archonnx.contract.drafts import Draft, abandoned, hidden, lock

DATA = re.compile(r".+\.[0-9a-f]{16}\.data", re.DOTALL)
OURS = b"\x12\x08archonnx"  # the field producer_name, which is one of the first
WAIT = 10.0  # seconds for the lock of others, who hold it for as long as it takes to rename files


@dataclass(slots=True)
class Data:
    """A data file to put in place: where, and what its bytes hash to."""

    draft: Draft
    path: Path
    digest: str


def commit(
    models: Sequence[tuple[Draft, Path]], data: Data | None = None, before: Callable[[], None] | None = None
) -> None:
    """Put models in their places, all in one folder, with the data that they refer to. Raises OSError.

    before: called when nothing is left but that models take their places; what it raises leaves all as it was.
    Where it fails, models that are not replaced yet stay as they were, with their data.
    """
    replaced: list[_Old] = []
    held, placing = -1, False
    try:
        if data is not None:
            for draft, _ in models:
                draft.name()
            placing = True
            held = _place(data)
            sync_folder(data.path.parent)  # no power cut keeps a model and loses its data
        if before is not None:
            before()
        for draft, target in models:
            replaced.append(_replace(draft, target))
    except BaseException:
        if data is not None and placing and not replaced:
            data.draft.release()
            _remove(data.path)
        raise
    finally:
        try:
            if replaced:
                sync_folder(models[0][1].parent)
            for old in replaced:
                old.remove(None if data is None else data.path.name)
        finally:
            for descriptor in (held, *(old.descriptor for old in replaced)):
                if descriptor >= 0:
                    os.close(descriptor)


def tidy(target: Path) -> None:
    """Remove what dead builds of a target have left beside it, and data among it that no model refers to."""
    for part in abandoned(target):
        for name in data_of(part, target.stem):
            _remove(target.with_name(name))


def data_of(model: Path, stem: str) -> list[str]:
    """The data files that a model refers to and that are its own by their names; none where it is no model.

    stem: what such names begin with, where the model itself does not say that it is ours.
    """
    try:
        with open(model, "rb") as stream:
            return _data_in(stream, stem)
    except OSError:
        return []


def _data_in(stream: IO[bytes], stem: str) -> list[str]:
    try:
        if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
            return []
        walked = wire.walk(stream)
    except (OSError, wire.MalformedFileError):
        return []
    begins = "" if OURS in walked.skeleton[:64] else f"{stem}."
    names = {region.external.get("location", "") for region in walked.regions}
    return sorted(n for n in names if DATA.fullmatch(n) and n.startswith(begins) and "/" not in n)


@dataclass(slots=True)
class _Old:
    """A model that was replaced: the data it referred to, its hidden name and its lock, where it has them."""

    folder: Path
    data: list[str]
    name: Path | None = None
    descriptor: int = -1

    def remove(self, besides: str | None) -> None:
        """Remove its data, where no model refers to them any more."""
        for name in self.data:
            if name != besides:
                _remove(self.folder / name)
        if self.name is not None:
            self.name.unlink(missing_ok=True)


def _replace(draft: Draft, target: Path) -> _Old:
    """Put a model in its place; what was there before."""
    while True:
        try:
            descriptor = os.open(target, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        except FileNotFoundError:
            if draft.place(target):
                return _Old(target.parent, [])
            continue
        except PermissionError:  # nobody can tell what it refers to
            draft.replace(target)
            return _Old(target.parent, [])
        old = _Old(target.parent, [], descriptor=descriptor)
        try:
            if lock(descriptor, wait=WAIT) is None and os.name == "nt":
                os.close(descriptor)  # no file is renamed there over one that is open
                old.descriptor, old.data = -1, data_of(target, target.stem)
            elif not _is(descriptor, target):
                os.close(descriptor)
                continue
            else:
                with open(descriptor, "rb", closefd=False) as stream:
                    old.data = _data_in(stream, target.stem)
            if old.data:
                chosen = hidden(target)
                with contextlib.suppress(OSError):  # where a file has one name alone
                    os.link(target, chosen)
                    old.name = chosen
            os.chmod(draft.path, stat.S_IMODE(os.stat(target).st_mode))
            draft.replace(target)
        except BaseException:
            if old.name is not None and _is(descriptor, target):  # else a later build removes its data by that name
                old.name.unlink(missing_ok=True)
            if old.descriptor >= 0:
                os.close(old.descriptor)
            raise
        return old


def _place(data: Data) -> int:
    """Give a data file its name: an open file whose lock keeps it from being removed, -1 where the draft is that."""
    while True:
        if data.draft.place(data.path):
            return -1
        try:
            descriptor = os.open(data.path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        except FileNotFoundError:
            continue
        kept = False
        try:
            lock(descriptor, shared=True, wait=WAIT)
            if _is(descriptor, data.path):
                if digest_of(data.path, digest_size=8) == data.digest:
                    kept = True
                    return descriptor
                data.draft.replace(data.path)  # it is damaged
                return -1
        finally:
            if not kept:
                os.close(descriptor)


def _remove(path: Path) -> None:
    """Remove a data file that no model in its folder refers to and that no build is about to refer to."""
    with contextlib.suppress(OSError):
        flags = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
        try:
            descriptor = os.open(path, flags | os.O_RDWR)  # some file systems lock for writing only what can be written
        except PermissionError:
            descriptor = os.open(path, flags | os.O_RDONLY)
        try:
            gone = lock(descriptor) is False or not _is(descriptor, path) or any(referring(path))
            if not gone and os.name != "nt":
                path.unlink(missing_ok=True)
        finally:
            os.close(descriptor)
        if not gone and os.name == "nt":
            path.unlink(missing_ok=True)


def referring(path: Path) -> Iterator[str]:
    """The names of the models in its folder that refer to a data file, which need not be there."""
    for name in os.listdir(path.parent):
        other = path.with_name(name)
        if name.endswith((".data", ".part")) or not other.is_file():
            continue
        try:
            with open(other, "rb") as stream:
                if stream.read(1) != b"\x08":  # ir_version, with which models begin
                    continue
                regions = wire.walk(stream).regions
        except (OSError, wire.MalformedFileError):
            continue
        if any(os.path.normpath(r.external.get("location", "")) == path.name for r in regions):
            yield name


def _is(descriptor: int, path: Path) -> bool:
    """Whether an open file is still the one of that path."""
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return False
    return os.path.samestat(found, os.fstat(descriptor))
