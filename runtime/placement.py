"""Where a session runs its model: which nodes on which provider, and what share of the work that is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from archonnx.contract.diagnostics import UsageError
from archonnx.runtime.batching.values import Blame
from archonnx.runtime.modelfile import ModelFile, NodePlace
from archonnx.runtime.translate import find_node

_SHOWN = 8  # nodes that the text lists of a provider that is not the first


@dataclass(frozen=True, slots=True)
class PlacedNode:
    """A node as onnxruntime runs it. layer, place: of the source, `file:line:column`, None for others' models and for
    nodes that onnxruntime added; macs: multiply-accumulates, None where the shapes do not tell."""

    name: str
    operator: str
    layer: str | None
    place: str | None
    macs: int | None

    def __str__(self) -> str:
        where = ", ".join(part for part in (self.layer or self.name, self.place and f"at {self.place}") if part)
        return f"{self.operator} ({where})" if where else self.operator


def blamed(model: ModelFile, blame: Blame) -> str:
    """The node of a blame, with its line of the source, and why; the reason alone where there is no node."""
    if not blame.operator:
        return blame.why
    place = model.nodes.get(blame.node, NodePlace(blame.operator))
    return f"{PlacedNode(blame.node, blame.operator, place.layer, place.place, None)}: {blame.why}"


@dataclass(frozen=True, slots=True)
class Part:
    """What one provider runs. macs: of those nodes whose shapes tell; share: of the model's, 0 to 1, None where the
    model has none or not all are known."""

    provider: str
    nodes: tuple[PlacedNode, ...]
    macs: int
    share: float | None


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a model runs. parts: one a provider that runs anything, the one with the most nodes first; sizes: what
    symbols stood for where MACs were counted; uncounted: nodes whose MACs are not known; nameless: those whose MACs are
    of no provider, as the file gives them no name and there are several."""

    parts: tuple[Part, ...]
    sizes: dict[str, int]
    uncounted: int
    nameless: int = 0

    @property
    def nodes(self) -> dict[str, int]:
        """Provider -> number of nodes."""
        return {part.provider: len(part.nodes) for part in self.parts}

    def __str__(self) -> str:
        lines = []
        for number, part in enumerate(self.parts):
            count = len(part.nodes)
            share = "" if part.share is None else f", {part.share:.1%} of the MACs"
            lines.append(f"{part.provider}: {count:,} node{'' if count == 1 else 's'}{share}")
            if number:
                lines += [f"  {node}" for node in part.nodes[:_SHOWN]]
                lines += [f"  ... {count - _SHOWN:,} more"] if count > _SHOWN else []
        if self.uncounted:
            those = "1 node is" if self.uncounted == 1 else f"{self.uncounted:,} nodes are"
            lines.append(f"the work of {those} not known; sizes may help, as in placement(N=1)")
        elif self.nameless:
            those = "1 node" if self.nameless == 1 else f"{self.nameless:,} nodes"
            lines.append(f"the work of {those} is of no provider: the file gives them no name")
        elif self.sizes:
            lines.append(f"MACs at {', '.join(f'{name}={size}' for name, size in self.sizes.items())}")
        return "\n".join(lines)


def place(
    model: ModelFile,
    ran: Mapping[str, list[tuple[str, str]]],
    macs: Sequence[tuple[str, int | None]],
    sizes: dict[str, int],
) -> Placement:
    """ran: provider -> the nodes that it runs, name and operator; macs: of the model's own nodes, by name, "" where
    they have none."""
    left = {name: work for name, work in macs if name}
    nameless = [work for name, work in macs if not name and work != 0]
    made: dict[str, list[PlacedNode]] = {}
    for provider, nodes in ran.items():
        for name, operator in nodes:
            origin = find_node(model, name) if name else None
            source = model.nodes[origin] if origin else NodePlace(operator)
            # One node may have become several, of which the first carries its work.
            work = left.pop(origin, 0) if origin else 0
            made.setdefault(provider, []).append(PlacedNode(name, operator, source.layer, source.place, work))
    total = sum(node.macs or 0 for placed in made.values() for node in placed)
    uncounted = sum(1 for placed in made.values() for node in placed if node.macs is None)
    uncounted += sum(1 for work in nameless if work is None)
    more = sum(work or 0 for work in nameless) if len(made) == 1 else 0  # there is one that it can be of
    total, lost = total + more, 0 if len(made) == 1 else len(nameless)
    parts = []
    for provider, placed in made.items():
        own = sum(node.macs or 0 for node in placed) + more
        parts.append(Part(provider, tuple(placed), own, own / total if total and not (uncounted or lost) else None))
    parts.sort(key=lambda part: -len(part.nodes))
    return Placement(tuple(parts), sizes, uncounted, lost)


def symbol_sizes(model: ModelFile, sizes: Mapping[str, int]) -> dict[str, int]:
    """What each symbol of the inputs' shapes stands for: of `sizes`, else 1.

    Raises UsageError for a symbol that no input has and for a size that is none.
    """
    from archonnx.runtime.work import symbols_of

    axes = [axis for spec in model.inputs for axis in spec.shape or () if isinstance(axis, str)]
    symbols = {name: sizes.get(name, 1) for axis in axes for name in sorted(symbols_of(axis))}
    for name, size in sizes.items():
        if name not in symbols:
            has = f"they have {', '.join(symbols)}" if symbols else "they have none"
            raise UsageError(f"no input of {model.path} has a size {name}; {has}")
        if isinstance(size, bool) or not isinstance(size, int) or size < 1:
            raise UsageError(f"the size {name} is a whole number of at least 1, received {size!r}")
    return symbols
