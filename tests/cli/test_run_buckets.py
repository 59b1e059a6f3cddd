"""`--buckets`: calls that are filled up behind their mask."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from archonnx.cli import main

SOURCE = """
model Shown():
    input x: float32[B, T]
    input mask: int64[B, T]
    output y = sum(x * cast(mask, float32), axis=1)

model All():
    input x: float32[B, T]
    input mask: int64[B, T]
    output y = mean(x * cast(mask, float32), axis=1)
"""
GIVEN = ["-i", "x=[[1,2,4]]", "-i", "mask=[[1,0,1]]", "--buckets"]


@pytest.fixture
def source(tmp_path: Path) -> str:
    (tmp_path / "m.arch").write_text(SOURCE)
    return str(tmp_path / "m.arch")


def test_a_call_is_filled_up_and_it_is_said(source: str, capsys: Any) -> None:
    assert main(["run", source, "--model", "Shown", *GIVEN, "mask=2,8", "--format", "json"]) == 0
    printed = capsys.readouterr()
    document = json.loads(printed.out)
    assert document["outputs"]["y"]["data"] == [5]
    assert document["buckets"] == {"mask": "mask", "sizes": [2, 8], "why": None, "padded": 1, "whole": {}}
    assert "buckets 2, 8 of mask: 1 call filled up" in printed.err


def test_what_forbids_it_is_named_with_its_line(source: str, capsys: Any, caplog: pytest.LogCaptureFixture) -> None:
    assert main(["run", source, "--model", "All", *GIVEN, "mask=2,8", "--format", "json"]) == 0
    why = json.loads(capsys.readouterr().out)["buckets"]["why"]
    assert why.startswith("ReduceMean (")
    assert "m.arch:10:" in why
    assert f"All: buckets 2, 8 of mask: calls run in their exact shapes: {why}" in caplog.messages


@pytest.mark.parametrize("text", ["mask", "=4", "mask=", "mask=a", "mask=4;8", "mask=4,-8", "mask=4.5"])
def test_what_is_no_bucket_is_told_with_what_is(source: str, text: str, capsys: Any) -> None:
    assert main(["run", source, "--model", "Shown", *GIVEN, text]) == 2
    assert f"--buckets {text}: expected the input that is the mask, and numbers" in capsys.readouterr().err


def test_sizes_that_are_none_are_refused(source: str, capsys: Any) -> None:
    assert main(["run", source, "--model", "Shown", *GIVEN, "mask=0"]) == 2
    assert "received 0" in capsys.readouterr().err
    assert main(["run", source, "--model", "Shown", *GIVEN, "other=4"]) == 2
    assert "has no input other" in capsys.readouterr().err


def test_a_model_is_measured_filled_up_beside_itself(source: str, capsys: Any) -> None:
    command = ["bench", source, "--model", "Shown", *GIVEN, "mask=8", "--repeat", "2", "--format", "json"]
    assert main(command) == 0
    assert len(json.loads(capsys.readouterr().out)["results"]) == 1
