"""Which token comes next: the best, or one that is drawn from the scores after they are bent and cut.

The order is transformers': repeated tokens are made less likely, tokens that may not come yet are left out, then
temperature, the k best, and the best that together have the probability p.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

from archonnx.contract.diagnostics import UsageError

if TYPE_CHECKING:
    import numpy as np

_CANDIDATES = 256  # how many of the best are looked at first for top_p: sorting a vocabulary takes milliseconds


@dataclass(frozen=True, slots=True)
class Sampling:
    """How tokens are chosen. temperature 0 takes the best; above it, scores are divided by it, and a token is drawn by
    the softmax of those that top_k (the k best, and equal ones) and top_p (the fewest best of this probability) leave.

    penalty: scores of tokens that are in the text already are divided by it where positive, else multiplied.
    """

    temperature: float = 0.0
    top_k: int | None = None
    top_p: float | None = None
    penalty: float = 1.0

    @property
    def greedy(self) -> bool:
        return self.temperature == 0


def sampling(temperature: Any, top_k: Any, top_p: Any, penalty: Any, seed: Any) -> Sampling:
    """What a call asks for, None being "not said": without any of them greedy, else with temperature 1.

    Raises UsageError for a value out of its range, and where temperature 0 contradicts the others.
    """
    for name, value in (("temperature", temperature), ("top_p", top_p), ("repetition_penalty", penalty)):
        if value is not None and not _is_number(value):
            raise UsageError(f"{name} is a number, received {value!r}")
    if top_k is not None and (not is_whole(top_k) or top_k < 1):
        raise UsageError(f"top_k is a whole number of at least 1, received {top_k!r}")
    if temperature is not None and not 0 <= temperature < float("inf"):
        raise UsageError(f"temperature is 0, for the best token, or above; received {temperature!r}")
    if top_p is not None and not 0 < top_p <= 1:
        raise UsageError(f"top_p is a probability above 0, and 1 at most; received {top_p!r}")
    if penalty is not None and not 0 < penalty < float("inf"):
        raise UsageError(f"repetition_penalty is above 0, 1 being none; received {penalty!r}")
    if seed is not None and (not is_whole(seed) or not 0 <= seed < 1 << 64):
        raise UsageError(f"seed is a whole number from 0 to 2**64 - 1, received {seed!r}")
    drawing = [name for name, value in (("top_k", top_k), ("top_p", top_p), ("seed", seed)) if value is not None]
    if temperature is not None and temperature == 0 and drawing:
        raise UsageError(
            f"temperature 0 always takes the best token: {drawing[0]} has no effect, leave one of them out"
        )
    chosen = temperature if temperature is not None else 1.0 if drawing else 0.0
    return Sampling(
        float(chosen),
        None if top_k is None else int(top_k),
        None if top_p is None else float(top_p),
        float(penalty or 1.0),
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


def is_whole(value: Any) -> bool:
    """Whether a value is a whole number, Python's or numpy's."""
    return isinstance(value, Integral) and not isinstance(value, bool)


def choose(
    scores: np.ndarray[Any, Any],
    how: Sampling,
    draw: np.random.Generator,
    seen: Collection[int] = (),
    forbidden: Iterable[int] = (),
) -> int:
    """The next token by its scores, [vocabulary]. seen: the tokens of the text so far; forbidden: those that may not
    come yet. One number is taken from `draw` where a token is drawn, none for the best."""
    bent = bend(scores, how, seen, forbidden)
    if how.greedy:
        return int(bent.argmax())
    tokens, chances = candidates(bent, how)
    place = int(chances.cumsum().searchsorted(draw.random() * chances.sum(), side="right"))
    return int(tokens[min(place, len(tokens) - 1)])


def bend(
    scores: np.ndarray[Any, Any], how: Sampling, seen: Collection[int] = (), forbidden: Iterable[int] = ()
) -> np.ndarray[Any, Any]:
    """The scores without repetition's share, and without tokens that may not come; the same array where neither is
    asked for."""
    import numpy as np

    places = np.fromiter(set(seen), np.int64) if how.penalty != 1 else np.empty(0, np.int64)
    left_out = np.fromiter(forbidden, np.int64)
    if not places.size and not left_out.size:
        return scores
    bent = scores.astype(np.float64)
    old = bent[places]
    bent[places] = np.where(old < 0, old * how.penalty, old / how.penalty)
    bent[left_out] = -np.inf
    return bent


def candidates(scores: np.ndarray[Any, Any], how: Sampling) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """The tokens that may be drawn, and their probabilities, float64, which sum to 1."""
    import numpy as np

    with np.errstate(over="ignore"):  # a temperature near 0 leaves the best alone
        warm = (scores.astype(np.float64) - scores.max()) / how.temperature
    tokens = np.arange(warm.size)
    if how.top_k is not None and how.top_k < warm.size:
        least = np.partition(warm, warm.size - how.top_k)[warm.size - how.top_k]
        tokens = np.flatnonzero(warm >= least)
    chances = np.exp(warm[tokens])
    chances /= chances.sum()
    if how.top_p is not None and how.top_p < 1:
        kept = _nucleus(chances, how.top_p)
        tokens, chances = tokens[kept], chances[kept] / chances[kept].sum()
    return tokens, chances


def _nucleus(chances: np.ndarray[Any, Any], most: float) -> np.ndarray[Any, Any]:
    """The places of the fewest best that have the probability `most` together, best first."""
    import numpy as np

    count = min(_CANDIDATES, chances.size)
    while True:
        best = np.argpartition(chances, chances.size - count)[chances.size - count :] if count < chances.size else None
        best = np.arange(chances.size) if best is None else best
        best = best[np.argsort(-chances[best], kind="stable")]
        before = np.concatenate([[0.0], chances[best].cumsum()[:-1]])
        needed = int((before < most).sum())
        if needed < count or count == chances.size:
            return best[:needed]
        count = min(count * 8, chances.size)
