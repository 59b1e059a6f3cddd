"""Tokenizers of Hugging Face's library: the file `tokenizer.json`, read by the library itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from archonnx.contract.diagnostics import MachineError
from archonnx.contract.vocabulary import VocabularyError, vocabulary_size
from archonnx.runtime.text.tokenizer import Encoded, Special, Tokenizer, TokenizerError

# What models call their special tokens; the file itself does not say which is which.
_BOS = ("<s>", "<|begin_of_text|>", "<bos>", "[CLS]", "<|startoftext|>", "<|endoftext|>")
_EOS = ("</s>", "<|end_of_text|>", "<|eot_id|>", "<|eom_id|>", "<|im_end|>", "<eos>", "<|endoftext|>", "[SEP]")
_PAD = ("[PAD]", "<pad>", "<|pad|>", "<|finetune_right_pad_id|>", "<|padding|>")
_UNK = ("[UNK]", "<unk>", "<|unk|>")


class LibraryTokenizer(Tokenizer):
    """A `tokenizer.json`. Its own padding and truncation are switched off: lengths are the model's business."""

    def __init__(self, text: str, name: str = "the tokenizer") -> None:
        self._name = name
        try:
            import tokenizers
        except ImportError:
            reason = f"{name}: a tokenizer.json needs the library tokenizers, which is not installed"
            raise MachineError(f"{reason}; install it: pip install 'archonnx[text]'") from None
        try:
            with _telling(f"{name}: this is no tokenizer.json"):
                made = tokenizers.Tokenizer.from_str(text)
        except TokenizerError:
            try:
                vocabulary_size(text.encode("utf-8"))
            except VocabularyError as error:  # in plainer words than the library's
                raise TokenizerError(f"{name}: {error}") from None
            raise
        padding: dict[str, Any] = made.padding or {}
        made.no_padding()
        made.no_truncation()
        self._made = made
        numbers = made.get_vocab(with_added_tokens=True)
        self.vocabulary = max(numbers.values(), default=-1) + 1
        special = {t.content: n for n, t in made.get_added_tokens_decoder().items() if t.special}
        ends = tuple(special[token] for token in _EOS if token in special)
        pad = _first(_PAD, special)
        if pad is None and numbers.get(str(padding.get("pad_token"))) == padding.get("pad_id"):
            pad = padding.get("pad_id")
        unk = _first(_UNK, special)
        self.special = Special(_first(_BOS, special), ends[0] if ends else None, pad, unk, ends)

    def encode_one(self, text: str, *, special: bool = True, limit: int | None = None) -> Encoded:
        try:
            text.encode("utf-8")
        except UnicodeEncodeError as error:
            what = f"the text is no Unicode: half of a character at place {error.start}"
            raise TokenizerError(f"{self._name}: {what}") from None
        with _telling(f"{self._name}: it makes no tokens of this text"):
            found = self._made.encode(text, add_special_tokens=False)
            # Counted, not asked for: some templates add more than `num_special_tokens_to_add` tells.
            whole = self._made.post_process(found) if special else found
            added = len(whole.ids) - len(found.ids)
            if limit is not None and len(whole.ids) > limit:
                found.truncate(max(0, limit - added))
                whole = self._made.post_process(found) if special else found
        return Encoded(whole.ids, whole.type_ids, added)

    def decode(self, ids: Sequence[int], *, special: bool = False) -> str:
        numbers = [int(n) for n in ids]
        wrong = next((n for n in numbers if not 0 <= n < self.vocabulary), None)
        if wrong is not None:
            raise TokenizerError(f"{self._name}: {wrong} is no token: there are {self.vocabulary:,}, from 0")
        with _telling(f"{self._name}: it makes no text of these tokens"):
            return str(self._made.decode(numbers, skip_special_tokens=not special))

    def token(self, number: int) -> str | None:
        return self._made.id_to_token(number) if 0 <= number < self.vocabulary else None

    def number(self, token: str) -> int | None:
        return self._made.token_to_id(token)


def _first(names: Sequence[str], special: dict[str, int]) -> int | None:
    return next((special[name] for name in names if name in special), None)


@contextmanager
def _telling(what: str) -> Iterator[None]:
    """The library raises bare Exceptions, and panics over some damaged files: they become `what` and their own words.
    Any other is no matter of a file."""
    try:
        yield
    except BaseException as error:
        if type(error) is not Exception and type(error).__name__ != "PanicException":
            raise
        raise TokenizerError(f"{what}: {' '.join(str(error).split())}") from None
