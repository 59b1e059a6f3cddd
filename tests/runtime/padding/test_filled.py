"""Sessions that fill calls up: which calls, what is run, what comes back, and what is told of it."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from behind import drawn, graph_of, n, one

from archonnx.contract.diagnostics import UsageError
from archonnx.runtime.awaiting import Stop
from archonnx.runtime.errors import RunError
from archonnx.runtime.loading import load
from archonnx.runtime.padding import running

SIZES = {"mask": [4, 8]}
POOLED = [
    n("Mul", "x kept", "z"),
    n("ReduceSum", "z i1", "sums", keepdims=0),
    n("Softmax", "hidden", "p"),
    n("MatMul", "p x", "y"),
]
MEAN = [n("ReduceMean", "x i1", "y", name="net/mean")]
RNG = np.random.default_rng(4)


def typed(nodes: list[Any], outputs: tuple[str, ...] = ("y",), held: dict[str, Any] | None = None) -> bytes:
    from onnx import shape_inference

    return shape_inference.infer_shapes(graph_of(nodes, held, outputs=outputs)).SerializeToString()


def plain(length: int, rows: int = 2) -> dict[str, Any]:
    return drawn(RNG, rows, length)


@pytest.fixture
def lengths(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The numbers of tokens that onnxruntime runs on, one a run."""
    from archonnx.runtime import engine

    found: list[int] = []
    run, bound, bind = engine.Engine.run, engine.Engine.run_bound, engine.Engine.bind

    def counted(self: Any, feeds: Any, stop: Any = None) -> Any:
        found.append(feeds["mask"].shape[1])
        return run(self, feeds, stop)

    def counted_bound(self: Any, binding: Any, feeds: Any, out: Any, stop: Any = None) -> Any:
        found.append(feeds["mask"].shape[1])
        return bound(self, binding, feeds, out, stop)

    monkeypatch.setattr(engine.Engine, "run", counted)
    monkeypatch.setattr(engine.Engine, "run_bound", counted_bound)
    monkeypatch.setattr(engine.Engine, "bind", bind)
    return found


def test_calls_are_filled_up_to_the_smallest_bucket_that_holds_them(lengths: list[int]) -> None:
    data = typed(POOLED, ("y", "sums", "x"))
    exact, session = load(data, "cpu"), load(data, "cpu", buckets=SIZES)
    assert session.padding is not None
    assert session.padding.why is None
    for length, size in ((1, 4), (3, 4), (4, 4), (5, 8), (8, 8), (9, 9)):
        feeds = plain(length)
        lengths.clear()
        found = session(feeds)
        assert lengths == [size]
        for name, expected in exact(feeds).items():
            assert found[name].shape == expected.shape
            assert found[name].dtype == expected.dtype
            np.testing.assert_allclose(found[name], expected, rtol=1e-4, atol=1e-2)
    assert session.padding.padded == 3
    assert session.padding.whole == {running.LONG: 1}
    assert str(session.padding).splitlines() == [
        "buckets 4, 8 of mask: 3 calls filled up",
        "1 call in the exact shape: it has more tokens than the largest bucket",
    ]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda feeds: feeds["mask"].__setitem__((1, 0), 0), running.FIRST),
        (lambda feeds: feeds["mask"].__setitem__((1, slice(None)), 0), running.FIRST),
        (lambda feeds: feeds["mask"].__setitem__((0, 1), 2), running.OTHER),
        (lambda feeds: feeds["mask"].__setitem__((0, 1), -1), running.OTHER),
        (lambda feeds: feeds["given"].__setitem__((0, 0, 0), np.inf), running.LARGE),
        (lambda feeds: feeds["given"].__setitem__((0, 0, 0), np.nan), running.LARGE),
        (lambda feeds: feeds["given"].__setitem__((0, 0, 0), 1e9), running.LARGE),
    ],
)
def test_calls_that_the_proof_is_not_about_run_in_their_exact_shape(
    change: Any, reason: str, lengths: list[int]
) -> None:
    session = load(typed(POOLED), "cpu", buckets=SIZES)
    feeds = plain(3)
    change(feeds)
    expected = load(typed(POOLED), "cpu")(feeds)
    lengths.clear()
    np.testing.assert_array_equal(session(feeds), expected)
    assert lengths == [3]
    assert session.padding is not None
    assert session.padding.whole == {reason: 1}


