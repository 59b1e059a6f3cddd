"""session.generate and session.stream on small models of models/: caches, other states, ends, and what is refused."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import archonnx
from archonnx.contract.diagnostics import ArchonnxError, UsageError
from archonnx.runtime.errors import InputError
from archonnx.runtime.text.characters import characters_file

MODELS = Path(__file__).resolve().parents[3] / "models"
CONTEXT = 24
LETTERS = characters_file(["<eos>", *"abcdefghijklmnopqrstuvwxyz .,\n"])
SIZES: dict[str, Any] = {"layers": 2, "width": 32, "heads": 4, "vocabulary": 31, "context": CONTEXT}
CALLS: list[dict[str, Any]] = [
    {},
    {"seed": 3},
    {"temperature": 0.7, "top_k": 10, "seed": 1},
    {"top_p": 0.5, "seed": 4},
    {"repetition_penalty": 1.5},
    {"min_new_tokens": 5, "stop": [0, 1, 2, 3, 4], "seed": 7},
]


def load(file: str, model: str, folder: Path, tokenizer: bool = False, **parameters: Any) -> archonnx.Session:
    """A model whose initial weights are large enough for its scores to differ."""
    target = folder / f"{len(list(folder.iterdir()))}.onnx"
    archonnx.compile(MODELS / f"{file}.arch", model, **parameters).save(target)
    return archonnx.load(target, tokenizer=LETTERS.encode() if tokenizer else None)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="module")
def cached(folder: Path) -> archonnx.Session:
    return load("gpt2", "GPT2", folder, **SIZES, cache=True)


@pytest.fixture(scope="module")
def plain(folder: Path) -> archonnx.Session:
    return load("gpt2", "GPT2", folder, **SIZES)


@pytest.fixture(scope="module")
def llama(folder: Path) -> archonnx.Session:
    return load("llama", "Llama", folder, **SIZES, inner=48, shared=2, cache=True)


@pytest.fixture(scope="module")
def writer(folder: Path) -> archonnx.Session:
    """A model of letters, with their tokenizer."""
    return load("gpt2", "GPT2", folder, True, **SIZES, cache=True)


@pytest.mark.parametrize("call", CALLS)
def test_the_cache_gives_the_tokens_of_reading_anew(
    cached: archonnx.Session, plain: archonnx.Session, call: dict[str, Any]
) -> None:
    prompts = [[1, 2, 3], [4], [5, 6, 7, 8, 9]]
    a, b = (session.generate(prompts, max_new_tokens=12, **call) for session in (cached, plain))
    assert [(row.tokens, row.reason) for row in a.rows] == [(row.tokens, row.reason) for row in b.rows]
    assert (a.cached, b.cached) == (True, False)
    assert len({tuple(row.tokens) for row in a.rows}) == 3, "texts that differ"


@pytest.mark.parametrize("name", ["cached", "llama"])
def test_a_text_is_the_same_alone_and_beside_others(name: str, request: pytest.FixtureRequest) -> None:
    session: archonnx.Session = request.getfixturevalue(name)
    together = session.generate([[1, 2, 3], [4], [5, 6, 7, 8, 9]], max_new_tokens=40)
    for row in together.rows:
        alone = session.generate(row.prompt, max_new_tokens=40)
        assert (alone.tokens, alone.reason) == (row.tokens, "context")
        assert len(row.tokens) == CONTEXT + 1 - len(row.prompt)


def test_reading_anew_is_told_once(
    plain: archonnx.Session, cached: archonnx.Session, caplog: pytest.LogCaptureFixture
) -> None:
    plain._remarked = False
    with caplog.at_level(logging.WARNING, "archonnx.runtime"):
        for session in (plain, plain, cached):
            session.generate([1], max_new_tokens=2)
    said = "GPT2 keeps no states: all tokens are read again for each that comes; built with --set cache=True, it would"
    assert [record.message.startswith(said) for record in caplog.records] == [True]


def test_the_same_seed_gives_the_same_tokens(cached: archonnx.Session) -> None:
    first, again, other = (cached.generate([1, 2], seed=seed).tokens for seed in (5, 5, 6))
    assert first == again
    assert first != other


def test_a_seed_that_was_drawn_is_told(cached: archonnx.Session) -> None:
    found = cached.generate([1, 2], temperature=1.0)
    assert found.seed is not None
    assert cached.generate([1, 2], seed=found.seed).tokens == found.tokens
    assert cached.generate([1, 2]).seed is None


def test_a_prompt_may_fill_the_context(cached: archonnx.Session) -> None:
    found = cached.generate(np.arange(CONTEXT), max_new_tokens=9)
    assert (len(found.tokens), found.reason) == (1, "context")
    assert found.tokens_per_second is None
    assert found.prompt_tokens_per_second


def test_times_are_those_of_the_model(cached: archonnx.Session) -> None:
    found = cached.generate([[1], [2]], max_new_tokens=5)
    assert (found.prompt_tokens, found.steps) == (2, 8)
    assert found.tokens_per_second == pytest.approx(8 / found.seconds)


def test_pieces_come_as_they_are_made(cached: archonnx.Session) -> None:
    stream = cached.stream([1, 2], max_new_tokens=4)
    first = next(stream)
    assert stream.result.tokens == [first.token]
    assert [first.token, *(piece.token for piece in stream)] == stream.result.tokens
    heard: list[Any] = []
    assert cached.generate([1, 2], max_new_tokens=4, on_token=heard.append).tokens == [piece.token for piece in heard]


def test_a_token_ends_a_text(cached: archonnx.Session) -> None:
    whole = cached.generate([1, 2], seed=1).tokens
    end = whole[5]
    found = cached.generate([1, 2], seed=1, stop=end)
    assert found.tokens == whole[: whole.index(end)]
    assert (found.reason, found.rows[0].stopped_by) == ("stop", end)


def test_texts_go_in_and_come_out(writer: archonnx.Session) -> None:
    found = writer.generate("abc", max_new_tokens=10, seed=2, stop=[])
    assert writer.tokenizer is not None
    assert found.rows[0].prompt == [1, 2, 3]
    assert found.text == writer.tokenizer.decode(found.tokens)
    pieces = list(writer.stream("abc", max_new_tokens=10, seed=2, stop=[]))
    assert "".join(piece.text or "" for piece in pieces) == found.text
    both = writer.generate(["abc", "d"], max_new_tokens=10, seed=2, stop=[])
    assert both.rows[0].text == found.text


def test_a_text_ends_a_text(writer: archonnx.Session) -> None:
    whole = writer.generate("abc", max_new_tokens=20, seed=2, stop=[]).text
    assert whole is not None
    wanted = whole[6:8]
    stream = writer.stream("abc", max_new_tokens=20, seed=2, stop=wanted)
    told = "".join(piece.text or "" for piece in stream)
    assert told == whole[: whole.index(wanted)] == stream.result.text
    assert (stream.result.reason, stream.result.rows[0].stopped_by) == ("stop", wanted)


def test_no_text_ends_a_text_before_its_least_tokens(writer: archonnx.Session) -> None:
    whole = writer.generate("abc", max_new_tokens=20, seed=2, stop=[]).text
    assert whole is not None
    calls: dict[str, Any] = {"max_new_tokens": 20, "seed": 2, "stop": list(set(whole))}  # every character would end it
    assert writer.generate("abc", **calls).text == ""
    found = writer.generate("abc", min_new_tokens=7, **calls)
    assert found.text == whole[:7]
    assert (found.reason, found.rows[0].stopped_by) == ("stop", whole[7])
    assert writer.generate("abc", min_new_tokens=7, max_new_tokens=20, seed=2, stop=whole[6:8]).text == whole


def test_a_token_that_the_tokenizer_does_not_know_has_no_text(folder: Path) -> None:
    """As models have whose table of tokens was rounded up."""
    target = folder / "rounded.onnx"
    archonnx.compile(MODELS / "gpt2.arch", "GPT2", **SIZES, cache=True).save(target)
    few = characters_file("abcdefghij").encode()
    with archonnx.load(target, tokenizer=few) as session:
        found = session.generate([1, 30, 2], max_new_tokens=15, seed=1)
        assert max(found.tokens) >= 10 > min(found.tokens)
        assert found.text == "".join("abcdefghij"[token] for token in found.tokens if token < 10)
        pieces = list(session.stream([1, 30, 2], max_new_tokens=15, seed=1))
        assert [piece.token for piece in pieces] == found.tokens
        assert all((piece.text == "") == (piece.token >= 10) for piece in pieces if piece.token is not None)


def test_the_tokenizers_end_ends_a_text(writer: archonnx.Session) -> None:
    """Scores that are nearly flat draw <eos>, the token 0, sooner or later."""
    found = writer.generate(["a"] * 20, max_new_tokens=20, temperature=2.0, seed=0)
    assert {row.reason for row in found.rows} == {"stop", "length"}
    assert all(0 not in row.tokens for row in found.rows)
    assert {row.stopped_by for row in found.rows} == {0, None}


def test_the_character_model_goes_on_from_its_states(folder: Path) -> None:
    session = load("lstm", "CharacterModel", folder, True, vocabulary=31, width=8, units=16, layers=2)
    found = session.generate("abc", max_new_tokens=9, seed=0, stop=[])
    states = {f"{name}_{i}": np.zeros((1, 16), np.float32) for name in "hc" for i in range(2)}
    tokens = [1, 2, 3, *found.tokens]
    logits = session(characters=np.array([tokens], np.int32), **states).logits
    assert session.generate([1, 2, 3], max_new_tokens=1).tokens == [int(logits[0, 2].argmax())]
    greedy = session.generate([1, 2, 3], max_new_tokens=9)
    tokens = [1, 2, 3, *greedy.tokens]
    logits = session(characters=np.array([tokens], np.int32), **states).logits
    assert greedy.tokens == logits[0, 2:-1].argmax(axis=-1).tolist()
    with pytest.raises(
        InputError, match="the prompts have 1 to 2 tokens, and CharacterModel has no input attention_mask"
    ):
        session.generate(["a", "bc"])
    assert len(session.generate(["ab", "bc"], max_new_tokens=3).rows) == 2


STEP = """
model Step(units = 12):
    input token: int64[N, 1]
    input bias: float32[N, 9]
    input h: float32[N, units]
    (y, hn) = (token -> Embedding(9, 8), h) -> GRU(units, return_state=True)
    output scores = y -> Dense(9) + bias
    output state h = hn
