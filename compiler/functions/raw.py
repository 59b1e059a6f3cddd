"""Any operator of ONNX's own domain as a layer, `onnx.HardSwish()`: arguments by its schema, shapes by onnx itself."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from archonnx.compiler.functions.base import result_types
from archonnx.compiler.functions.raw_types import infer_with_onnx, tensor_attribute
from archonnx.compiler.layers.base import REQUIRED, Argument, Layer, LayerError
from archonnx.compiler.layers.domains import Domain
from archonnx.contract.diagnostics import did_you_mean
from archonnx.contract.dtypes import DTYPES

if TYPE_CHECKING:
    from archonnx.compiler.graph import TensorType
    from archonnx.compiler.ir import Tensor
    from archonnx.compiler.layers.base import Context
    from archonnx.compiler.lowering.builder import Builder

# Attribute types of onnx.defs.OpSchema.AttrType, by the names that messages use.
_ATTRIBUTES = {"FLOAT": "a number", "INT": "a whole number", "STRING": "a string"}
_LISTS = {"FLOATS": "FLOAT", "INTS": "INT", "STRINGS": "STRING"}


class Attribute(Domain):
    """The domain of one attribute, by its type in the schema: a tensor is nested lists, a dtype goes for its number."""

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def parse(self, value: Any) -> Any:
        if self.kind in _LISTS:
            if not isinstance(value, (list, tuple)):
                raise self.fail()
            return [self._one(v, _LISTS[self.kind]) for v in value]
        if self.kind == "TENSOR":
            self._numbers(value)
            return value
        return self._one(value, self.kind)

    def _numbers(self, value: Any) -> None:
        if isinstance(value, (list, tuple)):
            for inner in value:
                self._numbers(inner)
            if len({len(v) if isinstance(v, (list, tuple)) else -1 for v in value}) > 1:
                raise self.fail()
        elif not isinstance(value, (int, float)):
            raise self.fail()

    def _one(self, value: Any, kind: str) -> int | float | str:
        if kind == "INT" and isinstance(value, str) and value in DTYPES:
            return DTYPES[value].onnx  # Cast(to=float16) and the like
        if kind == "INT" and isinstance(value, bool):
            return int(value)  # ONNX writes its flags as 0 and 1
        if kind == "STRING" and isinstance(value, str):
            return value
        if kind == "FLOAT" and isinstance(value, (int, float)) and not isinstance(value, bool):
            return float(value)
        if kind == "INT" and isinstance(value, int):
            return value
        raise self.fail()

    def describe(self) -> str:
        if self.kind in _LISTS:
            return f"a list, each {_ATTRIBUTES[_LISTS[self.kind]]}"
        if self.kind == "TENSOR":
            return "a number or nested lists of numbers"
        return _ATTRIBUTES.get(self.kind, f"{self.kind.lower()}, which has no form in the language")


class Raw(Layer):
    """The base of raw operators."""

    abstract = True
    masking = "drop"
    takes_constants = True
    version: int = 0  # the operator set that the schema is of
    tensors: frozenset[str] = frozenset()  # attributes that are tensors

    def infer(self, c: Context, *inputs: TensorType | None) -> tuple[TensorType, ...]:
        return infer_with_onnx(self, c, inputs)

    def attributes(self) -> dict[str, Any]:
        """The attributes that are given: numbers, strings, lists, and arrays for tensors."""
        given = {k: v for k, v in self.arguments.items() if v is not None}
        return {k: tensor_attribute(v) if k in self.tensors else v for k, v in given.items()}

    def lower(self, b: Builder, *inputs: Tensor | None) -> Tensor | tuple[Tensor, ...]:
        return b.op(self.type_name, *inputs, result=result_types(b), **self.attributes())


@cache
def raw_operator(name: str, opset: int) -> type[Layer]:
    """The operator as a layer class.

    LayerError E0901: unknown. E0902: newer than the opset. E0903: deprecated. E0904: it holds a graph, or deals in
    sequences, which are no tensors.
    """
    import onnx

    schema = _schema(name, opset)
    kinds = {n: str(a.type).rpartition(".")[2] for n, a in schema.attributes.items()}
    if any("GRAPH" in k for k in kinds.values()):
        raise LayerError(
            "E0904",
            f"{name} holds a graph of its own, which has no form in the language",
            help="loops and conditions are resolved while elaborating",
        )
    for port in (*schema.inputs, *schema.outputs):
        if not any(kind.startswith("tensor(") for kind in port.types):
            raise LayerError(
                "E0904",
                f"{name} deals in sequences or optional values, which have no form in the language: {port.name}",
                help="lists of tensors are the elaborator's: x + [y], (a, b) -> onnx.Concat(axis=0)",
            )
    option = onnx.defs.OpSchema.FormalParameterOption
    form = {option.Variadic: "*{}", option.Optional: "{}?"}
    members: dict[str, Any] = {
        "__doc__": (schema.doc or "").strip(),
        "__module__": __name__,
        "inputs": tuple(form.get(port.option, "{}").format(port.name) for port in schema.inputs),
        "onnx": (name,),
        "version": schema.since_version,
        "tensors": frozenset(n for n, k in kinds.items() if k == "TENSOR"),
    }
    for attribute, kind in kinds.items():
        required = schema.attributes[attribute].required
        members[attribute] = Argument(
            Attribute(kind), REQUIRED if required else None, schema.attributes[attribute].description, False
        )
    return type(name, (Raw,), members)


def _schema(name: str, opset: int) -> Any:
    """The operator's schema as of an operator set. LayerError E0901, E0902, E0903."""
    import onnx

    if not onnx.defs.has(name):
        names = sorted({s.name for s in onnx.defs.get_all_schemas() if not s.domain})
        near = did_you_mean(name, names)
        help = f"did you mean onnx.{near[0]}?" if near else "operators are listed at onnx.ai/onnx/operators"
        raise LayerError("E0901", f"ONNX has no operator {name}", help=help)
    try:
        schema = onnx.defs.get_schema(name, opset, "")
    except onnx.defs.SchemaError:
        history = onnx.defs.get_all_schemas_with_history()
        since = min(s.since_version for s in history if s.name == name and not s.domain)
        raise LayerError(
            "E0902", f"{name} came with opset {since}, and this is opset {opset}", help=f"build with --opset {since}"
        ) from None
    if schema.deprecated:
        raise LayerError(
            "E0903", f"{name} is deprecated since opset {schema.since_version}", help="choose what replaced it"
        )
    return schema
