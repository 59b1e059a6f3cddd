"""Comparing with references: what agrees, what does not and is said first, and what may differ without a difference."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import archonnx
from archonnx.compiler.analysis.compare import Comparison, compare
from archonnx.compiler.analysis.reference import ReferenceRow, ReferenceSummary, read_reference, read_reference_file
from archonnx.compiler.analysis.summary import LayerRow, Summary, summarize
from archonnx.compiler.analysis.summary_text import render

DATA = Path(__file__).parents[2] / "data" / "summaries"

VGG = """
defaults Conv2D(padding="same")
defaults MaxPooling2D(padding="same")

model vgg_like():
    input image: float32[N, 32, 32, 3]
    for filters in [64, 64, 64, 512, 512, 512]:
        Conv2D(filters, 3, activation="relu")
        MaxPooling2D(2)
    BatchNormalization()
    GlobalAveragePooling2D()
    Flatten()
    Dense(4096)
    Dropout(0.5)
    Dense(10)
    output logits
"""

RESNET18 = """
defaults Conv2D(padding="same", use_bias=False)

block conv_bn(filters, kernel, strides = 1):
    Conv2D(filters, kernel, strides)
    BatchNormalization(epsilon=1e-5)

block basic(filters, strides = 1, project = False):
    input x
    residual = x -> conv_bn(filters, 3, strides) -> ReLU() -> conv_bn(filters, 3)
    shortcut = x -> conv_bn(filters, 1, strides) if project else x
    (residual + shortcut) -> ReLU()

model ResNet18(classes = 1000):
    input image: float32[N, 224, 224, 3]
    conv_bn(64, 7, 2)
    ReLU()
    MaxPooling2D(3, 2, padding="same")
    basic(64)
    basic(64)
    for filters in [128, 256, 512]:
        basic(filters, 2, project=True)
        basic(filters)
    GlobalAveragePooling2D()
    Dense(classes)
    output logits
"""

MERGED = """
model merged():
    input image: float32[N, 28, 28, 1]
    image -> Conv2D(32, 3)
    Activation("relu")
    skip = it -> MaxPooling2D(2) -> BatchNormalization()
    (skip -> Conv2D(32, 3, padding="same"), skip) -> Add()
    GlobalAveragePooling2D()
    Dense(10)
    output logits
"""

OUTER = """
block inner():
    Dense({first})
    Dense(2)

model outer():
    input x: float32[N, 4]
    inner()
    Dense(1)
    output y
"""

KERAS = "Layer (type)  Output Shape  Param #\n===\n"
TORCH = "Layer (type:depth-idx)  Output Shape  Param #\n===\n"


def against(text: str, name: str) -> Comparison:
    return compare(archonnx.compile(text=text).summary(), read_reference_file(DATA / f"{name}.txt"))


def changed(text: str, reference: str) -> Comparison:
    return compare(archonnx.compile(text=text).summary(), read_reference(reference, "changed"))


def kinds(comparison: Comparison) -> list[str]:
    return [difference.kind for difference in comparison.differences]


def test_the_articles_text_agrees_with_its_network(project: Path) -> None:
    found = compare(
        archonnx.compile(project / "models" / "dnn.arch").summary(), read_reference_file(DATA / "dnn.summary.txt")
    )
    assert found.agrees
    assert found.render() == f"DNN and {DATA / 'dnn.summary.txt'} agree: 9 of 9 rows, 4,571,018 parameters\n"


def test_keras_own_resnet_agrees_though_its_branches_come_in_another_order(project: Path) -> None:
    found = compare(
        archonnx.compile(project / "models" / "resnet.arch", model="ResNet50").summary(),
        read_reference_file(DATA / "k3_resnet50.txt"),
    )
    assert (found.agrees, found.matched, found.rows) == (True, 176, 176)


@pytest.mark.parametrize("name", ["k212_seq", "k2_seq", "k3_seq", "k3_seq_trainable"])
def test_every_version_of_one_model_agrees(name: str) -> None:
    found = against(VGG, name)
    assert (found.differences, found.matched) == ((), 18)


def test_torchinfo_agrees_with_moving_statistics_and_folded_modules() -> None:
    found = against(RESNET18, "torchinfo_resnet18")
    assert (found.differences, found.matched, found.rows) == ((), 57, 57)
    assert "PyTorch counts no moving statistics: 9,600 of ours are left out of account" in found.notes
    assert sum("Sequential stands for" in note for note in found.notes) == 3


def test_keras_1_with_its_names_and_cut_types() -> None:
    found = changed(MERGED, (DATA / "k1_merge.txt").read_text().replace("10,026", "10,026", 1))
    # The text was printed for a model whose second convolution has a bias and whose moving statistics train.
    assert kinds(found) == ["total", "total"]
    assert found.differences[0].message == "trainable parameters: 10,026 there, 9,962 here"


@pytest.mark.parametrize("name", ["k2_nested", "k3_nested"])
def test_a_nested_model_in_one_row_is_compared_with_the_sum_of_its_layers(name: str) -> None:
    found = against(OUTER.format(first=4), "k3_nested")
    assert kinds(found)[0] == "missing" or kinds(found)[0] == "extra"
    text = (DATA / f"{name}.txt").read_text().replace("26", "30").replace("29", "33")
    found = changed(OUTER.format(first=4), text)
    assert found.agrees
    assert found.notes == ("inner stands for 2 layers here, inner/dense to inner/dense_1",)


def test_expanded_nested_rows_are_compared_themselves() -> None:
    text = """
