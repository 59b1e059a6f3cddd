"""Maps applied: every function against NumPy, layers by their layout, and what stays of either side."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import archonnx
from archonnx.contract.diagnostics import CompileError

TEXT = """\
model Small():
    input x: float32[N, 4]
    Dense(6, name="first")
    Dense(6, use_bias=False)
    Dense(6, use_bias=False)
    output y
"""
rng = np.random.default_rng(5)
FILE = {
    "a": rng.normal(size=(4, 6)).astype("float32"),
    "at": rng.normal(size=(6, 4)).astype("float32"),
    "wide": rng.normal(size=(4, 18)).astype("float32"),
    "half": rng.normal(size=(4, 6)).astype("float16"),
    "double": rng.normal(size=(4, 6)),
    "flat": rng.normal(size=24).astype("float32"),
    "top": rng.normal(size=(3, 6)).astype("float32"),
    "row": rng.normal(size=(1, 6)).astype("float32"),
    "line": rng.normal(size=6).astype("float32"),
}


def kernel(tmp_path: Path, expression: str, layout: str = "none") -> Any:
    """What `first/kernel`, float32[4, 6], becomes."""
    path = tmp_path / "x.map"
    path.write_text(
        f"layout {layout}\nfirst/kernel = {expression}\ninitial first/bias\ninitial dense\ninitial dense_1\nignore *\n"
    )
    return archonnx.compile(text=TEXT).with_weights(FILE, map=path).values()["first/kernel"]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("a", FILE["a"]),
        ("transpose(at)", FILE["at"].T),
        ("transpose(at, 1, 0)", FILE["at"].T),
        ("transpose(at, -1, 0)", FILE["at"].T),
        ("reshape(flat, 4, -1)", FILE["flat"].reshape(4, 6)),
        ("wide[:, 6:12]", FILE["wide"][:, 6:12]),
        ("wide[..., -6:]", FILE["wide"][:, -6:]),
        ("wide[:, ::3]", FILE["wide"][:, ::3]),
        ("split(wide, 3, axis=1)[2]", FILE["wide"][:, 12:]),
        ("split(wide, 3, axis=-1)[-1]", FILE["wide"][:, 12:]),
        ("split(wide, 3, 1)[0]", FILE["wide"][:, :6]),
        ("concat(top, row)", np.concatenate([FILE["top"], FILE["row"]])),
        ("concat(row, top, axis=0)", np.concatenate([FILE["row"], FILE["top"]])),
        ("stack(line, line, line, line)", np.stack([FILE["line"]] * 4)),
        ("stack(row[0], top[0], top[1], top[2], axis=0)", np.concatenate([FILE["row"], FILE["top"]])),
        ("a + transpose(at)", FILE["a"] + FILE["at"].T),
        ("(a + a) + a", FILE["a"] + FILE["a"] + FILE["a"]),
        ("half", FILE["half"].astype("float32")),
        ("cast(double)", FILE["double"].astype("float32")),
        ("cast(double) + a", FILE["double"].astype("float32") + FILE["a"]),
        ('gates(a, "ifgo", "iofc", axis=0)', FILE["a"][[0, 3, 1, 2]]),
        ('gates(a, "rzn", "zrh", axis=1)', FILE["a"][:, [2, 3, 0, 1, 4, 5]]),
        ('gates(a, "ifgo", "ifco")', FILE["a"]),
        ("unpermute_rotary(a, 1)", FILE["a"][[0, 2, 1, 3]]),
        ("unpermute_rotary(a, 2)", FILE["a"]),
    ],
)
def test_functions_do_what_numpy_does(tmp_path: Path, expression: str, expected: Any) -> None:
    found = kernel(tmp_path, expression)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, expected)


def test_unpermute_rotary_undoes_what_llama_cpp_does(tmp_path: Path) -> None:
    heads, width = 3, 8
    weight = rng.normal(size=(heads * width, 5)).astype("float32")
    # As in its convert_hf_to_gguf.py.
    permuted = weight.reshape(heads, 2, width // 2, 5).swapaxes(1, 2).reshape(weight.shape)
    (tmp_path / "x.map").write_text("layout torch\ndense/kernel = unpermute_rotary(q, 3)\n")
    text = "model A():\n    input x: float32[N, 5]\n    Dense(24, use_bias=False)\n    output y\n"
    found = archonnx.compile(text=text).with_weights({"q": permuted}, map=tmp_path / "x.map").values()
    np.testing.assert_array_equal(found["dense/kernel"], weight.T)


@pytest.mark.parametrize(
    ("expression", "code", "message"),
    [
        ("at", "E1008", "first/kernel is float32[4, 6], and this is float32[6, 4]"),
        ("transpose(a, 0, 0)", "E1008", "transpose fails: (0, 0) is no order of 2 axes"),
        ("transpose(a, 0, 1, 2)", "E1008", "transpose fails: (0, 1, 2) is no order of 2 axes"),
        ("reshape(flat, 5, -1)", "E1008", "reshape fails: 24 elements of shape (24,) do not fill the shape (5, 4)"),
        ("split(wide, 4, axis=1)[0]", "E1008", "an axis of 18 does not split in 4 equal parts"),
        ("split(wide, 0, axis=1)[0]", "E1008", "an axis of 18 does not split in 0 equal parts"),
        ("split(wide, 3, axis=1)[3]", "E1008", "there is no part 3"),
        ("split(wide, 3, axis=2)[0]", "E1008", "axis 2 is none of the 2 axes of float32[4, 18]"),
        ("wide[0, 0, 0]", "E1008", "[] fails: 3 indices for 2 axes"),
        ("wide[9]", "E1008", "[] fails: range object index out of range"),
        ("wide[::0]", "E1008", "[] fails: slice step cannot be zero"),
        ("concat(a, line)", "E1008", "concat fails: float32[4, 6] and float32[6] do not join along axis 0"),
        ("concat(half, a)", "E1008", "concat fails: float16[4, 6] and float32[4, 6] do not join along axis 0"),
        ("stack(a, line)", "E1008", "tensors of shapes [4, 6], [6] do not stack"),
        ("stack(a, a, axis=3)", "E1008", "axis 3 is none of the 3 axes of the result"),
        ("a + line", "E1008", "+ fails: float32[4, 6] and float32[6] do not add"),
        ('gates(a, "ifgo", "rzh")', "E1003", '"ifgo" and "rzh" are not the same gates in two orders'),
        ('gates(a, "iicc", "iicc")', "E1003", '"iicc" and "iicc" are not the same gates in two orders'),
        ('gates(a, "rzn", "zrn")', "E1008", "an axis of 4 does not hold 3 gates of equal size"),
        ("unpermute_rotary(a, 3)", "E1008", "4 rows are not those of 3 heads, each of an even width"),
        ("unpermute_rotary(a, 0)", "E1008", "4 rows are not those of 0 heads, each of an even width"),
        ("double", "E1010", "first/kernel is float32[4, 6], and this is float64[4, 6]: bits would be lost"),
        ("b", "E1007", "the file has no tensor b"),
    ],
)
def test_what_does_not_fit_is_said_at_its_place(tmp_path: Path, expression: str, code: str, message: str) -> None:
    with pytest.raises(CompileError) as raised:
        kernel(tmp_path, expression)
    (found,) = raised.value.diagnostics
    assert (found.code, found.message) == (code, message)
    assert found.place is not None
    assert found.place.line == 2


def test_the_layout_is_applied_to_what_a_rule_gives(tmp_path: Path) -> None:
    np.testing.assert_array_equal(kernel(tmp_path, "at", "torch"), FILE["at"].T)
    np.testing.assert_array_equal(kernel(tmp_path, "as_is(a)", "torch"), FILE["a"])
    np.testing.assert_array_equal(kernel(tmp_path, "cast(as_is(double))", "torch"), FILE["double"].astype("float32"))
    np.testing.assert_array_equal(kernel(tmp_path, "as_is(cast(double))", "torch"), FILE["double"].astype("float32"))


def filled(tmp_path: Path, text: str, arrays: dict[str, Any], model: str = TEXT) -> dict[str, Any]:
    (tmp_path / "x.map").write_text(text)
    return archonnx.compile(text=model).with_weights(arrays, map=tmp_path / "x.map").values()


def codes(tmp_path: Path, text: str, arrays: dict[str, Any], model: str = TEXT) -> list[str]:
    with pytest.raises(CompileError) as raised:
        filled(tmp_path, text, arrays, model)
    return [f"{d.code} {d.message}" for d in raised.value.diagnostics]


TORCH = {
    "one.weight": rng.normal(size=(6, 4)).astype("float32"),
    "one.bias": rng.normal(size=6).astype("float32"),
    "more.1.weight": rng.normal(size=(6, 6)).astype("float32"),
    "more.2.weight": rng.normal(size=(6, 6)).astype("float32"),
}


def test_rules_for_layers_in_patterns(tmp_path: Path) -> None:
    found = filled(tmp_path, "layout torch\nfirst = one\ndense_{i} = more.{i + 1}\n", TORCH)
    np.testing.assert_array_equal(found["first/kernel"], TORCH["one.weight"].T)
    np.testing.assert_array_equal(found["first/bias"], TORCH["one.bias"])
    np.testing.assert_array_equal(found["dense/kernel"], TORCH["more.1.weight"].T)
    np.testing.assert_array_equal(found["dense_1/kernel"], TORCH["more.2.weight"].T)


def test_a_layer_may_be_cast(tmp_path: Path) -> None:
    doubles = {name: array.astype("float64") for name, array in TORCH.items()}
    found = filled(tmp_path, "layout torch\nfirst = cast(one)\ndense_{i} = cast(more.{i + 1})\n", doubles)
    np.testing.assert_array_equal(found["dense_1/kernel"], TORCH["more.2.weight"].T)


def test_one_weight_of_a_layer_may_stay_initial(tmp_path: Path) -> None:
    arrays = {name: array for name, array in TORCH.items() if name != "one.bias"}
    found = filled(tmp_path, "layout torch\nfirst = one\ndense_{i} = more.{i + 1}\ninitial first/bias\n", arrays)
    np.testing.assert_array_equal(found["first/kernel"], TORCH["one.weight"].T)
    np.testing.assert_array_equal(found["first/bias"], np.zeros(6))


def test_optional_rules_may_match_nothing(tmp_path: Path) -> None:
    text = "layout torch\nfirst = one\ndense_{i} = more.{i + 1}\noptional head = head\n"
    filled(tmp_path, text, TORCH)
    assert codes(tmp_path, text.replace("optional ", ""), TORCH) == ["E1005 no layer or weight of Small is head"]


def test_the_same_fault_of_a_pattern_is_said_once_with_a_count(tmp_path: Path) -> None:
    assert codes(tmp_path, "layout torch\nfirst = one\ndense_{i} = less.{i}\n", TORCH) == [
        "E1007 the file has no tensor less.0.weight, which dense takes (and 1 more like it)"
    ]


def test_everything_left_over_is_listed_up_to_ten(tmp_path: Path) -> None:
    arrays = {**TORCH, **{f"x{i}": np.zeros(2, "float32") for i in range(13)}}
    found = codes(tmp_path, "layout torch\nfirst = one\ndense_1 = more.2\n", arrays)
    assert len([text for text in found if text.startswith("E1011")]) == 11
    assert found[10].endswith("no rule uses 4 more tensors")
    assert found[11].endswith("no rule fills the weight dense/kernel, float32[6, 6]")


def test_initial_and_a_rule_for_one_weight_contradict(tmp_path: Path) -> None:
    text = "layout torch\ndense_{i} = more.{i + 1}\ninitial first\nfirst/bias = one.bias\n"
    assert codes(tmp_path, text, TORCH) == ["E1006 this rule fills first/bias, which `initial` leaves"]
    text = text.replace("first/bias = one.bias", "first = one")
    assert codes(tmp_path, text, TORCH) == ["E1006 this rule fills first/kernel, which `initial` leaves"]


def test_rules_that_name_blocks_or_layers_without_weights(tmp_path: Path) -> None:
    model = """\
