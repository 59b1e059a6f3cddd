"""A plan of stages as JSON: what `archonnx plan-shards --format json` prints and `archonnx build --shards` reads."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from archonnx.contract.diagnostics import ArchonnxError

if TYPE_CHECKING:
    from archonnx.compiler.sharding.plan import ShardPlan

FORM = "archonnx.plan-shards"
VERSION = 1


@dataclass(frozen=True, slots=True)
class Cuts:
    """What a build needs of a plan: of which model it is, by name and by the digest of its layers, and the first layer
    of each stage. file, digest: where they were read from, and SHA-256 of that file as 64 digits; None for those of a
    plan in memory."""

    model: str
    layers: str
    begins: tuple[str, ...]
    file: str | None = field(default=None, compare=False)
    digest: str | None = field(default=None, compare=False)


def as_document(plan: ShardPlan, parts: int) -> dict[str, Any]:
    """The plan, its figures in bytes, operations and seconds. parts: of the batch, for what the pipeline is said to
    take."""
    time, waits = plan.pipelined(parts)
    return {
        FORM: VERSION,
        "model": plan.model,
        "layers": plan.layers,
        "devices": len(plan.stages),
        "memory": plan.memory,
        "precision": plan.precision,
        "sizes": dict(plan.sizes),
        "guessed": list(plan.guessed),
        "bandwidth": plan.bandwidth,
        "flops": plan.flops,
        "stages": [
            {
                "stage": stage.number,
                "first": stage.first,
                "last": stage.last,
                "layers": stage.layers,
                "lines": list(stage.lines),
                "parameters": stage.parameters,
                "weights": stage.weights,
                "states": stage.states,
                "activations": stage.activations,
                "memory": stage.memory,
                "macs": stage.macs,
                "memory_share": round(stage.memory_share, 6),
                "work_share": round(stage.work_share, 6),
                "tied": list(stage.tied),
                "seconds": stage.seconds,
            }
            for stage in plan.stages
        ],
        "links": [
            {
                "after": link.after,
                "bytes": link.nbytes,
                "seconds": link.seconds,
                "values": [
                    {"name": c.value, "type": c.type, "made": c.made, "read": list(c.read), "bytes": c.nbytes}
                    for c in link.crossings
                ],
            }
            for link in plan.links
        ],
        "traffic": plan.traffic,
        "latency": plan.latency,
        "slowest": plan.slowest,
        "pipeline": {"parts": parts, "seconds": time, "waiting": round(waits, 6)},
    }


def as_json(plan: ShardPlan, parts: int) -> str:
    """The document as text that ends in a newline."""
    return json.dumps(as_document(plan, parts), indent=2, ensure_ascii=False) + "\n"


def cuts_of(plan: ShardPlan) -> Cuts:
    """What a build needs of it."""
    return Cuts(plan.model, plan.layers, plan.begins)


def read_cuts(path: str | os.PathLike[str]) -> Cuts:
    """The cuts of a plan's file. Raises ArchonnxError where it is none, OSError where it cannot be read."""
    with open(path, "rb") as stream:
        data = stream.read()
    shown = os.fspath(path)
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        raise ArchonnxError(f"{shown}: this is no JSON, and no plan of archonnx plan-shards") from None
    if not isinstance(found, Mapping) or FORM not in found:
        raise ArchonnxError(f"{shown}: this is no plan of archonnx plan-shards")
    if found[FORM] != VERSION:
        raise ArchonnxError(f"{shown}: the plan has form {found[FORM]!r}, this archonnx reads {VERSION}: make it again")
    try:
        begins = tuple(str(stage["first"]) for stage in found["stages"])
        cuts = Cuts(str(found["model"]), str(found["layers"]), begins, shown, hashlib.sha256(data).hexdigest())
    except (KeyError, TypeError):
        raise ArchonnxError(f"{shown}: the plan is damaged: its stages do not say where they begin") from None
    if not cuts.begins:
        raise ArchonnxError(f"{shown}: the plan has no stages")
    return cuts
