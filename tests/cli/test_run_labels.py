"""`archonnx run` on a model that carries labels: the best classes by name, without more options."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest

import archonnx
from archonnx.cli import main
from archonnx.contract.diagnostics import UsageError
from archonnx.runtime.errors import ModelFileError

SOURCE = """
model Pets(classes = 3):
    input x: float32[N, 2]
    output scores = x -> Dense(classes, kernel_initializer=[[1, 0, 3], [0, 2, 0]])
    if classes == 3:
        asset labels = "pets.txt"
"""


@pytest.fixture
def model(tmp_path: Path) -> Path:
    (tmp_path / "pets.txt").write_text("cat\ndog\nowl\n")
    target = tmp_path / "pets.onnx"
    archonnx.compile(text=SOURCE, root=tmp_path).save(target)
    return target


def test_the_best_are_printed_by_name(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", str(model), "--input", "x=[[1, 1]]"]) == 0
    assert capsys.readouterr().out.splitlines() == ["scores: float32[1, 3]", "  owl  3", "  dog  2", "  cat  1"]
    assert main(["run", str(model), "--input", "x=[[1, 1], [0, 1]]", "--top", "1"]) == 0
    assert capsys.readouterr().out.splitlines() == ["scores: float32[2, 3]", "  [0]", "  owl  3", "  [1]", "  dog  2"]


def test_json_has_them_beside_the_scores(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", str(model), "--input", "x=[[1, 1]]", "--format", "json"]) == 0
    scores = json.loads(capsys.readouterr().out)["outputs"]["scores"]
    assert scores["data"] == [[1, 2, 3]]
    assert scores["top"][0][0] == {"index": 2, "label": "owl", "value": 3}
    assert main(["run", str(model), "--input", "x=[[1, 1]]", "--format", "json", "--top", "2"]) == 0
    scores = json.loads(capsys.readouterr().out)["outputs"]["scores"]
    assert "data" not in scores
    assert [entry["label"] for entry in scores["top"][0]] == ["owl", "dog"]


def test_python_asks_the_session(model: Path) -> None:
    with archonnx.load(model) as session:
        outputs, _ = session.run_with_timing(np.array([[1, 1]], np.float32))
        assert session.top(outputs, 2) == session.top(outputs["scores"], 2) == [[(2, "owl", 3.0), (1, "dog", 2.0)]]
        assert [len(row) for row in session.top(outputs)] == [3]
        with pytest.raises(UsageError, match=r"one array of scores \[\.\.\., classes\]: a, b are none"):
            session.top({"a": np.zeros(2), "b": np.zeros(2)})
        with pytest.raises(UsageError, match="str is none"):
            session.top("scores")
        for k in (0, -1, 1.5, True):
            with pytest.raises(UsageError, match=r"k is how many classes are asked for, .* received "):
                session.top(outputs, k)  # type: ignore[arg-type]


def test_labels_of_another_number_are_said_and_not_used(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file whose labels were changed after it was built: the compiler refuses to write one."""
    loaded = onnx.load(model)
    (labels,) = (entry for entry in loaded.metadata_props if entry.key == "archonnx.asset.labels")
    labels.value = "cat\ndog\n"
    wrong = tmp_path / "wrong.onnx"
    onnx.save(loaded, wrong)
    assert main(["run", str(wrong), "--input", "x=[[1, 1]]", "--top", "1"]) == 0
    said = capsys.readouterr()
    reason = "it carries 2 labels, and its scores are of 3 classes; build it again with a file of 3 lines"
    assert f"warning: {wrong}: {reason}\n" in said.err
    assert said.out.splitlines()[1:] == ["  2  3"]
    with archonnx.load(wrong) as session, pytest.raises(ModelFileError, match=reason):
        session.top(session(np.array([[1, 1]], np.float32)))
