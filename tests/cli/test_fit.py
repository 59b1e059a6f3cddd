"""`archonnx fit`: what it prints and writes, and that nothing is written where something is wrong."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import archonnx
from archonnx.cli import main

ROOT = Path(__file__).resolve().parents[2]
SIDES = """block body():
    Dense(8, activation="relu")

model Sides():
    input x: float32[N, 2]
    body()
    Dense(2, name="head")
    output side
"""

Output = pytest.CaptureFixture[str]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in, with a model and points left and right of a line."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sides.arch").write_text(SIDES)
    x = np.random.default_rng(0).normal(size=(240, 2))
    side = (x[:, 0] > x[:, 1]).astype(np.int64)
    np.savez(tmp_path / "train.npz", x=x[:200], side=side[:200])
    np.savez(tmp_path / "held.npz", x=x[200:], side=side[200:])
    np.save(tmp_path / "x.npy", x)
    return tmp_path


def test_a_training_from_beginning_to_end(folder: Path, capsys: Output) -> None:
    """In a process of its own, as a person runs it: TensorFlow's greetings are not seen."""
    command = "fit sides.arch --data train.npz --test-data held.npz --epochs 12 --learning-rate 0.05"
    command += " --curve curve.svg --onnx sides.onnx -o sides.safetensors --tensorboard logs --format json"
    run = subprocess.run(
        [sys.executable, "-W", "error", "-m", "archonnx", *command.split()],
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    lines = run.stderr.splitlines()
    assert lines[:2] == [
        "180 examples to train on, 20 to validate, 40 to test",
        "side: categorical cross-entropy of class numbers, from logits; measured: accuracy",
    ]
    assert [line.split()[0] for line in lines[2:14] if line[0] == " "] == [f"{n}/12" for n in range(1, 10)]
    assert [line.split()[0] for line in lines[2:14] if line[0] != " "] == ["10/12", "11/12", "12/12"]
    assert [line.partition(":")[0].partition(" ")[0] for line in lines[14:]][:2] == ["best", "test"]
    assert lines[-3].startswith("sides.safetensors: 4 weights, of epoch ")
    assert lines[-2:] == ["sides.onnx: Sides", "curve.svg: the learning curve"]
    document = json.loads(run.stdout)
    assert document["test"]["accuracy"] > 0.9
    assert len(document["history"]["val_loss"]) == 12
    assert document["best"]["epoch"] == 1 + int(np.argmin(document["history"]["val_loss"]))
    assert sorted(p.name for p in folder.iterdir()) == sorted(
        "curve.svg held.npz logs sides.arch sides.onnx sides.safetensors train.npz x.npy".split()
    )
    held = np.load("held.npz")
    results = archonnx.load("sides.onnx")(held["x"].astype(np.float32))
    assert np.mean(results.argmax(axis=1) == held["side"]) == pytest.approx(document["test"]["accuracy"])
    assert main(["build", "sides.arch", "--weights", "sides.safetensors", "-o", "again.onnx"]) == 0
    assert np.array_equal(archonnx.load("again.onnx")(held["x"].astype(np.float32)), results)
    assert main(["weights", "list", "sides.safetensors"]) == 0
    assert f"epoch: {document['best']['epoch']}" in capsys.readouterr().out


def test_weights_to_begin_from_and_layers_that_stay(folder: Path, capsys: Output) -> None:
    whole = "fit sides.arch --data train.npz --epochs 1 --metrics none -o first.npz"
    assert main(whole.split()) == 0
    first = np.load("first.npz")
    np.savez("body.npz", **{name.removeprefix("body/"): first[name] for name in first if name.startswith("body/")})
    second = "fit sides.arch --data train.npz --epochs 1 --weights body=body.npz --freeze body --seed 3 -o second.npz"
    assert main(second.split()) == 0
    said = capsys.readouterr().err
    assert "2 weights into body from body.npz" in said
    assert "frozen: body, 1 layer, whose results are computed once\n" in said
    again = np.load("second.npz")
    assert {name for name in first if np.array_equal(first[name], again[name])} == {
        "body/dense/kernel",
        "body/dense/bias",
    }


@pytest.mark.usefixtures("ctrl_c")
def test_an_interrupted_training_is_written_and_said(
    folder: Path, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    import signal

    from archonnx.cli import fitting

    def report(self: fitting.Display, epoch: object) -> None:
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(fitting.Display, "report", report)
    assert main("fit sides.arch --data train.npz --epochs 9".split()) == 130
    assert "best: epoch 1 of 1, interrupted" in capsys.readouterr().err
    assert Path("Sides.safetensors").exists()


def test_the_help_names_every_optimizer(capsys: Output) -> None:
    from archonnx.compiler.keras.training.plan import OPTIMIZERS

    assert main(["fit", "--help"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert f"{', '.join(list(OPTIMIZERS)[:-1])} or {list(OPTIMIZERS)[-1]}." in said


WRONG = [
    # the words after `fit sides.arch`, the exit code, what is said
    ("--data nothing.npz", 1, "nothing.npz: there is no such file"),
    ("--data sides.arch", 1, "sides.arch: it cannot be unpacked"),
    ("--data x.npy", 2, "x.npy: one array alone has no name; say which input or output it is: NAME=x.npy"),
    ("--data x=x.npy", 1, "the data: there is no array side, the targets of the output side, float32[N, 2]"),
    ("--data x=x.npy --data side=train.npz", 1, "the data: x has 240 examples and side 200"),
    ("--data train.npz --data held.npz", 2, "--data is one archive, FILE.npz, or arrays by name, NAME=FILE"),
    ("--data train.npz --loss hubr", 2, "there is no loss 'hubr'; did you mean huber?"),
    ("--data train.npz --loss side=mse --loss mae", 2, "--loss is one name for all outputs, or OUTPUT=NAME for each"),
    ("--data train.npz --metrics accuracy,auc", 2, "the metric auc needs targets of 0 and 1"),
    ("--data train.npz --optimizer adamm", 2, "there is no optimizer 'adamm'; did you mean adam?"),
    ("--data train.npz --learning-rate 0", 2, "learning_rate is a number above 0, got 0.0"),
    (
        "--data train.npz --freeze bdy",
        2,
        "freeze bdy: there is no such scope or layer with weights; did you mean body?",
    ),
    ("--data train.npz --curve curve.jpg", 2, "a picture's name ends in .svg or .png"),
    ("--data train.npz --onnx model.pb", 2, "--onnx model.pb: the file's name ends in .onnx"),
    ("--data train.npz -o weights.txt", 2, "weights.txt: its ending names no format of weights"),
    ("--data train.npz -o no/w.npz", 1, "cannot write no/w.npz: there is no folder no; make it first"),
    ("--data train.npz --weights none", 2, "--weights none: without weights there is nothing to train"),
    ("--data train.npz --weights nothing.pth", 1, "nothing.pth: there is no such file"),
    ("--data train.npz --validation-data held.npz --validation-split 0.2", 2, "give one"),
    ("--data train.npz --validation-split 1", 2, "1.0 is not in the range 0<=x<1"),
    ("--data train.npz --optimizer sgd --learning-rate 1e30 --epochs 2", 1, "the loss is"),
]


@pytest.mark.parametrize(("words", "code", "said"), WRONG, ids=range(len(WRONG)))
def test_what_is_wrong_is_said_and_nothing_is_written(
    words: str, code: int, said: str, folder: Path, capsys: Output
) -> None:
    before = sorted(folder.iterdir())
    assert main(["fit", "sides.arch", *words.split()]) == code
    captured = capsys.readouterr()
    assert said in captured.err
    assert "Traceback" not in captured.err
    assert sorted(folder.iterdir()) == before


def test_without_keras_the_command_says_what_to_install(
    folder: Path, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "keras", None)
    assert main(["fit", "sides.arch", "--data", "train.npz"]) == 3
    assert capsys.readouterr().err == "error: Keras is not installed: pip install 'archonnx[keras]'\n"
