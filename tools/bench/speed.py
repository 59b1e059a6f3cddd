"""How fast networks run here, by archonnx and by others: `python -m tools.bench.speed --help`.

Each way is a process of its own; they take turns, every other round in the opposite order, so that a busy moment falls
on all alike; ratios are of the medians of each round. Peers are onnxruntime with its defaults on PyTorch's own export,
PyTorch, TensorFlow and OpenVINO. After the networks come int8 (tools/bench/int8.py) and second loads
(tools/bench/loading.py). The tables go into docs/performance.md by --write.
"""

from __future__ import annotations

import argparse
import math
import os
import platform
import statistics
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

from archonnx.runtime.measuring.figures import Ratio, ratio
from tools.bench import int8, loading, speed_free, units
from tools.bench.speed_child import Child
from tools.bench.speed_subjects import SUBJECTS
from tools.bench.speed_ways import EXPORT, FLOAT32, OURS, OURS_FLOAT32, WAYS, errors_of_others, within

PAGE = Path(__file__).resolve().parents[2] / "docs" / "performance.md"
HEADING = "## Speed on"  # a processor: each has a section of its own
COMMAND = "python -m tools.bench.speed --write"
CAVEAT = (
    "Batch 1. Weights are as drawn: the outputs of VGG-19 and ResNet-50 are a softmax over classes nearly equal, "
    "which int8 holds easily; a trained network may lose more, and then takes bfloat16. int8 is calibrated on other "
    "inputs than those that are timed.\n\n"
    "The aims of the first row of ratios are for processors that multiply matrices in bfloat16 in units of their own "
    "(AMX), and have them for themselves; elsewhere they are past reach where bfloat16 takes half the time of float32. "
    "Peers' errors are of their own drawn weights."
)
UNITS = (
    "Products of 1024 by 1024 on each core alone, by PyTorch, before, between and after the networks (`python -m "
    "tools.bench.units`). Where two of them differ in bfloat16, somebody else uses the matrix units of the slower one: "
    "a call on both waits for it."
)
FREE = (
    f"{OURS}, beside {EXPORT}, in rounds of a tenth of a second for each in which no core's matrix units were slower "
    f"than {speed_free.FREE:g} of their best before, between and after them: what the ratio is where nobody else uses "
    "them (`python -m tools.bench.speed --parts free`)."
)
PARTS = ("networks", "free", "int8", "loading")
INT8_ERROR = 4.2e-2  # of the logits of EfficientNet-Lite0: at it, 98 % of crops agree (docs/int8.md)
BEST = 1.05  # the most that ours may take, as a ratio to the best peer


@dataclass
class Found:
    """What was found of one way: its rounds, each the seconds of its calls; reason: why there are none."""

    rounds: list[list[float]] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
    reason: str = ""

    @property
    def median(self) -> float:
        return statistics.median(each for turn in self.rounds for each in turn)


def compare(subject: str, ways: Sequence[str], folder: Path, rounds: int, seconds: float) -> dict[str, Found]:
    """Measure a network in all ways. seconds: of each way's turn in a round."""
    found = {way: Found() for way in ways}
    first = Child(subject, "", folder)
    state, about = first.started()
    first.close()
    if state == "failed":
        return {way: Found(reason=f"the models cannot be made: {about}") for way in ways}
    children: dict[str, Child] = {}
    try:
        for way in ways:
            child = Child(subject, way, folder)
            state, about = child.started()
            if state == "failed":
                found[way].reason = about
                child.close()
                continue
            found[way].facts, children[way] = about, child
        for number in range(rounds):
            for way in list(children) if number % 2 == 0 else list(reversed(children)):
                try:
                    found[way].rounds.append(children[way].turn(seconds))
                except (EOFError, OSError):
                    found[way].reason = "its process ended while it was measured"
                    children.pop(way).close()
    finally:
        for child in children.values():
            child.close()
    return found


def against(found: Mapping[str, Found], way: str, peers: Sequence[str]) -> tuple[str, Ratio] | None:
    """A way beside the best of these that keep to its error: which that is, and the ratio of times."""
    there = [peer for peer in peers if peer in found and not found[peer].reason and within(found[peer].facts)]
    if way not in found or found[way].reason or not there:
        return None
    best = min(there, key=lambda peer: found[peer].median)
    return best, ratio(found[way].rounds, found[best].rounds)


def tables(results: Mapping[str, Mapping[str, Found]]) -> str:
    """The times, and the ratios with what they are meant to stay under, in Markdown."""
    names = list(results)
    lines = [f"| milliseconds a call | {' | '.join(names)} |", f"|---|{'---|' * len(names)}"]
    ways = [way for way in WAYS if any(way in found for found in results.values())]
    reasons: list[str] = []
    for way in ways:
        cells = []
        for name in names:
            each = results[name].get(way, Found(reason="not measured"))
            cells.append("" if each.reason else f"{each.median * 1e3:.1f}")
            if each.reason:
                reasons.append(f"- {name}, {way}: {each.reason}")
        lines.append(f"| {way} | {' | '.join(cells)} |")
    lines += ["", "| ratio of times | against | " + " | ".join(names) + " |", f"|---|---|{'---|' * len(names)}"]
    peers = [way for way in WAYS if way not in (OURS, OURS_FLOAT32)]
    for way, others, bound in ((OURS, [EXPORT], None), (OURS, peers, BEST), (OURS_FLOAT32, FLOAT32, BEST)):
        cells = []
        for name in names:
            pair = against(results[name], way, others)
            limit = (SUBJECTS[name].bound if bound is None else bound) or math.inf
            cells.append("" if pair is None else _verdict(pair, limit, len(others) > 1))
        what = EXPORT if bound is None else "the best of the others" + (", in float32" if way == OURS_FLOAT32 else "")
        lines.append(f"| {way} | {what} | {' | '.join(cells)} |")
    facts = []
    for way in (OURS_FLOAT32, OURS):
        told = [(name, results[name][way].facts) for name in names if way in results[name]]
        runs = [f"{name} {about['on']}, error {about['error']:.1e}" for name, about in told if about]
        facts += [f"{way}: {'; '.join(runs)}."] if runs else []
    lowered = {name: {way: one.facts for way, one in each.items()} for name, each in results.items()}
    facts += [said] if (said := errors_of_others(lowered)) else []
    return "\n".join([*lines, "", *facts, *(["", "Not measured:", "", *reasons] if reasons else [])])


