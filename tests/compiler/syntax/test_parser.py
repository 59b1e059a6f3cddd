"""What sources read as, and how far one error reaches."""

from __future__ import annotations

import re

import pytest
from syntax_trees import DOCUMENT, codes_of, plain, read, value_of

from archonnx.compiler.syntax import tree
from archonnx.compiler.syntax.parser import parse, parse_bytes, parse_expression
from archonnx.contract.diagnostics import CompileError, Place


def name(word: str) -> object:
    return ("Name", ("str", word))


def integer(value: int) -> object:
    return ("Literal", ("int", value))


def body(source: str) -> list[tree.Statement]:
    """The statements of a block with these lines."""
    (block,) = read("block b():\n" + "".join(f"    {line}\n" for line in source.split("\n"))).declarations
    assert isinstance(block, tree.Body)
    return block.statements


A, B, C = name("a"), name("b"), name("c")


@pytest.mark.parametrize(
    ("source", "same"),
    [
        ("a + b * c", "a + (b * c)"),
        ("a * b + c", "(a * b) + c"),
        ("-a ** b", "-(a ** b)"),
        ("a ** -b ** c", "a ** (-(b ** c))"),
        ("a ** b ** c", "a ** (b ** c)"),
        ("-a * b", "(-a) * b"),
        ("not a == b", "not (a == b)"),
        ("not a and b or c", "((not a) and b) or c"),
        ("a | b ^ c & a", "a | (b ^ (c & a))"),
        ("a << b + c", "a << (b + c)"),
        ("a @ b[0]", "a @ (b[0])"),
        ("a if b else c if a else b", "a if b else (c if a else b)"),
        ("a -> f() if c else a", "(a -> f()) if c else a"),
        ("a < b if c else a", "(a < b) if c else a"),
        ("[a for a in b if a]", "[(a) for a in (b) if (a)]"),
    ],
)
def test_precedence(source: str, same: str) -> None:
    assert value_of(source) == value_of(same)


def test_chains_are_flat() -> None:
    assert value_of("a + b - c") == ("Chain", [A, B, C], [("Operator", ("str", "+")), ("Operator", ("str", "-"))])
    assert value_of("a and b and c") == ("Logical", ("str", "and"), [A, B, C])
    assert value_of("a < b not in c") == (
        "Compare",
        [A, B, C],
        [("Operator", ("str", "<")), ("Operator", ("str", "not in"))],
    )
    flow = value_of("a -> b -> c(1)")
    assert flow == ("Flow", A, [B, ("Call", C, [("Argument", ("NoneType", None), integer(1))])])
    long = value_of(" + ".join(["a"] * 5000))
    assert isinstance(long, tuple)
    assert len(long[1]) == 5000


def test_brackets_that_group_leave_chains_apart() -> None:
    assert value_of("(a + b) + c") != value_of("a + b + c")


def test_literals() -> None:
    expected = {
        "1_000": 1000,
        "0xff": 255,
        "0b11": 3,
        "0o17": 15,
        ".5": 0.5,
        "2.": 2.0,
        "1e-3": 0.001,
        "True": True,
        "None": None,
        "...": ...,
        "'a' \"b\"": "ab",
        r"'\x41é\n\'\\'": "Aé\n'\\",
        "'''a\nb'''": "a\nb",
        "'#'": "#",
    }
    for source, value in expected.items():
        assert value_of(source) == ("Literal", (type(value).__name__, value)), source


def test_f_strings_hold_expressions_in_place() -> None:
    file = read('c = f"a {b[0]:.2f}{{}}" "d"')
    constant = file.declarations[0]
    assert isinstance(constant, tree.Assign)
    value = constant.value
    assert isinstance(value, tree.FString)
    first, formatted, last = value.parts
    assert (first, last) == ("a ", "{}d")
    assert isinstance(formatted, tree.Formatted)
    assert formatted.format == ".2f"
    assert formatted.value.place == Place("test.arch", 1, 10, 1, 14)


def test_calls_and_subscripts() -> None:
    value = value_of("custom('d', 'Op')(alpha=1)[..., 1:, None].x")
    assert isinstance(value, tuple)
    assert value[0] == "Attribute"
    assert value[1][0] == "Subscript"
    assert value[1][1][0] == value[1][1][1][0] == "Call"
    assert value_of("a[0,]") != value_of("a[0]")
    assert value_of("sum(a for a in b)") == (
        "Call",
        name("sum"),
        [("Argument", ("NoneType", None), value_of("[a for a in b]"))],
    )


