"""Which layers go to which device, what each device holds and computes, and what it hands to the next ones."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from archonnx.compiler.sharding.bindings import all_bound
from archonnx.compiler.sharding.costs import Costs, Precision, Sizes, count_costs, join, merged
from archonnx.compiler.sharding.partition import Problem, fewest, least_bottleneck, memory_of, partition, whole
from archonnx.contract.diagnostics import ArchonnxError, UsageError

if TYPE_CHECKING:
    from archonnx.compiler.graph import LayerGraph, Node, Value

BANDWIDTH = 25_000_000_000  # bytes a second, about PCIe 4.0 x16; said where nothing else is


class DoesNotFit(ArchonnxError):
    """No cut into so many stages fits into the memory of the devices. missing: the bytes that the fullest device lacks
    at least; least: the fewest devices that would do, None where one layer alone is too large."""

    def __init__(self, message: str, missing: int, least: int | None) -> None:
        self.missing, self.least = missing, least
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class Stage:
    """What one device does. first, last: names of its layers, of which it has `layers`; lines: where they stand,
    `file:line`; memory: bytes of weights, states and activations at the peak; share: of the memory and of the work of
    all stages. tied: weights that another stage holds too. seconds: of computing a call, None where no speed is
    given."""

    number: int
    first: str
    last: str
    layers: int
    lines: tuple[str, str]
    parameters: int
    weights: int
    states: int
    activations: int
    macs: int
    memory_share: float
    work_share: float
    tied: tuple[str, ...]
    seconds: float | None

    @property
    def memory(self) -> int:
        return self.weights + self.states + self.activations


@dataclass(frozen=True, slots=True)
class Crossing:
    """A value on its way: its name and type, the stage that makes it, those that read it, and its bytes a call."""

    value: str
    type: str
    made: int
    read: tuple[int, ...]
    nbytes: int


@dataclass(frozen=True, slots=True)
class Link:
    """Between stage `after` and the next: what goes over it in a call, and for how long."""

    after: int
    crossings: tuple[Crossing, ...]
    nbytes: int
    seconds: float


@dataclass(frozen=True, slots=True)
class ShardPlan:
    """A model in stages. begins: the first layer of each; layers: the digest of the model's layers, by which a plan is
    known to be of the model that is built. memory: bytes of a device, None where any will do. sizes: what symbols stand
    for, of which `guessed` were not told. flops: of a device, operations a second."""

    model: str
    layers: str
    begins: tuple[str, ...]
    stages: tuple[Stage, ...]
    links: tuple[Link, ...]
    memory: int | None
    precision: Precision
    sizes: Mapping[str, int]
    guessed: tuple[str, ...]
    bandwidth: int
    flops: float | None

    def __str__(self) -> str:
        from archonnx.compiler.sharding.plan_text import plan_lines

        return "\n".join(plan_lines(self, 8))

    @property
    def traffic(self) -> int:
        """Bytes over all links in a call; a value that goes on counts on each."""
        return sum(link.nbytes for link in self.links)

    @property
    def slowest(self) -> float | None:
        """Seconds between results where calls follow one another and every stage is at work: of the slowest stage or
        link. None where no speed is given."""
        if any(stage.seconds is None for stage in self.stages):
            return None
        return max([stage.seconds or 0.0 for stage in self.stages] + [link.seconds for link in self.links])

    @property
    def latency(self) -> float | None:
        """Seconds of one call alone, stage after stage. None where no speed is given."""
        if any(stage.seconds is None for stage in self.stages):
            return None
        return sum(stage.seconds or 0.0 for stage in self.stages) + sum(link.seconds for link in self.links)

    def pipelined(self, parts: int) -> tuple[float | None, float]:
        """(seconds of a call whose batch runs in so many parts, the share of that time in which a stage waits)."""
        steps = parts + len(self.stages) - 1
        time = None if self.slowest is None else self.slowest * steps / parts
        return time, (len(self.stages) - 1) / steps


def plan_shards(
    graph: LayerGraph,
    devices: int,
    *,
    memory: int | None = None,
    bind: Mapping[str, int] | None = None,
    batch: int = 1,
    precision: Precision = "float32",
    bandwidth: int = BANDWIDTH,
    flops: float | None = None,
) -> ShardPlan:
    """Cut a model into one stage a device.

    memory: bytes that a device has. bind: what symbols stand for; those left out are guessed. batch: the batch's.
    precision: of float32 weights and values. bandwidth: of the links, bytes a second. flops: of a device, operations a
    second, a multiplication and a sum being two.

    Raises DoesNotFit, and UsageError for numbers that are none, or more devices than layers that can part.
    """
    _check(devices, memory, bandwidth, flops)
    numbers, guessed = all_bound(graph, bind or {}, batch)
    sizes = Sizes(numbers, precision)
    costs = count_costs(graph, sizes)
    costs.joined = join(len(costs.items), costs.states)
    items, firsts = merged(costs.items, costs.joined)
    if devices > len(items):
        kept = " that can part: a layer is never cut, nor a state from its next value" if costs.states else ""
        raise UsageError(f"{graph.name} has {len(items):,} layers{kept}; it cannot take {devices:,} devices")
    problem = Problem(items, devices)
    begins = partition(problem, float("inf") if memory is None else memory)
    if begins is None:
        assert memory is not None
        sizes_text = ", ".join(f"{name}={numbers[name]}" for name in guessed)
        told = f"; {sizes_text} guessed, --bind {guessed[0]}=SIZE says otherwise" if guessed else ""
        raise _refusal(graph, problem, firsts, memory, told)
    places = [firsts[begin] for begin in begins]
    stages = _stages(graph, costs, sizes, places, flops)
    links = tuple(_link(graph, costs, sizes, places, number, bandwidth) for number in range(1, devices))
    return ShardPlan(
        graph.name,
        digest_of_layers(graph),
        tuple(graph.nodes[place].name for place in places),
        stages,
        links,
        memory,
        precision,
        numbers,
        tuple(guessed),
        bandwidth,
        flops,
    )


def digest_of_layers(graph: LayerGraph) -> str:
    """What tells the layers of a model from those of another: BLAKE2b-64 of their names and kinds, in order."""
    digest = hashlib.blake2b(digest_size=8)
    for node in graph.nodes:
        digest.update(f"{node.name}\0{node.type_name}\n".encode())
    return digest.hexdigest()


def begins_of(
    graph: LayerGraph, plan_model: str, layers: str, begins: Sequence[str], file: str | None = None
) -> list[int]:
    """The places of the first layers of a plan's stages. file: that of the plan, for errors.

    Raises UsageError where it is a plan of another model.
    """
    at = "" if file is None else f"{file}: "
    if layers != digest_of_layers(graph):
        raise UsageError(
            f"{at}the plan is of {plan_model} as it was, or of another model: make it again, archonnx plan-shards"
        )
    places = {node.name: place for place, node in enumerate(graph.nodes)}
    found = [places.get(name, -1) for name in begins]
    if found[:1] != [0] or any(a >= b for a, b in pairwise(found)):
        raise UsageError(f"{at}the plan's stages are no layers of the model, one after the other: make it again")
    return found


def _check(devices: int, memory: int | None, bandwidth: int, flops: float | None) -> None:
    if isinstance(devices, bool) or not isinstance(devices, int) or devices < 1:
        raise UsageError(f"devices is a whole number of at least 1, received {devices!r}")
    for name, value in (("memory", memory), ("bandwidth", bandwidth), ("flops", flops)):
        if value is not None and not value > 0:
            raise UsageError(f"{name} is a number above 0, received {value!r}")


def _refusal(graph: LayerGraph, problem: Problem, firsts: list[int], memory: int, told: str) -> DoesNotFit:
    """Why no cut fits. told: the sizes that were guessed, at the message's end."""
    held, devices = whole(problem).memory, problem.stages
    least = fewest(problem, memory_of, memory)
    if least is None:
        alone = [whole(Problem([item], 1)).memory for item in problem.items]
        place = max(range(len(alone)), key=alone.__getitem__)
        node = graph.nodes[firsts[place]]
        where = f" ({node.place})" if node.place is not None else ""
        message = (
            f"{graph.name} fits on no number of devices of {memory:,} bytes: {node.name}{where} takes "
            f"{alone[place]:,} bytes alone, {alone[place] - memory:,} too many{told}"
        )
        return DoesNotFit(message, alone[place] - memory, None)
    fullest = least_bottleneck(problem, memory_of, float(held))
    assert fullest is not None
    missing = int(fullest) - memory
    many = "device" if devices == 1 else "devices"
    message = (
        f"{graph.name} does not fit on {devices:,} {many} of {memory:,} bytes: it takes {held:,} in all, and the "
        f"fullest device {int(fullest):,}, {missing:,} too many; {len(least):,} devices would do{told}"
    )
    return DoesNotFit(message, missing, len(least))


