"""The elements of a weight as numbers: any run of them, in float32 arithmetic's results, the same on every machine.

Whatever a distribution needs is computed with + - * / and sqrt, and drawn numbers are rounded to float32 before they
become the weight's dtype, so float16 and float64 models start from the same numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from archonnx.compiler.weights.elements import (
    Diagonal,
    Elements,
    Fill,
    Normal,
    OrthogonalMatrix,
    Pieces,
    Shape,
    Uniform,
    Values,
    Waves,
)
from archonnx.compiler.weights.normal import normal
from archonnx.compiler.weights.orthogonal import orthonormal_rows
from archonnx.compiler.weights.philox import BitStream, Words
from archonnx.compiler.weights.waves import kernel

Numbers: TypeAlias = NDArray[Any]

AT_ONCE = 1 << 18  # elements drawn at once: the steps of it stay in the processor's cache


def is_random_access(elements: Elements) -> bool:
    """Whether a run costs what it is long; otherwise `whole` has to make all of them."""
    return not isinstance(elements, OrthogonalMatrix | Values)


def gather(
    elements: Elements, shape: Shape, dtype: np.dtype[Any], stream: BitStream, starts: NDArray[np.int64], length: int
) -> Numbers:
    """Runs of `length` elements, in C order, from each of `starts` (ascending), one after another."""
    if isinstance(elements, Fill):
        return np.full(len(starts) * length, elements.value, dtype=dtype)
    if isinstance(elements, Diagonal):
        index = (starts[:, None] + np.arange(length)).reshape(-1)
        line, off = np.divmod(index, shape[1] + 1)
        return np.where((off == 0) & (line < min(shape)), elements.gain, 0).astype(dtype)
    if isinstance(elements, Waves):
        return kernel(elements, shape, (starts[:, None] + np.arange(length)).reshape(-1)).astype(dtype)
    if isinstance(elements, Pieces):
        index = (starts[:, None] + np.arange(length)).reshape(-1)
        joined, first = np.empty(len(index), dtype=dtype), 0
        for part, count in elements.parts:
            inside = (index >= first) & (index < first + count)
            joined[inside] = gather(part, shape, dtype, stream, starts, length)[inside]
            first += count
        return joined
    draw = _drawer(elements)
    out = np.empty((len(starts), length), dtype=dtype)
    if length >= AT_ONCE:
        reader = stream.reader()
        for row, start in enumerate(starts.tolist()):
            for low in range(0, length, AT_ONCE):
                count = min(AT_ONCE, length - low)
                draw(reader.read(start + low, count), out[row, low : low + count])
    elif length:
        batch = AT_ONCE // length
        for first in range(0, len(starts), batch):
            some = starts[first : first + batch]
            draw(stream.gather(some, length), out[first : first + batch].reshape(-1))
    return out.reshape(-1)


def whole(elements: Elements, shape: Shape, dtype: np.dtype[Any], stream: BitStream) -> Numbers:
    """Every element, flat in C order, of what is not made run by run."""
    if isinstance(elements, Values):
        return np.array(elements.flat, dtype=object).astype(dtype).reshape(-1)
    if isinstance(elements, OrthogonalMatrix):
        return _orthogonal(elements.gain, shape, stream).astype(dtype)
    return gather(elements, shape, dtype, stream, np.zeros(1, dtype=np.int64), int(np.prod(shape, dtype=np.int64)))


def _drawer(elements: Elements) -> Callable[[Words, Numbers], None]:
    """What makes numbers of words, which it writes over, and puts them into an array as long."""
    if isinstance(elements, Uniform):
        return lambda words, out: _uniform(words, elements, out)
    if isinstance(elements, Normal):
        return lambda words, out: _normal(words, elements, out)
    raise TypeError(f"{type(elements).__name__} is not drawn run by run")


def _uniform(words: Words, elements: Uniform, out: Numbers) -> None:
    """The upper 25 bits, made an odd number j: j / 2**24 is exact, symmetric about 0 and inside (-1, 1)."""
    odd = words.view(np.int32)
    odd >>= 7
    odd |= 1
    values = out if out.dtype == np.float32 else np.empty(len(out), dtype=np.float32)
    values[...] = odd
    values *= np.float32((elements.high / 2 - elements.low / 2) * 2.0**-24)
    middle = np.float32(elements.low / 2 + elements.high / 2)
    if middle:
        values += middle
    if values is not out:
        out[...] = values


def _normal(words: Words, elements: Normal, out: Numbers) -> None:
    values = normal(words, truncated=elements.truncated)
    values *= elements.stddev
    if elements.mean:
        values += elements.mean
    out[...] = values if out.dtype == np.float32 else values.astype(np.float32)


def _orthogonal(gain: float, shape: Shape, stream: BitStream) -> NDArray[np.float32]:
    """Keras' Orthogonal: the axes before the last are taken as one, and the shorter side's vectors are orthonormal."""
    columns = shape[-1]
    rows = int(np.prod(shape[:-1], dtype=np.int64))
    few, many = min(rows, columns), max(rows, columns)
    if not few:
        return np.zeros(0, dtype=np.float32)
    vectors = normal(stream.read(0, few * many), truncated=False).reshape(few, many)
    vectors = orthonormal_rows(vectors)
    vectors *= gain
    return (vectors if rows < columns else vectors.T).astype(np.float32, order="C").reshape(-1)
