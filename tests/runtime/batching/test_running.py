"""Calls whose rows run in parts: the numbers, the arrays they are written into, and what is said where memory is
short."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnxruntime
import pytest
from apart import Input, graph_of
from onnx import helper

from archonnx.contract.diagnostics import MachineError, UsageError
from archonnx.runtime import loading
from archonnx.runtime.batching import planning
from archonnx.runtime.batching.running import Batches
from archonnx.runtime.errors import InputError, OutOfMemoryError

node = helper.make_node
RNG = np.random.default_rng(3)


def recurrent() -> Any:
    """Rows first in `x` and `y`, second in the state, which comes in and goes out; a rate that all rows share."""
    held = {"w": RNG.random((1, 12, 4), np.float32), "r": RNG.random((1, 12, 3), np.float32)}
    held |= {"b": np.zeros((1, 24), np.float32)}
    nodes = [
        node("Mul", ["x", "rate"], ["xr"]),
        node("Transpose", ["xr"], ["t"], perm=[1, 0, 2], name="turn"),
        node("LSTM", ["t", "w", "r", "b", "", "h", "c"], ["s", "hn", "cn"], hidden_size=3, name="lstm"),
        node("Transpose", ["s"], ["y"], perm=[2, 0, 1, 3]),
        node("Identity", ["rate"], ["used"]),
    ]
    inputs = {"x": Input("N", 5, 4), "h": Input(1, "N", 3), "c": Input(1, "N", 3), "rate": Input(1)}
    return graph_of(nodes, inputs, ["y", "hn", "cn", "used"], held)


def typed(model: Any) -> Any:
    """With the types of its outputs, which onnxruntime infers and onnx wants in a file."""
    from onnx import shape_inference

    return shape_inference.infer_shapes(model)


def drawn(rows: int) -> dict[str, Any]:
    states = {name: RNG.random((1, rows, 3), np.float32) for name in ("h", "c")}
    return {"x": RNG.random((rows, 5, 4), np.float32), **states, "rate": np.array([0.5], np.float32)}


@pytest.fixture
def model() -> bytes:
    return bytes(typed(recurrent()).SerializeToString())


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The rows of each run of onnxruntime that follows."""
    rows: list[int] = []

    class Session(onnxruntime.InferenceSession):  # type: ignore[misc]
        def run(self, names: Any, feeds: Any, options: Any = None) -> Any:
            rows.append(feeds["x"].shape[0])
            return super().run(names, feeds, options)

        def run_with_iobinding(self, binding: Any, options: Any = None) -> None:
            super().run_with_iobinding(binding, options)
            rows.append(binding.get_outputs()[0].shape()[0])

    monkeypatch.setattr(onnxruntime, "InferenceSession", Session)
    return rows


def same(a: Any, b: Any) -> None:
    for name in b:
        np.testing.assert_allclose(a[name], b[name], rtol=0, atol=1e-6)


@pytest.mark.parametrize("batch", [1, 3, 4, 10, 11])
def test_parts_are_laid_side_by_side_on_whichever_axis(model: bytes, batch: int, counted: list[int]) -> None:
    feeds = drawn(10)
    expected = loading.load(model, "cpu")(feeds)
    counted.clear()
    session = loading.load(model, "cpu", batch=batch)
    same(session(feeds), expected)
    assert sum(counted) == 10
    assert max(counted) <= batch
    assert session.whole_batch is None


def test_a_loop_without_rounds_collects_nothing_in_parts_too() -> None:
    """onnxruntime gives what it collects one axis then, whatever the model says."""
    from onnx import TensorProto

    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in ("sum", "more", "each")]
    flags = [helper.make_tensor_value_info(name, TensorProto.BOOL, []) for name in ("before", "after")]
    body = helper.make_graph(
        [node("Identity", ["before"], ["after"]), node("Add", ["sum", "x"], ["more"]), node("Neg", ["more"], ["each"])],
        "body",
        [helper.make_tensor_value_info("i", TensorProto.INT64, []), flags[0], values[0]],
        [flags[1], *values[1:]],
    )
    loop = node("Loop", ["rounds", "", "x"], ["total", "all"], body=body)
    graph = helper.make_graph(
        [loop],
        "graph",
        [
            helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 2]),
            helper.make_tensor_value_info("rounds", TensorProto.INT64, []),
        ],
        [
            helper.make_tensor_value_info("total", TensorProto.FLOAT, ["N", 2]),
            helper.make_tensor_value_info("all", TensorProto.FLOAT, [None, "N", 2]),
        ],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()
    whole, parts = loading.load(made, "cpu"), loading.load(made, "cpu", batch=2)
    x = RNG.random((5, 2), np.float32)
    for rounds in (0, 3, 0):
        expected, found = whole(x, rounds), parts(x, rounds)
        same(found, expected)
        assert found.all.shape == expected.all.shape
    with pytest.raises(UsageError):
        parts(x, 0, out={"all": np.empty((0, 5, 2), np.float32)})


