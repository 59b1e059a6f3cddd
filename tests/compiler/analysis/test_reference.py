"""Every summary text kept here is read in full, as written down by hand; what is no summary is said so."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archonnx.compiler.analysis.reference import (
    ReferenceRow,
    ReferenceSummary,
    ReferenceTextError,
    read_reference,
    read_reference_file,
)
from archonnx.contract.diagnostics import ArchonnxError

DATA = Path(__file__).parents[2] / "data" / "summaries"


def read(name: str) -> ReferenceSummary:
    return read_reference_file(DATA / f"{name}.txt")


def short(row: ReferenceRow) -> str:
    """A row as one line: name, type, `~` behind what was cut, shapes, parameters, what it reads."""
    name = f"{row.name}{'~' * row.name_cut}"
    shapes = " ".join("x".join("?" if size is None else str(size) for size in shape) for shape in row.output_shapes)
    read = "" if row.connected_to is None else " < " + " ".join(row.connected_to)
    return (
        f"{'. ' * row.depth}{name} {row.type}{'~' * row.type_cut} {shapes}{'~' * row.shapes_cut} {row.parameters}{read}"
    )


VGG = [
    "conv2d Conv2D ?x32x32x64 1792",
    "max_pooling2d MaxPooling2D ?x16x16x64 0",
    "conv2d_1 Conv2D ?x16x16x64 36928",
    "max_pooling2d_1 MaxPooling2D ?x8x8x64 0",
    "conv2d_2 Conv2D ?x8x8x64 36928",
    "max_pooling2d_2 MaxPooling2D ?x4x4x64 0",
    "conv2d_3 Conv2D ?x4x4x512 295424",
    "max_pooling2d_3 MaxPooling2D ?x2x2x512 0",
    "conv2d_4 Conv2D ?x2x2x512 2359808",
    "max_pooling2d_4 MaxPooling2D ?x1x1x512 0",
    "conv2d_5 Conv2D ?x1x1x512 2359808",
    "max_pooling2d_5 MaxPooling2D ?x1x1x512 0",
    "batch_normalization BatchNormalization ?x1x1x512 2048",
    "global_average_pooling2d GlobalAveragePooling2D ?x512 0",
    "flatten Flatten ?x512 0",
    "dense Dense ?x4096 2101248",
    "dropout Dropout ?x4096 0",
    "dense_1 Dense ?x10 40970",
]
RNN = [
    "tokens InputLayer ?x?x32 0 < ",
    "lstm LSTM ?x?x32 ?x32 ?x32 8320 < tokens[0][0]",
    "bidirectional Bidirectional ?x32 4800 < lstm[0][0]",
    "concatenate Concatenate ?x96 0 < bidirectional[0][0] lstm[0][1] lstm[0][2]",
    "dense Dense ?x5 485 < concatenate[0][0]",
]
NESTED = ["inner Sequential ?x2 26", "dense_2 Dense ?x1 3"]
EXPECTED: dict[str, tuple[str, str | None, tuple[int, int, int], list[str]]] = {
    "dnn.summary": (
        "keras2",
        "sequential_2",
        (4571018, 4571018, 0),
        [
            "conv2d_5 Conv2D ?x256x256x256 7168",
            "max_pooling2d_5 MaxPooling2D ?x128x128x256 0",
            "conv2d_6 Conv2D ?x128x128x128 295040",
            "max_pooling2d_6 MaxPooling2D ?x64x64x128 0",
            "conv2d_7 Conv2D ?x64x64x64 73792",
            "max_pooling2d_7 MaxPooling2D ?x32x32x64 0",
            "flatten_2 Flatten ?x65536 0",
            "dense_4 Dense ?x64 4194368",
            "dense_5 Dense ?x10 650",
        ],
    ),
    "k1_merge": (
        "keras1",
        None,
        (10026, 10026, 0),
        [
            "convolution2d_1 Convolution2D ?x26x26x32 320 < convolution2d_input_1[0][0]",
            "activation_1 Activation ?x26x26x32 0 < convolution2d_1[0][0]",
            "maxpooling2d_1 MaxPooling2D ?x13x13x32 0 < activation_1[0][0]",
            "batchnormalization_1 BatchNormal~ ?x13x13x32 128 < maxpooling2d_1[0][0]",
            "convolution2d_2 Convolution2D ?x13x13x32 9248 < batchnormalization_1[0][0]",
            "merge_1 Merge ?x13x13x32 0 < convolution2d_2[0][0] batchnormalization_1[0][0]",
            "globalaveragepooling2d_1 GlobalA~ ?x32 0 < merge_1[0][0]",
            "dense_1 Dense ?x10 330 < globalaveragepooling2d_1[0][0]",
        ],
    ),
    "k24_seq": (
        "keras2",
        "sequential_1",
        (10026, 10026, 0),
        [
            "conv2d_1 Conv2D ?x26x26x32 320",
            "max_pooling2d_1 MaxPooling2~ ?x13x13x32 0",
            "batch_normalization_1 Batch~ ?x13x13x32 128",
            "conv2d_2 Conv2D ?x13x13x32 9248",
            "global_average_pooling2d_1 ~ ?x32 0",
            "dense_1 Dense ?x10 330",
        ],
    ),
    "k24_func": (
        "keras2",
        "model_1",
        (18346, 18346, 0),
        [
            "input_1 InputLayer ?x28x28x1 0 < ",
            "conv2d_1 Conv2D ?x26x26x32 320 < input_1[0][0]",
            "max_pooling2d_1 MaxPooling2D ?x13x13x32 0 < conv2d_1[0][0]",
            "batch_normalization_1 BatchNor~ ?x13x13x32 128 < max_pooling2d_1[0][0]",
            "conv2d_2 Conv2D ?x13x13x32 9248 < batch_normalization_1[0][0]",
            "add_1 Add ?x13x13x32 0 < conv2d_2[0][0] batch_normalization_1[0][0]",
            "global_average_pooling2d_1 Glo~ ?x32 0 < add_1[0][0]",
            "lstm_1 LSTM ?x5x32~ 8320 < global_average_pooling2d_1[0][0]",
            "dense_1 Dense ?x10 330 < lstm_1[0][0]",
        ],
    ),
    "k212_seq": ("keras2", "vgg_like", (7234954, 7233930, 1024), VGG),
    "k212_rnn": ("keras2", "rnn", (13605, 13605, 0), RNN),
    "k2_seq": ("keras2", "vgg_like", (7234954, 7233930, 1024), VGG),
    "k2_rnn": ("keras2", "rnn", (13605, 13605, 0), RNN),
    "k2_nested": ("keras2", "outer", (29, 29, 0), NESTED),
    "k2_attn": (
        "keras2",
        "attn",
        (304, 304, 0),
        [
            "input_1 InputLayer ?x16x8 0 < ",
            "multi_head_attention MultiHeadAttention ?x16x8 288 < input_1[0][0] input_1[0][0]",
            "add Add ?x16x8 0 < input_1[0][0] multi_head_attention[0][0]",
            "layer_normalization LayerNormalization ?x16x8 16 < add[0][0]",
        ],
    ),
    "k2_func": (
        "keras2",
        "multi_io",
        (43620, 43620, 0),
        [
            "image_input_with_long_name InputLayer ?x28x28x1 0 < ",
            "stage1_block1_conv_very_long_layer_name Conv2D ?x28x28x8 80 < image_input_with_long_name[0][0]",
            "conv2d Conv2D ?x28x28x8 16 < image_input_with_long_name[0][0]",
            "add Add ?x28x28x8 0 < stage1_block1_conv_very_long_layer_name[0][0] conv2d[0][0]"
            " stage1_block1_conv_very_long_layer_name[0][0]",
            "separable_conv2d SeparableConv2D ?x26x26x16 216 < add[0][0]",
            "flatten Flatten ?x10816 0 < separable_conv2d[0][0]",
            "meta InputLayer ?x10 0 < ",
            "concatenate Concatenate ?x10826 0 < flatten[0][0] meta[0][0]",
            "dropout Dropout ?x10826 0 < concatenate[0][0]",
            "shared Dense ?x4 43308 < concatenate[0][0] dropout[0][0]",
            "out Concatenate ?x8 0 < shared[0][0] shared[1][0]",
        ],
    ),
    "k3_seq": ("keras3", "vgg_like", (7234954, 7233930, 1024), VGG),
    "k3_seq_trainable": ("keras3", "vgg_like", (7234954, 7233930, 1024), VGG),
    "k3_nested": ("keras3", "outer", (29, 29, 0), NESTED),
    "k3_rnn": (
        "keras3",
        "rnn",
        (13605, 13605, 0),
        [*RNN[:3], "concatenate Concatenate ?x96 0 < bidirectional[0]… lstm[0][1] lstm[0][2]", RNN[4]],
    ),
    "k3_attn": (
        "keras3",
        "attn",
        (304, 304, 0),
        [
            "input_layer InputLayer ?x16x8 0 < ",
            "multi_head_attenti~ MultiHeadAttentio~ ?x16x8 288 < input_layer[0][0… input_layer[0][0]",
            "add Add ?x16x8 0 < input_layer[0][0… multi_head_atten…",
            "layer_normalization LayerNormalizatio~ ?x16x8 16 < add[0][0]",
        ],
    ),
    "k3_masked": (
        "keras3",
        "Masked",
        (103682, 103682, 0),
        [
            "input_layer InputLayer ?x? 0 < ",
            "embedding Embedding ?x?x64 64000 < input_layer[0][0]",
            "multi_head_attention MultiHeadAttention ?x?x64 16640 < embedding[0][0] embedding[0][0]",
            "add Add ?x?x64 0 < embedding[0][0] multi_head_attention[0][0]",
            "layer_normalization LayerNormalization ?x?x64 128 < add[0][0]",
            "not_equal NotEqual ?x? 0 < input_layer[0][0]",
            "grouped_query_attention GroupedQueryAttention ?x?x64 12480 < layer_normalization[0][0] layer_normalization[0][0]",
            "logical_or LogicalOr ?x? 0 < not_equal[0][0] not_equal[0][0]",
            "bidirectional Bidirectional ?x?x32 10368 < grouped_query_attention[0… logical_or[0][0]",
            "global_average_pooling1d GlobalAveragePooling1D ?x32 0 < bidirectional[0][0] logical_or[0][0]",
            "dense Dense ?x2 66 < global_average_pooling1d[…",
        ],
    ),
    "k3_func": (
        "keras3",
        "multi_io",
        (43620, 43620, 0),
        [
            "image_input_with_l~ InputLayer ?x28x28x1 0 < ",
            "stage1_block1_conv~ Conv2D ?x28x28x8 80 < image_input_with…",
            "conv2d Conv2D ?x28x28x8 16 < image_input_with…",
            "add Add ?x28x28x8 0 < stage1_block1_co… conv2d[0][0] stage1_block1_co…",
            "separable_conv2d SeparableConv2D ?x26x26x16 216 < add[0][0]",
            "flatten Flatten ?x10816 0 < separable_conv2d…",
            "meta InputLayer ?x10 0 < ",
            "concatenate Concatenate ?x10826 0 < flatten[0][0] meta[0][0]",
            "dropout Dropout ?x10826 0 < concatenate[0][0]",
            "shared Dense ?x4 43308 < concatenate[0][0… dropout[0][0]",
            "out Concatenate ?x8 0 < shared[0][0] shared[1][0]",
        ],
    ),
    "k3_ascii": (
        "keras3",
        "s",
        (138, 130, 8),
        [
            "conv2d Conv2D ?x30x30x4 112",
            "batch_normalization BatchNormalization ?x30x30x4 16",
            "global_average_pooling2d GlobalAveragePooling2D ?x4 0",
            "dense Dense ?x2 10",
        ],
    ),
    "k3_expanded": (
        "keras3",
        "f",
        (33, 33, 0),
        [
            "input_layer_2 InputLayer ?x4 0 < ",
            "inner Sequential ?x2 23 < input_layer_2…",
            ". dense_1 Dense ?x3 15 < ",
            ". dense_2 Dense ?x2 8 < ",
            "a_very_long_laye~ Dense ?x2 10 < input_layer_2…",
            "add Add ?x2 0 < inner[0][0] a_very_long_l…",
        ],
    ),
    "k3_trained": (
        "keras3",
        "s",
        (138, 130, 8),
        [
            "conv2d Conv2D ?x30x30x4 112",
            "batch_normalization BatchNormalization ?x30x30x4 16",
            "global_average_pooling2d GlobalAveragePooling2D ?x4 0",
            "dense Dense ?x2 10",
        ],
    ),
    "k3_unbuilt": ("keras3", "unb", (0, 0, 0), ["dense_3 Dense  0", "dense_4 Dense  0"]),
    "torchinfo_lstm": ("torchinfo", None, (9728, 9728, 0), ["None LSTM 2x5x32 9728"]),
    "torchinfo_recursive": (
        "torchinfo",
        "Net",
        (174, 164, 10),
        [
            "None Net 1x2 4",
            ". None Conv2d 1x4x6x6 112",
            ". None BatchNorm2d 1x4x6x6 8",
            ". None Linear 1x4 20",
            ". None Linear 1x4 0",
            ". None Sequential 1x4 0",
            ". . None Linear 1x4 20",
            ". . None ReLU 1x4 0",
            ". None Linear 1x2 10",
        ],
    ),
    "torchinfo_columns": (
        "torchinfo",
        "Net",
        (174, 164, 10),
        [
            "Net Net 1x2 4",
            ". conv Conv2d 1x4x6x6 112",
            ". bn BatchNorm2d 1x4x6x6 8",
            ". shared Linear 1x4 20",
            ". shared Linear 1x4 0",
            ". seq Sequential 1x4 20",
            ". head Linear 1x2 10",
        ],
    ),
}


@pytest.mark.parametrize("name", EXPECTED)
def test_reads_every_row(name: str) -> None:
    tool, model, totals, rows = EXPECTED[name]
    found = read(name)
    assert [short(row) for row in found.rows] == rows
    assert (found.tool, found.model, (found.total, found.trainable, found.non_trainable)) == (tool, model, totals)


def test_every_text_kept_here_is_expected() -> None:
    kept = {path.name.removesuffix(".txt") for path in DATA.glob("*.txt")}
    assert kept == EXPECTED.keys() | {"k3_resnet50", "torchinfo_resnet18"}


def test_long_texts_add_up() -> None:
    resnet50, resnet18 = read("k3_resnet50"), read("torchinfo_resnet18")
    assert (len(resnet50.rows), resnet50.total) == (177, 25_636_712)
    assert sum(row.parameters or 0 for row in resnet50.rows) == resnet50.total
    assert (len(resnet18.rows), resnet18.total) == (70, 11_689_512)
    assert sum(row.parameters or 0 for row in resnet18.rows) == resnet18.total
    assert [row.depth for row in resnet18.rows[:9]] == [0, 1, 1, 1, 1, 1, 2, 3, 3]


def test_the_optimisers_variables_are_no_parameters_of_the_model() -> None:
    assert read("k3_trained").notes == ("the printed total of 400 holds 262 variables of the optimiser, left out here",)


def test_a_layer_applied_again_is_marked() -> None:
    assert [row.shared for row in read("torchinfo_recursive").rows].count(True) == 1


def test_rows_know_their_line() -> None:
    assert [row.line for row in read("dnn.summary").rows] == [5, 6, 8, 9, 11, 12, 14, 15, 16]


def test_nested_rows_of_keras_2() -> None:
    text = """Model: "outer"
