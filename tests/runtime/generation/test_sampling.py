"""Which token comes next: the settings that are refused, what is left to draw from, and how often each is drawn."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from archonnx.contract.diagnostics import UsageError
from archonnx.runtime.generation.sampling import Sampling, bend, candidates, choose, sampling

SCORES = np.log(np.array([0.4, 0.3, 0.15, 0.1, 0.05], np.float32))


def asked(**given: Any) -> Sampling:
    names = {"temperature": None, "top_k": None, "top_p": None, "penalty": None, "seed": None}
    return sampling(**{**names, **given})


def test_without_a_word_the_best_is_taken() -> None:
    assert asked() == Sampling(0.0, None, None, 1.0)
    assert asked().greedy
    assert choose(SCORES, asked(), np.random.default_rng(0)) == 0


@pytest.mark.parametrize("given", [{"top_k": 3}, {"top_p": 0.5}, {"seed": 0}])
def test_what_only_drawing_needs_asks_for_drawing(given: dict[str, Any]) -> None:
    assert asked(**given).temperature == 1.0


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"temperature": -0.1}, "temperature is 0, for the best token, or above; received -0.1"),
        ({"temperature": float("nan")}, "temperature is 0, for the best token, or above; received nan"),
        ({"temperature": float("inf")}, "temperature is 0, for the best token, or above; received inf"),
        ({"temperature": "hot"}, "temperature is a number, received 'hot'"),
        ({"top_k": 0}, "top_k is a whole number of at least 1, received 0"),
        ({"top_k": 1.5}, "top_k is a whole number of at least 1, received 1.5"),
        ({"top_k": True}, "top_k is a whole number of at least 1, received True"),
        ({"top_p": 0}, "top_p is a probability above 0, and 1 at most; received 0"),
        ({"top_p": 1.01}, "top_p is a probability above 0, and 1 at most; received 1.01"),
        ({"penalty": 0}, "repetition_penalty is above 0, 1 being none; received 0"),
        ({"seed": -1}, r"seed is a whole number from 0 to 2\*\*64 - 1, received -1"),
        ({"temperature": 0, "top_k": 5}, "temperature 0 always takes the best token: top_k has no effect"),
        ({"temperature": 0, "seed": 5}, "temperature 0 always takes the best token: seed has no effect"),
    ],
)
def test_settings_out_of_range_are_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        asked(**given)


@pytest.mark.parametrize(
    ("how", "left"),
    [
        (Sampling(1.0), [0, 1, 2, 3, 4]),
        (Sampling(1.0, top_k=2), [0, 1]),
        (Sampling(1.0, top_k=9), [0, 1, 2, 3, 4]),
        (Sampling(1.0, top_p=0.39), [0]),
        (Sampling(1.0, top_p=0.41), [0, 1]),
        (Sampling(1.0, top_p=0.84), [0, 1, 2]),
        (Sampling(1.0, top_p=1.0), [0, 1, 2, 3, 4]),
        (Sampling(1.0, top_k=3, top_p=0.83), [0, 1, 2]),  # of what the three best have together
        (Sampling(1.0, top_k=3, top_p=0.81), [0, 1]),
        (Sampling(0.01, top_p=0.99), [0]),
    ],
)
def test_what_is_left_to_draw_from(how: Sampling, left: list[int]) -> None:
    tokens, chances = candidates(SCORES, how)
    assert sorted(tokens.tolist()) == left
    assert chances.sum() == pytest.approx(1)
    expected = np.exp(SCORES.astype(np.float64) / how.temperature)[tokens]
    np.testing.assert_allclose(chances, expected / expected.sum(), rtol=1e-6)


def test_the_probable_of_a_large_vocabulary_are_found_without_sorting_it() -> None:
    scores = np.random.default_rng(0).normal(0, 0.1, 20_000).astype(np.float32)  # flat: thousands are needed
    for most in (0.001, 0.3, 0.95):
        tokens, _ = candidates(scores, Sampling(1.0, top_p=most))
        chances = np.exp(scores.astype(np.float64))
        chances /= chances.sum()
        order = np.argsort(-chances)
        needed = int((chances[order].cumsum() < most).sum()) + 1
        assert len(set(tokens.tolist())) == needed
        assert sorted(chances[tokens]) == sorted(chances[order[:needed]])  # equal ones may stand for one another


def test_equal_scores_are_kept_together_by_top_k() -> None:
    tokens, _ = candidates(np.array([1.0, 3.0, 2.0, 2.0]), Sampling(1.0, top_k=2))
    assert tokens.tolist() == [1, 2, 3]


@pytest.mark.parametrize("temperature", [1e-300, 5e-324])
def test_a_temperature_near_zero_is_greedy(temperature: float) -> None:
    assert choose(SCORES, Sampling(temperature), np.random.default_rng(0)) == 0


def test_tokens_are_drawn_as_often_as_they_are_probable() -> None:
    """10,000 draws: the frequency of each token within five standard deviations of its probability."""
    count, how, draw = 10_000, Sampling(0.7, top_k=4), np.random.default_rng(0)
    drawn = np.bincount([choose(SCORES, how, draw) for _ in range(count)], minlength=5)
    expected = np.exp(SCORES[:4].astype(np.float64) / 0.7)
    expected /= expected.sum()
    assert drawn[4] == 0
    assert (np.abs(drawn[:4] / count - expected) < 5 * np.sqrt(expected * (1 - expected) / count)).all()


def test_the_same_seed_draws_the_same() -> None:
    def drawn(seed: int) -> list[int]:
        draw = np.random.default_rng(seed)
        return [choose(SCORES, Sampling(1.0), draw) for _ in range(50)]

    assert drawn(3) == drawn(3)
    assert drawn(3) != drawn(4)


def test_repetition_is_made_less_likely_whatever_the_sign() -> None:
    scores = np.array([2.0, -2.0, 1.5, -1.0], np.float32)
    np.testing.assert_allclose(bend(scores, Sampling(0.0, penalty=2.0), seen={0, 1}), [1.0, -4.0, 1.5, -1.0])
    assert choose(scores, Sampling(0.0, penalty=2.0), np.random.default_rng(0), seen={0}) == 2
    assert bend(scores, Sampling(0.0)) is scores


def test_what_may_not_come_yet_does_not_come() -> None:
    draw = np.random.default_rng(0)
    assert choose(SCORES, Sampling(0.0), draw, forbidden=[0, 1]) == 2
    assert {choose(SCORES, Sampling(1.0), draw, forbidden=[0, 1, 2]) for _ in range(100)} == {3, 4}


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_scores_of_any_width(dtype: Any) -> None:
    assert choose(SCORES.astype(dtype), Sampling(1.0, top_k=1), np.random.default_rng(0)) == 0
