"""Models on OpenVINO, in a process of its own: they give what the CPU gives, in float32, or are refused."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import archonnx
from archonnx.contract import metadata as keys

MODELS = Path(archonnx.__file__).parent / "models"
CHILD = Path(__file__).with_name("plugin_child.py")
BITS: tuple[Literal[8, 4], ...] = (8, 4)
LAYERS = """
model Layers():
    input x: float32[N, 64]
    x -> Dense(512, activation="relu") -> Dense(8)
"""


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory, make: Any) -> dict[str, Any]:
    """What plugin_child.py found with the models that are made here."""
    if importlib.util.find_spec("onnxruntime_ep_openvino") is None:
        pytest.skip("the package onnxruntime-ep-openvino is not installed")
    folder = tmp_path_factory.mktemp("openvino")
    archonnx.compile(MODELS / "resnet.arch", "ResNet50").save(folder / "same_resnet50.onnx")
    compiled = archonnx.compile(text=LAYERS)
    compiled.save(folder / "same_layers.onnx")
    for bits in BITS:
        compiled.save(folder / "rounded.onnx", weight_bits=bits)
        model = onnx.load(folder / "rounded.onnx")
        for attribute in (each for node in model.graph.node for each in node.attribute):
            if attribute.name == "accuracy_level":
                attribute.i = 1  # float32 is meant: our own files allow int8
        onnx.save(model, folder / f"same_bits{bits}.onnx")

    def write(name: str, *args: Any) -> None:
        (folder / f"{name}.onnx").write_bytes(make(*args).SerializeToString())

    x = {"x": ("float32", ["N", 3, 3])}
    chain = [helper.make_node("Exp", ["x"], ["a"]), helper.make_node("Det", ["a"], ["y"])]
    write("same_part", x, chain, {"y": ("float32", ["N"])})
    write("refused_text", {"x": ("string", ["N"])})
    write("refused_double", {"x": ("float64", ["N"])}, "Exp")
    casts = [
        helper.make_node("Cast", ["x"], ["a"], to=TensorProto.DOUBLE),
        helper.make_node("Cast", ["a"], ["y"], to=TensorProto.FLOAT),
    ]
    write("refused_cast", x, casts, {"y": ("float32", None)})
    constant = numpy_helper.from_array(np.ones(1), "c")
    pair = [helper.make_node("CastLike", ["x", "c"], ["a"]), helper.make_node("CastLike", ["a", "x"], ["y"])]
    write("refused_constant", x, pair, {"y": ("float32", None)}, [constant])
    two = [helper.make_node("RNN", ["x", f"w{n}", "r"], [f"y{n}"], hidden_size=3) for n in (0, 1)]
    both = [*two, helper.make_node("Add", ["y0", "y1"], ["y"])]
    weights = [numpy_helper.from_array(np.ones((1, 3, 3), np.float32), name) for name in ("w0", "w1", "r")]
    write("refused_steps", x, both, {"y": ("float32", None)}, weights)
    write("refused_none", x, [helper.make_node("Det", ["x"], ["y"])], {"y": ("float32", ["N"])})
    named = [helper.make_node("Reshape", ["x", "s"], ["net/reshape"], name="net/Reshape")]
    named[0].metadata_props.add(key=keys.PLACE, value="net.arch:3:5")
    write(
        "fails_reshape",
        {"x": ("float32", ["N"]), "s": ("int64", [2])},
        named,
        {"net/reshape": ("float32", None)},
    )
    adds = [helper.make_node("Add", ["x", "total"], ["more"]), helper.make_node("Neg", ["more"], ["y"])]
    states = {"x": ("float32", [3]), "total": ("float32", [3])}
    adds.append(helper.make_node("Identity", ["more"], ["next"]))
    write("steps", states, adds, {"y": ("float32", [3]), "next": ("float32", [3])})
    three = [helper.make_node("Neg", ["x"], ["minus"]), helper.make_node("NonZero", ["x"], ["places"])]
    results = {"minus": ("float32", ["N", 2]), "places": ("int64", [2, None]), "x": ("float32", ["N", 2])}
    write("bound", {"x": ("float32", ["N", 2])}, three, results)
    write("refused_rank", {"x": ("float32", None)}, "Neg", {"y": ("float32", None)})
    write("refused_same", x, [helper.make_node("Cast", ["x"], ["y"], to=TensorProto.FLOAT)])
    write("refused_dropped", x, [helper.make_node("Dropout", ["x"], ["y"])])
    few = {"x": ("uint8", ["N"])}
    write("refused_few", few, [helper.make_node("Div", ["x", "x"], ["y"], name="half")], {"y": ("uint8", ["N"])})
    whole = {"x": ("int64", ["N"])}
    for name, held in (("wide", [numpy_helper.from_array(np.array(2**40), "c")]), ("constant_wide", [])):
        steps = [helper.make_node("Add", ["x", "c"], ["y"])]
        if not held:
            steps.insert(0, helper.make_node("Constant", [], ["c"], value=helper.make_tensor("c", 7, [1], [-(2**40)])))
        write(f"refused_{name}", whole, steps, {"y": ("int64", ["N"])}, held)
    near = [numpy_helper.from_array(np.array(2**31 - 1), "c"), numpy_helper.from_array(np.array([2**63 - 1]), "end")]
    near += [numpy_helper.from_array(np.array([0]), "begin")]
    steps = [helper.make_node("Slice", ["x", "begin", "end"], ["a"]), helper.make_node("Min", ["a", "c"], ["y"])]
    write("same_near", whole, steps, {"y": ("int64", ["N"])}, near)
    wide = {"y": ("float32", [None, None, None])}
    pads = numpy_helper.from_array(np.array([0, 0, 1, 0, 0, 1]), "p")
    write("refused_wrapped", x, [helper.make_node("Pad", ["x", "p"], ["y"], mode="wrap")], wide, [pads])
    nothing = {"x": ("float32", [0, 5])}
    write("nothing", nothing, [helper.make_node("Trilu", ["x"], ["y"])], {"y": ("float32", [0, 5])})
    source = str(Path(archonnx.__file__).parents[1])
    done = subprocess.run(
        [sys.executable, str(CHILD), str(folder)],
        env={**os.environ, "PYTHONPATH": source},
        capture_output=True,
        text=True,
        timeout=200,
    )
    if done.returncode == 77:
        pytest.skip("OpenVINO's plug-in takes processors of Intel alone, and could not be told that this is one")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def test_openvino_works_and_auto_does_not_choose_it(found: dict[str, Any]) -> None:
    assert found["works"]
    assert found["auto"] != "openvino"


@pytest.mark.parametrize("model", ["resnet50", "layers", "bits8", "bits4", "near"])
def test_openvino_computes_in_float32(found: dict[str, Any], model: str) -> None:
    """bfloat16 has errors of 1e-3 here, int8 of 1e-2."""
    assert found[f"same_{model}"]["error"] < 1e-5
    assert found[f"same_{model}"]["device"] == "openvino"
    assert found[f"same_{model}"]["threads"] == 1
    assert list(found[f"same_{model}"]["placement"]) == ["OpenVINOExecutionProvider"]


def test_what_openvino_does_not_take_runs_on_the_cpu_and_is_said_to(found: dict[str, Any]) -> None:
    part = found["same_part"]
    assert part["placement"] == {"OpenVINOExecutionProvider": 1, "CPUExecutionProvider": 1}
    assert part["error"] < 1e-5


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("text", "input x is string[N], which OpenVINO does not carry"),
        ("double", "input x is float64[N], which OpenVINO computes in float32"),
        ("cast", "it has float64 inside, which OpenVINO computes in float32"),
        ("constant", "it has float64 inside, which OpenVINO computes in float32"),
        (
            "steps",
            "OpenVINO does not compute as ONNX says: RNN with steps that others read too (nodes that gives y0, "
            "that gives y1)",
        ),
        (
            "rank",
            "the file does not tell how many axes its input x has, which OpenVINO's plug-in has to know",
        ),
        (
            "same",
            "OpenVINO's plug-in does not keep apart the arrays of: Cast of an input to the type that it has "
            "(node that gives y)",
        ),
        (
            "dropped",
            "OpenVINO's plug-in cannot load it: Input names mismatch between OpenVINO and ONNX. x doesn't exist in "
            "the list of OpenVINO input tensor names",
        ),
        ("few", "it computes in uint8, whose ends OpenVINO does not go round (node half)"),
        (
            "wide",
            "it computes with the constant 1,099,511,627,776, which OpenVINO cuts to 32 bits (node that gives y)",
        ),
        (
            "constant_wide",
            "it computes with the constant -1,099,511,627,776, which OpenVINO cuts to 32 bits (node that gives y)",
        ),
        ("wrapped", "OpenVINO's plug-in cannot load it: Model wasn't fully converted"),
        ("none", "none of the model's operators runs on OpenVINO"),
    ],
)
def test_what_would_be_computed_otherwise_is_refused(found: dict[str, Any], model: str, words: str) -> None:
    message = found[f"refused_{model}"]
    assert message.startswith("MachineError: ")
    assert f"refused_{model}.onnx: {words}" in message
    assert message.endswith('; use device="cpu" for it')


def test_numbers_beyond_32_bits_are_refused(found: dict[str, Any]) -> None:
    reason = "1099511627776 does not fit int32, in which OpenVINO computes whole numbers"
    assert found["wide"] == f'InputError: input s: {reason}; use device="cpu"'


def test_a_failed_run_says_where_without_openvinos_own_places(found: dict[str, Any]) -> None:
    message = found["reshape"]
    assert message.startswith("RunError: ")
    assert "the shape of input data (6) conflicts with the reshape pattern" in message
    assert "(node net/reshape at net.arch:3:5)" in message
    assert not any(word in message for word in ("src/", "Exception", "OpenVINOExecutionProvider", "\n"))


def test_arrays_without_elements_are_told_of(found: dict[str, Any]) -> None:
    words = """OpenVINO's plug-in takes no array without elements here; use device="cpu" for it"""
    assert found["nothing"].startswith("RunError: ")
    assert found["nothing"].endswith(words)


