"""Numbers of tokens outside a model's vocabulary are told before the run, by input, place and size."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

import archonnx
from archonnx.runtime.errors import InputError, ModelFileError

LOOKUP = """model Lookup(rows = 5):
    input tokens: int32[N, T]
    input kinds: int64[N, T]
    input shift: int32[N]
    x = tokens -> Embedding(rows, 2)
    y = cast(kinds, int32) -> Embedding(3, 2)
    require T >= 2
    output z = x + y + cast(shift[:, None, None], float32)
"""


@pytest.fixture(scope="module")
def session() -> Any:
    return archonnx.load(archonnx.compile(text=LOOKUP), device="cpu")


def call(session: Any, tokens: Any, kinds: Any = None) -> Any:
    tokens = np.array(tokens, np.int32)
    kinds = np.zeros(tokens.shape, np.int64) if kinds is None else np.array(kinds, np.int64)
    return session(tokens=tokens, kinds=kinds, shift=np.full(len(tokens), 9, np.int32))


def test_what_is_inside_runs(session: Any) -> None:
    assert call(session, [[0, 4], [4, 0]]).shape == (2, 2, 2)


def test_what_is_outside_is_named(session: Any) -> None:
    with pytest.raises(InputError) as caught:
        call(session, [[0, 4], [1, 5]])
    said = "input tokens: 5 at [1, 1] is outside the vocabulary of Lookup: it has 5 tokens, 0 to 4"
    assert (str(caught.value), caught.value.input) == (said, "tokens")
    with pytest.raises(InputError, match=r"^input tokens: -1 at \[0, 1\] \(and 2 more\) is outside the vocabulary"):
        call(session, [[0, -1], [7, 8]])
    with pytest.raises(InputError, match=r"^input kinds: 3 at \[0, 0\] is outside .* it has 3 tokens, 0 to 2"):
        call(session, [[0, 1]], [[3, 0]])


def test_files_of_others_are_as_they_were(make: Any, load: Any) -> None:
    session = load(make({"x": ("int64", ["N"])}))
    assert session(np.array([10**9])).tolist() == [10**9]


def test_damaged_metadata(make: Any, load: Any) -> None:
    for text in ("[]", '{"x": 3}', '{"x": {"size": "many", "masked": false}}', "{"):
        with pytest.raises(ModelFileError, match=r"its metadata entry archonnx\.tokens is damaged"):
            load(make({"x": ("int64", ["N"])}, metadata={"archonnx.tokens": text}))
    said = json.dumps({"x": {"size": 2, "masked": False}})
    scalar = load(make({"x": ("int64", [])}, metadata={"archonnx.tokens": said}))
    with pytest.raises(InputError, match=r"^input x: 2 is outside the vocabulary of <bytes>"):
        scalar(2)
