"""The protobuf wire format, as far as an ONNX file of any size needs it: written in pieces, and walked without loading.

Encoding: https://protobuf.dev/programming-guides/encoding/. A field is a varint `number << 3 | type`, then by type 0 a
varint, 1 eight bytes, 2 a varint length and as many bytes, 5 four bytes. Field numbers are those of onnx.proto.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import IO

MODEL_GRAPH = 7
GRAPH_NODE, GRAPH_INITIALIZER = 1, 5
NODE_ATTRIBUTE = 5
ATTRIBUTE_TENSOR, ATTRIBUTE_GRAPH, ATTRIBUTE_GRAPHS = 5, 6, 11
TENSOR_NAME, TENSOR_RAW_DATA, TENSOR_EXTERNAL_DATA = 8, 9, 13
ENTRY_KEY, ENTRY_VALUE = 1, 2

DEEPEST = 32  # graphs within graphs: protobuf's own limit on messages within messages comes first
SMALL = (
    1 << 16
)  # bytes of a tensor that is read whole, numbers and all: a hundred thousand of them are walked in memory
LONGEST_SKELETON = 1 << 31  # protobuf's own limit on a message


class MalformedFileError(ValueError):
    """Bytes that are no protobuf message of the expected form."""


def varint(value: int) -> bytes:
    """An unsigned varint: seven bits a byte, lowest first."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def header(number: int, length: int) -> bytes:
    """What stands before `length` bytes of a field of type 2."""
    return varint(number << 3 | 2) + varint(length)


@dataclass(slots=True)
class Region:
    """A tensor met in a file: where its raw_data stands, and what it says of external data."""

    name: str
    start: int = 0
    length: int = 0
    external: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Inside:
    """Tensors within nodes, in order: `attributes`, those of nodes further within too; `initializers` of graphs there.

    What is within the nodes of a graph comes before its initializers.
    """

    attributes: list[Region] = field(default_factory=list)
    initializers: list[Region] = field(default_factory=list)


@dataclass(slots=True)
class Walked:
    """A model file without raw data: `skeleton` is the message that is left, `regions` its initializers in order.

    inside: what is within nodes, where that was asked for; else its raw data are part of the skeleton.
    """

    skeleton: bytes
    regions: list[Region]
    inside: Inside


def walk(stream: IO[bytes], *, inside: bool = False) -> Walked:
    """Read the structure of a model, passing over raw data. Raises MalformedFileError, OSError.

    inside: whether raw data within nodes are passed over too.
    """
    end = os.fstat(stream.fileno()).st_size
    stream.seek(0)
    model = bytearray()
    regions: list[Region] = []
    found = Inside()
    for number, length, copied in _fields(stream, end):
        if number == MODEL_GRAPH and length is not None:
            graph = _walk_graph(stream, stream.tell() + length, regions, found if inside else None)
            model += header(number, len(graph)) + graph
        else:
            model += copied + _take(stream, length or 0)
        if len(model) > LONGEST_SKELETON:
            raise MalformedFileError("more than 2 GiB beside the weights")
    return Walked(bytes(model), regions, found)


def _walk_graph(stream: IO[bytes], end: int, regions: list[Region], inside: Inside | None, depth: int = 0) -> bytes:
    if depth > DEEPEST:
        raise MalformedFileError(f"graphs within graphs, more than {DEEPEST}")
    graph = bytearray()
    for number, length, copied in _fields(stream, end):
        if number == GRAPH_INITIALIZER and length is not None:
            region = Region("")
            tensor = _walk_tensor(stream, stream.tell() + length, region)
            regions.append(region)
            graph += header(number, len(tensor)) + tensor
        elif number == GRAPH_NODE and length is not None and inside is not None:
            node = _walk_node(stream, stream.tell() + length, inside, depth)
            graph += header(number, len(node)) + node
        else:
            graph += copied + _take(stream, length or 0)
    return bytes(graph)


def _walk_node(stream: IO[bytes], end: int, inside: Inside, depth: int) -> bytes:
    node = bytearray()
    for number, length, copied in _fields(stream, end):
        if number == NODE_ATTRIBUTE and length is not None:
            attribute = _walk_attribute(stream, stream.tell() + length, inside, depth)
            node += header(number, len(attribute)) + attribute
        else:
            node += copied + _take(stream, length or 0)
    return bytes(node)


def _walk_attribute(stream: IO[bytes], end: int, inside: Inside, depth: int) -> bytes:
    attribute = bytearray()
    for number, length, copied in _fields(stream, end):
        if number == ATTRIBUTE_TENSOR and length is not None:
            inside.attributes.append(Region(""))
            value = _walk_tensor(stream, stream.tell() + length, inside.attributes[-1])
        elif number in (ATTRIBUTE_GRAPH, ATTRIBUTE_GRAPHS) and length is not None:
            regions: list[Region] = []
            value = _walk_graph(stream, stream.tell() + length, regions, inside, depth + 1)
            inside.initializers += regions
        else:
            attribute += copied + _take(stream, length or 0)
            continue
        attribute += header(number, len(value)) + value
    return bytes(attribute)


