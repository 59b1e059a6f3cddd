"""Which operators of a model onnxruntime lacks: all of them, where it names the first that it meets.

Looked for only once it has refused a model: its own tables of schemas and kernels are asked, and the types between
nodes are inferred by onnx.
"""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from archonnx.contract.diagnostics import ArchonnxError, MachineError
from archonnx.contract.dtypes import BY_ONNX
from archonnx.runtime.errors import ModelFileError
from archonnx.runtime.modelfile import ModelFile
from archonnx.runtime.skeleton import skeleton
from archonnx.runtime.translate import OLDEST_OPSET
from archonnx.runtime.wire import WireError

if TYPE_CHECKING:
    from archonnx.runtime.devices import Choice

_REFUSED = re.compile(
    r"Could not find an implementation for |is not a registered function/op|No Op registered for |"
    r"No opset import for domain"
)
_NAMED = re.compile(r"Could not find an implementation for (\w+)\(")
_NO_END = 2**31 - 1
_SHOWN = 3
_ONNX = ("", "ai.onnx")
# What onnxruntime casts to float32 by itself, where the CPU has no kernel for it.
_CAST = frozenset({"tensor(float16)"})


@dataclass(frozen=True, slots=True)
class Lacking:
    """An operator that onnxruntime lacks. operator: with its domain; types: those that it has no kernel for, () where
    it has none at all; nodes: what the nodes are called."""

    operator: str
    types: tuple[str, ...]
    nodes: tuple[str, ...]

    def text(self, model: ModelFile) -> str:
        """As messages say it, with the nodes' places in their source."""
        for_ = f" for {', '.join(self.types)}" if self.types else ""
        return f"{self.operator}{for_}{_those(self.nodes, model)}"


def lacking_error(source: str | bytes, model: ModelFile, choice: Choice, error: Exception) -> ArchonnxError | None:
    """What to raise where onnxruntime refused a model for its operators, with all that it lacks; None for other
    refusals, for models older than onnxruntime's kernels, and where nothing is found lacking."""
    if not _REFUSED.search(str(error)) or model.opsets.get("", OLDEST_OPSET) < OLDEST_OPSET:
        return None
    import onnxruntime

    named = _NAMED.search(str(error))
    try:
        unknown, without = lacking(source, named[1] if named else "")
    except (OSError, WireError):
        return None
    if named and not unknown and not any(each.operator == named[1] for each in without):
        if any(place.operator == named[1] for place in model.nodes.values()):
            return None
        without = [*without, Lacking(named[1], (), ())]
    reasons = []
    if unknown:
        those = ", ".join(each.text(model) for each in unknown)
        many = f"{len(unknown)} operators: " if len(unknown) > 1 else "operator "
        reasons.append(f"does not know the {many}{those}{_domains(unknown)}")
    if without:
        providers = " and ".join(each.name for each in choice.providers)
        those = ", ".join(each.text(model) for each in without)
        reasons.append(f"has no implementation of {those} on device {choice.device} ({providers})")
    if not reasons:
        return None
    message = f"onnxruntime {onnxruntime.__version__} {'; and '.join(reasons)}"
    return ModelFileError(model.path, message) if unknown else MachineError(f"{model.path}: {message}")


def _domains(unknown: Sequence[Lacking]) -> str:
    """That operators of others' domains come with a library of their own, where there are such."""
    domains = sorted({each.operator.partition(":")[0] for each in unknown if ":" in each.operator})
    domains = [name for name in domains if not name.startswith("ai.onnx")]
    if not domains:
        return ""
    which = f"domain {domains[0]}" if len(domains) == 1 else f"domains {', '.join(domains)}"
    return f"; operators of the {which} come with a library of their own, which is not taken here"


def lacking(source: str | bytes, named: str = "") -> tuple[list[Lacking], list[Lacking]]:
    """The operators that onnxruntime has no schema for, and those that it has no kernel for, in the model's order.

    source: a file or bytes; named: the operator that it named itself, of which less is taken for granted. Raises
    OSError, WireError.
    """
    import onnx
    from google.protobuf.message import DecodeError

    try:
        model = onnx.load_from_string(skeleton(os.fspath(source) if isinstance(source, str) else source))
    except DecodeError as error:
        raise WireError(str(error)) from None
    opsets = {_plain(each.domain): each.version for each in model.opset_import}
    own = {(_plain(each.domain), each.name) for each in model.functions}
    schemas, kernels = _schemas(), _kernels()
    unknown: dict[str, list[str]] = defaultdict(list)
    without: dict[tuple[str, tuple[str, ...]], list[str]] = defaultdict(list)
    for node, types in _nodes(model):
        domain = _plain(node.domain)
        if (domain, node.op_type) in own or (domain, node.op_type) == ("", "Constant"):
            continue
        called = node.name or f"that gives {next((name for name in node.output if name), '?')}"
        operator = f"{domain}:{node.op_type}" if domain else node.op_type
        schema = _newest(schemas.get((domain, node.op_type), ()), opsets.get(domain, 1))
        if schema is None:
            unknown[operator].append(called)
            continue
        fitting = [each for each in kernels.get((domain, node.op_type), ()) if _covers(each, schema.since_version)]
        if not fitting and (node.op_type == named or not _is_function(domain, node.op_type, schema.since_version)):
            without[operator, ()].append(called)
        elif fitting:
            wrong = _wrong_types(node, types, schema, fitting, casts=node.op_type != named)
            if wrong:
                without[operator, wrong].append(called)
    return (
        [Lacking(name, (), tuple(nodes)) for name, nodes in unknown.items()],
        [Lacking(name, types, tuple(nodes)) for (name, types), nodes in without.items()],
    )


