"""Each command on real files: what it prints, what it writes, how it ends."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from archonnx.cli import main

ROOT = Path(__file__).resolve().parents[2]
DNN = str(ROOT / "models" / "dnn.arch")
GATES = str(ROOT / "models" / "gates.arch")
RESNET = str(ROOT / "models" / "resnet.arch")
PHOTOGRAPH = str(ROOT / "models" / "photographs" / "chelsea.jpg")

SMALL = """model Small(units = 3, activation = "relu"):
    input x: float32[N, 4]
    Dense(units, activation=activation)
    output y
"""
WRONG = """model Wrong():
    input x: float32[N, 4]
    Dens(3)
    Dense(2, unitz=3)
    output y
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in, with a right and a wrong file."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.arch").write_text(SMALL)
    (tmp_path / "wrong.arch").write_text(WRONG)
    return tmp_path


Output = pytest.CaptureFixture[str]


# check ---------------------------------------------------------------------------------------------------------------


def test_check_says_what_was_checked(folder: Path, capsys: Output) -> None:
    assert main(["check", "small.arch"]) == 0
    captured = capsys.readouterr()
    assert captured.out == "small.arch: Small is right\n"
    assert captured.err == ""


def test_check_reports_every_error_of_every_file(folder: Path, capsys: Output) -> None:
    assert main(["check", "."]) == 1
    captured = capsys.readouterr()
    assert captured.out == "small.arch: Small is right\n"
    assert "wrong.arch:3:5" in captured.err
    assert "wrong.arch:4:14" in captured.err
    assert captured.err.rstrip().endswith("2 errors")


