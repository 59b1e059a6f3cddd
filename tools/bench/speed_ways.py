"""The ways to run a network whose speed is compared, each started in a process of its own, which then takes turns."""

from __future__ import annotations

import contextlib
import os
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

import archonnx
from archonnx.contract.agreement import error
from tools.bench.speed_subjects import SUBJECTS, Subject
from tools.reference.modules import prepare as let_torchvision_be_imported

Call = Callable[[], Any]
Facts = dict[str, Any] | None
EXPORT = "onnxruntime, PyTorch's export"
CONVERTED = "onnxruntime, tf2onnx's file"
OURS, OURS_FLOAT32 = "archonnx, max_error=1e-2", "archonnx, float32"
FLOAT32_ERROR, LOWERED_ERROR = 1e-4, 1e-2
EXAMPLES = 16


def files(subject: Subject, folder: Path) -> tuple[Path, Path]:
    """Our model's file, and PyTorch's export."""
    stem = subject.name.lower()
    return folder / f"{stem}.onnx", folder / f"{stem}.torch.onnx"


def prepare(subject: Subject, folder: Path) -> None:
    """Write both files, those that are not there."""
    mine, theirs = files(subject, folder)
    if not mine.exists():
        subject.ours().save(mine, seed=1)
    if not theirs.exists():
        import torch

        torch.manual_seed(0)
        part = theirs.with_suffix(".part")
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")  # the exporter that needs no other package says that it is old
            names = list(subject.feeds())
            torch.onnx.export(subject.torch().eval(), subject.torch_inputs(), part, dynamo=False, input_names=names)
        part.replace(theirs)


def _export(subject: Subject, folder: Path) -> tuple[Call, None]:
    import onnxruntime

    session = onnxruntime.InferenceSession(files(subject, folder)[1], providers=["CPUExecutionProvider"])
    given = dict(zip((each.name for each in session.get_inputs()), _theirs(subject), strict=False))
    return lambda: session.run(None, given), None


def _converted(subject: Subject, folder: Path) -> tuple[Call, None]:
    import onnxruntime

    path = folder / f"{subject.name.lower()}.tf2onnx.onnx"
    if not path.exists():
        raise RuntimeError("tf2onnx wrote no file")
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names, arrays = [each.name for each in session.get_inputs()], list(subject.feeds().values())
    if len(names) != len(arrays):  # it makes inputs of constants that a function of TensorFlow captured
        raise RuntimeError(f"tf2onnx's file asks for {len(names)} inputs, where the network has {len(arrays)}")
    given = dict(zip(names, arrays, strict=True))
    return lambda: session.run(None, given), None


def _theirs(subject: Subject) -> list[np.ndarray[Any, Any]]:
    return [np.ascontiguousarray(np.moveaxis(a, -1, 1)) if subject.pictures else a for a in subject.feeds().values()]


def _torch(compiled: bool, half: bool) -> Callable[[Subject, Path], tuple[Call, Facts]]:
    def start(subject: Subject, folder: Path) -> tuple[Call, Facts]:
        import torch

        dtype = torch.bfloat16 if half else torch.float32
        model, inputs = subject.torch().eval(), subject.torch_inputs()
        exact = None
        if half:
            with torch.inference_mode():
                exact = _arrays(model(*inputs))
        model = model.to(dtype)
        inputs = tuple(x.to(dtype) if x.is_floating_point() else x for x in inputs)
        if subject.pictures:
            model = model.to(memory_format=torch.channels_last)
            inputs = tuple(x.contiguous(memory_format=torch.channels_last) for x in inputs)
        if compiled:
            model = torch.compile(model, dynamic=False)

        def call() -> Any:
            with torch.inference_mode():
                return model(*inputs)

        return call, None if exact is None else {"error": _worst(_arrays(call()), exact)}

    return start


def _arrays(outputs: Any) -> list[np.ndarray[Any, Any]]:
    """What a module of PyTorch gives, as arrays of float32, one after another."""
    if isinstance(outputs, Mapping):
        outputs = list(outputs.values())
    if isinstance(outputs, list | tuple):
        return [array for each in outputs for array in _arrays(each)]
    return [outputs.float().numpy()] if hasattr(outputs, "numpy") else []


def _worst(found: Iterable[Any], exact: Iterable[Any]) -> float:
    """The largest error of several results."""
    return max(error(np.asarray(y), np.asarray(reference)) for y, reference in zip(found, exact, strict=True))


def _tensorflow(subject: Subject, folder: Path) -> tuple[Call, None]:
    os.environ["KERAS_BACKEND"] = "tensorflow"
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    import tensorflow as tf

    model, arrays = subject.keras(), [tf.constant(array) for array in subject.feeds().values()]
    names = [each.name for each in model.inputs]
    given = arrays[0] if len(arrays) == 1 else dict(zip(names, arrays, strict=True))
    run = tf.function(lambda x: model(x, training=False))
    return lambda: run(given), None


