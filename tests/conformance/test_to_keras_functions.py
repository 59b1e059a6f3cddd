"""archonnx.to_keras of tensor functions: keras.ops in a functional model gives what the ONNX file does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from keras_harness import TOLERANCE, error

import archonnx
from archonnx.compiler.layers.registry import find_function, function_names

keras = pytest.importorskip("keras")

KINDS = {"x": "float32", "z": "float32", "i": "int32", "k": "int32", "b": "bool", "c": "bool"}
FORMS = """
add(x, z)
subtract(x, z)
multiply(x, z)
divide(x, z)
floor_divide(x, z)
remainder(x, z)
power(abs(x), z)
maximum(x, z)
minimum(x, z)
greater(x, z)
less(x, z)
less_equal(x, z)
greater_equal(x, z)
equal(i, k)
not_equal(i, k)
logical_and(b, c)
logical_or(b, c)
logical_xor(b, c)
logical_not(b)
bitwise_and(i, k)
bitwise_or(i, k)
bitwise_xor(i, k)
bitwise_not(i)
left_shift(i, k)
right_shift(i, k)
cast(x, int32)
cast(x, "float16")
zeros((3, 4), float32) + x
ones((3, 4)) * x
full((3, 4), 2.5) + x
zeros_like(x)
ones_like(x)
full_like(x, 3)
eye(3, 4, 1) + x
one_hot(i, 5)
x[:, 1]
x[..., None, 1:3]
x[:, ::-1]
x[:, -1]
take(x, i[:, 0, 0], axis=1)
take_along_axis(x, cast(minimum(i, 2), int64), 1)
concat((x, z), axis=1)
concatenate((x, z), axis=-1)
stack((x, z), axis=1)
split(x, 2, axis=-1)[1]
split(x, [1, 3], axis=-1)[1]
top_k(x, 2)[0]
top_k(x, 2)[1]
sort(x, axis=-1)
argsort(x, axis=-1)
triu(x)
tril(x, -1)
x @ transpose(z, (0, 2, 1))
matmul(x, transpose(z, (0, 2, 1)))
einsum("nij,nkj->nik", x, z)
mean(x, axis=-1)
sum(x, axis=(1, 2))
prod(x, axis=1, keepdims=True)
max(x, axis=-1)
min(x, axis=-1)
logsumexp(x, axis=-1)
var(x, axis=-1)
std(x, axis=-1)
any(b, axis=-1)
all(b, axis=-1)
argmax(x, axis=-1)
argmin(x, axis=-1)
softmax(x)
softmax(x, axis=1)
log_softmax(x)
cumsum(x, axis=1)
tile(x, (1, 2, 1))
repeat(x, 2, axis=1)
flip(x, axis=1)
roll(x, 1, axis=1)
pad(x, ((0, 0), (1, 2), (0, 1)))
pad(x, ((0, 0), (1, 1), (0, 1)), mode="reflect")
pad(x, ((0, 0), (1, 1), (0, 1)), constant_values=2)
where(b, x, z)
clip(x, -1, 1)
clip(x, x_min=0)
clip(x, x_max=0)
reshape(x, (N, 12))
reshape(x, (-1, 4))
transpose(x, (0, 2, 1))
swapaxes(x, 1, 2)
moveaxis(x, 1, 2)
expand_dims(x, 1)
expand_dims(x, axis=(1, 3))
squeeze(x[:, :1], axis=1)
sqrt(abs(x))
exp(x)
log(abs(x))
log2(abs(x))
log10(abs(x))
erf(x)
sin(x)
cos(x)
tan(x)
tanh(x)
arcsin(x / 3)
arccos(x / 3)
arctan(x)
sinh(x)
cosh(x)
sigmoid(x)
softplus(x)
relu(x)
floor(x)
ceil(x)
round(x)
reciprocal(x)
rsqrt(abs(x))
abs(x)
sign(x)
square(x)
negative(x)
-x
+x
isnan(x)
isinf(x)
x * 2 + 1
x > 0
i // 2
i % 3
x ** 2
1 / x
argmax(i, axis=1)
sum(i, axis=0)
arange(4.0) + x
broadcast_to(x[0, :1], (3, 4)) + x
x * N
x / (N + 1)
arange(N)
arange(0, N * 2, 2)
x + zeros((N, 1, 1), float32)
x[: N - 1]
broadcast_to(x[:, :1], (N, 3, 4))
reshape(transpose(x, (1, 0, 2)), (3, N * 2, 2))
reshape(broadcast_to(x[:, None, :1], (N, N, 1, 4)), (N, N, 4))
full((N, 2), 3.5)
""".strip().splitlines()
# Values that stand in the graph without being written as a call.
UNWRITTEN = {"constant", "dimension", "getitem", "positive"}


def source(form: str) -> Any:
    lines = ["model M():", *(f"    input {name}: {kind}[N, 3, 4]" for name, kind in KINDS.items())]
    return archonnx.compile(text="\n".join([*lines, "    require N >= 2", f"    y = {form}", "    output y", ""]))


def arrays() -> dict[str, Any]:
    rng = np.random.default_rng(1)
    made: dict[str, Any] = {}
    for name, kind in KINDS.items():
        if kind == "bool":
            made[name] = rng.random((2, 3, 4)) < 0.5
        elif kind == "int32":
            made[name] = rng.integers(0, 4, (2, 3, 4)).astype(kind)
        else:
            made[name] = rng.uniform(-2, 2, (2, 3, 4)).astype(kind)
    return made


@pytest.mark.filterwarnings("ignore:.*inputs not connected to outputs:UserWarning")
@pytest.mark.parametrize("form", FORMS)
def test_a_function_computes_what_the_file_does(form: str, tmp_path: Path) -> None:
    import onnxruntime

    compiled, given = source(form), arrays()
    compiled.save(tmp_path / "m.onnx")
    session = onnxruntime.InferenceSession(str(tmp_path / "m.onnx"), providers=["CPUExecutionProvider"])
    asked = {wanted.name for wanted in session.get_inputs()}
    (expected,) = session.run(None, {name: array for name, array in given.items() if name in asked})
    model = archonnx.to_keras(compiled)
    found = np.asarray(keras.ops.convert_to_numpy(model(given, training=False)))
    assert (found.shape, found.dtype) == (expected.shape, expected.dtype)
    assert error(found, expected) <= TOLERANCE


def test_every_function_with_a_counterpart_has_a_form() -> None:
    written = " ".join(FORMS)
    operators = {"add", "subtract", "multiply", "divide", "negative", "greater", "power"}
    named = {name for name in function_names() if f"{name}(" in written}
    known = {name for name in function_names() if getattr(find_function(name), "keras", None)}
    assert known - named - operators - UNWRITTEN == set()


@pytest.mark.filterwarnings("ignore:.*inputs not connected to outputs:UserWarning")
def test_sizes_are_measured_in_a_traced_and_in_a_stored_model(tmp_path: Path) -> None:
    """`predict` traces the model, with sizes that are tensors."""
    text = """
model M():
    input x: float32[N, T, 4]
    places = cast(arange(T * 2), float32) / T
    output y = x[:, 1:] * reshape(places[:T - 1], (1, T - 1, 1)) + N
"""
    model = archonnx.to_keras(archonnx.compile(text=text))
    model.save(tmp_path / "m.keras")
    again = keras.models.load_model(tmp_path / "m.keras")
    for batch, steps in ((2, 5), (3, 8)):
        x = np.random.default_rng(0).uniform(-1, 1, (batch, steps, 4)).astype(np.float32)
        expected = x[:, 1:] * (np.arange(steps - 1, dtype=np.float32) / steps)[:, None] + batch
        assert error(model.predict(x, verbose=0), expected) <= TOLERANCE
        assert error(again.predict(x, verbose=0), expected) <= TOLERANCE


def test_a_size_that_cannot_be_measured_is_refused() -> None:
    with pytest.raises(archonnx.ArchonnxError, match="known only when the model runs; give the model a fixed size"):
        archonnx.to_keras(source("x + zeros((N, 1, 1), float32) * cast(min(N, 3), float32)"))
