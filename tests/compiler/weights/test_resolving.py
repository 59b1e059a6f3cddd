"""Recipes in the place of weights: the same elements, and what undoes itself is gone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import archonnx
from archonnx.compiler.recipes import Constant, Draw, Evaluation, Recipe, concatenate
from archonnx.compiler.weights.files import windows
from archonnx.compiler.weights.files.base import Entry, TensorFile
from archonnx.compiler.weights.recipe import Array
from archonnx.compiler.weights.resolving import resolved
from archonnx.compiler.weights.sources import FileTensor
from archonnx.compiler.weights.transforms import Reshape, Sum

FLATTENED = """\
model Flattened():
    input image: float32[N, 12, 12, 8]
    Conv2D(16, 3, padding="same")
    MaxPooling2D(2)
    Flatten()
    Dense(32)
    output logits
"""


class Counting(TensorFile):
    """A file of tensors in memory that counts the elements that are read."""

    format, metadata = "counting", {}
    path = Path("counting")

    def __init__(self, arrays: dict[str, Array]) -> None:
        self.arrays, self.count = arrays, 0
        self.entries = {name: Entry(array.dtype.name, array.shape) for name, array in arrays.items()}

    def read(self, name: str, start: int, length: int) -> Array:
        self.count += length
        return self.arrays[name].reshape(-1)[start : start + length]


def changed(recipe: Recipe, steps: list[int]) -> Recipe:
    """A chain of transforms, each chosen by a number; the recipe has 24 elements."""
    for step in steps:
        rank = len(recipe.shape)
        match step % 7:
            case 0:
                recipe = recipe.transpose(np.random.default_rng(step).permutation(rank).tolist())
            case 1:
                recipe = recipe.reshape([(24,), (2, 12), (4, 3, 2), (2, 3, 2, 2)][step % 4])
            case 2:
                recipe = recipe.cast(["float64", "float32"][step % 2])
            case 3:
                recipe = recipe[tuple(slice(None, None, -1) for _ in range(rank))]
            case 4:
                half = recipe.reshape((2, 12))
                recipe = concatenate([half[1:], half[:1]], 0)
            case 5:
                recipe = Sum([recipe, recipe])
            case _:
                recipe = recipe.reshape((4, 6))[1:3].reshape((12,))
                recipe = concatenate([recipe, recipe], 0)
    return recipe


@given(st.lists(st.integers(0, 100), max_size=5), st.lists(st.integers(0, 100), max_size=5))
def test_the_same_elements(before: list[int], after: list[int]) -> None:
    model = archonnx.compile(
        text="model M():\n    input x: float32[N, 4]\n    Dense(6, use_bias=False)\n    output y\n"
    )
    weight = Draw(next(iter(model.graph.weights())))
    source = changed(Constant(np.arange(24, dtype=np.float32).reshape(4, 6)), before).cast("float32").reshape((4, 6))
    # Kept from being a Constant, so that every transform stands as it would over a file.
    file = Counting({"w": source.whole(Evaluation(0))})
    given = {weight.weight.path: FileTensor(file, "w").transpose((1, 0)).reshape((4, 6))}
    recipe = changed(weight, after)
    evaluation = Evaluation(0, given)
    found = resolved(recipe, given)
    assert not any(True for _ in found.weights())
    assert (found.dtype, found.shape) == (recipe.dtype, recipe.shape)
    assert np.array_equal(found.whole(evaluation), recipe.whole(evaluation))
    assert np.array_equal(found.read(evaluation, 3, 17), recipe.read(evaluation, 3, 17))


def test_transposes_that_undo_each_other_leave_the_file_as_it_stands() -> None:
    model = archonnx.compile(text=FLATTENED)
    kernel = next(w for w in model.graph.weights() if w.path == "conv2d/kernel")
    file = Counting({"conv.weight": np.zeros((16, 8, 3, 3), np.float32)})
    theirs = FileTensor(file, "conv.weight")
    found = resolved(Draw(kernel).transpose((3, 2, 0, 1)), {"conv2d/kernel": theirs.transpose((2, 3, 1, 0))})
    assert found is theirs
    drawn = Draw(kernel).transpose((3, 2, 0, 1))
    assert resolved(drawn, {}) is drawn
    assert resolved(Reshape(drawn, (16, 72)), {"another": theirs}).key() == Reshape(drawn, (16, 72)).key()


def test_a_kernel_whose_rows_are_permuted_twice_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What PyTorch flattens is channels first, which the graph computes in too: the layouts of both meet in the file."""
    model = archonnx.compile(text=FLATTENED)
    rng = np.random.default_rng(0)
    arrays = {w.path: rng.normal(size=w.shape).astype(np.float32) for w in model.graph.weights()}
    theirs = arrays["dense/kernel"].reshape(6, 6, 16, 32).transpose(3, 2, 0, 1).reshape(32, 576)
    file = Counting({"fc.weight": np.ascontiguousarray(theirs)})
    read = FileTensor(file, "fc.weight").reshape((32, 16, 6, 6)).transpose((2, 3, 1, 0)).reshape((576, 32))
    given = {"dense/kernel": read}
    stored = next(t.recipe for t in model.lower().constants() if t.name == "dense/kernel" and t.recipe is not None)
    evaluation = Evaluation(0, given, slice_bytes=4096)
    monkeypatch.setattr(windows, "WINDOW", 256)  # smaller, as the slice is
    monkeypatch.setattr(windows, "GAP", 16)
    ours = b"".join(bytes(part) for part in resolved(stored, given).iter_bytes(evaluation))
    assert ours == stored.whole(Evaluation(0, {"dense/kernel": Constant(arrays["dense/kernel"])})).tobytes()
    slices = -(-theirs.nbytes // 4096)
    assert file.count <= 2 * slices * theirs.size, "each slice takes at most one pass over the tensor"
