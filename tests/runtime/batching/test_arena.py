"""When memory is given back: at the first small call after a large one, and later where large ones keep coming back."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from apart import Input, graph_of
from onnx import helper, shape_inference

from archonnx.runtime.batching import arena
from archonnx.runtime.batching.arena import PATIENT, Arena

node = helper.make_node


def feeds(count: int) -> dict[str, Any]:
    return {"x": np.zeros(count, np.uint8)}


class Process:
    """A process of which the arena is told what it holds: as much more after large calls as is not given back."""

    def __init__(self, large: int) -> None:
        self.watched, self.large, self.now = Arena(), large, 0

    def call(self, count: int) -> bool:
        gives = self.watched.shrinks(feeds(count))
        self.now = 0 if gives else max(self.now, self.large if count >= 100 else 0)
        return gives


@pytest.fixture
def process(monkeypatch: pytest.MonkeyPatch) -> Process:
    monkeypatch.setattr(arena, "held_memory", lambda: made.now if made else 0)
    made: Any = None
    made = Process(1 << 30)
    return made


def test_the_first_small_call_after_a_large_one_gives_back(process: Process) -> None:
    assert [process.call(n) for n in (100, 100, 26, 25, 25, 10)] == [False, False, False, True, False, False]


def test_what_is_little_is_kept(process: Process) -> None:
    process.large = arena.LEAST
    assert not any(process.call(n) for n in (100, 1, 100, 1))


def test_what_is_not_the_arenas_is_not_tried_again(process: Process, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arena, "held_memory", lambda: 1 << 30)
    assert [process.call(n) for n in (100, 1, 100, 1, 1, 100, *[1] * 100)].count(True) == 1


def test_where_nobody_tells_it_is_given_back(process: Process, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arena, "held_memory", lambda: None)
    assert [process.call(n) for n in (100, 1, 1)] == [False, True, False]


def test_large_calls_that_keep_coming_back_are_waited_for(process: Process) -> None:
    waits = []
    for _ in range(9):
        process.call(100)
        waits.append(next(n for n in range(1, 1000) if process.call(1)))
    assert waits == [1, 2, 4, 8, 16, 32, PATIENT, PATIENT, PATIENT]


def test_questions_that_come_to_nothing_become_rare_until_there_are_larger_calls(process: Process) -> None:
    process.large = 0
    for _ in range(100):
        process.call(100)
        for _ in range(99):
            process.call(1)
    assert process.watched._wait > 99
    process.large = 1 << 30
    process.call(1000)
    assert process.call(10)


def test_calls_that_take_turns_do_not_give_back_each_time(process: Process) -> None:
    given = [process.call(n) for _ in range(200) for n in (100, 1)]
    assert sum(given) == 1


CHILD = """
import sys
import numpy as np
import archonnx
from archonnx.runtime.machine import held_memory

session = archonnx.load(sys.argv[1], "cpu", cache="off", batch=None)
one = np.ones((1, 3, 256, 256), np.float32)
many = np.ones((32, 3, 256, 256), np.float32)
session(one)
before = held_memory()
session(many)
large = held_memory()
session(one)
print(before, large, held_memory())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells what a process holds")
def test_a_small_call_after_a_large_one_returns_the_memory(tmp_path: Path) -> None:
    held = {"w": np.ones((16, 3, 3, 3), np.float32)}
    nodes = [node("Conv", ["x", "w"], ["a"], pads=[1, 1, 1, 1]), node("GlobalMaxPool", ["a"], ["y"])]
    model = shape_inference.infer_shapes(graph_of(nodes, {"x": Input("N", 3, 256, 256)}, ["y"], held))
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    command = [sys.executable, "-c", CHILD, str(tmp_path / "m.onnx")]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    before, large, after = map(int, run.stdout.split())
    assert large - before > 100 << 20  # 32 rows take 128 MiB
    assert after - before < 20 << 20
