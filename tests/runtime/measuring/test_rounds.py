"""Turns: who runs when, for how long, and what happens to the others when one fails."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from archonnx.runtime.measuring.energy import Meter
from archonnx.runtime.measuring.process import FailedError
from archonnx.runtime.measuring.rounds import Measured, shares, take_turns
from archonnx.runtime.measuring.worker import Bench, Failed, Job, Memory, Started, Turn


class Table:
    """Players that share a log and a clock of their own: a call of model `a` takes as long as `speeds["a"]`."""

    def __init__(self, **speeds: float) -> None:
        self.speeds, self.log = speeds, list[str]()
        self.fails: dict[str, int] = {}  # the model that fails, and at which of its messages

    def __call__(self) -> Player:
        return Player(self)


class Player:
    def __init__(self, table: Table) -> None:
        self.table, self.name, self.asked = table, "?", 0

    def said(self, what: str) -> None:
        self.table.log.append(f"{self.name} {what}")
        if self.table.fails.get(self.name) == self.asked:
            raise FailedError(Failed("it broke", 3))
        self.asked += 1

    def start(self, job: Job) -> Started:
        self.name = job.path
        self.said("starts")
        return Started(1.0, 2.0, "cpu", 1)

    def turn(self, seconds: float | None, calls: int | None) -> Turn:
        self.said("runs")
        speed = self.table.speeds[self.name]
        return Turn((speed,) * (calls or max(1, round((seconds or 0) / speed))))

    def memory(self) -> Memory:
        self.said("tells")
        return Memory(1, 2)

    def close(self) -> None:
        self.table.log.append(f"{self.name} closes")


def measured(table: Table, *options: Any, **more: Any) -> list[Measured]:
    jobs = [Job(name, {}) for name in table.speeds]
    return take_turns(jobs, *options, meter=Meter(Path("/nowhere")), player=table, **more)


def test_models_take_turns_and_every_other_round_is_turned_round() -> None:
    table = Table(a=0.1, b=0.2)
    found = measured(table, calls=3)
    assert " ".join(table.log).split(" closes")[0] == (
        "a starts b starts a runs b runs b runs a runs a runs b runs a tells b tells b"
    )
    assert [turn.calls for turn in found[1].turns] == [(0.2,)] * 3
    assert [(one.started, one.memory, one.failed) for one in found] == [
        (Started(1.0, 2.0, "cpu", 1), Memory(1, 2), None)
    ] * 2


def test_what_is_loaded_twice_is_first_loaded_by_a_process_that_ends() -> None:
    table = Table(a=0.1, b=0.2)
    jobs = [Job("a", {}, twice=True), Job("b", {})]
    first, second = take_turns(jobs, calls=1, meter=Meter(Path("/nowhere")), player=table)
    assert table.log[:4] == ["a starts", "a closes", "a starts", "b starts"]
    assert (first.first_load, second.first_load) == (1.0, None)
    table.fails["a"], table.log = 0, []
    first, second = take_turns(jobs, calls=1, meter=Meter(Path("/nowhere")), player=table)
    assert (first.failed, second.failed) == (Failed("it broke", 3), None)
    assert table.log[:3] == ["a starts", "a closes", "b starts"]


def test_time_is_shared_by_ten_rounds() -> None:
    found = measured(Table(a=0.001, b=0.01), 1.0)
    assert [len(one.turns) for one in found] == [10, 10]
    assert [len(one.turns[0].calls) for one in found] == [100, 10]
    assert [one.seconds for one in found] == [pytest.approx(1.0)] * 2


def test_slow_models_have_fewer_rounds_but_three() -> None:
    assert [len(one.turns) for one in measured(Table(a=100.0, b=200.0), 1.0)] == [3, 3]
    # both end together, when the faster has had its time: every round has both
    assert [len(one.turns) for one in measured(Table(a=0.2, b=100.0), 1.0)] == [5, 5]


def test_calls_are_shared_out_evenly() -> None:
    assert shares(23) == [3, 3, 3, 2, 2, 2, 2, 2, 2, 2]
    assert shares(2) == [1, 1]
    found = measured(Table(a=1.0), calls=23)
    assert sum(len(turn.calls) for turn in found[0].turns) == 23


@pytest.mark.parametrize(("message", "turns"), [(0, 0), (1, 0), (3, 2)])
def test_one_that_fails_leaves_the_others_to_go_on(message: int, turns: int) -> None:
    table = Table(a=1.0, b=1.0, c=1.0)
    table.fails = {"b": message}
    found = measured(table, calls=5)
    assert [len(one.turns) for one in found] == [5, turns, 5]
    assert [one.failed for one in found] == [None, Failed("it broke", 3), None]
    assert sorted(line for line in table.log if "closes" in line) == ["a closes", "b closes", "c closes"]


def test_nobody_is_left_running_after_an_interrupt() -> None:
    table = Table(a=1.0, b=1.0)

    def interrupted(done: int, total: int) -> None:
        if done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        measured(table, calls=5, progress=interrupted)
    assert table.log[-2:] == ["b closes", "a closes"]


def test_progress_counts_starts_and_turns() -> None:
    seen: list[tuple[int, int]] = []
    measured(Table(a=1.0, b=1.0), calls=2, progress=lambda *steps: seen.append(steps))
    assert seen == [(step, 6) for step in range(7)]


def test_energy_is_that_of_a_models_own_turns(tmp_path: Path) -> None:
    (tmp_path / "intel-rapl:0").mkdir()
    counter = tmp_path / "intel-rapl:0" / "energy_uj"
    counter.write_text("0")
    (tmp_path / "intel-rapl:0" / "max_energy_range_uj").write_text("1000000000")

    class Hungry(Player):
        def turn(self, seconds: float | None, calls: int | None) -> Turn:
            counter.write_text(str(int(counter.read_text()) + {"a": 1_000_000, "b": 3_000_000}[self.name]))
            return super().turn(seconds, calls)

    table = Table(a=1.0, b=1.0)
    jobs = [Job("a", {}), Job("b", {})]
    found = take_turns(jobs, calls=4, meter=Meter(tmp_path), player=lambda: Hungry(table))
    assert [one.joules for one in found] == [4.0, 12.0]
    assert [one.runs for one in found] == [8, 8], "four calls, each after one that warms up"


def test_a_turn_alternates_calls_with_and_without_copies_and_counts_no_warm_up() -> None:
    log: list[str] = []
    now = [0.0]

    def takes(name: str, seconds: float) -> Any:
        def run() -> None:
            log.append(name)
            now[0] += seconds

        return run

    bench = Bench.__new__(Bench)
    bench._call, bench._bare = takes("call", 3.0), takes("bare", 2.0)
    turn = bench.turn(None, 2, lambda: now[0])
    assert log == ["call", "bare"] * 3
    assert turn == Turn((3.0, 3.0), (2.0, 2.0))
    assert len(bench.turn(11.0, None, lambda: now[0]).calls) == 3, "the last one begins before the time is over"
    bench._bare = None
    assert bench.turn(0.0, None, lambda: now[0]) == Turn((3.0,))
