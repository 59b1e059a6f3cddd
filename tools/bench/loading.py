"""How long models take to load, the first time and again: `python -m tools.bench.loading --help`.

Each load is that of a fresh process that has imported onnxruntime already. The ways take turns, so that a busy moment
of the machine falls on all alike; the files have been read before, so that no disk is waited for. Exits with 1 where a
second load takes more than half as long as onnxruntime's.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tools.bench.measure import environment
from tools.bench.startup import machine

ROOT = Path(__file__).resolve().parent.parent.parent
BOUND = 0.5
MODELS = {"DNN": "dnn", "ResNet50": "resnet", "VGG19": "vgg", "BERTBase": "bert", "MiniLM": "bert"}
WAYS = {
    "onnxruntime": "onnxruntime.InferenceSession(path), its defaults",
    "off": "without a cache",
    "first": "the first time: optimised, and kept",
    "again": "again: from the cache",
}


@dataclass
class Loads:
    """Seconds of wall and processor time, and bytes of memory at most, of a load by one way, in each round."""

    wall: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)
    memory: list[int] = field(default_factory=list)


def child(way: str, path: str, cache: str) -> None:
    """Load a model by one way, and print what it took."""
    import onnxruntime

    from archonnx.runtime.loading import load
    from archonnx.runtime.measuring.worker import peak_memory

    wall, processor = time.perf_counter(), time.process_time()
    if way == "onnxruntime":
        onnxruntime.InferenceSession(path)
    else:
        session = load(path, "cpu", cache="off" if way == "off" else cache)
        assert session.cached is (way == "again"), "the cache did not do what is measured"
    taken = [time.perf_counter() - wall, time.process_time() - processor]
    print(json.dumps([*taken, peak_memory() or 0]))


def measure(path: Path, rounds: int, folder: Path) -> dict[str, Loads]:
    """Every way in turns, after a round that is not counted; each has a cache of its own, which the first load fills
    and the next one takes."""
    found = {way: Loads() for way in WAYS}
    surroundings = environment(folder / "compiled")
    for number in range(rounds + 1):
        cache = folder / f"cache{number}"
        for way in WAYS:
            command = [sys.executable, "-m", "tools.bench.loading", "--child", way, str(path), str(cache)]
            done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=surroundings, check=False)
            if done.returncode:
                raise SystemExit(f"{path.name}, {way}: {done.stderr.strip()}")
            wall, processor, memory = json.loads(done.stdout)
            if not number:
                continue
            found[way].wall.append(wall)
            found[way].processor.append(processor)
            found[way].memory.append(memory)
        shutil.rmtree(cache)
    return found


def ratio(one: Sequence[float], other: Sequence[float]) -> float:
    """Of times in the same round, the median."""
    return statistics.median(a / b for a, b in zip(one, other, strict=True))


def row(name: str, size: int, found: dict[str, Loads]) -> str:
    """A row of the table."""
    times = [f"{statistics.median(found[way].wall) * 1e3:,.0f}" for way in WAYS]
    ratios = [
        f"{ratio(getattr(found['again'], kind), getattr(found['onnxruntime'], kind)):.2f}"
        for kind in ("wall", "processor")
    ]
    memory = [f"{statistics.median(found[way].memory) / 1e6:,.0f}" for way in ("onnxruntime", "again")]
    return f"| {name}, {size / 1e6:,.0f} MB | {' | '.join([*times, *ratios, *memory])} |"


COLUMNS = (
    "model",
    "onnxruntime, ms",
    "without a cache",
    "first time",
    "again",
    "again / onnxruntime",
    "in processor time",
    "memory, MB: onnxruntime",
    "again",
)
HEAD = f"| {' | '.join(COLUMNS)} |\n{'|---' * len(COLUMNS)}|"


def rows(names: Sequence[str], files: Sequence[Path], rounds: int) -> Iterator[tuple[str, float]]:
    """A row of the table for each model that ships and each file, with the ratio of a second load's processor time to
    that of onnxruntime's first."""
    import archonnx

    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        subjects: list[str | Path] = [*names, *files]
        for each in subjects:
            path = each if isinstance(each, Path) else folder / f"{each}.onnx"
            if not isinstance(each, Path):
                archonnx.compile(ROOT / "models" / f"{MODELS[each]}.arch", model=each).save(path)
            found = measure(path.resolve(), rounds, folder)
            second = ratio(found["again"].processor, found["onnxruntime"].processor)
            yield row(path.stem, path.stat().st_size, found), second
            if not isinstance(each, Path):
                path.unlink()


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.bench.loading", description=__doc__)
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE.onnx", help="by default models that ship")
    parser.add_argument("--model", choices=sorted(MODELS), action="append", help="by default all")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--child", nargs=3, metavar=("WAY", "FILE", "CACHE"), help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.child:
        child(*given.child)
        return 0
    print(f"{machine()}; {given.rounds} rounds, load of the machine {os.getloadavg()[0]:.1f}\n\n{HEAD}")
    good = True
    for line, second in rows(given.model or ([] if given.files else list(MODELS)), given.files, given.rounds):
        print(line, flush=True)
        good = good and second <= BOUND
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
