"""Models on OpenVINO's own library: they give what onnxruntime's CPU provider gives, or are refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

import archonnx
from archonnx.contract.diagnostics import MachineError
from archonnx.runtime.errors import InputError
from archonnx.runtime.loading import load

CONVOLUTIONS = """
model Convolutions(classes = 5):
    input image: float32[N, H, W, 3]
    Conv2D(8, 3, strides=2, padding="same")
    BatchNormalization()
    ReLU()
    DepthwiseConv2D(3, padding="same")
    MaxPooling2D(2)
    Conv2D(16, 3, padding="same", activation="gelu")
    GlobalAveragePooling2D()
    Dense(classes, activation="softmax")
    output probabilities
"""
RECURRENT = """
model Recurrent():
    input x: float32[N, T, 6]
    Bidirectional(LSTM(10, return_sequences=True))
    GRU(7)
    LayerNormalization()
    Dense(3)
    output y
"""
ENCODER = {"layers": 2, "width": 32, "heads": 4, "vocabulary": 50, "positions": 24, "types": 2}
random = np.random.default_rng(5)


def worst(model: Any, other: Any, *args: Any, **kwargs: Any) -> float:
    """The largest difference, relative to the largest output."""
    mine, theirs = (session.run_with_timing(*args, **kwargs)[0] for session in (model, other))
    assert list(mine) == list(theirs)
    for name in mine:
        assert (mine[name].shape, mine[name].dtype) == (theirs[name].shape, theirs[name].dtype)
    return max(float(np.abs(mine[n] - theirs[n]).max() / max(1e-6, np.abs(theirs[n]).max())) for n in mine)


@pytest.fixture(scope="module")
def both(on_library: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A compiled model on OpenVINO and on the CPU."""

    def loaded(compiled: Any, **options: Any) -> tuple[Any, Any]:
        path = tmp_path_factory.mktemp("models") / "m.onnx"
        compiled.save(path)
        return on_library(str(path), **options), load(str(path), "cpu")

    return loaded


@pytest.mark.parametrize("threads", [None, 1, 2])
def test_convolutions_of_any_size(both: Any, threads: int | None) -> None:
    """bfloat16, in which OpenVINO computes where it is left alone, has errors of 1e-3."""
    here, there = both(archonnx.compile(text=CONVOLUTIONS), threads=threads)
    for shape in ((1, 32, 32, 3), (3, 33, 20, 3), (1, 32, 32, 3), (2, 16, 48, 3)):
        assert worst(here, there, random.random(shape, np.float32)) < 2e-6


def test_recurrent_layers(both: Any) -> None:
    here, there = both(archonnx.compile(text=RECURRENT))
    for shape in ((1, 5, 6), (4, 9, 6)):
        assert worst(here, there, random.standard_normal(shape, np.float32)) < 2e-6


def test_a_text_encoder(both: Any) -> None:
    here, there = both(archonnx.compile("zoo:bert", "BERT", token_type_ids=None, **ENCODER))
    for shape in ((1, 7), (3, 20)):
        mask = (np.arange(shape[1]) < shape[1] - 3).astype(np.int64) * np.ones(shape, np.int64)
        assert worst(here, there, input_ids=random.integers(0, 50, shape), attention_mask=mask) < 5e-6


def test_texts_go_on_as_on_the_cpu(both: Any) -> None:
    """Keys and values stay in OpenVINO's tensors from one token to the next."""
    sizes = {"layers": 2, "width": 32, "heads": 4, "vocabulary": 31, "context": 24}
    here, there = both(archonnx.compile("zoo:gpt2", "GPT2", cache=True, **sizes))
    for prompt in ([1, 2, 3], [[1, 2, 3], [7]]):
        mine, theirs = (session.generate(prompt, max_new_tokens=12) for session in (here, there))
        assert [row.tokens for row in mine.rows] == [row.tokens for row in theirs.rows]


def test_all_macs_are_openvinos(both: Any) -> None:
    here, _ = both(archonnx.compile("zoo:dnn"))
    placement = here.placement(N=2)
    assert [(part.provider, part.share) for part in placement.parts] == [("OpenVINO", 1.0)]
    assert placement.parts[0].macs > 1e9
    assert any(node.place for node in placement.parts[0].nodes)
    assert here.device == "openvino"


@pytest.mark.parametrize(
    "dtype",
    ["float32", "float16", "bfloat16", "int8", "uint8", "int32", "int64", "uint64", "bool"],
)
@pytest.mark.parametrize("shape", [(), (0, 3), (2, 3)])
def test_types_and_shapes_pass_as_they_are(on_library: Any, make: Any, dtype: str, shape: tuple[int, ...]) -> None:
    symbols = ["N"] * bool(shape) + [3] * (len(shape) == 2)
    nodes = [helper.make_node("Not" if dtype == "bool" else "Identity", ["x"], ["y"])]
    session = on_library(make({"x": (dtype, symbols)}, nodes, {"y": (dtype, symbols)}))
    kind = np.dtype(getattr(ml_dtypes, dtype)) if dtype == "bfloat16" else np.dtype(dtype)
    array = np.array([[1, 0, 1], [3, 5, 7]][: shape[0]] if shape else 1).astype(kind).reshape(shape)
    found = session(array)
    assert (found.dtype, found.shape) == (kind, shape)
    np.testing.assert_array_equal(found, ~array if dtype == "bool" else array)


