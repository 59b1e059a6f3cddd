"""The Builder: what it adds to a graph, and that constants change their recipes instead."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from graph_texts import feeds_for, parse_type, run

from archonnx.compiler.graph import Weight
from archonnx.compiler.ir import OperatorGraph, Tensor
from archonnx.compiler.lowering.builder import Builder
from archonnx.compiler.lowering.text import format_graph, format_recipe
from archonnx.compiler.weights.initializers import resolve
from archonnx.contract.diagnostics import Place
from archonnx.contract.dims import Condition, Facts, compare, symbol


def builder(*inputs: str, opset: int = 20, require: Condition | None = None) -> tuple[Builder, list[Tensor]]:
    """A Builder over a graph whose inputs x, y, ... have these types."""
    facts = Facts()
    if require is not None:
        facts.require(require)
    graph = OperatorGraph("test", opset)
    b = Builder(graph, facts)
    for name, text in zip("xyz", inputs, strict=False):
        tensor = Tensor(name, parse_type(text), stands_for=name)
        graph.inputs.append(tensor)
        b.carry(tensor, is_input=True)
    return b, list(graph.inputs)


def weight(b: Builder, *shape: int) -> Tensor:
    place = Place("test.arch", 1, 1, 1, 1)
    return b.weight_tensor(Weight("w", "float32", shape, resolve("random_normal"), True, place))


def operators(b: Builder) -> list[str]:
    return [operator.type for operator in b.graph.operators]


def computed(b: Builder, result: Tensor, folder: Path, **sizes: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """What onnxruntime gives for a result, and the inputs."""
    b.graph.outputs = [("result", result)]
    feeds = feeds_for(b.graph, sizes)
    return run(b.graph, feeds, folder)["result"], feeds


def test_results_broadcast_and_comparisons_are_bool() -> None:
    b, (x, y) = builder("float32[N, 1, 4]", "float32[3, 1]")
    assert str(b.op("Add", x, y).type) == "float32[N, 3, 4]"
    assert str(b.op("Less", x, y).type) == "bool[N, 3, 4]"


def test_an_optional_input_left_out_and_an_attribute_not_written() -> None:
    b, (x,) = builder("float32[N, 4]")
    b.op("Clip", x, None, b.like(x, 6), result=x.type)
    b.op("Clip", x, b.like(x, 0), None, result=x.type, nothing=None)
    first, second = b.graph.operators
    assert [t is None for t in first.inputs] == [False, True, False]
    assert (len(second.inputs), second.attributes) == (2, {})


def test_custom_domains_are_noted() -> None:
    b, (x,) = builder("float32[N, 4]")
    b.op("Op", x, domain="com.example", result=x.type, kind="a", name="b")
    assert b.graph.domains == {"com.example": 1}
    assert b.graph.operators[0].attributes == {"kind": "a", "name": "b"}


def test_constants_change_their_recipes_and_emit_nothing() -> None:
    b, _ = builder()
    w = weight(b, 2, 3, 4)
    moved = b.transpose(w, (2, 0, 1))
    cut = b.slice(moved, [1], [3], [0])
    shaped = b.reshape(cut, (4, 3))
    half = b.cast(shaped, "float16")
    first, second = b.split(half, (1, 2), -1)
    joined = b.concat([first, second], 1)
    bare = b.squeeze(b.expand_dims(joined, [0, -1]), [0, 3])
    one = b.gather(bare, 1, 0)
    assert operators(b) == []
    assert [str(t.type) for t in (moved, cut, shaped, half, first, second, joined, bare, one)] == [
        "float32[4, 2, 3]",
        "float32[2, 2, 3]",
        "float32[4, 3]",
        "float16[4, 3]",
        "float16[4, 1]",
        "float16[4, 2]",
        "float16[4, 3]",
        "float16[4, 3]",
        "float16[3]",
    ]
    assert cut.recipe is not None
    assert format_recipe(cut.recipe) == "w.transpose(2, 0, 1)[1:3:1, 0:2:1, 0:3:1]"


def test_what_changes_nothing_is_no_operator() -> None:
    b, (x,) = builder("float32[N, 4, 6]")
    assert b.transpose(x, (0, 1, 2)) is x
    assert b.reshape(x, x.shape) is x
    assert b.cast(x, "float32") is x
    assert b.squeeze(x, []) is x
    assert b.expand_dims(x, []) is x
    assert b.concat([x], 1) is x
    assert b.split(x, [4], 1) == (x,)
    assert b.pad(x, [0, 0, 0], [0, 0, 0]) is x
    assert b.slice(x, [0], [None], [1]) is x
    assert b.expand(x, x.shape) is x
    assert b.reduce("Mean", x, ()) is x
    assert b.identity(x) is x
    assert operators(b) == []


@pytest.mark.parametrize(
    ("old", "new", "target"),
    [
        ("float32[N, 4, 6]", "float32[N, 24]", [0, 24]),
        ("float32[N, 24]", "float32[N, 4, 6]", [0, 4, 6]),
        ("float32[N, H, 6]", "float32[N, H, 2, 3]", [0, 0, 2, 3]),
        ("float32[N, H, 6]", "float32[N, 6*H]", [0, -1]),
        ("float32[4, N]", "float32[4*N]", [-1]),
    ],
)
def test_a_reshape_is_constant_where_one_size_follows(old: str, new: str, target: list[int], tmp_path: Path) -> None:
    b, (x,) = builder(old)
    result = b.reshape(x, parse_type(new).shape)
    assert format_graph(b.graph).splitlines()[-1].endswith(f"Reshape(x, {target})")
    array, feeds = computed(b, result, tmp_path, N=2, H=5)
    np.testing.assert_array_equal(array.reshape(-1), feeds["x"].reshape(-1))


@pytest.mark.parametrize(
    ("old", "new", "used"),
    [
        ("float32[N, T]", "float32[1, N, T]", ["Unsqueeze"]),
        ("float32[1, N, T]", "float32[N, T]", ["Squeeze"]),
        ("float32[N, H, W, 6]", "float32[N, H*W, 2, 3]", ["Reshape"]),
        ("float32[N, H, W, 6]", "float32[N*H, 3*W, 2]", ["Shape", "Shape", "Mul", "Shape", "Mul", "Concat", "Reshape"]),
    ],
)
def test_a_reshape_of_several_open_sizes(old: str, new: str, used: list[str], tmp_path: Path) -> None:
    b, (x,) = builder(old)
    shape = parse_type(new).shape
    result = b.reshape(x, shape)
    assert operators(b) == used
    sizes = {"N": 2, "T": 3, "H": 4, "W": 5}
    array, feeds = computed(b, result, tmp_path, **sizes)
    assert array.shape == tuple(d if isinstance(d, int) else d.evaluate(sizes) for d in shape)
    np.testing.assert_array_equal(array.reshape(-1), feeds["x"].reshape(-1))


def test_a_reshape_of_what_may_be_empty(tmp_path: Path) -> None:
    """-1 cannot be worked out where another size is 0."""
    empty = symbol("P", 0)
    graph = OperatorGraph("test", 20)
    b = Builder(graph, Facts())
    x = Tensor("x", parse_type("float32[N, 6]"), stands_for="x")
    x.type = type(x.type)("float32", (empty, 6))
    graph.inputs.append(x)
    b.carry(x, is_input=True)
    result = b.reshape(x, (2 * empty, 3))
    graph.outputs = [("result", result)]
    for size in (0, 2):
        found = run(graph, feeds_for(graph, {"P": size}), tmp_path)["result"]
        assert found.shape == (2 * size, 3)


@pytest.mark.parametrize(
    ("start", "end", "step", "size"),
    [
        (0, None, 1, "H"),
        (1, None, 1, "H - 1"),
        (0, -1, 1, "H - 1"),
        (-2, None, 1, "2"),
        (0, None, 2, "ceil(H/2)"),
        (None, None, -1, "H"),
    ],
)
def test_slices_of_an_open_axis(start: int | None, end: int | None, step: int, size: str, tmp_path: Path) -> None:
    """`H` is 4 or more, so that no bound is cut short."""
    h = symbol("H")
    required = compare(">=", h, 4)
    assert isinstance(required, Condition)
    b, (x,) = builder("float32[H, 2]", require=required)
    result = b.slice(x, [h - 1 if start is None else start], [end], [0], [step])
    array, feeds = computed(b, result, tmp_path, H=5)
    np.testing.assert_array_equal(array, feeds["x"][slice(start, end, step)])
    assert str(result.shape[0]) == size


@pytest.mark.parametrize("opset", [17, 18, 20, 28])
@pytest.mark.parametrize("kind", ["Mean", "Sum", "Max", "Min", "Prod", "L2", "LogSumExp", "SumSquare"])
def test_reductions_in_every_operator_set(kind: str, opset: int, tmp_path: Path) -> None:
    b, (x,) = builder("float32[N, 4, 5]", opset=opset)
    kept, dropped = b.reduce(kind, x, [-1, 0], keepdims=True), b.reduce(kind, x, [-1, 0])
    whole = b.reduce(kind, x)
    assert [str(t.type) for t in (kept, dropped, whole)] == ["float32[1, 4, 1]", "float32[4]", "float32[]"]
    exact = {
        "Mean": np.mean,
        "Sum": np.sum,
        "Max": np.max,
        "Min": np.min,
        "Prod": np.prod,
        "L2": lambda a, axis: np.sqrt(np.sum(a * a, axis=axis)),
        "LogSumExp": lambda a, axis: np.log(np.sum(np.exp(a), axis=axis)),
        "SumSquare": lambda a, axis: np.sum(a * a, axis=axis),
    }[kind]
    array, feeds = computed(b, dropped, tmp_path, N=3)
    np.testing.assert_allclose(array, exact(feeds["x"], axis=(0, 2)), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("left", "right"),
    [((4,), (4,)), ((4,), (4, 3)), ((2, 4), (4,)), ((2, 4), (4, 3)), ((5, 2, 4), (4, 3)), ((5, 1, 2, 4), (6, 4, 3))],
)
def test_matmul_has_numpys_shapes(left: tuple[int, ...], right: tuple[int, ...], tmp_path: Path) -> None:
    b, (x, y) = builder(f"float32{list(left)}", f"float32{list(right)}")
    result = b.matmul(x, y)
    array, feeds = computed(b, result, tmp_path)
    wanted = np.matmul(feeds["x"], feeds["y"])
    assert array.shape == wanted.shape == result.shape
    np.testing.assert_allclose(array, wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("shape", "used"), [("[N, 4]", ["Gemm"]), ("[N, 5, 4]", ["MatMul", "Add"])])
def test_gemm_last_takes_one_operator_where_there_is_one(shape: str, used: list[str]) -> None:
    b, (x,) = builder(f"float32{shape}")
    result = b.gemm_last(x, weight(b, 4, 3), b.constant([1.0, 2.0, 3.0]))
    assert operators(b) == used
    assert result.shape[-1] == 3


def test_conv_writes_only_what_is_not_onnx_default() -> None:
    b, (x,) = builder("float32[N, 3, 8, 8]")
    b.conv(x, b.constant(np.zeros((4, 3, 3, 3))), spatial=(6, 6), strides=(1, 1), dilations=(1, 1))
    b.conv(
        x,
        b.constant(np.zeros((6, 1, 3, 3))),
        spatial=(4, 4),
        strides=(2, 2),
        dilations=(2, 2),
        groups=3,
        pads_begin=(2, 2),
        pads_end=(2, 2),
    )
    first, second = (operator.attributes for operator in b.graph.operators)
    assert first == {"kernel_shape": [3, 3]}
    assert second == {"kernel_shape": [3, 3], "group": 3, "strides": [2, 2], "dilations": [2, 2], "pads": [2, 2, 2, 2]}


def test_channels_first_and_last_are_inverse() -> None:
    b, (x,) = builder("float32[N, 4, 5, 3]")
    first = b.channels_first(x)
    assert str(first.type) == "float32[N, 3, 4, 5]"
    assert b.channels_last(first).type == x.type


def test_gather_pad_and_expand(tmp_path: Path) -> None:
    b, (x,) = builder("float32[N, 4]")
    taken = b.gather(x, b.ints([3, 0]), 1)
    padded = b.pad(taken, [0, 1], [0, 2], value=7.0)
    wide = b.expand(b.expand_dims(padded, [0]), (2, *padded.shape))
    array, feeds = computed(b, wide, tmp_path, N=3)
    wanted = np.pad(feeds["x"][:, [3, 0]], ((0, 0), (1, 2)), constant_values=7.0)
    np.testing.assert_array_equal(array, np.stack([wanted, wanted]))
    assert wide.type == parse_type("float32[2, N, 5]")
