"""For each operator of the table: graphs of it that more tokens behind the mask do not change, and graphs that they
change, or might."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from behind import MOST, f, graph_of, i, n, one
from onnx import TensorProto

MS = "com.microsoft"
PLACES = {
    "float": """Abs Acos Acosh Asin Asinh Atan Atanh Ceil Celu Cos Cosh Elu Erf Exp Floor Gelu HardSigmoid HardSwish
        Identity IsInf IsNaN LeakyRelu Log Mish Neg Reciprocal Relu Round Selu Shrink Sigmoid Sign Sin Sinh Softplus
        Softsign Sqrt Tan Tanh ThresholdedRelu""".split(),
    "pair": "Add Sub Mul Div Max Min Mean Sum PRelu Equal Greater GreaterOrEqual Less LessOrEqual".split(),
}


@dataclass
class Case:
    """A graph from `x` and its like (`behind`) to `y`. operator: the one that it is about; node: of the blame, where it
    is not that of `y`."""

    operator: str
    nodes: Sequence[onnx.NodeProto]
    same: bool
    held: dict[str, Any] = field(default_factory=dict)
    opset: int = 21
    domain: str = ""
    outputs: Sequence[str] = ("y",)
    about: str = ""
    most: int = MOST

    @property
    def name(self) -> str:
        return f"{self.domain}{self.operator}{'' if self.same else '!'}({self.about or len(self.nodes)},{self.opset})"

    def made(self) -> onnx.ModelProto:
        return graph_of(self.nodes, self.held, self.opset, self.outputs, [self.domain] if self.domain else [])


def same(operator: str, *nodes: onnx.NodeProto, about: str = "", **more: Any) -> Case:
    return Case(operator, nodes, True, about=about, **more)


def changed(operator: str, *nodes: onnx.NodeProto, about: str = "", **more: Any) -> Case:
    return Case(operator, nodes, False, about=about, **more)


def _places() -> Iterator[Case]:
    for operator in PLACES["float"]:
        yield same(operator, n(operator, "x", "y"))
    for operator in PLACES["pair"]:
        held = {"w": f(4), "row": f(MOST, 4)}
        yield same(operator, n(operator, "x w", "y"), held=held, about="with a constant")
        if operator != "PRelu":
            yield same(operator, n(operator, "x given", "y"), about="two of tokens")
        yield changed(operator, n(operator, "x row", "y"), held=held, about="a constant of so many tokens")
    tests = "And Or Xor".split()
    for operator in tests:
        yield same(operator, n("Greater", "x zero", "b"), n(operator, "b shown3", "y"))
    yield same("Not", n("Not", "shown", "y"))
    yield same("Where", n("Where", "shown3 x zero", "y"))
    yield same("Cast", n("Cast", "x", "y", to=TensorProto.INT64))
    yield same("CastLike", n("CastLike", "ids x", "y"))
    yield same("Mod", n("Mod", "ids m", "y"), held={"m": one(3, np.int64)})
    for number in (0.5, 1.0, 2.0, 3.0, -0.5, 1.7):
        yield same("Pow", n("Pow", "x e", "y"), held={"e": one(number)}, about=f"by {number}")
    for operator in ("BitwiseAnd", "BitwiseOr", "BitwiseXor"):
        yield same(operator, n(operator, "ids m", "y"), held={"m": one(3, np.int64)})
    yield same("BitwiseNot", n("BitwiseNot", "ids", "y"))
    yield same("Swish", n("Swish", "x", "y"), opset=24)
    yield same("Clip", n("Clip", "x zero unit", "y"))
    yield same("Clip", n("Clip", "x - unit", "y"), about="above")
    yield changed("Clip", n("ReduceMax", "x", "a", keepdims=0), n("Clip", "x a", "y"), about="below the largest")
    yield same("Dropout", n("Dropout", "x", "y kept_ones"), outputs=("y", "kept_ones"))
    yield changed("Dropout", n("Dropout", "x zero t", "y"), held={"t": one(True, np.bool_)}, about="training")
    for operator in ("Gelu", "QuickGelu", "FastGelu"):
        yield same(operator, n(operator, "x", "y", domain=MS), domain=MS)
    yield same("BiasGelu", n("BiasGelu", "x w", "y", domain=MS), domain=MS, held={"w": f(4)})


def _moving() -> Iterator[Case]:
    yield same("Transpose", n("Transpose", "x", "y", perm=[2, 0, 1]))
    yield same("Unsqueeze", n("Unsqueeze", "x i1", "y"))
    yield same("Squeeze", n("Unsqueeze", "x i1", "a"), n("Squeeze", "a i1", "y"))
    yield changed("Squeeze", n("Unsqueeze", "x i1", "a"), n("Squeeze", "a", "y"), about="whatever has one place")
    heads = {"heads": i(0, 0, 2, 2), "flat": i(-1, 4), "wide": i(0, -1), "back": i(0, 0, 4)}
    yield same("Reshape", n("Reshape", "x heads", "y"), held=heads, about="heads")
    yield same("Reshape", n("Reshape", "x heads", "a"), n("Reshape", "a back", "y"), held=heads, about="heads and back")
    flat = (n("Reshape", "x flat", "a"), n("MatMul", "a w", "b"), n("Shape", "x", "s"), n("Reshape", "b s", "y"))
    yield same("Reshape", *flat, held={**heads, "w": f(4, 4)}, about="flat and back")
    yield changed("Reshape", n("Reshape", "x flat", "y"), held=heads, about="flat")
    yield changed("Reshape", n("Reshape", "x wide", "y"), held=heads, about="tokens into features")
    turned = (n("Transpose", "x", "t", perm=[0, 2, 1]), n("Shape", "x", "s"), n("Reshape", "t s", "y"))
    yield changed("Reshape", *turned, about="features for tokens")
    yield changed("Reshape", n("Reshape", "weights wide", "y"), held=heads, about="tokens by tokens")
    yield same("Flatten", n("Flatten", "x", "a", axis=2), n("Shape", "x", "s"), n("Reshape", "a s", "y"))
    yield changed("Flatten", n("Flatten", "x", "y", axis=1))
    yield same("Concat", n("Concat", "x given", "y", axis=-1))
    yield changed("Concat", n("Concat", "x given", "y", axis=1), about="more tokens")
    yield changed("Concat", n("Concat", "x w", "y", axis=1), held={"w": f(1, 1, 4)}, about="a token before")
    yield same("Split", n("Split", "x parts", "y z", axis=2), held={"parts": i(1, 3)}, outputs=("y", "z"))
    yield changed("Split", n("Split", "x parts", "y z", axis=1), held={"parts": i(1, 2)}, outputs=("y", "z"))
    ends = {"i3": i(3), "minus": i(-1), "far": i(2**62), "table": f(MOST, 4), "short": f(MOST - 1, 4), "i4": i(4)}
    yield same("Slice", n("Slice", "x i1 i3 i2", "y"), held=ends, about="features")
    yield same("Slice", n("Slice", "x i0 far i1", "y"), held=ends, about="all tokens")
    yield same("Slice", n("Slice", "x i0 count i1", "y"), held=ends, about="as many tokens as there are")
    yield same("Slice", n("Slice", "x i0 i1 i1", "y"), held=ends, about="the first token")
    yield same("Slice", n("Slice", "x i1 i4 i1", "y"), held=ends, about="three tokens")
    yield same("Slice", n("Slice", "table i0 count i0", "y"), held=ends, about="a table of places")
    yield changed("Slice", n("Slice", "short i0 count i0", "y"), held=ends, about="too short a table")
    yield changed(
        "Slice", n("Slice", "table minus far i0", "a"), n("Add", "a x", "b"), n("Slice", "x minus far i1", "y")
    )
    yield changed("Slice", n("Slice", "x i0 minus i1", "y"), held=ends, about="all but the last")
    yield changed("Slice", n("Slice", "x i1 far i1", "y"), held=ends, about="all but the first")
    back = {**ends, "before": i(-(2**62))}
    yield changed("Slice", n("Slice", "x minus before i1 minus", "y"), held=back, about="turned round")
    yield changed("Slice", n("Slice", "x i0 far i1 i2", "y"), held=ends, about="every other token")
    yield same("Gather", n("Gather", "x s0", "y", axis=1), about="the first token")
    yield same("Gather", n("Gather", "x two", "y", axis=1), held={"two": i(2, 0)}, about="two of the first")
    yield changed(
        "Gather", n("Gather", "x last", "y", axis=1), held={"last": one(-1, np.int64)}, about="the last token"
    )
    computed = (n("Sub", "length s1", "last"), n("Gather", "x last", "y", axis=1))
    yield changed("Gather", *computed, about="the last token by number")
    yield same("Gather", n("Gather", "w ids", "y"), held={"w": f(6, 4)}, about="a table by tokens")
    yield same("Gather", n("Gather", "x s1", "y", axis=2), about="a feature")
    steps = (n("Range", "s0 length s1", "r"), n("Gather", "w r", "y"))
    yield same("Gather", *steps, held={"w": f(MOST, 4)}, about="a table by places")
    yield changed("Gather", *steps, held={"w": f(MOST - 1, 4)}, about="too short a table by places")
    own = (n("Expand", "w like", "a"), n("GatherElements", "a ids", "y", axis=1))
    table = {"w": f(1, MOST), "like": i(3, 1)}
    yield same("GatherElements", *own, held=table)
    yield changed("GatherElements", n("GatherElements", "mask ids", "y", axis=1), held=table)
    shape = (n("Concat", "rows count i4", "s", axis=0), n("Expand", "w s", "y"))
    yield same("Expand", *shape, held={"w": f(1, 1, 4), "i4": i(4)}, about="to each token")
    yield same("Expand", n("Expand", "x s", "y"), held={"s": i(1, 1, 1)}, about="of tokens")
    yield changed("Expand", *shape, held={"w": f(MOST, 4), "i4": i(4)}, about="of so many tokens")
    twice = (n("Mul", "count i2", "d"), n("Concat", "rows d i4", "s", axis=0), n("Expand", "w s", "y"))
    yield changed("Expand", *twice, held={"w": f(1, 1, 4), "i4": i(4)}, about="to two places a token")
    yield same("Tile", n("Tile", "x t", "y"), held={"t": i(1, 1, 2)})
    yield same("Tile", n("Concat", "i1 count i1", "t", axis=0), n("Tile", "w t", "y"), held={"w": f(2, 1, 4)})
    yield changed("Tile", n("Tile", "x t", "y"), held={"t": i(1, 2, 1)}, about="tokens twice")
    seven = onnx.numpy_helper.from_array(np.array([7.0], np.float32))
    yield same(
        "ConstantOfShape",
        n("ConstantOfShape", "count", "a", value=seven),
        n("Unsqueeze", "a i1", "b"),
        n("Add", "x b", "y"),
    )
    double = (n("Mul", "count i2", "d"), n("ConstantOfShape", "d", "y"))
    yield changed("ConstantOfShape", *double)
    yield same("Range", n("Range", "s0 length s1", "r"), n("Cast", "r", "y", to=TensorProto.FLOAT))
    yield changed("Range", n("Range", "s1 length s1", "y"))
    yield same("Trilu", n("Trilu", "scores", "y", upper=0))
    yield same("Trilu", n("Trilu", "scores s1", "y"), about="above")
    yield changed("Trilu", n("Trilu", "scores length", "y"), about="by the number of tokens")
    yield same("Pad", n("Pad", "x p", "y"), held={"p": i(0, 0, 1, 0, 0, 0)})
    yield changed("Pad", n("Pad", "x p", "y"), held={"p": i(0, 1, 0, 0, 0, 0)}, about="a token before")


def _products() -> Iterator[Case]:
    w = {"w": f(4, 3), "wt": f(3, 4), "c": f(3)}
    yield same("MatMul", n("MatMul", "x w", "y"), held=w, about="features")
    yield same("MatMul", n("MatMul", "x turned", "y"), about="scores")
    yield same("MatMul", n("MatMul", "weights x", "y"), about="mixture")
    yield same("MatMul", n("Mul", "x kept", "z"), n("MatMul", "turned z", "y"), about="zeros behind the mask")
    yield changed("MatMul", n("MatMul", "turned x", "y"), about="over tokens")
    yield changed("MatMul", n("Softmax", "scores", "p"), n("MatMul", "p x", "y"), about="no mask")
    infinite = (n("Exp", "x", "e"), n("MatMul", "weights e", "y"))
    yield changed("MatMul", *infinite, about="what may be infinite")
    flat = (n("Reshape", "x flat", "a"), n("Gemm", "a wt c", "b", transB=1), n("Concat", "rows count c3", "s", axis=0))
    held = {**w, "flat": i(-1, 4), "c3": i(3)}
    yield same("Gemm", *flat, n("Reshape", "b s", "y"), held=held)
    tokens = (n("Slice", "x i0 i1 i0", "a"), n("Squeeze", "a i0", "b"), n("Gemm", "b b", "y", transA=1))
    yield changed("Gemm", *tokens, held=w)
    yield same("FusedMatMul", n("FusedMatMul", "x x", "y", domain=MS, transB=1, alpha=0.5), domain=MS)
    yield changed("FusedMatMul", n("FusedMatMul", "x x", "y", domain=MS, transA=1), domain=MS)
    yield same("Einsum", n("Einsum", "x w", "y", equation="btd,dk->btk"), held=w, about="features")
    yield same("Einsum", n("Einsum", "weights x", "y", equation="bqk,bkd->bqd"), about="mixture")
    yield same("Einsum", n("Mul", "x kept", "z"), n("Einsum", "z", "y", equation="btd->bd"), about="a sum")
    yield changed("Einsum", n("Einsum", "x", "y", equation="btd->bd"), about="a sum of all")
    yield changed("Einsum", n("Einsum", "x x", "y", equation="btd,bte->bde"), about="over tokens")


def _attention() -> Iterator[Case]:
    more: dict[str, Any] = {"opset": 23, "held": {"low2": one(-1e4), "w": f(4, 4), "i3": i(3)}}
    heads: dict[str, Any] = {"q_num_heads": 2, "kv_num_heads": 2}
    shape = (
        n("Unsqueeze", "columns i1", "m1"),
        n("Concat", "rows i1 count count", "s", axis=0),
        n("Expand", "m1 s", "m"),
    )
    biased = (*shape, n("Where", "m zero low", "bias"))
    yield same("Attention", *shape, n("Attention", "x x x m", "y", **heads), about="booleans", **more)
    yield same("Attention", *biased, n("Attention", "x x x bias", "y", **heads), about="lowest", **more)
    yield same("Attention", n("Attention", "x x x", "y", is_causal=1, **heads), about="causal", **more)
    causal = n("Attention", "x x x m", "y", is_causal=1, **heads)
    yield same("Attention", *shape, causal, about="causal and booleans", **more)
    yield changed("Attention", n("Attention", "x x x", "y", **heads), about="no mask", **more)
    yield changed(
        "Attention", *shape, n("Not", "m", "o"), n("Attention", "x x x o", "y", **heads), about="turned", **more
    )
    weak = (*shape, n("Where", "m zero low2", "bias"), n("Attention", "x x x bias", "y", **heads))
    yield changed("Attention", *weak, about="too weak a mask", **more)
    infinite = (*shape, n("Exp", "x", "e"), n("Attention", "x x e m", "y", **heads))
    yield changed("Attention", *infinite, about="what may be infinite", **more)


def _along() -> Iterator[Case]:
    yield same("Softmax", n("Softmax", "x", "y"), about="features")
    yield same("Softmax", n("Softmax", "hidden", "y"), about="lowest")
    for number, about in ((-np.inf, "-inf"), (-2.3e38, "-2.3e38"), (-1e30, "-1e30")):
        masked = (n("Where", "columns scores v", "h"), n("Softmax", "h", "y"))
        yield same("Softmax", *masked, held={"v": one(number)}, about=about)
    bias = (n("Cast", "columns", "c", to=1), n("Sub", "unit c", "o"), n("Mul", "o low", "v"), n("Add", "scores v", "h"))
    yield same("Softmax", *bias, n("Softmax", "h", "y"), about="a bias of the lowest")
    small = (n("Tanh", "x", "a"), n("Transpose", "a", "b", perm=[0, 2, 1]), n("MatMul", "a b", "c"))
    weak = {"v": one(-1e4)}
    yield same(
        "Softmax",
        *small,
        n("Where", "columns zero v", "m"),
        n("Add", "c m", "h"),
        n("Softmax", "h", "y"),
        held=weak,
        about="-1e4 below small scores",
    )
    yield changed(
        "Softmax",
        n("Where", "columns zero v", "m"),
        n("Add", "scores m", "h"),
        n("Softmax", "h", "y"),
        held=weak,
        about="-1e4 below large scores",
    )
    yield changed("Softmax", n("Softmax", "scores", "y"), about="no mask")
    yield changed("Softmax", n("Where", "columns low scores", "h"), n("Softmax", "h", "y"), about="turned")
    yield changed("Softmax", n("Softmax", "x", "y", axis=1), about="over tokens")
    yield changed("Softmax", n("Softmax", "x", "y", axis=1), opset=11, about="over tokens and features")
    other = (n("Equal", "ids s0", "e"), n("Unsqueeze", "e i1", "c"), n("Where", "c low scores", "h"))
    yield changed("Softmax", *other, n("Softmax", "h", "y"), about="a mask of its own")
    both = (n("And", "shown3 columns", "c"), n("Where", "c scores low", "h"), n("Softmax", "h", "y"))
    yield changed("Softmax", *both, about="rows that see nothing")
    window = (
        n("Range", "s0 length s1", "r"),
        n("Unsqueeze", "r i1", "q"),
        n("Unsqueeze", "r i0", "k"),
        n("Sub", "q k", "d"),
    )
    near = (*window, n("Less", "d s1", "w"), n("And", "w columns", "c"), n("Where", "c scores low", "h"))
    yield changed("Softmax", *near, n("Softmax", "h", "y"), about="a window")
    causal = (*window, n("GreaterOrEqual", "d s0", "w"))
    yield same(
        "Softmax",
        *causal,
        n("And", "w columns", "c"),
        n("Where", "c scores low", "h"),
        n("Softmax", "h", "y"),
        about="differences of places",
    )
    rows = (*window, n("LessOrEqual", "k q", "w"), n("And", "w columns", "c"), n("Where", "c scores low", "h"))
    yield same("Softmax", *rows, n("Softmax", "h", "y"), about="causal")
    buffer = {"tril": np.tril(np.ones((MOST, MOST), bool))}
    cut = (n("Slice", "tril i0 count i0", "t1"), n("Slice", "t1 i0 count i1", "t2"), n("And", "t2 columns", "c"))
    yield same("Softmax", *cut, n("Where", "c scores low", "h"), n("Softmax", "h", "y"), held=buffer, about="a buffer")
    yield same("LogSoftmax", n("LogSoftmax", "hidden", "y"))
    yield changed("LogSoftmax", n("LogSoftmax", "scores", "y"))
    norm = {"g": f(4), "b": f(4)}
    yield same("LayerNormalization", n("LayerNormalization", "x g b", "y"), held=norm)
    wide = {"g": f(1), "b": f(1)}
    yield changed("LayerNormalization", n("LayerNormalization", "x g b", "y", axis=1), held=wide)
    yield same("RMSNormalization", n("RMSNormalization", "x g", "y"), held=norm, opset=23)
    yield changed("RMSNormalization", n("RMSNormalization", "x g", "y", axis=1), held=wide, opset=23)
    yield same("SimplifiedLayerNormalization", n("SimplifiedLayerNormalization", "x g", "y"), held=norm)
    yield changed("SimplifiedLayerNormalization", n("SimplifiedLayerNormalization", "x g", "y", axis=1), held=wide)
    for operator, inputs in (("SkipLayerNormalization", "g b"), ("SkipSimplifiedLayerNormalization", "g")):
        yield same(operator, n(operator, f"x given {inputs}", "y", domain=MS), domain=MS, held=norm)
        turned = n(operator, f"scores weights {inputs}", "y", domain=MS)
        yield changed(operator, turned, domain=MS, held=norm)
    yield same("LpNormalization", n("LpNormalization", "x", "y"))
    yield changed("LpNormalization", n("LpNormalization", "x", "y", axis=1))
    stats = {name: np.abs(f(4)) + 1 for name in ("g", "b", "mean", "var")}
    batch = (n("Transpose", "x", "t", perm=[0, 2, 1]), n("BatchNormalization", "t g b mean var", "y"))
    yield same("BatchNormalization", *batch, held=stats)
    one_each = {name: np.abs(f(1)) + 1 for name in ("g", "b", "mean", "var")}
    yield changed("BatchNormalization", n("BatchNormalization", "x g b mean var", "y"), held=one_each)
    yield same("CumSum", n("CumSum", "mask s1", "y"))
    yield changed("CumSum", n("CumSum", "mask s1", "y", reverse=1))
    total = (n("Mul", "x kept", "z"), n("CumSum", "z s1", "c"), n("ReduceSum", "c i1", "y"))
    yield changed("CumSum", *total, about="the sum stays behind the mask")
    yield from _reductions()


def _reductions() -> Iterator[Case]:
    for operator in "ReduceL1 ReduceL2 ReduceSum ReduceSumSquare".split():
        yield same(operator, n(operator, "x i2", "y"), about="features")
        yield same(operator, n("Mul", "x kept", "z"), n(operator, "z i1", "y"), about="zeros behind the mask")
        yield changed(operator, n(operator, "x i1", "y"), about="tokens")
    pooled = (
        n("Mul", "x kept", "z"),
        n("ReduceSum", "z i1", "a", keepdims=0),
        n("ReduceSum", "kept i1", "c", keepdims=0),
    )
    yield same("Div", *pooled, n("Div", "a c", "y"), about="masked mean")
    counted = (*pooled, n("Clip", "c tiny", "d"), n("Div", "a d", "y"))
    yield same("Div", *counted, held={"tiny": one(1e-9)}, about="masked mean of transformers")
    turned = (n("Sub", "unit kept", "o"), n("ReduceSum", "o i1", "y"))
    yield changed("ReduceSum", *turned, about="how many are hidden")
    yield changed("ReduceSum", n("ReduceSum", "x", "y"), about="everything")
    yield same("ReduceMean", n("ReduceMean", "x i2", "y"), about="features")
    yield changed("ReduceMean", n("ReduceMean", "x i1", "y"), about="tokens")
    yield changed("ReduceMean", n("Mul", "x kept", "z"), n("ReduceMean", "z i1", "y"), about="zeros too")
    for operator, sign in (("ReduceMax", -1.0), ("ReduceMin", 1.0)):
        yield same(operator, n(operator, "x i2", "y"), about="features")
        held = {"v": one(sign * 1e9)}
        yield same(operator, n("Where", "shown3 x v", "h"), n(operator, "h i1", "y"), held=held, about="hidden")
        yield changed(operator, n(operator, "x i1", "y"), about="tokens")
        yield changed(operator, n("Mul", "x kept", "z"), n(operator, "z i1", "y"), about="zeros too")
    yield same("ReduceLogSumExp", n("ReduceLogSumExp", "hidden i2", "y"))
    yield changed("ReduceLogSumExp", n("ReduceLogSumExp", "scores i2", "y"))


def _quantized() -> Iterator[Case]:
    held = {"scale": one(0.1), "point": one(3, np.uint8), "scales": np.abs(f(1)) + 0.1, "points": np.zeros(1, np.uint8)}
    both = (n("QuantizeLinear", "x scale point", "q"), n("DequantizeLinear", "q scale point", "y"))
    yield same("QuantizeLinear", n("QuantizeLinear", "x scale point", "y"), held=held)
    yield same("DequantizeLinear", *both, held=held)
    mixed = (n("QuantizeLinear", "weights scale point", "q"), n("DequantizeLinear", "q scale point", "p"))
    yield same("DequantizeLinear", *mixed, n("MatMul", "p x", "y"), held=held, about="weights of attention")
    own = (n("ReduceMax", "ids", "m", keepdims=0), n("Cast", "m", "s", to=1))
    yield changed("QuantizeLinear", *own, n("QuantizeLinear", "x s point", "y"), held=held, about="a scale of all")
    yield changed("DequantizeLinear", *own, both[0], n("DequantizeLinear", "q s point", "y"), held=held)


def _others() -> Iterator[Case]:
    """Operators that are not in the table."""
    held = {"w": f(4, 4, 3), "k": i(2), "r": f(1, 12, 4), "r2": f(1, 12, 3), "l": f(1, 9, 4), "l2": f(1, 9, 3)}
    yield changed("Conv", n("Conv", "turned w", "y", pads=[1, 1]), held=held)
    yield changed("LSTM", n("Transpose", "x", "t", perm=[1, 0, 2]), n("LSTM", "t r r2", "y", hidden_size=3), held=held)
    yield changed("GRU", n("Transpose", "x", "t", perm=[1, 0, 2]), n("GRU", "t l l2", "y", hidden_size=3), held=held)
    yield changed("ArgMax", n("ArgMax", "ids", "y", axis=1))
    yield changed("TopK", n("TopK", "given k", "y z", axis=1), held=held)
    yield changed("NonZero", n("NonZero", "mask", "y"))
    yield changed("DynamicQuantizeLinear", n("DynamicQuantizeLinear", "x", "y s p"))
    yield changed("GlobalAveragePool", n("GlobalAveragePool", "turned", "y"))
    lengths = (n("ReduceSum", "mask i1", "l", keepdims=0), n("ReverseSequence", "x l", "y", batch_axis=0, time_axis=1))
    yield changed("ReverseSequence", *lengths)
    yield changed("ReduceProd", n("ReduceProd", "x i1", "y"))
    yield changed("RandomNormalLike", n("RandomNormalLike", "x", "y"))
    held = {"t": i(2), "four": i(1, 1), "e": i(0, 1)}
    yield changed("Unsqueeze", n("Unsqueeze", "count i0", "a"), n("Identity", "a", "y"), held=held)
    yield changed("Expand", n("Expand", "count four", "y"), held=held, about="the number of tokens")
    yield changed("Transpose", n("Transpose", "count", "y"), held=held)
    yield changed("Tile", n("Tile", "count t", "y"), held=held, about="the number of tokens")
    yield changed("Reshape", n("Reshape", "count four", "y"), held=held, about="the number of tokens")
    yield changed("Shape", n("Shape", "x", "y"))
    yield changed("Mul", n("Mul", "ids length", "y"), about="the number of tokens")
    flat = (n("Range", "s0 one_row s1", "r"), n("Unsqueeze", "r i1", "r2"), n("Mul", "r2 length", "first"))
    ordinal = (
        n("Squeeze", "rows i0", "one_row"),
        *flat,
        n("Range", "s0 length s1", "t2"),
        n("Add", "first t2", "places"),
    )
    laid = n("Reshape", "x wide", "laid")
    numbers = [n("Squeeze", "rows i0", "one_row"), n("Range", "s0 one_row s1", "r"), n("Range", "s0 length s1", "t2")]
    numbers += [
        n("Concat", "rows count i1", "s", axis=0),
        n("Unsqueeze", "r i12", "r2"),
        n("Unsqueeze", "t2 i02", "t3"),
    ]
    numbers += [n("Expand", "r2 s", "r3"), n("Expand", "t3 s", "t4")]
    pairs = {"i12": i(1, 2), "i02": i(0, 2)}
    found = (*numbers, n("Concat", "r3 t4", "places", axis=-1), n("GatherND", "x places", "y"))
    yield same("GatherND", *found, held=pairs)
    turned = (*numbers, n("Concat", "t4 r3", "places", axis=-1), n("GatherND", "x places", "y"))
    yield changed("GatherND", *turned, held=pairs, about="tokens for rows")
    after = (*numbers, n("Add", "t4 i1", "t5"), n("Concat", "r3 t5", "places", axis=-1), n("GatherND", "x places", "y"))
    yield changed("GatherND", *after, held=pairs, about="the token after")
    yield same(
        "Gather", *ordinal, laid, n("Gather", "laid places", "y"), held={"wide": i(-1, 4)}, about="rows laid flat"
    )
    yield changed("Add", *ordinal, n("Add", "places i1", "y"), about="places of rows laid flat")
    yield changed("Identity", *ordinal, n("Identity", "first", "y"), about="places of rows laid flat")
    yield changed(
        "Gather",
        *ordinal,
        laid,
        n("Gather", "w places", "y"),
        held={"wide": i(-1, 4), "w": f(99, 2)},
        about="a table by places of rows",
    )
    float_length = (n("Cast", "length", "l", to=1), n("Div", "x l", "y"))
    yield changed("Cast", *float_length, about="the number of tokens")


def cases() -> Iterator[Case]:
    yield from _places()
    yield from _moving()
    yield from _products()
    yield from _attention()
    yield from _along()
    yield from _quantized()
    yield from _others()
