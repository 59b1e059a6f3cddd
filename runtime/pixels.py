"""What arrays that were meant as pictures lack: the mends that messages about them name.

A picture is what an input of uint8 takes whose last axis has 3 channels, or 1: a batch of them has four axes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from archonnx.runtime.modelfile import Spec

if TYPE_CHECKING:
    import numpy as np


def takes_pictures(spec: Spec) -> bool:
    """Whether an input takes pictures as they are decoded: uint8 [..., height, width, channels]."""
    shape = spec.shape or ()
    return spec.dtype == "uint8" and len(shape) in (3, 4) and shape[-1] in (1, 3)


def pixel_mend(spec: Spec, array: np.ndarray[Any, Any]) -> str | None:
    """How numbers of another type become the pixels that an input takes; None where it takes no pictures."""
    if not takes_pictures(spec) or array.dtype.kind not in "fiu" or not array.size:
        return None
    name = spec.name if spec.name.isidentifier() else "array"
    least, most = float(array.min()), float(array.max())
    if array.dtype.kind == "f" and least >= 0 and most <= 1:
        return f'its pixels are 0 to 255, and these are 0 to 1: ({name} * 255).round().astype("uint8")'
    if least < 0 or most > 255:
        what = "give them as they were before they were scaled" if least < 0 else "scale them first"
        return f"its pixels are 0 to 255, and these are {least:g} to {most:g}: {what}"
    rounded = f"{name}.round()" if array.dtype.kind == "f" else name
    return f'convert it: {rounded}.astype("uint8")'


def dark(spec: Spec, array: np.ndarray[Any, Any]) -> bool:
    """Whether no pixel is above 1, and some are 1: those of a picture that was scaled to 0 to 1 and then cut."""
    return takes_pictures(spec) and array.dtype == "uint8" and array.size > 1 and int(array.max()) == 1


def channel_hint(spec: Spec, shape: tuple[int, ...]) -> str:
    """What to do with a grey picture, or with one that has transparency, where three channels are expected."""
    expected = spec.shape
    if expected is None or len(expected) not in (3, 4) or expected[-1] != 3:
        return ""
    name = spec.name if spec.name.isidentifier() else "array"
    leading = expected[:-1]
    if len(shape) == len(expected) and _fits(leading, shape[:-1]):
        if shape[-1] == 1:
            return f"; it is grey: {name}.repeat(3, axis=-1)"
        if shape[-1] == 4:
            return f"; it has a fourth channel, of transparency: {name}[..., :3]"
    if len(shape) == len(leading) and _fits(leading, shape):
        return f"; it is grey: {name}[..., None].repeat(3, axis=-1)"
    return ""


def _fits(expected: tuple[int | str | None, ...], shape: tuple[int, ...]) -> bool:
    return all(not isinstance(size, int) or size == got for size, got in zip(expected, shape, strict=True))
