"""CUDA graphs: what is captured and replayed, and what is not, on a session that behaves as onnxruntime's there."""

from __future__ import annotations

import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import gpu_fakes
import numpy as np
import pytest
from gpu_fakes import ON_CUDA, GraphingSession, Tensor, on_gpu, session_of
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper

from archonnx.contract.diagnostics import MachineError, UsageError
from archonnx.runtime.cuda import engine as engines
from archonnx.runtime.cuda.graphs import Graphs, forbidden, read_graphs
from archonnx.runtime.cuda.proof import reason_against
from archonnx.runtime.cuda.starting import start_on_gpu
from archonnx.runtime.devices import CUDA, Choice
from archonnx.runtime.modelfile import read_model
from archonnx.runtime.settings import Settings

X = np.arange(6, dtype=np.float32).reshape(2, 3)
NEG = {"x": ("float32", ["N", 3])}, "Neg", {"y": ("float32", ["N", 3])}


@pytest.fixture
def neg(make: Any) -> Any:
    """y = -x, float32[N, 3], with graphs; and onnxruntime's session beneath."""
    return on_gpu(make(*NEG), Graphs(2))


def test_a_shape_is_captured_when_it_comes_again(neg: Any) -> None:
    session, beneath = neg
    for number in range(6):
        np.testing.assert_array_equal(session(X + number), -X - number)
    # The call that captures runs once without the graph, to compare with, and replays it on its own inputs.
    assert beneath.runs == ["run", "run", "bound", "capture", "replay", "replay", "replay", "replay"]
    np.testing.assert_array_equal(session(X[:1]), -X[:1])
    assert beneath.runs[-1] == "run"


def test_results_belong_to_the_caller(neg: Any) -> None:
    session, _ = neg
    results = [session(X + number) for number in range(8)]
    for number, result in enumerate(results):
        np.testing.assert_array_equal(result, -X - number)


def test_each_shape_has_a_graph_of_its_own(neg: Any) -> None:
    session, beneath = neg
    shapes = [np.full((size, 3), size, np.float32) for size in (1, 2, 3)]
    for _ in range(5):
        for x in shapes:
            np.testing.assert_array_equal(session(x), -x)
    assert len(beneath.captured) == 3
    assert len(set(beneath.captured.values())) == 3


