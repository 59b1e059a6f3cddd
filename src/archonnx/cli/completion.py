"""`archonnx completion SHELL`: the script that completes archonnx's words."""

from __future__ import annotations

import os
from pathlib import Path

import click

from archonnx.cli.console import out
from archonnx.contract.diagnostics import UsageError

SHELLS = ("bash", "zsh", "fish")


@click.command()
@click.argument("shell", required=False, type=click.Choice(SHELLS))
def completion(shell: str | None) -> None:
    """Print the script that completes archonnx's words in your shell.

    Commands, options, files, the models of a file, layers and diagnostic codes are completed.
    Without SHELL, $SHELL decides.

    \b
    Examples (each lasts for one session; put the line into the file that your shell reads at its start):
      eval "$(archonnx completion bash)"        # ~/.bashrc
      eval "$(archonnx completion zsh)"         # ~/.zshrc
      archonnx completion fish | source         # ~/.config/fish/config.fish
    """
    from click.shell_completion import get_completion_class

    from archonnx.cli import COMPLETION
    from archonnx.cli.group import archonnx

    name = shell or Path(os.environ.get("SHELL", "")).name
    kind = get_completion_class(name)
    if kind is None:
        raise UsageError(f"there is no completion for the shell {name or '(unknown)'}; name one: {', '.join(SHELLS)}")
    out(kind(archonnx, {}, "archonnx", COMPLETION).source())
