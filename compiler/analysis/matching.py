"""Matches our rows with a reference's, and says what differs: the work behind `compare`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from archonnx.compiler.analysis.align import Costs, Step, align
from archonnx.compiler.analysis.counterparts import activation_of, is_library, optional, same_type, torch_parameters
from archonnx.compiler.analysis.reference import ReferenceRow, ReferenceSummary
from archonnx.compiler.analysis.shapes import Bindings, allowed_shapes, shapes_text
from archonnx.compiler.analysis.summary import LayerRow, Summary

Kind = Literal["input", "missing", "extra", "type", "shape", "parameters", "order", "total"]
TYPE, SHAPE, PARAMETERS, ALONE, SPARE = (
    12,
    8,
    8,
    10,
    1,
)  # what a disagreement costs the alignment; a paired name earns one back


@dataclass(frozen=True, slots=True)
class Difference:
    """One disagreement. `ours` and `theirs` are what each side has, as text; None where it has nothing."""

    kind: Kind
    ours: str | None
    theirs: str | None
    message: str


class Matching:
    """Our rows in one order against theirs."""

    def __init__(
        self, summary: Summary, reference: ReferenceSummary, rows: list[ReferenceRow], layers: Sequence[LayerRow]
    ) -> None:
        self.summary, self.reference, self.rows, self.layers = summary, reference, rows, layers
        self.torch = reference.tool == "torchinfo"
        self.turned = self.torch or reference.tool == "keras1"  # channels may come first
        self.bindings = Bindings(summary)
        self.notes: list[str] = []
        ours = {name for row in layers for name in (row.type, *row.also)}
        self._folded = [not (row.type in ours or row.type_cut or is_library(row.type)) for row in rows]
        self._sums = [0]
        for layer in layers:
            self._sums.append(self._sums[-1] + (torch_parameters(layer)[0] if self.torch else layer.parameters))
        self.steps = align(len(layers), len(rows), Costs(self._pair, self._ours_alone, self._theirs_alone, self._runs))
        self._pair_strays()
        self._found = self._differences()

    def differences(self) -> list[Difference]:
        return self._found

    # What the alignment asks.

    def _pair(self, i: int, j: int) -> int:
        ours, theirs = self.layers[i], self.rows[j]
        if self._folded[j]:
            return (
                0
                if self._same_parameters(ours, theirs) and self._same_shape(ours, theirs)
                else TYPE + SHAPE + PARAMETERS
            )
        cost = 0 if same_type(ours, theirs, self.torch) else TYPE
        cost += 0 if self._same_shape(ours, theirs) else SHAPE
        cost += 0 if self._same_parameters(ours, theirs) else PARAMETERS
        return cost - 1 if cost and theirs.name is not None and theirs.name == ours.path.rsplit("/", 1)[-1] else cost

    def _ours_alone(self, i: int) -> int:
        return SPARE if self._may_lack(self.layers[i]) else ALONE

    def _theirs_alone(self, j: int) -> int:
        return SPARE if self._may_add(j) else ALONE

    def _runs(self, i: int, j: int) -> list[int]:
        if not self._folded[j] or self.rows[j].parameters is None:
            return []
        goal = self._sums[i] + (self.rows[j].parameters or 0)
        lengths = []
        for end in range(i + 1, len(self.layers) + 1):
            if self._sums[end] > goal:
                break
            if self._sums[end] == goal and self._same_shape(self.layers[end - 1], self.rows[j]):
                lengths.append(end - i)
        return lengths

    # What agrees.

    def _same_shape(self, ours: LayerRow, theirs: ReferenceRow) -> bool:
        return allowed_shapes(ours.output_shapes, theirs, None, turned=self.turned, first_only=self.torch)

    def _same_parameters(self, ours: LayerRow, theirs: ReferenceRow) -> bool:
        if theirs.parameters is None:
            return True
        return theirs.parameters in (torch_parameters(ours) if self.torch else (ours.parameters,))

    def _may_lack(self, row: LayerRow) -> bool:
        """Whether the reference need not show our row: it changes nothing, or torchinfo sees no functions."""
        if optional(row.type):
            return True
        return self.torch and row.parameters == 0

    def _may_add(self, j: int) -> bool:
        """Whether we need not have their row: it changes nothing, or is an activation that a layer of ours holds."""
        row = self.rows[j]
        if optional(row.type) or self._flat_already(j):
            return True
        kind = activation_of(row.type)
        return bool(kind is not None and not row.parameters and j and any(layer.activation for layer in self.layers))

    def _flat_already(self, j: int) -> bool:
        """PyTorch's poolings keep axes of 1, which a Flatten then drops; a global pooling here drops them itself."""
        row, above = self.rows[j], self.rows[j - 1] if j else None
        if not self.torch or row.type != "Flatten" or above is None or not (row.output_shapes and above.output_shapes):
            return False
        flat, before = row.output_shapes[0], above.output_shapes[0]
        return len(flat) == 2 and len(before) > 2 and before[:2] == flat and set(before[2:]) == {1}

    def _pair_strays(self) -> None:
        """Pair rows anew that agree with none where they stand: branches may be written in another order.

        Of several layers that agree the nearest is taken; `_order` judges afterwards whether the model allows the
        order.
        """
        loose = [n for n, step in enumerate(self.steps) if not self._exact(step)]
        free = {i for n in loose for i in self.steps[n].ours}
        place, at = {}, 0
        for step in self.steps:
            at = step.ours.stop if step.ours else at
            if step.theirs is not None:
                place[step.theirs] = at
        found: dict[int, int] = {}
        for j in (self.steps[n].theirs for n in loose):
            if j is not None and not self._folded[j]:
                fitting = [i for i in free if self._pair(i, j) <= 0]
                if fitting:
                    found[j] = min(fitting, key=lambda i: (abs(i - place[j]), i))
                    free.discard(found[j])
        if not found:
            return
        taken = set(found.values())
        steps = []
        for step in self.steps:
            left = step.ours if len(step.ours) != 1 or step.ours.start not in taken else range(0)
            if step.theirs in found:
                i = found[step.theirs]
                steps.append(Step(range(i, i + 1), step.theirs))
                steps += [Step(left, None)] if left else []
            elif left or step.theirs is not None:
                steps.append(Step(left, step.theirs))
        self.steps = steps

    def _exact(self, step: Step) -> bool:
        if step.theirs is None or not step.ours:
            return False
        return len(step.ours) > 1 or self._pair(step.ours.start, step.theirs) <= 0

    # What differs.

    def _differences(self) -> list[Difference]:
        found: list[Difference] = []
        self.matched = 0
        held: str | None = None  # the activation of our layer that was paired last
        for step in self.steps:
            before = len(found)
            if step.theirs is None:
                layer = self.layers[step.ours.start]
                if not self._may_lack(layer):
                    found.append(
                        _difference(
                            "extra", f"{self._here(layer)} has no counterpart in {self._source}", _row(layer), None
                        )
                    )
                continue
            row = self.rows[step.theirs]
            if not step.ours:
                kind = activation_of(row.type)
                built_in = kind is not None and held is not None and kind in ("", activation_of("Activation", held))
                if not (built_in or optional(row.type) or self._flat_already(step.theirs)):
                    found.append(
                        _difference("missing", f"{self._there(step.theirs)} is missing here", None, _their(row))
                    )
            elif len(step.ours) == 1:
                found += self._pair_differences(self.layers[step.ours.start], step.theirs)
                held = self.layers[step.ours.start].activation
            else:
                held = None
                self.notes.append(
                    f"{row.name or row.type} stands for {len(step.ours)} layers here, "
                    f"{self.layers[step.ours.start].path} to {self.layers[step.ours.stop - 1].path}"
                )
            self.matched += len(found) == before
        return found + self._order()

    def _pair_differences(self, ours: LayerRow, j: int) -> list[Difference]:
        theirs = self.rows[j]
        found = []
        where = f"{self._there(j)}, here {ours.path}{f' at {ours.place}' if ours.place else ''}"
        if not self._folded[j] and not same_type(ours, theirs, self.torch):
            found.append(
                _difference(
                    "type", f"{where}: the type is {theirs.type} there, {ours.type} here", ours.type, theirs.type
                )
            )
        if not allowed_shapes(ours.output_shapes, theirs, self.bindings, turned=self.turned, first_only=self.torch):
            mine, other = shapes_text(ours.output_shapes), shapes_text(theirs.output_shapes)
            found.append(_difference("shape", f"{where}: the output shape is {other} there, {mine} here", mine, other))
        if not self._same_parameters(ours, theirs):
            mine, other = f"{ours.parameters:,}", f"{theirs.parameters:,}"
            found.append(_difference("parameters", f"{where}: {other} parameters there, {mine} here", mine, other))
        return found

    def _order(self) -> list[Difference]:
        """Their order must be one in which every layer of ours comes after those it reads."""
        position: dict[str, int] = {}
        for step in self.steps:
            if step.theirs is not None:
                for i in step.ours:
                    position[self.layers[i].path] = step.theirs
        latest = dict(position)  # for layers without a row: the last row that anything they read stands in
        for layer in self.summary.layers:
            read = [name.split("[", 1)[0] for name in layer.connected_to]
            source = max(((latest[name], name) for name in read if name in latest and name != layer.path), default=None)
            if source is None:
                continue
            at, name = source
            if layer.path not in position:
                latest[layer.path] = max(at, latest.get(layer.path, at))
            elif at > position[layer.path] and layer.uses == 1:
                early, late = self._there(position[layer.path]), self._there(at)
                message = f"{early} comes before {late}, here {layer.path} comes after {name}"
                return [
                    _difference("order", message, f"{name}, {layer.path}", f"{_their(self.rows[position[layer.path]])}")
                ]
        return []

    @property
    def _source(self) -> str:
        return self.reference.source

    def _there(self, j: int) -> str:
        row = self.rows[j]
        name = f"{row.name}{'…' if row.name_cut else ''} ({row.type})" if row.name else row.type
        return f"row {j + 1}, {name}" + (f", line {row.line}" if row.line else "")

    @staticmethod
    def _here(layer: LayerRow) -> str:
        return f"{layer.path} ({layer.type})" + (f" at {layer.place}" if layer.place else "")


def _difference(kind: Kind, message: str, ours: str | None, theirs: str | None) -> Difference:
    return Difference(kind, ours, theirs, message)


def _row(layer: LayerRow) -> str:
    return f"{layer.path} ({layer.type}) {shapes_text(layer.output_shapes)} {layer.parameters:,}"


def _their(row: ReferenceRow) -> str:
    name = f"{row.name} ({row.type})" if row.name else row.type
    return f"{name} {shapes_text(row.output_shapes)} {row.parameters or 0:,}"
