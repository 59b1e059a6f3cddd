"""`archonnx verify`: what it prints, how it ends, and what it says of bad input."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest

import archonnx
from archonnx.cli import main
from archonnx.compiler.layers.dense import Dense
from archonnx.verifying import checking

ROOT = Path(__file__).resolve().parents[2]
Output = pytest.CaptureFixture[str]

SMALL = """\
model Small(units = 3):
    input x: float32[N, T, 4]
    LSTM(8)
    Dense(units, activation="softmax", name="head")
    output y
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a model in it; times are measured once."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(checking, "PATIENCE", 0.0)
    (tmp_path / "small.arch").write_text(SMALL)
    return tmp_path


@pytest.fixture
def keras() -> None:
    found = pytest.importorskip("keras")
    pytest.importorskip("tf2onnx")
    found.utils.clear_session(free_memory=False)


@pytest.mark.usefixtures("keras")
def test_a_model_that_agrees_on_one_screen(capsys: Output) -> None:
    assert main(["verify", "small.arch"]) == 0
    captured = capsys.readouterr()
    lines = captured.out.splitlines()
    assert captured.err == ""
    assert len(lines) <= 24
    assert max(map(len, lines)) <= 120
    assert lines[0] == "Small of small.arch: 3 runs (N = 1, T = 7; N = 2, T = 24; N = 5, T = 32)"
    assert lines[1] == "inputs and weights of seed 0; 1 weight that would start all alike drawn too"
    assert lines[3].split() == "error archonnx / keras via keras / keras".split()
    assert "+ 32 second biases of recurrent layers (1)" in captured.out
    assert lines[-1].startswith("agree: the largest error is ")
    assert list(Path().iterdir()) == [Path("small.arch")]


@pytest.mark.usefixtures("keras")
def test_a_model_that_differs_shows_the_line(monkeypatch: pytest.MonkeyPatch, capsys: Output) -> None:
    right = Dense.lower
    monkeypatch.setattr(
        Dense, "lower", lambda self, b, x: b.op("Neg", right(self, b, x), result=right(self, b, x).type)
    )
    assert main(["verify", "small.arch", "--via", "prediction"]) == 1
    text = capsys.readouterr().out
    assert "error[E1055]: head: archonnx's graph and Keras' own prediction part at this Dense: error" in text
    assert '4 |     Dense(units, activation="softmax", name="head")' in text
    assert text.splitlines()[-1].startswith("archonnx and keras differ: error ")
    assert main(["verify", "small.arch", "--via", "prediction", "--format", "json"]) == 1
    document = json.loads(capsys.readouterr().out)
    assert document["agrees"] is False
    assert document["comparisons"][0]["layer"] == "head"
    assert document["diagnostics"][0]["place"]["line"] == 4


