"""Models that are loaded beside a plan: it is taken where it fits, else a line says why not."""

from __future__ import annotations

import json
import logging
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from plans import EXACT, LOWER, leave, part, plan_of

import archonnx
from archonnx.contract.diagnostics import UsageError
from archonnx.runtime.contract import Contract
from archonnx.runtime.modelfile import read_model
from archonnx.runtime.settings import Options, Settings
from archonnx.runtime.tuning import fingerprint
from archonnx.runtime.tuning.plan import Kept, PlanError, plan_path
from archonnx.runtime.tuning.planned import planned
from archonnx.runtime.tuning.recipe import Recipe

Log = pytest.LogCaptureFixture
ROWS = np.arange(6, dtype=np.float32).reshape(2, 3)


@pytest.fixture(autouse=True)
def listening(caplog: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    caplog.set_level(logging.WARNING, "archonnx.runtime")
    monkeypatch.delenv("ARCHONNX_THREADS", raising=False)


def level(session: archonnx.Session) -> str:
    """How onnxruntime was told to optimise."""
    engine: Any = session._engine
    return str(engine._session.get_session_options().graph_optimization_level).rpartition("_")[2]


def test_a_plan_beside_the_model_is_taken(net: Path, caplog: Log) -> None:
    plain = archonnx.load(net)
    path = leave(net)
    planned = archonnx.load(net)
    assert (plain.plan, level(plain)) == (None, "ALL")
    assert (planned.plan, level(planned), planned.threads) == (str(path), "BASIC", 1)
    np.testing.assert_allclose(planned(ROWS), plain(ROWS), rtol=1e-6)
    assert not caplog.records


@pytest.mark.parametrize("off", [None, "off", "None"])
def test_none_is_taken_where_none_is_wanted(net: Path, off: str | None) -> None:
    leave(net)
    assert archonnx.load(net, plan=off).plan is None


def test_threads_that_are_set_go_before_the_plans(net: Path, monkeypatch: pytest.MonkeyPatch, caplog: Log) -> None:
    leave(net)
    with caplog.at_level(logging.INFO, "archonnx.runtime"):
        given = archonnx.load(net, threads=3)
    assert (given.threads, level(given)) == (3, "BASIC")
    assert "cpu float32, 3 threads" in caplog.text
    monkeypatch.setenv("ARCHONNX_THREADS", "4")
    assert archonnx.load(net).threads == 4


def test_it_goes_with_the_model(net: Path, tmp_path: Path) -> None:
    leave(net)
    (tmp_path / "other").mkdir()
    moved = tmp_path / "other" / "renamed.onnx"
    os.rename(net, moved)
    os.rename(plan_path(net), plan_path(moved))
    assert archonnx.load(moved).plan == str(plan_path(moved))


def unfit(net: Path, caplog: Log, **asked: Any) -> str:
    """The one line that says why a plan is not used; the model runs all the same."""
    session = archonnx.load(net, **asked)
    assert session.plan is None
    assert session(ROWS).shape == (2, 4)
    (record,) = caplog.records
    line = record.getMessage()
    assert line.startswith(f"{plan_path(net)}: the plan is not used: ")
    assert "\n" not in line
    return line.partition("the plan is not used: ")[2]


def test_data_that_are_given_are_measured_on(net: Path, caplog: Log) -> None:
    path = leave(net)
    caplog.set_level(logging.INFO, "archonnx.runtime")
    assert archonnx.load(net, max_error=1e-3).plan == str(path)
    session = archonnx.load(net, "cpu", max_error=1e-3, data={"x": ROWS})
    assert session.plan is None
    assert "data were given" in caplog.text


class TestUnfit:
    def test_the_model_has_changed(self, net: Path, caplog: Log) -> None:
        leave(net)
        data = net.read_bytes()
        net.write_bytes(data.replace(np.float32(-5).tobytes(), np.float32(-6).tobytes()))
        assert unfit(net, caplog) == (
            f"the model has changed since, or is another one; archonnx tune {net} makes a new one"
        )

    def test_another_machine(self, net: Path, caplog: Log, monkeypatch: pytest.MonkeyPatch) -> None:
        leave(net)
        here = fingerprint.machine()
        monkeypatch.setattr(fingerprint, "machine", lambda: {**here, "processor": "Z80"})
        said = unfit(net, caplog)
        assert said.startswith(f"it was made on another machine (processor: {here['processor']}; here Z80)")

    def test_other_versions(self, net: Path, caplog: Log, monkeypatch: pytest.MonkeyPatch) -> None:
        leave(net)
        here = fingerprint.versions()
        monkeypatch.setattr(fingerprint, "versions", lambda: {**here, "onnxruntime": "9.9.9"})
        assert unfit(net, caplog).startswith(f"it was made with onnxruntime {here['onnxruntime']}, here is 9.9.9")

    def test_a_damaged_one(self, net: Path, caplog: Log) -> None:
        path = leave(net)
        path.write_text(path.read_text()[:-20])
        assert unfit(net, caplog).startswith("the plan is damaged: it is no JSON")

    def test_one_that_is_a_folder(self, net: Path, caplog: Log) -> None:
        plan_path(net).mkdir()
        assert unfit(net, caplog) == "it cannot be read: Is a directory"

    def test_another_device_was_asked_for(self, net: Path, caplog: Log) -> None:
        leave(net, [part(1, Kept(LOWER, 1.0, 3e-3, ""))])
        assert unfit(net, caplog, device="cpu") == "it holds nothing for device='cpu'"

    def test_it_knows_float32_alone(self, net: Path) -> None:
        path = leave(net, [part(1, Kept(EXACT, 1.0, 0.0, ""))], None)
        asked = Settings(max_error=1e-3, plan=str(path))
        with pytest.raises(
            PlanError, match=r"it was made for float32 alone; archonnx tune .* --max-error 0\.001 makes"
        ):
            planned(str(net), read_model(net), asked)

    def test_a_recipe_that_does_not_start(self, net: Path, caplog: Log, monkeypatch: pytest.MonkeyPatch) -> None:
        here = fingerprint.machine()
        gone = Recipe("cuda", "float32")
        leave(net, [part(1, Kept(gone, 1.0, 0.0, ""))])
        monkeypatch.setattr(fingerprint, "machine", lambda: here)
        said = unfit(net, caplog)
        assert said.startswith('cuda float32 does not run here: device "cuda" cannot be used on this machine')


class TestInsisted:
    def test_is_taken_from_anywhere(self, net: Path, tmp_path: Path) -> None:
        path = tmp_path / "elsewhere.json"
        plan_of(net).write(path)
        assert level(archonnx.load(net, plan=path)) == "BASIC"
        assert level(archonnx.load(net.read_bytes(), plan=str(path))) == "BASIC"

    def test_is_an_error_where_it_does_not_fit(self, net: Path, tmp_path: Path) -> None:
        path = leave(net)
        net.write_bytes(net.read_bytes() + b"\x12\x01a")  # another producer
        with pytest.raises(PlanError, match="the model has changed since") as caught:
            archonnx.load(net, plan=path)
        assert caught.value.path == str(path)
        path.write_text("{}")
        with pytest.raises(PlanError, match="the plan is damaged: schema is missing"):
            archonnx.load(net, plan=path)
        with pytest.raises(FileNotFoundError):
            archonnx.load(net, plan=tmp_path / "gone.json")

    def test_a_recipe_that_does_not_start_is_one_too(self, net: Path) -> None:
        path = leave(net, [part(1, Kept(Recipe("cuda"), 1.0, 0.0, ""))])
        with pytest.raises(PlanError, match="cuda float32 does not run here"):
            archonnx.load(net, plan=path)

    @pytest.mark.parametrize("wrong", [7, "", b"", {}])
    def test_is_a_path(self, net: Path, wrong: Any) -> None:
        with pytest.raises(UsageError, match='plan is "auto", None or the path'):
            archonnx.load(net, plan=wrong)


def test_batches_run_as_is_best_for_each(net: Path) -> None:
    large = replace(EXACT, threads=2, options=Options("extended"))
    leave(net, [part(8, Kept(large, 1.0, 0.0, "")), part(1, Kept(EXACT, 1.0, 0.0, ""))])
    session = archonnx.load(net)
    switch: Any = session._engine
    small, big = (runner for _, runner in switch._runners)
    assert (small.threads, big.threads, session.threads) == (1, 2, 1)
    for rows, runner in ((1, small), (7, small), (8, big), (100, big)):
        assert switch.nearest({"x": np.zeros((rows, 3), np.float32)}) is runner
    plain = archonnx.load(net, plan=None)
    x = np.random.default_rng(0).random((9, 3), np.float32)
    for count in (1, 9):
        np.testing.assert_allclose(session(x[:count]), plain(x[:count]), rtol=1e-6)
        bound = session.bind(x[:count].copy())
        np.testing.assert_allclose(bound(), plain(x[:count]), rtol=1e-6)
        out = np.empty((count, 4), np.float32)
        assert session(x[:count], out=out) is out
        np.testing.assert_allclose(out, plain(x[:count]), rtol=1e-6)
    assert session.placement(N=1).nodes


def test_rows_at_once_are_the_plans(net: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from archonnx.runtime.engine import Engine

    seen: list[int] = []
    run = Engine.run

    def counted(self: Engine, feeds: dict[str, Any], *more: Any) -> Any:
        seen.append(len(feeds["x"]))
        return run(self, feeds, *more)

    bound = Engine.run_bound

    def counted_bound(self: Engine, binding: Any, feeds: dict[str, Any], *more: Any) -> Any:
        seen.append(len(feeds["x"]))
        return bound(self, binding, feeds, *more)

    monkeypatch.setattr(Engine, "run", counted)
    monkeypatch.setattr(Engine, "run_bound", counted_bound)
    leave(net, [part(1), part(8, Kept(replace(EXACT, rows=2), 1.0, 0.0, ""))])
    x = np.random.default_rng(0).random((8, 3), np.float32)
    want = archonnx.load(net, plan=None)(x)
    seen.clear()
    np.testing.assert_allclose(archonnx.load(net)(x), want, rtol=1e-6)
    assert seen == [2, 2, 2, 2]
    seen.clear()
    archonnx.load(net)(x[:7])
    assert seen == [7], "the batch of 1 is nearer, which has no parts"
    seen.clear()
    archonnx.load(net, batch=4)(x)
    assert seen == [4, 4], "what was asked for goes before the plan"


def test_a_switch_tells_the_lowest_precision(net: Path) -> None:
    from types import SimpleNamespace

    from archonnx.runtime.devices import CPU, Choice
    from archonnx.runtime.tuning.switch import Switch

    ways = ((1, "cpu", "float32"), (8, "openvino", "int8"), (16, "cpu", "float32"))
    runners: Any = [(batch, SimpleNamespace(choice=Choice(device, (CPU,), "", p))) for batch, device, p in ways]
    switch = Switch(Contract(read_model(net)), runners)
    assert (switch.choice.device, switch.choice.precision) == ("cpu", "int8")
    assert switch.devices == "cpu, openvino"


def test_what_lies_on_a_gpu_is_never_given_to_another_device(net: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from types import SimpleNamespace

    from archonnx.runtime.devices import CPU, Choice
    from archonnx.runtime.tuning import planned as module

    def started(source: Any, model: Any, contract: Any, asked: Settings) -> Any:
        return SimpleNamespace(runner=SimpleNamespace(choice=Choice(asked.device, (CPU,))))

    monkeypatch.setattr(module, "start_as_asked", started)
    recipes = ((1, Recipe("cuda")), (8, Recipe("cpu")), (16, Recipe("cuda", rows=None)))
    made: Any = module.Planned("p", recipes, True)
    model = read_model(net)
    found = made.start(str(net), model, Contract(model), Settings(), None)
    assert found.runner.choice.device == "cuda"
    assert type(found.runner).__name__ == "SimpleNamespace", "one runner for all batches"


def test_batches_alike_share_one_runner(net: Path) -> None:
    leave(net, [part(1), part(8)])
    batches: Any = archonnx.load(net)._engine
    assert type(batches._runner).__name__ == "Engine"


class TestFingerprint:
    def test_of_external_data(self, tmp_path: Path, net: Path) -> None:
        import onnx

        model = onnx.load(net)
        onnx.save(model, tmp_path / "big.onnx", save_as_external_data=True, size_threshold=0, location="big.data")
        path = leave(tmp_path / "big.onnx")
        assert archonnx.load(tmp_path / "big.onnx").plan == str(path)
        data = tmp_path / "big.data"
        data.write_bytes(data.read_bytes()[:-1] + b"\x01")
        with pytest.raises(PlanError, match="the model has changed since"):
            archonnx.load(tmp_path / "big.onnx", plan=path)

    def test_of_processors(self, tmp_path: Path) -> None:
        (tmp_path / "proc").mkdir()
        info = tmp_path / "proc" / "cpuinfo"
        info.write_text("processor\t: 0\nmodel name\t: Chip 9\nflags\t\t: fpu avx2 zz avx512_bf16\n\nprocessor\t: 1\n")
        found = fingerprint.machine(tmp_path)
        assert (found["processor"], found["features"]) == ("Chip 9", "avx2 avx512_bf16")
        info.write_text("processor\t: 0\nFeatures\t: fp asimd i8mm\nCPU part\t: 0xd40\n\n")
        found = fingerprint.machine(tmp_path)
        assert (found["processor"], found["features"]) == ("0xd40", "asimd i8mm")
        info.unlink()
        assert "features" not in fingerprint.machine(tmp_path)

    def test_here_it_tells_of_this_machine(self) -> None:
        found = fingerprint.machine()
        assert found == fingerprint.machine()
        assert found["processor"]
        assert "allowed" in found["cores"]
        assert json.dumps(fingerprint.versions())
        assert "onnxruntime" in fingerprint.versions()
