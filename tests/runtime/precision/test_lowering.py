"""Graphs in half precision: what they compute, of which types they are, and what stays in float32."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

import archonnx
from archonnx.contract.diagnostics import MachineError
from archonnx.runtime import engine
from archonnx.runtime.devices import CPU, Choice
from archonnx.runtime.loading import load
from archonnx.runtime.modelfile import read_model
from archonnx.runtime.precision import deciding, graphs, halves, starting
from archonnx.runtime.precision.candidates import Candidate, largest_error
from archonnx.runtime.precision.deciding import Lowering, decide
from archonnx.runtime.precision.graphs import Graph, hoist_constants, read_graph
from archonnx.runtime.precision.halves import start_lowered
from archonnx.runtime.precision.lowering import lower
from archonnx.runtime.precision.operators import element_types, floats_of
from archonnx.runtime.precision.probing import probe
from archonnx.runtime.settings import Settings

RANDOM = np.random.default_rng(0)
ZOO = Path(archonnx.__file__).parent / "models"


def floats(*shape: int) -> Any:
    return RANDOM.standard_normal(shape).astype(np.float32)


def run(graph: Graph, feeds: dict[str, Any]) -> list[Any]:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    with graph.loadable() as (source, folder):
        if folder:
            options.add_session_config_entry("session.model_external_initializers_file_folder_path", folder)
        session = onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
    found: list[Any] = session.run(None, feeds)
    return found


def lowered(source: bytes, feeds: dict[str, Any], to: Any = "float16", **options: Any) -> tuple[Graph, Lowering, Any]:
    """The graph, what became of its nodes, and the outputs of float32."""
    with load(source, "cpu") as session:
        reference = [session.run_with_timing(feeds)[0]]
    outputs = [list(each.values()) for each in reference]
    graph, told = decide(source, read_model(source), to, [feeds], outputs, threads=1, **options)
    onnx.shape_inference.infer_shapes(graph.proto, check_type=True, strict_mode=True)  # every type fits
    return graph, told, outputs


def model(nodes: Any, inputs: Any, outputs: Any, initializers: Any = (), opset: int = 21) -> bytes:
    def info(values: Any) -> list[Any]:
        return [helper.make_tensor_value_info(name, kind, shape) for name, (kind, shape) in values.items()]

    held = [numpy_helper.from_array(array, name) for name, array in dict(initializers).items()]
    graph = helper.make_graph(nodes, "graph", info(inputs), info(outputs), held)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)
    onnx.shape_inference.infer_shapes(made, check_type=True, strict_mode=True)
    data: bytes = made.SerializeToString()
    return data


NETWORKS = {
    "convolutions": (
        """
model Network():
    input x: float32[N, 24, 24, 3]
    x -> Conv2D(32, 3, padding="same", use_bias=False) -> BatchNormalization() -> ReLU() -> MaxPooling2D(2)
      -> Conv2D(32, 3, activation="swish") -> GlobalAveragePooling2D() -> Dense(10, activation="softmax")
""",
        {"x": floats(2, 24, 24, 3)},
    ),
    "recurrent": (
        """
model Network():
    input x: float32[N, T, 16]
    x -> LSTM(32, return_sequences=True) -> GRU(24) -> Dense(8)
