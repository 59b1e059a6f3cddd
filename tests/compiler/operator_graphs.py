"""Operator graphs built by hand, for the tests of what follows them: weights, the gate, saving."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from archonnx.compiler.graph import TensorType, Weight
from archonnx.compiler.ir import Operator, OperatorGraph, Tensor
from archonnx.compiler.recipes import Constant, Draw, Recipe
from archonnx.compiler.weights.initializers import resolve
from archonnx.contract.diagnostics import Frame, Place
from archonnx.contract.dims import Dim, symbol


def place(line: int = 3) -> Place:
    return Place("example.arch", line, 5, line, 20)


def weight(path: str, shape: Sequence[int], initializer: Any = "glorot_uniform", dtype: str = "float32") -> Weight:
    return Weight(path, dtype, tuple(shape), resolve(initializer), True, place())


def draw(path: str, shape: Sequence[int], initializer: Any = "glorot_uniform", dtype: str = "float32") -> Draw:
    return Draw(weight(path, shape, initializer, dtype))


def tensor(name: str, *shape: Dim, dtype: str = "float32", **more: Any) -> Tensor:
    return Tensor(name, TensorType(dtype, shape), **more)


def held(name: str, recipe: Recipe) -> Tensor:
    return tensor(name, *recipe.shape, dtype=recipe.dtype, recipe=recipe)


def constant(name: str, value: Any, dtype: str | None = None) -> Tensor:
    return held(name, Constant(value, dtype))


def operator(
    kind: str, inputs: Sequence[Tensor | None], *outputs: Tensor, line: int = 3, **attributes: Any
) -> Operator:
    made = Operator(kind, list(inputs), list(outputs), attributes, name=f"{outputs[0].name}/{kind}")
    made.layer, made.place = outputs[0].name, place(line)
    made.trail = (Frame("head", place(9), (("i", "2"),)),)
    for result in outputs:
        result.producer = made
    return made


def dense(units: int = 4, width: int = 3, initializer: Any = "glorot_uniform") -> OperatorGraph:
    """x: float32[N, width] -> relu(x @ kernel + bias)."""
    n = symbol("N")
    x, y, z = tensor("x", n, width), tensor("dense", n, units), tensor("y", n, units)
    kernel = held("dense/kernel", draw("dense/kernel", (width, units), initializer))
    bias = held("dense/bias", draw("dense/bias", (units,), "zeros"))
    graph = OperatorGraph("Dense", 21, inputs=[x], outputs=[("y", z)])
    graph.operators = [operator("Gemm", [x, kernel, bias], y), operator("Relu", [y], z, line=4)]
    graph.documentation = "One layer."
    graph.metadata = {"archonnx.model": "Dense", "archonnx.source": "example.arch"}
    return graph


def convolution(channels: int = 8, size: int = 6) -> OperatorGraph:
    """image: float32[N, size, size, 3], channels last, through a convolution with a transposed kernel."""
    n = symbol("N")
    image, first = tensor("image", n, size, size, 3), tensor("t", n, 3, size, size)
    kernel = draw("conv2d/kernel", (3, 3, 3, channels), "he_normal").transpose((3, 2, 0, 1))
    y, flat = tensor("conv2d", n, channels, size, size), tensor("features", n, channels * size * size)
    graph = OperatorGraph("Convolution", 21, inputs=[image], outputs=[("features", flat)])
    y.stands_for, y.permutation = "conv2d", (0, 3, 1, 2)
    graph.operators = [
        operator("Transpose", [image], first, perm=[0, 3, 1, 2]),
        operator("Conv", [first, held("conv2d/kernel", kernel)], y, pads=[1, 1, 1, 1]),
        operator("Reshape", [y, constant("flatten/shape", [0, -1], "int64")], flat),
    ]
    return graph
