"""Reading maps: what statements become, where faults are placed, and that no text whatever makes it fail otherwise."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from archonnx.compiler.weights.maps.functions import FUNCTIONS
from archonnx.compiler.weights.maps.numbers import NumberError
from archonnx.compiler.weights.maps.parser import parse_map
from archonnx.compiler.weights.maps.patterns import Pattern
from archonnx.compiler.weights.maps.tree import Added, Call, MapFile, Name, Part
from archonnx.contract.render import render_text

WHOLE = """\
# torchvision's resnet50
layout torch
conv2d = conv1                                    # a layer
stage_{i}/block_{j}/conv_{k:0..2} = layer{i+1}.{j}.conv{k + 1}
lstm/bias = rnn.bias_ih_l0 + rnn.bias_hh_l0
h_{i}/query/kernel = split(
    h.{i}.attn.weight, 3,   # over several lines
    axis=1)[0]
optional pooler = "the pooler"
ignore *.num_batches_tracked
initial head/*
"""


def parsed(text: str) -> MapFile:
    made, found = parse_map(text, "x.map")
    assert not found, render_text(found, {"x.map": text})
    return made


def faults(text: str) -> list[str]:
    return [f"{d.code} {d.place.line}:{d.place.column} {d.message}" for d in parse_map(text, "x.map")[1] if d.place]


def test_a_whole_map() -> None:
    made = parsed(WHOLE)
    assert made.layout == "torch"
    assert [rule.text for rule in made.rules] == [
        "conv2d",
        "stage_{i}/block_{j}/conv_{k:0..2}",
        "lstm/bias",
        "h_{i}/query/kernel",
        "pooler",
    ]
    assert [rule.optional for rule in made.rules] == [False] * 4 + [True]
    first, second, third, fourth, fifth = (rule.value for rule in made.rules)
    assert isinstance(first, Name)
    assert isinstance(second, Name)
    assert second.pattern.expand({"i": 0, "j": 3, "k": 2}) == "layer1.3.conv3"
    assert isinstance(third, Added)
    assert isinstance(fourth, Part)
    assert isinstance(fourth.value, Call)
    assert fourth.value.function == "split"
    assert isinstance(fifth, Name)
    assert fifth.pattern.expand({}) == "the pooler"
    assert [s.pattern.text for s in made.ignored] == ["*.num_batches_tracked"]
    assert [s.pattern.text for s in made.initial] == ["head/*"]


def test_names_that_look_like_statements_numbers_and_functions() -> None:
    made = parsed("layout = layout\ninitial = ignore.0\nsplit = 3\nfeatures/conv2d = 'a b'\nx = \"{{i}}\"\n")
    names = [rule.value.pattern.expand({}) for rule in made.rules if isinstance(rule.value, Name)]
    assert names == ["layout", "ignore.0", "3", "a b", "{i}"]


def test_everything_wrong_is_said_at_once_and_where() -> None:
    text = "dense\nlayout foo\nx = a b\ny = split(a, 3\nz_{i} = b{k}\nw = concat(a, b, axs=1)\n"
    assert faults(text) == [
        'E1001 1:6 "=" is expected after dense, here is the end of the line',
        "E1002 2:8 there is no layout foo",
        'E1001 3:7 the line should end here, and goes on with "b"',
        'E1001 5:1 ")" is expected after the arguments of split, here is "z"',
        "E1003 6:18 concat has no argument axs",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = ", "the name of a tensor is expected, here is the end of the file"),
        ("x = split(a)[0]", "split needs count, a number"),
        ("x = split(a, 3)", "split gives several tensors"),
        ("x = split(a, 3)[0:2]", "a part is chosen by its number"),
        ("x = split(a, 3)[0, 1]", "one part is chosen, here are several"),
        ("x = transpose()", "transpose needs a tensor"),
        ("x = cast(a, b)", "cast takes no more here"),
        ("x = gates(a, ifgo, ifco)", 'the order of gates, source, is expected in quotes, here is "i"'),
        ("x = gates(a, 'ifgo)", "this text is not closed"),
        ("x = concat(a, axis=1, b)", "an argument without a name stands behind one with a name"),
        ("x = split(a, 3, axis=1, axis=2)[0]", "split is given axis twice"),
        ("x = a[]", 'a number or a range is expected, here is "]"'),
        ("x = a[..., 0, ...]", "brackets have one ... at most"),
        ("x = a[1", '"]" is expected after what is chosen, here is the end of the file'),
        ("x = 'a", "this name is not closed"),
        ("x_* = a", "a rule has no *"),
        ("x_{i+1} = a", "the left side works out no number"),
        ("x_{i:2..1} = a", "no number is in 2..1"),
        ("x_{i:a..1} = a", 'a number of at most 9 digits is expected, here is "a"'),
        ("x_{3} = a", 'a variable is expected in braces, here is "3"'),
        ("x_{i = a", '"}" is expected, here is "="'),
        ("x} = a", '"}" closes nothing'),
        ("x = a}", '"}" closes nothing'),
        ("x_{i} = a{" + "9" * 5000 + "}", "this number is out of all bounds"),
        ("x = " + "(" * 100, "brackets stand more than 40 deep"),
        ("x_{i} = a{" + "(" * 100, "brackets stand more than 40 deep"),
        ("layout", '"=" is expected after layout, here is the end of the file'),
        ("layout ", "a layout is expected, here is the end of the file"),
        ("layout torch\nlayout keras", "the layout is given already, in line 1"),
        ("ignore  # nothing", "the name of a tensor is expected, here is the end of the file"),
        ("= a", 'the path of a layer or weight is expected, here is "="'),
        ("a = as_is(b) + c", "as_is stands around the whole of a rule"),
        ("a = concat(as_is(b), c)", "as_is stands around the whole of a rule"),
    ],
)
def test_faults(text: str, message: str) -> None:
    found = parse_map(text, "x.map")[1]
    assert [d.message for d in found][:1] == [message], render_text(found, {"x.map": text})


PIECES = st.sampled_from(
    [
        *"(){}[]=+*,:\"'#\n\r\t.-/ \ufeff\x00\u2028é",
        "..",
        "...",
        "{i}",
        "{i:0..2}",
        "{i+1}",
        "[0, 5][",
        '{"ab"[',
        "layout ",
        "torch",
        "ignore ",
    ]
    + ["initial ", "optional ", "dense", "conv_{i}/kernel = ", " = ", "a.b", "3", "-1", "axis=", '"ifgo"']
    + [f"{name}(" for name in FUNCTIONS]
)


def test_numbers_and_letters_are_chosen_from_lists() -> None:
    text = """x_{i}/{j} = features.{[0, 5, 10][i] + 2 * j}.block{i+1}{"abc"[j]}_conv\ny = x[[3, 4][0]:]\n"""
    first, second = (rule.value for rule in parsed(text).rules)
    assert isinstance(first, Name)
    assert first.pattern.expand({"i": 2, "j": 1}) == "features.12.block3b_conv"
    assert isinstance(second, Part)
    with pytest.raises(NumberError, match="this is 3 here, and the last of 3 is 2"):
        first.pattern.expand({"i": 3, "j": 1})
    with pytest.raises(NumberError, match="this is 3 here, and the last of 3 is 2"):
        first.pattern.expand({"i": 0, "j": 3})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x_{i} = a{[]}", 'a number is expected, here is "]"'),
        ("x_{i} = a{[1, 2]}", '"[" is expected after a list, here is "}"'),
        ("x_{i} = a{[1, 2}", '"]" is expected after the numbers of a list, here is "}"'),
        ("x_{i} = a{'abc'}", '"[" is expected after a text in braces, here is "}"'),
        ("x_{i} = a{'abc'[i}", '"]" is expected after a number, here is "}"'),
        ("x_{i} = a{'abc", "this text is not closed"),
    ],
)
def test_lists_that_are_wrong(text: str, said: str) -> None:
    assert [fault.split(" ", 2)[2] for fault in faults(text)] == [said]


@given(st.lists(PIECES, max_size=40).map("".join) | st.text(max_size=60))
@example("x = a{i\r\n}")
@example("x = split(a, 3)[")
def test_any_text_is_read_or_found_wrong_at_a_place_that_exists(text: str) -> None:
    _, found = parse_map(text, "x.map")
    for diagnostic in found:
        assert diagnostic.place is not None
        assert diagnostic.message
        assert "\n" not in diagnostic.message
    render_text(found, {"x.map": text})


NUMBERS = st.integers(0, 10**9 - 1)
PART = st.text("abcxyz.", min_size=1, max_size=4)


@given(
    st.lists(st.tuples(PART, st.sampled_from("ijk")), min_size=1, max_size=4),
    PART,
    st.fixed_dictionaries(dict.fromkeys("ijk", NUMBERS)),
)
def test_a_pattern_matches_what_it_expands_to(parts: list[tuple[str, str]], end: str, numbers: dict[str, int]) -> None:
    written = "".join(f"{text}{{{name}}}" for text, name in parts) + end
    (rule,) = parsed(f'"{written}" = "{written}"\n').rules
    assert isinstance(rule.value, Name)
    name = rule.value.pattern.expand(numbers)
    assert rule.target.match(name) == {n: numbers[n] for _, n in parts}


def matches(text: str, name: str) -> dict[str, int] | None:
    return parsed(f"{text} = x\n").rules[0].target.match(name)


def test_the_first_of_a_count_has_no_number() -> None:
    assert matches("stage_{i}/conv_{k}", "stage/conv") == {"i": 0, "k": 0}
    assert matches("stage_{i}/conv_{k}", "stage_12/conv_3") == {"i": 12, "k": 3}
    assert matches("stage_{i}/conv_{k:0..2}", "stage/conv_3") is None
    assert matches("stage_{i}/conv_{k:1..}", "stage/conv") is None
    assert matches("stage_{i}/conv_{i}", "stage_1/conv_2") is None
    assert matches("stage_{i}x", "stagex") is None
    assert matches("a_{i}_{j}", "a_3") == {"i": 3, "j": 0}
    assert matches("a_{i}_{j}", "a") is None
    assert matches("conv{i}", "conv01") is None
    assert matches("conv_{i}", "conv_") is None


def test_stars() -> None:
    def chosen(text: str, name: str) -> bool:
        return parsed(f"ignore {text}\n").ignored[0].pattern.match(name) is not None

    assert chosen("*.num_batches_tracked", "layer1.0.bn1.num_batches_tracked")
    assert chosen("*", "")
    assert chosen("head.{i}.*", "head.3.weight")
    assert not chosen("head.{i}.*", "head.x.weight")
    assert not chosen("a*b", "abc")
    assert chosen('"a b*"', "a b c")


def test_many_stars_do_not_take_forever() -> None:
    pattern = parsed("ignore " + "*a" * 30 + "\n").ignored[0].pattern
    assert pattern.match("a" * 29 + "b") is None
    assert pattern.match("a" * 200 + "b") is None


def test_numbers() -> None:
    def worked(text: str, **variables: int) -> str:
        (rule,) = parsed(f"x_{{i}}/y_{{j}} = {text}\n").rules
        assert isinstance(rule.value, Name)
        return rule.value.pattern.expand(variables)

    assert worked("a{i}b{2*i + j}", i=3, j=1) == "a3b7"
    assert worked("a{ ( i + 1 ) * 2 }", i=3, j=0) == "a8"
    assert worked("{i // 4}.{i % 4}", i=11, j=0) == "2.3"
    assert worked("{-i + 5}", i=2, j=0) == "3"
    assert worked("{10 - i - j}", i=2, j=3) == "5"


def test_patterns_are_what_is_written() -> None:
    assert isinstance(parsed("a_{i} = b\n").rules[0].target, Pattern)
    assert parsed("a_{i} = b\n").rules[0].target.variables() == ["i"]
