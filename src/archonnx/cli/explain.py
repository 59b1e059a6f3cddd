"""`archonnx explain CODE`: the page of a diagnostic."""

from __future__ import annotations

import sys
from importlib.resources import files

import click

from archonnx.cli import complete
from archonnx.cli.console import colorful, out, rich_console
from archonnx.cli.options import color_option
from archonnx.contract.diagnostics import UsageError, did_you_mean


def titles() -> list[tuple[str, str]]:
    """Every code with the title of its page, sorted."""
    found = []
    for page in files("archonnx.contract").joinpath("codes").iterdir():
        if page.name.endswith(".md"):
            code, _, title = page.read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ").partition(": ")
            found.append((code, title))
    return sorted(found)


@click.command()
@click.argument("code", required=False, shell_complete=complete.codes)
@color_option
def explain(code: str | None) -> None:
    """Explain a diagnostic's code.

    Prints when the diagnostic CODE occurs and how to mend it, with an example and what archonnx says of it.
    Without a CODE, lists them all.

    \b
    Examples:
      archonnx explain E0301
      archonnx explain
    """
    if code is None:
        for known, title in titles():
            out(f"{known}  {title}")
        return
    wanted = code.strip().upper().removeprefix("ERROR[").removeprefix("WARNING[").rstrip("]")
    page = files("archonnx.contract").joinpath("codes", f"{wanted}.md")
    if not wanted.isalnum() or not page.is_file():
        near = did_you_mean(wanted, [known for known, _ in titles()])
        hint = f"did you mean {', '.join(near)}?" if near else "`archonnx explain` lists them"
        raise UsageError(f"there is no diagnostic {code}; {hint}")
    text = page.read_text(encoding="utf-8")
    if colorful(sys.stdout):
        from rich.markdown import Markdown

        rich_console(width=min(100, rich_console().width)).print(Markdown(text))
    else:
        out(text.rstrip("\n"))
