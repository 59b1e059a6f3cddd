"""The search, with recipes whose times and errors are made up: what it keeps, and what it never keeps."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archonnx.runtime.settings import Options
from archonnx.runtime.tuning.plan import Tried
from archonnx.runtime.tuning.race import FEWEST, LEGS, MARGIN, Entrant, Race, Unfit, worst
from archonnx.runtime.tuning.recipe import Recipe
from archonnx.runtime.tuning.search import EXACT, Search
from archonnx.runtime.tuning.space import Space

CPU, OPENVINO = Recipe("cpu", threads=2), Recipe("openvino", threads=2)
HALF = Recipe("openvino", "bfloat16", threads=2)


@dataclass
class Fake:
    """An arena without a machine. seconds, errors: by recipe, 1.0 and 0.0 where nothing is said; checks: errors on all
    data where they are others; broken: what does not start; weak: what fails after so many turns. noise: by how much
    times vary, as a share."""

    seconds: dict[Recipe, float] = field(default_factory=dict)
    errors: dict[Recipe, float] = field(default_factory=dict)
    checks: dict[Recipe, float] = field(default_factory=dict)
    broken: set[Recipe] = field(default_factory=set)
    weak: dict[Recipe, int] = field(default_factory=dict)
    noise: float = 0.0
    now: float = 0.0
    alive: set[Recipe] = field(default_factory=set)
    turns: dict[Recipe, int] = field(default_factory=dict)
    random: random.Random = field(default_factory=lambda: random.Random(0))

    def clock(self) -> float:
        return self.now

    def enter(self, recipe: Recipe) -> float:
        if recipe in self.broken:
            raise Unfit("it does not start")
        self.alive.add(recipe)
        return self.errors.get(recipe, 0.0)

    def turn(self, recipe: Recipe) -> Sequence[float]:
        assert recipe in self.alive, "a turn of what does not run"
        self.turns[recipe] = self.turns.get(recipe, 0) + 1
        if self.turns[recipe] > self.weak.get(recipe, 10**9):
            raise Unfit("it broke down")
        taken = self.seconds.get(recipe, 1.0) * (1 + self.noise * self.random.uniform(-1, 1))
        self.now += 2 * taken
        return [taken, taken]

    def check(self, recipe: Recipe) -> float:
        assert recipe in self.alive
        return self.checks.get(recipe, self.errors.get(recipe, 0.0))

    def leave(self, recipe: Recipe) -> None:
        self.alive.discard(recipe)


def race(
    fake: Fake, others: Sequence[Recipe], bound: float = EXACT, seconds: float = 1e9
) -> tuple[Entrant, list[Tried]]:
    one = Race("device", fake, Entrant(CPU), lambda recipe: bound, seconds, fake.clock)
    return one.run(others), one.tried


class TestRace:
    def test_the_fastest_wins_and_runs_on(self) -> None:
        fast, faster = Recipe("cpu", threads=1), Recipe("cpu", threads=4)
        fake = Fake({fast: 0.8, faster: 0.5})
        winner, tried = race(fake, [OPENVINO, fast, faster])
        assert winner.recipe == faster
        assert fake.alive == {faster}
        assert [(row.recipe, row.outcome) for row in tried] == [
            (CPU, "slower"),
            (OPENVINO, "slower"),
            (fast, "slower"),
            (faster, "kept"),
        ]
        assert tried[0].reason == "cpu float32, 4 threads is faster"
        assert tried[3].reason == "0.50 times as long as cpu float32, 2 threads"
        assert tried[3].times_as_long is not None
        assert tried[3].milliseconds is not None
        assert tried[3].times_as_long.median == pytest.approx(0.5)
        assert tried[3].milliseconds.median == pytest.approx(500)

    def test_losers_leave_early(self) -> None:
        others = [Recipe("cpu", threads=count) for count in (1, 3, 4, 5)]
        fake = Fake({recipe: 2.0 + place for place, recipe in enumerate(others)})
        winner, tried = race(fake, others)
        assert winner.recipe == CPU
        assert fake.turns[others[0]] == LEGS[0]
        assert tried[1].reason == "it left after 3 rounds"
        fake = Fake({recipe: 0.1 * (place + 1) for place, recipe in enumerate(others)})
        winner, _ = race(fake, others)
        assert [fake.turns[recipe] for recipe in others] == [LEGS[2], LEGS[1], LEGS[0], LEGS[0]]

    def test_what_is_not_told_apart_stays_as_it_was(self) -> None:
        winner, tried = race(Fake({OPENVINO: 1 - MARGIN / 2}), [OPENVINO])
        assert winner.recipe == CPU
        assert tried[1].reason == "not faster by more than noise"

    def test_time_ends_it_after_the_first_leg(self) -> None:
        fake = Fake({OPENVINO: 0.5})
        winner, _ = race(fake, [OPENVINO], seconds=5.0)
        assert winner.recipe == OPENVINO
        assert fake.turns == {CPU: LEGS[0], OPENVINO: LEGS[0]}

    def test_long_calls_have_fewer_rounds(self) -> None:
        fake = Fake({OPENVINO: 0.5})
        winner, _ = race(fake, [OPENVINO], seconds=1.0)
        assert winner.recipe == OPENVINO
        assert fake.turns == {CPU: FEWEST, OPENVINO: FEWEST}

    def test_what_fails_is_told_with_its_reason(self) -> None:
        other = Recipe("cpu", threads=1)
        fake = Fake({OPENVINO: 0.1, other: 0.1}, broken={OPENVINO}, weak={other: 2})
        winner, tried = race(fake, [OPENVINO, other])
        assert winner.recipe == CPU
        assert [(row.outcome, row.reason) for row in tried[1:]] == [
            ("failed", "it does not start"),
            ("failed", "it broke down"),
        ]
        assert fake.alive == {CPU}

    @pytest.mark.parametrize("error", [2e-3, float("inf"), float("nan")])
    def test_what_is_inexact_has_no_turn(self, error: float) -> None:
        fake = Fake({OPENVINO: 0.1}, {OPENVINO: error})
        winner, tried = race(fake, [OPENVINO])
        assert winner.recipe == CPU
        assert tried[1].outcome == "inexact"
        assert OPENVINO not in fake.turns
        Tried.json(tried[1])

    @pytest.mark.parametrize("error", [2e-3, float("inf"), float("nan")])
    def test_what_is_inexact_on_all_data_gives_way_to_the_next(self, error: float) -> None:
        other = Recipe("cpu", threads=1)
        fake = Fake({OPENVINO: 0.1, other: 0.2}, checks={OPENVINO: error})
        winner, tried = race(fake, [OPENVINO, other, Recipe("cpu", threads=3), Recipe("cpu", threads=4)])
        assert winner.recipe == other
        assert tried[1].outcome == "inexact"
        assert fake.alive == {other}

    def test_a_nan_is_worse_than_any_error(self) -> None:
        nan = float("nan")
        assert worst(1.0, 2.0) == worst(2.0, 1.0) == 2.0
        assert math.isnan(worst(nan, 1.0))
        assert math.isnan(worst(1.0, nan))

    def test_a_base_may_stay_beside_the_winner(self) -> None:
        fake = Fake({OPENVINO: 0.5})
        one = Race("precision", fake, Entrant(CPU), lambda recipe: 1.0, 1e9, fake.clock, stays=True)
        assert one.run([OPENVINO]).recipe == OPENVINO
        assert fake.alive == {CPU, OPENVINO}

    def test_a_base_that_breaks_down_is_told(self) -> None:
        with pytest.raises(Unfit, match="it broke down"):
            race(Fake(weak={CPU: 1}), [OPENVINO])


def search(fake: Fake, bound: float | None = 1e-2, seconds: float = 1e9, **space: object) -> Search:
    made = Space((CPU, OPENVINO), ((HALF,),) if bound else (), 2, 2, **space)  # type: ignore[arg-type]
    return Search(made, fake, bound, seconds, clock=fake.clock)


class TestSearch:
    def test_each_choice_begins_with_what_was_kept(self) -> None:
        one = Recipe("cpu", threads=1)
        best = Recipe("cpu", threads=1, options=Options(spinning=True))
        fake = Fake({one: 0.9, best: 0.8})
        made = search(fake, None)
        kept = made.run()
        assert [each.recipe for each in kept] == [best]
        assert [row.stage for row in made.tried] == ["device"] * 2 + ["threads"] * 2 + ["options"] * 4
        assert fake.alive == set()

    def test_a_lower_precision_is_kept_beside_the_exact_one(self) -> None:
        one = Recipe("openvino", "bfloat16", threads=1)
        fake = Fake({OPENVINO: 0.9, HALF: 0.5, one: 0.4}, {HALF: 3e-3, one: 3e-3, OPENVINO: 1e-7})
        kept = search(fake).run()
        assert [(each.recipe, each.error) for each in kept] == [(OPENVINO, 1e-7), (one, 3e-3)]
        assert kept[1].milliseconds == pytest.approx(400)
        assert kept[1].why == "the fastest of 3 in bfloat16"

    @pytest.mark.parametrize(
        ("seconds", "error", "outcome"), [(0.5, 2e-2, "inexact"), (1.2, 1e-3, "slower"), (0.5, 1e-3, "kept")]
    )
    def test_but_only_within_the_error_and_where_it_is_faster(self, seconds: float, error: float, outcome: str) -> None:
        fake = Fake({HALF: seconds}, {HALF: error})
        made = search(fake)
        kept = made.run()
        assert (HALF in [each.recipe for each in kept]) == (outcome == "kept")
        assert next(row for row in made.tried if row.recipe == HALF).outcome == outcome

    def test_a_default_that_does_not_run_gives_way(self) -> None:
        kept = search(Fake(broken={CPU}), None).run()
        assert [each.recipe for each in kept] == [OPENVINO]
        kept = search(Fake(errors={CPU: 0.5}), None).run()
        assert [each.recipe for each in kept] == [OPENVINO]
        with pytest.raises(Unfit, match="cpu float32, 2 threads: it does not start; openvino float32, 2 threads: it"):
            search(Fake(broken={CPU, OPENVINO}), None).run()

    def test_what_there_was_no_time_for_is_told(self) -> None:
        fake = Fake()
        made = search(fake, seconds=5.0)
        assert [each.recipe for each in made.run()] == [CPU]
        untried = [row for row in made.tried if row.outcome == "untried"]
        assert {row.stage for row in untried} == {"threads", "options"}
        assert {row.reason for row in untried} == {"the time was over"}

    def test_what_is_no_faster_than_no_plan_in_the_end_is_dropped(self) -> None:
        one = Recipe("cpu", threads=1)

        class Late(Fake):
            def turn(self, recipe: Recipe) -> Sequence[float]:
                if recipe == one and self.turns.get(one, 0) >= LEGS[2] + LEGS[0]:
                    self.seconds[one] = 1.5
                return super().turn(recipe)

        made = search(Late({one: 0.9}), None)
        assert [each.recipe for each in made.run()] == [CPU]
        assert made.tried[-1].reason == "in the end no faster than cpu float32, 2 threads"

    def test_what_is_no_faster_in_the_end_is_dropped(self) -> None:
        class Late(Fake):
            def turn(self, recipe: Recipe) -> Sequence[float]:
                if recipe == HALF and self.turns.get(HALF, 0) >= LEGS[2] + 2 * LEGS[0]:
                    self.seconds[HALF] = 1.5
                return super().turn(recipe)

        fake = Late({HALF: 0.5})
        made = search(fake)
        assert [each.recipe for each in made.run()] == [CPU]
        assert made.tried[-1].reason == "in the end no faster than cpu float32, 2 threads"

    @pytest.mark.parametrize("turns", [LEGS[2] + 1, LEGS[2] + LEGS[0] + 1, LEGS[2] + 2 * LEGS[0] + 1])
    def test_what_breaks_down_later_is_dropped(self, turns: int) -> None:
        """While its threads, or its options, are varied, or in the end."""
        fake = Fake({HALF: 0.5}, weak={HALF: turns})
        made = search(fake)
        assert [each.recipe for each in made.run()] == [CPU]
        assert (made.tried[-1].outcome, made.tried[-1].reason) == ("failed", "it broke down")

    @given(st.data())
    def test_what_is_kept_is_the_fastest_of_what_was_near_enough(self, data: st.DataObject) -> None:
        """Whatever times and errors recipes have: nothing beyond the error is kept, and nothing that was measured and
        near enough is faster than what is kept of its precision, but by what noise explains."""
        drawn: dict[Recipe, tuple[float, float]] = {}

        class Drawn(Fake):
            def enter(self, recipe: Recipe) -> float:
                if recipe not in drawn:
                    error = data.draw(st.sampled_from([0.0, 1e-7, 5e-3, 0.5, float("nan")]))
                    drawn[recipe] = data.draw(st.floats(0.2, 2.0)), 0.0 if recipe == CPU else error
                    self.seconds[recipe], self.errors[recipe] = drawn[recipe]
                    if recipe != CPU and data.draw(st.integers(0, 4)) == 0:
                        self.broken.add(recipe)
                return super().enter(recipe)

        fake = Drawn()
        made = search(fake)
        kept = made.run()
        assert kept[0].recipe.precision == "float32"
        assert fake.alive == set()
        for each in kept:
            assert each.error <= (EXACT if each.recipe.precision == "float32" else 1e-2)
            assert drawn[each.recipe][1] <= each.error
        exact = kept[0]
        for row in made.tried:
            if row.recipe.precision == "float32" and row.outcome in ("kept", "slower"):
                assert drawn[exact.recipe][0] <= drawn[row.recipe][0] / (1 - MARGIN)
        assert [each.milliseconds for each in kept] == sorted((each.milliseconds for each in kept), reverse=True)

    def test_noise_alone_changes_nothing(self) -> None:
        """Recipes that are all alike, on a machine whose times vary by a third: the default stays, mostly."""
        changed = 0
        for seed in range(40):
            fake = Fake(noise=0.3, random=random.Random(seed))
            changed += search(fake, None).run()[0].recipe != CPU
        assert changed <= 12, f"{changed} of 40"


class TestSpace:
    def test_threads_of_a_machine(self) -> None:
        space = Space((CPU,), (), 4, 8)
        assert [each.threads for each in space.threads(Recipe("cpu", threads=4))] == [1, 2, 8]
        assert [each.threads for each in space.threads(Recipe("openvino", "int8", threads=4))] == [1, 2, 8]
        assert space.threads(Recipe("cuda")) == []
        assert Space((CPU,), (), 1, 1).threads(Recipe("cpu", threads=1)) == []
        assert Space((CPU,), (), 4, 8, counted=True).threads(Recipe("cpu", threads=3)) == []

    def test_throughput_tries_calls_at_once(self) -> None:
        space = Space((CPU,), (), 4, 4, "throughput")
        found = [(each.threads, each.callers) for each in space.threads(Recipe("cpu", threads=4))]
        assert found == [(1, 1), (2, 1), (1, 4), (2, 2)]
        assert [each.callers for each in space.threads(Recipe("cuda"))] == [2, 4]

    def test_rows_of_a_batch(self) -> None:
        def rows(batch: int, apart: bool = True) -> list[int | None]:
            return [each.rows for each in Space((CPU,), (), 2, 2, batch=batch, apart=apart).rows(CPU)]

        assert rows(64) == [32, 16, 8, 1]
        assert rows(3) == [2, 1]
        assert rows(1) == []
        assert rows(64, False) == []

    def test_options_of_a_device(self) -> None:
        space = Space((CPU,), (), 2, 2)
        assert [str(each) for each in space.options(Recipe())] == [
            "cpu float32, optimisation extended",
            "cpu float32, optimisation basic",
            "cpu float32, spinning",
        ]
        assert [str(each) for each in space.options(Recipe("cuda", "float16"))] == [
            "cuda float16, cudnn_conv_algo_search EXHAUSTIVE",
            "cuda float16, prefer_nhwc 1",
            "cuda float16, no graphs",
        ]
        assert [str(each) for each in space.options(Recipe("openvino"))] == ["openvino float32, static_shapes 4"]