"""


def test_a_model_of_single_steps_reads_a_prompt_step_by_step() -> None:
    session = archonnx.load(archonnx.compile(text=STEP.replace("y -> Dense(9) + bias", "(y -> Dense(9)) + bias")))
    bias = np.zeros((1, 9), np.float32)
    with pytest.raises(InputError, match=r"Step needs more than tokens: bias: float32\[N, 9\]; session.generate"):
        session.generate([1, 2])
    found = session.generate([1, 2, 3], max_new_tokens=6, inputs={"bias": bias})
    h, expected, tokens = np.zeros((1, 12), np.float32), [], [1, 2, 3]
    for place in range(8):
        step = session(token=[[tokens[place]]], bias=bias, h=h)
        h = step.h_next
        if place >= 2:
            expected.append(int(step.scores[0].argmax()))
            tokens.append(expected[-1])
    assert found.tokens == expected
    bias[0, 5] = 100
    assert session.generate([1], max_new_tokens=3, inputs={"bias": bias}).tokens == [5, 5, 5]
    start = np.full((1, 12), 0.9, np.float32)
    moved = session.generate([1], max_new_tokens=1, inputs={"bias": 0 * bias, "h": start}).tokens
    assert moved == [int(session(token=[[1]], bias=0 * bias, h=start).scores[0].argmax())]
    with pytest.raises(UsageError, match=r"inputs: Step has no input mask beside its tokens \(it has bias, h\)"):
        session.generate([1], inputs={"bias": bias, "mask": bias})


def test_files_of_others_are_known_by_their_names(cached: archonnx.Session, tmp_path: Path) -> None:
    """Our file under the names that transformers' exporters give, without our metadata, and its batch and steps unnamed."""
    import onnx

    model = onnx.load(cached.path)
    names = {}
    for i in range(2):
        for ours, theirs in (("keys", "key"), ("values", "value")):
            names[f"{ours}_{i}"] = f"past_key_values.{i}.{theirs}"
            names[f"{ours}_{i}_next"] = f"present.{i}.{theirs}"
    for node in model.graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]
    for value in [*model.graph.input, *model.graph.output]:
        value.name = names.get(value.name, value.name)
        for axis in value.type.tensor_type.shape.dim:
            axis.dim_param = axis.dim_param.replace("P + T", "total").replace("P", "past")
    del model.metadata_props[:]
    onnx.save(model, tmp_path / "theirs.onnx")
    theirs = archonnx.load(tmp_path / "theirs.onnx")
    assert theirs.states == {}
    prompts = [[1, 2, 3], [4], [5, 6, 7, 8, 9]]
    found, expected = (session.generate(prompts, max_new_tokens=12) for session in (theirs, cached))
    assert [row.tokens for row in found.rows] == [row.tokens for row in expected.rows]
    assert found.cached


