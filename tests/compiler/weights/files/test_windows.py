"""Boxes of tensors, read in windows: the same elements as of the whole, under any shape."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from file_tensors import random_array, same, tensors
from hypothesis import given, settings
from hypothesis import strategies as st

from archonnx.compiler.weights.ahead import Ahead
from archonnx.compiler.weights.files import windows
from archonnx.compiler.weights.files.formats import formats, open_tensors, write_tensors
from archonnx.compiler.weights.recipe import Array, Evaluation
from archonnx.compiler.weights.sources import FileTensor, tensors_of
from archonnx.compiler.weights.transforms import Transpose

SHAPES = [(6, 10, 4), (240,), (2, 3, 4, 10), (1, 240, 1), (15, 16), (5, 48)]
DTYPES = {"safetensors": "float4e2m1", "onnx_file": "int4", "torch_zip": "bool", "npz": "complex64", "gguf": "bfloat16"}
WRITTEN = {name: form for name, form in formats().items() if form.written and name != "keras_weights"}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, dict[str, Array]]]:
    """A file of each format, of two dtypes, and one of a tensor in PyTorch that is transposed."""
    folder, found = tmp_path_factory.mktemp("files"), {}
    for name, form in WRITTEN.items():
        arrays = {
            "w": random_array("float32", SHAPES[0], 1),
            "v": random_array(DTYPES.get(name, "float16"), SHAPES[0], 2),
        }
        found[name] = folder / f"a{form.suffixes[0]}", arrays
        write_tensors(found[name][0], tensors(arrays, 60))
    torch = pytest.importorskip("torch", reason="it has views")
    view = torch.arange(240, dtype=torch.int16).reshape(4, 10, 6).permute(2, 1, 0)
    torch.save({"v": view}, folder / "view.pth")
    found["view"] = folder / "view.pth", {"v": view.contiguous().numpy()}
    return found


@pytest.mark.parametrize("name", [*WRITTEN, "view"])
@settings(max_examples=40)
@given(data=st.data())
def test_a_box_under_any_shape(name: str, files: dict[str, tuple[Path, dict[str, Array]]], data: st.DataObject) -> None:
    path, arrays = files[name]
    shape = data.draw(st.sampled_from(SHAPES))
    bounds = [sorted(data.draw(st.lists(st.integers(0, n), min_size=2, max_size=2))) for n in shape]
    box = tuple((low, high) for low, high in bounds)
    with pytest.MonkeyPatch.context() as patch, open_tensors(path) as file:
        patch.setattr(windows, "WINDOW", data.draw(st.sampled_from([16, 64, 1 << 20])))
        patch.setattr(windows, "GAP", data.draw(st.sampled_from([0, 40, 1 << 16])))
        for key, array in arrays.items():
            expected = array.reshape(shape)[tuple(slice(low, high) for low, high in box)]
            assert same(file.box(key, shape, box), np.ascontiguousarray(expected))


@given(data=st.data())
def test_filling_reads_no_more_than_a_window_at_once(data: st.DataObject) -> None:
    axes = data.draw(st.lists(st.tuples(st.integers(1, 9), st.integers(0, 200)), min_size=1, max_size=4))
    shape, steps = tuple(n for n, _ in axes), [step for _, step in axes]
    stored = np.arange(3 + sum((n - 1) * step for n, step in axes), dtype=np.int32)
    most = data.draw(st.sampled_from([1, 7, 50]))

    def window(start: int, length: int) -> Array:
        assert 0 < length <= most
        return stored[start : start + length].copy()

    out: Any = np.empty(shape, np.int32)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(windows, "WINDOW", 4 * most)
        patch.setattr(windows, "GAP", data.draw(st.sampled_from([0, 100, 1 << 16])))
        windows.fill(out, steps, 2, window)
    index = np.indices(shape).reshape(len(shape), -1)
    assert out.reshape(-1).tolist() == (2 + (index * np.array(steps)[:, None]).sum(0)).tolist()


def test_a_large_tensor_is_transposed_slice_by_slice(tmp_path: Path) -> None:
    array = random_array("float32", (300, 4, 2, 5), 3)
    write_tensors(tmp_path / "a.safetensors", tensors({"w": array}, 6000))
    with open_tensors(tmp_path / "a.safetensors") as file:
        evaluation = Evaluation(0, slice_bytes=1 << 10)
        recipe = FileTensor(file, "w").reshape((300, 40)).transpose((1, 0))
        expected = array.reshape(300, 40).T
        assert b"".join(recipe.iter_bytes(evaluation)) == np.ascontiguousarray(expected).tobytes()
        turned = FileTensor(file, "w").transpose((2, 3, 1, 0)).reshape((10, math.prod((4, 300))))
        expected = array.transpose(2, 3, 1, 0)
        assert b"".join(turned.iter_bytes(evaluation)) == np.ascontiguousarray(expected).tobytes()


@pytest.mark.parametrize("name", WRITTEN)
def test_threads_that_read_one_file_do_not_disturb_each_other(tmp_path: Path, name: str) -> None:
    """Transposed tensors are read through windows: each thread has its own, or they take turns."""
    arrays = {each: random_array("float32", (200, 700), at) for at, each in enumerate("abcd")}
    path = tmp_path / f"a{WRITTEN[name].suffixes[0]}"
    write_tensors(path, tensors(arrays, 60_000))
    with open_tensors(path) as file:
        wanted = [(recipe.transpose((1, 0)), Evaluation(0, slice_bytes=50_000)) for recipe in tensors_of(file).values()]
        with Ahead(wanted, threads=4) as source:
            got = {r.source.name: b"".join(map(bytes, source.parts(r))) for r, _ in wanted if isinstance(r, Transpose)}
    assert got == {each: np.ascontiguousarray(array.T).tobytes() for each, array in arrays.items()}
