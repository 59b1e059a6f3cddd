"""What raw operators say of attributes, inputs and results that do not fit: code, message, mend, and the place."""

from __future__ import annotations

import pytest
from diagnosing import error_of

from archonnx.compiler.functions.raw import INSTEAD
from archonnx.contract.diagnostics import Diagnostic


def diagnose(flow: str, opset: int | None = None, target: str = "y") -> Diagnostic:
    """The one error of a model with x: float32[N, 4], i: int64[N, 4] and this flow."""
    text = (
        "model A():\n    input x: float32[N, 4]\n    input i: int64[N, 4]\n"
        f"    {target} = {flow}\n    output y\n    output kept = x + cast(i, float32)\n"
    )
    return error_of(text, opset=opset)


# A flow, its code, what the message and the help hold, and the text that the place begins with.
CASES = """
x -> onnx.LeakyRelu(alhpa=0.1)          | E0402 | onnx.LeakyRelu has no argument alhpa | did you mean alpha? | alhpa
x -> onnx.LeakyRelu(alpha="high")       | E0403 | alpha of LeakyRelu is a number, got "high" | | "high"
x -> onnx.LeakyRelu(alpha=1e39)         | E0403 | got 1e+39 | float32, which ends at 3.4e38 | 1e39
x -> onnx.LeakyRelu(alpha=-10**400)     | E0403 | got an integer of 1329 bits | float32 | -10
x -> onnx.LeakyRelu(alpha=x)            | E0607 | a tensor does not go in | write x -> onnx.LeakyRelu(...) | alpha
x -> onnx.Concat()                      | E0401 | Concat needs the argument axis | onnx.Concat(axis) | onnx
x -> onnx.Concat(axis=1.5)              | E0403 | axis of Concat is a whole number, got 1.5 | | 1.5
x -> onnx.Concat(axis=None)             | E0403 | axis of Concat is a whole number, got None | | None
x -> onnx.Flatten(axis=2**63)           | E0403 | axis of Flatten is a whole number | int64, from -2**63 to 2**63 - 1 | 2**63
x -> onnx.Transpose(perm=[0, "1"])      | E0403 | perm of Transpose is a list, each a whole number, got [0, "1"] | | [0
x -> onnx.Transpose(perm=2)             | E0403 | perm of Transpose is a list | | 2
x -> onnx.Transpose(perm=[0, 2])        | E0905 | perm names each axis from 0 to 1 once, got [0, 2] | | [0, 2]
x -> onnx.Transpose(perm=[0])           | E0905 | perm names each axis from 0 to 1 once, got [0] | | [0]
(x, i) -> onnx.GatherElements(axis=2)   | E0905 | of float32[N, 4]: axis is -2 to 1, got 2 | | 2)
(x, i, x) -> onnx.ScatterElements(axis=-3) | E0905 | axis is -2 to 1, got -3 | | -3
x -> onnx.LpNormalization(axis=7)       | E0905 | axis is -2 to 1, got 7 | | 7
(x, [1.0]) -> onnx.LayerNormalization(axis=2) | E0905 | axis is -2 to 1, got 2 | | 2
(x, 2) -> onnx.CumSum()                 | E0905 | CumSum of float32[N, 4]: axis is -2 to 1, got 2 | | onnx
(() -> onnx.Constant(value=1.0), 0) -> onnx.CumSum() | E0905 | a scalar has no axis, got 0 | | onnx
(x[0], [3, 2]) -> onnx.Reshape()        | E0905 | its 4 elements do not fill [3, 2] | | onnx
(x[0], [3, -1]) -> onnx.Reshape()       | E0905 | its 4 elements do not fill [3, -1] | | onnx
(x[0], [0, 0]) -> onnx.Reshape()        | E0905 | [0, 0] | | onnx
(x[0], [0, 2]) -> onnx.Reshape(allowzero=True) | E0905 | its 4 elements do not fill [0, 2] | | onnx
x -> onnx.Cast(to="float31")            | E0403 | to of Cast is a whole number, got "float31" | did you mean float32? | "float31"
x -> onnx.Conv(auto_pad=1)              | E0403 | auto_pad of Conv is a string, got 1 | | 1
() -> onnx.Constant(value=[[1], 2])     | E0403 | nested lists of them, or a cast of one: cast([1], int32), got | | [[1]
() -> onnx.Constant(value=[1, "a"])     | E0403 | nested lists of them | | [1
() -> onnx.Constant(value=[2**70])      | E0403 | value of Constant is | int64, from -2**63 | [2
() -> onnx.Constant(value=i)            | E0911 | the numbers of int64[N, 4] are not | cast([1, 2], int32) | i)
() -> onnx.Constant(sparse_value=([1.0], [1])) | E0403 | is a tuple (values, indices, shape) of lists | | ([1.0]
() -> onnx.Constant(sparse_value=([1.0], [1, 2], [3])) | E0403 | sparse_value of Constant | one for each value | ([1.0]
() -> onnx.Constant(sparse_value=([1.0], [1], 3)) | E0403 | sparse_value of Constant | | ([1.0]
() -> onnx.Constant(value=1, value_int=2) | E0905 | One and only one of the attributes | | 1
x -> onnx.Dropout(ratio=0.5)            | E0910 | Dropout has no attribute ratio since opset 12 | (data, ratio) -> onnx.Dropout(...) | ratio
x -> onnx.Unsqueeze(axes=[0])           | E0910 | has no attribute axes since opset 13 | (data, axes) -> onnx.Unsqueeze(...) | axes
x -> onnx.BatchNormalization(spatial=1) | E0910 | no attribute spatial since opset 9 | its attributes are | spatial
x -> onnx.Add(axis=1)                   | E0910 | Add has no attribute axis since opset 7 | it has no attributes | axis
x -> onnx.Softmax(axis=5)               | E0905 | 'axis' must be in [-2 , 1]. Its actual value is: 5 | | 5
(x, i) -> onnx.Gather(axis=2)           | E0905 | ONNX refuses Gather of float32[N, 4], int64[N, 4]: axis must be in [-r, r-1] | | 2
x -> onnx.Einsum(equation="ij,jk->ik")  | E0905 | does not match the operands in the equation | | "ij
x -> onnx.Conv()                        | E0604 | Conv needs its input W | (X, W) -> onnx.Conv(...) | onnx
() -> onnx.Relu()                       | E0604 | Relu needs its input X | X -> onnx.Relu(...) | onnx
(x, x, x, x) -> onnx.Conv()             | E0604 | Conv takes 3 inputs, got 4 | its inputs are X, W, B | (x
(x, x) -> onnx.Relu()                   | E0604 | Relu takes 1 input, got 2 | its input is X | (x
x -> onnx.Constant(value=1)             | E0604 | Constant takes 0 inputs, got 1 | () -> onnx.Constant(...) | x
[] -> onnx.Concat(axis=0)               | E0604 | Concat needs one or more inputs | | onnx
(x, w=x) -> onnx.MatMul()               | E0604 | MatMul has no input w | its inputs are A, B | w
(A=x, A=x) -> onnx.MatMul()             | E0604 | MatMul got its input A twice | | A=x)
(x, "a") -> onnx.Reshape()              | E0905 | float32[N, 4], string[]: shape is int64 | | onnx
(x, ["a", 1]) -> onnx.Reshape()         | E0511 | a constant is a number or nested lists of numbers, got a string | | (x
([x, x],) -> onnx.Concat(axis=0)        | E0606 | Concat takes tensors, got a list of 2 as one input | | ([x
(x, [[1, 2], [3]]) -> onnx.Reshape()    | E0511 | lists of different lengths | | (x
onnx.Relu(x)                            | E0607 | onnx.Relu is applied by the arrow | write x -> onnx.Relu(...) | x)
onnx.Relu()(x)                          | E0607 | applied by the arrow, not by parentheses | x -> onnx.Relu() | onnx
x -> onnx.Relu                          | E0605 | onnx.Relu stands without its parentheses | write onnx.Relu() | onnx
i -> onnx.Gelu()                        | E0905 | X is one of float32, float16, float64, bfloat16 | cast(tensor, float32) | onnx
(x, x, x) -> onnx.Where()               | E0905 | condition is bool | x > 0 | onnx
(x, x) -> onnx.Gather(axis=1)           | E0905 | indices is one of int32, int64 | cast(tensor, int64) | onnx
(x, [1.5]) -> onnx.Reshape()            | E0905 | float32[1]: shape is int64 | cast(tensor, int64) | onnx
x -> onnx.StringConcat()                | E0604 | StringConcat needs its input Y | | onnx
(x, x) -> onnx.StringConcat()           | E0905 | X is string | | onnx
(x, i) -> onnx.Mul()                    | E0905 | B is int64 beside float32 | cast(tensor, float32) | onnx
x -> onnx.hardswish()                   | E0901 | ONNX has no operator hardswish | did you mean onnx.HardSwish? | onnx
x -> onnx.Conv2D()                      | E0901 | ONNX has no operator Conv2D | did you mean onnx.Conv? | onnx
x -> onnx.Zzz()                         | E0901 | ONNX has no operator Zzz | onnx.ai/onnx/operators | onnx
x -> onnx.Swish()                       | E0902 | Swish came with opset 24, and this is opset 20 | --opset 24 | onnx
(x, x) -> onnx.Upsample()               | E0903 | Upsample is deprecated since opset 10 | use onnx.Resize() | onnx
x -> onnx.Loop()                        | E0904 | Loop holds a graph of its own | `for` repeats | onnx
x -> onnx.SequenceAt()                  | E0904 | SequenceAt deals in sequences | xs[1] | onnx
"""
LINES = [[part.strip() for part in line.split(" | ")] for line in CASES.strip().replace(" | |", " |  |").splitlines()]


