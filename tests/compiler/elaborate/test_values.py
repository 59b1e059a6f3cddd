"""Rule 3: compile-time values, conditions, loops."""

from __future__ import annotations

from typing import Any

import pytest
from elaboration import HEAD, body, codes, graph, only, paths, pointed, shape

SYMBOLIC = "model A():\n    input x: float32[N, H, 3]\n"


@pytest.mark.parametrize(
    "text",
    [
        "7 // 2",
        "-7 // 2",
        "7 % -3",
        "7 / 2",
        "2 ** 10",
        "2 ** -1",
        "1 << 5",
        "6 & 3 | 8",
        "~5",
        "--3",
        "1 < 2 < 3",
        "3 > 2 > 2",
        "True and 3",
        "0 or 4",
        "not []",
        "not 3",
        "[1, 2] + [3]",
        "(1,) * 3",
        "'ab' + 'c'",
        "'ab' * 2",
        "2 in [1, 2]",
        "'b' in 'abc'",
        "[i * j for i in range(3) for j in range(i) if i != j]",
        "[a for (a, b) in [(1, 2), (3, 4)]]",
        "len('abc')",
        "list(range(5, 0, -2))",
        "enumerate(['a', 'b'], 1)",
        "zip([1, 2], 'ab')",
        "reversed([1, 2])",
        "min(3, 1, 2)",
        "max([1.5, 1])",
        "sum([1, 2, 3])",
        "sum([[1], [2]], [])",
        "round(2.5)",
        "round(1.256, 2)",
        "round(-15, -1)",
        "abs(-3)",
        "int(3.9)",
        "int(-3.9)",
        "int('12')",
        "float(3)",
        "float('1e3')",
        "str(3)",
        "str([1, 2.5])",
        "sorted([3, 1, 2])",
        "[1, 2, 3][-1]",
        "[1, 2, 3][1:]",
        "'abc'[::-1]",
        "range(10)[2:4]",
        "1 if 2 > 1 else 3",
        "None is None",
        "[3] is not None",
        "(1, 2) == (1, 2)",
        "[1, [2]] == [1, [2]]",
        "'a' < 'b'",
        "f'{3}-{2.5:.2f}-{\"x\":>3}'",
        "any([0, 1])",
        "all([])",
        "bool([])",
        "tuple([1])",
        "0.1 + 0.2",
        "1e308",
        "10 ** 40 // 10 ** 39",
    ],
)
def test_values_are_pythons(text: str) -> None:
    expected: Any = eval(text, {})
    if isinstance(expected, (zip, enumerate, range)) or hasattr(expected, "__next__"):
        expected = list(expected)
    made = graph(f"model A(value = {text}):\n" + HEAD.partition("\n")[2] + "    Dense(3)\n").arguments["value"]
    shown = made if isinstance(expected, float) else eval(made.replace("range(2, 4)", "[2, 3]"), {})
    assert (float(shown) if isinstance(expected, float) else shown) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ceil(7 / 2)", 4),
        ("floor(7 / 2)", 3),
        ("int(log2(64))", 6),
        ("int(sqrt(49))", 7),
        ("int(log(exp(3)) + 0.5)", 3),
    ],
)
def test_functions_of_math(text: str, expected: int) -> None:
    assert shape(body(f"Dense({text})")) == f"float32[N, {expected}]"


@pytest.mark.parametrize("text", ["True == 1", "[True] == [1]", "1 in [True]", "False == 0"])
def test_a_boolean_is_no_number(text: str) -> None:
    assert graph(f"model A(value = {text}):\n    input x: float32[N, 3]\n    ReLU()\n").arguments["value"] == "False"


@pytest.mark.parametrize(
    "line",
    [
        "for i in range(7 / 2):\n        ReLU()",
        "n = [1, 2][1.0]",
        "n = [1, 2][True]",
        "n = range(True)",
        "n = round(1.5, 1.0)",
        "n = enumerate([], 1.5)",
    ],
)
def test_where_a_whole_number_is_meant(line: str) -> None:
    assert codes(body(line, "ReLU()")) == ["E0510"]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("1 + 'a'", "E0501"),
        ("[1] + (2,)", "E0501"),
        ("-'a'", "E0501"),
        ("1.5 << 1", "E0501"),
        ("2 @ 3", "E0501"),
        ("2.5 @ True", "E0501"),
        ("[1] @ [2]", "E0501"),
        ("'a' < 1", "E0501"),
        ("1 in 2", "E0501"),
        ("3 is 3", "E0501"),
        ("1 // 0", "E0502"),
        ("1 % 0", "E0502"),
        ("1 / 0", "E0502"),
        ("(-1) ** 0.5", "E0502"),
        ("0 ** -1", "E0502"),
        ("2.0 ** 10000", "E0502"),
        ("10 ** 400 / 3", "E0502"),
        ("1 << -1", "E0502"),
        ("sqrt(-1)", "E0502"),
        ("log(0)", "E0502"),
        ("max([])", "E0502"),
        ("range(1, 2, 0)", "E0502"),
        ("[1][::0]", "E0502"),
        ("int(float('nan'))", "E0502"),
        ("round(float('inf'))", "E0502"),
        ("len(3)", "E0504"),
        ("sum(3)", "E0504"),
        ("[i for i in 3]", "E0504"),
        ("[1][1]", "E0506"),
        ("[1][-2]", "E0506"),
        ("3[0]", "E0506"),
        ("[1].first", "E0508"),
        ("abs('a')", "E0509"),
        ("len()", "E0509"),
        ("int('a')", "E0509"),
        ("float('a')", "E0509"),
        ("f'{3:q}'", "E0512"),
        ("f'{[1]:>4}'", "E0512"),
        ("f'{3:99999}'", "E0512"),
        ("nothing", "E0201"),
        ("Dense", "E0201"),
        ("nothing()", "E0202"),
        ("min(a=3)", "E0402"),
    ],
)
def test_what_has_no_value(text: str, code: str) -> None:
    assert codes(body(f"n = {text}", "ReLU()")) == [code]


