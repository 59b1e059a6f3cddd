"""Tokens in, scores of the next ones out: with states that stay on the device, or by reading the text anew."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from archonnx.runtime.arrays import numpy_dtype
from archonnx.runtime.errors import InputError, RunError
from archonnx.runtime.generation.roles import Roles, free_axes

if TYPE_CHECKING:
    import numpy as np

    from archonnx.runtime.contract import Contract
    from archonnx.runtime.runner import Runner


class Stepper(Protocol):
    """Several texts that go on together."""

    def begin(self, texts: Sequence[Sequence[int]]) -> np.ndarray[Any, Any]:
        """Scores of what comes after each of the texts, [texts, vocabulary]. Raises InputError, RunError,
        MachineError."""

    def go_on(self, tokens: Sequence[int | None]) -> np.ndarray[Any, Any]:
        """The same after one token more of each; None stands for a text that has ended, whose scores mean nothing."""


class Keeping:
    """A model that hands states on: each token is read once. Texts of several lengths are filled up on the left, where
    the model's mask says so."""

    def __init__(self, engine: Runner, contract: Contract, roles: Roles, given: Mapping[str, Any]) -> None:
        self._engine, self._contract, self._roles, self._given = engine, contract, roles, given
        self._held: dict[str, Any] = {}  # input -> what came before, where the model runs
        self._fixed: dict[str, np.ndarray[Any, Any]] = {}
        self._mask: np.ndarray[Any, Any] | None = None

    def begin(self, texts: Sequence[Sequence[int]]) -> np.ndarray[Any, Any]:
        import numpy as np

        roles = self._roles
        longest, shortest = (function(map(len, texts)) for function in (max, min))
        if longest != shortest and roles.mask is None:
            raise InputError(
                f"the prompts have {shortest:,} to {longest:,} tokens, and {roles.name} has no input attention_mask "
                "that tells tokens from padding; give prompts of one length, or one at a time"
            )
        ids = np.zeros((len(texts), longest), np.int64)
        mask = np.zeros_like(ids)
        for row, text in enumerate(texts):
            ids[row, longest - len(text) :], mask[row, longest - len(text) :] = text, 1
        self._mask = mask[:, :0]
        pieces = np.split(ids, longest, axis=1) if roles.single else [ids]
        masks = np.split(mask, longest, axis=1) if roles.single else [mask]
        feeds = {**self._feeds(pieces[0], masks[0]), **self._states(len(texts)), **self._given}
        checked = self._begin(feeds)
        self._fixed = {spec.name: checked[spec.name] for spec in roles.others}
        scores = self._run(checked, {})
        for piece, part in zip(pieces[1:], masks[1:], strict=True):
            scores = self._run({**self._fixed, **self._feeds(piece, part)}, self._held)
        return scores

    def go_on(self, tokens: Sequence[int | None]) -> np.ndarray[Any, Any]:
        import numpy as np

        ids = np.array([token or 0 for token in tokens], np.int64)[:, None]
        # A text that has ended stays where it is, within its context.
        mask = np.array([token is not None for token in tokens], np.int64)[:, None]
        return self._run({**self._fixed, **self._feeds(ids, mask)}, self._held)

    def _begin(self, feeds: Mapping[str, Any]) -> dict[str, Any]:
        """The first inputs, checked. Raises InputError."""
        try:
            return self._contract.check(self._contract.names((), feeds))
        except InputError as error:
            if error.input in self._roles.states and error.input not in self._given:
                raise InputError(f"{self._roles.name} cannot begin without states: {error}", error.input) from None
            raise

    def _feeds(self, ids: np.ndarray[Any, Any], mask: np.ndarray[Any, Any]) -> dict[str, np.ndarray[Any, Any]]:
        """Tokens and what goes with them; the mask is that of all tokens so far where the states hold them."""
        import numpy as np

        roles = self._roles
        assert self._mask is not None
        self._mask = np.concatenate([self._mask, mask], axis=1)
        places = (self._mask.cumsum(axis=1) - 1).clip(0)[:, -ids.shape[1] :]
        seen = self._mask if roles.growing else mask
        made = ((roles.ids, ids), (roles.mask, seen), (roles.places, places))
        return {spec.name: array.astype(numpy_dtype(spec.dtype)) for spec, array in made if spec is not None}

    def _states(self, count: int) -> dict[str, np.ndarray[Any, Any]]:
        """What states are before any token: zeros, or nothing along the axes that grow."""
        import numpy as np

        found = {}
        for spec in self._contract.inputs:
            if spec.name in self._roles.states and spec.name not in self._given:
                free = free_axes(spec, self._roles.ids)
                sizes = [0 if axis in free else n for axis, n in enumerate(spec.shape or ())]
                shape = [n if isinstance(n, int) else count for n in sizes]
                found[spec.name] = np.zeros(shape, numpy_dtype(spec.dtype))
        return found

    def _run(self, feeds: Mapping[str, Any], held: Mapping[str, Any]) -> np.ndarray[Any, Any]:
        states = self._roles.states
        scores, kept = self._engine.step(feeds, held, self._roles.scores.name, list(states.values()))
        self._held = {before: kept[after] for before, after in states.items()}
        return last(self._roles, scores)


