"""Filling in weights that a file was written without: `save(weights="none")` first, `write_weights` later.

A bare file says what it was made of (contract/metadata.py): model, arguments, source, options. What the compiler makes
of that is compared with the file, down to the place of each weight; then it is written as if it had been at once.
"""

from __future__ import annotations

import ast
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archonnx._version import __version__
from archonnx.compiler.committing import referring
from archonnx.compiler.disagreement import disagreements
from archonnx.compiler.layout import External, lay_out
from archonnx.compiler.saving import PROTOBUF_LIMIT, SaveReport, check_external, write
from archonnx.compiler.streaming import Progress, SaveError
from archonnx.compiler.together import prepared_of
from archonnx.contract import metadata
from archonnx.contract.diagnostics import UsageError
from archonnx.contract.endings import MANIFEST

if TYPE_CHECKING:
    from onnx import ModelProto

    from archonnx.compiler.artifact import CompiledModel

PathLike = str | os.PathLike[str]


@dataclass(frozen=True, slots=True, eq=False)
class Bare:
    """A model file without weights: its messages, and what it says of itself."""

    path: Path
    model: ModelProto
    said: Mapping[str, str]

    @property
    def options(self) -> dict[str, Any]:
        """What it was lowered with."""
        return self.entry(metadata.BUILD)

    def entry(self, key: str) -> dict[str, Any]:
        """A metadata entry that holds an object. Raises SaveError where it holds something else."""
        try:
            found = json.loads(self.said.get(key, "{}"))
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise SaveError(f"{self.path}: its metadata entry {key} is damaged; build it again")
        return found

    def changed(self, texts: Mapping[str, str]) -> list[str]:
        """Which of these sources, by name, it was not built from."""
        known = self.entry(metadata.SOURCES)
        return [name for name, text in texts.items() if known.get(name) not in (None, metadata.digest(text))]

    @property
    def location(self) -> str:
        """The name of the data file that it refers to; "" where it has no weights at all."""
        entries = (e for t in self.model.graph.initializer for e in t.external_data if e.key == "location")
        return next((entry.value for entry in entries), "")


def read_bare(path: PathLike) -> Bare:
    """A file that was written without weights. Raises SaveError where it is none, OSError where it cannot be read."""
    import onnx
    from google.protobuf.message import DecodeError

    shown = Path(path)
    if shown.name.endswith(MANIFEST):
        raise SaveError(f"{shown}: it is a model in stages; build them again with the weights: --shards")
    if shown.stat().st_size > PROTOBUF_LIMIT:
        raise SaveError(f"{shown}: it has {shown.stat().st_size:,} bytes, too many for a model without weights")
    try:
        model = onnx.ModelProto.FromString(shown.read_bytes())
    except DecodeError as error:
        raise SaveError(f"{shown}: it is no ONNX model ({error})") from None
    said = {prop.key: prop.value for prop in model.metadata_props}
    if metadata.VERSION not in said:
        raise SaveError(f"{shown}: archonnx did not write it; weights are filled into what --weights none wrote")
    if metadata.SHARD in said:
        raise SaveError(f"{shown}: it is one stage of a model; build all of them again with the weights: --shards")
    if said.get(metadata.WEIGHTS) != "none":
        raise SaveError(f"{shown}: it has its weights; to replace them, build it again")
    if metadata.BUILD not in said or metadata.MODEL not in said:
        raise SaveError(f"{shown}: it does not say how it was made; build it again with this version")
    return Bare(shown, model, said)


def compiled_for(bare: Bare, source: PathLike | None = None, root: PathLike | None = None) -> CompiledModel:
    """The model that a bare file was made of, compiled again.

    source: its .arch file, by default where it is found: below a folder that the file lies in, below the working
    folder, in the zoo. Raises UsageError where there is none, CompileError, OSError.
    """
    from archonnx.compiler.artifact import compile_file

    parameters = {name: _value(bare, name, text) for name, text in bare.entry(metadata.ARGUMENTS).items()}
    opset = next((o.version for o in bare.model.opset_import if o.domain in ("", "ai.onnx")), None)
    if source is None:
        source, root = _found(bare)
    made = compile_file(source, model=bare.said[metadata.MODEL], root=root, parameters=parameters, opset=opset)
    assets = {
        key.removeprefix(metadata.ASSET): text for key, text in bare.said.items() if key.startswith(metadata.ASSET)
    }
    data = {name: metadata.asset_bytes(text) for name, text in assets.items()}
    held = {name: asset.data for name, asset in made.graph.assets.items()}
    return made.with_assets(**{n: each for n, each in data.items() if held.get(n) != each})