""",
        {"x": floats(2, 7, 16)},
    ),
}


def compiled(name: str) -> tuple[bytes, dict[str, Any]]:
    text, feeds = NETWORKS[name]
    return saved(archonnx.compile(text=text)), feeds


def saved(made: Any) -> bytes:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        made.save(path)
        return path.read_bytes()


TOKENS = {"input_ids": RANDOM.integers(1, 99, (2, 11)), "attention_mask": np.ones((2, 11), np.int64)}


def transformer(name: str) -> tuple[bytes, dict[str, Any]]:
    parameters = {"layers": 2, "width": 64, "heads": 2, "vocabulary": 100}
    source = saved(archonnx.compile(ZOO / f"{name.lower()}.arch", name, **parameters))
    takes = {spec.name for spec in read_model(source).inputs}
    feeds = {**TOKENS, "token_type_ids": np.zeros((2, 11), np.int64)}
    return source, {name: array for name, array in feeds.items() if name in takes}


@pytest.mark.parametrize("name", [*NETWORKS, "GPT2", "BERT"])
def test_whole_models_lose_as_much_as_half_precision_has_to(name: str) -> None:
    source, feeds = compiled(name) if name in NETWORKS else transformer(name)
    graph, told, reference = lowered(source, feeds)
    error = largest_error([run(graph, feeds)], reference)
    assert 1e-6 < error < 5e-3
    assert 1e-6 < told.error < 5e-3  # emulated: what the CPU computes otherwise is another rounding
    assert len(told.kept) < len(told.nodes) / 4
    before = onnx.load_from_string(source)
    assert list(graph.proto.graph.input) == list(before.graph.input)
    assert [value.name for value in graph.proto.graph.output] == [value.name for value in before.graph.output]
    assert graph.proto.ByteSize() < 0.75 * len(source)
    _, told, _ = lowered(source, feeds, "bfloat16")
    assert 1e-4 < told.error < 5e-2


@pytest.mark.parametrize("bits", [4, 8])
def test_weights_of_few_bits_stay_and_what_meets_them_is_half(bits: Any, tmp_path: Path) -> None:
    text = "model M():\n    input x: float32[N, 128]\n    x -> Dense(96, activation='relu') -> Dense(64)\n"
    path = tmp_path / "bits.onnx"
    archonnx.compile(text=text.replace("'", '"')).save(path, weight_bits=bits)
    feeds = {"x": floats(3, 128)}
    with load(path, "cpu", precision="float32") as session:
        reference = [[session(feeds)]]
    graph, told = decide(str(path), read_model(path), "float16", [feeds], reference, threads=1)
    assert [node.operator for node in told.kept] == []
    assert told.error < 2e-3  # no more than half precision: nothing is rounded to int8
    products = [node for node in graph.proto.graph.node if node.op_type == "MatMulNBits"]
    held = {tensor.name: tensor.data_type for tensor in graph.proto.graph.initializer}
    assert [held[node.input[1]] for node in products] == [TensorProto.UINT8] * 2
    assert [held[node.input[2]] for node in products] == [TensorProto.FLOAT16] * 2
    assert largest_error([run(graph, feeds)], reference) < 5e-3


def test_what_overflows_stays_and_the_line_is_told() -> None:
    source = saved(
        archonnx.compile(
            text="""
model Overflows():
    input x: float32[N, 64]
    h = x -> Dense(512)
    squares = exp(h * 0.01 + 12.0) -> Dense(16)
    output y = (squares / 1000000.0) -> Dense(32) -> Dense(4)
