"""What a build is made of, as the entries of a lock: sections of names and values.

build        model, source, opset, options, kind of weights, and the seed where any are drawn; of a model in stages how
             many, and what their files' names begin with; of several models how many, and how their data's begins
stages       the first layer of each
plan         the file that says so, by its name: SHA-256 of its bytes
parameters   of the model, as text
sources      every file of the source, imported ones too, by its path below the root: SHA-256 of its text, whatever
             ends its lines
assets, maps, weights
             files by name: SHA-256 of their bytes. Arrays that were given in Python count as one, `(arrays)`
result       the .onnx, and the data beside it: SHA-256 of their bytes, and how many they are; of a model in stages
             these of each, `stage 1: onnx`, and the manifest
versions     archonnx, onnx, numpy

Of several models each entry that is one model's begins with its file's name, `Reader.onnx: model`.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from archonnx._version import __version__
from archonnx.contract import metadata

if TYPE_CHECKING:
    from archonnx.compiler.artifact import CompiledModel
    from archonnx.compiler.recipes import Recipe
    from archonnx.compiler.sharding.plan_file import Cuts

ORDER = ("build", "stages", "plan", "parameters", "sources", "assets", "maps", "weights", "result", "versions")
Item = TypeVar("Item")
Value = str | int
Entries = dict[str, dict[str, Value]]
READ = 1 << 22
ARRAYS = "(arrays)"


def of_build(model: CompiledModel, options: Mapping[str, Any], *, kind: str, seed: int) -> Entries:
    """The entries of a build before it is done: all but the result. Every file is read. Raises OSError.

    options: what the bytes depend on, by name; those that are None are left out. kind: as metadata.WEIGHTS says.
    """
    return _of_models({"": (model, kind)}, _chosen(options), seed=seed)


def of_stages(
    model: CompiledModel, options: Mapping[str, Any], cuts: Cuts, stem: str, *, kind: str, seed: int
) -> Entries:
    """The entries of a build in stages before it is done, as `of_build`. stem: what the names of its files begin with,
    as the manifest has them in it."""
    found = of_build(model, options, kind=kind, seed=seed)
    found["build"] |= {"stages": len(cuts.begins), "files": stem}
    found["stages"] = dict(_counted(cuts.begins))
    if cuts.file is not None and cuts.digest is not None:
        found["plan"] = {Path(os.path.realpath(cuts.file)).name: f"sha256:{cuts.digest}"}
    return found


def of_several(
    models: Mapping[str, tuple[CompiledModel, str]], options: Mapping[str, Any], data: str | None, *, seed: int
) -> Entries:
    """The entries of a build of several models before it is done, as `of_build`. models: each with the kind of its
    weights, by the name of its file. data: what the name of their data file begins with, None where there is none."""
    build = {"models": len(models), **_chosen(options), **({} if data is None else {"data": data})}
    return _of_models({f"{name}: ": each for name, each in models.items()}, build, seed=seed)


def _of_models(models: Mapping[str, tuple[CompiledModel, str]], build: Mapping[str, Value], *, seed: int) -> Entries:
    """The entries of models that are built at once; a file that several of them are made of is read once.

    models: each with the kind of its weights, by what its own entries begin with. build: what they have in common.
    """
    found: Entries = {section: {} for section in ORDER}
    found["build"] |= build
    if any(kind in ("initial", "partial") for _, kind in models.values()):
        found["build"]["seed"] = seed
    maps: list[Path] = []
    files: list[Path] = []
    for own, (model, kind) in models.items():
        said: Entries = {
            "build": {
                "model": model.name,
                "source": model.below_root.get(model.source, model.source),
                "opset": model.opset,
                "weights": kind,
            },
            "parameters": dict(model.graph.arguments),
            "assets": {name: _digest(asset.data) for name, asset in model.graph.assets.items()},
        }
        if kind != "none":
            paths, arrays = _given(model.given)
            files += paths
            maps += map(Path, model.maps)
            said["weights"] = {ARRAYS: _digest(repr(arrays).encode())} if arrays else {}
        for section, entries in said.items():
            found[section] |= {f"{own}{name}": value for name, value in entries.items()}
    found["sources"] = _sources([model for model, _ in models.values()])
    found["maps"] = _files(maps)
    found["weights"] |= _files(files)
    found["versions"] = _versions()
    return {section: entries for section, entries in found.items() if entries}


def of_results(models: Mapping[str, Path], data: Path | None) -> dict[str, Value]:
    """The entries of what was written of several models, by the names of their files, and of their data file."""
    found = {f"{file}: {name}": value for file, path in models.items() for name, value in of_result(path, None).items()}
    return found | _data(data)


def of_stage_files(manifest: bytes, stages: Sequence[tuple[Path, Path | None]]) -> dict[str, Value]:
    """The entries of what was written of a model in stages: its manifest's bytes, and the .onnx and data of each."""
    found: dict[str, Value] = {"manifest": _digest(manifest)}
    for stage, (model, data) in _counted(stages):
        found |= {f"stage {stage}: {name}": value for name, value in of_result(model, data).items()}
    return found


def _counted(items: Sequence[Item]) -> Iterator[tuple[str, Item]]:
    """Each under its number from 1, as texts that sort as the numbers do."""
    width = len(str(len(items)))
    return ((f"{number:0{width}}", item) for number, item in enumerate(items, 1))


def of_result(model: Path, data: Path | None) -> dict[str, Value]:
    """The entries of what was written."""
    return {"onnx": file_digest(model), "bytes": os.stat(model).st_size, **_data(data)}


def _data(data: Path | None) -> dict[str, Value]:
    return {} if data is None else {"data": file_digest(data), "data_bytes": os.stat(data).st_size}


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


def _sources(models: Iterable[CompiledModel]) -> dict[str, Value]:
    digests: dict[str, list[str]] = {}
    for model in models:
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