def test_no_old_results_come_after_a_run_that_failed(found: dict[str, Any]) -> None:
    """OpenVINO 2026.4 itself raises nothing where it has one thread, and gives the results of the run before."""
    failed, refused = found["single"]
    assert "the shape of input data (6) conflicts with the reshape pattern" in failed
    assert refused.startswith("RunError: ")
    assert (
        "an earlier run failed, and OpenVINO's plug-in may give old results after that: load the model again" in refused
    )


def test_what_a_step_keeps_is_taken_by_the_next(found: dict[str, Any]) -> None:
    assert found["steps"] == [-6.0, -6.0, -6.0]


def test_a_bound_session_reads_what_its_inputs_hold_now(found: dict[str, Any]) -> None:
    """onnxruntime copies what is bound to an input of the plug-in, once."""
    bound = found["bound"]
    assert bound["results"] == [[[-v, -v], [0, 0, 0, 1], [v, v]] for v in (1.0, 2.0, 3.0)]
    assert bound["empty"] == [0, 2]


def test_a_bound_session_writes_into_the_same_arrays(found: dict[str, Any]) -> None:
    assert found["settled"] == [[*[-11.0 * v] * 3, *[11.0 * v] * 3, True] for v in range(4)]


def test_an_array_of_another_shape_than_the_result_is_told_and_spoils_nothing(found: dict[str, Any]) -> None:
    bound = found["bound"]
    assert bound["wrong"] == "UsageError: out: output places: the array has the shape [2, 1], the result [2, 2]"
    assert bound["right"] == [[0, 0], [0, 1]]
    assert bound["again"] == [[-4.0, -3.0]]
    assert bound["fewer"] == "UsageError: out: output places: the array has the shape [2, 2], the result [2, 1]"