"""
        )
    )
    feeds = {"x": floats(3, 64)}
    everything = read_graph(source, "naive")
    types = element_types(source)
    nodes = everything.proto.graph.node
    lower(everything, {p: f for p, n in enumerate(nodes) if (f := floats_of(n, types, 21, "float16"))}, "float16")
    graph, told, reference = lowered(source, feeds)
    assert largest_error([run(everything, feeds)], reference) > 0.5  # so it is when nothing is kept
    assert largest_error([run(graph, feeds)], reference) < 5e-3
    exp = next(node for node in told.nodes if node.operator == "Exp")
    assert exp.precision == "float32"
    assert exp.error == float("inf")
    assert exp.place is not None
    assert exp.place.split(":")[-2] == "5"
    assert "its results come to 1." in str(exp)
    assert any(node.precision == "float16" for node in told.nodes)


def test_sums_that_pass_the_largest_half_stay_though_their_results_do_not() -> None:
    source = model(
        [
            helper.make_node("Mul", ["x", "s"], ["a"], name="scaled"),
            helper.make_node("ReduceMean", ["a"], ["b"], name="long", axes=[1], keepdims=1),
            helper.make_node("ReduceMean", ["x"], ["c"], name="short", axes=[2], keepdims=1),
            helper.make_node("Add", ["b", "c"], ["y"], name="sum"),
        ],
        {"x": (1, ["N", 60_000, 2])},
        {"y": (1, None)},
        {"s": np.float32(3)},
        opset=17,
    )
    _, told, _ = lowered(source, {"x": np.ones((1, 60_000, 2), np.float32)})
    by_name = {node.name: node for node in told.nodes}
    assert by_name["long"].precision == "float32"
    assert "its sums come to 1.8e+05" in by_name["long"].why
    assert by_name["short"].precision == "float16"


def test_what_vanishes_in_half_keeps_what_feeds_it() -> None:
    source = model(
        [
            helper.make_node("Mul", ["x", "x"], ["squares"], name="squares"),
            helper.make_node("Add", ["squares", "tiny"], ["never"], name="never"),
            helper.make_node("Div", ["one", "never"], ["large"], name="large"),
            helper.make_node("Mul", ["large", "tiny"], ["small"], name="small"),
            helper.make_node("MatMul", ["x", "w"], ["product"], name="product"),
            helper.make_node("Add", ["small", "product"], ["y"], name="sum"),
        ],
        {"x": (1, ["N", 300])},
        {"y": (1, None)},
        {"tiny": np.float32(1e-9), "one": np.float32(1), "w": floats(300, 300)},
    )
    feeds = {"x": np.where(np.arange(300) % 7 == 0, 0, floats(2, 300)).astype(np.float32)}
    graph, told, reference = lowered(source, feeds)
    by_name = {node.name: node.precision for node in told.nodes}
    assert by_name["never"] == by_name["large"] == "float32"
    assert by_name["product"] == "float16"
    assert largest_error([run(graph, feeds)], reference) < 5e-3


def test_sizes_are_reckoned_with_in_float32() -> None:
    source = model(
        [
            helper.make_node("Shape", ["x"], ["shape"]),
            helper.make_node("Cast", ["shape"], ["sizes"], to=TensorProto.FLOAT),
            helper.make_node("Mul", ["sizes", "factors"], ["wanted"], name="wanted"),
            helper.make_node("Div", ["wanted", "sizes"], ["scales"], name="scales"),
            helper.make_node("Resize", ["x", "", "scales"], ["y"], name="resize", mode="linear"),
        ],
        {"x": (1, ["N", 1, "H", "W"])},
        {"y": (1, None)},
        {"factors": np.array([1, 1, 1.7, 2049 / 1000], np.float32)},
    )
    feeds = {"x": floats(1, 1, 30, 1000)}
    graph, told, reference = lowered(source, feeds)
    assert {node.name: node.precision for node in told.nodes} == {
        "wanted": "float32",
        "scales": "float32",
        "resize": "float16",
    }
    assert run(graph, feeds)[0].shape == reference[0][0].shape == (1, 1, 51, 2049)


def test_branches_constants_and_outputs_in_the_middle() -> None:
    inner = [
        helper.make_graph(
            [helper.make_node(op, ["h", "w"], [f"r{op}"], name=op)],
            op,
            [],
            [helper.make_tensor_value_info(f"r{op}", 1, None)],
        )
        for op in ("Add", "Mul")
    ]
    constant = helper.make_node(
        "Constant", [], ["k"], value=numpy_helper.from_array(np.full(40, 2, np.float32)), name="constant"
    )
    source = model(
        [
            constant,
            helper.make_node("Mul", ["x", "k"], ["a"], name="a"),
            helper.make_node("Add", ["a", "w"], ["h"], name="h"),
            helper.make_node("If", ["c"], ["b"], then_branch=inner[0], else_branch=inner[1], name="if"),
            helper.make_node("Clip", ["b", "", "most"], ["y"], name="clip"),
            helper.make_node("Greater", ["h", "b"], ["z"], name="greater"),
        ],
        {"x": (1, ["N", 40]), "c": (9, [])},
        {"h": (1, None), "y": (1, None), "z": (9, None)},
        {"w": floats(40), "most": np.float32(1.5)},
    )
    feeds = {"x": floats(9, 40), "c": np.array(True)}
    graph, told, reference = lowered(source, feeds)
    found = run(graph, feeds)
    assert largest_error([found[:2]], [reference[0][:2]]) < 5e-3
    assert [array.dtype.name for array in found] == ["float32", "float32", "bool"]
    assert {node.name for node in told.nodes if node.precision == "float16"} == {"a", "h", "clip"}
    assert not [node for node in graph.proto.graph.node if node.op_type == "Constant"]


def test_data_beside_the_model_and_past_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, feeds = compiled("convolutions")
    path = tmp_path / "model.onnx"
    onnx.save(onnx.load_from_string(source), path, save_as_external_data=True, location="w.data", size_threshold=100)
    with load(path, "cpu") as session:
        reference = [[session(feeds)]]
    _, model_ = None, read_model(path)
    plain, _ = decide(str(path), model_, "float16", [feeds], reference, threads=1)
    expected = run(plain, feeds)
    monkeypatch.setattr(graphs, "LIMIT", 1000)
    large, _ = decide(str(path), model_, "float16", [feeds], reference, threads=1)
    with large.loadable() as (made, folder):
        assert isinstance(made, str)
        assert folder == ""
    assert np.array_equal(run(large, feeds)[0], expected[0])
    assert not Path(made).exists()


def test_a_bound_keeps_more() -> None:
    source, feeds = transformer("GPT2")
    _, loose, _ = lowered(source, feeds, "bfloat16")
    _, near, _ = lowered(source, feeds, "bfloat16", max_error=loose.error / 2)
    assert near.error <= loose.error / 2
    assert len(near.kept) > len(loose.kept)
    with pytest.raises(MachineError, match="no part of it computes in bfloat16 and stays within 1e-12"):
        lowered(source, feeds, "bfloat16", max_error=1e-12)
    old = model([helper.make_node("Relu", ["x"], ["y"])], {"x": (1, [2])}, {"y": (1, [2])}, opset=8)
    with pytest.raises(MachineError, match="it uses opset 8, float16 is made of models of opset 9 and later"):
        lowered(old, {"x": floats(2)})


def test_a_model_without_floats_has_nothing_to_lower() -> None:
    whole = model([helper.make_node("Add", ["x", "x"], ["y"])], {"x": (7, [2])}, {"y": (7, [2])})
    with pytest.raises(MachineError, match="no operator of it computes in float32 and could in float16"):
        lowered(whole, {"x": np.ones(2, np.int64)})


UNARY = ("Relu", "Sigmoid", "Tanh", "Neg", "Abs", "Softmax", "Identity")
BINARY = ("Add", "Mul", "Sub", "Max")


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_any_choice_of_nodes_gives_a_graph_of_fitting_types(data: st.DataObject) -> None:
    values, nodes = ["x", "w", "v"], []
    for place in range(data.draw(st.integers(1, 8))):
        taken = [data.draw(st.sampled_from(values)) for _ in range(2)]
        operator = data.draw(st.sampled_from(UNARY + BINARY))
        nodes.append(helper.make_node(operator, taken[: 1 + (operator in BINARY)], [f"y{place}"], name=f"n{place}"))
        values.append(f"y{place}")
    outputs = data.draw(st.lists(st.sampled_from(values[3:]), min_size=1, unique=True))
    source = model(
        nodes,
        {"x": (1, [1, 4]), "v": (1, [1, 4])},
        {name: (1, [1, 4]) for name in outputs},
        {"w": np.array([[0.5, -1, 2, 0.25]], np.float32), "v": np.ones((1, 4), np.float32)},
    )
    types = element_types(source)
    able = {p: f for p, node in enumerate(nodes) if (f := floats_of(node, types, 21, "float16"))}
    assert len(able) == len(nodes)
    chosen = {place: able[place] for place in data.draw(st.sets(st.sampled_from(sorted(able))))}
    feeds = {"x": np.array([[0.1, -0.7, 0.3, 1.1]], np.float32)}
    results = []
    for emulate in (False, True):
        graph = read_graph(source, "random")
        lower(graph, chosen, "float16", emulate)
        onnx.shape_inference.infer_shapes(graph.proto, check_type=True, strict_mode=True)
        results.append(run(graph, feeds))
    reference = onnxruntime.InferenceSession(source, providers=["CPUExecutionProvider"]).run(None, feeds)
    for found in results:
        assert largest_error([found], [reference]) < 2e-2
    if not chosen:
        assert largest_error([results[0]], [reference]) < 1e-6


class Ran:
    """What is left of a runner here: which nodes the CPU got."""

    providers = ("CUDAExecutionProvider", "CPUExecutionProvider")

    def __init__(self, nodes: list[tuple[str, str]]) -> None:
        self.ran = {"CPUExecutionProvider": nodes}


def test_what_a_device_does_not_compute_in_half_stays_in_float32() -> None:
    source, feeds = compiled("convolutions")
    with load(source, "cpu") as session:
        reference = [[session(feeds)]]
    tries: list[onnx.ModelProto] = []

    def start(made: str | bytes, folder: str) -> Any:
        assert isinstance(made, bytes)
        tries.append(onnx.load_from_string(made))
        halves = {t.name for t in tries[-1].graph.initializer if t.data_type == TensorProto.FLOAT16}
        if any(node.op_type == "Conv" and halves & set(node.input) for node in tries[-1].graph.node):
            reason = RuntimeError("Could not find an implementation for Conv(11) node with name 'conv2d'")
            raise MachineError("onnxruntime has no implementation of Conv") from reason
        return Ran([(node.name, node.op_type) for node in tries[-1].graph.node if node.op_type == "MaxPool"])

    found, told, _ = start_lowered(source, read_model(source), "float16", [feeds], reference, start, threads=1)
    assert isinstance(found, Ran)
    assert len(tries) == 3
    why = {node.operator: node.why for node in told.nodes if node.precision == "float32"}
    assert why["Conv"] == "the device has no float16 of it"
    assert why["MaxPool"] == "the device has no such operator in float16"
    assert any(node.precision == "float16" and node.operator in ("Gemm", "MatMul") for node in told.nodes)


def test_what_onnxruntime_itself_lacks_is_found_one_after_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of bfloat16 the CPU has casts and moves alone, so that one operator after another stays in float32."""
    source = model(
        [
            helper.make_node("MatMul", ["x", "w"], ["a"], name="product"),
            helper.make_node("Add", ["a", "b"], ["c"], name="sum"),
            helper.make_node("Relu", ["c"], ["d"], name="relu"),
            helper.make_node("Reshape", ["d", "s"], ["y"], name="reshape"),
        ],
        {"x": (1, ["N", 16])},
        {"y": (1, ["N", 2, 4])},
        {"w": floats(16, 8), "b": floats(8), "s": np.array([0, 2, 4])},
    )
    feeds = {"x": floats(3, 16)}
    with load(source, "cpu") as session:
        reference = [[session(feeds)]]
    probed = []
    monkeypatch.setattr(deciding, "probe", lambda *a: probed.append(a) or probe(*a))
    outline = read_model(source)

    def start(made: str | bytes, folder: str) -> Any:
        return engine.start(made, outline, Choice("cpu", (CPU,)), Settings("cpu", 1), folder)

    runner, told, _ = start_lowered(source, outline, "bfloat16", [feeds], reference, start, threads=1)
    assert {node.name: node.precision for node in told.nodes} == {
        "product": "float32",
        "sum": "float32",
        "relu": "float32",
        "reshape": "bfloat16",
    }
    assert len(probed) == 1
    assert 1e-4 < largest_error([runner.run(feeds)], reference) < 1e-2


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """The CPU stands for a GPU, and computes in float16 by casting."""

    def chosen(device: str, precision: Any, machine: Any = None) -> Choice:
        return Choice("cpu", (CPU,), "stands for a GPU", precision)

    monkeypatch.setattr(starting, "choose", chosen)
    monkeypatch.setattr(starting, "converted", lambda choice: choice.precision == "float16")
    ways = ([Candidate("cpu"), Candidate("cuda", "float16")], [])
    monkeypatch.setattr(starting, "candidates", lambda device, precision: ways)


