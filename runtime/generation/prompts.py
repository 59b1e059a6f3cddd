"""Prompts as tokens: texts through the model's tokenizer, or numbers as they are; each checked against the model."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from archonnx.contract.diagnostics import UsageError
from archonnx.runtime.errors import InputError
from archonnx.runtime.generation.roles import Roles
from archonnx.runtime.generation.sampling import is_whole
from archonnx.runtime.text.tokenizer import Tokenizer, TokenizerError


def read_prompts(prompt: Any, roles: Roles, tokenizer: Tokenizer | None) -> list[list[int]]:
    """A text or tokens, or several of either, as lists of tokens: none is empty, too long or outside the vocabulary.

    Raises UsageError for what is neither and for a text without a tokenizer, InputError for one that does not fit the
    model, TokenizerError for a text that no tokens are made of.
    """
    many = _listed(prompt)
    found = []
    for number, one in enumerate(many, 1):
        what = "the prompt" if len(many) == 1 else f"prompt {number}"
        tokens = _encoded(one, what, roles, tokenizer) if isinstance(one, str) else _numbers(one, what)
        _check(tokens, what, roles)
        found.append(tokens)
    return found


def _listed(prompt: Any) -> list[Any]:
    """The prompts, each a text or something that holds tokens."""
    if isinstance(prompt, str):
        return [prompt]
    if hasattr(prompt, "tolist"):  # an array of numpy, or what behaves as one
        prompt = prompt.tolist()
    if isinstance(prompt, bytes | dict) or not isinstance(prompt, Iterable):
        raise UsageError(f"a prompt is a text or a list of tokens, or a list of either; received {prompt!r}")
    items = [item.tolist() if hasattr(item, "tolist") else item for item in prompt]
    inner = [isinstance(item, str | list | tuple) for item in items]
    if any(inner) and not all(inner):
        raise UsageError(f"several prompts are each a text or a list of tokens; received {items[inner.index(False)]!r}")
    return items if any(inner) else [items]


def _encoded(text: str, what: str, roles: Roles, tokenizer: Tokenizer | None) -> list[int]:
    """A text's tokens, without those that a tokenizer puts behind a text that is whole."""
    if tokenizer is None:
        mend = "give the tokens: --tokens 1,2,3; or a tokenizer: --tokenizer FILE, archonnx.load(..., tokenizer=FILE)"
        raise UsageError(f"{roles.name} has no tokenizer, which makes tokens of texts; {mend}")
    if roles.vocabulary is not None and tokenizer.vocabulary > roles.vocabulary:
        sizes = f"its tokenizer has {tokenizer.vocabulary:,} tokens, it knows {roles.vocabulary:,}"
        raise TokenizerError(f"{roles.name}: {sizes}: it is the tokenizer of another model")
    try:
        found = tokenizer.encode_one(text)
    except TokenizerError as error:
        raise TokenizerError(f"{what}: {error}") from None
    tokens = [int(number) for number in found.ids]
    if found.added:
        while tokens and tokens[-1] in tokenizer.special.ends and tokens[-1] != tokenizer.special.bos:
            tokens.pop()
    return tokens


def _numbers(given: Sequence[Any], what: str) -> list[int]:
    for place, each in enumerate(given):
        if not is_whole(each):
            raise InputError(f"{what}: tokens are whole numbers, received {each!r} at place {place}")
    return [int(each) for each in given]


def _check(tokens: Sequence[int], what: str, roles: Roles) -> None:
    if not tokens:
        raise InputError(f"{what} is empty: {roles.name} goes on from one token at least")
    if roles.vocabulary is not None:
        for place, token in enumerate(tokens):
            if not 0 <= token < roles.vocabulary:
                known = f"it has {roles.vocabulary:,} tokens, 0 to {roles.vocabulary - 1}"
                raise InputError(
                    f"{what}: token {token} at place {place} is outside the vocabulary of {roles.name}: {known}"
                )
    if roles.context is not None and len(tokens) > roles.context:
        most = f"{roles.name} reads {roles.context:,} at most"
        raise InputError(f"{what} has {len(tokens):,} tokens, {most}; shorten it, its end counts most")
