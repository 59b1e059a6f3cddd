"""Files of torch.save: read as torch.load reads them, written so that torch.load reads them, and nothing run."""

from __future__ import annotations

import os
import pickle
import struct
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from archonnx.compiler.weights.files import torch_legacy, torch_zip
from archonnx.compiler.weights.files.base import Entry, Tensor, TensorFileError
from archonnx.compiler.weights.recipe import numpy_dtype

torch = pytest.importorskip("torch", reason="PyTorch is the oracle")

FORMATS = {"zip": torch_zip.FORMAT, "legacy": torch_legacy.FORMAT}
DTYPES = sorted(torch_zip.FORMAT.holds)
each_format = pytest.mark.parametrize("kind", FORMATS)


def save(value: Any, path: Path, kind: str = "zip", **options: Any) -> Path:
    torch.save(value, path, _use_new_zipfile_serialization=kind == "zip", **options)
    return path


def load(path: Path, kind: str = "zip") -> dict[str, np.ndarray]:
    with FORMATS[kind].open(path) as tensors:
        return {name: tensors.whole(name) for name in tensors.entries}


def bits(array: np.ndarray) -> bytes:
    return np.ascontiguousarray(array).tobytes()


def torch_bits(tensor: Any) -> bytes:
    return bytes(tensor.contiguous().reshape(-1).view(torch.uint8).numpy()) if tensor.numel() else b""


def random_array(dtype: str, shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    data = np.random.default_rng(seed).integers(0, 256, int(np.prod(shape)) * numpy_dtype(dtype).itemsize, np.uint8)
    return ((data & 1).astype(bool) if dtype == "bool" else data.view(numpy_dtype(dtype))).reshape(shape)


def write(arrays: dict[str, np.ndarray], path: Path) -> None:
    def tensor(dtype: str, a: np.ndarray) -> Tensor:
        flat = np.ascontiguousarray(a).reshape(-1)
        return Tensor(Entry(dtype, a.shape), lambda: iter([flat[i : i + 5] for i in range(0, flat.size, 5)]))

    names = {numpy_dtype(d): d for d in DTYPES}
    with path.open("wb") as file:
        torch_zip.write_zip(file, {n: tensor(names[a.dtype], a) for n, a in arrays.items()}, {})


@each_format
def test_a_model_reads_as_pytorch_reads_it(kind: str, tmp_path: Path) -> None:
    model = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.LSTM(4, 5))
    ours = load(save(model.state_dict(), tmp_path / "m.pth", kind), kind)
    assert list(ours) == list(model.state_dict())
    for name, tensor in model.state_dict().items():
        assert ours[name].shape == tuple(tensor.shape)
        assert bits(ours[name]) == torch_bits(tensor)


VIEWS: dict[str, Callable[[Any], Any]] = {
    "transposed": lambda t: t.t(),
    "column": lambda t: t[:, 3],
    "every-other": lambda t: t[::2, 1::3],
    "row-offset": lambda t: t[7:],
    "expanded": lambda t: t[2].expand(6, -1),
    "permuted": lambda t: t.reshape(4, 6, 5)[:, :5].permute(2, 0, 1),
    "diagonal": lambda t: t.diagonal(),
    "overlapping": lambda t: t.reshape(-1).unfold(0, 9, 2),
    "scalar": lambda t: t[3, 4],
    "empty": lambda t: t[:0],
    "empty-middle": lambda t: t[:, 2:2],
    "channels-last": lambda t: t.reshape(2, 3, 4, 5).contiguous(memory_format=torch.channels_last),
}


@each_format
@pytest.mark.parametrize("view", VIEWS)
def test_views_are_read_in_the_order_of_their_elements(kind: str, view: str, tmp_path: Path) -> None:
    tensor = VIEWS[view](torch.arange(120, dtype=torch.float32).reshape(12, 10))
    path = save({"w": tensor}, tmp_path / "v.pt", kind)
    with FORMATS[kind].open(path) as tensors:
        assert tensors.entries["w"] == Entry("float32", tuple(tensor.shape))
        flat = tensor.contiguous().reshape(-1).numpy()
        assert np.array_equal(tensors.whole("w").reshape(-1), flat)
        for start in range(0, flat.size, 7):
            length = min(11, flat.size - start)
            assert np.array_equal(tensors.read("w", start, length), flat[start : start + length])
        assert np.array_equal(np.concatenate([np.empty(0), *tensors.slices("w", 12)]), flat)


