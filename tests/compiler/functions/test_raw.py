"""Raw operators of ONNX and operators of other domains: arguments, inputs, and the types of their results."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from function_harness import Array, run

import archonnx
from archonnx.compiler.functions.raw import Raw, raw_operator
from archonnx.compiler.layers.base import LayerError
from archonnx.compiler.lowering.opsets import DEFAULT_OPSET, NEWEST_OPSET

X = np.linspace(-4, 4, 24, dtype=np.float32).reshape(2, 3, 4)
ROWS = np.array([[0, 2, 1]] * 2, dtype=np.int64)


def conv(x: Array, w: Array) -> Array:
    """Correlation without padding: x (N, C, L), w (filters, C, 2)."""
    return np.asarray(
        np.einsum("ncl,fc->nfl", x[..., :-1], w[..., 0]) + np.einsum("ncl,fc->nfl", x[..., 1:], w[..., 1])
    )


W = np.arange(12, dtype=np.float32).reshape(2, 3, 2) / 10
MASKED = np.where(np.tri(3, 4, dtype=bool), X, 0)

# Lines of a body that end in `y`, the inputs that they read, the type of y, and y itself.
CASES: list[tuple[str, Mapping[str, Any], str, Array]] = [
    ("y = x -> onnx.HardSwish()", {}, "float32[N, 3, T]", X * np.clip(X / 6 + 0.5, 0, 1)),
    ("y = x -> onnx.LeakyRelu(alpha=0.25)", {}, "float32[N, 3, T]", np.where(X < 0, X / 4, X)),
    ("y = x -> onnx.Cast(to=int32)", {}, "int32[N, 3, T]", X.astype(np.int32)),
    ("y = x -> onnx.Transpose(perm=[2, 0, 1])", {}, "float32[T, N, 3]", X.transpose(2, 0, 1)),
    ("y = (x, 2) -> onnx.Mul()", {}, "", X * 2),
    ("y = (x, 2.0) -> onnx.Mul()", {}, "float32[N, 3, T]", X * 2),
    ("y = (x, None, 1.0) -> onnx.Clip()", {}, "float32[N, 3, T]", np.minimum(X, 1)),
    ("y = (x, -1.0) -> onnx.Clip()", {}, "float32[N, 3, T]", np.maximum(X, -1)),
    ("y = (x, [0, -1, 2, 2]) -> onnx.Reshape()", {}, "float32[N, size_1, 2, 2]", X.reshape(2, 3, 2, 2)),
    ("y: float32[N, 3, 2, 2] = (x, [0, -1, 2, 2]) -> onnx.Reshape()", {}, "float32[N, 3, 2, 2]", X.reshape(2, 3, 2, 2)),
    ("y = (x, [1], [3], [1]) -> onnx.Slice()", {}, "float32[N, 2, T]", X[:, 1:3]),
    ("y = (x, i) -> onnx.Gather(axis=1)", {"i": ROWS[0]}, "float32[N, 3, T]", X[:, ROWS[0]]),
    ("y = (x, x, x) -> onnx.Concat(axis=-1)", {}, "float32[N, 3, size_1]", np.concatenate([X] * 3, axis=-1)),
    ("y = (x, x) -> onnx.Max()", {}, "float32[N, 3, T]", X),
    ("(_, y) = x -> onnx.Split(num_outputs=2)", {}, "", X[1:]),
    ("(a, y) = (x, [1, 2]) -> onnx.Split(axis=1)\noutput a", {}, "float32[N, 2, T]", X[:, 1:]),
    ("parts = x -> onnx.Split(axis=1, num_outputs=3)\ny = parts[2] + parts[0] - parts[1]", {}, "float32[N, 1, T]",
     X[:, 2:] + X[:, :1] - X[:, 1:2]),
    ("(v, y) = (x, [1]) -> onnx.TopK(axis=1, largest=False)\noutput v", {}, "int64[N, 1, T]", X.argmin(1)[:, None]),
    ("y = (x, w) -> onnx.Conv()", {"w": W}, "float32[N, 2, size_1]", conv(X, W)),
    ("y: float32[N, 2, T - 1] = (x, w) -> onnx.Conv()", {"w": W}, "float32[N, 2, T - 1]", conv(X, W)),
    ("y: int64[3, K] = x -> onnx.NonZero()", {}, "int64[3, K]", np.array(np.nonzero(X))),
    ("y = x -> onnx.ReduceL2(keepdims=False)", {}, "float32[]", np.sqrt((X**2).sum())),
    ("y = (x, [1, 2]) -> onnx.ReduceL1(keepdims=0)", {}, "float32[N]", np.abs(X).sum((1, 2))),
    ("y = x -> onnx.Shape(start=1)", {}, "int64[2]", np.array([3, 4])),
    ("y = ([2, 3],) -> onnx.ConstantOfShape(value=[1.5])", {}, "float32[2, 3]", np.full((2, 3), 1.5, np.float32)),
    ("y = (x, x) -> onnx.Einsum(equation=\"abc,abc->ab\")", {}, "float32[N, 3]", (X * X).sum(-1)),
    ("y = x -> onnx.Trilu(upper=0, name=\"lower\")", {}, "float32[N, 3, T]", MASKED),
]  # fmt: skip


def written(name: str, array: Array) -> str:
    return f"    input {name}: {array.dtype}{list(array.shape)}\n"


@pytest.mark.parametrize(("lines", "more", "kind", "wanted"), CASES, ids=[case[0] for case in CASES])
def test_runs_as_onnx_defines_it(
    lines: str, more: Mapping[str, Array], kind: str, wanted: Array, tmp_path: Path
) -> None:
    body = "".join(f"    {line}\n" for line in lines.splitlines())
    inputs = "".join(written(name, array) for name, array in more.items())
    text = f"model A():\n    input x: float32[N, 3, T]\n{inputs}{body}    output y\n    output kept = x + 0\n"
    if "(x, 2) ->" in lines:
        with pytest.raises(archonnx.CompileError) as caught:  # a number left of an arrow has a type of its own
            archonnx.compile(text=text)
        assert [d.code for d in caught.value.diagnostics] == ["E0905"]
        return
    model = archonnx.compile(text=text)
    found = next(o.value.type for o in model.graph.outputs if o.name == "y")
    assert not kind or str(found) == kind
    results = run(text, {"x": X, **more}, tmp_path, sizes={"N": 2, "T": 4})
    ours = results[[o.name for o in model.graph.outputs].index("y")]
    assert ours.dtype == wanted.dtype
    np.testing.assert_allclose(ours, wanted, rtol=1e-5, atol=1e-5)


MISTAKES = """
E0901 | x -> onnx.HardSwich()                    | did you mean onnx.HardSwish?
E0901 | x -> onnx.TreeEnsemble()                 | ONNX has no operator TreeEnsemble
E0902 | (x, x) -> onnx.CumProd()                 | CumProd came with opset 26
E0903 | x -> onnx.Upsample()                     | deprecated since opset 10 | use onnx.Resize()
E0903 | (x, x, x) -> onnx.Scatter()              | use onnx.ScatterElements()
E0903 | (x, x, x) -> onnx.GroupNormalization(num_groups=2) | since opset 18 | build with --opset 21
E0904 | x -> onnx.If()                           | holds a graph of its own
E0904 | x -> onnx.SequenceConstruct()            | deals in sequences
E0905 | (x, i) -> onnx.Add()                     | B is int64 beside float32
E0905 | (x, x) -> onnx.Gather()                  | indices is one of int32, int64
E0905 | i -> onnx.Sqrt()                         | cast(tensor, float32)
E0905 | (x, i) -> onnx.MatMul()                  | B is int64 beside float32
E0905 | (x, x) -> onnx.Concat(axis=7)            | axis must be in
E0905 | x -> onnx.Cast(to=1000)                  | does not specify a valid type
E0905 | () -> onnx.Constant()                    | ONNX refuses Constant: One and only one
E0905 | x -> onnx.Split(num_outputs=0)           | 1 to 100,000 parts, got 0
E0905 | x -> onnx.Split(num_outputs=10**12)      | got 1,000,000,000,000
E0906 | (x, shape_of) -> onnx.Reshape()          | announce it
E0608 | x -> onnx.Relu()                         | gives 1 results, 2 are unpacked
E0402 | x -> onnx.Relu(alpha=1)                  | onnx.Relu has no argument alpha
E0401 | x -> onnx.Concat()                       | axis
E0403 | x -> onnx.Concat(axis=1.5)               | a whole number
E0403 | x -> onnx.Transpose(perm=2)              | a list, each a whole number
E0403 | x -> onnx.LeakyRelu(alpha="high")        | a number
E0403 | [2] -> onnx.ConstantOfShape(value=[[1], 2]) | a number, a string, nested lists of them
E0907 | x -> custom("com.example", "Warp")()     | y: float32[N, K] = x -> custom("com.example", "Warp")(...)
E0908 | x -> custom("com.example", "Warp")(a=[1, "b"]) | is a number, a string or a list
E0908 | x -> custom("com.example", "Warp")(a=None)     | is a number, a string or a list
"""

LINES = [tuple(part.strip() for part in line.split(" | ", 2)) for line in MISTAKES.strip().splitlines()]


@pytest.mark.parametrize(("code", "call", "said"), LINES, ids=[line[1] for line in LINES])
def test_refuses(code: str, call: str, said: str) -> None:
    target = "(y, z)" if code == "E0608" else "y"
    text = (
        "model A():\n    input x: float32[N, 4]\n    input i: int64[N, 4]\n    input shape_of: int64[R]\n"
        f"    {target} = {call}\n    output y\n    output a = x + cast(i, float32) + cast(sum(shape_of), float32)\n"
    )
    with pytest.raises(archonnx.CompileError) as caught:
        archonnx.compile(text=text)
    found = caught.value.diagnostics[0]
    assert found.code == code
    assert said in f"{found.message} | {found.help}"


def test_every_operator_is_a_layer_or_says_why_not() -> None:
    refused: dict[str, str] = {}
    for schema in onnx.defs.get_all_schemas():
        if schema.domain:
            continue
        try:
            layer = raw_operator(schema.name, NEWEST_OPSET)
        except LayerError as error:
            refused[schema.name] = error.code
            continue
        assert issubclass(layer, Raw)
        assert [entry.strip("*?") for entry in layer.inputs] == [port.name for port in schema.inputs]
        assert set(layer.declared) == set(schema.attributes)
        required = {name for name, attribute in schema.attributes.items() if attribute.required}
        assert {name for name, argument in layer.declared.items() if argument.required} == required
    assert {name for name, code in refused.items() if code == "E0903"} == {"Scatter", "Upsample"}
    graphs = {"If", "Loop", "Scan", "SequenceMap"}
    assert graphs <= {name for name, code in refused.items() if code == "E0904"}
    assert all("Sequence" in name for name in refused if name not in {*graphs, "Scatter", "Upsample", "Optional"})


def test_the_form_is_that_of_the_operator_set() -> None:
    """ReduceMax takes its axes as an attribute up to opset 17, and as an input from 18 on."""
    assert "axes" in raw_operator("ReduceMax", 17).declared
    assert raw_operator("ReduceMax", DEFAULT_OPSET).inputs == ("data", "axes?")


TENSORS = [
    ("cast([[1, 2]], float16)", "float16", [[1, 2]]),
    ("cast([3], uint8)", "uint8", [3]),
    ("cast(cast([1.5], int32), float64)", "float64", [1]),
    ("[True, False]", "bool", [True, False]),
    ('["yes", "né"]', "string", ["yes", "né"]),
    ("2", "int64", 2),
    ("cast([], int8)", "int8", []),
    ("(cast([[2, 3]], int64), cast([[4, 5]], int64)) -> onnx.Add()", "int64", [[6, 8]]),
]


@pytest.mark.parametrize(("written", "dtype", "wanted"), TENSORS, ids=[case[0] for case in TENSORS])
def test_attributes_that_are_tensors(written: str, dtype: str, wanted: Any) -> None:
    text = f"model A():\n    input x: float32[1]\n    y = () -> onnx.Constant(value={written})\n    output y\n    output z = x + 0\n"
    model = archonnx.compile(text=text)
    assert not model.diagnostics
    (operator,) = (o for o in model.lower().operators if o.type == "Constant")
    array = operator.attributes["value"]
    assert array.tolist() == wanted
    assert str(model.graph.outputs[0].value.type) == f"{dtype}[{', '.join(map(str, array.shape))}]"


def test_no_casts_stand_around_raw_operators() -> None:
    """bfloat16 that an operator takes, beside float32, goes in as it is."""
    text = """