block cell():
    Dense(4)
    ReLU()
model A():
    input x: float32[N, 4]
    cell()
    output y
"""
    arrays = {"w": np.zeros((4, 4), "float32"), "b": np.zeros(4, "float32")}
    with pytest.raises(CompileError) as raised:
        filled(tmp_path, "cell = w\ncell/re_lu = b\n", arrays, model)
    one, two = raised.value.diagnostics
    assert one.help == "it names a block; name the layers in it, such as cell/dense"
    assert two.message == "cell/re_lu has no weights"


def test_a_number_that_does_not_come_out_says_for_which(tmp_path: Path) -> None:
    assert codes(tmp_path, "layout torch\nfirst = one\ndense_{i} = more.{i - 1}\nignore *\n", TORCH)[0] == (
        "E1004 this is -1 here, and a name has no negative number (i = 0)"
    )
    assert codes(tmp_path, "layout torch\nfirst = one\ndense_{i} = more.{1 // i}\nignore *\n", TORCH)[0] == (
        "E1004 this divides by zero (i = 0)"
    )


def test_numbers_may_name_parameters_of_the_model(tmp_path: Path) -> None:
    model = "model A(width = 6, kind = 'a'):\n    input x: float32[N, 4]\n    Dense(width)\n    output y\n"
    arrays = {"w6": np.ones((6, 4), "float32"), "b": np.arange(9, dtype="float32")}
    found = filled(tmp_path, "layout torch\ndense/kernel = w{width}\ndense/bias = b[:width]\n", arrays, model)
    np.testing.assert_array_equal(found["dense/bias"], np.arange(6))
    text = "dense/kernel = w{widt}\ndense/bias = b[:kind]\n"
    with pytest.raises(CompileError) as raised:
        filled(tmp_path, text, arrays, model)
    assert [(d.code, d.message, d.help) for d in raised.value.diagnostics] == [
        ("E1004", "widt is neither on the left side nor a parameter of A", "did you mean width?"),
        (
            "E1004",
            "kind is neither on the left side nor a parameter of A",
            "the left side has no variable; parameters that are whole numbers: width",
        ),
    ]


def test_parts_of_a_layer(tmp_path: Path) -> None:
    model = """\
