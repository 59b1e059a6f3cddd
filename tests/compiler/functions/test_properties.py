"""Drawn shapes and indices: what the compiler says of a shape is what numpy and the runtime make of it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from function_harness import run
from hypothesis import given, settings
from hypothesis import strategies as st

import archonnx
from archonnx.contract.dims import evaluate

small = st.integers(1, 4)
shapes = st.lists(small, min_size=0, max_size=4).map(tuple)


def promised(text: str, sizes: dict[str, int]) -> list[int]:
    """The shape of the first output, for these sizes of the symbols."""
    (kind, *_) = (output.value.type for output in archonnx.compile(text=text).graph.outputs)
    return [d if isinstance(d, int) else evaluate(d, sizes) for d in kind.shape]


def typed(shape: tuple[int, ...]) -> str:
    return f"float32[{', '.join(map(str, shape))}]"


@given(shapes, shapes)
def test_shapes_broadcast_as_numpys(a: tuple[int, ...], b: tuple[int, ...]) -> None:
    text = f"model A():\n    input x: {typed(a)}\n    input y: {typed(b)}\n    output z = x + y\n"
    try:
        wanted = np.broadcast_shapes(a, b)
    except ValueError:
        with pytest.raises(archonnx.CompileError) as caught:
            archonnx.compile(text=text)
        assert [d.code for d in caught.value.diagnostics] == ["E0351"]
    else:
        assert promised(text, {}) == list(wanted)


@given(st.lists(small, min_size=1, max_size=4).map(tuple), st.data())
def test_matrices_multiply_as_numpys(shape: tuple[int, ...], data: st.DataObject) -> None:
    other = data.draw(st.lists(small, min_size=1, max_size=4).map(tuple))
    text = f"model A():\n    input x: {typed(shape)}\n    input y: {typed(other)}\n    output z = x @ y\n"
    try:
        wanted = np.matmul(np.zeros(shape), np.zeros(other)).shape
    except ValueError:
        with pytest.raises(archonnx.CompileError) as caught:
            archonnx.compile(text=text)
        assert [d.code for d in caught.value.diagnostics] == ["E0351"]
    else:
        assert promised(text, {}) == list(wanted)


@given(st.lists(small, min_size=1, max_size=4).map(tuple), st.data())
def test_reshape_leaves_as_many_elements(shape: tuple[int, ...], data: st.DataObject) -> None:
    """Over a symbolic leading axis: the rest of the sizes may be cut up in any way that divides."""
    count = math.prod(shape)
    factor = data.draw(st.sampled_from([n for n in range(1, count + 1) if count % n == 0]))
    sizes = ", ".join(map(str, shape))
    for target in (f"(N, {factor}, -1)", f"({factor}, -1)", f"(N * {factor}, {count // factor})"):
        text = f"model A():\n    input x: float32[N, {sizes}]\n    output y = reshape(x, {target})\n"
        assert promised(text, {"N": 3}) == list(np.empty((3, *shape)).reshape(eval(target, {"N": 3})).shape)
    text = f"model A():\n    input x: float32[N, {sizes}]\n    output y = reshape(x, (N, {count + 1}))\n"
    with pytest.raises(archonnx.CompileError) as caught:
        archonnx.compile(text=text)
    assert [d.code for d in caught.value.diagnostics] == ["E0351"]


bound = st.none() | st.integers(-6, 6)
slices = st.tuples(bound, bound, st.none() | st.sampled_from([-3, -2, -1, 1, 2, 3]))
entries = st.one_of(slices, st.integers(-2, 1), st.none())


def written(entry: Any) -> str:
    if isinstance(entry, tuple):
        return ":".join("" if part is None else str(part) for part in entry)
    return str(entry)


@given(places=st.lists(entries, min_size=1, max_size=3), dots=st.booleans(), h=st.integers(2, 7), w=st.integers(2, 7))
@settings(max_examples=60)
def test_indices_read_what_numpy_reads(
    places: list[Any], dots: bool, h: int, w: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    if sum(e is not None for e in places) > 2:
        places = places[:2]
    picked = ", ".join([*map(written, places), *(["..."] if dots else [])])
    text = (
        "model A():\n    input x: float32[H, W]\n    require H >= 2 and W >= 2\n"
        f"    output y = x[{picked}]\n    output n = x + 0\n"
    )
    x = np.arange(h * w, dtype=np.float32).reshape(h, w)
    theirs = eval(f"x[{picked}]", {"x": x})
    assert promised(text, {"H": h, "W": w}) == list(theirs.shape)
    (ours, _) = run(text, {"x": x}, tmp_path_factory.mktemp("index"), sizes={"H": h, "W": w})
    np.testing.assert_array_equal(ours, theirs)
