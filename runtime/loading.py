"""Loading a model: any .onnx file, on this machine's devices.

session = load("dnn.onnx")
logits = session(image)  # image: float32[N, 256, 256, 3] -> float32[N, 10]
"""

from __future__ import annotations

import logging
import os
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

from archonnx.contract.diagnostics import ArchonnxError, MachineError, UsageError
from archonnx.contract.endings import is_manifest
from archonnx.runtime.batching.planning import Bare
from archonnx.runtime.batching.rows import read_batch
from archonnx.runtime.batching.running import in_batches
from archonnx.runtime.caching.folders import OFF, check_cache
from archonnx.runtime.contract import Contract
from archonnx.runtime.cuda.graphs import read_graphs
from archonnx.runtime.devicearray import GPU_DEVICES
from archonnx.runtime.emptiness import never_fatal
from archonnx.runtime.errors import ModelFileError
from archonnx.runtime.modelfile import ModelFile, read_model
from archonnx.runtime.padding.declared import read_buckets
from archonnx.runtime.precision.starting import start_as_asked
from archonnx.runtime.samples import Data
from archonnx.runtime.session import Session
from archonnx.runtime.settings import Settings, read_max_error, read_precision
from archonnx.runtime.threads import VARIABLE, thread_count
from archonnx.runtime.tuning.planned import read_choice, start_planned
from archonnx.runtime.weightfiles import check_weights

TRIES = 5
log = logging.getLogger("archonnx.runtime")


@runtime_checkable
class Compiled(Protocol):
    """What the compiler returns, as far as the runtime needs it."""

    def save(self, path: Path, /) -> object: ...


def load(
    model: str | os.PathLike[str] | bytes | Compiled,
    device: str | Sequence[str] = "auto",
    *,
    threads: int | None = None,
    precision: str | None = None,
    max_error: float | None = None,
    data: Data | None = None,
    cache: str | os.PathLike[str] = "auto",
    graphs: bool | Literal["auto"] = "auto",
    plan: str | os.PathLike[str] | None = "auto",
    batch: int | Sequence[int] | None = None,
    buckets: Mapping[str, Sequence[int]] | None = None,
    tokenizer: str | os.PathLike[str] | bytes | None = None,
) -> Session:
    """Load a model for running.

    model: the path of any .onnx file (its external data beside it), the bytes of one, or what `archonnx.compile`
    returned. device: "auto" takes CUDA where it works, else the CPU; "cpu", "cuda", "tensorrt" and "openvino" insist:
    what is asked for runs the model, or there is an error. Of a model in stages (docs/shards.md), the path of its
    NAME.shards.json, device may be a list, one each. threads: of one call on the CPU, by default those of
    ARCHONNX_THREADS, else the physical cores that this process may use.
    precision: what products are computed in: "float32" (also where nothing is said), "tf32", "bfloat16", "float16" or
    "int8", which takes data but for LSTMs. max_error: take the fastest that stays within this error of float32,
    max|y - ref| / max|ref| over each output; with `precision`, of it and float32 alone. data: what that is measured on,
    as `read_samples` takes it: the path of an .npz file, arrays by input name, a list of such mappings, or the only
    input's array.
    cache: where what a start works out is kept for the next one (docs/loading.md): "auto" takes the folder of
    ARCHONNX_CACHE, else `MODEL.onnx.cache` where it stands beside the model, else the user's cache folder; "off" keeps
    nothing, "beside" makes the folder beside the model, and any other is a folder. Only models in files are kept.
    graphs: on CUDA, whether calls that repeat with the same shapes are captured as CUDA graphs: "auto" where it is
    possible, True or an error, False never.
    plan: "auto" takes the one that `archonnx tune` has left beside the model, where it fits model, machine and
    versions, and says in a line of the log where it does not; a path insists on it; None takes none. device, threads,
    precision and max_error go before it.
    batch: at most so many rows run at a time, and a larger batch in parts; of several numbers, each run has exactly one
    of them, filled up with rows that are dropped again. By default as many as memory holds (docs/batching.md).
    buckets: the input that is the mask, with sizes: {"attention_mask": [32, 64, 128]}. A call is filled up to the
    smallest that holds it with tokens that the mask hides, where the graph proves that no result changes by it; else,
    and where it is longer than the largest, it runs in its exact shape (docs/padding.md).
    tokenizer: the file, or its bytes, that makes tokens of texts, in place of the model's asset `tokenizer`.

    Raises OSError where a file cannot be read, ModelFileError where it is no model that runs, UsageError for a
    device or a number of threads that makes no sense, MachineError where a device, a library or memory is missing,
    TokenizerError for a tokenizer that is none, PlanError for a plan that was insisted on and does not fit.
    """
    began = time.perf_counter()
    asked = Settings(
        device if isinstance(device, str) else "auto",
        thread_count(threads),
        read_precision(precision),
        read_max_error(max_error),
        data,
        cache=check_cache(cache),
        graphs=read_graphs(graphs),
        plan=read_choice(plan),
        batch=read_batch(batch),
        buckets=read_buckets(buckets),
        counted=threads is not None or bool(os.environ.get(VARIABLE, "").strip()),
    )
    if data is not None and asked.max_error is None and asked.precision is None:
        raise UsageError("data is what max_error is measured on, or int8 calibrated: say max_error= or precision= too")
    made = None
    if tokenizer is not None:
        if not isinstance(tokenizer, str | os.PathLike | bytes):
            raise UsageError(f"tokenizer is the path of a file, or its bytes, received {type(tokenizer).__name__}")
        from archonnx.runtime.text.tokenizer import read_tokenizer

        made = read_tokenizer(tokenizer)
    session = _opened(model, device, asked)
    session.tokenizer = made
    session.load_time = time.perf_counter() - began
    return session


