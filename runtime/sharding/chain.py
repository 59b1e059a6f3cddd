"""A Runner made of others: each stage reads what those before it made, and nothing is kept longer than it is read."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from archonnx.contract.diagnostics import UsageError
from archonnx.runtime.values import to_host, view

if TYPE_CHECKING:
    import numpy as np

    from archonnx.runtime.awaiting import Stop
    from archonnx.runtime.devices import Choice
    from archonnx.runtime.forks import Mark
    from archonnx.runtime.modelfile import Spec
    from archonnx.runtime.runner import Runner

    Arrays = Mapping[str, np.ndarray[Any, Any]]


@dataclass(slots=True)
class Link:
    """A stage in its chain. inputs: the names that it reads; outputs: what it makes, by name; freed: values that
    nothing reads after it."""

    runner: Runner
    inputs: tuple[str, ...]
    outputs: Mapping[str, Spec]
    freed: tuple[str, ...] = ()

    @property
    def shares(self) -> bool:
        """Whether its results can be handed on as onnxruntime made them; elsewhere they are copied."""
        tensors = all(spec.kind == "tensor" and spec.dtype != "string" for spec in self.outputs.values())
        return self.runner.choice.device == "cpu" and tensors and bool(self.outputs)


class Chain:
    """A Runner of stages, in order. May be called from several threads at once, as its stages may.

    outputs: those of the whole model, in order; states: input -> the output that is its next value. devices: what the
    stages run on, all of it; seconds: what each stage took in the last run, the one that ended last.
    """

    def __init__(self, links: Sequence[Link], outputs: Sequence[str], states: Mapping[str, str]) -> None:
        self.links, self._outputs = list(links), tuple(outputs)
        self._home = {  # a state stays where its next value is made
            name: number for name, after in states.items() for number, each in enumerate(links) if after in each.outputs
        }
        self._next = dict(states)
        last: dict[str, int] = {}
        for number, link in enumerate(links):
            last.update(dict.fromkeys((*link.outputs, *link.inputs), number))
        self._last = last
        for number, link in enumerate(links):
            link.freed = tuple(name for name, at in last.items() if at == number and name not in outputs)
        self.seconds: tuple[float, ...] = ()

    # What a session asks of a runner

    @property
    def choice(self) -> Choice:
        """Of the first stage that does not run on the CPU, where there is one, else of the first."""
        choices = [link.runner.choice for link in self.links]
        return next((choice for choice in choices if choice.device != "cpu"), choices[0])

    @property
    def devices(self) -> str:
        found = dict.fromkeys(link.runner.choice.device for link in self.links)
        return ", ".join(found)

    @property
    def providers(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(name for link in self.links for name in link.runner.providers))

    @property
    def ran(self) -> Mapping[str, list[tuple[str, str]]]:
        found: dict[str, list[tuple[str, str]]] = {}
        for link in self.links:
            for provider, nodes in link.runner.ran.items():
                found.setdefault(provider, []).extend(nodes)
        return found

    @property
    def threads(self) -> int | None:
        return self.links[0].runner.threads

    @property
    def cached(self) -> bool:
        return all(getattr(link.runner, "cached", False) for link in self.links)

    @property
    def mark(self) -> Mark:
        marks = [link.runner.mark for link in self.links]
        return next((mark for mark in marks if mark.forked), marks[0])

    def run(self, feeds: dict[str, Any], stop: Stop | None = None) -> list[Any]:
        values: dict[str, Any] = dict(feeds)
        seconds: list[float] = []
        for number in range(len(self.links)):
            began = time.perf_counter()
            self.stage(number, values, stop)
            seconds.append(time.perf_counter() - began)
        self.seconds = tuple(seconds)
        return [values[name] for name in self._outputs]

    def stage(self, number: int, values: dict[str, Any], stop: Stop | None = None) -> None:
        """Run one stage: it reads from `values`, adds what it makes, and takes out what nothing reads any more."""
        link = self.links[number]
        feeds = {name: values[name] for name in link.inputs if name in values}
        passed = [name for name in link.outputs if name not in self._outputs]
        if stop is None and passed and link.shares:
            first, *others = passed
            results = [name for name in link.outputs if name in self._outputs]
            values[first], kept = link.runner.step(feeds, {}, first, [*others, *results])
            for name, value in kept.items():
                array = array_of(link.outputs[name], value)
                values[name] = array.copy() if name in results else array  # what is given back is the caller's
        else:
            values.update(zip(link.outputs, link.runner.run(feeds, stop), strict=True))
        for name in link.freed:
            values.pop(name, None)

    def bind(self, feeds: Arrays, out: Arrays) -> Any:
        return None  # stages are bound as they come

    def run_bound(self, binding: Any, feeds: Arrays, out: Arrays, stop: Stop | None = None) -> list[Any]:
        import numpy as np

        found = dict(zip(self._outputs, self.run(dict(feeds), stop), strict=True))
        for name, array in out.items():
            if array.shape != found[name].shape:
                shapes = f"the array has the shape {list(array.shape)}, the result {list(found[name].shape)}"
                raise UsageError(f"out: output {name}: {shapes}")
            np.copyto(array, found[name])
            found[name] = array
        return [found[name] for name in self._outputs]

    def step(
        self, feeds: Arrays, held: Mapping[str, Any], wanted: str, keep: Sequence[str]
    ) -> tuple[np.ndarray[Any, Any], dict[str, Any]]:
        import numpy as np

        values: dict[str, Any] = dict(feeds)
        kept: dict[str, Any] = {}
        for number, link in enumerate(self.links):
            own, given = {}, {}
            for name in link.inputs:
                if name in values:
                    given[name] = values[name]
                elif name in held:
                    value, stays = held[name], self._home.get(name) == number
                    if stays and not isinstance(value, np.ndarray):
                        own[name] = value
                    else:
                        given[name] = array_of(self._made(name), value)
            made = [name for name in link.outputs if name not in self._outputs or name == wanted or name in keep]
            if not made:
                continue
            first = next((name for name in made if name not in keep), made[0])
            found, left = link.runner.step(given, own, first, [name for name in made if name != first])
            for name in made:
                spec = link.outputs[name]
                value = left.get(name, found)
                if name in keep:
                    kept[name] = value
                if name not in keep or self._last[name] > number:
                    values[name] = array_of(spec, value)
            for name in link.freed:
                values.pop(name, None)
        return values[wanted], kept

    def _made(self, state: str) -> Spec:
        """The type of a state, by that of its next value."""
        return next(spec for name, spec in self.links[self._home[state]].outputs.items() if name == self._next[state])

    def bare(self, feeds: Arrays) -> Callable[[], None] | None:
        specs = [spec for link in self.links for spec in link.outputs.values()]
        if any(spec.kind != "tensor" or spec.dtype == "string" for spec in specs):
            return None
        fed = dict(feeds)

        def run() -> None:
            self.run(fed)

        return run


def array_of(spec: Spec, kept: Any) -> np.ndarray[Any, Any]:
    """What a step kept, as an array, which shares its memory where that is the processor's; an array as it is."""
    import numpy as np

    if isinstance(kept, np.ndarray):
        return kept
    tensor = getattr(kept, "tensor", None)
    if tensor is not None:  # OpenVINO's, whose request may run again
        found: np.ndarray[Any, Any] = np.array(tensor.data)
        return found
    return view(spec, kept) if kept.device_name() == "cpu" else to_host(spec, kept)