@given(
    axes=st.lists(st.tuples(st.integers(1, 7), st.integers(0, 90)), min_size=1, max_size=4),
    dtype=st.sampled_from(["int16", "bool", "float64"]),
    gap=st.sampled_from([0, 100, 1 << 20]),
    where=st.data(),
)
def test_views_wider_than_a_window_are_gathered_from_several(
    axes: list[tuple[int, int]], dtype: str, gap: int, where: Any, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("views") / "v.pt"
    shape, steps = zip(*axes, strict=True)
    base = torch.arange(3 + sum((n - 1) * step for n, step in axes)).to(getattr(torch, dtype))
    tensor = base.as_strided(shape, steps, 2)
    flat = tensor.reshape(-1).numpy()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("archonnx.compiler.weights.files.windows.WINDOW", 64)
        patch.setattr("archonnx.compiler.weights.files.windows.GAP", gap)
        with torch_zip.FORMAT.open(save({"w": tensor}, path)) as tensors:
            assert np.array_equal(tensors.whole("w").reshape(-1), flat)
            start = where.draw(st.integers(0, flat.size - 1))
            length = where.draw(st.integers(0, flat.size - start))
            assert np.array_equal(tensors.read("w", start, length), flat[start : start + length])


def test_a_view_of_a_file_that_is_cut_meanwhile(tmp_path: Path) -> None:
    path = save({"w": torch.zeros(500, 600).t()}, tmp_path / "v.pt")
    with torch_zip.FORMAT.open(path) as tensors:
        os.truncate(path, 20_000)
        with pytest.raises(TensorFileError, match="the file ends at byte 20000, "):
            tensors.whole("w")


@each_format
def test_a_shared_storage_serves_all_its_tensors(kind: str, tmp_path: Path) -> None:
    base = torch.randn(6, 4)
    ours = load(save({"a": base, "b": base[2:], "c": base.t(), "d": base}, tmp_path / "s.pt", kind), kind)
    assert np.array_equal(ours["a"], base.numpy())
    assert np.array_equal(ours["b"], ours["a"][2:])
    assert np.array_equal(ours["c"], ours["a"].T)
    assert np.array_equal(ours["d"], ours["a"])


@each_format
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_dtype_reads_bit_for_bit(kind: str, dtype: str, tmp_path: Path) -> None:
    theirs = {"float8e8m0": "float8_e8m0fnu"}.get(dtype, dtype.replace("float8e", "float8_e"))
    raw = random_array(dtype, (7, 3))
    tensor = torch.frombuffer(bytearray(raw.tobytes()), dtype=getattr(torch, theirs)).reshape(7, 3)
    path = save({"w": tensor, "t": tensor.t()}, tmp_path / "d.pt", kind)
    with FORMATS[kind].open(path) as tensors:
        assert tensors.entries["w"].dtype == dtype
        assert bits(tensors.whole("w")) == raw.tobytes()
        assert bits(tensors.whole("t")) == raw.T.tobytes()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(), (0,), (1,), (3, 5), (2, 0, 4), (1, 2, 3, 4, 5)])
def test_what_is_written_pytorch_reads(dtype: str, shape: tuple[int, ...], tmp_path: Path) -> None:
    array = random_array(dtype, shape)
    write({"layer.w": array, "other": np.arange(3, dtype=np.int64)}, tmp_path / "w.pt")
    theirs = torch.load(tmp_path / "w.pt", weights_only=True)
    assert list(theirs) == ["layer.w", "other"]
    assert tuple(theirs["layer.w"].shape) == shape
    assert torch_bits(theirs["layer.w"]) == bits(array)
    assert bits(load(tmp_path / "w.pt")["layer.w"]) == bits(array)


def test_storages_are_aligned_and_files_alike(tmp_path: Path) -> None:
    arrays = {f"w{i}": np.ones(i, np.float32) for i in range(20)}
    write(arrays, tmp_path / "a.pt")
    write(arrays, tmp_path / "b.pt")
    assert (tmp_path / "a.pt").read_bytes() == (tmp_path / "b.pt").read_bytes()
    with torch_zip.open_zip(tmp_path / "a.pt") as tensors:
        assert all(place % 64 == 0 for place in tensors.places.values())
    torch.load(tmp_path / "a.pt", weights_only=True, mmap=True)


names = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
shapes = st.lists(st.integers(0, 5), max_size=4).map(tuple)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(names, st.tuples(st.sampled_from(DTYPES), shapes, st.integers(0, 99)), max_size=5))
def test_what_is_written_reads_back_bit_for_bit(tmp_path: Path, what: dict[str, Any]) -> None:
    arrays = {name: random_array(*each) for name, each in what.items()}
    write(arrays, tmp_path / "w.pt")
    ours = load(tmp_path / "w.pt")
    assert list(ours) == list(arrays)
    for name, array in arrays.items():
        assert ours[name].dtype == array.dtype
        assert ours[name].shape == array.shape
        assert bits(ours[name]) == bits(array)
    theirs = torch.load(tmp_path / "w.pt", weights_only=True)
    assert {n: torch_bits(t) for n, t in theirs.items()} == {n: bits(a) for n, a in arrays.items()}


@each_format
@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_every_protocol_of_pickles_reads(kind: str, protocol: int, tmp_path: Path) -> None:
    value = OrderedDict(w=torch.randn(3), **{"ключ": torch.ones(2), "n" * 300: torch.zeros(())})
    path = save(value, tmp_path / "p.pt", kind, pickle_protocol=protocol)
    assert {n: a.tolist() for n, a in load(path, kind).items()} == {n: t.tolist() for n, t in value.items()}


W = {"a.weight": 1, "a.bias": 2}


def tensors_of(numbers: dict[Any, Any]) -> dict[Any, Any]:
    return {k: tensors_of(v) if isinstance(v, dict) else torch.tensor(float(v)) for k, v in numbers.items()}


@each_format
@pytest.mark.parametrize(
    ("value", "expected", "metadata"),
    [
        (tensors_of(W), W, {}),
        ({"state_dict": tensors_of(W), "epoch": 3}, W, {"unwrapped": "state_dict", "left_out": "epoch"}),
        ({"model": {"state_dict": tensors_of(W)}}, W, {"unwrapped": "model.state_dict"}),
        (
            {"optimizer": {"state": {0: tensors_of({"m": 1})}}, "model": tensors_of(W), "args": {"lr": 0.1}},
            W,
            {"unwrapped": "model", "left_out": "optimizer, args"},
        ),
        (
            {"encoder": tensors_of(W), "decoder": tensors_of({"w": 5})},
            {"encoder.a.weight": 1, "encoder.a.bias": 2, "decoder.w": 5},
            {},
        ),
        ({"w": torch.tensor(1.0), "steps": 4, "none": None}, {"w": 1}, {"left_out": "steps, none"}),
        ([torch.tensor(1.0), torch.tensor(2.0)], {"0": 1, "1": 2}, {}),
        ({"w": torch.nn.Parameter(torch.tensor(3.0)), "hooks": {}}, {"w": 3}, {}),
        ({"w": torch.tensor(1.0), "config": {"size": torch.Size([1]), "d": torch.device("cpu"), "t": torch.float16,
                                            "s": {1}, "b": b"x", "c": 1j, "n": np.float64(2)}}, {"w": 1},
         {"left_out": "config"}),
        ({}, {}, {}),
    ],
)  # fmt: skip
def test_state_dictionaries_are_found(
    kind: str, value: Any, expected: dict[str, float], metadata: dict[str, str], tmp_path: Path
) -> None:
    with FORMATS[kind].open(save(value, tmp_path / "c.pt", kind)) as tensors:
        assert {n: float(tensors.whole(n)) for n in tensors.entries} == expected
        assert tensors.metadata == metadata


class Runs:
    """Unpickled, it would write a file."""

    def __init__(self, *call: Any) -> None:
        self.call = call

    def __reduce__(self) -> tuple[Any, ...]:
        return self.call[0], self.call[1:]