model f():
    input given: float32[N, 4]
    a = given -> Dense(3) -> Dense(2)
    (a, given -> Dense(2)) -> Add()
    output y
"""
    assert against(text, "k3_expanded").differences == ()
    assert kinds(against(text.replace("Dense(3)", "Dense(5)"), "k3_expanded"))[:3] == [
        "shape",
        "parameters",
        "parameters",
    ]


def test_first_difference_first_with_both_places() -> None:
    text = (DATA / "dnn.summary.txt").read_text()
    text = (
        text.replace("(None, 64, 64, 128)", "(None, 64, 64, 127)")
        .replace("73792", "73793")
        .replace("dense_4 (Dense)", "dense_4 (GRU)")
    )
    found = changed(
        'defaults Conv2D(padding="same")\n\nmodel DNN():\n    input image: float32[N, 256, 256, 3]\n'
        "    for filters in [256, 128, 64]:\n        Conv2D(filters, 3)\n        MaxPooling2D(2)\n"
        "    Flatten()\n    Dense(64)\n    Dense(10)\n",
        text,
    )
    assert found.render() == (
        "DNN and changed differ in 3 places (6 of 9 rows agree)\n"
        "  row 4, max_pooling2d_6 (MaxPooling2D), line 9, here max_pooling2d_1 at text.arch:7:9:"
        " the output shape is (None, 64, 64, 127) there, (N, 64, 64, 128) here\n"
        "  row 5, conv2d_7 (Conv2D), line 11, here conv2d_2 at text.arch:6:9: 73,793 parameters there, 73,792 here\n"
        "  row 8, dense_4 (GRU), line 15, here dense at text.arch:9:5: the type is GRU there, Dense here\n"
    )


def test_a_layer_that_one_side_lacks() -> None:
    lines = (DATA / "k3_seq.txt").read_text().splitlines()
    short = "\n".join(line for line in lines if "max_pooling2d_3" not in line)
    found = changed(VGG, short)
    assert [difference.message for difference in found.differences] == [
        "max_pooling2d_3 (MaxPooling2D) at text.arch:9:9 has no counterpart in changed"
    ]
    found = against(VGG.replace("    Flatten()\n", ""), "k3_seq")
    assert [difference.message for difference in found.differences] == [
        "row 15, flatten (Flatten), line 35 is missing here"
    ]


def test_dropout_is_no_difference() -> None:
    assert against(VGG.replace("    Dropout(0.5)\n", ""), "k3_seq").agrees
    assert against(VGG.replace("    Flatten()\n", "    Flatten()\n    Dropout(0.1)\n"), "k3_seq").agrees


def test_an_activation_may_be_a_row_there_and_an_argument_here() -> None:
    text = 'model m():\n    input x: float32[N, 4]\n    Dense(2, activation="{}")\n    output y\n'
    rows = KERAS + "dense (Dense)  (None, 2)  10\nre_lu (ReLU)  (None, 2)  0\n===\nTotal params: 10\n"
    assert changed(text.format("relu"), rows).agrees
    assert kinds(changed(text.format("tanh"), rows)) == ["missing"]
    assert kinds(changed(text.replace(', activation="{}"', ""), rows)) == ["missing"]


def test_a_layer_of_ours_too_many_is_a_difference_to_keras_and_not_to_torchinfo() -> None:
    text = "model m():\n    input x: float32[N, 4]\n    Dense(2)\n    output y = it + 1\n"
    keras = KERAS + "dense (Dense)  (None, 2)  10\n===\nTotal params: 10\n"
    torch = TORCH + "Linear  [1, 2]  10\n===\nTotal params: 10\n"
    assert kinds(changed(text, keras)) == ["extra"]
    assert changed(text, torch).agrees


@pytest.mark.parametrize(
    ("layer", "row"),
    [
        ("LSTM(5, return_sequences=True)", "LSTM  [2, 7, 5]  260"),
        ("GRU(5, return_sequences=True)", "GRU  [2, 7, 5]  195"),
        ("SimpleRNN(5, return_sequences=True)", "RNN  [2, 7, 5]  65"),
        ("LSTM(5, return_sequences=True, use_bias=False)", "LSTM  [2, 7, 5]  220"),
        ("Bidirectional(LSTM(5, return_sequences=True))", "LSTM  [2, 7, 10]  520"),
        ("Bidirectional(GRU(5, return_sequences=True))", "GRU  [2, 7, 10]  390"),
        ("RNN([LSTMCell(5), LSTMCell(5)], return_sequences=True)", "LSTM  [2, 7, 5]  500"),
        ("RNN(GRUCell(5), return_sequences=True)", "GRU  [2, 7, 5]  195"),
    ],
)
def test_recurrent_layers_have_a_second_bias_in_pytorch(layer: str, row: str) -> None:
    """The numbers are those of torch.nn's parameters, for 6 features."""
    text = f"model m():\n    input x: float32[N, 7, 6]\n    {layer}\n    output y\n"
    assert changed(text, f"{TORCH}{row}\n===\nTotal params: {row.split()[-1]}\n").agrees
    more = str(int(row.split()[-1]) + 1)
    assert not changed(text, f"{TORCH}{row.rpartition(' ')[0]} {more}\n===\nTotal params: {more}\n").agrees


