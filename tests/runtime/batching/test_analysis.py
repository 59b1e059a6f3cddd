"""What the analysis says of whole models: shapes that exporters compute, branches, loops, and what is the same for all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from apart import Input, graph_of, running, verdict_of, worst
from onnx import TensorProto, helper, numpy_helper

from archonnx.runtime.batching.analysis import analyse
from archonnx.runtime.skeleton import skeleton

node = helper.make_node
RNG = np.random.default_rng(7)
X = Input("N", 4, 6)


def i(*numbers: int) -> np.ndarray[Any, Any]:
    return np.array(numbers, np.int64)


def apart(
    nodes: list[Any], held: dict[str, Any] | None = None, inputs: dict[str, Input] | None = None, opset: int = 21
) -> None:
    """That the analysis says so, and that onnxruntime finds the same."""
    given = inputs or {"x": X}
    model = graph_of(nodes, given, ["y"], held or {}, opset)
    verdict = verdict_of(model, given)
    assert verdict.blame is None, verdict.blame
    assert worst(running(model), given, verdict) < 1e-5


def blamed(
    nodes: list[Any], held: dict[str, Any] | None = None, inputs: dict[str, Input] | None = None
) -> tuple[str, str]:
    given = inputs or {"x": X}
    blame = verdict_of(graph_of(nodes, given, ["y"], held or {}), given).blame
    assert blame is not None
    return blame.operator, blame.why


def test_a_view_by_the_shape_of_the_input_keeps_rows_apart() -> None:
    """`x.view(x.shape[0], -1)`, as PyTorch writes it."""
    nodes = [
        node("Shape", ["x"], ["s"]),
        node("Gather", ["s", "zero"], ["n"]),
        node("Unsqueeze", ["n", "first"], ["n1"]),
        node("Concat", ["n1", "open"], ["target"], axis=0),
        node("Reshape", ["x", "target"], ["y"]),
    ]
    apart(nodes, {"zero": np.array(0, np.int64), "first": i(0), "open": i(-1)})


def test_heads_are_parted_and_joined_again() -> None:
    nodes = [
        node("Shape", ["x"], ["s"]),
        node("Slice", ["s", "zero", "two"], ["nt"]),
        node("Concat", ["nt", "heads"], ["target"], axis=0),
        node("Reshape", ["x", "target"], ["h"]),
        node("Transpose", ["h"], ["ht"], perm=[0, 2, 1, 3]),
        node("Transpose", ["h"], ["hk"], perm=[0, 2, 3, 1]),
        node("MatMul", ["ht", "hk"], ["scores"]),
        node("Softmax", ["scores"], ["p"]),
        node("MatMul", ["p", "ht"], ["o"]),
        node("Transpose", ["o"], ["ot"], perm=[0, 2, 1, 3]),
        node("Reshape", ["ot", "back"], ["y"]),
    ]
    apart(nodes, {"zero": i(0), "two": i(2), "heads": i(2, 3), "back": i(0, 0, 6)})


def test_heads_that_are_joined_to_the_batch_keep_rows_apart() -> None:
    """torch.nn.MultiheadAttention: [steps, batch, width] to [steps, batch * heads, ...] and back."""
    nodes = [
        node("Shape", ["x"], ["s"]),
        node("Gather", ["s", "one"], ["n"], axis=0),
        node("Mul", ["n", "heads"], ["nh"]),
        node("Concat", ["steps", "nh", "open"], ["target"], axis=0),
        node("Reshape", ["x", "target"], ["h"]),
        node("Transpose", ["h"], ["ht"], perm=[1, 0, 2]),
        node("MatMul", ["ht", "w"], ["hw"]),
        node("Transpose", ["hw"], ["hb"], perm=[1, 0, 2]),
        node("Concat", ["steps", "n", "open"], ["back"], axis=0),
        node("Reshape", ["hb", "back"], ["y"]),
    ]
    held = {"one": i(1), "heads": i(2), "steps": i(4), "open": i(-1), "w": np.ones((3, 3), np.float32)}
    apart(nodes, held, {"x": Input(4, "N", 6)})


def test_rows_that_lie_step_by_step_may_be_put_in_order_again() -> None:
    """torch.nn.MultiheadAttention projects [steps * batch, width]: all rows of one step, then all of the next."""
    nodes = [
        node("Transpose", ["x"], ["t"], perm=[1, 0, 2]),
        node("Reshape", ["t", "flat"], ["f"]),
        node("MatMul", ["f", "w"], ["p"]),
        node("Softmax", ["p"], ["q"], axis=1),
        node("Shape", ["x"], ["n"], start=0, end=1),
        node("Concat", ["four", "n", "three"], ["shape"], axis=0),
        node("Reshape", ["q", "shape"], ["s"]),
        node("Transpose", ["s"], ["y"], perm=[1, 0, 2]),
    ]
    held = {"flat": i(-1, 6), "four": i(4), "three": i(3), "w": RNG.random((6, 3), np.float32)}
    apart(nodes, held)
    swapped = [
        *nodes[:5],
        node("Concat", ["n", "four", "three"], ["shape"], axis=0),
        node("Reshape", ["q", "shape"], ["y"]),
    ]
    assert blamed(swapped, held) == ("Reshape", "it puts places of several rows side by side")
    left = [*nodes[:2], node("Relu", ["f"], ["y"])]
    assert blamed(left, held) == ("Relu", "output y holds all rows several times over")


def test_a_mask_that_is_expanded_by_exporters_keeps_rows_apart() -> None:
    """`torch.expand` writes a Where that replaces -1, which no size is."""
    nodes = [
        node("Shape", ["x"], ["s"]),
        node("Gather", ["s", "zero"], ["n"], axis=0),
        node("Concat", ["n", "one", "four"], ["shape"], axis=0),
        node("Equal", ["shape", "minus"], ["open"]),
        node("Where", ["open", "ones", "shape"], ["full"]),
        node("Expand", ["w", "full"], ["e"]),
        node("ConstantOfShape", ["shape"], ["z"]),
        node("Add", ["e", "z"], ["ez"]),
        node("MatMul", ["ez", "x"], ["y"]),
    ]
    held = {
        "zero": i(0),
        "one": i(1),
        "four": i(4),
        "minus": i(-1),
        "ones": i(1, 1, 1),
        "w": np.ones((1, 4), np.float32),
    }
    apart(nodes, held)


def test_a_state_that_begins_with_zeros_is_the_rows_own() -> None:
    nodes = [
        node("Transpose", ["x"], ["t"], perm=[1, 0, 2]),
        node("Shape", ["x"], ["s"], start=0, end=1),
        node("Concat", ["one", "s", "units"], ["shape"], axis=0),
        node("Expand", ["zero", "shape"], ["h"]),
        node("GRU", ["t", "w", "r", "", "", "h"], ["y"], hidden_size=2),
    ]
    rng = np.random.default_rng(0)
    held = {"one": i(1), "units": i(2), "zero": np.zeros((1, 1, 1), np.float32)}
    held |= {"w": rng.random((1, 6, 6), np.float32), "r": rng.random((1, 6, 2), np.float32)}
    apart(nodes, held)


def test_positions_are_the_same_for_all_rows() -> None:
    nodes = [
        node("Shape", ["t"], ["s"]),
        node("Gather", ["s", "one"], ["steps"]),
        node("Range", ["zero", "steps", "one"], ["places"]),
        node("Gather", ["table", "places"], ["p"]),
        node("Gather", ["table", "t"], ["e"]),
        node("Add", ["e", "p"], ["y"]),
    ]
    held = {"zero": np.array(0, np.int64), "one": np.array(1, np.int64), "table": np.ones((9, 3), np.float32)}
    apart(nodes, held, {"t": Input("N", 5, dtype="int64")})


def test_tables_that_are_cut_to_the_length_of_a_text_keep_their_other_axes() -> None:
    """A causal mask [1, 1, most, most] and positions [1, most], as GPT-2 and CLIP have them."""
    nodes = [
        node("Shape", ["t"], ["s"]),
        node("Gather", ["s", "one"], ["steps"]),
        node("Slice", ["table", "zero", "steps", "one"], ["places"]),
        node("Gather", ["embedding", "places"], ["p"]),
        node("Gather", ["embedding", "t"], ["e"]),
        node("Add", ["e", "p"], ["h"]),
        node("Transpose", ["h"], ["ht"], perm=[0, 2, 1]),
        node("MatMul", ["h", "ht"], ["scores"]),
        node("Slice", ["mask", "zeros", "both", "last"], ["causal"]),
        node("Where", ["causal", "scores", "low"], ["seen"]),
        node("Softmax", ["seen"], ["y"]),
        node("Concat", ["steps", "steps"], ["both"], axis=0),
    ]
    nodes.insert(2, nodes.pop())
    held = {"zero": i(0), "one": i(1), "zeros": i(0, 0), "last": i(1, 2), "low": np.array(-1e9, np.float32)}
    held |= {"table": np.arange(8)[None], "embedding": RNG.random((9, 3), np.float32)}
    held |= {"mask": np.tri(8, dtype=bool)[None]}
    apart(nodes, held, {"t": Input("N", "T", dtype="int64", most=8)})


def test_what_is_added_beside_the_rows_need_not_be_known() -> None:
    """Pictures filled up to a multiple of a window, whose sizes are open: the exporter computes them."""
    nodes = [
        node("Shape", ["x"], ["s"], start=1, end=2),
        node("Mod", ["s", "window"], ["over"]),
        node("Sub", ["window", "over"], ["more"]),
        node("Concat", ["zeros", "more"], ["pads"], axis=0),
        node("Pad", ["x", "pads"], ["y"]),
    ]
    inputs = {"x": Input("N", "T")}
    apart(nodes, {"window": i(4), "zeros": i(0, 0, 0)}, inputs)
    nodes[3] = node("Concat", ["more", "zeros"], ["pads"], axis=0)
    assert blamed(nodes, {"window": i(4), "zeros": i(0, 0, 0)}, inputs)[0] == "Pad"


def test_sizes_that_grow_with_the_rows_are_followed_through_what_exporters_compute() -> None:
    nodes = [
        node("Size", ["x"], ["all"]),
        node("Div", ["all", "six"], ["rest"]),
        node("Unsqueeze", ["rest", "first"], ["rest1"]),
        node("Cast", ["rest1"], ["rest2"], to=TensorProto.INT64),
        node("Concat", ["rest2", "six1"], ["target"], axis=0),
        node("Reshape", ["x", "target"], ["y"]),
    ]
    apart(nodes, {"six": np.array(6, np.int64), "six1": i(6), "first": i(0)})


def test_numbers_of_rows_that_are_computed_with_are_refused() -> None:
    shape = node("Shape", ["x"], ["s"])
    first = node("Gather", ["s", "zero"], ["n"])
    held = {"zero": np.array(0, np.int64), "one": np.array(1, np.int64)}
    assert blamed([shape, first, node("Range", ["one", "n", "one"], ["y"])], held) == ("Range", "it counts the rows")
    cast = node("Cast", ["n"], ["f"], to=1)
    assert blamed([shape, first, cast, node("Mul", ["x", "f"], ["y"])], held)[0] == "Cast"
    assert blamed([shape, first, node("Sub", ["n", "one"], ["y"])], held)[0] == "Sub"
    blame = verdict_of(graph_of([shape], {"x": X}, ["s"], {}), {"x": X}).blame
    assert blame is not None
    assert blame.why == "output s is the number of rows"


@pytest.mark.parametrize("operator", ["NonZero", "Unique", "DynamicQuantizeLinear", "RandomNormalLike", "Bernoulli"])
def test_what_looks_at_all_rows_or_draws_is_refused(operator: str) -> None:
    outputs = ["y", "scale", "zero"] if operator == "DynamicQuantizeLinear" else ["y"]
    found, why = blamed([node(operator, ["x"], outputs)])
    assert found == operator
    assert why in (
        "it draws numbers",
        "it lists places of all rows together",
        "it lists what is different among all rows",
        "its scale is that of all rows together",
    )


def test_an_unknown_operator_is_refused_even_where_no_row_goes_in() -> None:
    odd = node("Odd", ["w"], ["o"], domain="mine")
    model = graph_of(
        [odd, node("Add", ["x", "o"], ["y"])], {"x": X}, ["y"], {"w": np.ones(6, np.float32)}, domains=["mine"]
    )
    blame = verdict_of(model, {"x": X}).blame
    assert blame is not None
    assert (blame.operator, blame.why) == ("Odd", "nothing is known of this operator")
    model = graph_of([node("Odd", ["x"], ["y"], domain="mine")], {"x": X}, ["y"], {}, domains=["mine"])
    blame = verdict_of(model, {"x": X}).blame
    assert blame is not None
    assert blame.why == "no rule is known that keeps its rows apart"


def test_a_draw_that_no_row_goes_into_is_refused() -> None:
    nodes = [node("RandomNormal", [], ["r"], shape=[6]), node("Add", ["x", "r"], ["y"])]
    assert blamed(nodes) == ("RandomNormal", "it draws numbers")


def branch(*nodes: Any, output: str) -> onnx.GraphProto:
    return helper.make_graph(list(nodes), "branch", [], [onnx.ValueInfoProto(name=output)])


def test_branches_on_what_is_the_same_for_all_keep_rows_apart() -> None:
    then = branch(node("Softmax", ["x"], ["a"]), output="a")
    other = branch(node("Relu", ["x"], ["b"]), output="b")
    test = Input(dtype="bool")
    apart([node("If", ["c"], ["y"], then_branch=then, else_branch=other)], {}, {"x": X, "c": test})
    mixing = branch(node("Softmax", ["x"], ["b"], axis=0), output="b")
    nodes = [node("If", ["c"], ["y"], then_branch=then, else_branch=mixing)]
    assert blamed(nodes, {}, {"x": X, "c": test})[0] == "Softmax"


def test_values_of_two_branches_that_are_called_alike_are_not_taken_for_one() -> None:
    """Both branches leave their second size open, and call it by the same name."""

    def part(end: int) -> onnx.GraphProto:
        cut = node("Slice", ["x", "zero", f"end{end}", "one"], ["v"])
        return branch(cut, node("Reshape", ["v", "flat"], ["w"]), output="w")

    held = {"zero": i(0), "end2": i(2), "end3": i(3), "one": i(1), "flat": i(0, -1), "back": i(-1, 12)}
    cond = node("If", ["c"], ["f"], then_branch=part(2), else_branch=part(3))
    inputs = {"x": X, "c": Input(dtype="bool")}
    assert blamed([cond, node("Reshape", ["f", "back"], ["y"])], held, inputs)[0] == "Reshape"


def test_a_branch_that_rows_choose_is_refused() -> None:
    then, other = branch(node("Relu", ["x"], ["a"]), output="a"), branch(node("Neg", ["x"], ["b"]), output="b")
    nodes = [
        node("Slice", ["x", "zeros", "ones", "axes"], ["m"]),
        node("Reshape", ["m", "one"], ["c"]),
        node("If", ["c"], ["y"], then_branch=then, else_branch=other),
    ]
    held = {"zeros": i(0, 0, 0), "ones": i(1, 1, 1), "axes": i(0, 1, 2), "one": i(1)}
    assert blamed(nodes, held)[0] == "Slice"


def body(nodes: list[Any], carried: list[str], outputs: list[str]) -> onnx.GraphProto:
    """A loop's: `n` and `go` come in, and floats; `on` goes out, and floats."""
    value = helper.make_tensor_value_info
    return helper.make_graph(
        [*nodes, node("Identity", ["go"], ["on"])],
        "body",
        [value("n", TensorProto.INT64, []), value("go", TensorProto.BOOL, []), *(value(c, 1, None) for c in carried)],
        [value("on", TensorProto.BOOL, []), *(value(each, 1, None) for each in outputs)],
    )


