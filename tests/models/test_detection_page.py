"""docs/detection.md: its table, parameters and command are those of models/yolo.arch."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

import archonnx
from archonnx.cli import main
from archonnx.compiler.artifact import models_of

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "detection.md").read_text(encoding="utf-8")
SOURCE = ROOT / "models" / "yolo.arch"


def test_the_models_are_those_that_ship() -> None:
    rows = re.findall(r"^\| `(YOLOv8\w)` \| ([\d,]+) \| ([\d.]+) \|$", PAGE, re.MULTILINE)
    assert [name for name, _, _ in rows] == [
        name for name, ready in models_of(SOURCE) if ready and "Detector" not in name
    ]
    for name, parameters, gflops in rows:
        graph = archonnx.compile(SOURCE, name).graph
        statistics = sum(w.size for w in graph.weights() if w.path.split("/")[-1].startswith("moving_"))
        assert f"{sum(w.size for w in graph.weights()) - statistics:,}" == parameters
        flops = 2 * graph.macs().evaluate({"N": 1, "H": 640, "W": 640})
        assert f"{flops / 1e9:.3f}" == gflops


def test_the_parameters_start_as_the_page_says() -> None:
    given = archonnx.compile(SOURCE, "YOLOv8n").graph.arguments
    (table,) = re.findall(r"^\| parameter \| \|\n(.*?)\n\n", PAGE, re.MULTILINE | re.DOTALL)
    said = dict(re.findall(r"`(\w+)=([^`]+)`", table))
    assert said == {name: given[name] for name in said}
    assert len(said) == 6


def test_the_command_builds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (line,) = re.findall(r"^```sh\n(.*?)\n```$", PAGE, re.MULTILINE | re.DOTALL)
    (tmp_path / "models").symlink_to(ROOT / "models")
    monkeypatch.chdir(tmp_path)
    assert main(shlex.split(line)[1:]) == 0
    outputs = archonnx.compile(SOURCE, "YOLOv8n", nms=True).graph.outputs
    assert [o.name for o in outputs] == ["boxes", "scores", "classes", "pictures"]
    assert (tmp_path / "yolo.onnx").exists()
