"""GGUF, against the format's definition, and against the gguf package where it is installed."""

from __future__ import annotations

import struct
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from file_tensors import damaged, random_tensors, read_all, same, survives, tensors
from hypothesis import given
from hypothesis import strategies as st

from archonnx.compiler.weights.files import gguf
from archonnx.compiler.weights.files.base import CannotHoldError, TensorFileError
from archonnx.compiler.weights.files.formats import open_tensors, write_tensors
from archonnx.compiler.weights.files.gguf_blocks import BLOCKS
from archonnx.compiler.weights.recipe import Array


def text(value: str) -> bytes:
    return struct.pack("<Q", len(value.encode())) + value.encode()


def value(key: str, kind: int, data: bytes) -> bytes:
    return text(key) + struct.pack("<I", kind) + data


def info(name: str, shape: tuple[int, ...], code: int, offset: int = 0) -> bytes:
    return text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape[::-1], code, offset)


def packed(
    values: list[bytes], infos: list[bytes], data: bytes = b"", version: int = 3, align: int = 32, counts: Any = None
) -> bytes:
    head = b"GGUF" + struct.pack("<IQQ", version, *(counts or (len(infos), len(values)))) + b"".join(values + infos)
    return head + bytes(-len(head) % align) + data


def block(code: int, seed: int) -> tuple[bytes, list[float]]:
    """A block of 32 elements and, computed one by one, what they stand for."""
    random = np.random.default_rng(seed)
    d, m = (np.float16(x) for x in random.normal(size=2))
    scale, least = np.float32(d), np.float32(m)
    if code == 8:
        q = random.integers(-128, 128, 32)
        return d.tobytes() + q.astype(np.int8).tobytes(), [float(scale * np.float32(x)) for x in q]
    q = random.integers(0, 16, 32)
    data = bytes(int(q[i]) | int(q[i + 16]) << 4 for i in range(16))
    if code == 2:
        return d.tobytes() + data, [float(scale * np.float32(int(x) - 8)) for x in q]
    return d.tobytes() + m.tobytes() + data, [float(scale * np.float32(x) + least) for x in q]


@given(arrays=random_tensors(gguf.FORMAT.holds))
def test_round_trips_are_exact(arrays: dict[str, Array], tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("round") / "a.gguf"
    write_tensors(path, tensors(arrays))
    found = read_all(path)
    assert list(found) == list(arrays)
    assert all(same(found[name], arrays[name]) for name in arrays)


@pytest.mark.parametrize("code", [2, 3, 8])
def test_blocks_stand_for_numbers(code: int, tmp_path: Path) -> None:
    blocks = [block(code, seed) for seed in range(6)]
    data = packed([], [info("w", (3, 64), code)], b"".join(stored for stored, _ in blocks))
    (tmp_path / "a.gguf").write_bytes(data)
    expected = np.float32([number for _, numbers in blocks for number in numbers]).reshape(3, 64)
    assert same(read_all(tmp_path / "a.gguf")["w"], expected)
    with open_tensors(tmp_path / "a.gguf") as file:
        assert same(file.read("w", 30, 70), expected.reshape(-1)[30:100])


@pytest.mark.parametrize("code", BLOCKS)
def test_every_block_stands_for_the_numbers_that_the_gguf_package_says(code: int, tmp_path: Path) -> None:
    theirs = pytest.importorskip("gguf", reason="the gguf package is not installed")
    block = BLOCKS[code]
    kind = theirs.GGMLQuantizationType(code)
    assert (kind.name, theirs.GGML_QUANT_SIZES[kind]) == (block.name, (block.elements, block.bytes))
    # Every bit is random, so scales are of all sizes, infinite and no number too.
    stored = np.random.default_rng(code).integers(0, 256, (3, 40, block.bytes), np.uint8)
    with np.errstate(invalid="ignore", over="ignore"):
        expected = theirs.dequantize(stored.reshape(3, -1), kind)
    shape = (3, 40 * block.elements)
    (tmp_path / "a.gguf").write_bytes(packed([], [info("w", shape, code)], stored.tobytes()))
    with open_tensors(tmp_path / "a.gguf") as file:
        assert same(file.whole("w"), expected)
        start, length = block.elements - 3, block.elements + 7
        assert same(file.read("w", start, length), expected.reshape(-1)[start : start + length])
        assert file.metadata == {"quantized": f"1 of {block.name}"}


def test_metadata_and_alignment(tmp_path: Path) -> None:
    values = [
        value("general.architecture", 8, text("llama")),
        value("general.alignment", 4, struct.pack("<I", 64)),
        value("words", 9, struct.pack("<IQ", 8, 2) + text("a") + text("größe")),
        value("lists", 9, struct.pack("<IQ", 9, 1) + struct.pack("<IQ3h", 3, 3, 1, 2, 3)),
        value("many.words", 9, struct.pack("<IQ", 8, 2000) + 2000 * text("ab")),
        value("many.numbers", 9, struct.pack("<IQ", 6, 9) + bytes(36)),
        value("many.lists", 9, struct.pack("<IQ", 9, 9) + 9 * struct.pack("<IQ", 0, 0)),
        value("rate", 12, struct.pack("<d", 0.5)),
        value("epsilon", 6, struct.pack("<f", 1e-5)),
        value("flag", 7, b"\x01"),
    ]
    numbers = np.arange(6, dtype=np.float32).reshape(2, 3)
    (tmp_path / "a.gguf").write_bytes(packed(values, [info("w", (2, 3), 0)], numbers.tobytes(), 2, 64))
    assert same(read_all(tmp_path / "a.gguf")["w"], numbers)
    with gguf.open_file(tmp_path / "a.gguf") as file:
        assert file.metadata == {
            "general.architecture": "llama",
            "words": "[a, größe]",
            "lists": "[[1, 2, 3]]",
            "many.words": "2,000 texts",
            "many.numbers": "9 numbers",
            "many.lists": "9 lists",
            "rate": "0.5",
            "epsilon": "1e-05",
            "flag": "True",
        }


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"GGML" + bytes(20), "does not begin with GGUF"),
        (packed([], [], version=1), "of version 1; little-endian files of version 2 and 3 are read"),
        (packed([], [], version=3 << 24), "it is big-endian"),
        (packed([], [], counts=(1 << 60, 0)), "says that it has 1152921504606846976 values or tensors"),
        (packed([], [], counts=(0, 1 << 60)), "says that it has"),
        (packed([value("a", 13, b"")], []), r"of a type that GGUF does not have \(13\)"),
        (packed([value("a", 9, struct.pack("<IQ", 9, 1) * 9)], []), "does not have"),
        (packed([value("a", 9, struct.pack("<IQ", 8, 1 << 50))], []), "says that it has"),
        (packed([value("a", 9, struct.pack("<IQ", 0, 1 << 60))], []), "past its end"),
        (packed([struct.pack("<Q", 1 << 62)], []), "past its end"),
        (packed([value("general.alignment", 4, struct.pack("<I", 0))], []), "general.alignment is 0, not a power of 2"),
        (packed([value("general.alignment", 8, text("x"))], []), "general.alignment is 'x'"),
        (packed([], [info("w", (2,), 16)], bytes(99)), "'w' is stored as IQ2_XXS, which is not read; read are float32"),
        (packed([], [info("w", (2,), 99)], bytes(99)), "stored as type 99"),
        (packed([], [info("w", (2, 40), 8)], bytes(999)), r"blocks of 32, which its shape \[2, 40\]"),
        (packed([], [info("w", (), 8)], bytes(999)), "blocks of 32"),
        (packed([], [info("w", (2, 32), 12)], bytes(999)), r"blocks of 256, which its shape \[2, 32\]"),
        (packed([], [info("w", (256,), 14)], bytes(209)), "the file before; it is cut short"),
        (packed([], [info("w", (1 << 40, 1 << 40), 0)]), "which is none"),
        (packed([], [info("w", (2,), 0)] * 2, bytes(8)), "'w' stands in it twice"),
        (packed([], [text("w") + struct.pack("<I", 1 << 30)]), "'w' has 1073741824 axes"),
        (packed([], [info("w", (2,), 0)], bytes(7)), "'w' ends at byte 72, the file before; it is cut short"),
        (packed([], [info("w", (64,), 8)], bytes(67)), "the file before; it is cut short"),
        (packed([], [info("w", (2,), 0, 1 << 63)], bytes(8)), "the file before; it is cut short"),
    ],
)
def test_files_that_are_wrong(data: bytes, said: str, tmp_path: Path) -> None:
    (tmp_path / "a.gguf").write_bytes(data)
    with pytest.raises(TensorFileError, match=said) as caught:
        gguf.open_file(tmp_path / "a.gguf")
    assert "\n" not in str(caught.value)