def test_a_recurrent_layer_that_is_written_as_a_loop_keeps_rows_apart() -> None:
    """As Keras' layers become through tf2onnx: steps first, one of them taken in each round."""
    rounds = body(
        [
            node("Gather", ["t", "n"], ["step"], axis=0),
            node("MatMul", ["step", "w"], ["a"]),
            node("MatMul", ["h", "u"], ["b"]),
            node("Add", ["a", "b"], ["ab"]),
            node("Tanh", ["ab"], ["next"]),
            node("Identity", ["next"], ["kept"]),
        ],
        ["h"],
        ["next", "kept"],
    )
    nodes = [
        node("Transpose", ["x"], ["t"], perm=[1, 0, 2]),
        node("Shape", ["t"], ["steps"], start=0, end=1),
        node("Squeeze", ["steps", "zero"], ["count"]),
        node("Shape", ["x"], ["rows"], start=0, end=1),
        node("Concat", ["rows", "units"], ["shape"], axis=0),
        node("ConstantOfShape", ["shape"], ["h0"]),
        node("Loop", ["count", "", "h0"], ["last", "all"], body=rounds),
        node("Transpose", ["all"], ["back"], perm=[1, 0, 2]),
        node("Unsqueeze", ["last", "one"], ["last1"]),
        node("Concat", ["back", "last1"], ["y"], axis=1),
    ]
    held = {"w": RNG.random((6, 3), np.float32), "u": RNG.random((3, 3), np.float32)}
    apart(nodes, {**held, "zero": i(0), "one": i(1), "units": i(3)})


