"""Learned embeddings of positions, which Keras has no layer for, in models of Keras."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from test_to_keras import both, results

import archonnx

keras = pytest.importorskip("keras")

X = np.random.default_rng(4).normal(size=(2, 7, 6)).astype(np.float32)
STEPS = np.array([4, 0, 2, 9, 1, 1, 3], np.int32)
ROWS = np.stack([STEPS, STEPS[::-1]]).astype(np.int64)


@pytest.fixture(autouse=True)
def names_count_anew() -> None:
    keras.utils.clear_session(free_memory=False)


def model(flow: str) -> archonnx.CompiledModel:
    lines = ["model A():", "    input x: float32[N, T, 6]", "    require T <= 20"]
    lines += ["    input i: int32[T]"] * ("i)" in flow) + ["    input j: int64[N, T]"] * ("j)" in flow)
    return archonnx.compile(text="\n".join([*lines, f"    output y = {flow}", ""]))


@pytest.mark.parametrize(
    ("flow", "more"),
    [
        ("x -> PositionEmbedding(30)", {}),
        ("x -> PositionEmbedding(30, start_index=3)", {}),
        ("x -> PositionEmbedding(6, hierarchical_alpha=0.3)", {}),
        ("(x, i) -> PositionEmbedding(30)", {"i": STEPS}),
        ("(x, j) -> PositionEmbedding(30)", {"j": ROWS}),
        ("(x, i) -> PositionEmbedding(6, hierarchical_alpha=0.3)", {"i": STEPS}),
    ],
)
def test_rows_of_the_table_are_those_of_the_file(flow: str, more: dict[str, np.ndarray]) -> None:
    _, worst = both(model(flow), {"x": X, **more})
    assert worst <= 1e-6


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_a_saved_model_has_its_table(tmp_path: Path) -> None:
    made = archonnx.to_keras(model("x -> PositionEmbedding(30, start_index=3)"))
    made.save(tmp_path / "a.keras")
    again = keras.models.load_model(tmp_path / "a.keras")
    np.testing.assert_array_equal(results(again, [X])[0], results(made, [X])[0])


def test_a_start_that_only_a_run_tells_is_refused() -> None:
    text = (
        "model A():\n    input x: float32[N, T, 6]\n    input past: float32[N, P, 6]\n    require T + P <= 20\n"
        "    output y = x -> PositionEmbedding(30, start_index=P)\n    output z = past\n"
    )
    with pytest.raises(archonnx.ArchonnxError, match="its start_index is P, known only when the model runs"):
        archonnx.to_keras(archonnx.compile(text=text))
