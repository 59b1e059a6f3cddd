"""NumPy archives, against numpy.load and numpy.savez."""

from __future__ import annotations

import os
import struct
import zipfile
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from file_tensors import damaged, random_array, random_tensors, read_all, same, survives, tensors
from hypothesis import given
from hypothesis import strategies as st

from archonnx.compiler.weights.files import npz
from archonnx.compiler.weights.files.base import CannotHoldError, TensorFileError
from archonnx.compiler.weights.files.formats import write_tensors
from archonnx.compiler.weights.recipe import Array


def npy(header: str, data: bytes = b"", version: int = 1) -> bytes:
    text = header.encode("latin1")
    return b"\x93NUMPY" + bytes([version, 0]) + struct.pack("<H" if version == 1 else "<I", len(text)) + text + data


def archive(members: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    stream = BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as file:
        for name, data in members.items():
            file.writestr(zipfile.ZipInfo(name), data, compression)
    return stream.getvalue()


def described(descr: str = "'<f4'", columns: Any = False, shape: str = "(2,)") -> str:
    return f"{{'descr': {descr}, 'fortran_order': {columns}, 'shape': {shape}, }}\n"


@given(arrays=random_tensors(npz.FORMAT.holds))
def test_numpy_reads_what_is_written_bit_for_bit(
    arrays: dict[str, Array], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("round") / "a.npz"
    write_tensors(path, tensors(arrays))
    with np.load(path) as theirs:
        assert list(theirs) == list(arrays)
        assert all(same(theirs[name], arrays[name]) for name in arrays)
    found = read_all(path)
    assert list(found) == list(arrays)
    assert all(same(found[name], arrays[name]) for name in arrays)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("shape", [(), (0,), (5,), (3, 4), (2, 0, 3), (2, 3, 5)])
@pytest.mark.parametrize("endian", ["<", ">"])
def test_archives_of_numpy_are_read(save: Any, order: Any, shape: tuple[int, ...], endian: Any, tmp_path: Path) -> None:
    array = random_array("float32", shape, 1)
    stored = np.asarray(array.astype(array.dtype.newbyteorder(endian)), order=order)
    save(tmp_path / "a.npz", w=stored, v=np.arange(300, dtype=np.int16))
    found = read_all(tmp_path / "a.npz")
    assert same(found["w"], array)
    assert same(found["v"], np.arange(300, dtype=np.int16))


@pytest.mark.parametrize("version", [1, 2, 3])
def test_headers_of_all_versions_and_of_python_2(version: int, tmp_path: Path) -> None:
    data = archive({"w.npy": npy(described(shape="(2L, 1L)"), np.float32([1, 2]).tobytes(), version)})
    found = survives(npz.FORMAT, tmp_path / "a.npz", data)
    assert found is not None
    assert found["w"].tolist() == [[1], [2]]


class Bomb:
    """Makes a folder where it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.path),)


def test_a_pickle_is_refused_and_nothing_runs(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", w=np.array([Bomb(tmp_path / "ran")], dtype=object))
    with pytest.raises(TensorFileError, match="'w' holds Python objects, not numbers; they are a pickle"):
        npz.open_file(tmp_path / "a.npz")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ({"readme.txt": b"hello"}, "'readme.txt' is no .npy file"),
        ({"w.npy": b"hello"}, "'w' is no array"),
        ({"w.npy": b""}, "'w' is no array"),
        ({"w.npy": npy("")}, "a header that is none"),
        ({"w.npy": npy("[" * 9000)}, "a header that is none"),
        ({"w.npy": npy("{'descr': open('x')}")}, "a header that is none"),
        ({"w.npy": b"\x93NUMPY\x02\x00\xff\xff\xff\xff"}, "a header of 4294967295 bytes"),
        ({"w.npy": npy(described(shape="(-1,)"))}, r"the shape \(-1,\), which is none"),
        ({"w.npy": npy(described(shape="(True,)"))}, "which is none"),
        ({"w.npy": npy(described(shape=f"({1 << 40}, {1 << 40})"))}, "which is none"),
        ({"w.npy": npy(described(shape=f"({1 << 40},)"))}, "takes 4398046511104 bytes, 0 are there"),
        ({"w.npy": npy(described(), bytes(7))}, "takes 8 bytes, 7 are there"),
        ({"w.npy": npy(described(), bytes(9))}, "takes 8 bytes, 9 are there"),
        ({"w.npy": npy(described("'<U3'"), bytes(24))}, "holds text, not numbers"),
        ({"w.npy": npy(described("'<V2'"), bytes(4))}, "bfloat16 and float8 are kept by safetensors"),
        ({"w.npy": npy(described("[('a', '<f4')]"), bytes(8))}, "holds records, not numbers"),
        ({"w.npy": npy(described("'<M8[s]'"), bytes(16))}, r"elements of the type '<M8\[s\]'"),
    ],
)
@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_archives_that_are_wrong(members: dict[str, bytes], said: str, compression: int, tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    path.write_bytes(archive(members, compression))
    with pytest.raises(TensorFileError, match=said) as caught:
        npz.open_file(path)
    assert "\n" not in str(caught.value)


def test_the_same_name_twice(tmp_path: Path) -> None:
    stream = BytesIO()
    with zipfile.ZipFile(stream, "w") as file:
        for _ in range(2):
            with pytest.warns(UserWarning, match="Duplicate") if file.namelist() else _nothing():
                file.writestr("w.npy", npy(described(), bytes(8)))
    (tmp_path / "a.npz").write_bytes(stream.getvalue())
    with pytest.raises(TensorFileError, match=r"'w\.npy' is in it twice"):
        npz.open_file(tmp_path / "a.npz")


def _nothing() -> Any:
    from contextlib import nullcontext

    return nullcontext()


@pytest.mark.parametrize("compression", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_compressed_in_other_ways(compression: int, tmp_path: Path) -> None:
    assert survives(npz.FORMAT, tmp_path / "a.npz", archive({"w.npy": npy(described(), bytes(8))}, compression)) is None


def test_what_is_compressed_column_by_column_and_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(npz, "WHOLE", 40)
    np.savez_compressed(tmp_path / "a.npz", w=np.zeros((3, 4), np.float32, order="F"))
    with npz.open_file(tmp_path / "a.npz") as file, pytest.raises(TensorFileError, match=r"numpy\.ascontiguousarray"):
        file.whole("w")


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_an_archive_cut_at_any_byte_is_refused(compression: int, tmp_path: Path) -> None:
    data = archive(
        {"w.npy": npy(described(), bytes(8)), "v.npy": npy(described("'|u1'", shape="()"), b"1")}, compression
    )
    assert survives(npz.FORMAT, tmp_path / "a.npz", data) is not None
    for length in range(len(data)):
        assert survives(npz.FORMAT, tmp_path / "a.npz", data[:length]) is None, length


@given(seed=st.integers(0, 1 << 32), compression=st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]))
def test_damaged_archives_are_read_or_refused(
    seed: int, compression: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    arrays = [np.float32([1, 2]), np.arange(6, dtype=np.float32).reshape(2, 3)]
    columns = npy(described(columns=True, shape="(2, 3)"), arrays[1].tobytes(order="F"))
    data = archive({"w.npy": npy(described(), arrays[0].tobytes()), "v.npy": columns}, compression)
    found = survives(npz.FORMAT, tmp_path_factory.mktemp("fuzz") / "a.npz", damaged(data, seed))
    assert found is None or all(any(same(array, right) for right in arrays) for array in found.values())


@pytest.mark.parametrize("columns", [False, True])
def test_a_changed_number_is_noticed(columns: bool, tmp_path: Path) -> None:
    data = bytearray(archive({"w.npy": npy(described(columns=columns, shape="(50, 100)"), bytes(20_000))}))
    data[15_000] = 9
    (tmp_path / "a.npz").write_bytes(data)
    with npz.open_file(tmp_path / "a.npz") as file:
        assert file.read("w", 1, 1).size == 1
        with pytest.raises(TensorFileError, match="'w' does not have the checksum that it came with"):
            list(file.slices("w", slice_bytes=16))


@pytest.mark.parametrize("name", ["a\0b", "n" * 70_000])
def test_names_that_a_zip_archive_cannot_hold(name: str) -> None:
    with pytest.raises(CannotHoldError, match="cannot be a name in a zip archive"):
        npz.write(BytesIO(), tensors({name: np.zeros(1)}), {})