def test_there_are_only_so_many(neg: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr("archonnx.runtime.cuda.graphs.MOST", 2)
    monkeypatch.setattr(engines, "MOST", 2)
    session, beneath = neg
    with caplog.at_level(logging.INFO, "archonnx.runtime"):
        for size in (1, 2, 3, 4):
            for _ in range(4):
                x = np.full((size, 3), size, np.float32)
                np.testing.assert_array_equal(session(x), -x)
    assert len(beneath.captured) == 2
    assert [r.message for r in caplog.records if "other shapes" in r.message] == [
        "<bytes>: 2 CUDA graphs are captured, other shapes run without"
    ]


def test_empty_arrays_are_never_captured(neg: Any) -> None:
    session, beneath = neg
    for _ in range(5):
        assert session(X[:0]).shape == (0, 3)
    assert not beneath.captured


@given(st.lists(st.tuples(st.integers(1, 3), st.integers(-9, 9), st.booleans()), max_size=40))
def test_any_row_of_calls_gives_what_it_gives_without_graphs(make: Any, calls: list[tuple[int, int, bool]]) -> None:
    session, _ = on_gpu(make(*NEG), Graphs(1))
    bound: dict[int, Any] = {}
    for size, number, binds in calls:
        x = np.full((size, 3), number, np.float32)
        if not binds:
            np.testing.assert_array_equal(session(x), -x)
            continue
        if size not in bound:
            bound[size] = session.bind(x)
        bound[size].inputs.x[...] = x
        np.testing.assert_array_equal(bound[size](), -x)


def test_what_is_bound_is_captured(neg: Any) -> None:
    session, beneath = neg
    x, out = X.copy(), np.zeros((2, 3), np.float32)
    bound = session.bind(x, out=out)
    for _ in range(6):
        x += 1
        assert bound() is out
        np.testing.assert_array_equal(out, -x)
    assert beneath.runs.count("capture") == 1
    assert beneath.runs[-2:] == ["replay", "replay"]


def test_arrays_on_the_gpu_are_bound_at_their_own_address(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    gpu_fakes.install(monkeypatch)
    session, beneath = on_gpu(make(*NEG), Graphs(1))
    x, out = Tensor(X.copy()), Tensor(np.zeros((2, 3), np.float32))
    bound = session.bind(x, out=out)
    for _ in range(4):
        x.array += 1
        assert bound() is out
        np.testing.assert_array_equal(out.array, -x.array)
    assert beneath.runs.count("capture") == 1
    results = [session(Tensor(X + number)) for number in range(5)]
    assert beneath.runs.count("capture") == 2
    for number, result in enumerate(results):
        np.testing.assert_array_equal(result.array, -X - number)


def test_each_thread_captures_for_itself(neg: Any) -> None:
    session, beneath = neg
    together = threading.Barrier(3)

    def work(offset: int) -> None:
        together.wait(30)
        for number in range(20):
            x = X + offset + number
            np.testing.assert_array_equal(session(x), -x)

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(work, (0, 100, 200)))
        assert len(beneath.captured) == 3
        assert session._engine.graphs.count == 3
    del pool


def test_what_is_bound_is_captured_in_each_thread_that_calls(neg: Any) -> None:
    session, beneath = neg
    bound = session.bind(X.copy())

    def calls(_: int) -> None:
        for _ in range(5):
            bound.inputs.x[...] += 1
            np.testing.assert_array_equal(bound(), -bound.inputs.x)

    calls(0)
    with ThreadPoolExecutor(1) as pool:
        list(pool.map(calls, [1]))
    calls(2)
    assert len(beneath.captured) == 2


def test_what_is_bound_is_captured_in_no_more_threads_than_may_be(neg: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "MOST", 1)
    session, beneath = neg
    bound = session.bind(X)
    for _ in range(4):
        with ThreadPoolExecutor(1) as pool:
            np.testing.assert_array_equal(pool.submit(bound).result(), -X)
    assert len(beneath.captured) == 1


def test_graphs_of_a_thread_that_has_ended_count_too(neg: Any) -> None:
    """onnxruntime keeps them."""
    session, _ = neg
    for _ in range(2):
        thread = threading.Thread(target=lambda: [session(X) for _ in range(4)])
        thread.start()
        thread.join()
    assert session._engine.graphs.count == 2


@pytest.mark.parametrize(
    ("faults", "words"),
    [
        ({"stale": True}, "a replay differs from an ordinary run by 1"),
        ({"noise": 0.5}, "a replay differs from an ordinary run by 0.07"),
    ],
)
def test_a_graph_that_computes_otherwise_is_given_up(
    make: Any, faults: Any, words: str, caplog: pytest.LogCaptureFixture
) -> None:
    session, beneath = on_gpu(make(*NEG), Graphs(2), **faults)
    for number in range(8):
        np.testing.assert_array_equal(session(X + number), -X - number)
    assert f"<bytes>: CUDA graphs are given up: {words}" in caplog.text
    assert beneath.runs.count("capture") == 1
    assert beneath.runs[-1] == "run"
    bound = session.bind(X)
    np.testing.assert_array_equal(bound(), -X)
    assert beneath.runs[-1] == "bound"


def test_the_proof_tells_a_stale_graph_from_a_small_error() -> None:
    zeros, one = np.zeros(3, np.float32), np.array([1, 1, 1.001], np.float32)
    near = one + np.float32(1e-5)
    assert reason_against([one], [one], [one]) is None  # nothing depends on the inputs
    assert reason_against([near], [zeros], [one]) is None
    assert reason_against([near], [one], [one]) == "a replay gives what the capture gave, whatever the inputs"
    assert reason_against([np.array([np.nan, 1])], [zeros], [np.array([np.nan, 1])]) is None
    assert "by inf" in str(reason_against([np.array([np.nan, 1])], [zeros], [np.array([1.0, 1])]))
    assert reason_against([one], [one], [one[:2]]) == "a replay gives other shapes than an ordinary run"


def test_a_capture_that_fails_leaves_a_session_that_works(make: Any, caplog: pytest.LogCaptureFixture) -> None:
    model = make(*NEG)
    later: list[Any] = []

    def anew() -> Any:
        later.append(session_of(model.SerializeToString()))
        return later[-1]

    session, beneath = on_gpu(model, Graphs(2), anew, fails=True)
    early = session.bind(X + 1)
    for number in range(8):
        np.testing.assert_array_equal(session(X + number), -X - number)
    assert "CUDA graphs are given up: the capture failed: CUDA failure 900: operation not permitted" in caplog.text
    assert beneath.runs.count("capture") == 1
    assert len(later) == 1
    np.testing.assert_array_equal(early(), -X - 1)  # bound to the session that was


def test_threads_go_on_while_one_finds_that_captures_fail(make: Any) -> None:
    model = make(*NEG)
    session, _ = on_gpu(model, Graphs(1), lambda: session_of(model.SerializeToString()), fails=True)
    together = threading.Barrier(4)
    bound = session.bind(X)

    def work(offset: int) -> None:
        together.wait(30)
        for number in range(20):
            np.testing.assert_array_equal(session(X + offset + number), -X - offset - number)
            np.testing.assert_array_equal(bound(), -X)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, (0, 100, 200, 300)))
    assert session._engine.graphs is None


