"""What convolutions, pools, borders and resizing say of what does not fit: code, message and mend."""

from __future__ import annotations

import pytest
from diagnosing import error_of

import archonnx
from archonnx.contract.diagnostics import CompileError, Diagnostic

STEPS = "float32[N, 8, 6]"
IMAGE = "float32[N, 8, 8, 6]"
VOLUME = "float32[N, 8, 8, 8, 6]"
SPARE = "leave one of them out"
ZEROS = "a number of zeros is added by a layer before: ZeroPadding1D, ZeroPadding2D or ZeroPadding3D"
SAME = 'padding="same" fills up what is missing'


def diagnose(line: str, kind: str) -> Diagnostic:
    """The one error of a model of one input and this line."""
    return error_of(f"model A():\n    input x: {kind}\n    {line}\n")


# The line, the input, the code, part of the message, part of the mend.
CASES: list[tuple[str, str, str, str, str | None]] = [
    # Numbers that are no sizes.
    *(
        (f"{call}", kind, "E0403", f"{name} of {call.partition('(')[0]} is a whole number, at least 1", None)
        for call, kind, name in (
            ("Conv1D(0, 3)", STEPS, "filters"),
            ("Conv2D(-4, 3)", IMAGE, "filters"),
            ("Conv3D(4, 0)", VOLUME, "kernel_size"),
            ("Conv2D(4, (3, 3, 3))", IMAGE, "kernel_size"),
            ("Conv2D(4, (3, -1))", IMAGE, "kernel_size"),
            ("Conv2D(4, 3, strides=0)", IMAGE, "strides"),
            ("Conv2D(4, 3, dilation_rate=(1, 0))", IMAGE, "dilation_rate"),
            ("Conv2D(4, 3, groups=0)", IMAGE, "groups"),
            ("DepthwiseConv1D(0)", STEPS, "kernel_size"),
            ("DepthwiseConv2D(3, depth_multiplier=0)", IMAGE, "depth_multiplier"),
            ("SeparableConv1D(0, 3)", STEPS, "filters"),
            ("SeparableConv2D(4, 3, depth_multiplier=-1)", IMAGE, "depth_multiplier"),
            ("Conv1DTranspose(4, 3, strides=0)", STEPS, "strides"),
            ("Conv3DTranspose(0, 3)", VOLUME, "filters"),
            ("MaxPooling1D(0)", STEPS, "pool_size"),
            ("MaxPooling2D(2, (1, 0))", IMAGE, "strides"),
            ("AveragePooling3D((2, 2))", VOLUME, "pool_size"),
            ("UpSampling1D(0)", STEPS, "size"),
            ("UpSampling2D((2, 2, 2))", IMAGE, "size"),
            ("UpSampling3D(-1)", VOLUME, "size"),
        )
    ),
    ("Conv2D(4, 1.5)", IMAGE, "E0403", "kernel_size of Conv2D is a whole number, at least 1, or a tuple of 2", None),
    ("Conv2D(4.0, 3)", IMAGE, "E0403", "filters of Conv2D is a whole number, at least 1, got 4.0", "write 4, or int("),
    ("Conv2D(True, 3)", IMAGE, "E0403", "filters of Conv2D is a whole number, at least 1, got True", None),
    (
        "Resizing(0, 4)",
        IMAGE,
        "E0403",
        "height of Resizing is a whole number or a dimension from 1 to 1048576, got 0",
        None,
    ),
    ("CenterCrop(4, -4)", IMAGE, "E0403", "width of CenterCrop is a whole number from 1 to 1048576, got -4", None),
    # What does not divide.
    (
        "Conv2D(4, 3, groups=3)",
        IMAGE,
        "E0411",
        "Conv2D cannot divide 4 filters into 3",
        "take groups=1, 2 or 4",
    ),
    ("Conv1D(8, 3, groups=4)", STEPS, "E0305", "cannot divide the 6 channels of", "take groups=1, 2, 3 or 6"),
    ("Conv3D(7, 3, groups=7)", VOLUME, "E0305", "cannot divide the 6 channels of", "take groups=1, 2, 3 or 6"),
    ("Conv2D(1, 3, groups=2)", IMAGE, "E0411", "cannot divide 1 filter into 2", "take groups=1"),
    # A window larger than what it slides over.
    ("Conv1D(4, 9)", STEPS, "E0304", "Conv1D looks at 9 places along the steps, and float32[N, 8, 6] has 8", SAME),
    ("Conv2D(4, (2, 5), dilation_rate=2)", IMAGE, "E0304", "Conv2D looks at 9 places along the width, and", SAME),
    ("Conv3D(4, (1, 9, 1))", VOLUME, "E0304", "Conv3D looks at 9 places along the height", SAME),
    ("DepthwiseConv1D(9)", STEPS, "E0304", "DepthwiseConv1D looks at 9 places along the steps", SAME),
    ("SeparableConv2D(4, 9)", IMAGE, "E0304", "SeparableConv2D looks at 9 places along the height", SAME),
    ("MaxPooling1D(9)", STEPS, "E0304", "MaxPooling1D looks at 9 places along the steps", SAME),
    ("AveragePooling3D(9)", VOLUME, "E0304", "AveragePooling3D looks at 9 places along the depth", SAME),
    ("Conv2DTranspose(4, 2, 'same')", IMAGE, "E0403", "strides of Conv2DTranspose is a whole number", None),
    (
        'Conv2DTranspose(4, 2, padding="same", output_padding=0)',
        "float32[N, 1, 4, 6]",
        "E0386",
        "Conv2DTranspose would give the size 0 at axis 1",
        "its input is too small for it",
    ),
    # Strides and dilations together, which Keras refuses too.
    ("Conv1D(4, 3, strides=2, dilation_rate=2)", STEPS, "E0410", "got strides (2,) and dilation_rate (2,)", SPARE),
    ("Conv2D(4, 3, strides=(1, 2), dilation_rate=(2, 1))", IMAGE, "E0410", "Conv2D takes strides or a dilation", SPARE),
    ("DepthwiseConv2D(3, strides=2, dilation_rate=2)", IMAGE, "E0410", "DepthwiseConv2D takes strides or", SPARE),
    ("SeparableConv1D(4, 3, strides=2, dilation_rate=2)", STEPS, "E0410", "SeparableConv1D takes strides or", SPARE),
    ("Conv3DTranspose(4, 3, 2, dilation_rate=2)", VOLUME, "E0410", "Conv3DTranspose takes strides or", SPARE),
    # Places added after a transposed convolution.
    (
        "Conv2DTranspose(4, 3, 2, output_padding=2)",
        IMAGE,
        "E0412",
        "needs an output_padding below its",
        "give 1 at most",
    ),
    ("Conv2DTranspose(4, 3, 1, output_padding=1)", IMAGE, "E0412", "got (1, 1) and (1, 1)", "leave it out"),
    (
        "Conv1DTranspose(4, 3, 3, output_padding=-1)",
        STEPS,
        "E0403",
        "output_padding of Conv1DTranspose is a whole",
        None,
    ),
    ("Conv2DTranspose(4, 3, groups=2)", IMAGE, "E0402", "Conv2DTranspose has no argument groups", "its arguments are"),
    # Names.
    (
        'Conv2D(4, 3, padding="smae")',
        IMAGE,
        "E0403",
        'padding of Conv2D is "valid" or "same", got "smae"',
        "did you mean",
    ),
    ("Conv2D(4, 3, padding=1)", IMAGE, "E0403", 'padding of Conv2D is "valid" or "same", got 1', ZEROS),
    ("Conv1D(4, 3, padding=(1,))", STEPS, "E0403", 'padding of Conv1D is "valid", "same" or "causal", got (1,)', ZEROS),
    ("MaxPooling2D(2, padding=(1, 1))", IMAGE, "E0403", 'padding of MaxPooling2D is "valid" or "same"', ZEROS),
    ('Conv2D(4, 3, padding="causal")', IMAGE, "E0403", 'got "causal"', "Conv1D alone pads before"),
    ('DepthwiseConv1D(3, padding="CAUSAL")', STEPS, "E0403", 'got "CAUSAL"', "Conv1D alone pads before"),
    ('AveragePooling1D(2, padding="full")', STEPS, "E0403", 'padding of AveragePooling1D is "valid" or "same"', None),
    ('Conv2D(4, 3, data_format="NCHW")', IMAGE, "E0403", 'data_format of Conv2D is "channels_last" or', None),
    ('Conv2D(4, 3, activation="rleu")', IMAGE, "E0403", "activation of Conv2D is the name of an activation", '"relu"'),
    ("Conv2D(4, 3, use_bias=1)", IMAGE, "E0403", "use_bias of Conv2D is True or False, got 1", None),
    ("Conv2D(4, 3, stride=2)", IMAGE, "E0402", "Conv2D has no argument stride", "did you mean strides?"),
    ('Conv2D(4, 3, kernel_initializer="glorot")', IMAGE, "E0701", "kernel_initializer of Conv2D is an", "did you mean"),
    ('UpSampling2D(2, interpolation="linear")', IMAGE, "E0403", "interpolation of UpSampling2D is", "did you mean"),
    ('Resizing(4, 4, "bilnear")', IMAGE, "E0403", "interpolation of Resizing is", 'did you mean "bilinear"?'),
    ('Resizing(4, 4, fill_mode="reflect")', IMAGE, "E0403", 'fill_mode of Resizing is "constant", got "reflect"', None),
    ("GlobalAveragePooling2D(keepdims=None)", IMAGE, "E0403", "keepdims of GlobalAveragePooling2D is True or", None),
    # Arguments that are missing.
    ("Conv2D()", IMAGE, "E0401", "Conv2D needs the arguments filters, kernel_size", "Conv2D(filters, kernel_size,"),
    ("AveragePooling2D()", IMAGE, "E0401", "AveragePooling2D needs the argument pool_size", "pool_size, strides=..."),
    ("Resizing(4)", IMAGE, "E0401", "Resizing needs the argument width", "Resizing(height, width,"),
    # Axes, types, sizes.
    ("Conv2D(4, 3)", "float32[N, H, W, C]", "E0301", "Conv2D needs a known last axis, got float32[N, H, W, C]", "size"),
    ('Conv1D(4, 3, data_format="channels_first")', "float32[N, C, 9]", "E0301", "Conv1D needs a known axis 1", "size"),
    ("Conv2D(4, 3)", VOLUME, "E0302", "Conv2D needs 4 axes (batch, height, width, channels), got", "bring it to that"),
    ("Conv2D(4, 3)", STEPS, "E0302", "Conv2D needs 4 axes", "give it the axes that it lacks"),
    (
        "Conv2D(4, 3)",
        "float32[8, 8, 3]",
        "E0302",
        "Conv2D needs 4 axes",
        "the first axis is the batch: float32[N, 8, 8",
    ),
    ("GlobalMaxPooling3D()", IMAGE, "E0302", "needs 5 axes (batch, depth, height, width, channels)", "that it lacks"),
    ("ZeroPadding1D(1)", IMAGE, "E0302", "ZeroPadding1D needs 3 axes (batch, steps, channels)", "bring it to that"),
    ("Conv1DTranspose(4, 3)", IMAGE, "E0302", "Conv1DTranspose needs 3 axes", "bring it to that many axes"),
    ("Conv1D(4, 3)", "string[N, 8, 6]", "E0303", "Conv1D needs numbers, got string[N, 8, 6]", None),
    ("AveragePooling1D(2)", "string[N, 8, 6]", "E0303", "AveragePooling1D needs numbers", None),
    ("MaxPooling1D(2)", "int64[N, 8, 6]", "E0303", "MaxPooling1D takes floats, int8 and uint8", "cast(x,"),
    ("GlobalMaxPooling1D()", "bool[N, 8, 6]", "E0303", "GlobalMaxPooling1D needs numbers, got bool", "cast(x,"),
    # Borders.
    ("ZeroPadding2D(-1)", IMAGE, "E0403", "padding of ZeroPadding2D is a whole number, at least 0, or 2 of them", None),
    ("ZeroPadding2D(((1, 2), (3,)))", IMAGE, "E0403", "or 2 pairs (before, after), got ((1, 2), (3,))", None),
    ("ZeroPadding3D((1, 2))", VOLUME, "E0403", "padding of ZeroPadding3D is a whole number, at least 0, or 3", None),
    ("Cropping1D((1, -1))", STEPS, "E0403", "cropping of Cropping1D is a whole number, at least 0", None),
    ("Cropping1D((8, 0))", STEPS, "E0304", "Cropping1D cuts 8 places off the steps, and", "cut 7 off at most"),
    (
        "Cropping2D(((0, 0), (4, 5)))",
        IMAGE,
        "E0304",
        "Cropping2D cuts 9 places off the width, and",
        "cut 7 off at most",
    ),
    ("Cropping3D(4)", VOLUME, "E0304", "Cropping3D cuts 8 places off the depth, and", "cut 7 off at most"),
    # Sizes of images.
    ("CenterCrop(4, 4)", "float32[N, H, 9, 3]", "E0309", "whether float32[N, H, 9, 3] is at least", "require H >= 4"),
    (
        "Resizing(4, 4, crop_to_aspect_ratio=True, pad_to_aspect_ratio=True)",
        IMAGE,
        "E0416",
        "Resizing can crop or pad to the proportions, not both",
        SPARE,
    ),
    (
        'UpSampling2D(2, interpolation="bicubic")',
        "float32[N, 8, W, 3]",
        "E0313",
        "UpSampling2D needs a known",
        '"bilinear"',
    ),
]


