"""Several runners of one model, each the best for batches of a size: a call goes to that of the nearest batch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from archonnx.runtime.contract import Contract
from archonnx.runtime.measuring.sizes import batch_axis, counts_examples
from archonnx.runtime.runner import Runner
from archonnx.runtime.settings import PRECISIONS

if TYPE_CHECKING:
    import numpy as np

    from archonnx.runtime.awaiting import Stop
    from archonnx.runtime.devices import Choice
    from archonnx.runtime.forks import Mark

    Arrays = Mapping[str, np.ndarray[Any, Any]]


class Switch:
    """A Runner. What it tells of itself, such as `ran`, is that of the smallest batch, which also makes the steps of
    generation, as what one step keeps must stay with one runner; but the precision of `choice` is the lowest of all."""

    def __init__(self, contract: Contract, runners: Sequence[tuple[int, Runner]]) -> None:
        """runners: by batch, in rising order, at least one."""
        self._runners = tuple(runners)
        self._first = runners[0][1]
        lowest = max((runner.choice.precision for _, runner in runners), key=PRECISIONS.index)
        self._choice = replace(self._first.choice, precision=lowest)
        axis = batch_axis([spec for spec in contract.inputs if not spec.optional])
        self._counted = [spec.name for spec in contract.inputs if counts_examples(spec.shape, axis)]

    @property
    def choice(self) -> Choice:
        return self._choice

    @property
    def devices(self) -> str:
        """All of them, that of the smallest batch first."""
        return ", ".join(dict.fromkeys(runner.choice.device for _, runner in self._runners))

    @property
    def providers(self) -> tuple[str, ...]:
        return self._first.providers

    @property
    def ran(self) -> Mapping[str, list[tuple[str, str]]]:
        return self._first.ran

    @property
    def threads(self) -> int | None:
        return self._first.threads

    @property
    def cached(self) -> bool:
        """Whether the optimised model came from the cache."""
        return bool(getattr(self._first, "cached", False))

    @property
    def mark(self) -> Mark:
        return self._first.mark

    def nearest(self, feeds: Mapping[str, Any]) -> Runner:
        """The runner of the largest batch that is not above that of the inputs, else the first."""
        rows = next((len(feeds[name]) for name in self._counted if name in feeds), 0)
        found = self._first
        for batch, runner in self._runners:
            if batch <= rows:
                found = runner
        return found

    def run(self, feeds: dict[str, Any], stop: Stop | None = None) -> list[Any]:
        return self.nearest(feeds).run(feeds, stop)

    def bind(self, feeds: Arrays, out: Arrays) -> Any:
        runner = self.nearest(feeds)
        return runner, runner.bind(feeds, out)

    def run_bound(self, binding: Any, feeds: Arrays, out: Arrays, stop: Stop | None = None) -> list[Any]:
        runner, inner = binding
        found: list[Any] = runner.run_bound(inner, feeds, out, stop)
        return found

    def step(
        self, feeds: Arrays, held: Mapping[str, Any], wanted: str, keep: Sequence[str]
    ) -> tuple[np.ndarray[Any, Any], dict[str, Any]]:
        return self._first.step(feeds, held, wanted, keep)

    def bare(self, feeds: Arrays) -> Callable[[], None] | None:
        return self.nearest(feeds).bare(feeds)
