"""EinsumDense's product of a tensor and a kernel, as the operator that is fastest for the equation.

Never Einsum: onnxruntime's transposes and copies at every call, and does not lay the kernel out beforehand, as MatMul's
does. MatMul takes 0.7 to 0.8 of its time, without a sum 0.1 to 0.7, Mul a thirtieth. What the kernel needs is a recipe.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from archonnx.compiler.graph import TensorType
from archonnx.compiler.layers.common import product
from archonnx.compiler.layers.einsum_equation import Equation, order

if TYPE_CHECKING:
    from archonnx.compiler.ir import Tensor
    from archonnx.compiler.lowering.builder import Builder
    from archonnx.contract.dims import Dim


def contract(b: Builder, equation: Equation, x: Tensor, kernel: Tensor, bias: Tensor | None) -> Tensor:
    """`einsum(equation, x, kernel) + bias`. The bias broadcasts against the result's last axes."""
    axes = equation.input_axes(x.rank)
    wanted = equation.result_axes(x.rank)
    sizes = dict(zip(equation.kernel, kernel.shape, strict=True)) | dict(zip(axes, x.shape, strict=True))
    x = b.reduce("Sum", x, [axes.index(a) for a in equation.summed])
    axes = [a for a in axes if a not in equation.summed]
    new = [a for a in wanted if a in equation.new]  # as the result has them: the kernel is turned, not the result
    folded = False
    # Without a sum factors are multiplied in place; new axes at the end are columns of a product.
    if not equation.contracted and (not new or equation.shared or wanted[-len(new) :] != new):
        y = _factors(b, equation, x, axes, kernel, wanted, sizes)
    elif _kernel_stands_left(equation, axes, wanted):
        y = _kernel_times_x(b, equation, x, axes, kernel, new, sizes)
    else:
        y, made, folded = _x_times_kernel(b, equation, x, axes, kernel, new, bias, sizes)
        y = b.transpose(y, order(made, wanted))
    return y if bias is None or folded else b.op("Add", y, bias, result=y.type)


def _factors(
    b: Builder,
    equation: Equation,
    x: Tensor,
    axes: list[str],
    kernel: Tensor,
    wanted: list[str],
    sizes: Mapping[str, Dim],
) -> Tensor:
    """Nothing is summed over: factors for places that there are, or for places that one place is spread to."""
    x = b.transpose(x, order(axes, [a for a in wanted if a in axes]))
    x = b.expand_dims(x, [i for i, a in enumerate(wanted) if a not in axes])
    turned = b.transpose(kernel, order(equation.kernel, [a for a in wanted if a in equation.kernel]))
    aligned = b.reshape(turned, [sizes[a] if a in equation.kernel else 1 for a in wanted])
    return b.op("Mul", x, aligned, result=TensorType(x.dtype, tuple(sizes[a] for a in wanted)))


def _kernel_stands_left(equation: Equation, axes: Sequence[str], wanted: Sequence[str]) -> bool:
    """Whether axes stay behind those summed over, and the new ones take their places: [a, b, ...] to [a, c, ...]."""
    if not equation.contracted or equation.shared or axes[-1] in equation.contracted:
        return False
    first = min(axes.index(a) for a in equation.contracted)
    behind = list(axes[first + len(equation.contracted) :])
    together = set(axes[first : first + len(equation.contracted)]) == set(equation.contracted)
    return together and list(wanted) == [*axes[:first], *wanted[first : len(wanted) - len(behind)], *behind]


def _kernel_times_x(
    b: Builder,
    equation: Equation,
    x: Tensor,
    axes: list[str],
    kernel: Tensor,
    new: list[str],
    sizes: Mapping[str, Dim],
) -> Tensor:
    """kernel^T @ x over the axes behind, which are never moved."""
    first = min(axes.index(a) for a in equation.contracted)
    inside = axes[first : first + len(equation.contracted)]
    behind = [sizes[a] for a in axes[first + len(inside) :]]
    ahead = [sizes[a] for a in axes[:first]]
    made = [sizes[a] for a in new]
    rows = b.transpose(kernel, order(equation.kernel, [*new, *inside]))
    rows = b.reshape(rows, (product(made), product([sizes[a] for a in inside])))
    columns = b.reshape(x, (*ahead, product([sizes[a] for a in inside]), product(behind)))
    return b.reshape(b.matmul(rows, columns), (*ahead, *made, *behind))


def _x_times_kernel(
    b: Builder,
    equation: Equation,
    x: Tensor,
    axes: list[str],
    kernel: Tensor,
    new: list[str],
    bias: Tensor | None,
    sizes: Mapping[str, Dim],
) -> tuple[Tensor, list[str], bool]:
    """x @ kernel: the result, its axes, and whether the bias is in it. Axes with a kernel for each place come first."""
    shared, inside = equation.shared, equation.contracted
    free = [a for a in axes if a not in shared and a not in inside]
    x = b.transpose(x, order(axes, [*shared, *free, *inside]))
    width, units = product([sizes[a] for a in inside]), product([sizes[a] for a in new])
    x = b.reshape(x, (*x.shape[: len(shared) + len(free)], width))
    turned = b.transpose(kernel, order(equation.kernel, [*shared, *inside, *new]))
    made = [*shared, *free, *new]
    shape = [sizes[a] for a in made]
    if not shared:
        flat = b.reshape(turned, (width, units))
        # Gemm adds a bias of all the new axes on its way.
        adds = bias is not None and x.rank == 2 and tuple(bias.shape) == tuple(sizes[a] for a in new)
        y = b.gemm_last(x, flat, b.reshape(bias, (units,)) if adds and bias is not None else None)
        return b.reshape(y, shape), made, adds
    each = [sizes[a] for a in shared]
    if not free:
        x = b.expand_dims(x, [len(shared)])
    blocks = b.reshape(turned, (*each, *([1] * (len(free) - 1)), width, units))
    y = b.matmul(x, blocks)
    return b.reshape(y, shape), made, False
