"""`archonnx build --external-data`, several `--model`, and `archonnx weights write`: what is said, and what is refused."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from archonnx.cli import main

Output = pytest.CaptureFixture[str]
TEXT = """
block reader(units):
    Dense(units)

model Both(units = 40):
    input x: float32[N, 40]
    output y = x -> reader(units) -> Dense(3)

model Reader(units = 40):
    input x: float32[N, 40]
    output y = x -> reader(units)
"""
ONE = "model Net():\n    input x: float32[N, 50]\n    output y = x -> Dense(40) -> Dense(2)\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("pair.arch").write_text(TEXT)
    Path("net.arch").write_text(ONE)
    return tmp_path


def listing(folder: str | Path = ".") -> list[str]:
    return sorted(re.sub(r"\.[0-9a-f]{16}\.", ".HASH.", path.name) for path in Path(folder).iterdir())


def contents(folder: str) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in Path(folder).iterdir()}


def test_weights_stand_beside_the_model_where_that_is_asked_for(folder: Path, capsys: Output) -> None:
    assert main(["build", "net.arch", "-o", "net.onnx", "--external-data", "always"]) == 0
    assert listing() == ["net.HASH.data", "net.arch", "net.onnx", "pair.arch"]
    assert main(["build", "net.arch", "-o", "net.onnx", "--external-data", "never"]) == 0
    assert listing() == ["net.arch", "net.onnx", "pair.arch"]
    capsys.readouterr()
    assert main(["build", "net.arch", "--external-data", "never", "--weights", "none"]) == 2
    assert "`archonnx weights write --external-data never` puts the weights into it" in capsys.readouterr().err
    assert main(["build", "net.arch", "--external-data", "always", "--via", "keras"]) == 2
    assert "leave --external-data out" in capsys.readouterr().err


def test_too_large_for_one_file_is_the_command_that_is_wrong(folder: Path, capsys: Output) -> None:
    Path("large.arch").write_text(ONE.replace("50", "30000").replace("40", "20000"))
    assert main(["build", "large.arch", "-o", "large.onnx", "--external-data", "never"]) == 2
    said = capsys.readouterr().err
    assert re.search(r"error: cannot write large\.onnx: with its weights in it, it has 2,400,\d{3},\d{3} bytes", said)
    assert "--external-data auto" in said
    assert "large.onnx" not in listing()


def test_several_models_share_a_file_in_a_folder(folder: Path, capsys: Output) -> None:
    assert main(["build", "pair.arch", "--model", "Both", "--model", "Reader", "-o", "out", "--seed", "1"]) == 0
    assert listing("out") == ["Both.onnx", "Reader.onnx", "pair.HASH.data"]
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("out/Both.onnx: Both, ")
    assert re.fullmatch(
        r"out/pair\.[0-9a-f]{16}\.data: their weights, [\d.]+ kB; 6\.6 kB of weights are stored once", lines[2]
    )
    assert lines[3].startswith("2 models, ")
    assert (
        main(["build", "pair.arch", "--model", "Both", "--model", "Reader", "-o", "apart", "--external-data", "never"])
        == 0
    )
    assert listing("apart") == ["Both.onnx", "Reader.onnx"]


@pytest.mark.parametrize(
    ("options", "what"),
    [
        (["--model", "Both", "--model", "Both", "-o", "out"], "--model Both is given twice"),
        (["--model", "Both", "--model", "Reader"], "several models are written into a folder, as in -o both/"),
        (
            ["--model", "Both", "--model", "Reader", "-o", "m.onnx"],
            "-o m.onnx: several models are written into a folder",
        ),
        (
            ["--model", "Both", "--model", "Reader", "-o", "net.arch"],
            "-o net.arch: several models are written into a folder, and this is a file; name another",
        ),
        (["--model", "Both", "--model", "Reader", "-o", "o", "--explain"], "--explain is for one model at a time"),
        (["--model", "Both", "--model", "Reader", "-o", "o", "--via", "keras"], "--via is for one model at a time"),
        (["--model", "Both", "--model", "Raeder", "-o", "o"], "Reader"),
    ],
)
def test_what_does_not_go_together_is_refused(folder: Path, capsys: Output, options: list[str], what: str) -> None:
    assert main(["build", "pair.arch", *options]) == 2
    assert what in capsys.readouterr().err
    assert listing() == ["net.arch", "pair.arch"]


def test_weights_are_written_later_as_at_once(folder: Path, capsys: Output) -> None:
    for name in ("later", "once"):
        Path(name).mkdir()
    assert main(["build", "net.arch", "-o", "later/net.onnx", "--weights", "none"]) == 0
    assert main(["weights", "write", "later/net.onnx", "--seed", "7"]) == 0
    said = capsys.readouterr().err
    assert re.search(r"later/net\.[0-9a-f]{16}\.data: its weights, 8\.5 kB\n", said)
    assert main(["build", "net.arch", "-o", "once/net.onnx", "--seed", "7", "--external-data", "always"]) == 0
    assert contents("later") == contents("once")
    assert main(["weights", "write", "later/net.onnx"]) == 1
    assert "later/net.onnx: it has its weights; to replace them, build it again" in capsys.readouterr().err


def test_weights_of_a_file_are_written_and_accounted_for(folder: Path, capsys: Output) -> None:
    assert main(["weights", "export", "net.arch", "w.npz", "--seed", "3"]) == 0
    assert main(["build", "net.arch", "-o", "net.onnx", "--weights", "none"]) == 0
    before = Path("net.onnx").read_bytes()
    assert main(["weights", "export", "pair.arch", "other.npz", "--model", "Reader"]) == 0
    capsys.readouterr()
    assert main(["weights", "write", "net.onnx", "--weights", "other.npz"]) == 1
    assert "dense_1/kernel" in capsys.readouterr().err
    assert main(["weights", "write", "net.onnx", "--weights", "none"]) == 2
    assert Path("net.onnx").read_bytes() == before
    assert main(["weights", "write", "net.onnx", "--weights", "w.npz", "--external-data", "auto"]) == 0
    assert "4 weights from w.npz" in capsys.readouterr().err
    assert "net.HASH.data" not in listing()
    assert main(["weights", "diff", "net.onnx", "w.npz"]) in (0, 1)


def test_files_without_weights_say_so_to_whoever_reads_them(folder: Path, capsys: Output) -> None:
    assert main(["build", "net.arch", "-o", "net.onnx", "--weights", "none"]) == 0
    for command in (
        ["weights", "list", "net.onnx"],
        ["build", "net.arch", "--weights", "net.onnx"],
        ["run", "net.onnx"],
    ):
        capsys.readouterr()
        assert main(command) == 1
        said = capsys.readouterr().err
        assert "net.onnx: it was built without weights (--weights none); " in said
        assert "archonnx weights write net.onnx" in said


def test_models_that_share_data_are_written_together(folder: Path, capsys: Output) -> None:
    names = ["--model", "Both", "--model", "Reader"]
    assert main(["build", "pair.arch", *names, "-o", "later", "--weights", "none"]) == 0
    assert listing("later") == ["Both.onnx", "Reader.onnx"]
    capsys.readouterr()
    assert main(["weights", "write", "later/Reader.onnx"]) == 1
    assert "later/Reader.onnx: it shares its data with Both.onnx; name them together" in capsys.readouterr().err
    assert main(["weights", "write", "later/Reader.onnx", "later/Both.onnx"]) == 0  # in whatever order
    assert "their weights" in capsys.readouterr().err
    assert main(["build", "pair.arch", *names, "-o", "once"]) == 0
    assert contents("later") == contents("once")


def test_a_source_that_is_not_found_is_asked_for(folder: Path, capsys: Output) -> None:
    assert main(["build", "net.arch", "-o", "net.onnx", "--weights", "none"]) == 0
    Path("net.arch").rename("moved.arch")
    assert main(["weights", "write", "net.onnx"]) == 2
    assert "net.arch is not found beside it, here or in the zoo; name it: --source FILE" in capsys.readouterr().err
    assert main(["weights", "write", "net.onnx", "--source", "moved.arch"]) == 1
    assert "archonnx.source: the file has net.arch, expected moved.arch" in capsys.readouterr().err
