"""What the shell offers after a Tab, beside files: models of a file, the zoo, layers, codes, names of training."""

from __future__ import annotations

import re
from pathlib import Path

import click
from click.shell_completion import CompletionItem

_MODEL = re.compile(r"^model\s+([A-Za-z_]\w*)", re.MULTILINE)


def models(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The models declared in the FILE already typed. Read by pattern: a file being written need not be right."""
    named = ctx.params.get("file") or next(iter(ctx.params.get("files") or ctx.args), None)
    if named is None:  # where an option still lacks its value, click leaves the arguments in ctx.args
        return []
    try:
        text = Path(named).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    return [CompletionItem(name) for name in dict.fromkeys(_MODEL.findall(text)) if name.startswith(incomplete)]


def zoo(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The files of the zoo, with what they are."""
    from archonnx.compiler.elaborate.zoo import zoo_files

    return [CompletionItem(f.name, help=f.about) for f in zoo_files() if f.name.startswith(incomplete)]


def layers(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Layers by name, with what they do; packages are named, not imported."""
    from archonnx.cli.layers import documented
    from archonnx.compiler.layers.plugins import claims, plugin_names
    from archonnx.compiler.layers.registry import library_names

    known = dict(documented())
    known |= {name: f"from {claims()[name][0].package}" for name in plugin_names(library_names())}
    return [CompletionItem(n, help=text) for n, text in known.items() if n.lower().startswith(incomplete.lower())]


def codes(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Diagnostic codes, with their titles."""
    from archonnx.cli.explain import titles

    return [CompletionItem(code, help=title) for code, title in titles() if code.startswith(incomplete.upper())]


def optimizers(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Optimizers of `fit`."""
    from archonnx.compiler.keras.training.plan import OPTIMIZERS

    return [CompletionItem(name) for name in OPTIMIZERS if name.startswith(incomplete)]


def losses(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Losses of `fit`, after OUTPUT= too."""
    from archonnx.compiler.keras.training.objectives import LOSSES

    output, mark, begun = incomplete.rpartition("=")
    return [CompletionItem(f"{output}{mark}{name}") for name in LOSSES if name.startswith(begun)]


def metrics(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Metrics of `fit`, after others and a comma too."""
    from archonnx.compiler.keras.training.metrics import NAMES

    others, mark, begun = incomplete.rpartition(",")
    return [CompletionItem(f"{others}{mark}{name}") for name in NAMES if name.startswith(begun)]
