"""Models lowered to int8: what is quantized, what it costs, what stays in float32, and what is refused."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

import archonnx
from archonnx.contract.agreement import error
from archonnx.contract.diagnostics import MachineError
from archonnx.runtime.int8 import calibrating, lowering, preparing
from archonnx.runtime.int8.lowering import Quantized, lower, split
from archonnx.runtime.modelfile import read_model
from archonnx.runtime.precision.keeping import _digest

sys.path.insert(0, str(Path(__file__).resolve().parent))

from small_models import attending, convolutional, pictures

Array = np.ndarray[Any, Any]


def lowered(model: onnx.ModelProto, samples: list[dict[str, Array]], **options: Any) -> Quantized:
    data = model.SerializeToString()
    return lower(data, read_model(data, "net.onnx"), samples, threads=1, **options)


def calls(images: Array) -> list[dict[str, Array]]:
    return [{"image": image[None]} for image in images]


def run(data: bytes, feeds: dict[str, Array]) -> Array:
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    found: Array = session.run(None, feeds)[0]
    return found


def test_a_network_is_int8_from_its_first_product_to_its_last() -> None:
    model = convolutional()
    made = lowered(model, calls(pictures(160)))
    proto = onnx.load_from_string(made.model)
    makers = {name: node for node in proto.graph.node for name in node.output}
    for name in ("stem", "deep", "point", "dense", "add"):
        node = next(each for each in proto.graph.node if each.name == name)
        assert all(makers[given].op_type == "DequantizeLinear" for given in node.input), name
    kernels = [
        tensor for tensor in proto.graph.initializer if tensor.data_type == TensorProto.INT8 and len(tensor.dims) > 1
    ]
    assert len(kernels) == 4
    scales = {tensor.name: list(tensor.dims) for tensor in proto.graph.initializer if tensor.name.endswith("_scale")}
    assert scales["deep.kernel_scale"] == [8]  # one for each channel
    assert proto.graph.input[0].type.tensor_type.shape.dim[0].dim_param == "N"
    assert [(entry.key, entry.value) for entry in proto.metadata_props] == [("words", "kept")]
    assert "BatchNormalization" not in {node.op_type for node in proto.graph.node}
    others = pictures(40, seed=9)
    found, expected = (run(data, {"image": others}) for data in (made.model, model.SerializeToString()))
    assert 0 < error(found, expected) < 0.08
    assert made.error == pytest.approx(made.lowering.error)
    assert made.lowering.kept == ()
    assert (made.calibrated, made.judged, made.apart) == (120, 32, True)


def test_its_error_is_that_of_examples_that_did_not_calibrate() -> None:
    model = convolutional()
    samples = calls(pictures(16))
    made = lowered(model, samples)
    _, judging = split(samples)
    data = model.SerializeToString()
    errors = [error(run(made.model, sample), run(data, sample)) for sample in judging]
    assert made.error == pytest.approx(max(errors))
    same = [run(made.model, one).argmax() == run(data, one).argmax() for one in judging]
    assert made.agreement == pytest.approx(np.mean(same))


def test_better_rounding_is_nearer_to_float32_than_onnxruntimes(monkeypatch: pytest.MonkeyPatch) -> None:
    samples = calls(pictures(24))
    model = convolutional()
    better = lowered(model, samples)
    monkeypatch.setattr(lowering, "improve", lambda *_: {})
    plain = lowered(model, samples)
    images = pictures(60, seed=5)
    exact = run(model.SerializeToString(), {"image": images})
    off = [float(np.square(run(made.model, {"image": images}) - exact).mean()) for made in (better, plain)]
    assert off[0] < off[1]


def test_what_passes_the_bound_alone_stays_in_float32_and_is_told() -> None:
    """A dense layer whose weights of one channel are a thousand times those of others, which cancel: 8 bits lose it."""
    model = convolutional()
    kernel = next(tensor for tensor in model.graph.initializer if tensor.name == "dense.kernel")
    weights = numpy_helper.to_array(kernel).copy()
    weights[0], weights[1] = 300, -300  # rows of channels 0 and 1
    point = next(tensor for tensor in model.graph.initializer if tensor.name == "gamma")
    gamma = numpy_helper.to_array(point).copy()
    gamma[:2] = 0
    kernel.CopyFrom(numpy_helper.from_array(weights, "dense.kernel"))
    point.CopyFrom(numpy_helper.from_array(gamma, "gamma"))
    samples = calls(pictures(16))
    free = lowered(model, samples)
    bound = free.error / 2
    held = lowered(model, samples, max_error=bound)
    assert held.error <= bound < free.error
    kept = held.lowering.kept
    assert kept
    assert all(node.error is not None and node.why for node in kept)
    passing = [node for node in held.lowering.nodes if (node.error or 0) > bound]
    assert {node.name for node in passing} <= {node.name for node in kept}
    assert all("alone it would lose" in str(node) for node in kept)
    proto = onnx.load_from_string(held.model)
    for node in kept:
        other = next(each for each in proto.graph.node if each.name == node.name)
        assert all(
            tensor.data_type == TensorProto.FLOAT for tensor in proto.graph.initializer if tensor.name in other.input
        )


def test_onnxruntime_does_not_round_what_stays_in_float32(tmp_path: Path) -> None:
    """It would, between two that are int8: then its optimisers change what the file says."""
    data = convolutional().SerializeToString()
    prepared = preparing.prepare(data, read_model(data, "net.onnx"), tmp_path)
    made = calibrating.quantize(
        prepared.without({"deep"}), calls(pictures(8)), "minmax", tmp_path, operators=["Add", "Clip", "Conv", "Relu"]
    )
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimised.onnx")
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    onnxruntime.InferenceSession(made.SerializeToString(), options, providers=["CPUExecutionProvider"])
    optimised = onnx.load(tmp_path / "optimised.onnx").graph
    operators = [node.op_type for node in optimised.node]
    assert operators.count("QLinearConv") == 2
    kernel = next(tensor for tensor in optimised.initializer if tensor.name == "deep.kernel")
    assert kernel.data_type == TensorProto.FLOAT
    plain = next(node for node in optimised.node if "deep.kernel" in node.input)
    assert plain.op_type in ("Conv", "FusedConv")


def test_a_bound_that_nothing_keeps_is_refused() -> None:
    with pytest.raises(MachineError, match=r"net.onnx: int8 does not stay within max_error=1e-09: its "):
        lowered(convolutional(), calls(pictures(8)), max_error=1e-9)


def test_products_of_matrices_are_quantized_and_what_has_no_constant_is_told() -> None:
    draw = np.random.default_rng(0)
    samples = [{"x": draw.uniform(-1, 1, (1, 3 + place % 4, 16)).astype(np.float32)} for place in range(24)]
    made = lowered(attending(), samples)
    assert [node.precision for node in made.lowering.nodes] == ["int8", "int8", "float32", "float32", "int8"]
    assert {node.why for node in made.lowering.kept} == {"its second factor is no constant"}
    operators = {node.op_type for node in onnx.load_from_string(made.model).graph.node}
    assert "QuantizeLinear" in operators
    assert made.error < 0.05
    proto = onnx.load_from_string(made.model)
    makers = {name: node.op_type for node in proto.graph.node for name in node.output}
    added = next(node for node in proto.graph.node if node.op_type == "Add")
    assert "DequantizeLinear" not in [makers.get(name) for name in added.input]  # the sum stays what it was


@pytest.mark.parametrize("opset", [11, 12, 13, 17])
def test_older_opsets(opset: int) -> None:
    made = lowered(convolutional(opset), calls(pictures(8)))
    assert made.error < 0.1
    assert len(made.lowering.nodes) == 4


def test_weights_beside_the_file(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    onnx.save(convolutional(), path, save_as_external_data=True, location="net.data", size_threshold=65)
    made = lower(str(path), read_model(path), calls(pictures(8)), threads=1)
    path.unlink()
    (tmp_path / "net.data").unlink()
    assert run(made.model, {"image": pictures(2)}).shape == (2, 10)


def test_what_has_no_products_is_refused() -> None:
    x = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 4])
    graph = helper.make_graph(
        [helper.make_node("Exp", ["image"], ["y"])], "g", [x], [helper.make_empty_tensor_value_info("y")]
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    with pytest.raises(
        MachineError, match=r"int8 is for products with constant factors \(Conv, Gemm, MatMul\): it has none"
    ):
        lowered(model, [{"image": np.ones((1, 4), np.float32)}])


def test_what_is_quantized_is_not_quantized_again() -> None:
    made = lowered(convolutional(), calls(pictures(8)))
    with pytest.raises(MachineError, match="it is quantized already"):
        lowered(onnx.load_from_string(made.model), calls(pictures(8)))


def test_nothing_is_printed_and_no_logging_is_set_up(capfd: pytest.CaptureFixture[str]) -> None:
    import logging

    before = list(logging.getLogger().handlers)
    lowered(convolutional(), calls(pictures(8)), method="percentile")
    assert capfd.readouterr() == ("", "")
    assert logging.getLogger().handlers == before
    assert logging.getLogger().filters == []


@pytest.mark.parametrize("method", ["minmax", "percentile", "entropy"])
def test_every_method_calibrates(method: str) -> None:
    assert lowered(convolutional(), calls(pictures(10)), method=method).error < 0.2


def test_loading_in_int8_tells_error_and_time_beside_float32(caplog: pytest.LogCaptureFixture) -> None:
    model = convolutional().SerializeToString()
    with caplog.at_level("INFO", "archonnx.runtime"):
        session = archonnx.load(model, "cpu", precision="int8", data=pictures(16), threads=1)
    assert (session.device, session.precision) == ("cpu", "int8")
    assert session.lowered is not None
    assert len(session.lowered.nodes) == 4
    assert {str(trial.candidate) for trial in session.choices if trial.seconds} == {"cpu int8", "cpu float32"}
    assert "4 of 4 products in int8, calibrated on 12 examples; error" in caplog.text
    image = pictures(3, seed=4)
    with archonnx.load(model, "cpu", threads=1) as exact:
        assert 0 < error(session(image), exact(image)) < 0.1
    assert session.placement().parts[0].share == pytest.approx(1.0)


def test_int8_without_data_says_how_to_give_some() -> None:
    with pytest.raises(
        archonnx.UsageError, match=r"calibrated on inputs such as the model will meet: give some, load\(..., data="
    ):
        archonnx.load(convolutional().SerializeToString(), "cpu", precision="int8")


def test_not_a_number_in_the_data_names_input_and_row() -> None:
    images = pictures(8)
    images[5, 0, 0, 0] = np.nan
    with pytest.raises(archonnx.UsageError, match=r"data: input image holds 1 number that is NaN \(row 5\)"):
        archonnx.load(convolutional().SerializeToString(), "cpu", precision="int8", data=images)


def test_within_a_bound_float32_runs_where_int8_does_not_hold_it(caplog: pytest.LogCaptureFixture) -> None:
    model = convolutional().SerializeToString()
    session = archonnx.load(model, "cpu", precision="int8", max_error=1e-9, data=pictures(8), threads=1)
    assert session.precision == "float32"
    assert "float32 runs, as int8 is not both faster and within 1e-09" in caplog.text


def test_int8_is_among_what_a_bound_allows() -> None:
    model = convolutional().SerializeToString()
    session = archonnx.load(model, "cpu", max_error=0.5, data=pictures(8), threads=1)
    trial = next(trial for trial in session.choices if str(trial.candidate) == "cpu int8")
    assert trial.error is not None
    assert trial.error <= 0.5


def test_a_few_examples_do_not_let_a_bound_take_int8(caplog: pytest.LogCaptureFixture) -> None:
    model = convolutional().SerializeToString()
    with caplog.at_level("INFO", "archonnx.runtime"):
        session = archonnx.load(model, "cpu", max_error=0.5, data=pictures(7), threads=1)
    assert session.precision == "float32"
    assert (
        "int8 is not tried: it takes 8 examples to calibrate it and to tell its error on others, not 7" in caplog.text
    )


def test_int8_on_openvino_is_as_near() -> None:
    pytest.importorskip("openvino", reason='pip install "archonnx[openvino]"')
    model = convolutional().SerializeToString()
    session = archonnx.load(model, "openvino", precision="int8", data=pictures(16), threads=1)
    assert (session.device, session.precision) == ("openvino", "int8")
    image = pictures(3, seed=4)
    with archonnx.load(model, "cpu", threads=1) as exact:
        assert 0 < error(session(image), exact(image)) < 0.1


def test_what_feeds_a_product_alone_stays_with_it(tmp_path: Path) -> None:
    data = convolutional().SerializeToString()
    prepared = preparing.prepare(data, read_model(data, "net.onnx"), tmp_path)
    assert prepared.feeding({"point"}) == {"deep"}
    assert prepared.feeding({"deep"}) == set()  # the sum takes the stem's too
    assert prepared.feeding({"stem"}) == set()
    assert prepared.feeding({"point", "deep"}) == set()


def test_data_that_give_constants_other_values_are_refused() -> None:
    model = convolutional()
    model.graph.input.append(helper.make_tensor_value_info("dense.kernel", TensorProto.FLOAT, [8, 10]))
    calls = [{"image": each[None], "dense.kernel": np.ones((8, 10), np.float32)} for each in pictures(8)]
    with pytest.raises(archonnx.UsageError, match=r"the data give dense\.kernel, which the file has values for"):
        archonnx.load(model.SerializeToString(), "cpu", precision="int8", data=calls, threads=1)


def test_what_calibrated_is_told_in_numbers_that_fit() -> None:
    for few, said in ((1, "calibrated on 1 example; "), (3, "calibrated on 3 examples; ")):
        made = lowered(convolutional(), calls(pictures(few)))
        assert said in str(made)
        assert str(made).endswith(" on the same")
    assert str(lowered(convolutional(), calls(pictures(9)))).endswith(" on 2 others")


def test_outputs_without_rows_agree_in_nothing() -> None:
    made = lowered(convolutional(), [{"image": pictures(1)[:0]}, {"image": pictures(1)}])
    assert made.agreement is not None
    empty = [[np.zeros((0, 10), np.float32)]]
    assert lowering._agreement(empty, empty) is None


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_data_of_small_floats_calibrate_where_python_gives_them_to_onnxruntime(tmp_path: Path, dtype: str) -> None:
    path = tmp_path / "net.onnx"
    model = convolutional()
    small = getattr(TensorProto, dtype.upper())
    model.graph.input[0].type.tensor_type.elem_type = small
    model.graph.node.insert(0, helper.make_node("Cast", ["image"], ["wide"], name="widen", to=TensorProto.FLOAT))
    first = next(node for node in model.graph.node if node.name == "first")
    first.input[0] = "wide"
    onnx.save(model, path)
    images = pictures(8).astype(helper.tensor_dtype_to_np_dtype(small))
    more = {"precision": "int8", "cache": tmp_path / "cache", "threads": 1}
    if dtype == "bfloat16":
        with pytest.raises(
            MachineError, match=r"input image: bfloat16\[N, 12, 12, 3\] is of a type .* a Cast behind it"
        ):
            archonnx.load(path, "cpu", data=images, **more)
        return
    session = archonnx.load(path, "cpu", data=images, **more)
    assert session.precision == "int8"
    assert len(list((tmp_path / "cache" / "int8").glob("*/model.onnx"))) == 1
    archonnx.load(path, "cpu", data=images[::-1], **more)
    assert len(list((tmp_path / "cache" / "int8").glob("*/model.onnx"))) == 2


def test_sequences_among_the_data_are_told_apart() -> None:
    def digest(*parts: list[float]) -> str:
        return _digest([{"parts": [np.array(part, np.float32) for part in parts]}])

    assert digest([1.0], [2.0, 3.0]) == digest([1.0], [2.0, 3.0])
    small = ml_dtypes.bfloat16  # which has no buffer that a hash reads
    assert _digest([{"x": np.ones(3, small)}]) != _digest([{"x": np.zeros(3, small)}])
    assert len({digest([1.0], [2.0, 3.0]), digest([1.0, 2.0], [3.0]), digest([1.0]), digest()}) == 4
