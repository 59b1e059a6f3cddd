"""The command line: one file a command, imported only when asked for, so that `--help` and `check` stay instant."""

from __future__ import annotations

import atexit
import gc
import os
import sys
from collections.abc import Sequence

OBJECTS = 100_000  # new ones before Python looks for cycles: by default 700, which is a sixth of a small build's time
COMPLETION = "_ARCHONNX_COMPLETE"  # the variable in which a shell's completion script says what it asks for


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    argv: the words after `archonnx`, by default the process's own.
    0 done, 1 the file or the comparison is wrong, 2 the command is wrong, 3 this machine cannot, 130 interrupted,
    141 the reader of the output went away, 70 a defect of archonnx.
    """
    from archonnx.cli.errors import Boundary

    if argv is None:  # this process is ours
        gc.set_threshold(OBJECTS, 50, 50)
        atexit.register(gc.freeze)  # nothing is searched for cycles on the way out
    boundary = Boundary()
    with boundary:
        from archonnx.cli.group import archonnx

        if wanted := os.environ.get(COMPLETION):  # the shell asks what could follow, or for its script
            from click.shell_completion import shell_complete

            boundary.code = shell_complete(archonnx, {}, "archonnx", COMPLETION, wanted)
        else:
            with archonnx.make_context("archonnx", list(sys.argv[1:] if argv is None else argv)) as context:
                boundary.code = archonnx.invoke(context) or 0
    return boundary.code
