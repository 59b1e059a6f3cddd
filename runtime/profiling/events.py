"""onnxruntime's profile, a JSON list of trace events, as runs of a model and the kernels in each."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from archonnx.contract.diagnostics import MachineError

_KERNEL = "_kernel_time"
# Operators that run graphs of their own, whose nodes have events too: their time is less what those take.
_OUTER = frozenset({"If", "Loop", "Scan", "SequenceMap"})

Tensor = tuple[str, tuple[int, ...]]
"""A value as onnxruntime calls it: its element type, "float" or "int64", and its shape."""


@dataclass(frozen=True, slots=True)
class Event:
    """One call of a kernel. began: seconds since the profile began; seconds: its own, without those of nodes in its
    branches or its body; span: with them; outputs: None where onnxruntime does not tell all; moved: bytes of what it
    read and wrote, without weights in a layout of onnxruntime's own; nested: whether it is a node of a branch or a
    body."""

    name: str
    operator: str
    provider: str
    began: float
    seconds: float
    span: float
    outputs: tuple[Tensor, ...] | None
    moved: int | None = None
    nested: bool = False


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a model. seconds: of the whole; events: in the order in which they ended."""

    began: float
    seconds: float
    events: tuple[Event, ...]

    @property
    def between(self) -> float:
        """Seconds that no kernel took."""
        return self.seconds - sum(event.seconds for event in self.events)


def read_runs(text: str) -> list[Run]:
    """The runs of a profile, in order. Raises MachineError for a text that is none, as a full disk leaves it."""
    try:
        listed = json.loads(text)
    except ValueError as error:
        raise MachineError(f"onnxruntime's profile is damaged: {error}; is the disk full?") from None
    if not isinstance(listed, list):
        raise MachineError(f"onnxruntime's profile is no list of events but {type(listed).__name__}")
    runs: list[Run] = []
    waiting: list[Event] = []
    kernels: dict[str, float] = {}
    for item in listed:
        if not isinstance(item, Mapping) or not isinstance(item.get("name"), str):
            continue
        began, seconds = float(item.get("ts", 0)) / 1e6, float(item.get("dur", 0)) / 1e6
        category, name, args = item.get("cat"), item["name"], item.get("args") or {}
        if category == "Node" and name.endswith(_KERNEL):
            _settle(waiting, _event(name.removesuffix(_KERNEL), args, began, seconds))
        elif category == "Kernel":  # of a GPU: what runs there, while the node's own event is but its launch
            parent = str(args.get("parent_name", "")).removesuffix(_KERNEL)
            kernels[parent] = kernels.get(parent, 0.0) + seconds
        elif name == "model_run":
            runs.append(Run(began, seconds, tuple(_on_device(waiting, kernels))))
            waiting, kernels = [], {}
    if kernels and runs:  # they may come after the run that they belong to
        runs[-1] = replace(runs[-1], events=tuple(_on_device(runs[-1].events, kernels)))
    return runs


def _event(name: str, args: Mapping[str, Any], began: float, seconds: float) -> Event:
    outputs = _tensors(args.get("output_type_shape"))
    sizes = [str(args.get(key, "")) for key in ("activation_size", "parameter_size", "output_size")]
    moved = sum(map(int, sizes)) if all(size.isdecimal() for size in sizes) else None
    operator, provider = str(args.get("op_name", "")), str(args.get("provider", ""))
    return Event(name, operator, provider, began, seconds, seconds, outputs, moved)


def _tensors(listed: object) -> tuple[Tensor, ...] | None:
    """`[{"float": [1, 3]}, ...]`; None for what is anything else."""
    if not isinstance(listed, list):
        return None
    found = []
    for each in listed:
        if not isinstance(each, Mapping) or len(each) != 1:
            return None
        ((dtype, shape),) = each.items()
        if not isinstance(shape, list) or not all(isinstance(size, int) for size in shape):
            return None
        found.append((str(dtype), tuple(shape)))
    return tuple(found)


def _settle(waiting: list[Event], event: Event) -> None:
    """Add an event, which ends last, to those so far; those that lie within it become nested."""
    first = len(waiting)
    while event.operator in _OUTER and first and waiting[first - 1].began >= event.began:
        first -= 1
        waiting[first] = replace(waiting[first], nested=True)
    inside = sum(each.seconds for each in waiting[first:])
    waiting.append(replace(event, seconds=max(0.0, event.seconds - inside)))


def _on_device(events: Iterable[Event], kernels: Mapping[str, float]) -> list[Event]:
    """Nodes of a GPU with what their kernels took there, where the profile tells; else as they are."""
    left = dict(kernels)
    return [event if event.name not in left else replace(event, seconds=left.pop(event.name)) for event in events]
