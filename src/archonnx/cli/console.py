"""Where the command line writes: results to stdout, remarks to stderr; colours, and progress past a second."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress
    from rich.status import Status

PATIENCE = 1.0  # seconds of silence before progress is shown


@dataclass(slots=True)
class Settings:
    """What the options of this run say. `color` is None where the stream decides; `format` is that of the result."""

    color: bool | None = None
    format: str = "text"


settings = Settings()


def colorful(stream: TextIO) -> bool:
    """Whether to colour what goes to `stream`: as told, else NO_COLOR and FORCE_COLOR, else where a person reads it."""
    if settings.color is not None:
        return settings.color
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def out(text: str = "") -> None:
    """One result line (or more) on stdout."""
    print(text)


def say(text: str) -> None:
    """One remark on stderr, never part of a result. What was printed before it is seen before it."""
    sys.stdout.flush()
    print(text, file=sys.stderr, flush=True)


def styled(text: str, style: str, stream: TextIO | None = None) -> str:
    """`text` in bold, red, green, yellow, cyan or dim where the stream shows colours."""
    codes = {"bold": "1", "dim": "2", "red": "1;31", "green": "32", "yellow": "33", "cyan": "36"}
    return f"\x1b[{codes[style]}m{text}\x1b[0m" if colorful(stream or sys.stdout) else text


def size_text(count: int) -> str:
    """A number of bytes for people: 999 bytes, 1.2 MB."""
    amount = float(count)
    for unit in ("bytes", "kB", "MB", "GB"):
        if amount < 1000 or unit == "GB":
            break
        amount /= 1000
    return f"{amount:.0f} {unit}" if unit == "bytes" else f"{amount:.1f} {unit}"


def plain(text: str) -> str:
    """A text out of a file as it may be shown: what would move the cursor or break the line is escaped."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def rich_console(stream: TextIO | None = None, width: int | None = None) -> Console:
    """A rich console on stdout (or `stream`) that follows the colour options; what is piped gets 160 columns."""
    from rich.console import Console

    target = stream or sys.stdout
    color = colorful(target)
    if width is None and not target.isatty():
        width = int(os.environ.get("COLUMNS", "0") or 0) or 160
    return Console(
        file=target, force_terminal=color or None, no_color=not color, width=width, highlight=False, soft_wrap=False
    )


def watched() -> bool:
    """Whether somebody sits before stderr: progress is for people, not for logs."""
    return sys.stderr.isatty() and os.environ.get("TERM") != "dumb"


@contextmanager
def busy(text: str) -> Iterator[Callable[[str], None]]:
    """Show a spinner with `text` on stderr while the body runs, once it has run for a second. Gives what takes a word
    on each step that begins, which is shown behind it."""
    if not watched():
        yield lambda step: None
        return
    stop: list[Status] = []
    shown = text

    def start() -> None:
        from rich.console import Console
        from rich.status import Status

        status = Status(shown, console=Console(stderr=True))
        stop.append(status)
        status.start()

    def tell(step: str) -> None:
        from rich.markup import escape

        nonlocal shown
        shown = f"{text}: {escape(plain(step))}"
        for status in stop:
            status.update(shown)

    timer = threading.Timer(PATIENCE, start)
    timer.daemon = True
    timer.start()
    try:
        yield tell
    finally:
        timer.cancel()
        timer.join()
        for status in stop:
            status.stop()


@contextmanager
def while_loading(file: object) -> Iterator[None]:
    """A spinner while the runtime loads a model, with what it says of its steps; warnings are printed as ever."""
    if not watched():
        yield
        return
    import logging

    with busy(f"loading {file}") as tell:

        class Steps(logging.Handler):
            def emit(self, record: logging.LogRecord) -> None:
                if record.levelno < logging.WARNING:
                    tell(record.getMessage().splitlines()[0].removeprefix(f"{file}: "))
                elif logging.lastResort is not None and not logging.getLogger().handlers:  # which it would have gone to
                    logging.lastResort.handle(record)

        log, steps = logging.getLogger("archonnx.runtime"), Steps()
        level = log.level
        log.addHandler(steps)
        log.setLevel(logging.DEBUG)
        try:
            yield
        finally:
            log.removeHandler(steps)
            log.setLevel(level)


class Steps:
    """Progress through a known amount of work: call it with (done, total); nothing shows before a second."""

    def __init__(self, text: str, unit: str = "bytes") -> None:
        import time

        self._clock = time.monotonic
        self._text = text
        self._unit = unit
        self._began = self._clock()
        self._bar: Progress | None = None
        self._task: int = 0

    def __call__(self, done: int, total: int) -> None:
        if self._bar is None:
            if not watched() or self._clock() - self._began < PATIENCE:
                return
            self._bar = self._start(total)
        self._bar.update(self._task, completed=done, total=total)  # type: ignore[arg-type]

    def _start(self, total: int) -> Progress:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            DownloadColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
        )

        amount = DownloadColumn() if self._unit == "bytes" else MofNCompleteColumn()
        columns = (TextColumn("{task.description}"), BarColumn(), amount, TimeRemainingColumn())
        bar = Progress(*columns, console=Console(stderr=True), transient=True)
        self._task = bar.add_task(self._text, total=total)
        bar.start()
        return bar

    def __enter__(self) -> Steps:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()
