"""CategoryEncoding, Discretization and IntegerLookup: what they say of bad arguments, and what Keras is not asked for."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from diagnosing import diagnose
from hypothesis import given
from hypothesis import strategies as st

import archonnx

ort = pytest.importorskip("onnxruntime", reason="what is computed is run")

TOKENS = "input x: int64[N, 5]"
VALUES = "input x: float32[N, 5]"


def run(folder: Path, line: str, inputs: Sequence[str], *arrays: Any) -> Any:
    """The result of a model of one line, x and y being its inputs."""
    names = ("x", "y")[: len(inputs)]
    declared = [f"input {name}: {kind}" for name, kind in zip(names, inputs, strict=True)]
    flow = f"({', '.join(names)})" if len(names) > 1 else names[0]
    model = archonnx.compile(text="\n    ".join(["model A():", *declared, f"{flow} -> {line}"]) + "\n")
    model.save(folder / "a.onnx")
    session = ort.InferenceSession(folder / "a.onnx", providers=["CPUExecutionProvider"])
    return session.run(None, dict(zip(names, arrays, strict=True)))[0]


V = "vocabulary=[12, 36]"
BAD = [
    ("CategoryEncoding()", TOKENS, "E0340", "CategoryEncoding needs num_tokens, the number of categories"),
    (
        "CategoryEncoding(0)",
        TOKENS,
        "E0403",
        "num_tokens of CategoryEncoding is a whole number from 1 to 2147483646, or None, got 0",
    ),
    (
        "CategoryEncoding(-4)",
        TOKENS,
        "E0403",
        "num_tokens of CategoryEncoding is a whole number from 1 to 2147483646, or None, got -4",
    ),
    (
        "CategoryEncoding(4.0)",
        TOKENS,
        "E0403",
        "num_tokens of CategoryEncoding is a whole number from 1 to 2147483646, or None, got 4.0",
    ),
    (
        'CategoryEncoding(4, "onehot")',
        TOKENS,
        "E0403",
        'output_mode of CategoryEncoding is "multi_hot", "one_hot" or "count"',
    ),
    (
        "CategoryEncoding(4, sparse=True)",
        TOKENS,
        "E0403",
        "sparse of CategoryEncoding is False (ONNX models give dense results)",
    ),
    ("CategoryEncoding(4)", "input x: string[N, 5]", "E0303", "CategoryEncoding needs whole numbers, got string[N, 5]"),
    ("CategoryEncoding(4)", "input x: int64[N, 5, 2]", "E0302", 'CategoryEncoding takes 1 or 2 axes for "multi_hot"'),
    ('CategoryEncoding(4, "count")', "input x: int64[N, 5, 2]", "E0302", 'takes 1 or 2 axes for "count"'),
    ("CategoryEncoding(4)", "input x: int64[]", "E0302", "CategoryEncoding needs at least 1 axis, got int64[]"),
    ("Discretization()", VALUES, "E0340", "Discretization needs bin_boundaries: bins are not learned from data here"),
    (
        "Discretization(num_bins=4)",
        VALUES,
        "E0403",
        "num_bins of Discretization is None (bins are not learned from data",
    ),
    (
        "Discretization([1, 0])",
        VALUES,
        "E0403",
        "bin_boundaries of Discretization is a tuple of numbers in ascending order",
    ),
    ("Discretization(3)", VALUES, "E0403", "bin_boundaries of Discretization is a tuple of numbers in ascending order"),
    (
        'Discretization(["a"])',
        VALUES,
        "E0403",
        "bin_boundaries of Discretization is a tuple of numbers in ascending order",
    ),
    (
        "Discretization([1e39])",
        VALUES,
        "E0403",
        "bin_boundaries of Discretization is a tuple of numbers in ascending order",
    ),
    (
        'Discretization([0], output_mode="tf_idf")',
        VALUES,
        "E0403",
        'output_mode of Discretization is "int", "one_hot", "multi_hot"',
    ),
    ("Discretization([0], sparse=True)", VALUES, "E0403", "sparse of Discretization is False"),
    ('Discretization([0], dtype="int32")', VALUES, "E0403", "dtype of Discretization is a floating element type"),
    ("Discretization([0])", "input x: string[N, 5]", "E0303", "Discretization needs numbers, got string[N, 5]"),
    (
        'Discretization([0], output_mode="count")',
        "input x: float32[N, 5, 2]",
        "E0302",
        'Discretization takes 1 or 2 axes for "count", got float32[N, 5, 2]',
    ),
    ("IntegerLookup()", TOKENS, "E0340", "IntegerLookup needs a vocabulary: it is not learned from data here"),
    (
        "IntegerLookup(1, vocabulary=[3])",
        TOKENS,
        "E0403",
        "max_tokens of IntegerLookup is a whole number from 2 to 2147483646, or None",
    ),
    (
        f"IntegerLookup({V}, num_oov_indices=-1)",
        TOKENS,
        "E0403",
        "num_oov_indices of IntegerLookup is a whole number from 0 to 2147483646",
    ),
    (f"IntegerLookup({V}, mask_token=0.5)", TOKENS, "E0403", "mask_token of IntegerLookup is a whole number"),
    (f"IntegerLookup({V}, oov_token=None)", TOKENS, "E0403", "oov_token of IntegerLookup is a whole number"),
    (
        "IntegerLookup(vocabulary=[])",
        TOKENS,
        "E0403",
        "vocabulary of IntegerLookup is a tuple of whole numbers of 64 bits, at least one",
    ),
    (
        'IntegerLookup(vocabulary="words.txt")',
        TOKENS,
        "E0403",
        "vocabulary of IntegerLookup is a tuple of whole numbers of 64 bits, at least one",
    ),
    (
        "IntegerLookup(vocabulary=[9223372036854775808])",
        TOKENS,
        "E0403",
        "vocabulary of IntegerLookup is a tuple of whole numbers of 64 bits",
    ),
    (
        f'IntegerLookup({V}, vocabulary_dtype="int32")',
        TOKENS,
        "E0403",
        'vocabulary_dtype of IntegerLookup is "int64", got "int32"',
    ),
    (f"IntegerLookup({V}, invert=1)", TOKENS, "E0403", "invert of IntegerLookup is True or False, got 1"),
    (f'IntegerLookup({V}, output_mode="counts")', TOKENS, "E0403", 'output_mode of IntegerLookup is "int", "one_hot"'),
    (
        f"IntegerLookup({V}, pad_to_max_tokens=2)",
        TOKENS,
        "E0403",
        "pad_to_max_tokens of IntegerLookup is True or False",
    ),
    (
        f'IntegerLookup({V}, oov_method="siphash")',
        TOKENS,
        "E0403",
        'oov_method of IntegerLookup is "floormod" or "farmhash"',
    ),
    (f"IntegerLookup({V}, salt=7)", TOKENS, "E0403", "salt of IntegerLookup is None (it is for FarmHash alone), got 7"),
    (f'IntegerLookup({V}, output_mode="count", sparse=True)', TOKENS, "E0403", "sparse of IntegerLookup is False"),
    (
        f'IntegerLookup({V}, invert=True, output_mode="count")',
        TOKENS,
        "E0342",
        'IntegerLookup gives numbers where invert=True, and output_mode is "count"',
    ),
    (f'IntegerLookup({V}, output_mode="tf_idf")', TOKENS, "E0342", 'IntegerLookup needs idf_weights for "tf_idf"'),
    (f"IntegerLookup({V}, idf_weights=[1, 2])", TOKENS, "E0342", 'IntegerLookup uses idf_weights in "tf_idf" alone'),
    (
        f'IntegerLookup({V}, output_mode="tf_idf", idf_weights=[1])',
        TOKENS,
        "E0342",
        "IntegerLookup has 1 idf_weights for a vocabulary of 2",
    ),
    (f"IntegerLookup({V}, pad_to_max_tokens=True)", TOKENS, "E0342", "IntegerLookup needs max_tokens to pad to"),
    (
        f'IntegerLookup({V}, oov_method="farmhash", num_oov_indices=2)',
        TOKENS,
        "E0342",
        "IntegerLookup cannot hash by FarmHash",
    ),
    (
        'IntegerLookup(vocabulary=[3], num_oov_indices=999999999, output_mode="tf_idf", idf_weights=[1])',
        TOKENS,
        "E0342",
        'IntegerLookup has 1000000000 places, and "tf_idf" writes out a factor for each of at most 16777216',
    ),
    ("IntegerLookup(vocabulary=[3, 4, 3])", TOKENS, "E0343", "IntegerLookup has 3 more than once in its vocabulary"),
    ("IntegerLookup(vocabulary=[3, 0], mask_token=0)", TOKENS, "E0343", "IntegerLookup has its mask_token, 0, in its"),
    ("IntegerLookup(vocabulary=[3, -1], invert=True)", TOKENS, "E0343", "IntegerLookup has its oov_token, -1, in its"),
    ("IntegerLookup(2, vocabulary=[3, 4])", TOKENS, "E0343", "IntegerLookup needs 3 places, and max_tokens is 2"),
    (
        "IntegerLookup(vocabulary=[3])",
        "input x: string[N]",
        "E0303",
        "IntegerLookup needs whole numbers, got string[N]",
    ),
    (
        'IntegerLookup(vocabulary=[3], output_mode="multi_hot")',
        "input x: int64[N, 2, 3]",
        "E0302",
        'IntegerLookup takes 1 or 2 axes for "multi_hot", got int64[N, 2, 3]',
    ),
]


@pytest.mark.parametrize(("line", "given", "code", "message"), BAD, ids=[f"{case[0]}-{case[1]}" for case in BAD])
def test_one_input(line: str, given: str, code: str, message: str) -> None:
    found = diagnose(line, given)
    assert (found.code, message) == (code, message if message in found.message else found.message)


@pytest.mark.parametrize(
    ("line", "weights", "code", "message"),
    [
        ("CategoryEncoding(4)", "float32[N, 5]", "E0341", 'uses count_weights in "count" alone'),
        ('CategoryEncoding(4, "count")', "float32[N, 4]", "E0308", "got shapes that do not fit"),
        ('CategoryEncoding(4, "count")', "float32[N, T]", "E0309", "cannot tell whether 5 and T are equal"),
        ('CategoryEncoding(4, "count")', "float32[N]", "E0308", "needs one weight for each number, got int64[N, 5]"),
        ('CategoryEncoding(4, "count")', "string[N, 5]", "E0303", "CategoryEncoding needs numbers, got string[N, 5]"),
    ],
)
def test_weights(line: str, weights: str, code: str, message: str) -> None:
    found = diagnose(f"(x, w) -> {line}", TOKENS, f"input w: {weights}")
    assert (found.code, message) == (code, message if message in found.message else found.message)


def test_a_third_input_is_one_too_many() -> None:
    found = diagnose('(x, x, x) -> CategoryEncoding(4, "count")', TOKENS)
    assert (found.code, found.message) == ("E0604", "CategoryEncoding takes 2 inputs, got 3")


@pytest.mark.parametrize(
    ("line", "given", "help"),
    [
        ("Discretization([2, 1.5])", VALUES, "in order they are [1.5, 2.0]"),
        ('CategoryEncoding(4, "one_hott")', TOKENS, 'did you mean "one_hot"?'),
        ("CategoryEncoding(4)", "input x: int64[N, 5, 2]", '"one_hot" takes any number of axes'),
        (
            "Hashing(3)",
            TOKENS,
            "Keras' Hashing hashes by FarmHash or SipHash, which ONNX has no operator for: do it be",
        ),
        ("Pipeline([])", TOKENS, "Keras' Pipeline is a list of layers: write them one a line"),
        ("StringLookup()", "input x: string[N]", "Keras' StringLookup turns strings into numbers: do it before"),
        ("keras.layers.TextVectorization()", "input x: string[N]", "Keras' TextVectorization turns strings into"),
    ],
)
def test_mend(line: str, given: str, help: str) -> None:
    assert (diagnose(line, given).help or "").startswith(help)


def test_a_place_is_the_argument_at_fault() -> None:
    place = diagnose("IntegerLookup(5, vocabulary=[3, 4, 3])", TOKENS).place
    assert place is not None
    assert (place.line, place.column) == (3, 33)


@pytest.mark.parametrize("mode", ["one_hot", "multi_hot", "count"])
def test_what_lies_outside_counts_for_nothing(mode: str, tmp_path: Path) -> None:
    x = np.array([[-9, -1, 0, 2, 3, 99]])
    y = run(tmp_path, f'CategoryEncoding(3, "{mode}")', ["int64[N, 6]"], x)
    hot = (x[..., None] == np.arange(3)).astype(np.float32)
    np.testing.assert_array_equal(y, hot if mode == "one_hot" else hot.sum(axis=1))


@cache
def counts() -> Any:
    """A session that counts what is below 6, with weights, of any number of images and tokens."""
    text = """model A():
    input x: int64[N, T]
    input w: float32[N, T]
    (x, w) -> CategoryEncoding(6, "count")
