"""Safetensors, against the safetensors library: the same bytes written, the same files refused."""

from __future__ import annotations

import json
import struct
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors
import safetensors.numpy
from file_tensors import (
    damaged,
    dtype_name,
    random_array,
    random_tensors,
    read_all,
    same,
    survives,
    tensor,
    tensors,
)
from hypothesis import given
from hypothesis import strategies as st

from archonnx.compiler.weights.files import safetensors as ours
from archonnx.compiler.weights.files.base import CannotHoldError, TensorFileError
from archonnx.compiler.weights.files.formats import write_tensors
from archonnx.compiler.weights.recipe import Array

WHOLE_BYTES = ours.FORMAT.holds - {"float4e2m1"}


def packed(header: Any, data: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def entry(dtype: Any = "F32", shape: Any = (2,), offsets: Any = (0, 8)) -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets}


SMALL = packed({"__metadata__": {"a": "b"}, "w": entry(), "v": entry("U8", [], [8, 9])}, bytes(range(9)))


@given(
    arrays=random_tensors(WHOLE_BYTES), metadata=st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=1)
)
def test_what_is_written_is_what_the_library_writes(arrays: dict[str, Array], metadata: dict[str, str]) -> None:
    stream = BytesIO()
    ours.write(stream, tensors(arrays), metadata)
    expected = safetensors.numpy.save(
        {name: np.ascontiguousarray(array).reshape(array.shape) for name, array in arrays.items()}, metadata or None
    )
    assert stream.getvalue() == expected


@given(arrays=random_tensors(ours.FORMAT.holds))
def test_round_trips_are_exact(arrays: dict[str, Array], tmp_path_factory: pytest.TempPathFactory) -> None:
    arrays = {name: array for name, array in arrays.items() if dtype_name(array) in WHOLE_BYTES or array.size % 2 == 0}
    path = tmp_path_factory.mktemp("round") / "a.safetensors"
    write_tensors(path, tensors(arrays), {"made": "here"})
    found = read_all(path)
    assert found.keys() == arrays.keys()
    assert all(same(found[name], arrays[name]) for name in arrays)
    assert len(safetensors.deserialize(path.read_bytes())) == len(arrays)
    with ours.open_file(path) as file:
        assert file.metadata == {"made": "here"}


def test_files_of_the_library_are_read(tmp_path: Path) -> None:
    arrays = {"w": np.arange(12, dtype=np.float32).reshape(3, 4), "b": np.array(3, np.int64)}
    safetensors.numpy.save_file(arrays, tmp_path / "a.safetensors", {"format": "np"})
    found = read_all(tmp_path / "a.safetensors")
    assert all(same(found[name], arrays[name]) for name in arrays)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"\x01\x02", "it has 2 bytes"),
        (struct.pack("<Q", 1 << 63) + b"{}", "say that the header has 9223372036854775808 bytes"),
        (packed(b"[]"), "no JSON object"),
        (packed(b"[" * 100_000), "no JSON object"),
        (packed(b'{"a"'), "no JSON object"),
        (packed(b'{"a": 1, "a": 2}'), "'a' stands in it twice"),
        (packed(b'{"\\ud800": 1}'), "no JSON object"),
        (packed(b"\xff\xfe"), "no JSON object"),
        (packed({"a": 1}), "'a' has no dtype"),
        (packed({"__metadata__": {"a": 1}}), "__metadata__"),
        (packed({"a": entry("F31")}), "known are BOOL, F4"),
        (packed({"a": entry(["F32"])}), "of the type ['F32']"),
        (packed({"a": entry(shape=[-2])}), "has the shape [-2]"),
        (packed({"a": entry(shape=[True])}), "has the shape [True]"),
        (packed({"a": entry(shape=[1 << 40, 1 << 40])}), "which is none"),
        (packed({"a": entry(offsets=[8, 0])}), "data_offsets [8, 0]"),
        (packed({"a": entry(offsets=[0, 4])}, bytes(4)), "takes 8 bytes, its offsets span 4"),
        (packed({"a": entry("F4", [3], [0, 2])}, bytes(2)), "its offsets span 2"),
        (packed({"a": entry(), "b": entry(offsets=[4, 12])}, bytes(12)), "'b' at data offset 4 overlaps"),
        (packed({"a": entry(offsets=[1, 9])}, bytes(9)), "leaves 1 bytes before it unused"),
        (packed({"a": entry()}, bytes(7)), "it is cut short"),
        (packed({"a": entry()}, bytes(9)), "something was appended to it"),
    ],
)
def test_headers_that_lie_are_refused(data: bytes, said: str, tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    path.write_bytes(data)
    with pytest.raises(TensorFileError) as caught:
        ours.open_file(path)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    with pytest.raises((safetensors.SafetensorError, TypeError)):
        safetensors.deserialize(data)


def test_tensors_past_four_gigabytes_are_read(tmp_path: Path) -> None:
    begins = 5 << 30  # what lies before them is a hole, which takes no room
    header = {
        "table": {"dtype": "F32", "shape": [begins // 4], "data_offsets": [0, begins]},
        "last": {"dtype": "F32", "shape": [2], "data_offsets": [begins, begins + 8]},
    }
    head = packed(header)
    with (tmp_path / "large.safetensors").open("wb") as file:
        file.write(head)
        file.seek(len(head) + begins)
        file.write(np.array([1.5, -2.0], "<f4").tobytes())
    with ours.FORMAT.open(tmp_path / "large.safetensors") as found:
        assert found.whole("last").tolist() == [1.5, -2.0]
    (tmp_path / "large.safetensors").unlink()


def test_a_file_cut_at_any_byte_is_refused(tmp_path: Path) -> None:
    for length in range(len(SMALL)):
        assert survives(ours.FORMAT, tmp_path / "a.safetensors", SMALL[:length]) is None, length
    assert survives(ours.FORMAT, tmp_path / "a.safetensors", SMALL) is not None


@given(seed=st.integers(0, 1 << 32))
def test_damaged_files_are_read_as_the_library_reads_them_or_refused(
    seed: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    data = damaged(SMALL, seed)
    found = survives(ours.FORMAT, tmp_path_factory.mktemp("fuzz") / "a.safetensors", data)
    try:
        theirs = dict(safetensors.deserialize(data))
    except safetensors.SafetensorError:
        assert found is None
    else:
        if found is not None:  # the library reads types that weights here do not have
            assert {name: array.tobytes() for name, array in found.items()} == {
                name: bytes(about["data"]) for name, about in theirs.items()
            }


def test_what_the_format_cannot_hold() -> None:
    for arrays, said in (
        ({"__metadata__": np.zeros(1)}, "no tensor may be called __metadata__"),
        ({"w": random_array("float4e2m1", (3,), 0)}, "end within a byte"),
    ):
        with pytest.raises(CannotHoldError, match=said):
            ours.write(BytesIO(), tensors(arrays), {})


def test_slices_that_are_not_what_was_declared_are_a_defect() -> None:
    good = tensor(np.zeros(3, np.float32))
    for wrong in (tensor(np.zeros(2, np.float32)), tensor(np.zeros(3))):
        with pytest.raises(ValueError, match="is declared float32"):
            ours.write(BytesIO(), {"w": type(good)(good.entry, wrong.slices)}, {})


def test_a_file_that_shrinks_while_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    path.write_bytes(SMALL)
    with ours.open_file(path) as file:
        path.write_bytes(SMALL[:-6])
        with pytest.raises(TensorFileError, match="cut short"):
            file.whole("w")
