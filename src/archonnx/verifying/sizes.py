"""The sizes that a model is run with: batches of 1, 2 and 5, and at least two values of every other open size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from archonnx.contract.diagnostics import ArchonnxError
from archonnx.contract.dims import evaluate, symbols_of

if TYPE_CHECKING:
    from archonnx.compiler.graph import LayerGraph
    from archonnx.contract.dims import Condition, Dim

BATCHES = (1, 2, 5)
# In the order in which they are tried: middling ones first, odd and even, multiples of many, then small and large.
EXTENTS = (
    *(16, 7, 24, 32, 12, 9, 5, 64, 48, 33, 20, 8, 10, 6, 40, 15, 11, 13, 14, 3, 4, 28, 96, 100, 112, 128, 2, 1),
    *(160, 192, 224, 256, 299, 320, 384, 400, 512, 600, 640, 700, 768, 800, 1000, 1024, 2048, 4000, 8000, 16000, 0),
)
MIDDLING = 12  # how many of them begin an order
MOST_TRIED = 200_000  # conditions evaluated in one search


class NoSizesError(ArchonnxError):
    """No sizes were found that the model's `require` allows."""


def runs(graph: LayerGraph, fixed: Mapping[str, int] | None = None) -> list[dict[str, int]]:
    """Values of the symbols of the inputs, one mapping a run; one empty mapping where every size is known.

    fixed: symbols that have one value in every run. Errors: NoSizesError.
    """
    from archonnx.compiler.analysis.cost import batch_symbol

    search = _Search(graph)
    if not search.symbols:
        return [{}]
    batch = batch_symbol(graph)
    found: list[dict[str, int]] = []
    for wanted in BATCHES:
        order = {symbol: _order(number, [run[symbol] for run in found]) for number, symbol in enumerate(search.symbols)}
        if batch is not None:
            order[batch] = [wanted, *(size for size in BATCHES if size != wanted), *EXTENTS]
        order |= {symbol: [size] for symbol, size in (fixed or {}).items()}
        one = search.first(order)
        if one is not None and one not in found:
            found.append(one)
    if not found:
        conditions = ", ".join(str(r.condition) for r in graph.requirements)
        raise NoSizesError(
            f"{graph.name}: no sizes of {', '.join(search.symbols)} were found that its requirements allow "
            f"({conditions}); give them: --bind {search.symbols[0]}=16"
        )
    return found


def _order(number: int, used: Sequence[int]) -> list[int]:
    """Sizes to try for a symbol, those not used yet first; two symbols do not begin with the same size."""
    turn = number % MIDDLING
    extents = (*EXTENTS[turn:MIDDLING], *EXTENTS[:turn], *EXTENTS[MIDDLING:])
    return [size for size in extents if size not in used] + [size for size in extents if size in used]


class _Search:
    """Looks for values of the symbols, one symbol after another, turning back where a condition fails."""

    def __init__(self, graph: LayerGraph) -> None:
        known = [d for given in graph.inputs for d in given.value.type.shape]
        self.symbols = list(dict.fromkeys(s for d in known for s in sorted(symbols_of(d))))
        self.conditions: list[Condition] = [r.condition for r in graph.requirements]
        own = set(self.symbols)
        inner = [d for node in graph.nodes for value in node.outputs for d in value.type.shape]
        self.sizes: list[Dim] = [d for d in dict.fromkeys([*known, *inner]) if symbols_of(d) and symbols_of(d) <= own]
        self.left = MOST_TRIED

    def first(self, order: Mapping[str, Sequence[int]]) -> dict[str, int] | None:
        """The first values in this order that fit, None where none do or the search takes too long."""
        self.left = MOST_TRIED
        return self._extended({}, order)

    def _extended(self, values: dict[str, int], order: Mapping[str, Sequence[int]]) -> dict[str, int] | None:
        if len(values) == len(self.symbols):
            return values
        symbol = self.symbols[len(values)]
        for size in order[symbol]:
            more = {**values, symbol: size}
            if self.left > 0 and self._fits(more, symbol):
                found = self._extended(more, order)
                if found is not None:
                    return found
        return None

    def _fits(self, values: Mapping[str, int], newest: str) -> bool:
        """Whether all that can be said with these values, and not without the newest, holds."""
        for condition in self.conditions:
            names = condition.symbols()
            if newest in names and names <= values.keys():
                self.left -= 1
                if not condition.evaluate(values):
                    return False
        least = 0 if values[newest] == 0 else 1
        for size in self.sizes:
            names = symbols_of(size)
            if newest in names and names <= values.keys():
                self.left -= 1
                if evaluate(size, values) < least:
                    return False
        return True
