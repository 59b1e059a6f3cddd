"""A detector's outputs as people read them: the objects of a picture, best first, by the names of their classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from archonnx.cli.console import out, styled

SHOWN = 16  # objects that are listed


def are_objects(outputs: Mapping[str, Any], labels: Sequence[str] | None) -> bool:
    """Whether a model with labels gives `boxes` [K, 4], and `scores` and `classes` [K] to each."""
    if labels is None or not {"boxes", "scores", "classes"} <= set(outputs):
        return False
    boxes, scores, classes = (outputs[name] for name in ("boxes", "scores", "classes"))
    shapes = [getattr(array, "shape", None) for array in (boxes, scores, classes)]
    count = len(boxes) if shapes[0] else 0
    return shapes == [(count, 4), (count,), (count,)] and getattr(classes, "dtype", None) is not None


def objects(outputs: Mapping[str, Any], labels: Sequence[str]) -> list[dict[str, Any]]:
    """Each object with its label, index of the class, score, box (left, top, right, bottom), and place in the batch."""
    import numpy as np

    pictures = outputs.get("pictures")
    found = []
    for at in np.argsort(-outputs["scores"], kind="stable"):
        index = int(outputs["classes"][at])
        found.append(
            {
                "label": labels[index] if 0 <= index < len(labels) else str(index),
                "index": index,
                "score": float(outputs["scores"][at]),
                "box": [float(edge) for edge in outputs["boxes"][at]],
                "picture": 0 if pictures is None else int(pictures[at]),
            }
        )
    return found


def print_objects(outputs: Mapping[str, Any], labels: Sequence[str], most: int | None) -> None:
    """A line for each of the `most` best objects: the label, the score, the corners of the box."""
    found = objects(outputs, labels)
    out(styled(f"{len(found):,} object{'' if len(found) == 1 else 's'}", "bold"))
    shown = found[: most or SHOWN]
    width = max((len(one["label"]) for one in shown), default=0)
    several = len({one["picture"] for one in found}) > 1
    for one in shown:
        left, top, right, bottom = (f"{edge:.1f}" for edge in one["box"])
        place = f"  picture {one['picture']}" if several else ""
        out(f"  {one['label']:<{width}}  {one['score']:.3f}  from ({left}, {top}) to ({right}, {bottom}){place}")
    if len(found) > len(shown):
        out(styled(f"  ... and {len(found) - len(shown):,} more", "dim"))