def test_named_inputs_stand_left_of_an_arrow_alone() -> None:
    flow = value_of("(a, mask=b) -> c")
    assert isinstance(flow, tuple)
    assert flow[1][0] == "FlowInputs"
    assert value_of("(a, b) -> c") == ("Flow", ("Tuple", [A, B]), [C])
    assert codes_of("c = (a, mask=b)") == codes_of("c = (a, mask=b) + 1") == codes_of("c = -(mask=b)") == [("E0112", 1)]


def test_statements() -> None:
    statements = body(
        "input x: float32[N, 3]\ninput mask: bool = None\ninput h[layers]\n(y, _) = x\na, b = x\nk: [K, 4] = y\n"
        "weight w: [D] = 'ones'\nbuffer n: int32[]\nrequire D > 1, 'why'\nasset labels = 'a.txt'\n"
        "output y\noutput z: [N] = y\noutput hs[layers] = y\noutput state h = y\noutput y[0]\noutput (y)\n"
        "pass\nDense(8),\nit"
    )
    kinds = "Input Input Input Assign Assign Assign Weight Weight Require Asset".split()
    kinds += "Output Output Output Output Output Output Pass ExprStatement ExprStatement".split()
    assert [type(statement).__name__ for statement in statements] == kinds
    outputs = [s for s in statements if isinstance(s, tree.Output)]
    assert [o.name for o in outputs] == ["y", "z", "hs", "h", None, None]
    assert [o.state for o in outputs] == [False, False, False, True, False, False]
    assert [o.value is None for o in outputs] == [True, False, False, False, False, False]
    inputs = [s for s in statements if isinstance(s, tree.Input)]
    assert [(i.name, i.count is not None, i.optional) for i in inputs] == [
        ("x", False, False), ("mask", False, True), ("h", True, False),
    ]  # fmt: skip
    assert [w.trainable for w in statements if isinstance(w, tree.Weight)] == [True, False]


def test_declarations() -> None:
    file = read(
        '"""What the file is."""\nfrom "a.arch" import A, B as C\nfrom zoo.b import (D,\n    E)\n'
        "defaults Dense(use_bias=False)\ndef f(a, b = 1) = a + b\nK = 3\n"
        "model M(depth = K):\n    '''\n    What it is.\n\n      More.\n"
        "    '''\n    Dense(8)\n"
        "model V = M(depth=4)\nblock b():\n    pass"
    )
    kinds = [type(declaration).__name__ for declaration in file.declarations]
    assert kinds == ["Import", "Import", "Defaults", "Def", "Assign", "Body", "Variant", "Body"]
    first, second, *_ = file.declarations
    assert isinstance(first, tree.Import)
    assert isinstance(second, tree.Import)
    assert [(n.name, n.alias) for n in first.names] == [("A", "A"), ("B", "C")]
    assert (first.path, first.dotted, second.path, second.dotted) == ("a.arch", False, "zoo.b", True)
    model = file.declarations[5]
    assert isinstance(model, tree.Body)
    assert model.documentation == "What it is.\n\n  More."
    assert [(p.name, p.default is None) for p in model.parameters] == [("depth", False)]
    assert model.place == Place("test.arch", 8, 1, 8, 20)


def test_empty_brackets() -> None:
    assert plain(body("()\n[] -> f()")) == [
        ("ExprStatement", ("Tuple", [])),
        ("ExprStatement", ("Flow", ("List", []), [("Call", name("f"), [])])),
    ]


def test_branches_and_loops_nest() -> None:
    if_, for_ = body(
        "if a:\n    x\nelif b:\n    for i, (j, k) in c:\n        y\nelse:\n    z\n"
        "# comment\n\nfor i in a:\n    if b:\n        x"
    )
    assert isinstance(if_, tree.If)
    assert isinstance(for_, tree.For)
    assert [len(branch.body) for branch in if_.branches] == [1, 1]
    assert plain(if_.otherwise) == [("ExprStatement", name("z"))]
    inner = if_.branches[1].body[0]
    assert isinstance(inner, tree.For)
    assert plain(inner.target) == ("TargetTuple", [name("i"), ("TargetTuple", [name("j"), name("k")], [])], [])
    assert isinstance(for_.body[0], tree.If)