SMALL = packed(
    [value("a", 8, text("b")), value("c", 9, struct.pack("<IQ", 8, 1) + text("d"))],
    [info("w", (32,), 8), info("v", (2,), 0, 64)],
    block(8, 0)[0] + bytes(30) + bytes(8),
)


def test_a_file_cut_at_any_byte_is_refused(tmp_path: Path) -> None:
    assert survives(gguf.FORMAT, tmp_path / "a.gguf", SMALL) is not None
    for length in range(len(SMALL)):
        assert survives(gguf.FORMAT, tmp_path / "a.gguf", SMALL[:length]) is None, length


@given(seed=st.integers(0, 1 << 32))
def test_damaged_files_are_read_or_refused(seed: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    survives(gguf.FORMAT, tmp_path_factory.mktemp("fuzz") / "a.gguf", damaged(SMALL, seed))


def test_what_llama_does_not_read() -> None:
    for arrays, said in (
        ({"n" * 64: np.zeros(1)}, "longer than the 63 bytes"),
        ({"w": np.zeros([1] * 5)}, "has 5 axes"),
    ):
        with pytest.raises(CannotHoldError, match=said):
            gguf.write(BytesIO(), tensors(arrays), {})


def test_against_the_gguf_package(tmp_path: Path) -> None:
    theirs = pytest.importorskip("gguf", reason="the gguf package is not installed")
    random = np.random.default_rng(0)
    arrays = {"w": random.normal(size=(3, 64)).astype(np.float32), "b": random.normal(size=5).astype(np.float16)}
    writer = theirs.GGUFWriter(tmp_path / "a.gguf", "llama")
    for name, array in arrays.items():
        writer.add_tensor(name, array)
    kinds = ("Q8_0", "Q4_0", "Q4_1")
    stored = {kind: theirs.quantize(arrays["w"], theirs.GGMLQuantizationType[kind]) for kind in kinds}
    for kind in kinds:
        writer.add_tensor(kind, stored[kind], raw_dtype=theirs.GGMLQuantizationType[kind])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    found = read_all(tmp_path / "a.gguf")
    assert all(same(found[name], arrays[name]) for name in arrays)
    for kind in kinds:
        assert same(found[kind], theirs.dequantize(stored[kind], theirs.GGMLQuantizationType[kind]))
    write_tensors(tmp_path / "b.gguf", tensors(arrays))
    for read in theirs.GGUFReader(tmp_path / "b.gguf").tensors:
        assert np.array_equal(read.data, arrays[read.name])
