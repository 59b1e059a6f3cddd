"""Looking up: numbers in a table, and boxes that do not overlap."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from archonnx.compiler.torch.operators.tensors import together


def _label(
    x: torch.Tensor, *, keys_int64s: Sequence[int], values_int64s: Sequence[int], default_int64: int = -1
) -> torch.Tensor:
    keys = torch.tensor(keys_int64s, device=x.device)
    values = torch.tensor(values_int64s, device=x.device)
    keys, order = torch.sort(keys)
    places = torch.searchsorted(keys, x).clamp(max=len(keys_int64s) - 1)
    return torch.where(torch.take(keys, places) == x, torch.take(values[order], places), default_int64)


def _suppress(
    boxes: torch.Tensor,
    scores: torch.Tensor,
    most: torch.Tensor | None = None,
    overlap: torch.Tensor | None = None,
    least: torch.Tensor | None = None,
    *,
    center_point_box: int = 0,
) -> torch.Tensor:
    """[chosen, 3]: batch, class, box; the best box first, then the best that overlaps no chosen one too much."""
    boxes, scores = together(boxes, scores)
    limit = 0 if most is None else int(most.item())
    threshold = 0.0 if overlap is None else float(overlap.item())
    if center_point_box:
        centre, half = boxes[..., :2], boxes[..., 2:] / 2
        boxes = torch.cat([centre - half, centre + half], -1)
    low = torch.minimum(boxes[..., :2], boxes[..., 2:])
    high = torch.maximum(boxes[..., :2], boxes[..., 2:])
    found = []
    for batch in range(scores.shape[0]):
        area = (high[batch] - low[batch]).prod(-1)
        for kind in range(scores.shape[1]):
            own = scores[batch, kind]
            order = torch.argsort(own, descending=True, stable=True)
            if least is not None:
                order = order[own[order] > least.to(own.device)]
            taken = 0
            while order.numel() and taken < limit:
                best, order = order[0], order[1:]
                found.append(torch.stack([best.new_tensor(batch), best.new_tensor(kind), best]))
                taken += 1
                begin = torch.maximum(low[batch, order], low[batch, best])
                end = torch.minimum(high[batch, order], high[batch, best])
                shared = (end - begin).clamp(min=0).prod(-1)
                union = area[order] + area[best] - shared
                order = order[torch.where(union > 0, shared / union, torch.zeros_like(union)) <= threshold]
    return torch.stack(found) if found else torch.zeros((0, 3), dtype=torch.int64, device=boxes.device)


OPERATORS: dict[str, Callable[..., Any]] = {"NonMaxSuppression": _suppress, "ai.onnx.ml::LabelEncoder": _label}
