"""Building takes no more threads than it draws weights in."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import os, sys, threading
from archonnx.cli import main
assert "numpy" not in sys.modules
assert main(["build", "zoo:gates", "--model", "XOR", "-o", sys.argv[1]]) == 0
import numpy
numpy.ones((500, 500)) @ numpy.ones((500, 500))
tasks = len(os.listdir("/proc/self/task")) if os.path.isdir("/proc/self/task") else 1
print(tasks, os.environ.get("OPENBLAS_NUM_THREADS"))
"""


@pytest.mark.parametrize("told", [None, "3"])
def test_numpy_starts_no_threads_unless_it_is_told_to(tmp_path: Path, told: str | None) -> None:
    env = {name: value for name, value in os.environ.items() if name != "OPENBLAS_NUM_THREADS"}
    env |= {"PYTHONPATH": os.pathsep.join(sys.path)} | ({"OPENBLAS_NUM_THREADS": told} if told else {})
    command = [sys.executable, "-c", SCRIPT, str(tmp_path / "m.onnx")]
    done = subprocess.run(command, capture_output=True, text=True, env=env, check=False)
    assert done.returncode == 0, done.stderr
    tasks, variable = done.stdout.split()[-2:]
    assert variable == str(told)  # nothing is left behind in the environment
    if told is None:
        assert tasks == "1"
