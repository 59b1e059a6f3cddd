"""`archonnx layers onnx.NAME`: every operator's page, and what it says."""

from __future__ import annotations

import json

import onnx
import pytest

from archonnx.cli import main
from archonnx.cli.operator_page import described
from archonnx.compiler.lowering.opsets import NEWEST_OPSET

Output = pytest.CaptureFixture[str]
SCHEMAS = [s for s in onnx.defs.get_all_schemas() if not s.domain and s.since_version <= NEWEST_OPSET]
NAMES = sorted({schema.name for schema in SCHEMAS})


def shown(capsys: Output, *arguments: str) -> str:
    assert main(["layers", *arguments]) == 0
    return capsys.readouterr().out


def test_the_page_of_an_operator(capsys: Output) -> None:
    page = shown(capsys, "onnx.Gather")
    assert page.startswith("(data, indices) -> onnx.Gather(axis=0)\n\nGiven data tensor of rank r >= 1")
    assert "\n  indices: Tind\n      Tensor of int32/int64 indices" in page
    assert "\n  axis: a whole number; default 0\n      Which axis to gather on." in page
    assert "\n  Tind: int32, int64\n" in page
    assert page.endswith("Opset: 20, as above since 13; defined in 1, 11, 13\n")
    assert "| data shape | indices shape | axis |" in page


def test_what_is_left_out_required_or_of_any_number(capsys: Output) -> None:
    clip = shown(capsys, "onnx.Clip")
    assert clip.startswith("(input, min, max) -> onnx.Clip()")
    assert "  min: T; optional" in clip
    concat = shown(capsys, "onnx.Concat")
    assert concat.startswith("(*inputs) -> onnx.Concat(axis)")
    assert "  axis: a whole number; required" in concat
    assert "  hidden_size: a whole number; may be left out" in shown(capsys, "onnx.LSTM")
    assert "alpha=0.01" in shown(capsys, "onnx.LeakyRelu")


def test_operators_that_the_language_has_something_else_for(capsys: Output) -> None:
    assert "Not in the language: RNN(cell) runs a block along axis 1" in shown(capsys, "onnx.Scan")
    assert "deprecated since" in shown(capsys, "onnx.Upsample")
    assert "Opset: 24, as above since 24" in shown(capsys, "onnx.Swish")


@pytest.mark.parametrize("name", NAMES)
def test_every_operator_has_a_page(name: str) -> None:
    """What the page says is what the newest schema up to its opset says; no line is left as markup."""
    facts = described(name)
    schema = onnx.defs.get_schema(name, facts["opset"], "")
    assert [port["name"] for port in facts["inputs"]] == [port.name for port in schema.inputs]
    assert [port["name"] for port in facts["results"]] == [port.name for port in schema.outputs]
    assert {a["name"] for a in facts["attributes"] if a["required"]} == {
        n for n, a in schema.attributes.items() if a.required
    }
    assert all(facts["types"].values())
    assert "`" not in facts["documentation"]
    json.dumps(facts)


def test_all_of_them_are_listed(capsys: Output) -> None:
    listed = json.loads(shown(capsys, "onnx", "--format", "json"))
    assert [entry["name"] for entry in listed] == [f"onnx.{name}" for name in NAMES]
    assert shown(capsys, "onnx").splitlines()[3].split(maxsplit=1)[0] == "onnx.Add"


def test_an_operator_that_is_none(capsys: Output) -> None:
    assert main(["layers", "onnx.Gathr"]) == 2
    assert "ONNX has no operator Gathr; did you mean onnx.Gather?" in capsys.readouterr().err
    assert main(["layers", "onnx."]) == 2
