"""Values written on the command line: `name=value`, the value a literal as in an architecture file."""

from __future__ import annotations

import re
from typing import Any

from archonnx.contract.diagnostics import UsageError

_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_\-./]*\Z")
_PYTHON_SPELLING = {"true": "True", "false": "False", "none": "None", "null": "None"}


def assignment(text: str, option: str) -> tuple[str, str]:
    """Split `name=value`. Raises UsageError that names the option where there is no name or no `=`."""
    name, equals, value = text.partition("=")
    name = name.strip()
    if not equals or not name.isidentifier():
        example = "image=photo.jpg" if option == "--input" else "classes=10"
        raise UsageError(f"{option} {text}: expected name=value, as in {option} {example}")
    return name, value.strip()


def literal(text: str, option: str) -> Any:
    """A number, string, boolean, None, list or tuple as an architecture file writes it; a bare word is a string.

    Raises UsageError that quotes the text where it is none of these.
    """
    import ast

    if text in _PYTHON_SPELLING:
        raise UsageError(f"{option}: {text} is written {_PYTHON_SPELLING[text]}")
    if _WORD.match(text) and text not in ("True", "False", "None"):
        return text
    if len(text) > 10_000_000:
        raise UsageError(f"{option}: a value of {len(text):,} characters is too long; write it to a .json or .npy file")
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        shown = text if len(text) <= 60 else text[:57] + "..."
        raise UsageError(
            f'{option}: {shown!r} is no literal; expected a number, a "string", True, False, None, or a list of them'
        ) from None
    _plain(value, text, option)
    return value


def _plain(value: Any, text: str, option: str) -> None:
    """Refuse what Python knows and the language does not: sets, dictionaries, bytes, complex numbers."""
    pending = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, list | tuple):
            pending.extend(item)
        elif item is not None and not isinstance(item, bool | int | float | str):
            raise UsageError(f"{option}: {text!r} holds a {type(item).__name__}, which architecture files do not have")


def assignments(texts: tuple[str, ...], option: str) -> dict[str, Any]:
    """Every `name=literal` of a repeatable option. Raises UsageError where a name comes twice."""
    values: dict[str, Any] = {}
    for text in texts:
        name, value = assignment(text, option)
        if name in values:
            raise UsageError(f"{option} {name} is given twice")
        values[name] = literal(value, f"{option} {name}")
    return values
