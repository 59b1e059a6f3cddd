"""`tune` on small models: what it tries, writes and says; in this process, but for one that is as users have it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper

import archonnx
from archonnx.contract.diagnostics import ArchonnxError, MachineError, UsageError
from archonnx.runtime.errors import RunError
from archonnx.runtime.measuring.process import FailedError
from archonnx.runtime.measuring.worker import Failed
from archonnx.runtime.settings import Settings
from archonnx.runtime.tuning.arena import StandProcess
from archonnx.runtime.tuning.plan import Kept, plan_path, read_plan
from archonnx.runtime.tuning.stand import Calls, Checked, Entered, Job, Stand
from archonnx.runtime.tuning.tune import tune


class Here:
    """A Contender without a process."""

    jobs: list[Job]

    def enter(self, job: Job) -> Entered:
        type(self).jobs.append(job)
        try:
            self.stand = Stand(job)
        except ArchonnxError as error:
            raise FailedError(Failed(str(error), error.exit_code)) from None
        return self.stand.started

    def calls(self, seconds: float) -> Calls:
        return self.stand.turn(seconds / 50)

    def check(self) -> Checked:
        return self.stand.check()

    def record(self, most: int) -> Checked:
        return self.stand.record(most)

    def close(self) -> None:
        self.stand = None  # type: ignore[assignment]


@pytest.fixture
def here() -> type[Here]:
    class Mine(Here):
        jobs: list[Job] = []  # noqa: RUF012 (one a test)

    return Mine


def test_as_users_have_it(net: Path) -> None:
    lines: list[str] = []
    shares: list[float] = []
    plan = tune(
        net, budget=2.0, batches=(2,), device="cpu", say=lines.append, progress=lambda what, x: shares.append(x)
    )
    plan.write(plan_path(net))
    assert read_plan(plan_path(net)).text() == plan.text()
    (part,) = plan.parts
    assert (part.batch, dict(part.inputs)) == (2, {"x": "float32[2, 3]"})
    (kept,) = part.kept
    assert kept.recipe.device == "cpu"
    assert kept.error < 1e-5
    assert part.tried[0].stage == "device"
    assert {row.recipe.device for row in part.tried} == {"cpu"}
    assert shares[0] == 0.0
    assert all(0 <= share <= 1 for share in shares)
    session = archonnx.load(net)
    assert session.plan == str(plan_path(net))
    assert session(np.ones((2, 3), np.float32)).shape == (2, 4)


def test_a_process_that_fails_says_why(net: Path, tmp_path: Path) -> None:
    one = StandProcess()
    try:
        with pytest.raises(FailedError, match=r"gone\.onnx"):
            one.enter(Job("gone.onnx", Settings("cpu", 1), 1, str(tmp_path / "in"), str(tmp_path / "out")))
    finally:
        one.close()


def test_every_way_is_asked_for_by_its_settings(net: Path, here: type[Here]) -> None:
    plan = tune(net, budget=20.0, device="cpu", make=here)
    asked = {(job.settings.options.optimisation, job.settings.options.spinning) for job in here.jobs}
    assert len(asked) == 4, "the default, two optimisations and spinning, each of what was kept until then"
    for job in here.jobs:
        assert (job.settings.plan, job.settings.cache, job.settings.max_error) == (None, "off", None)
        assert job.settings.device == "cpu"
    assert all(row.outcome in ("kept", "slower") for row in plan.parts[0].tried)
    assert plan.data == "drawn at random, seed 0"


def test_data_are_what_errors_are_measured_on(net: Path, tmp_path: Path, here: type[Here]) -> None:
    rows = np.random.default_rng(0).random((5, 3), np.float32)
    np.savez(tmp_path / "rows.npz", x=rows)
    plan = tune(net, data=str(tmp_path / "rows.npz"), batches=(2, 4), budget=1e-9, device="cpu", make=here)
    assert plan.data == f"{tmp_path / 'rows.npz'}, 5 examples"
    assert [part.batch for part in plan.parts] == [2, 4]
    assert {row.outcome for part in plan.parts for row in part.tried} == {"kept", "untried"}
    with pytest.raises(UsageError, match="sizes come from the data"):
        tune(net, data={"x": rows}, bind={"N": 3}, make=here)
    with pytest.raises(UsageError, match="--bind K: no model here has such a size; there are N"):
        tune(net, bind={"K": 3}, make=here)
    rows[1, 2] = np.nan
    with pytest.raises(UsageError, match="input x holds 1 number that is NaN"):
        tune(net, data={"x": rows}, make=here)


def test_no_more_than_32_examples_are_run_in_every_way(net: Path, here: type[Here]) -> None:
    plan = tune(net, data={"x": np.ones((100, 3), np.float32)}, budget=1e-9, device="cpu", make=here)
    assert plan.data == "given, 32 of 100 examples"


def test_threads_that_are_set_are_not_varied(net: Path, here: type[Here]) -> None:
    plan = tune(net, threads=3, budget=5.0, device="cpu", make=here)
    assert {row.recipe.threads for row in plan.parts[0].tried} == {3}


def test_throughput_has_calls_at_once(net: Path, here: type[Here], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ARCHONNX_THREADS", raising=False)
    monkeypatch.setattr("archonnx.runtime.tuning.tune.physical_cores", lambda: 2)
    plan = tune(net, goal="throughput", budget=20.0, device="cpu", make=here)
    assert {row.recipe.callers for row in plan.parts[0].tried} >= {1, 2}
    assert {job.callers for job in here.jobs} >= {1, 2}


def test_a_fixed_batch_is_the_models_own(
    make: Callable[..., onnx.ModelProto], tmp_path: Path, here: type[Here]
) -> None:
    path = tmp_path / "fixed.onnx"
    path.write_bytes(make({"x": ("float32", [4, 3])}, "Relu").SerializeToString())
    assert [part.batch for part in tune(path, batches=(None, 4), budget=1e-9, device="cpu", make=here).parts] == [4]
    with pytest.raises(UsageError, match="its batch is fixed at 4"):
        tune(path, batches=(2,), make=here)


def test_a_model_that_nothing_runs_is_an_error(
    make: Callable[..., onnx.ModelProto], tmp_path: Path, here: type[Here]
) -> None:
    nodes = [helper.make_node("Reshape", ["x", "s"], ["y"], name="net/reshape")]
    shape = helper.make_tensor("s", onnx.TensorProto.INT64, [1], [7])
    path = tmp_path / "bad.onnx"
    path.write_bytes(make({"x": ("float32", ["N", "K"])}, nodes, initializers=[shape]).SerializeToString())
    with pytest.raises(RunError, match=r"nothing runs it here: .*reshape.*; open sizes .* others fit: --bind K=128$"):
        tune(path, device="cpu", make=here)


def test_a_machine_that_is_at_fault_is_told_so(net: Path) -> None:
    class Full(Here):
        jobs: list[Job] = []  # noqa: RUF012

        def enter(self, job: Job) -> Entered:
            raise FailedError(Failed("there is not enough memory for it", 3))

    with pytest.raises(MachineError, match="nothing runs it here: there is not enough memory for it"):
        tune(net, device="cpu", make=Full)


def test_a_busy_machine_is_told(net: Path, here: type[Here], monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[str] = []
    monkeypatch.setattr("os.getloadavg", lambda: (99.0, 0.0, 0.0))
    tune(net, budget=1e-9, device="cpu", make=here, say=lines.append)
    assert lines[0].startswith("the machine is busy (load 99.0, ")


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other tests keep the machine busy."""
    monkeypatch.setattr("os.getloadavg", lambda: (0.0, 0.0, 0.0))


