"""Where texts end: tokens by number or name, and texts that come in pieces."""

from __future__ import annotations

from typing import Any

import pytest

from archonnx.contract.diagnostics import UsageError
from archonnx.runtime.generation.stopping import Stops, Watch, read_stops
from archonnx.runtime.text.characters import CharacterTokenizer

LETTERS = CharacterTokenizer(["<eos>", *"abc\n"])


@pytest.mark.parametrize(
    ("stop", "expected"),
    [
        (None, Stops(frozenset({0}))),
        ([], Stops()),
        (2, Stops(frozenset({2}))),
        ("ab", Stops(texts=("ab",))),
        ("<eos>", Stops(frozenset({0}))),  # it is never seen in a text
        (["\n", 3, "c"], Stops(frozenset({3}), ("\n", "c"))),
    ],
)
def test_what_ends_a_text(stop: Any, expected: Stops) -> None:
    assert read_stops(stop, LETTERS, "Model", 5) == expected


def test_nothing_ends_a_text_without_a_tokenizer() -> None:
    assert read_stops(None, None, "Model", 5) == Stops()


@pytest.mark.parametrize(
    ("stop", "tokenizer", "message"),
    [
        (5, LETTERS, "stop: 5 is outside the vocabulary of Model: 0 to 4"),
        (-1, None, "stop: -1 is outside the vocabulary of Model: 0 to 4"),
        ("a", None, "stop: 'a' is a text, and Model has no tokenizer; give the number of a token"),
        ("", LETTERS, "stop: expected numbers of tokens or texts, received ''"),
        ([True], LETTERS, "stop: expected numbers of tokens or texts, received True"),
        ([1.5], None, "stop: expected numbers of tokens or texts, received 1.5"),
    ],
)
def test_what_can_end_no_text_is_refused(stop: Any, tokenizer: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        read_stops(stop, tokenizer, "Model", 5)


@pytest.mark.parametrize(
    ("pieces", "given", "found"),
    [
        (["one ", "END of it"], ["one ", ""], "END"),
        (["one E", "N", "D of it"], ["one ", "", ""], "END"),
        (["EN", "ENDS"], ["", "EN"], "END"),  # what looked like it was not it
        (["E", "x"], ["", "Ex"], None),
        (["a.", "b"], ["a", ""], "."),
        (["a.END", "b"], ["a", ""], "."),  # the first that comes
    ],
)
def test_texts_are_found_across_pieces(pieces: list[str], given: list[str], found: str | None) -> None:
    watch = Watch(["END", "."])
    seen = []
    for piece in pieces:
        seen.append("" if watch.found else watch.feed(piece))
    assert (seen, watch.found) == (given, found)


def test_what_was_held_back_comes_in_the_end() -> None:
    watch = Watch(["END"])
    assert [watch.feed("EN"), watch.end(), watch.end()] == ["", "EN", ""]
    assert Watch([]).feed("EN") == "EN"
