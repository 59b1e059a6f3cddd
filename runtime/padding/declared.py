"""What is asked for, and which axes of the inputs hold the tokens: those of the declared mask and all that are called
alike."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any

from archonnx.contract.diagnostics import UsageError, did_you_mean
from archonnx.contract.dtypes import DTYPES
from archonnx.runtime.contract import Contract
from archonnx.runtime.modelfile import ModelFile, Spec

MOST = 2**31 - 1
_NAME = re.compile(r"[^\W\d]\w*")
_COUNTED = re.compile(r"unk__\d+")
_FORM = "buckets names the input that is the mask, with the sizes of the buckets: {'attention_mask': [32, 64, 128]}"


@dataclass(frozen=True, slots=True)
class Buckets:
    """mask: the input that is 1 where a token counts and 0 where none does; sizes: in rising order."""

    mask: str
    sizes: tuple[int, ...]

    def __str__(self) -> str:
        return f"{self.mask}={','.join(map(str, self.sizes))}"


@dataclass(frozen=True, slots=True)
class Tokens:
    """axes: input -> those that hold the tokens; the mask's last one is among them. rows: inputs whose first axes have
    no name, and are taken to be of one size: each call is looked at."""

    mask: str
    axes: Mapping[str, tuple[int, ...]]
    rows: frozenset[str] = frozenset()


def read_buckets(asked: Any) -> Buckets | None:
    """`buckets=`: one mask and its sizes. Raises UsageError."""
    if asked is None:
        return None
    if not isinstance(asked, Mapping) or len(asked) != 1:
        raise UsageError(f"{_FORM}; received {asked!r}")
    ((mask, sizes),) = asked.items()
    several = list(sizes) if isinstance(sizes, list | tuple) else [sizes]
    if not isinstance(mask, str) or not several:
        raise UsageError(f"{_FORM}; received {asked!r}")
    wrong = [n for n in several if isinstance(n, bool) or not isinstance(n, Integral) or not 1 <= int(n) <= MOST]
    if wrong:
        what = f"a whole number of tokens of at least 1 and at most {MOST}"
        raise UsageError(f"buckets of {mask}: a size is {what}, received {wrong[0]!r}")
    if several != sorted(set(several)):
        right = ", ".join(map(str, sorted(set(several))))
        raise UsageError(f"buckets of {mask}: sizes rise, and each is there once: [{right}]; received {several!r}")
    return Buckets(mask, tuple(map(int, several)))


def token_axes(buckets: Buckets, model: ModelFile, contract: Contract) -> Tokens:
    """Which axes of which inputs hold the tokens.

    The mask's last axis does. If it has a name, all axes called so do; if it has none, the axes without a name in the
    same place of other inputs. Raises UsageError where the mask can be none, and where its axis is fixed.
    """
    specs = {spec.name: spec for spec in [*contract.inputs, *contract.overridable]}
    spec = specs.get(buckets.mask)
    if spec is None:
        near = did_you_mean(buckets.mask, list(specs), 1)
        hint = f"; did you mean {near[0]}?" if near else ""
        listed = ", ".join(map(str, contract.inputs)) or "none"
        raise UsageError(f"buckets: {model.path} has no input {buckets.mask}{hint} (its inputs are {listed})")
    _check_mask(spec, contract)
    shape = spec.shape or ()
    size = shape[-1]
    symbols = contract.symbols.sizes
    if _named(size, symbols):
        axes = {name: tuple(n for n, each in enumerate(one.shape or ()) if each == size) for name, one in specs.items()}
    else:
        place = len(shape) - 1
        axes = {name: (place,) for name, one in specs.items() if _unnamed(one, place, symbols)}
    rows = frozenset(name for name, one in specs.items() if 0 not in axes.get(name, ()) and _unnamed(one, 0, symbols))
    return Tokens(buckets.mask, {name: found for name, found in axes.items() if found}, rows)


def _unnamed(spec: Spec, place: int, symbols: Collection[str]) -> bool:
    """Whether an axis is open and has no name that stands for one size everywhere."""
    shape = spec.shape or ()
    if spec.kind != "tensor" or len(shape) <= place:
        return False
    return not isinstance(shape[place], int) and not _named(shape[place], symbols)


def _named(size: int | str | None, symbols: Collection[str]) -> bool:
    """Whether a size has a name that stands for the same wherever it is; tf2onnx counts axes that have none."""
    return isinstance(size, str) and size in symbols and not _COUNTED.fullmatch(size)


def _check_mask(spec: Spec, contract: Contract) -> None:
    """Raise UsageError where an input is no mask of tokens."""
    expected = "a mask is a tensor of booleans or numbers, such as int64[B, T], whose last axis counts the tokens"
    kind = DTYPES[spec.dtype].kind if spec.dtype in DTYPES else ""
    if spec.kind != "tensor" or kind not in ("bool", "int", "uint", "float") or not spec.shape:
        raise UsageError(f"buckets: input {spec} is no mask: {expected}")
    tokens = contract.tokens.get(spec.name)
    if tokens is not None and tokens.size > 2:
        raise UsageError(f"buckets: input {spec} holds numbers of tokens, of which there are {tokens.size}: {expected}")
    if isinstance(spec.shape[-1], int):
        size = spec.shape[-1]
        raise UsageError(f"buckets: axis {len(spec.shape) - 1} of input {spec} is always {size}: nothing can be padded")


def why_not(tokens: Tokens, inputs: Sequence[Spec]) -> str | None:
    """Why padding is out of the question by the inputs' types alone; None where it is not."""
    mask = next((spec for spec in inputs if spec.name == tokens.mask), None)
    size = (mask.shape or (None,))[-1] if mask is not None else None
    other = next((spec for spec in inputs if spec.kind != "tensor"), None)
    if other is not None:
        return f"input {other} is no tensor"
    if not isinstance(size, str) or _COUNTED.fullmatch(size):
        return None
    names = set(_NAME.findall(size))
    for spec in inputs:
        for axis, each in enumerate(spec.shape or ()):
            if isinstance(each, str) and each != size and names & set(_NAME.findall(each)):
                return f"axis {axis} of input {spec} changes with the {size} of {tokens.mask}, and would not be padded"
    return None
