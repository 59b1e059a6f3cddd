"""LSTMs in int8 without data: as near to float32 as their parts say, whatever the node uses."""

from __future__ import annotations

import logging
import sys
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
from archonnx.contract.agreement import error
from archonnx.runtime.int8 import recurrent, saturating
from archonnx.runtime.int8.recurrent import FINE, PARTS, lower_lstms, rounded
from archonnx.runtime.modelfile import read_model

sys.path.insert(0, str(Path(__file__).resolve().parent))

from small_models import convolutional

Array = np.ndarray[Any, Any]
FLOAT = TensorProto.FLOAT
STEPS, BATCH, WIDE, UNITS = 9, 3, 20, 24
ROOM = 127 / saturating.largest_weight()  # where weights have 7 bits, they lose twice as much
# Errors that were seen, of 300 networks drawn, with a third of room.
LARGEST = {parts: ROOM * seen for parts, seen in {1: 6e-2, 2: 3.3e-2, 3: 1.5e-2}.items()}


def lstm(
    direction: str = "forward", *, lengths: bool = False, states: bool = False, peepholes: bool = False, bias: bool = True,
    seed: int = 0, opset: int = 17, **attributes: Any,
) -> onnx.ModelProto:  # fmt: skip
    """x [T, N, 20] -> y, last, cell of one LSTM with 24 units."""
    draw = np.random.default_rng(seed)
    directions = 2 if direction == "bidirectional" else 1

    def weight(name: str, *shape: int) -> onnx.TensorProto:
        return numpy_helper.from_array(draw.normal(0, shape[-1] ** -0.5, (directions, *shape)).astype(np.float32), name)

    made = [weight("w", 4 * UNITS, WIDE), weight("r", 4 * UNITS, UNITS)]
    inputs = ["x", "w", "r", "", "", "", "", ""]
    if bias:
        made.append(weight("b", 8 * UNITS))
        inputs[3] = "b"
    if lengths:
        made.append(numpy_helper.from_array(np.array([STEPS, 4, 1], np.int32), "lengths"))
        inputs[4] = "lengths"
    if states:
        made += [weight("h", BATCH, UNITS), weight("c", BATCH, UNITS)]
        inputs[5:7] = ["h", "c"]
    if peepholes:
        made.append(weight("p", 3 * UNITS))
        inputs[7] = "p"
    node = helper.make_node(
        "LSTM", inputs, ["y", "last", "cell"], name="steps", hidden_size=UNITS, direction=direction, **attributes
    )
    graph = helper.make_graph(
        [node],
        "net",
        [helper.make_tensor_value_info("x", FLOAT, ["T", "N", WIDE])],
        [helper.make_tensor_value_info(name, FLOAT, None) for name in ("y", "last", "cell")],
        made,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)


def drawn(seed: int = 0, batch: int = BATCH, steps: int = STEPS) -> Array:
    return np.random.default_rng(seed).normal(0, 1, (steps, batch, WIDE)).astype(np.float32)


def lowered(model: onnx.ModelProto, parts: int) -> bytes:
    data = model.SerializeToString()
    graph, told = lower_lstms(data, read_model(data, "net.onnx"), parts)
    assert [(node.operator, node.precision) for node in told.nodes] == [("LSTM", "int8")]
    return bytes(graph.proto.SerializeToString())


def run(data: bytes, x: Array) -> list[Array]:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    found: list[Array] = session.run(None, {"x": x})
    return found


def largest(model: onnx.ModelProto, parts: int, x: Array) -> float:
    whole = run(model.SerializeToString(), x)
    return max(error(mine, ref) for mine, ref in zip(run(lowered(model, parts), x), whole, strict=True))


@pytest.mark.parametrize("parts", PARTS)
@settings(max_examples=12)
@given(
    st.sampled_from(["forward", "reverse", "bidirectional"]),
    st.booleans(), st.booleans(), st.booleans(), st.booleans(), st.integers(0, 2**31),
)  # fmt: skip
def test_all_that_an_lstm_has_stays(
    parts: int, direction: str, lengths: bool, states: bool, peepholes: bool, bias: bool, seed: int
) -> None:
    model = lstm(direction, lengths=lengths, states=states, peepholes=peepholes, bias=bias, seed=seed)
    assert largest(model, parts, drawn(seed)) < LARGEST[parts]


