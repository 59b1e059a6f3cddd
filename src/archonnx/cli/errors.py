"""The one place where errors become messages and exit codes."""

from __future__ import annotations

import errno
import os
import signal
import sys
import threading
from types import FrameType, TracebackType
from typing import Any

from archonnx.cli.console import colorful, settings, styled
from archonnx.contract.diagnostics import ArchonnxError, CompileError

DONE, WRONG, USAGE, MACHINE, DEFECT, INTERRUPTED, PIPE = 0, 1, 2, 3, 70, 130, 141

# What an operating system's refusal means here: what to say, and whether the machine rather than the file is to blame.
_SYSTEM: dict[int, tuple[str, int]] = {
    errno.ENOENT: ("there is no such file", WRONG),
    errno.EISDIR: ("it is a folder, a file is expected", WRONG),
    errno.ENOTDIR: ("a part of its path is a file, not a folder", WRONG),
    errno.EACCES: ("permission is denied", WRONG),
    errno.EPERM: ("permission is denied", WRONG),
    errno.EROFS: ("the file system is read-only", WRONG),
    errno.ENAMETOOLONG: ("its name is too long", WRONG),
    errno.ELOOP: ("its links go round in a circle", WRONG),
    errno.ENOSPC: ("the disk is full", MACHINE),
    errno.EDQUOT: ("the disk quota is used up", MACHINE),
    errno.EFBIG: ("the file system does not hold files of this size", MACHINE),
    errno.EMFILE: ("too many files are open", MACHINE),
    errno.ENFILE: ("too many files are open", MACHINE),
    errno.ENOMEM: ("there is not enough memory", MACHINE),
    errno.EIO: ("the device failed while reading or writing it", MACHINE),
}


class Terminated(BaseException):
    """SIGTERM arrived. It is raised so that files being written are cleaned up, as they are for Ctrl+C."""


class Boundary:
    """A `with` block that lets no error out: it says on stderr what went wrong and leaves the exit code in `code`."""

    def __init__(self) -> None:
        self.code = DONE
        self._before: Any = None

    def __enter__(self) -> Boundary:
        settings.color, settings.format = None, "text"
        # Started with a closed stream (`>&-`), Python has None for it; what is written to it is meant to be lost.
        sys.stdout = sys.stdout or open(os.devnull, "w", encoding="utf-8")
        sys.stderr = sys.stderr or open(os.devnull, "w", encoding="utf-8")
        for stream in (sys.stdout, sys.stderr):
            if hasattr(stream, "reconfigure"):
                stream.reconfigure(errors="backslashreplace")  # a file's odd name must not stop a message about it
        if threading.current_thread() is threading.main_thread():  # no other may ask for signals
            self._before = signal.signal(signal.SIGTERM, _terminate)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if self._before is not None:
            signal.signal(signal.SIGTERM, self._before)
        try:
            if error is not None:
                self.code = report(error)
            sys.stdout.flush()
        except BrokenPipeError:
            _silence()
            self.code = PIPE
        except OSError as failure:
            _silence()
            self.code = report(failure)
        return True


def report(error: BaseException) -> int:
    """Say on stderr what `error` means to the person who typed the command; return the exit code."""
    if isinstance(error, BrokenPipeError):
        raise error
    if isinstance(error, SystemExit):
        return int(error.code or 0) if isinstance(error.code, int | None) else WRONG
    from click.exceptions import Abort, ClickException, Exit

    if isinstance(error, Exit):  # --help and --version end so
        return error.exit_code
    if os.environ.get("ARCHONNX_TRACEBACK"):
        import traceback

        traceback.print_exception(error)
    if isinstance(error, CompileError):
        return _diagnostics(error)
    if isinstance(error, ClickException):
        error.show()
        return error.exit_code
    if isinstance(error, Abort | KeyboardInterrupt):
        _line("interrupted")
        return INTERRUPTED
    if isinstance(error, Terminated):
        _line("terminated")
        return 128 + signal.SIGTERM
    text, code = describe(error)
    _line(f"{styled('error', 'red', sys.stderr)}: {text}")
    return code


def describe(error: BaseException) -> tuple[str, int]:
    """The message for an error that is no diagnostic, and its exit code."""
    if isinstance(error, ArchonnxError):
        return str(error), error.exit_code
    if isinstance(error, OSError):
        reason, code = _SYSTEM.get(error.errno or 0, ((error.strerror or str(error)), WRONG))
        name = error.filename2 or error.filename
        return (f"{_shown(name)}: {reason}" if isinstance(name, str | bytes | os.PathLike) else reason), code
    if isinstance(error, MemoryError):
        return "there is not enough memory for this; close other programs, or use a smaller model or batch", MACHINE
    where = f"{type(error).__name__}: {error}".splitlines()[0]
    return f"archonnx has a bug: {where} (ARCHONNX_TRACEBACK=1 shows the traceback; please report it)", DEFECT


def _shown(name: str | bytes | os.PathLike[str]) -> str:
    """A path as a person here would write it: relative where it lies below this folder."""
    path = os.fsdecode(name)
    return path.removeprefix(os.getcwd() + os.sep)


def _diagnostics(error: CompileError) -> int:
    if settings.format == "json":
        import json

        from archonnx.contract.render import render_json

        _line(json.dumps({"diagnostics": render_json(error.diagnostics)}, indent=2))
    else:
        from archonnx.contract.render import render_text

        _line(render_text(error.diagnostics, error.sources, color=colorful(sys.stderr)).rstrip("\n"))
    return error.exit_code


def _line(text: str) -> None:
    sys.stdout.flush()
    print(text, file=sys.stderr, flush=True)


def _silence() -> None:
    """Nobody reads stdout any more, or it cannot be written: keep Python from failing on it once more at exit."""
    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, sys.stdout.fileno())
    os.close(devnull)


def _terminate(number: int, frame: FrameType | None) -> None:
    raise Terminated