@pytest.mark.parametrize(
    ("nodes", "why"),
    [
        ([node("Softmax", ["v"], ["w"], axis=0)], "it works along axis 0, which holds the rows"),
        ([node("Concat", ["v", "x"], ["w"], axis=0)], "it works along axis 0, which holds the rows"),
        (
            [node("Transpose", ["v"], ["w"], perm=[1, 0, 2])],
            "what it carries from round to round does not keep its rows on one axis",
        ),
        ([node("Gather", ["v", "n"], ["w"], axis=0)], "it takes some of the rows"),
    ],
)
def test_a_loop_that_mixes_rows_is_refused(nodes: list[Any], why: str) -> None:
    loop = node("Loop", ["three", "", "x"], ["y"], body=body(nodes, ["v"], ["w"]))
    assert blamed([loop], {"three": np.array(3, np.int64)})[1] == why


def test_a_loop_that_carries_what_grows_keeps_rows_apart() -> None:
    """Each round makes it wider, and what was known of its width before no longer holds inside."""
    rounds = body([node("Concat", ["v", "x"], ["w"], axis=2)], ["v"], ["w"])
    loop = node("Loop", ["three", "", "x"], ["y"], body=rounds)
    apart([loop], {"three": np.array(3, np.int64)})
    flat = node("Reshape", ["v", "flat"], ["f"])
    rounds = body([flat, node("Concat", ["v", "x"], ["w"], axis=2)], ["v"], ["w"])
    loop = node("Loop", ["three", "", "x"], ["y"], body=rounds)
    assert blamed([loop], {"three": np.array(3, np.int64), "flat": i(-1, 24)})[0] == "Reshape"


