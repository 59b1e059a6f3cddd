"""Files while they are written: without a name where the system allows it, and put in their place by one step.

On Linux a draft is a file that no folder names (O_TMPFILE, open(2)): a writer that is killed leaves nothing. Elsewhere,
and for the moment in which it takes another file's place, it is `.NAME.HOST-TOKEN.part` beside its target. Its writer
holds a lock (flock) on it for as long as it lives, so that what is left behind by the dead is told from what is being
written, whatever numbers processes have been given since.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import secrets
import stat
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import IO

ABANDONED = 24 * 3600.0  # seconds after which a draft of another machine counts as left behind, when none holds it
LOCKS = os.name != "nt"  # on Windows a file that is open cannot be removed, which does as well here
_UNNAMED = getattr(os, "O_TMPFILE", 0)
_BINARY = getattr(os, "O_BINARY", 0)
_NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EXDEV)


def lock(descriptor: int, *, shared: bool = False, wait: float = 0.0) -> bool | None:
    """Lock an open file until it is closed: whether that could be done, None where there are no such locks.

    wait: seconds to try for.
    """
    if not LOCKS:
        return None
    import fcntl

    until = time.monotonic() + wait
    while True:
        try:
            fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if time.monotonic() >= until:
                return False
            time.sleep(0.01)
        except OSError:  # file systems without locks: ENOLCK, EOPNOTSUPP, and EBADF of some on the net
            return None


class Draft:
    """A file that is written to take the place of `target`, which it does when `place` or `replace` is called.

    stream: where its bytes go. path: under which this process can open it again meanwhile. Leaving the `with` block
    removes what has not been put in a place. Raises OSError where the folder cannot be written.
    """

    def __init__(self, target: Path) -> None:
        self.partial: Path | None = None  # its hidden name, while it has one
        self._target = target
        self.descriptor = self._unnamed() if _UNNAMED else -1
        if self.descriptor < 0:
            self.descriptor = self._named()
        name = f"/proc/self/fd/{self.descriptor}" if self.partial is None else os.fspath(self.partial)
        self.path = Path(name)
        # A stream of its own, which whoever writes may close.
        self.stream: IO[bytes] = open(name, "wb", opener=lambda *_: os.dup(self.descriptor))  # noqa: SIM115

    def _unnamed(self) -> int:
        try:
            found = os.open(self._target.parent, _UNNAMED | os.O_RDWR, 0o666)
        except OSError as error:
            if error.errno in (errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL, errno.ENOENT):
                return -1  # the file system, or the kernel, has no such files
            raise
        if os.path.exists(f"/proc/self/fd/{found}"):  # else nothing can give it a name
            lock(found)
            return found
        os.close(found)
        return -1

    def _named(self) -> int:
        while True:
            self.partial = hidden(self._target)
            found = os.open(self.partial, os.O_CREAT | os.O_EXCL | os.O_RDWR | _BINARY, 0o666)
            lock(found)
            if os.fstat(found).st_nlink or not LOCKS:  # else it was swept before it was locked
                return found
            os.close(found)

    def name(self) -> Path:
        """Its hidden name, which it is given where it has none."""
        while self.partial is None:
            chosen = hidden(self._target)
            try:
                self._link(chosen)
                self.partial = chosen
            except FileExistsError:
                continue
            except OSError as error:
                if error.errno not in _NO_LINKS:
                    raise
                self._copy()
        return self.partial

    def _copy(self) -> None:
        """Become a file with a name: where there are files without one, and no way to give them one."""
        import shutil

        self.stream.close()
        unnamed = self.descriptor
        self.descriptor = self._named()
        assert self.partial is not None
        with open(unnamed, "rb") as source, open(os.dup(self.descriptor), "wb") as target:
            os.chmod(self.partial, stat.S_IMODE(os.fstat(unnamed).st_mode))
            source.seek(0)
            shutil.copyfileobj(source, target, 1 << 20)
            target.flush()
            os.fsync(target.fileno())
        self.path = self.partial

    def _link(self, place: Path) -> None:
        # Only with a folder's number does Python follow the link (linkat with AT_SYMLINK_FOLLOW).
        os.link(self.path, place, src_dir_fd=self.descriptor, follow_symlinks=True)

    def place(self, place: Path) -> bool:
        """Give it a name that no file has; False where one has it."""
        self.stream.flush() if not self.stream.closed else None
        try:
            if self.partial is None:
                self._link(place)
                return True
            os.link(self.partial, place)
        except FileExistsError:
            return False
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            if place.exists():
                return False
            self.replace(place)
            return True
        self.partial.unlink(missing_ok=True)
        self.partial = None
        return True

    def replace(self, place: Path) -> None:
        """Give it a name, in the place of the file that has it."""
        named = self.name()
        self.stream.close()
        if not LOCKS:
            self.release()  # Windows renames no file that is open
        os.replace(named, place)
        self.partial = None

    def release(self) -> None:
        """Give up the lock. What has no place yet is lost."""
        self.stream.close()
        self._close()

    def _close(self) -> None:
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1

    def __enter__(self) -> Draft:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.stream.close()
        except OSError:  # what it still held does not fit on the disk
            if kind is None:
                raise
        finally:
            if self.partial is not None and LOCKS:
                self.partial.unlink(missing_ok=True)
            self._close()
            if self.partial is not None and not LOCKS:
                self.partial.unlink(missing_ok=True)


def abandoned(target: Path) -> Iterator[Path]:
    """The drafts of a target whose writers are gone, one after the other; each is removed when the next is asked for.

    Those of live processes are never among them, nor those of other machines that were touched within a day.
    """
    ours = re.compile(re.escape(f".{_short(target)}.") + r"([0-9a-f]{8})-[0-9a-f]{12}\.part")
    try:
        names = [name for name in os.listdir(target.parent) if name.endswith(".part")]
    except OSError:
        return
    for name in sorted(names):
        if found := ours.fullmatch(name):
            path = target.with_name(name)
            with contextlib.suppress(OSError):
                yield from _free(path, found[1])


def _free(path: Path, host: str) -> Iterator[Path]:
    descriptor = os.open(path, os.O_RDWR | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | _BINARY)
    try:
        status = os.fstat(descriptor)
        old = time.time() - status.st_mtime > ABANDONED
        if not stat.S_ISREG(status.st_mode) or (host != _host() and not old):
            return
        if not LOCKS or lock(descriptor):
            yield path
            if not LOCKS:
                os.close(descriptor)
                descriptor = -1
            path.unlink(missing_ok=True)
    finally:
        if descriptor >= 0:
            os.close(descriptor)


def sweep(target: Path) -> None:
    """Remove what dead writers of a target have left."""
    for _ in abandoned(target):
        pass


def hidden(target: Path) -> Path:
    """A name beside a target that no other file has, and that `abandoned` knows."""
    return target.with_name(f".{_short(target)}.{_host()}-{secrets.token_hex(6)}.part")


def _short(target: Path) -> str:
    """A name that leaves room for what is put around it: file systems hold 255 bytes."""
    return os.fsdecode(os.fsencode(target.name)[:200])


@cache
def _host() -> str:
    """Eight digits that stand for this machine: a lock of another may not be seen here."""
    import hashlib
    import platform

    return hashlib.blake2b(platform.node().encode("utf-8", "replace"), digest_size=4).hexdigest()