def test_lines_go_on_inside_brackets_and_below_at_arrows() -> None:
    (statement,) = body("y = x -> f(1,\n2)\n    # comment\n\n    -> g()")
    assert isinstance(statement, tree.Assign)
    assert plain(statement.value) == value_of("x -> f(1, 2) -> g()")
    assert statement.place == Place("test.arch", 2, 5, 6, 15)


@pytest.mark.parametrize("source", re.findall(r"```arch\n(.*?)```", DOCUMENT, re.DOTALL))
def test_the_examples_of_the_reference_have_no_errors(source: str) -> None:
    assert parse(source, "x.arch")[1] == []


@pytest.mark.parametrize(
    ("source", "codes"),
    [
        ("x = 1 2\ny = 3 4\nz = 5", [("E0112", 1), ("E0112", 2)]),
        ("x = (1\ny = 2 3\nz = 3", [("E0109", 1), ("E0112", 2)]),
        ("x = f(1,\ny = 2\nz = 3 4", [("E0109", 1), ("E0112", 3)]),
        ("x = [\n    1,\n    (2,\n    3,\n]\ny = 1 2", [("E0110", 5), ("E0112", 6)]),
        ("x = [f(1, 2]\ny = 1 2", [("E0110", 1), ("E0112", 2)]),
        ("model A(:\n    x = 1 2\nmodel B():\n    y", [("E0109", 1), ("E0112", 2)]),
        ("model A(x:\n    Dense(8)\n    x = 1 2", [("E0109", 1), ("E0112", 3)]),
        ("model A()\n    x = 1 2\n    y", [("E0113", 1), ("E0112", 2)]),
        ("model 3():\n    x = 1 2", [("E0112", 1), ("E0112", 2)]),
        (
            "model A():\n    if x = 3:\n        y = 1 2\n    else:\n        z = 1 2",
            [("E0117", 2), ("E0112", 3), ("E0112", 5)],
        ),
        ("model A():\n    for 3 in x:\n        y = 1 2\n    z = 1 2", [("E0129", 2), ("E0112", 3), ("E0112", 4)]),
        ("model A():\n    x = 'a\n    y = 1 2", [("E0102", 2), ("E0112", 3)]),
        ("model A():\n    f('a,\n      b)\n    y = 1 2", [("E0102", 2), ("E0112", 4)]),
        ("x = '''\ny = 1 2", [("E0102", 1), ("E0112", 2)]),
        ("class A:\n    def f(x):\n        return 1 2\nx = 1 2", [("E0119", 1), ("E0112", 4)]),
        ("def f(x):\n    y = 1 2\nx = 1 2", [("E0119", 1), ("E0112", 3)]),
        ("model A():\n    x = y +\n        z\n    w = 1 2", [("E0114", 2), ("E0112", 4)]),
        ("model A():\n        x\n      y\n    z = 1 2", [("E0105", 2), ("E0107", 3), ("E0107", 4), ("E0112", 4)]),
        ("model A():\n\tx\n\ty = 1 2", [("E0104", 2), ("E0112", 3)]),
        ("model A():\n  x\n  if y:\n    z\nmodel B():\n   x", [("E0105", 2), ("E0105", 6)]),
        ("model A():\n    for i in f(\n        3)\n        x = 1 2", [("E0113", 3), ("E0112", 4)]),
    ],
)
def test_one_error_does_not_hide_the_next(source: str, codes: list[tuple[str, int]]) -> None:
    assert codes_of(source) == codes


def test_a_bad_line_is_missing_and_the_rest_is_there() -> None:
    file, found = parse("model A(x:\n    Dense(8)\n    y = = 3\n    Dense(9)\nmodel B():\n    Dense(1)\n", "x.arch")
    assert [d.code for d in found] == ["E0109", "E0117"]
    first, second = file.declarations
    assert isinstance(first, tree.Body)
    assert isinstance(second, tree.Body)
    assert [first.name, second.name] == ["A", "B"]
    assert len(first.statements) == 2


