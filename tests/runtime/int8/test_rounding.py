"""Rounding by second moments, and the columns that it looks at: against convolutions computed elsewhere."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import helper

from archonnx.runtime.int8 import rounding

sys.path.insert(0, str(Path(__file__).resolve().parent))

Array = np.ndarray[Any, Any]


@given(st.integers(0, 10_000), st.integers(1, 3), st.integers(1, 5), st.integers(1, 20), st.integers(1, 60))
def test_rounded_rows_are_whole_in_range_and_never_farther_off_than_the_nearest(
    seed: int, groups: int, channels: int, width: int, count: int
) -> None:
    draw = np.random.default_rng(seed)
    rows = draw.normal(0, 1, (groups, channels, width)).astype(np.float32)
    columns = (draw.normal(0, 1, (groups, width, count)) + draw.normal(0, 3)).astype(np.float32)
    scales = np.maximum(np.abs(rows).max(axis=2, keepdims=True) / 127, 1e-6)
    found = rounding.round_rows(rows, scales, columns)
    assert np.array_equal(found, np.rint(found))
    assert np.abs(found).max() <= 127
    nearest = np.clip(np.rint(rows / scales), -127, 127)
    exact = rows.astype(np.float64) / scales
    off = [(((each - exact) @ columns.astype(np.float64)) ** 2).mean(axis=2) for each in (found, nearest)]
    assert (off[0] <= off[1] * (1 + 1e-6) + 1e-9).all()


def test_a_kernel_of_differences_keeps_its_zero() -> None:
    """Nine neighbours that are nearly alike: what the nearest loses of their sum is what all of them are multiplied by."""
    draw = np.random.default_rng(0)
    rows = draw.normal(0, 1, (16, 1, 9)).astype(np.float32)
    rows -= rows.mean(axis=2, keepdims=True)
    columns = (5 + draw.normal(0, 0.05, (16, 9, 200))).astype(np.float32)
    scales = np.abs(rows).max(axis=2, keepdims=True) / 127
    found = rounding.round_rows(rows, scales, columns)
    off = [
        np.abs((each * scales).sum(axis=2)).max()
        for each in (found, np.rint(rows / scales), np.rint(rows / scales) + 1)
    ]
    assert off[0] < 0.5 * off[1] < off[2]


@pytest.mark.parametrize(
    ("attributes", "shape", "size"),
    [
        ({"pads": [0, 0, 1, 1], "strides": [2, 2]}, (4, 3, 3, 3), (9, 8)),
        ({"pads": [1, 1, 1, 1], "group": 6}, (6, 1, 3, 3), (7, 5)),
        ({"auto_pad": "SAME_UPPER", "strides": [2, 2]}, (4, 2, 3, 2), (7, 6)),
        ({"auto_pad": "SAME_LOWER", "strides": [2, 1]}, (4, 2, 4, 2), (8, 6)),
        ({"dilations": [2, 1], "group": 2}, (4, 3, 2, 2), (8, 6)),
        ({"auto_pad": "VALID"}, (2, 3, 3), (11,)),
        ({"pads": [1, 0, 1, 0, 1, 1]}, (2, 2, 2, 2, 2), (3, 4, 5)),
    ],
)
def test_columns_are_what_a_convolution_multiplies(
    attributes: dict[str, Any], shape: tuple[int, ...], size: tuple[int, ...]
) -> None:
    from onnx.reference.ops.op_conv import _conv_implementation  # onnx's own, in numpy

    draw = np.random.default_rng(0)
    groups = attributes.get("group", 1)
    x = draw.normal(0, 1, (2, shape[1] * groups, *size)).astype(np.float32)
    weight = draw.normal(0, 1, shape).astype(np.float32)
    node = helper.make_node("Conv", ["x", "w"], ["y"], **attributes)
    every = 10_000
    columns = rounding._columns(node, shape, x, every, np.random.default_rng(1))
    found = rounding.matrix(node, weight) @ columns
    axes = len(size)
    expected = _conv_implementation(
        x,
        weight,
        None,
        attributes.get("auto_pad", "NOTSET"),
        attributes.get("dilations", [1] * axes),
        groups,
        list(shape[2:]),
        attributes.get("pads", [0] * 2 * axes),
        attributes.get("strides", [1] * axes),
    )
    expected = np.moveaxis(expected, 1, 0).reshape(groups, shape[0] // groups, -1)
    assert found.shape == expected.shape
    assert np.sort(found, axis=2) == pytest.approx(np.sort(expected, axis=2), abs=1e-4)


@pytest.mark.parametrize("attributes", [{}, {"transB": 1}, {"transA": 1}])
def test_columns_and_rows_of_a_matrix_go_back_where_they_came_from(attributes: dict[str, int]) -> None:
    draw = np.random.default_rng(0)
    node = helper.make_node("Gemm", ["x", "w"], ["y"], **attributes)
    shape = (3, 5) if attributes.get("transB") else (5, 3)
    weight = draw.normal(0, 1, shape)
    x = draw.normal(0, 1, (5, 7) if attributes.get("transA") else (7, 5))
    rows = rounding.matrix(node, weight)
    assert np.array_equal(rounding.unmatrix(node, rows, shape), weight)
    found = (rows @ rounding._columns(node, shape, x, 100, draw))[0]
    left = x.T if attributes.get("transA") else x
    expected = left @ (weight.T if attributes.get("transB") else weight)
    assert found == pytest.approx(expected.T, abs=1e-5)
