"""What the activation layers say of arguments and inputs that do not fit, where they stand, what they become."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from diagnosing import error_of

import archonnx
from archonnx.compiler.layers.activation import ActivationLayer
from archonnx.compiler.layers.registry import find_layer, layer_names
from archonnx.contract.diagnostics import Diagnostic

VECTOR = "float32[N, 6]"
LAYERS = [layer for layer in map(find_layer, layer_names()) if layer is not None and issubclass(layer, ActivationLayer)]
GATES = {"GLU", "ReGLU", "GeGLU", "SwiGLU"}
NEEDED = {"Activation": '"relu"', "Threshold": "0.5, 1.5"}  # arguments without a default


def diagnose(line: str, given: str = VECTOR) -> Diagnostic:
    """The one error of a model with this input and this line."""
    return error_of(f"model A():\n    input x: {given}\n    {line}\n")


ARGUMENTS = [
    ("GELU(1)", "approximate of GELU is True or False, got 1"),
    ('GELU("tanh")', 'approximate of GELU is True or False, got "tanh"'),
    ("CELU(0)", "alpha of CELU is a number, above 0, got 0"),
    ("CELU(alpha=-1)", "alpha of CELU is a number, above 0, got -1"),
    ("SiLU(None)", "beta of SiLU is a number, got None"),
    ("Softplus(0)", "beta of Softplus is a number, above 0, got 0"),
    ("Squareplus(-1)", "b of Squareplus is a number, at least 0, got -1"),
    ("HardShrink(-0.5)", "threshold of HardShrink is a number, at least 0, got -0.5"),
    ("SoftShrink(-0.5)", "threshold of SoftShrink is a number, at least 0, got -0.5"),
    ("ThresholdedReLU(-1)", "theta of ThresholdedReLU is a number, at least 0, got -1"),
    ('Threshold("low", 0)', 'threshold of Threshold is a number, got "low"'),
    ("HardTanh(min_value=True)", "min_value of HardTanh is a number, got True"),
    ("RReLU(lower=None)", "lower of RReLU is a number, got None"),
    ("GLU(axis=(1, 2))", "axis of GLU is the number of an axis, got (1, 2)"),
    ("SwiGLU(gate_first=1)", "gate_first of SwiGLU is True or False, got 1"),
    ("LogSoftmax(axis=1.0)", "axis of LogSoftmax is the number of an axis, or a tuple of them, got 1.0"),
    ("Sparsemax(axis=None)", "axis of Sparsemax is the number of an axis, got None"),
    ('Sigmoid(dtype="int32")', "dtype of Sigmoid is a floating element type"),
    ("LeakyReLU(-0.1)", "negative_slope of LeakyReLU is a number, at least 0, got -0.1"),
    ('ELU("1")', 'alpha of ELU is a number, got "1"'),
]


@pytest.mark.parametrize(("line", "message"), ARGUMENTS, ids=[case[0] for case in ARGUMENTS])
def test_arguments(line: str, message: str) -> None:
    found = diagnose(line)
    assert (found.code, message) == ("E0403", message if message in found.message else found.message)
    assert found.place is not None
    assert (found.place.line, found.place.column > 5) == (3, True)


CASES = [
    ("Threshold(0.5)", VECTOR, "E0401", "Threshold needs the argument default_value"),
    ("Mish(0.5)", VECTOR, "E0403", "dtype of Mish is a floating element type"),
    ("GELU(tanh=True)", VECTOR, "E0402", "GELU"),
    ("HardTanh(2, 1)", VECTOR, "E0332", "HardTanh needs min_value at most max_value, got 2 and 1"),
    ("RReLU(0.5, 0.25)", VECTOR, "E0332", "RReLU needs lower at most upper, got 0.5 and 0.25"),
    ("GLU()", "float32[N, 5]", "E0310", "GLU halves axis 1 of float32[N, 5], and 5 is not even"),
    ("GLU()", "float32[N, D]", "E0310", "GLU halves axis 1 of float32[N, D], and D is not known to be even"),
    ("GeGLU(1)", "float32[N, 3, 4]", "E0310", "GeGLU halves axis 1 of float32[N, 3, 4], and 3 is not even"),
    ("SwiGLU(2)", VECTOR, "E0311", f"SwiGLU is given axis 2, its input {VECTOR} has axes -2 to 1"),
    ("Dense(5, activation=GLU())", VECTOR, "E0310", "GLU halves axis 1 of float32[N, 5], and 5 is not even"),
    ("Dense(4, activation=Softmax(3))", VECTOR, "E0311", "Softmax is given axis 3, its input float32[N, 4] has axes"),
    ("LogSoftmax((1, -1))", VECTOR, "E0311", f"LogSoftmax is given axis 1 of its input {VECTOR} twice: (1, -1)"),
    ("LogSoftmax(())", VECTOR, "E0311", "LogSoftmax needs an axis, got none"),
    ("Softmin(-3)", VECTOR, "E0311", "Softmin is given axis -3"),
    ("Sparsemax(2)", VECTOR, "E0311", "Sparsemax is given axis 2"),
    ("ReGLU()", "float32[]", "E0302", "ReGLU needs at least 1 axis, got float32[]"),
    ("Sparsemax()", "float32[]", "E0302", "Sparsemax needs at least 1 axis, got float32[]"),
    ("LogSoftmax()", "float32[]", "E0302", "LogSoftmax needs at least 1 axis, got float32[]"),
    ("GELU()", "string[N]", "E0303", "GELU needs numbers, got string[N]"),
]


@pytest.mark.parametrize(("line", "given", "code", "message"), CASES, ids=[f"{c[0]}-{c[1]}" for c in CASES])
def test_inputs(line: str, given: str, code: str, message: str) -> None:
    found = diagnose(line, given)
    assert (found.code, message) == (code, message if message in found.message else found.message)


@pytest.mark.parametrize(
    ("line", "given", "help"),
    [
        ("GLU()", "float32[N, D]", "state it: require D % 2 == 0"),
        ("GLU()", "float32[N, 5]", None),
        ("Gelu()", VECTOR, "did you mean GELU?"),
        ("Hardswish()", VECTOR, "did you mean HardSwish?"),
        ("Hardtanh()", VECTOR, "did you mean HardTanh?"),
        ("SoftPlus()", VECTOR, "did you mean Softplus?"),
        ('Dense(4, activation="geluu")', VECTOR, 'did you mean "gelu", "glu" or "elu"?'),
    ],
)
def test_mend(line: str, given: str, help: str | None) -> None:
    assert diagnose(line, given).help == help


@pytest.mark.parametrize("line", ["Dense(5, activation=GLU())", "Dense(4, activation=LogSoftmax(3))"])
def test_a_place_is_the_activation_at_fault(line: str) -> None:
    """And nothing points at an axis of the layer's input, which is another than the activation's."""
    found = diagnose(line)
    assert found.place is not None
    assert (found.place.line, found.place.column) == (3, 25)
    assert found.labels == ()


def test_the_mend_that_is_offered_mends() -> None:
    archonnx.compile(text="model A():\n    input x: float32[N, D]\n    require D % 2 == 0\n    GLU()\n")


@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: layer.__name__)
def test_every_one_can_be_an_activation(layer: type[ActivationLayer]) -> None:
    """Of a Dense layer, by itself, and with any number of axes."""
    call = f"{layer.__name__}({NEEDED.get(layer.__name__, '')})"
    width = 2 if layer.__name__ in GATES else 4
    for given, leading in ((VECTOR, ["N"]), ("float32[N, T, H, 6]", ["N", "T", "H"])):
        text = f"model A():\n    input x: {given}\n    Dense(4, activation={call})\n"
        shape = archonnx.compile(text=text).graph.outputs[0].value.type.shape
        assert [str(size) for size in shape] == [*leading, str(width)]


@pytest.mark.parametrize("opset", [17, 20, 24])
@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: layer.__name__)
def test_extremes_are_finite(layer: type[ActivationLayer], opset: int, tmp_path: Path) -> None:
    """Far from zero no activation overflows but those that grow so: the exponential."""
    import onnxruntime

    text = f"model A():\n    input x: {VECTOR}\n    {layer.__name__}({NEEDED.get(layer.__name__, '')})\n"
    archonnx.compile(text=text, opset=opset).save(tmp_path / "model.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])
    x = np.array([[-1e4, -100, 0, 30, 100, 1e4], [0, 0, 0, 0, 0, 0]], np.float32)
    y: Any = session.run(None, {"x": x})[0]
    assert np.isfinite(y).all() or layer.__name__ == "Exponential"
    assert np.abs(y).max() <= 1e8 or layer.__name__ == "Exponential"


@pytest.mark.parametrize("opset", [17, 20, 22, 24, 28])
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
def test_every_floating_type_in_every_operator_set(dtype: str, opset: int, tmp_path: Path) -> None:
    """The gate finds operators that do not take the type; float64 is run too, as onnxruntime lacks kernels of it."""
    import onnxruntime

    calls = [
        f'{layer.__name__}({NEEDED.get(layer.__name__, "")}{", " if layer.__name__ in NEEDED else ""}dtype="{dtype}")'
        for layer in LAYERS
    ]
    lines = [f"y{i} = x -> {call}\n    output y{i}" for i, call in enumerate(calls)]
    text = "\n    ".join(["model A():", f"input x: {dtype}[N, 6]", *lines]) + "\n"
    archonnx.compile(text=text, opset=opset).save(tmp_path / "model.onnx")
    if dtype != "bfloat16":
        session = onnxruntime.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])
        assert {str(y.dtype) for y in session.run(None, {"x": np.ones((2, 6), dtype)})} == {dtype}


def operators(line: str, opset: int) -> list[str]:
    model = archonnx.compile(text=f"model A():\n    input x: {VECTOR}\n    {line}\n", opset=opset)
    return [o.type for o in model.lower().operators]


@pytest.mark.parametrize(
    ("line", "opset", "types"),
    [
        ("GELU()", 20, ["Gelu"]),
        ("GELU(approximate=True)", 20, ["Gelu"]),
        ("GELU()", 17, ["Div", "Erf", "Add", "Mul", "Mul"]),
        ("Mish()", 18, ["Mish"]),
        ("Mish()", 17, ["Softplus", "Tanh", "Mul"]),
        ("CELU(0.5)", 17, ["Celu"]),
        ("HardSiLU()", 17, ["HardSwish"]),
        ("HardTanh()", 17, ["Clip"]),
        ("SoftShrink()", 17, ["Shrink"]),
        ("SiLU()", 24, ["Sigmoid", "Mul"]),
        ("SiLU(2.0)", 20, ["Mul", "Sigmoid", "Mul"]),
        ("SwiGLU()", 20, ["Split", "Sigmoid", "Mul", "Mul"]),
    ],
)
def test_the_operators(line: str, opset: int, types: list[str]) -> None:
    assert operators(line, opset) == types


@pytest.mark.parametrize(
    ("line", "kept"), [("GLU()", True), ("SwiGLU(1)", False), ("GELU()", True), ("Sparsemax(1)", True)]
)
def test_a_mask_passes_where_its_axes_stay(line: str, kept: bool) -> None:
    text = f"model A():\n    input t: int32[N, 8]\n    t -> Embedding(9, 4, mask_zero=True) -> {line}\n    output y\n"
    mask = archonnx.compile(text=text).graph.outputs[0].value.mask
    assert (mask is not None) == kept


@pytest.mark.parametrize(("alias", "name"), [("Swish", "SiLU"), ("HardSwish", "HardSiLU")])
def test_second_names(alias: str, name: str) -> None:
    model = archonnx.compile(text=f"model A():\n    input x: {VECTOR}\n    {alias}()\n")
    assert [node.type_name for node in model.graph.nodes] == [name]
