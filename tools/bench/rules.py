"""What `load` chooses where there is no plan, against what it could: `python -m tools.bench.rules --help`.

One thread, and the time that the processor spent on it, so that other processes count for little: the ratios are those
of the work. Each way has a session of its own; they take turns. What needs several threads, or a GPU, is not here.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import archonnx
from archonnx.runtime.measuring.drawing import inputs_of
from archonnx.runtime.measuring.figures import Ratio, ratio
from archonnx.runtime.measuring.subjects import read_subject

# Model -> file that ships, its name there, sizes of the inputs.
MODELS: dict[str, tuple[str, str, dict[str, int]]] = {
    "DNN": ("dnn", "DNN", {}),
    "ResNet-50": ("resnet", "ResNet50", {}),
    "EfficientNet-Lite0": ("efficientnet", "EfficientNetLite0", {}),
    "BERT, 128 tokens": ("bert", "BERTBase", {"T": 128}),
    "LSTM": ("lstm", "SmallCharacterModel", {"T": 64}),
}
Session = Any


def _plain(options: Any, shapes: dict[str, int]) -> None:
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")


def _level(name: str) -> Callable[[Any, dict[str, int]], None]:
    def change(options: Any, shapes: dict[str, int]) -> None:
        import onnxruntime

        options.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, name)

    return change


def _static(options: Any, shapes: dict[str, int]) -> None:
    for name, size in shapes.items():
        options.add_free_dimension_override_by_name(name, size)


def _no_pattern(options: Any, shapes: dict[str, int]) -> None:
    options.enable_mem_pattern = False


def _no_arena(options: Any, shapes: dict[str, int]) -> None:
    options.enable_cpu_mem_arena = False


# Way -> what it changes of onnxruntime's options; the first is ours.
WAYS: dict[str, Callable[[Any, dict[str, int]], None]] = {
    "as load has it": _plain,
    "plain layout": _level("ORT_ENABLE_EXTENDED"),
    "nothing fused": _level("ORT_ENABLE_BASIC"),
    "fixed sizes": _static,
    "no memory pattern": _no_pattern,
    "no arena": _no_arena,
}


def session_of(path: Path, change: Callable[[Any, dict[str, int]], None], sizes: dict[str, int]) -> Session:
    """onnxruntime's own session, of one thread."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    change(options, sizes)
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def measure(path: Path, bind: dict[str, int], batch: int, rounds: int) -> dict[str, Ratio]:
    """Way -> how many times as long as the first; of each round the least of two calls."""
    subject = read_subject(path, path.name)
    arrays, _ = inputs_of(subject.name, subject.contract, {}, batch=batch, bind=bind)
    sizes = {
        axis: arrays[spec.name].shape[place]
        for spec in subject.contract.inputs
        for place, axis in enumerate(spec.shape or ())
        if isinstance(axis, str) and spec.name in arrays
    }
    sessions = {name: session_of(path, change, sizes) for name, change in WAYS.items()}
    taken: dict[str, list[list[float]]] = {name: [] for name in WAYS}
    for session in sessions.values():
        session.run(None, arrays)
    for number in range(rounds):
        for name in list(WAYS)[:: 1 if number % 2 == 0 else -1]:
            sessions[name].run(None, arrays)
            calls = []
            for _ in range(2):
                before = time.process_time()
                sessions[name].run(None, arrays)
                calls.append(time.process_time() - before)
            taken[name].append([min(calls)])
    first = next(iter(WAYS))
    return {name: ratio(taken[name], taken[first]) for name in WAYS}


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.bench.rules", description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--model", choices=sorted(MODELS), action="append", help="by default all")
    given = parser.parse_args(arguments)
    names = list(WAYS)[1:]
    print(f"| model, batch {given.batch} | {' | '.join(names)} |")
    print("|---" * (len(names) + 1) + "|")
    for model in given.model or MODELS:
        file, name, bind = MODELS[model]
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.onnx"
            archonnx.compile(f"src/archonnx/models/{file}.arch", model=name).save(path)
            found = measure(path, bind, given.batch, given.rounds)
        cells = [f"{found[way].median:.2f}" for way in names]
        print(f"| {model} | {' | '.join(cells)} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
