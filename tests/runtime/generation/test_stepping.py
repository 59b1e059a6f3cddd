"""What goes into a step and what stays: keys and values are onnxruntime's own from the first step on."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

import archonnx
from archonnx.runtime.engine import Engine

SIZES = {"layers": 2, "width": 32, "heads": 4, "vocabulary": 31, "context": 24}


def test_states_stay_where_onnxruntime_put_them(monkeypatch: pytest.MonkeyPatch) -> None:
    session = archonnx.load(archonnx.compile("zoo:gpt2", "GPT2", cache=True, **SIZES))
    calls: list[tuple[set[str], dict[str, Any], dict[str, Any]]] = []
    step = Engine.step

    def watched(self: Engine, feeds: Any, held: Any, wanted: str, keep: Any) -> Any:
        scores, kept = step(self, feeds, held, wanted, keep)
        calls.append((set(feeds), dict(held), kept))
        return scores, kept

    monkeypatch.setattr(Engine, "step", watched)
    session.generate([1, 2, 3], max_new_tokens=4)
    states = {f"{name}_{i}" for name in ("keys", "values") for i in range(2)}
    assert [fed for fed, *_ in calls] == [
        {"input_ids", "attention_mask"} | states,
        *[{"input_ids", "attention_mask"}] * 3,
    ]
    for (_, _, kept), (_, held, _) in pairwise(calls):
        assert {name: id(value) for name, value in held.items()} == {
            name.removesuffix("_next"): id(value) for name, value in kept.items()
        }
        assert not any(isinstance(value, np.ndarray) for value in held.values())
    assert [call[2]["keys_0_next"].shape() for call in calls] == [[1, 4, 3 + n, 8] for n in range(4)]


def test_states_of_half_precision_are_kept_too() -> None:
    text = """
model Half():
    input x: int64[N, T]
    input h: {dtype}[N, 4]
    new = cast(x, float32)[:, -1:] + cast(h, float32)
    output scores = concat([new, -new, new * 2], axis=-1)
    output state h = cast(new, {dtype})
"""
    for dtype in ("float16", "bfloat16"):
        session = archonnx.load(archonnx.compile(text=text.replace("{dtype}", dtype)))
        found = session.generate([1, 2], max_new_tokens=3)
        assert found.tokens == [8, 8, 8], dtype  # twice what was added up, the first of the equal ones