@pytest.mark.parametrize(
    "attributes",
    [{"clip": 0.5}, {"input_forget": 1}, {"activations": ["HardSigmoid", "Softsign", "Tanh"]}],
    ids=lambda each: next(iter(each)),
)
def test_its_attributes_stay(attributes: dict[str, Any]) -> None:
    model = lstm(seed=3, **attributes)
    assert largest(model, 3, drawn()) < LARGEST[3]
    plain, other = run(lowered(lstm(seed=3), 3), drawn()), run(lowered(model, 3), drawn())
    assert error(plain[0], other[0]) > 2 * LARGEST[3]  # else they would not matter


def test_more_parts_are_nearer() -> None:
    model, x = lstm("bidirectional", seed=5), drawn(7, batch=4, steps=30)
    one, two, three = (largest(model, parts, x) for parts in PARTS)
    assert one > 1.3 * two > 1.3 * three


@settings(max_examples=30)
@given(st.integers(0, 2**31), st.floats(1e-6, 1e6))
def test_the_parts_of_a_kernel_add_up_to_it(seed: int, size: float) -> None:
    kernel = (np.random.default_rng(seed).normal(0, size, (2, 8, 5))).astype(np.float32)
    kernel[0, 3] = 0
    found = rounded(kernel, 3)
    assert found.numbers.shape == (2, 15, 8)
    assert found.scales.shape == (2, 8)
    whole, small, rest = np.split(found.numbers.transpose(0, 2, 1) * found.scales[:, :, None], 3, axis=2)
    step = found.scales[:, :, None]
    assert np.all(np.abs(whole - kernel) <= 0.51 * step)
    assert np.all(np.abs(whole + rest / FINE - kernel) <= 0.51 * step / FINE)
    assert np.all(np.abs(small - kernel / FINE) <= 0.51 * step)


def test_weights_have_seven_bits_where_products_overflow(monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = np.random.default_rng(0).normal(0, 1, (1, 8, 5)).astype(np.float32)
    monkeypatch.setattr(saturating, "machine", lambda: {"features": "avx2"})
    assert np.abs(rounded(kernel, 1).numbers).max() == 63
    monkeypatch.setattr(saturating, "machine", lambda: {"features": "avx2 avx512_vnni"})
    assert np.abs(rounded(kernel, 1).numbers).max() == 127


def test_what_cannot_be_lowered_is_told(tmp_path: Path) -> None:
    def refusal(model: onnx.ModelProto) -> str:
        data = model.SerializeToString()
        with pytest.raises(archonnx.MachineError) as caught:
            lower_lstms(data, read_model(data, "net.onnx"), 1)
        return str(caught.value)

    model = lstm()
    model.graph.input.append(helper.make_tensor_value_info("r", FLOAT, [1, 4 * UNITS, UNITS]))
    assert "steps: its recurrent kernel is no constant" in refusal(model)
    half = lstm()
    for tensor in half.graph.initializer:
        tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float16), tensor.name))
    assert "its kernel is float16, int8 is made of float" in refusal(half)
    assert "its opset is 10, int8 of it takes 11" in refusal(lstm(opset=10))
    assert "batch comes first" in refusal(lstm(layout=1))
    assert "it has none" in refusal(convolutional())


def test_of_two_the_one_that_can_be_is_lowered() -> None:
    model = lstm()
    second = helper.make_node("LSTM", ["x", "x", "r"], ["other", "", ""], name="second", hidden_size=UNITS)
    model.graph.node.append(second)
    data = model.SerializeToString()
    outline = read_model(data, "net.onnx")
    assert outline.lstms == 2
    graph, told = lower_lstms(data, outline, 2)
    assert [(node.name, node.precision, bool(node.why)) for node in told.nodes] == [
        ("steps", "int8", False),
        ("second", "float32", True),
    ]
    assert "1 of 2 nodes in int8" in str(told)
    assert "second" in str(told)
    names = {tensor.name for tensor in graph.proto.graph.initializer}
    assert "r" in names
    assert "w" not in names