def test_a_row_of_which_nothing_is_shown_keeps_the_mean_of_its_own_tokens() -> None:
    """The softmax of a row that is hidden is the same for all its tokens: it depends on how many there are."""
    data = typed(POOLED)
    feeds = plain(3)
    feeds["mask"][1] = 0
    np.testing.assert_array_equal(load(data, "cpu", buckets=SIZES)(feeds), load(data, "cpu")(feeds))


def test_holes_and_rows_of_different_lengths_stay_filled(lengths: list[int]) -> None:
    data = typed(POOLED)
    feeds = plain(6, rows=3)
    feeds["mask"][:] = [[1, 1, 1, 1, 1, 1], [1, 1, 0, 0, 0, 0], [1, 0, 1, 0, 0, 1]]
    exact = load(data, "cpu")(feeds)
    lengths.clear()
    np.testing.assert_allclose(load(data, "cpu", buckets=SIZES)(feeds), exact, rtol=1e-4, atol=1e-3)
    assert lengths == [8]


def test_arrays_for_outputs_are_written_into() -> None:
    session = load(typed(POOLED, ("y", "sums")), "cpu", buckets=SIZES)
    feeds = plain(3)
    expected = load(typed(POOLED, ("y", "sums")), "cpu")(feeds)
    out = np.empty((2, 3, 4), np.float32)
    found = session(feeds, out={"y": out})
    assert found["y"] is out
    np.testing.assert_allclose(out, expected["y"], rtol=1e-4, atol=1e-3)
    with pytest.raises(UsageError, match=r"out: output y: the array has the shape \[2, 4, 4\], the result \[2, 3, 4\]"):
        session(feeds, out={"y": np.empty((2, 4, 4), np.float32)})


def test_what_is_bound_reads_its_arrays_again_each_time() -> None:
    session = load(typed(POOLED), "cpu", buckets=SIZES)
    exact = load(typed(POOLED), "cpu")
    feeds = plain(3)
    bound = session.bind(feeds)
    for first in (1, 0, 1):
        feeds["given"][:] = RNG.uniform(-1, 1, feeds["given"].shape)
        feeds["mask"][:, 0] = first
        bound.inputs["mask"][:] = feeds["mask"]
        bound.inputs["given"][:] = feeds["given"]
        bound()
        np.testing.assert_allclose(bound.outputs["y"], exact(feeds), rtol=1e-4, atol=1e-3)
    assert session.padding is not None
    assert session.padding.whole == {running.FIRST: 1}


def test_batches_in_parts_are_filled_up_too(lengths: list[int]) -> None:
    session = load(typed(POOLED), "cpu", buckets=SIZES, batch=1)
    feeds = plain(3, rows=3)
    np.testing.assert_allclose(session(feeds), load(typed(POOLED), "cpu")(feeds), rtol=1e-4, atol=1e-3)
    assert lengths[:3] == [4, 4, 4]
    assert session.whole_batch is None


def test_a_result_that_is_no_number_is_computed_again(monkeypatch: pytest.MonkeyPatch, lengths: list[int]) -> None:
    session = load(typed(POOLED), "cpu", buckets=SIZES)
    feeds = plain(3)
    exact = load(typed(POOLED), "cpu")(feeds)
    real = running.Filled._full

    def broken(self: Any, given: Any, size: int) -> Any:
        found = real(self, given, size)
        return {**found, "given": np.full_like(found["given"], np.nan)}

    monkeypatch.setattr(running.Filled, "_full", broken)
    lengths.clear()
    np.testing.assert_array_equal(session(feeds), exact)
    assert lengths == [4, 3]
    assert session.padding is not None
    assert (session.padding.padded, session.padding.whole) == (0, {running.NAN: 1})


