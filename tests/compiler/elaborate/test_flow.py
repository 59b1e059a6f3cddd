"""Rules 4 and 5: the current value, application, outputs."""

from __future__ import annotations

import pytest
from elaboration import HEAD, body, codes, found, graph, only, paths, pointed, shape

TWO = "block two():\n    input x\n    output a = x + 1\n    output b = x * 2\n\n"
PAIR = "model A():\n    input x: float32[N, 3]\n    input y: float32[N, 3]\n"


def test_a_line_that_is_a_layer_is_applied_to_the_current_value() -> None:
    made = graph(body("Dense(4)", "ReLU()"))
    assert [[v and v.name for v in n.inputs] for n in made.nodes] == [["x"], ["dense"]]


def test_a_line_that_is_a_tensor_becomes_the_current_value() -> None:
    assert shape(body("x -> Dense(4)", "it + 1", "Dense(5)")) == "float32[N, 5]"


def test_assignments_declarations_and_requirements_leave_the_current_value_alone() -> None:
    lines = ["Dense(4)", "y = x -> Dense(9)", 'weight w: [4] = "ones"', "n = 3", "require n == 3"]
    made = graph(body(*lines, "output first = y + n", "output second = it * w"))
    assert [str(o.value.type) for o in made.outputs] == ["float32[N, 9]", "float32[N, 4]"]


def test_with_several_inputs_a_line_must_begin_with_a_tensor() -> None:
    assert shape(body("x -> Dense(4)", "Dense(5)", "output z = it + mean(y)", head=PAIR)) == "float32[N, 5]"
    one = only(body("Dense(4)", "output z = it + x + y", head=PAIR), "E0603")
    assert "several inputs" in one.message


def test_a_block_without_an_input_has_one_unnamed() -> None:
    assert shape("block b():\n    Dense(7)\n\n" + body("b()")) == "float32[N, 7]"


def test_a_block_without_an_output_gives_its_current_value() -> None:
    assert (
        shape("block b():\n    input x\n    y = x -> Dense(7)\n    y + 1\n\n" + body("b()", "ReLU()"))
        == "float32[N, 7]"
    )


def test_a_model_without_an_output_gives_its_current_value_as_output() -> None:
    assert [o.name for o in graph(body("Dense(4)")).outputs] == ["output"]


def test_an_output_gives_the_tensor_of_its_name_else_the_current_value() -> None:
    made = graph(body("a = x -> Dense(4)", "x -> Dense(5)", "output a", "output b"))
    assert [(o.name, str(o.value.type)) for o in made.outputs] == [("a", "float32[N, 4]"), ("b", "float32[N, 5]")]


def test_an_output_binds_and_gives() -> None:
    made = graph(body("output a: float32[N, 4] = x -> Dense(4)", "output b = a + 1"))
    assert [o.name for o in made.outputs] == ["a", "b"]


def test_outputs_stand_anywhere_and_end_nothing() -> None:
    made = graph(body("Dense(4)", "output a", "Dense(5)", "output b"))
    assert [str(o.value.type) for o in made.outputs] == ["float32[N, 4]", "float32[N, 5]"]


def test_nameless_outputs_are_for_blocks() -> None:
    assert shape("block b():\n    input x\n    output x -> Dense(7)\n\n" + body("b()")) == "float32[N, 7]"
    assert codes(body("output x + 1")) == ["E0612"]


def test_the_type_of_an_output_is_checked() -> None:
    one = only(body("Dense(4)", "output y: float32[N, 5]"), "E0382")
    assert "output y" in one.message
    assert "4" in one.message


@pytest.mark.parametrize(
    "take", ["(a, b) = x -> two()\n    a + b", "r = x -> two()\n    r.a + r.b", "r = x -> two()\n    r[0] + r[-1]"]
)
def test_several_results_are_unpacked_or_taken(take: str) -> None:
    made = graph(TWO + HEAD + f"    {take}\n")
    assert [n.type_name for n in made.nodes if n.type_name != "constant"] == ["add", "multiply", "add"]


def test_a_result_of_a_wrong_name_is_said() -> None:
    one = only(TWO + body("r = x -> two()", "r.c -> ReLU()"), "E0508")
    assert one.help == "its outputs are a, b"


