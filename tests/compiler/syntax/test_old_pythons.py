"""What Python 3.11.2, which Debian 12 ships, matches wrongly: a group that is repeated possessively."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
MODULES = sorted(
    path for folder in ("compiler", "runtime", "src/archonnx/cli", "src/archonnx/contract", "src/archonnx/verifying")
    for path in (ROOT / folder).rglob("*.py")
)  # fmt: skip
POSSESSIVE = re.compile(r"(?<!\\)\)(?:[*+?]|\{[0-9,]+\})\+")


def test_the_pattern_finds_what_it_should() -> None:
    found = [
        text for text in (r"(a)*+", r"(?:a|b)?+", r"(a){2,3}+", r"\)*+", r"[a]*+", "(a)+") if POSSESSIVE.search(text)
    ]
    assert found == [r"(a)*+", r"(?:a|b)?+", r"(a){2,3}+"]


@pytest.mark.parametrize("folder", ["compiler", "runtime", "src"])
def test_no_group_is_repeated_possessively(folder: str) -> None:
    assert MODULES
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}: {node.value[:60]!r}"
        for path in MODULES
        if path.is_relative_to(ROOT / folder)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and POSSESSIVE.search(node.value)
    ]
    assert found == [], "repeat the group greedily: (...)* for (...)*+"
