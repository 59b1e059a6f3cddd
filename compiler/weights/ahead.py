"""The bytes of one recipe after another, made by threads ahead of whoever writes them, a few slices at most.

The bytes and their order do not depend on the threads: every slice is a function of its recipe and the evaluation. On
one processor there is no thread, and slices are made when they are asked for. numpy lets go of the interpreter's lock
while it works, so that two threads draw nearly twice as fast.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from types import TracebackType
from typing import TypeAlias

from archonnx.compiler.weights.recipe import Evaluation, Recipe
from archonnx.compiler.weights.resolving import resolved

Wanted: TypeAlias = tuple[Recipe, Evaluation]
Piece: TypeAlias = tuple[Callable[[], memoryview], bool]  # what makes it, and whether it is the last of its recipe
Made: TypeAlias = list[tuple[memoryview, bool]]

MOST_THREADS = 4  # they draw faster than disks write, and each has a slice in memory
TOGETHER = 1 << 20  # bytes of small tensors that are made at a time
ENDED = "a tensor gave less than it has"
PATIENCE = 5.0  # seconds that a failure waits for threads that are in the middle of a slice


def processors() -> int:
    """How many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class Ahead:
    """What makes the bytes of `wanted`, in order; `parts` gives those of the next. To be used in a `with` block.

    threads: by default one a processor, MOST_THREADS at most, none where there is one processor.
    """

    def __init__(self, wanted: Iterable[Wanted], *, threads: int | None = None) -> None:
        self._wanted = list(wanted)
        self._next = 0  # of those wanted
        self._rest: deque[tuple[memoryview, bool]] = deque()  # made and not given yet
        if threads is None:
            threads = min(processors(), MOST_THREADS)
        large = sum(recipe.nbytes for recipe, _ in self._wanted) > TOGETHER
        self._threads = threads if large and threads > 1 else 0
        for evaluation in {id(e): e for _, e in self._wanted}.values():
            evaluation.keeps = self._threads + 1
        self._jobs = _jobs(self._wanted)
        self._begun = self._turn = 0  # jobs that threads have taken, and whose pieces were given
        self._made: dict[int, Made | BaseException] = {}
        self._over = False
        self._workers: list[threading.Thread] = []
        self._state, self._taking = threading.Condition(), threading.Lock()

    def parts(self, recipe: Recipe) -> Iterator[memoryview]:
        """The bytes of the next recipe, which is this one. Raises what making them raised."""
        if self._wanted[self._next][0] is not recipe:
            raise ValueError("recipes are asked for in another order than they were announced in")
        self._next += 1
        over = not recipe.nbytes
        while not over:
            if not self._rest:
                self._rest.extend(self._take())
            part, over = self._rest.popleft()
            yield part

    def _take(self) -> Made:
        """What the next job made."""
        if not self._threads:
            job = next(self._jobs, None)
            if job is None:
                raise RuntimeError(ENDED)
            return _make(job)
        if not self._workers:
            self._workers = [threading.Thread(target=self._work, daemon=True) for _ in range(self._threads)]
            for worker in self._workers:
                worker.start()
        with self._state:
            while self._turn not in self._made:
                if not any(worker.is_alive() for worker in self._workers):
                    raise RuntimeError(ENDED)
                self._state.wait(1.0)  # on Windows a wait without an end cannot be interrupted
            made = self._made.pop(self._turn)
            self._turn += 1
            self._state.notify_all()
        if isinstance(made, BaseException):
            raise made
        return made

    def _work(self) -> None:
        """What a thread does: one job after another, until there are no more, one fails or it is all over."""
        failed = False
        while not failed:
            with self._taking:
                number, self._begun = self._begun, self._begun + 1
                job: list[Piece] | BaseException | None
                try:
                    job = next(self._jobs, None)
                except BaseException as error:  # noqa: BLE001 (raised where its pieces are asked for)
                    job = error
            with self._state:
                while not self._over and number >= self._turn + self._threads:
                    self._state.wait()
                if self._over or job is None:
                    return
            made: Made | BaseException
            try:
                made = job if isinstance(job, BaseException) else _make(job)
            except BaseException as error:  # noqa: BLE001 (likewise)
                made = error
            failed = isinstance(made, BaseException)
            with self._state:
                if not self._over:
                    self._made[number] = made
                self._state.notify_all()

    def __enter__(self) -> Ahead:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._state:
            self._over = True
            self._made.clear()
            self._state.notify_all()
        for worker in self._workers:
            worker.join(PATIENCE)


def _jobs(wanted: Iterable[Wanted]) -> Iterator[list[Piece]]:
    """The work in portions: a slice of a large tensor, or small ones together."""
    job: list[Piece] = []
    nbytes = 0
    for recipe, evaluation in wanted:
        for piece, count, last in _pieces(resolved(recipe, evaluation.given), evaluation):
            job.append((piece, last))
            nbytes += count
            if nbytes >= TOGETHER:
                yield job
                job, nbytes = [], 0
    if job:
        yield job


def _pieces(recipe: Recipe, evaluation: Evaluation) -> Iterator[tuple[Callable[[], memoryview], int, bool]]:
    """What makes each slice of a recipe, how many bytes it has, and whether it is the last."""
    if recipe.in_order:  # made here: one thread at a time asks for the next job
        views = recipe.iter_bytes(evaluation)
        view = next(views, None)
        while view is not None:
            after = next(views, None)
            yield partial(_itself, view), len(view), after is None
            view = after
        return
    seen_by = None if evaluation.watch is None else evaluation.watch(recipe)
    for start, stop in recipe.slices(evaluation):
        count = recipe.nbytes * (stop - start) // recipe.size
        stored = partial(recipe.stored, evaluation, start, stop)
        yield stored if seen_by is None else partial(_shown, stored, seen_by), count, stop == recipe.size


def _shown(make: Callable[[], memoryview], seen_by: Callable[[memoryview], None]) -> memoryview:
    view = make()
    seen_by(view)
    return view


def _itself(view: memoryview) -> memoryview:
    return view


def _make(job: list[Piece]) -> Made:
    return [(make(), last) for make, last in job]
