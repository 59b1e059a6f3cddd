"""PyTorch's module as the second opinion, and what its modules count."""

from __future__ import annotations

from typing import Any

import pytest
from test_divergence import model
from test_whole_models import MODELS

import archonnx
from archonnx.cli import main
from archonnx.compiler.layers.dense import Dense
from archonnx.verifying.checking import verify

pytest.importorskip("torch")

TEXTS = {case.name: case.text for case in MODELS}


@pytest.mark.parametrize(
    ("name", "items"),
    [
        ("tagger", [("second biases of recurrent layers", 43)]),
        ("unet", [("moving statistics, which are buffers there", -112)]),
        ("encoder", []),
    ],
)
def test_a_family_agrees_and_its_parameters_are_counted(name: str, items: list[tuple[str, int]]) -> None:
    report = verify(archonnx.compile(text=TEXTS[name]), via="torch", layers=True)
    assert report.agrees
    assert report.pairs[0].layers is not None
    assert report.pairs[0].layers[0] > 3
    assert [(pair.side.name, pair.reference.name) for pair in report.pairs] == [("archonnx", "pytorch")]
    assert report.ledger is not None
    account = next(a for a in report.ledger.accounts if a.side == "pytorch")
    assert [(item.label, item.count) for item in account.items] == items


@pytest.mark.parametrize("path", ["cell_1/second", "head"])
def test_a_wrong_lowering_is_named(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """PyTorch has Linear for Dense, and runs our operators for what it has no module for."""
    right = Dense.lower

    def wrong(self: Any, b: Any, x: Any) -> Any:
        y = right(self, b, x)
        return b.op("Mul", y, b.constant(1.25, "float32"), result=y.type) if self.path == path else y

    monkeypatch.setattr(Dense, "lower", wrong)
    report = verify(model(), via="torch")
    assert not report.agrees
    assert report.pairs[0].found is not None, report.pairs[0].said
    assert report.pairs[0].found.message.startswith(f"{path}: archonnx's graph and PyTorch's prediction part at this")


def test_the_command(tmp_path: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.arch").write_text("model Small():\n    input x: float32[N, 4]\n    Dense(3)\n    output y\n")
    assert main(["verify", "small.arch", "--via", "torch"]) == 0
    assert "archonnx / pytorch" in capsys.readouterr().out