def _verdict(pair: tuple[str, Ratio], bound: float, named: bool) -> str:
    best, found = pair
    said = f"{found.median:.2f} ({found.low:.2f} to {found.high:.2f}), {'within' if found.median <= bound else 'past'}"
    return f"{said} {bound:g}{f', {best}' if named else ''}"


def free_table(names: Sequence[str], kept: Path | None, seconds: float) -> str:
    """The ratios to PyTorch's export while the matrix units are free."""
    with tempfile.TemporaryDirectory(prefix="speed-", ignore_cleanup_errors=True) as temporary:
        folder = kept or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        found: dict[str, speed_free.Free | str] = {}
        for name in names:
            print(f"free units, {name} ...", file=sys.stderr)
            found[name] = speed_free.measure(name, OURS, EXPORT, folder, seconds)
    return speed_free.table(found, {name: SUBJECTS[name].bound for name in names})


def int8_tables(rounds: int, crops: int) -> str:
    """EfficientNet-Lite0 with trained weights in int8: what agrees with float32, and the time of a call."""
    with tempfile.TemporaryDirectory(prefix="speed-", ignore_cleanup_errors=True) as folder:
        return f"{int8.accuracy(Path(folder), crops, INT8_ERROR)}\n\n{int8.speed(Path(folder), rounds)}"


def loading_table(rounds: int) -> str:
    """What a second load takes beside onnxruntime's first one."""
    lines = [line for line, _ in loading.rows(list(loading.MODELS), [], rounds)]
    return "\n".join([loading.HEAD, *lines])


def machine() -> str:
    """The machine and the versions, in a line."""
    from archonnx.runtime.machine import allowed_cores

    name = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    for line in info.read_text().splitlines() if info.exists() else ():
        if line.startswith("model name"):
            name = line.partition(":")[2].strip()
            break
    versions = []
    for package in ("onnxruntime", "openvino", "torch", "tensorflow-cpu", "keras"):
        try:
            versions.append(f"{package} {metadata.version(package)}")
        except metadata.PackageNotFoundError:
            continue
    return f"{name}, {allowed_cores()} processors, {platform.system()}, {', '.join(versions)}"


def written(page: str, section: str, heading: str) -> str:
    """The page with the section of this heading replaced, or added at the end."""
    begin = page.find(f"{heading}\n")
    if begin < 0:
        return f"{page.rstrip()}\n\n{heading}\n\n{section}\n"
    after = page.find("\n## ", begin + len(heading))
    rest = "" if after < 0 else page[after:]
    return f"{page[:begin]}{heading}\n\n{section}\n{rest}"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.bench.speed", description=__doc__)
    names = [name for name, subject in SUBJECTS.items() if subject.bound is not None]
    parser.add_argument("--models", nargs="+", choices=names, default=names, metavar="NAME")
    parser.add_argument("--ways", nargs="+", choices=list(WAYS), default=list(WAYS), metavar="WAY")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=0.5, help="of each way's turn in a round")
    parser.add_argument("--free", type=float, default=60.0, metavar="SECONDS", help="of each network, of that part")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS, metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--folder", type=Path, help="where models are kept between runs; by default nowhere")
    parser.add_argument("--write", action="store_true", help="write the tables into docs/performance.md")
    given = parser.parse_args(arguments)
    before, sections = os.getloadavg()[0], list[str]()
    if "networks" in given.parts:
        results: dict[str, dict[str, Found]] = {}
        with tempfile.TemporaryDirectory(prefix="speed-", ignore_cleanup_errors=True) as temporary:
            folder = given.folder or Path(temporary)
            folder.mkdir(parents=True, exist_ok=True)
            rates = [units.rates()]
            for name in given.models:
                print(f"{name} ...", file=sys.stderr)
                results[name] = compare(name, given.ways, folder, given.rounds, given.seconds)
                rates.append(units.rates())
        sections.append(f"{tables(results)}\n\n{CAVEAT}\n\n{UNITS}\n\n{units.table(rates)}")
    if "free" in given.parts and units.shared():
        sections.append(f"{FREE}\n\n{free_table(given.models, given.folder, given.free)}")
    if "int8" in given.parts:
        print("int8 ...", file=sys.stderr)
        about = "EfficientNet-Lite0 with trained weights, in int8 ([int8.md](int8.md)); batch 1:"
        sections.append(f"{about}\n\n{int8_tables(given.rounds, 600)}")
    if "loading" in given.parts:
        print("loading ...", file=sys.stderr)
        sections.append(f"Loading, again and first ([loading.md](loading.md)):\n\n{loading_table(given.rounds)}")
    busy = f"load of the machine before it {before:.1f}"
    text = "\n\n".join([*sections, f"Measured by `{COMMAND}`, {given.rounds} rounds, on {machine()}; {busy}."])
    if given.write:
        page = PAGE.read_text(encoding="utf-8") if PAGE.exists() else "# How fast models run, and why\n"
        PAGE.write_text(written(page, text, f"{HEADING} {units.processor()}"), encoding="utf-8")
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