def fill_in(
    models: Mapping[Bare, CompiledModel],
    *,
    seed: int = 0,
    external_data: External = "always",
    progress: Progress | None = None,
) -> list[SaveReport]:
    """Fill in the weights of bare files, each by the model that `compiled_for` gives, with its weights given.

    Files that share their data are filled together. external_data: "always" lets them stand where the layout says.

    Raises SaveError with the differences between a file and what the compiler makes of its model; errors of `save`.
    A failure leaves the files as they were.
    """
    check_external(external_data, "init")
    for bare in models:
        _check_together(bare, [each.path for each in models])
    prepared = [
        prepared_of(model, bare.path, seed=seed, weights="init", **bare.options) for bare, model in models.items()
    ]
    outgoing = [model.outgoing for model in prepared]
    planned = lay_out(outgoing, bare=True, external="always", planned=True)
    for bare, model in zip(models, outgoing, strict=True):
        found = disagreements(bare.model, model, planned)
        if found:
            raise SaveError("\n  ".join([_said(bare, list(models.values())[outgoing.index(model)]), *found]))
    layout = lay_out(outgoing, bare=False, external=external_data, planned=True)
    stem = next(iter(models)).location.rsplit(".", 2)[0] if len(prepared) > 1 else outgoing[0].target.stem
    return write(prepared, layout, stem=stem, progress=progress)


def write_weights(
    path: PathLike | Sequence[PathLike],
    *,
    source: PathLike | None = None,
    root: PathLike | None = None,
    weights: PathLike | Mapping[str, Any] | None = None,
    map: PathLike | None = None,  # noqa: A002 (what users call it)
    seed: int = 0,
    external_data: External = "always",
    progress: Progress | None = None,
) -> list[SaveReport]:
    """As archonnx.write_weights says it."""
    paths = [path] if isinstance(path, str | os.PathLike) else list(path)
    if not paths:
        raise UsageError("write_weights() takes the path of a model without weights, or several")
    if weights is None and map is not None:
        raise UsageError("map= says how the tensors of weights= are named; there are none")
    models: dict[Bare, CompiledModel] = {}
    for each in paths:
        bare = read_bare(each)
        model = compiled_for(bare, source, root)
        models[bare] = model if weights is None else model.with_weights(weights, map=map)
    return fill_in(models, seed=seed, external_data=external_data, progress=progress)


def _check_together(bare: Bare, given: Sequence[Path]) -> None:
    """Raise SaveError where a bare file shares its data with others that are not given too."""
    target = Path(os.path.realpath(bare.path))
    names = {Path(os.path.realpath(path)).name for path in given} | {target.name}
    others = sorted(set(referring(target.with_name(bare.location))) - names) if bare.location else []
    if others:
        raise SaveError(f"{bare.path}: it shares its data with {', '.join(others)}; name them together")


def _said(bare: Bare, model: CompiledModel) -> str:
    """What a list of differences begins with: what may have changed."""
    changed = bare.changed({model.below_root.get(n, n): text for n, text in model.sources.items()})
    why = f"the source has changed since it was built ({', '.join(changed)})" if changed else ""
    version = bare.said[metadata.VERSION]
    why = why or (f"version {version} built it, this is {__version__}" if version != __version__ else "")
    return (
        f"{bare.path} is not what {model.name} of {model.source} becomes"
        + (f": {why}" if why else "")
        + "; build it again"
    )


def _value(bare: Bare, name: str, text: Any) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        raise SaveError(
            f"{bare.path}: its argument {name} is {text!r}, which cannot be read back; build it again"
        ) from None


def _found(bare: Bare) -> tuple[Path, Path]:
    """The source of a bare file, and the root that it lies below."""
    from archonnx.compiler.elaborate.loader import zoo_folder

    name = bare.said.get(metadata.SOURCE, "")
    here = Path(os.path.abspath(bare.path)).parent
    zoo = zoo_folder("zoo")
    folders = [here, *here.parents, Path.cwd(), *([] if zoo is None else [Path(zoo)])]
    digest = bare.entry(metadata.SOURCES).get(name)
    other: Path | None = None
    for folder in dict.fromkeys(folders):
        path = folder / name
        if not name or not path.is_file():
            continue
        if digest is None or metadata.digest(path.read_text(encoding="utf-8", errors="replace")) == digest:
            return path, folder
        other = other or path
    if other is not None:
        help = f"{other} has changed since; build it again, or name the old one"
    else:
        help = f"{name or 'its source'} is not found beside it, here or in the zoo; name it"
    raise UsageError(f"{bare.path}: {help}: --source FILE, source=")
