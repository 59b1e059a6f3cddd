"""One run as trace events, the format of chrome://tracing and of https://ui.perfetto.dev: nodes on one track, and the
layers and blocks that they are of on another."""

from __future__ import annotations

from typing import Any

from archonnx.runtime.profiling.profile import Profile, TimedNode, scope_of

_PROCESS, _NODES, _SCOPES = 1, 1, 2


def trace(profile: Profile) -> dict[str, Any]:
    """Complete events ("ph": "X") in microseconds, and the names of the tracks ("ph": "M")."""
    title = f"{profile.model} on {profile.device}"
    events = [
        _name("process_name", _NODES, title),
        _name("thread_name", _NODES, f"nodes of {profile.provider}"),
        _name("thread_name", _SCOPES, "layers"),
    ]
    calls = sorted(profile.timeline, key=lambda call: (call[1], -call[2]))
    for number, began, seconds in calls:
        node = profile.nodes[number]
        events.append(_slice(node.name or node.operator, node.operator, _NODES, began, seconds, _details(node)))
    events += _scopes(profile, calls)
    return {"displayTimeUnit": "ms", "otherData": {"model": profile.model, **profile.inputs}, "traceEvents": events}


def _scopes(profile: Profile, calls: list[tuple[int, float, float]]) -> list[dict[str, Any]]:
    """A slice for each stretch of nodes that lie in the same scope, one within the other."""
    found: list[dict[str, Any]] = []
    stack: list[tuple[str, float]] = []  # open scopes, outermost first, and when they began
    end = 0.0
    for number, began, seconds in calls:
        if began < end:  # a node of a branch or body, within its outer one's time
            continue
        path = scope_of(profile.nodes[number]) if profile.nodes[number].origin is not None else ()
        same = 0
        while same < min(len(stack), len(path)) and stack[same][0] == path[same]:
            same += 1
        found += _closed(stack, same, end)
        stack += [(name, began) for name in path[same:]]
        end = began + seconds
    return [*found, *_closed(stack, 0, end)]


def _closed(stack: list[tuple[str, float]], keep: int, end: float) -> list[dict[str, Any]]:
    found = [_slice(name, "layer", _SCOPES, began, end - began, {}) for name, began in stack[keep:]]
    del stack[keep:]
    return found


def _slice(name: str, category: str, track: int, began: float, seconds: float, args: dict[str, Any]) -> dict[str, Any]:
    times = {"ts": round(began * 1e6, 3), "dur": round(seconds * 1e6, 3)}
    return {"name": name, "cat": category, "ph": "X", "pid": _PROCESS, "tid": track, **times, "args": args}


def _name(kind: str, track: int, name: str) -> dict[str, Any]:
    return {"name": kind, "ph": "M", "pid": _PROCESS, "tid": track, "args": {"name": name}}


def _details(node: TimedNode) -> dict[str, Any]:
    told = {
        "operator": node.operator,
        "layer": node.layer,
        "place": node.place,
        "macs": node.macs,
        "bytes": node.moved,
        "with": [part.name for part in node.parts] or None,
    }
    return {key: value for key, value in told.items() if value is not None}
