"""What the normalizations say of arguments and inputs that do not fit, and what holds whatever the input."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from diagnosing import error_of

import archonnx
from archonnx.contract.diagnostics import CompileError, Diagnostic

IMAGE = "float32[N, 8, 8, 6]"
Array = np.ndarray[Any, Any]


def diagnose(line: str, given: str) -> Diagnostic:
    """The one error of a model with this input and this line."""
    return error_of(f"model A():\n    input x: {given}\n    {line}\n")


ARGUMENTS = [
    (
        "GroupNormalization(groups=0)",
        "groups of GroupNormalization is a whole number, at least 1, or -1 for as many groups as channels",
    ),
    ("GroupNormalization(groups=-2)", "groups of GroupNormalization is a whole number, at least 1, or -1"),
    ("GroupNormalization(2.0)", "groups of GroupNormalization is a whole number, at least 1, or -1"),
    ("GroupNormalization(True)", "groups of GroupNormalization is a whole number, at least 1, or -1"),
    ('GroupNormalization(2, axis="last")', "axis of GroupNormalization is the number of an axis"),
    ("GroupNormalization(2, axis=(1, 2))", "axis of GroupNormalization is the number of an axis"),
    ("GroupNormalization(2, epsilon=-1e-3)", "epsilon of GroupNormalization is a number, at least 0"),
    ("GroupNormalization(2, center=1)", "center of GroupNormalization is True or False"),
    ("GroupNormalization(2, scale=None)", "scale of GroupNormalization is True or False"),
    ('GroupNormalization(2, dtype="int32")', "dtype of GroupNormalization is a floating element type"),
    ("InstanceNormalization(epsilon=-1)", "epsilon of InstanceNormalization is a number, at least 0"),
    ("InstanceNormalization(axis=1.5)", "axis of InstanceNormalization is the number of an axis"),
    ("RMSNormalization(epsilon=-1)", "epsilon of RMSNormalization is a number, at least 0"),
    ("RMSNormalization(axis=2.0)", "axis of RMSNormalization is the number of an axis, or a tuple of them"),
    ("UnitNormalization(axis=None)", "axis of UnitNormalization is the number of an axis"),
    ("UnitNormalization(axis=(1, 1))", "axis of UnitNormalization is the number of an axis"),
    ("SpectralNormalization(3)", "layer of SpectralNormalization is a layer, got 3"),
    ("SpectralNormalization(Dense(3), 0)", "power_iterations of SpectralNormalization is a whole number, at least 1"),
    ("LocalResponseNormalization(0)", "size of LocalResponseNormalization is a whole number, at least 1, got 0"),
    ("LocalResponseNormalization(2.5)", "size of LocalResponseNormalization is a whole number, at least 1, got 2.5"),
    ("LocalResponseNormalization(5, -1)", "alpha of LocalResponseNormalization is a number, at least 0, got -1"),
    ("LocalResponseNormalization(5, k=-1)", "k of LocalResponseNormalization is a number, at least 0, got -1"),
    ('LocalResponseNormalization(5, beta="a")', "beta of LocalResponseNormalization is a number, got"),
    ("LayerNormalization(epsilon=-1)", "epsilon of LayerNormalization is a number, at least 0"),
    ("BatchNormalization(epsilon=-1)", "epsilon of BatchNormalization is a number, at least 0"),
    ("BatchNormalization(axis=(1, 2))", "axis of BatchNormalization is the number of an axis"),
]


@pytest.mark.parametrize(("line", "message"), ARGUMENTS, ids=[case[0] for case in ARGUMENTS])
def test_arguments(line: str, message: str) -> None:
    found = diagnose(line, IMAGE)
    assert (found.code, message) == ("E0403", message if message in found.message else found.message)
    assert found.place is not None
    assert found.place.line == 3
    assert found.place.column > 5  # the argument, not the layer


CASES = [
    (
        "GroupNormalization()",
        IMAGE,
        "E0305",
        f"GroupNormalization cannot divide the 6 channels of {IMAGE} into 32 equal groups",
    ),
    ("GroupNormalization(4)", IMAGE, "E0305", "cannot divide the 6 channels"),
    ("GroupNormalization(4, axis=1)", "float32[N, 10, H, W]", "E0305", "cannot divide the 10 channels of"),
    ("GroupNormalization(2)", "float32[N, H, W, C]", "E0301", "GroupNormalization needs a known last axis"),
    ("GroupNormalization(2, axis=1)", "float32[N, T, 6]", "E0301", "GroupNormalization needs a known axis 1"),
    ("GroupNormalization(2, axis=4)", IMAGE, "E0311", f"GroupNormalization is given axis 4, its input {IMAGE} has"),
    ("GroupNormalization(2, axis=-5)", IMAGE, "E0311", "GroupNormalization is given axis -5"),
    ("GroupNormalization(2, axis=0)", "float32[2, 8]", "E0311", "each example by itself; axis 0 of float32[2, 8]"),
    ("GroupNormalization(2, axis=-2)", "float32[2, 8]", "E0311", "each example by itself; axis 0 of float32[2, 8]"),
    ("GroupNormalization(2)", "float32[8]", "E0302", "GroupNormalization needs at least 2 axes, got float32[8]"),
    ("GroupNormalization(2)", "int32[N, 8]", "E0303", "GroupNormalization needs floats, got int32[N, 8]"),
    ("GroupNormalization(2)", "bool[N, 8]", "E0303", "GroupNormalization needs floats, got bool[N, 8]"),
    ("InstanceNormalization()", "float32[N, 8]", "E0302", "InstanceNormalization needs at least 3 axes, got"),
    ("InstanceNormalization()", "uint8[N, 8, 8, 3]", "E0303", "InstanceNormalization needs floats, got uint8"),
    ("InstanceNormalization()", "float32[N, H, W, C]", "E0301", "InstanceNormalization needs a known last axis"),
    ("InstanceNormalization(axis=0)", "float32[3, 8, 8]", "E0311", "axis 0 of float32[3, 8, 8] is the batch"),
    ("RMSNormalization()", "float32[N, T, D]", "E0301", "RMSNormalization needs a known last axis"),
    ("RMSNormalization((1, 2))", "float32[N, T, 8]", "E0301", "RMSNormalization needs a known axis"),
    ("RMSNormalization(3)", "float32[N, 4, 8]", "E0311", "RMSNormalization is given axis 3"),
    ("RMSNormalization((2, -1))", "float32[N, 4, 8]", "E0311", "is given axis 2 of its input float32[N, 4, 8] twice"),
    ("RMSNormalization(())", "float32[N, 4, 8]", "E0311", "RMSNormalization needs an axis, got none"),
    ("RMSNormalization(1)", "float32[N, 4, 8]", "E0330", "takes the last axes of float32[N, 4, 8], got axis 1"),
    ("RMSNormalization((1, 3))", IMAGE, "E0330", f"RMSNormalization takes the last axes of {IMAGE}, got axes 1, 3"),
    ("RMSNormalization(0)", "float32[4, 8]", "E0330", "RMSNormalization takes the last axes of float32[4, 8]"),
    ("RMSNormalization()", "float32[]", "E0302", "RMSNormalization needs at least 1 axis, got float32[]"),
    ("RMSNormalization()", "int64[N, 4]", "E0303", "RMSNormalization needs floats, got int64[N, 4]"),
    ("SpectralNormalization(ReLU())", IMAGE, "E0331", "needs a layer with a kernel or embeddings, got ReLU"),
    (
        "SpectralNormalization(SeparableConv2D(4, 3))",
        IMAGE,
        "E0331",
        "with a kernel or embeddings, got SeparableConv2D",
    ),
    ("SpectralNormalization(TimeDistributed(Dense(4)))", IMAGE, "E0331", "or embeddings, got TimeDistributed"),
    ("SpectralNormalization(Add())", IMAGE, "E0331", "SpectralNormalization needs a layer with a kernel or embeddings"),
    ("SpectralNormalization(Dense(4))", "int32[N, 8]", "E0303", "SpectralNormalization needs floats, got int32[N, 8]"),
    ("SpectralNormalization(Dense(4))", "float32[N, C]", "E0301", "SpectralNormalization needs a known last axis"),
    ("SpectralNormalization(Conv2D(4, 9))", IMAGE, "E0304", "Conv2D looks at 9 places along the height"),
    (
        "LocalResponseNormalization(5)",
        "float32[N, 8]",
        "E0302",
        "LocalResponseNormalization needs at least 3 axes, got",
    ),
    ("LocalResponseNormalization(5)", "int32[N, 8, 8]", "E0303", "LocalResponseNormalization needs floats, got int32"),
    ("LocalResponseNormalization(5, axis=4)", IMAGE, "E0311", "LocalResponseNormalization is given axis 4, its input"),
    (
        "LocalResponseNormalization(5, axis=-4)",
        IMAGE,
        "E0311",
        f"neighbouring channels; axis 0 of {IMAGE} is the batch",
    ),
    ("UnitNormalization()", "string[N]", "E0303", "UnitNormalization needs floats, got string[N]"),
    ("UnitNormalization()", "float32[]", "E0302", "UnitNormalization needs at least 1 axis, got float32[]"),
    ("UnitNormalization(2)", "float32[N, 4]", "E0311", "UnitNormalization is given axis 2"),
    ("UnitNormalization(())", "float32[N, 4]", "E0311", "UnitNormalization needs an axis, got none"),
    ("UnitNormalization((1, -1))", "float32[N, 4]", "E0311", "is given axis 1 of its input float32[N, 4] twice"),
    ("LayerNormalization((3, -1))", IMAGE, "E0311", f"is given axis 3 of its input {IMAGE} twice: (3, -1)"),
    ("LayerNormalization()", "int32[N, 4]", "E0303", "LayerNormalization needs floats, got int32[N, 4]"),
    ("LayerNormalization()", "float32[N, T, D]", "E0301", "LayerNormalization needs a known last axis"),
    ("BatchNormalization()", "float32[N, T, D]", "E0301", "BatchNormalization needs a known last axis"),
    ("Softmax(axis=(2, -1))", "float32[N, 4, 8]", "E0311", "Softmax is given axis 2 of its input float32[N, 4, 8] twi"),
]


@pytest.mark.parametrize(("line", "given", "code", "message"), CASES, ids=[f"{c[0]}-{c[1]}" for c in CASES])
def test_inputs(line: str, given: str, code: str, message: str) -> None:
    found = diagnose(line, given)
    assert (found.code, message) == (code, message if message in found.message else found.message)


@pytest.mark.parametrize(
    ("line", "given", "help"),
    [
        ("GroupNormalization()", IMAGE, "6 divides by 1, 2, 3 and 6"),
        ("GroupNormalization(7)", "float32[N, 360]", "360 divides by 4, 5, 6, 8 and 9"),
        ("GroupNormalization(2)", "int32[N, 8]", 'convert first: cast(x, "float32")'),
        ("RMSNormalization(1)", "float32[N, 4, 8]", "bring what is normalized to the end first: Permute((2, 1))"),
        ("RMSNormalization((1, 3))", IMAGE, "bring what is normalized to the end first: Permute((2, 1, 3))"),
    ],
)
def test_mend(line: str, given: str, help: str) -> None:
    assert diagnose(line, given).help == help


@pytest.mark.parametrize(
    ("text", "column"),
    [("GroupNormalization(4)", 24), ("RMSNormalization(axis=1)", 27), ("UnitNormalization(axis=(1, -3))", 28)],
)
def test_a_place_is_the_argument_at_fault(text: str, column: int) -> None:
    place = diagnose(text, IMAGE).place
    assert place is not None
    assert (place.line, place.column) == (3, column)


@pytest.mark.parametrize("line", ["GroupNormalization(2)", "InstanceNormalization()", "RMSNormalization()"])
def test_two_inputs_are_too_many(line: str) -> None:
    text = f"model A():\n    input x: {IMAGE}\n    input y: {IMAGE}\n    (x, y) -> {line}\n"
    with pytest.raises(CompileError) as caught:
        archonnx.compile(text=text)
    (found,) = caught.value.diagnostics
    assert found.code == "E0604"


def test_channels_that_are_required_are_known() -> None:
    text = "model A():\n    input x: float32[N, T, C]\n    require C == 6\n    GroupNormalization(3)\n"
    assert archonnx.compile(text=text).graph.nodes[0].layer.weights["gamma"].shape == (6,)


def run(line: str, given: str, x: Array, folder: Path, opset: int | None = None) -> Array:
    import onnxruntime

    text = f"model A():\n    input x: {given}\n    {line}\n    output y\n"
    archonnx.compile(text=text, **({} if opset is None else {"opset": opset})).save(folder / "model.onnx")
    session = onnxruntime.InferenceSession(folder / "model.onnx", providers=["CPUExecutionProvider"])
    found: Array = session.run(None, {"x": x})[0]
    return found


@pytest.mark.parametrize("opset", [17, 20, 23])
@pytest.mark.parametrize("groups", [1, 2, 6])
@pytest.mark.parametrize("shape", [(2, 6), (2, 1, 6), (3, 5, 4, 6), (1, 2, 3, 2, 6), (2, 1, 2, 3, 2, 2, 6)])
def test_each_group_has_mean_0_and_variance_1(shape: tuple[int, ...], groups: int, opset: int, tmp_path: Path) -> None:
    x = np.random.default_rng(3).normal(3.0, 2.0, shape).astype(np.float32)
    given = f"float32[{', '.join(['N', *map(str, shape[1:])])}]"
    y = run(f"y = x -> GroupNormalization({groups}, epsilon=0)", given, x, tmp_path, opset)
    together = np.moveaxis(y, -1, 1).reshape(shape[0], groups, -1)
    if together.shape[-1] == 1:
        return  # nothing varies
    assert np.allclose(together.mean(-1), 0, atol=1e-5)
    assert np.allclose(together.var(-1), 1, atol=1e-4)


@pytest.mark.parametrize("dtype", ["float32", "float16", "float64"])
def test_a_unit_has_length_1_and_zeros_stay(dtype: str, tmp_path: Path) -> None:
    x = np.random.default_rng(3).normal(0, 2.0, (4, 7)).astype(dtype)
    x[1] = 0
    y = run(f'y = x -> UnitNormalization(dtype="{dtype}")', f"{dtype}[N, 7]", x, tmp_path)
    lengths = np.sqrt((y.astype(np.float64) ** 2).sum(-1))
    assert np.allclose(lengths, [1, 0, 1, 1], atol=2e-3 if dtype == "float16" else 1e-6)


def test_what_is_inside_counts_as_it_does_alone() -> None:
    """Parameters but for the vector, MACs, and the name of the layer inside."""

    def layer(line: str) -> Any:
        model = archonnx.compile(text=f"model A():\n    input x: {IMAGE}\n    {line}\n")
        return model.graph.macs(), {w.path: w.shape for w in model.graph.weights()}

    alone, around = (
        layer("Conv2D(4, 3, name='conv')"),
        layer("SpectralNormalization(Conv2D(4, 3, name='conv'), name='s')"),
    )
    assert around[0] == alone[0]
    assert around[1] == {f"s/{path}": shape for path, shape in alone[1].items()} | {"s/vector_u": (1, 4)}


AROUND = "SpectralNormalization(d)"
SHARED = [
    ([AROUND, "d"], ["spectral_normalization/dense/kernel", "spectral_normalization/vector_u"]),
    (["d", AROUND], ["d/kernel", "spectral_normalization/vector_u"]),
    (
        [AROUND, AROUND],
        ["spectral_normalization/dense/kernel", "spectral_normalization/vector_u", "spectral_normalization_1/vector_u"],
    ),
]


@pytest.mark.parametrize(("uses", "weights"), SHARED, ids=[", ".join(case[0]) for case in SHARED])
def test_a_layer_inside_another_and_alone_has_one_kernel(uses: list[str], weights: list[str]) -> None:
    """As in Keras, where the variable is made at the first use."""
    lines = [f"y{i} = x -> {use}\n    output y{i}" for i, use in enumerate(uses)]
    text = "\n    ".join(["model A():", f"input x: {IMAGE}", "d = Dense(4, use_bias=False)", *lines]) + "\n"
    model = archonnx.compile(text=text)
    assert [w.path for w in model.graph.weights()] == weights
    assert [c.name for c in model.lower().constants() if "kernel" in c.name] == weights[:1]


@pytest.mark.parametrize("uses", [case[0] for case in SHARED], ids=lambda uses: ", ".join(uses))
def test_one_kernel_fits_one_width(uses: list[str]) -> None:
    lines = [f"y{i} = x{i} -> {use}\n    output y{i}" for i, use in enumerate(uses)]
    inputs = ["input x0: float32[N, 6]", "input x1: float32[N, 5]"]
    with pytest.raises(CompileError) as caught:
        archonnx.compile(text="\n    ".join(["model A():", *inputs, "d = Dense(4)", *lines]) + "\n")
    (found,) = caught.value.diagnostics
    assert (found.code, found.message.partition(",")[0]) == ("E0391", "Dense is applied again")


def operators(line: str, opset: int) -> list[str]:
    model = archonnx.compile(text=f"model A():\n    input x: {IMAGE}\n    {line}\n", opset=opset)
    return [o.type for o in model.lower().operators]


def test_the_operators() -> None:
    assert operators("RMSNormalization()", 23) == ["RMSNormalization"]
    assert operators("RMSNormalization()", 20) == ["Pow", "ReduceMean", "Add", "Sqrt", "Div", "Mul"]
    assert operators("GroupNormalization(-1, axis=1)", 20) == ["InstanceNormalization"]
    assert operators("GroupNormalization(-1)", 21) == ["Transpose", "InstanceNormalization", "Transpose"]
    assert operators("LocalResponseNormalization(5, axis=1)", 17) == ["LRN"]
    assert operators("LocalResponseNormalization(4)", 20) == ["Mul", "AveragePool", "Mul", "Add", "Pow", "Div"]
    assert operators("GroupNormalization(2, axis=1, scale=False, center=False)", 17) == [
        "Reshape",
        "InstanceNormalization",
        "Reshape",
    ]


@pytest.mark.parametrize("size", ["32, 32", "H, W"])
@pytest.mark.parametrize(
    "line",
    ["GroupNormalization(4)", "InstanceNormalization()", "LocalResponseNormalization(5)", "UnitNormalization()"],
)
def test_between_convolutions_nothing_is_turned(line: str, size: str) -> None:
    convolution = 'Conv2D(8, 3, padding="same")'
    lines = [f"input x: float32[N, {size}, 3]", convolution, line, "ReLU()", convolution, "GlobalAveragePooling2D()"]
    model = archonnx.compile(text="\n    ".join(["model A():", *lines]) + "\n")
    assert [o.type for o in model.lower().operators].count("Transpose") == 1  # of the image
