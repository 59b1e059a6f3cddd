"""The whole zoo against its references: parameters, multiply-accumulates, layers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from archonnx.cli import main

MODELS = Path(__file__).resolve().parents[2] / "models"


def test_the_zoo_agrees_with_what_others_count(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(MODELS), "--format", "json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert [d for d in document["diagnostics"] if d["severity"] == "error"] == []
    found = {model["model"]: model for model in document["models"]}
    assert [name for name, model in found.items() if model["source"] is None] == [], "models without a reference"
    assert [name for name, model in found.items() if model["compared"][:2] != ["parameters", "MACs"]] == []
    layered = {name: model["layers"] for name, model in found.items() if "layers" in model["compared"]}
    assert layered.keys() >= {"DNN", "Digits", "VGG16", "VGG19", "ResNet50", "EfficientNetB0", "MobileNetV2"}
    assert layered["ResNet50"] > 170
    # Figures as they are printed elsewhere.
    assert found["VGG19"]["parameters"]["total"] == 143_667_240
    assert found["GPT3_175B"]["parameters"]["total"] == 174_604_259_328
    assert found["ResNet50"]["macs"] == 3_857_973_248


def test_the_rows_of_gpt3_that_do_not_fit_themselves_are_explained(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(MODELS / "gpt3.arch")]) == 0
    told = [line for line in capsys.readouterr().out.splitlines() if line.startswith("note: ")]
    assert [line.split(": ")[1] for line in told] == ["GPT3XL", "GPT3_13B"]
    assert "24 heads of 128 on a width of 2,048, which are 3,072" in told[0]
    assert "a width of 5,140 for 40 heads of 128, which are 5,120" in told[1]


def test_a_changed_model_differs_from_its_reference(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = (MODELS / "digits.arch").read_text()
    (tmp_path / "digits.arch").write_text(text.replace("[16, 32, 64]", "[16, 32, 65]"))
    (tmp_path / "digits.reference.json").write_text((MODELS / "digits.reference.json").read_text())
    assert main(["check", str(tmp_path)]) == 1
    captured = capsys.readouterr()
    assert "differs: parameters, MACs, layers" in captured.out
    assert "error[E1104]: Digits has " in captured.err
    assert "error[E1105]: Digits has " in captured.err
    assert "error[E1106]: Digits: row " in captured.err
