"""Layers that put elements in another order or shape: Flatten, Reshape, Permute, RepeatVector."""

from __future__ import annotations

from typing import TYPE_CHECKING

from archonnx.compiler.graph import TensorType
from archonnx.compiler.layers.base import LayerError, arg
from archonnx.compiler.layers.common import (
    KerasLayer,
    counted,
    equal,
    product,
    require_least_rank,
    require_rank,
    require_text,
)
from archonnx.compiler.layers.domains import DataFormat, Repeated, Shape, Whole
from archonnx.contract.dims import Verdict

if TYPE_CHECKING:
    from archonnx.compiler.ir import Tensor
    from archonnx.compiler.layers.base import Context
    from archonnx.compiler.lowering.builder import Builder
    from archonnx.contract.dims import Dim, Facts


class Flatten(KerasLayer):
    """All axes after the batch made into one: [batch, ...] to [batch, elements]."""

    inputs = ("inputs",)
    masking = "drop"
    data_format = arg(DataFormat(), default=None, doc='"channels_first": channels are moved to the end first.')
    keras = "Flatten"
    torch = "Flatten"
    onnx = ("Reshape",)
    formula = "y = reshape(inputs, (batch, -1))"
    example = "input image: float32[N, 8, 8, 3]\nFlatten()"

    def infer(self, c: Context, inputs: TensorType) -> TensorType:
        require_least_rank(self, inputs, 1)
        x = self.kept(inputs)
        return TensorType(x.dtype, (x.shape[0], c.facts.normalize(product(x.shape[1:]))))

    def lower(self, b: Builder, inputs: Tensor) -> Tensor:
        x = self.cast_kept(b, inputs)
        if x.rank == 1:
            return b.expand_dims(x, [1])
        return b.flatten_from(b.channels_last(x) if self.data_format == "channels_first" else x, 1)


class Reshape(KerasLayer):
    """The elements after the batch in the same order in another shape: [batch, ...] to [batch, *target_shape]."""

    inputs = ("inputs",)
    masking = "drop"
    target_shape = arg(Shape(), doc="The shape after the batch; one size may be -1, what is left.")
    keras = "Reshape"
    torch = "Unflatten"
    onnx = ("Reshape",)
    formula = "y = reshape(inputs, (batch, *target_shape))"
    example = "input x: float32[N, 12]\nReshape((3, 4))"

    def infer(self, c: Context, inputs: TensorType) -> TensorType:
        require_least_rank(self, inputs, 1)
        x = self.kept(inputs)
        return TensorType(x.dtype, (x.shape[0], *self._sizes(c.facts, inputs)))

    def _sizes(self, facts: Facts, x: TensorType) -> tuple[Dim, ...]:
        elements = product(x.shape[1:])
        given = product([d for d in self.target_shape if d != -1])
        shown = f"({', '.join(map(str, self.target_shape))}{',' if len(self.target_shape) == 1 else ''})"
        if -1 in self.target_shape:
            if isinstance(given, int) and isinstance(elements, int):
                whole: bool | None = given != 0 and elements % given == 0
            else:
                whole = True if facts.divisible(elements, given) else None
            if whole:
                rest = facts.normalize(elements // given)
                return tuple(rest if d == -1 else d for d in self.target_shape)
            mend = require_text("==", elements % given, 0) if given != 0 else ""
            verdict = Verdict.DEPENDS if mend and whole is None else Verdict.NO
        else:
            verdict = equal(facts, elements, given)
            if verdict is Verdict.YES:
                return tuple(self.target_shape)
            mend = require_text("==", elements, given)
        if verdict is Verdict.NO:
            raise LayerError(
                "E0307",
                f"Reshape cannot make {shown} of {x}: {counted(elements, 'element')} after the batch, "
                f"not {'a multiple of ' if -1 in self.target_shape else ''}{given}",
                argument="target_shape",
                help=self._fitting(elements),
            )
        raise LayerError(
            "E0309",
            f"Reshape cannot tell whether {x} has the elements for {shown}: {elements} and {given}",
            argument="target_shape",
            help=f"state it: {mend}",
        )

    def _fitting(self, elements: Dim) -> str | None:
        """The mend: the same sizes but for one, which takes what is left, where there is such a shape."""
        if not isinstance(elements, int) or -1 in self.target_shape:
            return None
        for place in range(len(self.target_shape)):
            rest = product([d for at, d in enumerate(self.target_shape) if at != place])
            if isinstance(rest, int) and rest > 0 and elements % rest == 0:
                sizes = [-1 if at == place else d for at, d in enumerate(self.target_shape)]
                return f"({', '.join(map(str, sizes))}{',' if len(sizes) == 1 else ''}) takes them all"
        return None

    def lower(self, b: Builder, inputs: Tensor) -> Tensor:
        x = self.cast_kept(b, inputs)
        return b.reshape(x, (x.shape[0], *self._sizes(b.facts, x.type)))


class Permute(KerasLayer):
    """The axes after the batch in another order: [batch, ...] to [batch, ...]."""

    inputs = ("inputs",)
    masking = "drop"
    dims = arg(
        Repeated(Whole(minimum=1), alone=False, least=1),
        doc="The axes in their new order; the first after the batch is 1.",
    )
    keras = "Permute"
    onnx = ("Transpose",)
    formula = "y = transpose(inputs, (0, *dims))"
    example = "input x: float32[N, 4, 5]\nPermute((2, 1))"

    def validate(self) -> None:
        if sorted(self.dims) != list(range(1, len(self.dims) + 1)):
            raise LayerError(
                "E0413",
                f"Permute needs each axis from 1 to {len(self.dims)} once, got {self.dims}",
                argument="dims",
            )

    def infer(self, c: Context, inputs: TensorType) -> TensorType:
        if inputs.rank != len(self.dims) + 1:
            raise LayerError(
                "E0302",
                f"Permute orders {len(self.dims)} axes after the batch, got {inputs}",
                input=0,
                help=f"name the axes 1 to {inputs.rank - 1}" if inputs.rank > 1 else None,
            )
        x = self.kept(inputs)
        return TensorType(x.dtype, (x.shape[0], *(x.shape[axis] for axis in self.dims)))

    def lower(self, b: Builder, inputs: Tensor) -> Tensor:
        return b.transpose(self.cast_kept(b, inputs), (0, *self.dims))


class RepeatVector(KerasLayer):
    """A vector repeated along a new axis: [batch, features] to [batch, n, features]."""

    inputs = ("inputs",)
    masking = "drop"
    n = arg(Whole(minimum=1, symbolic=True), doc="How often.")
    keras = "RepeatVector"
    onnx = ("Unsqueeze", "Expand")
    formula = "y[:, i] = inputs for every i below n"
    example = "input x: float32[N, 4]\nRepeatVector(3)"

    def infer(self, c: Context, inputs: TensorType) -> TensorType:
        require_rank(self, inputs, ("batch", "features"))
        x = self.kept(inputs)
        return TensorType(x.dtype, (x.shape[0], self.n, x.shape[1]))

    def lower(self, b: Builder, inputs: Tensor) -> Tensor:
        x = b.expand_dims(self.cast_kept(b, inputs), [1])
        return b.expand(x, (x.shape[0], self.n, x.shape[2]))