def test_an_input_list_and_an_output_list_are_numbered() -> None:
    head = "model A(layers = 3):\n    input x: float32[N, 4]\n    input past[layers]: float32[N, 4]\n"
    made = graph(body("ys = [x + p for p in past]", "output present[layers] = ys", head=head))
    assert [i.name for i in made.inputs] == ["x", "past_0", "past_1", "past_2"]
    assert [(o.name, o.family) for o in made.outputs] == [(f"present_{i}", "present") for i in range(3)]


def test_a_state_is_paired_with_its_input() -> None:
    head = "model A():\n    input x: float32[N, 3]\n    input h: float32[N, 3]\n"
    (out,) = graph(body("output state h = x + h", head=head)).outputs
    assert (out.name, out.state) == ("h_next", "h")


@pytest.mark.parametrize(
    "lines",
    [
        ["output state h = h + x", "output h_next = x"],
        ["output h_next = x", "output state h = h + x"],
        ["input h_next: float32[N, 3]", "output state h = h + h_next + x"],
    ],
)
def test_the_name_of_a_next_value_is_given_to_nothing_else(lines: list[str]) -> None:
    one = only(body("input h: float32[N, 3]", *lines), "E0609")
    assert one.message == "the next value of h leaves the file as h_next, which is taken twice"


def test_an_input_below_an_output_has_another_name() -> None:
    lines = ["output y = x + 1", "input y: float32[N, 3]", "output z = y"]
    assert only(body(*lines), "E0609").message == "y is an input and an output"


def test_a_states_symbolic_axis_may_grow_and_its_numbers_stay() -> None:
    head = "model A():\n    input x: float32[N, 1, 3]\n    input h: float32[N, T, 3]\n"
    assert shape(body("output state h = concat([h, x], axis=1)", head=head)) == "float32[N, T + 1, 3]"
    assert codes(body("output state h = concat([h, h], axis=2)", "_ = x", head=head)) == ["E0610"]


def test_an_optional_input_may_be_left_out() -> None:
    text = body("input m: float32[N, 3] = None", "y = x if m == None else x * m", "output z = y + 1")
    assert [i.name for i in graph(text).inputs] == ["x", "m"]
    assert [i.name for i in graph(text, m=None).inputs] == ["x"]


def test_a_block_may_be_applied_without_its_optional_input() -> None:
    block = "block b():\n    input x\n    input m = None\n    y = x if m == None else x * m\n    y + 1\n\n"
    assert len(paths(graph(block + body("b()")))) == 1
    assert len(paths(graph(block + body("(x, x) -> b()")))) == 2


def test_inputs_may_stand_in_if() -> None:
    head = "model A(masked = False):\n    input x: float32[N, 3]\n    if masked:\n        input m: float32[N, 3]\n        x * m\n    else:\n        x + 1\n"
    assert [i.name for i in graph(head).inputs] == ["x"]
    assert [i.name for i in graph(head, masked=True).inputs] == ["x", "m"]


def test_a_tensor_that_nothing_reads_is_an_error() -> None:
    text = body("y = x -> Dense(4)", "x -> Dense(5)")
    assert pointed(text, only(text, "E0601")) == "y"
    assert [d.severity for d in found(body("_ = x -> Dense(4)", "x -> Dense(5)"))] == ["warning"]


def test_a_rebound_name_was_read_before() -> None:
    assert codes(body("y = x + 1", "y = x + 2", "output y")) == ["E0601"]
    assert codes(body("y = x + 1", "y = y + 2", "output y")) == []


def test_the_current_value_that_outputs_do_not_need_is_an_error() -> None:
    assert codes(body("y = x + 1", "x -> Dense(4)", "output y")) == ["E0601"]


def test_a_layer_that_is_never_applied_is_an_error() -> None:
    assert codes(body("d = Dense(4)", "x -> ReLU()")) == ["E0602"]


def test_what_no_output_needs_is_left_out_and_said() -> None:
    (one,) = found(body("a = x -> Dense(4)", "_ = a", "x -> ReLU()"))
    assert (one.code, one.severity) == ("W0601", "warning")


def test_an_input_that_nothing_reads_is_a_warning() -> None:
    assert codes(body("x -> ReLU()", head=PAIR)) == ["W0602"]


def test_an_unread_input_is_not_mentioned_after_an_error() -> None:
    assert codes(body("x -> Dens(y)", head=PAIR)) == ["E0202"]