def test_inputs_are_read_whatever_their_memory_is_like(on_library: Any, make: Any) -> None:
    session = on_library(make({"x": ("float32", ["N", 3])}, "Neg"))
    array = np.arange(12, dtype=np.float32).reshape(4, 3)
    fixed = array.copy()
    fixed.flags.writeable = False
    for given in (fixed, np.asfortranarray(array), np.repeat(array, 2, axis=0)[::2], array.astype(">f4")):
        np.testing.assert_array_equal(session(given), -array)


def test_unused_inputs_outputs_that_are_inputs_and_no_inputs(on_library: Any, make: Any) -> None:
    nodes = [helper.make_node("Identity", ["x"], ["y"]), helper.make_node("Relu", ["x"], ["z"])]
    outputs = {"y": ("float32", ["N"]), "z": ("float32", ["N"]), "x": ("float32", ["N"])}
    session = on_library(make({"unused": ("float32", ["N"]), "x": ("float32", ["N"])}, nodes, outputs))
    found = session(x=np.array([-1, 2], np.float32), unused=np.zeros(2, np.float32))
    assert {name: array.tolist() for name, array in found.items()} == {"y": [-1, 2], "z": [0, 2], "x": [-1, 2]}
    constant = helper.make_node("Constant", [], ["y"], value=numpy_helper.from_array(np.arange(3.0, dtype=np.float32)))
    assert on_library(make({}, [constant], {"y": ("float32", [3])}))().tolist() == [0, 1, 2]


def test_external_data_is_read_beside_the_file(on_library: Any, make: Any, tmp_path: Path) -> None:
    weight = numpy_helper.from_array(random.standard_normal((64, 64)).astype(np.float32), "w")
    model = make({"x": ("float32", ["N", 64])}, [helper.make_node("MatMul", ["x", "w"], ["y"])], None, [weight])
    onnx.save(model, tmp_path / "m.onnx", save_as_external_data=True, location="m.data", size_threshold=0)
    session = on_library(str(tmp_path / "m.onnx"))
    x = np.ones((2, 64), np.float32)
    before = session(x)
    (tmp_path / "m.data").write_bytes(b"\0" * (tmp_path / "m.data").stat().st_size)  # written anew under it
    np.testing.assert_array_equal(session(x), before)
    np.testing.assert_allclose(before, x @ numpy_helper.to_array(weight), rtol=1e-4, atol=1e-5)


def test_a_value_that_the_file_gives_may_be_replaced_where_it_is_declared_so(on_library: Any, make: Any) -> None:
    initializer = numpy_helper.from_array(np.array([10.0], np.float32), "k")
    inputs = {"x": ("float32", ["N"]), "k": ("float32", [1])}
    plain = on_library(make(inputs, "Add", {"y": ("float32", ["N"])}, [initializer]))
    one = np.ones(1, np.float32)
    assert plain(x=one).tolist() == [11.0]
    with pytest.raises(InputError, match=r"input k: OpenVINO has used the value that the file gives it; use device"):
        plain(x=one, k=one)


