"""The ways that a network is run in, side by side: onnxruntime as it comes, archonnx, and PyTorch."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

import archonnx
from archonnx.contract.agreement import error
from tools.gpu.subjects import Subject

ROWS = 4  # of a batch that are compared with the CPU's


class SkippedError(Exception):
    """Why something is not done here, in one line."""


@dataclass
class Way:
    """One way to run a network. run: a call, which has ended when it returns, inputs and outputs on the device;
    outputs: of one call, the first rows; close: gives the device's memory back."""

    run: Callable[[], Any]
    outputs: Callable[[], np.ndarray[Any, Any]] | None = None
    close: Callable[[], Any] = lambda: None


@dataclass
class Timed:
    """A row of the table. seconds: of single calls; error: from float32 on the CPU, None where the weights are others';
    reason: why there are none."""

    model: str
    batch: int
    way: str
    seconds: list[float] = field(default_factory=list)
    error: float | None = None
    reason: str | None = None

    def json(self) -> dict[str, Any]:
        ordered = sorted(self.seconds)
        told = {}
        if ordered:
            quarter = len(ordered) // 4
            middle = (statistics.median(ordered), ordered[quarter], ordered[-1 - quarter])
            told = {name: value * 1e3 for name, value in zip(("ms", "low", "high"), middle, strict=True)}
        return {
            "kind": "time",
            "model": self.model,
            "batch": self.batch,
            "way": self.way,
            "calls": len(ordered),
            **told,
            "error": self.error,
            "reason": self.reason,
        }


Start = Callable[[Subject, int, str, str], Way]  # of a subject, at a batch, of a file, on a device


def onnxruntime_default(subject: Subject, batch: int, path: str, device: str) -> Way:
    """InferenceSession with its defaults, inputs and outputs bound where it runs."""
    import onnxruntime

    provider = "CUDAExecutionProvider" if device == "cuda" else "CPUExecutionProvider"
    if device == "cuda":
        onnxruntime.preload_dlls()
    session = onnxruntime.InferenceSession(path, providers=[provider])
    if session.get_providers()[0] != provider:
        raise SkippedError(f"onnxruntime runs on {session.get_providers()[0]} instead")
    x = subject.pictures(batch)
    name, out = session.get_inputs()[0].name, session.get_outputs()[0].name
    binding = session.io_binding()
    value = onnxruntime.OrtValue.ortvalue_from_numpy(x, device, 0)
    binding.bind_ortvalue_input(name, value)
    binding.bind_output(out, device)

    def run(kept: Any = (value, x)) -> None:
        session.run_with_iobinding(binding)

    return Way(run, lambda: np.asarray(session.run(None, {name: x})[0])[:ROWS])


def ours(precision: str, copies: bool = False) -> Start:
    """archonnx, in a precision. copies: a call from array to array, in the processor's memory."""

    def start(subject: Subject, batch: int, path: str, device: str) -> Way:
        session = archonnx.load(path, device, precision=precision)
        x = subject.pictures(batch)
        runner: Any = session._engine
        feeds = session.check(x)
        bare = None if copies else runner.bare(feeds)
        if bare is None and not copies:
            raise SkippedError("this model has no run without copies")
        return Way(bare or (lambda: session(x)), lambda: session(x)[:ROWS], session.close)

    return start


def pytorch(compiled: bool) -> Start:
    """PyTorch: half precision and channels last on a GPU, float32 on the CPU."""

    def start(subject: Subject, batch: int, path: str, device: str) -> Way:
        try:
            import torch
        except ImportError:
            raise SkippedError("torch is not installed") from None
        if device == "cuda" and not torch.cuda.is_available():
            raise SkippedError(f"this torch ({torch.__version__}) finds no GPU")
        torch.manual_seed(0)
        dtype = torch.float16 if device == "cuda" else torch.float32
        model = subject.torch().eval().to(device, dtype, memory_format=torch.channels_last)
        if compiled:
            torch.compiler.reset()
            model = torch.compile(model, mode="reduce-overhead" if device == "cuda" else "default", dynamic=False)
        x = torch.from_numpy(subject.pictures(batch)).permute(0, 3, 1, 2).to(device, dtype)
        x = x.contiguous(memory_format=torch.channels_last)

        def run() -> None:
            with torch.inference_mode():
                model(x)
            if device == "cuda":
                torch.cuda.synchronize()

        def close() -> None:
            if device == "cuda":
                torch.cuda.empty_cache()

        return Way(run, None, close)

    return start


def ways_of(device: str, quick: bool) -> dict[str, Start]:
    if device == "cuda":
        return {
            "onnxruntime, default": onnxruntime_default,
            "archonnx, float32": ours("float32"),
            "archonnx, float16": ours("float16"),
            "archonnx, float16, with copies": ours("float16", copies=True),
            "PyTorch, float16": pytorch(compiled=False),
            "torch.compile, float16": pytorch(compiled=True),
        }
    found: dict[str, Start] = {
        "onnxruntime, default": onnxruntime_default,
        "archonnx, float32": ours("float32"),
        "archonnx, float16": ours("float16"),
        "PyTorch, float32": pytorch(compiled=False),
    }
    return found if quick else {**found, "torch.compile, float32": pytorch(compiled=True)}


def reference(subject: Subject, path: str) -> np.ndarray[Any, Any]:
    """The first rows in float32 on the CPU, by onnxruntime alone."""
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    found = session.run(None, {session.get_inputs()[0].name: subject.pictures(ROWS)})[0]
    return np.asarray(found)


def measured(
    subject: Subject,
    batch: int,
    ways: Mapping[str, Start],
    device: str,
    folder: Path,
    seconds: float,
    say: Callable[[Timed], None],
    clock: Callable[[], float] = time.perf_counter,
) -> None:
    """Run a network in all ways, which take turns; `say` gets each row when it is there, and again with its times.

    seconds: that may be spent on calls, all ways together. What fails is a row with its reason.
    """
    path = subject.save(folder)
    rows = {name: Timed(subject.name, batch, name) for name in ways}
    exact = reference(subject, path)
    running: dict[str, Way] = {}
    for name, start in ways.items():
        row = rows[name]
        try:
            way = running[name] = start(subject, batch, path, device)
            way.run()
            way.run()
            if way.outputs is not None:
                row.error = error(way.outputs(), exact[: min(batch, ROWS)])
            say(row)
        except Exception as failure:  # noqa: BLE001 (a row tells it, whatever it is)
            row.reason = said(failure)
            running.pop(name, None)
            say(row)
    began, turn = clock(), 0
    while running and (turn < 3 or clock() - began < seconds):
        for name in list(running) if turn % 2 == 0 else list(reversed(running)):
            slice_ends = clock() + seconds / 10 / len(running)
            try:
                running[name].run()  # others have had the caches
                while True:
                    before = clock()
                    running[name].run()
                    after = clock()
                    rows[name].seconds.append(after - before)
                    if after > slice_ends:
                        break
            except Exception as failure:  # noqa: BLE001
                rows[name].reason = said(failure)
                running.pop(name)
        turn += 1
    for name, row in rows.items():
        say(row)
        if name in running:
            running[name].close()


def said(failure: BaseException) -> str:
    """A failure in one line."""
    if isinstance(failure, SkippedError):
        return str(failure)
    text = " ".join(str(failure).split())
    return f"{type(failure).__name__}: {text[:300]}"
