"""What layers say of arguments and inputs that do not fit: code, message, place and mend."""

from __future__ import annotations

import pytest
from diagnosing import diagnose

import archonnx

IMAGE = "input x: float32[N, 8, 8, 6]"


CASES = [
    ("Conv2D(4, 9)", IMAGE, "E0304", "Conv2D looks at 9 places along the height, and float32[N, 8, 8, 6] has 8"),
    ("Conv2D(4, (2, 5), dilation_rate=2)", IMAGE, "E0304", "Conv2D looks at 9 places along the width, and"),
    ("Conv1D(4, 9)", "input x: float32[N, 8, 6]", "E0304", "Conv1D looks at 9 places along the steps, and"),
    ("Conv3D(4, (9, 1, 1))", "input x: float32[N, 8, 8, 8, 6]", "E0304", "Conv3D looks at 9 places along the depth"),
    ("DepthwiseConv2D(9)", IMAGE, "E0304", "DepthwiseConv2D looks at 9 places along the height"),
    ("MaxPooling2D(9)", IMAGE, "E0304", "MaxPooling2D looks at 9 places along the height"),
    ("AveragePooling2D((1, 9))", IMAGE, "E0304", "AveragePooling2D looks at 9 places along the width"),
    ("Cropping2D(((4, 4), (0, 0)))", IMAGE, "E0304", "Cropping2D cuts 8 places off the height, and"),
    ("Cropping1D(5)", "input x: float32[N, 8, 6]", "E0304", "Cropping1D cuts 10 places off the steps, and"),
    ("Conv2D(4, 9, strides=2, dilation_rate=2)", IMAGE, "E0410", "Conv2D takes strides or a dilation rate above 1"),
    ("Conv2D(4, 3, groups=3)", IMAGE, "E0411", "Conv2D cannot divide 4 filters into 3 equal groups"),
    ("Conv2D(8, 3, groups=4)", IMAGE, "E0305", "Conv2D cannot divide the 6 channels of float32[N, 8, 8, 6] into 4"),
    (
        "Conv2D(4, 3)",
        "input x: float32[N, 10]",
        "E0302",
        "Conv2D needs 4 axes (batch, height, width, channels), got float32[N, 10]",
    ),
    (
        'Conv2D(4, 3, data_format="channels_first")',
        "input x: float32[N, 10]",
        "E0302",
        "Conv2D needs 4 axes (batch, channels, height, width), got float32[N, 10]",
    ),
    (
        "MaxPooling2D()",
        "input x: float32[N, 10]",
        "E0302",
        "MaxPooling2D needs 4 axes (batch, height, width, channels)",
    ),
    ("GlobalAveragePooling1D()", IMAGE, "E0302", "GlobalAveragePooling1D needs 3 axes (batch, steps, channels), got"),
    ("ZeroPadding2D()", "input x: float32[N]", "E0302", "ZeroPadding2D needs 4 axes"),
    ("Resizing(2, 2)", "input x: float32[N, 4]", "E0302", "Resizing needs 4 axes"),
    ("UpSampling2D()", "input x: float32[N, 4]", "E0302", "UpSampling2D needs 4 axes"),
    ("SpatialDropout2D(0.1)", "input x: float32[N, 4]", "E0302", "SpatialDropout2D needs 4 axes"),
    ("RepeatVector(2)", IMAGE, "E0302", "RepeatVector needs 2 axes (batch, features), got"),
    ("Permute((2, 1))", IMAGE, "E0302", "Permute orders 2 axes after the batch, got float32[N, 8, 8, 6]"),
    (
        "BatchNormalization()",
        "input x: float32[N]",
        "E0302",
        "BatchNormalization needs at least 2 axes, got float32[N]",
    ),
    ("Dense(2)", "input x: float32[]", "E0302", "Dense needs at least 1 axis, got float32[]"),
    ("Conv2D(4, 3)", "input x: string[N, 8, 8, 3]", "E0303", "Conv2D needs numbers, got string[N, 8, 8, 3]"),
    ("Dense(4)", "input x: string[N, 8]", "E0303", "Dense needs numbers, got string[N, 8]"),
    ("MaxPooling2D()", "input x: int32[N, 8, 8, 3]", "E0303", "MaxPooling2D takes floats, int8 and uint8, got int32"),
    ("GlobalMaxPooling2D()", "input x: bool[N, 8, 8, 3]", "E0303", "GlobalMaxPooling2D needs numbers, got bool"),
    ("Embedding(9, 2)", "input x: bool[N, 8]", "E0303", "Embedding needs whole numbers, got bool[N, 8]"),
    ("Masking()", "input x: bool[N, 8]", "E0303", "Masking needs numbers, got bool[N, 8]"),
    ("Masking(0.5)", "input x: int32[N, 8]", "E0303", "Masking compares with 0.5, which int32[N, 8] never holds"),
    (
        "Reshape((5, 5))",
        IMAGE,
        "E0307",
        "Reshape cannot make (5, 5) of float32[N, 8, 8, 6]: 384 elements after the batch",
    ),
    ("Reshape((-1, 5))", IMAGE, "E0307", "not a multiple of 5"),
    ("Reshape((4,))", "input x: float32[N, 2 * H]", "E0309", "Reshape cannot tell whether float32[N, 2*H] has"),
    ("Reshape((3,))", "input x: float32[N, 2 * H]", "E0307", "2*H elements after the batch, not 3"),
    ("Rescaling([1, 2])", IMAGE, "E0308", "Rescaling has scale of shape [2], which does not fit float32[N, 8, 8, 6]"),
    ("Normalization(mean=[1, 2], variance=[1, 2])", IMAGE, "E0308", "Normalization has means of shape [2]"),
    (
        'Activation("glu")',
        "input x: float32[N, 5]",
        "E0310",
        '"glu" halves the last axis, and 5 is not known to be even',
    ),
    ("Softmax(4)", IMAGE, "E0311", "Softmax is given axis 4, its input float32[N, 8, 8, 6] has axes -4 to 3"),
    ("BatchNormalization(axis=-5)", IMAGE, "E0311", "BatchNormalization is given axis -5"),
    ("LayerNormalization(axis=())", IMAGE, "E0311", "LayerNormalization needs an axis, got none"),
    ("Softmax(axis=())", IMAGE, "E0311", "Softmax needs an axis, got none"),
    ("PReLU(shared_axes=[0])", IMAGE, "E0311", "PReLU shares alpha along the batch anyway"),
    (
        'Resizing(4, 4, "bicubic")',
        "input x: float32[N, H, W, 3]",
        "E0313",
        'needs a known height and width for "bicubic"',
    ),
    (
        'Resizing(4, 4, "area", antialias=True)',
        "input x: float32[N, H, 4, 3]",
        "E0313",
        "needs a known height and width for antialiasing",
    ),
    (
        'Resizing(4, 4, antialias=True, dtype="float64")',
        "input x: float32[N, H, 4, 3]",
        "E0313",
        "needs a known height and width for antialiasing in float64, got float32[N, H, 4, 3]",
    ),
    (
        "Resizing(4 * H // W, 4)",
        "input x: float32[N, H, W, 3]",
        "E0309",
        "Resizing cannot tell whether its height (4*H)//W is at least 1",
    ),
    (
        'Resizing(2 * H, 4, "lanczos3")',
        "input x: float32[N, H, 6, 3]",
        "E0313",
        'needs a known height and width for "lanczos3"',
    ),
    (
        'Resizing(20000, 4, "lanczos3")',
        "input x: float32[N, 40000, 4, 3]",
        "E0314",
        'Resizing would need a matrix of 20000 by 40000 numbers for "lanczos3"',
    ),
    (
        'UpSampling2D(interpolation="lanczos3")',
        "input x: float32[N, H, 4, 3]",
        "E0313",
        'UpSampling2D needs a known height and width for "lanczos3"',
    ),
    ("CenterCrop(4, 4)", "input x: float32[N, H, W, 3]", "E0309", "is at least 4 by 4"),
    ("Conv2DTranspose(4, 3, 2, output_padding=2)", IMAGE, "E0412", "Conv2DTranspose needs an output_padding below"),
    ("Permute((1, 3))", IMAGE, "E0413", "Permute needs each axis from 1 to 2 once, got (1, 3)"),
    ("Normalization(mean=0.5)", IMAGE, "E0414", "Normalization needs mean and variance together, got no variance"),
    ("Normalization(variance=0.5)", IMAGE, "E0414", "Normalization needs mean and variance together, got no mean"),
    (
        "Normalization(mean=[0.5], variance=[1, 2])",
        IMAGE,
        "E0415",
        "Normalization needs a variance of the mean's shape",
    ),
    ("Normalization(mean=[[1.0]], variance=[[1.0]])", IMAGE, "E0415", "has means of shape [1, 1] for 1 axes"),
    ("Resizing(4, 4, crop_to_aspect_ratio=True, pad_to_aspect_ratio=True)", IMAGE, "E0416", "Resizing can crop or pad"),
]


