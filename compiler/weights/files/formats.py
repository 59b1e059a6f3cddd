"""Finding the format of a file, by its beginning and then by its name; and writing a file whole or not at all."""

from __future__ import annotations

import importlib
import importlib.util
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path

from archonnx.compiler.weights.files.base import (
    CannotHoldError,
    EndingError,
    Format,
    Tensor,
    TensorFile,
    TensorFileError,
    stamp,
)
from archonnx.compiler.weights.files.sharding import SHARD_BYTES, index_of, parts_of, write_shards
from archonnx.compiler.weights.recipe import Array
from archonnx.contract.files import replacing

# Each has one FORMAT. Where several share a beginning and an ending, the first is taken.
MODULES = (
    *("safetensors", "safetensors_index", "npz", "onnx_file", "gguf"),
    *("keras_h5", "keras_weights", "keras_index", "keras_legacy"),
    *("torch_zip", "torch_legacy", "torch_index"),
)

Progress = Callable[[int, int], None]  # bytes done, bytes in all


@cache
def formats() -> Mapping[str, Format]:
    """Every format by its module's name."""
    here = __name__.rpartition(".")[0]
    found = (name for name in MODULES if importlib.util.find_spec(f"{here}.{name}") is not None)
    return {name: importlib.import_module(f"{here}.{name}").FORMAT for name in found}


def open_tensors(path: Path) -> TensorFile:
    """Open a file of weights; only what says what is in it is read.

    Errors: TensorFileError where it is damaged or of no format that is known, OSError where it cannot be opened.
    """
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise TensorFileError(path, "this is a pipe or a device", help="weights are read from a file")
    with open(path, "rb") as stream:
        beginning = stream.read(512)
    if not beginning:
        raise TensorFileError(path, "the file is empty")
    if beginning.startswith(b"version https://git-lfs"):
        raise TensorFileError(path, "this is a Git LFS pointer, not the weights", help="fetch them: git lfs pull")
    before = stamp(path)
    file = _recognised(path, beginning).open(path)
    file.watched().setdefault(path, before)
    return file


def _recognised(path: Path, beginning: bytes) -> Format:
    known = formats()
    by_name = [form for form in known.values() if _ending(path, form)]
    alike = {name: form for name, form in known.items() if any(beginning.startswith(magic) for magic in form.magic)}
    if beginning.startswith(b"PK") and (member := _zipped(path)) in known:
        return known[member]
    both = [form for form in alike.values() if form in by_name]
    if both or alike:
        return (both or list(alike.values()))[0]
    if by_name:
        return max(by_name, key=lambda form: _ending(path, form))
    if beginning[8:9] == b"{":
        return known["safetensors"]
    first = reversed(list(known.values()))  # of those that share endings
    titles = {form.suffixes: form.title for form in first}
    endings = "; ".join(f"{', '.join(suffixes)} ({titles[suffixes]})" for suffixes in reversed(titles))
    raise TensorFileError(path, "this is no file of weights that is known", help=f"known are {endings}")


def _ending(path: Path, form: Format) -> int:
    """How long the ending is that a path has of a format: .weights.h5 is said of fewer files than .h5."""
    name = path.name.lower()
    return max((len(suffix) for suffix in form.suffixes if name.endswith(suffix)), default=0)


