"""A model in half precision on a GPU: lowered by what its data show, and by what the GPU has kernels for."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from archonnx.contract.diagnostics import MachineError
from archonnx.runtime.modelfile import ModelFile
from archonnx.runtime.precision.candidates import Sample
from archonnx.runtime.precision.deciding import Lowering, decide
from archonnx.runtime.precision.graphs import Graph
from archonnx.runtime.precision.probing import Finding

if TYPE_CHECKING:
    from archonnx.runtime.runner import Runner
    from archonnx.runtime.settings import Precision

TRIES = 24  # each finds an operator, or nodes, that the device does not compute in half
# In onnxruntime's own words; the node may be one that it made of several, and has a name of theirs in its own.
_MISSING = re.compile(r"Could not find an implementation for (\w+)\(\d+\)(?: node with name '([^']*)')?")


def start_lowered(
    source: str | bytes,
    model: ModelFile,
    to: Precision,
    samples: Sequence[Sample],
    reference: Sequence[Sequence[Any]],
    start: Callable[[str | bytes, str], Runner],
    *,
    max_error: float | None = None,
    threads: int | None = None,
) -> tuple[Runner, Lowering, Graph]:
    """The model started with its nodes lowered, what became of each, and the graph. What the device would leave to the
    CPU in half stays in float32, so that it runs on the device.

    start: makes a session of what onnxruntime loads and the folder of its external data. Raises MachineError where
    nothing can be lowered or the device does not take it, RunError, ModelFileError, OSError.
    """
    without: dict[str, str] = {}
    kinds: set[str] = set()
    found: dict[int, Finding] = {}
    for _ in range(TRIES):
        graph, lowering = decide(
            source,
            model,
            to,
            samples,
            reference,
            max_error=max_error,
            threads=threads,
            without=without,
            kinds=kinds,
            found=found,
        )
        try:
            with graph.loadable() as (made, folder):
                runner = start(made, folder)
        except MachineError as error:
            lacking = _lacking(f"{error} {error.__cause__}", lowering) - kinds
            if not lacking:
                raise
            kinds |= lacking
            continue
        left = {name for other, nodes in runner.ran.items() if other != runner.providers[0] for name, _ in nodes}
        strayed = {node.name for node in lowering.nodes if node.precision == to} & left
        if not strayed:
            return runner, lowering, graph
        without |= dict.fromkeys(strayed, f"the device has no such operator in {to}")
    raise MachineError(f"{model.path}: no way was found to run it in {to} on the device in {TRIES} tries")


def _lacking(text: str, lowering: Lowering) -> set[str]:
    """The operators that a refusal speaks of: the one that it names, and that of the node that it was made of."""
    match = _MISSING.search(text)
    if match is None:
        return set()
    within = [node for node in lowering.nodes if match[2] and node.name in match[2]]
    made_of = max(within, key=lambda node: len(node.name), default=None)
    return {match[1]} | ({made_of.operator} if made_of else set())