def test_a_call_that_fails_filled_up_is_run_as_it_is(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    session = load(typed(POOLED), "cpu", buckets=SIZES)
    feeds = plain(3)
    exact = load(typed(POOLED), "cpu")(feeds)
    real = running.Filled._full
    monkeypatch.setattr(
        running.Filled, "_full", lambda self, given, size: {**real(self, given, size), "mask": given["mask"]}
    )
    for _ in range(2):
        np.testing.assert_array_equal(session(feeds), exact)
    assert session.padding is not None
    assert (session.padding.padded, session.padding.whole) == (0, {running.FAILED: 2})
    assert (
        len([line for line in caplog.messages if "a call failed when it was filled up, and runs in its" in line]) == 1
    )


def test_a_call_that_was_stopped_is_no_failure_of_padding(caplog: pytest.LogCaptureFixture) -> None:
    session = load(typed(POOLED), "cpu", buckets=SIZES)
    assert session.padding is not None
    stop = Stop()
    stop.stop()
    with pytest.raises(RunError):
        session._timed((plain(3),), {}, stop)
    assert (session.padding.padded, session.padding.whole) == (0, {})
    assert not caplog.records


def test_a_model_that_looks_at_all_tokens_runs_in_exact_shapes_and_says_why(
    caplog: pytest.LogCaptureFixture, lengths: list[int]
) -> None:
    with caplog.at_level(logging.WARNING, "archonnx.runtime"):
        session = load(typed(MEAN), "cpu", buckets=SIZES)
    why = "ReduceMean (net/mean): it takes the mean over axis 1, which holds the tokens"
    line = f"<bytes>: buckets 4, 8 of mask: calls run in their exact shapes: {why}"
    assert [record.getMessage() for record in caplog.records] == [line]
    assert session.padding is not None
    assert session.padding.why == why
    feeds = plain(3)
    np.testing.assert_array_equal(session(feeds), load(typed(MEAN), "cpu")(feeds))
    assert set(lengths) == {3}
    assert (session.padding.padded, session.padding.whole) == (0, {})


def test_the_first_of_several_tokens_need_as_many(lengths: list[int]) -> None:
    """A call of fewer would fail in its exact shape, and must do so here."""
    data = typed([n("Gather", "x two", "y", axis=1)], held={"two": one(2, np.int64)})
    session = load(data, "cpu", buckets=SIZES)
    assert session(plain(3)).shape == (2, 4)
    with pytest.raises(Exception, match="Gather"):
        session(plain(2))
    assert lengths == [4, 2]
    assert session.padding is not None
    assert session.padding.whole == {running.SHORT: 1}


def test_a_bias_that_scores_may_outweigh_is_told_with_both() -> None:
    nodes = [n("Where", "columns zero weak", "m"), n("Add", "scores m", "h"), n("Softmax", "h", "y", name="net/p")]
    session = load(typed(nodes, held={"weak": one(-1e4)}), "cpu", buckets=SIZES)
    assert session.padding is not None
    numbers = r"a hidden one may be as high as \d\.\d+e\+09, and one that counts as low as -\d\.\d+e\+12"
    why = rf"Softmax \(net/p\): it works along the tokens: {numbers}, as far as the graph tells"
    assert re.fullmatch(why, session.padding.why or "")


def test_where_nothing_is_asked_for_nothing_is_told() -> None:
    assert load(typed(POOLED), "cpu").padding is None


def test_a_line_of_the_source_is_named(tmp_path: Path) -> None:
    import archonnx

    source = (
        "model Mean():\n    input x: float32[B, T, 3]\n    input mask: bool[B, T]\n"
        "    kept = cast(mask, float32)[..., None]\n    y = mean(x * kept, axis=1)\n    output y: float32[B, 3]\n"
    )
    (tmp_path / "mean.arch").write_text(source)
    archonnx.compile(tmp_path / "mean.arch").save(tmp_path / "mean.onnx")
    session = load(tmp_path / "mean.onnx", "cpu", buckets=SIZES)
    assert session.padding is not None
    assert session.padding.why is not None
    assert "at mean.arch:5:" in session.padding.why


def test_a_precision_of_another_range_proves_nothing() -> None:
    import archonnx

    text = (
        "model M():\n    input x: float32[B, T, 64]\n    input mask: bool[B, T]\n    y = x -> Dense(64)\n"
        "    output y = sum(y * cast(mask, float32)[..., None], axis=1)\n"
    )
    data = {"x": np.ones((1, 8, 64), np.float32), "mask": np.ones((1, 8), bool)}
    session = load(archonnx.compile(text=text), "cpu", buckets=SIZES, precision="int8", data=data)
    assert session.padding is not None
    assert session.padding.why == "in int8 other numbers are infinite, or 0, than the proof is about"
