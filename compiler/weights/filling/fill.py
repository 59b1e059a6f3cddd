"""Filling a model, or a scope of it, with the tensors of a file or with arrays: the whole of it in order.

1. the weights of the scope (slots.py) and the tensors (tensors.py)
2. the map that was asked for; without one, the namings after our own paths (naming.py, lowered.py)
3. where none fits, the maps beside the model: exactly one that fits is taken
4. where all weights lie in one block, such as the network of a classifier, the same for that block
5. else an error that lists what the naming that came nearest leaves over (accounting.py)
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archonnx.compiler.weights.files.onnx_blocks import said_in
from archonnx.compiler.weights.filling.accounting import Assignment, WeightsError, refusal
from archonnx.compiler.weights.filling.by_map import by_map
from archonnx.compiler.weights.filling.lowered import by_lowered
from archonnx.compiler.weights.filling.naming import by_keras, by_path, by_torch
from archonnx.compiler.weights.filling.places import chosen_map, maps_for, read_map
from archonnx.compiler.weights.filling.scoped import block_of, within
from archonnx.compiler.weights.filling.slots import Slots, slots_of
from archonnx.compiler.weights.filling.tensors import Given, given_tensors
from archonnx.contract import metadata
from archonnx.contract.diagnostics import ArchonnxError, CompileError, UsageError

if TYPE_CHECKING:
    from archonnx.compiler.artifact import CompiledModel
    from archonnx.compiler.ir import OperatorGraph
    from archonnx.compiler.recipes import Recipe

Source = str | os.PathLike[str] | Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Filling:
    """Recipes for the weights of a scope, by their whole paths. `how` says which naming or map it was.

    scope: the one that was filled. notes: what a person should know, such as types that were widened. maps: the path of
    the map, where it was one.
    """

    given: dict[str, Recipe]
    said: str
    how: str
    scope: str = ""
    notes: tuple[str, ...] = ()
    maps: tuple[str, ...] = ()


def fill(
    model: CompiledModel,
    source: Source,
    *,
    map: str | os.PathLike[str] | None = None,  # noqa: A002 (what users call it)
    scope: str = "",
    besides: Sequence[str] = (),
) -> Filling:
    """Find the tensor of every weight below a scope.

    map: a map's path, or the name of one beside the model's file. besides: scopes that are filled from elsewhere, which
    this source may be without.

    Errors: UsageError where there is no such scope or map; CompileError with what is wrong with the map or does not
    fit; WeightsError where no naming fits; TensorFileError, OSError for the file.
    """
    slots = slots_of(model.graph, scope)
    given = given_tensors(source)
    try:
        return _filled(model, slots, given, map)
    except (WeightsError, CompileError) as error:
        if besides:
            return _filled(model, slots.without(besides), given, map)
        inner = _only_block(model, slots)
        if inner is None:
            raise
        try:
            return _filled(model, inner, given, map)
        except (WeightsError, CompileError) as of_inner:
            if 2 * _faults(of_inner) < _faults(error):  # it is clearly what was meant
                raise of_inner from None
        raise


def _faults(error: WeightsError | CompileError) -> int:
    """How much does not fit, to tell which of two errors is nearer to what was meant."""
    return error.faults if isinstance(error, WeightsError) else len(error.diagnostics)


def _only_block(model: CompiledModel, slots: Slots) -> Slots | None:
    """The block or model that all weights of a scope lie in, one level below it; None where there is none."""
    names = {path.split("/", 1)[0] for path in slots.by_path}
    if len(names) != 1:
        return None
    scope = "/".join([*([slots.scope] if slots.scope else []), *names])
    return slots_of(model.graph, scope) if block_of(model.graph, scope) else None


def _filled(
    model: CompiledModel,
    slots: Slots,
    given: Given,
    map: str | os.PathLike[str] | None,  # noqa: A002
) -> Filling:
    if map is not None:
        path = chosen_map(Path(map), model, slots.scope)
        return _filling(slots, given, _mapped(model, slots, given.tensors, path), f"by {path}", path)
    found, best = _named(model, slots, given)
    if found is not None:
        return _filling(slots, given, found, found.how)
    known = maps_for(model, slots.scope)
    fitting = _fitting_maps(model, slots, given.tensors, known.values())
    if len(fitting) == 1:
        ((path, assignment),) = fitting.items()
        return _filling(slots, given, assignment, f"by {path}", path)
    raise refusal(given.said, slots, given.tensors, best, _help(model, given, known, fitting))


def named(model: CompiledModel, given: Given, scope: str = "") -> str | None:
    """The naming by which tensors fit a scope without a map, as messages call it; None where none fits."""
    found, _ = _named(model, slots_of(model.graph, scope), given)
    return None if found is None else found.how


def _named(model: CompiledModel, slots: Slots, given: Given) -> tuple[Assignment | None, Assignment]:
    """The naming that fits, and the one that comes nearest."""
    tensors = given.tensors
    namings: list[Callable[[], Assignment]] = [
        lambda: by_path(slots, tensors),
        lambda: by_keras(slots, tensors),
        lambda: by_torch(slots, tensors),
    ]
    if given.of_a_graph:
        namings = [lambda: by_lowered(slots, tensors, _lowered(model, given))]
    tried: list[Assignment] = []
    for naming in namings:
        made = naming()
        if made.fits(slots, tensors):
            return made, made
        tried.append(made)
    return None, max(tried, key=lambda a: (len(a.given) + len(a.wrong) / 2, len(a.used)))


def _lowered(model: CompiledModel, given: Given) -> OperatorGraph:
    """The operators of the model as they were written to the file: of its level, matrices in few bits where it says."""
    bits, size, _ = said_in(given.metadata)
    said = given.metadata.get(metadata.OPTIMIZATION, "1")
    level = int(said) if said in ("0", "1", "2") else 2
    if bits:
        try:
            return model.lower(weight_bits=bits, block_size=size, optimization=level)
        except UsageError:
            pass  # this model has no such matrix: it is another, as the names will show
    return model.lower(optimization=level)


def _mapped(model: CompiledModel, slots: Slots, tensors: Mapping[str, Recipe], path: Path) -> Assignment:
    """What a map gives: for a scope one of its paths, or one of a whole model that applies the same block."""
    maps = read_map(path)
    assignment, found = by_map(slots, tensors, maps)
    if found and slots.scope and (inner := within(maps, block_of(model.graph, slots.scope))) is not None:
        assignment, found = by_map(slots, tensors, inner)
    if found:
        raise CompileError(found, {maps.name: maps.text})
    return assignment


def _fitting_maps(
    model: CompiledModel, slots: Slots, tensors: Mapping[str, Recipe], maps: Iterable[Path]
) -> dict[Path, Assignment]:
    fitting: dict[Path, Assignment] = {}
    for path in maps:
        try:
            fitting[path] = _mapped(model, slots, tensors, path)
        except (ArchonnxError, OSError):
            continue  # one that is for another file, or none: --map says what is wrong with it
    return fitting


def _help(model: CompiledModel, given: Given, known: Mapping[str, Path], fitting: Mapping[Path, Assignment]) -> str:
    if fitting:
        names = ", ".join(name for name, path in known.items() if path in fitting)
        return f"several maps beside the model fit ({names}): choose one with --map"
    if given.of_a_graph:
        return (
            "they are laid out for the operators of the model that was written, and read as that model's alone; "
            "archonnx weights export MODEL.arch OUT.safetensors --weights FILE gives them under their paths"
        )
    if known:
        return f"none of the maps beside the model fits ({', '.join(known)}); --map NAME says why"
    if model.path is None or not given.is_file:
        return "names are the weights' paths; with others, write a map (docs/maps.md)"
    return f"write a map (docs/maps.md); `archonnx weights map {model.path.name} {Path(given.said).name}` proposes one"


def _filling(slots: Slots, given: Given, assignment: Assignment, how: str, path: Path | None = None) -> Filling:
    prefix = f"{slots.scope}/" if slots.scope else ""
    notes = [
        f"{count:,} {'tensor is' if count == 1 else 'tensors are'} {dtype} there and widened exactly"
        for dtype, count in assignment.widened.items()
    ]
    if assignment.folded:
        notes.append(
            f"{assignment.folded:,} BatchNormalization {'is' if assignment.folded == 1 else 'are'} folded into kernels "
            "there: filled so that they change nothing, the result is the same"
        )
    if kinds := given.metadata.get("quantized"):
        notes.append(f"quantized tensors ({kinds}) are read as the numbers that they stand for")
    if assignment.unheld:
        listed = ", ".join(assignment.unheld[:3]) + (" ..." if len(assignment.unheld) > 3 else "")
        verb = (
            "stays as it is drawn: nothing computes with it"
            if len(assignment.unheld) == 1
            else ("stay as they are drawn: nothing computes with them")
        )
        notes.append(f"{listed} {verb}, and the file is without")
    recipes = {prefix + path: recipe for path, recipe in assignment.given.items()}
    return Filling(recipes, given.said, how, slots.scope, tuple(notes), () if path is None else (os.fspath(path),))


__all__ = ["Filling", "WeightsError", "fill"]
