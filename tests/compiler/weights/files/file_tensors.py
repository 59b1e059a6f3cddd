"""What the tests of formats share: random tensors, and what a damaged file may do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st

from archonnx.compiler.weights.files.base import Entry, Format, Tensor, TensorFileError
from archonnx.compiler.weights.files.formats import open_tensors
from archonnx.compiler.weights.recipe import Array, numpy_dtype
from archonnx.contract.dtypes import DTYPES

SHAPES = st.lists(st.integers(0, 5), max_size=4).map(tuple)
NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0/\\"), min_size=1, max_size=12)


def random_array(dtype: str, shape: tuple[int, ...], seed: int) -> Array:
    """Every bit random: NaN of all kinds, infinities, what is too small to be normal."""
    bits = np.random.default_rng(seed).integers(0, 256, int(np.prod(shape)) * numpy_dtype(dtype).itemsize, np.uint8)
    if dtype == "bool":
        bits &= 1
    if DTYPES[dtype].bits < 8:
        bits &= (1 << DTYPES[dtype].bits) - 1
        if DTYPES[dtype].kind == "int":
            sign = np.uint8(1 << (DTYPES[dtype].bits - 1))
            bits = (bits ^ sign) - sign
    found: Array = bits.view(numpy_dtype(dtype)).reshape(shape)
    return found


def random_tensors(dtypes: Iterable[str]) -> st.SearchStrategy[dict[str, Array]]:
    one = st.builds(random_array, st.sampled_from(sorted(dtypes)), SHAPES, st.integers(0, 1000))
    return st.dictionaries(NAMES, one, max_size=5)


def dtype_name(array: Array) -> str:
    return next(name for name in DTYPES if name != "string" and numpy_dtype(name) == array.dtype)


def tensor(array: Array, step: int = 7) -> Tensor:
    """An array to be written in slices of a few elements."""

    def slices() -> Iterator[Array]:
        flat = array.reshape(-1)
        for start in range(0, flat.size, step):
            yield flat[start : start + step]

    return Tensor(Entry(dtype_name(array), array.shape), slices)


def tensors(arrays: Mapping[str, Array], step: int = 7) -> dict[str, Tensor]:
    return {name: tensor(array, step) for name, array in arrays.items()}


def same(found: Array, expected: Array) -> bool:
    """Whether two arrays are the same, bit for bit."""
    if found.dtype != expected.dtype or found.shape != expected.shape:
        return False
    if found.dtype.kind == "V" and "int" in found.dtype.name:  # upper bits of their bytes are nobody's
        found, expected = found.astype(np.int8), expected.astype(np.int8)
    return found.tobytes() == expected.tobytes()


def read_all(path: Path, form: Format | None = None) -> dict[str, Array]:
    with form.open(path) if form else open_tensors(path) as file:
        assert all(isinstance(text, str) for text in (*file.entries, *file.metadata, *file.metadata.values()))
        found = {name: file.whole(name) for name in file.entries}
        for name, array in found.items():
            parts = list(file.slices(name, slice_bytes=16))
            assert all(part.nbytes <= max(16, 4 * part.itemsize) for part in parts)
            assert same(np.concatenate([array.reshape(-1)[:0], *parts]), array.reshape(-1))
    return found


def survives(form: Format, path: Path, data: bytes) -> dict[str, Array] | None:
    """Read what may be damaged: what is in it, or None where it is refused in one line that names it."""
    path.write_bytes(data)
    try:
        return read_all(path, form)
    except TensorFileError as error:
        assert str(error).startswith(f"{path}: "), error
        assert "\n" not in str(error)
        return None


def damaged(data: bytes, seed: int) -> bytes:
    """Some bytes of a file changed, most of them near its start or its end, where headers are."""
    random = np.random.default_rng(seed)
    changed = bytearray(data)
    for _ in range(random.integers(1, 4)):
        side: Any = random.integers(0, 3)
        at = int(random.integers(0, len(data) if side == 0 else min(len(data), 120)))
        changed[len(data) - 1 - at if side == 1 else at] = int(random.integers(0, 256))
    return bytes(changed)
