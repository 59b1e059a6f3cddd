"""Every pair of formats: what both hold comes through bit by bit, what the other does not hold is refused.

docs/weights.md has the table of pairs; tests/tools/test_weights_page.py holds it against the formats' own lists, which
are held against the files here.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from file_tensors import random_array, same, tensors

from archonnx.compiler.weights.files.base import Format, TensorFileError
from archonnx.compiler.weights.files.formats import formats, open_tensors, tensors_of, write_tensors
from archonnx.compiler.weights.recipe import Array, numpy_dtype
from archonnx.contract.dtypes import DTYPES

# Keras' numbered groups take the tensors of no other format by name: test_keras_weights.py has those.
WRITTEN = {name: form for name, form in formats().items() if form.written and name != "keras_weights"}
SHAPES = ((), (1,), (0,), (2, 0, 3), (4, 3, 2), (1, 2, 1, 3))
# Odd names that every format has a place for.
NAMES = (
    *("layer_1/kernel", "layer.1.weight", "größe/日本語/w", "emoji 😀.w", "with space", "UPPER/upper", "trailing."),
    *("a-b+c=d,e;f", "quo'te\"d", "100%", "~tilde", "café/é", "[3]", "{i}", "x" * 63),
)


@cache
def values(dtype: str) -> Array:
    """Every value of up to 16 bits; of wider types the ends of their ranges, zeros, infinities, NaN, and random bits."""
    bits, kind = DTYPES[dtype].bits, DTYPES[dtype].kind
    goal = numpy_dtype(dtype)
    if kind == "bool":
        return np.array([False, True])
    if bits <= 8:
        patterns = np.arange(1 << bits, dtype=np.uint8)
        if bits < 8 and kind == "int":
            patterns = (patterns ^ np.uint8(1 << (bits - 1))) - np.uint8(1 << (bits - 1))
        return patterns.view(goal)
    if bits == 16:
        return np.arange(1 << 16, dtype=np.uint16).view(goal)
    part = bits // 2 if kind == "complex" else bits
    whole = np.dtype(f"uint{part}")
    fraction = {"float32": 23, "complex64": 23}.get(dtype, 52)
    top = 1 << (part - 1)
    infinity = top - (1 << fraction)
    chosen = [0, 1, 2, top - 1, top, top + 1, 2 * top - 1]  # the ends of whole numbers, -0.0, the least subnormals
    if kind in ("float", "complex"):
        quiet = infinity | 1 << (fraction - 1)
        positive = [(1 << fraction) - 1, 1 << fraction, infinity - 1, infinity, infinity + 1, quiet, quiet + 5]
        chosen += positive + [top | pattern for pattern in positive]
    special = np.array(chosen, whole)
    if kind == "complex":
        special = np.stack(np.meshgrid(special, special), -1).reshape(-1)
    return np.concatenate([special.view(goal), random_array(dtype, (50,), 1).reshape(-1)])


def arrays_of(dtypes: frozenset[str], target: str) -> dict[str, Array]:
    """Tensors of each type: all its odd values, and random ones of every shape."""
    found = {}
    for dtype in sorted(dtypes - {"string"}):
        found[f"{dtype}/values"] = values(dtype)
        for i, shape in enumerate(SHAPES):
            # safetensors has no tensors that end within a byte
            if DTYPES[dtype].bits * int(np.prod(shape)) % 8 == 0 or "safetensors" not in target:
                found[f"{dtype}/{i}"] = random_array(dtype, shape, i)
    return found


def converted(source: Path, target: Path) -> dict[str, Array]:
    with open_tensors(source) as file:
        write_tensors(target, tensors_of(file))
    with open_tensors(target) as file:
        return {name: file.whole(name) for name in file.entries}


def agree(found: Mapping[str, Array], expected: Mapping[str, Array]) -> bool:
    return found.keys() == expected.keys() and all(same(found[name], expected[name]) for name in expected)


@pytest.mark.parametrize("target", WRITTEN)
@pytest.mark.parametrize("source", WRITTEN)
def test_what_both_hold_comes_through_bit_by_bit(source: str, target: str, tmp_path: Path) -> None:
    one, other = WRITTEN[source], WRITTEN[target]
    arrays = arrays_of(one.holds & other.holds, source + target)
    first, second = tmp_path / f"a{one.suffixes[0]}", tmp_path / f"b{other.suffixes[0]}"
    assert write_tensors(first, tensors(arrays, 5000)) is one
    with open_tensors(first) as file:
        assert file.format == one.name
    assert len(arrays) > 6
    assert agree(converted(first, second), arrays)


@pytest.mark.parametrize("target", WRITTEN)
@pytest.mark.parametrize("source", WRITTEN)
def test_what_the_other_does_not_hold_is_refused(source: str, target: str, tmp_path: Path) -> None:
    one, other = WRITTEN[source], WRITTEN[target]
    second = tmp_path / f"b{other.suffixes[0]}"
    for dtype in sorted(one.holds - other.holds):
        first = tmp_path / f"a{one.suffixes[0]}"
        write_tensors(first, tensors({"w": random_array(dtype, (4, 4), 0)}))
        with open_tensors(first) as file, pytest.raises(TensorFileError, match=f"holds no {dtype}, which 'w' is"):
            write_tensors(second, tensors_of(file))
    assert not list(tmp_path.glob("b*"))


@pytest.mark.parametrize("target", WRITTEN)
@pytest.mark.parametrize("source", WRITTEN)
def test_names_come_through(source: str, target: str, tmp_path: Path) -> None:
    arrays = {name: np.full(3, i, np.float32) for i, name in enumerate(NAMES)}
    first, second = (tmp_path / f"{n}{WRITTEN[form].suffixes[0]}" for n, form in (("a", source), ("b", target)))
    write_tensors(first, tensors(arrays))
    assert agree(converted(first, second), arrays)


@pytest.fixture(scope="module")
def old_pytorch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file as PyTorch wrote them before 1.6, of every type."""
    torch = pytest.importorskip("torch", reason="it writes them")
    state = {}
    for name, array in arrays_of(formats()["torch_legacy"].holds, "").items():
        dtype = name.partition("/")[0]
        theirs = {"float8e8m0": "float8_e8m0fnu"}.get(dtype, dtype.replace("float8e", "float8_e"))
        kind, data = getattr(torch, theirs), bytearray(array.tobytes())
        state[name] = torch.frombuffer(data, dtype=kind) if data else torch.empty(0, dtype=kind)
        state[name] = state[name].reshape(array.shape)
    path = tmp_path_factory.mktemp("torch") / "a.pth"
    torch.save(state, path, _use_new_zipfile_serialization=False)
    return path