def test_weights_beside_the_file_are_read(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    onnx.save(lstm(), path, save_as_external_data=True, size_threshold=16, location="net.data")
    session = archonnx.load(path, precision="int8", cache="off")
    whole = run(lstm().SerializeToString(), drawn())
    for mine, ref in zip(session(x=drawn()).values(), whole, strict=True):
        assert 0 < error(mine, ref) < LARGEST[3]


def test_int8_needs_no_data_for_lstms(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "net.onnx"
    onnx.save(lstm(), path)
    with caplog.at_level(logging.INFO, "archonnx.runtime"):
        session = archonnx.load(path, precision="int8", cache="off")
    assert (session.precision, session.device) == ("int8", "cpu")
    assert session.lowered is not None
    assert session.lowered.summary == "1 of 1 nodes in int8"
    assert "LSTMs alone are in int8" in caplog.text
    assert {node.operator for part in session.placement().parts for node in part.nodes} >= {"DynamicQuantizeLSTM"}
    with pytest.raises(archonnx.MachineError, match=r'the CPU provider alone.*device="cpu"'):
        archonnx.load(path, precision="int8", device="openvino", cache="off")


def test_within_a_bound_the_parts_are_tried() -> None:
    data = lstm(seed=2).SerializeToString()
    session = archonnx.load(data, max_error=2e-2, device="cpu")
    tried = {trial.candidate.parts: trial for trial in session.choices}
    assert tried.keys() == {0, *PARTS}
    assert 0 < (tried[3].error or 0) < (tried[1].error or 0)
    assert "cpu int8 of LSTMs in 1 part:" in str(tried[1])
    assert "cpu int8 of LSTMs in 3 parts" in str(tried[3])
    kept = next(trial for trial in session.choices if trial.kept)
    if kept.candidate.parts:
        assert session.lowered is not None
        assert session.lowered.error == kept.error


def test_float32_runs_where_no_part_stays_within_the_bound(caplog: pytest.LogCaptureFixture) -> None:
    session = archonnx.load(lstm().SerializeToString(), max_error=1e-6, precision="int8", device="cpu")
    assert session.precision == "float32"
    assert "int8 is not both faster and within" in caplog.text


def spoken() -> onnx.ModelProto:
    """x [T, N, 20] -> scores: an LSTM, and a dense layer that data can calibrate."""
    model = lstm(seed=4)
    draw = np.random.default_rng(9)
    model.graph.initializer.append(numpy_helper.from_array(np.array([0, 0, -1]), "shape"))
    dense = draw.normal(0, UNITS**-0.5, (UNITS, 10)).astype(np.float32)
    model.graph.initializer.append(numpy_helper.from_array(dense, "dense"))
    model.graph.node.append(helper.make_node("Squeeze", ["y", "one"], ["flat"], name="flat"))
    model.graph.initializer.append(numpy_helper.from_array(np.array([1]), "one"))
    model.graph.node.append(helper.make_node("MatMul", ["flat", "dense"], ["scores"], name="scores"))
    del model.graph.output[:]
    model.graph.output.append(helper.make_tensor_value_info("scores", FLOAT, ["T", "N", 10]))
    return model


def test_with_data_products_and_lstms_are_in_int8_on_the_cpu() -> None:
    data = spoken().SerializeToString()
    calls = [{"x": drawn(seed)} for seed in range(12)]
    session = archonnx.load(data, precision="int8", data=calls, device="cpu", cache="off")
    whole = run(data, drawn(99))[0]
    assert 0 < error(session(x=drawn(99)), whole) < 0.1
    tried = {trial.candidate.parts for trial in session.choices if trial.candidate.precision == "int8"}
    assert tried == {0, max(PARTS)}
    assert session.lowered is not None
    kept = next(trial for trial in session.choices if trial.kept)
    lower = {(node.name, node.precision) for node in session.lowered.nodes}
    assert ("steps", "int8") in lower
    assert kept.candidate.parts or ("scores", "int8") in lower


def test_a_network_of_lstms_alone_may_have_data_too() -> None:
    calls = [{"x": drawn(seed)} for seed in range(12)]
    session = archonnx.load(lstm().SerializeToString(), precision="int8", data=calls, device="cpu", cache="off")
    assert session.precision == "int8"
    failed = [trial for trial in session.choices if trial.failed]
    assert failed
    assert all("products with constant factors" in (trial.failed or "") for trial in failed)


def test_networks_without_lstms_still_need_data() -> None:
    with pytest.raises(archonnx.UsageError, match="calibrated on inputs"):
        archonnx.load(convolutional().SerializeToString(), precision="int8")


def test_the_fine_number_was_chosen_by_measuring(monkeypatch: pytest.MonkeyPatch) -> None:
    model, x = lstm(seed=11), drawn(3, batch=4, steps=30)
    found = {}
    for fine in (2.0, FINE, 64.0):
        monkeypatch.setattr(recurrent, "FINE", fine)
        found[fine] = largest(model, 3, x)
    assert found[FINE] < min(found[2.0], found[64.0])