def test_check_gives_tools_json(folder: Path, capsys: Output) -> None:
    assert main(["check", "wrong.arch", "small.arch", "--format", "json"]) == 1
    found = json.loads(capsys.readouterr().out)["diagnostics"]
    assert [(d["place"]["file"], d["place"]["line"], d["severity"]) for d in found] == [
        ("wrong.arch", 3, "error"),
        ("wrong.arch", 4, "error"),
    ]
    assert main(["check", "small.arch", "--format", "json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["diagnostics"] == []
    assert [(m["file"], m["model"], m["parameters"]["total"], m["source"]) for m in document["models"]] == [
        ("small.arch", "Small", 15, None)
    ]


def test_check_of_models_that_need_arguments(folder: Path, capsys: Output) -> None:
    (folder / "open.arch").write_text(SMALL.replace("units = 3", "units"))
    assert main(["check", "open.arch"]) == 0
    assert "Small needs arguments to be checked whole: --model Small --set ..." in capsys.readouterr().out
    assert main(["check", "open.arch", "--set", "units=5"]) == 0
    assert main(["check", "open.arch", "--set", "units=0"]) == 1
    assert main(["check", "open.arch", "--set", "unit=5"]) == 2
    assert main(["check", "small.arch", "--model", "Smal"]) == 2


def test_check_of_folders_without_models(folder: Path, capsys: Output) -> None:
    (folder / "empty").mkdir()
    assert main(["check", "empty"]) == 2
    assert "the folder holds no .arch file" in capsys.readouterr().err
    (folder / "block.arch").write_text("block b():\n    Dense(3)\n")
    assert main(["check", "block.arch"]) == 0
    assert "there is no model in it" in capsys.readouterr().out


@pytest.mark.parametrize("text", ["", "\n\n", "# nothing yet\n"])
def test_check_of_a_file_that_declares_nothing(text: str, folder: Path, capsys: Output) -> None:
    (folder / "empty.arch").write_text(text)
    assert main(["check", "empty.arch"]) == 1
    assert "empty.arch declares no model" in capsys.readouterr().err


def test_an_empty_path_is_not_this_folder(folder: Path, capsys: Output) -> None:
    for argv in (["check", ""], ["fmt", ""], ["summary", ""], ["check", "small.arch", "--root", ""]):
        assert main(argv) == 2
        assert "the path is empty" in capsys.readouterr().err
    for seed in ("-1", str(2**64)):
        assert main(["build", "small.arch", "--seed", seed]) == 2


def test_check_against_the_articles_summary(capsys: Output) -> None:
    summary = str(ROOT / "models" / "dnn.summary.txt")
    assert main(["check", DNN, "--against", summary]) == 0
    assert "agree: 9 of 9 rows, 4,571,018 parameters" in capsys.readouterr().out
    assert main(["check", DNN, "--against", summary, "--set", "classes=11"]) == 1
    assert "differ" in capsys.readouterr().out
    assert main(["check", DNN, "--against", summary, "--set", "classes=11", "--format", "json"]) == 1
    document = json.loads(capsys.readouterr().out)
    assert not document["agrees"]
    assert document["differences"]


def test_check_against_what_is_no_summary(folder: Path, capsys: Output) -> None:
    assert main(["check", "small.arch", "--against", "wrong.arch"]) == 1
    assert main(["check", "small.arch", "--against", "missing.txt"]) == 1
    assert main(["check", ".", "--against", "missing.txt"]) == 2
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 3
    assert all(line.startswith("error: ") for line in errors)


# files that are no architecture --------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", [["check"], ["summary"], ["build"], ["plot"], ["run"], ["fmt"]])
@pytest.mark.parametrize(
    "data",
    [b"\xff\xfe\x00garbage", b"\x00\x01\x02\x80", b"model A(:\n  [", b"\xc3(", b"model A():\n\tinput x\n    y\n"],
)
def test_garbage_gives_diagnostics_and_no_file(command: list[str], data: bytes, folder: Path, capsys: Output) -> None:
    (folder / "bad.arch").write_bytes(data)
    before = sorted(folder.iterdir())
    assert main([*command, "bad.arch"]) == 1
    captured = capsys.readouterr()
    assert captured.err.startswith("error[E")
    assert "Traceback" not in captured.err
    assert sorted(folder.iterdir()) == before
    assert (folder / "bad.arch").read_bytes() == data


@pytest.mark.parametrize("command", [["check"], ["summary"], ["build"], ["plot"], ["run"], ["fmt"]])
def test_files_that_cannot_be_opened(command: list[str], folder: Path, capsys: Output) -> None:
    assert main([*command, "missing.arch"]) == 1
    assert "missing.arch" in capsys.readouterr().err
    (folder / "folder.arch").mkdir()
    assert main([*command, "folder.arch"]) in (1, 2)
    assert "folder.arch" in capsys.readouterr().err


# summary -------------------------------------------------------------------------------------------------------------


def test_summary_as_a_table(capsys: Output) -> None:
    assert main(["summary", DNN]) == 0
    text = capsys.readouterr().out
    assert "max_pooling2d_2" in text
    assert "4,571,018" in text


def test_summary_as_json_has_the_documented_form(capsys: Output) -> None:
    assert main(["summary", DNN, "--format", "json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert list(document) == ["model", "inputs", "outputs", "layers", "parameters", "macs", "activation_peak_bytes"]
    assert document["inputs"] == [{"name": "image", "dtype": "float32", "shape": ["N", 256, 256, 3]}]
    assert list(document["layers"][0]) == ["path", "type", "output_shape", "parameters", "macs"]
    assert document["parameters"] == {"total": 4571018, "trainable": 4571018, "non_trainable": 0}


def test_summary_in_keras_and_markdown(capsys: Output) -> None:
    assert main(["summary", DNN, "--format", "keras"]) == 0
    assert "Layer (type)" in capsys.readouterr().out
    assert main(["summary", RESNET, "--model", "ResNet50", "--format", "markdown", "--depth", "0"]) == 0
    assert "| `resnet_features` | resnet_features |" in capsys.readouterr().out


def test_summary_with_sizes_for_symbols(capsys: Output) -> None:
    assert main(["summary", DNN, "--bind", "N=2", "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["inputs"][0]["shape"] == [2, 256, 256, 3]
    assert main(["summary", DNN, "--bind", "N=two"]) == 2
    assert main(["summary", DNN, "--bind", "M=2"]) == 2
    assert "the model has no symbol M" in capsys.readouterr().err


# build ---------------------------------------------------------------------------------------------------------------


def test_build_writes_a_model_with_the_users_names(folder: Path, capsys: Output) -> None:
    assert main(["build", "small.arch", "-o", "out.onnx", "--set", "units=7", "--set", "activation=tanh"]) == 0
    model = onnx.load("out.onnx")
    assert [i.name for i in model.graph.input] == ["x"]
    assert [o.name for o in model.graph.output] == ["y"]
    shape = model.graph.output[0].type.tensor_type.shape.dim
    assert (shape[0].dim_param, shape[1].dim_value) == ("N", 7)
    assert "out.onnx: Small, " in capsys.readouterr().err


def test_the_dnn_loads_in_plain_onnxruntime(folder: Path) -> None:
    assert main(["build", DNN, "-o", "dnn.onnx"]) == 0
    session = onnxruntime.InferenceSession("dnn.onnx", providers=["CPUExecutionProvider"])
    assert [(i.name, i.type, i.shape) for i in session.get_inputs()] == [("image", "tensor(float)", ["N", 256, 256, 3])]
    assert [(o.name, o.shape) for o in session.get_outputs()] == [("logits", ["N", 10])]
    (logits,) = session.run(None, {"image": np.ones((2, 256, 256, 3), np.float32)})
    assert logits.shape == (2, 10)
    np.testing.assert_allclose(logits[0], logits[1], rtol=1e-4, atol=1e-4)
    transposes = [node for node in onnx.load("dnn.onnx").graph.node if node.op_type == "Transpose"]
    assert [node.input[0] for node in transposes] == ["image"]


def test_build_is_the_same_for_the_same_seed(folder: Path) -> None:
    for name, seed in (("a", "1"), ("b", "1"), ("c", "2")):
        assert main(["build", "small.arch", "-o", f"{name}.onnx", "--seed", seed]) == 0
    contents = [(folder / f"{name}.onnx").read_bytes() for name in "abc"]
    assert contents[0] == contents[1] != contents[2]


def test_build_chooses_the_opset(folder: Path, capsys: Output) -> None:
    assert main(["build", "small.arch", "--opset", "17"]) == 0
    assert onnx.load("Small.onnx").opset_import[0].version == 17
    assert main(["build", "small.arch", "--opset", "3"]) == 2
    assert main(["build", "small.arch", "--opset", "999"]) == 2
    assert "opset" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("target", "code"), [("missing/out.onnx", 1), ("out.txt", 2), ("folder.onnx", 1), ("small.arch/out.onnx", 1)]
)
def test_build_to_where_nothing_can_be_written(target: str, code: int, folder: Path, capsys: Output) -> None:
    (folder / "folder.onnx").mkdir()
    before = sorted(folder.rglob("*"))
    assert main(["build", "small.arch", "-o", target]) == code
    assert target.partition("/")[0] in capsys.readouterr().err
    assert sorted(folder.rglob("*")) == before


def test_a_failed_build_leaves_the_old_file(folder: Path) -> None:
    (folder / "Wrong.onnx").write_bytes(b"old")
    assert main(["build", "wrong.arch", "-o", "Wrong.onnx"]) == 1
    assert (folder / "Wrong.onnx").read_bytes() == b"old"


# run -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("gate", "results"), [("AND", "0001"), ("OR", "0111"), ("NAND", "1110"), ("XOR", "0110")])
def test_run_prints_truth_tables(gate: str, results: str, capsys: Output) -> None:
    assert main(["run", GATES, "--model", gate, "--input", "bits=[[0,0],[0,1],[1,0],[1,1]]"]) == 0
    captured = capsys.readouterr()
    rows = [line.split() for line in captured.out.splitlines()]
    assert rows[0] == ["bits[0]", "bits[1]", "result"]
    assert [row for row in rows if len(row) == 3 and row[0] in "01"] == [
        ["0", "0", results[0]],
        ["0", "1", results[1]],
        ["1", "0", results[2]],
        ["1", "1", results[3]],
    ]
    assert "initial weights" not in captured.err


def test_run_on_a_photograph_says_what_it_did(capsys: Output) -> None:
    assert main(["run", DNN, "--input", f"image={PHOTOGRAPH}", "--top", "3", "--format", "json"]) == 0
    captured = capsys.readouterr()
    document = json.loads(captured.out)
    assert document["outputs"]["logits"]["shape"] == [1, 10]
    assert len(document["outputs"]["logits"]["top"][0]) == 3
    assert document["weights"] == "initial"
    assert "resized" in captured.err
    assert "DNN has initial weights" in captured.err


def test_run_reads_arrays_and_writes_them(folder: Path, capsys: Output) -> None:
    np.save("x.npy", np.ones((2, 4), np.float32))
    (folder / "x.json").write_text("[[1, 1, 1, 1], [1, 1, 1, 1]]")
    assert main(["build", "small.arch", "-o", "s.onnx"]) == 0
    outputs = []
    for given in ("x=x.npy", "x=x.json", "x=[[1,1,1,1],[1,1,1,1]]"):
        assert main(["run", "s.onnx", "--input", given, "--output", "y.npz"]) == 0
        outputs.append(np.load("y.npz")["y"])
    assert outputs[0].shape == (2, 3)
    np.testing.assert_array_equal(outputs[0], outputs[1])
    np.testing.assert_array_equal(outputs[0], outputs[2])
    assert "the median of" not in capsys.readouterr().err
    assert main(["run", "s.onnx", "--input", "x=x.npy", "--repeat", "3"]) == 0
    assert "the median of 3 runs" in capsys.readouterr().err


def test_the_seed_draws_other_weights(folder: Path, capsys: Output) -> None:
    printed = []
    for seed in ("1", "1", "2"):
        assert main(["run", "small.arch", "--input", "x=[[1,2,3,4]]", "--seed", seed, "--format", "json"]) == 0
        printed.append(json.loads(capsys.readouterr().out)["outputs"]["y"]["data"])
    assert printed[0] == printed[1] != printed[2]


@pytest.mark.parametrize(
    ("argv", "code", "said"),
    [
        (["s.onnx"], 2, "x"),
        (["s.onnx", "--input", "z=1"], 2, "the model has no input z"),
        (["s.onnx", "--input", "x=[[1,2"], 2, "is no literal"),
        (["s.onnx", "--input", "x=[1,2,3,4]"], 1, "float32[N, 4]"),
        (["s.onnx", "--input", "x=[[1,2,3]]"], 1, "float32[N, 4]"),
        (["s.onnx", "--input", "x=[[1,2,3,'a']]"], 1, "x"),
        (["s.onnx", "--input", "x=double.npy"], 1, "float64"),
        (["s.onnx", "--input", f"x={PHOTOGRAPH}"], 1, "takes no picture"),
        (["s.onnx", "--input", "x=missing.npy"], 1, "missing.npy"),
        (["s.onnx", "--input", "x=[[1,2,3,4]]", "--output", "y.csv"], 2, "ends in .npz or .json"),
        (["s.onnx", "--input", "x=[[1,2,3,4]]", "--output", "missing/y.npz"], 1, "missing/y.npz"),
        (["s.onnx", "--input", "x=[[1,2,3,4]]", "--model", "Small"], 2, "compiled already"),
        (["s.onnx", "--input", "x=[[1,2,3,4]]", "--device", "tpu"], 2, "tpu"),
        (["truncated.onnx", "--input", "x=[[1,2,3,4]]"], 1, "truncated.onnx"),
        (["garbage.onnx", "--input", "x=[[1,2,3,4]]"], 1, "garbage.onnx"),
        (["empty.onnx", "--input", "x=[[1,2,3,4]]"], 1, "empty.onnx"),
        (["missing.onnx", "--input", "x=[[1,2,3,4]]"], 1, "missing.onnx"),
    ],
)
def test_run_with_what_does_not_fit(argv: list[str], code: int, said: str, folder: Path, capsys: Output) -> None:
    assert main(["build", "small.arch", "-o", "s.onnx"]) == 0
    whole = (folder / "s.onnx").read_bytes()
    (folder / "truncated.onnx").write_bytes(whole[: len(whole) // 2])
    (folder / "garbage.onnx").write_bytes(bytes(range(256)) * 8)
    (folder / "empty.onnx").write_bytes(b"")
    np.save("double.npy", np.ones((1, 4)))
    before = sorted(folder.rglob("*"))
    capsys.readouterr()
    assert main(["run", *argv]) == code
    captured = capsys.readouterr()
    errors = [line for line in captured.err.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1, captured.err
    assert said in errors[0]
    assert "Traceback" not in captured.err
    assert sorted(folder.rglob("*")) == before


def test_run_on_a_picture_that_is_none(folder: Path, capsys: Output) -> None:
    (folder / "pictures.arch").write_text(
        "model P():\n    input image: uint8[N, 8, 8, 3]\n    Rescaling(1 / 255)\n    output y\n"
    )
    for name in ("broken.png", "broken.jpg"):
        (folder / name).write_bytes(b"\x89PNG no picture")
        assert main(["run", "pictures.arch", "--input", f"image={name}"]) == 1
        errors = capsys.readouterr().err.splitlines()
        assert [name in line for line in errors] == [True]


# plot, layers, explain, fmt, doctor ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["p.svg", "p.png"])
def test_plot_writes_a_picture(name: str, folder: Path) -> None:
    assert main(["plot", "small.arch", "-o", name]) == 0
    beginning = (folder / name).read_bytes()[:100]
    assert b"<svg" in beginning or b"<?xml" in beginning or beginning.startswith(b"\x89PNG")
    assert main(["plot", "small.arch", "-o", "p.docx"]) == 2
    assert not (folder / "p.docx").exists()


def test_layers_are_listed_and_described(capsys: Output) -> None:
    assert main(["layers"]) == 0
    assert any(line.startswith("Conv2D ") for line in capsys.readouterr().out.splitlines())
    assert main(["layers", "keras.layers.Conv2D"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("Conv2D(filters, kernel_size, strides=")
    assert "  filters: a whole number, at least 1; required" in text
    assert main(["layers", "softmax", "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["name"] == "softmax"


def test_every_layer_can_be_described(capsys: Output) -> None:
    from archonnx.cli.layers import documented

    for name, text in documented():
        assert text, f"{name} has no documentation"
        assert main(["layers", name]) == 0, name
        assert name in capsys.readouterr().out


def test_explain_prints_the_page(capsys: Output) -> None:
    assert main(["explain"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) > 10
    code = lines[0].split()[0]
    for spelling in (code, code.lower(), f"error[{code}]"):
        assert main(["explain", spelling]) == 0
        assert capsys.readouterr().out.startswith(f"# {code}: ")
    assert main(["explain", code, "--color"]) == 0
    assert "\x1b[" in capsys.readouterr().out


def test_fmt_rewrites_shows_or_judges(folder: Path, capsys: Output) -> None:
    messy = SMALL.replace("Dense(units, activation=activation)", "layers.Dense( units,activation = activation ),")
    path = folder / "messy.arch"
    path.write_text(messy)
    assert main(["fmt", "--check", "messy.arch"]) == 1
    assert capsys.readouterr().out == "messy.arch would be formatted\n"
    assert main(["fmt", "--diff", "messy.arch"]) == 1
    assert "+    Dense(units, activation=activation)" in capsys.readouterr().out
    assert path.read_text() == messy
    assert main(["fmt", "messy.arch", "small.arch"]) == 0
    assert capsys.readouterr().out == "messy.arch formatted\n"
    assert path.read_text() == SMALL
    assert main(["fmt", "--check", "messy.arch", "small.arch"]) == 0


def test_the_shipped_models_are_formatted(capsys: Output) -> None:
    assert main(["fmt", "--check", str(ROOT / "models")]) == 0, capsys.readouterr().out


def test_doctor_says_what_works(capsys: Output) -> None:
    assert main(["doctor"]) == 0
    assert "device cpu: works" in capsys.readouterr().out
    assert main(["doctor", "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["devices"]["cpu"]["works"]