def test_a_loop_whose_rounds_rows_decide_is_refused() -> None:
    loop = node("Loop", ["count", "", "x"], ["y"], body=body([node("Relu", ["v"], ["w"])], ["v"], ["w"]))
    nodes = [node("Size", ["x"], ["count"]), loop]
    assert blamed(nodes)[1] == "how many rounds it goes depends on the batch"


def test_functions_of_the_file_are_looked_into() -> None:
    function = helper.make_function(
        "mine", "Twice", ["a"], ["b"], [node("Add", ["a", "a"], ["b"])], [helper.make_opsetid("", 21)]
    )
    model = graph_of([node("Twice", ["x"], ["y"], domain="mine")], {"x": X}, ["y"], {}, domains=["mine"])
    model.functions.append(function)
    verdict = verdict_of(model, {"x": X})
    assert verdict.axes == {"y": 0}


def test_what_is_declared_of_values_inside_is_not_believed() -> None:
    """Declared sizes may be those of one example alone, whatever runs."""
    nodes = [node("Slice", ["x", "zero", "n"], ["v"]), node("Reshape", ["v", "flat"], ["y"])]
    model = graph_of(
        nodes, {"x": Input("N", "T"), "n": Input(1, dtype="int64")}, ["y"], {"zero": i(0), "flat": i(-1, 4)}
    )
    model.graph.value_info.append(helper.make_tensor_value_info("v", TensorProto.FLOAT, ["N", 4]))
    inputs = {"x": Input("N", "T"), "n": Input(1, dtype="int64")}
    assert verdict_of(model, inputs).blame is not None