@pytest.mark.parametrize("anew", [None, lambda: (_ for _ in ()).throw(FileNotFoundError("m.onnx is gone"))])
def test_a_capture_that_fails_where_nothing_is_left_to_load_is_an_error(make: Any, anew: Any) -> None:
    session, _ = on_gpu(make(*NEG), Graphs(0), anew, fails=True)
    with pytest.raises(MachineError, match=r"the capture failed: CUDA failure 900.*; load it with graphs=False"):
        session(X)


def test_where_there_is_no_memory_for_buffers_calls_run_without(
    neg: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def none(*about: Any) -> Any:
        raise RuntimeError("Failed to allocate memory for requested buffer of size 24")

    monkeypatch.setattr("archonnx.runtime.cuda.static.buffer", none)
    session, beneath = neg
    with caplog.at_level(logging.INFO, "archonnx.runtime"):
        for number in range(6):
            np.testing.assert_array_equal(session(X + number), -X - number)
    assert set(beneath.runs) == {"run"}
    assert caplog.text.count("such calls are not captured: Failed to allocate memory") == 1


def test_a_run_without_copies_is_captured(neg: Any) -> None:
    session, beneath = neg
    run = session._engine.bare({"x": X})
    run()
    run()
    assert beneath.runs == ["bound", "bound", "capture", "replay", "replay", "replay"]


def test_generation_is_never_captured(neg: Any) -> None:
    session, beneath = neg
    for number in range(5):
        y, _ = session._engine.step({"x": X + number}, {}, "y", [])
        np.testing.assert_array_equal(y, -X - number)
    assert set(beneath.runs) == {"bound"}


def test_what_the_setting_takes() -> None:
    assert [read_graphs(graphs) for graphs in ("auto", True, False)] == [None, True, False]
    for wrong in ("on", 1, None):
        with pytest.raises(UsageError, match=r'^graphs is "auto", True or False, received '):
            read_graphs(wrong)


def branching(make: Any) -> Any:
    """y = -x where c is true, else x."""
    then, other = (
        helper.make_graph(
            [helper.make_node(operator, ["x"], [name])],
            name,
            [],
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N"])],
        )
        for operator, name in (("Neg", "a"), ("Identity", "b"))
    )
    nodes = [helper.make_node("If", ["c"], ["y"], name="net/if", then_branch=then, else_branch=other)]
    return make({"c": ("bool", []), "x": ("float32", ["N"])}, nodes, {"y": ("float32", ["N"])})


REFUSED = (
    "[ONNXRuntimeError] : 1 : FAIL : This session cannot use the graph capture feature as requested by the user  as all "
    "compute graph nodes have not been partitioned to the CUDAExecutionProvider"
)


def test_a_session_is_made_with_graphs_where_they_are_possible(make: Any) -> None:
    data = make(*NEG).SerializeToString()
    asked: list[dict[str, str]] = []

    def session(more: dict[str, str]) -> Any:
        asked.append(more)
        return GraphingSession(data)

    for graphs, options, after in ((None, {"enable_cuda_graph": "1"}, 2), (True, {"enable_cuda_graph": "1"}, 1)):
        engine = start_on_gpu(session, read_model(data), ON_CUDA, Settings("cuda", graphs=graphs))
        assert asked.pop() == options
        assert engine.graphs.after == after
    assert start_on_gpu(session, read_model(data), ON_CUDA, Settings("cuda", graphs=False)).graphs is None
    assert asked.pop() == {}


def test_where_onnxruntime_refuses_graphs_it_is_said(make: Any, caplog: pytest.LogCaptureFixture) -> None:
    data = make(*NEG).SerializeToString()

    def session(more: dict[str, str]) -> Any:
        if more:
            raise RuntimeError(REFUSED)
        return session_of(data)

    model = read_model(data)
    with caplog.at_level(logging.INFO, "archonnx.runtime"):
        assert start_on_gpu(session, model, ON_CUDA, Settings("cuda")).graphs is None
    words = "onnxruntime refuses: as all compute graph nodes have not been partitioned to the CUDAExecutionProvider"
    assert f"runs without CUDA graphs: {words}" in caplog.text
    with pytest.raises(MachineError, match=f'CUDA graphs are impossible: {words}; load it with graphs="auto"'):
        start_on_gpu(session, model, ON_CUDA, Settings("cuda", graphs=True))

    def broken(more: dict[str, str]) -> Any:
        raise RuntimeError("CUDA failure 999")

    with pytest.raises(RuntimeError, match="999"):
        start_on_gpu(broken, model, ON_CUDA, Settings("cuda"))


def test_models_that_branch_or_take_texts_are_not_tried(make: Any) -> None:
    data = branching(make).SerializeToString()
    model = read_model(data)
    assert forbidden(model) == "If (net/if) decides while it runs what comes next"
    engine = start_on_gpu(lambda more: session_of(data) if not more else None, model, ON_CUDA, Settings("cuda"))
    assert engine.run({"c": np.array(True), "x": X[0]})[0].tolist() == [0, -1, -2]
    with pytest.raises(MachineError, match="CUDA graphs are impossible: If "):
        start_on_gpu(lambda more: None, model, ON_CUDA, Settings("cuda", graphs=True))
    texts = read_model(make({"s": ("string", ["N"])}, "Identity").SerializeToString())
    assert forbidden(texts) == "s is string[N], and a graph has tensors alone"


def test_tensorrt_captures_nothing_here(make: Any) -> None:
    data = make(*NEG).SerializeToString()
    choice = Choice("tensorrt", (CUDA,), "asked for")
    engine = start_on_gpu(lambda more: session_of(data), read_model(data), choice, Settings("tensorrt"))
    assert engine.graphs is None


def test_a_session_after_a_fork_refuses_before_anything_waits(neg: Any) -> None:
    session, _ = neg
    session._engine.mark = SimpleNamespace(forked=True, refuse=lambda: (_ for _ in ()).throw(UsageError("forked")))
    with pytest.raises(UsageError, match="forked"):
        session(X)
