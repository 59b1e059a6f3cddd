"""GPT-3 175B, 96 blocks of 1.8 billion parameters, on any machine: what it takes without its weights."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

BUILD = """
import re, sys
from pathlib import Path
import archonnx
model = archonnx.compile(sys.argv[1], model="GPT3_175B")
assert model.summary().parameters.total > 174_000_000_000
model.save(sys.argv[2], weights="none")
print(re.search(r"VmHWM:\\s*(\\d+) kB", Path("/proc/self/status").read_text())[1])
"""


def test_a_build_without_weights_stays_small(tmp_path: Path, project: Path) -> None:
    target = tmp_path / "gpt3.onnx"
    command = [sys.executable, "-c", BUILD, str(project / "models/gpt3.arch"), str(target)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 400_000  # kB; 840,000 before onnx was kept from unrolling every bias
    assert target.stat().st_size < 5_000_000
