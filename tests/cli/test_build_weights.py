"""`archonnx build --weights --map`: what is filled, what is said of it, and that nothing is written where it fails."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
import safetensors.numpy

import archonnx
from archonnx.cli import main

Output = pytest.CaptureFixture[str]
TEXT = """\
block body():
    Dense(6)

model Small():
    input x: float32[N, 4]
    body()
    Dense(2, name="head")
    output y
"""
rng = np.random.default_rng(2)
ARRAYS = {
    "body/dense/kernel": rng.normal(size=(4, 6)).astype("float32"),
    "body/dense/bias": rng.normal(size=6).astype("float32"),
    "head/kernel": rng.normal(size=(6, 2)).astype("float32"),
    "head/bias": rng.normal(size=2).astype("float32"),
}
TORCH = {
    "fc.weight": ARRAYS["body/dense/kernel"].T.copy(),
    "fc.bias": ARRAYS["body/dense/bias"],
    "out.weight": ARRAYS["head/kernel"].T.copy(),
    "out.bias": ARRAYS["head/bias"],
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("small.arch").write_text(TEXT)
    safetensors.numpy.save_file(ARRAYS, "w.safetensors")
    safetensors.numpy.save_file(TORCH, "torch.safetensors")
    safetensors.numpy.save_file({k: v for k, v in ARRAYS.items() if k.startswith("body")}, "body.safetensors")
    safetensors.numpy.save_file({"kernel": ARRAYS["head/kernel"], "bias": ARRAYS["head/bias"]}, "head.safetensors")
    safetensors.numpy.save_file({"weight": TORCH["out.weight"], "bias": ARRAYS["head/bias"]}, "torch_head.safetensors")
    return tmp_path


def stored(path: str = "out.onnx") -> dict[str, np.ndarray]:
    found = archonnx.compile("small.arch").with_weights(path).values()
    return {name: found[name] for name in ARRAYS}


def of_weights(path: str = "out.onnx") -> str:
    return next(
        p.value for p in onnx.load(path, load_external_data=False).metadata_props if p.key == "archonnx.weights"
    )


def built(*options: str) -> int:
    return main(["build", "small.arch", "-o", "out.onnx", *options])


def assert_filled() -> None:
    for name, array in stored().items():
        np.testing.assert_array_equal(array, ARRAYS[name])
    assert of_weights() == "given"


def test_weights_by_path(folder: Path, capsys: Output) -> None:
    assert built("--weights", "w.safetensors") == 0
    said = capsys.readouterr().err.splitlines()
    assert said[0] == "4 weights from w.safetensors (by path)"
    assert said[1].startswith("out.onnx: Small, ")
    assert len(said) == 2
    assert_filled()
    Path("out.onnx").rename("again.onnx")
    assert built("--weights", "again.onnx") == 0
    assert (
        capsys.readouterr().err.splitlines()[0] == "4 weights from again.onnx (initializers of the model's own .onnx)"
    )
    assert Path("again.onnx").read_bytes() == Path("out.onnx").read_bytes()


def test_maps(folder: Path, capsys: Output) -> None:
    Path("small.tool.map").write_text("layout torch\nbody/dense = fc\nhead = out\n")
    for options in ([], ["--map", "tool"], ["--map", "small.tool.map"]):
        assert built("--weights", "torch.safetensors", *options) == 0
        assert capsys.readouterr().err.splitlines()[0] == "4 weights from torch.safetensors (by small.tool.map)"
        assert_filled()


def test_scopes(folder: Path, capsys: Output) -> None:
    Path("small.head.map").write_text("layout torch\nkernel = weight\nbias = bias\n")
    assert built("--weights", "head=head.safetensors") == 0
    assert capsys.readouterr().err.splitlines()[0] == "2 weights into head from head.safetensors (by path)"
    assert of_weights() == "partial"
    assert built("--weights", "head=torch_head.safetensors", "--weights", "body.safetensors", "--map", "head=head") == 0
    assert capsys.readouterr().err.splitlines()[:2] == [
        "2 weights from body.safetensors (by path)",
        "2 weights into head from torch_head.safetensors (by small.head.map)",
    ]
    assert_filled()


def test_init_and_none_as_before(folder: Path) -> None:
    assert built("--weights", "init") == 0
    first = Path("out.onnx").read_bytes()
    assert built() == 0
    assert Path("out.onnx").read_bytes() == first
    assert built("--weights", "none") == 0
    assert of_weights() == "none"


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["--weights", "x.npz"], 1, "error: x.npz: there is no such file"),
        (
            ["--weights", "small.arch"],
            1,
            "error: small.arch: this is no file of weights that is known; known are .safe",
        ),
        (
            ["--weights", "bod=w.safetensors"],
            2,
            "error: the model Small has no scope bod with weights; did you mean body?",
        ),
        (
            ["--weights", "none", "--weights", "w.safetensors"],
            2,
            "error: --weights none stands alone, here is w.safetensors too; a file called so is ./none",
        ),
        (["--weights", "init", "--map", "x"], 2, "error: --weights init stands alone, here is --map too; a file"),
        (["--weights", "body="], 2, "error: --weights body=: the path is empty"),
        (["--weights", ""], 2, "error: --weights : the path is empty"),
        (
            ["--weights", "=body.npz"],
            2,
            "error: --weights =body.npz: no block stands before the =; for the whole model: --weights body.npz",
        ),
        (
            ["--weights", "a=w.safetensors", "--weights", "a/=b"],
            2,
            "error: --weights fills a twice: w.safetensors and b",
        ),
        (["--map", "tool"], 2, "error: --map tool: no --weights is given for the whole model; name the file with"),
        (
            ["--weights", "a=w.safetensors", "--weights", "b=w.safetensors", "--map", "c=x"],
            2,
            "error: --map x: no --weights is given for c; there are files for --map a=..., --map b=...",
        ),
        (
            ["--weights", "w.safetensors", "--map", "tool"],
            2,
            "error: there is no map tool beside small.arch; its file is",
        ),
        (["--weights", "w.safetensors", "--map", "t.map"], 1, "error: t.map: there is no such file"),
        (
            ["--weights", "w.safetensors", "--map", "a", "--map", "b"],
            2,
            "error: --map is given twice for the whole model",
        ),
        (
            ["--weights", "torch.safetensors"],
            1,
            "error: torch.safetensors: not the weights of Small: no name agrees, 4 missing, 4 unexpected",
        ),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_written(
    folder: Path, capsys: Output, options: list[str], code: int, message: str
) -> None:
    Path("out.onnx").write_text("old")
    assert built(*options) == code
    said = capsys.readouterr().err.splitlines()
    assert said[0].startswith(message)
    assert Path("out.onnx").read_text() == "old"


def test_a_wrong_map_shows_its_line(folder: Path, capsys: Output) -> None:
    Path("x.map").write_text("layout torch\nbody/dense = fc\nhead = ot\n")
    assert built("--weights", "torch.safetensors", "--map", "x.map") == 1
    assert capsys.readouterr().err.splitlines() == [
        "error[E1007]: the file has no tensor ot.weight, which head takes",
        "  --> x.map:3:8",
        "   |",
        " 2 | body/dense = fc",
        " 3 | head = ot",
        "   |        ^^",
        "   = help: did you mean out.weight or fc.weight?",
    ]
    assert not Path("out.onnx").exists()


def test_widened_types_are_noted(folder: Path, capsys: Output) -> None:
    half = {name: array.astype("float16") for name, array in ARRAYS.items()}
    safetensors.numpy.save_file(half, "half.safetensors")
    assert built("--weights", "half.safetensors") == 0
    assert capsys.readouterr().err.splitlines()[1] == "note: 4 tensors are float16 there and widened exactly"
    np.testing.assert_array_equal(stored()["head/bias"], half["head/bias"].astype("float32"))


def test_what_loses_bits_is_refused(folder: Path, capsys: Output) -> None:
    safetensors.numpy.save_file({name: array.astype("float64") for name, array in ARRAYS.items()}, "d.safetensors")
    assert built("--weights", "d.safetensors") == 1
    assert capsys.readouterr().err.splitlines() == [
        "error: d.safetensors: not the weights of Small: 4 of another dtype",
        "  body/dense/kernel is float32[4, 6], float64[4, 6] there: bits would be lost",
        "  body/dense/bias is float32[6], float64[6] there: bits would be lost",
        "  head/kernel is float32[6, 2], float64[6, 2] there: bits would be lost",
        "  head/bias is float32[2], float64[2] there: bits would be lost",
        "  help: archonnx weights convert --dtype casts a whole file, cast(...) in a map one tensor",
    ]


def test_numbers_that_are_none_are_warned_of(folder: Path, capsys: Output) -> None:
    Path("small.tool.map").write_text("layout torch\nbody/dense = fc\nhead = out\n")
    arrays = {name: array.copy() for name, array in TORCH.items()}
    arrays["out.weight"][1, 3:5] = np.nan
    arrays["fc.bias"][2] = -np.inf
    safetensors.numpy.save_file(arrays, "odd.safetensors")
    assert built("--weights", "odd.safetensors") == 0
    said = capsys.readouterr().err.splitlines()
    assert said[1:3] == [
        "warning: body/dense/bias (fc.bias): 1 of 6 values is infinite",
        "warning: head/kernel (out.weight): 2 of 12 values are not a number (NaN)",
    ]
    assert np.isnan(stored()["head/kernel"]).sum() == 2
    report = archonnx.compile("small.arch").with_weights("odd.safetensors").save("out.onnx")
    assert len(report.warnings) == 2


def test_a_file_with_an_equals_sign(folder: Path) -> None:
    Path("w.safetensors").rename("a=b.safetensors")
    assert built("--weights", "a=b.safetensors") == 0
    assert_filled()


def test_a_model_runs_with_weights_from_a_file(folder: Path, capsys: Output) -> None:
    assert main(["run", "small.arch", "--weights", "w.safetensors", "-i", "x=[[1, 2, 3, 4]]", "--format", "json"]) == 0
    captured = capsys.readouterr()
    expected = np.float32([[1, 2, 3, 4]]) @ ARRAYS["body/dense/kernel"] + ARRAYS["body/dense/bias"]
    expected = expected @ ARRAYS["head/kernel"] + ARRAYS["head/bias"]
    found = json.loads(captured.out)
    np.testing.assert_allclose(found["outputs"]["y"]["data"], expected, rtol=1e-5)
    assert captured.err.splitlines()[0] == "4 weights from w.safetensors (by path)"
    assert "initial weights" not in captured.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["small.arch", "--weights", "none"], "error: --weights none: nothing is computed without weights"),
        (["m.onnx", "--weights", "x.npz"], "error: --weights fills what is compiled; m.onnx has its weights already"),
    ],
)
def test_runs_that_ask_for_what_is_not(folder: Path, capsys: Output, arguments: list[str], message: str) -> None:
    assert main(["run", *arguments]) == 2
    assert capsys.readouterr().err.startswith(message)


def test_converting_our_own_onnx_says_that_its_tensors_are_laid_out_for_operators(folder: Path, capsys: Output) -> None:
    assert built("--weights", "w.safetensors") == 0
    capsys.readouterr()
    assert main(["weights", "convert", "out.onnx", "c.safetensors"]) == 0
    assert capsys.readouterr().err.splitlines()[0] == (
        "warning: tensors are laid out for the graph's operators, whatever they are called; "
        "the weights: archonnx weights export MODEL.arch c.safetensors --weights out.onnx"
    )
    assert built("--weights", "c.safetensors") == 0  # its metadata tell what it is
    assert "(initializers of the model's own .onnx)" in capsys.readouterr().err
    assert main(["weights", "convert", "out.onnx", "c.onnx"]) == 0
    assert "warning" not in capsys.readouterr().err