def _stages(
    graph: LayerGraph, costs: Costs, sizes: Sizes, places: Sequence[int], flops: float | None
) -> tuple[Stage, ...]:
    stretches = [(start, stop) for start, stop in zip(places, [*places[1:], len(graph.nodes)], strict=True)]
    weights = [
        {id(w): w for node in graph.nodes[start:stop] for w in node.layer.weights.values()} for start, stop in stretches
    ]
    uses: dict[int, int] = {}
    for own in weights:
        for key in own:
            uses[key] = uses.get(key, 0) + 1
    rows = []
    for (start, stop), own in zip(stretches, weights, strict=True):
        items = costs.items[start:stop]
        rows.append(
            (
                sum(sizes.weight(w) for w in own.values()),
                sum(item.held for item in items),
                max(item.live for item in items),
                sum(item.work for item in items),
            )
        )
    memory = sum(sum(row[:3]) for row in rows) or 1
    work = sum(row[3] for row in rows) or 1
    return tuple(
        Stage(
            number,
            graph.nodes[start].name,
            graph.nodes[stop - 1].name,
            stop - start,
            _lines(graph.nodes[start:stop]),
            sum(w.size for w in own.values()),
            *row,
            sum(row[:3]) / memory,
            row[3] / work,
            tuple(w.path for key, w in own.items() if uses[key] > 1),
            None if flops is None else 2 * row[3] / flops,
        )
        for number, ((start, stop), own, row) in enumerate(zip(stretches, weights, rows, strict=True), 1)
    )


