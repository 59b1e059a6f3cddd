"""Plans for tests: of a model that is there, or of none."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from archonnx.runtime.modelfile import read_model
from archonnx.runtime.settings import Options
from archonnx.runtime.tuning.fingerprint import Fingerprint, fingerprint
from archonnx.runtime.tuning.plan import Kept, Part, Plan, Spread, Tried, plan_path
from archonnx.runtime.tuning.recipe import Recipe

EXACT = Recipe("cpu", "float32", threads=1, options=Options("basic", True))
LOWER = Recipe("openvino", "bfloat16", threads=2)


def part(batch: int = 1, *kept: Kept) -> Part:
    tried = (
        Tried("device", EXACT, "kept", "the fastest", Spread(2.0, 1.5, 2.5), Spread(1.0, 1.0, 1.0), 1e-7),
        Tried("device", LOWER, "failed", "it is not there"),
    )
    found = kept or (Kept(EXACT, 2.0, 1e-7, "the fastest"), Kept(LOWER, 1.0, 3e-3, "the fastest in bfloat16"))
    return Part(batch, {"x": f"float32[{batch}, 3]"}, found, tried)


def plan_of(model: Path, parts: Sequence[Part] = (), max_error: float | None = 1e-2) -> Plan:
    found = fingerprint(str(model), read_model(model))
    return Plan(model.name, found, "latency", max_error, "drawn", tuple(parts) or (part(),))


def leave(model: Path, parts: Sequence[Part] = (), max_error: float | None = 1e-2) -> Path:
    """Write it beside the model."""
    plan_of(model, parts, max_error).write(plan_path(model))
    return plan_path(model)


NOWHERE = Plan(
    "net.onnx",
    Fingerprint("sha256:00", {"processor": "P"}, {"onnxruntime": "1.32.0"}),
    "latency",
    1e-2,
    "drawn",
    (part(1), part(16)),
)
