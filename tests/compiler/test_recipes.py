"""Recipes: transforms give what numpy gives, in slices of any size, and simplify without changing anything."""

from __future__ import annotations

import math
import tracemalloc
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archonnx.compiler.graph import Weight
from archonnx.compiler.recipes import (
    Cast,
    Concat,
    Constant,
    Draw,
    Evaluation,
    Placeholder,
    Recipe,
    Slice,
    Transpose,
    concatenate,
)
from archonnx.compiler.weights.initializers import resolve
from archonnx.compiler.weights.regions import boxes, extents, runs
from archonnx.contract.diagnostics import ArchonnxError, Place


def draw(shape: tuple[int, ...], initializer: Any = "glorot_uniform", dtype: str = "float32", path: str = "k") -> Draw:
    return Draw(Weight(path, dtype, shape, resolve(initializer), True, Place("example.arch", 1, 1, 1, 2)))


def streamed(recipe: Recipe, slice_bytes: int = 1 << 24) -> bytes:
    return b"".join(map(bytes, recipe.iter_bytes(Evaluation(0, slice_bytes=slice_bytes))))


shapes = st.lists(st.integers(1, 5), min_size=1, max_size=4).map(tuple)


@st.composite
def transformed(choose: st.DrawFn) -> tuple[Recipe, np.ndarray]:
    """A recipe after random transforms, and what numpy makes of the same."""
    shape = choose(shapes)
    names = ["glorot_uniform", "truncated_normal", "ones"] + (["orthogonal", "identity"] if len(shape) == 2 else [])
    dtype = choose(st.sampled_from(["float32", "float16", "bfloat16"]))
    recipe: Recipe = draw(shape, choose(st.sampled_from(names)), dtype)
    array = recipe.whole(Evaluation(0))
    if choose(st.booleans()):
        recipe = Constant(array)
    for step in choose(st.lists(st.sampled_from("trcsj"), max_size=6)):
        if step == "t":
            perm = choose(st.permutations(range(array.ndim)))
            recipe, array = recipe.transpose(perm), array.transpose(perm)
        elif step == "r":
            cut = choose(st.sampled_from([d for d in range(1, array.size + 1) if array.size % d == 0]))
            to = choose(st.sampled_from([(cut, -1), (-1, cut), (array.size,), (1, cut, array.size // cut, 1)]))
            recipe, array = recipe.reshape(to), array.reshape(to)
        elif step == "c":
            wanted = choose(st.sampled_from(["float32", "float64"]))
            recipe, array = recipe.cast(wanted), array.astype(wanted)
        elif step == "s":
            cuts = [slice(None), slice(1, None), slice(None, None, -1), slice(-1, None, -2), slice(0, 1), 0, -1]
            key = tuple(choose(st.sampled_from(cuts)) for _ in array.shape)
            if array[key].size:
                recipe, array = recipe[key], np.asarray(array[key])
        elif array.ndim and array.size < 500:
            axis = choose(st.integers(-array.ndim, array.ndim - 1))
            recipe, array = concatenate([recipe, recipe], axis), np.concatenate([array, array], axis)
    return recipe, array


@given(pair=transformed(), slice_bytes=st.sampled_from([2, 8, 24, 64, 1000, 1 << 24]))
def test_transforms_give_what_numpy_gives_in_slices_of_any_size(
    pair: tuple[Recipe, np.ndarray], slice_bytes: int
) -> None:
    recipe, array = pair
    assert recipe.shape == array.shape
    assert recipe.nbytes == array.nbytes
    assert streamed(recipe, slice_bytes) == np.ascontiguousarray(array).tobytes()


@given(pair=transformed(), bounds=st.tuples(st.integers(0, 400), st.integers(0, 400)))
def test_any_range_can_be_read_alone(pair: tuple[Recipe, np.ndarray], bounds: tuple[int, int]) -> None:
    recipe, array = pair
    start, stop = sorted(min(b, array.size) for b in bounds)
    read = recipe.read(Evaluation(0, slice_bytes=16), start, stop)
    assert read.tobytes() == np.ascontiguousarray(array).reshape(-1)[start:stop].tobytes()


@given(shape=shapes, ends=st.tuples(st.integers(0, 700), st.integers(0, 700)))
def test_boxes_cover_a_range_in_order(shape: tuple[int, ...], ends: tuple[int, int]) -> None:
    size = math.prod(shape)
    start, stop = sorted(min(e, size) for e in ends)
    index = np.arange(size).reshape(shape)
    found = list(boxes(shape, start, stop))
    parts = [index[tuple(slice(a, b) for a, b in box)].reshape(-1) for box in found]
    assert np.array_equal(np.concatenate([np.empty(0, int), *parts]), np.arange(start, stop))
    assert len(found) <= 2 * len(shape)
    for box in found:
        starts, length = runs(shape, box)
        assert (starts[:, None] + np.arange(length)).reshape(-1).tolist() == index[
            tuple(slice(a, b) for a, b in box)
        ].reshape(-1).tolist()
        assert len(starts) * length == math.prod(extents(box))


def test_transforms_simplify() -> None:
    k = draw((3, 4, 5))
    assert k.transpose((0, 1, 2)) is k
    assert k.transpose((1, 2, 0)).transpose((2, 0, 1)) is k
    assert k.reshape((60,)).reshape((3, -1, 5)) is k
    assert k.cast("float32") is k
    assert k[...] is k
    assert isinstance(k[1:][::-1], Slice)
    assert k[1:][::-1].source is k
    assert k[1:, ::-1].key() == k[1:][:, ::-1].key()
    once = k.transpose((1, 2, 0)).transpose((1, 2, 0))
    assert isinstance(once, Transpose)
    assert once.source is k
    assert not isinstance(draw((1, 1, 7)).transpose((2, 0, 1)), Transpose)
    assert concatenate([k], 0) is k
    ones = Constant(np.ones((2, 3)))
    for changed in (
        ones.transpose((1, 0)),
        ones.reshape((6,)),
        ones.cast("int8"),
        ones[0],
        concatenate([ones, ones], 1),
    ):
        assert isinstance(changed, Constant)


def test_a_reshape_that_splits_axes_of_a_transpose_meets_other_transposes() -> None:
    """A dense kernel as PyTorch has it, after a flattening of channels last: one transpose of the file's tensor."""
    kernel = draw((4096, 7 * 7 * 512))
    flat = kernel.transpose((1, 0)).reshape((7, 7, 512, 4096)).transpose((2, 0, 1, 3))
    assert flat.shape == (512, 7, 7, 4096)
    assert isinstance(flat, Transpose)
    assert flat.perm == (3, 1, 2, 0)
    assert flat.source.key() == kernel.reshape((4096, 7, 7, 512)).key()
    back = kernel.reshape((4096, 49, 512)).transpose((1, 2, 0)).reshape((7, 7, 512, 4096)).transpose((3, 0, 1, 2))
    assert back.key() == kernel.reshape((4096, 7, 7, 512)).key()


def test_keys_tell_what_is_the_same() -> None:
    assert draw((2, 2)).key() == draw((2, 2)).key()
    assert draw((2, 2)).key() != draw((2, 2), path="other").key()
    assert draw((2, 2)).transpose((1, 0)).key() == draw((2, 2)).transpose((1, 0)).key()
    assert draw((2, 2)).transpose((1, 0)).key() != draw((2, 2)).key()
    assert Constant([1, 2], "int64").key() == Constant(np.array([1, 2])).key()
    assert Constant([1, 2], "int64").key() != Constant([1, 2], "int32").key()
    assert Constant([0.0]).key() != Constant([-0.0]).key()
    assert Constant(["a", "b"]).key() != Constant(["ab", ""]).key()
    a, b = draw((2, 2), path="a"), draw((2, 2), path="b")
    assert Concat([a, b], 0).key() != Concat([b, a], 0).key()
    assert (
        len({r.key() for r in (a, b, a.cast("float16"), a[1:], a.reshape((4,)), Placeholder("a", "int8", (2,)))}) == 6
    )


def test_what_draws_on_weights_is_no_literal() -> None:
    k = draw((2, 3))
    joined = concatenate([k.transpose((1, 0)), Constant(np.zeros((1, 2), np.float32))], 0)
    assert [w.path for w in joined.weights()] == ["k"]
    assert not joined.is_literal
    assert Constant([1]).is_literal
    assert not Placeholder("late", "float32", (3,)).is_literal


def test_four_bits_are_packed_by_two_the_first_below() -> None:
    values = np.array([1, -2, 7, -8, 3], dtype=ml_dtypes.int4)
    assert streamed(Constant(values)) == bytes([0xE1, 0x87, 0x03])
    assert Constant(values).nbytes == 3
    assert streamed(Constant(values), slice_bytes=1) == bytes([0xE1, 0x87, 0x03])
    assert streamed(Constant([1, 15, 2], "uint4")) == bytes([0xF1, 0x02])


def test_two_bits_are_packed_by_four_the_first_below() -> None:
    values = np.array([1, -2, 0, -1, 1], dtype=ml_dtypes.int2)
    assert streamed(Constant(values)) == bytes([0b11_00_10_01, 0b01])
    assert Constant(values).nbytes == 2
    assert streamed(Constant(values), slice_bytes=1) == bytes([0b11_00_10_01, 0b01])
    assert streamed(Constant([3, 2], "uint2")) == bytes([0b10_11])


@pytest.mark.parametrize(
    ("value", "dtype", "data"),
    [
        ([1, 256], "int16", b"\1\0\0\1"),
        ([True, False], None, b"\1\0"),
        (np.float32(1), None, b"\0\0\x80\x3f"),
        ([1.0, -2.0], "bfloat16", b"\x80\x3f\0\xc0"),
        ([1.0], "float8e4m3fn", b"\x38"),
        ([[]], "float32", b""),
    ],
)
def test_bytes_are_little_endian(value: Any, dtype: str | None, data: bytes) -> None:
    assert streamed(Constant(value, dtype)) == data


def test_a_large_transpose_keeps_only_slices_in_memory() -> None:
    recipe = draw((3000, 2500)).transpose((1, 0))  # 30 MB
    evaluation = Evaluation(0, slice_bytes=1 << 20)
    tracemalloc.start()
    done = 0
    for part in recipe.iter_bytes(evaluation):
        done += len(part) // 4
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert done == recipe.size
    assert peak < 8 << 20


def test_a_constant_is_nobody_elses_to_change() -> None:
    given = np.zeros(3, np.float32)
    recipe = Constant(given)
    given[0] = 1
    assert streamed(recipe) == bytes(12)
    with pytest.raises(ValueError, match="read-only"):
        recipe.array[0] = 1


def test_what_does_not_fit_is_refused() -> None:
    k = draw((3, 4))
    with pytest.raises(ValueError, match=r"12 elements of shape \(3, 4\) do not fill the shape \(5,\)"):
        k.reshape((5,))
    with pytest.raises(ValueError, match="do not fill"):
        k.reshape((5, -1))
    with pytest.raises(ValueError, match="no order of 2 axes"):
        k.transpose((0, 0))
    with pytest.raises(IndexError):
        k[3]
    with pytest.raises(IndexError, match="3 indices for 2 axes"):
        k[0, 0, 0]
    with pytest.raises(IndexError, match="is no index of a recipe"):
        k["a"]
    with pytest.raises(ValueError, match=r"float32\[3, 4\] and float32\[3, 5\] do not join along axis 0"):
        concatenate([k, draw((3, 5))], 0)
    with pytest.raises(ValueError, match="do not join"):
        concatenate([k, k.cast("float16")], 0)
    with pytest.raises(ValueError, match="axis 2 of 2 axes"):
        concatenate([k, k], 2)
    with pytest.raises(TypeError, match="cannot hold"):
        Constant(np.zeros(1, dtype="M8[s]"))
    with pytest.raises(ArchonnxError, match="the data of 'late' is not part of this model"):
        Placeholder("late", "float32", (3,)).whole(Evaluation(0))


def test_numbers_that_a_dtype_cannot_hold_are_cast_without_a_word() -> None:
    """numpy warns of them, which a build would print."""
    large = Constant([1.0, 70000.0, -1e30], "float32")
    assert large.cast("float16").whole(Evaluation(0)).tolist() == [1.0, np.inf, -np.inf]
    assert Cast(large, "float16").whole(Evaluation(0)).tolist() == [1.0, np.inf, -np.inf]
    assert Cast(large, "float16").box(Evaluation(0), ((1, 2),)).tolist() == [np.inf]
