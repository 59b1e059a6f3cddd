"""A map of a whole model for one block of it: `resnet.torchvision.map` for the features that another model applies.

Rules whose paths begin with the block's name are for the scope, without that name. What the others fill is not there:
they are left out, and the tensors that they name are accounted for.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from archonnx.compiler.weights.layouts.known import SEPARATORS
from archonnx.compiler.weights.maps.patterns import Anything, Pattern, Piece
from archonnx.compiler.weights.maps.tree import Added, Call, Expression, MapFile, Name, Part, Rule, Selection

if TYPE_CHECKING:
    from archonnx.compiler.graph import LayerGraph


def block_of(graph: LayerGraph, scope: str) -> str:
    """The name of the block that is applied as a scope; "" where it is none."""
    depth = scope.count("/") + 1
    for node in graph.nodes:
        if node.path.startswith(scope + "/") and len(node.block_trail) >= depth:
            return node.block_trail[depth - 1]
    return ""


def within(maps: MapFile, block: str) -> MapFile | None:
    """The map for the block alone; None where no rule of it is for a block of this name."""
    inside = [rule for rule in maps.rules if _is_below(rule.target, block)]
    if not inside:
        return None
    outside = [rule for rule in maps.rules if not _is_below(rule.target, block)]
    left = [Selection(pattern, rule.place) for rule in outside for pattern in _tensors(rule, SEPARATORS[maps.layout])]
    return MapFile(
        maps.name,
        maps.text,
        maps.layout,
        maps.layout_place,
        maps.prefixes,
        [replace(rule, target=_below(rule.target, block)) for rule in inside],
        [*maps.ignored, *left],
        [
            replace(chosen, pattern=_below(chosen.pattern, block))
            for chosen in maps.initial
            if _is_below(chosen.pattern, block)
        ],
    )


def _is_below(pattern: Pattern, block: str) -> bool:
    first = pattern.pieces[0]
    below = isinstance(first, str) and first.startswith(block + "/")
    return below and (first != block + "/" or len(pattern.pieces) > 1)


def _below(pattern: Pattern, block: str) -> Pattern:
    first = pattern.pieces[0]
    assert isinstance(first, str)
    rest = first[len(block) + 1 :]
    text = pattern.text.replace(block + "/", "", 1)
    return Pattern(text, ((rest,) if rest else ()) + pattern.pieces[1:], pattern.counted)


def _tensors(rule: Rule, mark: str) -> Iterator[Pattern]:
    """Patterns of the tensors that a rule may take."""
    for name in _names(rule.value):
        pieces: tuple[Piece, ...] = tuple(
            piece if isinstance(piece, str) else Anything() for piece in name.pattern.pieces
        )
        yield Pattern(name.pattern.text, pieces)
        yield Pattern(name.pattern.text, (*pieces, mark, Anything()))


def _names(expression: Expression) -> Iterator[Name]:
    if isinstance(expression, Name):
        yield expression
    elif isinstance(expression, Added):
        yield from _names(expression.left)
        yield from _names(expression.right)
    elif isinstance(expression, Part):
        yield from _names(expression.value)
    elif isinstance(expression, Call):
        for argument in expression.arguments.values():
            for one in argument if isinstance(argument, tuple) else (argument,):
                if isinstance(one, Name | Call | Part | Added):
                    yield from _names(one)
