"""Making bytes ahead: the same bytes by any number of threads, a few slices at most, and every failure is told."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from archonnx.compiler.graph import Weight
from archonnx.compiler.recipes import BlockNumbers, Blocks, BlockScales, Constant, Draw, Evaluation, Recipe
from archonnx.compiler.weights import ahead
from archonnx.compiler.weights.ahead import Ahead
from archonnx.compiler.weights.initializers import resolve
from archonnx.contract.diagnostics import Place

PLACE = Place("example.arch", 1, 1, 1, 2)


def draw(name: str, *shape: int, initializer: Any = "glorot_uniform", dtype: str = "float32") -> Draw:
    return Draw(Weight(name, dtype, shape, resolve(initializer), True, PLACE))


def everything() -> list[Recipe]:
    """Recipes of all kinds: small and large ones, transposed, kept between slices, of nothing."""
    matrix = draw("m", 96, 64)
    return [
        Constant([1, 2, 3]),
        draw("a", 300, 40),
        draw("b", 7),
        draw("c", 3, 3, 40, 50).transpose((3, 2, 0, 1)),
        draw("d", 0, 5),
        draw("e", 60, 90, initializer="orthogonal"),
        draw("f", 90, 60, initializer="truncated_normal", dtype="float16"),
        BlockNumbers(matrix, Blocks(4, 32)),
        BlockScales(matrix, Blocks(4, 32)),
        draw("g", 500, 4).cast("int4"),
        draw("h", 11),
    ]


def made(recipes: list[Recipe], threads: int, slice_bytes: int = 4096) -> list[bytes]:
    evaluation = Evaluation(3, {"b": Constant(np.arange(7, dtype=np.float32))}, slice_bytes=slice_bytes)
    with Ahead(((recipe, evaluation) for recipe in recipes), threads=threads) as source:
        return [b"".join(map(bytes, source.parts(recipe))) for recipe in recipes]


@pytest.fixture(autouse=True)
def small_portions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ahead, "TOGETHER", 2000)


@pytest.mark.parametrize("threads", [0, 1, 2, 3, 8])
@pytest.mark.parametrize("slice_bytes", [1024, 4096, 1 << 24])
def test_the_bytes_do_not_depend_on_the_threads(threads: int, slice_bytes: int) -> None:
    recipes = everything()
    evaluation = Evaluation(3, {"b": Constant(np.arange(7, dtype=np.float32))})
    expected = [b"".join(map(bytes, recipe.iter_bytes(evaluation))) for recipe in recipes]
    assert made(recipes, threads, slice_bytes) == expected
    assert [len(each) for each in expected] == [recipe.nbytes for recipe in recipes]


class Watched(Recipe):
    """A recipe of bytes that notes its slices, and fails at one of them."""

    def __init__(self, size: int, fails_at: int | None = None, with_what: BaseException | None = None) -> None:
        self.dtype, self.shape = "uint8", (size,)
        self.fails_at, self.error = fails_at, with_what
        self.begun: list[int] = []
        self.threads: set[int] = set()

    def weights(self) -> Iterator[Weight]:
        return iter(())

    def gather(self, evaluation: Evaluation, starts: NDArray[np.int64], length: int) -> NDArray[Any]:
        start = int(starts[0])
        self.begun.append(start)
        self.threads.add(threading.get_ident())
        if start == self.fails_at and self.error is not None:
            raise self.error
        time.sleep(0.001)
        return (np.arange(start, start + length) % 251).astype(np.uint8)


class Once(Watched):
    """A recipe whose bytes come in order, as those of a file that is converted do."""

    in_order = True

    def iter_bytes(self, evaluation: Evaluation) -> Iterator[memoryview]:
        for start in range(0, self.size, 1500):
            yield memoryview(bytes(i % 251 for i in range(start, min(start + 1500, self.size))))


@pytest.mark.parametrize("threads", [0, 3])
def test_so_do_those_that_come_in_order_alone(threads: int) -> None:
    recipes: list[Recipe] = [draw("a", 50, 40), Once(20_000), Once(0), draw("b", 7), Once(1500)]
    got = made(recipes, threads)
    assert [len(each) for each in got] == [recipe.nbytes for recipe in recipes]
    assert got[1] == bytes(i % 251 for i in range(20_000))


class Nothing(Once):
    """A recipe that gives nothing of what it has."""

    def iter_bytes(self, evaluation: Evaluation) -> Iterator[memoryview]:
        return iter(())


@pytest.mark.parametrize("threads", [0, 2])
def test_a_recipe_that_gives_nothing_is_told_and_waited_for_by_nobody(threads: int) -> None:
    with pytest.raises(RuntimeError, match="less than it has"):
        made([draw("a", 50, 40), Nothing(5000)], threads)


def test_only_a_few_slices_are_made_ahead() -> None:
    recipe = Watched(100_000)
    with Ahead([(recipe, Evaluation(0, slice_bytes=2000))], threads=2) as source:
        parts = source.parts(recipe)
        for number in range(40):
            assert bytes(next(parts)) == bytes(i % 251 for i in range(2000 * number, 2000 * number + 2000))
            if number % 10 == 0:
                time.sleep(0.03)
            assert len(recipe.begun) <= number + 4  # those given, one a thread, and what is taken next
    assert threading.get_ident() not in recipe.threads
    assert len(recipe.begun) < 50, "leaving ends it"


def test_one_processor_has_no_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ahead, "processors", lambda: 1)
    recipe = Watched(10_000)
    with Ahead([(recipe, Evaluation(0, slice_bytes=2000))]) as source:
        assert len(list(source.parts(recipe))) == 5
    assert recipe.threads == {threading.get_ident()}


@pytest.mark.parametrize("threads", [0, 2])
@pytest.mark.parametrize("error", [ValueError("no"), KeyboardInterrupt(), MemoryError()])
def test_what_goes_wrong_is_raised_in_its_place(threads: int, error: BaseException) -> None:
    before = threading.active_count()
    recipe = Watched(20_000, 8000, error)
    with pytest.raises(type(error)), Ahead([(recipe, Evaluation(0, slice_bytes=2000))], threads=threads) as source:
        got = []
        for part in source.parts(recipe):
            got.append(bytes(part))
    assert b"".join(got) == bytes(i % 251 for i in range(8000))
    assert threading.active_count() == before


def test_so_is_what_goes_wrong_before_a_slice_is_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> Recipe:
        raise ValueError("no such weight")

    monkeypatch.setattr(ahead, "resolved", fail)
    recipe = Watched(20_000)
    with (
        pytest.raises(ValueError, match="no such weight"),
        Ahead([(recipe, Evaluation(0))], threads=2) as source,
    ):
        list(source.parts(recipe))


def test_a_writer_that_fails_ends_the_threads() -> None:
    before = threading.active_count()
    recipe = Watched(200_000)
    with pytest.raises(OSError, match="full"), Ahead([(recipe, Evaluation(0, slice_bytes=2000))], threads=3) as source:
        next(source.parts(recipe))
        raise OSError("full")
    assert threading.active_count() == before
    assert len(recipe.begun) < 12


def test_another_order_than_announced_is_a_mistake() -> None:
    one, other = Watched(10), Watched(10)
    with Ahead([(one, Evaluation(0)), (other, Evaluation(0))], threads=0) as source, pytest.raises(ValueError):
        list(source.parts(other))


INTERRUPTED = """
import signal, sys, threading, time
from archonnx.compiler.recipes import Evaluation
import importlib.util
spec = importlib.util.spec_from_file_location("test_ahead", sys.argv[1])
tests = importlib.util.module_from_spec(spec)
spec.loader.exec_module(tests)
signal.setitimer(signal.ITIMER_REAL, 0.2)
signal.signal(signal.SIGALRM, signal.default_int_handler)
recipe = tests.Watched(1 << 30)
try:
    with tests.Ahead([(recipe, Evaluation(0, slice_bytes=2000))], threads=2) as source:
        for _ in source.parts(recipe):
            pass
