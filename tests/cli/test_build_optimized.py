"""`archonnx build -O0 | -O1 | -O2 --explain`: what is written at each level, and what is said of it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import onnx
import pytest

import archonnx
from archonnx.cli import main
from archonnx.contract.diagnostics import UsageError

Output = pytest.CaptureFixture[str]
TEXT = """\
block unit(filters):
    Conv2D(filters, 3, padding="same", use_bias=False)
    BatchNormalization()
    ReLU()

model Small():
    input image: float32[N, 8, 8, 3]
    for i in range(3):
        unit(4)
    output scores = image -> unit(4) -> GlobalAveragePooling2D() -> Dense(3)
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("small.arch").write_text(TEXT.replace("image -> unit", "it -> unit"))
    return tmp_path


def operators(path: str) -> Counter[str]:
    return Counter(node.op_type for node in onnx.load(path).graph.node)


def test_level_0_keeps_layers_as_they_wrote_themselves(folder: Path, capsys: Output) -> None:
    assert main(["build", "small.arch", "-O0", "-o", "zero.onnx", "--explain"]) == 0
    assert capsys.readouterr().out == "no pass changed anything\n"
    found = operators("zero.onnx")
    assert (found["Conv"], found["BatchNormalization"]) == (4, 4)
    assert found["Transpose"] > 4


def test_level_1_has_every_layers_result(folder: Path) -> None:
    assert main(["build", "small.arch", "-O1", "-o", "one.onnx"]) == 0
    found = operators("one.onnx")
    assert (found["Conv"], found["BatchNormalization"], found["Transpose"]) == (4, 4, 1)


def test_level_2_merges_layers_and_says_so_by_line(folder: Path, capsys: Output) -> None:
    assert main(["build", "small.arch", "-o", "two.onnx", "--explain"]) == 0
    told = capsys.readouterr().out.splitlines()
    at = told.index("fold_batch_norm: 4")
    assert told[at + 1] == "  small.arch:3  unit/batch_normalization: BatchNormalization into Conv  x 4"
    found = operators("two.onnx")
    assert (found["Conv"], found["BatchNormalization"], found["Transpose"]) == (4, 0, 1)


@pytest.mark.parametrize("level", [0, 1, 2])
def test_the_file_says_its_level(folder: Path, level: Any) -> None:
    archonnx.compile("small.arch").save("small.onnx", optimization=level)
    said = {prop.key: prop.value for prop in onnx.load("small.onnx").metadata_props}
    assert said["archonnx.optimization"] == str(level)


def test_a_wrong_level_is_one_line(folder: Path, capsys: Output) -> None:
    assert main(["build", "small.arch", "-O3"]) == 2
    assert "0<=x<=2" in capsys.readouterr().err
    for wrong in (3, -1, True, "2"):
        with pytest.raises(UsageError, match="optimization is 0, 1 or 2, got"):
            archonnx.compile("small.arch").save("small.onnx", optimization=wrong)  # type: ignore[arg-type]
    assert not Path("small.onnx").exists()


@pytest.mark.parametrize("options", [["-O1"], ["--explain"]])
def test_the_second_route_has_no_passes(folder: Path, capsys: Output, options: list[str]) -> None:
    assert main(["build", "small.arch", "--via", "keras", *options]) == 2
    assert f"leave {options[0]} out" in capsys.readouterr().err
