"""Whether a printed shape can be one of ours: None against symbols, numbers that stand for symbols, channels first."""

from __future__ import annotations

import re

from archonnx.compiler.analysis.reference import Dimension, ReferenceRow
from archonnx.compiler.analysis.summary import Shape, Summary


class Bindings:
    """What a reference that prints numbers, or other names, means by our symbols: one thing each."""

    def __init__(self, summary: Summary) -> None:
        self.known: dict[str, int | str] = {}
        self.batch = summary.batch

    def agree(self, ours: str, theirs: int | str) -> bool:
        """Whether our symbolic size can be theirs; a bare symbol met for the first time is bound to it."""
        if ours == theirs:
            return self.known.setdefault(ours, theirs) == theirs if re.fullmatch(r"\w+", ours) else True
        if re.fullmatch(r"\w+", ours):
            return self.known.setdefault(ours, theirs) == theirs
        if isinstance(theirs, str):
            return self._renamed(ours) == theirs
        from archonnx.contract.dims import parse_dim

        value = parse_dim(ours)
        if isinstance(value, int):
            return value == theirs
        numbers = {name: n for name, n in self.known.items() if isinstance(n, int)}
        return value.evaluate(numbers) == theirs if value.symbols() <= numbers.keys() else True

    def _renamed(self, text: str) -> str:
        return re.sub(r"[A-Za-z_]\w*", lambda m: str(self.known.get(m.group(), m.group())), text)


def allowed_shapes(
    ours: tuple[tuple[Dimension, ...], ...],
    theirs: ReferenceRow,
    bindings: Bindings | None,
    *,
    turned: bool = False,
    first_only: bool = False,
) -> bool:
    """Whether the row's printed shapes can be ours. Without bindings any number may stand for a symbol.

    `turned`: the channels may stand second there. `first_only`: only the first of several results is printed.
    """
    printed = theirs.output_shapes
    if not printed:
        return True
    if theirs.shapes_cut:
        ours = ours[: len(printed)]
        ends = [len(shape) for shape in printed]
        ours = tuple(
            shape[:end] if n == len(printed) - 1 else shape
            for n, (shape, end) in enumerate(zip(ours, ends, strict=False))
        )
    if first_only:
        ours, printed = ours[:1], printed[:1]
    if len(ours) != len(printed):
        return False
    return all(_one(mine, other, bindings, turned) for mine, other in zip(ours, printed, strict=True))


def _one(ours: tuple[Dimension, ...], theirs: tuple[Dimension, ...], bindings: Bindings | None, turned: bool) -> bool:
    candidates = [theirs]
    if turned and len(theirs) > 2:
        candidates.append((theirs[0], *theirs[2:], theirs[1]))
        if set(theirs[2:]) == {1}:
            candidates.append(theirs[:2])  # a global pooling that keeps its axes
    for candidate in candidates:
        if len(candidate) == len(ours) and all(_size(m, t, None) for m, t in zip(ours, candidate, strict=True)):
            return bindings is None or all(_size(m, t, bindings) for m, t in zip(ours, candidate, strict=True))
    return False


def _size(ours: Dimension, theirs: Dimension, bindings: Bindings | None) -> bool:
    if theirs is None:
        return not isinstance(ours, int)
    if isinstance(ours, str):
        return bindings is None or bindings.agree(ours, theirs)
    return ours == theirs


def shapes_text(shapes: tuple[Shape | tuple[Dimension, ...], ...]) -> str:
    """`(N, 64)`, or a list of them."""
    texts = [f"({', '.join(map(str, shape))}{',' if len(shape) == 1 else ''})" for shape in shapes]
    return texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