model A():
    input x: float32[N, 4]
    input like: bfloat16[]
    output y = (x, like) -> onnx.CastLike()
"""
    operators = archonnx.compile(text=text).lower().operators
    assert [o.type for o in operators] == ["CastLike"]


def test_strings_are_inputs() -> None:
    text = """
model A():
    input words: string[N]
    output shouted = (words, "!") -> onnx.StringConcat()
    output same = (words, ["yes", "né"]) -> onnx.Equal()
"""
    words = np.array(["yes", "no"], dtype=object)
    results = archonnx.load(archonnx.compile(text=text), "cpu")(words)
    assert results["shouted"].tolist() == ["yes!", "no!"]
    assert results["same"].tolist() == [True, False]


def test_sparse_attributes(tmp_path: Path) -> None:
    text = """
model A():
    input x: float32[2, 3]
    a = () -> onnx.Constant(sparse_value=([1.5, 2], [1, 5], [2, 3]))
    b = () -> onnx.Constant(sparse_value=([4.0], [[1, 2]], (2, 3)))
    output y = x + a + b
"""
    zeros = np.zeros((2, 3), np.float32)
    assert run(text, {"x": zeros}, tmp_path)[0].tolist() == [[0, 1.5, 0], [0, 0, 6]]


@pytest.mark.parametrize(
    ("call", "kind"),
    [
        ("s -> onnx.ArgMax()", "int64[]"),
        ("s -> onnx.LpNormalization()", "float32[]"),
        ("s -> onnx.Transpose(perm=[])", "float32[]"),
        ("(x, 1, [3], [1]) -> onnx.Slice()", "float32[N, 2]"),
        ("() -> onnx.RandomUniform(shape=[])", "float32[]"),
        ("x -> onnx.Unsqueeze(axes=[])", "E0910"),
        ("(x, cast([], int64)) -> onnx.Unsqueeze()", "float32[N, 4]"),
        ("([], cast([], int64)) -> onnx.Reshape()", "int64[]"),
        ("x -> onnx.MeanVarianceNormalization(axes=[1])", "float32[N, 4]"),
        ("(x, [3, 3]) -> onnx.CenterCropPad()", "float32[3, 3]"),
        ("9 -> onnx.HannWindow()", "float32[9]"),
        ("(x, w, w) -> onnx.GroupNormalization(num_groups=2)", "float32[N, 4]"),
        ("(x, k) -> onnx.ReduceSum()", "float32[size_1, size_2]"),
        ("(x, k) -> onnx.ReduceSum(keepdims=0)", "E0906"),
    ],
)
def test_what_has_no_axes_or_no_items(call: str, kind: str, tmp_path: Path) -> None:
    inputs = "    input x: float32[N, 4]\n    input s: float32[]\n    input w: float32[2]\n    input k: int64[1]\n"
    text = f"model A():\n{inputs}    y = {call}\n    output y\n    output z = x + s + mean(w) + cast(k, float32)\n"
    try:
        model = archonnx.compile(text=text, opset=21 if "Group" in call else None)
    except archonnx.CompileError as error:
        assert [d.code for d in error.diagnostics] == [kind]
        return
    assert str(model.graph.outputs[0].value.type) == kind
    if "Slice" not in call:  # whose starts have to be a list, as onnxruntime says
        model.save(tmp_path / "model.onnx")


def test_shapes_and_axes_are_worked_out() -> None:
    """What raw operators make of written numbers and of known sizes is known to shape inference."""
    text = """
