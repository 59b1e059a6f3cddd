"""Operators of other domains, `custom("com.example", "Op")(alpha=1)`: their results' types are announced."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from archonnx.compiler.functions.base import result_types
from archonnx.compiler.graph import TensorType
from archonnx.compiler.layers.base import Argument, Layer, LayerError
from archonnx.compiler.layers.domains import Anything

if TYPE_CHECKING:
    from archonnx.compiler.ir import Tensor
    from archonnx.compiler.layers.base import Context
    from archonnx.compiler.lowering.builder import Builder


class Custom(Layer):
    """The base of operators of other domains."""

    abstract = True
    masking = "drop"
    takes_constants = True
    inputs = ("*inputs",)
    domain = ""

    def infer(self, c: Context, *inputs: TensorType) -> tuple[TensorType, ...]:
        kinds = [c.announced(i) for i in range(c.results or 1)]
        found = tuple([kind for kind in kinds if kind is not None])
        if len(found) < len(kinds):
            raise LayerError(
                "E0907",
                f"nothing says what {self.type_name} of {self.domain} gives",
                help=f'announce it: y: float32[N, K] = x -> custom("{self.domain}", "{self.type_name}")(...)',
            )
        return found

    def lower(self, b: Builder, *inputs: Tensor) -> Tensor | tuple[Tensor, ...]:
        given = {k: v for k, v in self.arguments.items() if v is not None}
        return b.op(self.type_name, *inputs, result=result_types(b), domain=self.domain, **given)


def custom_operator(domain: str, name: str, attributes: Mapping[str, Any]) -> type[Layer]:
    """The operator as a layer class with these attributes. LayerError E0908: an attribute that ONNX cannot hold."""
    for attribute, value in attributes.items():
        items = value if isinstance(value, (list, tuple)) else [value]
        if not items or not (all(isinstance(v, str) for v in items) or all(isinstance(v, (int, float)) for v in items)):
            raise LayerError(
                "E0908", f"the attribute {attribute} is a number, a string or a list of one of them", argument=attribute
            )
    members: dict[str, Any] = {"__doc__": f"{name} of the domain {domain}.", "__module__": __name__, "domain": domain}
    for attribute in attributes:
        members[attribute] = Argument(Anything(), None, "An attribute of the operator.", False)
    return type(name, (Custom,), members)
