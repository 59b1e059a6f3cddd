"""docs/benchmarks.md from what was measured: tables, ratios beside what is aimed at, failures among them."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tools.bench.scale import large, limits
from tools.bench.scale.builds import ALL, OURS
from tools.bench.scale.exporting import DYNAMO, KERAS, WAYS
from tools.bench.scale.records import MEGA, Row, Section, found, ratio
from tools.bench.scale.subjects import stack_bytes
from tools.bench.speed_ways import errors_of_others, within

HEAD = """# Benchmarks

How long builds take and how much memory they hold, beside other tools; how fast the files run. `make benchmarks`
measures and writes all of it. Each run is a process of its own, under a limit on its address space; the ways take
turns; what fails is told as a failure, with the last line that it said.
"""
ORDER = ("aims", "builds", "sizes", "speeds", "limits", "large", "startup")
SLICE = 16 * 2**20  # bytes: the buffer that a slice of a tensor lies in (compiler/weights/recipe.py)
OWN = ("archonnx, float32", "archonnx, max_error=1e-2")
LOWERED = (OWN[1], "PyTorch, bfloat16", "OpenVINO, bfloat16")


def replaced(page: str, name: str, text: str) -> str:
    """The page with the part between its markers replaced, or put before those that follow in ORDER, or at the end."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    part = f"{begin}\n\n{text.strip()}\n\n{end}"
    before, _, rest = page.partition(begin)
    if rest:
        return f"{before}{part}{rest.partition(end)[2]}"
    for later in ORDER[ORDER.index(name) + 1 :] if name in ORDER else ():
        if (place := page.find(f"<!-- {later}: begin -->")) >= 0:
            return f"{page[:place]}{part}\n\n{page[place:]}"
    return f"{page.rstrip()}\n\n{part}\n"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *rows))


def seconds_text(row: Row) -> str:
    """The median of the runs, and the fastest to the slowest of them."""
    if not row.there:
        return "failed"
    spread = f" ({min(row.seconds):.2f} to {max(row.seconds):.2f})" if len(row.seconds) > 1 else ""
    return f"{row.median:.2f}{spread}"


def part_text(value: float) -> str:
    """A ratio as a part of the other: 1/12.5; past 1 as it is."""
    return f"1/{1 / value:.1f}" if value < 1 else f"{value:.2f}"


def processor_text(row: Row) -> str:
    return f"{statistics.median(row.processor):.2f}" if row.there else ""


def peak_text(row: Row) -> str:
    return f"{row.peak / MEGA:,.0f}" if row.peaks else ""


def failures(rows: Sequence[Row], named: Callable[[str], str] = str) -> str:
    """What failed, how, after how long, holding how much."""
    lines = []
    for row in rows:
        if row.failure:
            where = f" after {row.seconds[-1]:.0f} s, at {row.peaks[-1] / MEGA:,.0f} MB" if row.seconds else ""
            lines.append(f"- {named(row.subject)}, {row.way}: {row.failure}{where}.")
    return "\n".join(["Failures:", "", *lines]) if lines else ""


def about(section: Section) -> str:
    """The line that says where and how a section was measured."""
    told = section.about
    versions = ", ".join(f"{name} {version}" for name, version in told["versions"].items())
    machine = f"{told['processor']}, {told['cores']}, {told['system']}"
    limits_told = f"up to {told['runs']} runs, {told['limit'] / 2**30:g} GiB of address space"
    load = f"load of the machine before it {told['load']:.1f}"
    return f"Measured by `{told['command']}` on {machine}; {limits_told}; {load}. {versions}."


def grid(rows: Sequence[Row], cell: Callable[[Row], str], named: Callable[[str], str] = str) -> str:
    """Subjects down, ways across."""
    subjects = list(dict.fromkeys(row.subject for row in rows))
    ways = [way for way in ALL if any(row.way == way for row in rows)]
    lines = []
    for subject in subjects:
        there = {row.way: row for row in rows if row.subject == subject}
        lines.append([named(subject), *(cell(there[way]) if way in there else "" for way in ways)])
    return table(["", *ways], lines)