def test_an_output_that_no_row_reaches_is_the_same_for_all() -> None:
    nodes = [node("Relu", ["x"], ["y"]), node("Exp", ["s"], ["z"])]
    inputs = {"x": X, "s": Input(3)}
    model = graph_of(nodes, inputs, ["y", "z"], {})
    verdict = verdict_of(model, inputs)
    assert verdict.axes == {"y": 0, "z": None}
    assert worst(running(model), inputs, verdict) == 0


def test_sizes_without_a_name_are_not_taken_for_one_another() -> None:
    """Two open axes of others' files: what fits one need not fit the other."""
    nodes = [
        node("Shape", ["b"], ["s"], start=1, end=2),
        node("Concat", ["open", "s"], ["target"], axis=0),
        node("Reshape", ["a", "target"], ["y"]),
    ]
    inputs = {"a": Input("N", "T"), "b": Input("N", "T")}
    model = graph_of(nodes, inputs, ["y"], {"open": i(-1)})
    axes = {"a": 0, "b": 0}
    assert analyse(model.SerializeToString(), axes, {"T"}, ["a", "b"]).axes == {"y": 0}
    assert analyse(model.SerializeToString(), axes, set(), ["a", "b"]).blame is not None


def test_what_a_constant_holds_is_not_believed_where_a_call_gives_another() -> None:
    """By k=2, which the file has, two places of each row come together; by the 6 of the call, not."""
    nodes = [
        node("TopK", ["x", "k"], ["v", "at"], axis=1),
        node("Transpose", ["v"], ["t"], perm=[1, 0]),
        node("Reshape", ["t", "target"], ["y"]),
    ]
    model = graph_of(nodes, {"x": Input("N", 8), "k": Input(1, dtype="int64")}, ["y"], {"k": i(2), "target": i(2, -1)})
    axes, data = {"x": 0}, model.SerializeToString()
    kept = analyse(data, axes, set(), ["x"])
    assert kept.axes == {"y": 1}
    assert worst(running(model), {"x": Input("N", 8)}, kept) == 0
    blame = analyse(data, axes, set(), ["x", "k"]).blame
    assert blame is not None
    assert blame.operator == "Reshape"


