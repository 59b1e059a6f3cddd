"""`from_keras`: a model of Keras as a compiled model with its source text and its weights."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from archonnx.compiler.keras.reading import scopes, source, weights
from archonnx.compiler.keras.reading.hoisting import hoisted
from archonnx.compiler.keras.reading.lines import applied_in
from archonnx.compiler.keras.reading.names import base_name, free, identifier, library_names
from archonnx.compiler.keras.reading.steps import Body, ordered
from archonnx.compiler.keras.refusals import Refused, UnreadableError
from archonnx.compiler.layers.registry import find_layer
from archonnx.contract.diagnostics import ArchonnxError, CompileError, MachineError, UsageError

if TYPE_CHECKING:
    from archonnx.compiler.artifact import CompiledModel

MOST_REQUIRES = 32  # conditions on sizes that are added before it is given up
REQUIRE = re.compile(r"require (\S.*)$")


def from_keras(model: Any, like: CompiledModel | None = None) -> CompiledModel:
    """A compiled model that computes what the model of Keras does; see `archonnx.from_keras`."""
    try:
        import keras
    except ImportError:
        raise MachineError("Keras is not installed: pip install 'archonnx[keras]'") from None
    if not isinstance(model, keras.Model):
        raise UsageError(f"from_keras() takes a keras.Model, got {type(model).__name__}")
    if like is not None:
        from archonnx.compiler.keras.reading.back import given_back

        return given_back(model, like)
    return _Reading(model).compiled()


class _Reading:
    """One model on its way."""

    def __init__(self, model: Any) -> None:
        from archonnx.compiler.keras.reading.network import Network

        try:
            network = Network(model)
        except Refused as refused:
            raise UnreadableError(model.name, [(model.name, type(model).__name__, refused)]) from None
        if network.refused:
            raise UnreadableError(model.name, network.refused)
        self.body = network.body
        scopes.group(self.body)
        _order(self.body)
        self.name = free(identifier(model.name), library_names(identifier(model.name)))
        self.source = source.Source(hoisted(self.body))

    def compiled(self) -> CompiledModel:
        made = self._compiled_with_names()
        return made.with_given(weights.recipes(made.graph, dict(_layers(self.body, ""))))

    def _compiled_with_names(self) -> CompiledModel:
        """The model compiled from a text in which only those names are given that the language would not give."""
        made = self._with_requires()
        expected = _paths(made)
        self.source.unnamed = set(_counted(self.body, ""))
        while self.source.unnamed:
            try:
                shorter = self._compile()
            except CompileError:  # two of a name: give all of them
                self.source.unnamed = set()
                break
            restored = {
                part
                for path, other in zip(expected, _paths(shorter), strict=True)
                if path != other
                for part in _differing(path, other)
            }
            restored &= self.source.unnamed
            if not restored:
                return shorter
            self.source.unnamed -= restored
        return self._compile()

    def _with_requires(self) -> CompiledModel:
        """The model compiled, with conditions on its sizes where it is not understood without them."""
        while True:
            try:
                made = self._compile()
                return self._without_surplus(made) if len(self.source.requires) > 1 else made
            except CompileError as error:
                found = [_usual(m[1]) for d in error.diagnostics for m in [REQUIRE.search(d.help or "")] if m]
                new = [condition for condition in found if condition not in self.source.requires]
                if not new or len(self.source.requires) >= MOST_REQUIRES:
                    raise self._not_understood(error) from error
                self.source.requires.append(new[0])

    def _without_surplus(self, made: CompiledModel) -> CompiledModel:
        """The same without the conditions that follow from others, those that are left in their usual form."""
        for condition in list(self.source.requires):
            kept = self.source.requires
            self.source.requires = [one for one in kept if one != condition]
            try:
                made = self._compile()
            except CompileError:
                self.source.requires = kept
        return made

    def _compile(self) -> CompiledModel:
        from archonnx.compiler.artifact import compile_text
        from archonnx.compiler.syntax.formatter import format_text

        name = f"{self.name}.arch"
        return compile_text(format_text(self.source.text(self.body, self.name), name), name=name)

    def _not_understood(self, error: CompileError) -> ArchonnxError:
        """What the compiler has against the text, each with the line that it is about."""
        lines = [f"{self.body.name} cannot be read: the library does not take all that Keras does"]
        for found in error.diagnostics:
            if found.severity == "error":
                text = next(iter(error.sources.values()), "").splitlines()
                place = found.place
                said = text[place.line - 1].strip() if place is not None and place.line <= len(text) else ""
                lines.append(f"  {said}: {found.message}" + (f"; {found.help}" if found.help else ""))
        return ArchonnxError("\n".join(lines))


def _usual(condition: str) -> str:
    """`H % 4 == 0` for `H == 4 * (H // 4)`."""
    found = re.fullmatch(r"(\w+) == (\d+) \* \(\1 // \2\)", condition)
    return f"{found[1]} % {found[2]} == 0" if found else condition


def _order(body: Body) -> None:
    """Steps in the order in which they are written, those that nothing needs left out."""
    steps = ordered(body.steps, [tensor for _, tensor in body.outputs])
    assert steps is not None, "Keras' graphs have no circles"
    body.steps = steps
    needed = body.reads()
    body.weights = [held for held in body.weights if needed.get(id(held.tensor))]
    for applied in applied_in(body):
        block = applied if applied.inside is None else applied.inside
        if block.body is not None:
            _order(block.body)


def _layers(body: Body, path: str) -> Iterator[tuple[str, Any]]:
    """Keras' layers and variables by the paths of ours."""
    for held in body.weights:
        yield f"{path}{held.name}", held.variable
    seen: set[int] = set()
    for step in body.steps:
        applied = step.applied
        if applied is None or applied.name is None or id(applied) in seen:
            continue
        seen.add(id(applied))
        if applied.body is not None:
            yield from _layers(applied.body, f"{path}{applied.name}/")
        else:
            yield f"{path}{applied.name}", applied.keras


def _paths(made: CompiledModel) -> list[str]:
    """The paths of the layers and of weights of blocks, in the order of the graph."""
    from archonnx.compiler.functions.base import Function

    return [node.path for node in made.graph.nodes if not isinstance(node.layer, Function)]


def _counted(body: Body, path: str) -> Iterator[str]:
    """The paths of layers and blocks whose names the language may give: what they are called by, perhaps numbered."""
    for applied in applied_in(body):
        if applied.name is None:
            continue
        kind = find_layer(applied.constructor)
        usual = (
            kind.default_name() if kind is not None else base_name(applied.body.name if applied.body else applied.name)
        )
        if re.fullmatch(rf"{re.escape(usual)}(_\d+)?", applied.name):
            yield f"{path}{applied.name}"
        if applied.body is not None:
            yield from _counted(applied.body, f"{path}{applied.name}/")


def _differing(path: str, other: str) -> Iterator[str]:
    """The beginnings of a path that end in a part in which it differs from another."""
    here, there = path.split("/"), other.split("/")
    for end, part in enumerate(here, 1):
        if len(here) != len(there) or there[end - 1] != part:
            yield "/".join(here[:end])
