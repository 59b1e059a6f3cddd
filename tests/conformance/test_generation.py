"""session.generate against transformers' `generate` with the same weights, and what is left to draw from against its
warpers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from transformers_harness import random_module, session_of

import archonnx
from archonnx.runtime.generation.sampling import Sampling, candidates

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

VOCABULARY, CONTEXT = 97, 48
GPT2 = {"n_layer": 3, "n_embd": 32, "n_head": 4, "vocab_size": VOCABULARY, "n_positions": CONTEXT}
LLAMA = {
    "num_hidden_layers": 3,
    "hidden_size": 32,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 48,
    "vocab_size": VOCABULARY,
    "max_position_embeddings": CONTEXT,
    "rms_norm_eps": 1e-5,
}
OURS: dict[str, Any] = {"layers": 3, "width": 32, "heads": 4, "vocabulary": VOCABULARY, "context": CONTEXT}
FAMILIES: dict[str, tuple[str, str, dict[str, Any], str, str, dict[str, Any]]] = {
    "gpt2": ("GPT2LMHeadModel", "GPT2Config", GPT2, "gpt2", "GPT2", OURS),
    "llama": ("LlamaForCausalLM", "LlamaConfig", LLAMA, "llama", "Llama", {**OURS, "inner": 48, "shared": 2}),
}
Models = tuple[Any, archonnx.Session]


@pytest.fixture(scope="module", params=FAMILIES)
def models(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Models]:
    """A module of transformers, its scores far enough apart, and our model with a cache and the same weights."""
    kind, config, sizes, file, model, parameters = FAMILIES[request.param]
    folder = tmp_path_factory.mktemp(request.param)
    module = random_module(kind, config, initializer_range=0.3, bos_token_id=0, eos_token_id=0, **sizes)
    module.save_pretrained(folder / "theirs")
    module.generation_config.eos_token_id = None  # nothing ends a text unless a test says so
    source = folder / "theirs" / "model.safetensors"
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # on a busy machine several wait for one another at each of many small operators
    try:
        with session_of(source, folder, file, model, None, cache=True, **parameters) as session:
            yield module, session
    finally:
        torch.set_num_threads(threads)


def theirs(module: Any, texts: list[list[int]], count: int, stop: int | None = None, **options: Any) -> list[list[int]]:
    """The tokens that transformers' greedy search adds to texts, filled up on the left."""
    longest = max(map(len, texts))
    ids = torch.tensor([[0] * (longest - len(text)) + text for text in texts])
    mask = torch.tensor([[0] * (longest - len(text)) + [1] * len(text) for text in texts])
    config = transformers.GenerationConfig(
        max_new_tokens=count, do_sample=False, eos_token_id=stop, pad_token_id=VOCABULARY - 1, **options
    )
    with torch.no_grad():
        found = module.generate(ids, attention_mask=mask, generation_config=config)[:, longest:].tolist()
    return [row[: row.index(stop)] if stop is not None and stop in row else row for row in found]


@pytest.mark.parametrize(
    "texts", [[[5, 9, 40]], [[1]], [list(range(20))], [[5, 9, 40], [7], list(range(10, 22))]], ids=str
)
def test_the_best_tokens_are_those_of_transformers(models: Models, texts: list[list[int]]) -> None:
    module, session = models
    found = session.generate(texts, max_new_tokens=25)
    expected = theirs(module, texts, 25)
    assert [row.tokens for row in found.rows] == expected
    assert len({token for row in expected for token in row}) > 5, "texts of many tokens"


@pytest.mark.parametrize("penalty", [1.3, 0.8])
def test_repetition_counts_as_in_transformers(models: Models, penalty: float) -> None:
    module, session = models
    found = session.generate([5, 9, 40], max_new_tokens=25, repetition_penalty=penalty)
    assert found.tokens == theirs(module, [[5, 9, 40]], 25, repetition_penalty=penalty)[0]


def test_texts_end_where_those_of_transformers_do(models: Models) -> None:
    module, session = models
    texts = [[5, 9, 40], [7], list(range(10, 22))]
    stop = theirs(module, texts, 25)[0][7]
    expected = theirs(module, texts, 25, stop)
    assert len({len(row) for row in expected}) > 1, "texts of several lengths"
    found = session.generate(texts, max_new_tokens=25, stop=stop)
    assert [row.tokens for row in found.rows] == expected
    later = session.generate(texts, max_new_tokens=25, stop=stop, min_new_tokens=12)
    assert [row.tokens for row in later.rows] == theirs(module, texts, 25, stop, min_new_tokens=12)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    "how",
    [
        Sampling(0.7),
        Sampling(1.6, top_k=7),
        Sampling(1.0, top_p=0.6),
        Sampling(0.9, top_k=20, top_p=0.85),
        Sampling(2.5, top_p=0.05),
    ],
    ids=str,
)
def test_what_is_left_to_draw_from_is_what_transformers_leaves(how: Sampling, seed: int) -> None:
    scores = np.random.default_rng(seed).normal(0, 3, 5000).astype(np.float32)
    warped = torch.from_numpy(scores)[None]
    warpers = [transformers.TemperatureLogitsWarper(how.temperature)]
    warpers += [transformers.TopKLogitsWarper(how.top_k)] if how.top_k else []
    warpers += [transformers.TopPLogitsWarper(how.top_p)] if how.top_p else []
    for warper in warpers:
        warped = warper(None, warped)
    expected = torch.softmax(warped[0].double(), -1).numpy()
    tokens, chances = candidates(scores, how)
    found = np.zeros_like(expected)
    found[tokens] = chances
    assert sorted(tokens) == np.flatnonzero(expected).tolist()
    np.testing.assert_allclose(found, expected, rtol=1e-5)
