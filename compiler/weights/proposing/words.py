"""How alike two names are: their words, with the spellings that tools have for one thing, numbers left out."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from functools import lru_cache

# Words of several tools for one thing, each group under its first.
_ALIKE = """
dense fc linear lin mlp classifier head logits predictions
conv convolution conv1d conv2d conv3d
norm bn ln layernorm batchnorm normalization layer_norm rms
attention attn self_attn selfattention
query q wq
key k wk
value v wv
output out o proj wo result
embedding emb embed embeddings wte word words token tokens tok
position positions pos wpe positional
type types segment segments
expand intermediate fc1 up
contract fc2 down
shortcut downsample skip
stem first
pooler pool
lstm rnn gru recurrent
encoder backbone transformer
"""
_SAME = {word: line.split()[0] for line in _ALIKE.strip().splitlines() for word in line.split()}
LETTER, LETTERS = "{a}", "abcdefghijklmnopqrstuvwxyz"
# A number with zeros before it is text: no rule writes it.
_COUNTED = re.compile(r"(?<![0-9])(?:0|[1-9][0-9]*)(?![0-9])|(?<=[0-9])[a-z](?![a-zA-Z0-9])")


@lru_cache(20_000)
def words(name: str) -> list[str]:
    """The words of a name in lower case, `camelCase` in two, one word for each of several spellings."""
    apart = re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()
    found = [w for w in re.split(r"[^a-z0-9]+", apart) if w and not w.isdigit()]
    plain = [w if w in _SAME else w.rstrip("0123456789") for w in found]
    return [_SAME.get(w, w) for w in plain if w]


@lru_cache(100_000)
def likeness(one: str, other: str) -> float:
    """From 0, no word in common, to 1, the same words. The last word counts most: it says what the thing is."""
    first, second = words(one), words(other)
    if not first or not second:
        return 0.0
    weigh_first, weigh_second = _weights(first), _weights(second)
    shared = sum(math.sqrt(weigh_first[w] * weigh_second[w]) for w in weigh_first.keys() & weigh_second.keys())
    return shared / math.sqrt(sum(weigh_first.values()) * sum(weigh_second.values()))


def _weights(found: Sequence[str]) -> dict[str, float]:
    made: dict[str, float] = {}
    for place, word in enumerate(reversed(found)):
        made[word] = max(made.get(word, 0.0), 1 / (1 + place) + 0.2)
    return made


def natural(name: str) -> tuple[tuple[int, str, int], ...]:
    """A key that sorts names by their numbers, `layer.2` before `layer.10`."""
    parts = re.split(r"([0-9]+)", name)
    return tuple((1, "", int(p)) if p.isdigit() else (0, p, 0) for p in parts if p)


def without_numbers(name: str) -> tuple[str, tuple[int, ...]]:
    """A name with `{}` for every number and `{a}` for a letter that counts, as in `block2a`, and the numbers."""
    found = _COUNTED.findall(name)
    template = _COUNTED.sub(lambda match: "{}" if match[0].isdigit() else LETTER, name)
    return template, tuple(int(text) if text.isdigit() else LETTERS.index(text) for text in found)
