"""The command line: one file a command, imported only when asked for, so that `--help` and `check` stay instant."""

from __future__ import annotations

from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    argv: the words after `archonnx`, by default the process's own.
    0 done, 1 the file or the comparison is wrong, 2 the command is wrong, 3 this machine cannot, 130 interrupted,
    141 the reader of the output went away, 70 a defect of archonnx.
    """
    from archonnx.cli.errors import Boundary

    boundary = Boundary()
    with boundary:
        from archonnx.cli.group import archonnx

        boundary.code = archonnx.main(args=argv, prog_name="archonnx", standalone_mode=False) or 0
    return boundary.code
