"""A model that was loaded, and calls of it: every input checked."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from numbers import Integral
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Unpack

from archonnx.contract import metadata as keys
from archonnx.contract.diagnostics import UsageError
from archonnx.contract.labels import label_lines
from archonnx.runtime import buffers
from archonnx.runtime.contract import Contract
from archonnx.runtime.devicearray import check_reach
from archonnx.runtime.errors import ModelFileError
from archonnx.runtime.modelfile import ModelFile, Spec
from archonnx.runtime.placement import Placement, place, symbol_sizes
from archonnx.runtime.results import Results, label_count, scores_of, top
from archonnx.runtime.runner import Runner
from archonnx.runtime.skeleton import Origin

if TYPE_CHECKING:
    import numpy as np

    from archonnx.runtime.awaiting import Stop
    from archonnx.runtime.generation.result import Generation, Piece
    from archonnx.runtime.generation.roles import Roles
    from archonnx.runtime.generation.session import Options, Stream
    from archonnx.runtime.padding.report import Padding
    from archonnx.runtime.precision.candidates import Trial
    from archonnx.runtime.precision.deciding import Lowering
    from archonnx.runtime.profiling.profile import Profile
    from archonnx.runtime.settings import Precision
    from archonnx.runtime.text.tokenizer import Tokenizer

log = logging.getLogger("archonnx.runtime")


class Session:
    """A loaded model. Call it with arrays, by position or by name; may be called from several threads at once.

    arun: the same for asyncio.

    inputs, outputs: their names, types and shapes; metadata: the file's own entries; device: "cpu", "cuda" or
    "openvino"; providers: onnxruntime's, in order, or the library that runs it alone; threads: of one call on the CPU,
    None where the library decides.
    precision: what products are computed in; computes: the same, and what stays in floats beside int8 where that is no
    float32: "int8 and bfloat16"; choices: the ways to run it that were measured with an error, the fastest first.
    load_time: seconds that loading took; cached: whether the optimised model was there already, from an earlier start.
    plan: the path of the plan that it runs by, None where there is none; where its batches run differently, device
    names all ("cpu, openvino"), and precision is the lowest.
    padding: what came of the buckets that were asked for, None where none were.
    """

    def __init__(self, model: ModelFile, contract: Contract, engine: Runner, source: str | None, bare: bytes) -> None:
        self._model, self._contract = model, contract
        self._source = source  # the file, None where none stays
        self._origin = Origin(model.path, source, bare)
        self._engine: Runner | None = engine
        self.path = model.path
        self.inputs: tuple[Spec, ...] = tuple(contract.inputs)
        self.outputs: tuple[Spec, ...] = tuple(model.outputs)
        self._outputs = tuple(spec.name for spec in self.outputs)
        self.metadata: dict[str, str] = dict(model.metadata)
        self.device: str = getattr(engine, "devices", engine.choice.device)
        self.precision: Precision = engine.choice.precision
        self.computes: str = engine.choice.computes
        self.choices: tuple[Trial, ...] = ()
        self._lowered: Lowering | None = None
        self.providers: tuple[str, ...] = engine.providers
        self.threads: int | None = engine.threads
        self.load_time: float | None = None
        self.cached: bool = getattr(engine, "cached", False)
        self.plan: str | None = None
        self.padding: Padding | None = getattr(engine, "padding", None)
        self.last_time: float | None = None
        self._roles: Roles | None = None
        self._remarked = False
        self._tokenizer: Tokenizer | None = None

    @property
    def name(self) -> str | None:
        """The model's name in its source, None for others' files."""
        return self.metadata.get(keys.MODEL)

    @property
    def lowered(self) -> Lowering | None:
        """What became of each node where a lower precision runs: of those that the graph was changed for, or that
        OpenVINO's library tells of. None where nothing is lowered, or nobody tells."""
        executed = getattr(self._engine, "executed", None)
        if self._lowered is None and self.precision != "float32" and executed is not None:
            from archonnx.runtime.precision.hinted import lowering_of

            error = next((trial.error for trial in self.choices if trial.kept), None)
            graph, made = executed()
            self._lowered = lowering_of(graph, self._model, made, self.precision, error)
        return self._lowered

    @lowered.setter
    def lowered(self, lowered: Lowering | None) -> None:
        self._lowered = lowered

    @property
    def initial_weights(self) -> bool:
        """Whether weights, all or some, are as drawn: the model was never trained, and its results mean nothing."""
        return self._model.weights in ("initial", "partial")

    @property
    def assets(self) -> dict[str, bytes]:
        """The files that travel in the model, by name."""
        return {
            key.removeprefix(keys.ASSET): self._model.asset(key.removeprefix(keys.ASSET))
            for key in self.metadata
            if key.startswith(keys.ASSET)
        }

    @property
    def labels(self) -> list[str] | None:
        """The asset `labels`, one a line, None where the model has none."""
        data = self._model.asset("labels") if keys.ASSET + "labels" in self.metadata else None
        if data is None:
            return None
        return label_lines(data.decode(errors="replace"))

    def top(self, outputs: Any, k: int = 5) -> list[list[tuple[int, str, float]]]:
        """The k best classes of each row of a classifier's outputs, best first, as (index, label, score).

        outputs: what a call gave: scores [..., classes], or Results that hold them. Without labels a class is called
        by its index. Raises UsageError where the outputs are no scores or k is below 1, ModelFileError where the labels
        are not theirs.
        """
        asked: Any = k  # not all callers check types
        if isinstance(asked, bool) or not isinstance(asked, Integral) or asked < 1:
            raise UsageError(f"k is how many classes are asked for, a whole number of at least 1; received {k!r}")
        labels = self.labels
        scores = scores_of(outputs, labels)
        if labels is not None and scores.shape[-1] != len(labels):
            raise ModelFileError(self.path, label_count(len(labels), scores.shape[-1]))
        return top(scores, int(k), labels)

    @property
    def sampling_rate(self) -> int | None:
        """The samples a second of the sounds that it takes: the model's parameter `sampling_rate`; else None."""
        arguments = self._model.json(keys.ARGUMENTS, {}) if self._model.is_ours else {}
        text = str(arguments.get("sampling_rate", "")) if isinstance(arguments, dict) else ""
        return int(text) if text.isdecimal() and int(text) else None

    @property
    def tokenizer(self) -> Tokenizer | None:
        """What makes tokens of texts: the one that was given, else the asset `tokenizer`; None where there is none.

        Raises TokenizerError where the asset is no tokenizer, MachineError where its library is missing.
        """
        if self._tokenizer is None and keys.ASSET + "tokenizer" in self.metadata:
            from archonnx.runtime.text.tokenizer import read_tokenizer

            data = self._model.asset("tokenizer")
            self._tokenizer = read_tokenizer(data, f"{self.path}, asset tokenizer")
        return self._tokenizer

    @tokenizer.setter
    def tokenizer(self, tokenizer: Tokenizer | None) -> None:
        self._tokenizer = tokenizer

    @property
    def vocabularies(self) -> dict[str, int]:
        """The inputs that are numbers of tokens, as far as the file tells, each with how many tokens there are."""
        return {name: tokens.size for name, tokens in self._contract.tokens.items()}

    @property
    def states(self) -> dict[str, str]:
        """Output -> the input whose next value it is, for models that keep state."""
        found = self._model.json(keys.STATES, {})
        return {str(k): str(v) for k, v in found.items()} if isinstance(found, dict) else {}

    def tokenize(
        self,
        texts: str | Iterable[str],
        *,
        truncate: bool = False,
        names: Sequence[str] | None = None,
        say: Callable[[str], None] = lambda line: None,
    ) -> dict[str, np.ndarray[Any, Any]]:
        """The inputs that the model's tokenizer makes of texts, by name: `session(session.tokenize(texts))`.

        Token numbers, and where the model has such inputs, the mask that tells them from padding, and their types.
        truncate: cut texts to as many tokens as the model takes. names: what messages call the texts, by default
        "text 1", ... say: gets a line that tells how many tokens there are, and one for each text that is cut.

        Raises UsageError where there is no tokenizer or no input for it, InputError for a text that is empty or too
        long, TokenizerError for one that no tokens are made of, and for a tokenizer of another model.
        """
        from archonnx.runtime.text.feeding import Feeder, listed

        name = self.name or Path(self.path).name
        feeder = Feeder(name, self.path, self._contract, lambda: self.tokenizer)
        return feeder.feeds(listed(texts), truncate=truncate, names=names, say=say)

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        """Run the model. Arrays by position, by name, or as one mapping from names; `text=`, a text or a list of them,
        stands for the inputs that the model's tokenizer makes of it (`tokenize`). `out=`, an array, or arrays by the
        names of outputs, is written into and returned; where the model has an input of that name, it is that input.

        Python numbers and lists take the input's dtype where nothing is lost; arrays must have it. Returns the array
        where there is one output, else Results: by name, position and attribute.

        Raises UsageError for a missing or unknown input, InputError for one that does not fit (its type, its shape,
        sizes that disagree, a `require` of the model), RunError where the model fails, MachineError where memory runs
        out.
        """
        return self._shaped(self._timed(args, kwargs)[0])

    async def arun(self, /, *args: Any, **kwargs: Any) -> Any:
        """As a call, awaited: it runs in a thread, and the event loop goes on. Raises what a call raises.

        Where the task is cancelled, the run ends after the operator that it is at, and then CancelledError comes.
        """
        from archonnx.runtime.awaiting import awaited

        return self._shaped((await awaited(lambda stop: self._timed(args, kwargs, stop)))[0])

    def run_with_timing(self, /, *args: Any, **kwargs: Any) -> tuple[Results, float]:
        """As a call, but always Results, and the seconds that onnxruntime took."""
        values, seconds = self._timed(args, kwargs)
        return self._named(values), seconds

    def _named(self, values: list[Any]) -> Results:
        return Results(dict(zip(self._outputs, values, strict=True)))

    def _shaped(self, values: list[Any]) -> Any:
        """What a call returns."""
        return values[0] if len(values) == 1 else self._named(values)

    def _timed(
        self, args: Sequence[Any], kwargs: Mapping[str, Any], stop: Stop | None = None
    ) -> tuple[list[Any], float]:
        """The outputs in order, and the seconds that onnxruntime took."""
        engine = self._open()
        out = None
        if "out" in kwargs and not self._contract.takes("out"):
            kwargs = dict(kwargs)
            out = kwargs.pop("out")
        feeds = self._contract.known(args, kwargs)
        known = feeds is not None
        if feeds is None:
            feeds = self.check(*args, **kwargs)
        if out is None:
            began = time.perf_counter()
            values = engine.run(feeds, stop)
        else:
            named = buffers.named_out(self.outputs, out)
            buffers.check_bound(self.outputs)
            out, feeds = self._out(named, feeds), buffers.contiguous(feeds, self.inputs)
            binding = engine.bind(feeds, out)
            began = time.perf_counter()
            values = engine.run_bound(binding, feeds, out, stop)
            values = [named.get(name, value) for name, value in zip(self._outputs, values, strict=True)]
        seconds = time.perf_counter() - began
        self.last_time = seconds
        return values if known else buffers.given_back(values, feeds), seconds

    def bind(self, /, *args: Any, out: Any = None, **kwargs: Any) -> buffers.Bound:
        """The session with these inputs and outputs, for calls that repeat with the same shapes: `bound()`.

        Arrays are bound as they are, where they are contiguous: what is written into them is what the next call reads;
        all else is converted once (`bound.inputs`). out: arrays for the outputs, as a call takes them; by default those
        of a first run, which is made here. Each call writes into the same ones (`bound.outputs`).

        Raises what a call raises.
        """
        engine = self._open()
        buffers.check_bound(self.outputs)
        feeds = buffers.contiguous(self.check(*args, **kwargs), self.inputs)
        named = {} if out is None else buffers.named_out(self.outputs, out)
        given = self._out(named, feeds)
        first = engine.run_bound(engine.bind(feeds, given), feeds, given)
        made = buffers.written_into(self.outputs, first, given, feeds)
        binding = engine.bind(feeds, made)

        def run() -> None:
            self._contract.check_values(feeds)
            self._open().run_bound(binding, feeds, made)

        shown = dict(zip(self._outputs, buffers.given_back(list(made.values()), feeds), strict=True))
        return buffers.Bound(run, buffers.sources(feeds), {**shown, **named})

    def _out(self, named: Mapping[str, Any], feeds: Mapping[str, Any]) -> dict[str, Any]:
        found = buffers.read_out(self.outputs, named, feeds)
        check_reach("output", found, self.device)
        return found

    def _open(self) -> Runner:
        engine = self._engine
        if engine is None:
            raise UsageError(f"{self.path}: the session is closed")
        return engine

    def check(self, /, *args: Any, **kwargs: Any) -> dict[str, np.ndarray[Any, Any]]:
        """The arrays that a call with the same arguments would run on, checked and converted; nothing is run."""
        from archonnx.runtime.text.feeding import with_texts

        given = with_texts(self.tokenize, [spec.name for spec in self.inputs], args, kwargs)
        feeds = self._contract.check(self._contract.names(*given))
        check_reach("input", feeds, self.device)
        return feeds

    def generate(
        self, prompt: Any, *, on_token: Callable[[Piece], object] | None = None, **options: Unpack[Options]
    ) -> Generation:
        """What a model that scores the token to come next makes of a prompt: `.text`, `.tokens`, `.reason`.

        prompt: a text, for which the model has a tokenizer, or a list or array of tokens; or several of either, which
        go on together (`.rows`). on_token: called with each piece as it comes.

        max_new_tokens (128), min_new_tokens: how many come at most, and at least; the model's context ends a text too.
        temperature: 0 takes the best token each time, the default; above it, a token is drawn, top_k and top_p from
        the best alone. Where one of these or `seed` is given, the temperature is 1. seed: the same gives the same
        tokens. repetition_penalty: above 1 makes tokens that were there less likely. stop: tokens or texts that end
        it, by default the tokenizer's own ends; [] for none. inputs: what else the model takes, by name, and what its
        states begin with in place of zeros.

        A model without states reads all tokens again for each that comes, which is logged once as a warning.

        Raises UsageError for a wrong argument and for a model that does not generate, InputError for a prompt that is
        empty, longer than the context or outside the vocabulary, TokenizerError, RunError, MachineError.
        """
        stream = self.stream(prompt, **options)
        for remark in () if self._remarked else stream.remarks:
            log.warning(remark)
            self._remarked = True
        for piece in stream:
            if on_token is not None:
                on_token(piece)
        return stream.result

    def stream(self, prompt: Any, **options: Unpack[Options]) -> Stream:
        """As `generate`, piece by piece: iterate over it. `.result` is what came so far, `.remarks` what a person
        should know of how it runs."""
        from archonnx.runtime.generation import roles, session

        engine = self._open()
        if self._roles is None:
            self._roles = roles.read_roles(self._model, self._contract)
        return session.start(engine, self._contract, self._roles, self.tokenizer, prompt, **options)

    def placement(self, **sizes: int) -> Placement:
        """Which provider of onnxruntime runs which nodes, and what share of the multiply-accumulates (MACs).

        sizes: what symbols of the inputs' shapes stand for where MACs are counted, by default 1. print() shows it.

        Raises UsageError for a symbol that no input has and for a size that is none, OSError where the file is gone,
        ModelFileError where it is another one by now.
        """
        from archonnx.runtime.work import counted_macs

        engine = self._open()
        symbols = symbol_sizes(self._model, sizes)
        return place(self._model, engine.ran, counted_macs(self._origin.skeleton(), symbols), symbols)

    def profile(self, /, *args: Any, runs: int | None = None, **kwargs: Any) -> Profile:
        """Where the time of a call with these inputs goes, which are drawn where none are given: print() shows it.

        runs: how many are timed, by default those of two seconds, 3 to 50. The model is loaded a second time for it.

        Raises what a call raises, UsageError where the model was not loaded from a file, and as `placement` where the
        file is gone or another one.
        """
        from archonnx.runtime.profiling.measured import inputs_for, profiled

        return profiled(self, inputs_for(self, args, kwargs), runs=runs)

    @property
    def whole_batch(self) -> str | None:
        """Why a batch of it always runs as a whole, with the node that forbids other ways; None where parts of its rows
        may run apart, as a batch too large for memory does."""
        from archonnx.runtime.batching.running import why_whole

        return why_whole(self._open())

    def close(self) -> None:
        """Give the model's memory back. Calls in progress finish; later ones raise UsageError. May be called again."""
        self._engine = None

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        inputs, outputs = (", ".join(map(str, specs)) for specs in (self.inputs, self.outputs))
        state = "" if self._engine else ", closed"
        where = self.device if self.precision == "float32" else f"{self.device} in {self.computes}"
        return f"<Session {self.name or self.path} on {where}: ({inputs}) -> ({outputs}){state}>"