@pytest.mark.parametrize(("flow", "code", "message", "help", "at"), LINES, ids=[line[0] for line in LINES])
def test_one_flow(flow: str, code: str, message: str, help: str, at: str) -> None:
    found = diagnose(flow)
    assert found.code == code
    assert message in found.message
    assert help in (found.help or "")
    assert found.place is not None
    assert f"    y = {flow}"[found.place.column - 1 :].startswith(at)


OPSETS = [
    ("(x, [1]) -> onnx.ReduceMax()", 17, "E0604", "axes is an attribute at opset 17: onnx.ReduceMax(axes=...)"),
    ("(x, i, i, i, i, i, i) -> onnx.Attention()", 23, "E0604", "nonpad_kv_seqlen came with opset 24"),
    ("x -> onnx.Cast(to=float16, saturate=0)", 17, "E0910", "build with --opset 19"),
    ("x -> onnx.Split(num_outputs=2)", 17, "E0910", "build with --opset 18"),
    ("(x, x) -> onnx.BitwiseAnd()", 17, "E0902", "build with --opset 18"),
    ("(x, x, x) -> onnx.GroupNormalization(num_groups=2)", 20, "E0903", "build with --opset 21"),
]


@pytest.mark.parametrize(("flow", "opset", "code", "help"), OPSETS, ids=[case[0] for case in OPSETS])
def test_what_another_operator_set_has(flow: str, opset: int, code: str, help: str) -> None:
    found = diagnose(flow, opset)
    assert found.code == code
    assert help in (found.help or "")


