"""Any operator of ONNX's own domain as a layer, `onnx.HardSwish()`: arguments by its schema, shapes by onnx itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from archonnx.compiler.functions.base import result_types
from archonnx.compiler.functions.raw_attributes import Attribute, sparse_attribute, tensor_attribute
from archonnx.compiler.functions.raw_types import infer_with_onnx
from archonnx.compiler.layers.base import REQUIRED, Argument, Layer, LayerError
from archonnx.contract.diagnostics import did_you_mean

if TYPE_CHECKING:
    from onnx import NodeProto

    from archonnx.compiler.graph import TensorType
    from archonnx.compiler.ir import Tensor
    from archonnx.compiler.layers.base import Context
    from archonnx.compiler.lowering.builder import Builder

# Defaults that are written out: onnx's shape inference loses them on the way into the operator's own definition.
SPELT_OUT = {"MeanVarianceNormalization": {"axes": [0, 2, 3]}}


REPLACED = {"Scatter": "onnx.ScatterElements(), which takes the same", "Upsample": "onnx.Resize()"}

# What the language has in place of operators that hold graphs or deal in sequences.
INSTEAD = {
    "If": "`if` chooses by what is known while compiling, where(condition, a, b) by a tensor",
    "Loop": "`for` repeats as often as is known while compiling, RNN(cell) as often as a tensor has steps",
    "Scan": "RNN(cell) runs a block along axis 1",
    "SequenceMap": "map over a list of tensors: [x -> Dense(4) for x in xs]",
    "SequenceAt": "take an item of a list: xs[1]",
    "SequenceConstruct": "a list of tensors: [a, b]",
    "SequenceEmpty": "an empty list: []",
    "SequenceErase": "join what stays: xs[:1] + xs[2:]",
    "SequenceInsert": "join lists: xs + [x]",
    "SequenceLength": "the length of a list: len(xs)",
    "SplitToSequence": "split(x, 2, axis=0) gives a list",
    "ConcatFromSequence": "join the tensors of a list: concat(xs, axis=0)",
    "Optional": "an input of a model may be left out: input x: float32[N, 4] = None",
}


class Raw(Layer):
    """The base of raw operators."""

    abstract = True
    masking = "drop"
    takes_constants = True
    version: int = 0  # the operator set that the schema is of
    kinds: Mapping[str, int] = {}  # the attributes' types, numbers of onnx.AttributeProto.AttributeType
    omissible: frozenset[int] = frozenset()  # results that may be left out, by position

    @property
    def written_name(self) -> str:
        return f"onnx.{self.type_name}"

    def surplus_help(self, opset: int) -> str | None:
        """Where the next input is one of another operator set: its attribute here, or the operator set that has it."""
        import onnx

        history = [s for s in onnx.defs.get_all_schemas_with_history() if s.name == self.type_name and not s.domain]
        for schema in sorted(history, key=lambda s: s.since_version):
            more = schema.inputs[len(self.inputs) :]
            if more and more[0].name in self.declared:
                return f"{more[0].name} is an attribute at opset {opset}: {self.written_name}({more[0].name}=...)"
            if more and schema.since_version > opset:
                return (
                    f"{more[0].name} came with opset {schema.since_version}: build with --opset {schema.since_version}"
                )
        return None

    def infer(self, c: Context, *inputs: TensorType | None) -> tuple[TensorType, ...]:
        return infer_with_onnx(self, c, inputs)

    def attributes(self) -> dict[str, Any]:
        """The attributes that are given: numbers, strings, lists, arrays for tensors, messages for sparse ones."""
        given = {k: v for k, v in self.arguments.items() if v is not None}
        given = SPELT_OUT.get(self.type_name, {}) | given
        return {k: _held(v, self.kinds[k]) for k, v in given.items()}

    def node(self, inputs: Sequence[str], outputs: Sequence[str]) -> NodeProto:
        """The operator between these names, "" for one that is left out: attributes of the schema's types."""
        import numpy as np
        from onnx import helper, numpy_helper

        node = helper.make_node(self.type_name, inputs, outputs)
        for name, value in self.attributes().items():
            held = numpy_helper.from_array(value) if isinstance(value, np.ndarray) else value
            node.attribute.append(helper.make_attribute(name, held, attr_type=self.kinds[name]))
        return node

    def lower(self, b: Builder, *inputs: Tensor | None) -> Tensor | tuple[Tensor, ...]:
        made = b.op(self.type_name, *inputs, result=result_types(b), **self.attributes())
        if made and made[0].producer is not None:
            made[0].producer.omissible = self.omissible & frozenset(range(len(made)))
        return made


