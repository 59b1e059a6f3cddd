"""`--input name=VALUE`: names, literals, array files, and files that are damaged."""

from __future__ import annotations

import json
import pickle
import zipfile
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archonnx.contract.diagnostics import ArchonnxError, UsageError
from archonnx.runtime.errors import InputError
from archonnx.runtime.inputs import decode, decode_inputs, parse_assignment
from archonnx.runtime.modelfile import Spec

BITS = Spec("bits", "float32", ("N", 2))
SCALE = Spec("scale", "float32", ())
TEXT = Spec("text", "string", ("N",))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refusal(kind: type[ArchonnxError], spec: Spec, text: str) -> str:
    with pytest.raises(kind) as caught:
        decode(spec, text)
    assert type(caught.value) is kind
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400
    return str(caught.value)


def test_assignments_are_split_at_the_inputs_name() -> None:
    odd = [Spec("a", "float32", ()), Spec("a=b", "float32", ()), Spec("input:0", "float32", ())]
    assert parse_assignment("bits=[[0,1]]", [BITS, SCALE]) == ("bits", "[[0,1]]")
    assert parse_assignment("a=b=3", odd) == ("a=b", "3")
    assert parse_assignment("a=c=3", odd) == ("a", "c=3")
    assert parse_assignment("input:0=3", odd) == ("input:0", "3")


def test_the_name_may_be_left_out_where_there_is_one_input(folder: Path) -> None:
    assert parse_assignment("[[0,1]]", [BITS]) == ("bits", "[[0,1]]")
    assert parse_assignment("a b=c.png", [BITS]) == ("bits", "a b=c.png")
    (folder / "a=b.npy").touch()
    assert parse_assignment("a=b.npy", [BITS]) == ("bits", "a=b.npy")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("bit=1", "--input bit: the model has no input bit; did you mean bits? (its inputs are bits: float32[N, 2],"),
        ("[[0,1]]", "expected name=VALUE; the model's inputs are bits: float32[N, 2], scale: float32[]"),
        ("x" * 100, "..."),
    ],
)
def test_assignments_without_a_known_name_are_refused(text: str, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_assignment(text, [BITS, SCALE])
    assert words in str(caught.value)


def test_inputs_are_given_once() -> None:
    values = decode_inputs(["bits=[[0,1]]", "scale=2"], [BITS, SCALE])
    assert values["bits"].tolist() == [[0.0, 1.0]]
    assert values["scale"].shape == ()
    with pytest.raises(UsageError, match="--input bits is given twice"):
        decode_inputs(["bits=[[0,1]]", "bits=[[0,1]]"], [BITS, SCALE])


@pytest.mark.parametrize(
    ("spec", "text", "expected"),
    [
        (BITS, "[[0,0],[0,1]]", [[0.0, 0.0], [0.0, 1.0]]),
        (BITS, " ((0, 1.5),) ", [[0.0, 1.5]]),
        (SCALE, "-1e3", -1000.0),
        (Spec("f", "bool", ("N",)), "[true, false]", [True, False]),
        (Spec("f", "bool", ("N",)), "[True, False]", [True, False]),
        (Spec("n", "int64", ()), "1_000", 1000),
        (TEXT, '["a", "b"]', ["a", "b"]),
        (TEXT, "('a', 'b')", ["a", "b"]),
        (TEXT, "hello world", "hello world"),
        (TEXT, "picture.png", "picture.png"),
        (TEXT, "array.npy", "array.npy"),
        (Spec("s", "sequence", None, kind="sequence"), "[[1], [2, 3]]", None),
    ],
)
def test_literals_are_json_or_python(folder: Path, spec: Spec, text: str, expected: Any) -> None:
    value = decode(spec, text)
    if expected is None:
        assert value == [[1], [2, 3]]
    else:
        assert value.tolist() == expected


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "the value is missing, as in bits=[[0]]"),
        (
            "foo",
            "'foo' is no literal; expected a literal such as [[0]], a .npy, .npz or .json file, a picture (.png, .jpg, ...) or a sound (.wav)",
        ),
        ("foo.txt", "'foo.txt' is neither a literal nor a file that is there"),
        ("there.txt", "'there.txt' is a kind of file that is not read"),
        ("./", "'./' is a folder: name a file of it"),
        ("inside", "'inside' is a folder: name a file of it"),
        ("plain", "'plain' is a kind of file that is not read"),
        ("[[1,2]", "is no literal"),
        ("[" * 100_000, "is no literal"),
        ("9" * 5000, "is no literal"),
        ("\0", "is no literal"),
        (
            "[1" + ",1" * 5_000_000 + "]",
            "a literal of 10,000,003 characters is too long; write it to a .json or .npy file",
        ),
    ],
)
def test_what_is_no_literal_is_a_wrong_command(folder: Path, text: str, words: str) -> None:
    (folder / "there.txt").touch()
    (folder / "plain").touch()
    (folder / "inside").mkdir()
    assert words in refusal(UsageError, BITS, text)


@pytest.mark.parametrize("text", ["[[1,'a']]", "{'a': 1}", "{1, 2}", "None", "1+2j", "b'a'", "...", "true"])
def test_literals_of_another_kind_are_wrong_values(text: str) -> None:
    assert "input bits: expected" in refusal(InputError, BITS, text)


