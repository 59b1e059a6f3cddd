"""The files of references: what is written, and that they say what their sources count."""

from __future__ import annotations

import json
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tools.reference import writing


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(writing, "MODELS", tmp_path)
    bodies = [f"model {name}():\n    input x: float32[N, 2]\n    Dense(3)\n    output y\n" for name in ("One", "Two")]
    (tmp_path / "small.arch").write_text("\n".join(bodies))
    return tmp_path


def entry(total: int, version: str = "1.0.0") -> dict[str, Any]:
    return {
        "source": f"keras {version} Small",
        "parameters": {"total": total},
        "layers": [["a", "Dense", [None, 3], 9]],
    }


def test_entries_of_several_peers_stand_in_the_order_of_the_models(models: Path) -> None:
    assert writing.run({"small": {"Two": entry(2)}}, check=False) == 0
    assert writing.run({"small": {"One": entry(1)}}, check=False) == 0
    text = (models / "small.reference.json").read_text()
    assert list(json.loads(text)) == ["One", "Two"]
    assert '  "layers": [\n   ["a", "Dense", [null, 3], 9]\n  ]\n }' in text
    assert all(len(line) < 80 for line in text.splitlines())
    assert writing.run({"small": {"One": entry(1), "Two": entry(2)}}, check=True) == 0


def test_a_model_that_is_the_same_as_another_takes_one_line(models: Path) -> None:
    writing.run({"small": {"One": entry(1), "Two": {"same_as": "One", "bind": {"T": 1}}}}, check=False)
    assert ' },\n "Two": {"same_as": "One", "bind": {"T": 1}}\n}\n' in (models / "small.reference.json").read_text()


def test_a_check_writes_nothing(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert writing.run({"small": {"One": entry(1)}}, check=True) == 1
    assert "out of date: models/small.reference.json" in capsys.readouterr().err
    assert not (models / "small.reference.json").exists()


def test_another_version_that_counts_the_same_changes_nothing(models: Path) -> None:
    writing.run({"small": {"One": entry(1)}}, check=False)
    assert writing.run({"small": {"One": entry(1, "1.0.1")}}, check=True) == 0
    assert writing.run({"small": {"One": entry(2, "1.0.1")}}, check=True) == 1
    assert writing.run({"small": {"One": {**entry(1), "source": "torch 1.0.0 Small"}}}, check=True) == 1


def test_a_model_that_is_not_there_is_told(models: Path) -> None:
    with pytest.raises(SystemExit, match=r"small\.arch has no model Three"):
        writing.run({"small": {"Three": entry(1)}}, check=True)


@pytest.mark.parametrize("peer", ["papers", "torchvision", "transformers", "lite", "silero", "parts"])
def test_the_files_say_what_the_peer_counts(peer: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Keras' own, which take a minute and two gigabytes, are counted anew by `python -m tools.reference.keras`."""
    pytest.importorskip("torch")
    needed = {"lite": "efficientnet_lite_pytorch", "silero": "silero_vad", "papers": "torch", "parts": "torch"}.get(
        peer, peer
    )
    if find_spec(needed) is None:
        pytest.skip(f"{needed} is not installed: pip install --no-deps -r tests/packages.txt")
    found = import_module(f"tools.reference.{peer}").entries()
    assert writing.run(found, check=True) == 0, capsys.readouterr().err


def test_keras_counts_what_the_files_say() -> None:
    keras = pytest.importorskip("keras")
    script = import_module("tools.reference.keras")
    for stem, name in (("efficientnet", "EfficientNetB0"), ("mobilenet", "MobileNetV2"), ("digits", "Digits")):
        make = script.digits if name == "Digits" else lambda name=name: getattr(keras.applications, name)(weights=None)
        what = "model of the same layers" if name == "Digits" else f"applications.{name}"
        found = script.entry(what, script.made(make), layers=True)
        assert writing.run({stem: {name: found}}, check=True) == 0


def test_every_model_of_the_zoo_has_a_reference() -> None:
    assert import_module("tools.reference.__main__").without_references() == []
