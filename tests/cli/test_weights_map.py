"""`archonnx weights map`: what it proposes, what it says of it, and that a build takes it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from archonnx.cli import main

Output = pytest.CaptureFixture[str]
TEXT = """\
block body(width):
    Dense(width)
    Dense(width)

model Small():
    input x: float32[N, 4]
    body(6)
    Dense(2, name="head")
    output y
"""
rng = np.random.default_rng(2)


def linear(name: str, narrow: int, wide: int) -> dict[str, np.ndarray]:
    made = {f"{name}.weight": rng.normal(size=(wide, narrow)), f"{name}.bias": rng.normal(size=wide)}
    return {key: array.astype("float32") for key, array in made.items()}


FILE = linear("net.0", 4, 6) | linear("net.2", 6, 6) | linear("out", 6, 2)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("small.arch").write_text(TEXT)
    safetensors.numpy.save_file(FILE, "w.safetensors")
    return tmp_path


def test_a_map_that_a_build_takes(folder: Path, capsys: Output) -> None:
    assert main(["weights", "map", "small.arch", "w.safetensors"]) == 0
    captured = capsys.readouterr()
    assert captured.out.splitlines() == [
        "# w.safetensors, for Small of small.arch. Proposed, not proven.",
        "layout torch",
        "",
        "body/dense_{i} = net.{2*i}  # nothing else has these shapes, 2 times",
        "head = out                  # nothing else has these shapes",
    ]
    assert captured.err == "6 of 6 weights by 2 rules: 2 by shape\n"
    assert main(["weights", "map", "small.arch", "w.safetensors", "-o", "small.tool.map"]) == 0
    assert capsys.readouterr().err == "small.tool.map: 6 of 6 weights by 2 rules: 2 by shape\n"
    assert Path("small.tool.map").read_text() == captured.out
    assert main(["build", "small.arch", "-o", "m.onnx", "--weights", "w.safetensors"]) == 0


def test_names_with_a_number_of_their_own_that_are_counted_too(folder: Path, capsys: Output) -> None:
    text = """\
block body():
    for i in range(3):
        Conv2D(3, 3)

model Small():
    input x: float32[N, 8, 8, 3]
    body()
    output y
"""
    Path("conv.arch").write_text(text)
    given = {}
    for layer in ("conv2d", "conv2d_1", "conv2d_2"):
        given[f"{layer}.weight"] = rng.normal(size=(3, 3, 3, 3)).astype("float32")
        given[f"{layer}.bias"] = rng.normal(size=3).astype("float32")
    safetensors.numpy.save_file(given, "conv.safetensors")
    assert main(["weights", "map", "conv.arch", "conv.safetensors", "-o", "conv.tool.map"]) == 0
    assert "body/conv2d_{i} = conv2d_{i}" in Path("conv.tool.map").read_text()
    assert (
        main(["weights", "export", "conv.arch", "back.npz", "--layout", "torch", "--weights", "conv.safetensors"]) == 0
    )
    back = np.load("back.npz")
    for name, array in given.items():
        assert np.array_equal(back[f"body.{name}"], array), name


def test_a_scope(folder: Path, capsys: Output) -> None:
    safetensors.numpy.save_file({k: v for k, v in FILE.items() if k.startswith("net")}, "body.safetensors")
    assert main(["weights", "map", "small.arch", "body.safetensors", "--scope", "body"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("# body.safetensors, for body of Small of small.arch.")
    assert "\ndense_{i} = net.{2*i}  # " in out


def test_what_is_left_over_is_said(folder: Path, capsys: Output) -> None:
    safetensors.numpy.save_file(FILE | {"step": np.zeros(3, "float32")}, "more.safetensors")
    assert main(["weights", "map", "small.arch", "more.safetensors"]) == 1
    captured = capsys.readouterr()
    assert captured.out.splitlines()[-1] == "# ignore step"
    assert captured.err.splitlines()[-1] == "1 tensor of the file left over: see the map's end"


def test_order_alone_is_said_to_be_unsure(folder: Path, capsys: Output) -> None:
    Path("small.arch").write_text(TEXT.replace("N, 4]", "N, 6]"))
    safetensors.numpy.save_file(linear("qx", 6, 6) | linear("br", 6, 6) | linear("fz", 6, 2), "odd.safetensors")
    assert main(["weights", "map", "small.arch", "odd.safetensors"]) == 0
    captured = capsys.readouterr()
    assert captured.out.count("# unsure: by order alone") == 2
    assert captured.err.splitlines() == [
        "6 of 6 weights by 3 rules: 1 by shape, 2 unsure",
        "look at the rules that are unsure: only their order speaks for them",
    ]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["small.arch", "x.npz"], 1, "error: x.npz: there is no such file"),
        (["x.arch", "w.safetensors"], 1, "error: x.arch: there is no such file"),
        (
            ["small.arch", "w.safetensors", "--scope", "x"],
            2,
            "error: the model Small has no scope x with weights; scopes",
        ),
        (["small.arch", "w.safetensors", "-o", "no/x.map"], 1, "error: cannot write no/x.map: there is no folder "),
        (
            ["small.arch", "ours.npz"],
            1,
            "error: ours.npz needs no map: its names agree with the model's (by path)",
        ),
        (
            ["small.arch", "other.npz"],
            1,
            "error: other.npz: nothing in it has the shapes of a layer of Small; archonnx",
        ),
    ],
)
def test_what_is_wrong(folder: Path, capsys: Output, arguments: list[str], code: int, message: str) -> None:
    ours = {"body/dense": "net.0", "body/dense_1": "net.2", "head": "out"}
    arrays = {f"{path}/kernel": FILE[f"{name}.weight"].T for path, name in ours.items()}
    np.savez("ours.npz", **arrays, **{f"{path}/bias": FILE[f"{name}.bias"] for path, name in ours.items()})
    np.savez("other.npz", a=np.zeros((3, 3), "float32"))
    assert main(["weights", "map", *arguments]) == code
    captured = capsys.readouterr()
    assert captured.err.startswith(message)
    assert captured.err.count("\n") == 1
    assert captured.out == ""