@pytest.mark.parametrize(
    ("line", "kind", "code", "message", "help"), CASES, ids=[f"{case[0]}-{case[1]}" for case in CASES]
)
def test_says_what_and_what_to_do(line: str, kind: str, code: str, message: str, help: str | None) -> None:
    found = diagnose(line, kind)
    assert (found.code, message) == (code, message if message in found.message else found.message)
    if help is None:
        assert found.help is None
    else:
        assert help == (help if help in (found.help or "") else found.help)


def test_two_inputs_where_one_is_meant() -> None:
    with pytest.raises(CompileError) as caught:
        archonnx.compile(text=f"model A():\n    input x: {IMAGE}\n    input y: {IMAGE}\n    (x, y) -> Conv2D(4, 3)\n")
    (found,) = caught.value.diagnostics
    assert (found.code, found.message) == ("E0604", "Conv2D takes 1 input, got 2")
    assert found.help == "join them first: (a, b) -> Concatenate(), or a + b"


@pytest.mark.parametrize("line", ["Conv2D(4, 3, groups=3)", "Conv2D(8, 3, groups=4)"])
def test_groups_that_are_offered_fit(line: str) -> None:
    offered = diagnose(line, IMAGE).help
    assert offered is not None
    for number in offered.removeprefix("take groups=").replace(" or", ",").split(","):
        if int(number) in (1, 2):
            head, _, _ = line.rpartition("=")
            archonnx.compile(text=f"model A():\n    input x: {IMAGE}\n    {head}={int(number)})\n")