class Reading:
    """A model without states: every token is read again for each that comes. Texts of several lengths are filled up on
    the right, where a model that scores what comes next does not look."""

    def __init__(self, engine: Runner, contract: Contract, roles: Roles, given: Mapping[str, Any]) -> None:
        self._engine, self._contract, self._roles, self._given = engine, contract, roles, given
        self._texts: list[list[int]] = []

    def begin(self, texts: Sequence[Sequence[int]]) -> np.ndarray[Any, Any]:
        self._texts = [list(text) for text in texts]
        longest, shortest = (function(map(len, texts)) for function in (max, min))
        if len(self._roles.scores.shape or ()) == 2 and shortest < (self._roles.steps or longest):
            steps = f"{shortest:,} to {longest:,} tokens" if shortest < longest else f"{longest:,} tokens"
            taken = f", which takes {self._roles.steps:,}" if self._roles.steps else ""
            raise InputError(
                f"the prompts have {steps}, and {self._roles.name}{taken} scores what comes after the last place "
                "alone, padding included; give prompts of one length, or one at a time"
            )
        return self._run()

    def go_on(self, tokens: Sequence[int | None]) -> np.ndarray[Any, Any]:
        for text, token in zip(self._texts, tokens, strict=True):
            if token is not None:
                text.append(token)
        return self._run()

    def _run(self) -> np.ndarray[Any, Any]:
        import numpy as np

        roles, lengths = self._roles, [len(text) for text in self._texts]
        ids = np.zeros((len(lengths), roles.steps or max(lengths)), np.int64)
        for row, text in enumerate(self._texts):
            ids[row, : len(text)] = text
        places = np.broadcast_to(np.arange(ids.shape[1]), ids.shape)
        mask = places < np.array(lengths)[:, None]
        made = ((roles.ids, ids), (roles.mask, mask), (roles.places, places))
        feeds = {spec.name: array.astype(numpy_dtype(spec.dtype)) for spec, array in made if spec is not None}
        checked = self._contract.check(self._contract.names((), {**feeds, **self._given}))
        scores, _ = self._engine.step(checked, {}, roles.scores.name, ())
        return last(roles, scores, [length - 1 for length in lengths])


def last(roles: Roles, scores: np.ndarray[Any, Any], places: Sequence[int] | None = None) -> np.ndarray[Any, Any]:
    """The scores at the last place of each text, [texts, vocabulary]; no other is copied. places: where it is, where
    not at the end. Raises RunError for scores that are no numbers."""
    import numpy as np

    if scores.ndim == 3:
        rows = np.arange(scores.shape[0])
        scores = scores[rows, -1 if places is None or scores.shape[1] == 1 else np.array(places)]
    scores = scores[:, : roles.vocabulary]
    found: np.ndarray[Any, Any] = np.array(scores, np.float32 if scores.dtype.kind == "V" else None)
    if not np.isfinite(found.max(axis=1)).all():
        raise RunError(f"{roles.name}: its scores are no numbers, no token is better than another")
    return found
