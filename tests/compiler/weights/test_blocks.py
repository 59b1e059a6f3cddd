"""Numbers in 4 and 8 bits: bit for bit what onnxruntime's own quantizer makes of them, in slices of any size."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from onnxruntime.capi._pybind_state import quantize_matmul_4bits, quantize_matmul_8bits

from archonnx.compiler.recipes import BlockNumbers, Blocks, BlockScales, BlockZeros, Constant, Evaluation
from archonnx.compiler.weights import blocks

Array = NDArray[Any]


def matrix(width: int, rows: int, shift: float = 0.0) -> Array:
    """Columns of ordinary numbers, and some of zeros, of one sign and of one number alone."""
    made = np.random.default_rng(0).normal(shift, 1, (width, rows)).astype(np.float32)
    made[:, 0] = 0
    made[:, 1] = np.abs(made[:, 1])
    made[:, 2] = -np.abs(made[:, 2])
    made[:, 3] = 0.7
    made[1:, 4] = 0
    return made


def theirs(kernel: Array, bits: int, size: int, symmetric: bool) -> tuple[Array, Array, Array]:
    """onnxruntime's packed numbers, scales and packed zero points of a kernel [K, N]."""
    width, rows = kernel.shape
    count, each = -(-width // size), 8 // bits
    kernel = np.pad(kernel, ((0, count * size - width), (0, 0)))
    numbers = np.zeros((rows, count, size // each), np.uint8)
    zeros = np.zeros((rows, -(-count // each)), np.uint8)
    scales = np.zeros((rows, count), np.float32)
    function = quantize_matmul_4bits if bits == 4 else quantize_matmul_8bits
    function(numbers, np.ascontiguousarray(kernel), scales, zeros, size, rows, width, symmetric)
    return numbers, scales, zeros


@pytest.mark.parametrize("width", [256, 96, 40])
@pytest.mark.parametrize("size", blocks.BLOCK_SIZES)
@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("bits", blocks.BITS)
def test_every_bit_is_that_of_onnxruntimes_quantizer(bits: int, symmetric: bool, size: int, width: int) -> None:
    for shift in (0.0, 0.4, -3.0):
        kernel = matrix(width, 50, shift)
        source, how = Constant(kernel.T), Blocks(bits, size, symmetric)
        numbers, scales, zeros = theirs(kernel, bits, size, symmetric)
        ours = BlockNumbers(source, how).whole(Evaluation(0))
        assert ours.shape == numbers.shape
        # What fills up the last block stands for 0 here, and is never looked at there.
        kept = [blocks.unpacked(n, bits).reshape(50, -1)[:, :width] for n in (ours, numbers)]
        assert np.array_equal(*kept)
        assert np.array_equal(BlockScales(source, how).whole(Evaluation(0)), scales)
        if not symmetric:
            own = BlockZeros(source, how).whole(Evaluation(0))
            assert own.shape == zeros.shape
            kept = [blocks.unpacked(z, bits)[:, : scales.shape[1]] for z in (own, zeros)]
            assert np.array_equal(*kept)


@pytest.mark.parametrize("bits", blocks.BITS)
@pytest.mark.parametrize("symmetric", [True, False])
def test_numbers_are_off_by_half_a_step_at_most(bits: int, symmetric: bool) -> None:
    given = np.random.default_rng(1).normal(size=(60, 3, 32)).astype(np.float32)
    numbers, scales, zeros = blocks.quantized(given, bits, symmetric=symmetric)
    back = blocks.dequantized(numbers, scales, None if symmetric else zeros, bits)
    # Without a zero point the largest number of the other sign is one step short; a rounded zero point moves all.
    steps = np.abs(back - given) / np.abs(scales)[..., None]
    assert steps.max() <= 1.001
    assert np.quantile(steps, 0.95) <= 0.501


@pytest.mark.parametrize("kind", [BlockNumbers, BlockScales, BlockZeros])
@pytest.mark.parametrize("bits", blocks.BITS)
@pytest.mark.parametrize("width", [256, 100])
def test_slices_are_the_same_bytes_as_the_whole(kind: Any, bits: int, width: int) -> None:
    recipe = kind(Constant(matrix(width, 31)).transpose((1, 0)), Blocks(bits, 32))
    whole = b"".join(map(bytes, recipe.iter_bytes(Evaluation(0))))
    assert len(whole) == recipe.nbytes
    for limit in (8, 100, 3000):
        assert b"".join(map(bytes, recipe.iter_bytes(Evaluation(0, slice_bytes=limit)))) == whole


@pytest.mark.parametrize("odd", [np.nan, np.inf, -np.inf])
def test_what_is_no_number_stays_none_and_spoils_its_own_block_alone(odd: float) -> None:
    given = np.random.default_rng(2).normal(size=(1, 3, 32)).astype(np.float32)
    given[0, 1, 5] = odd
    for bits in blocks.BITS:
        numbers, scales, zeros = blocks.quantized(given, bits, symmetric=False)
        back = blocks.dequantized(numbers, scales, zeros, bits)
        assert not np.isfinite(back[0, 1]).all()
        assert np.isfinite(back[0, [0, 2]]).all()


def test_packing_puts_the_first_of_two_in_the_lower_half() -> None:
    assert blocks.packed(np.array([[1, 2, 15]], np.uint8), 4).tolist() == [[0x21, 0x0F]]
    assert blocks.unpacked(np.array([[0x21, 0x0F]], np.uint8), 4).tolist() == [[1, 2, 15, 0]]
