"""Rule 2: models, blocks, variants, constants, functions, defaults, parameters; which model is meant."""

from __future__ import annotations

import pytest
from elaboration import HEAD, body, codes, found, graph, only, shape

from archonnx.compiler.artifact import compile_text
from archonnx.contract.diagnostics import UsageError

NET = "model Net(depth, width = 4):\n    input x: float32[N, 3]\n    for i in range(depth):\n        Dense(width)\n\n"


def test_a_variant_sets_arguments_and_keeps_the_other_parameters() -> None:
    text = NET + "model Small = Net(depth=2)\nmodel Wide = Small(width=9)\n"
    assert len(graph(text, "Small").nodes) == 2
    assert shape(text, model="Small", width=5) == "float32[N, 5]"
    assert shape(text, model="Wide") == "float32[N, 9]"
    assert shape(text, model="Wide", width=7) == "float32[N, 7]"


def test_a_variant_is_applied_as_its_model_is() -> None:
    text = NET + "model Small = Net(depth=2)\n\n" + body("Small(width=6)")
    assert shape(text, model="A") == "float32[N, 6]"


def test_variants_in_a_circle_are_an_error() -> None:
    text = "model Small = Large()\nmodel Large = Small()\n"
    assert codes(text, model="Small") == ["E0210"]


@pytest.mark.parametrize("base", ["Dense(4)", "Nothing()", "f()"])
def test_a_variant_is_made_of_a_model(base: str) -> None:
    assert codes(f"def f() = 3\n\nmodel Small = {base}\n") == ["E0202"]


def test_a_variant_of_a_model_that_is_not_there_is_guessed() -> None:
    base = "model Base(n = 3):\n    input x: float32[N, n]\n    Dense(n)\n\n"
    near = only(base + "model Large = Bas(n=4)\n", "E0202")
    assert (near.message, near.help) == ("there is no model Bas", "did you mean Base?")
    far = only(base + "model Large = Nothing(n=4)\n", "E0202")
    assert far.help == "its models are Base"
    assert only("model Large = Dense(4)\n", "E0202").message.startswith("a variant is made of a model")


def test_errors_of_a_variants_body_tell_who_set_its_arguments() -> None:
    text = (
        "block tail(n):\n    Dense(n)\n\n"
        "model A(n = 3):\n    input x: float32[N, 3]\n    tail(n)\n\n"
        "model B = A(n=0)\n\nmodel C = B()\n"
    )
    (one,) = found(text, model="C")
    assert [(f.name, f.place.line) for f in one.trail] == [("tail", 6), ("A", 8), ("B", 10)]
    (one,) = found(text.replace("n=0", "n=2").replace("    tail(n)", "    tail(0)"), model="A")
    assert [f.name for f in one.trail] == ["tail"]


def test_what_is_wrong_with_an_import_is_no_variants_fault() -> None:
    text = "defaults Dens(units=3)\n\nmodel A(n = 3):\n    input x: float32[N, 3]\n    Dense(n)\n\nmodel B = A(n=0)\n"
    assert [(d.code, len(d.trail)) for d in found(text, model="B")] == [("E0202", 0), ("E0403", 1)]


def test_defaults_of_parameters_use_those_to_their_left() -> None:
    text = "model A(width, depth = width // 2, units = width + depth):\n    input x: float32[N, 3]\n    Dense(units)\n"
    assert shape(text, width=6) == "float32[N, 9]"
    assert shape(text, width=6, depth=1) == "float32[N, 7]"
    assert codes("block b(a = c, c = 3):\n    Dense(a)\n\n" + body("b()")) == ["E0201"]


def test_constants_stand_anywhere_and_use_each_other() -> None:
    assert shape(body("Dense(width)") + "\nwidth = 2 * half\nhalf = 4\n") == "float32[N, 8]"
    assert codes("a = b\nb = a\n\n" + body("Dense(a)")) == ["E0213"]
    assert codes("d = Dense(4)\n\n" + body("x -> d")) == ["E0505"]


def test_functions_of_values() -> None:
    text = "def divisible(value, by = 8) = max(by, int(value + by / 2) // by * by)\n\n"
    assert shape(text + body("Dense(divisible(13))")) == "float32[N, 16]"
    assert shape(text + body("Dense(divisible(13, by=3))")) == "float32[N, 12]"
    assert codes("def f(n) = f(n - 1)\n\n" + body("Dense(f(3))")) == ["E0213"]
    assert codes("def f(n) = g(n)\ndef g(n) = f(n)\n\n" + body("Dense(f(3))")) == ["E0213"]


def test_a_function_does_not_see_the_names_of_its_caller() -> None:
    assert codes("def f() = n\n\n" + body("n = 4", "Dense(f())")) == ["E0201"]


@pytest.mark.parametrize(
    ("declarations", "code"),
    [
        ("block b():\n    ReLU()\n\nblock b():\n    ReLU()\n", "E0203"),
        ("b = 3\nb = 4\n", "E0203"),
        ("block b(n, n):\n    Dense(n)\n", "E0207"),
        ("block b(name):\n    Dense(name)\n", "E0207"),
        ("block b(trainable):\n    Dense(trainable)\n", "E0207"),
    ],
)
def test_what_cannot_be_declared(declarations: str, code: str) -> None:
    assert codes(declarations + "\n" + body("Dense(3)")) == [code]


