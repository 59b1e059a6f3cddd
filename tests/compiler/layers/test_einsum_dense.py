"""EinsumDense: numpy's einsum for equations of every kind, the operators they become, and what is said of bad ones."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnxruntime import InferenceSession

import archonnx
from archonnx.compiler.layers.base import LayerError
from archonnx.compiler.layers.einsum_equation import parse_equation
from archonnx.compiler.weights.initializers import compute_fans, resolve
from archonnx.contract.diagnostics import CompileError, Diagnostic

STEPS = "float32[N, T, 6]"
SIZES = {"a": 2, "b": 3, "c": 4, "d": 5, "e": 3, "f": 2}


def compiled(kind: str, line: str, **options: Any) -> Any:
    return archonnx.compile(text=f"model A():\n    input x: {kind}\n    y = x -> {line}\n    output y\n", **options)


def diagnose(kind: str, line: str) -> Diagnostic:
    with pytest.raises(CompileError) as caught:
        compiled(kind, line)
    (found,) = caught.value.diagnostics
    return found


def random_equation(number: int) -> str:
    """Letters dealt out to input, kernel and result; the batch a stands first."""
    rng = random.Random(number)
    given, kernel, result = ["a"], [], ["a"]
    for letter in "bcdef":
        where = rng.choice(["contracted", "contracted", "shared", "free", "new", "summed", "nowhere"])
        given += [letter] * (where in ("contracted", "shared", "free", "summed"))
        kernel += [letter] * (where in ("contracted", "shared", "new"))
        result += [letter] * (where in ("shared", "free", "new"))
    if not kernel:
        given, kernel = [*given, "z"], ["z"]
    given[1:], result[1:] = rng.sample(given[1:], len(given) - 1), rng.sample(result[1:], len(result) - 1)
    return f"{''.join(given)},{''.join(rng.sample(kernel, len(kernel)))}->{''.join(result)}"


@pytest.mark.parametrize("number", range(60))
def test_computes_what_numpys_einsum_computes(number: int, tmp_path: Path) -> None:
    equation = random_equation(number)
    parsed = parse_equation(equation)
    sizes = SIZES | {"z": 4}
    rng = np.random.default_rng(number)
    x = rng.uniform(-1, 1, [sizes[a] for a in parsed.given]).astype(np.float32)
    kernel = rng.uniform(-1, 1, [sizes[a] for a in parsed.kernel]).astype(np.float32)
    bias_axes = parsed.result[1:]
    expected = np.einsum(equation, x, kernel)
    bias = rng.uniform(-1, 1, expected.shape[1:]).astype(np.float32)
    # Axes of the input that the kernel lacks are left open.
    shape = ", ".join(str(sizes[a]) if a in parsed.kernel else a.upper() for a in parsed.given)
    given = [None if a in parsed.given else sizes[a] for a in bias_axes]
    open_axes = any(a not in parsed.kernel for a in bias_axes)
    with_bias = f', bias_axes="{bias_axes}"' if bias_axes and not open_axes else ""
    model = compiled(f"float32[{shape}]", f'EinsumDense("{equation}", {tuple(given)}{with_bias})')
    for weight in model.graph.weights():
        weight.initializer = resolve((kernel if weight.path.endswith("kernel") else bias).tolist())
    model.save(tmp_path / "a.onnx")
    (y,) = InferenceSession(tmp_path / "a.onnx", providers=["CPUExecutionProvider"]).run(None, {"x": x})
    if with_bias:
        expected = expected + bias
    assert y.shape == expected.shape
    assert np.max(np.abs(y - expected)) <= 1e-5 * max(1e-6, np.max(np.abs(expected)))


def test_a_bias_along_an_inner_axis_broadcasts_even_where_the_last_axis_is_as_long(tmp_path: Path) -> None:
    """Keras on TensorFlow adds such a bias along the last axis instead: there, a vector of that size is one of channels."""
    model = compiled(
        "float32[1, 2, 3]", 'EinsumDense("ab...,bc->ac...", 3, bias_axes="c", bias_initializer=[[1],[2],[3]])'
    )
    model.save(tmp_path / "a.onnx")
    x = np.zeros((1, 2, 3), np.float32)
    (y,) = InferenceSession(tmp_path / "a.onnx", providers=["CPUExecutionProvider"]).run(None, {"x": x})
    assert y.tolist() == [[[1, 1, 1], [2, 2, 2], [3, 3, 3]]]


@pytest.mark.parametrize(
    ("kind", "line", "operators"),
    [
        ("float32[N, 6]", 'EinsumDense("ab,bc->ac", 5, bias_axes="c")', ["Gemm"]),
        ("float32[N, 6]", 'EinsumDense("ab,bcd->adc", (5, 2), bias_axes="dc")', ["Gemm", "Reshape"]),
        (STEPS, 'EinsumDense("abc,cd->abd", (None, 5))', ["MatMul"]),
        (STEPS, 'EinsumDense("abc,cde->abde", (None, 5, 2))', ["MatMul", "Reshape"]),
        (STEPS, 'EinsumDense("abc,ced->abde", (None, 5, 2))', ["MatMul", "Reshape"]),
        ("float32[N, T, 3, 4]", 'EinsumDense("abcd,dce->abe", (None, 5))', ["Reshape", "MatMul"]),
        ("float32[N, 6, T]", 'EinsumDense("ab...,bc->ac...", 5)', ["MatMul"]),
        ("float32[N, 5, 6]", 'EinsumDense("abc,bcd->abd", (None, 4))', ["Transpose", "MatMul", "Transpose"]),
        (STEPS, 'EinsumDense("abc,c->abc", (None, None))', ["Mul"]),
        ("float32[N, T]", 'EinsumDense("ab,c->abc", (None, 3))', ["Reshape", "MatMul"]),
        ("float32[N, T]", 'EinsumDense("ab,c->acb", (3, None))', ["Reshape", "Mul"]),
        (STEPS, 'EinsumDense("abc,cd->ad", 5)', ["ReduceSum", "Gemm"]),
    ],
)
def test_becomes_few_operators(kind: str, line: str, operators: list[str]) -> None:
    assert [o.type for o in compiled(kind, line).lower().operators] == operators


@pytest.mark.parametrize("opset", [17, 20, 23, 28])
def test_every_form_has_every_floating_type(opset: int, tmp_path: Path) -> None:
    """onnx's checker passes what is saved; Einsum itself would have no bfloat16 here."""
    for dtype in ("bfloat16", "float16", "float64"):
        for number in range(12):
            equation = random_equation(number)
            parsed = parse_equation(equation)
            shape = ", ".join(str(SIZES.get(a, 4)) for a in parsed.given)
            given = tuple(SIZES.get(a, 4) for a in parsed.result[1:])
            line = f'EinsumDense("{equation}", {given}, dtype="{dtype}")'
            compiled(f"float32[{shape}]", line, opset=opset).save(tmp_path / "a.onnx")


