"""The pages of the codes of maps: what each page's map gives for one model and one file is what the page shows.

`pytest tests/compiler/weights/maps/test_map_codes.py --rewrite-codes` writes it into the pages; read the difference.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

import archonnx
from archonnx.contract.diagnostics import CompileError
from archonnx.contract.render import render_text

PAGES = Path(__file__).resolve().parents[4] / "src" / "archonnx" / "contract" / "codes"
CODES = ("E1001", "E1002", "E1003", "E1004", "E1005", "E1006", "E1007", "E1008", "E1009", "E1010", "E1011", "E1012")
MAP = re.compile(r"^```map\n(.*?)^```$\n\n^```text\n(.*?)^```$", re.MULTILINE | re.DOTALL)

MODEL = """\
model Small():
    input x: float32[N, 4]
    Normalization(axis=-1)
    Dense(4, activation="relu")
    Dense(2)
    output y
"""
FILE = {
    "fc1.weight": np.ones((4, 4), "float32"),
    "fc1.bias": np.ones(4, "float32"),
    "fc2.weight": np.ones((2, 4), "float32"),
    "fc2.bias": np.ones(2, "float32"),
    "mean": np.ones(4, "float64"),
}


@pytest.mark.parametrize("code", CODES)
def test_the_page_shows_what_its_map_gives(
    code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    monkeypatch.chdir(tmp_path)
    page = PAGES / f"{code}.md"
    text = page.read_text(encoding="utf-8")
    found = MAP.search(text)
    assert found is not None
    Path("small.tool.map").write_text(found[1])
    with pytest.raises(CompileError) as raised:
        archonnx.compile(text=MODEL).with_weights(FILE, map="small.tool.map")
    assert {d.code for d in raised.value.diagnostics} == {code}
    rendered = render_text(raised.value.diagnostics, raised.value.sources)
    if request.config.getoption("--rewrite-codes"):
        page.write_text(text[: found.start(2)] + rendered + "\n" + text[found.end(2) :], encoding="utf-8")
    else:
        assert rendered == found[2].rstrip("\n")


def test_every_code_of_maps_is_among_these() -> None:
    assert tuple(sorted(p.stem for p in PAGES.glob("E10[0-2]?.md"))) == CODES
