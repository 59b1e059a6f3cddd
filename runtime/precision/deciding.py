"""Which nodes of a model compute in half precision, decided by what was measured on data.

A node stays in float32 where
1. it reckons with sizes, which half precision would make others: few numbers, that come of shapes and constants alone;
2. its result is not finite in half, or would not be for data a few times as large; and then what goes into it too;
3. what it adds up inside passes the largest half;
4. it loses more than is allowed in all, alone;
5. the whole loses more than is allowed, until it does not: first what goes into those of 4, then those that lose most.
   Where nothing was said of what is allowed, the whole need only be finite, and what it loses is told.
"""

from __future__ import annotations

import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from archonnx.contract.diagnostics import MachineError
from archonnx.runtime.modelfile import ModelFile, NodePlace
from archonnx.runtime.precision.candidates import Sample, largest_error
from archonnx.runtime.precision.exact import forbid_rounding
from archonnx.runtime.precision.graphs import Graph, hoist_constants, read_graph
from archonnx.runtime.precision.lowering import lower
from archonnx.runtime.precision.operators import Floats, element_types, floats_of
from archonnx.runtime.precision.probing import OLDEST, Finding, evaluate, probe

if TYPE_CHECKING:
    from archonnx.runtime.settings import Precision

SMALL = 256  # numbers that go in and come out
LARGEST = {"float16": 65504.0, "bfloat16": 3.3e38}
ROOM = 4.0  # data may be so many times as large as those that were measured
ALLOWED = {
    "float16": 1e-2,
    "bfloat16": 5e-2,
}  # where nothing was said: what both come to, in models that are lowered well
PROBED = 4  # samples
SHOWN = 12  # nodes that the text lists
SHARES = (0.05, 0.15, 0.35, 0.7, 0.9)  # of the nodes, those that lose most, one after another


@dataclass(frozen=True, slots=True)
class LoweredNode:
    """A node that computes on floats. layer, place: of its source, `file:line:column`, None for others' models;
    precision: what it computes in; error: what it loses alone where it is lowered, None where that is not known; why:
    of one that was kept."""

    name: str
    operator: str
    layer: str | None
    place: str | None
    precision: Precision
    error: float | None
    why: str = ""

    def __str__(self) -> str:
        where = ", ".join(part for part in (self.layer or self.name, self.place and f"at {self.place}") if part)
        lost = "" if self.error is None else f", alone it would lose {self.error:.1e}"
        return f"{self.operator} ({where}) in {self.precision}: {self.why}{lost}"


@dataclass(frozen=True, slots=True)
class Lowering:
    """How a model was lowered. precision: of what was; error: of the whole, as measured in float32 that is rounded,
    None where it was not; nodes: all that compute on floats, in order."""

    precision: Precision
    error: float | None
    nodes: tuple[LoweredNode, ...]

    @property
    def kept(self) -> tuple[LoweredNode, ...]:
        """The nodes that are not lowered so far: they stay in float32, or in what floats are computed in beside
        int8."""
        return tuple(node for node in self.nodes if node.precision != self.precision)

    def beside(self, rest: Precision, error: float | None) -> Lowering:
        """The same, where what stays in floats is computed in `rest`. error: what was measured of the whole then."""
        nodes = (replace(node, precision=rest) if node.precision == "float32" else node for node in self.nodes)
        return self if rest == "float32" else Lowering(self.precision, error, tuple(nodes))

    @property
    def summary(self) -> str:
        """How many nodes were lowered, and what that cost, in a line."""
        off = "" if self.error is None else f", {self.error:.1e} off"
        return f"{len(self.nodes) - len(self.kept):,} of {len(self.nodes):,} nodes in {self.precision}{off}"

    def __str__(self) -> str:
        kept = self.kept
        lines = [self.summary]
        lines += [f"  {node}" for node in kept[:SHOWN]]
        lines += [f"  ... {len(kept) - SHOWN:,} more in {kept[-1].precision}"] if len(kept) > SHOWN else []
        return "\n".join(lines)


