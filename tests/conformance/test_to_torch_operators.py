"""archonnx.to_torch of tensor functions and raw operators: PyTorch gives what the file does, and what ONNX's cases say."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from backend_nodes import LeftOut, arrays, load
from backend_run import compiled
from keras_harness import TOLERANCE, error
from test_to_keras_functions import FORMS, source
from test_to_keras_functions import arrays as given_arrays

import archonnx
from archonnx.compiler.layers.registry import find_function, function_names

torch = pytest.importorskip("torch", reason="PyTorch is what this makes modules of")

BATCH = 120  # cases a test
HALF = 2e-3  # of float16, whose cases are computed in float32 and rounded
# How many of each BATCH of onnx 1.23's cases are computed: the others deal in operators, types and texts that are refused.
COMPUTED = (100, 88, 91, 12, 49, 62, 99, 88, 83, 101, 71, 120, 100, 74, 51, 65)


@pytest.mark.parametrize("form", FORMS)
def test_a_function_computes_what_the_file_does(form: str, tmp_path: Path) -> None:
    import onnxruntime

    model, given = source(form), given_arrays()
    model.save(tmp_path / "m.onnx")
    session = onnxruntime.InferenceSession(str(tmp_path / "m.onnx"), providers=["CPUExecutionProvider"])
    asked = {wanted.name for wanted in session.get_inputs()}
    (expected,) = session.run(None, {name: array for name, array in given.items() if name in asked})
    found = archonnx.to_torch(model)({name: torch.from_numpy(array) for name, array in given.items()}).numpy()
    assert (found.shape, found.dtype) == (expected.shape, expected.dtype)
    assert error(found, expected) <= TOLERANCE


def test_every_function_has_a_form() -> None:
    written = " ".join(FORMS)
    operators = {"add", "subtract", "multiply", "divide", "negative", "greater", "power", "getitem", "constant"}
    bare = {"dimension", "positive"}  # N and +x
    assert {name for name in function_names() if f"{name}(" not in written} <= operators | bare
    assert all(find_function(name) is not None for name in operators | bare)


def outcome(case: Any) -> str:
    """What becomes of a case: "computed", why it is not, or what is wrong."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            module = archonnx.to_torch(compiled(case)).eval()
        except LeftOut:
            return "left out"
        except archonnx.ArchonnxError as error_:
            return "refused" if "cannot become a module of PyTorch" in str(error_) else f"{case.name}: {error_}"
    inputs = {f"i{k}": array for k, array in enumerate(arrays(case.data_sets[0][0]))}
    expected = arrays(case.data_sets[0][1])
    named = [inputs.get(name) for name in module.input_names]
    if any(a is None or not torch_has(a) for a in (*named, *expected)):
        return "left out"
    with torch.no_grad():
        made = module(*[torch.from_numpy(np.array(array)) for array in named])
    for value, reference in zip(made.values() if isinstance(made, dict) else [made], expected, strict=True):
        y = value.numpy()
        if (y.shape, y.dtype) != (reference.shape, reference.dtype):
            return f"{case.name}: {y.dtype}{list(y.shape)}, expected {reference.dtype}{list(reference.shape)}"
        if not error(y, reference) <= (HALF if reference.dtype == np.float16 else TOLERANCE):
            return f"{case.name}: error {error(y, reference):.2g}"
    return "computed"


def torch_has(array: Any) -> bool:
    """Whether NumPy and PyTorch hand arrays of that type to each other."""
    return isinstance(array, np.ndarray) and array.dtype.kind in "fiub" and array.dtype.isbuiltin == 1


@pytest.mark.parametrize("start", range(0, len(load()), BATCH))
def test_a_raw_operator_computes_what_onnx_says(start: int) -> None:
    found = [outcome(case) for case in load()[start : start + BATCH]]
    assert [text for text in found if text not in ("computed", "refused", "left out")] == []
    assert found.count("computed") >= COMPUTED[start // BATCH]


def test_a_raw_operator_that_is_called_like_a_layer() -> None:
    """onnx.Softmax is not Softmax, whose module takes other arguments."""
    text = """
model M():
    input x: float32[N, 3]
    a = x -> onnx.Softmax(axis=0)
    b = x -> onnx.Elu(alpha=2.0)
    output y = a + b
"""
    x = torch.tensor([[1.0, -1.0, 2.0], [0.0, 3.0, -2.0]])
    expected = torch.softmax(x, 0) + torch.nn.functional.elu(x, 2.0)
    assert torch.allclose(archonnx.to_torch(archonnx.compile(text=text))(x), expected)
