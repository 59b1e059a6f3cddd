"""Files that are not ONNX models, known by their first bytes, so that the message can say what they are."""

from __future__ import annotations

import codecs

_BEGINNINGS: tuple[tuple[int, bytes, str], ...] = (
    (0, b"version https://git-lfs", "this is a Git LFS pointer, not the model; fetch the model: git lfs pull"),
    (0, b"\x89PNG\r\n", "this is a PNG picture, not an ONNX model"),
    (0, b"\xff\xd8\xff", "this is a JPEG picture, not an ONNX model"),
    (0, b"\x89HDF\r\n", "this is an HDF5 file (Keras' .h5, perhaps), not an ONNX model"),
    (0, b"PK\x03\x04", "this is a zip archive (.keras, .pt, .npz and others are), not an ONNX model"),
    (0, b"\x1f\x8b", "this is a gzip archive; unpack it first: gunzip"),
    (0, b"\x93NUMPY", "this is a NumPy array, not an ONNX model"),
    (0, b"GGUF", "this is a GGUF file, not an ONNX model"),
    (4, b"TFL3", "this is a TensorFlow Lite model, not an ONNX model"),
    (4, b"ORTM", "this is a model in onnxruntime's own format (.ort); load the .onnx file that it was made from"),
    (8, b'{"', "this looks like a safetensors file: weights without a graph, not an ONNX model"),
)
_TEXT_SUFFIXES = {".arch"}


def recognise(beginning: bytes, suffix: str) -> str | None:
    """What a file is when it is no ONNX model, from its first bytes and the end of its name; None where it may be
    one."""
    if suffix in _TEXT_SUFFIXES:
        return "this is an architecture file: compile it first, archonnx.load(archonnx.compile(path))"
    for offset, magic, text in _BEGINNINGS:
        if beginning[offset : offset + len(magic)] == magic:
            return text
    start = beginning.lstrip()[:15].lower()
    if start.startswith((b"<!doctype", b"<html", b"<?xml")):
        return "this is a web page or XML file, not an ONNX model; the download went wrong, perhaps"
    if b'"archonnx.shards"' in beginning[:200]:
        return "this is a model in stages: load, run, generate and bench take it as one, all else its files one by one"
    # A model begins with its IR version, byte 0x08: no text file does.
    if beginning[0] != 8 and _is_text(beginning):
        return f"this is a text file, not an ONNX model; it begins with {beginning[:20].decode(errors='replace')!r}"
    return None


def _is_text(data: bytes) -> bool:
    """Whether bytes are printable UTF-8; a character cut off at their end does not count."""
    try:
        codecs.getincrementaldecoder("utf-8")().decode(data)
    except UnicodeDecodeError:
        return False
    return all((byte >= 32 and byte != 127) or byte in (9, 10, 13) for byte in data)