def test_results_are_the_callers(model: bytes) -> None:
    session = loading.load(model, "cpu", batch=4)
    first = session(drawn(10))
    kept = {name: np.copy(first[name]) for name in ("y", "hn")}
    session(drawn(10))
    same(first, kept)
    assert first["y"].flags.writeable
    assert first["y"].flags.c_contiguous


def test_out_and_bind_take_parts_too(model: bytes, counted: list[int]) -> None:
    feeds = drawn(9)
    expected = loading.load(model, "cpu")(feeds)
    session = loading.load(model, "cpu", batch=4)
    counted.clear()
    out = {"y": np.empty_like(expected["y"]), "hn": np.empty_like(expected["hn"]), "used": np.empty(1, np.float32)}
    found = session(feeds, out=out)
    same(found, expected)
    assert all(found[name] is array for name, array in out.items())
    bound = session.bind(feeds)
    same(bound(), expected)
    bound.inputs["x"][...] = 0
    result = bound()
    assert result["y"] is bound.outputs["y"]
    same(result, session({**feeds, "x": np.zeros_like(feeds["x"])}))
    assert set(counted) <= {1, 3, 4}


def test_an_array_of_another_shape_is_refused_as_ever(model: bytes) -> None:
    session = loading.load(model, "cpu", batch=4)
    with pytest.raises(
        UsageError, match=r"^out: output hn: the array has the shape \[1, 8, 3\], the result \[1, 9, 3\]$"
    ):
        session(drawn(9), out={"hn": np.empty((1, 8, 3), np.float32)})


def test_sizes_that_disagree_are_refused_before_anything_runs(model: bytes, counted: list[int]) -> None:
    session = loading.load(model, "cpu", batch=4)
    feeds = drawn(9)
    with pytest.raises(InputError, match=r"input h: axis 1 is N, which is 9 by axis 0 of input x, received 8"):
        session({**feeds, "h": feeds["h"][:, :8]})
    assert not counted


def test_one_of_several_sizes_runs_and_what_fills_it_up_is_dropped(model: bytes, counted: list[int]) -> None:
    session = loading.load(model, "cpu", batch=(2, 4))
    plain = loading.load(model, "cpu")
    for rows in range(1, 11):
        feeds = drawn(rows)
        counted.clear()
        found = session(feeds)
        assert set(counted) <= {2, 4}
        same(found, plain(feeds))


def test_no_rows_are_no_parts() -> None:
    made = graph_of([node("Relu", ["x"], ["y"])], {"x": Input("N", 4)}, ["y"], {})
    for batch in (4, (2, 4)):
        session = loading.load(bytes(typed(made).SerializeToString()), "cpu", batch=batch)
        assert session(np.zeros((0, 4), np.float32)).shape == (0, 4)


def test_parts_are_awaited_and_may_be_called_from_threads(model: bytes) -> None:
    session = loading.load(model, "cpu", batch=3)
    many = [drawn(8) for _ in range(6)]
    plain = loading.load(model, "cpu")

    async def all_of_them() -> list[Any]:
        return await asyncio.gather(*(session.arun(feeds) for feeds in many))

    for feeds, found in zip(many, asyncio.run(all_of_them()), strict=True):
        same(found, plain(feeds))


def mixing() -> bytes:
    nodes = [node("Softmax", ["x"], ["s"], axis=0, name="net/soft"), node("Relu", ["s"], ["y"])]
    return bytes(typed(graph_of(nodes, {"x": Input("N", 4)}, ["y"], {})).SerializeToString())


def test_a_batch_that_mixes_rows_is_refused_where_parts_are_asked_for() -> None:
    with pytest.raises(UsageError) as caught:
        loading.load(mixing(), "cpu", batch=4)
    assert str(caught.value) == (
        "batch=4: the batch of <bytes> stays whole: Softmax (net/soft): it works along axis 0, which holds the rows"
    )
    session = loading.load(mixing(), "cpu")
    assert session.whole_batch == "Softmax (net/soft): it works along axis 0, which holds the rows"


def test_the_line_of_the_source_is_named(tmp_path: Path) -> None:
    import archonnx

    text = (
        "model Mixing():\n    input x: float32[N, 4]\n    y = x -> onnx.Softmax(axis=0)\n    output y: float32[N, 4]\n"
    )
    compiled = archonnx.compile(text=text)
    with pytest.raises(UsageError, match=r"Softmax \(.*at text\.arch:3:\d+\): it works along axis 0"):
        archonnx.load(compiled, "cpu", batch=2)


