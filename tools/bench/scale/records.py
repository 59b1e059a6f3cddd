"""What was measured, as values and as JSON: a page and its pictures can be drawn again without measuring."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

MEGA = 1e6


@dataclass
class Row:
    """One way to do one thing: seconds, those of processors, and peak bytes of each run, and what came of it.

    failure: why there is no result, empty where there is one; a peak is told even then. nbytes: of what was written.
    """

    subject: str
    way: str
    seconds: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)
    peaks: list[float] = field(default_factory=list)
    nbytes: int = 0
    parameters: int = 0
    failure: str = ""

    @property
    def there(self) -> bool:
        return not self.failure and bool(self.seconds)

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)

    @property
    def peak(self) -> float:
        """Bytes at most, of all runs."""
        return max(self.peaks)


def found(rows: Sequence[Row], subject: str, way: str) -> Row | None:
    """The row of a way, where it has a result."""
    return next((row for row in rows if (row.subject, row.way) == (subject, way) and row.there), None)


def ratio(row: Row, base: Row) -> float:
    """How many times as long one takes as another: the median of the ratios of the rounds that both took part in."""
    return statistics.median(a / b for a, b in zip(row.seconds, base.seconds, strict=False))


@dataclass
class Section:
    """A part of the page. about: the machine, versions, how it was measured; rows: of processes; more: the rest."""

    about: dict[str, Any]
    rows: list[Row] = field(default_factory=list)
    more: dict[str, Any] = field(default_factory=dict)


def read(path: Path) -> dict[str, Section]:
    """The sections of a file of results; none where there is no file."""
    if not path.exists():
        return {}
    held = json.loads(path.read_text(encoding="utf-8"))
    return {
        name: Section(each["about"], [Row(**row) for row in each["rows"]], each["more"]) for name, each in held.items()
    }


def write(path: Path, sections: dict[str, Section]) -> None:
    """Write results, each row on a line of its own, as a file that is compared in versions should be."""
    path.parent.mkdir(parents=True, exist_ok=True)
    parts = []
    for name, section in sections.items():
        rows = ",\n".join(f"    {json.dumps(_rounded(asdict(row)))}" for row in section.rows)
        about, more = (json.dumps(_rounded(each)) for each in (section.about, section.more))
        body = f'   "about": {about},\n   "rows": [\n{rows}\n   ],\n   "more": {more}\n'
        parts.append(f"  {json.dumps(name)}: {{\n{body}  }}")
    path.write_text("{\n" + ",\n".join(parts) + "\n}\n", encoding="utf-8")


def _rounded(value: Any) -> Any:
    """Five digits that count: no clock has more."""
    if isinstance(value, float):
        return float(f"{value:.5g}")
    if isinstance(value, dict):
        return {name: _rounded(each) for name, each in value.items()}
    return [_rounded(each) for each in value] if isinstance(value, list | tuple) else value
