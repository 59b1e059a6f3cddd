"""What products of one value merged into one gain: `python -m tools.bench.merging --help`.

Each model is written twice, with and without the pass merge_projections, and both are run by the same engine in turns.
Counted is the least processor time of all rounds of a session, which others on the machine disturb least. Where the
allocator lays the weights moves times by several percent, so sessions are made anew a few times: a row is the median of
their ratios, with the quartiles.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

import archonnx
from archonnx.compiler.passes import merge_projections as merging
from archonnx.compiler.passes import pipeline

Run = Callable[[dict[str, Any]], Any]
MODELS = Path(__file__).parents[2] / "models"


@dataclass(frozen=True)
class Subject:
    """A model of the zoo, by its parameters, and the lengths of text that it is run with (none: a picture)."""

    name: str
    file: str
    model: str
    parameters: dict[str, Any]
    lengths: Sequence[int] = ()
    past: int = 0  # tokens whose keys and values come in; one token more is asked for

    def feeds(self, length: int) -> dict[str, Any]:
        """Inputs of that length, by name."""
        rng = np.random.default_rng(0)
        if not length:
            return {"image": rng.random((1, 224, 224, 3), np.float32)}
        ids = rng.integers(0, 999, (1, length))
        found: dict[str, Any] = {"input_ids": ids}
        if self.model != "Llama" or self.past:
            found["attention_mask"] = np.ones((1, self.past + length), np.int64)
        if self.model == "BERT":
            found["token_type_ids"] = np.zeros_like(ids)
        heads, width = self.parameters.get("heads", 1), self.parameters["width"]
        for i in range(self.parameters["layers"] if self.past else 0):
            for what in ("keys", "values"):
                shape = (1, self.parameters.get("shared", heads), self.past, width // heads)
                found[f"{what}_{i}"] = rng.standard_normal(shape, np.float32)
        return found


SMALL = {"layers": 4, "width": 768, "heads": 12}
GPT = {**SMALL, "vocabulary": 1000}
DEEP = {**GPT, "layers": 12, "cache": True}
LLAMA = {"layers": 6, "width": 1024, "heads": 16, "shared": 4, "inner": 2816, "vocabulary": 1000}
SUBJECTS = (
    Subject("BERT-base, 4 layers", "bert.arch", "BERT", SMALL, (8, 32, 128, 384)),
    Subject("GPT-2, 4 layers", "gpt2.arch", "GPT2", GPT, (8, 32, 128, 512)),
    Subject("GPT-2, 12 layers, one token after 100", "gpt2.arch", "GPT2", DEEP, (1,), 100),
    Subject("Llama, 6 layers of 1024", "llama.arch", "Llama", LLAMA, (8, 32, 128, 512)),
    Subject("Llama, 6 layers of 1024, one token after 100", "llama.arch", "Llama", {**LLAMA, "cache": True}, (1,), 100),
    Subject("ViT-B/16, 4 layers", "vit.arch", "ViT", SMALL, (0,)),
)


def onnxruntime_run(path: Path, threads: int) -> Run:
    """A call that runs a file in onnxruntime."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return lambda feeds: session.run(None, feeds)


def openvino_run(path: Path, threads: int) -> Run:
    """A call that runs a file in OpenVINO, in float32."""
    import openvino

    settings = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1}
    request = openvino.Core().compile_model(path, "CPU", settings).create_infer_request()
    return lambda feeds: list(request.infer(feeds).values())


ENGINES = {"onnxruntime": onnxruntime_run, "OpenVINO": openvino_run}


@dataclass
class Row:
    """Ratios of merged to not merged, and the least milliseconds of the latter."""

    name: str
    engine: str
    length: int
    ratios: list[float] = field(default_factory=list)
    milliseconds: float = float("inf")

    def text(self) -> str:
        low, middle, high = statistics.quantiles(self.ratios, n=4)
        spread = f"{middle:.3f} ({low:.3f} to {high:.3f})"
        return f"| {self.name} | {self.engine} | {self.length or 'picture'} | {self.milliseconds:.1f} | {spread} |"


def write(subject: Subject, merged: bool, least: int, path: Path) -> None:
    """The model's file, with the products of `least` branches or more merged or with none."""
    bound = least if merged else sys.maxsize
    with mock.patch.object(merging, "LEAST", bound), mock.patch.object(merging, "ROWS", sys.maxsize):
        assert pipeline.DEFAULT_LEVEL == 2
        archonnx.compile(MODELS / subject.file, model=subject.model, **subject.parameters).save(path)


def race(runs: Sequence[Run], feeds: dict[str, Any], row: Row, rounds: int) -> None:
    """Add the ratio of a pair of sessions."""
    for run in runs:
        run(feeds)
    least = [float("inf"), float("inf")]
    for turn in range(rounds):
        for which in (0, 1) if turn % 2 else (1, 0):
            least[which] = min(least[which], _seconds(runs[which], feeds))
    row.ratios.append(least[1] / least[0])
    row.milliseconds = min(row.milliseconds, least[0] * 1e3)


def _seconds(run: Run, feeds: dict[str, Any]) -> float:
    began = time.process_time()
    run(feeds)
    return time.process_time() - began


def rows(
    subjects: Sequence[Subject], engines: Sequence[str], least: int, sessions: int, rounds: int, threads: int = 1
) -> Iterator[Row]:
    """Measure, and give a row for each model, engine and length."""
    for subject in subjects:
        with tempfile.TemporaryDirectory() as folder:
            paths = [Path(folder) / name for name in ("apart.onnx", "merged.onnx")]
            for merged, path in enumerate(paths):
                write(subject, bool(merged), least, path)
            for engine in engines:
                made = [Row(subject.name, engine, length) for length in subject.lengths]
                for turn in range(sessions):
                    ordered = paths if turn % 2 else paths[::-1]
                    loaded = {path: ENGINES[engine](path, threads) for path in ordered}
                    for row in made:
                        race([loaded[path] for path in paths], subject.feeds(row.length), row, rounds)
                yield from made


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", help="models whose name contains this")
    parser.add_argument("--engine", choices=list(ENGINES), action="append")
    parser.add_argument("--least", type=int, default=merging.LEAST, help="branches that are merged")
    parser.add_argument("--sessions", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args(arguments)
    chosen = [s for s in SUBJECTS if given.only is None or given.only in s.name]
    print("| model | engine | tokens | ms apart | merged / apart, processor time |\n|---|---|---|---|---|")
    measured = rows(chosen, given.engine or list(ENGINES), given.least, given.sessions, given.rounds, given.threads)
    for row in measured:
        print(row.text(), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