def test_branches_are_resolved_and_open_no_scope() -> None:
    text = body("if depth > 2:", "    n = 4", "elif depth > 1:", "    n = 5", "else:", "    n = 6", "Dense(n)")
    text = text.replace("A()", "A(depth = 3)")
    assert [shape(text, depth=d) for d in (3, 2, 1)] == ["float32[N, 4]", "float32[N, 5]", "float32[N, 6]"]


def test_only_the_chosen_arm_is_elaborated() -> None:
    assert shape(body("n = 3 if True else nothing / 0", "Dense(n)")) == "float32[N, 3]"
    assert shape(body("if False:", "    Dens(3) -> 4", "Dense(5)")) == "float32[N, 5]"
    assert shape(body("n = False and 1 / 0 > 1", "Dense(5)")) == "float32[N, 5]"


def test_loops_bind_and_rebind() -> None:
    assert (
        shape(body("n = 0", "for (i, k) in enumerate([3, 4, 5]):", "    n = n + i * k", "Dense(n + i)"))
        == "float32[N, 16]"
    )


def test_a_comprehensions_variables_are_its_own() -> None:
    assert shape(body("i = 7", "squares = [i * i for i in range(3)]", "Dense(i + sum(squares))")) == "float32[N, 12]"


def test_lists_of_tensors() -> None:
    assert shape(body("ys = [x -> Dense(k) for k in [2, 3]]", "ys -> Concatenate()")) == "float32[N, 5]"


def test_unpacking_goes_deep() -> None:
    assert shape(body("(a, (b, _)) = (1, [2, 3])", "Dense(a + b)")) == "float32[N, 3]"
    assert codes(body("(a, b) = [1, 2, 3]", "ReLU()")) == ["E0504"]


def test_conditions_need_numbers_not_symbols() -> None:
    text = body("if H > 3:", "    Dense(4)", "else:", "    Dense(5)", head=SYMBOLIC)
    assert pointed(text, only(text, "E0503")) == "H > 3"
    assert codes(body("y = x if x > 0 else -x", "output y")) == ["E0503"]
    assert codes(body("if not x:", "    pass", "ReLU()")) == ["E0503"]


def test_what_is_required_is_known_to_conditions() -> None:
    text = body("require H > 5", "if H > 3:", "    Dense(4)", "else:", "    Dense(5)", head=SYMBOLIC)
    assert shape(text) == "float32[N, H, 4]"


def test_loops_need_numbers_not_symbols() -> None:
    assert codes(body("for i in range(H):", "    Dense(4)", "Dense(5)", head=SYMBOLIC)) == ["E0510"]
    assert codes(body("for i in H:", "    Dense(4)", "Dense(5)", head=SYMBOLIC)) == ["E0504"]
    assert codes(body("for i in x:", "    Dense(4)", "Dense(5)")) == ["E0504"]


def test_sizes_calculate_exactly() -> None:
    assert (
        shape(body("y: float32[N, (2 * H + 1) // 2 + ceil(H / 1) - H, 3] = x", "output y", head=SYMBOLIC))
        == "float32[N, H, 3]"
    )
    assert codes(body("n = H * 0.5", "ReLU()", head=SYMBOLIC)) == ["E0501"]
    assert codes(body("n = sqrt(H)", "ReLU()", head=SYMBOLIC)) == ["E0509"]


def test_a_loop_of_wrong_lines_ends_and_says_it_once() -> None:
    assert codes(body("for i in range(100000):", "    Dens(4)", "ReLU()")) == ["E0202"]


def test_several_errors_of_one_pass_are_reported_together() -> None:
    lines = ["Dens(4)", "Dense(unit)", "y = x -> Dense(4, activaton=3)", "output z = y"]
    assert codes(body(*lines)) == ["E0202", "E0201", "E0402"]


def test_paths_in_a_loop_tell_the_turn() -> None:
    block = "block b(n):\n    Dense(n)\n\n"
    one = only(block + body("for i in range(3):", "    b(2 - i)"), "E0403")
    assert one.trail[0].bindings == (("i", "2"),)


def test_an_empty_loop_leaves_the_flow_alone() -> None:
    assert paths(graph(body("for i in []:", "    Dense(9)", "Dense(3)"))) == ["dense"]