def test_a_text_of_a_fixed_length_is_filled_up() -> None:
    text = "model Fixed():\n    input tokens: int64[1, 6]\n    tokens -> Embedding(9, 8) -> GRU(8, return_sequences=True)\n"
    text += "    output scores = it -> Dense(9)\n"
    session = archonnx.load(archonnx.compile(text=text))
    found = session.generate([1, 2], max_new_tokens=99)
    assert (len(found.tokens), found.reason) == (5, "context")
    whole = session([[1, 2, *found.tokens[:4]]])
    assert found.tokens == whole[0, 1:].argmax(axis=-1).tolist()


@pytest.mark.parametrize(
    ("prompt", "options", "message"),
    [
        ([], {}, "the prompt is empty: GPT2 goes on from one token at least"),
        (np.zeros((0,), np.int64), {}, "the prompt is empty: GPT2 goes on from one token at least"),
        ([[1], []], {}, "prompt 2 is empty: GPT2 goes on from one token at least"),
        (np.zeros((0, 4), np.int64), {}, "the prompt is empty: GPT2 goes on"),
        ([1, 31], {}, "the prompt: token 31 at place 1 is outside the vocabulary of GPT2: it has 31 tokens, 0 to 30"),
        ([[1], [-1]], {}, "prompt 2: token -1 at place 0 is outside the vocabulary of GPT2"),
        ([1] * 25, {}, "the prompt has 25 tokens, GPT2 reads 24 at most; shorten it, its end counts most"),
        ([1, 2.5], {}, "the prompt: tokens are whole numbers, received 2.5 at place 1"),
        ([True], {}, "the prompt: tokens are whole numbers, received True at place 0"),
        ("abc", {}, "GPT2 has no tokenizer, which makes tokens of texts; give the tokens: --tokens 1,2,3"),
        (5, {}, "a prompt is a text or a list of tokens, or a list of either; received 5"),
        ([[1], 2], {}, "several prompts are each a text or a list of tokens; received 2"),
        ([1], {"max_new_tokens": 0}, "max_new_tokens is a whole number of at least 1, received 0"),
        ([1], {"max_new_tokens": 5, "min_new_tokens": 6}, "min_new_tokens is 6, above max_new_tokens, 5"),
        (
            [1],
            {"min_new_tokens": 1, "stop": range(31)},
            "stop: each of the 31 tokens of GPT2 ends the text, and min_new_tokens=1 asks for tokens before that",
        ),
        ([1], {"stop": 31}, "stop: 31 is outside the vocabulary of GPT2: 0 to 30"),
        ([1], {"top_p": 2}, "top_p is a probability above 0, and 1 at most; received 2"),
        ([1], {"inputs": [1]}, "inputs are arrays by the names of inputs, in a dict; received list"),
        ([1], {"inputs": {"keys": 1}}, "inputs: GPT2 has no input keys beside its tokens"),
    ],
)
def test_what_cannot_go_on_is_refused(
    cached: archonnx.Session, prompt: Any, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ArchonnxError, match=message):
        cached.generate(prompt, **options)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "input x: float32[N, 4]\n    Dense(3)",
            r"A does not generate: one input of tokens, int64\[batch, steps\] is expected; it takes x: float32\[N, 4\]",
        ),
        (
            "input x: int64[N, T]\n    y = x -> Embedding(5, 4)\n    output y\n    output z = y + 1",
            r"A does not generate: an output of scores",
        ),
        ("input x: int64[N, T]\n    output y = x + 1", r"A does not generate: an output of scores"),
    ],
)
def test_models_that_do_not_generate_are_refused(text: str, message: str) -> None:
    session = archonnx.load(archonnx.compile(text=f"model A():\n    {text}\n"))
    with pytest.raises(UsageError, match=message):
        session.generate([1])


