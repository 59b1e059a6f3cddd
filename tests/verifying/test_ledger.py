"""The ledger: what each side counts, with differences that add up."""

from __future__ import annotations

from pathlib import Path

import pytest

import archonnx
from archonnx.verifying.checking import Report, verify
from archonnx.verifying.ledger import Item, Ledger

pytest.importorskip("keras")
pytest.importorskip("tf2onnx")


def checked(*lines: str) -> Report:
    report = verify(archonnx.compile(text="model A():\n" + "".join(f"    {line}\n" for line in lines)))
    assert report.agrees
    return report


def accounts(report: Report) -> dict[str, tuple[int, list[tuple[str, int]]]]:
    """Each side's total and items; constants are left out, which a release of onnx may change."""
    assert report.ledger is not None
    for account in report.ledger.accounts:
        assert report.ledger.total + sum(item.count for item in account.items) == account.total
    return {
        account.side: (
            account.total,
            [(item.label, item.count) for item in account.items if not item.label.startswith("constants")],
        )
        for account in report.ledger.accounts
    }


def test_moving_statistics_and_folded_norms() -> None:
    found = accounts(checked("input x: float32[N, 8, 8, 3]", "Conv2D(4, 3)", "BatchNormalization()", "output y"))
    kernel, bias, norms = 4 * 3 * 9, 4, 4
    total = kernel + bias + 4 * norms
    assert found["keras"] == (total, [])
    assert found["pytorch"] == (total - 2 * norms, [("moving statistics, which are buffers there", -2 * norms)])
    assert found["archonnx"][1] == [("weights folded into others", -4 * norms)]
    route = dict(found["via keras"][1])
    assert route["scales and shifts of norms folded"] == -2 * norms
    assert route["statistics of norms folded"] == -2 * norms


def test_second_recurrent_biases() -> None:
    found = accounts(checked("input x: float32[N, T, 3]", "LSTM(5)", "output y"))
    total = 20 * (3 + 5 + 1)
    assert found["keras"] == (total, [])
    assert found["pytorch"] == (total + 20, [("second biases of recurrent layers", 20)])
    assert found["archonnx"][1] == [("zeros and ones beside weights", 20)]


def test_shared_weights_count_once() -> None:
    text = """\
model A():
    input x: float32[N, 6]
    shared = Dense(6, name="shared")
    output y = x -> shared -> shared
"""
    report = verify(archonnx.compile(text=text))
    assert report.agrees
    found = accounts(report)
    assert {side: total for side, (total, _) in found.items()} == dict.fromkeys(found, 42)


def test_an_account_that_does_not_add_up_is_a_mistake() -> None:
    ledger = Ledger(10, 10)
    ledger.add("one", 12, [Item("more", 3), Item("less", -1), Item("nothing", 0)])
    assert [str(item) for item in ledger.accounts[0].items] == ["+ 3 more", "− 1 less"]
    with pytest.raises(ValueError, match="does not add up"):
        ledger.add("two", 12, [Item("more", 3)])


def test_gates_weights_written_in_the_source_stay(tmp_path: Path) -> None:
    root = Path(__file__).resolve().parents[2]
    report = verify(archonnx.compile(root / "models/gates.arch", model="XOR"))
    assert report.agrees
    assert report.spread == 0
    assert accounts(report)["keras"] == (9, [])