except KeyboardInterrupt:
    print("interrupted", threading.active_count())
"""


@pytest.mark.skipif(os.name != "posix", reason="timers are POSIX'")
def test_an_interrupt_ends_it_at_once() -> None:
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", INTERRUPTED, str(Path(__file__))]
    done = subprocess.run(command, capture_output=True, text=True, env=env, timeout=60, check=False)
    assert done.stdout == "interrupted 1\n", done.stderr


def test_what_is_kept_is_made_once_whoever_asks() -> None:
    evaluation = Evaluation(0)
    evaluation.keeps = 2
    calls: list[str] = []

    def make(name: str) -> str:
        calls.append(name)
        time.sleep(0.02)
        return name

    workers = [threading.Thread(target=lambda n=n: evaluation.keep(n, lambda: make(n))) for n in "abababab"]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert sorted(calls) == ["a", "b"]
    assert evaluation.keep("c", lambda: make("c")) == "c"
    assert evaluation.keep("c", lambda: make("d")) == "c"


def test_what_could_not_be_made_is_tried_again() -> None:
    evaluation = Evaluation(0)

    def fail() -> str:
        raise ValueError("no")

    with pytest.raises(ValueError):
        evaluation.keep("a", fail)
    assert evaluation.keep("a", lambda: "made") == "made"
