"""SmallCharacterModel of models/lstm.arch: the weights that ship for it, what it writes, and that it learns."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import archonnx
from archonnx.cli import main
from archonnx.compiler.weights.files.formats import open_tensors
from archonnx.runtime.text.characters import characters_file
from tools.train_characters import bits, model, split, topics, train, windows

MODELS = Path(__file__).resolve().parents[2] / "models"
WEIGHTS = MODELS / "characters.safetensors"


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[archonnx.Session]:
    path = tmp_path_factory.mktemp("characters") / "characters.onnx"
    model().with_weights(WEIGHTS).save(path)
    with archonnx.load(path) as made:
        yield made


def test_tokens_are_the_codes_of_ascii() -> None:
    assert (MODELS / "ascii.txt").read_text() == characters_file(map(chr, range(128)))


def test_the_shipped_weights_know_the_text_that_was_held_out(session: archonnx.Session) -> None:
    text = topics()
    first, last = split(text)
    held_out = windows(last, model())
    target = held_out.pop("logits")
    logits = session(**held_out)["logits"].astype(np.float64)
    logits -= logits.max(axis=-1, keepdims=True)
    likely = np.take_along_axis(logits, target[..., None], -1)[..., 0] - np.log(np.exp(logits).sum(axis=-1))
    found = float(-likely.mean() / math.log(2))
    assert found < bits(last, first) / 2
    with open_tensors(WEIGHTS) as file:
        said = file.metadata
    if said["data"].endswith(hashlib.sha256(text.encode()).hexdigest()):  # another Python has another text
        assert found == pytest.approx(float(said["test_bits_per_character"]), abs=2e-3)


def test_the_shipped_weights_are_small_and_say_where_they_come_from() -> None:
    assert WEIGHTS.stat().st_size < 500_000
    with open_tensors(WEIGHTS) as file:
        assert {entry.dtype for entry in file.entries.values()} == {"float16"}
        said = file.metadata
    assert said["data"].startswith("pydoc_data.topics of Python 3.")
    assert said["data_licence"].startswith("PSF-2.0")
    assert said["training"].startswith("tools/train_characters.py")


def test_what_is_written_is_words(session: archonnx.Session) -> None:
    found = session.generate("The ", max_new_tokens=600, temperature=0.5, seed=3)
    assert found.cached
    assert found.text is not None
    known = set(topics().split())
    words = found.text.split()[:-1]
    assert len(words) > 60
    assert sum(word in known for word in words) > 0.8 * len(words)


def test_the_states_give_what_reading_all_again_gives(session: archonnx.Session) -> None:
    found = session.generate("If the object ", max_new_tokens=30)
    tokens = [*b"If the object ", *found.tokens]
    zeros = {s.name: np.zeros((1, 128), np.float32) for s in session.inputs if s.name != "characters"}
    logits = session(characters=np.array([tokens[:-1]], np.int32), **zeros)["logits"]
    assert logits[0, len(tokens) - 31 :].argmax(axis=-1).tolist() == found.tokens


def test_the_command_writes_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    command = ["generate", "zoo:lstm", "--model", "SmallCharacterModel", "--weights", str(WEIGHTS)]
    assert main([*command, "--prompt", "The ", "--max-new-tokens", "40"]) == 0
    first = capsys.readouterr().out
    assert len(first.strip()) > 20
    assert main([*command, "--prompt", "The ", "--max-new-tokens", "40"]) == 0
    assert capsys.readouterr().out == first
    assert main([*command, "--prompt", "Größe"]) == 1
    assert "'ö', at place 2 of the text, is none of its 128 characters" in capsys.readouterr().err


def test_a_short_training_knows_more_than_how_often_characters_occur(tmp_path: Path) -> None:
    text = topics()[:60_000]
    target = tmp_path / "short.safetensors"
    result, said = train(target, text, epochs=3, window=25, batch=16, rate=0.01)
    first, last = split(text)
    learned = float(said["test_bits_per_character"])
    assert result.test is not None
    assert learned == pytest.approx(result.test["loss"] / math.log(2), abs=1e-4)
    assert learned < bits(last, first) - 0.5
    losses = result.history["loss"]
    assert losses[0] > losses[1] > losses[2]
    again = model().with_weights(target).values()
    trained = result.model.values()
    assert all(np.array_equal(again[path], trained[path].astype(np.float16).astype(np.float32)) for path in trained)
