"""For each operator of the table: graphs of it that keep rows apart, and graphs that do not, or might not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from apart import Input, graph_of
from onnx import helper

from archonnx.runtime.batching import table

_RNG = np.random.default_rng(5)
MS, ML = table.MICROSOFT, table.ML


@dataclass
class Case:
    """One node. inputs: Input, an array for what the file holds, None for what is left out."""

    operator: str
    inputs: tuple[Any, ...]
    apart: bool
    outputs: int = 1
    domain: str = ""
    opset: int = 21
    attributes: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        shapes = "-".join("x".join(map(str, i.shape)) if i is not None else "none" for i in self.inputs)
        return f"{self.domain}{self.operator}{'' if self.apart else '!'}({shapes},{self.opset})"

    def made(self) -> tuple[onnx.ModelProto, dict[str, Input]]:
        names = ["" if each is None else f"i{place}" for place, each in enumerate(self.inputs)]
        inputs = {name: each for name, each in zip(names, self.inputs, strict=True) if isinstance(each, Input)}
        held = {name: each for name, each in zip(names, self.inputs, strict=True) if isinstance(each, np.ndarray)}
        outputs = [f"o{number}" for number in range(self.outputs)]
        node = helper.make_node(self.operator, names, outputs, name="net/node", domain=self.domain, **self.attributes)
        domains = [self.domain] if self.domain else []
        return graph_of([node], inputs, outputs, held, self.opset, domains), inputs


def f(*shape: int) -> np.ndarray[Any, Any]:
    """Weights."""
    return _RNG.uniform(-1, 1, shape).astype(np.float32)


def i(*numbers: int) -> np.ndarray[Any, Any]:
    return np.array(numbers, np.int64)


def one(number: Any, dtype: Any = np.float32) -> np.ndarray[Any, Any]:
    return np.array(number, dtype)


X = Input("N", 3, 4)
Y = Input("N", 3, 4)
LATE = Input(3, "N", 4)
IMAGE = Input("N", 4, 6, 6)
BYTES = Input("N", 3, 4, dtype="uint8", most=255)
BOOL = Input("N", 3, 4, dtype="bool")
WHOLE = Input("N", 3, 4, dtype="int32")
LOW = Input("N", 3, 4, least=0.1)  # what Log and the like take


def yes(operator: str, *inputs: Any, outputs: int = 1, domain: str = "", opset: int = 21, **attributes: Any) -> Case:
    return Case(operator, inputs, True, outputs, domain, opset, attributes)


def no(operator: str, *inputs: Any, outputs: int = 1, domain: str = "", opset: int = 21, **attributes: Any) -> Case:
    return Case(operator, inputs, False, outputs, domain, opset, attributes)


_UNARY = """Abs Acos Acosh Asin Asinh Atan Atanh Ceil Celu Cos Cosh Elu Erf Exp Floor Gelu HardSigmoid HardSwish Identity
    IsInf IsNaN LeakyRelu Log Mish Neg Reciprocal Relu Round Selu Shrink Sigmoid Sign Sin Sinh Softplus Softsign Sqrt Tan
    Tanh ThresholdedRelu""".split()
_BINARY = "Add Div Equal Greater GreaterOrEqual Less LessOrEqual Max Mean Min Mul Pow PRelu Sub Sum".split()
# Nothing that these are given can mix rows.
HARMLESS = {
    *_UNARY,
    "Transpose",
    "Not",
    "BitwiseNot",
    "Cast",
    "CastLike",
    "Swish",
    "Size",
    "Shape",
    "Clip",
    "Dropout",
} | {"Gelu", "QuickGelu", "Binarizer", "LabelEncoder", "Imputer", "LinearClassifier"}


def cases() -> Iterator[Case]:
    for name in _UNARY:
        yield yes(name, LOW if name in ("Log", "Sqrt", "Acosh") else X)
    for name in _BINARY:
        second = LOW if name == "Pow" else Y
        first = LOW if name == "Pow" else X
        yield yes(name, first, second)
        yield yes(name, first, f(4))
        yield yes(name, first, f(1, 3, 1))
        yield no(name, first, f(6, 3, 4))  # as many as rows perhaps
        yield no(name, Input("N", 4), Input(4, "N"))
    yield yes("Mod", WHOLE, Input("N", 3, 4, dtype="int32", least=1))
    yield no("Mod", WHOLE, np.full((6, 3, 4), 3, np.int32))
    for name in ("And", "Or", "Xor"):
        yield yes(name, BOOL, BOOL)
        yield no(name, BOOL, np.ones((6, 3, 4), bool))
    for name in ("BitwiseAnd", "BitwiseOr", "BitwiseXor"):
        yield yes(name, WHOLE, WHOLE)
        yield no(name, WHOLE, np.ones((6, 3, 4), np.int32))
    yield yes("BitShift", BYTES, np.array(1, np.uint8), direction="LEFT")
    yield no("BitShift", BYTES, np.ones((6, 3, 4), np.uint8), direction="LEFT")
    yield yes("Not", BOOL)
    yield yes("BitwiseNot", WHOLE)
    yield yes("Cast", X, to=7)
    yield yes("CastLike", X, np.ones((6, 1), np.float64))
    yield yes("Swish", X, opset=24)
    yield yes("Where", BOOL, X, Y)
    yield no("Where", BOOL, X, f(6, 1, 1))
    yield yes("StringConcat", Input("N", 2, dtype="string"), Input("N", 2, dtype="string"))
    yield no("StringConcat", Input("N", 2, dtype="string"), np.array([["a"], ["b"]], object))
    for name in table._REDUCTIONS:
        x = LOW if "Log" in name else X
        late = name == "ReduceSum"
        yield yes(name, x, i(1, -1), keepdims=0)
        yield yes(name, x, axes=[2], opset=17) if not late else yes(name, x, i(2), opset=13)
        yield yes(name, Input(3, "N", 4, least=0.1), i(0), keepdims=0)
        yield yes(name, x, noop_with_empty_axes=1)
        yield no(name, x, i(0))
        yield no(name, x)
    for name in ("ArgMax", "ArgMin"):
        yield yes(name, X, axis=1, keepdims=0)
        yield no(name, X, axis=0)
    for name, more in (("AveragePool", {"kernel_shape": [2, 2]}), ("LpPool", {"kernel_shape": [2, 2]}), ("LRN", {"size": 3}),
                       ("DepthToSpace", {"blocksize": 2}), ("SpaceToDepth", {"blocksize": 2}), ("GlobalAveragePool", {}),
                       ("GlobalLpPool", {}), ("GlobalMaxPool", {}), ("MaxPool", {"kernel_shape": [2, 2]})):  # fmt: skip
        yield yes(name, IMAGE, **more)
        yield no(name, Input(4, "N", 6, 6), **more)
    yield no("MaxPool", IMAGE, outputs=2, kernel_shape=[2, 2])
    yield yes("Conv", IMAGE, f(5, 4, 3, 3), f(5))
    yield no("Conv", Input(2, "N", 6, 6), f(5, 6, 3, 3))
    yield no("Conv", IMAGE, Input("N", 4, 3, 3))
    yield yes("ConvTranspose", IMAGE, f(4, 5, 3, 3))
    yield no("ConvTranspose", Input(2, "N", 6, 6), f(6, 5, 3, 3))
    weights = np.ones((2, 4, 3, 3), np.uint8)
    image = Input("N", 4, 6, 6, dtype="uint8", most=255)
    yield yes("ConvInteger", image, weights)
    yield no("ConvInteger", Input(1, "N", 6, 6, dtype="uint8"), weights)
    scale, zero = one(0.1), one(3, np.uint8)
    yield yes("QLinearConv", image, scale, zero, weights, scale, zero, one(2.0), zero)
    yield no("QLinearConv", Input(1, "N", 6, 6, dtype="uint8"), scale, zero, weights, scale, zero, one(2.0), zero)
    yield yes("InstanceNormalization", IMAGE, f(4), f(4))
    yield no("InstanceNormalization", Input(2, "N", 6, 6), f(6), f(6))
    yield yes("GroupNormalization", IMAGE, f(4), f(4), num_groups=2)
    yield no("GroupNormalization", Input(2, "N", 6, 6), f(6), f(6), num_groups=2)
    yield yes("BatchNormalization", IMAGE, f(4), f(4), f(4), np.abs(f(4)))
    yield no("BatchNormalization", Input(2, "N", 6), f(6), f(6), f(6), np.abs(f(6)))
    yield no("BatchNormalization", IMAGE, f(4), f(4), f(4), np.abs(f(4)), training_mode=1, outputs=3)
    yield yes("Dropout", X, one(0.5), outputs=2)
    yield yes("Dropout", X, one(0.5), np.array(False))
    yield no("Dropout", X, one(0.5), np.array(True))
    yield yes("Clip", X, one(-1.0), one(1.0))
    yield no("Clip", X, None, Input("N"))
    for operator, inside, more in (("Attention", 4, {"q_num_heads": 2, "kv_num_heads": 2}),):
        q = Input("N", 3, inside)
        yield yes(operator, q, Input("N", 5, inside), Input("N", 5, inside), opset=23, **more)
        yield yes(operator, q, Input("N", 5, inside), Input("N", 5, inside), f(3, 5), opset=23, **more)
        yield yes(operator, q, Input("N", 5, inside), Input("N", 5, inside), Input("N", 1, 3, 5), opset=23, **more)
        yield no(operator, q, f(6, 5, inside), f(6, 5, inside), opset=23, **more)
        yield no(operator, q, Input("N", 5, inside), Input("N", 5, inside), Input("N", 5), opset=23, **more)
        yield no(operator, Input(2, "N", inside), f(2, 5, inside), f(2, 5, inside), opset=23, **more)
    yield yes("Concat", X, Input("N", 2, 4), axis=1)
    yield yes("Concat", LATE, LATE, axis=-1)
    yield no("Concat", X, Y, axis=0)
    yield no("Concat", X, f(6, 3, 4), axis=1)
    yield yes("CumSum", X, one(1, np.int64))
    yield no("CumSum", X, one(0, np.int64))
    yield no("CumSum", X, Input(1, dtype="int64"))
    yield yes("DFT", Input("N", 8, 1), None, one(1, np.int64), opset=20)
    yield yes("DFT", Input("N", 8, 1), axis=1, opset=17)
    yield no("DFT", Input(1, "N", 1), None, one(1, np.int64), opset=20)
    yield yes("STFT", Input("N", 16, 1), one(4, np.int64), f(8))
    yield no("STFT", Input(2, "N", 1), one(4, np.int64), f(8))
    yield yes("QuantizeLinear", X, one(0.1), one(3, np.uint8))
    yield yes("QuantizeLinear", X, np.abs(f(4)), one([1, 2, 3, 4], np.uint8), axis=2)
    yield no("QuantizeLinear", X, np.abs(f(6)), np.zeros(6, np.uint8), axis=0)
    yield yes("DequantizeLinear", BYTES, one(0.1))
    yield no("DequantizeLinear", BYTES, np.abs(f(6)), axis=0)
    yield yes("Einsum", X, Y, equation="nij,nkj->nik")
    yield yes("Einsum", X, f(4, 2), equation="nij,jk->ink")
    yield no("Einsum", X, equation="nij->ij")
    yield no("Einsum", Input("N", "3"), Input("N", "3"), equation="ni,mi->nm")
    yield yes("Expand", Input("N", 1, 4), i(1, 3, 4))
    yield no("Expand", Input("N", 1, 4), i(6, 3, 4))
    yield yes("Flatten", X)
    yield yes("Flatten", X, axis=0)
    yield yes("Flatten", LATE, axis=1)
    yield no("Flatten", LATE, axis=2)
    for name, gates in (("RNN", 1), ("GRU", 3), ("LSTM", 4)):
        w, r = f(1, gates * 2, 4), f(1, gates * 2, 2)
        outs = 3 if name == "LSTM" else 2
        yield yes(name, LATE, w, r, outputs=outs, hidden_size=2)
        yield yes(
            name, LATE, w, r, None, Input("N", dtype="int32", least=1), Input(1, "N", 2), outputs=outs, hidden_size=2
        )
        yield no(name, X, f(1, gates * 2, 4), r, outputs=outs, hidden_size=2)
        yield no(name, LATE, w, r, None, None, f(1, 6, 2), outputs=outs, hidden_size=2)
    numbers = Input("N", 2, dtype="int64", most=3)
    yield yes("Gather", X, i(2, 0), axis=1)
    yield yes("Gather", LATE, one(2, np.int64), axis=0)
    yield yes("Gather", f(5, 7), numbers)
    yield no("Gather", X, i(1, 0))
    yield no("Gather", X, numbers, axis=1)
    yield yes("GatherElements", X, Input("N", 2, 4, dtype="int64", most=3), axis=1)
    yield no("GatherElements", X, Input("N", 3, 4, dtype="int64", most=3), axis=0)
    yield no("GatherElements", f(6, 3, 4), Input("N", 2, 4, dtype="int64", most=3), axis=1)
    yield yes("GatherND", X, Input("N", 2, 1, dtype="int64", most=3), batch_dims=1)
    yield yes("GatherND", f(3, 4), Input("N", 2, 2, dtype="int64", most=3))
    yield no("GatherND", X, Input("N", 2, 1, dtype="int64", most=3))
    yield no("GatherND", f(6, 3), Input("N", 1, dtype="int64", most=3), batch_dims=1)
    yield yes("Gemm", Input("N", 4), f(4, 5), f(5), alpha=0.5)
    yield yes("Gemm", Input(4, "N"), f(5, 4), transA=1, transB=1)
    yield yes("Gemm", f(3, 4), Input("N", 4), transB=1)
    yield no("Gemm", Input(5, "N"), f(6, 4))
    yield no("Gemm", Input("N", 4), f(4, 5), f(6, 1))
    yield yes("GridSample", IMAGE, Input("N", 3, 3, 2))
    yield no("GridSample", f(6, 4, 6, 6), Input("N", 3, 3, 2))
    for name in ("Hardmax", "LogSoftmax", "Softmax"):
        yield yes(name, X)
        yield yes(name, X, opset=11)
        yield no(name, X, axis=0)
        yield no(name, LATE, opset=11)
    for name, count in (("LayerNormalization", 3), ("RMSNormalization", 1)):
        opset = 23 if count == 1 else 17
        more = (f(4),) if count == 1 else (f(4), f(4))
        yield yes(name, X, *more, opset=opset, outputs=count)
        yield no(name, X, f(6, 3, 4), opset=opset, axis=0)
    yield yes("SimplifiedLayerNormalization", X, f(4))
    yield no("SimplifiedLayerNormalization", X, f(6, 3, 4), axis=0)
    yield yes("LpNormalization", X, axis=1)
    yield no("LpNormalization", X, axis=0)
    yield yes("MatMul", X, f(4, 5))
    yield yes("MatMul", X, f(4))
    yield yes("MatMul", X, Input("N", 4, 5))
    yield yes("MatMul", f(2, 3), X)
    yield yes("MatMul", f(5, 3), Input(3, "N"))
    yield yes("MatMul", Input("N", 4), f(2, 4, 5))
    yield no("MatMul", Input(5, "N"), f(6, 4))
    yield no("MatMul", X, f(6, 4, 5))
    yield no("MatMul", Input("N", 4), Input(4, "N"))
    yield no("MatMul", f(2, 6), Input("N", 3))
    small = np.ones((4, 5), np.uint8)
    yield yes("MatMulInteger", BYTES, small, one(3, np.uint8), one(2, np.uint8))
    yield no("MatMulInteger", Input(5, "N", dtype="uint8"), np.ones((6, 2), np.uint8))
    yield no("MatMulInteger", Input("N", 4, dtype="uint8"), small, np.ones(6, np.uint8))
    yield yes("QLinearMatMul", BYTES, scale, zero, small, scale, zero, one(2.0), zero)
    yield no(
        "QLinearMatMul", Input(5, "N", dtype="uint8"), scale, zero, np.ones((6, 2), np.uint8), scale, zero, scale, zero
    )
    yield yes("MeanVarianceNormalization", X, axes=[1, 2])
    yield no("MeanVarianceNormalization", IMAGE)
    yield yes("OneHot", Input("N", 3, dtype="int64"), i(4), f(2))
    yield yes("OneHot", Input("N", 3, dtype="int64"), i(4), f(2), axis=0)
    yield no("OneHot", Input("N", dtype="int64"), i(4), Input("N"))
    yield yes("Pad", X, i(0, 1, 1, 0, 2, 0))
    yield yes("Pad", X, i(1, 2), None, i(2), mode="reflect")
    yield no("Pad", X, i(1, 0, 0, 0, 0, 0))
    yield no("Pad", X, Input(6, dtype="int64", most=1))
    yield yes("Reshape", X, i(0, 2, -1))
    yield yes("Reshape", X, i(-1, 4))
    yield yes("Reshape", X, i(-1, 12))
    yield yes("Reshape", LATE, i(3, -1, 2))
    yield no("Reshape", Input("N", 3), i(-1, 2))
    yield no("Reshape", LATE, i(-1, 4))
    yield no("Reshape", X, i(6, 12))
    yield no("Reshape", X, Input(2, dtype="int64"))
    yield yes("Resize", IMAGE, None, one([1, 1, 2, 2]))
    yield yes("Resize", IMAGE, None, None, i(3, 3), axes=[2, 3])
    yield no("Resize", IMAGE, None, one([2, 1, 1, 1]), mode="linear")
    yield no("Resize", IMAGE, None, None, i(6, 4, 3, 3))
    yield yes("Upsample", IMAGE, one([1, 1, 2, 2]), opset=9)
    yield no("Upsample", IMAGE, one([2, 1, 1, 1]), opset=9)
    yield yes("ReverseSequence", X, Input("N", dtype="int64", least=1), batch_axis=0, time_axis=1)
    yield no("ReverseSequence", X, np.ones(3, np.int64), batch_axis=1, time_axis=0)
    yield yes("RotaryEmbedding", Input("N", 2, 3, 4), Input("N", 3, 2), Input("N", 3, 2), opset=23)
    yield no("RotaryEmbedding", Input("N", 2, 3, 4), f(6, 3, 2), f(6, 3, 2), opset=23)
    yield yes("ScatterElements", X, Input("N", 2, 4, dtype="int64", most=3), Input("N", 2, 4), axis=1)
    yield no("ScatterElements", X, Input("N", 3, 4, dtype="int64", most=3), X, axis=0)
    yield yes("Slice", X, i(1), i(3), i(1))
    yield yes("Slice", X, i(0, 0), i(2**63 - 1, 2), i(0, 2))
    yield yes("Slice", LATE, i(2, -1), i(-9, -4), i(0, 2), i(-1, -2))
    yield no("Slice", X, i(0), i(3), i(0))
    yield no("Slice", X, i(-1), i(-(2**63)), i(0), i(-1))
    yield yes("Split", Input("N", 4), outputs=2, axis=1, num_outputs=2)
    yield yes("Split", Input("N", 4), i(1, 3), outputs=2, axis=1)
    yield no("Split", Input("N", 4), outputs=2, axis=0, num_outputs=2)
    yield yes("Squeeze", Input("N", 1, 4), i(1))
    yield yes("Squeeze", Input(1, "N", 1), i(0, 2))
    yield no("Squeeze", Input("N", 1, 4))
    yield yes("Tile", X, i(1, 2, 3))
    yield no("Tile", X, i(2, 1, 1))
    yield yes("TopK", X, i(2), outputs=2)
    yield no("TopK", X, i(1), outputs=2, axis=0)
    yield yes("Transpose", X, perm=[1, 0, 2])
    yield yes("Transpose", X)
    yield yes("Trilu", X, one(0, np.int64))
    yield no("Trilu", LATE, one(0, np.int64))
    yield yes("Unsqueeze", X, i(0, 2))
    yield no("Unsqueeze", X, Input(1, dtype="int64"))
    yield no("ConstantOfShape", Input("N", dtype="int64"))
    yield from microsoft()
    yield from tables()


def microsoft() -> Iterator[Case]:
    for name in ("Gelu", "QuickGelu"):
        yield yes(name, X, domain=MS)
    for name in ("BiasGelu", "FastGelu"):
        yield yes(name, X, f(4), domain=MS)
        yield no(name, X, f(6, 3, 4), domain=MS)
    yield yes("FusedMatMul", X, f(5, 4), domain=MS, transB=1)
    yield yes("FusedMatMul", Input("N", 4, 3), Input("N", 4, 5), domain=MS, transA=1)
    yield no("FusedMatMul", Input("N", 4), f(6, 2), domain=MS, transA=1)
    packed = [_RNG.integers(0, 255, (8, 2, 16)).astype(np.uint8), np.abs(f(16))]
    yield yes("MatMulNBits", Input("N", 3, 64), *packed, domain=MS, K=64, N=8, bits=4, block_size=32)
    yield no("MatMulNBits", Input(2, "N"), *packed, domain=MS, K=64, N=8, bits=4, block_size=32)
    for name, more in (("SkipLayerNormalization", (f(4), f(4))), ("SkipSimplifiedLayerNormalization", (f(4),))):
        yield yes(name, X, Y, *more, domain=MS)
        yield no(name, X, f(6, 3, 4), *more, domain=MS)
    tokens = Input("N", 3, dtype="int32", most=3)
    tables = (f(3, 8), f(5, 8), f(3, 8), f(8), f(8))
    yield yes("EmbedLayerNormalization", tokens, tokens, *tables, domain=MS, outputs=2)
    yield no("EmbedLayerNormalization", tokens, np.zeros((6, 3), np.int32), *tables, domain=MS, outputs=2)
    yield yes("Attention", Input("N", 3, 8), f(8, 24), f(24), domain=MS, num_heads=2)
    yield no("Attention", Input("N", 3, 8), f(8, 24), f(24), Input("N", dtype="int32", least=1), domain=MS, num_heads=2)
    heads = {"domain": MS, "num_heads": 2}
    q, k = Input("N", 3, 8), Input("N", 5, 8)
    yield yes("MultiHeadAttention", q, k, k, **heads)
    yield yes("MultiHeadAttention", q, k, k, f(24), Input("N", 5, dtype="int32", most=2), f(1, 2, 3, 5), **heads)
    yield no("MultiHeadAttention", q, f(6, 5, 8), f(6, 5, 8), **heads)
    yield no("MultiHeadAttention", q, k, k, None, Input("N", dtype="int32", least=1), **heads)
    yield yes("RotaryEmbedding", Input("N", 2, 3, 4), Input("N", 3, dtype="int64"), f(5, 2), f(5, 2), domain=MS)
    yield yes("RotaryEmbedding", Input("N", 2, 3, 4), i(1), f(5, 2), f(5, 2), domain=MS)
    yield no("RotaryEmbedding", Input("N", 2, 3, 4), np.zeros((6, 3), np.int64), f(5, 2), f(5, 2), domain=MS)


def tables() -> Iterator[Case]:
    features = Input("N", 3)
    yield yes("Binarizer", features, domain=ML, threshold=0.5)
    yield yes("Imputer", features, domain=ML, imputed_value_floats=[1.0], replaced_value_float=0.0)
    keys = {"keys_int64s": [0, 1, 2, 3], "values_int64s": [5, 6, 7, 8]}
    yield yes("LabelEncoder", Input("N", 3, dtype="int64"), domain=ML, **keys)
    yield yes("Scaler", features, domain=ML, offset=[1.0, 2.0, 3.0], scale=[1.0, 2.0, 0.5])
    yield no("Scaler", Input(2, "N"), domain=ML, offset=[1.0] * 6, scale=[1.0] * 6)
    linear = {"coefficients": [0.1, 0.2, 0.3], "intercepts": [0.5]}
    yield yes("LinearRegressor", features, domain=ML, **linear)
    yield no("LinearRegressor", Input("N"), domain=ML, **linear)
    both = {"coefficients": [0.1, 0.2, 0.3, -0.1, -0.2, 0.4], "intercepts": [0.5, 0.1], "classlabels_ints": [0, 1]}
    yield yes("LinearClassifier", features, domain=ML, outputs=2, **both)
    yield no("LinearClassifier", Input("N"), domain=ML, outputs=2, **both)
    yield yes(
        "SVMRegressor",
        features,
        domain=ML,
        coefficients=[0.5, 0.2, 0.1],
        rho=[0.1],
        kernel_type="LINEAR",
        kernel_params=[0.0, 0.0, 0.0],
        n_supports=0,
    )
    yield no(
        "SVMRegressor",
        Input("N"),
        domain=ML,
        coefficients=[0.5, 0.2, 0.1],
        rho=[0.1],
        kernel_type="LINEAR",
        kernel_params=[0.0, 0.0, 0.0],
        n_supports=0,
    )
    svm = {"classlabels_ints": [0, 1], "coefficients": [0.5, -0.5], "kernel_params": [0.0, 0.0, 0.0], "kernel_type": "LINEAR",
           "rho": [0.1], "support_vectors": [0.1, 0.2, 0.3, 0.3, 0.1, 0.2], "vectors_per_class": [1, 1]}  # fmt: skip
    yield yes("SVMClassifier", features, domain=ML, outputs=2, **svm)
    yield no("SVMClassifier", Input("N"), domain=ML, outputs=2, **svm)
    tree = {"nodes_featureids": [0, 0, 0], "nodes_modes": ["BRANCH_LEQ", "LEAF", "LEAF"], "nodes_nodeids": [0, 1, 2],
            "nodes_treeids": [0, 0, 0], "nodes_values": [0.1, 0.0, 0.0], "nodes_truenodeids": [1, 0, 0],
            "nodes_falsenodeids": [2, 0, 0]}  # fmt: skip
    ends = {"nodeids": [1, 2], "treeids": [0, 0], "ids": [0, 1], "weights": [0.3, 0.7]}
    yield yes(
        "TreeEnsembleRegressor", features, domain=ML, n_targets=2, **tree, **{f"target_{n}": v for n, v in ends.items()}
    )
    yield no(
        "TreeEnsembleRegressor",
        Input("N"),
        domain=ML,
        n_targets=2,
        **tree,
        **{f"target_{n}": v for n, v in ends.items()},
    )
    classes = {"classlabels_int64s": [0, 1], **{f"class_{n}": v for n, v in ends.items()}}
    yield yes("TreeEnsembleClassifier", features, domain=ML, outputs=2, **tree, **classes)
    yield no("TreeEnsembleClassifier", Input("N"), domain=ML, outputs=2, **tree, **classes)
