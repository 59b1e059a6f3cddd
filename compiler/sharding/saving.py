"""Saving a model in stages: one checked .onnx a stage, and a manifest whose renaming is the commit.

    NAME.shards.json              the manifest (contract/shards.py)
    NAME.1-of-4.<hash>.onnx       a stage, called by its content too: an old manifest goes on finding its own stages
    NAME.1-of-4.<hash>.data       its weights, where they take more than an .onnx file holds

Stages are written in a folder beside the manifest, moved next to it when all are there, and then the manifest is put
in place; the files of the old one go last. What fails or is killed before that leaves the old model as it was. A lock
takes its place just before the manifest does, when all is on the disk and nothing but the renaming is left.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from archonnx.compiler import saving
from archonnx.compiler.locking import check_named
from archonnx.compiler.sharding.cutting import Cut, cut
from archonnx.compiler.sharding.plan import begins_of, plan_shards
from archonnx.compiler.sharding.plan_file import Cuts, cuts_of
from archonnx.compiler.sink import sync_folder
from archonnx.contract import metadata
from archonnx.contract.diagnostics import UsageError
from archonnx.contract.drafts import LOCKS, lock
from archonnx.contract.endings import MANIFEST
from archonnx.contract.files import replacing
from archonnx.contract.shards import Manifest, ManifestError, Shard, Value, read_manifest

if TYPE_CHECKING:
    from archonnx.compiler.artifact import CompiledModel
    from archonnx.compiler.ir import OperatorGraph
    from archonnx.compiler.locking.hold import Hold, Lock
    from archonnx.compiler.passes.changes import Change
    from archonnx.compiler.passes.quantize_weights import Quantization
    from archonnx.compiler.passes.store_in_half import Halving
    from archonnx.compiler.recipes import Recipe
    from archonnx.compiler.sharding.plan import ShardPlan
    from archonnx.compiler.streaming import Progress


MOVED = "moved.json"  # in the folder of a build: which files beside the manifest are to come and to go
WAIT = 10.0  # seconds for the turn of others, who have it for as long as it takes to rename files


@dataclass(frozen=True, slots=True)
class ShardsReport:
    """What was written: the manifest, the stages' files, and what `save` reports of each, in order. nbytes: of all.
    asked: how many stages were; fewer are written where layers of one leave no operator. quantization, changes,
    halving, lock: of the whole model, as a SaveReport has them."""

    path: Path
    files: tuple[Path, ...]
    stages: tuple[saving.SaveReport, ...]
    nbytes: int
    asked: int
    quantization: Quantization | None
    changes: tuple[Change, ...]
    halving: Halving | None
    lock: Lock | None = None

    @property
    def warnings(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(line for stage in self.stages for line in stage.warnings))


def save_shards(
    model: CompiledModel,
    path: str | os.PathLike[str],
    shards: int | ShardPlan | Cuts,
    *,
    seed: int = 0,
    weights: Literal["init", "none"] = "init",
    progress: Progress | None = None,
    lowering: Mapping[str, Any] | None = None,
    writing: Mapping[str, Any] | None = None,
    lock: str | os.PathLike[str] | None = None,
    update_lock: bool = False,
) -> ShardsReport:
    """Write a model as one ONNX file a stage, and the manifest `path`, which ends in .shards.json.

    shards: how many stages, planned for sizes that are guessed, or a plan. seed, weights, progress: as `save` has
    them. lowering, writing: what else `CompiledModel.lower` and `saving.save` take, by name. lock, update_lock: what
    the build is held against, as `CompiledModel.save` takes them; its stages and the manifest are the result.

    Raises UsageError for a plan of another model, and as `save`; DoesNotFit never, as no memory is given.
    """
    writing = dict(writing or {})
    saving.check_external(writing.setdefault("external_data", "auto"), weights)
    saving.check_drawn(seed, weights)
    check_named(lock, update_lock)
    target = Path(os.path.realpath(path))
    if not target.name.endswith(MANIFEST) or target.name == MANIFEST:
        raise UsageError(f"{os.fspath(path)}: the manifest's name ends in {MANIFEST}")
    cuts = cuts_of(plan_shards(model.graph, shards)) if isinstance(shards, int) else shards
    cuts = cuts if isinstance(cuts, Cuts) else cuts_of(cuts)
    begins = begins_of(model.graph, cuts.model, cuts.layers, cuts.begins, cuts.file)
    whole = model.lower(**(lowering or {}))
    stages = cut(whole, model.graph, begins)
    kind = saving.kind_of_weights(whole, model.given) if weights == "init" else "none"
    needed = sum(t.recipe.nbytes for s in stages for t in s.graph.constants() if t.recipe and t.dtype != "string")
    hold: Hold | None = None
    if lock is not None:
        from archonnx.compiler.locking.entries import of_stages
        from archonnx.compiler.locking.hold import Hold

        options = {**whole.options, "external_data": writing["external_data"]}
        made = of_stages(model, options, cuts, _stem(target), kind=kind, seed=seed)
        hold = Hold(lock, [path], made, update=update_lock)
    with saving.explained(path, needed if weights == "init" else 0), _folder(target) as folder:
        saved = _save_all(model, stages, folder, target, needed, seed, weights, progress, writing)
        manifest = _manifest(whole, stages, saved, kind, seed)
        if hold is not None:
            from archonnx.compiler.locking.entries import of_stage_files

            hold.compare(of_stage_files(manifest.to_json(), [(r.path, r.data) for r, _ in saved]))
        with _turn(target.parent):
            _commit(target, folder, manifest, saved, None if hold is None else hold.put)
    reports = tuple(report for report, _ in saved)
    nbytes = sum(report.nbytes for report in reports) + target.stat().st_size
    files = tuple(target.with_name(name) for _, name in saved)
    told = whole.quantization, tuple(whole.changes), whole.halving
    return ShardsReport(Path(path), files, reports, nbytes, len(begins), *told, None if hold is None else hold.lock)


@contextmanager
def _folder(target: Path) -> Iterator[Path]:
    """A folder beside the manifest for what is not complete yet; those of builds that were killed are swept away, with
    the files that they moved beside it and the manifest does not speak of."""
    stem = _stem(target)
    ours = re.compile(re.escape(f".{stem}.") + r"(\d+)\.[0-9a-f]{8}\.stages")
    for found in target.parent.iterdir():
        match = ours.fullmatch(found.name)
        if match and not _runs(int(match[1])):
            with _turn(target.parent):  # else what another build moves meanwhile would seem to be left behind
                for leftover in _moved(target, found) - files_of(target):
                    leftover.unlink(missing_ok=True)
            shutil.rmtree(found, ignore_errors=True)
    folder = target.with_name(f".{stem}.{os.getpid()}.{secrets.token_hex(4)}.stages")
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _turn(folder: Path) -> Iterator[None]:
    """Let builds that end at once in one folder commit one after the other: none takes away what another has moved."""
    if not LOCKS:
        yield
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        lock(descriptor, wait=WAIT)
        yield
    finally:
        os.close(descriptor)


def _stem(target: Path) -> str:
    return target.name.removesuffix(MANIFEST)[:200]


def _runs(process: int) -> bool:
    """Whether there is such a process; where the system does not tell, yes."""
    if os.name != "posix":
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _save_all(
    model: CompiledModel,
    stages: list[Cut],
    folder: Path,
    target: Path,
    needed: int,
    seed: int,
    weights: Literal["init", "none"],
    progress: Progress | None,
    writing: dict[str, Any],
) -> list[tuple[saving.SaveReport, str]]:
    """Each stage in the folder: what `save` reports, and the name of its file."""
    values = {v.name: v.type for n in model.graph.nodes for v in n.outputs}
    sources = {**model.sources, **{short: model.sources[name] for name, short in model.below_root.items()}}
    saved, before = [], 0
    for number, stage in enumerate(stages, 1):
        name = f"{_stem(target)}.{number}-of-{len(stages)}"
        report = saving.save(
            stage.graph,
            folder / f"{name}.onnx",
            seed=seed,
            given=_own(stage.graph, model.given),
            weights=weights,
            progress=_shifted(progress, before, needed),
            values=values,
            facts=model.graph.facts,
            sources=sources,
            **writing,
        )
        before += sum(t.recipe.nbytes for t in stage.graph.constants() if t.recipe and t.dtype != "string")
        saved.append((report, f"{name}.{report.digest[:16]}.onnx"))
    return saved


def _own(graph: OperatorGraph, given: Mapping[str, Recipe]) -> dict[str, Recipe]:
    """The recipes of the weights that a stage has."""
    paths = {weight.path for t in graph.constants() if t.recipe is not None for weight in t.recipe.weights()}
    return {path: recipe for path, recipe in given.items() if path in paths}


def _shifted(progress: Progress | None, before: int, total: int) -> Progress | None:
    """Progress of one stage as that of all."""
    return None if progress is None else lambda done, own: progress(min(before + done, total), total)


def _manifest(
    whole: OperatorGraph, stages: list[Cut], saved: list[tuple[saving.SaveReport, str]], kind: str, seed: int
) -> Manifest:
    said = {key: value for key, value in whole.metadata.items() if not key.startswith(metadata.ASSET)}
    said[metadata.WEIGHTS] = kind
    if kind in ("initial", "partial"):
        said[metadata.SEED] = str(seed)
    return Manifest(
        whole.metadata.get(metadata.MODEL, whole.name),
        tuple(_value(tensor.name, tensor) for tensor in whole.inputs),
        tuple(_value(name, tensor) for name, tensor in whole.outputs),
        said,
        tuple(
            Shard(name, report.digest, report.path.stat().st_size, stage.inputs, stage.outputs)
            for stage, (report, name) in zip(stages, saved, strict=True)
        ),
    )


def _value(name: str, tensor: Any) -> Value:
    return Value(name, tensor.dtype, tuple(size if isinstance(size, int) else str(size) for size in tensor.shape))


def _commit(
    target: Path,
    folder: Path,
    manifest: Manifest,
    saved: list[tuple[saving.SaveReport, str]],
    before: Callable[[], None] | None,
) -> None:
    """Move the stages beside the manifest, put it in place, and take away the files of the old one. before: called when
    nothing but the renaming of the manifest is left; what it raises leaves the old model as it was."""
    old = files_of(target)
    moves: list[tuple[Path, Path]] = []
    for report, name in saved:
        if report.data is not None:
            moves.append((report.data, target.with_name(report.data.name)))
        moves.append((folder / report.path.name, target.with_name(name)))
    fresh = [goal for _, goal in moves if not goal.exists()]
    (folder / MOVED).write_text(json.dumps(sorted(path.name for path in {*old, *fresh})), encoding="utf-8")
    try:
        for source, goal in moves:
            os.replace(source, goal)
        with replacing(target) as stream:
            stream.write(manifest.to_json())
            stream.flush()
            os.fsync(stream.fileno())
            if before is not None:
                sync_folder(target.parent)  # no power cut keeps the lock and loses the stages
                before()
    except BaseException:
        for goal in fresh:
            goal.unlink(missing_ok=True)
        raise
    sync_folder(target.parent)
    for leftover in old - files_of(target):
        leftover.unlink(missing_ok=True)


def _moved(target: Path, folder: Path) -> set[Path]:
    """The files beside the manifest that a build which was killed has moved there or was about to take away."""
    try:
        names = json.loads((folder / MOVED).read_bytes())
    except (OSError, ValueError):  # it had not begun to, or was killed while it wrote them down
        return set()
    ours = re.compile(re.escape(_stem(target)) + r"\.\d+-of-\d+\.[0-9a-f]{16}\.(onnx|data)")
    return {target.with_name(name) for name in names if isinstance(name, str) and ours.fullmatch(name)}


def files_of(target: Path) -> set[Path]:
    """The stages and data files of the manifest at `target` that carry its name; none where it is no manifest."""
    try:
        manifest = read_manifest(target)
    except (OSError, ManifestError):
        return set()
    ours = re.compile(re.escape(_stem(target)) + r"\.\d+-of-\d+\.[0-9a-f]{16}\.onnx")
    found: set[Path] = set()
    for shard in manifest.stages:
        if ours.fullmatch(shard.file):
            stage = target.with_name(shard.file)
            found.add(stage)
            found.update(_data_of(stage))
    return found


def _data_of(stage: Path) -> set[Path]:
    """The data files that a stage refers to and that carry its name."""
    from archonnx.compiler import wire

    try:
        with open(stage, "rb") as stream:
            regions = wire.walk(stream).regions
    except (OSError, wire.MalformedFileError):
        return set()
    stem = re.escape(re.sub(r"\.[0-9a-f]{16}\.onnx$", "", stage.name))
    names = {region.external.get("location", "") for region in regions}
    return {stage.with_name(name) for name in names if re.fullmatch(stem + r"\.[0-9a-f]{16}\.data", name)}
