"""A session of onnxruntime on an NVIDIA GPU: arrays that lie there stay there, and runs that repeat become CUDA graphs.

The rules of onnxruntime's graphs are those of its page on the CUDA provider: tensors of fixed shapes at fixed
addresses, no branches, every kernel on the GPU (https://onnxruntime.ai/docs/execution-providers/CUDA-ExecutionProvider.html).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from archonnx.contract.diagnostics import ArchonnxError, MachineError
from archonnx.runtime.buffers import shape_error
from archonnx.runtime.cuda.gate import GATE
from archonnx.runtime.cuda.graphs import MOST, NONE, Graphs, signature
from archonnx.runtime.cuda.proof import reason_against
from archonnx.runtime.cuda.static import Static
from archonnx.runtime.devicearray import DeviceArray
from archonnx.runtime.devices import Choice
from archonnx.runtime.engine import Engine, quiet_options
from archonnx.runtime.errors import InputError
from archonnx.runtime.forks import Mark
from archonnx.runtime.modelfile import ModelFile
from archonnx.runtime.translate import clean, ort_errors, run_error
from archonnx.runtime.values import to_host

if TYPE_CHECKING:
    from archonnx.runtime.awaiting import Stop

log = logging.getLogger("archonnx.runtime")
Arrays = Mapping[str, Any]


class CudaEngine(Engine):
    """A Runner on the GPU.

    graphs: None where no run is captured; anew: makes onnxruntime's session again, without graphs, as a capture that
    fails leaves it unusable. place: where buffers lie, onnxruntime's word for it ("cpu" in tests).
    """

    def __init__(
        self,
        session: Any,
        model: ModelFile,
        choice: Choice,
        threads: int | None,
        graphs: Graphs | None = None,
        anew: Callable[[], Any] | None = None,
        place: str = "cuda",
    ) -> None:
        # Where graphs are possible, a run that says nothing is captured as number 0, and replayed on stale memory.
        self.graph_id = NONE if graphs else "0"
        super().__init__(session, model, choice, threads)
        self.graphs, self._anew, self.place = graphs, anew, place
        self._tensors = all(s.kind == "tensor" and s.dtype != "string" for s in [*model.inputs, *model.outputs])

    def run(self, feeds: dict[str, Any], stop: Stop | None = None) -> list[Any]:
        stay = any(isinstance(array, DeviceArray) for array in feeds.values())
        if stay and not self._tensors:
            raise InputError("a model of texts, sequences or maps takes its inputs from the processor's memory alone")
        options = self._ready(feeds, stop)
        graphs = self.graphs
        if graphs is not None and all(0 not in array.shape for array in feeds.values()):
            static = self._static_of(graphs, feeds)
            if static is not None:
                return self._played(graphs, static, feeds, {}, stay, options)
            self._tell_full(graphs)
        if stay:
            return self._once(feeds, options)
        with GATE:
            return super().run(feeds, stop)

    def _static_of(self, graphs: Graphs, feeds: Arrays) -> Static | None:
        """The calling thread's buffers for a graph of such calls, where there is one or it is due."""
        key = signature(feeds)
        static = graphs.own.statics.get(key)
        if static is None and graphs.due(key):
            try:
                static = graphs.own.statics[key] = self._static(feeds, {}, own=True)
            except ort_errors() as error:
                graphs.never(key)
                log.info("%s: such calls are not captured: %s", self._model.path, clean(str(error)))
                return None
            static.number = graphs.number()
        return static

    def bind(self, feeds: Arrays, out: Arrays) -> Any:
        """Buffers on the GPU for these inputs, which each run fills anew, and for the outputs."""
        with self._translated():
            return self._static(feeds, out)

    def run_bound(self, binding: Any, feeds: Arrays, out: Arrays, stop: Stop | None = None) -> list[Any]:
        static: Static = binding
        options = self._ready(feeds, stop)
        stay = any(isinstance(array, DeviceArray) for array in feeds.values())
        graphs = self.graphs
        if graphs is None:
            return self._regular(static, feeds, out, options, stay)
        if not static.number and static.runs >= graphs.after and graphs.count < MOST:
            static.number = graphs.number()
        known = static.number and static.number in graphs.own.numbers
        if not static.number or not (known or graphs.count < MOST):  # each thread that calls captures for itself
            self._tell_full(graphs)
            return self._regular(static, feeds, out, options, stay)
        return self._played(graphs, static, feeds, out, stay, options)

    def bare(self, feeds: Arrays) -> Callable[[], None] | None:
        if not self._tensors:
            return None
        with self._translated():
            static = self._static(feeds, {})
        options = self._ready(feeds, None)
        self._regular(static, feeds, {}, options, False)
        graphs = self.graphs
        if graphs is not None and graphs.count < MOST:
            static.number = graphs.number()
            self._played(graphs, static, feeds, {}, False, options)
            if static.number:
                options = quiet_options(str(static.number))

        def run() -> None:
            with GATE, self._translated():
                static.run(options)

        return run

    def _static(self, feeds: Arrays, out: Arrays, own: bool = False) -> Static:
        return Static(self._session, self._model.inputs, self._model.outputs, feeds, out, self.place, own)

    def _once(self, feeds: Arrays, options: Any) -> list[Any]:
        """A run whose buffers serve it alone: its outputs are the caller's, as they come."""
        with GATE, self._translated():
            static = self._static(feeds, {})
            static.fill(feeds)
            static.run(options)
            return [DeviceArray(static.made[spec.name]) for spec in self._model.outputs]

    def _regular(self, static: Static, feeds: Arrays, out: Arrays, options: Any, stay: bool) -> list[Any]:
        """A run without a graph."""
        with GATE:
            return self._without(static, feeds, out, options, stay)

    def _without(self, static: Static, feeds: Arrays, out: Arrays, options: Any, stay: bool) -> list[Any]:
        """The same, within the gate; on the session that there is now."""
        with self._translated():
            if static.session is not self._session:  # a capture failed meanwhile
                static.again(self._session, feeds, out)
            static.fill(feeds)
            static.run(options)
            return static.results(out, stay)

    def _played(
        self, graphs: Graphs, static: Static, feeds: Arrays, out: Arrays, stay: bool, options: Any
    ) -> list[Any]:
        """A replay of the graph, which is captured where the calling thread has not."""
        if static.number in graphs.own.numbers:
            with GATE:
                if self.graphs is not graphs:  # given up by another thread
                    return self._without(static, feeds, out, options, stay)
                with self._translated():
                    static.fill(feeds)
                    static.run(static.options)
                    return static.results(out, stay)
        with GATE.alone():
            if self.graphs is not graphs or not self._captured(graphs, static, feeds, out, options):
                static.number = 0
                return self._without(static, feeds, out, options, stay)
            with self._translated():
                return static.results(out, stay)

    def _captured(self, graphs: Graphs, static: Static, feeds: Arrays, out: Arrays, options: Any) -> bool:
        """Capture a graph, prove it and leave its results in the buffers; False where graphs are given up."""
        with self._translated():
            static.fill(feeds)
            static.run(options)
            first = self._on_host(static)
        static.options = quiet_options(str(static.number))
        try:
            static.clear()
            static.run(static.options)
            blank = self._on_host(static)
            static.fill(feeds)
            static.run(static.options)
            reason = reason_against(first, blank, self._on_host(static))
        except ort_errors() as error:
            self._give_up(f"the capture failed: {clean(str(error))}", spoilt=True)
            return False
        if reason is not None:
            self._give_up(reason, spoilt=False)
            return False
        graphs.captured(static.number)
        shapes = ", ".join(f"{name}{list(array.shape)}" for name, array in feeds.items())
        log.info("%s: captured as a CUDA graph for %s", self._model.path, shapes)
        return True

    def _on_host(self, static: Static) -> list[Any]:
        return [to_host(spec, static.made[spec.name]) for spec in self._model.outputs]

    def _give_up(self, reason: str, spoilt: bool) -> None:
        """No graphs from now on. Raises MachineError where the session is spoilt and cannot be made again."""
        log.warning("%s: CUDA graphs are given up: %s", self._model.path, reason)
        self.graphs = None
        if not spoilt:
            return
        if self._anew is None:
            raise self._spoilt(reason)
        try:
            session = self._anew()
        except (ArchonnxError, OSError) as error:
            raise self._spoilt(f"{reason}; and it cannot be loaded again: {error}") from error
        session.disable_fallback()
        self._session, self.mark = session, Mark(session, self._model.path)

    def _spoilt(self, reason: str) -> MachineError:
        return MachineError(f"{self._model.path}: {reason}; load it with graphs=False")

    def _tell_full(self, graphs: Graphs) -> None:
        if not graphs.told and graphs.count >= MOST:
            graphs.told = True
            log.info("%s: %d CUDA graphs are captured, other shapes run without", self._model.path, MOST)

    def _translated(self) -> Translated:
        return Translated(self._model)


class Translated:
    """What onnxruntime raises inside becomes an error of ours."""

    def __init__(self, model: ModelFile) -> None:
        self._model = model

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, Exception) and not isinstance(error, ArchonnxError) and isinstance(error, ort_errors()):
            raise shape_error(str(error)) or run_error(self._model, error) from error
