"""Names in the file, the user's wherever there is one, unique and the same on every machine.

inputs and outputs   their names; an output that is an input, a constant or another output too gets an Identity
weights              `scope/layer/weight`; of several forms of a weight the plain or else first one; others a suffix;
                     `scope/layer/weight:folded` where an operator is folded into it: its numbers are others
results of layers    the layer's name, `:1` for a later result; none where nothing reads it and it may be left out
all else             the layer's name and the operator's type (`dense/gemm`) or a constant's role (`flatten/shape`)
"""

from __future__ import annotations

from archonnx.compiler.ir import Operator, OperatorGraph, Tensor
from archonnx.compiler.lowering.constants import joined_name, weight_of

RECURRENT = ("", "kernel", "recurrent_kernel", "bias", "lengths", "initial_h", "initial_c")
# What the constant inputs of operators are called, by position.
ROLES: dict[str, tuple[str, ...]] = {
    "Clip": ("", "minimum", "maximum"),
    "Expand": ("", "shape"),
    "GRU": RECURRENT,
    "Gather": ("data", "indices"),
    "LSTM": RECURRENT,
    "MatMulNBits": ("", "quantized", "scales", "zeros", "", "bias"),
    "Pad": ("", "pads", "value", "axes"),
    "Pow": ("", "exponent"),
    "RNN": RECURRENT,
    "Reshape": ("", "shape"),
    "Resize": ("", "region", "scales", "sizes"),
    "Slice": ("", "starts", "ends", "axes", "steps"),
    "Split": ("", "sizes"),
    "Squeeze": ("", "axes"),
    "Tile": ("", "repeats"),
    "TopK": ("", "k"),
    "Unsqueeze": ("", "axes"),
}


class _Names:
    """Gives out each name once: a second asking gets `_1`, then `_2`."""

    def __init__(self) -> None:
        self.taken: set[str] = set()
        self.next: dict[str, int] = {}

    def take(self, name: str) -> str:
        if name in self.taken:
            number = self.next.get(name, 1)
            while f"{name}_{number}" in self.taken:
                number += 1
            self.next[name] = number + 1
            name = f"{name}_{number}"
        self.taken.add(name)
        return name


def assign_names(graph: OperatorGraph) -> list[str]:
    """Name every tensor and operator. Returns the outputs' names in the file, in order."""
    names = _Names()
    for given in graph.inputs:
        given.name = names.take(given.name)
    named = _name_outputs(graph, names)
    _leave_out(graph, named)
    _name_weights(graph, names, named)
    _name_rest(graph, names, _Names(), named)
    return [name for name, _ in graph.outputs]


def _name_rest(graph: OperatorGraph, names: _Names, operators: _Names, named: set[int]) -> None:
    """Results, literals and operators, then those of bodies: names are unique over all of them."""
    _name_results(graph, names, named)
    for operator in graph.operators:
        prefix = _prefix(operator)
        operator.name = operators.take(f"{prefix}{operator.type}")
        for position, tensor in enumerate(operator.inputs):
            if tensor is not None and tensor.recipe is not None and id(tensor) not in named:
                named.add(id(tensor))
                tensor.name = names.take(prefix + _role(operator, position))
        for index, result in enumerate(operator.outputs):
            if id(result) not in named:
                result.name = names.take(f"{prefix}{operator.type.lower()}" + (f":{index}" if index else ""))
        for body in operator.bodies.values():
            for given in body.inputs:
                given.name = names.take(given.name)
            named |= _name_outputs(body, names)
            _name_rest(body, names, operators, named)


def _name_outputs(graph: OperatorGraph, names: _Names) -> set[int]:
    """Outputs first, so that nothing else takes their names. Returns the ids of all tensors that are named."""
    named = {id(tensor) for tensor in graph.inputs}
    for position, (wanted, held) in enumerate(graph.outputs):
        # The next value of a state has the state's name, which an input of an ONNX graph has already.
        name = names.take(f"{wanted}_next" if wanted in names.taken else wanted)
        tensor = _copy(graph, held) if id(held) in named or held.recipe is not None else held
        tensor.name = name
        named.add(id(tensor))
        graph.outputs[position] = name, tensor
    return named


def _copy(graph: OperatorGraph, tensor: Tensor) -> Tensor:
    source = tensor.producer
    operator = Operator("Identity", [tensor], [], name="Identity")
    if source is not None:
        operator.name, operator.layer = f"{_prefix(source)}Identity", source.layer
        operator.place, operator.trail = source.place, source.trail
    copy = Tensor("", tensor.type, operator, stands_for=tensor.stands_for, permutation=tensor.permutation)
    operator.outputs.append(copy)
    graph.operators.append(operator)
    return copy


def _leave_out(graph: OperatorGraph, named: set[int]) -> None:
    """Count results that nobody needs as named, where their operator may leave them out: they keep an empty name."""
    read = {id(t) for operator in graph.everywhere() for t in operator.inputs if t is not None}
    for operator in graph.everywhere():
        for index in operator.omissible:
            tensor = operator.outputs[index]
            if id(tensor) not in read and id(tensor) not in named:
                tensor.name = ""
                named.add(id(tensor))


def _name_weights(graph: OperatorGraph, names: _Names, named: set[int]) -> None:
    forms: dict[str, list[tuple[bool, Tensor, str]]] = {}
    for tensor in graph.constants():
        source = weight_of(tensor)
        joined = joined_name(tensor) if source is None else None
        if source is not None or joined is not None:
            path, change = source or (joined or "", "")
            forms.setdefault(path, []).append((bool(change), tensor, change))
    for path, of_weight in forms.items():
        of_weight.sort(key=lambda form: form[0])  # stable: the plain form, then in order of use
        for number, (_, tensor, change) in enumerate(of_weight):
            tensor.name = names.take(f"{path}:{change or 'copy'}" if number else path)
            named.add(id(tensor))


def _name_results(graph: OperatorGraph, names: _Names, named: set[int]) -> None:
    """Tensors that hold a layer's result: those in the layer's own order of axes first."""
    for permuted in (False, True):
        for operator in graph.operators:
            for tensor in operator.outputs:
                if tensor.stands_for is None or id(tensor) in named or (tensor.permutation is not None) != permuted:
                    continue
                named.add(id(tensor))
                again = tensor.stands_for in names.taken
                tensor.name = names.take(f"{tensor.stands_for}:transposed" if permuted and again else tensor.stands_for)


def _prefix(operator: Operator) -> str:
    """`dense#1/` of an operator that a layer's lowering named `dense#1/MatMul`."""
    return operator.name[: operator.name.rfind("/") + 1]


def _role(operator: Operator, position: int) -> str:
    roles = ROLES.get(operator.type, ())
    if position < len(roles) and roles[position]:
        return roles[position]
    return "axes" if operator.type.startswith("Reduce") and position == 1 else "constant"
