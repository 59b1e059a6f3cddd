"""A table of very many rows, laid out as rich does it where all cells fit, at a hundredth of its time.

No colours, and no cell is folded: a line may be longer than the terminal is wide.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

MANY = 1000  # rows from which on a table is laid out here


def table_lines(titles: Sequence[str], rows: Sequence[Sequence[str]], right: frozenset[int]) -> Iterator[str]:
    """The lines of a table, each with its newline. `right`: the numbers of columns that stand at the right."""
    from rich.cells import cell_len

    def width(text: str) -> int:
        return len(text) if text.isascii() else cell_len(text)

    widths = [max(width(title), *(width(row[i]) for row in rows), 0) for i, title in enumerate(titles)]

    def rule(ends: str, line: str) -> str:
        return ends[0] + ends[1].join(line * (w + 2) for w in widths) + ends[2] + "\n"

    def cells(row: Sequence[str], edge: str) -> str:
        padded = []
        for i, text in enumerate(row):
            blank = " " * (widths[i] - width(text))
            padded.append(blank + text if i in right else text + blank)
        return f"{edge} " + f" {edge} ".join(padded) + f" {edge}\n"

    yield rule("┏┳┓", "━")
    yield cells(titles, "┃")
    yield rule("┡╇┩", "━")
    for row in rows:
        yield cells(row, "│")
    yield rule("└┴┘", "─")