def test_uses_of_a_wrong_declaration_say_no_more() -> None:
    assert codes("block b(name):\n    Dense(name)\n\n" + body("b(3)")) == ["E0207"]


def test_defaults_hold_below_them_and_a_later_one_adds() -> None:
    lines = "\ndefaults Dense(use_bias=False)\n\n"
    above = "block above():\n    Dense(4)\n"
    below = 'block below():\n    Dense(4)\n\ndefaults Dense(activation="relu")\n\nblock last():\n    Dense(4)\n\n'
    made = graph(above + lines + below + body("above()", "below()", "last()", "Dense(4, use_bias=True)"))
    given = [(n.layer.arguments["use_bias"], n.layer.arguments["activation"]) for n in made.nodes]
    assert [b for b, _ in given] == [True, False, False, True]
    assert [a is None or str(a) == "linear" for _, a in given] == [True, True, False, False]


def test_defaults_hold_for_blocks_and_what_a_call_says_wins() -> None:
    block = "block b(units = 3):\n    Dense(units)\n\ndefaults b(units=5)\n\n"
    assert shape(block + body("b()")) == "float32[N, 5]"
    assert shape(block + body("b(6)")) == "float32[N, 6]"
    assert shape(block + body("b(units=7)")) == "float32[N, 7]"


def test_defaults_hold_for_that_very_constructor() -> None:
    text = 'defaults Conv2D(padding="same")\n\nmodel A():\n    input x: float32[N, 9, 9, 3]\n    Conv2D(4, 3)\n    DepthwiseConv2D(3)\n'
    assert shape(text) == "float32[N, 7, 7, 4]"


def test_defaults_of_what_nothing_declares_are_an_error() -> None:
    assert codes('defaults Conv3Dx(padding="same")\n\n' + body("Dense(3)")) == ["E0202"]
    assert codes('defaults Dense(padding="same")\n\n' + body("Dense(3)")) == ["E0402"]


@pytest.mark.parametrize(
    ("call", "code"),
    [
        ("b()", "E0401"),
        ("b(1, 2, 3)", "E0404"),
        ("b(1, n=2)", "E0405"),
        ("b(1, z=2)", "E0402"),
        ("b(1, name=2)", "E0403"),
        ("b(1, trainable=2)", "E0403"),
        ("Dense()", "E0401"),
        ("Dense(4, unit=2)", "E0402"),
        ("Dense(4.0)", "E0403"),
        ("Dense(True)", "E0403"),
        ("Dense(-1)", "E0403"),
    ],
)
def test_arguments_that_do_not_fit(call: str, code: str) -> None:
    assert codes("block b(n, m = 2):\n    Dense(n + m)\n\n" + body(call)) == [code]


def test_several_arguments_that_do_not_fit_are_reported_together() -> None:
    assert codes(body('Dense("a", use_bias=3, activation="sofmax")')) == ["E0403"] * 3


def test_a_misspelt_layer_is_guessed_among_layers() -> None:
    assert only(body("Dens(4)"), "E0202").help == "did you mean Dense?"
    assert only(body("Lisst(4)"), "E0202").help != "did you mean list?"


@pytest.mark.parametrize("word", ["Input", "Sequential", "Model", "Lambda"])
def test_keras_ways_of_building_models_are_named(word: str) -> None:
    one = only(body(f"{word}(4)"), "E0202")
    assert one.help is not None
    assert "did you mean" not in one.help


def test_the_only_model_is_meant() -> None:
    assert graph(body("Dense(3)")).name == "A"


def test_the_only_model_that_needs_no_argument_is_meant() -> None:
    assert graph(NET + body("Dense(3)")).name == "A"
    assert graph(NET + "model Small = Net(depth=2)\n").name == "Small"


def test_else_the_models_are_listed() -> None:
    two = body("Dense(3)") + "\n" + body("Dense(3)").replace("model A", "model B")
    with pytest.raises(UsageError, match="A, B"):
        compile_text(two)
    with pytest.raises(UsageError, match="did you mean Net"):
        compile_text(NET, model="Nett")
    with pytest.raises(UsageError, match="did you mean depth"):
        compile_text(NET, parameters={"dept": 3})


def test_a_file_without_a_model() -> None:
    assert codes("block b():\n    ReLU()\n") == ["E0215"]
    assert codes("") == ["E0215"]


def test_a_model_needs_an_input_with_its_type() -> None:
    assert codes("model A():\n    Dense(3)\n") == ["E0615"]
    for written in ("input x", "input x: [N, 3]", "input x: float32", "input x: float32[..., 3]"):
        assert codes(f"model A():\n    {written}\n    Dense(3)\n") == ["E0613"]


@pytest.mark.parametrize(
    "lines",
    [
        ["input x: float32[N, 3]", "Dense(3)"],
        ["output y = x + 1", "output y = x + 2"],
        ["output x = x + 1"],
        ["input n[2]: float32[N, 3]", "input n_0: float32[N, 3]", "output y = x + n[0] + n[1] + n_0"],
    ],
)
def test_an_input_or_output_stands_once(lines: list[str]) -> None:
    assert "E0609" in codes(body(*lines))


def test_the_documentation_reaches_the_graph() -> None:
    assert graph(HEAD.replace("\n", '\n    """A small one."""\n', 1) + "    Dense(3)\n").documentation == "A small one."
