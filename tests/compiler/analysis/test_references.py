"""References beside architecture files: how they are read, what is wrong with them, and what differs from them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from archonnx.compiler.analysis.references.checking import Checked, check_model, needs_arguments, references_of
from archonnx.compiler.analysis.references.located import items, parse
from archonnx.compiler.analysis.references.reading import References, parse_references
from archonnx.compiler.artifact import check_file
from archonnx.contract.diagnostics import Diagnostic
from archonnx.contract.render import render_text

PAGES = Path(__file__).resolve().parents[3] / "src" / "archonnx" / "contract" / "codes"
MODELS = """model Small(units = 10):
    input x: float32[N, 64]
    Dense(units)
    output y

model Normal():
    input x: float32[N, 4, 4, 3]
    Conv2D(2, 3)
    BatchNormalization()
    output y

model Text():
    input x: float32[N, T, 64]
    Dense(10)
    output y

model Wide(units):
    input x: float32[N, 64]
    Dense(units)
    output y
"""


def checked(reference: Any, folder: Path) -> tuple[dict[str, Checked], References, list[Diagnostic]]:
    """What becomes of the models, by their names; the references; and all that is told."""
    file = folder / "example.arch"
    file.write_text(MODELS)
    text = reference if isinstance(reference, str) else json.dumps(reference)
    (folder / "example.reference.json").write_text(text)
    report = check_file(file)
    assert not report.diagnostics
    references = references_of(file, report.models[0].models)
    assert references is not None
    found = {one.name: check_model(one, references) for one in report.models}
    told = [*references.diagnostics, *needs_arguments(references, report.waiting)]
    return found, references, told + [d for one in found.values() for d in one.diagnostics]


def codes(reference: Any, folder: Path) -> list[str]:
    return [d.code for d in checked(reference, folder)[2]]


@pytest.mark.parametrize("code", ["E1100", "E1101", "E1102", "E1103", "E1104", "E1105", "E1106"])
def test_the_page_shows_what_is_told(code: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    page = (PAGES / f"{code}.md").read_text(encoding="utf-8")
    source = re.search(r"^```json\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    shown = re.search(r"^```text\n(.*?)\n```$", page, re.MULTILINE | re.DOTALL)
    assert source is not None
    assert shown is not None
    _, references, told = checked(source[1], tmp_path)
    assert {d.code for d in told} == {code}
    rendered = render_text(told, {references.name: references.text}).replace(f"{tmp_path}/", "")
    if request.config.getoption("--rewrite-codes"):
        (PAGES / f"{code}.md").write_text(page[: shown.start(1)] + rendered + page[shown.end(1) :], encoding="utf-8")
    else:
        assert rendered == shown[1]


def test_what_agrees(tmp_path: Path) -> None:
    found, _, told = checked(
        {
            "Small": {
                "source": "keras 3.15.0 Small, counted by hand",
                "parameters": {"total": 650, "trainable": 650, "non_trainable": 0},
                "macs": {"value": 640, "batch": 1, "counts": "dense layers"},
                "layers": [["fc", "Dense", [None, 10], 650]],
                "published": {"parameters": "0.65k", "flops": "1.3k", "within": 0.02},
                "notes": ["one layer"],
            },
            "Normal": {
                "source": "torch, a module",
                "parameters": {"without_statistics": 60, "total": 64},
                "macs": {"value": 2 * 2 * 2 * 27 * 2, "batch": 2},
            },
            "Text": {"source": "a hand", "macs": {"value": 81920, "bind": {"T": 128}}},
        },
        tmp_path,
    )
    assert told == []
    small = found["Small"]
    assert (small.parameters.total, small.macs, small.rows) == (650, 640, 1)
    assert small.compared == ("parameters", "MACs", "layers")
    assert small.reference is not None
    assert small.reference.peer == "keras 3.15.0 Small"
    assert small.reference.notes == ("one layer",)
    assert found["Text"].bind == (("T", 128),)


def test_a_summary_text_stands_for_layers(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(
        "Layer (type)  Output Shape  Param #\n====\nd (Dense)  (None, 10)  650\n====\nTotal params: 650\n"
    )
    reference = {"Small": {"source": "keras", "summary": "a.txt"}}
    found, _, told = checked(reference, tmp_path)
    assert told == []
    assert found["Small"].rows == 1
    (tmp_path / "a.txt").write_text("nothing")
    assert codes(reference, tmp_path) == ["E1101"]
    (tmp_path / "a.txt").unlink()
    assert codes(reference, tmp_path) == ["E1101"]


def test_another_model_may_be_the_same(tmp_path: Path) -> None:
    reference: dict[str, Any] = {
        "Small": {"source": "a hand", "macs": {"value": 640}},
        "Text": {"same_as": "Small", "bind": {"T": 1}, "notes": ["of one step"]},
    }
    found, _, told = checked(reference, tmp_path)
    assert told == []
    assert found["Text"].macs == 640
    reference["Text"]["bind"] = {"T": 2}
    _, _, told = checked(reference, tmp_path)
    assert [(d.code, d.message) for d in told] == [
        ("E1105", "Text has 1,280 multiply-accumulates, 640 are expected: 640 too many")
    ]
    reference["Normal"] = {"same_as": "Text"}
    assert codes(reference, tmp_path) == ["E1102", "E1105"]
    reference["Normal"] = {"same_as": "Smal"}
    _, _, told = checked(reference, tmp_path)
    assert told[0].help == "did you mean Small?"
    # One that is wrong itself is told once.
    assert codes({"Small": {"source": 1}, "Text": {"same_as": "Small"}}, tmp_path) == ["E1101"]


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ([], "what is known of Small is an object, got a list"),
        ({}, "the source is missing"),
        ({"source": "", "parameters": {"total": 1}}, "source is a text, got an empty text"),
        ({"source": "x"}, "there is nothing to compare with"),
        ({"source": "x", "parameters": {}}, "no count of parameters is given"),
        ({"source": "x", "parameters": {"total": 1.5}}, "total is a whole number, 0 or more, got 1.5"),
        ({"source": "x", "parameters": {"total": True}}, "total is a whole number, 0 or more, got a truth value"),
        ({"source": "x", "parameters": {"total": "650"}}, "total is a whole number, 0 or more, got a text"),
        ({"source": "x", "macs": {}}, "the value is missing"),
        ({"source": "x", "macs": {"value": 1, "batch": 0}}, "batch is a whole number, 1 or more, got 0"),
        ({"source": "x", "macs": {"value": 1, "bind": [1]}}, "bind is an object, got a list"),
        ({"source": "x", "layers": {}}, "layers is a list of rows, got an object"),
        ({"source": "x", "layers": [[]]}, "row 1 of the layers: four things are expected, got 0"),
        ({"source": "x", "layers": [1]}, "row 1 of the layers: four things are expected, got a number"),
        ({"source": "x", "layers": [["a", "", [], 1]]}, "the name and the type are texts"),
        ({"source": "x", "layers": [["a", "B", 3, 1]]}, "the output shape is a list, got a number"),
        ({"source": "x", "layers": [["a", "B", ["N"], 1]]}, "the output shape holds numbers, and null for the batch"),
        ({"source": "x", "layers": [["a", "B", [1], -1]]}, "the parameters are a whole number, 0 or more"),
        ({"source": "x", "layers": [], "summary": "a"}, "layers and a summary are given"),
        ({"source": "x", "summary": "../a.txt"}, "a summary is the name of a file beside this one"),
        ({"source": "x", "published": {"parameters": "many"}}, "parameters is a rounded figure"),
        ({"source": "x", "published": {"parameters": "1B", "within": 2}}, "within is a share, between 0 and 1"),
        ({"source": "x", "parameters": {"total": 650}, "notes": "one"}, "notes is a list of sentences"),
        ({"same_as": "Text", "source": "x"}, 'there is no key "source" beside same_as'),
    ],
)
def test_what_is_wrong_with_an_entry(entry: Any, message: str, tmp_path: Path) -> None:
    _, _, told = checked({"Small": entry}, tmp_path)
    assert [d.code for d in told] == ["E1101"]
    assert message in told[0].message
    assert told[0].help


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expecting value, at the end of the file"),
        ("[1, 2", "at the end of the file"),
        ('{"a": 1} x', 'JSON ends here, and the text goes on with "x"'),
        ('{"a" 1}', '":" is expected behind the key "a", here is "1"'),
        ('{"a": 1 "b": 2}', '"," is expected between two keys of an object'),
        ("{a: 1}", 'a key in double quotes is expected, here is "a"'),
        ('{"a": 1, "a": 2}', 'the key "a" is given twice'),
        ('{"a": [NaN]}', "NaN is no number of JSON"),
        (f'{{"a": {"9" * 5000}}}', "this number is too long"),
        (f'{{"a": {"[" * 100_000}', "nested too deep"),
        ('{"a":' * 30 + "1" + "}" * 30, "objects are nested too deep"),
    ],
)
def test_what_is_no_json(text: str, message: str) -> None:
    (told,) = parse_references(text.encode(), "a.reference.json").diagnostics
    assert told.code == "E1100"
    assert message in told.message
    assert told.place is not None


def test_what_is_no_object_and_what_is_no_text() -> None:
    (told,) = parse_references(b"[]", "a.reference.json").diagnostics
    assert told.code == "E1101"
    (told,) = parse_references(b'{"a":\n "\xff"}', "a.reference.json").diagnostics
    assert told.code == "E1100"
    assert told.place is not None
    assert told.place.line == 2


def test_a_byte_order_mark_moves_no_place() -> None:
    (told,) = parse_references(b"\xef\xbb\xbf[]", "a.reference.json").diagnostics
    assert str(told.place) == "a.reference.json:1:1"


def test_places_of_keys_and_items() -> None:
    text = '{\n "a": {"b": [[1, "]"],\n  [2]]}\n}\n'
    found = parse(text, "x")
    assert found.value == {"a": {"b": [[1, "]"], [2]]}}
    assert str(found.keys["a"]) == "x:2:2"
    inner = found.members["a"].members["b"]
    assert [str(place) for place in items(text, inner)] == ["x:2:14", "x:3:3"]
    assert inner.place.end_line == 3


def test_what_needs_arguments_and_what_has_no_symbol(tmp_path: Path) -> None:
    _, _, told = checked({"Wide": {"source": "x", "macs": {"value": 1}}}, tmp_path)
    assert [(d.code, d.message) for d in told] == [
        ("E1102", "Wide needs arguments, so that it has no figures of its own")
    ]
    _, _, told = checked({"Text": {"source": "x", "macs": {"value": 1}}}, tmp_path)
    assert [(d.code, d.help) for d in told] == [("E1103", 'say for which sizes they are counted: "bind": {"T": 128}')]
    _, _, told = checked({"Text": {"source": "x", "published": {"flops": "1M", "within": 0.1}}}, tmp_path)
    assert [d.code for d in told] == ["E1103"]


def test_published_figures_are_compared_within_their_share(tmp_path: Path) -> None:
    def told(**published: Any) -> list[str]:
        return codes({"Small": {"source": "x", "published": published}}, tmp_path)

    assert told(parameters="0.66k", within=0.02) == []
    assert told(parameters="0.66k", within=0.01) == ["E1104"]
    assert told(parameters="0.66k") == ["E1104"], "by default a figure is exact"
    assert told(flops="1.28k") == []
    assert told(flops="1.2k", within=0.05) == ["E1105"]


def test_many_rows_that_differ_are_cut_short(tmp_path: Path) -> None:
    rows = [[f"d{n}", "Conv2D", [None, n + 1], n] for n in range(20)]
    _, _, told = checked({"Small": {"source": "x", "layers": rows}}, tmp_path)
    assert [d.code for d in told] == ["E1106"] * 5
    assert told[-1].help is not None
    assert re.fullmatch(r"and \d+ more like these", told[-1].help)
    assert "line 1" in told[0].message
