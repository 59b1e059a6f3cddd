"""Results of a call, the file they are written to, and the best of a score."""

from __future__ import annotations

import pickle
import zipfile
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest

from archonnx.runtime.results import Results, save_npz, top


def results() -> Results:
    return Results({"boxes": np.zeros((2, 4), np.float32), "scores": np.ones(2, np.float32)})


def test_results_are_reached_by_name_position_and_attribute() -> None:
    r = results()
    assert r["boxes"] is r.boxes is r[0]
    assert r[-1] is r["scores"]
    assert list(r) == ["boxes", "scores"]
    boxes, scores = r.values()
    assert boxes is r.boxes
    assert scores is r.scores
    assert "boxes" in r
    assert 0 not in list(r)
    assert "boxes" in dir(r)
    assert repr(r) == "Results(boxes: float32[2, 4], scores: float32[2])"
    assert list(pickle.loads(pickle.dumps(r))) == ["boxes", "scores"]


def test_unknown_outputs_are_named() -> None:
    r = results()
    with pytest.raises(KeyError, match=r"no output box; did you mean boxes\? \(the model gives boxes, scores\)"):
        r["box"]
    with pytest.raises(AttributeError, match="no output score"):
        _ = r.score
    with pytest.raises(IndexError):
        r[2]
    assert not hasattr(r, "_private")


def test_npz_files_are_the_same_each_time_and_read_back(tmp_path: Path) -> None:
    arrays = {
        "a/b": np.arange(6, dtype=np.int16).reshape(2, 3).T,
        "s": np.array(["x", "yz"], object),
        "h": np.array([1.5, 3], ml_dtypes.bfloat16),
        "zero": np.zeros((0, 3)),
        "scalar": np.float32(2),
    }
    for name in ("one.npz", "two.npz"):
        save_npz(tmp_path / name, arrays)
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "two.npz").read_bytes()
    with np.load(tmp_path / "one.npz", allow_pickle=False) as back:
        assert sorted(back) == sorted(arrays)
        np.testing.assert_array_equal(back["a/b"], arrays["a/b"])
        assert back["s"].tolist() == ["x", "yz"]
        assert back["h"].dtype == np.float32
        assert back["h"].tolist() == [1.5, 3.0]
        assert back["zero"].shape == (0, 3)
        assert back["scalar"].shape == ()
    with zipfile.ZipFile(tmp_path / "one.npz") as archive:
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_a_result_that_is_no_array_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "r.npz"
    save_npz(path, {"a": np.zeros(1)})
    before = path.read_bytes()
    with pytest.raises(TypeError, match="output b is a list, not an array"):
        save_npz(path, {"a": np.ones(1), "b": [{"x": 1}]})
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_the_best_come_first_and_ties_keep_their_order() -> None:
    scores = np.array([[0.1, 0.7, 0.7, np.nan], [4, 3, 2, 1]], np.float32)
    assert [[i for i, _, _ in row] for row in top(scores, 3)] == [[1, 2, 0], [0, 1, 2]]
    assert top(scores, 1, ["a", "b", "c", "d"])[1] == [(0, "a", 4.0)]
    assert [i for i, _, _ in top(scores[0], 9)[0]] == [1, 2, 0, 3]
    assert top(np.zeros((0, 4)), 2) == []
    assert top(np.array([1, 3], ml_dtypes.bfloat16), 1)[0][0][0] == 1


def test_the_best_of_what_has_none_is_refused() -> None:
    with pytest.raises(ValueError, match="3 labels for 2 classes"):
        top(np.zeros((1, 2)), 1, ["a", "b", "c"])
    with pytest.raises(ValueError, match="along the last axis"):
        top(np.zeros(()), 1)
    with pytest.raises(ValueError, match="along the last axis"):
        top(np.array(["a"]), 1)
