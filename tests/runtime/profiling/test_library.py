"""Models on OpenVINO's own library: its nodes' times at the lines of the source. Skipped where it does not run."""

from __future__ import annotations

from typing import Any

import pytest
from profiled_models import CELL, LOOPED, Profiles


@pytest.mark.parametrize(
    ("text", "model", "parameters"),
    [
        (LOOPED, None, {}),
        (CELL, None, {}),
        ("bert.arch", "SentenceBERT", {"layers": 2, "width": 32, "heads": 2, "vocabulary": 50}),
        ("lstm.arch", "CharacterModel", {"vocabulary": 50, "units": 8}),
    ],
)
def test_the_same_work_stands_at_the_same_lines(
    on_openvino: Profiles, profiles: Profiles, text: str, model: str | None, parameters: Any
) -> None:
    """onnxruntime and OpenVINO fuse differently; what products a line stands for is the source's."""
    theirs, ours = (made(text, model, **parameters) for made in (on_openvino, profiles))
    assert theirs.provider == "OpenVINO"
    assert not theirs.borrowed
    for (file, mine), (_, others) in zip(ours.lines().items(), theirs.lines().items(), strict=True):
        work = {number: line.macs for number, line in mine.items() if line.macs}
        if text != CELL:  # OpenVINO tells of no node in a body
            assert work == {number: line.macs for number, line in others.items() if line.macs}, file
    lines = [line for found in theirs.lines().values() for line in found.values()]
    rest = sum(node.seconds for node in theirs.elsewhere())
    assert sum(line.seconds for line in lines) + rest + theirs.between == pytest.approx(theirs.total)


def test_fused_and_added_nodes_are_called_so(on_openvino: Profiles) -> None:
    text = """model Small():
    input x: float32[N, 8, 8, 4]
    Conv2D(16, 3)
    ReLU()
    GlobalAveragePooling2D()
    output y
"""
    profile = on_openvino(text)
    (convolution,) = (node for node in profile.nodes if node.operator == "Convolution")
    assert convolution.place == "text.arch:3:5"
    assert "Relu" in {part.operator for part in convolution.parts}
    assert profile.lines()["text.arch"][4].note == "in 3"
    assert all(node.provider == "OpenVINO" for node in profile.nodes)
    assert "times    of OpenVINO; " in profile.text()
