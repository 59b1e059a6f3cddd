"""Any operator of ONNX's own domain as a layer, `onnx.HardSwish()`: arguments from its schema, shapes inferred by onnx itself."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from archonnx.compiler.graph import TensorType
from archonnx.compiler.layers.base import REQUIRED, Argument, Layer, LayerError
from archonnx.compiler.layers.domains import Domain
from archonnx.contract import dims
from archonnx.contract.diagnostics import did_you_mean
from archonnx.contract.dtypes import BY_ONNX, DTYPES

if TYPE_CHECKING:
    from archonnx.compiler.ir import Tensor
    from archonnx.compiler.layers.base import Context
    from archonnx.compiler.lowering.builder import Builder

# Attribute types of onnx.defs.OpSchema.AttrType, by the names that messages use.
_ATTRIBUTES = {"FLOAT": "a number", "INT": "a whole number", "STRING": "a string"}
_LISTS = {"FLOATS": "FLOAT", "INTS": "INT", "STRINGS": "STRING"}


class Attribute(Domain):
    """The domain of one attribute, by its type in the schema. Tensors are nested lists of numbers; dtypes go for whole numbers."""

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def parse(self, value: Any) -> Any:
        if self.kind in _LISTS:
            if not isinstance(value, (list, tuple)):
                raise self.fail()
            return [self._one(v, _LISTS[self.kind]) for v in value]
        if self.kind == "TENSOR":
            return value
        return self._one(value, self.kind)

    def _one(self, value: Any, kind: str) -> Any:
        if kind == "INT" and isinstance(value, str) and value in DTYPES:
            return DTYPES[value].onnx  # Cast(to=float16) and the like
        if kind == "INT" and isinstance(value, bool):
            return int(value)  # ONNX writes its flags as 0 and 1
        wanted = {"FLOAT": (int, float), "INT": int, "STRING": str}.get(kind, ())
        if not isinstance(value, wanted) or (isinstance(value, bool)):
            raise self.fail()
        return float(value) if kind == "FLOAT" else value

    def describe(self) -> str:
        if self.kind in _LISTS:
            return f"a list, each {_ATTRIBUTES[_LISTS[self.kind]]}"
        return (
            "a number or nested lists of numbers"
            if self.kind == "TENSOR"
            else _ATTRIBUTES.get(self.kind, self.kind.lower())
        )


class Raw(Layer):
    """The base of raw operators."""

    abstract = True
    masking = "drop"
    takes_constants = True
    version: int = 0  # the operator set that the schema is of

    def infer(self, c: Context, *inputs: TensorType | None) -> tuple[TensorType, ...]:
        return infer_with_onnx(self, c, inputs)

    def lower(self, b: Builder, *inputs: Tensor | None) -> Tensor | tuple[Tensor, ...]:
        given = {k: v for k, v in self.arguments.items() if v is not None}
        return b.op(self.type_name, *inputs, result=[v.type for v in b.node.outputs], **given)


@cache
def raw_operator(name: str, opset: int) -> type[Layer]:
    """The operator as a layer class. LayerError E0901: unknown; E0902: newer than the opset; E0903: deprecated; E0904: has a body."""
    import onnx

    if not onnx.defs.has(name):
        names = sorted({s.name for s in onnx.defs.get_all_schemas()})
        near = did_you_mean(name, names)
        help = f"did you mean onnx.{near[0]}?" if near else "operators are listed at onnx.ai/onnx/operators"
        raise LayerError("E0901", f"ONNX has no operator {name}", help=help)
    try:
        schema = onnx.defs.get_schema(name, opset, "")
    except onnx.defs.SchemaError:
        since = min(
            s.since_version for s in onnx.defs.get_all_schemas_with_history() if s.name == name and not s.domain
        )
        raise LayerError(
            "E0902", f"{name} came with opset {since}, and this is opset {opset}", help=f"build with --opset {since}"
        ) from None
    if schema.deprecated:
        raise LayerError(
            "E0903", f"{name} is deprecated since opset {schema.since_version}", help="choose what replaced it"
        )
    kinds = {n: a.type.name for n, a in schema.attributes.items()}
    if any("GRAPH" in k for k in kinds.values()):
        raise LayerError(
            "E0904",
            f"{name} holds a graph of its own, which has no form in the language",
            help="loops and conditions are resolved while elaborating",
        )
    inputs = []
    for port in schema.inputs:
        option = port.option.name
        inputs.append({"Variadic": f"*{port.name}", "Optional": f"{port.name}?"}.get(option, port.name))
    members: dict[str, Any] = {
        "__doc__": (schema.doc or "").strip(),
        "__module__": __name__,
        "inputs": tuple(inputs),
        "onnx": (name,),
        "version": schema.since_version,
    }
    for attribute, kind in kinds.items():
        required = schema.attributes[attribute].required
        members[attribute] = Argument(
            Attribute(kind), REQUIRED if required else None, schema.attributes[attribute].description, False
        )
    return type(name, (Raw,), members)


def infer_with_onnx(layer: Raw, c: Context, inputs: tuple[TensorType | None, ...]) -> tuple[TensorType, ...]:
    """The results' types by onnx's own shape inference on this one node; sizes that it cannot tell become new symbols.

    LayerError E0905 where onnx refuses the inputs; E0906 where it cannot tell the rank and no type is announced.
    """
    import onnx

    schema = onnx.defs.get_schema(layer.type_name, c.opset, "")
    count = _result_count(schema, c.results)
    names = ["" if t is None else f"i{k}" for k, t in enumerate(inputs)]
    results = [f"o{k}" for k in range(count)]
    texts: dict[str, dims.Dim] = {}
    kinds: dict[str, onnx.TypeProto] = {}
    data: dict[str, onnx.TensorProto] = {}
    for k, kind in enumerate(inputs):
        if kind is None:
            continue
        shape: list[int | str] = []
        for size in kind.shape:
            text: int | str = size if isinstance(size, int) else f"d{len(texts)}"
            known = next((t for t, d in texts.items() if d == size), None)
            text = known or text
            if isinstance(text, str):
                texts[text] = size
            shape.append(text)
        kinds[names[k]] = onnx.helper.make_tensor_type_proto(DTYPES[kind.dtype].onnx, shape)
        value = c.constant(k)
        if value is not None:
            import numpy as np

            array = np.asarray(value, dtype=onnx.helper.tensor_dtype_to_np_dtype(DTYPES[kind.dtype].onnx))
            data[names[k]] = onnx.numpy_helper.from_array(array, names[k])
    attributes = {k: v for k, v in layer.arguments.items() if v is not None}
    node = onnx.helper.make_node(layer.type_name, names, results, **_protos(attributes, schema))
    try:
        found = onnx.shape_inference.infer_node_outputs(
            schema, node, kinds, data, opset_imports=[onnx.helper.make_opsetid("", c.opset)]
        )
    except (onnx.shape_inference.InferenceError, onnx.checker.ValidationError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[-1]
        raise LayerError(
            "E0905", f"ONNX refuses {layer.type_name} of {', '.join(map(str, inputs))}: {reason}"
        ) from None
    return tuple(_type(found.get(r), layer, c, texts, announced=c.announced if count == 1 else None) for r in results)


def _result_count(schema: Any, wanted: int | None) -> int:
    """How many results are meant: what is unpacked, else those that are always there."""
    if wanted is not None:
        most = schema.max_output
        if not schema.min_output <= wanted <= most:
            raise LayerError(
                "E0608", f"{schema.name} gives {schema.min_output} to {most} results, {wanted} are unpacked"
            )
        return wanted
    return max(1, schema.min_output)


def _protos(attributes: dict[str, Any], schema: Any) -> dict[str, Any]:
    """Attributes as onnx.helper takes them: tensors from nested lists."""
    import numpy as np
    import onnx

    made = {}
    for name, value in attributes.items():
        if schema.attributes[name].type.name == "TENSOR":
            array = np.asarray(value)
            value = onnx.numpy_helper.from_array(array.astype(np.float32) if array.dtype.kind == "f" else array)
        made[name] = value
    return made


def _type(proto: Any, layer: Raw, c: Context, texts: dict[str, dims.Dim], announced: TensorType | None) -> TensorType:
    known = proto is not None and proto.HasField("tensor_type")
    if not known or not proto.tensor_type.elem_type or not proto.tensor_type.HasField("shape"):
        if announced is not None:
            return announced
        raise LayerError(
            "E0906",
            f"ONNX cannot tell what {layer.type_name} gives here",
            help=f"announce it: y: float32[N, K] = x -> onnx.{layer.type_name}(...)",
        )
    dtype = BY_ONNX[proto.tensor_type.elem_type].name
    shape: list[dims.Dim] = []
    for axis, dim in enumerate(proto.tensor_type.shape.dim):
        if dim.HasField("dim_value"):
            shape.append(int(dim.dim_value))
        elif dim.dim_param in texts:
            shape.append(texts[dim.dim_param])
        elif announced is not None and len(announced.shape) > axis:
            shape.append(announced.shape[axis])
        else:
            shape.append(c.symbol("size"))
    return TensorType(dtype, tuple(shape))
