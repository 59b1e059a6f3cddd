"""Holds compiled models against their references: parameters, multiply-accumulates, layers in order.

references = references_of(path, models)       what stands beside a file, None where nothing does
checked = check_model(model, references)        one model's figures, and what differs, as diagnostics
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from archonnx.compiler.analysis.compare import compare
from archonnx.compiler.analysis.cost import Parameters, batch_symbol, count_parameters, total_macs
from archonnx.compiler.analysis.reference import ReferenceSummary, ReferenceTextError, read_reference_file
from archonnx.compiler.analysis.references.reading import (
    ENDING,
    Figure,
    Reference,
    References,
    Rounded,
    beside,
    read_references,
)
from archonnx.contract.diagnostics import Diagnostic, Place, did_you_mean
from archonnx.contract.render import printable

if TYPE_CHECKING:
    from archonnx.compiler.artifact import CompiledModel
    from archonnx.contract.dims import Dim

SAID = {
    "total": "parameters in all",
    "trainable": "trainable parameters",
    "non_trainable": "parameters that are not trained",
    "without_statistics": "parameters without moving statistics",
}
MOST = 5  # differences of layers that are told of one model


@dataclass(frozen=True, slots=True)
class Checked:
    """A model's own figures, and what became of the comparison.

    macs: with the sizes that the reference names, `bind`; a text where symbols stay open. compared: what the reference
    knows; rows: how many of its layers agree. misread: a reference is there, and something is wrong with it.
    diagnostics: what differs.
    """

    model: str
    parameters: Parameters
    macs: int | str
    bind: tuple[tuple[str, int], ...] = ()
    reference: Reference | None = None
    compared: tuple[str, ...] = ()
    rows: int = 0
    differs: tuple[str, ...] = ()
    misread: bool = False
    diagnostics: tuple[Diagnostic, ...] = ()


def references_of(file: Path, models: Sequence[str]) -> References | None:
    """The references beside an architecture file, which must be of its models; None where there are none.

    Raises OSError for a file that cannot be read.
    """
    path = beside(file)
    if not path.is_file():
        return None
    found = read_references(path)
    strays = [name for name in found.places if name not in models]
    wrong = [_stray(name, found, models, file) for name in strays]
    known = {name: one for name, one in found.models.items() if name in models}
    return References(found.name, found.text, known, found.places, (*found.diagnostics, *wrong))


def _stray(name: str, found: References, models: Sequence[str], file: Path) -> Diagnostic:
    near = did_you_mean(name, models)
    listed = f"its models are {', '.join(models)}" if models else "it has none"
    help = f"did you mean {near[0]}?" if near else listed if len(models) <= 12 else f"it has {len(models)} others"
    return Diagnostic("E1102", f"{file.name} has no model {printable(name)}", found.places[name], help=help)


def orphans(folder: Path) -> list[Diagnostic]:
    """What is said of references in a folder, and below, that stand beside architecture files, none of their name."""
    found = []
    for path in sorted(folder.rglob(f"*{ENDING}")):
        source = path.with_name(path.name.removesuffix(ENDING) + ".arch")
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if not hidden and not source.is_file() and any(path.parent.glob("*.arch")):
            message = f"no {source.name} stands beside this reference"
            help = "name it after the file whose models it is of, or remove it"
            found.append(Diagnostic("E1102", message, Place(str(path), 1, 1, 1, 1), help=help))
    return found


def needs_arguments(references: References, waiting: Sequence[str]) -> list[Diagnostic]:
    """What is said of references to models that are not compiled without arguments."""
    return [
        Diagnostic(
            "E1102",
            f"{name} needs arguments, so that it has no figures of its own",
            references.places[name],
            help=f"declare a variant, model Small{name} = {name}(...), and name that",
        )
        for name in waiting
        if name in references.places
    ]


def check_model(model: CompiledModel, references: References | None) -> Checked:
    """Compare; what differs is in the result's diagnostics."""
    graph = model.graph
    counted = count_parameters(graph.weights())
    reference = None if references is None else references.models.get(model.name)
    if references is None or reference is None:
        misread = references is not None and (model.name in references.places or not references.places)
        return Checked(model.name, counted, _plain(total_macs(graph)), misread=misread)
    compared: list[str] = []
    differs: list[str] = []
    found: list[Diagnostic] = []
    ours = {
        "total": counted.total,
        "trainable": counted.trainable,
        "non_trainable": counted.non_trainable,
        "without_statistics": counted.total - counted.buffers,
    }
    for name, figure in reference.parameters.items():
        found += _exact("E1104", model.name, SAID[name], ours[name], figure, reference)
    found += _rounded("E1104", model.name, "parameters", counted.total, reference.published.get("parameters"))
    if reference.parameters or "parameters" in reference.published:
        compared.append("parameters")
        differs += ["parameters"] if found else []
    macs, wrong = _macs(model, reference)
    found += wrong
    if reference.macs is not None or "flops" in reference.published:
        compared.append("MACs")
        differs += ["MACs"] if wrong else []
    rows = 0
    if reference.layers or reference.summary:
        rows, wrong = _layers(model, reference)
        found += wrong
        compared.append("layers")
        differs += ["layers"] if wrong else []
    bind = tuple(reference.macs.bind.items()) if reference.macs else ()
    outcome = (tuple(compared), rows, tuple(differs))
    return Checked(model.name, counted, macs, bind, reference, *outcome, diagnostics=tuple(found))


