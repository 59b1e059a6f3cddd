"""Every tensor function against numpy: the same text, read by both, gives the same numbers, shape and kind of type."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from function_cases import CASES, REFERENCES
from function_harness import Case, by_numpy, draw, run, source

from archonnx.compiler.layers.base import REQUIRED
from archonnx.compiler.layers.registry import find_function, function_names

BETWEEN = {18, 20, 23}


@pytest.mark.parametrize("case", CASES, ids=[case.id for case in CASES])
def test_computes_what_numpy_computes(case: Case, tmp_path: Path) -> None:
    arrays = draw(case)
    theirs = np.asarray(by_numpy(case, arrays, REFERENCES))
    for opset in sorted({case.oldest} | BETWEEN):
        (ours,) = run(source(case), arrays, tmp_path, opset)
        assert ours.shape == theirs.shape
        assert ours.dtype.kind == theirs.dtype.kind
        scale = max(1.0, float(np.abs(np.nan_to_num(theirs.astype(np.float64), posinf=0, neginf=0)).max(initial=0.0)))
        if ours.dtype.kind == "f":
            np.testing.assert_allclose(ours, theirs, rtol=0, atol=case.tolerance * scale)
        else:
            np.testing.assert_array_equal(ours, theirs.astype(ours.dtype))


def test_every_function_has_a_case() -> None:
    named = {name for case in CASES for name in re.findall(r"([a-z_0-9]+)\(", case.expression)}
    hidden = {"constant", "dimension", "getitem"}  # numbers, sizes and brackets, which every other case has
    assert set(function_names()) - named - hidden == {"matmul"} - named


@pytest.mark.parametrize("name", function_names())
def test_parameters_are_inputs_and_arguments(name: str) -> None:
    function = find_function(name)
    assert function is not None
    inputs = {entry.strip("*?") for entry in function.inputs}
    assert set(function.parameters) == inputs | set(function.declared)
    assert function.masking == "drop"
    for argument in function.declared.values():
        if argument.default is not REQUIRED and argument.default is not None:
            argument.domain.parse(argument.default)
