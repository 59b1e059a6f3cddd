"""Saving models: checked before, streamed slice by slice, read back, and put in place by one rename.

A file that cannot be written whole is not written at all, and an old one stays as it was. Where weights take more than
a file of ONNX holds they go to `NAME.<hash>.data`, which is complete before the model that refers to it is in place.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from archonnx.compiler import gate
from archonnx.compiler.committing import tidy
from archonnx.compiler.ir import OperatorGraph
from archonnx.compiler.layout import INLINE_LIMIT, External, Layout, Outgoing, lay_out
from archonnx.compiler.streaming import Progress, SaveError, Saving
from archonnx.contract import metadata
from archonnx.contract.diagnostics import CompileError, MachineError, UsageError

if TYPE_CHECKING:
    from archonnx.compiler.graph import TensorType
    from archonnx.compiler.locking.hold import Asked, Lock
    from archonnx.compiler.passes.changes import Change
    from archonnx.compiler.passes.quantize_weights import Quantization
    from archonnx.compiler.passes.store_in_half import Halving
    from archonnx.compiler.recipes import Recipe
    from archonnx.compiler.weights.filling.odd import OddValues
    from archonnx.compiler.writer import Skeleton
    from archonnx.contract.dims import Facts

PROTOBUF_LIMIT = 2**31 - 1  # bytes of a message


@dataclass(frozen=True, slots=True)
class SaveReport:
    """What was written. `digest` is XXH3-128 of the .onnx file; `unknown` as in gate.Verdict.

    warnings: a line for each given weight that holds what is no number, or an infinite one. quantization: what became
    of matrices that were to be quantized. changes: what passes did to the graph, in order. halving: what became of
    weights that were to be stored in half. lock: what it was held against.
    """

    path: Path
    data: Path | None
    nbytes: int
    digest: str
    weights: str
    initializers: int
    unknown: int
    warnings: tuple[str, ...] = ()
    quantization: Quantization | None = None
    changes: tuple[Change, ...] = ()
    halving: Halving | None = None
    lock: Lock | None = None


@dataclass(slots=True)
class Prepared:
    """A model that passed the gate and can be written: what is said of it later beside what is written."""

    path: Path
    graph: OperatorGraph
    outgoing: Outgoing
    given: Mapping[str, Recipe]
    kind: str
    unknown: int

    @property
    def bare(self) -> bool:
        """Whether its weights are left out."""
        return self.kind == "none"


def save(
    graph: OperatorGraph,
    path: str | os.PathLike[str],
    *,
    seed: int,
    given: Mapping[str, Recipe] | None = None,
    weights: Literal["init", "none"] = "init",
    external_data: External = "auto",
    lock: Asked | None = None,
    progress: Progress | None = None,
    values: Mapping[str, TensorType] | None = None,
    facts: Facts | None = None,
    sources: Mapping[str, str] | None = None,
    kind: str | None = None,
    finish: Callable[[Skeleton], None] | None = None,
    inline_limit: int = INLINE_LIMIT,
) -> SaveReport:
    """Write a graph to `path` as ONNX: gate, draw, stream, read back, rename.

    seed, given, weights, values, facts, sources, kind, finish: as `prepare` takes them. external_data: whether weights
    stand beside the model: "auto" where they take more than `inline_limit` bytes. lock: what the build is held against.
    progress: called with bytes done and in all.

    Raises CompileError where the gate stops the graph; LockError where it is not what the lock says; SaveError, or
    MachineError for a full disk, where the file cannot be written. Whatever is raised, KeyboardInterrupt too, `path` is
    as it was.
    """
    check_external(external_data, weights)
    model = prepare(
        graph,
        path,
        seed=seed,
        given=given,
        weights=weights,
        values=values,
        facts=facts,
        sources=sources,
        kind=kind,
        finish=finish,
    )
    layout = lay_out([model.outgoing], bare=model.bare, external=external_data, limit=inline_limit)
    if lock is None:
        return write([model], layout, stem=model.outgoing.target.stem, progress=progress)[0]
    options = {**graph.options, "external_data": external_data}
    hold = lock.hold(path, options, kind=model.kind, seed=seed)

    def accept(written: Sequence[Path], data: Path | None) -> None:
        from archonnx.compiler.locking.entries import of_result

        hold.compare(of_result(written[0], data))

    stem = model.outgoing.target.stem
    (report,) = write([model], layout, stem=stem, progress=progress, accept=accept, before=hold.put)
    return replace(report, lock=hold.lock)


def check_external(external_data: object, weights: object) -> None:
    """Raise UsageError for what is no choice, or none that can be kept."""
    if external_data not in ("auto", "always", "never"):
        raise UsageError(f'external_data is "auto", "always" or "never", got {external_data!r}')
    if external_data == "never" and weights == "none":
        raise UsageError("without weights, the layout of data beside the model is what is written: leave 'never' out")


def check_drawn(seed: object, weights: object) -> None:
    """Raise UsageError for what is no seed or no choice of weights."""
    if not isinstance(seed, int) or isinstance(seed, bool) or not 0 <= seed < 2**64:
        raise UsageError(f"seed is a whole number from 0 to 2**64 - 1, got {seed!r}")
    if weights not in ("init", "none"):
        raise UsageError(f'weights is "init" or "none", got {weights!r}')


def prepare(
    graph: OperatorGraph,
    path: str | os.PathLike[str],
    *,
    seed: int,
    given: Mapping[str, Recipe] | None = None,
    weights: Literal["init", "none"] = "init",
    values: Mapping[str, TensorType] | None = None,
    facts: Facts | None = None,
    sources: Mapping[str, str] | None = None,
    kind: str | None = None,
    finish: Callable[[Skeleton], None] | None = None,
) -> Prepared:
    """The messages of a graph, checked.

    seed: of drawn weights. given: the others, as Evaluation takes them.
    weights: "none" writes the layout of the data without the data. values, facts: as gate.check takes them. sources:
    texts by file name, for diagnostics.
    kind: what metadata.WEIGHTS says, where the graph does not tell. finish: changes the messages before the gate.

    Raises CompileError where the gate stops the graph, UsageError for a wrong argument.
    """
    from archonnx.compiler import writer
    from archonnx.compiler.recipes import Evaluation

    check_drawn(seed, weights)
    if weights == "none" or kind is None:
        kind = kind_of_weights(graph, given or {}) if weights == "init" else "none"
    props = {metadata.WEIGHTS: kind} | ({metadata.SEED: str(seed)} if kind in ("initial", "partial") else {})
    if kind == "none":
        props[metadata.BUILD] = json.dumps(graph.options, sort_keys=True)
    skeleton = writer.build(graph, props)
    if finish is not None:
        finish(skeleton)
    verdict = gate.check(skeleton, graph, values=values, facts=facts)
    if verdict.diagnostics:
        raise CompileError(verdict.diagnostics, sources)
    outgoing = Outgoing(skeleton, Path(os.path.realpath(path)), Evaluation(seed, given))
    return Prepared(Path(path), graph, outgoing, given or {}, kind, verdict.unknown)


def write(
    models: Sequence[Prepared],
    layout: Layout,
    *,
    stem: str,
    progress: Progress | None = None,
    accept: Callable[[Sequence[Path], Path | None], None] | None = None,
    before: Callable[[], None] | None = None,
) -> list[SaveReport]:
    """Write models, all bare or none, that share a data file where the layout has one: reports in the same order.

    stem: what the name of the data file begins with. accept: called with the models and their data once all is
    written and nothing is in its place; what it raises ends the save. before: as `commit` takes it. Errors as
    those of `save`.
    """
    bare = models[0].bare
    given = {f"{i}/{path}": recipe for i, model in enumerate(models) for path, recipe in model.given.items()}
    if len(models) == 1:
        given = dict(models[0].given)

    def check(written: Sequence[Path], data: Path | None) -> None:
        if given and not bare:
            from archonnx.compiler.weights.filling.steady import check_unchanged

            check_unchanged(given)
        if accept is not None:
            accept(written, data)

    saving = Saving([m.outgoing for m in models], layout, stem=stem, bare=bare, check=check, before=before)
    if not layout.places:
        for model in models:
            _check_size(model, saving)
    odd: OddValues | None = None
    for model in models:
        tidy(model.outgoing.target)
    with explained(models[0].path, 0 if bare else saving.total):
        if given and not bare:
            from archonnx.compiler.weights.filling.odd import OddValues
            from archonnx.compiler.weights.resolving import resolved

            odd = OddValues(given)
            odd.expect(resolved(recipe, evaluation.given) for recipe, evaluation in saving.order())
            reading, progress = _in_two(progress, odd.unwritten, saving.total)
            odd.read(reading)
            for model in models:
                model.outgoing.evaluation.watch = odd.watch
        saving.progress = progress
        written = saving.run()
    return [
        SaveReport(
            model.path,
            saving.data,
            each.nbytes + (layout.length if saving.data is not None and model is models[0] else 0),
            each.digest,
            model.kind,
            len(model.outgoing.skeleton.initializers),
            model.unknown,
            odd.lines() if odd is not None and model is models[0] else (),
            model.graph.quantization,
            tuple(model.graph.changes),
            model.graph.halving,
        )
        for model, each in zip(models, written, strict=True)
    ]


def _check_size(model: Prepared, saving: Saving) -> None:
    """Raise UsageError where a model with its weights in it is more than protobuf holds."""
    if sum(initializer.recipe.nbytes for initializer in model.outgoing.stored) < PROTOBUF_LIMIT // 2:
        return  # what is beside the weights is a small part
    size = sum(len(part) if isinstance(part, bytes) else part.nbytes for part in saving.parts(model.outgoing))
    if size > PROTOBUF_LIMIT:
        raise UsageError(
            f"cannot write {model.path}: with its weights in it, it has {size:,} bytes, and a file of ONNX at most "
            f'{PROTOBUF_LIMIT:,}; let them stand beside it: --external-data auto, external_data="auto"'
        )


def _in_two(progress: Progress | None, first: int, second: int) -> tuple[Progress | None, Progress | None]:
    """Progress of two stretches of work, so many bytes each, as one."""
    if progress is None:
        return None, None
    return (lambda done, total: progress(done, total + second)), (
        lambda done, total: progress(first + done, first + total)
    )


def kind_of_weights(graph: OperatorGraph, given: Mapping[str, Recipe]) -> str:
    """What metadata.WEIGHTS is: "literal" also where no weight is drawn beside those that the source writes out."""
    from archonnx.compiler.weights.initializers import Literal as Written

    found = {
        id(weight): weight
        for tensor in graph.constants()
        if tensor.recipe is not None
        for weight in tensor.recipe.weights()
    }
    left = [weight.initializer for weight in found.values() if weight.path not in given]
    drawn = any(initializer.random for initializer in left)
    written = any(isinstance(initializer, Written) for initializer in left)
    if len(left) < len(found):
        return "given" if not drawn else "partial"
    return "literal" if not drawn and (written or not found) else "initial"


@contextmanager
def explained(path: str | os.PathLike[str], needed: int) -> Iterator[None]:
    """Turn the system's refusals into one line each."""
    import errno

    shown = os.fspath(path)
    if os.path.isdir(path):
        raise SaveError(
            f"cannot write {shown}: it is a folder; name a file in it, such as {os.path.join(shown, 'model.onnx')}"
        )
    folder = os.path.dirname(os.path.realpath(path))
    if not os.path.isdir(folder):
        raise SaveError(f"cannot write {shown}: there is no folder {os.path.dirname(shown) or folder}; make it first")
    free = shutil.disk_usage(folder).free
    if needed > free and (not os.path.exists(path) or os.path.isfile(path)):
        raise MachineError(
            f"cannot write {shown}: the weights take {needed:,} bytes, and {free:,} are free on that disk"
        )
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise MachineError(f"cannot write {shown}: {error.strerror}; the weights take {needed:,} bytes") from error
        raise SaveError(f"cannot write {shown}: {error.strerror or error}") from error
