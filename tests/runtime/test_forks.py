"""A process that forks while it has a session: calls in the child are an error, and nothing hangs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from onnx import TensorProto, helper, save

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux forks processes by default")

# The children end by os._exit, as those of multiprocessing do: onnxruntime's own clean-up at a normal end waits for a
# thread that it started when it was imported.
PRELUDE = """
import gc, os, sys
import numpy as np
from archonnx import UsageError, load
path = sys.argv[1]
x = np.ones((64, 256), np.float32)
session = load(path, "cpu", threads=2)
before = session(x)

def child(work):
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            code = work()
        finally:
            sys.stdout.flush()
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
"""


@pytest.fixture(scope="module")
def path(make: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model large enough that onnxruntime gives its product to several threads."""
    weight = helper.make_tensor("w", TensorProto.FLOAT, [256, 256], [0.5] * 65536)
    nodes = [helper.make_node("MatMul", ["x", "w"], ["y"])]
    file = tmp_path_factory.mktemp("forks") / "m.onnx"
    save(make({"x": ("float32", ["N", 256])}, nodes, {"y": ("float32", ["N", 256])}, initializers=[weight]), file)
    return file


def said(path: Path, program: str) -> list[str]:
    """What a program, run in a process of its own, prints; it is ended where it hangs."""
    run = [sys.executable, "-c", PRELUDE + program, str(path)]
    done = subprocess.run(run, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_a_call_in_the_child_is_an_error_that_says_what_to_do(path: Path) -> None:
    program = """
def work():
    try:
        session(x)
    except UsageError as error:
        print(error)
        return 7
print(child(work), (session(x) == before).all())
"""
    assert said(path, program) == [
        f"{path}: this process was forked after the session was loaded, and its threads stayed in the parent; "
        "load the model in each process, or start processes by multiprocessing's method 'spawn'",
        "7 True",
    ]


def test_the_child_may_forget_the_session_and_load_its_own(path: Path) -> None:
    program = """
def work():
    global session
    session.close()
    session = None
    gc.collect()
    own = load(path, "cpu", threads=2)
    same = (own(x) == before).all()
    own.close()
    return 5 if same else 6
print(child(work))
"""
    assert said(path, program) == ["5"]


def test_a_session_of_the_child_is_marked_in_a_grandchild_alone(path: Path) -> None:
    program = """
def inner():
    try:
        own(x)
    except UsageError:
        return 3
def work():
    global own
    own = load(path, "cpu", threads=2)
    return child(inner) if (own(x) == before).all() else 9
print(child(work))
"""
    assert said(path, program) == ["3"]


def test_processes_of_multiprocessing_end_with_the_error(path: Path) -> None:
    program = """
import multiprocessing
def work(queue):
    try:
        session(x)
    except UsageError as error:
        queue.put(str(error).split(": ")[1][:23])
context = multiprocessing.get_context("fork")
queue = context.SimpleQueue()
process = context.Process(target=work, args=(queue,))
process.start()
print(queue.get())
process.join()
print(process.exitcode)
"""
    assert said(path, program) == ["this process was forked", "0"]
