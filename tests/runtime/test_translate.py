"""onnxruntime's messages as it writes them, and what is made of them."""

from __future__ import annotations

import pytest

from archonnx.contract.diagnostics import MachineError
from archonnx.runtime.errors import RunError
from archonnx.runtime.modelfile import ModelFile, NodePlace
from archonnx.runtime.translate import clean, find_place, node_name, run_error

RESHAPE = (
    "[ONNXRuntimeError] : 1 : FAIL : Non-zero status code returned while running Reshape node. Name:'net/reshape' "
    "Status Message: /onnxruntime_src/onnxruntime/core/providers/cpu/tensor/reshape_helper.h:91 "
    "onnxruntime::ReshapeHelper::ReshapeHelper(const onnxruntime::TensorShape&, onnxruntime::TensorShapeVector&, bool) "
    "input_shape_size == requested_shape_size was false. The input tensor cannot be reshaped to the requested shape. "
    "Input shape:{1,2}, requested shape:{3,3}\n"
)
OVERFLOW = (
    "[ONNXRuntimeError] : 1 : FAIL : Non-zero status code returned while running Expand node. Name:'net/expand' Status "
    "Message: /onnxruntime_src/onnxruntime/core/common/safeint.h:17 static void "
    "SafeIntExceptionHandler<onnxruntime::OnnxRuntimeException>::SafeIntOnOverflow() Integer overflow\n"
)
LOCALE = (
    "[ONNXRuntimeError] : 1 : FAIL : Exception during initialization: "
    "/onnxruntime_src/onnxruntime/core/providers/cpu/text/string_normalizer.cc:235 "
    "onnxruntime::StringNormalizer::Locale::Locale(const std::string&)::<lambda()> Failed to construct locale"
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            RESHAPE,
            "Reshape: The input tensor cannot be reshaped to the requested shape. "
            "Input shape:{1,2}, requested shape:{3,3}",
        ),
        (OVERFLOW, "Expand: Integer overflow"),
        (LOCALE, "Exception during initialization: Failed to construct locale"),
        ("[ONNXRuntimeError] : 6 : RUNTIME_EXCEPTION : plain words.", "plain words"),
        ("", "onnxruntime gives no reason"),
        ("two\n lines", "two lines"),
        ("x.h:1 f(unclosed", "f(unclosed"),
    ],
)
def test_messages_are_cleaned(text: str, expected: str) -> None:
    assert clean(text) == expected


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (RESHAPE, "net/reshape"),
        ("Could not find an implementation for Conv(1) node with name 'a/b'", "a/b"),
        ('In Node, ("a/foo", Foo, "", -1) : ', "a/foo"),
        ("Node (a/mm) Op (MatMul) [ShapeInferenceError]", "a/mm"),
        ("of operator (Conv) in node (a/conv) is invalid", "a/conv"),
        ("node with name ''", None),
        ("while running If node. Name:'if' Status Message: while running Pad node. Name:'if/pad' Status", "if/pad"),
        ("while running If node. Name:'if' Status Message: while running Pad node. Name:'' Status", "if"),
        ("nothing", None),
    ],
)
def test_the_node_is_found(text: str, name: str | None) -> None:
    assert node_name(text) == name


def test_nodes_that_onnxruntime_made_are_found_by_the_longest_name_within() -> None:
    model = ModelFile("m.onnx", nodes={n: NodePlace("Conv", n) for n in ("a/conv", "a/conv_1", "x")})
    found = [find_place(model, name) for name in ("a/conv_1", "a/conv_1_token_7", "fused a/conv", "b", "x_2")]
    assert [place.layer if place else None for place in found] == ["a/conv_1", "a/conv_1", "a/conv", None, None]


def test_a_failed_run_says_what_the_file_knows() -> None:
    model = ModelFile("m.onnx", nodes={"net/reshape": NodePlace("Reshape", None, "m.arch:4:5")})
    error = run_error(model, RuntimeError(RESHAPE))
    assert isinstance(error, RunError)
    assert (error.node, error.layer, error.place) == ("net/reshape", None, "m.arch:4:5")
    assert str(error).startswith("m.onnx: the run failed: Reshape: The input tensor cannot be reshaped")
    assert str(error).endswith("(node net/reshape at m.arch:4:5)")
    assert str(run_error(model, RuntimeError("odd"))) == "m.onnx: the run failed: odd"


@pytest.mark.parametrize(
    ("error", "amount"),
    [
        (MemoryError(), ""),
        (RuntimeError("std::bad_alloc"), ""),
        (RuntimeError("CUDA failure 2: out of memory"), ""),
        (
            RuntimeError("Failed to allocate memory for requested buffer of size 3221225472"),
            ": one tensor alone needs 3 GiB",
        ),
        (
            RuntimeError("Failed to allocate memory for requested buffer of size 100"),
            ": one tensor alone needs 100 bytes",
        ),
    ],
)
def test_memory_that_ran_out_is_the_machines_fault(error: Exception, amount: str) -> None:
    found = run_error(ModelFile("m.onnx"), error)
    assert isinstance(found, MachineError)
    mend = "; use a smaller batch or smaller inputs"
    assert str(found) == f"m.onnx: there is not enough memory for this run{amount}{mend}"
