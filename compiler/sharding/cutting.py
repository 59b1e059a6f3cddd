"""One operator graph a stage, out of a lowered model: which operators go where, and what crosses the borders.

The model is lowered and passed over as a whole, so that stages compute what the whole does, operator by operator, and a
value at a border has the name that it has in the whole. An operator belongs to the stage of the layer that it came of.
Passes move and merge operators: where that would have a value flow back, operators go where their readers are, or their
readers follow them, whichever moves fewer. What depends on no input is made anew in each stage that reads it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from archonnx.compiler.ir import Operator, OperatorGraph, Tensor
from archonnx.contract import metadata

if TYPE_CHECKING:
    from archonnx.compiler.graph import LayerGraph

RANDOM = frozenset(
    ("Bernoulli", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike")
)


@dataclass(frozen=True, slots=True)
class Cut:
    """A stage: its graph, and what its file is asked for and gives, by name."""

    graph: OperatorGraph
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


def cut(whole: OperatorGraph, layers: LayerGraph, begins: Sequence[int]) -> list[Cut]:
    """The stages of a lowered model, its tensors named. begins: the place of the first layer of each.

    A stage whose layers leave no operator, such as one of a Dropout alone, is left out.
    """
    places = _placed(whole, layers, begins)
    filled = {place: number for number, place in enumerate(sorted(set(places)))}
    places = [filled[place] for place in places]
    copies = _copied(whole, places)
    made = {id(tensor): place for place, o in zip(places, whole.operators, strict=True) for tensor in o.outputs}
    last = _last_read(whole, places)
    everything = [*whole.inputs, *(tensor for operator in whole.operators for tensor in operator.outputs)]
    order = {id(tensor): number for number, tensor in enumerate(everything)}
    wanted = {id(tensor) for _, tensor in whole.outputs}
    cuts = []
    for number in range(len(filled)):
        operators = [
            o
            for place, o in zip(places, whole.operators, strict=True)
            if (number in copies[id(o)] if id(o) in copies else place == number)
        ]
        own = {id(tensor) for operator in operators for tensor in operator.outputs}
        read = {
            id(t): t for o in operators for t in o.inputs if t is not None and t.recipe is None and id(t) not in own
        }
        inputs = sorted(read.values(), key=lambda tensor: order[id(tensor)])
        outputs = [
            tensor
            for operator in operators
            for tensor in operator.outputs
            if tensor.name
            and made[id(tensor)] == number
            and (id(tensor) in wanted or (id(operator) not in copies and last.get(id(tensor), -1) > number))
        ]
        cuts.append(_stage(whole, layers, operators, inputs, outputs, (number, len(filled))))
    return cuts


def _placed(whole: OperatorGraph, layers: LayerGraph, begins: Sequence[int]) -> list[int]:
    """The stage of each operator, none before that of what it reads."""
    own = _own(whole, layers, begins)
    pushed, pulled = list(own), list(own)
    maker = {id(tensor): place for place, o in enumerate(whole.operators) for tensor in o.outputs}
    sources = [
        [maker[id(t)] for t in operator.inputs if t is not None and id(t) in maker] for operator in whole.operators
    ]
    for place, read in enumerate(sources):
        pushed[place] = max([pushed[place], *(pushed[source] for source in read)])
    for place in reversed(range(len(sources))):
        for source in sources[place]:
            pulled[source] = min(pulled[source], pulled[place])
    moved = [sum(a != b for a, b in zip(own, found, strict=True)) for found in (pushed, pulled)]
    return pushed if moved[0] < moved[1] else pulled


def _own(whole: OperatorGraph, layers: LayerGraph, begins: Sequence[int]) -> list[int]:
    """The stage of each operator's layer; of an operator that has none, the latest of what it reads."""
    stages: dict[str, int] = {}
    number = -1
    for place, node in enumerate(layers.nodes):
        if number + 1 < len(begins) and place == begins[number + 1]:
            number += 1
        stages[node.name] = number
    found: list[int] = []
    made: dict[int, int] = {}
    for operator in whole.operators:
        stage = stages.get(operator.name[: max(operator.name.rfind("/"), 0)])
        if stage is None:
            stage = max((made.get(id(t), 0) for t in operator.inputs if t is not None), default=0)
        found.append(stage)
        made.update((id(tensor), stage) for tensor in operator.outputs)
    return found


