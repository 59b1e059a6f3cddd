"""Texts among the inputs of a command: made tokens of, and shown in their place."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from archonnx.contract.diagnostics import UsageError

if TYPE_CHECKING:
    from archonnx.runtime.session import Session
    from archonnx.runtime.text.tokenizer import Tokenizer


class Inputs:
    """The inputs that `--input` gives. arrays: what the model is run on, checked; texts: those given, in order; shown:
    the arrays, and the texts in place of what was made of them."""

    def __init__(self, session: Session, given: Sequence[str], truncate: bool, say: Callable[[str], None]) -> None:
        from archonnx.runtime.inputs import decode_inputs
        from archonnx.runtime.text.reading import given_texts

        found = given_texts(given, session.inputs, say)
        if truncate and not found.texts:
            raise UsageError('--truncate cuts texts, and none is given, as in --input text="A cat sits on the mat."')
        others = decode_inputs(found.others, session.inputs, say, session.sampling_rate)
        made: dict[str, Any] = {}
        if found.texts:
            made = session.tokenize(found.texts, truncate=truncate, names=found.names, say=say)
            twice = sorted(made.keys() & others.keys())
            if twice:
                raise UsageError(f"--input {twice[0]} is made of the text, and given too")
        self.texts = found.texts
        self.arrays = session.check({**made, **others})
        self.shown: dict[str, Any] = self.arrays
        if made:
            import numpy as np

            texts = np.empty(len(found.texts), object)
            texts[:] = found.texts
            self.shown = {"text": texts, **{n: a for n, a in self.arrays.items() if n not in made}}


class TokenLabels(Sequence[str]):
    """What stands for each place of scores over a vocabulary: the texts of its tokens, in quotes."""

    def __init__(self, tokenizer: Tokenizer, size: int) -> None:
        self._tokenizer, self._size = tokenizer, size

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, index: Any) -> Any:
        token = self._tokenizer.token(index)
        if token is None:
            return str(index)
        text = self._tokenizer.decode([index], special=True)
        return repr(token if "\ufffd" in text else text)  # a part of a character has a name, and no text


def labels_of(session: Session, texts: Sequence[str]) -> Sequence[str] | None:
    """The labels of a model's scores: its own, else the tokens of the vocabulary that texts were made tokens of."""
    labels, tokenizer = session.labels, session.tokenizer if texts else None
    if labels is not None or tokenizer is None:
        return labels
    return TokenLabels(tokenizer, max([tokenizer.vocabulary, *session.vocabularies.values()]))
