"""The loop: prompts are read, a token is chosen for each text, and read in turn, until every text has ended."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from archonnx.runtime.generation.result import Continuation, Generation, Piece, Reason
from archonnx.runtime.generation.roles import Roles
from archonnx.runtime.generation.sampling import Sampling, choose
from archonnx.runtime.generation.stopping import Stops, Watch

if TYPE_CHECKING:
    import numpy as np

    from archonnx.runtime.generation.stepping import Stepper
    from archonnx.runtime.text.streaming import TextStream
    from archonnx.runtime.text.tokenizer import Tokenizer


@dataclass(frozen=True, slots=True)
class Limits:
    """How many tokens come at most, and at least: before, nothing ends a text."""

    most: int
    least: int = 0


@dataclass(slots=True)
class _Row:
    """One text as it goes on."""

    number: int
    into: Continuation
    draw: np.random.Generator
    stream: TextStream | None
    known: int  # tokens from here on have no text: a model may score more than its tokenizer has
    watch: Watch
    seen: set[int] = field(default_factory=set)
    done: bool = False

    def take(self, token: int, stops: Stops, limits: Limits, context: int | None) -> Iterator[Piece]:
        """One token more: what can be told of it, and whether it was the last."""
        into = self.into
        if token in stops.tokens and len(into.tokens) >= limits.least:
            yield from self._finish("stop", token)
            return
        into.tokens.append(token)
        self.seen.add(token)
        text = None
        if self.stream is not None:
            assert into.text is not None
            text = self.stream.feed(token) if token < self.known else ""
            if len(into.tokens) > limits.least:  # before, no text ends it, nor begins what does
                text = self.watch.feed(text)
            into.text += text
        yield Piece(self.number, token, text)
        if self.watch.found is not None:
            into.reason, into.stopped_by, self.done = "stop", self.watch.found, True
        elif len(into.tokens) >= limits.most:
            yield from self._finish("length")
        elif context is not None and len(into.prompt) + len(into.tokens) > context:
            yield from self._finish("context")

    def _finish(self, reason: Reason, by: int | None = None) -> Iterator[Piece]:
        """The end, with the text that was held back."""
        self.into.reason, self.into.stopped_by, self.done = reason, by, True
        if self.stream is not None:
            assert self.into.text is not None
            rest = self.watch.feed(self.stream.end())
            if self.watch.found is not None:
                self.into.reason, self.into.stopped_by = "stop", self.watch.found
            rest += self.watch.end()
            if rest:
                self.into.text += rest
                yield Piece(self.number, None, rest)


@dataclass(slots=True)
class Loop:
    """What a call asks for, ready to run: `run` gives pieces as they come, and fills `result`."""

    stepper: Stepper
    roles: Roles
    tokenizer: Tokenizer | None
    how: Sampling
    stops: Stops
    limits: Limits
    result: Generation

    def run(self) -> Iterator[Piece]:
        """Raises RunError, MachineError, InputError as the model does."""
        rows = [self._row(number, into) for number, into in enumerate(self.result.rows)]
        began = time.perf_counter()
        scores = self.stepper.begin([row.into.prompt for row in rows])
        self.result.prompt_seconds = time.perf_counter() - began
        tokens = self._choose(rows, scores)
        while True:
            for row, token in zip(rows, tokens, strict=True):
                if token is not None:
                    yield from row.take(token, self.stops, self.limits, self.roles.context)
            going = [row for row in rows if not row.done]
            if not going:
                return
            began = time.perf_counter()
            scores = self.stepper.go_on([None if row.done else token for row, token in zip(rows, tokens, strict=True)])
            tokens = self._choose(rows, scores)
            self.result.seconds += time.perf_counter() - began
            self.result.steps += len(going)

    def _row(self, number: int, into: Continuation) -> _Row:
        import numpy as np

        # A text's draws are its own: they are the same alone and beside others.
        draw = np.random.default_rng(np.random.SeedSequence(self.result.seed or 0, spawn_key=(number,)))
        stream, known = None, 0
        if self.tokenizer is not None:
            known = self.tokenizer.vocabulary
            into.text, stream = "", self.tokenizer.stream([token for token in into.prompt if token < known])
        return _Row(number, into, draw, stream, known, Watch(self.stops.texts), set(into.prompt))

    def _choose(self, rows: Sequence[_Row], scores: np.ndarray[Any, Any]) -> list[int | None]:
        """The next token of each text, None for one that has ended."""
        found: list[int | None] = []
        for row, own in zip(rows, scores, strict=True):
            early = self.stops.tokens if len(row.into.tokens) < self.limits.least else ()
            found.append(None if row.done else choose(own, self.how, row.draw, row.seen, early))
        return found