def test_a_model_is_looked_at_without_its_weights() -> None:
    weights = np.ones((600, 7), np.float32)
    model = graph_of([node("MatMul", ["x", "w"], ["y"])], {"x": Input("N", 600)}, ["y"], {"w": weights})
    bare = skeleton(model.SerializeToString())
    assert len(bare) < 1000
    assert analyse(bare, {"x": 0}, set(), ["x"]).axes == {"y": 0}
    shared = numpy_helper.from_array(weights, "w")
    assert shared.dims == [600, 7]


@pytest.mark.parametrize(
    ("file", "model", "outputs"),
    [
        ("dnn", None, {"logits": 0}),
        ("gates", "XOR", None),
        ("bert", "MiniLM", {"sentence_embedding": 0}),
        ("digits", None, None),
        ("lstm", "SmallCharacterModel", None),
        ("unet", None, None),
    ],
)
def test_models_of_the_zoo_keep_rows_apart(
    project: Path, tmp_path: Path, file: str, model: str | None, outputs: Any
) -> None:
    import archonnx

    archonnx.compile(project / "models" / f"{file}.arch", **({"model": model} if model else {})).save(
        tmp_path / "m.onnx", weights="none"
    )
    bare = onnx.load_from_string(skeleton(tmp_path / "m.onnx"))
    first = bare.graph.input[0].type.tensor_type.shape.dim[0].dim_param
    axes = {
        value.name: place
        for value in bare.graph.input
        for place, dim in enumerate(value.type.tensor_type.shape.dim)
        if dim.dim_param == first
    }
    verdict = analyse(skeleton(tmp_path / "m.onnx"), axes, {"T", "H", "W"}, list(axes))
    assert verdict.blame is None, verdict.blame
    assert outputs is None or verdict.axes == outputs
    assert None not in verdict.axes.values()