def _lines(nodes: Sequence[Node]) -> tuple[str, str]:
    """Where the first and the last layer stand: the outermost line that led to each."""
    places = [(node.trail[-1].place if node.trail else node.place) for node in (nodes[0], nodes[-1])]
    first, last = (f"{place.file}:{place.line}" if place is not None else "" for place in places)
    return first, last


def _link(graph: LayerGraph, costs: Costs, sizes: Sizes, places: Sequence[int], number: int, bandwidth: int) -> Link:
    """What goes from stage `number` to the next."""
    crossings = tuple(_crossing(costs, sizes, places, value) for value in costs.crossing(places[number]))
    nbytes = sum(crossing.nbytes for crossing in crossings)
    return Link(number, crossings, nbytes, nbytes / bandwidth)


def _crossing(costs: Costs, sizes: Sizes, places: Sequence[int], value: Value) -> Crossing:
    _, made, _ = costs.lives[id(value)]
    read = sorted({_stage_of(places, place) for place in costs.readers[id(value)]} - {_stage_of(places, made)})
    kind = f"{sizes.dtype(value.type.dtype)}[{', '.join(map(str, value.type.shape))}]"
    return Crossing(value.name, kind, _stage_of(places, made), tuple(read), sizes.value(value.type))


def _stage_of(places: Sequence[int], place: int) -> int:
    from bisect import bisect_right

    return bisect_right(places, place)