def _walk_tensor(stream: IO[bytes], end: int, region: Region) -> bytes:
    start = stream.tell()
    if end - start <= SMALL:
        return _small_tensor(_take(stream, end - start), start, region)
    tensor = bytearray()
    for number, length, copied in _fields(stream, end):
        if number == TENSOR_RAW_DATA and length is not None:
            region.start, region.length = stream.tell(), length
            stream.seek(length, os.SEEK_CUR)
            continue
        data = _take(stream, length or 0)
        tensor += copied + data
        _note(region, number, data)
    return bytes(tensor)


def _small_tensor(message: bytes, base: int, region: Region) -> bytes:
    """What `_walk_tensor` gives, of a tensor that was read whole from byte `base` of the file."""
    tensor = bytearray()
    for number, kind, begin, value, stop in _fields_of(message, base):
        if number == TENSOR_RAW_DATA and kind == 2:
            region.start, region.length = base + value, stop - value
            continue
        tensor += message[begin:stop]
        _note(region, number, message[value:stop] if kind == 2 else b"")
    return bytes(tensor)


def _note(region: Region, number: int, data: bytes) -> None:
    if number == TENSOR_NAME:
        region.name = data.decode("utf-8", "replace")
    elif number == TENSOR_EXTERNAL_DATA:
        key, value = _entry(data)
        region.external[key] = value


def _fields(stream: IO[bytes], end: int) -> Iterator[tuple[int, int | None, bytes]]:
    """(number, length of what follows, header) of each field up to `end`; a field without a length is all header."""
    while (at := stream.tell()) < end:
        key, header_bytes = _read_varint(stream)
        number, kind = key >> 3, key & 7
        length: int | None = None
        if kind == 0:
            _, more = _read_varint(stream)
            header_bytes += more
        elif kind == 2:
            length, more = _read_varint(stream)
            header_bytes += more
            if stream.tell() + length > end:
                raise MalformedFileError(
                    f"field {number} at byte {at} says {length} bytes, which is past the end of its message"
                )
        elif kind in (1, 5):
            header_bytes += _take(stream, 8 if kind == 1 else 4)
        else:
            raise MalformedFileError(f"no protobuf field at byte {at}")
        if not number or stream.tell() > end:
            raise MalformedFileError(f"no protobuf field at byte {at}")
        yield number, length, header_bytes
    if stream.tell() != end:
        raise MalformedFileError(f"a field runs past byte {end}, the end of its message")


def _read_varint(stream: IO[bytes]) -> tuple[int, bytes]:
    first = _take(stream, 1)
    if first[0] < 0x80:  # most are of one byte
        return first[0], first
    value, read = first[0] & 0x7F, bytearray(first)
    for shift in range(7, 70, 7):
        byte = _take(stream, 1)[0]
        read.append(byte)
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, bytes(read)
    raise MalformedFileError(f"a number of more than ten bytes at byte {stream.tell() - len(read)}")


def _take(stream: IO[bytes], length: int) -> bytes:
    if length > LONGEST_SKELETON:
        raise MalformedFileError(f"a field of {length} bytes at byte {stream.tell()}, more than protobuf allows")
    data = stream.read(length)
    if len(data) != length:
        raise MalformedFileError(f"the file ends at byte {stream.tell()}, within a field")
    return data


def _fields_of(message: bytes, base: int = 0) -> Iterator[tuple[int, int, int, int, int]]:
    """(number, type, start, start of the value, end) of each field of a message in memory, as `_fields` reads a file.

    base: where the message begins in its file, for errors.
    """
    at, end = 0, len(message)
    while at < end:
        start = at
        try:
            key, at = _varint_at(message, at, base)
            number, kind = key >> 3, key & 7
            value = at
            if kind == 0:
                _, at = _varint_at(message, at, base)
            elif kind == 2:
                length, value = _varint_at(message, at, base)
                at = value + length
            elif kind in (1, 5):
                at += 8 if kind == 1 else 4
            else:
                raise MalformedFileError(f"no protobuf field at byte {base + start}")
        except IndexError:
            raise MalformedFileError(f"a field runs past byte {base + end}, the end of its message") from None
        if not number:
            raise MalformedFileError(f"no protobuf field at byte {base + start}")
        if at > end:
            raise MalformedFileError(f"field {number} at byte {base + start} runs past the end of its message")
        yield number, kind, start, value, at


def _varint_at(message: bytes, at: int, base: int) -> tuple[int, int]:
    """A varint of a message in memory, and where it ends. Raises IndexError at the message's end."""
    byte = message[at]
    if byte < 0x80:
        return byte, at + 1
    value = byte & 0x7F
    for position in range(1, 10):
        byte = message[at + position]
        value |= (byte & 0x7F) << 7 * position
        if byte < 0x80:
            return value, at + position + 1
    raise MalformedFileError(f"a number of more than ten bytes at byte {base + at}")


def _entry(data: bytes) -> tuple[str, str]:
    """Key and value of a StringStringEntryProto."""
    texts = {ENTRY_KEY: "", ENTRY_VALUE: ""}
    for number, kind, _, value, stop in _fields_of(data):
        texts[number] = data[value:stop].decode("utf-8", "replace") if kind == 2 else ""
    return texts[ENTRY_KEY], texts[ENTRY_VALUE]