def test_a_model_without_open_rows_is_refused_where_parts_are_asked_for() -> None:
    fixed = typed(graph_of([node("Relu", ["x"], ["y"])], {"x": Input(2, 4)}, ["y"], {})).SerializeToString()
    with pytest.raises(UsageError, match=r"^batch=2: no input of <bytes> has an open axis of rows that could be cut$"):
        loading.load(fixed, "cpu", batch=2)
    assert loading.load(fixed, "cpu").whole_batch == "no input has an open axis of rows that could be cut"


class Short:
    """A runner that finds no memory for more than so many rows."""

    def __init__(self, runner: Any, most: int, error: type[Exception] = OutOfMemoryError) -> None:
        self._runner, self.most, self.error, self.tried = runner, most, error, []  # type: ignore[var-annotated]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._runner, name)

    def _check(self, feeds: Any) -> None:
        self.tried.append(feeds["x"].shape[0])
        if feeds["x"].shape[0] > self.most:
            raise self.error("m.onnx: there is not enough memory for this run")

    def run(self, feeds: Any, stop: Any = None) -> Any:
        self._check(feeds)
        return self._runner.run(feeds, stop)

    def run_bound(self, binding: Any, feeds: Any, out: Any, stop: Any = None) -> Any:
        self._check(feeds)
        return self._runner.run_bound(binding, feeds, out, stop)


def shortened(session: Any, most: int, **more: Any) -> Short:
    engine = session._engine
    assert isinstance(engine, Batches)
    engine._runner = Short(engine._runner, most, **more)
    return engine._runner


def test_a_run_that_finds_no_memory_is_halved_and_that_is_remembered(model: bytes, caplog: Any) -> None:
    feeds = drawn(12)
    expected = loading.load(model, "cpu")(feeds)
    session = loading.load(model, "cpu")
    short = shortened(session, 4)
    with caplog.at_level(logging.WARNING, "archonnx.runtime"):
        same(session(feeds), expected)
    assert short.tried == [12, 6, 3, 3, 3, 3]
    assert [record.getMessage() for record in caplog.records] == [
        "<bytes>: there was not enough memory for 12 rows at once: they run 6 at a time",
        "<bytes>: there was not enough memory for 6 rows at once: they run 3 at a time",
    ]
    short.tried.clear()
    caplog.clear()
    engine: Any = session._engine
    engine._fits = 0  # as where inputs are large
    same(session(feeds), expected)
    assert short.tried == [3, 3, 3, 3]
    assert not caplog.records


def test_memory_may_run_out_in_the_middle(model: bytes) -> None:
    feeds = drawn(12)
    expected = loading.load(model, "cpu")(feeds)
    session = loading.load(model, "cpu", batch=6)
    short = shortened(session, 12)
    real = short._check

    def check(given: Any) -> None:
        if len(short.tried) == 1:
            short.most = 2
        real(given)

    short._check = check  # type: ignore[method-assign]
    same(session(feeds), expected)
    assert short.tried == [6, 6, 3, 2, 2, 2]


@pytest.mark.parametrize("bound", [False, True])
def test_where_one_row_is_too_many_the_error_stays(model: bytes, bound: bool) -> None:
    session = loading.load(model, "cpu")
    shortened(session, 0)
    feeds = drawn(4)
    with pytest.raises(MachineError, match="not enough memory"):
        session(feeds, out={"y": np.empty((4, 5, 1, 3), np.float32)}) if bound else session(feeds)


def test_out_goes_on_in_halves_too(model: bytes) -> None:
    feeds = drawn(8)
    expected = loading.load(model, "cpu")(feeds)
    session = loading.load(model, "cpu")
    shortened(session, 3)
    out = np.empty_like(expected["hn"])
    found = session(feeds, out={"hn": out})
    same(found, expected)
    assert found["hn"] is out
    bound = session.bind(feeds)
    same(bound(), expected)


def test_a_batch_that_mixes_rows_fails_with_the_node_that_forbids_parts() -> None:
    session = loading.load(mixing(), "cpu")
    shortened(session, 2)
    with pytest.raises(OutOfMemoryError) as caught:
        session(np.ones((4, 4), np.float32))
    assert str(caught.value).endswith(
        "; its rows do not run apart: Softmax (net/soft): it works along axis 0, which holds the rows"
    )


def test_other_errors_are_not_tried_again(model: bytes) -> None:
    from archonnx.runtime.errors import RunError

    session = loading.load(model, "cpu")
    short = shortened(session, 2, error=RunError)
    with pytest.raises(RunError):
        session(drawn(8))
    assert short.tried == [8]