LAST = """
model Last():
    input tokens: int64[N, T]
    x = tokens -> Embedding(9, 8)
    output scores = x -> LSTM(12) -> Dense({scores})
"""


def test_a_model_that_scores_the_last_place_alone_has_no_padding() -> None:
    session = archonnx.load(archonnx.compile(text=LAST.format(scores=9)))
    found = session.generate([[1, 2], [3, 4]], max_new_tokens=4)
    tokens = [1, 2]
    for _ in range(4):
        tokens.append(int(session([tokens])[0].argmax()))
    assert [1, 2, *found.rows[0].tokens] == tokens
    with pytest.raises(
        InputError, match="the prompts have 1 to 2 tokens, and Last scores what comes after the last place"
    ):
        session.generate([[1, 2], [3]])


def test_more_scores_than_tokens_are_cut() -> None:
    session = archonnx.load(archonnx.compile(text=LAST.format(scores=12)))
    found = session.generate([[1, 2]] * 8, max_new_tokens=30, temperature=5.0, seed=0)
    assert {token for row in found.rows for token in row.tokens} == set(range(9))


def test_a_classifier_does_not_generate() -> None:
    session = archonnx.load(archonnx.compile(text=LAST.format(scores=3)))
    with pytest.raises(UsageError, match="Last does not generate: it scores 3 classes, and 9 tokens could come next"):
        session.generate([1])


