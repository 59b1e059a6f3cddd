"""Whether tensors and weights are all accounted for, and the message that lists what is not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from archonnx.compiler.weights.filling.slots import Slot, Slots, settled, type_of
from archonnx.contract.diagnostics import ArchonnxError, did_you_mean
from archonnx.contract.render import printable

if TYPE_CHECKING:
    from archonnx.compiler.recipes import Recipe

SHOWN = 10  # of each kind


class WeightsError(ArchonnxError):
    """Tensors that are not a model's weights: the first line says so, the others list what is wrong and what to do.

    faults: how many weights and tensors that is about.
    """

    def __init__(self, message: str, faults: int) -> None:
        self.faults = faults
        super().__init__(message)


@dataclass(slots=True)
class Assignment:
    """Tensors for weights, by one way to name them. `how` is what a message calls it.

    given: recipes by the weight's path below the scope. used: the tensors that are accounted for.
    wrong: weights whose tensor is of another shape or dtype, with the tensor's recipe and name, and which of the two.
    """

    how: str
    given: dict[str, Recipe] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)
    wrong: list[tuple[Slot, Recipe, str, str]] = field(default_factory=list)
    widened: dict[str, int] = field(default_factory=dict)  # dtypes of tensors that became another -> how many
    complaints: list[str] = field(default_factory=list)  # what else does not fit, and the weights that it is about
    tried: set[str] = field(default_factory=set)
    folded: int = 0  # normalizations that the source has in the kernels before them
    unheld: list[str] = field(default_factory=list)  # weights that the source does not hold, and need not

    def fill(self, slot: Slot, recipe: Recipe, name: str) -> None:
        """Take a recipe for a weight where it has the weight's type or widens to it."""
        found, why = settled(slot, recipe)
        self.tried.add(slot.path)
        if found is None:
            self.wrong.append((slot, recipe, name, why))
            return
        if found.dtype != recipe.dtype:
            self.widened[recipe.dtype] = self.widened.get(recipe.dtype, 0) + 1
        self.given[slot.path] = found

    def missing(self, slots: Slots) -> list[Slot]:
        """The weights for which there is nothing."""
        return [slot for slot in slots if slot.path not in self.tried and slot.path not in self.unheld]

    def complain(self, slots: Iterable[Slot], text: str) -> None:
        """Say of these weights that what is there for them does not fit."""
        self.tried.update(slot.path for slot in slots)
        self.complaints.append(text)

    def unexpected(self, tensors: Mapping[str, Recipe]) -> list[str]:
        """The tensors that fill nothing."""
        return [name for name in tensors if name not in self.used]

    def fits(self, slots: Slots, tensors: Mapping[str, Recipe]) -> bool:
        """Whether every weight has its tensor and every tensor its weight."""
        wrong = self.wrong or self.complaints or self.missing(slots) or self.unexpected(tensors)
        return not wrong


def refusal(said: str, slots: Slots, tensors: Mapping[str, Recipe], best: Assignment, help: str) -> WeightsError:
    """The error that lists what is missing, unexpected and wrong."""
    missing, unexpected = best.missing(slots), best.unexpected(tensors)
    shapes = [w for w in best.wrong if w[3] == "shape"]
    dtypes = [w for w in best.wrong if w[3] == "dtype"]
    counts = (
        (missing, "missing"),
        (unexpected, "unexpected"),
        (shapes, "of another shape"),
        (dtypes, "of another dtype"),
        (best.complaints, "that do not fit"),
    )
    found = ", ".join(f"{len(those):,} {what}" for those, what in counts if those)
    most = SHOWN
    if len(missing) == len(slots.by_path) and len(unexpected) == len(tensors):
        found, most = f"no name agrees, {found}", SHOWN // 3  # a few show how the names differ
    lines = [f"{said}: not the weights of {slots.said}: {found}"]
    lines += _listed(
        [f"missing: {s.path}, {type_of(s.weight)}{_near(s.path, unexpected, slots.scope)}" for s in missing], most
    )
    lines += _listed([f"unexpected: {printable(n)}, {type_of(tensors[n])}" for n in unexpected], most)
    lines += _listed([_mismatch(*wrong) for wrong in (*shapes, *dtypes)])
    lines += _listed(best.complaints)
    if dtypes and not (missing or unexpected or shapes or best.complaints):
        help = "archonnx weights convert --dtype casts a whole file, cast(...) in a map one tensor"
    return WeightsError("\n".join([*lines, f"  help: {help}"]), sum(len(those) for those, _ in counts))


def _mismatch(slot: Slot, recipe: Recipe, name: str, why: str) -> str:
    lost = ": bits would be lost" if why == "dtype" else ""
    theirs = f"{type_of(recipe)} there" if name == slot.path else f"{printable(name)} is {type_of(recipe)}"
    return f"{slot.path} is {type_of(slot.weight)}, {theirs}{lost}"


def _near(name: str, known: Sequence[str], scope: str) -> str:
    whole = f"{scope}/{name}"
    if scope and whole in known:
        return f"; did you mean {printable(whole)}? Names are those below {scope}"
    near = (
        did_you_mean(name, known[:2000], most=1) if name not in known else []
    )  # there, but laid out for another graph
    return f"; did you mean {printable(near[0])}?" if near else ""


def _listed(texts: Sequence[str], most: int = SHOWN) -> list[str]:
    lines = [f"  {text}" for text in texts[:most]]
    return [*lines, f"  ... and {len(texts) - most:,} more"] if len(texts) > most else lines
