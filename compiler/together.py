"""Several models of one set of weights, such as a reader and a writer of texts, with one data file between them."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from archonnx.compiler.layout import External, Layout, lay_out
from archonnx.compiler.locking import check_named
from archonnx.compiler.saving import Prepared, SaveReport, check_external, prepare, write
from archonnx.compiler.streaming import Progress
from archonnx.contract.diagnostics import UsageError

if TYPE_CHECKING:
    from archonnx.compiler.artifact import CompiledModel
    from archonnx.compiler.locking.hold import Lock

PathLike = TypeVar("PathLike", bound="str | os.PathLike[str]")


@dataclass(frozen=True, slots=True)
class SavedTogether:
    """What `save_all` wrote: a report for each model, in the order in which they were given.

    data: the file that they share, None where each holds its own weights. nbytes: of all files. shared: bytes of
    weights that would stand in them a second time. lock: what all of them were held against.
    """

    reports: tuple[SaveReport, ...]
    data: Path | None
    nbytes: int
    shared: int
    lock: Lock | None = None


def save_all(
    models: Mapping[PathLike, CompiledModel],
    *,
    data: str | None = None,
    seed: int = 0,
    weights: Literal["init", "none"] = "init",
    external_data: External = "auto",
    lock: str | os.PathLike[str] | None = None,
    update_lock: bool = False,
    progress: Progress | None = None,
    **options: Any,
) -> SavedTogether:
    """Write models by path, all in one folder, so that weights that are the same are stored once.

    Weights are the same where they are drawn for one path from one seed and initializer, or are one tensor of one file.
    data: what the name of the data file begins with, by default the name of the first model's source. external_data:
    "auto" shares a file where that saves anything, "never" gives each model its own weights. lock,
    update_lock: one lock for all of them, otherwise as CompiledModel.save takes it. options: as CompiledModel.lower
    takes them. Others as CompiledModel.save takes them; errors too.

    Each model is replaced as a whole; a failure leaves those that were not replaced yet as they were, with their data.
    """
    check_external(external_data, weights)
    check_named(lock, update_lock)
    if not models:
        raise UsageError("save_all() takes models by the paths to write them to, there is none")
    prepared = [prepared_of(model, path, seed=seed, weights=weights, **options) for path, model in models.items()]
    targets = [model.outgoing.target for model in prepared]
    if len(set(targets)) < len(targets):
        raise UsageError(f"two models are to be written to one file: {', '.join(map(str, models))}")
    if len({target.parent for target in targets}) > 1:
        raise UsageError(f"models that share data stand in one folder: {', '.join(map(str, models))}")
    layout = lay_out([m.outgoing for m in prepared], bare=weights == "none", external=external_data)
    stem = _stem(data, next(iter(models.values())))
    if lock is None:
        return _saved(write(prepared, layout, stem=stem, progress=progress), layout)
    from archonnx.compiler.locking.entries import of_results, of_several
    from archonnx.compiler.locking.hold import Hold

    names = [target.name for target in targets]
    parts = {name: (model, part.kind) for name, model, part in zip(names, models.values(), prepared, strict=True)}
    chosen = {**prepared[0].graph.options, "external_data": external_data}
    made = of_several(parts, chosen, stem if layout.stretches else None, seed=seed)
    hold = Hold(lock, list(models), made, update=update_lock)

    def accept(written: Sequence[Path], shared: Path | None) -> None:
        hold.compare(of_results(dict(zip(names, written, strict=True)), shared))

    reports = write(prepared, layout, stem=stem, progress=progress, accept=accept, before=hold.put)
    return _saved(reports, layout, hold.lock)


def _saved(reports: Sequence[SaveReport], layout: Layout, lock: Lock | None = None) -> SavedTogether:
    return SavedTogether(tuple(reports), reports[0].data, sum(r.nbytes for r in reports), layout.repeated, lock)


def prepared_of(
    model: CompiledModel,
    path: str | os.PathLike[str],
    *,
    seed: int,
    weights: Literal["init", "none"],
    **options: Any,
) -> Prepared:
    """A compiled model, lowered and checked. options: as CompiledModel.lower takes them. Errors: as saving.prepare."""
    return prepare(
        model.lower(**options),
        path,
        seed=seed,
        given=model.given,
        weights=weights,
        values={v.name: v.type for n in model.graph.nodes for v in n.outputs},
        facts=model.graph.facts,
        sources={**model.sources, **{short: model.sources[name] for name, short in model.below_root.items()}},
    )


def _stem(data: str | None, model: CompiledModel) -> str:
    if data is None:
        return Path(model.source).stem
    if not data or os.path.basename(data) != data or data in (".", ".."):
        raise UsageError(f"data is what a file's name begins with, in the folder of the models, got {data!r}")
    return data
