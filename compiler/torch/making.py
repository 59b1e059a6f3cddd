"""What a maker of a counterpart is given: the builder, the layer, its weights as PyTorch has them, and `module`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, overload

if TYPE_CHECKING:
    from archonnx.compiler.graph import Node, TensorType
    from archonnx.compiler.ir import Tensor
    from archonnx.compiler.lowering.builder import Builder
    from archonnx.compiler.weights.recipe import Recipe

DOMAIN = "archonnx.torch"  # of the operator that stands for a call of a module


@dataclass(frozen=True)
class Making:
    """One application. written: the layer's tensors as PyTorch has them, by their names below the module.

    place: makes the layer's module by a function of torch.nn, once for all its applications.
    """

    b: Builder
    node: Node
    layer: Any
    written: Mapping[str, Recipe]
    place: Callable[[Callable[[Any], Any]], None]

    def has(self, name: str) -> bool:
        """Whether there is a tensor of that name for PyTorch's module."""
        return name in self.written

    def sizes(self, weight: str) -> tuple[int, ...]:
        """The shape of one of our weights."""
        return tuple(self.layer.weights[weight].shape)

    def floating(self, x: Tensor) -> Tensor:
        """The input in the type that the layer computes in."""
        return self.b.cast(x, self.layer.compute_dtype)

    @overload
    def module(
        self, make: Callable[[Any], Any], *inputs: Tensor | None, result: TensorType, call: str = ..., **options: Any
    ) -> Tensor: ...
    @overload
    def module(
        self,
        make: Callable[[Any], Any],
        *inputs: Tensor | None,
        result: Sequence[TensorType],
        call: str = ...,
        **options: Any,
    ) -> tuple[Tensor, ...]: ...
    def module(
        self,
        make: Callable[[Any], Any],
        *inputs: Tensor | None,
        result: TensorType | Sequence[TensorType],
        call: str = "plain",
        **options: Any,
    ) -> Any:
        """A call of the layer's module, which `make` makes of torch.nn. call, options: as calls.CALLS has them."""
        self.place(make)
        return self.b.op("Module", *inputs, result=result, domain=DOMAIN, call=call, **options)
