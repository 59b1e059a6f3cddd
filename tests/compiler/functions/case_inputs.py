"""Inputs that many cases share, and tables of cases."""

from __future__ import annotations

from typing import Any

from function_harness import Case

X = {"x": "float32[N, 3, 4]"}
INTS = {"x": "int32[N, 3, 4]"}
OPEN = {"x": "float32[N, H, W]"}
PAIR = {"x": "float32[N, 3, 4]", "y": "float32[3, 1]"}
SAME = {"x": "float32[N, H]", "y": "float32[N, H]"}
TRUTHS = {"x": "bool[N, 3, 4]", "y": "bool[4]"}
COUNTED = {"x": "int64[N, 4]", "y": "int64[4]"}


def each(lines: str, types: dict[str, str], **options: Any) -> list[Case]:
    """A case for each line."""
    return [Case(line.strip(), types, **options) for line in lines.strip().splitlines()]
