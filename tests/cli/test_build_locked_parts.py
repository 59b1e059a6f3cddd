"""`archonnx build --locked` of a model in stages and of several models: one lock for all the files that come out."""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import archonnx
from archonnx.cli import main
from archonnx.contract.shards import read_manifest

Output = pytest.CaptureFixture[str]
STAGES = ["build", "m.arch", "--model", "Both", "--shards", "2", "-o", "out/both.shards.json", "--locked"]
MODELS = ["build", "m.arch", "--model", "Both", "--model", "Reader", "-o", "out/pair", "--locked"]
WAYS = {"stages": (STAGES, "both.shards.lock"), "models": (MODELS, "pair.lock")}
WAY = pytest.mark.parametrize("way", WAYS)
BLOCKS = """\
block reader(units):
    input x: [N, 40]
    output y = x -> Dense(units, activation="relu", name="read")
"""
TEXT = """\
from "blocks/reader.arch" import reader

model Both(units = 50):
    input x: float32[N, 40]
    asset labels = "labels.txt"
    output z = x -> reader(units) -> Dense(3, name="write")

model Reader(units = 50):
    input x: float32[N, 40]
    output y = x -> reader(units)
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("blocks", "out"):
        Path(name).mkdir()
    Path("blocks/reader.arch").write_text(BLOCKS)
    Path("m.arch").write_text(TEXT)
    Path("labels.txt").write_text("one\ntwo\nthree\n")
    return tmp_path


def sha(path: str | Path) -> str:
    return "sha256:" + hashlib.sha256(Path(path).read_bytes()).hexdigest()


def everything() -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(Path().rglob("*")) if path.is_file()}


def entries(lock: str) -> dict[str, Any]:
    return tomllib.loads(Path(lock).read_text())


def built(capsys: Output, *command: str) -> str:
    """The last line of a build that succeeds."""
    capsys.readouterr()
    assert main(list(command)) == 0
    return capsys.readouterr().err.splitlines()[-1]


def refused(capsys: Output, *command: str) -> list[str]:
    """The lines of a build that fails and leaves every file as it was."""
    before = everything()
    capsys.readouterr()
    assert main(list(command)) == 1
    assert everything() == before
    said = capsys.readouterr().err.splitlines()
    return said[next(i for i, line in enumerate(said) if line.startswith("error: ")) :]


def differing(capsys: Output, way: str, *options: str) -> list[str]:
    """The entries that a build is told to differ in."""
    command, lock = WAYS[way]
    first, *middle, last = refused(capsys, *command, *options)
    what = "out/both.shards.json" if way == "stages" else "2 models in out/pair"
    written = "was not written" if way == "stages" else "were not written"
    assert re.fullmatch(
        rf"error: {re.escape(what)} would not be what {lock} says, and {written}: (1 entry differs|\d+ entries differ)",
        first,
    )
    assert last == "  help: undo what changed, or accept it: archonnx build --update-lock, update_lock=True"
    return [line.strip() for line in middle]


def test_the_lock_of_stages_holds_the_cuts_each_stage_and_the_manifest(folder: Path, capsys: Output) -> None:
    assert built(capsys, *STAGES, "--seed", "7") == "both.shards.lock: written: commit it"
    first, second = (Path("out", shard.file) for shard in read_manifest("out/both.shards.json").stages)
    assert {name: held for name, held in entries("both.shards.lock").items() if name != "versions"} == {
        "format": 1,
        "build": {
            "model": "Both",
            "source": "m.arch",
            "opset": 20,
            "optimization": 2,
            "precision": "float32",
            "external_data": "auto",
            "weights": "initial",
            "seed": 7,
            "stages": 2,
            "files": "both",
        },
        "stages": {"1": "reader/read", "2": "write"},
        "parameters": {"units": "50"},
        "sources": {"m.arch": sha("m.arch"), "blocks/reader.arch": sha("blocks/reader.arch")},
        "assets": {"labels": sha("labels.txt")},
        "result": {
            "manifest": sha("out/both.shards.json"),
            "stage 1: onnx": sha(first),
            "stage 1: bytes": first.stat().st_size,
            "stage 2: onnx": sha(second),
            "stage 2: bytes": second.stat().st_size,
        },
    }


def test_the_lock_of_several_models_holds_each_and_their_data(folder: Path, capsys: Output) -> None:
    assert built(capsys, *MODELS, "--seed", "7") == "pair.lock: written: commit it"
    (data,) = Path("out/pair").glob("m.*.data")
    both, reader = Path("out/pair/Both.onnx"), Path("out/pair/Reader.onnx")
    assert {name: held for name, held in entries("pair.lock").items() if name != "versions"} == {
        "format": 1,
        "build": {
            "models": 2,
            "optimization": 2,
            "precision": "float32",
            "external_data": "auto",
            "data": "m",
            "seed": 7,
            "Both.onnx: model": "Both",
            "Both.onnx: source": "m.arch",
            "Both.onnx: opset": 20,
            "Both.onnx: weights": "initial",
            "Reader.onnx: model": "Reader",
            "Reader.onnx: source": "m.arch",
            "Reader.onnx: opset": 20,
            "Reader.onnx: weights": "initial",
        },
        "parameters": {"Both.onnx: units": "50", "Reader.onnx: units": "50"},
        "sources": {"m.arch": sha("m.arch"), "blocks/reader.arch": sha("blocks/reader.arch")},
        "assets": {"Both.onnx: labels": sha("labels.txt")},
        "result": {
            "Both.onnx: onnx": sha(both),
            "Both.onnx: bytes": both.stat().st_size,
            "Reader.onnx: onnx": sha(reader),
            "Reader.onnx: bytes": reader.stat().st_size,
            "data": sha(data),
            "data_bytes": data.stat().st_size,
        },
    }


@WAY
def test_the_same_build_is_told_so(folder: Path, capsys: Output, way: str) -> None:
    command, lock = WAYS[way]
    built(capsys, *command)
    before = everything()
    assert built(capsys, *command) == f"{lock}: what was built is what it says"
    assert everything() == before


@WAY
@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--seed", "8"], ["build: seed: expected 0, received 8"]),
        (["-O1"], ["build: optimization: expected 2, received 1"]),
        (["--external-data", "always"], ["build: external_data: expected 'auto', received 'always'"]),
    ],
)
def test_another_option_is_told(folder: Path, capsys: Output, way: str, options: list[str], said: list[str]) -> None:
    built(capsys, *WAYS[way][0])
    assert differing(capsys, way, *options) == said


@WAY
def test_another_source_parameter_and_asset_are_told_and_accepted(folder: Path, capsys: Output, way: str) -> None:
    command, lock = WAYS[way]
    built(capsys, *command)
    before = sha("blocks/reader.arch"), sha("labels.txt")
    Path("blocks/reader.arch").write_text(BLOCKS.replace("relu", "gelu"))
    Path("labels.txt").write_text("eins\nzwei\ndrei\n")
    of = [""] if way == "stages" else ["Both.onnx: ", "Reader.onnx: "]
    assert differing(capsys, way, "--set", "units=60") == [
        *(f"parameters: {own}units: expected '50', received '60'" for own in of),
        f"sources: blocks/reader.arch: expected {before[0]}, received {sha('blocks/reader.arch')}",
        f"assets: {of[0]}labels: expected {before[1]}, received {sha('labels.txt')}",
    ]
    accepting = [*command, "--set", "units=60"]
    assert built(capsys, *accepting, "--update-lock") == f"{lock}: written anew"
    assert built(capsys, *accepting) == f"{lock}: what was built is what it says"


@WAY
def test_weights_are_held_by_the_bytes_of_their_file(folder: Path, capsys: Output, way: str) -> None:
    values = archonnx.compile("m.arch", "Both" if way == "stages" else "Reader").values()
    command, lock = WAYS[way]
    if way == "models":
        command = [part if part != "Both" else "Same" for part in command]
        Path("m.arch").write_text(TEXT + "\nmodel Same" + TEXT.partition("model Reader")[2])
    np.savez("w.npz", **values)
    built(capsys, *command, "--weights", "w.npz")
    held = entries(lock)
    assert held["weights"] == {"w.npz": sha("w.npz")}
    assert "seed" not in held["build"]
    before = sha("w.npz")
    np.savez("w.npz", **{name: value + 1 for name, value in values.items()})
    found = refused(capsys, *command, "--weights", "w.npz")
    assert found[1:-1] == [f"  weights: w.npz: expected {before}, received {sha('w.npz')}"]


def test_other_cuts_and_another_file_of_a_plan_are_told(folder: Path, capsys: Output) -> None:
    Path("m.arch").write_text(TEXT.replace('-> Dense(3, name="write")', '-> Dense(9) -> Dense(3, name="write")'))
    assert main(["plan-shards", "m.arch", "--model", "Both", "-n", "2", "-o", "plan.json"]) == 0
    planned = [part if part != "2" else "plan.json" for part in STAGES]
    built(capsys, *planned)
    before = sha("plan.json")
    assert entries("both.shards.lock")["plan"] == {"plan.json": before}
    assert main(["plan-shards", "m.arch", "--model", "Both", "-n", "2", "--batch", "3", "-o", "plan.json"]) == 0
    plan = json.loads(Path("plan.json").read_text())
    cut = plan["stages"][1]["first"]
    other = next(name for name in ("dense", "write") if name != cut)
    plan["stages"][1]["first"] = other
    Path("plan.json").write_text(json.dumps(plan))
    assert refused(capsys, *planned)[1:-1] == [
        f"  stages: 2: expected '{cut}', received '{other}'",
        f"  plan: plan.json: expected {before}, received {sha('plan.json')}",
    ]
    assert differing(capsys, "stages") == [f"plan: plan.json: expected {before}, received none"]
    assert differing(capsys, "stages", "--shards", "3")[0] == "build: stages: expected 2, received 3"


def test_other_names_of_stages_and_other_models_are_told(folder: Path, capsys: Output) -> None:
    built(capsys, *STAGES)
    command = [part if part != "out/both.shards.json" else "out/other.shards.json" for part in STAGES]
    assert refused(capsys, *command, "--lock", "both.shards.lock")[1:-1] == [
        "  build: files: expected 'both', received 'other'"
    ]
    built(capsys, *MODELS)
    Path("m.arch").write_text(TEXT.replace("Reader", "Writer"))
    renamed = [part if part != "Reader" else "Writer" for part in MODELS]
    found = refused(capsys, *renamed)
    assert "  build: Reader.onnx: model: expected 'Reader', received none" in found
    assert "  build: Writer.onnx: model: expected none, received 'Writer'" in found


@WAY
def test_other_bytes_are_told_and_nothing_takes_the_place_of_the_old(folder: Path, capsys: Output, way: str) -> None:
    """What a new version of a library could do: all is as the lock says but the result."""
    command, lock = WAYS[way]
    command = [*command, "--external-data", "always"]
    built(capsys, *command)
    name = "stage 2: data" if way == "stages" else "data"
    held = entries(lock)["result"][name]
    Path(lock).write_text(Path(lock).read_text().replace(held, "sha256:0"))
    for path in Path("out").rglob("*.onnx"):
        path.write_bytes(b"an old model")
    for path in Path("out").rglob("*.data"):
        path.unlink()
    assert differing(capsys, way, "--external-data", "always") == [
        f"result: {name}: expected sha256:0, received {held}",
    ]


@WAY
def test_another_version_of_a_library_is_a_note_where_the_bytes_are_the_same(
    folder: Path, capsys: Output, way: str
) -> None:
    command, lock = WAYS[way]
    built(capsys, *command)
    text = Path(lock).read_text()
    Path(lock).write_text(text.replace(f'numpy = "{np.__version__}"', 'numpy = "1.0"'))
    assert built(capsys, *command) == f"note: numpy is '{np.__version__}', '1.0' in the lock"


@WAY
@pytest.mark.parametrize("damage", ["<<<<<<< HEAD\n", "number = 1.5\n"])
def test_a_damaged_lock_is_told_and_written_anew_where_that_is_asked(
    folder: Path, capsys: Output, way: str, damage: str
) -> None:
    command, lock = WAYS[way]
    built(capsys, *command)
    whole = Path(lock).read_bytes()
    Path(lock).write_bytes(whole + damage.encode())
    (said,) = refused(capsys, *command)
    assert said.startswith(f"error: {lock} is no lock: ")
    assert said.endswith("; write it anew with --update-lock")
    assert built(capsys, *command, "--update-lock") == f"{lock}: written anew"
    assert Path(lock).read_bytes() == whole


ONE = ["build", "m.arch", "--model", "Both", "-o", "out/both.onnx"]
KINDS = {
    "a model in one file": (ONE, "out/both.onnx is"),
    "a model in stages": (STAGES, "out/both.shards.json is"),
    "models that are built together": (MODELS, "2 models in out/pair are"),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("other", KINDS)
def test_a_lock_of_another_kind_is_told(folder: Path, capsys: Output, kind: str, other: str) -> None:
    if kind == other:
        assert built(capsys, *KINDS[kind][0], "--lock", "a.lock") == "a.lock: written: commit it"
        assert built(capsys, *KINDS[kind][0], "--lock", "a.lock") == "a.lock: what was built is what it says"
        return
    built(capsys, *KINDS[kind][0], "--lock", "a.lock")
    command, what = KINDS[other]
    assert refused(capsys, *command, "--lock", "a.lock") == [
        f"error: a.lock is the lock of {kind}, and {what} {other}: name another lock, or write this one anew: "
        "archonnx build --update-lock, update_lock=True"
    ]
    assert built(capsys, *command, "--lock", "a.lock", "--update-lock") == "a.lock: written anew"


@WAY
def test_a_file_that_is_no_lock_is_never_written_over(folder: Path, capsys: Output, way: str) -> None:
    Path("poetry.lock").write_text("# of another tool\n")
    assert refused(capsys, *WAYS[way][0], "--lock", "poetry.lock", "--update-lock") == [
        "error: poetry.lock is no lock: it says no format; name another file, or remove it"
    ]


@WAY
def test_where_the_lock_cannot_be_written_the_old_files_stay(folder: Path, capsys: Output, way: str) -> None:
    command, _ = WAYS[way]
    built(capsys, *command)
    (said,) = refused(capsys, *command, "--seed", "8", "--lock", "nowhere/m.lock")
    assert "cannot write nowhere/m.lock: there is no folder" in said


def test_the_lock_of_models_that_ship_lies_beside_their_folder(folder: Path, capsys: Output) -> None:
    command = ["build", "zoo:gates", "--model", "XOR", "--model", "AND", "--locked"]
    assert built(capsys, *command, "-o", "out/gates/") == "out/gates.lock: written: commit it"
    assert built(capsys, "build", "zoo:gates", "--model", "XOR", "--shards", "1", "-o", "out/x.shards.json", "--locked") == (
        "out/x.shards.lock: written: commit it"
    )  # fmt: skip


def test_a_folder_that_is_called_by_a_dot_has_a_lock_of_its_own_name(
    folder: Path, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir("out")
    command = ["build", "../m.arch", "--model", "Both", "--model", "Reader", "--locked", "-o", "."]
    assert built(capsys, *command) == "../out.lock: written: commit it"


def test_graphs_without_weights_are_held_too(folder: Path, capsys: Output) -> None:
    for command, lock in WAYS.values():
        built(capsys, *command, "--weights", "none")
        held = entries(lock)
        assert "seed" not in held["build"]
        assert not [name for name in held["result"] if "data" in name]
        assert built(capsys, *command, "--weights", "none") == f"{lock}: what was built is what it says"
