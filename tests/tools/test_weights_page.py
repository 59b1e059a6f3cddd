"""The tables of docs/weights.md are what the formats' lists say, which test_pairs.py holds against files."""

from __future__ import annotations

import re
from pathlib import Path
from types import ModuleType

import pytest

from archonnx.compiler.weights.files.formats import formats

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def weights(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module, imported as `python -m tools.docs.weights` does, from the root."""
    monkeypatch.syspath_prepend(str(ROOT))
    import tools.docs.weights

    return tools.docs.weights


def test_the_tables_are_what_the_formats_say(weights: ModuleType) -> None:
    page = (ROOT / "docs" / "weights.md").read_text(encoding="utf-8")
    assert page == weights.generated(), f"docs/weights.md is out of date; write it by: {weights.WRITE}"


def test_a_table_names_every_type_that_is_lost(weights: ModuleType) -> None:
    missing = frozenset({"bfloat16", "int2", "int4", "uint2", "uint4", "uint8"})
    assert list(weights.grouped(missing)) == ["whole numbers of 2 and 4 bits", "uint8", "bfloat16"]
    forms = weights.columns()
    row = next(line for line in weights.tables().splitlines() if line.startswith("| ONNX |"))
    assert row.count("all") == 1  # to itself
    assert "float16" not in {dtype for form in forms.values() for dtype in forms["ONNX"].holds - form.holds}


@pytest.mark.parametrize("name", formats())
def test_the_page_says_how_each_format_ends_and_whether_it_is_written(name: str) -> None:
    form = formats()[name]
    lines = (ROOT / "docs" / "weights.md").read_text(encoding="utf-8").splitlines()
    rows = [re.split(r" \| ", line.strip("| ")) for line in lines if line.startswith("| ") and "| yes |" in line]
    found = [row for row in rows if name == "torch_legacy" or form.suffixes[0] in row[1]]
    assert found, f"docs/weights.md has no row for {form.suffixes}"
    if name != "torch_legacy":
        (row,) = (row for row in found if f"`{form.suffixes[0]}`" in row[1].split(", "))
        assert (len(row) > 3 and row[3] in ("yes", "unquantised")) == form.written