@pytest.mark.parametrize(
    "source",
    [
        "x = " + "(" * 201 + ")" * 201,
        "x = " + "[" * 100_000,
        "x = " + "-" * 100_000 + "1",
        "x = " + "a ** " * 100_000 + "a",
        "x = " + "a if b else " * 20_000 + "a",
        "x = a" + ".b" * 100_000,
        "x = f" + "()" * 100_000,
        "x = a" + "[0]" * 20_000,
        "x = " + "not " * 50_000 + "a",
        'x = f"{' + "-" * 300 + 'a}"',
        "block b():\n" + "".join("    " * depth + "if x:\n" for depth in range(1, 1000)),
        "block b():\n" + "".join("    " * depth + "for x in y:\n" for depth in range(1, 200)) + "    " * 200 + "x",
    ],
)
def test_what_is_nested_too_deep_is_one_error(source: str) -> None:
    assert [code for code, _ in codes_of(source)] in (["E0111"], ["E0111", "E0109"])


@pytest.mark.parametrize(
    "source",
    [
        "x = " + "(" * 200 + "a" + ")" * 200,
        "x = " + "f(" * 199 + "a" + ")" * 199,
        "x = " + "[" * 199 + "]" * 199,
        "x = " + "-" * 199 + "1",
        "x = a" + " -> f()" * 5_000,
        "x = " + "a + " * 5_000 + "a",
        "x = [" + "[1, 2], " * 5_000 + "]",
        "block b():\n" + "".join("    " * depth + "if x:\n" for depth in range(1, 100)) + "    " * 100 + "x",
    ],
)
def test_what_is_long_or_less_deep_is_none(source: str) -> None:
    assert codes_of(source) == []


@pytest.mark.parametrize("row", ["f(\n", "f(1,\n", "x = [\n", '\\"""\n', "y = 'a\n", "model A(\n"])
def test_the_same_error_on_every_line_is_cut_short(row: str) -> None:
    _, found = parse(row * 5_000, "x.arch")
    assert 100 <= len(found) <= 101 or found[-1].code == "E0102"


def test_bytes() -> None:
    assert parse_bytes("\ufeffx = 1\r\ny = 'é'".encode(), "x.arch")[1] == []
    for data, code, place in [
        (b"x = 1\r\ny = '\xc3\xa9\xff'", "E0001", Place("x.arch", 2, 7, 2, 8)),
        ("x = 1".encode("utf-16"), "E0002", Place("x.arch", 1, 1, 1, 2)),
        (b"\x7fELF\x00\x01", "E0003", Place("x.arch", 1, 1, 1, 2)),
    ]:
        file, (found,) = parse_bytes(data, "x.arch")
        assert (found.code, found.place, file.declarations) == (code, place, [])


def test_parse_expression() -> None:
    assert plain(parse_expression("[3, 4, 6, 3]", "depths")) == value_of("[3, 4, 6, 3]")
    assert plain(parse_expression(" -1 ", "depths")) == value_of("-1")
    for bad, code in [
        ("", "E0112"),
        ("# x", "E0112"),
        ("[1,", "E0109"),
        ("1 2", "E0112"),
        ("'a", "E0102"),
        ("x = 1", "E0117"),
    ]:
        with pytest.raises(CompileError) as caught:
            parse_expression(bad, "depths")
        assert [d.code for d in caught.value.diagnostics] == [code]


@pytest.mark.parametrize(
    ("line", "help"),
    [
        ("x + y -> f()", "write (x + y) -> f()\n or   x + (y -> f())"),
        ("x -> f() + y", "write (x -> f()) + y\n or   x -> (f() + y)"),
        ("-x -> f() -> g()", "write (-x) -> f() -> g()\n or   -(x -> f() -> g())"),
        ("x -> not y", "write x -> (not y)"),
        ("x, y -> f()", "write (x, y) -> f(): a comma binds looser than an arrow"),
        ("x.Dense(10)", "write x -> Dense(10)"),
        ("a.b[0].reshape(1, 2)", "functions stand before their arguments: reshape(a.b[0], 1, 2)"),
        ("skips.append(it)", "lists are not changed, build a new one: skips = skips + [it]"),
        ("tf.add(x) + np.sqrt(x)", "functions and layers are written alone: sqrt(x)"),
        ("return x + 1", "write output x + 1"),
        ("model.add(Conv2D(8, 3))", "write Conv2D(8, 3)"),
        ("input x [N, 3]", "write input x: [N, 3]"),
        ("assert x == 3", "write require x == 3"),
    ],
)
def test_the_mend_is_spelled_out(line: str, help: str) -> None:
    _, (found,) = parse(f"block b():\n    {line}\n", "x.arch")
    assert found.help == help
