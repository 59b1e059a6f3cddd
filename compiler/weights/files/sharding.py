"""Writing weights as several files and an index in JSON, as Hugging Face lays them.

`model.safetensors` becomes `model-00001-of-00003.safetensors` and so on, and `model.safetensors.index.json`, which says
in which of them each tensor stands. The index comes last: without it the others are no checkpoint.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from archonnx.compiler.weights.files.base import CannotHoldError, Format, Tensor
from archonnx.contract.diagnostics import ArchonnxError
from archonnx.contract.drafts import Draft, sweep
from archonnx.contract.files import replacing

INDEX = ".index.json"
SHARD_BYTES = 5_000_000_000
Tensors = Mapping[str, Tensor]


def index_of(path: Path) -> Path:
    """The index of a checkpoint that is asked for by the name of the whole, or of the index itself."""
    return path if path.name.lower().endswith(INDEX) else path.with_name(path.name + INDEX)


def parts_of(tensors: Tensors, shard_bytes: int) -> list[dict[str, Tensor]]:
    """The tensors in order, in groups of at most `shard_bytes`; a tensor larger than that is alone."""
    parts: list[dict[str, Tensor]] = [{}]
    taken = 0
    for name, tensor in tensors.items():
        if parts[-1] and taken + tensor.entry.bytes > shard_bytes:
            parts.append({})
            taken = 0
        parts[-1][name] = tensor
        taken += tensor.entry.bytes
    return parts


def write_shards(path: Path, form: Format, parts: Sequence[Tensors], metadata: Mapping[str, str]) -> None:
    """Write each part as a file of `form`, and the index of them; whole or not at all.

    path: of the index. Files that an earlier index there spoke of, and this one does not, are removed. Errors:
    CannotHoldError, OSError, ArchonnxError where there is no such folder.
    """
    path = Path(os.path.realpath(path))
    stem, suffix = _split(path, form)
    if not path.parent.is_dir():
        raise ArchonnxError(f"cannot write {path}: there is no folder {path.parent}; make it first")
    files = [path.with_name(f"{stem}-{i + 1:05}-of-{len(parts):05}{suffix}") for i in range(len(parts))]
    total = sum(tensor.entry.bytes for part in parts for tensor in part.values())
    places = {name: file.name for file, part in zip(files, parts, strict=True) for name in part}
    index = {"metadata": {**metadata, "total_size": total}, "weight_map": places}
    old = _named_by(path, stem, suffix)
    with ExitStack() as stack:
        drafts = []
        for file, part in zip(files, parts, strict=True):
            sweep(file)
            drafts.append(stack.enter_context(_written(file, form, part, metadata)))
        with replacing(path) as stream:
            stream.write((json.dumps(index, indent=2, ensure_ascii=False) + "\n").encode())
            for draft, file in zip(drafts, files, strict=True):
                draft.replace(file)
    for file in old.difference(files):
        file.unlink(missing_ok=True)


def _written(file: Path, form: Format, part: Tensors, metadata: Mapping[str, str]) -> Draft:
    """One of the files, complete and not in its place yet. OSError, named after it, where it cannot be written."""
    assert form.write is not None
    try:
        draft = Draft(file)
        try:
            form.write(draft.stream, part, metadata)  # type: ignore[arg-type]
            draft.stream.close()
        except BaseException:
            draft.__exit__(*sys.exc_info())
            raise
    except OSError as error:
        name = error.filename
        if name is None or Path(name) == file.parent or os.fspath(name).endswith(".part"):
            raise OSError(error.errno, error.strerror, os.fspath(file)) from error
        raise  # of the file that is read
    return draft


def _split(path: Path, form: Format) -> tuple[str, str]:
    """The stem and the ending of the files of an index: `model` and `.safetensors`."""
    whole = path.name[: -len(INDEX)]
    suffix = next(suffix for suffix in form.suffixes if whole.lower().endswith(suffix))
    stem = whole[: len(whole) - len(suffix)]
    if len(whole) > 200 or not stem:
        raise CannotHoldError(f"{path.name!r} is no name for the index of several files: model{suffix}{INDEX} is one")
    return stem, whole[len(stem) :]


def _named_by(path: Path, stem: str, suffix: str) -> set[Path]:
    """The files beside an old index that it speaks of and that are named as these are."""
    try:
        found = json.loads(path.read_bytes())["weight_map"].values()
    except (OSError, ValueError, RecursionError, KeyError, TypeError, AttributeError):
        return set()
    ours = re.compile(re.escape(stem) + r"-\d{5}-of-\d{5}" + re.escape(suffix))
    return {path.with_name(name) for name in found if isinstance(name, str) and ours.fullmatch(name)}
