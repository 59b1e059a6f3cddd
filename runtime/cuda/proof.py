"""Whether a captured graph computes what a run without it does: looked at once for each, on the call's inputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from archonnx.contract.agreement import error

if TYPE_CHECKING:
    import numpy as np

_BOUND = 1e-2  # two runs may add up in another order, in half precision too


def reason_against(
    run: Sequence[np.ndarray[Any, Any]], blank: Sequence[np.ndarray[Any, Any]], replay: Sequence[np.ndarray[Any, Any]]
) -> str | None:
    """Why a graph is not to be used, None where nothing speaks against it.

    run: the outputs of an ordinary run; blank: those of the graph as it was captured, on zeros; replay: those of the
    graph on the inputs of `run`. A graph that reads memory of its own capture, not the call's, repeats `blank`.
    """
    pairs = list(zip(replay, run, strict=True))
    if any(a.shape != b.shape for a, b in pairs):
        return "a replay gives other shapes than an ordinary run"
    worst = max((error(a, b) for a, b in pairs), default=0.0)
    if not worst <= _BOUND:
        return f"a replay differs from an ordinary run by {worst:.2g}"
    stale = all(map(_same, replay, blank))
    if stale and not all(map(_same, run, blank)):
        return "a replay gives what the capture gave, whatever the inputs"
    return None


def _same(a: np.ndarray[Any, Any], b: np.ndarray[Any, Any]) -> bool:
    return a.shape == b.shape and a.tobytes() == b.tobytes()