@pytest.fixture(scope="module")
def newer_keras(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A .weights.h5 of every type, and a .keras that holds it."""
    h5py = pytest.importorskip("h5py", reason="it writes them")
    folder = tmp_path_factory.mktemp("keras")
    with h5py.File(folder / "model.weights.h5", "w") as file:
        for name, array in arrays_of(formats()["keras_h5"].holds, "").items():
            layer, _, key = name.partition("/")
            data = array.view("V2") if layer == "bfloat16" else array
            variable = file.require_group(f"layers/{layer}/vars").create_dataset(key, data=data)
            if layer == "bfloat16":
                variable.attrs["dtype"] = "bfloat16"
    with zipfile.ZipFile(folder / "a.keras", "w") as archive:
        archive.writestr("config.json", "{}")
        archive.write(folder / "model.weights.h5", "model.weights.h5")
    return folder / "model.weights.h5", folder / "a.keras"


def comes_through(source: Path, form: Format, target: str, folder: Path) -> None:
    """What both hold of a file of every type."""
    other = WRITTEN[target]
    arrays = arrays_of(form.holds & other.holds, target)
    path = folder / f"b{other.suffixes[0]}"
    with open_tensors(source) as file:
        assert file.format == form.name
        write_tensors(path, {name: tensor for name, tensor in tensors_of(file).items() if name in arrays})
    with open_tensors(path) as file:
        assert agree({name: file.whole(name) for name in file.entries}, arrays)


@pytest.mark.parametrize("target", WRITTEN)
def test_old_files_of_pytorch_come_through(target: str, old_pytorch: Path, tmp_path: Path) -> None:
    comes_through(old_pytorch, formats()["torch_legacy"], target, tmp_path)


@pytest.mark.parametrize("target", WRITTEN)
def test_files_of_keras_come_through(target: str, newer_keras: tuple[Path, Path], tmp_path: Path) -> None:
    for source, name in zip(newer_keras, ("keras_weights", "keras_h5"), strict=True):
        comes_through(source, formats()[name], target, tmp_path)


def test_the_values_are_odd_ones() -> None:
    found = values("float32")
    assert {0.0, np.inf, -np.inf, 3.4028234663852886e38, 1.401298464324817e-45, 1.1754942106924411e-38} <= {
        *found.tolist()
    }
    assert len({*found[np.isnan(found)].view(np.uint32).tolist()}) >= 6
    assert np.signbit(found[found == 0]).any()
    assert {2**63 - 1, -(2**63)} <= {*values("int64").tolist()}
    assert values("float64")[1] == 5e-324
