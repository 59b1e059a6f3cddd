"""Colours, and progress that shows itself only to people who wait."""

from __future__ import annotations

import io
import logging
import time
from contextlib import redirect_stderr

import pytest

from archonnx.cli import console


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """A terminal, to be made stderr in the test itself (pytest sets its own before each), and a short patience."""
    monkeypatch.setattr(console, "PATIENCE", 0.05)
    monkeypatch.setenv("TERM", "xterm")
    return Terminal()


@pytest.fixture(autouse=True)
def settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console, "settings", console.Settings())
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)


def test_a_long_wait_shows_what_is_waited_for(terminal: Terminal) -> None:
    with redirect_stderr(terminal), console.busy("compiling the thing"):
        time.sleep(0.4)
    assert "compiling the thing" in terminal.getvalue()


def test_a_short_one_shows_nothing(terminal: Terminal) -> None:
    with redirect_stderr(terminal), console.busy("compiling the thing"):
        pass
    with redirect_stderr(terminal), console.Steps("building") as steps:
        steps(1, 2)
    assert terminal.getvalue() == ""


def test_a_step_that_begins_is_told(terminal: Terminal) -> None:
    with redirect_stderr(terminal), console.busy("quantizing m.onnx") as tell:
        tell("measuring [red]product 1")
        time.sleep(0.2)
        tell("measuring product 2")
        time.sleep(0.2)
    assert "quantizing m.onnx: measuring [red]product 1" in terminal.getvalue()
    assert "quantizing m.onnx: measuring product 2" in terminal.getvalue()


def test_what_the_runtime_says_while_it_loads_is_shown(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    log = logging.getLogger("archonnx.runtime")
    warnings = io.StringIO()
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    monkeypatch.setattr(logging, "lastResort", logging.StreamHandler(warnings))
    before = log.level, list(log.handlers)
    with redirect_stderr(terminal), console.while_loading("m.onnx"):
        log.debug("m.onnx: calibrating on 12 examples")
        log.warning("m.onnx: it is so")
        time.sleep(0.3)
    assert "loading m.onnx: calibrating on 12 examples" in terminal.getvalue()
    assert warnings.getvalue() == "m.onnx: it is so\n"
    assert (log.level, list(log.handlers)) == before
    with redirect_stderr(io.StringIO()) as quiet, console.while_loading("m.onnx"):
        log.info("m.onnx: nobody looks")
    assert quiet.getvalue() == ""


def test_a_failure_takes_the_spinner_away(terminal: Terminal) -> None:
    with redirect_stderr(terminal), pytest.raises(ZeroDivisionError), console.busy("compiling the thing"):
        time.sleep(0.3)
        raise ZeroDivisionError
    assert terminal.getvalue().endswith("\x1b[?25h\r\x1b[1A\x1b[2K"), "the cursor is back, the line is cleared"


def test_known_work_is_counted(terminal: Terminal) -> None:
    with redirect_stderr(terminal), console.Steps("building it") as steps:
        steps(0, 2_000_000)
        time.sleep(0.1)
        steps(1_000_000, 2_000_000)
    assert "building it" in terminal.getvalue()
    assert "MB" in terminal.getvalue()


def test_logs_get_no_progress(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    with redirect_stderr(terminal), console.busy("compiling the thing"), console.Steps("building it") as steps:
        time.sleep(0.2)
        steps(1, 2)
    assert terminal.getvalue() == ""


def test_colours_follow_options_then_environment_then_the_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    assert console.colorful(Terminal())
    assert not console.colorful(io.StringIO())
    monkeypatch.setenv("NO_COLOR", "1")
    assert not console.colorful(Terminal())
    console.settings.color = True
    assert console.colorful(io.StringIO())
    assert console.styled("x", "red", io.StringIO()) == "\x1b[1;31mx\x1b[0m"
    console.settings.color = False
    assert not console.colorful(Terminal())
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("FORCE_COLOR", "1")
    console.settings.color = None
    assert console.colorful(io.StringIO())
