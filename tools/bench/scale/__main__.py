"""Builds and inference beside other tools, written into docs/benchmarks.md: `python -m tools.bench.scale --help`.

The peers run in an environment of their own, which is made the first time (3 GB on the disk). Each run is a process of
its own under a limit on its address space; the ways take turns. A partial run replaces its own parts of the page.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tools.bench.scale import builds, large, limits, page, records, speeds, surroundings
from tools.bench.scale.progress import Bar
from tools.bench.scale.subjects import QUICK, ROOT, SUBJECTS, WIDEST, WIDTHS

PARTS = ("builds", "sizes", "speeds", "limits", "startup", "large")
COMMAND = "python -m tools.bench.scale"
COPIES = 5  # runs of what is compared with the disk


def parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog=COMMAND, description=__doc__)
    add = parser.add_argument
    add("--only", nargs="+", choices=PARTS, metavar="PART", help=f"{', '.join(PARTS)}; by default all but large")
    add("--models", nargs="+", choices=list(SUBJECTS), metavar="NAME", help=", ".join(SUBJECTS))
    add(
        "--ways",
        nargs="+",
        choices=list(builds.ALL),
        default=list(builds.ALL),
        metavar="WAY",
        help=", ".join(builds.ALL),
    )
    add("--runs", type=int, default=3, help="of each way; one that takes longer than 15 s has one (default: 3)")
    add("--memory", type=float, default=16, metavar="GIB", help="address space of each process (default: 16)")
    add("--patience", type=float, default=300, metavar="SECONDS", help="of a run, then it is killed (default: 300)")
    add("--large", action="store_true", help="also GPT-2 1.5B with real bytes (6.2 GB), files of 3 and 6 GB")
    add("--large-model", default="GPT2XL", metavar="NAME", help="of models/gpt2.arch, for --large (default: GPT2XL)")
    add("--quick", action="store_true", help="two small networks, one run: to see that all of it works")
    add(
        "--to",
        type=Path,
        metavar="FOLDER",
        help="where the page goes: docs, or build/benchmarks where not all is measured",
    )
    add("--folder", type=Path, help="where models lie while they are measured (by default a temporary one)")
    add("--python", type=Path, metavar="FILE", help="an interpreter that has the peers, instead of an environment made")
    add("--redraw", action="store_true", help="write page and pictures from benchmarks/results.json, measure nothing")
    given = parser.parse_args(arguments)
    given.partial = bool(given.quick or given.models or set(given.ways) != set(builds.ALL))
    given.parts = [part for part in PARTS if part in (given.only or (PARTS if given.large else PARTS[:-1]))]
    given.names = given.models or list(QUICK if given.quick else SUBJECTS)
    given.runs = 1 if given.quick else given.runs
    given.to = given.to or (ROOT / "build" / "benchmarks" if given.partial and not given.redraw else ROOT / "docs")
    return given


def measured(given: argparse.Namespace, bench: builds.Bench, part: str) -> records.Section:
    """One part."""
    section, ways = records.Section({}), list(given.ways)
    huge = part == "large" or given.large
    if part == "builds":
        section.rows = builds.builds(bench, given.names, ways, given.runs)
    elif part == "sizes":
        widths = WIDTHS[:1] if given.quick else (*WIDTHS, *([WIDEST] if huge else []))
        section.rows = builds.sizes(bench, widths, ways, given.runs)
    elif part == "speeds":
        if "builds" not in given.parts:  # which leaves the peers' files
            for name in given.names:
                builds.side_by_side(bench, name, list(builds.KEPT), 1, keep=True)
        section.more = speeds.speeds(bench, given.names, 2 if given.quick else 5, 0.2 if given.quick else 0.4)
    elif part == "limits":
        copies = 1 if given.quick else COPIES
        section.rows = limits.deep(bench, given.runs)
        section.rows += limits.drawing(bench, huge, copies) + limits.copying(bench, huge, copies)
    elif part == "large":
        section.rows, section.more = large.whole(bench, given.large_model)
    return section


def expected(given: argparse.Namespace) -> float:
    """Seconds that it may take, for the bar."""
    widths = WIDTHS[:1] if given.quick else WIDTHS
    copies = 1 if given.quick else COPIES
    each = {
        "builds": builds.expected(given.names, [], given.ways, given.runs),
        "sizes": builds.expected([], widths, given.ways, given.runs),
        "speeds": speeds.EXPECTED * len(given.names),
        "limits": limits.expected(given.runs, copies, given.large),
        "startup": 15.0,
        "large": 3 * large.EXPECTED,
    }
    return sum(each[part] for part in given.parts)


def about(given: argparse.Namespace, versions: dict[str, str], arguments: Sequence[str]) -> dict[str, Any]:
    """What is told of a run below its tables."""
    return {
        "command": told(arguments),
        "versions": versions,
        "runs": given.runs,
        "limit": int(given.memory * 2**30),
        "load": os.getloadavg()[0],
        **surroundings.machine(),
    }


def told(arguments: Sequence[str]) -> str:
    """The command, without the options that name folders of this machine."""
    words, rest = [COMMAND], list(arguments)
    while rest:
        word = rest.pop(0)
        if word in ("--python", "--folder", "--to"):
            rest = rest[1:]
        else:
            words.append(f'"{word}"' if " " in word else word)
    return " ".join(words)


def redrawn(given: argparse.Namespace, peers: Path, sections: dict[str, records.Section]) -> None:
    """Write the page and its pictures."""
    results = given.to / "benchmarks" / "results.json"
    command = [str(peers), "-m", "tools.bench.scale.plots", str(results), str(results.parent)]
    done = subprocess.run(command, capture_output=True, text=True, env=surroundings.environment(), check=False)
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:] or ["no reason told"]
        print(f"the pictures cannot be drawn: {last[0]}", file=sys.stderr)
    page.written(given.to / "benchmarks.md", sections)


def main(arguments: Sequence[str] | None = None) -> int:
    arguments = sys.argv[1:] if arguments is None else arguments
    given = parsed(arguments)
    results = given.to / "benchmarks" / "results.json"
    began = time.perf_counter()
    try:
        say = lambda line: print(line, file=sys.stderr)  # noqa: E731
        peers = given.python or surroundings.prepared(surroundings.cache() / "peers", say)
    except surroundings.SetupError as error:
        print(f"error: {error}", file=sys.stderr)
        return 3
    sections = records.read(results)
    if given.redraw:
        redrawn(given, peers, sections)
        return 0
    versions = surroundings.versions(peers)
    bar, failed = Bar(expected(given)), list[str]()
    try:
        with tempfile.TemporaryDirectory(prefix="scale-", dir=given.folder, ignore_cleanup_errors=True) as temporary:
            bench = builds.Bench(
                python=sys.executable,
                peers=str(peers),
                folder=Path(temporary),
                environment=surroundings.environment(),
                limit=int(given.memory * 2**30),
                patience=given.patience,
                step=bar.step,
            )
            for part in given.parts:
                where = about(given, versions, arguments)
                if part == "startup":
                    bar.step("startup", 15.0)
                    write = [sys.executable, "-m", "tools.bench.startup", "--write", str(given.to / "benchmarks.md")]
                    subprocess.run(write, stdout=subprocess.DEVNULL, env=bench.environment, check=False)
                    continue
                try:
                    section = measured(given, bench, part)
                except RuntimeError as error:  # ours could not make what is measured: the other parts go on
                    bar.say(f"{part}: {error}")
                    failed.append(part)
                    continue
                section.about = where
                sections[part] = section
                records.write(results, sections)
                redrawn(given, peers, sections)
                bar.say(f"{part}: measured, {time.perf_counter() - began:.0f} s so far")
    except KeyboardInterrupt:
        bar.say("interrupted: what was measured before is written")
        return 130
    finally:
        bar.close()
    done = ", ".join(part for part in given.parts if part not in failed)
    print(f"{given.to / 'benchmarks.md'}: {done}, in {(time.perf_counter() - began) / 60:.1f} minutes")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
