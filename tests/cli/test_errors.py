"""Every way a command can end: the message, and the exit code."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from archonnx.cli import errors, main
from archonnx.cli.group import COMMANDS
from archonnx.contract.diagnostics import ArchonnxError, CompileError, Diagnostic, MachineError, Place, UsageError

FOUND = Diagnostic("E0101", "unexpected character '$'", Place("a.arch", 1, 1, 1, 2))


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (ArchonnxError("the file is wrong"), 1, "error: the file is wrong\n"),
        (UsageError("the command is wrong"), 2, "error: the command is wrong\n"),
        (MachineError("there is no CUDA device"), 3, "error: there is no CUDA device\n"),
        (FileNotFoundError(errno.ENOENT, "No such file", "x.arch"), 1, "error: x.arch: there is no such file\n"),
        (IsADirectoryError(errno.EISDIR, "", "models"), 1, "error: models: it is a folder, a file is expected\n"),
        (PermissionError(errno.EACCES, "", "x"), 1, "error: x: permission is denied\n"),
        (OSError(errno.ENOSPC, "", "x.onnx"), 3, "error: x.onnx: the disk is full\n"),
        (OSError(errno.EBADF, "Bad file descriptor"), 1, "error: Bad file descriptor\n"),
        (
            MemoryError(),
            3,
            "error: there is not enough memory for this; close other programs, or use a smaller model or batch\n",
        ),
        (KeyboardInterrupt(), 130, "interrupted\n"),
        (
            ZeroDivisionError("division by zero\nmore"),
            70,
            "error: archonnx has a bug: ZeroDivisionError: division by zero",
        ),
    ],
)
def test_what_each_error_says(error: BaseException, code: int, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    boundary = errors.Boundary()
    with boundary:
        raise error
    captured = capsys.readouterr()
    assert boundary.code == code
    assert captured.err.startswith(text)
    assert captured.err.count("\n") == 1
    assert captured.out == ""


def test_diagnostics_are_rendered_from_their_sources(capsys: pytest.CaptureFixture[str]) -> None:
    with errors.Boundary() as boundary:
        raise CompileError([FOUND], {"a.arch": "$\n"})
    captured = capsys.readouterr()
    assert boundary.code == 1
    assert captured.err.startswith("error[E0101]: unexpected character '$'\n  --> a.arch:1:1\n")


def test_a_bug_shows_its_traceback_when_asked(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ARCHONNX_TRACEBACK", "1")
    with errors.Boundary() as boundary:
        raise ZeroDivisionError("here")
    assert boundary.code == 70
    assert "Traceback (most recent call last)" in capsys.readouterr().err


def test_the_signal_handler_is_put_back() -> None:
    before = signal.getsignal(signal.SIGTERM)
    assert main(["--version"]) == 0
    assert signal.getsignal(signal.SIGTERM) == before


@pytest.mark.parametrize(
    ("argv", "text"),
    [
        ([], "Usage: archonnx"),
        (["chek"], "did you mean 'check'?"),
        (["model.arch"], "a command comes first: archonnx check model.arch"),
        (["check"], "Missing argument"),
        (["check", "--nonsense", "x"], "No such option"),
        (["check", "x.arch", "--set", "classes"], "--set classes: expected name=value"),
        (["check", "x.arch", "--set", "a=[1"], "is no literal"),
        (["check", "x.arch", "--format", "yaml"], "'yaml' is not one of"),
        (["run", "x.onnx", "--top", "0"], "--top"),
        (["explain", "E9999"], "there is no diagnostic E9999"),
        (["layers", "Conv2"], "there is no layer or tensor function Conv2"),
        (["layers", "Hashing"], "there is no layer or tensor function Hashing; Keras' Hashing hashes by FarmHash or"),
        (["completion", "tcsh"], "'tcsh' is not one of"),
    ],
)
def test_a_wrong_command_ends_with_2(argv: list[str], text: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(argv) == 2
    captured = capsys.readouterr()
    assert text in captured.err
    assert captured.out == ""


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_a_help_worth_reading(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, "--help"]) == 0
    text = capsys.readouterr().out
    assert text.startswith(f"Usage: archonnx {command}")
    assert COMMANDS[command] in " ".join(text.split())
    assert f"archonnx {command}" in text.partition("Examples")[2], "an example shows the command at work"
    assert max(map(len, text.splitlines())) <= 120


def test_the_general_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    assert all(f"  {command} " in text for command in COMMANDS)
    assert "Exit codes: 0 done, 1" in text


def start(*argv: str, **options: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "archonnx", *argv]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)  # type: ignore[call-overload,no-any-return]


def test_a_reader_that_goes_away_is_no_error_to_talk_about() -> None:
    process = start("layers")
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    said = process.stderr.read()
    process.stderr.close()
    assert process.wait() == 141
    assert said == ""


def test_closed_streams_are_no_error() -> None:
    command = f'"{sys.executable}" -m archonnx layers >&- 2>&-'
    assert subprocess.run(["sh", "-c", command], check=False).returncode == 0


def test_a_full_disk_under_stdout_is_said() -> None:
    if not os.path.exists("/dev/full"):
        pytest.skip("only Linux has /dev/full")
    with open("/dev/full", "w", encoding="utf-8") as full:
        command = [sys.executable, "-m", "archonnx", "layers"]
        run = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert run.returncode == 3
    assert run.stderr == "error: the disk is full\n"


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_a_command_cleanly(number: signal.Signals, code: int, tmp_path: Path) -> None:
    fifo = tmp_path / "slow.arch"
    os.mkfifo(fifo)
    # A shell starts what it runs in the background with Ctrl-C ignored, and children inherit that.
    before = signal.signal(number, signal.default_int_handler)
    try:
        process = start("fmt", str(fifo))
    finally:
        signal.signal(number, before)
    writer = os.open(fifo, os.O_WRONLY)  # returns once the command reads: it is at work now
    time.sleep(0.05)
    process.send_signal(number)
    out, err = process.communicate(timeout=30)
    os.close(writer)
    assert process.returncode == code
    assert "Traceback" not in err
    assert len(err.splitlines()) <= 2
    assert out == ""


@pytest.mark.parametrize("command", ["build", "check", "summary", "plot", "verify", "plan-shards"])
@pytest.mark.parametrize("name", ["net.onnx", "NET.ONNX", "net.shards.json"])
def test_commands_on_sources_say_what_a_built_model_is(
    command: str, name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / name
    file.write_bytes(b"{}")
    assert main([command, str(file)]) == 2
    told = capsys.readouterr().err
    assert f"{file} is a model that was built, expected the .arch file that it is made of" in told
    assert "`archonnx run`" in told


def test_a_folder_or_a_source_with_onnx_in_its_name_is_still_checked(tmp_path: Path) -> None:
    folder = tmp_path / "for.onnx.d"
    folder.mkdir()
    (folder / "net.onnx.arch").write_text("model Net():\n    input x: float32[4]\n    Dense(2)\n    output y\n")
    assert main(["check", str(folder)]) == 0
    assert main(["check", str(folder / "net.onnx.arch")]) == 0
