"""`archonnx cache`: what earlier starts of models have kept for the next ones."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from archonnx.cli.console import out, plain, rich_console, size_text
from archonnx.cli.options import FilePath, color_option, format_option
from archonnx.contract.diagnostics import UsageError

if TYPE_CHECKING:
    from archonnx.runtime.caching.store import Entry


@click.command()
@click.argument("model", required=False, type=FilePath())
@click.option("--cache", type=FilePath(), default="auto", metavar="FOLDER", help="A folder of its own, or `beside`.")
@click.option("--clear", is_flag=True, help="Take it away.")
@format_option("text", "json")
@color_option
def cache(model: Path | None, cache: Path, clear: bool, format: str) -> int:
    """List what starts have kept for the next ones, or take it away.

    Loading a model from a file keeps its optimised graph, so that the next start is faster: in the folder of the
    environment variable ARCHONNX_CACHE, else in MODEL.onnx.cache where that stands beside the model, else in the
    user's cache folder. It holds 8 GiB at most, or ARCHONNX_CACHE_SIZE GiB; what was used longest ago goes first.
    ARCHONNX_CACHE=off keeps nothing.

    With MODEL, the path of a model, only what was kept of it is listed or taken away.

    \b
    Examples:
      archonnx cache
      archonnx cache --clear
      archonnx cache model.onnx --clear
      archonnx cache model.onnx --cache beside
    """
    from archonnx.runtime.caching.folders import BESIDE, cache_folder, check_cache, size_limit
    from archonnx.runtime.caching.store import Store

    asked = check_cache(cache)
    if asked == BESIDE and model is None:
        raise UsageError("--cache beside: say which model, as in archonnx cache model.onnx --cache beside")
    folder = cache_folder(asked, str(model or ""))
    if folder is None:
        raise UsageError("there is no cache: it is off, or this user has no folder for it; --cache names one")
    if os.path.lexists(folder) and not folder.is_dir():
        raise UsageError(f"{folder} is a file, and no folder of a cache; --cache or ARCHONNX_CACHE name another")
    store = Store(folder)
    path = None if model is None else os.path.abspath(model)
    freed = store.clear(path) if clear else None
    entries = store.entries(path)
    limit = size_limit(folder) if folder.is_dir() else None
    if format == "json":
        out(json.dumps(_document(folder, entries, limit, freed), indent=2, ensure_ascii=False))
    elif freed is not None:
        out(f"{size_text(freed)} are free again: {plain(str(folder))}")
    elif model is not None and not entries:
        out(f"{plain(str(folder))} holds nothing of {plain(str(model))}")
    else:
        _print(folder, entries, limit, model)
    return 0


def _document(folder: Path, entries: list[Entry], limit: int | None, freed: int | None) -> dict[str, Any]:
    listed = [
        {
            "kind": entry.folder.parent.name,
            "key": entry.folder.name,
            "model": entry.info.get("model"),
            "bytes": entry.size,
            "used": entry.used,
        }
        for entry in entries
    ]
    total = sum(entry.size for entry in entries)
    return {"folder": str(folder), "bytes": total, "limit": limit, "freed": freed, "entries": listed}


def _print(folder: Path, entries: list[Entry], limit: int | None, model: Path | None) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    if not entries:
        out(f"{plain(str(folder))} holds nothing")
        return
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    table.add_column("model")
    table.add_column("what")
    table.add_column("size", justify="right")
    table.add_column("used", justify="right")
    for entry in entries:
        what = "not kept" if entry.info.get("refused") else entry.folder.parent.name
        name = Text(plain(str(entry.info.get("model", "?"))), overflow="fold")
        table.add_row(name, what, size_text(entry.size), _ago(time.time() - entry.used))
    rich_console().print(table)
    bound = "" if limit is None else f" of {size_text(limit)} at most"
    bound = bound if model is None else f" of {plain(str(model))}"
    out(f"\n{plain(str(folder))} holds {size_text(sum(entry.size for entry in entries))}{bound}")


def _ago(seconds: float) -> str:
    for size, unit in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= size:
            count = int(seconds // size)
            return f"{count} {unit}{'' if count == 1 else 's'} ago"
    return "just now"
