"""`python -m tools.demo [FOLDER]`: show what archonnx does, step by step; files are written into FOLDER, else demo.

Each step is commands as one would type them, and what they gave. A command that fails ends the demo with what it said.
"""

from __future__ import annotations

import io
import shlex
import sys
import time
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

from archonnx.cli import main
from archonnx.contract.diagnostics import MachineError
from tools.demo.steps import Said, Step, steps


class Failed(Exception):
    """A command of the demo failed. code: its exit code; said: what it printed."""

    def __init__(self, code: int, said: Said) -> None:
        self.code, self.said = code, said
        super().__init__(code)


def run(command: Sequence[str]) -> Said:
    """Run a command of archonnx in this process, which spares starting it. Raises Failed."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = main(list(command))
    said = Said(out.getvalue(), err.getvalue())
    if code:
        raise Failed(code, said)
    return said


def show(number: int, step: Step) -> None:
    """Run a step and print it. Raises Failed."""
    print(f"\n{number}. {step.title}", flush=True)
    for command in step.commands:
        print(f"$ {shlex.join(['archonnx', *command.words])}", flush=True)
        for line in command.shown(run(command.words)):
            print(f"  {line}", flush=True)


def demo(folder: Path) -> int:
    """Show all steps; the exit code."""
    began = time.perf_counter()
    folder.mkdir(parents=True, exist_ok=True)
    try:
        for number, step in enumerate(steps(folder), 1):
            show(number, step)
    except MachineError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except Failed as error:
        print(error.said.out, error.said.err, sep="", end="", file=sys.stderr)
        return error.code
    seconds = time.perf_counter() - began
    print(f"\nIn {seconds:.1f} s. The models are in {folder}, and {folder}/dnn.svg is the picture of the first.")
    return 0


if __name__ == "__main__":
    sys.exit(demo(Path(*sys.argv[1:2] or ["demo"])))
