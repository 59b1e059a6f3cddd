"""Shuffles, borders, norms of windows, grids: the operators, inverses, and what is said of what does not fit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import archonnx
from archonnx.contract.diagnostics import CompileError, Diagnostic


def model(line: str, *inputs: str, **options: Any) -> archonnx.CompiledModel:
    return archonnx.compile(text="\n    ".join(["model A():", *inputs, line]) + "\n", **options)


def diagnose(line: str, *inputs: str, **options: Any) -> Diagnostic:
    with pytest.raises(CompileError) as caught:
        model(line, *inputs, **options)
    (found,) = caught.value.diagnostics
    return found


@pytest.mark.parametrize(
    ("line", "kind", "opset", "expected"),
    [
        ("PixelShuffle(2)", "float32[N, H, W, 12]", 20, ["Transpose", "DepthToSpace", "Transpose"]),
        ('PixelShuffle(2, "channels_first")', "float32[N, 12, H, W]", 17, ["DepthToSpace"]),
        ("PixelShuffle(2)", "int64[N, 4, 4, 12]", 20, ["Reshape", "Transpose", "Reshape"]),
        ("PixelUnshuffle(2)", "float32[N, 4, 4, 12]", 20, ["Transpose", "SpaceToDepth", "Gather", "Transpose"]),
        ('PixelUnshuffle(2, "channels_first")', "float32[N, 1, 2 * H, 2 * W]", 20, ["SpaceToDepth"]),
        ("PixelUnshuffle(2)", "int64[N, 4, 4, 12]", 20, ["Reshape", "Transpose", "Reshape"]),
        ("ChannelShuffle(2)", "float32[N, H, W, 12]", 20, ["Gather"]),
        ('ChannelShuffle(2, "channels_first")', "float32[N, 12, H, W]", 20, ["Gather"]),
        ("ReflectionPadding2D(2)", "float32[N, 4, 4, 12]", 17, ["Pad"]),
        ("CircularPadding2D(2)", "float32[N, 4, 4, 12]", 19, ["Pad"]),
        ("CircularPadding1D((0, 1))", "float32[N, T, 12]", 18, ["Slice", "Concat"]),
        ('LpPooling2D(2, 2, data_format="channels_first")', "float32[N, 3, H, W]", 20, ["LpPool"]),
    ],
)
def test_the_fewest_operators_that_do_it(line: str, kind: str, opset: int, expected: list[str]) -> None:
    lowered = model(line, f"input x: {kind}", opset=opset).lower()
    assert [operator.type for operator in lowered.operators] == expected


@pytest.mark.parametrize(
    ("lines", "shape"),
    [
        (["PixelShuffle(3)", "PixelUnshuffle(3)"], (2, 3, 4, 18)),
        (["PixelUnshuffle(2)", "PixelShuffle(2)"], (2, 6, 4, 3)),
        (["ChannelShuffle(3)", "ChannelShuffle(4)"], (2, 3, 4, 12)),
        (["ReflectionPadding2D((1, 2))", "Cropping2D((1, 2))"], (2, 3, 4, 5)),
        (["CircularPadding2D((3, 4))", "Cropping2D((3, 4))"], (2, 3, 4, 5)),
        (["ConstantPadding2D((2, 1), 3)", "Cropping2D((2, 1))"], (2, 3, 4, 5)),
        (["ReplicationPadding2D((7, 1))", "Cropping2D((7, 1))"], (2, 3, 4, 5)),
    ],
)
def test_one_undoes_the_other(lines: list[str], shape: tuple[int, ...], tmp_path: Path) -> None:
    import onnxruntime

    sizes = ", ".join(map(str, shape))
    model("\n    ".join(lines), f"input x: float32[{sizes}]").save(tmp_path / "both.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "both.onnx", providers=["CPUExecutionProvider"])
    x = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    (y,) = session.run(None, {"x": x})
    assert np.array_equal(x, y)


@pytest.mark.parametrize("opset", [17, 20, 22])
@pytest.mark.parametrize(
    ("window", "strides"), [((3, 2), 2), ((1, 4), 3), ((2, 2), 5), ((5, 1), 1), ((7, 9), 4)], ids=lambda v: str(v)
)
def test_what_same_adds_to_a_norm_is_zeros(window: tuple[int, int], strides: int, opset: int, tmp_path: Path) -> None:
    """The Euclidean length is the root of a depthwise convolution of squares with ones, over open sizes."""
    import onnxruntime

    lines = [
        f"y = x -> LpPooling2D(2, {window}, {strides}, 'same')",
        "z = x * x",
        f"w = z -> DepthwiseConv2D({window}, {strides}, 'same', depthwise_initializer='ones', use_bias=False)",
        "output y",
        "output root = sqrt(w)",
    ]
    model("\n    ".join(lines), "input x: float32[N, H, W, 3]", opset=opset).save(tmp_path / "norms.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "norms.onnx", providers=["CPUExecutionProvider"])
    for height, width in ((9, 8), (1, 11), (12, 5), (6, 1)):
        x = np.random.default_rng(height).normal(size=(2, height, width, 3)).astype(np.float32)
        y, root = session.run(None, {"x": x})
        assert y.shape == root.shape
        assert np.abs(y - root).max() <= 1e-5 * np.abs(root).max()


IMAGE = "input x: float32[N, 8, 8, 3]"
PLACES = "input g: float32[N, 4, 4, 2]"
ERRORS = [
    (
        "PixelShuffle(2)",
        ["input x: float32[N, 8, 8, 10]"],
        "E0335",
        "cannot divide the channels of float32[N, 8, 8, 10",
    ),
    ("PixelShuffle(2)", ["input x: float32[N, 8, 8, C]"], "E0309", "PixelShuffle cannot tell whether 4 divides"),
    ("PixelShuffle(0)", [IMAGE], "E0403", "upscale_factor of PixelShuffle is a whole number, at least 1, got 0"),
    ("PixelShuffle(1.5)", [IMAGE], "E0403", "upscale_factor of PixelShuffle is a whole number"),
    ("PixelShuffle(2)", ["input x: float32[N, 4]"], "E0302", "PixelShuffle needs 4 axes (batch, height, width"),
    ("PixelUnshuffle(2)", ["input x: float32[N, 9, 8, 3]"], "E0335", "PixelUnshuffle cannot divide the height of"),
    ("PixelUnshuffle(2)", ["input x: float32[N, 8, 2 * W + 1, 3]"], "E0335", "cannot divide the width of"),
    ("PixelUnshuffle(2)", ["input x: float32[N, 8, W, 3]"], "E0309", "cannot tell whether 2 divides the width of"),
    ('PixelUnshuffle(2, "last")', [IMAGE], "E0403", 'data_format of PixelUnshuffle is "channels_last" or'),
    ("ChannelShuffle(2)", [IMAGE], "E0335", "ChannelShuffle cannot divide the channels of float32[N, 8, 8, 3] by 2"),
    ("ChannelShuffle(-2)", [IMAGE], "E0403", "groups of ChannelShuffle is a whole number, at least 1, got -2"),
    ("ChannelShuffle(2)", ["input x: float32[N]"], "E0302", "ChannelShuffle needs at least 2 axes, got float32[N]"),
    ("ReflectionPadding2D(8)", [IMAGE], "E0336", "adds 8 along the height, which takes a size of 9 or more"),
    ("ReflectionPadding1D((0, 4))", ["input x: float32[N, 4, 2]"], "E0336", "adds 4 along the steps, which takes a"),
    (
        "ReflectionPadding1D(2)",
        ["input x: float32[N, T, 2]"],
        "E0309",
        "float32[N, T, 2] has 3 or more along the steps",
    ),
    ("CircularPadding1D(5)", ["input x: float32[N, 4, 2]"], "E0336", "adds 5 along the steps, which takes a size of 5"),
    ("CircularPadding1D(5)", ["input x: float32[N, T, 2]"], "E0309", "float32[N, T, 2] has 5 or more along the steps"),
    ("CircularPadding2D(-1)", [IMAGE], "E0403", "padding of CircularPadding2D is a whole number, at least 0"),
    ("ReplicationPadding2D((1, 2, 3))", [IMAGE], "E0403", "padding of ReplicationPadding2D is a whole number"),
    ("ReplicationPadding2D()", [IMAGE], "E0401", "ReplicationPadding2D needs the argument padding"),
    ("ReplicationPadding3D(1)", [IMAGE], "E0302", "ReplicationPadding3D needs 5 axes (batch, depth, height, width"),
    (
        "ConstantPadding2D(1, 0.5)",
        ["input x: uint8[N, 8, 8, 3]"],
        "E0361",
        "ConstantPadding2D adds 0.5, which uint8[N, 8",
    ),
    (
        "ConstantPadding2D(1, -1)",
        ["input x: uint8[N, 8, 8, 3]"],
        "E0361",
        "adds -1, which uint8[N, 8, 8, 3] cannot hold",
    ),
    ("ConstantPadding1D(1, 128)", ["input x: int8[N, 8, 3]"], "E0361", "adds 128, which int8[N, 8, 3] cannot hold"),
    ("ConstantPadding1D(1, 1)", ["input x: bool[N, 8, 3]"], "E0303", "ConstantPadding1D needs numbers, got bool"),
    ('ConstantPadding1D(1, "zero")', ["input x: float32[N, 8, 3]"], "E0403", "value of ConstantPadding1D is a number"),
    ("ConstantPadding3D(-1)", ["input x: float32[N, 8, 8, 8, 3]"], "E0403", "padding of ConstantPadding3D is a whole"),
    ("LpPooling2D(0, 2)", [IMAGE], "E0403", "norm_type of LpPooling2D is a whole number, at least 1, got 0"),
    ("LpPooling2D(2, 9)", [IMAGE], "E0304", "LpPooling2D looks at 9 places along the height"),
    ("LpPooling2D(2, 2, 0)", [IMAGE], "E0403", "strides of LpPooling2D is a whole number, at least 1"),
    ('LpPooling2D(2, 2, padding="causal")', [IMAGE], "E0403", 'padding of LpPooling2D is "valid" or "same", got'),
    ("LpPooling2D(2, 2)", ["input x: string[N, 8, 8, 3]"], "E0303", "LpPooling2D needs numbers, got string"),
    ("(x, g) -> GridSample()", [IMAGE, "input g: float32[N, 4, 4, 3]"], "E0308", "needs a grid of 2 coordinates at"),
    ("(x, g) -> GridSample()", [IMAGE, "input g: float32[M, 4, 4, 2]"], "E0309", "whether N and M are equal"),
    ("(x, g) -> GridSample()", ["input x: float32[2, 8, 8, 3]", "input g: float32[3, 4, 4, 2]"], "E0308", "2 and 3"),
    ("(x, g) -> GridSample()", [IMAGE, "input g: float32[N, 4, 2]"], "E0302", "GridSample needs a grid of 4 axes"),
    ("(x, g) -> GridSample()", ["input x: float32[N, 8, 3]", PLACES], "E0302", "GridSample needs 4 axes (batch"),
    ("(x, g) -> GridSample()", [IMAGE, "input g: string[N, 4, 4, 2]"], "E0303", "GridSample needs numbers, got string"),
    ('(x, g) -> GridSample("linear")', [IMAGE, PLACES], "E0403", 'mode of GridSample is "bilinear", "nearest" or'),
    ("(x, g, g) -> GridSample()", [IMAGE, PLACES], "E0604", "GridSample takes 2 inputs, got 3"),
    ("GridSample()", [IMAGE], "E0604", "GridSample needs its input grid"),
    (
        '(x, g) -> GridSample("bicubic")',
        ["input x: float32[N, 4, 4, 4, 3]", "input g: float32[N, 4, 4, 4, 3]"],
        "E0337",
        'GridSample is "bicubic" over images alone, and float32[N, 4, 4, 4, 3] is a volume',
    ),
]


@pytest.mark.parametrize(("line", "inputs", "code", "message"), ERRORS, ids=[f"{e[0]}-{e[1][-1]}" for e in ERRORS])
def test_what_does_not_fit(line: str, inputs: list[str], code: str, message: str) -> None:
    found = diagnose(line, *inputs)
    assert (found.code, message) == (code, message if message in found.message else found.message)


@pytest.mark.parametrize(
    ("line", "given", "help"),
    [
        ("PixelShuffle(2)", "float32[N, 8, 8, 10]", "the next multiples of 4 are 8 and 12"),
        ("PixelShuffle(2)", "float32[N, 8, 8, 3]", "it takes 4 at least"),
        ("PixelUnshuffle(2)", "float32[N, 9, 8, 3]", "ZeroPadding2D fills up, Cropping2D cuts off"),
        ("ReflectionPadding2D(8)", "float32[N, 8, 8, 3]", "add 7 at most"),
        ("ReflectionPadding1D(1)", "float32[N, 1, 3]", "take a smaller padding"),
        ("ReflectionPadding1D(1)", "float32[N, T, 3]", "state it: require T >= 2"),
        ("PixelUnshuffle(2)", "float32[N, 8, W, 3]", "state it: require W % 2 == 0"),
    ],
)
def test_mend(line: str, given: str, help: str) -> None:
    found = diagnose(line, f"input x: {given}").help
    assert found is not None
    assert help in found
    if help.startswith("state it: "):
        model(f"{help.removeprefix('state it: ')}\n    {line}", f"input x: {given}")


@pytest.mark.parametrize(
    ("inputs", "what"),
    [
        (["input x: float32[N, 4, 4, 4, 3]", "input g: float32[N, 4, 4, 4, 3]"], "over volumes"),
        ([IMAGE, PLACES], "in float64"),
    ],
)
def test_a_grid_that_an_old_operator_set_lacks(inputs: list[str], what: str) -> None:
    line = "(x, g) -> GridSample()" if what == "over volumes" else '(x, g) -> GridSample(dtype="float64")'
    found = diagnose(line, *inputs, opset=19)
    assert (found.code, found.message) == ("E0902", f"GridSample {what} needs opset 20, and this is opset 19")
    model(line, *inputs, opset=20)
