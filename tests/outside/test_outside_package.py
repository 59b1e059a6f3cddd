"""A package that is no part of the project adds layers to the language: installed by pip, used in processes of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from installed import ROOT, archonnx, environment, install

SOURCE = """
model Outside(units = 6):
    input x: float32[N, T, 8]
    y = x -> Dense(units, activation=BetaSwish(2.0))
    low = x -> LowRankDense(units, rank=3, bias_initializer="ones") -> BetaSwish()
    (z, g) = (y, low, y + low) -> GatedSum()
    output z
    output g
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return install(Path(__file__).parent / "gating", tmp_path_factory.mktemp("gating"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "outside.arch").write_text(SOURCE)
    return tmp_path


def test_check_summary_and_plot_know_its_layers(site: Path, folder: Path) -> None:
    run = archonnx("check", "outside.arch", sites=(site,), cwd=folder)
    assert (run.returncode, run.stderr) == (0, "")
    run = archonnx("summary", "outside.arch", "--format", "json", sites=(site,), cwd=folder)
    assert run.returncode == 0, run.stderr
    rows = {row["type"]: row for row in json.loads(run.stdout)["layers"]}
    assert rows["LowRankDense"]["parameters"] == 8 * 3 + 3 * 6 + 6
    assert rows["LowRankDense"]["macs"] == "42*T"
    assert rows["GatedSum"]["output_shape"] == [["N", "T", 6], ["N", "T", 6]]
    run = archonnx("plot", "outside.arch", "-o", "outside.svg", sites=(site,), cwd=folder)
    assert run.returncode == 0, run.stderr
    assert "LowRankDense" in (folder / "outside.svg").read_text()


def test_what_is_built_computes_what_numpy_does(site: Path, folder: Path) -> None:
    import onnx
    import onnxruntime

    run = archonnx("build", "outside.arch", "-o", "outside.onnx", sites=(site,), cwd=folder)
    assert run.returncode == 0, run.stderr
    weights = {t.name: onnx.numpy_helper.to_array(t) for t in onnx.load(str(folder / "outside.onnx")).graph.initializer}
    session = onnxruntime.InferenceSession(folder / "outside.onnx", providers=["CPUExecutionProvider"])
    for shape in ((2, 5, 8), (1, 3, 8)):
        x = np.random.default_rng(3).uniform(-2, 2, shape).astype(np.float32)
        z, g = session.run(None, {"x": x})
        expected_z, expected_g = reference(x.astype(np.float64), weights)
        np.testing.assert_allclose(g, expected_g, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(z, expected_z, rtol=1e-5, atol=1e-6)


def reference(x: np.ndarray, w: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    def sigmoid(v: np.ndarray) -> np.ndarray:
        return 1 / (1 + np.exp(-v))

    y = x @ w["dense/kernel"] + w["dense/bias"]
    y = y * sigmoid(2 * y)
    low = x @ w["low_rank_dense/left"] @ w["low_rank_dense/right"] + w["low_rank_dense/bias"]
    low = low * sigmoid(low)
    g = sigmoid(y + low)
    return y * g + low * (1 - g), g


INSIDE = """
defaults LowRankDense(rank=2)

block cell(units):
    input x: [N, D]
    input h: [N, units]
    y = (x, h) -> Concatenate() -> LowRankDense(units) -> BetaSwish(2.0)
    output y
    output state h = y

model Inside():
    input x: float32[N, T, 8]
    output a = x -> TimeDistributed(LowRankDense(4, rank=3))
    output b = x -> RNN(cell(4), return_sequences=True)
"""


def test_its_layers_stand_inside_others(site: Path, folder: Path) -> None:
    import onnx
    import onnxruntime

    (folder / "inside.arch").write_text(INSIDE)
    run = archonnx("build", "inside.arch", "-o", "inside.onnx", sites=(site,), cwd=folder)
    assert run.returncode == 0, run.stderr
    initializers = onnx.load(str(folder / "inside.onnx")).graph.initializer
    w = {t.name: onnx.numpy_helper.to_array(t).astype(np.float64) for t in initializers}
    session = onnxruntime.InferenceSession(folder / "inside.onnx", providers=["CPUExecutionProvider"])
    x = np.random.default_rng(5).uniform(-2, 2, (2, 3, 8)).astype(np.float32)
    a, b = session.run(None, {"x": x})
    inner = "time_distributed/low_rank_dense"
    assert w[f"{inner}/left"].shape == (8, 3)
    np.testing.assert_allclose(a, x @ w[f"{inner}/left"] @ w[f"{inner}/right"], rtol=1e-5, atol=1e-6)
    inner = "rnn/cell/low_rank_dense"
    assert w[f"{inner}/left"].shape == (12, 2)
    h = np.zeros((2, 4))
    for step in range(3):
        y = np.concatenate([x[:, step], h], axis=1) @ w[f"{inner}/left"] @ w[f"{inner}/right"]
        h = y / (1 + np.exp(-2 * y))
        np.testing.assert_allclose(b[:, step], h, rtol=1e-5, atol=1e-6)


def test_its_layers_are_listed_apart_with_the_package(site: Path) -> None:
    run = archonnx("layers", sites=(site,))
    assert (run.returncode, run.stderr) == (0, "")
    ours, _, theirs = run.stdout.partition("From the package gating-layers 1.2:\n")
    assert "BetaSwish" not in [line.split()[0] for line in ours.splitlines() if line]
    assert [line.split()[0] for line in theirs.splitlines()] == ["BetaSwish", "GatedSum", "LowRankDense"]
    assert "`x * sigmoid(beta * x)`, its result of its input's type." in theirs
    run = archonnx("layers", "--format", "json", sites=(site,))
    packages = {row["name"]: row["package"] for row in json.loads(run.stdout)}
    assert (packages["BetaSwish"], packages["Dense"]) == ("gating-layers 1.2", None)


@pytest.mark.parametrize("name", ["BetaSwish", "LowRankDense", "GatedSum"])
def test_a_layer_is_described(name: str, site: Path) -> None:
    run = archonnx("layers", name, sites=(site,))
    assert (run.returncode, run.stderr) == (0, "")
    assert run.stdout.startswith(f"{name}(")
    assert "From the package: gating-layers 1.2" in run.stdout
    assert "Shapes in the example" in run.stdout


def test_its_layers_are_completed_and_suggested(site: Path, folder: Path) -> None:
    words = {"_ARCHONNX_COMPLETE": "bash_complete", "COMP_WORDS": "archonnx layers low", "COMP_CWORD": "2"}
    code = (
        "import sys; from archonnx.cli import main; code = main(); assert 'gating' not in sys.modules; sys.exit(code)"
    )
    command = [sys.executable, "-c", code]
    run = subprocess.run(command, env=environment(site) | words, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout, run.stderr) == (0, "plain,LowRankDense\n", "")
    (folder / "near.arch").write_text("model A():\n    input x: float32[N, 8]\n    LowRankDens(4, 2)\n")
    run = archonnx("check", "near.arch", sites=(site,), cwd=folder)
    assert "did you mean LowRankDense?" in run.stderr + run.stdout


def test_its_errors_have_their_places(site: Path, folder: Path) -> None:
    (folder / "wrong.arch").write_text(
        "model A():\n    input x: float32[N, 8]\n    LowRankDense(4, rank=5)\n"
        "model B():\n    input x: int32[N, 8]\n    BetaSwish()\n"
        "model C():\n    input x: float32[N, 8]\n    LowRankDense(4, rnk=2)\n"
        "model D():\n    input x: float32[N, D]\n    LowRankDense(4, rank=0)\n"
        "model E():\n    input x: float32[N, D]\n    LowRankDense(4, 2)\n"
    )
    run = archonnx("check", "wrong.arch", "--format", "json", sites=(site,), cwd=folder)
    assert run.returncode == 1
    found = json.loads(run.stdout)
    found = found["diagnostics"] if isinstance(found, dict) else found
    assert [(d["code"], d["place"]["line"], d["place"]["column"]) for d in found] == [
        ("E0925", 3, 26),
        ("E0303", 6, 5),
        ("E0402", 9, 21),
        ("E0403", 12, 26),
        ("E0301", 15, 5),
    ]


def test_without_the_package_the_layer_is_unknown(folder: Path) -> None:
    run = archonnx("check", "outside.arch", cwd=folder)
    assert run.returncode == 1
    assert "E0202" in run.stdout + run.stderr


def test_the_package_is_typed() -> None:
    """What a package's author imports is typed: mypy finds nothing wrong in the package, strictly."""
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file", os.devnull, "--cache-dir", os.devnull]
    package = Path(__file__).parent / "gating" / "src" / "gating"
    run = subprocess.run(
        [*command, "--follow-imports", "silent", str(package)],
        cwd=ROOT,
        env={**os.environ, "MYPYPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
