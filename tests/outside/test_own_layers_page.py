"""docs/own-layers.md: what it shows is built, installed and run as it stands."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from installed import ROOT, archonnx, install

PAGE = (ROOT / "docs" / "own-layers.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)([^\n]*)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def blocks(kind: str, words: str = "") -> list[str]:
    return [text for language, given, text in BLOCKS if language == kind and given.strip() == words]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    source = tmp_path_factory.mktemp("mylayers")
    (source / "pyproject.toml").write_text(blocks("toml")[0])
    (source / "mylayers.py").write_text(blocks("python")[0])
    return install(source, tmp_path_factory.mktemp("installed"))


def test_there_is_one_of_each_kind() -> None:
    kinds = [(language, words.strip()) for language, words, _ in BLOCKS]
    assert sorted(kinds) == sorted(
        [
            ("arch", ""),
            ("toml", ""),
            ("python", ""),
            ("sh", ""),
            ("arch", "package"),
            ("arch", "package wrong"),
            ("text", ""),
        ]
    )


def run_built(folder: Path, model: str, x: np.ndarray) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Build model.arch, run it, and give the result with the weights by name."""
    import onnx
    import onnxruntime

    weights = {t.name: onnx.numpy_helper.to_array(t) for t in onnx.load(str(folder / model)).graph.initializer}
    session = onnxruntime.InferenceSession(folder / model, providers=["CPUExecutionProvider"])
    (y,) = session.run(None, {"x": x})
    return y, weights


def test_the_block_computes_what_it_says(tmp_path: Path) -> None:
    (tmp_path / "gated.arch").write_text(blocks("arch")[0])
    run = archonnx("build", "gated.arch", "-o", "gated.onnx", cwd=tmp_path)
    assert run.returncode == 0, run.stderr
    x = np.random.default_rng(1).uniform(-2, 2, (2, 5, 16)).astype(np.float32)
    y, w = run_built(tmp_path, "gated.onnx", x)
    h = x.astype(np.float64)
    for name in ("gated_linear", "gated_linear_1"):
        assert f"`{name}/kernel`" in PAGE
        h = (h @ w[f"{name}/kernel"]) / (1 + np.exp(-(h @ w[f"{name}/gate"] + w[f"{name}/bias"])))
    expected = h.mean(axis=1) @ w["dense/kernel"] + w["dense/bias"]
    np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-6)


def test_the_package_is_installed_and_its_commands_run(site: Path, tmp_path: Path) -> None:
    (tmp_path / "model.arch").write_text(blocks("arch", "package")[0])
    pip, *commands = blocks("sh")[0].splitlines()
    assert pip == "pip install ."  # what the fixture did
    assert len(commands) == 3
    for command in commands:
        word, *words = command.split()
        assert word == "archonnx"
        run = archonnx(*words, sites=(site,), cwd=tmp_path)
        assert run.returncode == 0, f"{command}\n{run.stderr}"
        assert "error" not in run.stderr, command
    x = np.random.default_rng(2).uniform(-2, 2, (3, 4, 16)).astype(np.float32)
    y, w = run_built(tmp_path, "model.onnx", x)
    h = x.astype(np.float64) @ w["low_rank_dense/left"] @ w["low_rank_dense/right"]
    h = np.maximum(h, 0).mean(axis=1)
    expected = h @ w["low_rank_dense_1/left"] @ w["low_rank_dense_1/right"]
    np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-6)


def test_the_mistake_is_reported_as_shown(site: Path, tmp_path: Path) -> None:
    (tmp_path / "wrong.arch").write_text(blocks("arch", "package wrong")[0])
    run = archonnx("build", "wrong.arch", "-o", "wrong.onnx", sites=(site,), cwd=tmp_path)
    assert run.returncode == 1
    assert run.stderr.rstrip() == blocks("text")[0].rstrip()


def test_the_codes_are_those_that_packages_meet() -> None:
    from archonnx.compiler.layers import plugins

    assert plugins.__doc__ is not None
    told = re.findall(r"^    (E\d+) ", plugins.__doc__, re.MULTILINE)
    assert re.findall(r"^\| (E\d+) \|", PAGE, re.MULTILINE) == told
