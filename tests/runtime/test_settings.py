"""What is asked for when a model is loaded."""

from __future__ import annotations

from typing import Any

import pytest

from archonnx.contract.diagnostics import UsageError
from archonnx.runtime.settings import PRECISIONS, read_max_error, read_precision


@pytest.mark.parametrize("name", PRECISIONS)
def test_precisions_by_name(name: str) -> None:
    assert read_precision(name) == name


@pytest.mark.parametrize(
    ("asked", "meant"), [("fp16", "float16"), ("bf16", "bfloat16"), ("Float32", "float32"), ("half", "float16")]
)
def test_what_others_call_them_is_no_precision_but_a_hint(asked: str, meant: str) -> None:
    with pytest.raises(UsageError, match=f"did you mean '{meant}'"):
        read_precision(asked)


@pytest.mark.parametrize("asked", [0, -1.0, float("nan"), float("inf"), True, "1e-2"])
def test_errors_that_are_none(asked: Any) -> None:
    with pytest.raises(UsageError, match="max_error is a number above 0"):
        read_max_error(asked)


def test_an_error_may_be_any_number() -> None:
    import numpy as np

    assert read_max_error(np.float32(0.5)) == 0.5
    assert read_max_error(None) is None
