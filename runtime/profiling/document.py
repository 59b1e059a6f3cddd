"""A profile as data for other tools."""

from __future__ import annotations

from typing import Any

from archonnx.runtime.profiling.profile import Bound, Part, Profile, Sum, TimedNode


def document(profile: Profile) -> dict[str, Any]:
    """All of it, times in milliseconds."""
    return {
        "model": profile.model,
        "device": profile.device,
        "precision": profile.precision,
        "threads": profile.threads,
        "plan": profile.plan,
        "inputs": profile.inputs,
        "runs": profile.runs,
        "load_when_it_began": profile.load,
        "milliseconds": _ms(profile.seconds),
        "milliseconds_of_the_middle_half": [_ms(profile.spread[0]), _ms(profile.spread[1])],
        "milliseconds_with_profile": _ms(profile.watched),
        "nodes_of": {
            "provider": profile.provider,
            "precision": profile.provider_precision,
            "another_than_the_session": profile.borrowed,
        },
        "ceilings": {"gflops": profile.ceilings.compute / 1e9, "gigabytes_per_second": profile.ceilings.memory / 1e9},
        "total": {**_figures(profile.whole), "milliseconds": _ms(profile.total), "share": 1.0},
        "milliseconds_between_nodes": _ms(profile.between),
        "lines": [
            {
                "file": line.file,
                "line": line.number,
                "source": profile.sources[file].splitlines()[line.number - 1],
                **_figures(line),
                "milliseconds_of_blocks": _ms(line.inside),
                "note": line.note or None,
            }
            for file, lines in profile.lines().items()
            for line in lines.values()
            if line.number <= len(profile.sources[file].splitlines())
        ],
        "nodes": [_node(profile, node) for node in profile.nodes],
        "not_run": [{**_part(part), "why": why} for part, why in profile.apart],
        "operators": [{"operator": one.name, **_figures(one)} for one in profile.operators()],
        "sources_missing": profile.unsourced,
    }


def _node(profile: Profile, node: TimedNode) -> dict[str, Any]:
    figures = _figures(profile.one(node))
    figures["count"] = node.calls
    return {
        "name": node.name,
        "operator": node.operator,
        "provider": node.provider,
        "node": node.origin,
        "layer": node.layer,
        "place": node.place,
        "trail": list(node.trail),
        **figures,
        "bytes": node.moved,
        "with": [_part(part) for part in node.parts],
    }


def _part(part: Part) -> dict[str, Any]:
    return {"node": part.name, "operator": part.operator, "layer": part.layer, "place": part.place}


def _figures(one: Sum) -> dict[str, Any]:
    return {
        "milliseconds": _ms(one.seconds),
        "share": one.share,
        "count": one.count,
        "macs": one.macs,
        "gflops": one.gflops,
        "bound": one.bound.kind if one.bound else None,
        "share_of_bound": _share(one.bound),
    }


def _share(bound: Bound | None) -> float | None:
    return bound.share if bound else None


def _ms(seconds: float) -> float:
    return seconds * 1000
