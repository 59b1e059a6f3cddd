"""The onnx package's own node cases, each written as the text of a model that applies raw operators.

`write(case)` gives the text of a case, or raises LeftOut with the rule that leaves it out. Sizes of 0 are symbols that may
be 0; with `symbols` every size above 1 is one, vectors' apart, and equal sizes are the same.
"""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import AttributeProto, NodeProto, ValueInfoProto, numpy_helper
from onnx.reference import ReferenceEvaluator

from archonnx.compiler.lowering.opsets import NEWEST_OPSET, OLDEST_OPSET
from archonnx.contract.dtypes import BY_ONNX

Array = NDArray[Any]

# Why a case is not written, by rule, and the code of what the compiler says of the operator, None where no text is possible.
RULES = {
    "domain": ("the operator is of another domain: onnx.Name is for ONNX's own", None),
    "graph": ("it holds a graph: conditions and loops are the language's own", "E0904"),
    "sequence": ("it deals in sequences or optional values: the language has tensors, and lists of them", None),
    "deprecated": ("the operator was deprecated before opset 17, the oldest that is compiled for", "E0903"),
    "older": ("it is of an operator set before 17, and its attributes have become inputs since", "E0910"),
}


class LeftOut(Exception):
    """The case has no form in the language, by a rule of RULES."""

    def __init__(self, rule: str) -> None:
        super().__init__(RULES[rule][0])
        self.rule = rule


@dataclass(frozen=True)
class Written:
    """A case as a model: its inputs are i0, i1, ... and its outputs o0, o1, ..., in the case's order."""

    text: str
    opset: int
    symbols: bool


@cache
def load() -> tuple[Any, ...]:
    """The cases that the onnx package makes, with their data."""
    from onnx.backend.test.loader import load_model_tests

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the cases divide by zero on purpose
        return tuple(load_model_tests(kind="node"))


def opset_of(case: Any) -> int:
    """The operator set of a case, or the nearest one that is compiled for."""
    versions = {entry.domain: entry.version for entry in case.model.opset_import}
    return int(min(max(versions.get("", OLDEST_OPSET), OLDEST_OPSET), NEWEST_OPSET))


def arrays(values: Sequence[Any]) -> list[Array]:
    """The data of a case: some of it are messages."""
    return [numpy_helper.to_array(v) if isinstance(v, onnx.TensorProto) else np.asarray(v) for v in values]


def write(case: Any, *, symbols: bool = False, announce: bool = False) -> Written:
    """The case as a model. `announce`: with the types of what comes between. LeftOut: it has no form."""
    graph = case.model.graph
    for node in graph.node:
        _may_stand(node, opset_of(case))
    sizes = _Sizes(symbols)
    inputs = [f"input i{k}: {_type(port, sizes)}" for k, port in enumerate(graph.input)]
    names = {port.name: f"i{k}" for k, port in enumerate(graph.input)}
    names |= {port.name: f"o{k}" for k, port in enumerate(graph.output)}
    told = _Sizes(symbols or len(graph.node) > 1, output=True)
    types = _between(case) if announce else {}
    types |= {port.name: _type(port, told) for port in graph.output}
    read = {name for node in graph.node for name in node.input} | {port.name for port in graph.output}
    body = [_application(node, names, types, read) for node in graph.node]
    outputs = [f"output o{k}" for k in range(len(graph.output))]
    if not inputs:  # a model has an input, and reads it
        inputs, outputs = ["input given: float32[1]"], [*outputs, "output kept = given + 0"]
    requires = [f"require {name} >= 0" for name in sizes.empty]
    lines = ["model A():", *(f"    {line}" for line in (*inputs, *requires, *body, *outputs))]
    return Written("\n".join(lines) + "\n", opset_of(case), symbols)


def _between(case: Any) -> dict[str, str]:
    """The types of the results between operators, as onnx's reference implementation makes them."""
    given = arrays(case.data_sets[0][0])
    feeds = {port.name: array for port, array in zip(case.model.graph.input, given, strict=True)}
    with np.errstate(all="ignore"):
        values = ReferenceEvaluator(case.model).run(None, feeds, intermediate=True)
    found: dict[str, str] = {}
    for name, value in values.items():
        if isinstance(value, np.ndarray) and all(value.shape):
            dtype = BY_ONNX[onnx.helper.np_dtype_to_tensor_dtype(value.dtype)].name
            found[name] = f"{dtype}[{', '.join(map(str, value.shape))}]"
    return found


