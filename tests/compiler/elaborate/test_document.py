"""The models of docs/language.md compile, as one file."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import archonnx

DOCUMENT = (Path(__file__).parents[3] / "docs" / "language.md").read_text(encoding="utf-8")
SOURCE = "\n".join(re.findall(r"```arch\n(.*?)```", DOCUMENT, re.DOTALL))
MODELS = re.findall(r"^model (\w+)", SOURCE, re.MULTILINE)


@pytest.mark.parametrize("model", [name for name in MODELS if name != "ResNet"])
def test_a_model_of_the_document_compiles(model: str, tmp_path: Path) -> None:
    path = tmp_path / "document.arch"
    path.write_text(SOURCE, encoding="utf-8")
    (tmp_path / "flowers.txt").write_text("daisy\ndandelion\nrose\nsunflower\ntulip\n", encoding="utf-8")
    assert archonnx.compile(path, model=model).graph.outputs


def test_the_only_other_model_needs_an_argument(tmp_path: Path) -> None:
    path = tmp_path / "document.arch"
    path.write_text(SOURCE, encoding="utf-8")
    with pytest.raises(archonnx.CompileError, match="depths"):
        archonnx.compile(path, model="ResNet")
