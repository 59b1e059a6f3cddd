"""Texts as the inputs of a model: tokens, their mask and their types, of as many tokens as the model takes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from archonnx.contract.diagnostics import UsageError
from archonnx.runtime.arrays import numpy_dtype
from archonnx.runtime.errors import InputError
from archonnx.runtime.text.tokenizer import Encoded, Tokenizer, TokenizerError, pad_batch

if TYPE_CHECKING:
    import numpy as np

    from archonnx.runtime.contract import Contract
    from archonnx.runtime.modelfile import Spec

Say = Callable[[str], None]
TEXT = "text"  # what texts are given as, where no input of the model is called so
# What others call the inputs that are made of a text, the usual name first.
_IDS = ("input_ids",)
_MASK = ("attention_mask", "input_mask")
_TYPES = ("token_type_ids", "segment_ids")
_PLACES = ("position_ids",)
_WHOLE = ("int32", "int64")


@dataclass(frozen=True, slots=True)
class TextInputs:
    """The inputs of a model that are made of a text; those that it does not have are None."""

    ids: Spec
    mask: Spec | None
    types: Spec | None
    places: Spec | None


def text_inputs(contract: Contract) -> TextInputs | None:
    """Which inputs take what is made of a text: by their names, else the only one that is tokens; None for none."""
    known = {spec.name: spec for spec in contract.inputs}
    ids = _named(known, _IDS)
    if ids is None:
        told = [spec for spec in contract.inputs if spec.name in contract.tokens]
        ids = told[0] if len(told) == 1 else None
    if ids is None or ids.dtype not in _WHOLE or ids.shape is None or len(ids.shape) not in (1, 2):
        return None
    return TextInputs(ids, *(_named(known, names) for names in (_MASK, _TYPES, _PLACES)))


def _named(known: Mapping[str, Spec], names: Sequence[str]) -> Spec | None:
    return next((known[name] for name in names if name in known), None)


class Feeder:
    """What makes a model's inputs of texts. name: what messages call the model; path: its file; tokenizer: gives it.

    Raises UsageError where the model takes no tokens or has no tokenizer, TokenizerError for that of another model.
    """

    def __init__(self, name: str, path: str, contract: Contract, tokenizer: Callable[[], Tokenizer | None]) -> None:
        found = text_inputs(contract)
        if found is None:
            takes = ", ".join(map(str, contract.inputs)) or "none"
            raise UsageError(f"{name} takes no text: none of its inputs is tokens alone (they are {takes})")
        made = tokenizer()
        if made is None:
            give = "give one: run --tokenizer FILE, archonnx.load(..., tokenizer=FILE), or build --asset tokenizer=FILE"
            raise UsageError(f"{name} has no tokenizer, which makes tokens of texts; {give}")
        self._name, self._contract, self._tokenizer, self._inputs = name, contract, made, found
        self._told = contract.tokens.get(found.ids.name)
        if self._told is not None and made.vocabulary > self._told.size:
            sizes = f"its tokenizer has {made.vocabulary:,} tokens, its input {found.ids.name} takes "
            raise TokenizerError(f"{path}: {sizes}{self._told.size:,}: it is the tokenizer of another model")

    def feeds(
        self,
        texts: Sequence[str],
        *,
        truncate: bool = False,
        names: Sequence[str] | None = None,
        say: Say = lambda line: None,
    ) -> dict[str, np.ndarray[Any, Any]]:
        """The inputs by name. truncate: cut texts to what the model takes. names: what messages call the texts.

        Raises InputError for a text that is empty or too long, or where nothing tells tokens from padding;
        TokenizerError where the tokenizer makes no tokens of a text.
        """
        if not texts:
            raise InputError(f"the list of texts is empty; {self._name} takes one at least", TEXT)
        names = names or [f"text {number}" for number in range(1, len(texts) + 1)]
        found = [self._encoded(text, name, truncate, say) for text, name in zip(texts, names, strict=True)]
        lengths = [len(one.ids) for one in found]
        ids = self._inputs.ids
        assert ids.shape is not None
        if len(ids.shape) == 1 and len(found) != 1:
            raise InputError(
                f"input {ids.name}: {self._name} takes one text at a time, received {len(found)}", ids.name
            )
        fixed = ids.shape[-1]
        length = fixed if isinstance(fixed, int) else max(lengths)
        pad = self._pad(lengths, length)
        filled = f", filled up to {length}" if min(lengths) < length else ""
        say(f"text: {_count(lengths)}{filled}")
        batch = pad_batch(found, pad, length=length)
        places = (batch.mask.cumsum(axis=1) - 1).clip(0)
        made = ((ids, batch.ids), (self._inputs.mask, batch.mask), (self._inputs.types, batch.types))
        feeds = {}
        for spec, array in (*made, (self._inputs.places, places)):
            if spec is not None:
                feeds[spec.name] = (array[0] if spec.shape is not None and len(spec.shape) == 1 else array).astype(
                    numpy_dtype(spec.dtype)
                )
        return feeds

    def _encoded(self, text: str, name: str, truncate: bool, say: Say) -> Encoded:
        """One text's tokens, as many as the model takes."""
        one = self._tokenized(text, name)
        if len(one.ids) <= one.added:
            what = f"{name} is empty: no token is in it" + (" but those around every text" if one.added else "")
            raise InputError(f"{what}; {self._name} needs one at least", TEXT)
        limit, why = self._limit(len(one.ids))
        if limit is not None and truncate:
            say(f"{name}: cut from {len(one.ids):,} tokens to {limit:,}")
            one = self._tokenized(text, name, limit)
            if len(one.ids) > limit:
                raise InputError(f"{name}: the {one.added} tokens around a text are more than the {limit} taken", TEXT)
        elif limit is not None:
            mend = "shorten it, or cut it there: run --truncate, session.tokenize(..., truncate=True)"
            raise InputError(
                f"{name} has {len(one.ids):,} tokens, {self._name} takes {limit:,} at most ({why}); {mend}", TEXT
            )
        if self._told is not None and self._told.masked and 0 in one.ids:
            token = self._tokenizer.token(0)
            what = f"{name}: 0 is {token!r} for the tokenizer, and padding for {self._name}, which would not see it"
            raise InputError(f"{what}; padding is a token of its own: <pad> in the first line of characters", TEXT)
        return one

    def _tokenized(self, text: str, name: str, limit: int | None = None) -> Encoded:
        try:
            return self._tokenizer.encode_one(text, limit=limit)
        except TokenizerError as error:
            raise TokenizerError(f"{name}: {error}") from None

    def _pad(self, lengths: Sequence[int], length: int) -> int:
        """What fills texts up. Raises InputError where something must, and the model would take it for text."""
        if self._told is not None and self._told.masked:
            return 0
        if self._inputs.mask is None and min(lengths) < length:
            sizes = f"the texts have {_spelled(lengths)} tokens, and {length} are taken"
            what = f"{self._name} has no input attention_mask that tells tokens from padding"
            raise InputError(f"{sizes}: {what}; give texts one at a time, or of one length", TEXT)
        return self._tokenizer.pad()

    def _limit(self, count: int) -> tuple[int | None, str]:
        """The most tokens that the model takes, and why; None where it takes `count`."""
        assert self._inputs.ids.shape is not None
        size = self._inputs.ids.shape[-1]
        if isinstance(size, int):
            return (size if count > size else None), f"{self._inputs.ids}"
        for requirement in self._contract.symbols.requirements:
            if size is not None and requirement.condition.symbols() == {size}:
                most = _most(lambda n, r=requirement: r.condition.evaluate({size: n}), count)  # type: ignore[misc]
                if most is not None:
                    said = ": ".join(part for part in (requirement.text, requirement.message) if part)
                    return most, f"{said}, at {requirement.place}" if requirement.place else said
        return None, ""