def _openvino(hint: str) -> Callable[[Subject, Path], tuple[Call, Facts]]:
    def start(subject: Subject, folder: Path) -> tuple[Call, Facts]:
        import openvino

        core = openvino.Core()
        if hint == "bf16" and "BF16" not in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
            raise RuntimeError("this processor has no bfloat16 that OpenVINO lists")
        shapes = {index: array.shape for index, array in enumerate(_theirs(subject))}
        model = core.read_model(files(subject, folder)[1])
        model.reshape(dict(zip((port.any_name for port in model.inputs), shapes.values(), strict=False)))
        arrays = dict(enumerate(_theirs(subject)[: len(model.inputs)]))

        def compiled(hint: str) -> Any:
            options = {"INFERENCE_PRECISION_HINT": hint, "PERFORMANCE_HINT": "LATENCY"}
            return core.compile_model(model, "CPU", options).create_infer_request()

        exact = None if hint == "f32" else [y.copy() for y in compiled("f32").infer(arrays).values()]
        request = compiled(hint)
        about = None if exact is None else {"error": _worst(request.infer(arrays).values(), exact)}
        return lambda: request.infer(arrays, share_inputs=True), about

    return start


def _examples(feeds: Mapping[str, np.ndarray[Any, Any]]) -> list[dict[str, np.ndarray[Any, Any]]]:
    """What errors are measured on, and int8 calibrated: not the inputs that are timed, but their numbers in other
    orders."""
    orders = [np.random.default_rng(number) for number in range(EXAMPLES)]
    return [
        {name: order.permuted(array.ravel()).reshape(array.shape) for name, array in feeds.items()} for order in orders
    ]


def _ours(bound: float, precision: str | None) -> Callable[[Subject, Path], tuple[Call, dict[str, Any]]]:
    def start(subject: Subject, folder: Path) -> tuple[Call, dict[str, Any]]:
        import onnxruntime

        path, feeds = str(files(subject, folder)[0]), subject.feeds()
        session = archonnx.load(path, precision=precision, max_error=bound, data=_examples(feeds))
        exact = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"]).run(None, feeds)
        found, _ = session.run_with_timing(feeds)
        worst = _worst(found.values(), exact)
        return lambda: session(feeds), {"error": worst, "on": f"{session.device} {session.precision}"}

    return start


WAYS: dict[str, Callable[[Subject, Path], tuple[Call, Facts]]] = {
    EXPORT: _export,
    "PyTorch": _torch(compiled=False, half=False),
    "PyTorch, compiled": _torch(compiled=True, half=False),
    "TensorFlow": _tensorflow,
    "OpenVINO, float32": _openvino("f32"),
    OURS_FLOAT32: _ours(FLOAT32_ERROR, "float32"),
    "PyTorch, bfloat16": _torch(compiled=False, half=True),
    "PyTorch, compiled, bfloat16": _torch(compiled=True, half=True),
    "OpenVINO, bfloat16": _openvino("bf16"),
    OURS: _ours(LOWERED_ERROR, None),
}
BY_SCALE = {CONVERTED: _converted}  # of files that tools.bench.scale has let others write
LOWERED = ("PyTorch, bfloat16", "PyTorch, compiled, bfloat16", "OpenVINO, bfloat16")
FLOAT32 = ("PyTorch", "PyTorch, compiled", "TensorFlow", "OpenVINO, float32")  # of the peers, what computes in it


def within(facts: Mapping[str, Any]) -> bool:
    """Whether a way keeps to the error that ours is bound to, where it was measured."""
    return float(facts.get("error") or 0.0) <= LOWERED_ERROR


def errors_of_others(networks: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> str:
    """A sentence on what the others' lower precision costs: name of a network -> way -> what is known of it."""
    told = []
    for way in LOWERED:
        each = [(name, ways[way]) for name, ways in networks.items() if "error" in ways.get(way, {})]
        if each:
            cells = (f"{name} {one['error']:.1e}{'' if within(one) else ', past it'}" for name, one in each)
            told.append(f"{way}: {'; '.join(cells)}.")
    if not told:
        return ""
    return f"Errors of others, which are not compared with ours where they are past {LOWERED_ERROR:g}: {' '.join(told)}"


def serve(channel: Any, subject: str, way: str, folder: str) -> None:
    """In a process of its own: prepare, or start a way, then measure for as many seconds as the other side says.

    Sends ("ready", facts) or ("failed", reason), then for each number of seconds a list of seconds, one a call.
    """
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 1)
        os.dup2(nowhere.fileno(), 2)
        sys.stdout = sys.stderr = nowhere
        try:
            let_torchvision_be_imported()  # transformers does
            if not way:
                prepare(SUBJECTS[subject], Path(folder))
                channel.send(("ready", {}))
                return
            began = time.perf_counter()
            call, facts = (WAYS | BY_SCALE)[way](SUBJECTS[subject], Path(folder))
            for _ in range(3):
                call()
            channel.send(("ready", {"start": time.perf_counter() - began, **(facts or {})}))
        except Exception as failure:  # noqa: BLE001 (the table tells it, whatever it is)
            channel.send(("failed", f"{type(failure).__name__}: {' '.join(str(failure).split())[:200]}"))
            return
        with contextlib.suppress(EOFError):
            while True:
                channel.send(_turn(call, channel.recv()))


def _turn(call: Call, seconds: float) -> list[float]:
    """The seconds of single calls, after one that is not counted: the other ways have had the caches."""
    call()
    ends, times = time.perf_counter() + seconds, []
    while True:
        before = time.perf_counter()
        call()
        after = time.perf_counter()
        times.append(after - before)
        if after > ends:
            return times
