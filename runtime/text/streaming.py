"""Tokens to text as they come. A token may hold a part of a character: it is held back until the rest has come."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from archonnx.runtime.text.tokenizer import Tokenizer

_BROKEN = "\ufffd"  # what decoders write for bytes that are no character, one for each byte or one for several
_HELD = 3  # bytes of a character in UTF-8 may stand before its last one
_WINDOW, _KEPT = 32, 8  # tokens that are decoded again and again, and that stay when they become too many


class TextStream:
    """`feed` gives the text that is sure after one more token, `end` what is left. For one sequence and one thread.

    The pieces together are what decoding all tokens at once gives, after the text of those that went before.
    """

    def __init__(self, tokenizer: Tokenizer, after: Sequence[int] = ()) -> None:
        self._tokenizer = tokenizer
        self._ids = [int(n) for n in after]
        self._given = 0  # characters of the text of these
        self._waiting = 0  # tokens since the text ended in whole characters
        self._shorten()

    def feed(self, token: int) -> str:
        """The text that this token makes sure, which may be none. Raises TokenizerError for what is no token."""
        text = self._tokenizer.decode([*self._ids, token])
        self._ids.append(int(token))
        broken = len(text) - len(text.rstrip(_BROKEN))
        self._waiting = self._waiting + 1 if broken else 0
        # A decoder may take a whole run of bytes for broken until its last character is there.
        held = min(broken, _HELD) if self._waiting > _HELD else broken
        sure = max(len(text) - held, self._given)
        piece, self._given = text[self._given : sure], sure
        if len(self._ids) >= _WINDOW and not broken:
            self._shorten()
        return piece

    def end(self) -> str:
        """What was held back, broken characters included."""
        text = self._tokenizer.decode(self._ids)
        piece, self._given = text[self._given :], len(text)
        return piece

    def _shorten(self) -> None:
        """Keep the last tokens, which the next is decoded after: a decoder drops the space where a text begins."""
        count = _KEPT
        text = self._tokenizer.decode(self._ids[-count:])
        while text.startswith(_BROKEN) and count < len(self._ids):  # not from within a character
            count += 1
            text = self._tokenizer.decode(self._ids[-count:])
        self._ids = self._ids[-count:]
        self._given = len(text.rstrip(_BROKEN))