@each_format
@pytest.mark.parametrize("function", [os.mkdir, eval, print])
def test_a_pickle_that_wants_to_run_code_is_refused_and_nothing_runs(
    kind: str, function: Callable[..., Any], tmp_path: Path
) -> None:
    proof = tmp_path / "proof"
    argument = str(proof) if function is os.mkdir else f"__import__('os').mkdir({str(proof)!r})"
    path = save({"w": torch.ones(2), "x": Runs(function, argument)}, tmp_path / "evil.pt", kind)
    module = "posix" if function is os.mkdir else "builtins"
    with pytest.raises(TensorFileError) as caught:
        FORMATS[kind].open(path)
    assert not proof.exists()
    assert f"its pickle asks for {module}.{function.__name__}" in str(caught.value)
    assert "nothing of it was run; save only the state dictionary" in str(caught.value)
    assert "\n" not in str(caught.value)


@each_format
@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: {"w": torch.ones(2, dtype=torch.complex64)}, '"w" is a tensor of complex numbers; archonnx reads'),
        (lambda: {"w": torch.ones(2, dtype=torch.complex128)}, '"w" is a tensor of complex numbers'),
        (lambda: {"w": torch.ones(2).to_sparse()}, '"w" is a sparse tensor'),
        (lambda: {"w": torch.empty(2, device="meta")}, '"w" is a tensor without data, of the device meta'),
        (lambda: torch.ones(2), "it holds a single tensor, where a state dictionary is due"),
        (lambda: {"epoch": 3}, "it holds no tensors, where a state dictionary is due"),
        (lambda: 3, "it holds no tensors"),
    ],
)
def test_what_is_no_state_dictionary_of_real_numbers_is_refused(
    kind: str, make: Callable[[], Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(TensorFileError) as caught:
        FORMATS[kind].open(save(make(), tmp_path / "x.pt", kind))
    assert message in str(caught.value)


def test_quantized_tensors_are_refused(tmp_path: Path) -> None:
    # The call as torch.save writes it: PyTorch warns when it makes such a tensor.
    data = (
        b"\x80\x02}X\x01\x00\x00\x00wctorch._utils\n_rebuild_qtensor\n((X\x07\x00\x00\x00storagectorch\nQInt8Storage\n"
        b"X\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x02tQK\x00K\x02\x85K\x01\x85ctorch\nper_tensor_affine\nG?\xb9\x99\x99"
        b"\x99\x99\x99\x9aK\x00\x87\x89ccollections\nOrderedDict\n)RtRs."
    )
    path = archive(tmp_path, {"data.pkl": data, "data/0": b"ab"})
    with pytest.raises(TensorFileError, match='"w" is a quantized tensor; archonnx reads real numbers'):
        torch_zip.open_zip(path)


def archive(folder: Path, records: dict[str, bytes], **options: Any) -> Path:
    path = folder / "made.pt"
    with zipfile.ZipFile(path, "w", **options) as file:
        for name, data in records.items():
            file.writestr(f"archive/{name}", data)
    return path


def records(value: Any, folder: Path) -> dict[str, bytes]:
    path = save(value, folder / "whole.pt")
    with zipfile.ZipFile(path) as file:
        return {name.partition("/")[2]: file.read(name) for name in file.namelist()}


def test_damaged_archives_say_what_is_wrong(tmp_path: Path) -> None:
    good = records({"w": torch.ones(4)}, tmp_path)
    cases: list[tuple[dict[str, bytes], dict[str, Any], str]] = [
        ({n: d for n, d in good.items() if n != "data.pkl"}, {}, "it is a zip archive without data.pkl"),
        ({n: d for n, d in good.items() if n != "data/0"}, {}, "it lacks the record 'archive/data/0'"),
        ({**good, "data/0": b"abc"}, {}, "its storage 0 has 3 bytes, where its tensors need 16"),
        ({**good, "data.pkl": good["data.pkl"][:-9]}, {}, "its pickle is cut short"),
        ({**good, "byteorder": b"middle"}, {}, "neither little nor big"),
        ({**good, "constants.pkl": b""}, {}, "it is a TorchScript program, no state dictionary; save its weights"),
        (good, {"compression": zipfile.ZIP_DEFLATED}, "is compressed; unpack it and pack it again with `zip -0`"),
    ]
    for made, options, message in cases:
        with pytest.raises(TensorFileError) as caught:
            torch_zip.open_zip(archive(tmp_path, made, **options))
        assert message in str(caught.value)


def test_big_endian_storages_are_turned(tmp_path: Path) -> None:
    good = records({"w": torch.arange(4, dtype=torch.float32)}, tmp_path)
    turned = {**good, "byteorder": b"big", "data/0": struct.pack(">4f", 0, 1, 2, 3)}
    assert load(archive(tmp_path, turned))["w"].tolist() == [0, 1, 2, 3]


@each_format
def test_a_file_cut_short_anywhere_is_one_error(kind: str, tmp_path: Path) -> None:
    path = save({"w": torch.ones(3), "b": torch.ones(2)}, tmp_path / "whole.pt", kind)
    data, cut = path.read_bytes(), tmp_path / "cut.pt"
    for length in range(len(data)):
        cut.write_bytes(data[:length])
        with pytest.raises(TensorFileError):
            load(cut, kind)


def test_a_file_cut_while_it_is_read_is_one_error(tmp_path: Path) -> None:
    path = save({"w": torch.ones(1000)}, tmp_path / "whole.pt")
    with torch_zip.open_zip(path) as tensors:
        os.truncate(path, 500)
        with pytest.raises(TensorFileError, match="too early; it is cut short"):
            tensors.whole("w")


@each_format
def test_flipped_bytes_give_tensors_or_one_error(kind: str, tmp_path: Path) -> None:
    value = {"state_dict": {"w": torch.ones(3, 2).t(), "b": torch.ones(2, dtype=torch.uint16)}, "epoch": 2}
    data = save(value, tmp_path / "whole.pt", kind).read_bytes()
    rng, path, refused = np.random.default_rng(0), tmp_path / "flipped.pt", 0
    for at in range(len(data)):
        for _ in range(2):
            flipped = bytearray(data)
            flipped[at] ^= int(rng.integers(1, 256))
            path.write_bytes(flipped)
            try:
                with FORMATS[kind].open(path) as tensors:
                    for name, entry in tensors.entries.items():
                        assert entry.size == 0 or tensors.read(name, 0, min(entry.size, 100)).size
            except TensorFileError:
                refused += 1
    assert refused > len(data) / 4


def test_a_pickle_of_the_tensors_without_torch_save_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "p.pt"
    path.write_bytes(pickle.dumps({"w": torch.ones(2)}))
    with pytest.raises(TensorFileError, match=r"by pickle instead of torch.save, so its tensors cannot be read slice"):
        torch_legacy.open_legacy(path)
    path.write_bytes(pickle.dumps([1, 2]))
    with pytest.raises(TensorFileError, match=r"it is a pickle, but no file of torch\.save"):
        torch_legacy.open_legacy(path)
    path.write_bytes(b"version 1")
    with pytest.raises(TensorFileError, match="it is neither a zip archive nor a pickle"):
        torch_zip.open_zip(path)
    path.write_bytes(bytes(257) + b"ustar" + bytes(300))
    with pytest.raises(TensorFileError, match=r"it is a tar archive, as PyTorch before 0\.2 wrote them"):
        torch_legacy.open_legacy(path)


def test_a_missing_file_is_one_error(tmp_path: Path) -> None:
    for format in FORMATS.values():
        with pytest.raises(TensorFileError, match="No such file"):
            format.open(tmp_path / "none.pt")


def test_bfloat16_has_its_own_dtype(tmp_path: Path) -> None:
    ours = load(save({"w": torch.tensor([1.5, -2.0]).bfloat16()}, tmp_path / "b.pt"))["w"]
    assert ours.dtype == np.dtype(ml_dtypes.bfloat16)
    assert ours.astype(np.float32).tolist() == [1.5, -2.0]


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_both_formats_are_told_apart_by_their_beginning(protocol: int, tmp_path: Path) -> None:
    for kind, format in FORMATS.items():
        path = save({"w": torch.ones(1)}, tmp_path / "m.pt", kind, pickle_protocol=protocol)
        head = path.read_bytes()[:30]
        assert load(path)["w"].tolist() == [1]  # the format of zip archives takes the older ones too
        assert any(head.startswith(magic) for magic in format.magic)
        assert not any(head.startswith(m) for other in FORMATS.values() if other is not format for m in other.magic)


def test_nothing_of_pytorch_is_needed() -> None:
    for module in (torch_zip, torch_legacy):
        assert "import torch" not in Path(str(module.__file__)).read_text(encoding="utf-8")
