"""`archonnx build --locked`: what is written down, what is compared, and that nothing is written where it differs."""

from __future__ import annotations

import hashlib
import os
import re
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import archonnx
from archonnx.cli import main
from archonnx.compiler.locking.hold import LockError
from archonnx.contract.diagnostics import UsageError

Output = pytest.CaptureFixture[str]
COMMAND = ["build", "m.arch", "-o", "out/m.onnx", "--locked"]
BLOCK = 'block body(units):\n    Dense(units, activation="relu")\n'
TEXT = """\
from "blocks/body.arch" import body

model Small(classes=3):
    input x: float32[N, 64]
    asset labels = "labels.txt"
    h = x -> body(units=200)
    output y = h -> Dense(classes)
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("blocks", "out"):
        Path(name).mkdir()
    Path("blocks/body.arch").write_text(BLOCK)
    Path("m.arch").write_text(TEXT)
    Path("labels.txt").write_text("one\ntwo\nthree\n")
    return tmp_path


def sha(path: str) -> str:
    return "sha256:" + hashlib.sha256(Path(path).read_bytes()).hexdigest()


def everything(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def refused(capsys: Output, *command: str) -> list[str]:
    """The lines of a build that its lock stops, which leaves every file as it was."""
    before = everything(Path.cwd())
    capsys.readouterr()
    assert main([*COMMAND, *command]) == 1
    assert everything(Path.cwd()) == before
    said = capsys.readouterr().err.splitlines()
    first = next(i for i, line in enumerate(said) if line.startswith("error: "))
    assert re.fullmatch(
        r"error: out/m\.onnx would not be what m\.lock says, and was not written: (1 entry differs|\d+ entries differ)",
        said[first],
    )
    assert said[-1].startswith("  help: undo what changed, or accept it: archonnx build --update-lock")
    return [line.strip() for line in said[first + 1 : -1]]


def test_the_first_build_writes_what_it_was_made_of(folder: Path, capsys: Output) -> None:
    assert main([*COMMAND, "--seed", "7"]) == 0
    assert capsys.readouterr().err.splitlines()[-1] == "m.lock: written: commit it"
    assert tomllib.loads(Path("m.lock").read_text()) == {
        "format": 1,
        "build": {
            "model": "Small",
            "source": "m.arch",
            "opset": 20,
            "optimization": 2,
            "precision": "float32",
            "external_data": "auto",
            "weights": "initial",
            "seed": 7,
        },
        "parameters": {"classes": "3"},
        "sources": {"m.arch": sha("m.arch"), "blocks/body.arch": sha("blocks/body.arch")},
        "assets": {"labels": sha("labels.txt")},
        "result": {"onnx": sha("out/m.onnx"), "bytes": Path("out/m.onnx").stat().st_size},
        "versions": {
            "archonnx": archonnx.__version__,
            "numpy": np.__version__,
            "onnx": pytest.importorskip("onnx").__version__,
        },
    }


def test_the_same_build_is_told_so_from_anywhere(folder: Path, capsys: Output, monkeypatch: pytest.MonkeyPatch) -> None:
    assert main(COMMAND) == 0
    lock, built = Path("m.lock").read_bytes(), Path("out/m.onnx").read_bytes()
    Path("m.arch").write_bytes(TEXT.replace("\n", "\r\n").encode())  # as git may check it out elsewhere
    (folder / "other").mkdir()
    monkeypatch.chdir(folder / "other")
    capsys.readouterr()
    assert main(["build", "../m.arch", "-o", str(folder / "other/m.onnx"), "--locked"]) == 0
    assert capsys.readouterr().err.splitlines()[-1] == "../m.lock: what was built is what it says"
    assert (folder / "other/m.onnx").read_bytes() == built
    assert (folder / "m.lock").read_bytes() == lock


def test_a_change_of_an_imported_file_is_told(folder: Path, capsys: Output) -> None:
    assert main(COMMAND) == 0
    before = sha("blocks/body.arch")
    Path("blocks/body.arch").write_text(BLOCK.replace("relu", "gelu"))
    assert refused(capsys) == [
        f"sources: blocks/body.arch: expected {before}, received {sha('blocks/body.arch')}",
    ]
    assert main([*COMMAND, "--update-lock"]) == 0
    assert capsys.readouterr().err.splitlines()[-1] == "m.lock: written anew"
    assert main(COMMAND) == 0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--seed", "8"], ["build: seed: expected 0, received 8"]),
        (["-O1"], ["build: optimization: expected 2, received 1"]),
        (["--opset", "18"], ["build: opset: expected 20, received 18"]),
        (["--precision", "float16"], ["build: precision: expected 'float32', received 'float16'"]),
        (["--external-data", "always"], ["build: external_data: expected 'auto', received 'always'"]),
        (["--weights", "none"], ["build: seed: expected 0, received none", "build: weights: expected 'initial', received 'none'"]),
        (
            ["--weight-bits", "8"],
            ["build: block_size: expected none, received 32", "build: weight_bits: expected none, received 8"],
        ),
    ],
)  # fmt: skip
def test_another_option_is_told(folder: Path, capsys: Output, options: list[str], said: list[str]) -> None:
    assert main(COMMAND) == 0
    assert refused(capsys, *options) == said


def test_other_parameters_and_assets_are_told(folder: Path, capsys: Output) -> None:
    assert main(COMMAND) == 0
    Path("labels.txt").write_text("one\ntwo\nthree\nfour\n")
    found = refused(capsys, "--set", "classes=4")
    assert found[0] == "parameters: classes: expected '3', received '4'"
    assert found[1].startswith("assets: labels: expected sha256:")


def test_weights_and_maps_are_held_by_their_bytes(folder: Path, capsys: Output) -> None:
    values = archonnx.compile("m.arch").values()
    np.savez("w.npz", **{path.replace("dense", "fc"): value for path, value in values.items()})
    Path("m.fc.map").write_text(
        "body/dense/kernel = body/fc/kernel\nbody/dense/bias = body/fc/bias\ndense/kernel = fc/kernel\ndense/bias = fc/bias\n"
    )
    command = [*COMMAND, "--weights", "w.npz"]
    assert main(command) == 0
    lock = tomllib.loads(Path("m.lock").read_text())
    assert lock["build"]["weights"] == "given"
    assert "seed" not in lock["build"]
    assert lock["weights"] == {"w.npz": sha("w.npz")}
    assert lock["maps"] == {"m.fc.map": sha("m.fc.map")}
    assert main([*command, "--seed", "9"]) == 0, "a seed that nothing is drawn from changes nothing"
    np.savez("w.npz", **{path.replace("dense", "fc"): value + 1 for path, value in values.items()})
    Path("m.fc.map").write_text(Path("m.fc.map").read_text() + "# a remark\n")
    found = refused(capsys, "--weights", "w.npz")
    assert [line.split(":")[0:2] for line in found] == [["maps", " m.fc.map"], ["weights", " w.npz"]]


def test_other_bytes_are_told_and_nothing_takes_the_place_of_the_old(folder: Path, capsys: Output) -> None:
    """What a new version of a library could do: all is as the lock says but the result."""
    command = [*COMMAND, "--external-data", "always"]
    assert main(command) == 0
    (data,) = Path("out").glob("*.data")
    lock = tomllib.loads(Path("m.lock").read_text())
    assert lock["result"]["data"] == sha(str(data))
    text = Path("m.lock").read_text()
    text = text.replace(f'data = "{sha(str(data))}"', 'data = "sha256:0"').replace(
        f'numpy = "{np.__version__}"', 'numpy = "1.0"'
    )
    Path("m.lock").write_text(text)
    Path("out/m.onnx").write_bytes(b"an old model")
    data.unlink()
    assert refused(capsys, "--external-data", "always") == [
        f"result: data: expected sha256:0, received {lock['result']['data']}",
        f"versions: numpy: expected '1.0', received '{np.__version__}'",
    ]


def test_another_version_of_a_library_is_a_note_where_the_bytes_are_the_same(folder: Path, capsys: Output) -> None:
    assert main(COMMAND) == 0
    Path("m.lock").write_text(Path("m.lock").read_text().replace(f'numpy = "{np.__version__}"', 'numpy = "1.0"'))
    capsys.readouterr()
    assert main(COMMAND) == 0
    assert capsys.readouterr().err.splitlines()[-2:] == [
        "m.lock: what was built is what it says",
        f"note: numpy is '{np.__version__}', '1.0' in the lock",
    ]
    Path("m.lock").write_text(
        Path("m.lock").read_text().replace(f'archonnx = "{archonnx.__version__}"', 'archonnx = "9"')
    )
    assert refused(capsys)[0] == f"versions: archonnx: expected '9', received '{archonnx.__version__}'"


@pytest.mark.parametrize("damage", ["<<<<<<< HEAD\n", "number = 1.5\n"])
def test_a_damaged_lock_is_told_and_written_anew_where_that_is_asked(folder: Path, capsys: Output, damage: str) -> None:
    assert main(COMMAND) == 0
    Path("m.lock").write_text(Path("m.lock").read_text() + damage)
    capsys.readouterr()
    assert main(COMMAND) == 1
    said = capsys.readouterr().err
    assert said.startswith("error: m.lock is no lock: ")
    assert said.endswith("; write it anew with --update-lock\n")
    assert main([*COMMAND, "--update-lock"]) == 0
    assert capsys.readouterr().err.splitlines()[-1] == "m.lock: written anew"
    assert main(COMMAND) == 0


def test_a_lock_that_was_not_there_is_written_whatever_is_asked(folder: Path, capsys: Output) -> None:
    assert main([*COMMAND, "--update-lock"]) == 0
    assert capsys.readouterr().err.splitlines()[-1] == "m.lock: written: commit it"


@pytest.mark.skipif(os.name != "posix", reason="names that are no Unicode")
def test_a_name_that_is_no_unicode_is_the_same_again(folder: Path, capsys: Output) -> None:
    values = archonnx.compile("m.arch").values()
    with open(b"w\xff.npz", "wb") as stream:
        np.savez(stream, **values)
    command = [*COMMAND, "--weights", os.fsdecode(b"w\xff.npz")]
    assert [main(command), main(command)] == [0, 0]
    assert capsys.readouterr().err.splitlines()[-1] == "m.lock: what was built is what it says"
    assert list(tomllib.loads(Path("m.lock").read_text())["weights"]) == ["w\\udcff.npz"]


def test_a_file_that_is_no_lock_is_never_written_over(folder: Path, capsys: Output) -> None:
    Path("poetry.lock").write_text("# of another tool\n")
    assert main([*COMMAND, "--lock", "poetry.lock", "--update-lock"]) == 1
    assert capsys.readouterr().err == (
        "error: poetry.lock is no lock: it says no format; name another file, or remove it\n"
    )
    assert Path("poetry.lock").read_text() == "# of another tool\n"
    assert not Path("out/m.onnx").exists()


def test_where_the_lock_cannot_be_written_the_model_is_not_either(folder: Path, capsys: Output) -> None:
    assert main([*COMMAND, "--lock", "nowhere/m.lock"]) == 1
    assert "nowhere" in capsys.readouterr().err
    assert not Path("out/m.onnx").exists()


def test_the_lock_of_a_model_that_ships_lies_beside_the_output(folder: Path, capsys: Output) -> None:
    assert main(["build", "zoo:gates", "--model", "XOR", "-o", "out/xor.onnx", "--locked"]) == 0
    assert capsys.readouterr().err.splitlines()[-1] == "out/xor.lock: written: commit it"
    assert main(["build", "zoo:gates", "--model", "AND", "-o", "out/xor.onnx", "--locked"]) == 1
    assert "build: model: expected 'XOR', received 'AND'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--via", "keras"], "--via keras goes without a lock: leave --locked, --lock and --update-lock out"),
        (["--lock", "m.toml"], "--lock m.toml: the file's name ends in .lock"),
    ],
)
def test_a_wrong_option_is_one_line(folder: Path, capsys: Output, options: list[str], said: str) -> None:
    assert main([*COMMAND, *options]) == 2
    assert said in capsys.readouterr().err
    assert not Path("m.lock").exists()


def test_in_python(folder: Path) -> None:
    model = archonnx.compile("m.arch")
    first = model.save("a.onnx", lock="a.lock")
    assert first.lock is not None
    assert (first.lock.path, first.lock.outcome, first.lock.notes) == (Path("a.lock"), "written", ())
    again = model.save("a.onnx", lock=Path("a.lock"))
    assert again.lock is not None
    assert again.lock.outcome == "same"
    arrays: dict[str, Any] = {path: value + 1 for path, value in model.values().items()}
    with pytest.raises(LockError, match="3 entries differ") as error:
        model.with_weights(arrays).save("a.onnx", lock="a.lock")
    assert [(d.section, d.name) for d in error.value.differences] == [
        ("build", "seed"),
        ("build", "weights"),
        ("weights", "(arrays)"),
    ]
    other = model.with_weights(arrays).save("a.onnx", lock="a.lock", update_lock=True)
    assert other.lock is not None
    assert other.lock.outcome == "updated"
    assert set(tomllib.loads(Path("a.lock").read_text())["weights"]) == {"(arrays)"}
    arrays["dense/bias"] += 1
    with pytest.raises(LockError, match=r"weights: \(arrays\): expected sha256:"):
        model.with_weights(arrays).save("a.onnx", lock="a.lock")
    with pytest.raises(UsageError, match="update_lock belongs to lock"):
        model.save("a.onnx", update_lock=True)
    with pytest.raises(UsageError, match="leave lock out"):
        model.save("a.onnx", lock="a.lock", via="keras")
