"""What merges and changes of shape say of inputs and arguments that do not fit: code, message and mend."""

from __future__ import annotations

import pytest
from diagnosing import error_of

import archonnx
from archonnx.contract.diagnostics import Diagnostic

TWO = ("float32[N, 3, 4]", "float32[N, 3, 4]")
CAST = 'cast(x, "float32")'


def diagnose(line: str, *kinds: str) -> Diagnostic:
    """The one error of a model of these inputs, all of them left of the arrow, and this line."""
    inputs = [f"input x{number}: {kind}" for number, kind in enumerate(kinds)]
    flow = f"({''.join(f'x{number}, ' for number in range(len(kinds)))}) -> {line}" if len(kinds) > 1 else line
    return error_of("\n    ".join(["model A():", *inputs, flow]) + "\n")


# The line, the inputs, the code, part of the message, part of the mend.
CASES: list[tuple[str, tuple[str, ...], str, str, str | None]] = [
    # Shapes that do not broadcast.
    *(
        (f"{name}()", ("float32[N, 4]", "float32[N, 5]"), "E0308", f"{name} got shapes that do not fit", None)
        for name in ("Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum")
    ),
    ("Add()", ("float32[N, 4]", "float32[N, 4]", "float32[N, 3]"), "E0308", "(4 and 3)", None),
    ("Add()", ("float32[N, 4, 3]", "float32[N, 4]"), "E0308", "Add got shapes", None),
    ("Multiply()", ("float32[2, 4]", "float32[3, 4]"), "E0308", "(2 and 3)", None),
    ("Average()", ("float32[N, S]", "float32[N, T]"), "E0309", "whether S and T are equal", "require S == T"),
    ("Add()", ("float32[N, 4]", "float32[M, 4]"), "E0309", "whether N and M are equal", "require N == M"),
    ("Add()", ("float32[N, H]", "float32[N, H + 1]"), "E0308", "Add got shapes that do not fit", None),
    # Types.
    ("Multiply()", ("float32[N, 4]", "int32[N, 4]"), "E0303", "Multiply needs inputs of one type, got", CAST),
    ("Add()", ("float32[N, 4]", "bool[N, 4]"), "E0303", "Add needs numbers, got bool[N, 4]", CAST),
    ("Maximum()", ("string[N, 4]", "string[N, 4]"), "E0303", "Maximum needs numbers, got string[N, 4]", None),
    ("Average()", ("float32[N, 4]", "string[N, 4]"), "E0303", "Average needs numbers, got string[N, 4]", None),
    # How many.
    ("Subtract()", ("float32[N, 4]",), "E0312", "Subtract needs two inputs, got 1", "(a, b) -> Subtract()"),
    ("Subtract()", ("float32[N, 4]",) * 3, "E0312", "Subtract needs two inputs, got 3", "(a, b) -> Subtract()"),
    ("Dot(1)", ("float32[N, 4]",), "E0312", "Dot needs two inputs, got 1", "(a, b) -> Dot(axes)"),
    ("Dot(1)", ("float32[N, 4]",) * 4, "E0312", "Dot needs two inputs, got 4", "(a, b) -> Dot(axes)"),
    # Concatenate.
    ("Concatenate()", ("float32[N, 3, 4]", "float32[N, 2, 4]"), "E0308", "(3 and 2)", "join along it: axis=1"),
    ("Concatenate(1)", ("float32[N, 3, 4]", "float32[N, 3, 5]"), "E0308", "(4 and 5)", "join along it: axis=2"),
    ("Concatenate()", ("float32[N, 4, 4]", "float32[N, 3, 5]"), "E0308", "(4 and 3)", None),
    ("Concatenate()", ("float32[N, S, 4]", "float32[N, T, 4]"), "E0309", "S and T are equal", "require S == T"),
    ("Concatenate()", ("float32[N, 3, 4]", "float32[N, 4]"), "E0302", "needs inputs of as many axes, got", None),
    ("Concatenate(axis=3)", TWO, "E0311", "given axis 3, its input float32[N, 3, 4] has axes -3 to 2", None),
    ("Concatenate(-4)", TWO, "E0311", "Concatenate is given axis -4", None),
    ("Concatenate(axis=1.0)", TWO, "E0403", "axis of Concatenate is the number of an axis, got 1.0", "write 1"),
    ("Concatenate((1, 2))", TWO, "E0403", "axis of Concatenate is the number of an axis, got (1, 2)", None),
    ("Concatenate()", ("float32[N, 4]", "int64[N, 4]"), "E0303", "Concatenate needs inputs of one type", CAST),
    # Dot.
    ("Dot(0)", TWO, "E0311", "Dot cannot sum along axis 0, the batch", "the first axis after it is 1"),
    ("Dot((1, -3))", TWO, "E0311", "Dot cannot sum along axis 0, the batch", "the first axis after it is 1"),
    ("Dot(3)", TWO, "E0311", "Dot is given axis 3, its input float32[N, 3, 4] has axes -3 to 2", None),
    ("Dot((1, 2))", TWO, "E0308", "Dot got shapes that do not fit", None),
    ("Dot((1, 1, 1))", TWO, "E0403", "axes of Dot is the number of an axis, or a tuple of 2 of such", None),
    ("Dot('last')", TWO, "E0403", "axes of Dot is the number of an axis", None),
    ("Dot()", TWO, "E0401", "Dot needs the argument axes", "Dot(axes, normalize=..., dtype=...)"),
    (
        "Dot(1)",
        ("float32[N, 4]", "float32[N]"),
        "E0302",
        "Dot needs at least 2 axes, got float32[N]",
        "axes that it lacks",
    ),
    ("Dot(1)", ("float32[N, 4]", "float32[M, 4]"), "E0309", "whether N and M are equal", "require N == M"),
    ("Dot(1)", ("float32[N, S]", "float32[N, T]"), "E0309", "whether S and T are equal", "require S == T"),
    ("Dot(1, normalize=2)", TWO, "E0403", "normalize of Dot is True or False, got 2", None),
    # Other shapes.
    ("Reshape((4, 2))", ("float32[N, 6]",), "E0307", "6 elements after the batch, not 8", "(-1, 2) takes them all"),
    ("Reshape((0, 6))", ("float32[N, 6]",), "E0307", "6 elements after the batch, not 0", "(-1, 6) takes them all"),
    ("Reshape((5,))", ("float32[N, 6]",), "E0307", "6 elements after the batch, not 5", "(-1,) takes them all"),
    ("Reshape((4, 5))", ("float32[N, 6]",), "E0307", "6 elements after the batch, not 20", None),
    ("Reshape((-1, 4))", ("float32[N, 6]",), "E0307", "6 elements after the batch, not a multiple of 4", None),
    ("Reshape((-1, -1))", ("float32[N, 6]",), "E0403", "one of them -1", "only one size can be left to be computed"),
    ("Reshape((-2, 3))", ("float32[N, 6]",), "E0403", "target_shape of Reshape is a tuple of sizes", None),
    ("Reshape((2.0, 3))", ("float32[N, 6]",), "E0403", "target_shape of Reshape is a tuple of sizes", None),
    ("Reshape((4, 2))", ("float32[N, T]",), "E0309", "T and 8", "require T == 8"),
    ("Reshape((-1, 4))", ("float32[N, T]",), "E0309", "T and 4", "require T % 4 == 0"),
    ("Permute((1, 3))", ("float32[N, 4, 5]",), "E0413", "Permute needs each axis from 1 to 2 once, got (1, 3)", None),
    ("Permute((1, 1))", ("float32[N, 4, 5]",), "E0413", "Permute needs each axis from 1 to 2 once, got (1, 1)", None),
    ("Permute((0, 1))", ("float32[N, 4, 5]",), "E0403", "dims of Permute is a tuple, each a whole number, at", None),
    ("Permute(2)", ("float32[N, 4, 5]",), "E0403", "dims of Permute is a tuple, each a whole number, at least 1", None),
    ("Permute((2, 1, 3))", ("float32[N, 4, 5]",), "E0302", "Permute orders 3 axes", "name the axes 1 to 2"),
    ("RepeatVector(0)", ("float32[N, 4]",), "E0403", "n of RepeatVector is a whole number or a dimension", None),
    ("RepeatVector(3)", ("float32[N, 4, 5]",), "E0302", "needs 2 axes (batch, features)", "bring it to that many"),
    ("Flatten()", ("float32[]",), "E0302", "Flatten needs at least 1 axis, got float32[]", "axes that it lacks"),
    ('Flatten("first")', ("float32[N, 4]",), "E0403", "data_format of Flatten is", None),
    # What acts in training only.
    ("Dropout(1.5)", ("float32[N, 4]",), "E0403", "rate of Dropout is a number from 0 to 1, got 1.5", None),
    ("AlphaDropout(-0.1)", ("float32[N, 4]",), "E0403", "rate of AlphaDropout is a number from 0 to 1", None),
    ("GaussianDropout('half')", ("float32[N, 4]",), "E0403", "rate of GaussianDropout is a number from 0 to 1", None),
    ("GaussianNoise(-1)", ("float32[N, 4]",), "E0403", "stddev of GaussianNoise is a number, at least 0, got", None),
    (
        "SpatialDropout1D(0.5)",
        ("float32[N, 4]",),
        "E0302",
        "needs 3 axes (batch, steps, channels)",
        "axes that it lacks",
    ),
    ("SpatialDropout3D(2)", ("float32[N, 4]",), "E0403", "rate of SpatialDropout3D is a number from 0 to 1", None),
    # Tables and products.
    ("Dense(0)", ("float32[N, 4]",), "E0403", "units of Dense is a whole number, at least 1, got 0", None),
    (
        "Dense(2)",
        ("float32[N, D]",),
        "E0301",
        "Dense needs a known last axis, got float32[N, D]",
        "give the axis a size",
    ),
    ("Dense(2, activation='sofmax')", ("float32[N, 4]",), "E0403", "activation of Dense is", "did you mean"),
    ("Dense(2, lora_rank=4)", ("float32[N, 4]",), "E0403", "lora_rank of Dense is None (low-rank adapters", None),
    ("Embedding(0, 2)", ("int32[N, 4]",), "E0403", "input_dim of Embedding is a whole number, at least 1", None),
    ("Embedding(9)", ("int32[N, 4]",), "E0401", "Embedding needs the argument output_dim", "input_dim, output_dim"),
    ("Embedding(9, 2, mask_zero='yes')", ("int32[N, 4]",), "E0403", "mask_zero of Embedding is True or False", None),
]


