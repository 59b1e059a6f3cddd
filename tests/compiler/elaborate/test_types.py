"""Rules 6 to 8: shapes as types, tensors beside values, weights; rule 11: raw and other operators; rule 12: assets."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
from elaboration import HEAD, body, codes, found, graph, only, paths, shape

import archonnx
from archonnx.contract.dtypes import DTYPES

TWO = "model A():\n    input x: float32[N, S]\n    input y: float32[N, T]\n"
ADD = "block add():\n    input a: [B, D]\n    input b: [B, D]\n    a + b\n\n"


def test_symbols_are_bound_by_what_they_meet() -> None:
    block = "block b():\n    input x: [..., T, D]\n    output y: [..., T, D + 1] = x -> Dense(D + 1)\n\n"
    for axes in ("N, 3", "N, 5, 3", "N, 2, 2, 3"):
        assert shape(block + body("b()", head=f"model A():\n    input x: float32[{axes}]\n")).endswith(", 4]")


def test_a_symbol_meets_the_same_size_again() -> None:
    assert shape(ADD + body("(x, x) -> add()", head=HEAD)) == "float32[N, 3]"
    assert codes(ADD + body("y = x -> Dense(4)", "(x, y) -> add()")) == ["E0382"]


def test_different_symbols_never_agree_until_it_is_required() -> None:
    one = only(ADD + body("(x, y) -> add()", head=TWO), "E0383")
    assert one.help is not None
    assert one.help.endswith("require S == T")
    assert shape(ADD + body("require S == T", "(x, y) -> add()", head=TWO)) in ("float32[N, S]", "float32[N, T]")


def test_what_is_required_simplifies() -> None:
    head = "model A():\n    input x: float32[N, H, W, 3]\n"
    lines = ["MaxPooling2D(2)", "UpSampling2D(2)"]
    assert shape(body(*lines, head=head)) == "float32[N, 2*(H//2), 2*(W//2), 3]"
    assert shape(body("require H % 2 == 0 and W % 2 == 0", *lines, head=head)) == "float32[N, H, W, 3]"


def test_a_same_convolution_of_stride_two_is_exact() -> None:
    head = "model A():\n    input x: float32[N, H, 8, 3]\n"
    assert shape(
        body('y: float32[N, ceil(H / 2), 4, 5] = x -> Conv2D(5, 3, strides=2, padding="same")', "output y", head=head)
    )


@pytest.mark.parametrize(
    ("written", "code"),
    [
        ("int32[N, 3]", "E0380"),
        ("float32[N]", "E0381"),
        ("float32[N, 3, 1]", "E0381"),
        ("float32[..., N, 3, 1]", "E0381"),
        ("float32[N, 4]", "E0382"),
        ("float32[N, width]", "E0384"),
        ("float32[N, 2 * K]", "E0384"),
        ("float32[N, 0]", "E0386"),
        ("float32[N, -1]", "E0386"),
        ("float32[N, 1.5]", "E0386"),
        ("float32[None, 3]", "E0386"),
        ("float33[N, 3]", "E0387"),
        ("double[N, 3]", "E0387"),
        ("float32[..., 3, ...]", "E0387"),
    ],
)
def test_types_that_do_not_hold(written: str, code: str) -> None:
    assert codes(body(f"y: {written} = x", "output y")) == [code]


@pytest.mark.parametrize("size", ["-1", "0", "1.5", "None", "'a'", "2 ** 63"])
def test_sizes_of_an_input(size: str) -> None:
    wanted = "E0804" if size == "2 ** 63" else "E0386"
    assert codes(f"model A():\n    input x: float32[N, {size}]\n    ReLU()\n") == [wanted]


def test_a_dtype_may_be_a_parameter() -> None:
    text = "model A(kind = float16):\n    input x: kind[N, 3]\n    x + 1\n"
    assert shape(text) == "float16[N, 3]"
    assert shape(text, kind="bfloat16") == "bfloat16[N, 3]"


def test_a_wrong_input_of_a_block_is_said_once() -> None:
    block = "block b():\n    input x: [B, T, D]\n    x -> Dense(D)\n    Dense(T)\n\n"
    assert codes(block + body("b()")) == ["E0381"]


def test_requirements() -> None:
    head = "model A(heads = 3):\n    input x: float32[N, H]\n"
    assert codes(body("require heads == 4, 'four heads'", "ReLU()", head=head)) == ["E0385"]
    made = graph(body("require H % heads == 0, f'{heads} heads'", "ReLU()", head=head))
    assert [(str(r.condition), r.message) for r in made.requirements] == [("H % 3 == 0", "3 heads")]
    assert codes(body("require H > 4", "require H < 3", "ReLU()", head=head)) == ["E0385"]
    assert codes(body("require x > 0", "ReLU()", head=head)) == ["E0385"]


def test_a_requirement_that_does_not_hold_shows_what_its_names_stand_for() -> None:
    text = "model A(channels = 7, n = 2):\n    # \u2028 and \f end no line\n    input x: float32[N, 3]\n"
    one = only(text + "    require channels % 2 == 0\n    ReLU()\n", "E0385")
    assert (one.message, one.label) == ("channels % 2 == 0 does not hold", "not so: channels = 7")
    assert only(text + "    require N < 1\n    ReLU()\n", "E0385").label == "not so"


def test_a_dtype_is_as_old_as_the_operators_that_take_it() -> None:
    spelled = {"float32": "float", "float64": "double"}
    schemas = [s for s in onnx.defs.get_all_schemas_with_history() if s.domain == ""]
    ports = [(s.since_version, set(p.types)) for s in schemas for p in (*s.inputs, *s.outputs)]
    for name, dtype in DTYPES.items():
        first = min(since for since, types in ports if f"tensor({spelled.get(name, name)})" in types)
        assert dtype.since == max(first, 13), name


def test_a_dtype_newer_than_the_operator_set_is_said_where_it_is_written() -> None:
    text = (
        'model A():\n    input x: int4[N, 3]\n    weight w: float4e2m1[3] = "ones"\n    output x2 = x\n    output w\n'
    )
    errors = found(text)
    assert [(d.code, d.place and d.place.line) for d in errors] == [("E0902", 2), ("E0902", 3)]
    assert errors[0].message == "int4 came with opset 21, and this is opset 20"
    assert errors[0].help == "build with --opset 21"
    archonnx.compile(text=text, opset=23)


def test_a_symbol_stands_for_one_or_more_unless_required() -> None:
    text = "model A():\n    input x: float32[N, P, 3]\n    require P >= 1\n    ReLU()\n"
    assert graph(text).requirements == []
    made = graph(text.replace("P >= 1", "P >= 0"))
    assert [str(r.condition) for r in made.requirements] == ["P >= 0"]


def test_a_symbol_of_an_input_in_an_arm_may_be_zero() -> None:
    lines = [
        "if longer:",
        "    input past: float32[N, P, 3]",
        "    require P >= 0",
        "    x = concat([past, x], axis=1)",
    ]
    text = body(*lines, "x -> ReLU()", head="model A(longer = True):\n    input x: float32[N, T, 3]\n")
    assert [str(r.condition) for r in graph(text).requirements] == ["P >= 0"]
    assert graph(text.replace("longer = True", "longer = False")).requirements == []


def test_a_layer_whose_result_would_be_empty() -> None:
    assert codes("model A():\n    input x: float32[N, 4, 4, 3]\n    Cropping2D(2)\n")[0] in ("E0304", "E0386", "E0307")


def test_numbers_and_lists_beside_a_tensor_take_its_type() -> None:
    head = "model A():\n    input x: int32[N, 2]\n"
    assert shape(body("output y = x * 2 + [1, 2]", head=head)) == "int32[N, 2]"
    assert codes(body("output y = x + 0.5", head=head)) == ["E0511"]
    assert codes(body("output y = x + [[1, 2], [3]]", head=head)) == ["E0511"]
    assert codes(body("output y = x + ['a', 'b']", head=head)) == ["E0511"]


def test_a_shape_is_a_tuple_of_sizes() -> None:
    assert shape(body("(n, d) = shape(x)", "Dense(d + 1)")) == "float32[N, 4]"
    assert codes(body("n = shape(3)", "ReLU()")) == ["E0509"]


def test_weights_and_buffers() -> None:
    lines = [
        'weight w: [3] = "ones"',
        "buffer b: int64[2] = [4, 5]",
        "weight v: [3, 2]",
        "output y = (x * w) @ v",
        "output z = b",
    ]
    made = graph(body(*lines))
    found = {w.path: (w.dtype, w.shape, w.trainable) for w in made.weights()}
    assert found == {"w": ("float32", (3,), True), "v": ("float32", (3, 2), True), "b": ("int64", (2,), False)}


def test_a_weight_takes_its_shape_from_a_bound_symbol() -> None:
    block = 'block scaled():\n    input x: [..., D]\n    weight scale: [D] = "ones"\n    x * scale\n\n'
    assert [w.shape for w in graph(block + body("scaled()")).weights()] == [(3,)]
    head = "model A():\n    input x: float32[N, D]\n"
    assert codes(block + body("scaled()", head=head)) == ["E0388"]


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("weight w: float32 = 'ones'", "E0388"),
        ("weight w: [..., 3] = 'ones'", "E0388"),
        ("weight w: [N] = 'ones'", "E0388"),
        ("weight w: [3] = x", "E0701"),
        ("weight w: [3] = Dense(3)", "E0701"),
        ("weight w: [2 ** 62, 4] = 'ones'", "E0804"),
    ],
)
def test_weights_that_cannot_be(line: str, code: str) -> None:
    assert codes(body(line, "output y = x * w")) == [code]


def test_a_weight_is_new_at_every_turn() -> None:
    made = graph(body("y = x", "for i in range(2):", "    weight w: [3] = 'ones'", "    y = y * w", "output z = y"))
    assert [w.path for w in made.weights()] == ["w", "w_1"]


def test_raw_operators() -> None:
    made = graph(body("y = x -> onnx.HardSwish()", "output z = y"))
    assert paths(made) == ["hard_swish"]
    assert shape(body("y = (x, [0]) -> onnx.Gather(axis=1)", "output z = y")) == "float32[N, 1]"
    assert shape(body("y = (x, None, 1.0) -> onnx.Clip()", "output z = y")) == "float32[N, 3]"


def test_each_of_several_results_may_have_its_type() -> None:
    """Sizes that depend on data are named, and `_` needs no type."""
    made = body(
        "input k: int64[1]",
        "v: float32[N, K], i: int64[N, K] = (x, k) -> onnx.TopK()",
        "output a: float32[N, K] = v + cast(i, float32)",
    )
    assert shape(made) == "float32[N, K]"
    assert shape(body("_, y: float32[N, 1] = x -> onnx.Split(axis=1, num_outputs=2)", "output y")) == "float32[N, 1]"
    assert shape(body("y: float32[N, 2], _ = x -> onnx.Split(axis=1, num_outputs=2)", "output y")) == "float32[N, 2]"
    assert shape(body("a: float32[N, 1], b = split(x, [1], axis=1)", "output b", "output a")) == "float32[N, 2]"


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("a: float32[N, 2], b: float32[N, 2] = x -> onnx.Split(axis=1, num_outputs=2)", "E0382"),
        ("a: int32[N, 2], b: float32[N, 1] = x -> onnx.Split(axis=1, num_outputs=2)", "E0380"),
        ("a: float32[N, 2], b: float32[N, 1], c: float32[N, 1] = x -> onnx.Split(axis=1, num_outputs=2)", "E0608"),
        ("a: float32[N, 3], b: float32[N, 3] = x -> onnx.Relu()", "E0608"),
        ("a: float32[N, 3], b: float32[N, 3] = x", "E0608"),
        ("a: float32[N, 3], b: float32[3] = [x, 2]", "E0611"),
        ("a, b: float32[N, 3] = [x, x]", "E0129"),
        ("(_, b): float32[N, 3] = [x, x]", "E0129"),
        ("a: float32[N, 3], input: float32[N, 3] = [x, x]", "E0112"),
        ("a: float32[N, 3], b: float32[N, 3]", "E0112"),
    ],
)
def test_types_of_several_results_that_do_not_fit(line: str, code: str) -> None:
    assert codes(body(line, "output x"))[:1] == [code]


def test_numbers_become_a_tensor_by_cast() -> None:
    assert shape(body("y = cast([[1, 2]], float16)", "output y", "output kept = x + 0")) == "float16[1, 2]"
    assert shape(body("y = cast(N, float32)", "output y", "output kept = x + 0")) == "float32[]"
    assert codes(body("y = cast('one', float32)", "output y", "output kept = x + 0")) == ["E0509"]
    assert codes(body("y = cast([1, [2]], float32)", "output y", "output kept = x + 0")) == ["E0511"]


def test_an_operator_of_another_domain() -> None:
    made = graph(body('y: float32[N, K] = x -> custom("com.example", "Op")(alpha=1)', "output z = y"))
    assert str(made.outputs[0].value.type) == "float32[N, K]"
    two = body('y: float32[N, K], z: int64[K] = x -> custom("com.example", "Op")()', "output y", "output z")
    assert [str(o.value.type) for o in graph(two).outputs] == ["float32[N, K]", "int64[K]"]
    assert codes(body('y: float32[N], z = x -> custom("com.example", "Op")()', "output y", "output z")) == ["E0907"]
    assert codes(body('y = x -> custom("com.example", "Op")(alpha=1)', "output z = y")) == ["E0907"]
    assert codes(body('y = x -> custom("com.example")(alpha=1)', "output z = y")) == ["E0509"]
    assert codes(body('y = x -> custom("com.example", "Op")', "output z = y")) == ["E0509"]
    assert codes(body('y: float32[N] = x -> custom("com.example", "Op")(1)', "output z = y")) == ["E0404"]


def test_assets_travel(tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_bytes(b"cat\ndog\ncow\n")
    made = graph(body('asset labels = "labels.txt"', "ReLU()"), root=tmp_path)
    assert made.assets["labels"].data == b"cat\ndog\ncow\n"
    assert codes(body('asset labels = "other.txt"', "ReLU()"), root=tmp_path) == ["E0791"]
    assert codes(body('asset labels = "../labels.txt"', "ReLU()"), root=tmp_path / "deeper") == ["E0791"]
    assert codes(body('asset labels = "labels.txt"', "ReLU()")) == ["E0791"]
    assert codes(body("asset labels = 3", "ReLU()"), root=tmp_path) == ["E0790"]
    assert codes(body('asset a = "labels.txt"', 'asset a = "labels.txt"', "ReLU()"), root=tmp_path) == ["E0609"]
