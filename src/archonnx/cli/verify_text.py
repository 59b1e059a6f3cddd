"""What `archonnx verify` prints: one screen of text, or the same as data."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from archonnx.cli.console import size_text

if TYPE_CHECKING:
    from archonnx.verifying.checking import Pair, Report


def render(report: Report) -> str:
    """One screen: errors, sizes and times, the ledger, the verdict. Diagnostics are for the caller to show."""
    return "\n".join(_lines(report)) + "\n"


def _lines(report: Report) -> Iterator[str]:
    model = report.model
    sizes = "; ".join(", ".join(f"{s} = {n}" for s, n in run.items()) for run in report.runs if run)
    runs = counted(len(report.runs), "run")
    yield f"{model.name} of {model.source}: {runs}" + (f" ({sizes})" if sizes else "")
    yield f"inputs and weights of seed {report.seed}{_given(report)}"
    for note in report.notes:
        yield f"note: {note}"
    if report.refused is not None:
        first = next(iter(getattr(report.refused, "diagnostics", ())), None)
        yield f"note: the second route is left out: {str(first) if first else str(report.refused).splitlines()[0]}"
    yield ""
    yield from _errors(report)
    yield ""
    yield from _files(report)
    yield ""
    yield from _ledger(report)
    yield ""
    yield verdict(report)


def _given(report: Report) -> str:
    given = len(report.model.given) - report.spread
    parts = [f"{counted(given, 'weight')} given"] if given else []
    if report.spread:
        parts.append(f"{counted(report.spread, 'weight')} that would start all alike drawn too")
    return f"; {'; '.join(parts)}" if parts else ""


def counted(count: int, what: str) -> str:
    """A number of things: 1 run, 3 runs."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def verdict(report: Report) -> str:
    """The last line."""
    wrong = [pair for pair in report.pairs if not pair.agrees(report.tolerance)]
    if not wrong:
        worst = max((pair.error for pair in report.pairs), default=0.0)
        return f"agree: the largest error is {number(worst)}, {report.tolerance:g} is allowed"
    told = []
    for pair in wrong:
        reason = pair.failed or f"error {number(pair.error)}, {report.tolerance:g} is allowed"
        told.append(f"{pair.side.name} and {pair.reference.name} differ: {reason}")
        if pair.said:
            told.append(pair.said)
    return "\n".join(told)


def number(value: float) -> str:
    """An error in two digits."""
    return "0" if value == 0 else "no number" if math.isinf(value) or math.isnan(value) else f"{value:.1e}"


def _errors(report: Report) -> Iterator[str]:
    heads = ["error", *(f"{pair.side.name} / {pair.reference.name}" for pair in report.pairs)]
    rows = []
    for output in report.model.graph.outputs:
        rows.append([f"{output.name}: {output.value.type}", *(_cell(pair, output.name) for pair in report.pairs)])
    inner = [pair.layers for pair in report.pairs]
    if any(inner):
        cells = [f"{number(found[1])} of {found[0]}" if found else "" for found in inner]
        rows.append(["results of layers", *cells])
    yield from table([heads, *rows])


def _cell(pair: Pair, output: str) -> str:
    if pair.failed:
        return "fails"
    difference = pair.outputs[output]
    return difference.said or number(difference.error)


def _files(report: Report) -> Iterator[str]:
    first = ", ".join(f"{s} = {n}" for s, n in report.runs[0].items())
    rows = [["", "file", f"a run{f' ({first})' if first else ''}"]]
    for name, size in report.files.items():
        spent = report.times.get(name)
        rows.append([name, size_text(size), "" if spent is None else duration(spent)])
    yield from table(rows)


def duration(seconds: float) -> str:
    """A time in three digits: 5.59 s, 81.2 ms, 0.0308 ms."""
    return f"{seconds:.3g} s" if seconds >= 1 else f"{1000 * seconds:.3g} ms"


def _ledger(report: Report) -> Iterator[str]:
    ledger = report.ledger
    assert ledger is not None
    trained = (
        ""
        if not ledger.total
        else f"{ledger.trainable:,} of them trainable"
        if ledger.trainable != ledger.total
        else "all trainable"
    )
    rows = [["parameters", f"{ledger.total:,}", trained]]
    for account in ledger.accounts:
        lines = wrapped([str(item) for item in account.items]) or ["the same"]
        rows.append([account.side, f"{account.total:,}", lines[0]])
        rows += [["", "", line] for line in lines[1:]]
    yield from table(rows, left=(0, 2))


def wrapped(items: list[str], width: int = 88) -> list[str]:
    """Items in lines, none cut in two."""
    lines: list[str] = []
    for item in items:
        if lines and len(lines[-1]) + len(item) + 2 <= width:
            lines[-1] += f"  {item}"
        else:
            lines.append(item)
    return lines


def table(rows: list[list[str]], left: tuple[int, ...] = (0,)) -> Iterator[str]:
    """Rows in columns: those of `left` to the left, the others to the right."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        cells = [c.ljust(w) if i in left else c.rjust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True))]
        yield "  ".join(cells).rstrip()


def document(report: Report) -> dict[str, Any]:
    """The same as data. An error that is no number is null."""
    from archonnx.contract.render import render_json

    ledger = report.ledger
    assert ledger is not None
    found = [pair.found for pair in report.pairs if pair.found is not None]
    return {
        "model": report.model.name,
        "source": report.model.source,
        "agrees": report.agrees,
        "tolerance": report.tolerance,
        "seed": report.seed,
        "runs": report.runs,
        "spread": report.spread,
        "comparisons": [_comparison(pair, report.tolerance) for pair in report.pairs],
        "files": {name: {"bytes": size, "seconds": report.times.get(name)} for name, size in report.files.items()},
        "parameters": {
            "total": ledger.total,
            "trainable": ledger.trainable,
            "accounts": [
                {
                    "side": account.side,
                    "total": account.total,
                    "items": [
                        {"label": item.label, "count": item.count, "tensors": item.tensors} for item in account.items
                    ],
                }
                for account in ledger.accounts
            ],
        },
        "notes": report.notes,
        "refused": None if report.refused is None else str(report.refused).splitlines()[0],
        "diagnostics": render_json(found),
    }


def _comparison(pair: Pair, tolerance: float) -> dict[str, Any]:
    return {
        "side": pair.side.name,
        "reference": pair.reference.name,
        "agrees": pair.agrees(tolerance),
        "error": _json(pair.error),
        "outputs": {
            name: {"error": _json(difference.error), "said": difference.said}
            for name, difference in pair.outputs.items()
        },
        "layers": None if pair.layers is None else {"compared": pair.layers[0], "error": _json(pair.layers[1])},
        "failed": pair.failed or None,
        "layer": None if pair.found is None else pair.found.message.partition(":")[0],
        "said": pair.said or None,
    }


def _json(value: float) -> float | None:
    return value if math.isfinite(value) else None
