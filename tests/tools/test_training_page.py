"""docs/training.md: its Python runs, its options exist, and its rule is the one that is computed."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from archonnx.cli.fit import fit
from archonnx.compiler.keras.training import judgement

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "training.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("text", [text for kind, text in BLOCKS if kind == "python"], ids=["digits", "sum"])
def test_python_runs(text: str, tmp_path: Path) -> None:
    code = f"import sys; sys.path.insert(0, {str(ROOT / 'src')!r})\n{text}"
    run = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    written = {path.name for path in tmp_path.iterdir()}
    assert written == set(re.findall(r'"(\w+\.(?:npz|onnx|safetensors|svg))"', text))


def test_options_exist() -> None:
    known = {name for parameter in fit.params for name in parameter.opts}
    named = set(re.findall(r"(?<=[` ])--[a-z][a-z-]*", PAGE))
    for kind, text in BLOCKS:
        if kind == "sh":
            commands = [shlex.split(line) for line in text.splitlines() if line.startswith("archonnx fit")]
            named |= {word for words in commands for word in words if word.startswith("-")}
    assert len(named) > 10
    assert named - {"--logdir"} <= known


def test_the_rule_is_the_one_that_is_computed() -> None:
    rule = PAGE.partition("## Under- and overfitting")[2].partition("##")[0]
    numbers = [f"{share:.0%}" for share in (judgement.FALL, judgement.LEAST, judgement.RISE)]
    assert re.findall(r"(?:than) (\d+%)", re.sub(r"\s+", " ", rule)) == numbers
