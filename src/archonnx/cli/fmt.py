"""`archonnx fmt FILE...`: one layout for all architecture files."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from archonnx.cli.console import out, say, styled
from archonnx.cli.errors import report
from archonnx.cli.options import FilePath, color_option, sources
from archonnx.contract.diagnostics import CompileError
from archonnx.contract.files import replace_file


@click.command()
@click.argument("files", nargs=-1, required=True, type=FilePath(allow_dash=True))
@click.option("--check", is_flag=True, help="Write nothing; exit with 1 where a file would change.")
@click.option("--diff", is_flag=True, help="Write nothing; print what would change, exit with 1 where anything would.")
@color_option
def fmt(files: tuple[Path, ...], check: bool, diff: bool) -> int:
    """Format architecture files.

    Rewrites each of FILES (a folder stands for every .arch file in it, - for stdin to stdout) with one layout: four
    spaces, one space around operators, `layers.` before constructors and commas after lines removed. Comments stay;
    what the file means does not change.

    \b
    Examples:
      archonnx fmt models/
      archonnx fmt --diff model.arch
      archonnx fmt - < model.arch
    """
    code = 0
    changed = 0
    listed = sources([f for f in files if str(f) != "-"])
    if any(str(f) == "-" for f in files):
        code = max(code, _stdin(check, diff))
    for path in listed:
        try:
            before, after = _formatted(path.read_bytes(), str(path))
        except CompileError as error:
            code = report(error)
            continue
        if before == after:
            continue
        changed += 1
        if diff:
            _print_diff(before, after, str(path))
        elif check:
            out(f"{path} would be formatted")
        else:
            replace_file(path, after.encode("utf-8"))
            out(f"{path} formatted")
    if changed and (check or diff):
        code = 1
    if not changed and code == 0 and listed:
        say(f"{len(listed)} file{'s' if len(listed) != 1 else ''}: nothing to do")
    return code


def _formatted(data: bytes, name: str) -> tuple[str, str]:
    """The text of a file, and the same formatted. Raises CompileError where it does not parse."""
    from archonnx.compiler.syntax.formatter import format_text
    from archonnx.compiler.syntax.parser import parse_bytes

    file, found = parse_bytes(data, name)
    if any(d.code.startswith("E00") for d in found):  # no text to format; what else is wrong the formatter judges
        raise CompileError(found, {name: file.text})
    return data.decode("utf-8"), format_text(file.text, name)


def _stdin(check: bool, diff: bool) -> int:
    before, after = _formatted(sys.stdin.buffer.read(), "<stdin>")
    if diff:
        _print_diff(before, after, "<stdin>")
    elif not check:
        sys.stdout.write(after)
    return 1 if before != after and (check or diff) else 0


def _print_diff(before: str, after: str, name: str) -> None:
    import difflib

    styles = {"+": "green", "-": "red", "@": "cyan"}
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), name, f"{name} (formatted)", lineterm="")
    for line in lines:
        style = styles.get(line[:1])
        out(styled(line, style) if style and not line.startswith(("+++", "---")) else line)