def test_the_kernel_starts_as_wide_as_the_equation_says() -> None:
    """Units in and out are products of the equation's axes, not those of a convolution's kernel."""
    (kernel,) = compiled(STEPS, 'EinsumDense("abc,cde->abde", (None, 3, 4))').graph.weights()
    started = kernel.initializer
    assert compute_fans(kernel.shape, started.input_axes, started.output_axes) == (6, 12)
    given = 'kernel_initializer=VarianceScaling(1.0, "fan_in", "uniform", None, [0], [1])'
    (kernel,) = compiled(STEPS, f'EinsumDense("abc,cde->abde", (None, 3, 4), {given})').graph.weights()
    assert compute_fans(kernel.shape, kernel.initializer.input_axes, kernel.initializer.output_axes) == (6, 3)


def test_multiply_accumulates() -> None:
    assert str(compiled(STEPS, 'EinsumDense("abc,cde->abde", (None, 3, 4))').graph.macs()) == "72*N*T"
    assert str(compiled(STEPS, 'EinsumDense("abc,cd->ad", 5)').graph.macs()) == "30*N"


@pytest.mark.parametrize(
    ("equation", "message"),
    [
        ("abc,cd", "has no `->` before the axes of the result"),
        ("abc->abd", "cannot be read"),
        ("abc,cd,de->abe", "cannot be read"),
        ("abc,cd->", "cannot be read"),
        ("ab c,cd->abd", "cannot be read"),
        ("a1c,cd->a1d", "cannot be read"),
        ("..abc,cd->..abd", "cannot be read"),
        ("", "has no `->`"),
        ("...ab,bc->ac", "has `...` in input and result at the same end, or in neither"),
        ("...ab,bc->ac...", "has `...` in input and result at the same end, or in neither"),
        ("...ab...,bc->...ac...", "has `...` in input and result at the same end, or in neither"),
        ("abb,bc->abc", "names the axis b of the input twice"),
        ("abc,cc->ab", "names the axis c of the kernel twice"),
        ("abc,cd->abb", "names the axis b of the result twice"),
        ("abc,cd->abe", "has the axis e in the result, and neither input nor kernel has it"),
        ("abc,cde->abd", "has the axis e of the kernel alone"),
        ("abc,cd->dba", "moves the batch: the first axis of the input is a, that of the result d"),
        ("abc,cd->bd", "moves the batch"),
        ("a...,b->a...", "has the axis b of the kernel alone"),
        ("a...,b->ab...", "names one axis before `...`, the batch"),
    ],
)
def test_equations(equation: str, message: str) -> None:
    with pytest.raises(LayerError) as caught:
        parse_equation(equation)
    assert caught.value.code == "E0325"
    assert message in caught.value.message
    assert caught.value.message.startswith(f'the equation "{equation}" ')


