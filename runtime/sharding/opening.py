"""Opening a model in stages: the manifest, every stage as it was built, a session each, and one over all."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from archonnx.contract import metadata as keys
from archonnx.contract.diagnostics import UsageError
from archonnx.contract.shards import Manifest, ManifestError, Shard, Value, read_manifest
from archonnx.runtime.batching.planning import Bare, Planner
from archonnx.runtime.batching.rows import row_axes
from archonnx.runtime.contract import Contract
from archonnx.runtime.modelfile import ModelFile, Spec, read_model
from archonnx.runtime.runner import Runner
from archonnx.runtime.sharding.chain import Chain, Link
from archonnx.runtime.sharding.merging import merged
from archonnx.runtime.sharding.pipeline import Pipeline
from archonnx.runtime.sharding.session import ChainSession

if TYPE_CHECKING:
    from archonnx.runtime.session import Session
    from archonnx.runtime.settings import Settings

_READ = 1 << 22


def devices_of(asked: str | Sequence[str], count: int, path: str) -> list[str]:
    """The device of each stage: one for all, or one each, in a list or as `cpu,cuda`. Raises UsageError."""
    named = asked.split(",") if isinstance(asked, str) else list(asked)
    named = [name.strip() if isinstance(name, str) else name for name in named]
    if len(named) == 1:
        return named * count
    if len(named) != count:
        raise UsageError(f"{path} has {count} stages, and {len(named)} devices were named: name one, or one a stage")
    return named


def open_chain(path: str | os.PathLike[str], device: str | Sequence[str], asked: Settings) -> ChainSession:
    """The session of a manifest. device: of the stages; asked: all else, for each of them.

    Raises ManifestError for a manifest that is none, a stage that is missing, or is of another build or another place;
    UsageError for what is asked of whole models alone; and what loading a stage raises.
    """
    from archonnx.runtime.loading import opened

    shown = os.fsdecode(path)
    manifest = read_manifest(shown)
    _check_asked(asked, shown)
    devices = devices_of(device, len(manifest.stages), shown)
    files = [Path(shown).parent / shard.file for shard in manifest.stages]
    with ThreadPoolExecutor(min(8, len(files))) as pool:
        list(pool.map(partial(_check_stage, shown), files, manifest.stages))
    model = _outline(shown, manifest)
    stages = [opened(file, replace(asked, device=each, batch=None)) for file, each in zip(files, devices, strict=True)]
    return _chained(shown, manifest, model, stages, asked)


def outline(path: str | os.PathLike[str]) -> ModelFile:
    """What the stages of a manifest say of the whole model; the digests of their files are not looked at.

    Raises ManifestError, ModelFileError, OSError.
    """
    return _outline(os.fsdecode(path), read_manifest(path))


def _outline(path: str, manifest: Manifest) -> ModelFile:
    folder = Path(path).parent
    models = [
        _stage_outline(path, folder / shard.file, shard, number, manifest)
        for number, shard in enumerate(manifest.stages, 1)
    ]
    return _whole(path, manifest, models)


def _check_asked(asked: Settings, path: str) -> None:
    if asked.max_error is not None or asked.data is not None:
        raise UsageError(f"{path}: max_error and data are measured on whole models; ask for a precision")
    if asked.plan not in (None, "auto"):
        raise UsageError(f"{path}: a plan is of one model file, and these are several; tune each stage")
    if asked.buckets is not None:
        what = f"buckets of {asked.buckets.mask}: the proof is about whole models"
        raise UsageError(f"{path}: {what}, and these are several; build one file")


def _missing(path: str, file: Path) -> ManifestError:
    return ManifestError(path, f"a stage is missing: expected the file {file} beside it")


def _check_stage(path: str, file: Path, shard: Shard) -> None:
    """That a stage is there, and as it was built. Raises ManifestError."""
    import xxhash

    try:
        size = file.stat().st_size
    except OSError:
        raise _missing(path, file) from None
    digest = xxhash.xxh3_128()
    if size == shard.nbytes:
        with open(file, "rb", buffering=0) as stream:
            while part := stream.read(_READ):
                digest.update(part)
    if size != shard.nbytes or digest.hexdigest() != shard.digest:
        reason = f"{file} is no stage of this build: it was changed, or built anew without the others; build all again"
        raise ManifestError(path, reason)


def _stage_outline(path: str, file: Path, shard: Shard, number: int, manifest: Manifest) -> ModelFile:
    """What a stage says of itself. Raises ManifestError where it is another stage than the manifest says."""
    if not file.exists():
        raise _missing(path, file)
    model = read_model(file)
    said = model.json(keys.SHARD, {})
    count = len(manifest.stages)
    if isinstance(said, dict) and said and said != {"stage": number, "of": count}:
        stands = (
            f"{shard.file} stands in place {number} of {count}, and is stage {said.get('stage')} of {said.get('of')}"
        )
        raise ManifestError(path, f"its stages stand in the wrong order: {stands}")
    has = {spec.name for spec in model.inputs}, {spec.name for spec in model.outputs}
    if has != (set(shard.inputs), set(shard.outputs)):
        raise ManifestError(path, f"{shard.file} has other inputs and outputs than the manifest says; build all again")
    return model


def _whole(path: str, manifest: Manifest, models: Sequence[ModelFile]) -> ModelFile:
    """The outline of the model that the stages are."""
    whole = ModelFile(path, max(model.ir_version for model in models), producer=models[0].producer, has_graph=True)
    for model in models:
        whole.opsets.update(model.opsets)
        whole.nodes.update(model.nodes)
        whole.dtypes |= model.dtypes
        whole.operators |= model.operators
        whole.rounding += model.rounding
        whole.lstms += model.lstms
    assets = {key: value for key, value in models[0].metadata.items() if key.startswith(keys.ASSET)}
    whole.metadata = {**manifest.metadata, **assets}
    whole.inputs, whole.outputs = (list(map(_spec, values)) for values in (manifest.inputs, manifest.outputs))
    declared = whole.json(keys.OPTIONAL, [])
    whole.declared_optional = {str(name) for name in declared} if isinstance(declared, list) else set()
    return whole


def _spec(value: Value) -> Spec:
    return Spec(value.name, value.dtype, value.shape)


def _chained(
    path: str, manifest: Manifest, model: ModelFile, stages: Sequence[Session], asked: Settings
) -> ChainSession:
    links = []
    for shard, stage in zip(manifest.stages, stages, strict=True):
        made = {spec.name: spec for spec in stage.outputs}
        links.append(Link(stage._open(), shard.inputs, made))
    states = model.json(keys.STATES, {})
    pairs = {str(before): str(after) for after, before in states.items()} if isinstance(states, dict) else {}
    chain = Chain(links, [spec.name for spec in model.outputs], pairs)
    contract = Contract(model)
    files = [os.path.abspath(Path(path).parent / shard.file) for shard in manifest.stages]
    bare = _Bare(files, manifest)
    return ChainSession(model, contract, _in_parts(chain, model, contract, bare, asked), stages, bare)


def _in_parts(chain: Chain, model: ModelFile, contract: Contract, bare: Bare, asked: Settings) -> Runner:
    """As `batching.running.in_batches`, of a chain."""
    axes = row_axes(contract.inputs)
    if not axes:
        if asked.batch is not None:
            raise UsageError(
                f"batch={asked.batch}: no input of {model.path} has an open axis of rows that could be cut"
            )
        return chain
    planner = Planner(model, contract, axes, bare, chain.choice.device, asked.batch)
    planner.check_asked()
    return Pipeline(chain, planner)


class _Bare(Bare):
    """The graph of the whole, put together of its stages when it is first asked for."""

    def __init__(self, files: Sequence[str], manifest: Manifest) -> None:
        self._files, self._manifest = list(files), manifest
        self._found: bytes | None = None

    def __call__(self) -> bytes | None:
        if self._found is None:
            try:
                self._found = merged(self._files, self._manifest)
            except OSError:
                return None
        return self._found
