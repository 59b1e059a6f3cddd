"""Arrays of other libraries: read and written where they lie."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import gpu_fakes
import ml_dtypes
import numpy as np
import onnxruntime
import pytest
import torch
from gpu_fakes import Tensor, on_gpu
from onnx import helper

from archonnx.contract.diagnostics import UsageError
from archonnx.runtime import devicearray, dlpack
from archonnx.runtime.cuda import static
from archonnx.runtime.devicearray import DeviceArray, like
from archonnx.runtime.errors import InputError

X = np.arange(6, dtype=np.float32).reshape(2, 3)


class Only:
    """An array that speaks DLPack, and nothing else."""

    def __init__(self, array: Any) -> None:
        self._array = array

    def __dlpack__(self, **options: Any) -> Any:
        return self._array.__dlpack__(**options)

    def __dlpack_device__(self) -> Any:
        return self._array.__dlpack_device__()


@pytest.fixture(scope="module")
def neg(make: Any, load: Any) -> Any:
    """y = -x, float32[N, 3]."""
    return load(make({"x": ("float32", ["N", 3])}, "Neg", {"y": ("float32", ["N", 3])}))


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "int8", "int64", "uint8", "bool", "bfloat16"])
def test_a_tensor_of_pytorch_is_not_copied(make: Any, load: Any, dtype: str) -> None:
    session = load(make({"x": (dtype, ["N", 3])}, "Identity", {"y": (dtype, ["N", 3])}))
    x = torch.tensor([[0, 1, 2], [3, 4, 5]]).to(getattr(torch, dtype))
    taken = session.check(x)["x"]
    assert taken.ctypes.data == x.data_ptr()
    np.testing.assert_array_equal(session(x).astype(np.float64), x.double().numpy())
    np.testing.assert_array_equal(session(x).astype(np.float64), x.double().numpy())  # a call that is known


def test_a_float8_tensor_is_not_copied(make: Any, load: Any) -> None:
    session = load(make({"x": ("float8e4m3fn", [3])}, "Identity", {"y": ("float8e4m3fn", [3])}, opset=23))
    x = torch.tensor([1.0, -2.0, 0.5]).to(torch.float8_e4m3fn)
    assert session.check(x)["x"].ctypes.data == x.data_ptr()
    assert session(x).astype(np.float32).tolist() == [1.0, -2.0, 0.5]


def test_a_tensor_that_is_not_contiguous_is_read_as_it_lies(neg: Any) -> None:
    x = torch.arange(6.0).reshape(3, 2).t()
    assert neg.check(x)["x"].ctypes.data == x.data_ptr()
    np.testing.assert_array_equal(neg(x), -x.numpy())


def test_what_speaks_dlpack_alone_is_taken(neg: Any) -> None:
    assert neg.check(Only(X))["x"].ctypes.data == X.ctypes.data
    np.testing.assert_array_equal(neg(Only(X)), -X)
    scalar, empty = Only(torch.tensor(2.0)), Only(torch.empty(0, 3))
    assert dlpack.taken(scalar, "x").shape == ()
    assert neg(empty).shape == (0, 3)


def test_jax_arrays_are_not_copied(neg: Any) -> None:
    jnp = pytest.importorskip("jax.numpy", reason="jax is not installed")
    x = jnp.asarray(X)
    assert neg.check(x)["x"].ctypes.data == x.unsafe_buffer_pointer()
    with pytest.raises(UsageError, match=r"^out: output y: the array is read-only$"):
        neg(X, out=jnp.zeros((2, 3), np.float32))


@pytest.mark.parametrize(
    ("x", "words"),
    [
        (torch.zeros(2, 3, requires_grad=True), "it requires a gradient, and a run gives none: x.detach()"),
        (torch.zeros(2, 3, dtype=torch.float64), "received float64[2, 3]; convert it: x.to(torch.float32)"),
        (torch.zeros(2, 3, dtype=torch.bfloat16), "received bfloat16[2, 3]; convert it: x.to(torch.float32)"),
        (torch.zeros(2, 4), "received float32[2, 4]: axis 1 is 3, not 4"),
        (torch.zeros(2, 3, device="meta"), "this Tensor cannot be read as an array: "),
        (Only(np.array(["a"])), "this Only cannot be read as an array: "),
        (Tensor(X), "the array lies on GPU 0, the model runs on cpu; copy it to the processor's memory"),
    ],
)
def test_other_tensors_are_refused(neg: Any, x: Any, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    gpu_fakes.install(monkeypatch)
    neg(torch.ones(2, 3))  # a call that is known lets nothing else in
    with pytest.raises(InputError) as caught:
        neg(x)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_bfloat16_tensor_that_is_not_contiguous_is_refused(make: Any, load: Any) -> None:
    session = load(make({"x": ("bfloat16", ["N", 3])}, "Identity", {"y": ("bfloat16", ["N", 3])}))
    with pytest.raises(InputError, match="it is not contiguous"):
        session(torch.zeros(3, 2, dtype=torch.bfloat16).t())


def test_array_on_a_device_that_no_model_runs_on() -> None:
    class Metal(Only):
        def __dlpack_device__(self) -> Any:
            return 8, 0

    with pytest.raises(dlpack.NotTakenError, match="it lies on Metal; copy it to the processor's memory"):
        dlpack.taken(Metal(X), "x")


def test_results_are_written_into_a_tensor(neg: Any) -> None:
    out, x = torch.full((2, 3), 7.0), torch.from_numpy(X.copy())
    address = out.data_ptr()
    assert neg(x, out=out) is out
    assert out.data_ptr() == address
    np.testing.assert_array_equal(out.numpy(), -X)
    bound = neg.bind(x, out=out)
    x += 1
    assert bound() is out
    assert bound.outputs.y is out
    np.testing.assert_array_equal(out.numpy(), -X - 1)


def test_results_are_written_into_types_that_numpy_lacks(make: Any, load: Any) -> None:
    session = load(make({"x": ("bfloat16", ["N"])}, "Identity", {"y": ("bfloat16", ["N"])}))
    x, out = torch.tensor([1.0, -2.5]).bfloat16(), torch.zeros(2, dtype=torch.bfloat16)
    assert session(x, out=out) is out
    assert out.tolist() == [1.0, -2.5]


@pytest.mark.parametrize(
    ("out", "words"),
    [
        (torch.zeros(3, 2).t(), "the array is not contiguous"),
        (torch.zeros(2, 3, requires_grad=True), "it requires a gradient"),
        (torch.zeros(2, 3).double(), "expected float32[N, 3], received float64[2, 3]"),
        (torch.zeros(3, 3), "the array has the shape [3, 3], the result [2, 3]"),
    ],
)
def test_tensors_that_cannot_be_written_into_are_refused(neg: Any, out: Any, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        neg(X, out=out)
    assert words in str(caught.value)


def test_a_tensor_is_not_input_and_output_at_once(neg: Any) -> None:
    x = torch.zeros(4, 3)
    with pytest.raises(UsageError, match="output y shares memory with input x"):
        neg(x[:2], out=x[1:3])


def test_results_go_to_other_libraries_without_a_copy(neg: Any) -> None:
    y = neg(X)
    assert torch.from_dlpack(y).data_ptr() == y.ctypes.data


def test_no_library_is_imported_for_it() -> None:
    code = (
        "import sys, numpy as np, archonnx\n"
        "text = 'model T():\\n    input x: float32[N]\\n    output y = relu(x)\\n'\n"
        "session = archonnx.load(archonnx.compile(text=text), 'cpu')\n"
        "session(np.ones(3, np.float32)), session(np.ones(3, np.float32))\n"
        "print({'torch', 'jax', 'cupy', 'tensorflow'} & set(sys.modules))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "set()"


# On a GPU that is not there.


@pytest.fixture
def gpu(make: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """y = -x, float32[N, 3], on the GPU."""
    gpu_fakes.install(monkeypatch)
    return on_gpu(make({"x": ("float32", ["N", 3])}, "Neg", {"y": ("float32", ["N", 3])}))[0]


def test_arrays_on_the_gpu_stay_there(gpu: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*args: Any) -> Any:
        raise AssertionError("it was copied to the processor")

    monkeypatch.setattr(static, "to_host", forbidden)
    monkeypatch.setattr(devicearray, "to_host", forbidden)
    x = Tensor(X.copy())
    y = gpu(x)
    assert isinstance(y, Tensor)
    np.testing.assert_array_equal(y.array, -X)
    x.array += 1
    again = gpu(x=x)
    np.testing.assert_array_equal(again.array, -X - 1)
    np.testing.assert_array_equal(y.array, -X)  # the caller's own


def test_arrays_of_the_processor_come_back_there(gpu: Any) -> None:
    for x in (X, torch.from_numpy(X)):
        y = gpu(x)
        assert type(y) is np.ndarray
        np.testing.assert_array_equal(y, -X)


def test_one_array_on_the_gpu_is_enough(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    gpu_fakes.install(monkeypatch)
    session, _ = on_gpu(make({"a": ("float32", ["N"]), "b": ("float32", ["N"])}, "Add"))
    y = session(np.array([1, 2], np.float32), Tensor(np.array([3, 4], np.float32)))
    assert y.array.tolist() == [4, 6]
    with pytest.raises(InputError, match="axis 0 is N, which is 2 by axis 0 of input a"):
        session(np.array([1, 2], np.float32), Tensor(np.array([3], np.float32)))


def test_all_checks_hold_on_the_gpu(gpu: Any) -> None:
    for x, words in [
        (Tensor(X.astype(np.float64)), r"expected float32\[N, 3\], received float64\[2, 3\]"),
        (Tensor(X[:, :2].copy()), "axis 1 is 3, not 2"),
        (Tensor(X, index=1), "lies on GPU 1, the model runs on GPU 0; CUDA_VISIBLE_DEVICES=1 makes that one GPU 0"),
    ]:
        with pytest.raises(InputError, match=words):
            gpu(x)


def test_numbers_of_tokens_on_the_gpu_are_looked_at(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    gpu_fakes.install(monkeypatch)
    metadata = {"archonnx.version": "1", "archonnx.tokens": '{"ids": {"size": 10, "masked": false}}'}
    session, _ = on_gpu(make({"ids": ("int64", ["N"])}, "Neg", {"y": ("int64", ["N"])}, metadata=metadata))
    assert session(Tensor(np.array([9]))).array.tolist() == [-9]
    with pytest.raises(InputError, match="is outside the vocabulary"):
        session(Tensor(np.array([10])))


def test_what_is_bound_on_the_gpu_is_read_and_written_there(gpu: Any) -> None:
    x, out = Tensor(X.copy()), Tensor(np.zeros((2, 3), np.float32))
    bound = gpu.bind(x, out=out)
    assert bound.inputs.x is x
    x.array += 1
    assert bound() is out is bound.outputs.y
    np.testing.assert_array_equal(out.array, -X - 1)
    made = gpu.bind(x)
    first = made()
    np.testing.assert_array_equal(first.array, -X - 1)
    x.array += 1
    np.testing.assert_array_equal(made().array, -X - 2)
    np.testing.assert_array_equal(first.array, -X - 2)  # the same memory


def test_what_is_bound_in_the_processors_memory_is_read_anew(gpu: Any) -> None:
    """onnxruntime copies an input to the GPU when it is bound, and would not look at it again."""
    x, out = X.copy(), np.zeros((2, 3), np.float32)
    bound = gpu.bind(x, out=out)
    x += 1
    assert bound() is out
    np.testing.assert_array_equal(out, -X - 1)


def test_results_into_arrays_on_either_side(gpu: Any) -> None:
    there, here = Tensor(np.zeros((2, 3), np.float32)), np.zeros((2, 3), np.float32)
    assert gpu(X, out=there) is there
    np.testing.assert_array_equal(there.array, -X)
    assert gpu(Tensor(X), out=here) is here
    np.testing.assert_array_equal(here, -X)
    for out in (Tensor(np.zeros((1, 3), np.float32)), np.zeros((1, 3), np.float32)):
        with pytest.raises(UsageError, match=r"output y: the array has the shape \[1, 3\], the result \[2, 3\]"):
            gpu(X, out=out)
    x = Tensor(X.copy())
    with pytest.raises(UsageError, match="output y shares memory with input x"):
        gpu(x, out=Tensor(x.array))


def test_the_cpu_writes_into_no_array_on_the_gpu(neg: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    gpu_fakes.install(monkeypatch)
    with pytest.raises(InputError, match=r"^output y: the array lies on GPU 0, the model runs on cpu; "):
        neg(X, out=Tensor(np.zeros((2, 3), np.float32)))


def test_texts_are_not_taken_beside_arrays_on_the_gpu(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    gpu_fakes.install(monkeypatch)
    nodes = [helper.make_node("Identity", ["x"], ["y"]), helper.make_node("Identity", ["s"], ["t"])]
    inputs = {"x": ("float32", ["N"]), "s": ("string", ["N"])}
    session, _ = on_gpu(make(inputs, nodes, {"y": ("float32", ["N"]), "t": ("string", ["N"])}))
    with pytest.raises(InputError, match="from the processor's memory alone"):
        session(Tensor(np.ones(1, np.float32)), ["a"])
    assert session(np.ones(1, np.float32), ["a"]).t.tolist() == ["a"]


def test_a_result_is_an_array_of_any_library_that_can_take_it(monkeypatch: pytest.MonkeyPatch) -> None:
    result = DeviceArray(onnxruntime.OrtValue.ortvalue_from_numpy(X))
    assert like(result, torch.zeros(1)).data_ptr() == result.value.data_ptr()
    assert like(result, np.zeros(1)).ctypes.data == result.value.data_ptr()  # by __array_namespace__
    assert like(result, object()) is result
    assert like(X, torch.zeros(1)) is X
    assert like(DeviceArray(onnxruntime.OrtValue.ortvalue_from_numpy(X > 1)), torch.zeros(1)).dtype == torch.bool
    with pytest.raises(BufferError, match="shared, not copied"):
        result.__dlpack__(copy=True)
    np.testing.assert_array_equal(result.numpy(), X)
    assert repr(result) == "<DeviceArray float32[2, 3] on GPU 0>"
    bits = np.array([1, 2], ml_dtypes.bfloat16).view(np.uint16)
    half = DeviceArray(onnxruntime.OrtValue.ortvalue_from_numpy_with_onnx_type(bits, 16))
    assert half.numpy().tolist() == [1.0, 2.0]


def test_arrays_at_odd_addresses_are_read_and_written_there(neg: Any) -> None:
    def odd(array: Any) -> Any:
        memory = np.zeros(array.nbytes + 64, np.uint8)
        start = -memory.ctypes.data % 64 + 1
        found = memory[start : start + array.nbytes].view(array.dtype).reshape(array.shape)
        found[...] = array
        return found

    x, out = odd(X), odd(np.zeros_like(X))
    assert not x.flags.aligned
    assert neg.check(x)["x"].ctypes.data == x.ctypes.data
    assert neg(x, out=out) is out
    np.testing.assert_array_equal(out, -X)
    np.testing.assert_array_equal(neg(Only(x)), -X)
