"""What a call must bring: names, ranks, sizes, symbols that agree across inputs, and the model's requirements."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archonnx.contract.diagnostics import UsageError
from archonnx.runtime.contract import Contract
from archonnx.runtime.errors import InputError, ModelFileError
from archonnx.runtime.modelfile import ModelFile, Spec


def contract(*types: tuple[Any, ...] | None, requires: Any = None, ours: bool = True) -> Contract:
    """A contract of float32 inputs a, b, ... of these shapes."""
    metadata = {"archonnx.version": "1"} if ours else {}
    if requires:
        metadata["archonnx.requires"] = json.dumps(requires)
    specs = [Spec("abcdef"[i], "float32", shape) for i, shape in enumerate(types)]
    return Contract(ModelFile("m.onnx", ir_version=10, inputs=specs, metadata=metadata))


def zeros(*shapes: tuple[int, ...]) -> dict[str, Any]:
    return {"abcdef"[i]: np.zeros(shape, np.float32) for i, shape in enumerate(shapes)}


def refusal(of: Contract, *shapes: tuple[int, ...]) -> str:
    with pytest.raises(InputError) as caught:
        of.check(zeros(*shapes))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_inputs_are_given_by_position_name_or_mapping() -> None:
    two = contract((1,), (1,))
    assert two.names((1, 2), {}) == two.names((1,), {"b": 2}) == two.names(({"a": 1, "b": 2},), {}) == {"a": 1, "b": 2}
    assert two.names(({"a": 1},), {"b": 2}) == {"a": 1, "b": 2}


def test_a_map_is_a_dictionary() -> None:
    one = Contract(ModelFile("m.onnx", ir_version=8, inputs=[Spec("m", "?", None, kind="map")]))
    assert one.check({"m": {"a": 1.0}}) == {"m": {"a": 1.0}}
    with pytest.raises(InputError, match=r"^input m: expected a dictionary, received list$"):
        one.check({"m": [1.0]})


@pytest.mark.parametrize(
    ("args", "kwargs", "words"),
    [
        ((), {}, "inputs a, b are missing; it takes a: float32[1], b: float32[1]"),
        ((1,), {}, "input b is missing"),
        ((1, 2, 3), {}, "3 inputs were given by position, it takes a: float32[1], b: float32[1]"),
        ((1, 2), {"a": 1}, "input a is given twice"),
        ((1,), {"B": 1}, "the model has no input B; did you mean b?"),
        ((1,), {"zebra": 1}, "the model has no input zebra (it takes"),
        (({3: 1},), {}, "the model has no input 3"),
    ],
)
def test_a_call_that_is_wrong_is_refused(args: Any, kwargs: Any, words: str) -> None:
    two = contract((1,), (1,))
    with pytest.raises(UsageError) as caught:
        two.names(args, kwargs)
    assert words in str(caught.value)
    assert caught.value.exit_code == 2


def test_optional_inputs_may_be_left_out_or_none() -> None:
    specs = [Spec("x", "float32", ("N",)), Spec("mask", "bool", ("N",), optional=True)]
    one = Contract(ModelFile("m.onnx", ir_version=10, inputs=specs))
    assert list(one.names((1,), {})) == list(one.names((1, None), {})) == ["x"]
    assert list(one.names((1,), {"mask": [True]})) == ["x", "mask"]
    with pytest.raises(UsageError, match=r"mask: bool\[N\] \(optional\)"):
        one.names((), {})


def test_an_input_that_was_compiled_in_must_be_given() -> None:
    specs = [Spec("x", "float32", ("N",)), Spec("mask", "bool", ("N",))]
    made = Contract(ModelFile("m.onnx", ir_version=10, inputs=specs, declared_optional={"mask"}))
    with pytest.raises(
        UsageError, match=r"input mask is missing; .*; compile the model with mask=None to leave it out"
    ):
        made.names((1,), {})


def test_initializers_listed_as_inputs_are_not_asked_for() -> None:
    for version, replaceable in ((3, []), (4, ["b"])):
        specs = [Spec("a", "float32", ("N",)), Spec("b", "float32", (3,))]
        made = Contract(ModelFile("m.onnx", ir_version=version, inputs=specs, initializers={"b"}))
        assert [s.name for s in made.inputs] == ["a"]
        assert [s.name for s in made.overridable] == replaceable


@pytest.mark.parametrize(
    ("expected", "given", "words"),
    [
        (
            ("N", 4),
            (1, 2, 4),
            "expected float32[N, 4], received float32[1, 2, 4]: 2 axes, not 3; take the first axis off: a[0]",
        ),
        (("N", 4), (4,), "expected float32[N, 4], received float32[4]: 2 axes, not 1; add the first axis: a[None]"),
        ((1, 4), (5,), "2 axes, not 1"),
        (("N",), (), "1 axis, not 0; add the first axis: a[None]"),
        ((), (1,), "0 axes, not 1; take the first axis off: a[0]"),
        (("N", 4), (2, 5), "received float32[2, 5]: axis 1 is 4, not 5"),
        ((2, 4), (3, 5), "axis 0 is 2, not 3, axis 1 is 4, not 5"),
        (("N", 8, 8, 3), (1, 3, 8, 8), "the channels seem to come first: numpy.moveaxis(a, 1, -1)"),
        (("N", 3, 8, 8), (1, 8, 8, 3), "the channels seem to come last: numpy.moveaxis(a, -1, 1)"),
    ],
)
def test_ranks_and_sizes_are_checked(expected: tuple[Any, ...], given: tuple[int, ...], words: str) -> None:
    message = refusal(contract(expected), given)
    assert message.startswith("input a: expected float32[")
    assert words in message


def test_an_unknown_rank_or_size_takes_anything() -> None:
    contract(None).check(zeros((1, 2, 3)))
    contract((None, None)).check(zeros((5, 0)))


def test_a_symbol_is_one_size_everywhere() -> None:
    message = refusal(contract(("N", 3), ("N",)), (2, 3), (4,))
    assert message == (
        "input b: axis 0 is N, which is 2 by axis 0 of input a, received 4; expected float32[N], received float32[4]"
    )
    assert "axis 1 is N, which is 2 by axis 0 of input a" in refusal(contract(("N", "N")), (2, 3))


def test_expressions_follow_their_symbols() -> None:
    halves = contract(("N", "H"), ("N", "ceil(H/2)"))
    halves.check(zeros((1, 5), (1, 3)))
    message = refusal(halves, (1, 5), (1, 2))
    assert "axis 1 is ceil(H/2), which is 3 for H = 5 (axis 1 of input a), received 2" in message
    contract(("2*H",), ("H",)).check(zeros((8,), (4,)))
    assert "axis 0 is H*T, which is 6 for H = 2" in refusal(contract(("H",), ("T",), ("H*T",)), (2,), (3,), (5,))


def test_an_expression_alone_gives_its_symbol() -> None:
    even = contract(("2*H + 1",), ("H//1",))
    even.check(zeros((7,), (3,)))
    assert "axis 0 is 2*H + 1, received 6, which it is for no H" in refusal(even, (6,), (3,))
    assert "received 1, which it is for no H" in refusal(contract(("2*H + 1",)), (1,))
    contract(("H//2",)).check(zeros((7,)))  # more than one H gives 7: nothing follows


def test_expressions_wait_for_each_other() -> None:
    waits = contract(("H*T",), ("2*T",))
    waits.check(zeros((12,), (6,)))
    assert "axis 0 is H*T, received 11, which it is for no H" in refusal(waits, (11,), (6,))


def test_an_axis_of_ours_is_not_empty_unless_the_model_says_so() -> None:
    assert "axis 0 is N, which is at least 1 in the model, received 0" in refusal(contract(("N",)), (0,))
    contract(("P",), requires=[{"condition": "P >= 0"}]).check(zeros((0,)))
    contract(("N",), ours=False).check(zeros((0,)))


def test_requirements_are_checked_on_every_call() -> None:
    entry = {"condition": "H % 4 == 0", "message": "height must quarter evenly", "place": "unet.arch:5:5"}
    unet = contract(("N", "H"), requires=[entry])
    unet.check(zeros((1, 8)))
    assert refusal(unet, (1, 6)) == (
        "input a: the model requires H % 4 == 0, received H = 6 (axis 1 of input a): height must quarter evenly "
        "(required at unet.arch:5:5)"
    )


def test_a_requirement_without_a_message_is_said_once() -> None:
    made = contract(("H",), requires=[{"condition": "H >= 3", "message": "H >= 3 is required", "place": "m.arch:1:1"}])
    assert refusal(made, (2,)) == (
        "input a: the model requires H >= 3, received H = 2 (axis 0 of input a) (required at m.arch:1:1)"
    )


def test_a_requirement_over_an_input_left_out_waits_for_it() -> None:
    specs = [Spec("x", "float32", ("N",)), Spec("m", "float32", ("S",), optional=True)]
    metadata = {"archonnx.version": "1", "archonnx.requires": json.dumps([{"condition": "S == N"}])}
    made = Contract(ModelFile("m.onnx", ir_version=10, inputs=specs, metadata=metadata))
    made.check({"x": np.zeros(3, np.float32)})
    with pytest.raises(InputError, match=r"requires S == N, received N = 3 .*, S = 2 \(axis 0 of input m\)"):
        made.check({"x": np.zeros(3, np.float32), "m": np.zeros(2, np.float32)})


def test_a_division_by_zero_in_a_requirement_is_a_refusal() -> None:
    made = contract(("N",), ("P",), requires=[{"condition": "P >= 0"}, {"condition": "N % P == 0"}])
    made.check(zeros((4,), (2,)))
    assert "requires N % P == 0" in refusal(made, (4,), (0,))


@pytest.mark.parametrize(
    ("requires", "words"),
    [
        ([{"condition": "H %% 2"}], "is no condition"),
        ([{"nothing": "H"}], "is damaged"),
        ({"condition": "H"}, "is damaged"),
        ([{"condition": "1 == 2"}], "which never holds"),
    ],
)
def test_damaged_requirements_refuse_the_file(requires: Any, words: str) -> None:
    with pytest.raises(ModelFileError, match=words):
        contract(("H",), requires=requires)


def test_a_size_of_ours_that_is_no_expression_refuses_the_file() -> None:
    with pytest.raises(ModelFileError, match="is no expression"):
        contract(("2 */ H",))


def test_others_symbols_bind_only_where_they_are_names() -> None:
    theirs = contract(("batch", "None"), ("batch", "None"), ("past + batch",), ours=False)
    theirs.check(zeros((2, 3), (2, 4), (9,)))
    assert "axis 0 is batch" in refusal(theirs, (2, 3), (1, 3), (2,))
    contract(("2 */ H",), ours=False).check(zeros((4,)))


sizes = st.integers(1, 6)


@given(st.lists(st.tuples(st.sampled_from(["N", "M", "2*N", "N + M", 3, None]), sizes), min_size=1, max_size=6))
def test_a_call_is_accepted_exactly_when_some_binding_gives_its_shape(axes: list[tuple[Any, int]]) -> None:
    shape, got = tuple(a for a, _ in axes), tuple(s for _, s in axes)

    def value(axis: Any, n: int, m: int) -> int | None:
        return {"N": n, "M": m, "2*N": 2 * n, "N + M": n + m}.get(axis, axis)

    fits = any(all(value(axis, n, m) in (None, size) for axis, size in axes) for n in range(1, 7) for m in range(1, 7))
    names = {a for a in shape if isinstance(a, str)}
    try:
        contract(shape).check(zeros(got))
    except InputError:
        assert not fits
    else:
        assert fits or names == {"N + M"}  # one equation of two unknowns is left to the model