@pytest.mark.parametrize(("line", "given", "code", "message"), CASES, ids=[case[0] for case in CASES])
def test_one_input(line: str, given: str, code: str, message: str) -> None:
    found = diagnose(line, given)
    assert (found.code, message) == (code, message if message in found.message else found.message)


PAIRS = [
    (
        "Add()",
        "float32[N, 4]",
        "float32[N, 5]",
        "E0308",
        "Add got shapes that do not fit: float32[N, 4] and float32[N, 5]",
    ),
    ("Add()", "float32[N, H]", "float32[N, W]", "E0309", "Add cannot tell whether H and W are equal"),
    ("Add()", "float32[N, H]", "float32[N, H + 1]", "E0308", "Add got shapes that do not fit"),
    (
        "Add()",
        "float32[N, 4]",
        "int32[N, 4]",
        "E0303",
        "Add needs inputs of one type, got float32[N, 4] and int32[N, 4]",
    ),
    ("Add()", "string[N, 4]", "string[N, 4]", "E0303", "Add needs numbers, got string[N, 4]"),
    ("Add()", "float32[N, 4, 3]", "float32[N, 4]", "E0308", "Add got shapes that do not fit"),
    ("Concatenate()", "float32[N, 3, 4]", "float32[N, 2, 4]", "E0308", "Concatenate got shapes that do not fit"),
    ("Concatenate()", "float32[N, 3, 4]", "float32[N, 4]", "E0302", "Concatenate needs inputs of as many axes"),
    ("Concatenate(4)", "float32[N, 4]", "float32[N, 4]", "E0311", "Concatenate is given axis 4"),
    ("Concatenate()", "float32[N, 4]", "bool[N, 4]", "E0303", "Concatenate needs inputs of one type"),
    ("Dot(0)", "float32[N, 4]", "float32[N, 4]", "E0311", "Dot cannot sum along axis 0, the batch"),
    ("Dot(1)", "float32[N, 4]", "float32[N, 5]", "E0308", "Dot got shapes that do not fit"),
    ("Dot(1)", "float32[N, 4]", "float32[N]", "E0302", "Dot needs at least 2 axes, got float32[N]"),
    ("Softmax()", "float32[N, 4]", "bool[N, 5]", "E0308", "Softmax got shapes that do not fit"),
    ("Softmax()", "float32[N, 4]", "bool[N, 1, 4]", "E0302", "Softmax needs a mask of at most 2 axes"),
]