def test_array_files_are_read(folder: Path) -> None:
    array = np.array([[1, 2], [3, 4]], np.float32)
    np.save("x.npy", array)
    np.save("fortran.NPY", np.asfortranarray(array))
    Path("fortran.NPY.npy").rename("fortran.NPY")
    np.savez("named.npz", bits=array, other=np.zeros(3))
    np.savez_compressed("one.npz", foo=array)
    Path("x.json").write_text("[[1, 2], [3, 4.0]]")
    Path("named.json").write_text(json.dumps({"bits": [[1, 2], [3, 4]], "other": 3}))
    Path("bom.json").write_bytes("[[1, 2], [3, 4]]".encode("utf-8-sig"))
    said: list[str] = []
    for text in ("x.npy", "fortran.NPY", "named.npz", "named.npz:bits", "one.npz", "x.json", "named.json", "bom.json"):
        value = decode(BITS, text, said.append)
        assert value.dtype == np.float32
        np.testing.assert_array_equal(value, array)
    assert said == ["bits: one.npz holds foo, taken for bits"]


def test_foreign_types_survive_npy(folder: Path) -> None:
    array = np.array([1, 2.5], ml_dtypes.bfloat16)
    np.save("x.npy", array)
    spec = Spec("x", "bfloat16", ("N",))
    assert decode(spec, "x.npy").tolist() == array.tolist()
    np.save("y.npy", np.zeros(2, "V4"))
    assert "expected bfloat16[N], received void32[2]" in refusal(InputError, spec, "y.npy")


def test_a_text_input_reads_files_that_are_there(folder: Path) -> None:
    np.save("a.npy", np.array(["x", "y"]))
    assert decode(TEXT, "a.npy").tolist() == ["x", "y"]


def test_damaged_array_files_are_named(folder: Path) -> None:
    array = np.array([[1, 2]], np.float32)
    np.save("x.npy", array)
    data = Path("x.npy").read_bytes()
    np.savez("x.npz", foo=array, bar=array)
    np.save("object.npy", np.array([{}], object), allow_pickle=True)
    np.save("double.npy", np.zeros((1, 2)))
    files: dict[str, bytes] = {
        "empty.npy": b"",
        "cut.npy": data[:-4],
        "head.npy": data[:30],
        "huge.npy": data.replace(b"(1, 2)", b"(9999999999999, 2)"),
        "negative.npy": data.replace(b"(1, 2)", b"(-1, 2)"),
        "pickle.npy": pickle.dumps([1]),
        "cut.npz": Path("x.npz").read_bytes()[:-40],
        "text.npz": b"hello",
        "bad.json": b'{"q": 3',
        "other.json": b'{"q": 3}',
        "bytes.json": b"\xff\xfe\x00",
        "deep.json": b"[" * 200_000,
        "empty.json": b"",
    }
    for name, content in files.items():
        Path(name).write_bytes(content)
    expected = {
        "empty.npy": "this is no .npy array",
        "cut.npy": "the array is cut short: 132 bytes of 136",
        "head.npy": "this is no .npy array",
        "huge.npy": "the array is cut short",
        "negative.npy": "the array is cut short",
        "pickle.npy": "this is no .npy array",
        "object.npy": "it holds Python objects, which are refused",
        "double.npy": 'received float64[1, 2]; convert it: bits.astype("float32")',
        "cut.npz": "this is no .npz file, or a damaged one",
        "text.npz": "this is no .npz file",
        "x.npz": "there is no array bits in it; it holds foo, bar; choose one: bits=x.npz:foo",
        "x.npz:baz": "there is no array baz in it; it holds foo, bar",
        "bad.json": "this is no JSON",
        "other.json": "expected a list, or an object that holds bits; it holds q",
        "bytes.json": "this is no JSON",
        "deep.json": "this JSON is nested too deeply",
        "empty.json": "this is no JSON",
    }
    for name, words in expected.items():
        assert words in refusal(InputError, BITS, name), name


def test_a_damaged_member_is_named(folder: Path) -> None:
    np.savez_compressed("x.npz", bits=np.random.default_rng(0).random((50, 50)))
    data = bytearray(Path("x.npz").read_bytes())
    with zipfile.ZipFile("x.npz") as archive:
        start = archive.infolist()[0].header_offset + 60
    data[start : start + 40] = bytes(40)
    Path("x.npz").write_bytes(data)
    assert "x.npz" in refusal(InputError, BITS, "x.npz")


def test_files_that_are_missing_are_the_systems_refusal(folder: Path) -> None:
    for name in ("no.npy", "no.npz", "no.npz:a", "no.json", "no.png"):
        with pytest.raises(FileNotFoundError):
            decode(Spec("image", "uint8", ("N", "H", "W", 3)), name)


@given(st.text(max_size=40))
def test_any_text_is_a_value_or_refused_in_one_line(text: str) -> None:
    for spec in (BITS, TEXT, Spec("n", "int8", ("N",))):
        try:
            decode(spec, "[" + text)
        except (UsageError, InputError) as error:
            assert "\n" not in str(error)
