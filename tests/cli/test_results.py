"""How results are printed and written."""

from __future__ import annotations

import json
import re
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest

from archonnx.cli import results
from archonnx.contract.diagnostics import UsageError
from archonnx.runtime.results import Results

BITS = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32)


def test_small_results_stand_beside_their_inputs(capsys: pytest.CaptureFixture[str]) -> None:
    results.print_results({"bits": BITS}, {"output": np.array([[0], [1], [1], [0]], np.float32)}, None, None)
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == ["bits[0]", "bits[1]", "output"]
    assert lines[2:6] == [["0", "0", "0"], ["0", "1", "1"], ["1", "0", "1"], ["1", "1", "0"]]


def test_strings_are_called_so(capsys: pytest.CaptureFixture[str]) -> None:
    texts = Results({"words": np.array(["a", "b"], object)})
    results.print_results({"x": np.zeros((3, 4))}, texts, None, None)
    assert "words: string[2]" in capsys.readouterr().out
    found = json.loads(results.as_json(texts, None, None, {}))
    assert found["outputs"]["words"] == {"dtype": "string", "shape": [2], "data": ["a", "b"]}
    assert repr(texts) == "Results(words: string[2])"


def test_no_number_is_cut_where_the_terminal_is_narrow(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    values = np.array([[-0.146484, 1.10938, 0.394531]], np.float32)
    monkeypatch.setenv("COLUMNS", "40")
    results.print_results({"x": np.zeros((1, 3))}, {"y": values}, None, None)
    narrow = capsys.readouterr().out
    assert "…" not in narrow
    assert narrow.splitlines() == ["y: float32[1, 3]", "  -0.146484  1.10938  0.394531"]
    monkeypatch.setenv("COLUMNS", "80")
    results.print_results({"x": np.zeros((1, 3))}, {"y": values}, None, None)
    assert capsys.readouterr().out.splitlines()[2].split() == ["0", "0", "0", "-0.146484", "1.10938", "0.394531"]


def test_different_numbers_of_rows_make_no_table() -> None:
    assert not results.print_table({"a": np.zeros(3)}, {"b": np.zeros(4)})
    assert not results.print_table({"a": np.float32(3)}, {"b": np.zeros(1)})
    assert not results.print_table({"a": np.zeros((2, 9))}, {"b": np.zeros((2, 9))})
    assert not results.print_table({"a": np.zeros((100, 1))}, {"b": np.zeros((100, 1))})
    assert not results.print_table({}, {"b": np.zeros((2, 1))})


def test_large_results_show_their_type_beginning_and_range(capsys: pytest.CaptureFixture[str]) -> None:
    results.print_results({"x": np.zeros((1, 1000))}, {"y": np.arange(1000, dtype=np.float32)[None]}, None, None)
    text = capsys.readouterr().out
    assert "y: float32[1, 1000]" in text
    assert "(1,000 values)" in text
    assert "smallest 0, largest 999, mean 499.5" in text


def test_the_best_are_listed_largest_first_with_their_labels(capsys: pytest.CaptureFixture[str]) -> None:
    values = np.array([[0.1, 0.7, 0.2], [0.5, 0.2, 0.3]], np.float32)
    results.print_results({"x": BITS[:2]}, {"p": values}, 2, ["cat", "dog", "owl"])
    assert capsys.readouterr().out.split() == "p: float32[2, 3] [0] dog 0.7 owl 0.2 [1] cat 0.5 owl 0.3".split()


def test_labels_that_do_not_fit_are_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    results.print_results({}, {"p": np.array([[0.25, 0.75]], np.float32)}, 1, ["only one"])
    assert capsys.readouterr().out.split() == ["p:", "float32[1,", "2]", "1", "0.75"]


def test_text_and_scalars_have_no_best() -> None:
    assert results.ranked(np.array(["a", "b"], object), 1, None) is None
    assert results.ranked(np.float32(3), 1, None) is None
    assert results.ranked(np.zeros((3, 1)), 1, None) is None


def test_many_rows_are_cut_and_that_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    results.print_results({}, {"p": np.zeros((20, 3), np.float32)}, 1, None)
    assert "... and 4 more rows" in capsys.readouterr().out


def test_json_is_valid_json_whatever_the_values() -> None:
    array = np.array([1.5, np.nan, np.inf, -np.inf])
    text = results.as_json({"y": array}, None, None, {"model": "A"})
    assert not re.search(r"\bNaN\b(?!\")", text)
    assert json.loads(text) == {
        "outputs": {"y": {"dtype": "float64", "shape": [4], "data": [1.5, "NaN", "Infinity", "-Infinity"]}},
        "model": "A",
    }


def test_json_of_the_best() -> None:
    document = json.loads(results.as_json({"p": np.array([[0.25, 0.75]])}, 1, ["a", "b"], {}))
    assert document["outputs"]["p"]["top"] == [[{"index": 1, "value": 0.75, "label": "b"}]]


def test_npz_holds_every_output_by_name(tmp_path: Path) -> None:
    path = tmp_path / "y.npz"
    results.write_results(path, {"a": BITS, "b": BITS.astype(ml_dtypes.bfloat16)})
    held = np.load(path, allow_pickle=False)
    assert held["a"].dtype == np.float32
    np.testing.assert_array_equal(held["a"], BITS)
    np.testing.assert_array_equal(held["b"], BITS)
    assert [p.name for p in tmp_path.iterdir()] == ["y.npz"]


def test_what_is_no_array_is_written_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    outputs = {"maps": [{"cat": np.float32(0.5)}], "label": np.array(["cat"], object)}
    results.write_results(tmp_path / "y.json", outputs)
    held = json.loads((tmp_path / "y.json").read_text())["outputs"]
    assert held["maps"]["data"] == [{"cat": 0.5}]
    assert held["label"]["data"] == ["cat"]
    with pytest.raises(UsageError, match=r"maps is no array but a list; name a .json file"):
        results.write_results(tmp_path / "y.npz", outputs)
    assert not (tmp_path / "y.npz").exists()
    results.print_results({}, outputs, None, None)
    assert "maps: [{'cat'" in capsys.readouterr().out


@pytest.mark.parametrize("shape", [(0,), (0, 2), (3, 0), (0, 4, 5), (2, 0, 3)])
@pytest.mark.parametrize("most", [None, 2])
def test_what_is_empty_is_said(shape: tuple[int, ...], most: int | None, capsys: pytest.CaptureFixture[str]) -> None:
    results.print_results({"x": np.zeros((1, 99))}, {"y": np.zeros(shape, np.float32)}, most, None)
    assert capsys.readouterr().out == f"y: float32[{', '.join(map(str, shape))}]\n  nothing\n"


def test_another_ending_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"ends in \.npz or \.json"):
        results.write_results(tmp_path / "y.csv", {"a": BITS})
    assert not list(tmp_path.iterdir())