def test_numbers_of_numpy_are_numbers(cached: archonnx.Session) -> None:
    given = {"top_k": np.int64(5), "temperature": np.float32(0.5), "seed": np.uint32(3), "max_new_tokens": np.int16(4)}
    found = cached.generate(np.array([1, 2], np.uint8), stop=np.array([30]), **given)
    assert found.tokens == cached.generate([1, 2], top_k=5, temperature=0.5, seed=3, max_new_tokens=4, stop=30).tokens


def test_a_tokenizer_of_another_model_is_refused(folder: Path) -> None:
    session = load("gpt2", "GPT2", folder, True, **{**SIZES, "vocabulary": 20}, cache=True)
    with pytest.raises(
        ArchonnxError, match="GPT2: its tokenizer has 31 tokens, it knows 20: it is the tokenizer of another"
    ):
        session.generate("abc")


def test_a_character_that_is_none_is_named(writer: archonnx.Session) -> None:
    with pytest.raises(ArchonnxError, match=r"the prompt: .*'X', at place 1 of the text"):
        writer.generate("aX")


def test_scores_that_are_no_numbers_are_an_error() -> None:
    text = "model A():\n    input x: int64[N, T]\n    output y = log((x -> Embedding(5, 4)) * 0 - 1)\n"
    session = archonnx.load(archonnx.compile(text=text))
    with pytest.raises(ArchonnxError, match="A: its scores are no numbers, no token is better than another"):
        session.generate([1])


def test_states_that_cannot_be_empty_are_named() -> None:
    text = "model A():\n    input x: int64[N, T]\n    input k: float32[N, P, 4]\n"
    text += "    y = concat([k, x -> Embedding(5, 4)], axis=1)\n    output scores = y[:, -1] -> Dense(5)\n    output state k = y\n"
    session = archonnx.load(archonnx.compile(text=text))
    with pytest.raises(InputError, match="A cannot begin without states: input k: axis 1 is P, which is at least 1"):
        session.generate([1])


def test_a_closed_session_generates_nothing(folder: Path) -> None:
    session = load("gpt2", "GPT2", folder, **SIZES, cache=True)
    session.close()
    with pytest.raises(UsageError, match="the session is closed"):
        session.generate([1])
