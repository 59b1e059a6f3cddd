"""Rule 9: names of layers, scopes, and the sharing of weights that follows from them."""

from __future__ import annotations

from elaboration import HEAD, body, codes, graph, only, paths

RESNET = """
block conv_bn(filters):
    Conv2D(filters, 3)
    BatchNormalization()

block bottleneck(filters):
    conv_bn(filters)

block stage(filters):
    bottleneck(filters)
    bottleneck(filters)

model A():
    input x: float32[N, 64, 64, 3]
    for i in range(3):
        stage(4 * 2 ** i)

model B():
    input x: float32[N, 64, 64, 3]
    stage(4)
    stage(8)
"""


def test_layers_are_called_in_snake_case_and_numbered() -> None:
    lines = ["Dense(4)", "Dense(4)", "ReLU()", "LayerNormalization()", "Dense(4)"]
    assert paths(graph(body(*lines))) == ["dense", "dense_1", "re_lu", "layer_normalization", "dense_2"]


def test_blocks_are_scopes_and_a_model_is_none() -> None:
    names = [w.path for w in graph(RESNET, model="A").weights()]
    assert names[0] == "stage/bottleneck/conv_bn/conv2d/kernel"
    assert "stage_2/bottleneck_1/conv_bn/batch_normalization/gamma" in names


def test_models_of_a_file_share_weights_by_path() -> None:
    first = {w.path: w.shape for w in graph(RESNET, model="A").weights()}
    second = {w.path: w.shape for w in graph(RESNET, model="B").weights()}
    assert second.items() <= first.items()


def test_a_given_name_and_an_assigned_one() -> None:
    assert paths(graph(body('Dense(4, name="wide")', "narrow = Dense(2)", "it -> narrow"))) == ["wide", "narrow"]


def test_a_tensor_does_not_name_its_layer() -> None:
    assert paths(graph(body("y = x -> Dense(4)", "output y"))) == ["dense"]


def test_automatic_names_skip_those_that_are_given() -> None:
    lines = ["Dense(4)", "Dense(4)", 'Dense(4, name="dense_1")', 'Dense(4, name="dense")']
    assert paths(graph(body(*lines))) == ["dense_2", "dense_3", "dense_1", "dense"]


def test_a_name_given_twice_in_a_scope_is_an_error() -> None:
    assert codes(body('Dense(4, name="a")', 'Dense(4, name="a")')) == ["E0211"]
    one = only(body("for i in range(3):", '    Dense(4, name="a")'), "E0211")
    assert one.help is not None
    assert "number" in one.help
    assert paths(graph(body("for i in range(2):", '    Dense(4, name=f"a{i}")'))) == ["a0", "a1"]


def test_the_same_name_in_two_scopes_is_fine() -> None:
    block = 'block b():\n    Dense(4, name="a")\n\n'
    assert paths(graph(block + body("b()", "b()", 'Dense(4, name="a")'))) == ["b/a", "b_1/a", "a"]


def test_names_cannot_reach_into_another_scope() -> None:
    for name in ("a/b", "", "a b", "a#1"):
        assert codes(body(f'Dense(4, name="{name}")')) == ["E0403"]


def test_a_layer_that_is_used_again_shares_its_weights() -> None:
    made = graph(body("d = Dense(3)", "x -> d", "it -> d"))
    assert paths(made) == ["d", "d#1"]
    assert [w.path for w in made.weights()] == ["d/kernel", "d/bias"]


def test_a_block_that_is_used_again_shares_its_weights() -> None:
    block = "block b():\n    Dense(3)\n    Dense(3)\n\n"
    made = graph(block + body("twice = b()", "x -> twice", "it -> twice"))
    assert paths(made) == ["twice/dense", "twice/dense_1", "twice/dense#1", "twice/dense_1#1"]
    assert len(list(made.weights())) == 4


def test_a_constructor_makes_a_new_layer_at_every_turn() -> None:
    assert len(list(graph(body("for i in range(3):", "    Dense(3)")).weights())) == 6


def test_a_shared_layer_takes_inputs_of_one_width() -> None:
    one = only(body("d = Dense(4)", "x -> d", "it -> d"), "E0391")
    assert "d/kernel" in one.message


def test_a_weight_of_a_layer_is_its_name_after_a_dot() -> None:
    made = graph(body("d = Dense(4)", "x -> d", "output y = it @ transpose(d.kernel)"))
    assert str(made.outputs[0].value.type) == "float32[N, 3]"
    assert len(list(made.weights())) == 2
    assert codes(body("d = Dense(4)", "output y = x @ d.kernel")) == ["E0508"]


def test_a_name_before_a_bracket_is_a_function_and_elsewhere_a_value() -> None:
    made = graph(body("mean = mean(x, axis=-1)", "output y = mean + mean(x)"))
    assert [n.type_name for n in made.nodes] == ["mean", "mean", "add"]


def test_a_file_hides_the_library() -> None:
    own = "block Dense(units):\n    ReLU()\n\n"
    assert [n.type_name for n in graph(own + HEAD + "    Dense(4)\n").nodes] == ["ReLU"]