def look_up(*, times: str = "steps", step: str = "kv", source: str = "flat") -> list[Any]:
    """`mask[row, step]` as exporters of transformers 5 have it: in all rows laid flat, at `row * steps + step`."""
    return [
        node("Shape", ["x"], ["s"]),
        node("Gather", ["s", "zero"], ["rows"]),
        node("Gather", ["s", "one"], ["steps"]),
        node("Range", ["zero", "rows", "one"], ["row"]),
        node("Unsqueeze", ["row", "last"], ["row1"]),
        node("Range", ["zero", "steps", "one"], ["kv0"]),
        node("Unsqueeze", ["kv0", "first"], ["kv"]),
        node("Mul", ["row1", times], ["start"]),
        node("Add", ["start", step], ["place"]),
        node("Reshape", ["x", "open"], ["flat"]),
        node("Gather", [source, "place"], ["y"]),
    ]


LOOKED = {"zero": np.array(0, np.int64), "one": np.array(1, np.int64), "last": i(1), "first": i(0), "open": i(-1)}


def test_a_row_that_is_found_by_its_own_number_is_that_row() -> None:
    apart(look_up(), LOOKED, {"x": Input("N", "T")})
    apart(look_up(), LOOKED, {"x": Input("N", 4)})


@pytest.mark.parametrize(
    ("nodes", "why"),
    [
        (look_up(times="three"), "it may find places of other rows"),
        (look_up(step="far"), "it computes with a row's own number"),
        (look_up(source="table"), "it computes with a row's own number"),
        ([*look_up()[:-1], node("Cast", ["place"], ["y"], to=1)], "it computes with a row's own number"),
        ([*look_up()[:-1], node("Identity", ["place"], ["y"])], "output y is the number of rows"),
        ([*look_up()[:-1], node("Concat", ["place", "place"], ["y"], axis=1)], "it computes with a row's own number"),
    ],
)
def test_numbers_of_rows_are_good_for_nothing_else(nodes: list[Any], why: str) -> None:
    held = {**LOOKED, "three": np.array(3, np.int64), "far": i(0, 7), "table": np.ones(99, np.float32)}
    model = graph_of(nodes, {"x": Input("N", 4)}, ["y"], held)
    blame = verdict_of(model, {"x": Input("N", 4)}).blame
    assert blame is not None
    assert blame.why == why


def test_numbers_of_rows_do_not_leave_a_branch() -> None:
    graphs = [branch(node(kind, ["place"], [out]), output=out) for kind, out in (("Identity", "a"), ("Identity", "b"))]
    nodes = [*look_up()[:-1], node("If", ["c"], ["y"], then_branch=graphs[0], else_branch=graphs[1])]
    inputs = {"x": Input("N", 4), "c": Input(dtype="bool")}
    assert blamed(nodes, LOOKED, inputs) == ("If", "it gives a row's own number")


def test_branches_that_give_constants_are_told_apart() -> None:
    """Two constants of one shape are not one."""
    graphs = [
        branch(node("Constant", [], [out], value=numpy_helper.from_array(np.array(scales, np.float32))), output=out)
        for out, scales in (("a", [1, 1, 2]), ("b", [2, 1, 1]))
    ]
    nodes = [
        node("If", ["c"], ["scales"], then_branch=graphs[0], else_branch=graphs[1]),
        node("Resize", ["x", "", "scales"], ["y"]),
    ]
    assert blamed(nodes, {}, {"x": X, "c": Input(dtype="bool")})[0] == "Resize"