def builds_text(section: Section) -> str:
    """Builds of the networks of the list, beside exports by peers."""
    rows, peers = section.rows, [way for way in WAYS if any(row.way == way for row in section.rows)]
    names = list(dict.fromkeys(row.subject for row in rows))
    lines = []
    for name in names:
        ours = found(rows, name, OURS)
        if ours is None:
            continue
        pairs = [found(rows, name, way) for way in peers]
        ratios = ["" if pair is None else part_text(ratio(ours, pair)) for pair in pairs]
        lines.append([name, f"{ours.nbytes / MEGA:,.1f}", *ratios])
    return "\n\n".join(
        part
        for part in (
            "## Builds",
            "From a source, or from code that makes the network with weights as they are drawn, to a file on the disk: "
            "a whole process with its imports. PyTorch's files have fixed sizes, ours and Keras' an open batch.",
            "![Seconds and peak memory of a build, by network and way](benchmarks/builds.svg)",
            "Seconds: the median, and the fastest to the slowest run.",
            grid(rows, seconds_text),
            "Peak memory in MB, of all runs; of those that failed, what they had come to.",
            grid(rows, peak_text),
            "Processor seconds, the median: these depend less on what else a machine does.",
            grid(rows, processor_text),
            "Our time as a part of theirs, the median of the rounds:",
            table(["", "file, MB", *peers], lines),
            failures(rows),
            about(section),
        )
        if part
    )


def sizes_text(section: Section) -> str:
    """The cost of a build against the size of what is built."""

    def named(width: str) -> str:
        nbytes = stack_bytes(int(width)) / MEGA
        return f"{width} wide, {nbytes:,.1f} MB" if nbytes < 10 else f"{width} wide, {nbytes:,.0f} MB"

    parts = (
        "## Cost against size",
        "24 dense layers (tools/bench/scale/dense.arch), whose width sets the size. A way that failed at a size is not "
        "asked for a larger one; files of 200 MB and more are written once.",
        "![Seconds and peak memory against the size of the file](benchmarks/sizes.svg)",
        "Seconds:",
        grid(section.rows, seconds_text, named),
        "Peak memory in MB:",
        grid(section.rows, peak_text, named),
        failures(section.rows, named),
        about(section),
    )
    return "\n\n".join(part for part in parts if part)


def speeds_text(section: Section) -> str:
    """How fast the networks run. more: name -> way -> medians of rounds in seconds, failure, error, on."""
    names = list(section.more)
    ways = list(dict.fromkeys(way for each in section.more.values() for way in each if way != "all"))
    lines, reasons = [], []
    for way in ways:
        cells = []
        for name in names:
            each = section.more[name].get(way, {"medians": [], "failure": ""})
            cells.append("" if each["failure"] or not each["medians"] else _milliseconds(each["medians"]))
        lines.append([way, *cells])
    for name, each in section.more.items():
        told = {way: one["failure"] for way, one in each.items() if one["failure"]}
        if len(told) == len(each) and len(set(told.values())) == 1:
            told = {"all": next(iter(told.values()))}
        reasons += [f"- {name}, {way}: {failure}." for way, failure in told.items()]
    compared = [
        _compared(section.more, OWN[1], ["onnxruntime, PyTorch's export"]),
        _compared(section.more, OWN[1], [way for way in ways if way not in OWN]),
        _compared(section.more, OWN[0], [way for way in ways if way not in (*OWN, *LOWERED)]),
    ]
    what = ("onnxruntime, PyTorch's export", "the fastest of the others", "the fastest of the others in float32")
    own = (OWN[1], OWN[1], OWN[0])
    ratios = [[one, other, *cells] for one, other, cells in zip(own, what, compared, strict=True)]
    parts = (
        "## Inference",
        "Batch 1, 128 tokens or steps, weights as they are drawn, on the files that the builds above wrote: "
        "PyTorch's have fixed sizes, ours an open batch. "
        "Milliseconds of a call: the median of the rounds, and the fastest to the slowest of them.",
        table(["", *names], lines),
        "Ratios of times, the median of the rounds:",
        table(["", "against", *names], ratios),
        errors_of_others(section.more),
        "\n".join(["Not measured:", "", *reasons]) if reasons else "",
        "[performance.md](performance.md) says more: what `load` chooses, int8, loading.",
        about(section),
    )
    return "\n\n".join(part for part in parts if part)