@pytest.mark.usefixtures("stand_in")
@pytest.mark.parametrize("bound", [None, 1e-2])
def test_loading_lowers_tells_and_runs(bound: float | None) -> None:
    source, feeds = compiled("convolutions")
    with load(source, "cpu") as session:
        reference = session(feeds)
    with load(source, precision="float16", max_error=bound, data=feeds) as session:
        if bound is not None:  # which of the two is faster, the machine decides
            assert {str(trial.candidate) for trial in session.choices} == {"cpu float32", "cuda float16"}
            assert all(trial.error is not None and trial.error < bound for trial in session.choices)
        if session.precision == "float16":
            assert session.lowered is not None
            assert str(session.lowered).startswith(f"{len(session.lowered.nodes)} of ")
            assert 1e-6 < largest_error([[session(feeds)]], [[reference]]) < 5e-3
        else:
            assert bound is not None


@pytest.mark.usefixtures("stand_in")
def test_what_was_lowered_is_kept_for_these_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, feeds = compiled("convolutions")
    path = tmp_path / "model.onnx"
    path.write_bytes(source)
    decisions = []
    monkeypatch.setattr(halves, "decide", lambda *a, **k: decisions.append(a) or decide(*a, **k))
    found = []
    for data in (feeds, feeds, {"x": feeds["x"][:1]}):
        with load(path, precision="float16", data=data, cache=tmp_path / "cache") as session:
            assert session.lowered is not None
            found.append((session.lowered, session(feeds)))
        assert len(decisions) == (1 if data is feeds else 2)
    assert found[0][0] == found[1][0]
    assert np.array_equal(found[0][1], found[1][1])
    for entry in (tmp_path / "cache" / "halves").glob("*/entry.json"):
        entry.write_text("{")
    with load(path, precision="float16", data=feeds, cache=tmp_path / "cache") as session:
        assert np.array_equal(session(feeds), found[0][1])  # made again
    assert len(decisions) == 3


def test_constants_of_others_are_hoisted() -> None:
    source = model(
        [
            helper.make_node("Constant", [], ["k"], value_float=2.0),
            helper.make_node("Constant", [], ["i"], value=numpy_helper.from_array(np.int64(1))),
            helper.make_node("Constant", [], ["f"], value=numpy_helper.from_array(np.float32(1))),
            helper.make_node("Add", ["k", "f"], ["y"]),
        ],
        {},
        {"y": (1, None), "i": (7, [])},
    )
    graph = read_graph(source, "constants")
    hoist_constants(graph)
    assert [node.op_type for node in graph.proto.graph.node] == ["Constant", "Constant", "Add"]
    assert [tensor.name for tensor in graph.proto.graph.initializer] == ["f"]