def test_layers_in_another_order_on_one_path_differ() -> None:
    swapped = RESNET18.replace(
        "conv_bn(filters, 3, strides) -> ReLU() -> conv_bn(filters, 3)",
        "conv_bn(filters, 3, strides) -> conv_bn(filters, 3)",
    ).replace("(residual + shortcut) -> ReLU()", "(residual + shortcut) -> ReLU() -> ReLU()")
    found = against(swapped, "torchinfo_resnet18")
    assert kinds(found) == ["order"]
    assert found.differences[0].message == (
        "row 7, ReLU, line 13 comes before row 9, BatchNorm2d, line 15, here basic/re_lu comes after basic/add"
    )


def test_a_deeper_model_differs_where_it_is_deeper(project: Path) -> None:
    found = compare(
        archonnx.compile(project / "models" / "resnet.arch", model="ResNet101").summary(),
        read_reference_file(DATA / "k3_resnet50.txt"),
    )
    assert kinds(found) == ["extra"] * 170 + ["total"] * 3
    lines = found.render().splitlines()
    assert lines[1].startswith("  resnet_features/stage_2/bottleneck_6/conv_bn/conv2d (Conv2D) at ")
    assert lines[2].startswith(
        "  so 169 more in a row, to the last: resnet_features/stage_2/bottleneck_22/re_lu (ReLU)"
    )
    assert len(lines) == 6


def test_numbers_may_stand_for_symbols_but_for_one_each() -> None:
    text = "model m():\n    input x: float32[N, T, 4]\n    Dense(2)\n    Dense(3)\n    output y\n"
    rows = TORCH + "Net  [{0}, 3]  --\n├─Linear: 1-1  [2, 7, 2]  10\n├─Linear: 1-2  [{0}, 3]  9\n"
    assert changed(text, rows.format("2, 7")).agrees
    assert kinds(changed(text, rows.format("2, 8"))) == ["shape"]
    none = KERAS + "dense (Dense)  (None, {0}, 2)  10\ndense (Dense)  (None, None, 3)  9\n"
    assert changed(text, none.format("None")).agrees
    assert kinds(changed(text.replace("T", "5"), none.format("5"))) == ["shape"]


def test_inputs_are_compared_where_they_are_printed() -> None:
    text = "model m():\n    input x: float32[N, 4]\n    input y: float32[N, 3]\n    (x, y) -> Concatenate()\n"
    rows = (
        "Layer (type)  Output Shape  Param #  Connected to\n===\n"
        "a (InputLayer)  [(None, {})]  0  []\ny (InputLayer)  [(None, 3)]  0  []\n"
        "concatenate (Concatenate)  (None, 7)  0  ['a[0][0]', 'y[0][0]']\n"
    )
    assert changed(text, rows.format(4)).agrees
    found = changed(text, rows.format(5))
    assert [difference.message for difference in found.differences] == [
        "input a, line 3, is (None, 5) there, (N, 4) here (x)"
    ]
    more = rows.format(4).replace("y (Input", "b (InputLayer)  [(None, 9)]  0  []\ny (Input")
    assert kinds(changed(text, more)) == ["input"]