@pytest.mark.usefixtures("keras")
def test_json_for_tools(capsys: Output) -> None:
    assert main(["verify", "small.arch", "--format", "json", "--seed", "3", "--bind", "T=6", "--layers"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert list(document) == [
        *("model", "source", "agrees", "tolerance", "seed", "runs", "spread", "comparisons", "files", "parameters"),
        *("notes", "refused", "diagnostics"),
    ]
    assert document["runs"] == [{"N": 1, "T": 6}, {"N": 2, "T": 6}, {"N": 5, "T": 6}]
    assert [(c["side"], c["reference"]) for c in document["comparisons"]] == [
        ("archonnx", "keras"),
        ("via keras", "keras"),
    ]
    assert all(c["error"] <= 1e-5 and c["layers"]["compared"] == 2 for c in document["comparisons"])
    assert document["files"].keys() == {"archonnx", "via keras"}
    total = document["parameters"]["total"]
    for account in document["parameters"]["accounts"]:
        assert total + sum(item["count"] for item in account["items"]) == account["total"]


@pytest.mark.usefixtures("keras")
def test_a_second_route_that_is_refused_is_a_note_unless_it_is_asked_for(capsys: Output) -> None:
    Path("steps.arch").write_text(
        "model Steps():\n    input x: float32[N, T, 4]\n    TimeDistributed(Dense(3))\n    output y\n"
    )
    assert main(["verify", "steps.arch"]) == 0
    text = capsys.readouterr().out
    assert "note: the second route is left out: steps.arch:3:5: error[E1052]" in text
    assert main(["verify", "steps.arch", "--via", "keras"]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("error[E1052]: ")


@pytest.mark.usefixtures("keras")
def test_another_backend_of_keras_leaves_its_prediction(monkeypatch: pytest.MonkeyPatch, capsys: Output) -> None:
    import keras

    monkeypatch.setattr(keras.backend, "backend", lambda: "torch")
    assert main(["verify", "small.arch"]) == 0
    assert "note: the second route is left out: the second route goes through TensorFlow" in capsys.readouterr().out
    assert main(["verify", "small.arch", "--via", "keras"]) == 3


@pytest.mark.usefixtures("keras")
def test_a_second_route_that_does_not_run_is_a_note_unless_it_is_asked_for(capsys: Output) -> None:
    """onnxruntime convolves float32 alone; archonnx's own graph casts."""
    Path("wide.arch").write_text(
        'model Wide():\n    input x: float64[N, 6, 6, 2]\n    Conv2D(3, 2, dtype="float64")\n    output y\n'
    )
    assert main(["verify", "wide.arch"]) == 0
    text = capsys.readouterr().out
    assert "note: the second route is left out: the graph that Keras and tf2onnx make fails: onnxruntime" in text
    assert "/tmp" not in text
    assert main(["verify", "wide.arch", "--via", "keras"]) == 1
    assert "via keras and keras differ: the graph that Keras and tf2onnx make fails" in capsys.readouterr().out


@pytest.mark.usefixtures("keras")
def test_outputs_that_tell_little_are_compared_layer_by_layer(capsys: Output) -> None:
    Path("sure.arch").write_text(
        "model Sure():\n    input x: float32[N, 4]\n    x -> Dense(5) -> Rescaling(1e6) -> Softmax()\n    output y\n"
    )
    assert main(["verify", "sure.arch", "--via", "prediction"]) == 0
    text = capsys.readouterr().out
    assert "note: the outputs are all 0, 1 or alike, which tells little: results of layers are compared" in text
    assert "results of layers" in text


@pytest.mark.usefixtures("keras")
def test_types_of_16_bits_are_allowed_more(capsys: Output) -> None:
    Path("half.arch").write_text(
        "model Half():\n    input x: float16[N, 4]\n    Dense(3, dtype=float16)\n    output y\n"
    )
    assert main(["verify", "half.arch"]) == 0
    captured = capsys.readouterr()
    assert captured.out.endswith("0.005 is allowed\n")
    assert captured.err == ""
    assert main(["verify", "half.arch", "--tolerance", "1e-9"]) == 1


@pytest.mark.usefixtures("keras")
def test_a_model_without_layers(capsys: Output) -> None:
    Path("through.arch").write_text("model Through():\n    input x: float32[N, 4]\n    output y = x\n")
    assert main(["verify", "through.arch", "--layers"]) == 0
    assert "agree: the largest error is 0" in capsys.readouterr().out


@pytest.mark.usefixtures("keras")
def test_a_layer_that_keras_has_not_is_said(capsys: Output) -> None:
    Path("raw.arch").write_text("model Raw():\n    input x: float32[N, 4]\n    output y = x -> onnx.HardSwish()\n")
    assert main(["verify", "raw.arch"]) == 1
    assert "Raw cannot become a Keras model" in capsys.readouterr().err
    archonnx.compile("raw.arch").save("raw.onnx")
    assert main(["verify", "raw.arch", "--against", "raw.onnx"]) == 0


def test_against_a_file_no_keras_is_loaded() -> None:
    archonnx.compile("small.arch").save("small.onnx")
    code = (
        "import sys; from archonnx.cli import main; code = main(['verify', 'small.arch', '--against', 'small.onnx']);"
        "assert 'keras' not in sys.modules and 'tensorflow' not in sys.modules; sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "agree: the largest error is 0, 0.0001 is allowed" in done.stdout


def test_weights_of_the_file_that_is_compared_with(capsys: Output) -> None:
    archonnx.compile("small.arch").save("seven.onnx", seed=7)
    assert main(["verify", "small.arch", "--against", "seven.onnx"]) == 1
    assert "its weights may be others: --weights" in capsys.readouterr().out
    assert main(["verify", "small.arch", "--against", "seven.onnx", "--weights", "seven.onnx"]) == 0


def test_a_file_that_fails_is_a_difference(capsys: Output) -> None:
    archonnx.compile("small.arch").save("other.onnx")
    model = onnx.load("other.onnx")
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.ClearField("dim")
        value.type.tensor_type.ClearField("shape")
    del model.graph.value_info[:]
    name = model.graph.node[0].input[0]
    model.graph.node.insert(0, onnx.helper.make_node("Reshape", [name, "three"], ["cut"]))
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.array([1, 1, 3]), "three"))
    model.graph.node[1].input[0] = "cut"
    onnx.save(model, "other.onnx")
    assert main(["verify", "small.arch", "--against", "other.onnx"]) == 1
    text = capsys.readouterr().out
    assert "fails" in text
    assert "Traceback" not in text


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["--against", "missing.onnx"], 1, "missing.onnx: there is no such file"),
        (["--against", "small.arch"], 1, "small.arch"),
        (["--bind", "Q=3"], 2, "--bind Q: the model has no symbol Q; it has N, T"),
        (["--bind", "N=0"], 2, "--bind N: N is at least 1, got 0"),
        (["--bind", "T=few"], 2, "--bind T: expected a size"),
        (["--tolerance", "-1"], 2, "--tolerance"),
        (["--weights", "none"], 2, "there is nothing to compare without weights"),
        (["--weights", "missing.npz"], 1, "missing.npz"),
        (["--model", "Smal"], 2, "Small"),
    ],
)
def test_bad_input_is_one_line(words: list[str], code: int, message: str, capsys: Output) -> None:
    assert main(["verify", "small.arch", *words]) == code
    captured = capsys.readouterr()
    assert captured.out == ""
    assert message in captured.err
    assert "Traceback" not in captured.err
    assert "has a bug" not in captured.err


def test_times_in_three_digits() -> None:
    from archonnx.cli.verify_text import duration

    assert [duration(seconds) for seconds in (5.594, 0.0812, 3.08e-5)] == ["5.59 s", "81.2 ms", "0.0308 ms"]
