"""A model on OpenVINO's own library: what a session runs where the plug-in does not take the processor."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from archonnx.contract.diagnostics import ArchonnxError
from archonnx.runtime.arrays import numpy_dtype
from archonnx.runtime.buffers import misshapen, too_small
from archonnx.runtime.errors import InputError, RunError
from archonnx.runtime.forks import Mark
from archonnx.runtime.modelfile import ModelFile
from archonnx.runtime.narrowing import check_values
from archonnx.runtime.openvino.compiled import Bound, End, Kept, Lease
from archonnx.runtime.openvino.keeping import graph_of
from archonnx.runtime.openvino.library import NAME, library_errors
from archonnx.runtime.openvino.nodes import Node
from archonnx.runtime.openvino.reading import open_defaults, places
from archonnx.runtime.openvino.shapes import Shapes
from archonnx.runtime.openvino.turns import SpoiledError
from archonnx.runtime.openvino.unchanged import passed_on
from archonnx.runtime.translate import run_error

if TYPE_CHECKING:
    import numpy as np

    from archonnx.runtime.awaiting import Stop
    from archonnx.runtime.devices import Choice

    Arrays = Mapping[str, np.ndarray[Any, Any]]

_NODE = re.compile(r"(node with name ')([^']*)'")


class OpenVinoRunner:
    """A Runner: a model that OpenVINO's library has compiled for the processor.

    Its runs come one after another, those of several threads too: each has all threads of the session.
    """

    def __init__(
        self,
        source: str | bytes,
        model: ModelFile,
        nodes: Sequence[Node],
        choice: Choice,
        properties: Mapping[str, str],
        threads: int | None,
        shapes: int = 0,
        cache: str = "off",
    ) -> None:
        """nodes: all of the model; properties: OpenVINO's; shapes: for how many sets of shapes it is compiled apart;
        cache: where it is kept.

        Raises MachineError.
        """
        graph, more, self.cached = graph_of(source, model, nodes, properties, cache)
        self._model = model
        self.choice, self.threads = choice, threads
        self.providers: tuple[str, ...] = (NAME,)
        own = [node for node in nodes if node.outer and node.operator != "Constant"]
        self.ran = {NAME: [(node.name, node.operator) for node in own]}
        self._names = {output: node.name for node in nodes for output in node.outputs if node.name}
        self._defaults = open_defaults(graph, model)
        self._inputs = places(graph, model, nodes)
        self._unused = {spec.name for spec in model.inputs} - {*self._inputs, *model.initializers}
        self._outputs = {spec.name: (at, numpy_dtype(spec.dtype)) for at, spec in enumerate(model.outputs)}
        self._passed_on = passed_on(graph)
        self._shapes = Shapes(graph, model.path, properties, shapes, more)

    @property
    def mark(self) -> Mark:
        """Tells whether the process has forked since."""
        return self._shapes.every.mark

    def executed(self) -> tuple[Any, Mapping[str, str]]:
        """The graph that runs, for any shapes: `Compiled.executed`; and the names of nodes by the values they make."""
        return self._shapes.every.executed(), self._names

    def run(self, feeds: dict[str, Any], stop: Stop | None = None) -> list[Any]:
        """The outputs in order, for inputs that have been checked. stop: ends it from another thread.

        Raises RunError, MachineError, and InputError for a number that the device does not carry.
        """
        self._check(feeds)
        ran = self._run(lambda: self._lay(feeds, {}), {}, stop)
        found = [ran.output(*output).copy() for output in self._outputs.values()]
        ran.compiled.give_back(ran.request)
        return found

    def bind(self, feeds: Arrays, out: Arrays) -> list[Bound]:
        """An inference request that reads these contiguous arrays and writes those; the caller keeps both alive."""
        self._check(feeds)
        return [self._lay(feeds, out)]

    def run_bound(self, binding: list[Bound], feeds: Arrays, out: Arrays, stop: Stop | None = None) -> list[Any]:
        """The outputs in order, those of `out` being its arrays; feeds: the inputs that were bound.

        Raises UsageError for an array of another shape than the result, RunError, MachineError, and InputError for a
        number that the device does not carry.
        """
        self._check(feeds)

        def laid() -> Bound:
            if binding[0].compiled.turns.spoiled:
                binding[0] = self._lay(feeds, out)
            binding[0].refresh()
            return binding[0]

        ran = self._run(laid, out, stop)
        found = []
        for name, output in self._outputs.items():
            result, array = ran.output(*output), out.get(name)
            if array is None:
                array = result.copy()
            elif array.shape != result.shape:
                raise misshapen(name, array, result.shape)
            elif array.size and array.ctypes.data != result.ctypes.data:  # made elsewhere after all
                array[...] = result
            found.append(array)
        return found

    def step(
        self, feeds: Arrays, held: Mapping[str, Any], wanted: str, keep: Sequence[str]
    ) -> tuple[np.ndarray[Any, Any], dict[str, Any]]:
        """One run of several that follow one another: what it keeps stays in OpenVINO's tensors.

        feeds: inputs that have been checked; held: inputs that an earlier step kept. Gives the output `wanted`, and
        those of `keep` by name. Raises RunError, MachineError.
        """
        self._check(feeds)
        ran = self._run(lambda: self._lay({**feeds, **held}, {}), {}, None)
        scores = ran.output(*self._outputs[wanted]).copy()
        lease = Lease(ran.compiled, ran.request)
        return scores, {name: Kept(self._tensor(ran, self._outputs[name][0]), lease) for name in keep}

    def _tensor(self, ran: Bound, place: int) -> Any:
        """An output where it was made; a copy of one that lies in an array of the caller's, being an input."""
        import openvino

        made = ran.request.get_output_tensor(place)
        if place not in self._passed_on:
            return made
        own = openvino.Tensor(made.element_type, made.shape)
        made.copy_to(own)
        return own

    def bare(self, feeds: Arrays) -> Callable[[], None]:
        """A call that runs the model on these inputs and leaves the outputs in OpenVINO's tensors. It raises RunError,
        MachineError."""
        binding = self.bind(feeds, {})

        def run() -> None:
            self._run(lambda: binding[0], {}, None)

        return run

    def _check(self, feeds: Mapping[str, Any]) -> None:
        if self.mark.forked:
            self.mark.refuse()
        check_values(feeds)
        unknown = next((name for name in feeds if name not in self._inputs and name not in self._unused), None)
        if unknown is not None:
            reason = "OpenVINO has used the value that the file gives it"
            raise InputError(f'input {unknown}: {reason}; use device="cpu" to give another', unknown)

    def _lay(self, feeds: Mapping[str, Any], out: Arrays) -> Bound:
        """A request with these inputs, and those that are left out."""
        inputs = {at: feeds[name] if name in feeds else self._defaults[name] for name, at in self._inputs.items()}
        placed = ((self._outputs[name][0], array) for name, array in out.items())
        outputs = [(at, array) for at, array in placed if at not in self._passed_on]
        return Bound(self._shapes.of(inputs), inputs.items(), outputs)

    def _run(self, lay: Callable[[], Bound], out: Arrays, stop: Stop | None) -> Bound:
        """Run what `lay` gives, and return it. Raises RunError, MachineError, UsageError for an array of `out`."""
        end = End() if stop is not None else None
        if stop is not None:
            stop.attach(end)
        while True:
            try:
                bound = lay()
                with bound.compiled.turns:
                    if end is not None and not end.begin(bound.request):
                        break
                    try:
                        bound.infer()
                    finally:
                        if end is not None:
                            end.over()
                return bound
            except SpoiledError:  # another run failed while this one waited
                continue
            except library_errors() as error:
                raise self._failed(error, out) from error
        raise RunError(f"{self._model.path}: the run was stopped before it began")

    def _failed(self, error: Exception, out: Arrays) -> ArchonnxError:
        if misfit := too_small(str(error), out):
            return misfit
        # OpenVINO calls a node as its output is called.
        text = _NODE.sub(lambda found: f"{found[1]}{self._names.get(found[2], found[2])}'", str(error))
        return run_error(self._model, MemoryError(text) if isinstance(error, MemoryError) else RuntimeError(text))