def test_own_json_of_another_choice_of_names_agrees() -> None:
    ours = archonnx.compile(text=VGG).summary()
    other = archonnx.compile(text=VGG.replace("[N, 32", "[B, 32")).summary()
    assert compare(ours, read_reference(other.to_json(), "other.json")).agrees
    wide = archonnx.compile(text=VGG.replace("4096", "4095")).summary()
    assert kinds(compare(ours, read_reference(wide.to_json(), "wide.json"))) == [
        *("shape", "parameters", "parameters", "total", "total"),
    ]


def rows_of(summary: Summary) -> tuple[ReferenceRow, ...]:
    return tuple(ReferenceRow(row.path, row.type, row.output_shapes, row.parameters) for row in summary.layers)


layers = st.lists(
    st.builds(
        lambda kind, width, parameters: (kind, width, parameters),
        st.sampled_from(["Dense", "ReLU", "Conv2D", "Add"]),
        st.integers(1, 4),
        st.integers(0, 3),
    ),
    min_size=1,
    max_size=12,
)


def chain(rows: list[tuple[str, int, int]]) -> Summary:
    """A summary of layers each of which reads the one before."""
    made = [
        LayerRow(
            f"layer_{n}",
            kind,
            (("N", width),),
            parameters,
            0,
            connected_to=(f"layer_{n - 1}[0][0]" if n else "x[0][0]",),
        )
        for n, (kind, width, parameters) in enumerate(rows)
    ]
    return replace(
        summarize(archonnx.compile(text="model m():\n    input x: float32[N, 4]\n    ReLU()\n").graph),
        layers=tuple(made),
    )


@settings(max_examples=80)
@given(layers, st.data())
def test_one_change_of_a_chain_is_found(rows: list[tuple[str, int, int]], data: st.DataObject) -> None:
    ours = chain(rows)
    theirs = list(rows_of(ours))
    assert compare(ours, ReferenceSummary("keras3", "m", tuple(theirs))).agrees
    at = data.draw(st.integers(0, len(theirs) - 1))
    how = data.draw(st.sampled_from(["parameters", "shape", "type", "drop", "add"]))
    row = theirs[at]
    if how == "parameters":
        theirs[at] = replace(row, parameters=(row.parameters or 0) + 1)
    elif how == "shape":
        theirs[at] = replace(row, output_shapes=(("N", 9),))
    elif how == "type":
        theirs[at] = replace(row, type="LSTM")
    elif how == "drop":
        del theirs[at]
    else:
        theirs.insert(at, replace(row, name="added"))
    found = compare(ours, ReferenceSummary("keras3", "m", tuple(theirs)))
    assert not found.agrees
    expected = {"drop": "extra", "add": "missing"}.get(how, how)
    assert kinds(found) == [expected]
    assert found.matched == len(rows) - (how not in ("add",)) or how == "drop"


def test_a_thousand_layers_take_moments() -> None:
    rows = [("Dense", n % 7 + 1, n % 3) for n in range(1000)]
    ours, theirs = chain(rows), chain([(kind, width + 1, parameters) for kind, width, parameters in rows])
    before = time.process_time()
    assert compare(ours, ReferenceSummary("keras3", "m", rows_of(ours))).agrees
    assert not compare(ours, ReferenceSummary("keras3", "m", rows_of(theirs))).agrees
    assert time.process_time() - before < 20


def test_what_we_print_as_keras_we_read_back_as_ours() -> None:
    for text in (VGG, MERGED):
        ours = archonnx.compile(text=text).summary()
        assert compare(ours, read_reference(render(ours, "keras"), "keras")).agrees


def test_rows_that_compute_masks_may_be_missing() -> None:
    """Keras prints the operations of its masks as rows, and a mask is no output of the layer that makes it."""
    text = """
model Masked():
    input tokens: int32[N, T]
    x = tokens -> Embedding(1000, 64, mask_zero=True)
    a = (x, x) -> MultiHeadAttention(4, 16)
    (x, a) -> Add()
    LayerNormalization()
    (it, it) -> GroupQueryAttention(16, 4, 2)
    Bidirectional(LSTM(16, return_sequences=True))
    GlobalAveragePooling1D()
    Dense(2)
"""
    found = compare(summarize(archonnx.compile(text=text).graph), read_reference_file(DATA / "k3_masked.txt"))
    assert found.differences == ()
