"""Inputs that are numbers of tokens: how many there are is told in our own files, and checked before a run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from archonnx.contract import metadata as keys
from archonnx.runtime.errors import InputError, ModelFileError
from archonnx.runtime.modelfile import ModelFile, Spec

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True, slots=True)
class Tokens:
    """An input of tokens. model: its name; size: their numbers are 0 to `size - 1`; masked: 0 fills sequences up, and
    is not seen."""

    model: str
    size: int
    masked: bool = False


def read_tokens(model: ModelFile) -> dict[str, Tokens]:
    """The inputs that are numbers of tokens, by name. Raises ModelFileError where the metadata is damaged."""
    found = model.json(keys.TOKENS, {})
    name = model.metadata.get(keys.MODEL, model.path)
    try:
        return {str(key): Tokens(name, int(each["size"]), bool(each["masked"])) for key, each in found.items()}  # type: ignore[attr-defined]
    except (AttributeError, KeyError, TypeError, ValueError):
        raise ModelFileError(model.path, f"its metadata entry {keys.TOKENS} is damaged: no tables by input") from None


def check_tokens(spec: Spec, array: np.ndarray[Any, Any], tokens: Tokens) -> None:
    """Raise InputError, with the first place, where a number is outside the table."""
    if not array.size or (array.min() >= 0 and array.max() < tokens.size):
        return
    import numpy as np

    wrong = np.argwhere((array < 0) | (array >= tokens.size))
    place = tuple(int(at) for at in wrong[0])
    others = f" (and {len(wrong) - 1:,} more)" if len(wrong) > 1 else ""
    at = f" at [{', '.join(map(str, place))}]" if place else ""
    raise InputError(
        f"input {spec.name}: {int(array[place])}{at}{others} is outside the vocabulary of {tokens.model}: "
        f"it has {tokens.size:,} tokens, 0 to {tokens.size - 1}",
        spec.name,
    )