def test_what_cudnn_refuses_is_halved_on_cuda_alone(model: bytes) -> None:
    from archonnx.runtime.errors import RunError

    class Refused(RunError):
        def __init__(self, text: str) -> None:
            super().__init__("the run failed: CUDNN failure 3000: CUDNN_STATUS_NOT_SUPPORTED")

    feeds = drawn(8)
    expected = loading.load(model, "cpu")(feeds)
    session = loading.load(model, "cpu")
    short = shortened(session, 2, error=Refused)
    with pytest.raises(Refused):
        session(feeds)
    short.choice = SimpleNamespace(device="cuda")  # type: ignore[attr-defined]
    same(session(feeds), expected)


def test_what_memory_does_not_hold_runs_in_parts_from_the_start(
    model: bytes, monkeypatch: pytest.MonkeyPatch, caplog: Any, counted: list[int]
) -> None:
    monkeypatch.setattr(planning, "free_on", lambda device: 4_000)
    feeds = drawn(100)
    with caplog.at_level(logging.INFO, "archonnx.runtime"):
        session = loading.load(model, "cpu")
        found = session(feeds)
        session(feeds)
    assert 1 < max(counted) < 30
    assert sum(counted) == 200
    lines = [record.getMessage() for record in caplog.records if "runs of up to" in record.getMessage()]
    assert len(lines) == 1
    monkeypatch.setattr(planning, "free_on", lambda device: 10**12)
    same(found, loading.load(model, "cpu")(feeds))


def test_tensors_stay_below_what_cudnn_takes(model: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planning, "free_on", lambda device: 10**12)
    monkeypatch.setattr(planning, "WIDEST", 100)
    session = loading.load(model, "cpu")
    planner = session._engine.planner  # type: ignore[union-attr]
    planner._device = "cuda"
    assert planner.fitting(drawn(50), 50) == 5  # 20 elements of a row in `x`


def test_a_large_batch_that_mixes_rows_runs_whole_and_that_is_said(
    monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    monkeypatch.setattr(planning, "free_on", lambda device: 1000)
    session = loading.load(mixing(), "cpu")
    x = RNG.random((300, 4), np.float32)
    with caplog.at_level(logging.WARNING, "archonnx.runtime"):
        np.testing.assert_allclose(session(x).sum(0), 1, rtol=1e-4)
        session(x)
    (line,) = [record.getMessage() for record in caplog.records]
    assert "they do not run apart: Softmax (net/soft)" in line


def test_a_file_that_was_written_over_is_not_believed(model: bytes, tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(model)
    session = loading.load(path, "cpu")
    path.write_bytes(mixing())
    assert session.whole_batch == "its file has changed since it was loaded, or is gone"
    path.unlink()
    gone = loading.load(model, "cpu")
    assert gone.whole_batch is None


CHILD = """
import logging, resource, sys
import numpy as np
import archonnx
from archonnx.runtime.batching import planning

logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
planning.free_on = lambda device: None if sys.argv[2] == "blind" else free(device)
planning.ENOUGH = 1 << 60
from archonnx.runtime.batching.memory import free_on as free

session = archonnx.load(sys.argv[1], "cpu", threads=1, cache="off")
x = np.random.default_rng(0).random((96, 1, 256, 256), np.float32)
apart = np.concatenate([session(x[n : n + 1]) for n in range(len(x))])
session.whole_batch  # onnx has been imported
with open("/proc/self/status") as status:
    size = next(int(line.split()[1]) for line in status if line.startswith("VmSize:")) * 1024
resource.setrlimit(resource.RLIMIT_AS, (size + 200 * 2**20,) * 2)
for _ in range(2):
    assert np.abs(session(x) - apart).max() < 1e-5
print("done")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits the memory of a process")
@pytest.mark.parametrize("way", ["blind", "told"])
def test_a_process_short_of_memory_goes_on(way: str, tmp_path: Path) -> None:
    """96 rows take 400 MB in one run, and 200 are there: by failing, or by looking before."""
    held = {"w": RNG.random((16, 1, 3, 3), np.float32)}
    nodes = [node("Conv", ["x", "w"], ["a"], pads=[1, 1, 1, 1]), node("GlobalMaxPool", ["a"], ["y"])]
    made = typed(graph_of(nodes, {"x": Input("N", 1, 256, 256)}, ["y"], held))
    (tmp_path / "m.onnx").write_bytes(made.SerializeToString())
    command = [sys.executable, "-c", CHILD, str(tmp_path / "m.onnx"), way]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    assert run.stdout.splitlines()[-1] == "done"
    assert ("there was not enough memory for 96 rows at once: they run 48 at a time" in run.stdout) == (way == "blind")
    assert ("runs of up to" in run.stdout) == (way == "told")
