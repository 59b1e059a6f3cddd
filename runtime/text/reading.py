"""Texts as a command line gives them: `text=A cat sits`, or `text=@FILE` for the lines of a file."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from archonnx.contract.diagnostics import UsageError
from archonnx.runtime.errors import InputError
from archonnx.runtime.modelfile import Spec
from archonnx.runtime.text.feeding import TEXT

Say = Callable[[str], None]
LIMIT = 1 << 28  # bytes of a file of texts


@dataclass(slots=True)
class Given:
    """The texts of a command line, in order; names: what messages call each; others: what else `--input` gave."""

    texts: list[str] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)


def given_texts(values: Sequence[str], specs: Sequence[Spec], say: Say = lambda line: None) -> Given:
    """The texts among the values of `--input`, where no input of the model is called `text`.

    Raises UsageError for an empty one, InputError for a file that is no text, OSError for one that cannot be read.
    """
    found = Given()
    for value in values:
        name, equals, text = value.partition("=")
        if name != TEXT or not equals or any(spec.name == TEXT for spec in specs):
            found.others.append(value)
        elif text.startswith("@"):
            lines = read_lines(text[1:])
            found.texts += lines
            found.names += [f"line {number} of {text[1:]}" for number in range(1, len(lines) + 1)]
        elif not text.strip():
            raise UsageError(f'--input {TEXT}: the text is missing, as in {TEXT}="A cat sits on the mat."')
        else:
            if "\n" not in text and os.path.isfile(text):
                say(f"{TEXT}: {text!r} is taken for a text; {TEXT}=@{text} reads the lines of the file")
            found.texts.append(text)
            found.names.append(f"text {len(found.texts)}")
    return found


def read_lines(path: str) -> list[str]:
    """The lines of a text file in UTF-8, without their ends. Raises InputError where it is none, OSError."""
    if not path:
        raise UsageError(f"--input {TEXT}=@: the file is missing, as in {TEXT}=@sentences.txt")
    with open(path, "rb") as stream:
        data = stream.read(LIMIT + 1)
    if len(data) > LIMIT:
        raise InputError(f"{path}: a file of more than {LIMIT:,} bytes is too large for texts of one run", TEXT)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        reason = f"byte {error.start:,}, in line {line:,}, is none of UTF-8"
        raise InputError(f"{path}: this is no text: {reason}; write it in UTF-8, one text a line", TEXT) from None
    lines = [line.removesuffix("\r") for line in text.removesuffix("\n").split("\n")]
    if lines == [""]:
        raise InputError(f"{path}: the file is empty; expected one text a line", TEXT)
    return lines