def _may_stand(node: NodeProto, opset: int) -> None:
    if node.domain:
        raise LeftOut("domain")
    if any(attribute.type in (AttributeProto.GRAPH, AttributeProto.GRAPHS) for attribute in node.attribute):
        raise LeftOut("graph")
    schema = onnx.defs.get_schema(node.op_type, opset)
    if schema.deprecated:
        raise LeftOut("deprecated")
    if not {attribute.name for attribute in node.attribute} <= schema.attributes.keys():
        raise LeftOut("older")


@dataclass
class _Sizes:
    """Writes sizes: as numbers, or as symbols, those of the inputs that may be 0 noted. Equal sizes are one symbol."""

    symbols: bool
    output: bool = False

    def __post_init__(self) -> None:
        self.empty: list[str] = []
        self.fresh = 0

    def write(self, size: int) -> str:
        if self.output and (self.symbols or size == 0):
            self.fresh += 1
            return f"R{self.fresh}"  # a size that the operator tells, whatever it is
        if size == 0:
            self.empty.append(f"Z{len(self.empty)}")
            return self.empty[-1]
        return f"S{size}" if self.symbols and size > 1 else str(size)


def _type(port: ValueInfoProto, sizes: _Sizes) -> str:
    if port.type.WhichOneof("value") != "tensor_type":
        raise LeftOut("sequence")
    tensor = port.type.tensor_type
    sizes_of = [d.dim_value for d in tensor.shape.dim]
    vector = len(sizes_of) == 1 and not sizes.output  # shapes, axes and the like: as many as there are axes
    written = [str(d) if vector and d else sizes.write(d) for d in sizes_of]
    return f"{BY_ONNX[tensor.elem_type].name}[{', '.join(written)}]"


def _application(node: NodeProto, names: dict[str, str], types: dict[str, str], read: set[str]) -> str:
    """The line of one operator; results that have no name yet get one."""
    given = ", ".join(names[name] if name else "None" for name in node.input)
    source = f"({given},)" if len(node.input) == 1 else f"({given})"
    arguments = ", ".join(f"{attribute.name}={_attribute(attribute)}" for attribute in node.attribute)
    for name in filter(None, node.output):
        names.setdefault(name, f"t{len(names)}")
    targets = [names[name] if name in read else "_" for name in node.output]
    if any(name in types for name in node.output):  # each with its type where a result of the model is among them
        targets = [f"{t}: {types[name]}" if name in types else t for t, name in zip(targets, node.output, strict=True)]
        target = ", ".join(targets)
    else:
        target = f"({', '.join(targets)})" if len(targets) > 1 else targets[0]
    return f"{target} = {source} -> onnx.{node.op_type}({arguments})"


def _attribute(attribute: AttributeProto) -> str:
    value = onnx.helper.get_attribute_value(attribute)
    if attribute.type == AttributeProto.TENSOR:
        array = numpy_helper.to_array(value)
        numbers = _literal(array.tolist())
        plain = array.dtype in (np.float32, np.int64) or array.dtype.kind in "bOU"
        return numbers if plain and array.size else f"cast({numbers}, {BY_ONNX[value.data_type].name})"
    if attribute.type in (AttributeProto.FLOAT, AttributeProto.FLOATS):
        shortest = np.asarray(value, dtype=np.float32)  # 0.1, not what the nearest float32 is as a double
        return _literal([float(str(v)) for v in shortest] if shortest.ndim else float(str(shortest)))
    return _literal(list(value) if isinstance(value, (list, tuple)) or hasattr(value, "append") else value)


def _literal(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_literal, value))}]"
    if isinstance(value, bytes):
        return json.dumps(value.decode())
    if isinstance(value, float) and not math.isfinite(value):
        return f'float("{value}")'
    return repr(value)
