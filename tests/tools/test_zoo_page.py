"""docs/zoo.md is what the references and the record of measurements say; nothing large is measured here."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import archonnx
from tools.docs import zoo, zoo_measuring
from tools.docs.zoo_peers import PEERS


def test_the_page_is_what_references_and_record_say() -> None:
    found = zoo.PAGE.read_text(encoding="utf-8")
    assert found == zoo.generated(), f"docs/zoo.md is out of date; write it by: {zoo.WRITE}"


def test_every_model_is_measured() -> None:
    assert zoo_measuring.missing() == [], f"measure by: {zoo.MEASURE}"
    rows = zoo_measuring.recorded()["models"]
    assert PEERS.keys() <= rows.keys()
    assert [name for name, row in rows.items() if not row.get("error", 0) <= zoo_measuring.TOLERANCE] == []
    # One model of each file at the least was held against a peer. Logic gates have truth tables, a classifier is what it
    # holds, and small Llamas are compared in tests/conformance/test_text_models.py.
    compared = {row["file"] for row in rows.values() if "error" in row}
    assert {row["file"] for row in rows.values()} - compared <= {"gates", "digits_classifier", "llama"}


@pytest.mark.parametrize("name", ["Digits", "VoiceActivity", "MobileNetV3Small"])
def test_the_sizes_are_those_of_built_files(name: str, tmp_path: Path) -> None:
    row = zoo_measuring.recorded()["models"][name]
    archonnx.compile(zoo_measuring.MODELS / f"{row['file']}.arch", name).save(tmp_path / "model.onnx")
    assert abs((tmp_path / "model.onnx").stat().st_size - row["size"]) <= 0.01 * row["size"]


def test_what_is_measured_is_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zoo_measuring, "RECORD", tmp_path / "measured.json")
    assert "AND" in zoo_measuring.missing()
    done: list[tuple[int, int]] = []
    assert zoo_measuring.measure(["AND", "Autoencoder"], lambda *at: done.append(at)) == []
    assert done == [(0, 2), (1, 2), (2, 2)]
    record = json.loads((tmp_path / "measured.json").read_text())
    assert list(record["models"]) == ["Autoencoder", "AND"], "in the order of files"
    assert record["models"]["AND"].keys() == {"file", "size", "seconds"}
    assert 0 < record["models"]["Autoencoder"]["error"] < 1e-4
    assert not {"AND", "Autoencoder"} & set(zoo_measuring.missing())


def test_what_does_not_fit_or_differs_is_not_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zoo_measuring, "RECORD", tmp_path / "measured.json")
    monkeypatch.setattr(zoo_measuring, "available_memory", lambda: 0.5)
    (told,) = zoo_measuring.measure(["Autoencoder"], lambda *_: None)
    assert told == "Autoencoder: 3 GB of memory are needed, 0.5 GB are free"
    monkeypatch.setattr(zoo_measuring, "available_memory", lambda: 99.0)
    monkeypatch.setattr(zoo_measuring, "error_of", lambda name, folder: float("nan"))
    (told,) = zoo_measuring.measure(["Autoencoder"], lambda *_: None)
    assert told.startswith("Autoencoder: error nan, allowed 1e-04")
    assert "error" not in zoo_measuring.recorded()["models"]["Autoencoder"]


def test_figures_as_the_page_writes_them() -> None:
    assert [zoo.size_text(count) for count in (650, 12_345, 98_200_000, 698_418_346_626)] == [
        "650 bytes",
        "12.3 kB",
        "98.2 MB",
        "698 GB",
    ]
