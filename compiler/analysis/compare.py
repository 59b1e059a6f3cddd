"""Compares our summary with one that another tool printed: layer by layer, first difference first.

    comparison = compare(summarize(graph), read_reference_file("vgg.txt"))
    comparison.agrees, comparison.differences, comparison.render()

They agree when every row of the reference has its layer with the same type, shape and parameters, in an order that
our model allows, nothing of ours is left over, and the totals are equal. Not compared: names, rows of layers that
change nothing when run (Dropout), what PyTorch does not count (moving statistics) or does not show (functions).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby, zip_longest

from archonnx.compiler.analysis.counterparts import torch_parameters
from archonnx.compiler.analysis.matching import Difference, Matching
from archonnx.compiler.analysis.reference import Dimension, ReferenceRow, ReferenceSummary
from archonnx.compiler.analysis.shapes import Bindings, allowed_shapes, shapes_text
from archonnx.compiler.analysis.summary import Summary


@dataclass(frozen=True, slots=True)
class Comparison:
    """The outcome.

    `matched` counts rows of the reference that agree; `notes` say what was left out of account, and why.
    """

    model: str
    reference: ReferenceSummary
    differences: tuple[Difference, ...]
    matched: int
    rows: int
    notes: tuple[str, ...] = ()

    @property
    def agrees(self) -> bool:
        return not self.differences

    def render(self, most: int = 20) -> str:
        """Text for people: the verdict, the differences, at most so many, then notes. Ends in a newline."""
        about = f"{self.model} and {self.reference.source}"
        if self.agrees:
            total = "" if self.reference.total is None else f", {self.reference.total:,} parameters"
            lines = [f"{about} agree: {self.matched} of {self.rows} rows{total}"]
        else:
            count = len(self.differences)
            lines = [f"{about} differ in {count} place{'s' * (count > 1)} ({self.matched} of {self.rows} rows agree)"]
            shown = _grouped(self.differences)
            lines += [f"  {line}" for line in shown[:most]]
            if len(shown) > most:
                lines.append(f"  and {len(shown) - most} more like these")
        return "\n".join([*lines, *(f"  note: {note}" for note in self.notes)]) + "\n"


def _grouped(differences: Sequence[Difference]) -> list[str]:
    """A line each, but one for a long run of rows without a counterpart."""
    lines = []
    for kind, run in groupby(differences, key=lambda difference: difference.kind):
        found = list(run)
        if kind in ("extra", "missing") and len(found) > 3:
            lines += [found[0].message, f"so {len(found) - 1} more in a row, to the last: {found[-1].message}"]
        else:
            lines += [difference.message for difference in found]
    return lines


def compare(summary: Summary, reference: ReferenceSummary) -> Comparison:
    """Compare; never raises, a difference is a value."""
    inputs = [row for row in reference.rows if row.type == "InputLayer" and row.depth == 0]
    rows, own = _leaves(reference)
    attempts = [Matching(summary, reference, rows, summary.layers)]
    count = len(summary.inputs)
    ordered = [summary.layers[number - count] for number in summary.keras_order if number >= count]
    if attempts[0].differences() and len(ordered) == len(summary.layers) and ordered != list(summary.layers):
        attempts.append(Matching(summary, reference, rows, ordered))
    best = min(attempts, key=lambda attempt: len(attempt.differences()))
    bindings = best.bindings
    differences = [*_inputs(summary, inputs, bindings), *best.differences()]
    totals, notes = _totals(summary, reference, best, own)
    return Comparison(
        model=summary.model,
        reference=reference,
        differences=(*differences, *totals),
        matched=best.matched,
        rows=len(rows),
        notes=(*reference.notes, *best.notes, *notes),
    )


def _leaves(reference: ReferenceSummary) -> tuple[list[ReferenceRow], int]:
    """Rows of layers, and the parameters of containers' own (torchinfo prints them in the container's row)."""
    leaves, own = [], 0
    for row, following in zip_longest(reference.rows, reference.rows[1:]):
        if following is not None and following.depth > row.depth:
            own += (row.parameters or 0) if reference.tool == "torchinfo" else 0
        elif row.type != "InputLayer" and not row.shared:
            leaves.append(row)
    return leaves, own


def _inputs(summary: Summary, rows: list[ReferenceRow], bindings: Bindings) -> list[Difference]:
    """Rows of inputs, which some tools print: by name where the names agree, else in order."""
    left = {port.name: port for port in summary.inputs}
    found = []
    waiting: list[ReferenceRow] = []
    pairs: list[tuple[tuple[Dimension, ...], ReferenceRow, str]] = []
    for row in rows:
        if row.name in left and not row.name_cut:
            pairs.append((left.pop(row.name).shape, row, row.name))
        else:
            waiting.append(row)
    for row in waiting:
        fits = next(
            (p for p in left.values() if allowed_shapes((p.shape,), row, None)), next(iter(left.values()), None)
        )
        if fits is None:
            text = shapes_text(row.output_shapes)
            found.append(Difference("input", None, text, f"input {row.name} {text}, line {row.line}, is missing here"))
            continue
        pairs.append((left.pop(fits.name).shape, row, fits.name))
    for shape, row, name in pairs:
        if not allowed_shapes((shape,), row, bindings):
            mine, other = shapes_text((shape,)), shapes_text(row.output_shapes)
            found.append(
                Difference(
                    "input", mine, other, f"input {row.name}, line {row.line}, is {other} there, {mine} here ({name})"
                )
            )
    return found


def _totals(
    summary: Summary, reference: ReferenceSummary, alignment: Matching, own: int
) -> tuple[list[Difference], list[str]]:
    """Totals, each where the text gives it; PyTorch's lack moving statistics and hold second recurrent biases."""
    counted = summary.parameters
    ours = {"total": counted.total, "trainable": counted.trainable, "non-trainable": counted.non_trainable}
    notes: list[str] = []
    if alignment.torch:
        extra = 0
        for step in alignment.steps:
            if step.theirs is not None and len(step.ours) == 1:
                plain = torch_parameters(alignment.layers[step.ours.start])[0]
                theirs = alignment.rows[step.theirs].parameters
                extra += theirs - plain if theirs in torch_parameters(alignment.layers[step.ours.start]) else 0
        if counted.buffers:
            notes.append(f"PyTorch counts no moving statistics: {counted.buffers:,} of ours are left out of account")
        if extra:
            notes.append(f"PyTorch's recurrent layers hold a second bias: {extra:,} parameters more")
        if own:
            notes.append(f"{own:,} parameters belong to modules that hold others; they are compared in the total alone")
        ours["total"] += extra - counted.buffers
        ours["trainable"] += extra
        ours["non-trainable"] -= counted.buffers
    found = []
    printed = {"total": reference.total, "trainable": reference.trainable, "non-trainable": reference.non_trainable}
    for label, theirs in printed.items():
        if theirs is not None and theirs != ours[label]:
            message = f"{label} parameters: {theirs:,} there, {ours[label]:,} here"
            found.append(Difference("total", f"{ours[label]:,}", f"{theirs:,}", message))
    return found, notes
