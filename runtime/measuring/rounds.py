"""Models that take turns: rounds in which each runs for a moment, every other one in the opposite order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field

from archonnx.runtime.measuring.energy import Meter
from archonnx.runtime.measuring.process import FailedError, Player, Process
from archonnx.runtime.measuring.worker import Failed, Job, Memory, Started, Turn

ROUNDS, FEWEST = 10, 3


@dataclass(slots=True)
class Measured:
    """What was found of one model. turns: one a round; joules: of all turns, None where the machine does not tell;
    failed: why it was given up, at the start or later; first_load: seconds that another process took to load it before,
    None where there was none."""

    started: Started | None = None
    turns: list[Turn] = field(default_factory=list)
    memory: Memory | None = None
    joules: float | None = None
    failed: Failed | None = None
    first_load: float | None = None

    @property
    def seconds(self) -> float:
        """Spent in measured calls."""
        return sum(sum(turn.calls) + sum(turn.bare) for turn in self.turns)

    @property
    def runs(self) -> int:
        """How often the model ran in its turns, those that warm it up among them."""
        return sum(len(turn.calls) + 1 + len(turn.bare) + bool(turn.bare) for turn in self.turns)


def shares(calls: int, rounds: int = ROUNDS) -> list[int]:
    """How many calls each round has, where there are so many in all: as alike as can be, no round without one."""
    rounds = min(calls, rounds)
    return [calls // rounds + (place < calls % rounds) for place in range(rounds)]


def take_turns(
    jobs: Sequence[Job],
    seconds: float = 5.0,
    calls: int | None = None,
    *,
    meter: Meter | None = None,
    player: Callable[[], Player] = Process,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[Measured]:
    """Measure each job in a process of its own, all alive together, one of them running at a time.

    seconds: for each job, in ROUNDS rounds; a model whose calls take longer than its share has fewer, but FEWEST.
    calls: so many of each job, instead. meter: counts energy. progress: called with steps done and steps in all.
    """
    meter = meter or Meter()
    found = [Measured() for _ in jobs]
    plan = shares(calls) if calls else [None] * ROUNDS
    steps = len(jobs) * (len(plan) + 1)
    with ExitStack() as stack:
        players: dict[int, Player] = {}
        for place, job in enumerate(jobs):
            progress(place, steps)
            if job.twice:
                try:
                    with closing(player()) as earlier:
                        found[place].first_load = earlier.start(job).load
                except FailedError as error:
                    found[place].failed = error.failed
                    continue
            players[place] = player()
            stack.callback(players[place].close)
            try:
                found[place].started = players[place].start(job)
            except FailedError as error:
                found[place].failed = error.failed
                del players[place]
        for number, count in enumerate(plan):
            order = sorted(players, reverse=number % 2 == 1)
            for at, place in enumerate(order):
                progress(len(jobs) * (number + 1) + at, steps)
                before = meter.read()
                try:
                    turn = players[place].turn(seconds / ROUNDS if count is None else None, count)
                except FailedError as error:
                    found[place].failed = error.failed
                    del players[place]
                    continue
                spent = meter.joules(before, meter.read())
                found[place].turns.append(turn)
                if spent is not None:
                    found[place].joules = (found[place].joules or 0.0) + spent
            long = all(found[place].seconds >= seconds for place in players)
            if count is None and number + 1 >= FEWEST and long:
                break
        for place, one in players.items():
            try:
                found[place].memory = one.memory()
            except FailedError as error:
                found[place].failed = error.failed
    progress(steps, steps)
    return found