def _held(value: Any, kind: int) -> Any:
    """An attribute as operator graphs hold it."""
    from onnx import AttributeProto

    if kind == AttributeProto.TENSOR:
        return tensor_attribute(value)
    return sparse_attribute(value) if kind == AttributeProto.SPARSE_TENSOR else value


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
            "E0904", f"{name} holds a graph of its own, which has no form in the language", help=INSTEAD.get(name)
        )
    for port in (*schema.inputs, *schema.outputs):
        if not any(kind.startswith("tensor(") for kind in port.types):
            raise LayerError(
                "E0904",
                f"{name} deals in sequences or optional values, which have no form in the language: {port.name}",
                help=INSTEAD.get(name),
            )
    option = onnx.defs.OpSchema.FormalParameterOption
    form = {option.Variadic: "*{}", option.Optional: "{}?"}
    members: dict[str, Any] = {
        "__doc__": (schema.doc or "").strip(),
        "__module__": __name__,
        "inputs": tuple(form.get(port.option, "{}").format(port.name) for port in schema.inputs),
        "onnx": (name,),
        "version": schema.since_version,
        "kinds": {n: int(onnx.AttributeProto.AttributeType.Value(k)) for n, k in kinds.items()},
        "omissible": frozenset(i for i, port in enumerate(schema.outputs) if port.option == option.Optional),
    }
    for attribute, kind in kinds.items():
        required = schema.attributes[attribute].required
        members[attribute] = Argument(
            Attribute(kind), REQUIRED if required else None, schema.attributes[attribute].description, False
        )
    return type(name, (Raw,), members)


def attribute_elsewhere(name: str, attribute: str, opset: int) -> LayerError | None:
    """E0910 where other operator sets than this have the attribute: with what came of it, or when it came."""
    import onnx

    history = [s for s in onnx.defs.get_all_schemas_with_history() if s.name == name and not s.domain]
    versions = sorted(s.since_version for s in history if attribute in s.attributes)
    later = [v for v in versions if v > opset]
    if later:
        return LayerError(
            "E0910",
            f"{name} has the attribute {attribute} since opset {later[0]}, and this is opset {opset}",
            help=f"build with --opset {later[0]}",
            argument=attribute,
        )
    if not versions:
        return None
    schema = onnx.defs.get_schema(name, opset, "")
    gone = min(s.since_version for s in history if s.since_version > versions[-1])
    inputs = [port.name for port in schema.inputs]
    near = next((i for i in inputs if i in (attribute, f"{attribute}_value", attribute.removesuffix("s"))), None)
    if near is not None:
        said = f"it is an input now: ({', '.join(inputs[: inputs.index(near) + 1])}) -> onnx.{name}(...)"
    else:
        said = f"its attributes are {', '.join(schema.attributes)}" if schema.attributes else "it has no attributes"
    message = f"{name} has no attribute {attribute} since opset {gone}, and this is opset {opset}"
    return LayerError("E0910", message, help=said, argument=attribute)


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
        newest = onnx.defs.get_schema(name, "")
        help = f"build with --opset {newest.since_version}" if not newest.deprecated else f"use {REPLACED[name]}"
        raise LayerError("E0903", f"{name} is deprecated since opset {schema.since_version}", help=help)
    return schema