"""
    with TemporaryDirectory() as folder:
        archonnx.compile(text=text).save(Path(folder) / "a.onnx")
        return ort.InferenceSession(Path(folder) / "a.onnx", providers=["CPUExecutionProvider"])


@given(st.data())
def test_counts_are_sums_over_what_is_equal(data: st.DataObject) -> None:
    shape = (data.draw(st.integers(1, 4)), data.draw(st.integers(1, 9)))
    rows = st.lists(st.integers(-(2**63), 2**63 - 1) | st.integers(-1, 6), min_size=shape[1], max_size=shape[1])
    x = np.array(data.draw(st.lists(rows, min_size=shape[0], max_size=shape[0])), np.int64)
    w = np.arange(x.size, dtype=np.float32).reshape(shape)
    (y,) = counts().run(None, {"x": x, "w": w})
    np.testing.assert_array_equal(y, np.where(x[..., None] == np.arange(6), w[..., None], 0).sum(axis=1))


def test_weights_may_be_negative(tmp_path: Path) -> None:
    y = run(
        tmp_path,
        'CategoryEncoding(3, "count")',
        ["int64[N, 3]", "float32[N, 3]"],
        np.array([[0, 2, 2]]),
        np.array([[-1, 0.5, -2]], np.float32),
    )
    np.testing.assert_array_equal(y, [[-1, 0, -1.5]])


@pytest.mark.parametrize("count", [1, 2, 64, 65, 127, 128, 300])
def test_bins_are_those_of_a_search(count: int, tmp_path: Path) -> None:
    """A value on a boundary lies above it, what is infinite in the outer bins, and no number in the last, as in Keras."""
    edges = np.linspace(-3, 3, count).astype(np.float32)
    x = np.concatenate([edges, edges + 0.01, [np.inf, -np.inf, np.nan, 0.0, -0.0]]).astype(np.float32)
    y = run(tmp_path, f"Discretization({edges.tolist()})", ["float32[N]"], x)
    np.testing.assert_array_equal(y, np.searchsorted(edges, x, side="right"))


def test_without_unknown_places_the_unknown_gives_minus_one(tmp_path: Path) -> None:
    x = np.array([[3, 7, 4]])
    assert run(tmp_path, "IntegerLookup(vocabulary=[3, 4], num_oov_indices=0)", ["int64[N, 3]"], x).tolist() == [
        [0, -1, 1]
    ]
    line = 'IntegerLookup(vocabulary=[3, 4], num_oov_indices=0, output_mode="count")'
    assert run(tmp_path, line, ["int64[N, 3]"], x).tolist() == [[1, 1]]
