"""The text of a lock: TOML, sorted, an entry a line, so that git merges what two people changed, and shows it."""

from __future__ import annotations

import json
import re

from archonnx.compiler.locking.entries import ORDER, Entries, Value

FORMAT = 1
FIRST = (
    "# What `archonnx build --locked` holds a build against. Commit it; `archonnx build --update-lock` writes it anew."
)
_BARE = re.compile(r"[A-Za-z0-9_-]+")


class NoLockError(ValueError):
    """A text that is no lock; the message says why."""


def write(entries: Entries) -> str:
    """The text of a lock."""
    lines = [FIRST, f"format = {FORMAT}"]
    for section in ORDER:
        held = entries.get(section)
        if held:
            lines += ["", f"[{section}]"]
            lines += [f"{_key(name)} = {_value(held[name])}" for name in sorted(held)]
    return "\n".join(lines) + "\n"


def read(text: str) -> Entries:
    """The entries of a text. Raises NoLockError."""
    import tomllib

    try:
        found = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        conflict = re.search(r"^(<{7}|={7}|>{7})( |$)", text, re.MULTILINE)
        raise NoLockError("it has the marks of a merge in it" if conflict else str(error)) from None
    number = found.pop("format", None)
    if number != FORMAT:
        raise NoLockError(
            "it says no format" if number is None else f"it is of format {number!r}, and this archonnx reads {FORMAT}"
        )
    for section, held in found.items():
        if section not in ORDER or not isinstance(held, dict):
            raise NoLockError(f"it has {section!r}, which is no section of a lock")
        for name, value in held.items():
            if not isinstance(value, str | int) or isinstance(value, bool):
                raise NoLockError(f"{section}.{name} is neither a text nor a whole number")
    return found


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else _text(name)


def _value(value: Value) -> str:
    return str(value) if isinstance(value, int) else _text(value)


def _text(text: str) -> str:
    """A basic string of TOML. Names of files that are no Unicode are shown as Python escapes them."""
    plain = text.encode("utf-8", "backslashreplace").decode("utf-8")
    return json.dumps(plain, ensure_ascii=False).replace("\x7f", "\\u007F")
