"""The same source gives the same bytes, whatever path it was named by."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import onnx
import pytest

import archonnx
from archonnx.contract.metadata import digests

TEXT = """\
block twice():
    Dense(3)
    Dense(3)

block cell():
    input x: [N, D]
    input h: [N, D]
    output y = x + h
    output state h = x

model A():
    input x: float32[N, T, 4]
    require T % 2 == 0
    x -> RNN(cell()) -> twice()
    output y
"""


def test_the_path_of_a_build_leaves_no_trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a.arch").write_text(TEXT, encoding="utf-8")
    written = []
    for folder, name in (
        (tmp_path, "sub/a.arch"),
        (tmp_path / "sub", "a.arch"),
        (tmp_path, str(tmp_path / "sub/a.arch")),
    ):
        monkeypatch.chdir(folder)
        archonnx.compile(name).save(tmp_path / "a.onnx")
        written.append((tmp_path / "a.onnx").read_bytes())
    assert len(set(written)) == 1
    assert str(tmp_path).encode() not in written[0]
    model = onnx.load_from_string(written[0])
    props = {p.key: p.value for p in model.metadata_props}
    assert props["archonnx.source"] == "a.arch"
    assert json.loads(props["archonnx.sources"]) == {"a.arch": hashlib.sha256(TEXT.encode()).hexdigest()}
    assert '"place": "a.arch:13:5"' in props["archonnx.requires"]
    places = {p.value for node in model.graph.node for p in node.metadata_props if p.key == "archonnx.place"}
    assert places
    assert all(place.startswith("a.arch:") for place in places)


def test_two_sources_of_one_name_have_no_digest() -> None:
    texts = [("a.arch", "one"), ("b.arch", "x\r\ny"), ("a.arch", "two"), ("c.arch", "x\ny")]
    found = json.loads(digests(texts))
    assert list(found) == ["b.arch", "c.arch"]
    assert found["b.arch"] == found["c.arch"] == hashlib.sha256(b"x\ny").hexdigest()
