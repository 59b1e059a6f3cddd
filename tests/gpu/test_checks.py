"""What must hold on a GPU, where there is one. `python tools/gpu_check.py` runs the same without pytest."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).resolve().parents[2]))  # for `pytest`, which does not add the root by itself

from tools.gpu.checks import CHECKS
from tools.gpu.ways import SkippedError


@pytest.mark.gpu
@pytest.mark.parametrize("name", CHECKS)
def test_on_the_gpu(name: str) -> None:
    try:
        CHECKS[name]("cuda")
    except SkippedError as reason:
        pytest.skip(str(reason))
