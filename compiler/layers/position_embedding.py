"""Embeddings of positions, as large as their input: learned (PositionEmbedding) and by sines (SinePositionEncoding)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from archonnx.compiler.graph import TensorType
from archonnx.compiler.layers.base import LayerError, arg
from archonnx.compiler.layers.common import counted, decide, require_least_rank, require_text
from archonnx.compiler.layers.domains import InitializerDomain, Optional, Real, Whole
from archonnx.compiler.layers.positions import Positioned, angles, frequencies, place

if TYPE_CHECKING:
    from archonnx.compiler.ir import Tensor
    from archonnx.compiler.layers.base import Context
    from archonnx.compiler.lowering.builder import Builder
    from archonnx.contract.dims import Dim


class PositionEmbedding(Positioned):
    """A learned vector for each position, to be added to the input: [..., steps, features] to the same shape.

    With `hierarchical_alpha` positions past the table are made of two rows each, sequence_length ** 2 in all.
    """

    argument_order = ("sequence_length", "initializer", "hierarchical_alpha", "start_index")
    fractions = False
    sequence_length = arg(Whole(minimum=1), doc="Rows of the table: the most steps that there can be.")
    initializer = arg(InitializerDomain(), default="glorot_uniform", doc="What the table starts from.")
    hierarchical_alpha = arg(
        Optional(Real(above=0, below=1)), default=None, doc="Weight of the row of positions past the table; None: none."
    )
    onnx = ("Slice", "Gather", "Range", "Div", "Mod", "Sub", "Mul", "Add", "Expand")
    formula = """y = embeddings[p], p = start_index + step or position_ids
with hierarchical_alpha a and n = sequence_length:
y = embeddings[p % n] + a / (1 - a) * (embeddings[p // n] - embeddings[0])"""
    example = "input x: float32[N, 12, 64]\nx + (x -> PositionEmbedding(512))"

    def declare(self, c: Context, inputs: TensorType, position_ids: TensorType | None = None) -> None:
        require_least_rank(self, inputs, 2)
        c.weight("embeddings", (self.sequence_length, c.known(inputs, -1)), self.initializer, dtype=self.compute_dtype)

    def infer(self, c: Context, inputs: TensorType, position_ids: TensorType | None = None) -> TensorType:
        x = self.floating(inputs)
        require_least_rank(self, x, 2)
        self.check_ids(c, x, position_ids, x.rank - 2)
        if position_ids is None:
            self._check_length(c, x)
        return x

    def _check_length(self, c: Context, x: TensorType) -> None:
        """E0327: more steps than positions; E0309: that may be."""
        most = self.sequence_length if self.hierarchical_alpha is None else self.sequence_length**2
        last = self.start_index + x.shape[-2]
        fits = decide(c.facts, "<=", last, most)
        if fits is True:
            return
        if fits is None:
            raise LayerError(
                "E0309",
                f"PositionEmbedding cannot tell whether {last} positions are at most {most}: {x}",
                input=0,
                axis=x.rank - 2,
                label=f"{x.shape[-2]} here",
                help=f"state it: {require_text('<=', last, most)}",
            )
        start = f" from position {self.start_index} on" if self.start_index != 0 else ""
        further = ", or hierarchical_alpha=0.4 to go on past the table"
        needed, mend = (last, further) if self.hierarchical_alpha is None else (_root(last), "")
        raise LayerError(
            "E0327",
            f"PositionEmbedding has {counted(most, 'position')}, and {x} has {x.shape[-2]} steps{start}",
            argument="sequence_length",
            input=0,
            axis=x.rank - 2,
            label=f"{x.shape[-2]} here",
            help=f"write sequence_length={needed}{mend}" if isinstance(last, int) else None,
        )

    def lower(self, b: Builder, inputs: Tensor, position_ids: Tensor | None = None) -> Tensor:
        table, steps, width = b.weight("embeddings"), inputs.shape[-2], inputs.shape[-1]
        if position_ids is None and self.hierarchical_alpha is None:
            bounds = ([self.start_index], [self.start_index + steps], [0])
            rows = b.slice(table, *bounds, shape=(steps, width))
            return b.expand(rows, inputs.shape)
        ids = self.positions(b, steps, position_ids)
        ids = ids if ids.dtype in ("int32", "int64") else b.cast(ids, "int64")
        ids = place(b, ids, inputs.rank - 1, inputs.rank - 2) if ids.rank == 2 else ids
        if self.hierarchical_alpha is None:
            return b.expand(b.gather(table, ids, 0), inputs.shape)
        length = b.constant(self.sequence_length, ids.dtype)
        far = b.gather(table, b.op("Div", ids, length), 0)
        ratio = b.like(far, self.hierarchical_alpha / (1.0 - self.hierarchical_alpha))
        moved = b.op("Mul", b.op("Sub", far, b.slice(table, [0], [1], [0])), ratio)
        return b.expand(b.op("Add", b.gather(table, b.op("Mod", ids, length), 0), moved), inputs.shape)


def _root(number: Dim) -> int | None:
    """The least whole number whose square is at least this."""
    return math.isqrt(number - 1) + 1 if isinstance(number, int) else None


class SinePositionEncoding(Positioned):
    """Sines and cosines of each position, to be added to the input: [..., steps, features] to the same shape."""

    argument_order = ("max_wavelength", "start_index")
    max_wavelength = arg(
        Real(above=0), default=10000, doc="2 pi times this is the longest wave's length, in positions."
    )
    onnx = ("Range", "Mul", "Add", "Sin", "Expand")
    formula = """y[p, 2i] = sin(p * max_wavelength ** (-2i / features)), p = start_index + step or position_ids
y[p, 2i + 1] = cos(p * max_wavelength ** (-2i / features))"""
    example = "input x: float32[N, 12, 64]\nx + (x -> SinePositionEncoding())"

    def infer(self, c: Context, inputs: TensorType, position_ids: TensorType | None = None) -> TensorType:
        x = self.floating(inputs)
        require_least_rank(self, x, 2)
        c.known(x, -1)
        self.check_ids(c, x, position_ids, x.rank - 2)
        return x

    def lower(self, b: Builder, inputs: Tensor, position_ids: Tensor | None = None) -> Tensor:
        width = b.known(inputs.shape[-1])
        assert isinstance(width, int)
        positions = self.positions(b, inputs.shape[-2], position_ids)
        rank = 2 if positions.rank == 1 else inputs.rank
        waves = frequencies(self.max_wavelength, [(2 * (i // 2), width) for i in range(width)])
        turned = angles(b, place(b, positions, rank, rank - 2), waves, rank - 1)
        # cos(t) = sin(t + pi / 2): one operator for both.
        quarter = b.constant([math.pi / 2 if i % 2 else 0.0 for i in range(width)], "float64")
        waved = b.op("Sin", b.op("Add", turned, quarter, result=turned.type), result=turned.type)
        return b.expand(b.cast(waved, self.compute_dtype), inputs.shape)
