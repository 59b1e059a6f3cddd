"""Domains of arguments: what they take, its one form, and what they say of the rest."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archonnx.compiler.layers.base import Layer
from archonnx.compiler.layers.domains import (
    Absent,
    Activation,
    Anything,
    Axes,
    Axis,
    Choice,
    DataFormat,
    Domain,
    DomainError,
    DTypeDomain,
    Either,
    Flag,
    FloatDType,
    Ignored,
    InitializerDomain,
    LayerDomain,
    Literal,
    Numbers,
    Optional,
    Pair,
    Real,
    Repeated,
    Shape,
    Sides,
    Text,
    Whole,
    literal_shape,
)
from archonnx.compiler.layers.registry import find_layer, layer_names
from archonnx.contract.dims import symbol

H = symbol("H")


def made(name: str, **given: Any) -> Layer:
    """A layer with its other arguments at their defaults."""
    layer = find_layer(name)
    assert layer is not None
    return layer({n: given.get(n, a.default) for n, a in layer.declared.items()})


ACCEPTED: list[tuple[Domain, Any, Any]] = [
    (Whole(1), 3, 3),
    (Whole(), -3, -3),
    (Whole(symbolic=True), H, H),
    (Real(0), 0, 0.0),
    (Real(0, 1), 0.5, 0.5),
    (Real(above=0, below=1), 0.5, 0.5),
    (Flag(), True, True),
    (Text(), "abc", "abc"),
    (Choice("valid", "same"), "SAME", "same"),
    (DataFormat(), None, "channels_last"),
    (DataFormat(), "channels_first", "channels_first"),
    (Optional(Whole()), None, None),
    (Optional(Whole()), 4, 4),
    (Either(Axis(), Axes()), [1, 2], (1, 2)),
    (Either(Axis(), Axes()), -1, -1),
    (Repeated(Whole(), alone=False), [1, 2, 3], (1, 2, 3)),
    (Repeated(Whole()), 3, (3,)),
    (Pair(Whole(1)), 2, (2, 2)),
    (Numbers(2), 3, (3, 3)),
    (Numbers(2), [3, 4], (3, 4)),
    (Numbers(3), 1, (1, 1, 1)),
    (Sides(2), 1, ((1, 1), (1, 1))),
    (Sides(2), (1, 2), ((1, 1), (2, 2))),
    (Sides(2), ((1, 2), (0, 3)), ((1, 2), (0, 3))),
    (Sides(2), (1, (0, 3)), ((1, 1), (0, 3))),
    (Sides(1), 2, ((2, 2),)),
    (Sides(1), (1, 2), ((1, 2),)),
    (Sides(3), (1, 2, 3), ((1, 1), (2, 2), (3, 3))),
    (Axes(), 2, (2,)),
    (Axes(), [0, -1], (0, -1)),
    (Shape(), (4, -1), (4, -1)),
    (Shape(), 12, (12,)),
    (Shape(), (H, 2), (H, 2)),
    (DTypeDomain(), "float16", "float16"),
    (DTypeDomain(), "half", "float16"),
    (FloatDType(), "float64", "float64"),
    (Activation(), "relu", "relu"),
    (Activation(), "swish", "silu"),
    (Activation(), "linear", None),
    (Activation(), None, None),
    (Literal(), 2, 2),
    (Literal(), [1, 2.5], (1, 2.5)),
    (Literal(), [[1, 2], [3, 4]], ((1, 2), (3, 4))),
    (Absent("why"), None, None),
    (Absent("why", absent=False), False, False),
    (Ignored(), "l2", "l2"),
    (Anything(), {"a": 1}, {"a": 1}),
]

REFUSED: list[tuple[Domain, Any, str]] = [
    (Whole(1), 0, "a whole number, at least 1"),
    (Whole(1, 5), 6, "a whole number from 1 to 5"),
    (Whole(maximum=5), 6, "a whole number, at most 5"),
    (Whole(), 1.0, "a whole number"),
    (Whole(), True, "a whole number"),
    (Whole(), "3", "a whole number"),
    (Whole(), H, "a whole number"),
    (Real(), True, "a number"),
    (Real(), float("nan"), "a number"),
    (Real(0, 1), 1.5, "a number from 0 to 1"),
    (Real(above=0), 0, "a number, above 0"),
    (Real(below=1), 1, "a number, below 1"),
    (Flag(), 1, "True or False"),
    (Text(), 1, "a string"),
    (Choice("a", "b", "c"), "d", '"a", "b" or "c"'),
    (Choice("a"), 1, '"a"'),
    (Optional(Whole(1)), 0, "a whole number, at least 1, or None"),
    (Either(Axis(), Axes()), "x", "the number of an axis, or the number of an axis, or a tuple of them"),
    (Numbers(2), (1, 2, 3), "a whole number, at least 1, or a tuple of 2 of such"),
    (Numbers(2), 0, "a whole number, at least 1, or a tuple of 2 of such"),
    (Numbers(1), (1, 2), "a whole number, at least 1"),
    (Repeated(Whole(1), alone=False, least=1), (), "a tuple, each a whole number, at least 1"),
    (Repeated(Whole(1), alone=False), 3, "a tuple, each a whole number, at least 1"),
    (Sides(2), -1, "a whole number, at least 0, or 2 of them, or 2 pairs (before, after)"),
    (Sides(2), ((1, 2, 3), 1), "a whole number, at least 0, or 2 of them, or 2 pairs (before, after)"),
    (Sides(2), (1, 2, 3), "a whole number, at least 0, or 2 of them, or 2 pairs (before, after)"),
    (Sides(2), "a", "a whole number, at least 0, or 2 of them, or 2 pairs (before, after)"),
    (Sides(1), -1, "a whole number, at least 0, or (before, after)"),
    (Axes(), (1, 1), "the number of an axis, or a tuple of them"),
    (Shape(), (-1, -1), "a tuple of sizes, whole numbers or dimensions, one of them -1 for what is left"),
    (Shape(rest=False), (-1, 2), "a tuple of sizes, whole numbers or dimensions"),
    (Shape(), (2.0,), "a tuple of sizes, whole numbers or dimensions, one of them -1 for what is left"),
    (DTypeDomain(), "float33", 'an element type, such as "float32"'),
    (DTypeDomain(), 3, 'an element type, such as "float32"'),
    (FloatDType(), "int32", 'a floating element type: "float16", "bfloat16", "float32" or "float64"'),
    (InitializerDomain(), "zeroes_", "an initializer: a name, a call, or nested lists of numbers"),
    (Activation(), "rellu", "the name of an activation, None, or an activation layer without weights"),
    (Activation(), "threshold", "the name of an activation, None, or an activation layer without weights"),
    (Activation(), 3, "the name of an activation, None, or an activation layer without weights"),
    (Literal(), [[1], [2, 3]], "a number, or nested lists of numbers"),
    (Literal(), "a", "a number, or nested lists of numbers"),
    (Literal(), [True], "a number, or nested lists of numbers"),
    (Absent("why"), 0, "None (why)"),
    (Absent("why", absent=False), 0, "False (why)"),
    (LayerDomain(), 3, "a layer"),
]


@pytest.mark.parametrize(("domain", "value", "parsed"), ACCEPTED, ids=lambda v: str(v)[:40])
def test_takes_a_value_and_gives_its_one_form(domain: Domain, value: Any, parsed: Any) -> None:
    found = domain.parse(value)
    assert found == parsed
    assert type(found) is type(parsed)
    assert domain.parse(found) == found


@pytest.mark.parametrize(("domain", "value", "expected"), REFUSED, ids=lambda v: str(v)[:40])
def test_refuses_a_value_and_says_what_was_expected(domain: Domain, value: Any, expected: str) -> None:
    with pytest.raises(DomainError) as caught:
        domain.parse(value)
    assert caught.value.expected == expected


@pytest.mark.parametrize(
    ("domain", "value", "help"),
    [
        (Activation(), "rellu", 'did you mean "relu", "relu6" or "elu"?'),
        (Choice("valid", "same"), "sane", 'did you mean "same"?'),
        (DTypeDomain(), "float33", 'did you mean "float32"'),
        (Whole(1), 4.0, "write 4, or int(...) around a computed value"),
        (Whole(1), H, "H is known only when the model runs; give a number"),
        (Shape(), (-1, -1), "only one size can be left to be computed"),
    ],
)
def test_says_how_to_mend_it(domain: Domain, value: Any, help: str) -> None:
    with pytest.raises(DomainError) as caught:
        domain.parse(value)
    assert caught.value.help is not None
    assert caught.value.help.startswith(help)


def test_initializers_are_resolved() -> None:
    once = InitializerDomain().parse("glorot_uniform")
    assert InitializerDomain().parse(once) == once
    assert once == InitializerDomain().parse("GlorotUniform")
    assert once != InitializerDomain().parse([1.0, 2.0])


def test_layers_are_taken_as_layers_and_as_activations() -> None:
    relu, dense = made("ReLU"), made("Dense", units=3)
    assert LayerDomain().parse(dense) is dense
    assert Activation().parse(relu) is relu
    with pytest.raises(DomainError):
        Activation().parse(dense)


@given(st.recursive(st.integers(-9, 9) | st.floats(-9, 9), lambda s: st.lists(s, max_size=3), max_leaves=8))
def test_literals_are_rectangular(value: Any) -> None:
    import numpy as np

    try:
        parsed = Literal().parse(value)
    except DomainError:
        with pytest.raises(ValueError, match="inhomogeneous"):
            np.array(value)
        return
    assert literal_shape(parsed) == np.shape(value)


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 9),
    st.floats(allow_nan=True),
    st.sampled_from(["relu", "same", "channels_last", "float32", "zeros", "", "é"]),
    st.lists(st.integers(-2, 4), max_size=4),
    st.lists(st.lists(st.integers(0, 3), max_size=3), max_size=3),
)
DOMAINS = {
    f"{name}.{argument.name}": argument.domain
    for name in layer_names()
    for argument in (find_layer(name) or Layer).declared.values()
}


@given(st.sampled_from(sorted(DOMAINS)), VALUES)
def test_no_argument_fails_but_with_a_domain_error(name: str, value: Any) -> None:
    domain = DOMAINS[name]
    try:
        parsed = domain.parse(value)
    except DomainError as error:
        assert error.expected
        return
    assert domain.parse(parsed) == parsed or value != value


@pytest.mark.parametrize("name", sorted(DOMAINS))
def test_every_example_lies_in_its_domain(name: str) -> None:
    domain = DOMAINS[name]
    assert domain.describe()
    for example in domain.examples:
        domain.parse(example)