def _milliseconds(medians: Sequence[float]) -> str:
    low, middle, high = (value * 1e3 for value in (min(medians), statistics.median(medians), max(medians)))
    return f"{middle:.1f} ({low:.1f} to {high:.1f})"


def _compared(more: dict[str, Any], way: str, others: Sequence[str]) -> list[str]:
    cells = []
    for each in more.values():
        there = [
            other
            for other in others
            if each.get(other, {}).get("medians") and not each[other]["failure"] and within(each[other])
        ]
        if not there or not each.get(way, {}).get("medians"):
            cells.append("")
            continue
        best = min(there, key=lambda other: statistics.median(each[other]["medians"]))
        rounds = zip(each[way]["medians"], each[best]["medians"], strict=False)
        figure = f"{statistics.median(a / b for a, b in rounds):.2f}"
        cells.append(figure if len(others) == 1 else f"{figure}, {best}")
    return cells


def limits_text(section: Section) -> str:
    """What archonnx alone was measured in."""
    lines = [
        [row.subject, row.way, seconds_text(row) if row.there else row.failure, peak_text(row)] for row in section.rows
    ]
    parts = (
        "## Limits",
        "Models that nothing else holds, and builds beside what the machine can do: as many numbers drawn by numpy and "
        "written, and `dd` of the same file, all where no file is yet. No peak is told below the 30 MB of the process "
        "that starts them all.",
        table(["what", "way", "seconds", "peak memory, MB"], lines),
        about(section),
    )
    return "\n\n".join(parts)


def large_text(section: Section) -> str:
    """A large model with real bytes."""
    lines = [
        [
            row.subject,
            row.way,
            seconds_text(row) if row.there else row.failure,
            peak_text(row),
            f"{row.nbytes / MEGA:,.0f}",
        ]
        for row in section.rows
    ]
    told = []
    if large.READ in section.more:
        read = section.more[large.READ]
        told.append(
            f"Read back by onnx and numpy alone: {read['numbers']:,} numbers, all finite, the {read['matrices']} "
            f"matrices spread as they were drawn; sha256 of what was written {read['sha256'][:16]}."
        )
    if large.RUN in section.more:
        ran = section.more[large.RUN]
        told.append(
            f"Run on {large.TOKENS} tokens: loaded in {ran['load']:.1f} s, a call in {ran['call']:.2f} s, scores "
            f"{ran['shape']} with a deviation of {ran['deviation']:.2f}."
        )
    parts = (
        "## A large model with real bytes",
        table(["model", "what", "seconds", "peak memory, MB", "files, MB"], lines),
        "\n".join(told),
        about(section),
    )
    return "\n\n".join(part for part in parts if part)


