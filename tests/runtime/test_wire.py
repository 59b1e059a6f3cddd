"""The wire format: what protobuf writes is read back, and what it did not write is refused."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archonnx.runtime.wire import BYTES, WINDOW, Source, WireError, signed


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


@given(st.lists(st.tuples(st.integers(1, 2**29 - 1), st.one_of(st.integers(0, 2**64 - 1), st.binary(max_size=300)))))
def test_fields_come_back_as_they_were_written(fields: list[tuple[int, int | bytes]]) -> None:
    data = b"".join(
        varint(number << 3) + varint(value)
        if isinstance(value, int)
        else varint(number << 3 | BYTES) + varint(len(value)) + value
        for number, value in fields
    )
    for source in (Source(data), Source(io.BytesIO(data))):
        found = [(f.number, source.read(f.start, f.stop) if f.type == BYTES else f.value) for f in source.fields()]
        assert found == fields


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        stops = [field.stop for field in Source(data).fields()]
    except WireError:
        return
    assert (stops[-1] if stops else 0) == len(data)


def test_a_file_longer_than_the_window_is_read_anywhere() -> None:
    big = bytes(range(256)) * (WINDOW // 64)
    data = varint(1 << 3 | BYTES) + varint(len(big)) + big + varint(2 << 3) + varint(7)
    source = Source(io.BytesIO(data))
    first, second = source.fields()
    assert source.read(first.start, first.stop) == big
    assert source.read(first.start + 5, first.start + 9) == big[5:9]
    assert (second.number, second.value) == (2, 7)


@pytest.mark.parametrize(
    ("data", "cut", "reason"),
    [
        (b"\x08", True, "cut off"),
        (b"\x08\xff", True, "cut off"),
        (b"\x08" + b"\xff" * 11, False, "longer than ten bytes"),
        (b"\x0a\x05abc", True, "field 1 at byte 0 reaches to byte 7"),
        (b"\x0d\x00\x00", True, "field 1"),
        (b"\x0b", False, "wire type 3"),
        (b"\x00\x00", False, "number 0"),
    ],
)
def test_damage_is_named(data: bytes, cut: bool, reason: str) -> None:
    with pytest.raises(WireError, match=reason) as caught:
        list(Source(data).fields())
    assert caught.value.cut is cut


def test_damage_inside_a_field_is_no_cut() -> None:
    source = Source(b"\x0a\x02\x0a\x05" + b"\x10\x01")
    (outer, _) = source.fields()
    with pytest.raises(WireError) as caught:
        list(source.inside(outer))
    assert not caught.value.cut


def test_text_and_messages_are_bytes() -> None:
    source = Source(b"\x08\x01\x12\x01\xff")
    number, text = source.fields()
    with pytest.raises(WireError, match="is no text"):
        source.text(number)
    with pytest.raises(WireError, match="is no message"):
        list(source.inside(number))
    with pytest.raises(WireError, match="no UTF-8"):
        source.text(text)


def test_negative_numbers_are_twos_complement() -> None:
    assert [signed(n) for n in (0, 1, 2**63 - 1, 2**63, 2**64 - 1)] == [0, 1, 2**63 - 1, -(2**63), -1]