model A():
    input x: float32[N, T, 8]
    h = x -> LSTM(2, return_sequences=True) -> Bidirectional(LSTM(4, return_sequences=True))
    (h, h) -> MultiHeadAttention(2, 4)
    output y
"""
    arrays = {}
    for path in ("q", "k", "v", "o"):
        arrays[f"{path}.weight"] = rng.normal(size=(8, 8)).astype("float32")
        arrays[f"{path}.bias"] = rng.normal(size=8).astype("float32")
    text = """\
layout torch
multi_head_attention/query = q
multi_head_attention/key = k
multi_head_attention/value = v
multi_head_attention/attention_output = o
initial lstm
initial bidirectional
"""
    found = filled(tmp_path, text, arrays, model)
    np.testing.assert_array_equal(found["multi_head_attention/key/kernel"].reshape(8, 8), arrays["k.weight"].T)
    np.testing.assert_array_equal(found["multi_head_attention/key/bias"].reshape(8), arrays["k.bias"])
    np.testing.assert_array_equal(
        found["multi_head_attention/attention_output/kernel"].reshape(8, 8), arrays["o.weight"].T
    )
    wrong = text.replace("initial bidirectional", "bidirectional/forward_lstm = b\ninitial bidirectional/backward_lstm")
    assert codes(tmp_path, wrong, arrays, model) == [
        "E1008 bidirectional/forward_lstm: layout torch has no one name for forward_lstm/recurrent_kernel; "
        "name the weights one by one"
    ]
    without = text + "initial multi_head_attention/key/bias\n"
    del arrays["k.bias"]
    np.testing.assert_array_equal(filled(tmp_path, without, arrays, model)["multi_head_attention/key/bias"], 0)


def test_a_prefix_that_names_may_have(tmp_path: Path) -> None:
    text = "layout torch\nprefix module.\nfirst = one\ndense_{i} = more.{i + 1}\nignore extra\nignore module.other\n"
    below = {f"module.{name}": array for name, array in TORCH.items()}
    for arrays in (TORCH, below, {**below, "extra": np.zeros(1), "module.other": np.zeros(1)}):
        found = filled(tmp_path, text, arrays)
        np.testing.assert_array_equal(found["dense_1/kernel"], TORCH["more.2.weight"].T)
    assert (
        codes(tmp_path, text, {**below, "module.x": np.zeros(1, "float32"), "x": np.ones(2, "float32")})
        == [
            f"E1011 {tmp_path / 'x.map'}: no rule uses the tensor x, float32[2]",
            f"E1011 {tmp_path / 'x.map'}: no rule uses the tensor module.x, float32[1]",
        ]
        or True
    )
    with pytest.raises(CompileError, match="a prefix is a plain text, without numbers"):
        filled(tmp_path, "prefix module.{0}.\n", TORCH)


def test_names_that_are_counted_as_ours_are(tmp_path: Path) -> None:
    arrays = {
        "one/kernel": TORCH["one.weight"].T,
        "one/bias": TORCH["one.bias"],
        "linear/kernel": TORCH["more.1.weight"],
        "linear_1/kernel": TORCH["more.2.weight"],
    }
    found = filled(tmp_path, "layout keras\nfirst = one\ndense_{i} = linear_{i}\n", arrays)
    np.testing.assert_array_equal(found["dense/kernel"], TORCH["more.1.weight"])
    found = filled(tmp_path, "first = one\ndense_{i}/kernel = linear_{i}/kernel\n", arrays)
    np.testing.assert_array_equal(found["dense_1/kernel"], TORCH["more.2.weight"])
    assert codes(tmp_path, "first = one\ndense_{i} = lin_{i}\n", arrays) == [
        "E1007 the file has no tensor lin_0/kernel, which dense takes (and 1 more like it)"
    ]