@pytest.mark.parametrize(
    ("line", "kinds", "code", "message", "help"), CASES, ids=[f"{case[0]}-{'-'.join(case[1])}" for case in CASES]
)
def test_says_what_and_what_to_do(line: str, kinds: tuple[str, ...], code: str, message: str, help: str | None) -> None:
    found = diagnose(line, *kinds)
    assert (found.code, message) == (code, message if message in found.message else found.message)
    if help is None:
        assert found.help is None
    else:
        assert help == (help if help in (found.help or "") else found.help)


@pytest.mark.parametrize(
    ("line", "kinds", "help", "mended"),
    [
        ("Reshape((4, 2))", ("float32[N, 6]",), "(-1, 2) takes them all", "Reshape((-1, 2))"),
        ("Reshape((3, 5, 2))", ("float32[N, 2, 3, 4]",), "(3, -1, 2) takes them all", "Reshape((3, -1, 2))"),
        ("Concatenate()", ("float32[N, 3, 4]", "float32[N, 2, 4]"), "join along it: axis=1", "Concatenate(axis=1)"),
    ],
)
def test_the_mend_that_is_offered_mends(line: str, kinds: tuple[str, ...], help: str, mended: str) -> None:
    assert diagnose(line, *kinds).help == help
    inputs = [f"input x{number}: {kind}" for number, kind in enumerate(kinds)]
    flow = f"({''.join(f'x{number}, ' for number in range(len(kinds)))}) -> {mended}" if len(kinds) > 1 else mended
    archonnx.compile(text="\n    ".join(["model A():", *inputs, flow]) + "\n")
