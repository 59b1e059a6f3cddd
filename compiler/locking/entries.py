"""What a build is made of, as the entries of a lock: sections of names and values.

build        model, source, opset, options, kind of weights, and the seed where any are drawn
parameters   of the model, as text
sources      every file of the source, imported ones too, by its path below the root: SHA-256 of its text, whatever
             ends its lines
assets, maps, weights
             files by name: SHA-256 of their bytes. Arrays that were given in Python count as one, `(arrays)`
result       the .onnx, and the data beside it: SHA-256 of their bytes, and how many they are
versions     archonnx, onnx, numpy
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archonnx._version import __version__
from archonnx.contract import metadata

if TYPE_CHECKING:
    from archonnx.compiler.artifact import CompiledModel
    from archonnx.compiler.recipes import Recipe

Value = str | int
Entries = dict[str, dict[str, Value]]
READ = 1 << 22
ARRAYS = "(arrays)"


def of_build(model: CompiledModel, options: Mapping[str, Any], *, kind: str, seed: int) -> Entries:
    """The entries of a build before it is done: all but the result. Every file is read. Raises OSError.

    options: what the bytes depend on, by name; those that are None are left out. kind: as metadata.WEIGHTS says.
    """
    build: dict[str, Value] = {
        "model": model.name,
        "source": model.below_root.get(model.source, model.source),
        "opset": model.opset,
        "weights": kind,
        **_chosen(options),
    }
    if kind in ("initial", "partial"):
        build["seed"] = seed
    found: Entries = {
        "build": build,
        "parameters": dict(model.graph.arguments),
        "sources": _sources(model),
        "assets": {name: _digest(asset.data) for name, asset in model.graph.assets.items()},
    }
    if kind != "none":
        files, arrays = _given(model.given)
        found["maps"] = _files(map(Path, model.maps))
        found["weights"] = _files(files)
        if arrays:
            found["weights"][ARRAYS] = _digest(repr(arrays).encode())
    found["versions"] = _versions()
    return {section: entries for section, entries in found.items() if entries}


def of_result(model: Path, data: Path | None) -> dict[str, Value]:
    """The entries of what was written."""
    found: dict[str, Value] = {"onnx": file_digest(model), "bytes": os.stat(model).st_size}
    if data is not None:
        found |= {"data": file_digest(data), "data_bytes": os.stat(data).st_size}
    return found


def _chosen(options: Mapping[str, Any]) -> dict[str, Value]:
    """The options that bytes depend on: none that is left out, nor the size of blocks where there are none."""
    besides = ("block_size",) if options.get("weight_bits") is None else ()
    return {name: value for name, value in options.items() if value is not None and name not in besides}


def file_digest(path: Path) -> str:
    """SHA-256 of a file, as `sha256sum` tells it."""
    digest = hashlib.sha256()
    with open(path, "rb", buffering=0) as stream:
        while part := stream.read(READ):
            digest.update(part)
    return f"sha256:{digest.hexdigest()}"


def _digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def _sources(model: CompiledModel) -> dict[str, Value]:
    digests: dict[str, list[str]] = {}
    for name, text in model.sources.items():
        digests.setdefault(model.below_root.get(name, name), []).append(f"sha256:{metadata.digest(text)}")
    return dict(_numbered(digests))


def _files(paths: Iterable[Path]) -> dict[str, Value]:
    """Files by their names: where they lie is another matter on each machine."""
    digests: dict[str, list[str]] = {}
    for path in dict.fromkeys(Path(os.path.realpath(path)) for path in paths):
        digests.setdefault(path.name, []).append(file_digest(path))
    return dict(_numbered(digests))


def _numbered(digests: Mapping[str, list[str]]) -> Iterator[tuple[str, Value]]:
    """Each under its name; several of one name in the order of their digests, from the second on with a number."""
    for name, found in digests.items():
        for number, digest in enumerate(sorted(set(found)), 1):
            yield (name if number == 1 else f"{name} ({number})"), digest


def _given(given: Mapping[str, Recipe]) -> tuple[list[Path], list[Any]]:
    """The files that weights are read from, and what tells the arrays among them: the weight's path and its key."""
    from archonnx.compiler.recipes import Constant, FileTensor

    files: dict[int, Any] = {}
    arrays: list[Any] = []
    for path, recipe in sorted(given.items()):
        for leaf in _leaves(recipe):
            if isinstance(leaf, FileTensor):
                files[id(leaf.file)] = leaf.file
            elif isinstance(leaf, Constant):
                arrays.append((path, leaf.key()))
    return [path for file in files.values() for path in file.watched()], arrays


def _leaves(recipe: Recipe) -> Iterator[Recipe]:
    inputs = recipe.inputs()
    if not inputs:
        yield recipe
    for inner in inputs:
        yield from _leaves(inner)


def _versions() -> dict[str, Value]:
    from importlib.metadata import version

    return {"archonnx": __version__, "numpy": version("numpy"), "onnx": version("onnx")}