model A():
    input x: float32[N, 4, 6]
    tail = x -> onnx.Shape(start=1)
    shape_of = (([-1],) -> onnx.Identity(), tail -> onnx.ReduceProd()) -> onnx.Concat(axis=0)
    output y = (x, shape_of) -> onnx.Reshape()
    last = ([2],) -> onnx.Neg()
    output z = (x, last) -> onnx.ReduceSum(keepdims=0)
"""
    model = archonnx.compile(text=text)
    assert [str(o.value.type) for o in model.graph.outputs] == ["float32[size_1, 24]", "float32[N, 6]"]


def test_what_shape_inference_finds_later_is_no_mistake(tmp_path: Path) -> None:
    """The size depends on data as far as the compiler sees; the file says what the folded constants tell."""
    text = """
model A():
    input x: float32[2, 6]
    y: float32[R, C] = (x, concat([cast([3], int64), cast([4], int64)])) -> onnx.Reshape()
    output y
"""
    x = np.arange(12, dtype=np.float32).reshape(2, 6)
    assert run(text, {"x": x}, tmp_path)[0].tolist() == x.reshape(3, 4).tolist()


def test_results_that_nothing_reads_are_left_out() -> None:
    text = """
model A():
    input x: float32[N, 3, 2]
    input w: float32[1, 15, 2]
    input r: float32[1, 15, 5]
    _, y: float32[1, 3, 5] = (x, w, r) -> onnx.GRU(hidden_size=5)
    (z, _) = x -> onnx.Dropout()
    output y
    output z = z + 1
"""
    graph = archonnx.compile(text=text).lower()
    names = {o.type: [t.name for t in o.outputs] for o in graph.operators}
    assert names["GRU"] == ["", "y"]
    assert "" not in [t.name for o in graph.operators for t in o.inputs if t is not None]


def test_operators_of_other_domains_keep_their_attributes(tmp_path: Path) -> None:
    call = 'custom("com.example", "Warp")(alpha=1, beta=0.5, mode="far", sizes=[1, 2])'
    text = f"""
model A():
    input x: float32[N, 4]
    y: float32[N, 2] = (x, [1, 2]) -> {call}
    output y
"""
    archonnx.compile(text=text).save(tmp_path / "model.onnx")
    model = onnx.load(tmp_path / "model.onnx")
    (node,) = (n for n in model.graph.node if n.domain)
    assert (node.domain, node.op_type, len(node.input)) == ("com.example", "Warp", 2)
    values = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
    assert values == {"alpha": 1, "beta": 0.5, "mode": b"far", "sizes": [1, 2]}
    assert {o.domain for o in model.opset_import} == {"", "com.example"}
    assert [d.dim_param or d.dim_value for d in model.graph.output[0].type.tensor_type.shape.dim] == ["N", 2]
