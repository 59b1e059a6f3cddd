"""`archonnx plan-shards`, `archonnx build --shards` and `archonnx run NAME.shards.json`."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from archonnx.cli import main
from archonnx.contract.shards import read_manifest

Output = pytest.CaptureFixture[str]
CHAIN = "model Chain():\n    input x: float32[N, 16]\n" + "    Dense(16)\n" * 4 + "    output y\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("chain.arch").write_text(CHAIN)
    return tmp_path


def test_a_plan_is_printed(folder: Path, capsys: Output) -> None:
    assert (
        main(["plan-shards", "chain.arch", "--devices", "2", "--memory", "10kB", "--batch", "3", "--flops", "1k"]) == 0
    )
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "Chain on 2 devices of 10 kB, float32, N=3"
    assert [re.split(r" {2,}", line) for line in said[2:5]] == [
        "stage|layers|lines|parameters|weights|states|activations|memory|MACs|of memory|of MACs|seconds".split("|"),
        "1|dense .. dense_1 (2)|chain.arch:3 .. 4|544|2.176 kB|0 B|384 B|2.56 kB|1.536 k|50.0%|50.0%|3.07 s".split("|"),
        "2|dense_2 .. dense_3 (2)|chain.arch:5 .. 6|544|2.176 kB|0 B|384 B|2.56 kB|1.536 k|50.0%|50.0%|3.07 s".split(
            "|"
        ),
    ]
    assert re.split(r" {2,}", said[7]) == ["1 -> 2", "dense_1 float32[N, 16]", "192 B", "0.00768 us"]
    assert said[-2] == "one call alone: 6.14 s; calls that follow one another: one each 3.07 s"
    assert said[-1] == "a batch in 8 parts: 3.46 s, of which stages wait 11%"


def test_a_plan_as_json_is_what_build_takes(folder: Path, capsys: Output) -> None:
    assert main(["plan-shards", "chain.arch", "-n", "3", "-o", "plan.json", "--format", "json"]) == 0
    said = capsys.readouterr()
    document = json.loads(said.out)
    assert document == json.loads(Path("plan.json").read_text())
    assert said.err == "plan.json: Chain in 3 stages\n"
    assert document["traffic"] == sum(link["bytes"] for link in document["links"]) == 128
    assert main(["build", "chain.arch", "--shards", "plan.json", "-o", "c.shards.json"]) == 0
    lines = capsys.readouterr().err.splitlines()
    assert re.fullmatch(r"c\.shards\.json: Chain in 3 stages, [\d.]+ kB, in [\d.]+ s", lines[0])
    assert [re.fullmatch(r"  c\.(\d)-of-3\.[0-9a-f]{16}\.onnx, [\d.]+ kB", line)[1] for line in lines[1:]] == [
        "1",
        "2",
        "3",
    ]  # type: ignore[index]


def test_a_model_in_stages_is_run(folder: Path, capsys: Output) -> None:
    assert main(["build", "chain.arch", "--shards", "2"]) == 0
    assert main(["build", "chain.arch", "-o", "chain.onnx"]) == 0
    Path("x.json").write_text(json.dumps([[0.5] * 16, [1.0] * 16]))
    capsys.readouterr()
    results = []
    for file, device in (("chain.onnx", "cpu"), ("Chain.shards.json", "cpu,cpu")):
        assert main(["run", file, "-i", "x=x.json", "--device", device, "--format", "json"]) == 0
        said = capsys.readouterr()
        results.append(json.loads(said.out)["outputs"])
    assert results[0] == results[1]
    assert re.search(r"stages took [\d.]+, [\d.]+ ms", said.err)


def test_stages_are_measured_beside_the_whole(folder: Path, capsys: Output) -> None:
    assert main(["build", "chain.arch", "--shards", "2"]) == 0
    assert main(["build", "chain.arch", "-o", "chain.onnx"]) == 0
    argv = ["--device", "cpu", "--threads", "1", "--repeat", "2", "--format", "json"]
    capsys.readouterr()
    assert main(["bench", "chain.onnx", "--against", "Chain.shards.json", *argv]) == 0
    said = capsys.readouterr()
    assert "Chain.shards.json" in said.out
    assert json.loads(said.out)


def test_commands_that_take_single_files_say_so(folder: Path, capsys: Output) -> None:
    assert main(["build", "chain.arch", "--shards", "2"]) == 0
    capsys.readouterr()
    assert main(["tune", "Chain.shards.json"]) == 1
    assert "this is a model in stages" in capsys.readouterr().err
    assert main(["profile", "Chain.shards.json"]) == 2
    assert "profile its stages one by one" in capsys.readouterr().err


def test_sizes_that_a_build_guesses_are_said(folder: Path, capsys: Output) -> None:
    Path("open.arch").write_text(CHAIN.replace("[N, 16]", "[N, T, 16]"))
    assert main(["build", "open.arch", "--shards", "2"]) == 0
    said = capsys.readouterr().err.splitlines()[0]
    assert said == "stages are even for T=128, a guess; archonnx plan-shards takes other sizes"


def test_weights_can_be_left_out(folder: Path, capsys: Output) -> None:
    assert main(["build", "chain.arch", "--shards", "2", "--weights", "none"]) == 0
    manifest = read_manifest("Chain.shards.json")
    assert manifest.metadata["archonnx.weights"] == "none"
    assert main(["weights", "write", manifest.stages[0].file]) == 1
    assert "it is one stage of a model; build all of them again with the weights" in capsys.readouterr().err
    assert main(["weights", "write", "Chain.shards.json"]) == 1
    assert "Chain.shards.json: it is a model in stages; build them again with the weights" in capsys.readouterr().err
    Path("x.json").write_text(json.dumps([[0.5] * 16]))
    assert main(["run", "Chain.shards.json", "-i", "x=x.json", "--device", "cpu"]) == 1
    said = capsys.readouterr().err
    assert "it was built without weights (--weights none); it is one stage of a model; build all of them again" in said
    assert "weights write" not in said
    assert main(["weights", "list", manifest.stages[0].file]) == 1
    assert "weights write" not in capsys.readouterr().err


def test_data_can_stand_beside_each_stage(folder: Path, capsys: Output) -> None:
    Path("wide.arch").write_text(CHAIN.replace("16", "128"))
    assert main(["build", "wide.arch", "--shards", "2", "--external-data", "always", "--precision", "float16"]) == 0
    assert "weights in float16" in capsys.readouterr().err
    data = sorted(path.name.rsplit(".", 2)[0] for path in folder.glob("*.data"))
    assert data == ["Chain.1-of-2", "Chain.2-of-2"]
    Path("x.json").write_text(json.dumps([[0.5] * 128]))
    assert main(["run", "Chain.shards.json", "-i", "x=x.json", "--device", "cpu"]) == 0


def test_bits_and_passes_are_those_of_the_whole(folder: Path, capsys: Output) -> None:
    Path("wide.arch").write_text(CHAIN.replace("16", "128"))
    assert main(["build", "wide.arch", "--shards", "2", "--weight-bits", "8", "--explain"]) == 0
    said = capsys.readouterr()
    assert "4 of 4 matrices in 8 bits" in said.err
    assert said.out


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (["build", "chain.arch", "--shards", "0"], "--shards 0: expected a number of stages"),
        (["build", "chain.arch", "--shards", "two"], "--shards two: expected a number of stages"),
        (["build", "chain.arch", "--shards", "2", "--via", "keras"], "leave --shards out"),
        (["build", "chain.arch", "--shards", "2", "-o", "chain.onnx"], "the manifest's name ends in .shards.json"),
        (["build", "chain.arch", "--shards", "9"], "Chain has 4 layers; it cannot take 9 devices"),
        (["plan-shards", "chain.arch", "-n", "2", "--bind", "T=3"], "the model has no symbol T"),
        (["plan-shards", "chain.arch", "-n", "2", "-o", "plan.txt"], "-o plan.txt: the file's name ends in .json"),
    ],
)
def test_what_makes_no_sense_is_a_wrong_command(folder: Path, capsys: Output, command: list[str], said: str) -> None:
    assert main(command) == 2
    assert said in capsys.readouterr().err
    assert not list(folder.glob("*.shards.json"))


def test_what_does_not_fit_is_an_error(folder: Path, capsys: Output) -> None:
    assert main(["plan-shards", "chain.arch", "-n", "2", "--memory", "2kB"]) == 1
    assert capsys.readouterr().err == (
        "error: Chain does not fit on 2 devices of 2,000 bytes: it takes 4,480 in all, and the fullest device 2,304, "
        "304 too many; 4 devices would do\n"
    )


@pytest.mark.parametrize("text", ["fast", "-3T", "1e99T", "T"])
def test_what_is_no_number_of_operations_is_refused(folder: Path, capsys: Output, text: str) -> None:
    assert main(["plan-shards", "chain.arch", "-n", "2", f"--flops={text}"]) == 2
    assert "operations a second, such as 312T" in capsys.readouterr().err


def test_a_missing_stage_is_told(folder: Path, capsys: Output) -> None:
    assert main(["build", "chain.arch", "--shards", "2"]) == 0
    Path(read_manifest("Chain.shards.json").stages[0].file).unlink()
    assert main(["run", "Chain.shards.json", "-i", "x=x.json"]) == 1
    assert "a stage is missing" in capsys.readouterr().err
