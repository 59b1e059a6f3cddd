"""A file of weights for the one block that all weights of a model lie in: the network of a classifier."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import archonnx
from archonnx.cli import main
from archonnx.compiler.weights.filling import WeightsError, fill

SOURCE = """
block features():
    Dense(4)
    Dense(3, name="last")

model Network():
    input x: float32[N, 2]
    features()
    output y

model Classifier():
    input x: uint8[N, 2]
    cast(it, float32) / 255
    Network(name="network")
    Softmax()
    output probabilities

model Two():
    input x: float32[N, 2]
    Network(name="network")
    Dense(3, name="head")
    output y
"""
KERNEL = np.arange(8, dtype=np.float32).reshape(2, 4)
PLAIN = {
    "features/dense/kernel": KERNEL,
    "features/dense/bias": np.zeros(4, np.float32),
    "features/last/kernel": np.ones((4, 3), np.float32),
    "features/last/bias": np.zeros(3, np.float32),
}
THEIRS = {
    "fc1.weight": KERNEL.T.copy(),
    "fc1.bias": np.zeros(4, np.float32),
    "fc2.weight": np.ones((3, 4), np.float32),
    "fc2.bias": np.zeros(3, np.float32),
}


def compiled(model: str) -> archonnx.CompiledModel:
    return archonnx.compile(text=SOURCE, model=model)


def test_the_networks_own_paths_fill_it() -> None:
    filling = fill(compiled("Classifier"), PLAIN)
    assert filling.scope == "network"
    assert set(filling.given) == {f"network/{path}" for path in PLAIN}


def test_its_whole_paths_still_do() -> None:
    assert fill(compiled("Classifier"), {f"network/{path}": array for path, array in PLAIN.items()}).scope == ""


def test_a_map_for_the_network_serves(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, weights = tmp_path / "net.arch", tmp_path / "w.npz"
    source.write_text(SOURCE)
    (tmp_path / "net.other.map").write_text("layout torch\nfeatures/dense = fc1\nfeatures/last = fc2\n")
    np.savez(weights, **THEIRS)
    for more in ([], ["--map", "other"]):
        target = tmp_path / "m.onnx"
        assert (
            main(["build", str(source), "--model", "Classifier", "--weights", str(weights), *more, "-o", str(target)])
            == 0
        )
        assert "4 weights into network from" in capsys.readouterr().err
        with archonnx.load(target) as session:
            assert session(np.array([[255, 0]], np.uint8)).sum() == pytest.approx(1)


def test_what_does_not_fit_is_said_of_the_network() -> None:
    with pytest.raises(
        WeightsError, match=r"not the weights of network of Classifier: 1 missing\n  missing: features/last/bias"
    ):
        fill(compiled("Classifier"), {path: array for path, array in PLAIN.items() if path != "features/last/bias"})


def test_what_begins_with_its_name_is_said_of_the_whole() -> None:
    given = {f"network/{path}": array for path, array in PLAIN.items() if path != "features/last/bias"}
    with pytest.raises(
        WeightsError, match="not the weights of Classifier: 1 missing\n  missing: network/features/last/bias"
    ):
        fill(compiled("Classifier"), given)


def test_weights_beside_it_are_asked_for() -> None:
    with pytest.raises(WeightsError, match="not the weights of Two"):
        fill(compiled("Two"), PLAIN)