def _plain(domain: str) -> str:
    return "" if domain in _ONNX else domain


def _nodes(model: Any) -> Iterator[tuple[Any, Mapping[str, str]]]:
    """Every node, those of branches, loops and functions too, with the types of values as far as they are known."""
    import onnx

    try:
        typed = onnx.shape_inference.infer_shapes(model)
    except (
        RuntimeError,
        ValueError,
        onnx.shape_inference.InferenceError,
    ):  # what it says of such a model has been said by onnxruntime
        typed = model
    for function in typed.functions:
        yield from ((node, {}) for node in function.node)
    pending = [(typed.graph, dict[str, str]())]
    while pending:
        graph, outer = pending.pop()
        types = dict(outer)
        for value in (*graph.input, *graph.value_info, *graph.output):
            if value.type.HasField("tensor_type") and value.type.tensor_type.elem_type:
                types[value.name] = _ort_type(value.type.tensor_type.elem_type)
        for tensor in graph.initializer:
            types[tensor.name] = _ort_type(tensor.data_type)
        for node in graph.node:
            yield node, types
            for attribute in node.attribute:
                inner = [attribute.g] if attribute.HasField("g") else [*attribute.graphs]
                pending += [(each, types) for each in inner]


def _ort_type(number: int) -> str:
    """A type of onnx.proto as onnxruntime's tables call it: tensor(float)."""
    import onnx

    return f"tensor({onnx.TensorProto.DataType.Name(number).lower()})"


def _schemas() -> dict[tuple[str, str], list[Any]]:
    from onnxruntime.capi.onnxruntime_pybind11_state import get_all_operator_schema

    found: dict[tuple[str, str], list[Any]] = defaultdict(list)
    for each in get_all_operator_schema():
        found[_plain(each.domain), each.name].append(each)
    return found


def _kernels() -> dict[tuple[str, str], list[Any]]:
    from onnxruntime.capi.onnxruntime_pybind11_state import get_all_opkernel_def

    found: dict[tuple[str, str], list[Any]] = defaultdict(list)
    for each in get_all_opkernel_def():
        found[_plain(each.domain), each.op_name].append(each)
    return found


def _newest(schemas: Sequence[Any], opset: int) -> Any:
    """The schema that an operator of this operator set has; None where there is none yet, or no more."""
    fitting = [each for each in schemas if each.since_version <= opset]
    found = max(fitting, key=lambda each: each.since_version, default=None)
    return None if found is None or found.deprecated else found


def _covers(kernel: Any, version: int) -> bool:
    """Whether a kernel is for the schema of this version: one without an end is for the schema that it began with."""
    first, last = kernel.version_range
    return bool(first == version or (first < version <= last != _NO_END))


def _is_function(domain: str, operator: str, version: int) -> bool:
    """Whether an operator is defined by others, which take its place where it has no kernel."""
    import onnx

    try:
        schema = onnx.defs.get_schema(operator, version, domain)
    except onnx.defs.SchemaError:  # onnxruntime's own domain: it does not tell
        return domain not in _ONNX
    found: Any = schema  # whose stubs lack both
    return bool(found.has_function or found.has_context_dependent_function)


def _wrong_types(
    node: Any, types: Mapping[str, str], schema: Any, kernels: Sequence[Any], casts: bool
) -> tuple[str, ...]:
    """The types of a node's values for which no kernel is there, as people call them; () where one is, or where it
    cannot be told. casts: whether onnxruntime may put casts around it."""
    bound: dict[str, str] = {}
    for names, formal in ((node.input, schema.inputs), (node.output, schema.outputs)):
        for place, name in enumerate(names):
            if formal and name in types:
                bound.setdefault(formal[min(place, len(formal) - 1)].typeStr, types[name])
    best: list[str] | None = None
    for kernel in kernels:
        wrong = [
            found
            for name, allowed in kernel.type_constraints.items()
            if (found := bound.get(name)) and found not in allowed and not (casts and _casts(found, allowed))
        ]
        if not wrong:
            return ()
        if best is None or len(wrong) < len(best):
            best = wrong
    return tuple(dict.fromkeys(_ours(each) for each in best or ()))


def _casts(found: str, allowed: Sequence[str]) -> bool:
    return found in _CAST and "tensor(float)" in allowed


def _ours(text: str) -> str:
    """A type of onnxruntime's tables as the language calls it."""
    import onnx

    name = text.removeprefix("tensor(").rstrip(")")
    number = onnx.TensorProto.DataType.Value(name.upper())
    return BY_ONNX[number].name if number in BY_ONNX else name


def _those(nodes: Sequence[str], model: ModelFile) -> str:
    """Nodes in brackets, with their layers and places, the first of them where there are many."""
    if not nodes:
        return " (which another operator is made of)"
    shown = []
    for name in nodes[:_SHOWN]:
        place = model.nodes.get(name)
        label = f"layer {place.layer}" if place and place.layer else name
        shown.append(f"{label} at {place.place}" if place and place.place else label)
    more = f" and {len(nodes) - _SHOWN:,} more" if len(nodes) > _SHOWN else ""
    one = len(nodes) == 1 and shown[0].startswith("layer ")
    return f" ({'in ' if one else 'node ' if len(nodes) == 1 else 'nodes '}{', '.join(shown)}{more})"