def _opened(model: str | os.PathLike[str] | bytes | Compiled, device: str | Sequence[str], asked: Settings) -> Session:
    if isinstance(model, str | os.PathLike) and is_manifest(model):
        from archonnx.runtime.sharding.opening import open_chain

        return open_chain(model, device, asked)
    if not isinstance(device, str):
        several = isinstance(device, Sequence)
        reason = "several devices are" if several else "a device is a name, such as 'auto' or 'cpu'; a list of them is"
        raise UsageError(f"device={device!r}: {reason} for a model in stages, NAME.shards.json")
    return opened(model, asked)


def opened(model: str | os.PathLike[str] | bytes | Compiled, asked: Settings) -> Session:
    """As `load`, of what was read already."""
    if isinstance(model, bytes | bytearray | memoryview):
        data = bytes(model)
        return _load(data, read_model(data), asked, stays=False)
    if isinstance(model, str | os.PathLike):
        return _load_file(os.fsdecode(model), asked)
    if isinstance(model, Compiled):
        with tempfile.TemporaryDirectory(prefix="archonnx-", ignore_cleanup_errors=True) as folder:
            target = Path(folder) / "model.onnx"
            model.save(target)
            name = str(getattr(model, "name", "model"))
            return _load(str(target), read_model(target, name), asked, stays=False)
    raise _no_model(model)


def _no_model(found: Any) -> UsageError:
    hint = "; give its bytes: model.SerializeToString()" if hasattr(found, "SerializeToString") else ""
    return UsageError(f"load() takes a path, bytes or a compiled model, received {type(found).__name__}{hint}")


def _load_file(path: str, asked: Settings) -> Session:
    """Load a file, again where another took its place meanwhile: what was read of the two need not fit together."""
    try:
        path.encode()
    except UnicodeEncodeError:
        shown = os.fsencode(path).decode("ascii", "backslashreplace")
        mend = "rename it, set a locale of UTF-8, or load its bytes"
        raise ModelFileError(shown, f"its path is no UTF-8, and onnxruntime takes no other; {mend}") from None
    for _ in range(TRIES):
        before = _number(path)
        try:
            session = _load(path, read_model(path), asked)
        except (ArchonnxError, OSError):
            if _number(path) in (before, None):
                raise
            continue
        if _number(path) in (before, None):
            return session
        session.close()
    raise ModelFileError(path, f"it was replaced {TRIES} times while it was loaded; load it when it stays")


def _number(path: str) -> tuple[int, int, int] | None:
    """What tells a file from the one that took its place: numbers of files are used again."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_mtime_ns


def _load(source: str | bytes, model: ModelFile, asked: Settings, stays: bool = True) -> Session:
    """The steps from an outline to a session, cheapest refusal first. stays: whether the file is there afterwards."""
    check_weights(source, model)
    contract = Contract(model)
    bare = Bare(source, stays)
    if not stays:
        asked = replace(asked, cache=OFF)
    started = start_planned(source, model, contract, asked, bare, stays)
    started = started or start_as_asked(source, model, contract, asked)
    choice = started.runner.choice
    if asked.graphs and choice.device not in GPU_DEVICES:  # those say so themselves, before the model is there
        reason = f"CUDA graphs are impossible: it runs on {choice.device}"
        raise MachineError(f'{model.path}: {reason}; load it with graphs="auto"')
    lowered = f" in {choice.computes}" if choice.precision != "float32" else ""
    log.info("%s runs on %s%s: %s", model.path, choice.device, lowered, started.why)
    runner = in_batches(never_fatal(started.runner, model, bare), model, contract, bare, asked.batch)
    if asked.buckets is not None:
        from archonnx.runtime.padding.running import in_buckets

        runner = in_buckets(runner, source, model, contract, bare, asked.buckets)
    if isinstance(source, str) and stays:
        session = Session(model, contract, runner, os.path.abspath(source), b"")
    else:
        session = Session(model, contract, runner, None, bare() or b"")
    session.choices, session.lowered, session.plan = started.trials, started.lowered, started.plan
    return session
