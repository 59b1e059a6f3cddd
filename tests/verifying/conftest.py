"""These modules and the models of the conformance tests are imported by name; times are not waited for."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from archonnx.verifying import checking

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "conformance")]


@pytest.fixture(autouse=True)
def measured_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checking, "PATIENCE", 0.0)


@pytest.fixture(autouse=True)
def names_count_anew() -> None:
    """Keras counts the names of its layers over the whole process."""
    if "keras" in sys.modules:
        sys.modules["keras"].utils.clear_session(free_memory=False)
