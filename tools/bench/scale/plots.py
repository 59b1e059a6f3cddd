"""The pictures of docs/benchmarks.md: `python -m tools.bench.scale.plots RESULTS.json FOLDER`, where matplotlib is.

The same results give the same bytes. Ink is dark on light pages and light on dark ones: a style in the file says so.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tools.bench.scale.builds import ALL
from tools.bench.scale.records import MEGA, Row, Section, read
from tools.bench.scale.subjects import stack_bytes

INK, FAINT = "#24292f", "#8c959f"
DARK = {INK: "#e6edf3", FAINT: "#7d8590"}
COLOURS = ("#2f81f7", "#d1540a", "#bf8700", "#1a9e77", "#8957e5")  # readable on white and on black
MARKS = "osD^v"
SETTINGS = {
    "svg.hashsalt": "archonnx",
    "svg.fonttype": "path",
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": FAINT,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "xtick.color": INK,
    "ytick.color": INK,
    "grid.color": FAINT,
    "grid.alpha": 0.3,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
    "legend.frameon": False,
}
Figure = Callable[[Row], float]
PANELS: tuple[tuple[str, Figure], ...] = (
    ("seconds", lambda row: row.median),
    ("peak memory, MB", lambda row: row.peak / MEGA),
)


def colour(way: str) -> str:
    return COLOURS[ALL.index(way)]


def _plain(value: float, _: Any = None) -> str:
    return f"{value:,.0f}" if value >= 1 else f"{value:g}"


def bars(section: Section) -> Any:
    """Builds by network and way, on logarithmic axes. What failed has a cross where its bar would begin."""
    from matplotlib import pyplot

    names = list(dict.fromkeys(row.subject for row in section.rows))
    ways = [way for way in ALL if any(row.way == way for row in section.rows)]
    figure, panels = pyplot.subplots(2, 1, figsize=(9.6, 6.4), sharex=True, layout="constrained")
    wide = 0.84 / len(ways)
    for panel, (title, value) in zip(panels, PANELS, strict=True):
        there = [value(row) for row in section.rows if row.there]
        floor = min(there) / 2 if there else 0.1
        for number, way in enumerate(ways):
            places = {name: place + (number - (len(ways) - 1) / 2) * wide for place, name in enumerate(names)}
            rows = [row for row in section.rows if row.way == way]
            good, bad = [row for row in rows if row.there], [row for row in rows if not row.there]
            panel.bar(
                [places[row.subject] for row in good],
                [value(row) - floor for row in good],
                wide * 0.92,
                bottom=floor,
                color=colour(way),
                label=way,
            )
            panel.plot(
                [places[row.subject] for row in bad], [floor * 1.25] * len(bad), "x", color=colour(way), markersize=6
            )
        _axis(panel.yaxis, panel.set_yscale)
        panel.set_ylim(bottom=floor)
        panel.set_title(title)
        panel.grid(axis="y")
    panels[-1].set_xticks(range(len(names)), names)
    for panel in panels:
        panel.tick_params(axis="x", length=0)
    _legend(figure, panels[0], any(not row.there for row in section.rows))
    return figure


def lines(section: Section) -> Any:
    """Cost against size, all axes logarithmic. A line ends with a cross at the size that failed."""
    from matplotlib import pyplot

    ways = [way for way in ALL if any(row.way == way for row in section.rows)]
    figure, panels = pyplot.subplots(1, 2, figsize=(9.6, 4.2), layout="constrained")
    for panel, (title, value) in zip(panels, PANELS, strict=True):
        for way in ways:
            rows = sorted((row for row in section.rows if row.way == way), key=lambda row: int(row.subject))
            good = [row for row in rows if row.there]
            panel.plot(
                [_megabytes(row) for row in good],
                [value(row) for row in good],
                f"{MARKS[ALL.index(way)]}-",
                color=colour(way),
                markersize=4,
                label=way,
            )
            bad = [row for row in rows if not row.there and row.seconds]
            measured = [(row.seconds[-1] if title == "seconds" else row.peaks[-1] / MEGA) for row in bad]
            panel.plot([_megabytes(row) for row in bad], measured, "x", color=colour(way), markersize=7)
        _axis(panel.xaxis, panel.set_xscale)
        _axis(panel.yaxis, panel.set_yscale)
        panel.set_title(title)
        panel.set_xlabel("size of the weights, MB")
        panel.grid()
    _legend(figure, panels[0], any(not row.there for row in section.rows))
    return figure


def _megabytes(row: Row) -> float:
    return stack_bytes(int(row.subject)) / MEGA


def _axis(axis: Any, scale: Callable[[str], None]) -> None:
    scale("log")
    axis.set_major_formatter(_plain)
    axis.set_minor_formatter("")


def _legend(figure: Any, panel: Any, failed: bool) -> None:
    from matplotlib.lines import Line2D

    marks, names = panel.get_legend_handles_labels()
    if failed:
        marks, names = [*marks, Line2D([], [], color=INK, marker="x", linestyle="none")], [*names, "failed"]
    figure.legend(marks, names, loc="outside upper center", ncols=len(names))


def saved(figure: Any, path: Path, title: str) -> None:
    """Write a figure as SVG, without a date, its ink light where the page is dark."""
    from matplotlib import pyplot

    figure.savefig(path, format="svg", metadata={"Date": None, "Creator": None, "Title": title})
    pyplot.close(figure)
    text = path.read_text(encoding="utf-8")
    rules = "".join(
        f'[style*="{kind}: {light}"]{{{kind}:{dark}!important}}'
        for light, dark in DARK.items()
        for kind in ("fill", "stroke")
    )
    style = f"<style>@media (prefers-color-scheme: dark){{{rules}}}</style>"
    text = re.sub(r"(<svg[^>]*>)", lambda match: f"{match[1]}\n {style}", text, count=1)
    path.write_text("\n".join(line.rstrip() for line in text.splitlines()) + "\n", encoding="utf-8")


PICTURES: dict[str, tuple[Callable[[Section], Any], str]] = {
    "builds": (bars, "Seconds and peak memory of a build, by network and way"),
    "sizes": (lines, "Seconds and peak memory of a build against the size of its weights"),
}


def main(arguments: Sequence[str]) -> int:
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams.update(SETTINGS)
    sections, folder = read(Path(arguments[0])), Path(arguments[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name, (draw, title) in PICTURES.items():
        if name in sections and sections[name].rows:
            saved(draw(sections[name]), folder / f"{name}.svg", title)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