def test_bytes_find_their_external_data_where_they_are_told_to_lie(
    openvino: Any, make: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from archonnx.runtime.devices import resolve
    from archonnx.runtime.engine import start
    from archonnx.runtime.modelfile import read_model
    from archonnx.runtime.settings import Settings

    weight = numpy_helper.from_array(np.arange(16, dtype=np.float32).reshape(4, 4), "w")
    model = make({"x": ("float32", ["N", 4])}, [helper.make_node("MatMul", ["x", "w"], ["y"])], None, [weight])
    onnx.save(model, tmp_path / "m.onnx", save_as_external_data=True, location="m.data", size_threshold=0)
    data = (tmp_path / "m.onnx").read_bytes()
    runner = start(data, read_model(data), resolve("openvino"), Settings("openvino"), str(tmp_path))
    x = np.eye(4, dtype=np.float32)
    np.testing.assert_array_equal(runner.run({"x": x})[0], numpy_helper.to_array(weight))


@pytest.mark.parametrize("dtype", ["float8e4m3fn", "complex64"])
def test_types_that_openvino_does_not_carry_are_refused(on_library: Any, make: Any, dtype: str) -> None:
    with pytest.raises(
        MachineError, match=rf'input x is {dtype}\[N\], which OpenVINO does not carry; use device="cpu"'
    ):
        on_library(make({"x": (dtype, ["N"])}))


@pytest.mark.parametrize("dtype", ["float64", "string"])
def test_what_the_plug_in_is_refused_is_refused_here(on_library: Any, make: Any, dtype: str) -> None:
    with pytest.raises(MachineError, match=r'which OpenVINO .*; use device="cpu" for it'):
        on_library(make({"x": (dtype, ["N"])}))


def test_whole_numbers_that_would_not_wrap_round_are_refused(on_library: Any, make: Any) -> None:
    """200 + 100 is 44 in uint8; OpenVINO gives 255."""
    with pytest.raises(MachineError, match="it computes in uint8, whose ends OpenVINO does not go round"):
        on_library(make({"x": ("uint8", ["N"]), "z": ("uint8", ["N"])}, "Add"))


def test_whole_numbers_beyond_32_bits_are_refused(on_library: Any, make: Any) -> None:
    session = on_library(make({"x": ("int64", ["N"])}))
    assert session(np.array([2**31 - 1, -(2**31)])).tolist() == [2**31 - 1, -(2**31)]
    with pytest.raises(InputError, match="input x: 1099511627776 does not fit int32"):
        session(np.array([2**40]))


@pytest.mark.parametrize(("operator", "number"), [("Mul", 3_000_000_000), ("Add", -(2**31) - 1), ("Mod", 2**40)])
def test_constants_beyond_32_bits_that_are_computed_with_are_refused(
    on_library: Any, make: Any, operator: str, number: int
) -> None:
    nodes = [helper.make_node(operator, ["x", "c"], ["y"], name="net/big")]
    constant = numpy_helper.from_array(np.array(number), "c")
    with pytest.raises(MachineError, match=rf"it computes with the constant {number:,}, which OpenVINO cuts") as caught:
        on_library(make({"x": ("int64", ["N"])}, nodes, {"y": ("int64", ["N"])}, [constant]))
    assert "(node net/big)" in str(caught.value)


def test_bounds_beyond_32_bits_are_taken(on_library: Any, make: Any) -> None:
    """Exporters write the largest int64 for the end of an axis."""
    nodes = [helper.make_node("Slice", ["x", "starts", "ends"], ["y"])]
    constants = [numpy_helper.from_array(np.array([n]), name) for name, n in (("starts", 1), ("ends", 2**63 - 1))]
    session = on_library(make({"x": ("int64", ["N"])}, nodes, {"y": ("int64", ["M"])}, constants))
    assert session([5, 6, 7]).tolist() == [6, 7]


def test_all_operators_that_openvino_lacks_are_told_with_their_nodes(on_library: Any, make: Any) -> None:
    nodes = [
        helper.make_node("Det", ["x"], ["a"], name="net/det"),
        helper.make_node("Det", ["x"], ["b"]),
        helper.make_node("Sum", ["a", "b"], ["c"]),
        helper.make_node("StringConcat", ["s", "s"], ["t"], name="both"),
    ]
    nodes[0].metadata_props.add(key="archonnx.place", value="net.arch:3:5")
    model = make({"x": ("float32", ["N", 2, 2])}, nodes[:3], {"c": ("float32", ["N"])})
    with pytest.raises(MachineError) as caught:
        on_library(model)
    assert "does not know the operator Det (nodes net/det" in str(caught.value)
    assert "that gives b" in str(caught.value)
    assert "\n" not in str(caught.value)
    unknown = [helper.make_node(name, ["x"], ["y"], domain="mine") for name in ("Foo", "Bar")]
    unknown[0].output[0] = "z"
    model = make({"x": ("float32", ["N"])}, unknown, {"y": ("float32", ["N"]), "z": ("float32", ["N"])})
    model.opset_import.append(helper.make_opsetid("mine", 1))
    with pytest.raises(MachineError, match=r"does not know the operators mine\.Bar \(node that gives y\), mine\.Foo"):
        on_library(model)


def test_a_node_that_openvino_does_not_take_is_told_with_its_reason(on_library: Any, make: Any) -> None:
    inputs = {"x": ("float32", None), "w": ("float32", [2, 3, 3])}
    model = make(inputs, [helper.make_node("Conv", ["x", "w"], ["y"], name="net/conv")], {"y": ("float32", None)})
    with pytest.raises(MachineError) as caught:
        on_library(model)
    said = "does not take Conv (node net/conv): The input data tensor's rank has to be known (static); use device="
    assert said in str(caught.value)
    assert not any(word in str(caught.value) for word in ("src/", "Exception", "\n"))


def test_nothing_is_printed(on_library: Any, make: Any, capfd: pytest.CaptureFixture[str]) -> None:
    on_library(make({"x": ("float32", ["N"])}, "Neg"))([1.0])
    with pytest.raises(MachineError):
        on_library(make({"x": ("float32", ["N", 2, 2])}, "Det", {"y": ("float32", ["N"])}))
    assert capfd.readouterr() == ("", "")


def test_places_in_any_order_are_taken(make: Any, on_library: Any) -> None:
    """OpenVINO finds the largest for a Hardmax in no order, which it refuses where it looks at the model again."""
    nodes = [helper.make_node("Hardmax", ["x"], ["h"]), helper.make_node("Mul", ["h", "c"], ["y"])]
    constant = numpy_helper.from_array(np.array([1, 2, 3], np.float32), "c")
    session = on_library(make({"x": ("float32", ["N", 3])}, nodes, {"y": ("float32", ["N", 3])}, [constant]))
    assert session([[1, 3, 3], [0, 0, 0]]).tolist() == [[0, 2, 0], [1, 0, 0]]
