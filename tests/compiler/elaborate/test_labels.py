"""The asset `labels` is a text with a line for each class, or a diagnostic that says what it is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import archonnx
from archonnx.contract.diagnostics import Diagnostic

ONE = 'model Pets():\n    input x: float32[N, 2]\n    Dense(3)\n    asset labels = "labels.txt"\n    output scores\n'


def error_of(folder: Path, data: bytes, source: str = ONE) -> Diagnostic:
    (folder / "labels.txt").write_bytes(data)
    with pytest.raises(archonnx.CompileError) as raised:
        archonnx.compile(text=source, root=folder)
    (one,) = raised.value.diagnostics
    return one


@pytest.mark.parametrize("data", [b"cat\ndog\nowl\n", b"cat\r\ndog\r\nowl", b"\xef\xbb\xbfcat\ndog\nowl\n\n\n"])
def test_as_many_as_there_are_classes(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "labels.txt").write_bytes(data)
    with archonnx.load(archonnx.compile(text=ONE, root=tmp_path)) as session:
        assert session.labels == ["cat", "dog", "owl"]


@pytest.mark.parametrize(
    ("data", "held", "help"),
    [
        (b"cat\n", "1 label", "name another file, or another number of classes"),
        (b"", "0 labels", "name another file"),
        (b"cat\ndog\nowl\nfox", "4 labels", "name another file"),
        (b"cat\n\ndog\nowl\n", "4 labels", "line 2 is blank"),
    ],
)
def test_another_number_names_the_model_the_file_and_both(tmp_path: Path, data: bytes, held: str, help: str) -> None:
    found = error_of(tmp_path, data)
    assert found.code == "E1111"
    assert found.message == f'"labels.txt" has {held} for Pets, whose scores is scores of 3 classes'
    assert found.place is not None
    assert (found.place.line, found.place.column) == (4, 20)
    assert help in str(found.help)


def test_what_is_no_text(tmp_path: Path) -> None:
    found = error_of(tmp_path, "Käfer\nHund\nEule\n".encode("latin-1"))
    assert found.code == "E1110"
    assert found.message == 'the labels of Pets, "labels.txt", are no UTF-8 text: byte 1'


def test_one_of_several_outputs_has_them_or_one_of_a_size_that_is_not_known(tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_text("cat\ndog\nowl\n")
    for body in ("output scores = x -> Dense(3)\n    output code = x -> Dense(8)", "output boxes = x[:, 0]"):
        source = f'model A():\n    input x: float32[N, 2]\n    asset labels = "labels.txt"\n    {body}\n'
        assert archonnx.compile(text=source, root=tmp_path).graph.assets["labels"].file == "labels.txt"
    source = 'model A():\n    input x: float32[N, 2]\n    asset labels = "labels.txt"\n    output a = x -> Dense(4)\n    output b = x -> Dense(5)\n'
    assert (
        "whose a is scores of 4 classes and b is scores of 5 classes"
        in error_of(tmp_path, b"cat\ndog\n", source).message
    )


def test_labels_that_are_attached_are_counted_too(tmp_path: Path) -> None:
    model = archonnx.compile(text="model Pets():\n    input x: float32[N, 2]\n    Dense(3)\n    output scores\n")
    assert model.with_assets(labels=b"cat\ndog\nowl\n").graph.assets["labels"].data == b"cat\ndog\nowl\n"
    wrong = tmp_path / "two.txt"
    wrong.write_text("cat\ndog\n")
    reason = f'Pets: "{wrong}" has 2 labels for Pets, whose scores is scores of 3 classes; one label a line'
    with pytest.raises(archonnx.ArchonnxError, match=re.escape(reason)):
        model.with_assets(labels=wrong)
