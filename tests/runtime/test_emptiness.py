"""Calls with empty inputs that would end the process, and those that do not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from onnx import helper, numpy_helper

from archonnx.runtime.emptiness import in_order
from archonnx.runtime.errors import InputError

GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}


def recurrent(make: Any, operator: str) -> Any:
    """x: float32[N, T, 3] as sequences of an operator of 2 units; y: its last state."""
    weights = [np.ones((1, 2 * GATES[operator], width), np.float32) for width in (3, 2)]
    nodes = [
        helper.make_node("Transpose", ["x"], ["turned"], perm=[1, 0, 2]),
        helper.make_node(operator, ["turned", "w", "r"], ["", "y"], name="net/cells", hidden_size=2),
    ]
    held = [numpy_helper.from_array(array, name) for array, name in zip(weights, "wr", strict=True)]
    return make({"x": ("float32", ["N", "T", 3])}, nodes, {"y": ("float32", [1, "N", 2])}, initializers=held)


def product(make: Any, equation: str) -> Any:
    terms = equation.partition("->")[0].split(",")
    inputs = {f"x{n}": ("float32", list(term.upper())) for n, term in enumerate(terms)}
    nodes = [helper.make_node("Einsum", list(inputs), ["y"], name="net/product", equation=equation)]
    return make(inputs, nodes, {"y": ("float32", None)})


@pytest.mark.parametrize(
    ("operator", "shape", "why"),
    [
        ("LSTM", (0, 5, 3), "its batch is empty; give one example at least"),
        ("LSTM", (0, 0, 3), "its batch is empty; give one example at least"),
        ("GRU", (0, 5, 3), "its batch is empty; give one example at least"),
        ("GRU", (2, 0, 3), "its sequences have no steps; give one at least"),
    ],
)
def test_what_would_end_the_process_is_refused(
    make: Any, load: Any, operator: str, shape: tuple[int, ...], why: str
) -> None:
    session = load(recurrent(make, operator))
    empty = np.zeros(shape, np.float32)
    sizes = ", ".join(map(str, shape))
    message = f"input x is empty, [{sizes}]: {operator} (net/cells): onnxruntime would end the process at it, as {why}"
    for call in (session, session.bind, lambda x: session(x, out=np.empty((1, shape[0], 2), np.float32))):
        with pytest.raises(InputError) as caught:
            call(empty)
        assert str(caught.value) == message
    assert session(np.ones((2, 5, 3), np.float32)).shape == (1, 2, 2)


@pytest.mark.parametrize(
    ("operator", "shape"), [("LSTM", (2, 0, 3)), ("RNN", (0, 5, 3)), ("RNN", (2, 0, 3)), ("RNN", (0, 0, 3))]
)
def test_what_onnxruntime_takes_runs(make: Any, load: Any, operator: str, shape: tuple[int, ...]) -> None:
    found = load(recurrent(make, operator))(np.zeros(shape, np.float32))
    np.testing.assert_array_equal(found, np.zeros((1, shape[0], 2), np.float32))


@pytest.mark.parametrize("equation", ["bij,bkj->bik", "aecd,abcd->acbe", "acbe,aecd->abcd"])
def test_a_product_that_would_end_the_process_is_refused(make: Any, load: Any, equation: str) -> None:
    session = load(product(make, equation))
    sizes = dict.fromkeys(equation, 2) | {equation[0]: 0}
    arrays = [
        np.zeros([sizes[letter] for letter in term], np.float32) for term in equation[: equation.index("-")].split(",")
    ]
    with pytest.raises(InputError, match=r"Einsum \(net/product\): .* as a factor of it has no elements; give one"):
        session(*arrays)
    full = [np.ones([2] * array.ndim, np.float32) for array in arrays]
    np.testing.assert_array_equal(session(*full), np.einsum(equation, *full))


@pytest.mark.parametrize("equation", ["bij,bjk->bik", "ab,bc->ac", "bi,bj->bij", "bij,jk->bik", "bij,bj->bi", "bi->ib"])
def test_products_of_empty_factors_that_lie_in_order_run(make: Any, load: Any, equation: str) -> None:
    """Each letter in turn has no elements."""
    session = load(product(make, equation))
    terms = equation[: equation.index("-")].split(",")
    for letter in sorted(set("".join(terms))):
        sizes = dict.fromkeys(equation, 2) | {letter: 0}
        arrays = [np.zeros([sizes[each] for each in term], np.float32) for term in terms]
        np.testing.assert_array_equal(session(*arrays), np.einsum(equation, *arrays))


@pytest.mark.parametrize("equation", ["ij,jk", "b...i,b...i->b...", "bij,bkj,bk->bik", "ii,i->i", "bij,bkj->bik"])
def test_products_that_are_turned_are_in_no_order(equation: str) -> None:
    assert not in_order(equation)


def test_an_empty_input_that_reaches_no_such_operator_runs(make: Any, load: Any) -> None:
    """What came before, which is nothing as yet, is joined to what comes."""
    nodes = [
        helper.make_node("Concat", ["past", "x"], ["all"], axis=1),
        helper.make_node("Einsum", ["x", "all"], ["y"], equation="bij,bkj->bik"),
    ]
    inputs = {"x": ("float32", ["B", "T", 2]), "past": ("float32", ["B", "P", 2])}
    session = load(make(inputs, nodes, {"y": ("float32", ["B", "T", "S"])}))
    x = np.ones((1, 3, 2), np.float32)
    np.testing.assert_array_equal(session(x, np.zeros((1, 0, 2), np.float32)), np.full((1, 3, 3), 2, np.float32))
