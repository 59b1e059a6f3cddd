"""Where the analysis says that a random graph keeps rows apart, onnxruntime finds that it does."""

from __future__ import annotations

from collections import Counter

import numpy as np
from apart import running, verdict_of, worst
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from onnx import shape_inference
from random_graphs import ROWS, Grower

from archonnx.runtime.loading import load
from archonnx.verifying.agreement import error


def outcome(seed: int, size: int) -> str:
    """What became of one graph: "apart", "mixed", or "" where onnxruntime does not run it whole."""
    model, inputs = Grower(seed).graph(size)
    verdict = verdict_of(model, inputs)
    if verdict.blame is not None:
        return "mixed"
    try:
        found = worst(running(model), inputs, verdict, seed, ROWS)
    except Exception as failed:
        text = str(failed)
        try:
            rng = np.random.default_rng(seed)
            running(model).run(None, {name: x.drawn(rng, ROWS) for name, x in inputs.items()})
        except Exception:  # noqa: BLE001 (no graph that runs, rows apart or not)
            return ""
        raise AssertionError(f"the whole runs, and its parts do not: {text}") from failed
    assert found < 1e-4, (seed, size)
    return "apart"


@settings(max_examples=120)
@given(st.integers(0, 2**32), st.integers(1, 9))
def test_what_is_said_to_keep_rows_apart_does(seed: int, size: int) -> None:
    outcome(seed, size)


def test_the_graphs_are_of_both_kinds() -> None:
    found = Counter(outcome(seed, 1 + seed % 6) for seed in range(200))
    assert found["apart"] > 40
    assert found["mixed"] > 40
    assert found[""] < 40


@settings(max_examples=25)
@given(st.integers(0, 2**32), st.integers(1, 7), st.sampled_from([1, 2, 4, (1, 4), (3,)]))
def test_sessions_join_what_their_parts_give(seed: int, size: int, batch: int | tuple[int, ...]) -> None:
    model, inputs = Grower(seed).graph(size)
    assume(inputs["x0"].axis == 0 and verdict_of(model, inputs).blame is None)
    data = shape_inference.infer_shapes(model).SerializeToString()
    rng = np.random.default_rng(seed)
    feeds = {name: x.drawn(rng, ROWS) for name, x in inputs.items()}
    plain = load(data, "cpu", threads=1).run_with_timing(feeds)[0]
    parts = load(data, "cpu", threads=1, batch=batch).run_with_timing(feeds)[0]
    for name, expected in plain.items():
        assert parts[name].shape == expected.shape
        assert parts[name].dtype == expected.dtype
        assert error(parts[name], expected) < 1e-4
