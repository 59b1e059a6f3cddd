"""The asset `labels`, as the compiler counts them and the runtime gives them."""

from __future__ import annotations


def label_lines(text: str) -> list[str]:
    """One label a line; blank lines at the end, and a byte order mark, are none."""
    kept = text.removeprefix("\ufeff").rstrip("\r\n")
    return [line.removesuffix("\r") for line in kept.split("\n")] if kept else []
