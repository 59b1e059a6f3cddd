"""The manifest of a model in stages, `NAME.shards.json`: written by the compiler, read by the runtime.

A JSON object:

    archonnx.shards   the form of the manifest, 1
    model             the model's name in its source
    inputs, outputs   of the whole model, in order: {"name", "dtype", "shape": [sizes, or texts of symbols]}
    metadata          of the whole model, as an .onnx file has it (contract/metadata.py), without assets: these travel
                      in the first stage
    stages            in the order in which they run:
        file              its .onnx, beside the manifest
        digest            XXH3-128 of that file, 32 digits, high end first
        nbytes            how long it is
        inputs, outputs   names of values: a stage reads inputs of the model and outputs of stages before it
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from archonnx.contract.diagnostics import ArchonnxError

FORM = "archonnx.shards"
VERSION = 1


class ManifestError(ArchonnxError):
    """A manifest that is none, or does not fit what stands beside it. path: the manifest's."""

    def __init__(self, path: str, reason: str) -> None:
        self.path, self.reason = path, reason
        super().__init__(f"{path}: {reason}")


@dataclass(frozen=True, slots=True)
class Value:
    """An input or output of the whole model."""

    name: str
    dtype: str
    shape: tuple[int | str, ...]


@dataclass(frozen=True, slots=True)
class Shard:
    """A stage's file."""

    file: str
    digest: str
    nbytes: int
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a manifest says."""

    model: str
    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]
    metadata: Mapping[str, str]
    stages: tuple[Shard, ...]

    def to_json(self) -> bytes:
        """The file, the same for the same content."""
        document = {FORM: VERSION, **asdict(self), "metadata": dict(sorted(self.metadata.items()))}
        return (json.dumps(document, indent=1, ensure_ascii=False) + "\n").encode()


def read_manifest(path: str | os.PathLike[str]) -> Manifest:
    """A manifest's file, checked as far as it goes without its stages. Raises ManifestError, OSError."""
    shown = os.fspath(path)
    with open(path, "rb") as stream:
        data = stream.read()
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        raise ManifestError(shown, "this is no JSON, and no manifest of stages") from None
    if not isinstance(found, dict) or FORM not in found:
        raise ManifestError(shown, "this is no manifest of stages, such as `archonnx build --shards` writes")
    if found[FORM] != VERSION:
        raise ManifestError(shown, f"the manifest has form {found[FORM]!r}, and this archonnx reads form {VERSION}")
    try:
        manifest = Manifest(
            _text(found["model"]),
            tuple(map(_value, _list(found["inputs"]))),
            tuple(map(_value, _list(found["outputs"]))),
            {_text(key): _text(value) for key, value in found["metadata"].items()},
            tuple(map(_shard, _list(found["stages"]))),
        )
    except (KeyError, TypeError, AttributeError) as error:
        what = f"{error.args[0]} is missing" if isinstance(error, KeyError) else str(error)
        raise ManifestError(shown, f"the manifest is damaged: {what}") from None
    check_order(manifest, shown)
    return manifest


def check_order(manifest: Manifest, path: str) -> None:
    """That each stage reads what is there by then, and the outputs are made. Raises ManifestError."""
    if not manifest.stages:
        raise ManifestError(path, "the manifest is damaged: it has no stages")
    made = {value.name: 0 for value in manifest.inputs}
    makers = {name: number for number, shard in enumerate(manifest.stages, 1) for name in shard.outputs}
    for number, shard in enumerate(manifest.stages, 1):
        for name in shard.inputs:
            if name not in made:
                later = makers.get(name)
                what = f"stage {later} makes it" if later is not None else "nothing makes it"
                reason = f"its stages stand in the wrong order: stage {number} ({shard.file}) reads {name}, and {what}"
                raise ManifestError(path, reason)
        made.update(dict.fromkeys(shard.outputs, number))
    missing = next((value.name for value in manifest.outputs if value.name not in made), None)
    if missing is not None:
        raise ManifestError(path, f"the manifest is damaged: no stage makes the output {missing}")


def _value(found: Any) -> Value:
    shape = tuple(size if isinstance(size, int) else _text(size) for size in _list(found["shape"]))
    return Value(_text(found["name"]), _text(found["dtype"]), shape)


def _shard(found: Any) -> Shard:
    nbytes = found["nbytes"]
    if not isinstance(nbytes, int):
        raise TypeError(f"{nbytes!r} is no number of bytes")
    file = _text(found["file"])
    if os.path.basename(file) != file or not file:
        raise TypeError(f"{file!r} is no file beside it")
    names = [tuple(map(_text, _list(found[key]))) for key in ("inputs", "outputs")]
    return Shard(file, _text(found["digest"]), nbytes, *names)


def _text(found: Any) -> str:
    if not isinstance(found, str):
        raise TypeError(f"{found!r} stands where a text belongs")
    return found


def _list(found: Any) -> Sequence[Any]:
    if not isinstance(found, list):
        raise TypeError(f"{found!r} stands where a list belongs")
    return found
