"""Files that travel in a model: read whole, within a bound, and where it is known what they are for, looked into."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from archonnx.compiler.analysis.tokens import token_inputs
from archonnx.compiler.graph import Asset
from archonnx.compiler.labels import unfit
from archonnx.contract.diagnostics import ArchonnxError, Diagnostic, Diagnostics, UsageError
from archonnx.contract.vocabulary import VocabularyError, vocabulary_size

if TYPE_CHECKING:
    from archonnx.compiler.graph import LayerGraph

MAX_BYTES = 64 * 1024 * 1024


class AssetError(ArchonnxError):
    """A file that a model cannot take up: too large, or not what its name says it is for."""


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with an asset: a diagnostic without its place."""

    code: str
    message: str
    help: str | None = None


def check_assets(graph: LayerGraph, diagnostics: Diagnostics) -> None:
    """Report what is wrong with the files that a model declares, at their declarations."""
    for asset in graph.assets.values():
        problem = problem_of(asset, graph)
        if problem is not None:
            diagnostics.add(Diagnostic(problem.code, problem.message, asset.place, help=problem.help))


def with_files(graph: LayerGraph, files: Mapping[str, str | os.PathLike[str] | bytes]) -> LayerGraph:
    """The graph with these files as assets, by name, in place of those that it declares.

    Raises UsageError for a name that is none, AssetError for a file that does not fit, OSError.
    """
    made = dict(graph.assets)
    for name, source in files.items():
        if not name.isidentifier():
            raise UsageError(f"an asset has a name such as labels or tokenizer, received {name!r}")
        if isinstance(source, bytes):
            file, data = f"the asset {name}", source
        else:
            file = os.fsdecode(source)
            with open(source, "rb") as stream:
                data = stream.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise AssetError(f"{file}: a file of more than {MAX_BYTES // 2**20} MB is too large to travel in a model")
        made[name] = Asset(name, file, data)
        problem = problem_of(made[name], graph)
        if problem is not None:
            help = f"; {problem.help}" if problem.help else ""
            raise AssetError(f"{graph.name}: {problem.message}{help}")
    return replace(graph, assets=made)


def problem_of(asset: Asset, graph: LayerGraph) -> Problem | None:
    """What is wrong with an asset whose purpose is known, None for nothing."""
    if asset.name == "labels":
        found = unfit(asset, graph)
        return None if found is None else Problem(*found)
    return _of_tokenizer(asset, graph) if asset.name == "tokenizer" else None


def _of_tokenizer(asset: Asset, graph: LayerGraph) -> Problem | None:
    try:
        count = vocabulary_size(asset.data)
    except VocabularyError as error:
        where = asset.file if error.line is None else f"{asset.file}, line {error.line}"
        return Problem("E1120", f"the tokenizer {where}: {error}")
    known = token_inputs(graph)
    name = "input_ids" if "input_ids" in known else next(iter(known), None)
    if name is None or (name != "input_ids" and len(known) > 1) or count <= known[name].size:
        return None
    sizes = f"the tokenizer {asset.file} has {count:,} tokens, the table of {name} has {known[name].size:,} rows"
    return Problem("E1121", sizes, "give the tokenizer that the model's weights were trained with")