@pytest.mark.parametrize(("line", "x", "y", "code", "message"), PAIRS, ids=[f"{p[0]}-{p[1]}-{p[2]}" for p in PAIRS])
def test_two_inputs(line: str, x: str, y: str, code: str, message: str) -> None:
    found = diagnose(f"(x, y) -> {line}", f"input x: {x}", f"input y: {y}")
    assert (found.code, message) == (code, message if message in found.message else found.message)


@pytest.mark.parametrize(("line", "count"), [("Subtract()", 1), ("Subtract()", 3), ("Dot(1)", 3)])
def test_number_of_inputs(line: str, count: int) -> None:
    inputs = [f"input x{i}: float32[N, 4]" for i in range(count)]
    found = diagnose(f"({', '.join(f'x{i}' for i in range(count))},) -> {line}", *inputs)
    assert (found.code, found.message) == ("E0312", f"{line.partition('(')[0]} needs two inputs, got {count}")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("(None, x) -> Subtract()", "Subtract takes tensors, and one of its inputs is None"),
        ("(x, None) -> Concatenate()", "Concatenate takes tensors, and one of its inputs is None"),
        ("(None, position_ids=[0]) -> PositionEmbedding(9)", "PositionEmbedding needs its input inputs"),
        ("None -> Dense(3)", "Dense needs its input inputs"),
    ],
)
def test_none_is_no_input(line: str, message: str) -> None:
    found = diagnose(line, "input x: float32[N, 4]")
    assert (found.code, found.message) == ("E0604", message)


@pytest.mark.parametrize(
    ("line", "given", "help"),
    [
        ("Conv2D(4, 9)", IMAGE, 'padding="same" fills up what is missing'),
        ("Conv2D(4, 3)", "input x: float32[8, 8, 3]", "the first axis is the batch: float32[N, 8, 8, 3]"),
        ("MaxPooling2D()", "input x: int32[N, 8, 8, 3]", 'convert first: cast(x, "float32")'),
        ("CenterCrop(4, 9)", "input x: float32[N, H, W, 3]", "state it: require H >= 4 and W >= 9"),
        ("CenterCrop(4, 9)", "input x: float32[N, H, 9, 3]", "state it: require H >= 4"),
        ("Reshape((4,))", "input x: float32[N, H]", "state it: require H == 4"),
        ("Reshape((-1, 4))", "input x: float32[N, H]", "state it: require H % 4 == 0"),
    ],
)
def test_mend(line: str, given: str, help: str) -> None:
    assert diagnose(line, given).help == help


@pytest.mark.parametrize(
    ("line", "given", "states"),
    [
        ("CenterCrop(4, 9)", ("input x: float32[N, H, W, 3]",), "require H >= 4 and W >= 9"),
        ("Reshape((-1, 4))", ("input x: float32[N, H]",), "require H % 4 == 0"),
        ("Reshape((4,))", ("input x: float32[N, H]",), "require H == 4"),
        ("(x, y) -> Add()", ("input x: float32[N, S]", "input y: float32[N, T]"), "require S == T"),
        ('Activation("glu")', ("input x: float32[N, D]",), "require D % 2 == 0"),
    ],
)
def test_the_mend_that_is_offered_mends(line: str, given: tuple[str, ...], states: str) -> None:
    diagnose(line, *given)
    archonnx.compile(text="\n    ".join(["model A():", *given, states, line]) + "\n")


def test_a_place_is_the_argument_at_fault() -> None:
    place = diagnose("Conv2D(8, 3, groups=4)", IMAGE).place
    assert place is not None
    assert (place.line, place.column) == (3, 25)


def test_a_place_is_labelled_with_the_axis_at_fault() -> None:
    found = diagnose("(x, y) -> Add()", "input x: float32[N, 4]", "input y: float32[N, 5]")
    assert [(label.place.line, label.place.column, label.text) for label in found.labels] == [(3, 25, "5 here")]
