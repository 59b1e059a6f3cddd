"""What files hold, told apart by a hash of all of it, which is taken again only where it may have changed.

Linux alone tells enough for that: the time at which a file's content or place was last changed cannot be set by
programs, and the start of the system is known, before which a crash may have left zeros. Elsewhere every start hashes.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

from archonnx.contract.files import replace_file
from archonnx.runtime.caching.folders import make_folder

PIECE = 8 * 2**20
_BLOCK, _BLOCKS = 4096, 32
SETTLED = 2_000_000_000  # nanoseconds; the coarsest clock of file systems that are in use ticks every two seconds


class ChangedError(Exception):
    """A file was written to while it was read."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """What the system tells of a file: where it lies, bytes, and when it was written and changed, in nanoseconds."""

    device: int
    inode: int
    size: int
    modified: int
    changed: int


def stamp(path: str | os.PathLike[str]) -> Stamp:
    """The file's stamp. Raises OSError."""
    found = os.stat(path)
    return Stamp(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def boot(path: Path = Path("/proc/sys/kernel/random/boot_id")) -> str:
    """What names this run of the system; "" where stamps are not to be trusted."""
    try:
        return path.read_text().strip()
    except OSError:
        return ""


def digest(path: str | os.PathLike[str]) -> str:
    """SHA-256 of the SHA-256 of each 8 MiB of a file, by several threads. Raises OSError."""
    size = os.path.getsize(path)
    pieces = range(0, max(size, 1), PIECE)

    def piece(start: int) -> bytes:
        with open(path, "rb", buffering=0) as stream:
            stream.seek(start)
            found, left = hashlib.sha256(), PIECE
            while left and (data := stream.read(min(left, 2**20))):
                found.update(data)
                left -= len(data)
            return found.digest()

    if len(pieces) == 1:
        parts = [piece(0)]
    else:
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as workers:
            parts = list(workers.map(piece, pieces))
    return hashlib.sha256(b"".join(parts)).hexdigest()


def sample(path: str | os.PathLike[str], size: int) -> str:
    """A hash of the size and of blocks all over a file: what is written through a mapping may show there before the
    stamp tells."""
    found = hashlib.sha256(str(size).encode())
    with open(path, "rb", buffering=0) as stream:
        for number in range(_BLOCKS):
            stream.seek(max(0, size - _BLOCK) * number // (_BLOCKS - 1))
            found.update(stream.read(_BLOCK))
    return found.hexdigest()


@dataclass(frozen=True, slots=True)
class Content:
    """A file as it was hashed. when: at which time that began, in nanoseconds since 1970."""

    path: str
    digest: str
    stamp: Stamp
    when: int

    def still(self) -> bool:
        """Whether the file holds that yet. Raises OSError."""
        if stamp(self.path) != self.stamp:
            return False
        return settled(self.stamp, self.when) or digest(self.path) == self.digest


def settled(found: Stamp, when: int) -> bool:
    """Whether a file with this stamp, looked at at that time, cannot have been written to since without another."""
    return bool(boot()) and when - max(found.modified, found.changed) > SETTLED


def content(path: str | os.PathLike[str], records: Path) -> Content:
    """The hash of a file: as noted in the folder `records`, where the file is surely the same, else taken and noted.

    Raises OSError where the file cannot be read, ChangedError where somebody writes to it.
    """
    whole = os.path.abspath(path)
    record = records / f"{hashlib.sha256(os.fsencode(whole)).hexdigest()[:32]}.json"
    now = stamp(whole)
    noted = read_json(record)
    if noted.get("boot") == boot() and noted.get("stamp") == list(astuple(now)) and "digest" in noted:
        when = noted.get("when", 0)
        if settled(now, when) and noted.get("sample") == sample(whole, now.size):
            return Content(whole, str(noted["digest"]), now, when)
    when = time.time_ns()
    found = Content(whole, digest(whole), now, when)
    if stamp(whole) != now:
        raise ChangedError(f"{whole} is being written to")
    if settled(now, when):
        note = {"boot": boot(), "digest": found.digest, "path": whole, "sample": sample(whole, now.size)}
        write_json(record, {**note, "stamp": list(astuple(now)), "when": when})
    return found


def read_json(path: Path) -> dict[str, Any]:
    """A file that holds an object of JSON; an empty one where it does not, or cannot be read."""
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def write_json(path: Path, values: dict[str, Any]) -> None:
    """Write it whole, or not at all where the folder cannot be written to."""
    try:
        make_folder(path.parent.parent)
        path.parent.mkdir(exist_ok=True)
        replace_file(path, json.dumps(values, indent=1, sort_keys=True).encode())
    except OSError:
        return