def test_inputs_are_given_in_order_or_by_name() -> None:
    block = "block b():\n    input left: [N, 3]\n    input right: [N, 4]\n    left @ (transpose(left) @ right)\n\n"
    head = "model A():\n    input x: float32[N, 3]\n    input y: float32[N, 4]\n"
    for given in ("(x, y)", "(left=x, right=y)", "(right=y, left=x)", "(x, right=y)"):
        assert shape(block + body(f"{given} -> b()", head=head)) == "float32[N, 4]"


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("(x, x) -> Dense(3)", "E0604"),
        ("(x, other=x) -> Dense(3)", "E0604"),
        ("x -> Dense", "E0605"),
        ("x -> sqrt", "E0605"),
        ("x -> 3", "E0605"),
        ("3 -> Dense(4)", "E0606"),
        ("Dense(3) -> ReLU()", "E0606"),
        ("y = Dense(3)(x)", "E0607"),
        ("y = Dense(3, x)", "E0607"),
        ("d = Dense(3)\n    y = d(x)", "E0607"),
        ("(a, b) = x -> Dense(3)", "E0608"),
        ("3 + 4", "E0611"),
    ],
)
def test_what_cannot_be_applied(line: str, code: str) -> None:
    assert codes(body(line)) == [code]


@pytest.mark.parametrize(
    ("line", "message", "help"),
    [
        ("(x, x, x) -> mix()", "mix takes 2 inputs, got 3", "its inputs are left, right"),
        ("(x, left=x, right=x) -> mix()", "mix takes 2 inputs, got 3", "its inputs are left, right"),
        ("(x, left=x) -> one()", "one takes 1 input, got 2", "its input is left"),
        ("(x, right=x, right=x) -> mix()", "mix got its input right twice", "keep one of them"),
        ("(x, x, rigt=x) -> mix()", "mix has no input rigt", "its inputs are left, right"),
    ],
)
def test_the_inputs_of_a_block_that_do_not_fit(line: str, message: str, help: str) -> None:
    blocks = (
        "block mix():\n    input left\n    input right\n    left + right\n\nblock one():\n    input left\n    -left\n\n"
    )
    error = only(blocks + body(line), "E0604")
    assert (error.message, error.help) == (message, help)


def test_the_mend_of_a_layer_called_like_a_function() -> None:
    assert only(body("y = Dense(4)(x)"), "E0607").help == "write x -> Dense(4)"


def test_blocks_and_models_are_used_as_layers_are() -> None:
    other = "model Inner(units = 2):\n    input image: float32[B, D]\n    Dense(units)\n    output features\n\n"
    made = graph(other + HEAD + "    Inner(5)\n    ReLU()\n", model="A")
    assert paths(made) == ["inner/dense", "re_lu"]


def test_prefixes_of_keras_and_a_comma_are_accepted() -> None:
    lines = ["layers.Dense(4),", "keras.layers.Dense(4),", "tf.keras.layers.Dense(4)"]
    assert paths(graph(body(*lines))) == ["dense", "dense_1", "dense_2"]


def test_input_shape_is_checked_against_the_flow() -> None:
    assert codes(body("Dense(4, input_shape=(3,))")) == []
    assert codes(body("Dense(4, input_shape=(4,))")) == ["E0382"]
    assert codes(body("Dense(4, input_dim=4)")) == ["E0382"]


def test_masks_travel_as_in_keras() -> None:
    head = "model A():\n    input x: float32[N, T, 3]\n"
    assert shape(body("Masking()", "ReLU()", "output m = mask(it)", "output y = it", head=head)) == "bool[N, T]"
    assert codes(body("output m = mask(x)", head=head)) == ["E0511"]
    tokens = "model A():\n    input t: int32[N, T]\n"
    assert (
        shape(body("Embedding(9, 4, mask_zero=True)", "output m = mask(it)", "output y = it", head=tokens))
        == "bool[N, T]"
    )


def test_layers_that_trainable_false_freezes() -> None:
    block = 'block b():\n    Dense(4)\n    weight w: [4] = "ones"\n    it * w\n\n'
    weights = list(graph(block + body("b(trainable=False)", "Dense(2)")).weights())
    assert [(w.path, w.trainable) for w in weights] == [
        ("b/dense/kernel", False),
        ("b/dense/bias", False),
        ("b/w", False),
        ("dense/kernel", True),
        ("dense/bias", True),
    ]
