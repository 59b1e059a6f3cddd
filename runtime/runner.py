"""What executes a loaded model, as far as a session needs it. onnxruntime's is `engine.Engine`; what stands before one,
as a batch that is split, is called in the same way."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import numpy as np

    from archonnx.runtime.awaiting import Stop
    from archonnx.runtime.devices import Choice
    from archonnx.runtime.forks import Mark

    Arrays = Mapping[str, np.ndarray[Any, Any]]


class Runner(Protocol):
    """A model where it runs. May be called from several threads at once.

    Inputs come checked (`Contract.check`), by name. Runs raise RunError, MachineError, InputError for a number that the
    device does not carry, and UsageError after a fork.
    """

    @property
    def choice(self) -> Choice:
        """Where it runs."""

    @property
    def providers(self) -> tuple[str, ...]:
        """What computes, best first: onnxruntime's names of its providers, or a library's own name."""

    @property
    def ran(self) -> Mapping[str, list[tuple[str, str]]]:
        """Provider -> the nodes that it runs, name and operator."""

    @property
    def threads(self) -> int | None:
        """Of one call on the CPU, None where the library decides."""

    @property
    def mark(self) -> Mark:
        """Tells whether the process has forked since."""

    def run(self, feeds: dict[str, Any], stop: Stop | None = None) -> list[Any]:
        """The outputs in the model's order, which belong to the caller. stop: ends it from another thread."""

    def bind(self, feeds: Arrays, out: Arrays) -> Any:
        """What `run_bound` takes: made of contiguous inputs, and of arrays for some outputs or all, both of which the
        caller keeps alive."""

    def run_bound(self, binding: Any, feeds: Arrays, out: Arrays, stop: Stop | None = None) -> list[Any]:
        """The outputs in order, those of `out` being its arrays, which were bound. The others may be the binding's own,
        and change in its next run. feeds: the inputs that were bound.

        Raises UsageError for an array of another shape than the result.
        """

    def step(
        self, feeds: Arrays, held: Mapping[str, Any], wanted: str, keep: Sequence[str]
    ) -> tuple[np.ndarray[Any, Any], dict[str, Any]]:
        """One run of several that follow one another: what it keeps stays where the model runs, and is no array.

        held: inputs that an earlier step kept. Gives the output `wanted`, and those of `keep` by name.
        """

    def bare(self, feeds: Arrays) -> Callable[[], None] | None:
        """A call that runs the model on these inputs, laid down once where it runs, and leaves the outputs there; None
        for a model of sequences, maps or strings."""


class Before:
    """What stands before a Runner, and is one: what it does not do itself, that one does."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner

    @property
    def choice(self) -> Choice:
        return self._runner.choice

    @property
    def providers(self) -> tuple[str, ...]:
        return self._runner.providers

    @property
    def ran(self) -> Mapping[str, list[tuple[str, str]]]:
        return self._runner.ran

    @property
    def threads(self) -> int | None:
        return self._runner.threads

    @property
    def mark(self) -> Mark:
        return self._runner.mark

    def __getattr__(self, name: str) -> Any:
        return getattr(self._runner, name)  # what this runner has beside what every one has

    def step(
        self, feeds: Arrays, held: Mapping[str, Any], wanted: str, keep: Sequence[str]
    ) -> tuple[np.ndarray[Any, Any], dict[str, Any]]:
        return self._runner.step(feeds, held, wanted, keep)