def _exact(code: str, model: str, what: str, ours: int, theirs: Figure, reference: Reference) -> Iterator[Diagnostic]:
    if ours != theirs.value:
        message = f"{model} has {ours:,} {what}, {theirs.value:,} are expected: {abs(ours - theirs.value):,}"
        message += " too many" if ours > theirs.value else " too few"
        yield Diagnostic(code, message, theirs.place, help=f"the figure is of {reference.peer}")


def _rounded(code: str, model: str, what: str, ours: int, theirs: Rounded | None) -> Iterator[Diagnostic]:
    if theirs is not None and abs(ours - theirs.value) > theirs.within * theirs.value:
        off = abs(ours - theirs.value) / max(theirs.value, 1)
        message = f"{model} has {ours:,} {what}, and {theirs.text} are published"
        help = f"it is {off:.1%} off, {theirs.within:.1%} is allowed"
        yield Diagnostic(code, message, theirs.place, help=help)


def _macs(model: CompiledModel, reference: Reference) -> tuple[int | str, list[Diagnostic]]:
    """Multiply-accumulates with the reference's sizes, and what is wrong with them."""
    graph, macs = model.graph, reference.macs
    flops = reference.published.get("flops")
    if macs is None:
        total = total_macs(graph)
    else:
        batch = batch_symbol(graph)
        total = total_macs(graph, {**({batch: macs.batch} if batch else {}), **macs.bind})
        known = _symbols(model)
        for name, place in macs.symbols.items():
            if name not in known:
                near = did_you_mean(name, known)
                listed = f"its symbols are {', '.join(known)}" if known else "it has none"
                help = f"did you mean {near[0]}?" if near else listed
                message = f"{model.name} has no symbol {printable(name)}"
                return _plain(total), [Diagnostic("E1103", message, place, help=help)]
    stands = macs.figure if macs else flops
    if not isinstance(total, int) and stands is not None:
        needed = ", ".join(f'"{name}": 128' for name in sorted(total.symbols()))
        message = f"the multiply-accumulates of {model.name} depend on {', '.join(sorted(total.symbols()))}"
        help = f'say for which sizes they are counted: "bind": {{{needed}}}'
        return _plain(total), [Diagnostic("E1103", message, stands.place, help=help)]
    found: list[Diagnostic] = []
    if isinstance(total, int):
        if macs is not None:
            found += _exact("E1105", model.name, "multiply-accumulates", total, macs.figure, reference)
        found += _rounded("E1105", model.name, "floating-point operations", 2 * total, flops)
    return _plain(total), found


def _symbols(model: CompiledModel) -> list[str]:
    """The symbols of a model's inputs, in order."""
    found: dict[str, None] = {}
    for given in model.graph.inputs:
        for extent in given.value.type.shape:
            if not isinstance(extent, int):
                found.update(dict.fromkeys(sorted(extent.symbols())))
    return list(found)


def _layers(model: CompiledModel, reference: Reference) -> tuple[int, list[Diagnostic]]:
    """How many rows agree, and what differs."""
    place = reference.layers_place or reference.summary_place
    try:
        theirs = _summary(model, reference)
    except OSError as error:
        message = f"the summary {reference.summary} cannot be read: {error.strerror}"
        return 0, [Diagnostic("E1101", message, place, help="a summary is a file beside this one")]
    except ReferenceTextError as error:
        return 0, [Diagnostic("E1101", str(error), place, help="`archonnx check --against` says what it reads")]
    comparison = compare(model.summary(), theirs)
    found = [
        Diagnostic("E1106", f"{model.name}: {difference.message}", place)
        for difference in comparison.differences[:MOST]
    ]
    more = len(comparison.differences) - MOST
    if more > 0:
        last = found[-1]
        found[-1] = Diagnostic(last.code, last.message, place, help=f"and {more} more like these")
    return comparison.matched, found


def _summary(model: CompiledModel, reference: Reference) -> ReferenceSummary:
    if reference.summary is not None:
        folder = Path(reference.place.file).parent
        return read_reference_file(folder / reference.summary)
    return ReferenceSummary("keras3", model.name, reference.layers, source=reference.peer)


def _plain(dim: Dim) -> int | str:
    return dim if isinstance(dim, int) else str(dim)