def aims(sections: dict[str, Section]) -> list[list[str]]:
    """What is aimed at, what was found, and whether it holds; an aim whose figures are not there is left out."""
    lines: list[list[str]] = []

    def judge(
        work: str, reach: str, figures: Sequence[tuple[str, float]], bound: float, text: Callable[[float], str]
    ) -> None:
        if not figures:
            return
        name, worst = max(figures, key=lambda pair: pair[1])
        past = [each for each, value in figures if value > bound]
        verdict = "yes" if not past else f"no: {', '.join(past)}"
        lines.append([work, reach, f"{text(worst)} ({name})" if len(figures) > 1 else text(worst), verdict])

    built = sections.get("builds", Section({})).rows
    ours = [row for row in built if row.way == OURS and row.there]
    for peer, bound, reach in ((KERAS, 1 / 20, "1/20"), (DYNAMO, 1 / 4, "1/4")):
        pairs = [(row, found(built, row.subject, peer)) for row in ours]
        figures = [(row.subject, ratio(row, pair)) for row, pair in pairs if pair]
        judge(f"a whole build beside {peer}", reach, figures, bound, part_text)
    alone = sections.get("limits", Section({})).rows
    figures = _paired(alone, limits.ALONE)
    judge("a build beside drawing and writing alone", "2", figures, 2, lambda value: f"{value:.2f}")
    held = [*ours, *(row for row in sections.get("sizes", Section({})).rows if row.way == OURS and row.there)]
    peaks = [(row.subject, row.peak / MEGA) for row in held]
    most = (250 * MEGA + SLICE) / MEGA
    judge("peak memory of a build", f"{most:.0f} MB", peaks, most, lambda value: f"{value:.0f} MB")
    vgg = [pair for pair in peaks if pair[0] == "VGG-19"]
    judge("the same, VGG-19", "400 MB", vgg, 400, lambda value: f"{value:.0f} MB")
    whole = sections.get("large", Section({})).rows
    xl = [row for row in whole if (row.subject, row.way) == ("GPT2XL", OURS) and row.there]
    judge(
        "the same, GPT-2 1.5B", "600 MB", [(r.subject, r.peak / MEGA) for r in xl], 600, lambda value: f"{value:.0f} MB"
    )
    rates = [(name, 1 / value) for name, value in _paired(alone, limits.DD)]
    if rates:
        name, least = min(rates, key=lambda pair: pair[1])
        good = "yes" if least >= 0.6 else f"no: {', '.join(each for each, value in rates if value < 0.6)}"
        lines.append(["write rate from a weights file, of `dd conv=fsync`", "60%", f"{least:.0%} ({name})", good])
    for subject, bound, memory in ((limits.GPT3, 5, 400), (limits.LOOP, 20, 1000), (limits.TEXT, 20, 1000)):
        rows = [row for row in alone if row.subject == subject and row.there]
        judge(subject, f"{bound} s", [(r.way, r.median) for r in rows], bound, lambda value: f"{value:.2f} s")
        judge(subject, f"{memory} MB", [(r.way, r.peak / MEGA) for r in rows], memory, lambda value: f"{value:.0f} MB")
        failed = [f"{row.way}: {row.failure}" for row in alone if row.subject == subject and row.failure]
        lines += [[subject, f"{bound} s", each, "no"] for each in failed]
    return lines


def _paired(rows: Sequence[Row], way: str) -> list[tuple[str, float]]:
    """Each subject that was built beside a way: its time as a multiple of that way's."""
    names = list(dict.fromkeys(row.subject for row in rows if row.way == way))
    pairs = [(name, found(rows, name, OURS), found(rows, name, way)) for name in names]
    return [(name, ratio(one, other)) for name, one, other in pairs if one and other]


def aims_text(sections: dict[str, Section]) -> str:
    """The table of what is aimed at."""
    lines = aims(sections)
    text = "## What is aimed at\n\nThe worst figure of each row; what is past its bound is named."
    return f"{text}\n\n{table(['work', 'reach', 'found', 'holds'], lines)}" if lines else ""


TEXTS: dict[str, Callable[[Section], str]] = {
    "builds": builds_text,
    "sizes": sizes_text,
    "speeds": speeds_text,
    "limits": limits_text,
    "large": large_text,
}


def written(page: Path, sections: dict[str, Section]) -> None:
    """Write the parts of the page that there are results of; others stay as they are."""
    text = page.read_text(encoding="utf-8") if page.exists() else HEAD
    if "<!-- " not in text:
        text = HEAD
    if aimed := aims_text(sections):
        text = replaced(text, "aims", aimed)
    for name, make in TEXTS.items():
        if name in sections:
            text = replaced(text, name, make(sections[name]))
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(text, encoding="utf-8")
