"""What generating gives: pieces as they come, and all of it with how long it took."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from archonnx.contract.diagnostics import UsageError

Reason = Literal["stop", "length", "context"]


@dataclass(frozen=True, slots=True)
class Piece:
    """A token that has come. row: of which prompt; text: what is sure of the text by now, "" where that is nothing
    yet, None where there is no tokenizer. token None: the end of the text, which was held back until now."""

    row: int
    token: int | None
    text: str | None = None


@dataclass(slots=True)
class Continuation:
    """How one prompt went on. prompt: its tokens; tokens: those that came, without one that stops; text: what they
    stand for, None without a tokenizer, cut where a text stops it; reason: why it ended: "stop", "length" (as many as
    were asked for) or "context" (the model reads no more); stopped_by: the token or text that stopped it."""

    prompt: list[int]
    tokens: list[int] = field(default_factory=list)
    text: str | None = None
    reason: Reason = "length"
    stopped_by: int | str | None = None


@dataclass(slots=True)
class Generation:
    """What came of the prompts, in their order.

    seed: what the drawing began from, None for the best token each time. cached: whether states kept what was read;
    else every token was read again for each that came. prompt_seconds: reading the prompts; seconds: all steps after
    them, choosing included; steps: the tokens that came in these.
    """

    rows: list[Continuation]
    seed: int | None = None
    cached: bool = True
    prompt_seconds: float = 0.0
    seconds: float = 0.0
    steps: int = 0

    @property
    def tokens(self) -> list[int]:
        """The tokens that came after the only prompt. Raises UsageError where there are several."""
        return self._only.tokens

    @property
    def text(self) -> str | None:
        """The text that came after the only prompt, None without a tokenizer. Raises UsageError for several."""
        return self._only.text

    @property
    def reason(self) -> Reason:
        """Why the only text ended. Raises UsageError where there are several."""
        return self._only.reason

    @property
    def prompt_tokens(self) -> int:
        """The tokens of all prompts."""
        return sum(len(row.prompt) for row in self.rows)

    @property
    def prompt_tokens_per_second(self) -> float | None:
        """How fast the prompts were read."""
        return self.prompt_tokens / self.prompt_seconds if self.prompt_seconds else None

    @property
    def tokens_per_second(self) -> float | None:
        """How fast tokens came, of all texts together; None where the first was the last. It comes of the prompt."""
        return self.steps / self.seconds if self.steps and self.seconds else None

    @property
    def _only(self) -> Continuation:
        if len(self.rows) != 1:
            raise UsageError(f"there are {len(self.rows)} texts: take .rows[0].tokens, .rows[1].tokens and so on")
        return self.rows[0]
