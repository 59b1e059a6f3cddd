"""Pictures of models: `plot(graph, "model.svg")` draws layers as boxes, blocks as frames, and shapes on the edges."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

from archonnx.contract.diagnostics import UsageError

if TYPE_CHECKING:
    from archonnx.compiler.graph import LayerGraph


def plot(
    graph: LayerGraph,
    path: str | os.PathLike[str],
    *,
    fold: int | None = None,
    direction: Literal["down", "right"] | str = "down",
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Draw a layer graph to `path`, an .svg or .png file, written whole or not at all.

    fold: blocks nested deeper than this are one box each; None draws small models whole, and of large ones repeated
    blocks once and deep blocks as boxes, which the picture says. direction: where the data flows, "down" or "right".
    progress: called with the work done and all of it while a .png is painted.

    Raises UsageError for another suffix, direction or a negative fold, and OSError where the file cannot be written.
    """
    from archonnx.compiler.analysis.plotting import drawing, folding, png, references, svg, tree
    from archonnx.contract.files import replacing

    suffix = os.path.splitext(os.fspath(path))[1].lower()
    if suffix not in (".svg", ".png"):
        got = f"not {suffix}" if suffix else "and this name has no ending"
        raise UsageError(f"cannot draw {os.fspath(path)}: a picture's name ends in .svg or .png, {got}")
    if direction not in ("down", "right"):
        raise UsageError(f'direction must be "down" or "right", got {direction!r}')
    if fold is not None and (isinstance(fold, bool) or not isinstance(fold, int) or fold < 0):
        raise UsageError(f"fold must be a whole number, 0 or more, or None, got {fold!r}")
    picture = tree.build(graph)
    folding.fold(picture, fold)
    references.cut_longest(picture)
    scene = drawing.draw(picture, "down" if direction == "down" else "right")
    if suffix == ".png" and png.scale_of(scene) < 1.0:
        shown = f"drawn at {png.scale_of(scene):.0%} of its size, which keeps the image in bounds: .svg has all of it"
        picture.notes.append(shown)
        scene = drawing.draw(picture, "down" if direction == "down" else "right")
    with replacing(path) as stream:
        if suffix == ".png":
            png.save(scene, stream, progress)
        else:
            for piece in svg.render(scene):
                stream.write(piece.encode("utf-8"))
