"""Parameters of models that ship: values that can do nothing are refused, whole numbers do as well as fractions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnx
import pytest

import archonnx

MODELS = Path(__file__).resolve().parents[2] / "models"
DETECTOR: dict[str, Any] = {"size": 64}


@pytest.mark.parametrize(
    ("file", "model", "given", "said"),
    [
        ("yolo", "YOLOv8nDetector", {"overlap": 7}, "overlap is a share of the boxes' union, 0 to 1, not 7"),
        ("yolo", "YOLOv8nDetector", {"overlap": -0.1}, "overlap is a share of the boxes' union, 0 to 1, not -0.1"),
        ("yolo", "YOLOv8nDetector", {"least": 25}, "least is a score, 0 to 1, not 25"),
        ("yolo", "YOLOv8nDetector", {"most": 0}, "most is how many boxes of a class are kept, at least 1, not 0"),
        ("voice", "VoiceDetector", {"threshold": 50}, "threshold is a probability between 0 and 1, not 50"),
    ],
)
def test_what_can_find_nothing_is_refused(file: str, model: str, given: dict[str, Any], said: str) -> None:
    with pytest.raises(archonnx.CompileError) as caught:
        archonnx.compile(MODELS / f"{file}.arch", model, **given)
    assert [(d.code, d.message) for d in caught.value.diagnostics] == [("E0385", said)]


def test_whole_numbers_are_shares_and_scores_too(tmp_path: Path) -> None:
    for name, given in (("whole", {"overlap": 1, "least": 0}), ("fractions", {"overlap": 1.0, "least": 0.0})):
        made = archonnx.compile(MODELS / "yolo.arch", "YOLOv8nDetector", **DETECTOR, **given)
        made.save(tmp_path / f"{name}.onnx", weights="none")
    whole, fractions = (
        onnx.load(tmp_path / f"{name}.onnx", load_external_data=False).graph.node for name in ("whole", "fractions")
    )
    assert [node.SerializeToString() for node in whole] == [node.SerializeToString() for node in fractions]
    assert sum(node.op_type == "NonMaxSuppression" for node in whole) == 1