RESULTS = [
    ("(y, z)", "x -> onnx.Relu()", "E0608", "Relu gives 1 results, 2 are unpacked"),
    ("(y, z, w, v)", "x -> onnx.Dropout()", "E0608", "Dropout gives 1 to 2 results, 4 are unpacked"),
    ("(y, z, w)", "x -> onnx.Split(axis=1, num_outputs=2)", "E0608", "Split gives 2 results, 3 are unpacked"),
    ("(y, z)", "(x, [1, 1, 2]) -> onnx.Split(axis=1)", "E0608", "Split gives 3 results, 2 are unpacked"),
    ("y", "x -> onnx.Split(num_outputs=0)", "E0905", "Split makes 1 to 100,000 parts, got 0"),
    ("y: int32[N, 4]", "x -> onnx.Relu()", "E0380", "y is int32, got float32[N, 4]"),
    ("y: float32[N, 5]", "x -> onnx.Relu()", "E0382", "y needs the size 5, got 4"),
]


@pytest.mark.parametrize(("target", "flow", "code", "message"), RESULTS, ids=[case[1] for case in RESULTS])
def test_results_that_do_not_fit(target: str, flow: str, code: str, message: str) -> None:
    found = diagnose(flow, target=target)
    assert found.code == code
    assert message in found.message


@pytest.mark.parametrize("name", INSTEAD)
def test_what_has_no_form_says_what_has(name: str) -> None:
    found = diagnose(f"x -> onnx.{name}()")
    assert (found.code, found.help) == ("E0904", INSTEAD[name])
