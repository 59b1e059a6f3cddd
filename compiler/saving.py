"""Saving a model: checked before, streamed slice by slice, read back, and put in place by one rename.

A file that cannot be written whole is not written at all, and an old one stays as it was. Where weights take more than
`inline_limit` bytes they go to `NAME.<hash>.data`, which is complete before the model that refers to it is in place.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from archonnx.compiler import gate
from archonnx.compiler.ir import OperatorGraph
from archonnx.compiler.streaming import Progress, SaveError, Saving
from archonnx.contract import metadata
from archonnx.contract.diagnostics import CompileError, MachineError, UsageError

if TYPE_CHECKING:
    from archonnx.compiler.graph import TensorType
    from archonnx.compiler.passes.changes import Change
    from archonnx.compiler.passes.quantize_weights import Quantization
    from archonnx.compiler.recipes import Recipe
    from archonnx.compiler.writer import Skeleton
    from archonnx.contract.dims import Facts

INLINE_LIMIT = 1_900_000_000  # protobuf ends at 2**31 - 1


@dataclass(frozen=True, slots=True)
class SaveReport:
    """What was written. `digest` is BLAKE2b-128 of the .onnx file; `unknown` as in gate.Verdict.

    warnings: a line for each given weight that holds what is no number, or an infinite one. quantization: what became
    of matrices that were to be quantized. changes: what passes did to the graph, in order.
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


def save(
    graph: OperatorGraph,
    path: str | os.PathLike[str],
    *,
    seed: int,
    given: Mapping[str, Recipe] | None = None,
    weights: Literal["init", "none"] = "init",
    progress: Progress | None = None,
    values: Mapping[str, TensorType] | None = None,
    facts: Facts | None = None,
    sources: Mapping[str, str] | None = None,
    kind: str | None = None,
    finish: Callable[[Skeleton], None] | None = None,
    inline_limit: int = INLINE_LIMIT,
) -> SaveReport:
    """Write a graph to `path` as ONNX: gate, draw, stream, read back, rename.

    seed: of drawn weights. given: the others, as Evaluation takes them.
    weights: "none" writes the layout of the data without the data. progress: called with bytes
    done and in all. values, facts: as gate.check takes them. sources: texts by file name, for diagnostics.
    kind: what metadata.WEIGHTS says, where the graph does not tell. finish: changes the messages before the gate.

    Raises CompileError where the gate stops the graph; SaveError, or MachineError for a full disk, where the file
    cannot be written. Whatever is raised, KeyboardInterrupt too, `path` is as it was.
    """
    from archonnx.compiler import writer
    from archonnx.compiler.recipes import Evaluation

    if not isinstance(seed, int) or isinstance(seed, bool) or not 0 <= seed < 2**64:
        raise UsageError(f"seed is a whole number from 0 to 2**64 - 1, got {seed!r}")
    if weights not in ("init", "none"):
        raise UsageError(f'weights is "init" or "none", got {weights!r}')
    if weights == "none" or kind is None:
        kind = kind_of_weights(graph, given or {}) if weights == "init" else "none"
    props = {metadata.WEIGHTS: kind} | ({metadata.SEED: str(seed)} if kind in ("initial", "partial") else {})
    skeleton = writer.build(graph, props)
    if finish is not None:
        finish(skeleton)
    verdict = gate.check(skeleton, graph, values=values, facts=facts)
    if verdict.diagnostics:
        raise CompileError(verdict.diagnostics, sources)
    target = Path(os.path.realpath(path))
    needed = sum(i.recipe.nbytes for i in skeleton.initializers if i.tensor.dtype != "string")
    warnings: tuple[str, ...] = ()
    if given and weights == "init":
        from archonnx.compiler.weights.filling.odd import odd_values

        before, progress = _in_two(progress, sum(recipe.nbytes for recipe in given.values()), needed)
        warnings = odd_values(given, before)
    with explained(path, needed if weights == "init" else 0):
        saving = Saving(skeleton, target, Evaluation(seed, given), progress, bare=weights == "none", limit=inline_limit)
        digest, nbytes, data = saving.run()
    return SaveReport(
        Path(path),
        data,
        nbytes,
        digest,
        kind,
        len(skeleton.initializers),
        verdict.unknown,
        warnings,
        graph.quantization,
        tuple(graph.changes),
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
