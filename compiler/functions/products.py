"""Products of tensors: matmul, which `@` stands for, and einsum."""

from __future__ import annotations

import string
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from archonnx.compiler.functions.base import (
    NUMBERS,
    Function,
    agree,
    broadcast,
    need_kind,
    product,
    same_dtype,
    widened,
)
from archonnx.compiler.graph import TensorType
from archonnx.compiler.layers.base import LayerError, arg
from archonnx.compiler.layers.domains import Text

if TYPE_CHECKING:
    from archonnx.compiler.ir import Tensor
    from archonnx.compiler.layers.base import Context
    from archonnx.compiler.lowering.builder import Builder
    from archonnx.contract.dims import Dim


class matmul(Function):
    """`x1 @ x2`: the matrix product over the last axis of x1 and the last but one of x2; leading axes broadcast."""

    inputs = ("x1", "x2")
    parameters = ("x1", "x2")
    keras = "ops.matmul"
    torch = "matmul"
    onnx = ("MatMul",)

    def infer(self, c: Context, x1: TensorType, x2: TensorType) -> TensorType:
        need_kind("matmul", x1, NUMBERS)
        dtype = same_dtype("matmul", x1, x2)
        if not x1.rank or not x2.rank:
            raise LayerError(
                "E0354", f"matmul of {x1} and {x2}: each needs an axis at least", input=0 if not x1.rank else 1
            )
        inner = x2.shape[-2] if x2.rank > 1 else x2.shape[0]
        agree(c, f"matmul of {x1} and {x2}", x1.shape[-1], inner, "the inner sizes", input=1)
        batch = broadcast(c, "matmul", x1.shape[:-2], x2.shape[:-2], behind=2)
        rows = x1.shape[-2:-1]
        columns = x2.shape[-1:] if x2.rank > 1 else ()
        return TensorType(dtype, (*batch, *rows, *columns))

    def macs(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Dim:
        return inputs[0].shape[-1] * product(outputs[0].shape)

    def lower(self, b: Builder, x1: Tensor, x2: Tensor) -> Tensor:
        if x1.dtype in ("uint32", "uint64"):  # which ONNX multiplies as they are
            return b.matmul(x1, x2)
        return b.cast(b.matmul(widened(b, x1), widened(b, x2)), x1.dtype)


class Labels(NamedTuple):
    """An equation taken apart: the label of each axis of the operands and the result; `...` has labels of its own."""

    operands: tuple[tuple[str, ...], ...]
    result: tuple[str, ...]


class einsum(Function):
    """Sums of products by labelled axes, `einsum("bij,bjk->bik", a, b)`, over the labels that the result lacks."""

    inputs = ("*operands",)
    parameters = ("subscripts", "operands")
    keras = "ops.einsum"
    torch = "einsum"
    onnx = ("Einsum",)
    subscripts = arg(Text(), doc='A letter for each axis, operands parted by commas: "ij,jk->ik"; `...` is all others.')

    def labels(self, shapes: Sequence[Sequence[Dim]]) -> Labels:
        """The equation over operands of these shapes. E0359: it cannot be read, or does not fit them."""
        equation = "".join(self.subscripts.split())
        left, arrow, right = equation.partition("->")
        terms = left.split(",")
        if len(terms) != len(shapes):
            raise self.fail(f"names {len(terms)} operands, and {len(shapes)} are given")
        spread = 0
        for term, shape in zip(terms, shapes, strict=True):
            letters = term.replace("...", "", 1)
            if any(not (ch.isascii() and ch.isalpha()) for ch in letters):
                raise self.fail(f"has {term!r}, which is not letters and one `...`")
            if len(letters) > len(shape) or ("..." not in term and len(letters) != len(shape)):
                raise self.fail(f"names the axes {term!r} of an operand with {len(shape)}")
            if "..." in term:
                spread = max(spread, len(shape) - len(letters))
        others = tuple(f".{i}" for i in range(spread))  # aligned at the end, as broadcasting is
        operands = []
        for term, shape in zip(terms, shapes, strict=True):
            before, dots, after = term.partition("...")
            count = len(shape) - len(before) - len(after) if dots else 0
            operands.append((*before, *others[spread - count :], *after))
        if not arrow:
            used = [n for names in operands for n in names if not n.startswith(".")]
            return Labels(tuple(operands), (*others, *sorted(n for n in set(used) if used.count(n) == 1)))
        before, dots, after = right.partition("...")
        letters = before + after
        if len(set(letters)) != len(letters):
            raise self.fail(f"names an axis of the result twice: {right!r}")
        unknown = [ch for ch in letters if not any(ch in names for names in operands)]
        if unknown:
            raise self.fail(f"has {unknown[0]!r} in the result, and no operand has it")
        if others and not dots:
            raise self.fail("has `...` among the operands, and the result leaves it out")
        return Labels(tuple(operands), (*before, *(others if dots else ()), *after))

    def fail(self, what: str) -> LayerError:
        return LayerError("E0359", f'einsum: the equation "{self.subscripts}" {what}', argument="subscripts")

    def sizes(self, c: Context, labels: Labels, shapes: Sequence[Sequence[Dim]]) -> dict[str, Dim]:
        """The size of every label; those of `...` broadcast, the others agree."""
        sizes: dict[str, Dim] = {}
        for names, shape in zip(labels.operands, shapes, strict=True):
            for name, size in zip(names, shape, strict=True):
                if name.startswith("."):
                    sizes[name] = broadcast(c, "einsum", (sizes.get(name, 1),), (size,), behind=None)[0]
                elif name in sizes:
                    agree(c, f'einsum "{self.subscripts}"', sizes[name], size, f"the sizes of axis {name}")
                    sizes[name] = size if isinstance(size, int) else sizes[name]
                else:
                    sizes[name] = size
        return sizes

    def infer(self, c: Context, *operands: TensorType) -> TensorType:
        need_kind("einsum", operands[0], NUMBERS)
        dtype = same_dtype("einsum", *operands)
        shapes = [t.shape for t in operands]
        labels = self.labels(shapes)
        sizes = self.sizes(c, labels, shapes)
        return TensorType(dtype, tuple(sizes[n] for n in labels.result))

    def macs(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Dim:
        """One for each combination of all labels, as if no product were worked out before another."""
        sizes: dict[str, Dim] = {}
        for names, kind in zip(self.labels([t.shape for t in inputs]).operands, inputs, strict=True):
            for name, size in zip(names, kind.shape, strict=True):
                if sizes.get(name, 1) == 1:
                    sizes[name] = size
        return product(tuple(sizes.values()))

    def lower(self, b: Builder, *operands: Tensor) -> Tensor:
        """ONNX's ellipses are of one rank: they go as letters, and axes of size 1 that stretch are taken away."""
        labels = self.labels([t.shape for t in operands])
        sizes: dict[str, Dim] = {}
        for names, tensor in zip(labels.operands, operands, strict=True):
            for name, size in zip(names, tensor.shape, strict=True):
                if sizes.get(name, 1) == 1:
                    sizes[name] = size
        free = iter(ch for ch in string.ascii_letters if ch not in sizes)
        letters = {name: next(free) if name.startswith(".") else name for name in sizes}
        terms: list[str] = []
        given: list[Tensor] = []
        for names, tensor in zip(labels.operands, operands, strict=True):
            spare = [a for a, n in enumerate(names) if n.startswith(".") and tensor.shape[a] == 1 and sizes[n] != 1]
            given.append(widened(b, b.squeeze(tensor, spare)))
            terms.append("".join(letters[n] for a, n in enumerate(names) if a not in spare))
        equation = f"{','.join(terms)}->{''.join(letters[n] for n in labels.result)}"
        result = TensorType(given[0].dtype, tuple(sizes[n] for n in labels.result))
        return b.cast(b.op("Einsum", *given, result=result, equation=equation), operands[0].dtype)
