"""What becomes of values that users hand over: exact conversion or a refusal that names expected, received and the
mend."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archonnx.contract.dtypes import DTYPES
from archonnx.runtime.arrays import describe, dtype_name, numpy_dtype, to_array
from archonnx.runtime.errors import InputError
from archonnx.runtime.modelfile import Spec

INTEGERS = [d for d in DTYPES.values() if d.kind in ("int", "uint") and d.bits >= 8]


def spec(dtype: str, shape: tuple[Any, ...] | None = ("N",), name: str = "x") -> Spec:
    return Spec(name, dtype, shape)


def refusal(dtype: str, value: Any) -> str:
    with pytest.raises(InputError) as caught:
        to_array(spec(dtype), value)
    assert caught.value.input == "x"
    assert caught.value.exit_code == 1
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("dtype", sorted(DTYPES))
def test_every_dtype_has_a_numpy_dtype_and_its_name_back(dtype: str) -> None:
    found = numpy_dtype(dtype)
    if dtype == "string":
        assert found.kind == "O"
    else:
        assert dtype_name(found) == dtype
        if DTYPES[dtype].bits >= 8:
            assert found.itemsize * 8 == DTYPES[dtype].bits


@pytest.mark.parametrize(
    ("dtype", "value", "expected"),
    [
        ("float32", [[0, 0], [0, 1]], np.array([[0, 0], [0, 1]], np.float32)),
        ("float32", 0.1, np.float32(0.1)),
        ("float32", float("inf"), np.float32("inf")),
        ("float16", (1, 2.5), np.array([1, 2.5], np.float16)),
        ("int64", [2**63 - 1, -(2**63)], np.array([2**63 - 1, -(2**63)], np.int64)),
        ("uint64", [2**64 - 1], np.array([2**64 - 1], np.uint64)),
        ("uint8", [1.0, 255], np.array([1, 255], np.uint8)),
        ("bool", [True, False], np.array([True, False])),
        ("complex64", [1, 2.5, 1 + 2j], np.array([1, 2.5, 1 + 2j], np.complex64)),
        ("float32", [], np.zeros(0, np.float32)),
        ("int32", [[], []], np.zeros((2, 0), np.int32)),
        ("bfloat16", [1, 2.5], np.array([1, 2.5], ml_dtypes.bfloat16)),
    ],
)
def test_literals_become_the_inputs_dtype(dtype: str, value: Any, expected: Any) -> None:
    array = to_array(spec(dtype), value)
    assert array.dtype == numpy_dtype(dtype)
    np.testing.assert_array_equal(array, expected)


@pytest.mark.parametrize(
    ("dtype", "value", "words"),
    [
        ("float32", [True], "expected numbers (float32[N]), received True"),
        ("float32", ["a"], "expected numbers (float32[N]), received 'a'"),
        ("float32", [2**24 + 1], "float32 does not hold 16777217 exactly; write 16777217.0"),
        ("float32", [1e300], "1e+300 does not fit float32"),
        ("float16", [70000], "70000 does not fit float16"),
        ("float32", [10**400], "a number is too large for float32"),
        ("int64", [0.5], "expected whole numbers (int64[N]), received 0.5"),
        ("int64", [float("nan")], "received nan"),
        ("int64", [2**63], "9223372036854775808 does not fit int64"),
        ("uint8", [300], "300 does not fit uint8, which holds 0 to 255"),
        ("uint8", [1, -1], "-1 does not fit uint8"),
        ("int32", [1e300], "does not fit int32"),
        ("bool", [1], "expected True or False (bool[N]), received 1"),
        ("string", [1], "expected strings (string[N]), received 1"),
        ("float32", [[1], [2, 3]], "the lists are ragged"),
        ("float32", [[1], 2], "the lists are ragged"),
        ("float32", {"a": 1}, "expected float32[N], received dict"),
        ("float32", None, "received NoneType"),
        ("float32", object(), "received object, which is no array"),
        ("float32", np.ma.masked_array([1.0], [True]), "masked elements"),
        ("float32", [np.zeros(2, np.float32), np.zeros(3, np.float32)], "cannot be read as an array"),
    ],
)
def test_literals_that_would_lose_something_are_refused(dtype: str, value: Any, words: str) -> None:
    assert words in refusal(dtype, value)


@pytest.mark.parametrize(
    ("dtype", "value", "mend"),
    [
        ("float32", np.zeros(3), 'received float64[3]; convert it: x.astype("float32")'),
        ("float32", np.zeros(3, np.int64), 'received int64[3]; convert it: x.astype("float32")'),
        ("int64", np.zeros((2, 1), np.int32), 'received int32[2, 1]; convert it: x.astype("int64")'),
        ("bfloat16", np.zeros(3, np.float32), "convert it: x.astype(ml_dtypes.bfloat16)"),
        ("string", np.zeros(3, np.float32), "convert it: x.astype(str)"),
        ("float32", np.array(["a"]), "received string[1]"),
        ("float32", np.float64(3), "received float64[]"),
        ("float32", [np.float64(3)], "received float64[1]"),
        ("float32", np.zeros(2, ml_dtypes.bfloat16), "received bfloat16[2]"),
    ],
)
def test_arrays_of_another_dtype_are_refused_with_the_mend(dtype: str, value: Any, mend: str) -> None:
    assert mend in refusal(dtype, value)


def test_the_mend_names_no_input_that_python_could_not() -> None:
    with pytest.raises(InputError, match=r'convert it: array\.astype\("float32"\)'):
        to_array(spec("float32", name="input:0"), np.zeros(3))


@pytest.mark.parametrize("name", ["float32", "float64", "int64", "complex64", "uint8", "bool"])
def test_an_array_of_the_dtype_is_taken_as_it_is(name: str) -> None:
    array = np.zeros((2, 3), numpy_dtype(name))
    assert to_array(spec(name), array) is array


def test_another_byte_order_is_the_same_dtype() -> None:
    array = to_array(spec("float32"), np.array([1.5, 2], ">f4"))
    assert array.dtype == np.dtype("=f4")
    assert array.tolist() == [1.5, 2.0]


def test_text_of_any_kind_is_a_string_input() -> None:
    for value in (
        ["a", "é"],
        np.array(["a", "é"]),
        np.array(["a", "é"], object),
        np.array(["a", "é"], np.dtypes.StringDType()),
    ):
        array = to_array(spec("string"), value)
        assert array.dtype.kind == "O"
        assert array.tolist() == ["a", "é"]
    assert to_array(spec("string"), "hello").shape == ()
    assert to_array(spec("string"), ["a\0"]).tolist() == ["a\0"]


class Offers:
    """Something that offers itself as an array, as tensors of other libraries do."""

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray[Any, Any]:
        return np.array([1, 2], np.float32)


class Refuses:
    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray[Any, Any]:
        raise RuntimeError("Can't call numpy() on Tensor that requires grad.\nmore")


def test_what_offers_itself_as_an_array_is_one() -> None:
    assert to_array(spec("float32"), Offers()).tolist() == [1.0, 2.0]
    assert "this Refuses cannot be read as an array: Can't call numpy()" in refusal("float32", Refuses())


@given(st.sampled_from(INTEGERS), st.lists(st.integers(-(2**65), 2**65), max_size=5))
def test_integers_are_exact_or_refused(dtype: Any, values: list[int]) -> None:
    info = np.iinfo(dtype.name)
    fits = all(info.min <= value <= info.max for value in values)
    try:
        array = to_array(spec(dtype.name), values)
    except InputError:
        assert not fits
    else:
        assert fits
        assert array.tolist() == values


@given(
    st.sampled_from(["float16", "float32", "float64", "bfloat16"]),
    st.lists(st.one_of(st.integers(-(2**60), 2**60), st.floats(width=64, allow_nan=False)), max_size=5),
)
def test_floats_hold_integers_exactly_and_are_never_infinite_by_accident(dtype: str, values: list[Any]) -> None:
    try:
        array = to_array(spec(dtype), values)
    except InputError:
        assert values
        return
    for value, got in zip(values, array.astype(np.float64).tolist(), strict=True):
        if isinstance(value, int):
            assert int(got) == value
        assert np.isinf(got) == np.isinf(value)


@given(st.recursive(st.one_of(st.integers(), st.floats(), st.booleans(), st.text(), st.none()), st.lists, max_leaves=8))
def test_any_nested_list_is_taken_or_refused_in_one_line(value: Any) -> None:
    for dtype in ("float32", "int8", "bool", "string"):
        try:
            array = to_array(spec(dtype), value)
        except InputError as error:
            assert "\n" not in str(error)
        else:
            assert array.dtype == numpy_dtype(dtype)


def test_arrays_are_described_as_in_the_language() -> None:
    assert describe(np.zeros((1, 2), ">f8")) == "float64[1, 2]"
    assert describe(np.zeros((), "M8[s]")) == "datetime64[s][]"