@pytest.mark.parametrize("budget", [0, -1, float("nan"), float("inf")])
def test_a_budget_is_some_seconds(net: Path, budget: float) -> None:
    with pytest.raises(UsageError, match="budget is a number of seconds above 0"):
        tune(net, budget=budget)


def test_results_that_are_large_are_kept_in_part(net: Path, here: type[Here], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("archonnx.runtime.tuning.arena.RESULTS", 1)
    lines: list[str] = []
    data = {"x": np.ones((5, 3), np.float32)}
    tune(net, data=data, budget=1e-9, device="cpu", make=here, say=lines.append)
    assert lines == [f"{net}: errors are measured on 1 of 5 calls: the results are large"]


def test_a_lower_precision_is_tried_where_an_error_is_allowed(net: Path, here: type[Here]) -> None:
    """What computes so here is tried, what does not is told with its reason; without an error neither is."""
    plan = tune(net, max_error=0.1, budget=1e-9, make=here)
    lower = {row.recipe.precision for row in plan.parts[0].tried} - {"float32"}
    exact = tune(net, budget=1e-9, make=here)
    assert {row.recipe.precision for row in exact.parts[0].tried} == {"float32"}
    assert all(kept.error <= 0.1 for kept in plan.parts[0].kept)
    if any(row.recipe.device == "openvino" for row in exact.parts[0].tried):
        assert lower >= {"bfloat16", "float16"}
    assert plan.max_error == 0.1


def test_lstms_are_tried_in_int8(tmp_path: Path, here: type[Here]) -> None:
    """And a plan that keeps that way is carried out, without data."""
    path = tmp_path / "steps.onnx"
    archonnx.compile(text="model Steps():\n    input x: float32[N, 5, 8]\n    LSTM(16)\n    output y\n").save(path)
    found = tune(path, device="cpu", max_error=0.1, budget=1e-9, make=here)
    tried = [row for row in found.parts[0].tried if row.recipe.precision == "int8"]
    assert [row.recipe.device for row in tried] == ["cpu"]
    assert tried[0].error is not None
    assert 0 < tried[0].error < 0.1
    assert "int8" not in {row.recipe.precision for row in tune(path, budget=1e-9, make=here).parts[0].tried}
    kept = replace(found.parts[0], kept=(Kept(tried[0].recipe, 1.0, tried[0].error, "the fastest"),))
    replace(found, parts=(kept,)).write(plan_path(path))
    session = archonnx.load(path, max_error=0.1)
    assert (session.plan, session.precision) == (str(plan_path(path)), "int8")
    assert session.lowered is not None
    assert session.lowered.summary == "1 of 1 nodes in int8"


class Wrong(Here):
    """A contender whose results on OpenVINO and with basic optimisation are off."""

    def check(self) -> Checked:
        found = super().check()
        odd = type(self).jobs[-1].settings.options.optimisation == "basic"
        return replace(found, error=0.5) if odd else found


def test_what_is_off_is_never_kept(net: Path) -> None:
    class Mine(Wrong):
        jobs: list[Job] = []  # noqa: RUF012

    plan = tune(net, budget=20.0, device="cpu", make=Mine)
    assert all(kept.error < 1e-3 for kept in plan.parts[0].kept)