def _most(holds: Callable[[int], bool], count: int) -> int | None:
    """The largest number up to which a condition holds, where it no longer does for `count`; None for other ones."""
    if holds(count) or not holds(1) or any(holds(count + n) for n in range(1, 9)):
        return None
    low, high = 1, count
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low


def listed(texts: object) -> list[str]:
    """One text or several, as a list of Python's strings. Raises UsageError for what is none."""
    if isinstance(texts, str):
        return [str(texts)]
    if isinstance(texts, bytes | Mapping) or not isinstance(texts, Iterable):
        raise UsageError(f"text is a string, or a list of strings; received {type(texts).__name__}")
    found = list(texts)
    wrong = next((number for number, each in enumerate(found, 1) if not isinstance(each, str)), None)
    if wrong is not None:
        raise UsageError(f"text {wrong} is a string, as every text; received {type(found[wrong - 1]).__name__}")
    return [str(each) for each in found]


def _count(lengths: Sequence[int]) -> str:
    return f"{len(lengths)} text{'s' if len(lengths) > 1 else ''} of {_spelled(lengths)} tokens"


def _spelled(lengths: Sequence[int]) -> str:
    if len(lengths) > 4 and min(lengths) < max(lengths):
        return f"{min(lengths):,} to {max(lengths):,}"
    texts = [f"{n:,}" for n in (lengths if len(lengths) <= 4 else lengths[:1])]
    return texts[0] if len(texts) == 1 else f"{', '.join(texts[:-1])} and {texts[-1]}"


def with_texts(
    tokenize: Callable[[Any], Mapping[str, Any]], known: Sequence[str], args: Sequence[Any], kwargs: Mapping[str, Any]
) -> tuple[Sequence[Any], Mapping[str, Any]]:
    """The arguments of a call with `text`, where no input is called so, as the inputs that are made of it.

    Raises UsageError where one of these is given too.
    """
    given = {**args[0], **kwargs} if len(args) == 1 and isinstance(args[0], Mapping) else dict(kwargs)
    if TEXT not in given or TEXT in known:
        return args, kwargs
    made = tokenize(given.pop(TEXT))
    twice = sorted(made.keys() & given.keys())
    if twice:
        raise UsageError(f"input {twice[0]} is given, and made of the text too")
    return (() if len(args) == 1 and isinstance(args[0], Mapping) else args), {**given, **made}
