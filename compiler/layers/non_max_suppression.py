"""NonMaxSuppression: of boxes that overlap the one with the highest score."""

from __future__ import annotations

from typing import TYPE_CHECKING

from archonnx.compiler.graph import TensorType
from archonnx.compiler.layers.base import LayerError, arg
from archonnx.compiler.layers.boxes import CENTER, FORMS, convert, require_columns
from archonnx.compiler.layers.common import KerasLayer, require_equal, require_rank
from archonnx.compiler.layers.domains import Choice, Flag, Optional, Real, Whole
from archonnx.contract.dims import symbol
from archonnx.contract.dtypes import DTYPES

if TYPE_CHECKING:
    from archonnx.compiler.ir import Tensor
    from archonnx.compiler.layers.base import Context
    from archonnx.compiler.lowering.builder import Builder
    from archonnx.contract.dims import Dim

LOWEST = -3.4028234663852886e38  # of float32: no score that counts


class NonMaxSuppression(KerasLayer):
    """The best boxes, [N, A, 4] with scores [N, A, C]: (boxes [N, K, 4], scores [N, K], classes [N, K], count [N]).

    Of each class the box of the highest score is kept, those that overlap it are dropped, and so on; of what is kept
    the K highest scores over all classes are given, the highest first. `count` says how many there are; past it stand
    zeros.
    Scores and boxes are compared in float32. `onnx.NonMaxSuppression` gives the indices themselves.
    """

    inputs = ("boxes", "scores")
    masking = "drop"
    max_detections = arg(Whole(1, 100_000), default=100, doc="K, the number of places in the result.")
    iou_threshold = arg(
        Real(minimum=0.0, maximum=1.0), default=0.5, doc="Boxes whose intersection over union is larger are dropped."
    )
    score_threshold = arg(Optional(Real()), default=None, doc="Scores that are not above it are dropped; None: none.")
    max_per_class = arg(Optional(Whole(1, 100_000)), default=None, doc="The most boxes of one class; None: K.")
    class_agnostic = arg(
        Flag(), default=False, doc="Whether a box has its best class alone, and boxes of all classes drop each other."
    )
    box_format = arg(Choice(*FORMS), default="xyxy", doc="The form of the boxes.")
    onnx = (
        "NonMaxSuppression", "Slice", "Transpose", "GatherND", "Gather", "Range", "Equal", "Where", "Pad", "TopK",
        "Greater", "ReduceSum", "ReduceMax", "ArgMax", "Concat", "Split", "Add", "Sub", "Mul",
    )  # fmt: skip
    formula = (
        "kept: boxes in falling order of score, each unless intersection / union with a kept one of its class\n"
        "      is above iou_threshold\n"
        "result: the max_detections highest scores of all classes"
    )
    example = (
        "input boxes: float32[N, 500, 4]\ninput scores: float32[N, 500, 20]\n"
        "(best, their_scores, classes, count) = (boxes, scores) -> NonMaxSuppression(50, score_threshold=0.25)\n"
        "output best\noutput their_scores\noutput classes\noutput count"
    )

    def infer(self, c: Context, boxes: TensorType, scores: TensorType) -> tuple[TensorType, ...]:
        require_rank(self, boxes, ("batch", "boxes", "coordinates"))
        require_rank(self, scores, ("batch", "boxes", "classes"), 1)
        require_columns(self, c, boxes, 4, self.box_format)
        if DTYPES[scores.dtype].kind != "float":
            raise LayerError("E0303", f"NonMaxSuppression needs scores in floats, got {scores}", input=1)
        for axis in (0, 1):
            require_equal(self, c.facts, boxes.shape[axis], scores.shape[axis], (boxes, scores), input=1, axis=axis)
        shape = (boxes.shape[0], self.max_detections)
        dtype = self.compute_dtype
        return (
            TensorType(dtype, (*shape, 4)),
            TensorType(dtype, shape),
            TensorType("int64", shape),
            TensorType("int64", shape[:1]),
        )

    def lower(self, b: Builder, boxes: Tensor, scores: Tensor) -> tuple[Tensor, ...]:
        boxes, scores = self.cast_floating(b, boxes), self.cast_floating(b, scores)
        compared = b.transpose(b.cast(scores, "float32"), (0, 2, 1))
        best: Tensor | None = None
        if self.class_agnostic:
            best = b.op(
                "ArgMax", compared, result=TensorType("int64", (scores.shape[0], scores.shape[1])), axis=1, keepdims=0
            )
            compared = b.reduce("Max", compared, [1], keepdims=True)
        selected = self._selected(b, boxes, compared)
        values, rows = self._highest(b, selected, compared)
        counted = b.op("Greater", values, b.like(values, LOWEST))
        zero = b.constant(0, "int64")
        places = b.op("Where", b.expand_dims(counted, [2]), rows, zero, result=rows.type)
        where = b.slice(places, [2], [3], [2])
        kept = self._at(b, boxes, where, (*where.shape[:2], 4))
        kept = b.op("Where", b.expand_dims(counted, [2]), kept, b.like(kept, 0), result=kept.type)
        shown = b.op("Where", counted, values, b.like(values, 0), result=values.type)
        if best is None:
            classes = b.gather(places, 1, 2)
        else:
            classes = b.op(
                "Where",
                counted,
                self._at(b, best, where, where.shape[:2]),
                zero,
                result=TensorType("int64", values.shape),
            )
        count = b.reduce("Sum", b.cast(counted, "int64"), [1])
        return kept, b.cast(shown, self.compute_dtype), classes, count

    def _selected(self, b: Builder, boxes: Tensor, scores: Tensor) -> Tensor:
        """int64 [S, 3]: batch, class and box of all that is kept of each class; ONNX's operator."""
        form, order = FORMS[self.box_format]
        centred = form == CENTER
        if centred and order != "xy":
            boxes = convert(b, boxes, self.box_format, "center_xywh")
        elif not centred:
            boxes = convert(b, boxes, self.box_format, "yxyx" if order == "yx" else "xyxy")
        rows = symbol(f"selected_{len(b.graph.operators)}", 0)
        return b.op(
            "NonMaxSuppression",
            b.cast(boxes, "float32"),
            scores,
            b.ints([self.max_per_class or self.max_detections]),
            b.constant([self.iou_threshold]),
            None if self.score_threshold is None else b.constant([self.score_threshold]),
            result=TensorType("int64", (rows, 3)),
            center_point_box=1 if centred else None,
        )

    def _highest(self, b: Builder, selected: Tensor, scores: Tensor) -> tuple[Tensor, Tensor]:
        """The K highest scores of each batch, [N, K], and their rows of `selected`, [N, K, 3].

        Every batch sorts all rows, its own and the others' as the lowest number: far fewer than boxes times classes.
        """
        count, total = selected.shape[0], scores.shape[0]
        found = b.op("GatherND", scores, selected, result=TensorType("float32", (count,)))
        bounds = (b.constant(0, "int64"), b.dim(total), b.constant(1, "int64"))
        batches = b.op("Range", *bounds, result=TensorType("int64", (total,)))
        own = b.op("Equal", b.expand_dims(batches, [1]), b.gather(selected, 0, 1))
        table: tuple[Dim, ...] = (total, count)
        ranked = b.op("Where", own, found, b.constant(LOWEST), result=TensorType("float32", table))
        ranked = b.pad(ranked, (0, 0), (0, self.max_detections), LOWEST)
        shape = (total, self.max_detections)
        values, at = b.op(
            "TopK",
            ranked,
            b.ints([self.max_detections]),
            result=(TensorType("float32", shape), TensorType("int64", shape)),
        )
        rows = b.pad(selected, (0, 0), (self.max_detections, 0), 0)
        return values, b.gather(rows, at, 0)

    def _at(self, b: Builder, x: Tensor, where: Tensor, shape: tuple[Dim, ...]) -> Tensor:
        """The places `where` [N, K, 1] of x [N, A, ...], each batch its own."""
        return b.op("GatherND", x, where, result=TensorType(x.dtype, shape), batch_dims=1)
