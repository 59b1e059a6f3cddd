"""torchvision can be imported whichever PyTorch is there, and its networks run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


def test_networks_of_torchvision_run() -> None:
    torchvision = pytest.importorskip("torchvision")
    torch = pytest.importorskip("torch")
    model = torchvision.models.resnet18(num_classes=3).eval()
    with torch.no_grad():
        assert model(torch.zeros(1, 3, 32, 32)).shape == (1, 3)


def test_nothing_is_imported_before_torchvision_is() -> None:
    code = "import torchvision_operators, sys; torchvision_operators.install(); assert 'torch' not in sys.modules"
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=Path(__file__).parent, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