def _zipped(path: Path) -> str:
    """The module that reads a zip archive, by what is in it; "" where that cannot be told."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError, OSError, IndexError):
        return ""
    if any(name.endswith("/data.pkl") or name == "data.pkl" for name in names):
        return "torch_zip"
    if any(name.endswith(".weights.h5") for name in names):
        return "keras_h5"
    return "npz" if any(name.endswith(".npy") for name in names) else ""


def format_to_write(path: Path, *, shards: bool = False) -> Format:
    """The format that a file's name asks for, that of several files where `shards` says so.

    EndingError where there is none, or none that is written.
    """
    found = [form for form in formats().values() if _ending(path, form)]
    offered = [form for form in formats().values() if form.written]
    endings = ", ".join(dict.fromkeys(suffix for form in offered for suffix in form.suffixes))
    if not found:
        raise EndingError(path, "its ending names no format of weights", help=f"written are {endings}")
    # Legacy formats share an ending with those that replaced them: what is written is preferred.
    form = max(found, key=lambda form: (_ending(path, form), form.written))
    if not form.written:
        raise EndingError(path, f"{form.title} is read, not written", help=form.instead or f"written are {endings}")
    if shards and form.pieces is None:
        several = [other for other in offered if other.pieces is not None]
        for other in several:
            if formats()[str(other.pieces)] is form:
                return other
        titles = " and ".join(formats()[str(other.pieces)].title for other in several)
        raise EndingError(path, f"{form.title} is written as one file", help=f"in several are {titles}")
    return form


def write_tensors(
    path: Path,
    tensors: Mapping[str, Tensor],
    metadata: Mapping[str, str] | None = None,
    progress: Progress | None = None,
    *,
    shard_bytes: int | None = None,
) -> Format:
    """Write tensors to `path`, in the format that its ending names, whole or not at all; give the format.

    metadata: texts by name, kept where the format has a place for them. progress: called with bytes done and in all.
    shard_bytes: the most bytes of a file; where they do not fit into one, files and an index of them are written, as
    they are for a path that ends with .index.json.
    Errors: TensorFileError where the format does not hold a name, a type or a size; OSError.
    """
    form = format_to_write(path, shards=shard_bytes is not None)
    for name, tensor in tensors.items():
        try:
            name.encode("utf-8")
        except UnicodeEncodeError:
            raise TensorFileError(path, f"the name {name!r} is no Unicode text; nothing was written") from None
        if tensor.entry.dtype not in form.holds:
            raise TensorFileError(
                path, f"{form.title} holds no {tensor.entry.dtype}, which {name!r} is", help="nothing was written"
            )
    if progress is not None:
        tensors = _reporting(tensors, progress)
    try:
        return _write(form, path, tensors, metadata or {}, SHARD_BYTES if shard_bytes is None else shard_bytes)
    except CannotHoldError as error:
        raise TensorFileError(path, str(error), help="nothing was written") from None


def _write(
    form: Format, path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str], shard_bytes: int
) -> Format:
    if form.pieces is not None:
        parts, index = parts_of(tensors, shard_bytes), index_of(path)
        if index == path or len(parts) > 1:
            write_shards(index, formats()[form.pieces], parts, metadata)
            return form
        form = formats()[form.pieces]
    if form.write_file is not None:
        form.write_file(path, tensors, metadata)
        return form
    assert form.write is not None
    with replacing(path) as stream:
        form.write(stream, tensors, metadata)  # type: ignore[arg-type]
    return form


def tensors_of(file: TensorFile) -> dict[str, Tensor]:
    """What is in a file, to be written elsewhere: one slice at a time is in memory."""

    def slices(name: str) -> Callable[[], Iterator[Array]]:
        def read() -> Iterator[Array]:
            yield from file.slices(name)
            file.check_unchanged()  # before the last of the tensors is written to its end

        return read

    return {name: Tensor(entry, slices(name), file.place(name)) for name, entry in file.entries.items()}


def _reporting(tensors: Mapping[str, Tensor], progress: Progress) -> dict[str, Tensor]:
    total = sum(tensor.entry.bytes for tensor in tensors.values())
    done = 0

    def watched(tensor: Tensor) -> Callable[[], Iterator[Array]]:
        def slices() -> Iterator[Array]:
            nonlocal done
            for part in tensor.slices():
                yield part
                done += part.nbytes
                progress(min(done, total), total)

        return slices

    return {name: replace(tensor, slices=watched(tensor)) for name, tensor in tensors.items()}
