"""`archonnx cache`, and the cache of `archonnx run`."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from archonnx.cli import main

Output = pytest.CaptureFixture[str]
INPUT = "x=[[" + ",".join(["0.5"] * 600) + "]]"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ARCHONNX_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    Path("wide.arch").write_text("model Wide():\n    input x: float32[N, 600]\n    Dense(600)\n    Dense(2)\n")
    assert main(["build", "wide.arch", "-o", "wide.onnx"]) == 0
    return tmp_path


def test_run_takes_a_model_from_the_cache_the_second_time(folder: Path, capsys: Output) -> None:
    found = []
    for _ in range(2):
        capsys.readouterr()
        assert main(["run", "wide.onnx", "--input", INPUT, "--format", "json"]) == 0
        captured = capsys.readouterr()
        found.append(json.loads(captured.out))
        assert ("; loaded from the cache in " in captured.err) is found[-1]["cached"]
    assert [each["cached"] for each in found] == [False, True]
    assert all(each["load_milliseconds"] > 0 for each in found)
    assert found[0]["outputs"] == found[1]["outputs"]


def test_run_keeps_nothing_where_it_is_off(folder: Path) -> None:
    assert main(["run", "wide.onnx", "--input", INPUT, "--cache", "off"]) == 0
    assert main(["run", "wide.arch", "--input", INPUT]) == 0  # what is compiled for one run
    assert not (folder / "cache").exists()


@pytest.mark.parametrize("more", [[], ["--clear"], ["--format", "json"]], ids=str)
def test_a_file_is_no_folder_of_a_cache(folder: Path, capsys: Output, more: list[str]) -> None:
    (folder / "cache").write_text("mine")
    assert main(["cache", *more]) == 2
    assert (
        "cache is a file, and no folder of a cache; --cache or ARCHONNX_CACHE name another" in capsys.readouterr().err
    )
    assert (folder / "cache").read_text() == "mine"


def test_the_cache_is_listed_and_cleared(folder: Path, capsys: Output) -> None:
    assert main(["cache"]) == 0
    assert "cache holds nothing" in capsys.readouterr().out
    assert main(["run", "wide.onnx", "--input", INPUT]) == 0
    (entry,) = (folder / "cache" / "graphs").iterdir()
    os.utime(entry / "entry.json", (time.time() - 7_300,) * 2)
    capsys.readouterr()
    assert main(["cache"]) == 0
    text = capsys.readouterr().out
    assert "wide.onnx" in text
    assert "1.4 MB" in text
    assert "2 hours ago" in text
    assert main(["cache", "--format", "json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["folder"] == str(folder / "cache")
    assert [each["model"] for each in document["entries"]] == [str(folder / "wide.onnx")]
    assert document["bytes"] == document["entries"][0]["bytes"] > 1_400_000
    assert main(["cache", "--clear"]) == 0
    assert "1.4 MB are free again" in capsys.readouterr().out
    assert main(["cache"]) == 0
    assert "holds nothing" in capsys.readouterr().out


def test_with_a_model_its_own_entries_are_listed_and_cleared(folder: Path, capsys: Output) -> None:
    for name in ("wide.onnx", "other.onnx"):
        assert main(["build", "wide.arch", "--seed", str(len(name)), "-o", name]) == 0
        assert main(["run", name, "--input", INPUT]) == 0
    capsys.readouterr()
    assert main(["cache", "wide.onnx", "--format", "json"]) == 0
    assert [each["model"] for each in json.loads(capsys.readouterr().out)["entries"]] == [str(folder / "wide.onnx")]
    assert main(["cache", "wide.onnx", "--clear"]) == 0
    assert "1.4 MB are free again" in capsys.readouterr().out
    assert main(["cache", "wide.onnx"]) == 0
    assert "holds nothing of wide.onnx" in capsys.readouterr().out
    assert main(["cache", "other.onnx"]) == 0
    assert "holds 1.4 MB of other.onnx" in capsys.readouterr().out


def test_the_cache_beside_a_model(folder: Path, capsys: Output) -> None:
    assert main(["run", "wide.onnx", "--input", INPUT, "--cache", "beside"]) == 0
    capsys.readouterr()
    assert main(["cache", "wide.onnx", "--cache", "beside"]) == 0
    assert "wide.onnx.cache holds" in capsys.readouterr().out
    assert main(["cache", "--cache", "beside"]) == 2
    assert "say which model" in capsys.readouterr().err


def test_no_cache_is_no_list(folder: Path, capsys: Output, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARCHONNX_CACHE", "off")
    assert main(["cache"]) == 2
    assert "there is no cache" in capsys.readouterr().err
    assert main(["cache", "--cache", "wide.onnx"]) == 2
    assert "wide.onnx is a file" in capsys.readouterr().err
