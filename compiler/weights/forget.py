"""The bias of an LSTM: an initializer's numbers, but for the forget gate's, which start from 1."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from archonnx.compiler.weights.elements import Elements, Fill, Pieces, Shape
from archonnx.compiler.weights.initializers import Initializer, Literal, resolve


@dataclass(frozen=True)
class ForgetOnes(Initializer):
    """`initializer`, and 1 for the second quarter: the forget gate of (input, forget, cell, output).

    Jozefowicz et al., 2015, https://proceedings.mlr.press/v37/jozefowicz15.pdf
    """

    initializer: Initializer

    @property
    def random(self) -> bool:  # type: ignore[override]
        return self.initializer.random

    @property
    def own_seed(self) -> int | None:
        return self.initializer.own_seed

    def check(self, shape: Shape, dtype: str) -> None:
        self.initializer.check((shape[0] // 4,), dtype)

    def elements(self, shape: Shape) -> Elements:
        gate = shape[0] // 4
        before, after = self.initializer.elements((gate,)), self.initializer.elements((2 * gate,))
        return Pieces(((before, gate), (Fill(1), gate), (after, 2 * gate)))


def forget_bias(initializer: Any, ones: bool) -> Initializer:
    """What the bias of an LSTM starts from; with `ones`, the forget gate from 1. Numbers written out are all of it."""
    start = resolve(initializer)
    return ForgetOnes(start) if ones and not isinstance(start, Literal) else start