def decide(
    source: str | bytes,
    model: ModelFile,
    to: Precision,
    samples: Sequence[Sample],
    reference: Sequence[Sequence[Any]],
    *,
    max_error: float | None = None,
    threads: int | None = None,
    without: Mapping[str, str] | None = None,
    kinds: Collection[str] = (),
    found: dict[int, Finding] | None = None,
) -> tuple[Graph, Lowering]:
    """The model with the nodes lowered that can be, and what became of each.

    to: "float16" or "bfloat16"; samples, reference: checked inputs, and the outputs of float32 for them; max_error: of
    the whole; without: nodes that are kept, by name, each with the reason; kinds: operators that the device lacks;
    found: what was measured in an earlier try, or {} to be filled.

    Raises MachineError where nothing can be lowered, RunError, ModelFileError, OSError.
    """
    opset = model.opsets.get("", 0)
    if opset < OLDEST[to]:
        reason = f"it uses opset {opset}, {to} is made of models of opset {OLDEST[to]} and later"
        raise MachineError(f"{model.path}: {reason}; convert it with onnx.version_converter")
    graph = _fresh(source, model)
    nodes = list(graph.proto.graph.node)
    types = element_types(source)
    every = {place: each for place, node in enumerate(nodes) if (each := floats_of(node, types, opset, to))}
    floats = {place: each for place, each in every.items() if each.outputs}
    if not floats:
        raise MachineError(f"{model.path}: no operator of it computes in float32 and could in {to}")
    found = {} if found is None else found
    if not found:
        found |= probe(_fresh(source, model), model, floats, to, samples[:PROBED], threads)
    bound = sys.float_info.max if max_error is None else max_error
    constants = {tensor.name for tensor in graph.proto.graph.initializer}
    kept = {place: why for place in floats if (why := (without or {}).get(nodes[place].name))}
    kept |= {place: f"the device has no {to} of it" for place in floats if nodes[place].op_type in kinds}
    kept |= _kept(nodes, constants, floats, found, to, min(bound, ALLOWED[to]))
    made = {name: place for place, node in enumerate(nodes) for name in node.output}
    error = float("inf")
    for step in range(len(SHARES) + 2):
        left = {place: each for place, each in every.items() if place not in kept}
        if floats.keys() <= kept.keys():
            break
        trial = _fresh(source, model)
        lower(trial, left, to, emulate=True)
        error = largest_error(evaluate(trial, model, samples, threads), reference)
        if error <= bound:
            break
        if step == 0:
            before = {place: "it feeds one that loses much" for each in kept for place in _feeding(nodes, each, made)}
            kept = {**{place: why for place, why in before.items() if place in floats}, **kept}
        elif step <= len(SHARES):
            worst = sorted(floats.keys() - kept.keys(), key=lambda place: -found[place].error)
            share = worst[: max(1, int(len(floats) * SHARES[step - 1]))]
            kept |= dict.fromkeys(share, f"the whole would be {error:.1e} off")
    left = {place: each for place, each in every.items() if place not in kept}
    if floats.keys() <= kept.keys() or error > bound:
        near = "is finite" if max_error is None else f"stays within {bound:g} of float32"
        raise MachineError(f"{model.path}: no part of it computes in {to} and {near}")
    lower(graph, left, to)
    return graph, Lowering(to, error, tuple(_told(model, nodes, floats, found, kept, to)))


def _fresh(source: str | bytes, model: ModelFile) -> Graph:
    graph = read_graph(source, model.path)
    hoist_constants(graph)
    forbid_rounding(graph)
    for place, node in enumerate(graph.proto.graph.node):
        node.name = node.name or f"{node.op_type}.{place}"
    return graph


def _kept(
    nodes: Sequence[Any],
    constants: set[str],
    floats: Mapping[int, Floats],
    found: Mapping[int, Finding],
    to: str,
    bound: float,
) -> dict[int, str]:
    made = {name: place for place, node in enumerate(nodes) for name in node.output}
    aside = _aside(nodes, constants)
    kept: dict[int, str] = {}
    for place, one in found.items():
        if place in aside and one.elements <= SMALL:
            kept[place] = "it reckons with sizes"
        elif one.error == float("inf") or one.largest > LARGEST[to]:
            kept[place] = f"its results come to {one.largest:.1e}"
            if one.largest <= LARGEST[to]:
                kept[place] = "it is not finite where what goes into it is rounded"
                for before in _feeding(nodes, place, made):
                    if before in floats:
                        kept.setdefault(before, f"it feeds {nodes[place].name}, which is not finite else")
        elif one.total > LARGEST[to]:
            kept[place] = f"its sums come to {one.total:.1e}"
        elif one.error > bound:
            kept[place] = f"more than {bound:g} is lost"
    return kept


def _aside(nodes: Sequence[Any], constants: set[str]) -> set[int]:
    """The places of nodes that no input's numbers reach, but their shapes."""
    known, found = set(constants), set()
    for place, node in enumerate(nodes):
        inside = any(a.HasField("g") or a.graphs for a in node.attribute)
        if not inside and (node.op_type in ("Shape", "Size") or all(name in known for name in node.input if name)):
            known |= set(node.output)
            found.add(place)
    return found


def _feeding(nodes: Sequence[Any], place: int, made: Mapping[str, int]) -> list[int]:
    return [made[name] for name in nodes[place].input if name in made]


def _told(
    model: ModelFile,
    nodes: Sequence[Any],
    floats: Mapping[int, Floats],
    found: Mapping[int, Finding],
    kept: Mapping[int, str],
    to: Precision,
) -> list[LoweredNode]:
    told = []
    for place in sorted(floats):
        node = nodes[place]
        source = model.nodes.get(node.name) or NodePlace(node.op_type)
        precision = "float32" if place in kept else to
        each = LoweredNode(
            node.name, node.op_type, source.layer, source.place, precision, found[place].error, kept.get(place, "")
        )  # fmt: skip
        told.append(each)
    return told
