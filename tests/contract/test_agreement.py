"""The house's measure of how far a result is from its reference."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from archonnx.contract.agreement import error

NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("y", "reference", "expected"),
    [
        ([1.0, 2.5], [1.0, 2.0], 0.25),
        ([1e-7], [0.0], 0.1),  # what is near nothing is measured against 1e-6
        ([], [], 0.0),
        ([NAN, 1.0], [NAN, 1.0], 0.0),
        ([INF, 1.5], [INF, 1.0], 0.5),
        ([NAN, 1.0], [1.0, 1.0], INF),
        ([INF, 1.0], [1.0, 1.0], INF),
        ([1.0, 1.0], [NAN, 1.0], INF),
        ([-INF, 1.0], [INF, 1.0], INF),
    ],
)
def test_errors(y: list[Any], reference: list[Any], expected: float) -> None:
    assert error(np.array(y, np.float32), np.array(reference, np.float32)) == pytest.approx(expected)
