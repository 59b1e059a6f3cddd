"""onnxruntime, kept at arm's length: a session made with our defaults, quiet, on the providers that were chosen and no
other."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from archonnx.contract.diagnostics import MachineError
from archonnx.runtime.batching.arena import SHRINK, Arena
from archonnx.runtime.buffers import shape_error
from archonnx.runtime.caching.graphs import Adjust, Ran, optimised, ran_by
from archonnx.runtime.devicearray import GPU_DEVICES
from archonnx.runtime.devices import CPU, PROVIDERS, Choice
from archonnx.runtime.errors import ModelFileError
from archonnx.runtime.forks import Mark
from archonnx.runtime.guarding import Guarded, Watch
from archonnx.runtime.lacking import lacking_error
from archonnx.runtime.modelfile import ModelFile
from archonnx.runtime.narrowing import check_model, check_values
from archonnx.runtime.openvino import plugin
from archonnx.runtime.openvino.library import STATIC_SHAPES
from archonnx.runtime.openvino.turns import OneByOne
from archonnx.runtime.renewing import renewed
from archonnx.runtime.runner import Runner
from archonnx.runtime.settings import Settings
from archonnx.runtime.taking_turns import InTurns, crowds
from archonnx.runtime.threads import set_threads
from archonnx.runtime.translate import load_error, ort_errors, run_error
from archonnx.runtime.values import FOREIGN, UNCARRIED, to_numpy, to_value, view
from archonnx.runtime.weightfiles import external_files

if TYPE_CHECKING:
    import numpy as np

    from archonnx.runtime.awaiting import Stop

_FATAL, _WARNING = 4, 2


class Engine:
    """A Runner: a session of onnxruntime and the outline of its model.

    choice: where it runs; providers: in onnxruntime's order; ran: provider -> the nodes that it runs, name
    and operator; threads: None where it decides; cached: whether it came from the cache.
    """

    cached = False
    graph_id = "0"

    def __init__(
        self, session: Any, model: ModelFile, choice: Choice, threads: int | None, ran: Ran | None = None
    ) -> None:
        self._session, self._model = session, model
        self.mark = Mark(session, model.path)
        self._quiet = quiet_options(self.graph_id)  # one for all runs that nothing stops
        self.choice, self.threads = choice, threads
        self.providers: tuple[str, ...] = tuple(session.get_providers())
        self.ran: Ran = ran_by(session) if ran is None else ran
        self._narrow = choice.device == "openvino"
        self._arena = Arena() if choice.device == "cpu" else None
        specs = [*model.inputs, *model.outputs]
        uncarried = next((spec for spec in specs if spec.dtype in UNCARRIED), None)
        if uncarried is not None:
            kind = "input" if uncarried in model.inputs else "output"
            reason = f"its {kind} {uncarried} is of a type that onnxruntime does not exchange with Python"
            raise ModelFileError(model.path, f"{reason}; put a Cast to int8 or float32 there")
        self._foreign = any(spec.dtype in FOREIGN for spec in specs)
        if self._foreign and any(spec.kind != "tensor" for spec in specs):
            foreign = next(spec.dtype for spec in specs if spec.dtype in FOREIGN)
            raise ModelFileError(
                model.path, f"onnxruntime's Python side carries no {foreign} beside sequences and maps"
            )

    def only_here(self) -> None:
        """A failed run is an error, and not run again on the CPU."""
        self._session.disable_fallback()

    def run(self, feeds: dict[str, Any], stop: Stop | None = None) -> list[Any]:
        """The outputs in order, for inputs that have been checked. stop: ends it from another thread.

        Raises RunError, MachineError, and InputError for a number that the device does not carry.
        """
        options = self._ready(feeds, stop)
        try:
            if self._foreign:
                return self._run_values(feeds, options)
            found: list[Any] = self._session.run(None, feeds, options)
            return found
        except ort_errors() as error:
            raise run_error(self._model, error) from error

    def _ready(self, feeds: Mapping[str, np.ndarray[Any, Any]], stop: Stop | None) -> Any:
        """The options of a run that may begin."""
        if self.mark.forked:
            self.mark.refuse()
        if self._narrow:
            check_values(feeds)
        shrinks = self._arena is not None and self._arena.shrinks(feeds)
        if stop is None and not shrinks:
            return self._quiet
        options = quiet_options(self.graph_id)
        if shrinks:
            options.add_run_config_entry(*SHRINK)
        if stop is not None:
            stop.attach(options)
        return options

    def bind(self, feeds: Mapping[str, np.ndarray[Any, Any]], out: Mapping[str, np.ndarray[Any, Any]]) -> Any:
        """A binding of onnxruntime's to contiguous inputs that have been checked, and to arrays for outputs; the caller
        keeps both alive. Other outputs are made at each run. Raises RunError, MachineError."""
        specs = {spec.name: spec for spec in [*self._model.inputs, *self._model.outputs]}
        try:
            binding = self._session.io_binding()
            for name, array in feeds.items():
                binding.bind_ortvalue_input(name, to_value(specs[name], array))
            for spec in self._model.outputs:
                if spec.name in out:
                    binding.bind_ortvalue_output(spec.name, to_value(spec, out[spec.name]))
                else:
                    binding.bind_output(spec.name, "cpu")
        except ort_errors() as error:
            raise run_error(self._model, error) from error
        return binding

    def run_bound(
        self,
        binding: Any,
        feeds: Mapping[str, np.ndarray[Any, Any]],
        out: Mapping[str, np.ndarray[Any, Any]],
        stop: Stop | None = None,
    ) -> list[Any]:
        """The outputs in order, those of `out` being its arrays; feeds: the inputs that were bound.

        Raises UsageError for an array of another shape than the result, RunError, MachineError, and InputError for a
        number that the device does not carry.
        """
        options = self._ready(feeds, stop)
        try:
            self._session.run_with_iobinding(binding, options)
            found = binding.get_outputs()
        except ort_errors() as error:
            raise shape_error(str(error)) or run_error(self._model, error) from error
        values = []
        for spec, value in zip(self._model.outputs, found, strict=True):
            array = out.get(spec.name)
            if array is None:
                array = to_numpy(spec, value)
            elif array.size and value.data_ptr() != array.ctypes.data:  # made elsewhere after all
                array[...] = to_numpy(spec, value)
            values.append(array)
        return values

    def step(
        self, feeds: Mapping[str, np.ndarray[Any, Any]], held: Mapping[str, Any], wanted: str, keep: Sequence[str]
    ) -> tuple[np.ndarray[Any, Any], dict[str, Any]]:
        """One run of several that follow one another: what it keeps stays on the device, and is never an array.

        feeds: inputs that have been checked; held: inputs that an earlier step kept. Gives the output `wanted`, and
        onnxruntime's values of those of `keep` by name. Raises RunError, MachineError.
        """
        import numpy as np

        options = self._ready(feeds, None)
        specs = {spec.name: spec for spec in self._model.inputs}
        arrays = {name: np.asarray(array, order="C") for name, array in feeds.items()}  # they live until it has run
        try:
            binding = self._session.io_binding()
            for name, array in arrays.items():
                binding.bind_ortvalue_input(name, to_value(specs[name], array))
            for name, value in held.items():
                binding.bind_ortvalue_input(name, value)
            binding.bind_output(wanted, "cpu")
            for name in keep:
                binding.bind_output(name, "cuda" if self.choice.device in GPU_DEVICES else "cpu")
            self._session.run_with_iobinding(binding, options)
            found = binding.get_outputs()
        except ort_errors() as error:
            raise run_error(self._model, error) from error
        spec = next(spec for spec in self._model.outputs if spec.name == wanted)
        return view(spec, found[0]), dict(zip(keep, found[1:], strict=True))

    def bare(self, feeds: Mapping[str, np.ndarray[Any, Any]]) -> Callable[[], None] | None:
        """A call that runs the model on these inputs and gives nothing back; None for a model of sequences, maps or
        strings, which onnxruntime copies anyway.

        feeds: inputs that have been checked. The run raises RunError, MachineError.
        """
        import numpy as np
        import onnxruntime

        specs = {spec.name: spec for spec in self._model.inputs}
        if any(spec.kind != "tensor" or spec.dtype == "string" for spec in [*specs.values(), *self._model.outputs]):
            return None
        device = "cuda" if self.choice.device == "cuda" else "cpu"
        held = []  # what is bound points into the arrays
        binding = self._session.io_binding()
        for name, array in feeds.items():
            whole = np.asarray(array, order="C")
            here = device == "cpu" or specs[name].dtype in FOREIGN
            value = to_value(specs[name], whole) if here else onnxruntime.OrtValue.ortvalue_from_numpy(whole, device)
            binding.bind_ortvalue_input(name, value)
            held.append(whole)
        for spec in self._model.outputs:
            binding.bind_output(spec.name, device)
        options = self._ready(feeds, None)

        def run(_: object = held) -> None:
            try:
                self._session.run_with_iobinding(binding, options)
            except ort_errors() as error:
                raise run_error(self._model, error) from error

        return run

    def _run_values(self, feeds: dict[str, np.ndarray[Any, Any]], options: Any) -> list[Any]:
        import numpy as np

        specs = {spec.name: spec for spec in self._model.inputs}
        arrays = {name: np.asarray(array, order="C") for name, array in feeds.items()}  # the values point into them
        values = {name: to_value(specs[name], array) for name, array in arrays.items()}
        found = self._session.run_with_ort_values(None, values, options)
        return [to_numpy(spec, value) for spec, value in zip(self._model.outputs, found, strict=True)]


def quiet_options(graph_id: str) -> Any:
    """RunOptions for runs whose failures are raised, and need not be printed too. graph_id: of a CUDA graph."""
    import onnxruntime

    options = onnxruntime.RunOptions()
    options.log_severity_level = _FATAL
    # Its default: where it is left out, run_with_iobinding raises and catches an error, 50 us each time.
    options.add_run_config_entry("gpu_graph_id", graph_id)
    return options


def start(source: str | bytes, model: ModelFile, choice: Choice, asked: Settings, folder: str = "") -> Runner:
    """Make the session. Where the device does not take the model and was not insisted on, the CPU is tried instead.
    folder: where the external data of bytes lie.

    Raises ModelFileError, MachineError.
    """
    if choice.device == "cpu":
        return _start(source, model, choice, asked, folder)
    try:
        return _start(source, model, choice, asked, folder)
    except (MachineError, ModelFileError) as error:
        if asked.insists:
            raise
        label = PROVIDERS[choice.device].label
        return _start(source, model, Choice("cpu", (CPU,), f"{label} does not take this model: {error}"), asked, folder)


def _start(source: str | bytes, model: ModelFile, choice: Choice, asked: Settings, folder: str) -> Runner:
    import onnxruntime

    if choice.device == "openvino":
        from archonnx.runtime.openvino.starting import start_alone

        check_model(model)
        alone = start_alone(source, model, choice, asked, folder)
        if alone is not None:
            return alone

    def made(path: str | bytes, adjust: Adjust = lambda options: None, more: Mapping[str, str] | None = None) -> Any:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = _FATAL
        level = f"ORT_ENABLE_{asked.options.optimisation.upper()}"
        options.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, level)
        options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
        if folder:
            options.add_session_config_entry("session.model_external_initializers_file_folder_path", folder)
        set_threads(options, asked.threads, asked.options.spinning)
        first, *others = choice.providers
        settings = {**first.settings(asked.threads, choice.floats), **dict(asked.options.provider), **(more or {})}
        named = [(first.name, settings), *((each.name, each.settings(asked.threads)) for each in others)]
        if first.plugin:  # one that is registered goes by its device; the CPU follows of itself
            settings.pop(STATIC_SHAPES, None)
            options.add_provider_for_devices([plugin.cpu()], settings)
            named = []
        adjust(options)
        # With fallback, it prints, and runs on the CPU after all.
        return onnxruntime.InferenceSession(path, options, providers=named or None, enable_fallback=0)

    quiet = choice.device != "cpu"
    if quiet:  # a provider that does not load says so through the process's own logger
        onnxruntime.set_default_logger_severity(_FATAL)
    try:
        engine: Engine
        if choice.device in GPU_DEVICES:
            from archonnx.runtime.cuda.starting import start_on_gpu

            engine = start_on_gpu(lambda more: Guarded(made(source, more=more)), model, choice, asked)
        else:
            kept = None
            if choice.device == "cpu" and isinstance(source, str):
                how = {"precision": choice.precision, "optimisation": asked.options.optimisation}
                kept = optimised(source, model, asked.cache, how, made)
            files = kept.files if kept else external_files(source, model, folder)
            watch = Watch(files) if files else None  # as they are before onnxruntime maps them
            session = kept.session if kept else made(source)
            session = Guarded(session, watch) if watch else session
            session = InTurns(session) if choice.device == "cpu" and crowds(asked.threads) else session
            if choice.providers[0].plugin:
                from archonnx.runtime.openvino.plugged import PluginEngine

                engine = PluginEngine(OneByOne(session), model, choice, asked.threads)
            else:
                engine = Engine(session, model, choice, asked.threads, kept.ran if kept else None)
            engine.cached = kept is not None and kept.found
    except ort_errors() as error:
        if made_anew := renewed(source, model, error):
            return _start(*made_anew, choice, asked, folder)
        raise lacking_error(source, model, choice, error) or load_error(model, error, choice.device) from error
    finally:
        if quiet:
            onnxruntime.set_default_logger_severity(_WARNING)
    engine.only_here()
    if choice.device != "cpu":
        _verify(engine, model)
    return engine


def _verify(engine: Engine, model: ModelFile) -> None:
    """Refuse a session that was asked for a provider and does not use it. Shapes and other small whole numbers may
    stay on the CPU."""
    provider = engine.choice.providers[0]
    if provider.name not in engine.providers:
        reason = f"onnxruntime dropped its {provider.label} provider without saying why"
        raise MachineError(f"{model.path}: {reason}: archonnx doctor tells more")
    if engine.ran and provider.name not in engine.ran:
        reason = f"none of the model's operators runs on {provider.label}"
        raise MachineError(f'{model.path}: {reason}; use device="cpu" for it')