def _copied(whole: OperatorGraph, places: Sequence[int]) -> dict[int, set[int]]:
    """Operators that depend on no input -> the stages that need them, their own among them where an output does."""
    varying = {id(tensor) for tensor in whole.inputs}
    fixed: list[Operator] = []
    for operator in whole.operators:
        free = operator.type in RANDOM or any(
            o.type in RANDOM for b in operator.bodies.values() for o in b.everywhere()
        )
        if free or any(t is not None and id(t) in varying for t in operator.inputs):
            varying.update(id(tensor) for tensor in operator.outputs)
        else:
            fixed.append(operator)
    alone = {id(operator) for operator in fixed}
    place_of = {id(operator): place for operator, place in zip(whole.operators, places, strict=True)}
    wanted = {id(tensor) for _, tensor in whole.outputs}
    needs: dict[int, set[int]] = {}  # of tensors
    found: dict[int, set[int]] = {}
    for operator in reversed(whole.operators):
        if id(operator) in alone:
            stages = set().union(*(needs.get(id(tensor), set()) for tensor in operator.outputs))
            if any(id(tensor) in wanted for tensor in operator.outputs):
                stages.add(place_of[id(operator)])
            found[id(operator)] = stages
        else:
            stages = {place_of[id(operator)]}
        for tensor in operator.inputs:
            if tensor is not None:
                needs.setdefault(id(tensor), set()).update(stages)
    return found


def _last_read(whole: OperatorGraph, places: Sequence[int]) -> dict[int, int]:
    """The last stage that reads a tensor."""
    found: dict[int, int] = {}
    for operator, place in zip(whole.operators, places, strict=True):
        for tensor in operator.inputs:
            if tensor is not None:
                found[id(tensor)] = max(place, found.get(id(tensor), 0))
    return found


def _stage(
    whole: OperatorGraph,
    layers: LayerGraph,
    operators: list[Operator],
    inputs: list[Tensor],
    outputs: list[Tensor],
    number: tuple[int, int],
) -> Cut:
    used = {operator.domain for operator in OperatorGraph("", whole.opset, operators=operators).everywhere()}
    graph = OperatorGraph(
        whole.name,
        whole.opset,
        inputs,
        [(tensor.name, tensor) for tensor in outputs],
        operators,
        {domain: version for domain, version in whole.domains.items() if domain in used},
        whole.measured,
        whole.documentation,
    )
    graph.metadata = _metadata(whole, layers, graph, number)
    return Cut(graph, tuple(tensor.name for tensor in inputs), tuple(tensor.name for tensor in outputs))


def _metadata(
    whole: OperatorGraph, layers: LayerGraph, graph: OperatorGraph, number: tuple[int, int]
) -> dict[str, str]:
    """What a stage says of itself: of what belongs to inputs, outputs, sizes and weights, that which is its own. Assets
    travel in the first stage."""
    names = {tensor.name for tensor in graph.inputs}
    results = {name for name, _ in graph.outputs}
    constants = {tensor.name for tensor in graph.constants()}
    told = {str(size) for tensor in graph.inputs for size in tensor.shape if not isinstance(size, int)}
    said = {key: value for key, value in whole.metadata.items() if number[0] == 0 or not key.startswith(metadata.ASSET)}

    def keep(key: str, chosen: object) -> None:
        said.pop(key, None)
        if chosen:
            said[key] = json.dumps(chosen, ensure_ascii=False)

    def entry(key: str) -> dict[str, object]:
        found: dict[str, object] = json.loads(whole.metadata.get(key, "{}"))
        return found

    keep(metadata.TOKENS, {name: value for name, value in entry(metadata.TOKENS).items() if name in names})
    keep(metadata.STATES, {o: i for o, i in entry(metadata.STATES).items() if o in results and i in names})
    optional = json.loads(whole.metadata.get(metadata.OPTIONAL, "[]"))
    keep(metadata.OPTIONAL, [name for name in optional if name in names])
    required = json.loads(whole.metadata.get(metadata.REQUIRES, "[]"))
    own = [r for r, of in zip(required, layers.requirements, strict=True) if of.condition.symbols() <= told]
    keep(metadata.REQUIRES, own)
    if metadata.QUANTIZED in whole.metadata:
        found = entry(metadata.QUANTIZED)
        rows = found.get("rows")
        if isinstance(rows, dict):
            found["rows"] = {name: scales for name, scales in rows.items() if name in constants}
        keep(metadata.QUANTIZED, found)
    said[metadata.SHARD] = json.dumps({"stage": number[0] + 1, "of": number[1]})
    return said