ERRORS = [
    (STEPS, 'EinsumDense("abc,cd", 5)', "E0325", "has no `->`", 'write "abc,cd->abd"'),
    (STEPS, 'EinsumDense("abc,cd->abd", 5)', "E0326", "gives 2 sizes, for b, d", "write output_shape=(None, 5): None"),
    (STEPS, 'EinsumDense("abc,cd->abd", (None, 5, 5))', "E0326", "a being the batch, got 3", None),
    (STEPS, 'EinsumDense("...c,cd->...d", (None, 5))', "E0326", 'gives 1 size, for d of "...c,cd->...d", got 2', None),
    (STEPS, 'EinsumDense("abc,cd->abd", (None, None))', "E0326", "needs a number for the axis d, which the input", None),
    (STEPS, 'EinsumDense("abc,cd->abd", (None, 0))', "E0403", "output_shape of EinsumDense is", None),
    (STEPS, 'EinsumDense("abc,cd->abd", (None, 2.5))', "E0403", "output_shape of EinsumDense is", None),
    (STEPS, 'EinsumDense("abc,cd->abd", (None, 5), bias_axes="c")', "E0326", 'letters of the result, abd, got "c"', None),
    (STEPS, 'EinsumDense("abc,cd->abd", (None, 5), bias_axes="")', "E0326", "letters of the result", "leave it out"),
    (STEPS, 'EinsumDense("abc,cd->abd", (None, 5), bias_axes="bd")', "E0301", "needs a known axis 1", "give the axis"),
    (STEPS, 'EinsumDense("abc,bd->acd", (None, 5))', "E0301", "EinsumDense needs a known axis 1", "give the axis a size"),
    (STEPS, 'EinsumDense("abc,cd->abd", (None, N))', "E0326", "needs a number for the axis d, a weight's, got N", None),
    ("float32[N, 5, D]", 'EinsumDense("abc,cd->abd", (5, 4))', "E0301", "EinsumDense needs a known last axis", None),
    (STEPS, 'EinsumDense("abc,cd->abd", (7, 5))', "E0309", "cannot tell whether T and 7 are equal", "require T == 7"),
    ("float32[N, 3, 6]", 'EinsumDense("abc,cd->abd", (7, 5))', "E0308", "is told 7 for the axis b", "write None"),
    ("float32[N, 6]", 'EinsumDense("abc,cd->abd", (None, 5))', "E0302", 'needs 3 axes for "abc,cd->abd"', None),
    ("float32[N, 6]", 'EinsumDense("...abc,cd->...abd", (None, None, 5))', "E0302", "needs at least 4 axes", None),
    ("float32[6]", 'EinsumDense("...c,cd->...d", 5)', "E0302", "needs at least 2 axes", None),
    ("float32[N, 2, 3, 6]", 'EinsumDense("ab,bc->ac", 5)', "E0302", "needs 2 axes", 'write `...` for further axes: "...b,bc->...c"'),
    ("string[N, 3, 6]", 'EinsumDense("abc,cd->abd", (None, 5))', "E0303", "EinsumDense needs numbers", None),
    (STEPS, 'EinsumDense("abc,cd->abd", (None, 5), "reluu")', "E0403", "activation of EinsumDense is", 'did you mean "relu'),
    (STEPS, 'EinsumDense(3, 5)', "E0403", "equation of EinsumDense is a string, got 3", None),
    (STEPS, 'EinsumDense("abc,cd->abd")', "E0401", "EinsumDense needs the argument output_shape", None),
    (STEPS, 'EinsumDense("abc,cd->abd", (None, 5), lora_rank=2)', "E0403", "low-rank adapters are not offered", None),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "line", "code", "message", "help"), ERRORS, ids=[f"{e[1]}-{e[0]}" for e in ERRORS])
def test_errors(kind: str, line: str, code: str, message: str, help: str | None) -> None:
    found = diagnose(kind, line)
    assert (found.code, message) == (code, message if message in found.message else found.message)
    if help is not None:
        assert help in (found.help or "")


def test_an_error_stands_at_the_argument() -> None:
    found = diagnose(STEPS, 'EinsumDense("abc,cd->abd", output_shape=(None, 5), bias_axes="c")')
    assert found.place is not None
    assert (found.place.line, found.place.column) == (3, 75)


def test_sizes_that_are_stated_are_known() -> None:
    text = """model A():
    input x: float32[N, T, 6]
    require T == 7
    EinsumDense("abc,bd->acd", (None, 5))
"""
    assert [w.shape for w in archonnx.compile(text=text).graph.weights()] == [(7, 5)]
