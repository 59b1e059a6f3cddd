"""Numbers that are none: found as tensors are written, or beforehand where they are not written as they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save_file

from archonnx.compiler.recipes import Constant, Evaluation, Recipe, tensors_of
from archonnx.compiler.weights.ahead import Ahead
from archonnx.compiler.weights.files.formats import open_tensors
from archonnx.compiler.weights.filling.odd import OddValues, all_finite

ODD = [np.nan, np.inf, -np.inf, 0.0, 1.0, -2.5, 3e38, -3e38]


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16, ml_dtypes.bfloat16, ml_dtypes.float8_e5m2])
@given(numbers=st.lists(st.sampled_from(ODD), max_size=20), strided=st.booleans())
def test_all_finite_is_what_numpy_says(dtype: Any, numbers: list[float], strided: bool) -> None:
    with np.errstate(all="ignore"):
        array = np.array(numbers, np.float64).astype(dtype)
    array = array[::2] if strided else array
    assert all_finite(array) == bool(np.isfinite(array).all())


@pytest.fixture
def file(tmp_path: Path) -> dict[str, Recipe]:
    """Tensors of a file: one of each with three numbers that are none and one that is infinite, and one without."""
    arrays = {
        name: np.ones((40, 30), np.float32) for name in ("plain", "turned", "cut", "cast", "tied", "unused", "good")
    }
    for name, array in arrays.items():
        if name != "good":
            array[3, 4:7] = np.nan
            array[39, 29] = -np.inf
    save_file(arrays, tmp_path / "w.safetensors")
    return tensors_of(open_tensors(tmp_path / "w.safetensors"))


def written(odd: OddValues, recipes: list[Recipe], threads: int) -> None:
    """Write recipes in small slices, as saving does."""
    evaluation = Evaluation(0, slice_bytes=256)
    evaluation.watch = odd.watch
    odd.expect(recipes)
    odd.read()
    with Ahead([(recipe, evaluation) for recipe in recipes], threads=threads) as source:
        for recipe in recipes:
            assert sum(map(len, source.parts(recipe))) == recipe.nbytes


@pytest.mark.parametrize("threads", [0, 3])
def test_every_tensor_is_counted_once_however_it_is_written(
    file: dict[str, Recipe], threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("archonnx.compiler.weights.ahead.TOGETHER", 200)
    odd = OddValues({f"layer/{name}": recipe for name, recipe in file.items()})
    recipes = [
        file["plain"],
        file["good"],
        file["turned"].transpose((1, 0)).reshape((1200,)),
        file["cut"][:2],
        file["cast"].cast("float16"),
        file["tied"],
        file["tied"].transpose((1, 0)),
    ]
    written(odd, recipes, threads)
    counts = ("3 of 1,200 values are not a number (NaN)", "1 of 1,200 values is infinite")
    bad = [name for name in file if name != "good"]
    lines = [f"layer/{name} ({name}): {what}" for name in bad for what in counts]
    assert odd.lines() == (*lines[:10], "... and 2 more such weights")


def test_what_is_written_as_it_stands_is_not_read_before(file: dict[str, Recipe]) -> None:
    given = {name: file[name] for name in ("plain", "turned", "cut", "cast")}
    odd = OddValues(given)
    assert odd.unwritten == 4 * 4800
    odd.expect([file["plain"], file["turned"].transpose((1, 0)), file["cut"][:2], file["cast"].cast("float64")])
    assert odd.unwritten == 2 * 4800
    seen: list[tuple[int, int]] = []
    odd.read(lambda done, total: seen.append((done, total)))
    assert seen[-1] == (2 * 4800, 2 * 4800)
    assert [line.split(":")[0] for line in odd.lines()] == ["cut", "cut", "cast", "cast"]


def test_arrays_count_too_and_whole_numbers_do_not() -> None:
    odd = OddValues({"a": Constant(np.array([np.nan, 1.0])), "b": Constant(np.array([1, 2]))})
    written(odd, [], 0)
    assert odd.lines() == ("a: 1 of 2 values is not a number (NaN)",)