_________________________________________________________________
 Layer (type)                Output Shape              Param #
=================================================================
 inner (Sequential)          (None, 2)                 26
|¯¯¯¯¯¯¯¯¯¯¯¯¯¯¯¯¯¯¯¯¯¯¯¯¯¯¯¯¯¯¯¯¯¯¯¯¯¯¯¯¯¯¯¯¯¯¯¯¯¯¯¯¯¯¯¯¯¯¯¯¯¯¯|
| dense (Dense)             (None, 4)                 16        |
|                                                               |
| global_average_pooling (  (None, 2)                 10        |
| GlobalAveragePooling)                                         |
¯¯¯¯¯¯¯¯¯¯¯¯¯¯¯¯¯¯¯¯¯¯¯¯¯¯¯¯¯¯¯¯¯¯¯¯¯¯¯¯¯¯¯¯¯¯¯¯¯¯¯¯¯¯¯¯¯¯¯¯¯¯¯¯¯
 dense_2 (Dense)             (None, 1)                 3

=================================================================
Total params: 29 (116.00 Byte)
"""
    assert [short(row) for row in read_reference(text, "nested").rows] == [
        "inner Sequential ?x2 26",
        ". dense Dense ?x4 16",
        ". global_average_pooling GlobalAveragePooling ?x2 10",
        "dense_2 Dense ?x1 3",
    ]


def test_tabs_between_cells_as_from_a_spreadsheet() -> None:
    text = "Layer (type)\tOutput Shape\tParam #\ndense (Dense)\t(None, 4)\t1,234\nTotal params: 1,234\n"
    assert [short(row) for row in read_reference(text, "tabs").rows] == ["dense Dense ?x4 1234"]


def test_tabs_that_fill_columns() -> None:
    text = read_text("k2_seq").replace("        ", "\t")
    assert [short(row) for row in read_reference(text, "tabs").rows] == VGG


def read_text(name: str) -> str:
    return (DATA / f"{name}.txt").read_text("utf-8")


def test_a_line_hard_wrapped_by_the_terminal() -> None:
    wrapped = "\n".join(
        line[start : start + 80]
        for line in read_text("k2_rnn").splitlines()
        for start in range(0, max(1, len(line)), 80)
    )
    assert [short(row) for row in read_reference(wrapped, "wrapped").rows] == RNN


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_files_of_several_encodings(encoding: str, tmp_path: Path) -> None:
    path = tmp_path / "summary.txt"
    path.write_text(read_text("k3_seq"), encoding)
    assert [short(row) for row in read_reference_file(path).rows] == VGG


def test_only_the_first_of_two_summaries_is_read() -> None:
    found = read_reference(read_text("k3_nested") + read_text("k3_seq"), "both")
    assert (len(found.rows), found.total) == (2, 29)
    assert found.notes == ("line 15 begins another summary, which was not read",)


def test_a_text_cut_short_has_no_totals() -> None:
    found = read_reference("\n".join(read_text("dnn.summary").splitlines()[:8]), "half")
    assert (len(found.rows), found.total, found.notes) == (3, None, ("the text has no totals",))


def test_own_json() -> None:
    text = json.dumps(
        {
            "model": "M",
            "layers": [
                {"path": "a/lstm", "type": "LSTM", "output_shape": [["N", 4], ["N", 4]], "parameters": 8, "macs": 0},
                {"path": "dense", "type": "Dense", "output_shape": ["N", 2], "parameters": 10, "macs": 8},
            ],
            "parameters": {"total": 18, "trainable": 18, "non_trainable": 0},
        }
    )
    found = read_reference(text, "m.json")
    assert (found.tool, found.model, found.total) == ("archonnx", "M", 18)
    assert [row.output_shapes for row in found.rows] == [(("N", 4), ("N", 4)), (("N", 2),)]


HEADER = 'Model: "m"\n____\nLayer (type)  Output Shape  Param #\n====\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "bad: expected a summary of Keras, torchinfo or archonnx, got an empty text"),
        ("hello\n", 'bad: expected a header line "Layer (type)  Output Shape  Param #" of Keras or torchinfo, or JSON'),
        (HEADER, "bad:3: expected rows of layers below this header, got none"),
        (
            HEADER + "nonsense\n",
            "bad:5: expected a row such as `conv2d (Conv2D)  (None, 28, 28, 8)  80`, got 'nonsense'",
        ),
        (
            HEADER + "dense (Dense) (None, 4) 8\nrubbish, more of it\n",
            "bad:6: expected a row of the table, or the rest of the row above, got 'rubbish, more of it'",
        ),
        (
            "Layer (type)  Param #\n====\ndense (Dense)  8\n",
            "bad:1: expected the columns Layer (type), Output Shape and Param #",
        ),
        ("| Layer (type) | Output Shape | Param # |\n| dense (Dense) | 8 |\n", "bad:2: expected 3 cells between bars"),
        ("| Layer (type) | Output Shape | Sizes |\n| a (B) | (1) | 8 |\n", "bad:1: expected the columns Layer (type)"),
        (
            "| Layer (type) | Output Shape | Param # |\n| d (D) | what | 8 |\n",
            "bad:2: expected an output shape such as",
        ),
        ("Layer (type:depth-idx)  Param #\n====\nNet  many\n", "bad:3: expected 1 cells (Param #) behind Net"),
        (
            '{"a": ' + "[" * 100_000,
            "bad: expected JSON as `summary --format json` prints it: a number or the nesting is",
        ),
        (
            '{"a": ' + "9" * 5_000 + "}",
            "bad: expected JSON as `summary --format json` prints it: a number or the nesting",
        ),
        ("{", "bad:1: expected JSON as `summary --format json` prints it"),
        ('{"parameters": {}}', "bad: expected layers to be a list, got nothing"),
        ('{"parameters": {}, "layers": [1]}', "bad: expected layers[0].path to be a string, got nothing"),
        (
            '{"parameters": {}, "layers": [{"path": "a", "type": "A", "output_shape": [1.5], "parameters": 1}]}',
            "bad: expected layers[0].output_shape to hold numbers and symbols, got [1.5]",
        ),
    ],
    ids=range(16),
)
def test_what_is_no_summary_is_said_so(text: str, message: str) -> None:
    with pytest.raises(ReferenceTextError) as caught:
        read_reference(text, "bad")
    assert str(caught.value).startswith(message)
    assert isinstance(caught.value, ArchonnxError)
    assert "\n" not in str(caught.value)


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    path = tmp_path / "photo.txt"
    path.write_bytes(b"Layer\n\xff\xd8\xff\xe0")
    with pytest.raises(ReferenceTextError, match=r"photo\.txt:2: byte 6 is not UTF-8"):
        read_reference_file(path)


@given(st.sampled_from(sorted(EXPECTED)), st.randoms(use_true_random=False), st.integers(1, 8))
def test_damaged_texts_are_read_or_refused(name: str, random: Random, cuts: int) -> None:
    text = read_text(name)
    for _ in range(cuts):
        start = random.randrange(len(text))
        end = min(len(text), start + random.randrange(1, 40))
        moved = random.randrange(len(text))
        text = text[:start] + random.choice(["", text[moved : moved + 20], "(", "\n", "│", "None", "12"]) + text[end:]
    try:
        found = read_reference(text, "damaged")
    except ReferenceTextError as error:
        assert error.name == "damaged"
        assert error.line is None or 1 <= error.line <= text.count("\n") + 1
    else:
        assert all(row.line <= text.count("\n") + 1 for row in found.rows)


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    for given_text in (text, HEADER + text, "Layer (type:depth-idx)  Param #\n" + text, "{" + text):
        with contextlib.suppress(ReferenceTextError):
            read_reference(given_text, "any")
