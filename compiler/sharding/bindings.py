"""A number for each symbol of a model: what devices hold is counted for sizes, and not every size is told."""

from __future__ import annotations

from collections.abc import Mapping

from archonnx.compiler.analysis.cost import batch_symbol
from archonnx.compiler.graph import LayerGraph
from archonnx.contract.diagnostics import UsageError

LIKELY = (128, 256, 224, 64, 32, 512, 16, 8, 4, 2, 1)  # for sizes that nobody told, the first that the model takes


def open_symbols(graph: LayerGraph) -> list[str]:
    """The symbols of all values, those of inputs first."""
    values = [given.value for given in graph.inputs] + [value for node in graph.nodes for value in node.outputs]
    kinds = dict.fromkeys(value.type for value in values)
    found = {
        s: None for kind in kinds for size in kind.shape if not isinstance(size, int) for s in sorted(size.symbols())
    }
    return list(found)


def all_bound(graph: LayerGraph, given: Mapping[str, int], batch: int = 1) -> tuple[dict[str, int], list[str]]:
    """(a number for every symbol, the symbols that were guessed).

    given: what was said; the batch is `batch` unless it is among them. Raises UsageError for a symbol that the model
    does not have, a number that is no size, numbers that a `require` of the model forbids, and where no guess fits.
    """
    symbols = open_symbols(graph)
    for name, size in given.items():
        if name not in symbols:
            raise UsageError(f"--bind {name}: the model has no symbol {name}; it has {', '.join(symbols) or 'none'}")
        if size < _least(graph, name):
            raise UsageError(f"--bind {name}={size}: {name} is at least {_least(graph, name)}")
    own = batch_symbol(graph)
    known = {**({own: batch} if own in symbols and own is not None else {}), **given}
    wrong = _forbidden(graph, known)
    if wrong is not None:
        raise UsageError(f"--bind: {wrong}")
    guessed = [name for name in symbols if name not in known]
    if not guessed:
        return known, []
    for size in LIKELY:
        found = {**known, **dict.fromkeys(guessed, size)}
        if _forbidden(graph, found) is None and _all_fit(graph, found):
            return found, guessed
    raise UsageError(f"no size was found that the model takes for {', '.join(guessed)}: say --bind {guessed[0]}=SIZE")


def _least(graph: LayerGraph, name: str) -> int:
    return 0 if any(str(required.condition) == f"{name} >= 0" for required in graph.requirements) else 1


def _forbidden(graph: LayerGraph, sizes: Mapping[str, int]) -> str | None:
    """What the model says of sizes that it does not take; None where it takes them, as far as they are known."""
    for required in graph.requirements:
        if required.condition.symbols() <= sizes.keys() and not required.condition.evaluate(sizes):
            return f"{required.message} ({required.condition}, {required.place})"
    return None


def _all_fit(graph: LayerGraph, sizes: Mapping[str, int]) -> bool:
    """Whether no value's size is below 0."""
    kinds = {value.type for node in graph.nodes for value in node.outputs}
    return all(isinstance(size, int) or size.evaluate(sizes) >= 0 for kind in kinds for size in kind.shape)
