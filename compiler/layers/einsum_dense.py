"""EinsumDense: a kernel applied along any axes, by an equation."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from archonnx.compiler.graph import TensorType
from archonnx.compiler.layers import activations, domains
from archonnx.compiler.layers.base import LayerError, arg
from archonnx.compiler.layers.common import KerasLayer, equal, product, require_text
from archonnx.compiler.layers.dense import LORA, QUANTIZED
from archonnx.compiler.layers.domains import Ignored, InitializerDomain, Optional, Repeated, Text, Whole
from archonnx.compiler.layers.einsum_equation import Equation, parse_equation
from archonnx.contract.dims import Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from archonnx.compiler.ir import Tensor
    from archonnx.compiler.layers.base import Context
    from archonnx.compiler.lowering.builder import Builder
    from archonnx.contract.dims import Dim, Facts

_SIZES = Repeated(Optional(Whole(minimum=1, symbolic=True)))


class EinsumDense(KerasLayer):
    """`activation(einsum(equation, x, kernel) + bias)`: "abc,cde->abde" takes [a, b, c] to [a, b, d, e]."""

    inputs = ("inputs",)
    masking = "drop"
    equation = arg(
        Text(), doc='A letter for each axis of input, kernel and result, "abc,cd->abd"; `...` is all others.'
    )
    output_shape = arg(
        _SIZES, doc="The result's sizes after the batch, without those of `...`; None: as the input has it."
    )
    activation = arg(domains.Activation(), default=None, doc="Applied to the result.")
    bias_axes = arg(Optional(Text()), default=None, doc="Letters of the result's axes that a bias has; None: no bias.")
    kernel_initializer = arg(InitializerDomain(), default="glorot_uniform", doc="What the kernel starts from.")
    bias_initializer = arg(InitializerDomain(), default="zeros", doc="What the bias starts from.")
    kernel_regularizer = arg(Ignored(), default=None, doc="Used in training only.")
    bias_regularizer = arg(Ignored(), default=None, doc="Used in training only.")
    kernel_constraint = arg(Ignored(), default=None, doc="Used in training only.")
    bias_constraint = arg(Ignored(), default=None, doc="Used in training only.")
    lora_rank = arg(LORA, default=None, doc="Not offered.")
    lora_alpha = arg(LORA, default=None, doc="Not offered.")
    gptq_unpacked_column_size = arg(QUANTIZED, default=None, doc="Not offered.")
    quantization_config = arg(QUANTIZED, default=None, doc="Not offered.")
    keras = "EinsumDense"
    onnx = ("Gemm", "MatMul", "Mul", "ReduceSum", "Add")
    formula = "y = activation(einsum(equation, inputs, kernel) + bias)"
    example = 'input x: float32[N, 10, 64]\nEinsumDense("abc,cde->abde", output_shape=(None, 4, 16), bias_axes="de")'

    def validate(self) -> None:
        parsed = self._parsed()
        named = parsed.result if parsed.before else parsed.result[1:]
        if len(self.output_shape) != len(named):
            batch = "" if parsed.before else f", {parsed.result[0]} being the batch"
            raise LayerError(
                "E0326",
                f"output_shape of EinsumDense gives {_count(len(named))}, for {', '.join(named) or 'no axis'} "
                f'of "{self.equation}"{batch}, got {len(self.output_shape)}',
                argument="output_shape",
                help=self._mend_shape(parsed, named),
            )
        for letter, size in zip(named, self.output_shape, strict=True):
            if size is None and letter not in parsed.given:
                raise LayerError(
                    "E0326",
                    f"output_shape of EinsumDense needs a number for the axis {letter}, which the input lacks",
                    argument="output_shape",
                )
        if self.bias_axes is not None:
            wrong = next((a for a in self.bias_axes if a not in parsed.result), None)
            if wrong is not None or not self.bias_axes:
                raise LayerError(
                    "E0326",
                    f"bias_axes of EinsumDense are letters of the result, {parsed.result}, "
                    f'got "{wrong or self.bias_axes}"',
                    argument="bias_axes",
                    help=None if self.bias_axes else "leave it out for no bias",
                )

    def _mend_shape(self, parsed: Equation, named: str) -> str | None:
        """The sizes that were given at the axes that need one, None at those that the input has."""
        needed = [a for a in named if a not in parsed.given]
        if len(needed) != len(self.output_shape):
            return None
        sizes = iter(self.output_shape)
        text = ", ".join(str(next(sizes)) if a in needed else "None" for a in named)
        return f"write output_shape=({text}{',' if len(named) == 1 else ''}): None keeps the input's size"

    def _parsed(self) -> Equation:
        return parse_equation(self.equation)

    def _known_rank(self, x: TensorType) -> Equation:
        parsed = self._parsed()
        if x.rank < parsed.least_rank or (x.rank > parsed.least_rank and not parsed.open):
            least = "at least " if parsed.open else ""
            axes = "axis" if parsed.least_rank == 1 else "axes"
            raise LayerError(
                "E0302",
                f'EinsumDense needs {least}{parsed.least_rank} {axes} for "{self.equation}", got {x}',
                input=0,
                help=f'write `...` for further axes: "...{parsed.given[1:]},{parsed.kernel}->...{parsed.result[1:]}"'
                if x.rank > parsed.least_rank and len(parsed.given) > 1 and parsed.given[0] not in parsed.kernel
                else None,
            )
        return parsed

    def _all_sizes(self, facts: Facts, x: TensorType) -> dict[str, Dim]:
        """The size of every axis by its name. E0308, E0309: the input's is not what output_shape says."""
        parsed = self._known_rank(x)
        sizes = dict(zip(parsed.input_axes(x.rank), x.shape, strict=True))
        named = parsed.result if parsed.before else parsed.result[1:]
        for letter, size in zip(named, self.output_shape, strict=True):
            if size is None:
                continue
            have = sizes.setdefault(letter, size)
            verdict = equal(facts, have, size)
            if verdict is Verdict.YES:
                continue
            if verdict is Verdict.NO:
                raise LayerError(
                    "E0308",
                    f"EinsumDense is told {size} for the axis {letter}, and {x} has {have} there",
                    argument="output_shape",
                    input=0,
                    axis=parsed.input_axes(x.rank).index(letter),
                    label=f"{have} here",
                    help="write None: the input's size is kept",
                )
            raise LayerError(
                "E0309",
                f"EinsumDense cannot tell whether {have} and {size} are equal, the axis {letter} of {x}",
                argument="output_shape",
                help=f"state it, {require_text('==', have, size)}, or write None: the input's size is kept",
            )
        return sizes

    def _shape(self, c: Context, x: TensorType, letters: Sequence[str], sizes: dict[str, Dim]) -> tuple[int, ...]:
        """The sizes of a weight's axes. E0301, E0326: one is not a number."""
        parsed = self._parsed()
        shape: list[int] = []
        for letter in letters:
            size = c.facts.normalize(sizes[letter])
            if not isinstance(size, int):
                if letter in parsed.given:
                    size = c.known(x, parsed.input_axes(x.rank).index(letter))
                else:
                    raise LayerError(
                        "E0326",
                        f"output_shape of EinsumDense needs a number for the axis {letter}, a weight's, got {size}",
                        argument="output_shape",
                    )
            shape.append(size)
        return tuple(shape)

    def declare(self, c: Context, inputs: TensorType) -> None:
        parsed, sizes = self._known_rank(inputs), self._all_sizes(c.facts, inputs)
        initializer = self.kernel_initializer
        if hasattr(initializer, "input_axes") and None in (initializer.input_axes, initializer.output_axes):
            # As Keras does, the units in and out are those of the equation.
            inside = tuple(i for i, a in enumerate(parsed.kernel) if a not in parsed.result)
            outside = tuple(i for i, a in enumerate(parsed.kernel) if a in parsed.result)
            initializer = replace(initializer, input_axes=inside, output_axes=outside)
        kernel = self._shape(c, inputs, parsed.kernel, sizes)
        c.weight("kernel", kernel, initializer, dtype=self.compute_dtype)
        if self.bias_axes is not None:
            named = parsed.result[min(parsed.result.index(a) for a in self.bias_axes) :]
            given = self._shape(c, inputs, [a for a in named if a in self.bias_axes], sizes)
            extents = iter(given)
            bias = [next(extents) if a in self.bias_axes else 1 for a in named]
            ones = [1] * (inputs.rank - len(parsed.given)) if parsed.after else []
            c.weight("bias", (*bias, *ones), self.bias_initializer, dtype=self.compute_dtype)

    def infer(self, c: Context, inputs: TensorType) -> TensorType:
        x = self.floating(inputs)
        sizes = self._all_sizes(c.facts, x)
        shape = tuple(sizes[a] for a in self._parsed().result_axes(x.rank))
        return activations.activated(c, self.activation, TensorType(x.dtype, shape))

    def macs(self, inputs: tuple[Any, ...], outputs: tuple[TensorType, ...]) -> Dim:
        """One for each place of the result's axes and those summed over with the kernel, before the activation."""
        parsed, x = self._parsed(), inputs[0]
        kept = [d for a, d in zip(parsed.input_axes(x.rank), x.shape, strict=True) if a not in parsed.summed]
        kernel = self.weights["kernel"].shape
        return product((*kept, *(d for a, d in zip(parsed.kernel, kernel, strict=True) if a in parsed.new)))

    def lower(self, b: Builder, inputs: Tensor) -> Tensor:
        from archonnx.compiler.lowering.contraction import contract

        x = self.cast_floating(b, inputs)
        bias = b.weight("bias") if self.bias_axes is not None else None
        return activations.apply(b, self.activation, contract(b, self._parsed(), x, b.weight("kernel"), bias))


def _count(sizes: int) -> str:
    return "1 size" if sizes == 1 else f"{sizes} sizes"
