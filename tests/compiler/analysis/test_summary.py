"""Summaries: rows, totals, cost, memory, folding; the text of Keras byte for byte; the other formats."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import archonnx
from archonnx.compiler.analysis import plain_table
from archonnx.compiler.analysis.cost import total_macs
from archonnx.compiler.analysis.memory import activation_peak_bytes
from archonnx.compiler.analysis.order import is_chain, keras_order
from archonnx.compiler.analysis.reference import read_reference
from archonnx.compiler.analysis.summary import Summary, summarize
from archonnx.compiler.analysis.summary_text import large, memory_size, render
from archonnx.compiler.graph import LayerGraph

DATA = Path(__file__).parents[2] / "data" / "summaries"

SMALL = """
model Small(classes = 10):
    input image: float32[N, 8, 8, 3]
    Conv2D(4, 3, padding="same", use_bias=False)
    BatchNormalization()
    ReLU()
    GlobalAveragePooling2D()
    Dense(classes)
    output logits
"""

BLOCKS = """
block unit(width):
    Dense(width)
    ReLU()

block pair(width):
    unit(width)
    unit(width)

model Deep():
    input x: float32[N, 4]
    pair(8)
    pair(8)
    Dense(2)
    output y
"""

VGG = """
defaults Conv2D(padding="same")
defaults MaxPooling2D(padding="same")

model vgg_like():
    input image: float32[N, 32, 32, 3]
    for filters in [64, 64, 64, 512, 512, 512]:
        Conv2D(filters, 3)
        MaxPooling2D(2)
    BatchNormalization()
    GlobalAveragePooling2D()
    Flatten()
    Dense(4096)
    Dropout(0.5)
    Dense(10)
    output logits
"""

FUNCTIONAL = """
model branched():
    input image: float32[N, 28, 28, 1]
    input meta: float32[N, 10]
    a = image -> Conv2D(8, 3, padding="same", name="long_name_of_a_convolution")
    b = image -> Conv2D(8, 1)
    c = (a, b, a) -> Add() -> Flatten()
    d = (c, meta) -> Concatenate()
    e = d -> Dropout(0.5)
    shared = Dense(4)
    (d -> shared, e -> shared) -> Concatenate(name="both")
    output both
"""


def graph(text: str) -> LayerGraph:
    return archonnx.compile(text=text).graph


def summary(text: str) -> Summary:
    return summarize(graph(text))


def test_json_is_what_the_command_line_promises() -> None:
    assert json.loads(render(summary(SMALL), "json")) == {
        "model": "Small",
        "inputs": [{"name": "image", "dtype": "float32", "shape": ["N", 8, 8, 3]}],
        "outputs": [{"name": "logits", "dtype": "float32", "shape": ["N", 10]}],
        "layers": [
            {"path": "conv2d", "type": "Conv2D", "output_shape": ["N", 8, 8, 4], "parameters": 108, "macs": 6912},
            {
                "path": "batch_normalization",
                "type": "BatchNormalization",
                "output_shape": ["N", 8, 8, 4],
                "parameters": 16,
                "macs": 0,
            },
            {"path": "re_lu", "type": "ReLU", "output_shape": ["N", 8, 8, 4], "parameters": 0, "macs": 0},
            {
                "path": "global_average_pooling2d",
                "type": "GlobalAveragePooling2D",
                "output_shape": ["N", 4],
                "parameters": 0,
                "macs": 0,
            },
            {"path": "dense", "type": "Dense", "output_shape": ["N", 10], "parameters": 50, "macs": 40},
        ],
        "parameters": {"total": 174, "trainable": 166, "non_trainable": 8},
        "macs": 6952,
        "activation_peak_bytes": 2048,
    }


def test_own_json_reads_back() -> None:
    found = read_reference(summary(FUNCTIONAL).to_json(), "own.json")
    rows = summary(FUNCTIONAL).layers
    assert [(row.name, row.type, row.output_shapes, row.parameters) for row in found.rows] == [
        (row.path, row.type, row.output_shapes, row.parameters) for row in rows
    ]


def test_a_shared_layer_is_one_row_whose_work_adds_up() -> None:
    rows = {row.path: row for row in summary(FUNCTIONAL).layers}
    width = 28 * 28 * 8 + 10
    assert (rows["shared"].parameters, rows["shared"].uses, rows["shared"].macs) == (4 * width + 4, 2, 2 * 4 * width)
    assert summary(FUNCTIONAL).parameters.total == 80 + 16 + 4 * width + 4


def test_macs_stay_symbolic_but_for_the_batch() -> None:
    text = "model M():\n    input x: float32[B, T, 8]\n    Dense(4)\n    output y\n"
    assert str(total_macs(graph(text))) == "32*T"
    assert total_macs(graph(text), {"T": 16}) == 512
    assert summary(text).macs == "32*T"
    assert summary(text).layers[0].macs == "32*T"
    assert summarize(graph(text), bindings={"T": 16}).macs == 512


def test_resnet_costs_what_keras_counts(project: Path) -> None:
    found = archonnx.compile(project / "models" / "resnet.arch", model="ResNet50").summary()
    assert isinstance(found.macs, int)
    assert round(found.macs / 1e9, 3) == 3.858
    assert (found.parameters.total, found.parameters.trainable) == (25_636_712, 25_583_592)


def test_peak_counts_what_lives_together() -> None:
    # image and the first convolution; then, while the second runs, the first result waits for the sum.
    text = (
        "model M():\n    input x: float32[N, 4, 4, 1]\n    a = x -> Conv2D(2, 1)\n    b = a -> Conv2D(2, 1)\n"
        "    c = b -> Conv2D(2, 1)\n    output y = a + c\n"
    )
    one = 4 * 4 * 2 * 4
    assert activation_peak_bytes(graph(text)) == 3 * one  # a, b and c; or a, c and their sum
    assert activation_peak_bytes(graph(text), {"N": 5}) == 15 * one


def test_peak_of_an_input_that_is_an_output_too_and_of_unknown_sizes() -> None:
    text = "model M():\n    input x: float32[N, 4]\n    a = x -> ReLU()\n    output a\n    output b = a + x\n"
    assert activation_peak_bytes(graph(text)) == 3 * 16
    text = "model M():\n    input x: float32[N, T]\n    ReLU()\n    output y\n"
    assert activation_peak_bytes(graph(text)) is None
    assert activation_peak_bytes(graph(text), {"T": 3}) == 24


@pytest.mark.parametrize(
    ("depth", "rows"),
    [
        (0, ["pair pair 4 112", "pair_1 pair 4 144", "dense Dense 1 18"]),
        (
            1,
            [
                "pair/unit unit 2 40",
                "pair/unit_1 unit 2 72",
                "pair_1/unit unit 2 72",
                "pair_1/unit_1 unit 2 72",
                "dense Dense 1 18",
            ],
        ),
    ],
)
def test_blocks_fold_with_their_sums(depth: int, rows: list[str]) -> None:
    found = summarize(graph(BLOCKS), depth=depth)
    assert [f"{row.path} {row.type} {row.layers} {row.parameters}" for row in found.layers] == rows
    assert sum(row.parameters for row in found.layers) == found.parameters.total
    assert sum(row.macs for row in found.layers if isinstance(row.macs, int)) == found.macs
    assert all(row.output_shapes == (("N", 8),) for row in found.layers[:-1])


def test_folding_deeper_than_any_block_changes_no_row() -> None:
    assert summarize(graph(BLOCKS), depth=9).layers == summary(BLOCKS).layers
    with pytest.raises(ValueError, match="a depth of 0 or more, got -1"):
        summarize(graph(BLOCKS), depth=-1)


def test_keras_text_of_a_chain_byte_for_byte() -> None:
    assert render(summary(VGG), "keras") + "\n" == (DATA / "k3_seq.txt").read_text("utf-8")


def test_keras_text_of_branches() -> None:
    # As Keras 3.15 prints the same model, built with its functional API.
    assert render(summary(FUNCTIONAL), "keras") == (
        'Model: "branched"\n'
        "┏━━━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━┳━━━━━━━━━━━━━━━━━━━┓\n"
        "┃ Layer (type)        ┃ Output Shape      ┃    Param # ┃ Connected to      ┃\n"
        "┡━━━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━╇━━━━━━━━━━━━━━━━━━━┩\n"
        "│ image (InputLayer)  │ (None, 28, 28, 1) │          0 │ -                 │\n"
        "├─────────────────────┼───────────────────┼────────────┼───────────────────┤\n"
        "│ long_name_of_a_con… │ (None, 28, 28, 8) │         80 │ image[0][0]       │\n"
        "│ (Conv2D)            │                   │            │                   │\n"
        "├─────────────────────┼───────────────────┼────────────┼───────────────────┤\n"
        "│ conv2d (Conv2D)     │ (None, 28, 28, 8) │         16 │ image[0][0]       │\n"
        "├─────────────────────┼───────────────────┼────────────┼───────────────────┤\n"
        "│ add (Add)           │ (None, 28, 28, 8) │          0 │ long_name_of_a_c… │\n"
        "│                     │                   │            │ conv2d[0][0],     │\n"
        "│                     │                   │            │ long_name_of_a_c… │\n"
        "├─────────────────────┼───────────────────┼────────────┼───────────────────┤\n"
        "│ flatten (Flatten)   │ (None, 6272)      │          0 │ add[0][0]         │\n"
        "├─────────────────────┼───────────────────┼────────────┼───────────────────┤\n"
        "│ meta (InputLayer)   │ (None, 10)        │          0 │ -                 │\n"
        "├─────────────────────┼───────────────────┼────────────┼───────────────────┤\n"
        "│ concatenate         │ (None, 6282)      │          0 │ flatten[0][0],    │\n"
        "│ (Concatenate)       │                   │            │ meta[0][0]        │\n"
        "├─────────────────────┼───────────────────┼────────────┼───────────────────┤\n"
        "│ dropout (Dropout)   │ (None, 6282)      │          0 │ concatenate[0][0] │\n"
        "├─────────────────────┼───────────────────┼────────────┼───────────────────┤\n"
        "│ shared (Dense)      │ (None, 4)         │     25,132 │ concatenate[0][0… │\n"
        "│                     │                   │            │ dropout[0][0]     │\n"
        "├─────────────────────┼───────────────────┼────────────┼───────────────────┤\n"
        "│ both (Concatenate)  │ (None, 8)         │          0 │ shared[0][0],     │\n"
        "│                     │                   │            │ shared[1][0]      │\n"
        "└─────────────────────┴───────────────────┴────────────┴───────────────────┘\n"
        " Total params: 25,228 (98.55 KB)\n"
        " Trainable params: 25,228 (98.55 KB)\n"
        " Non-trainable params: 0 (0.00 B)\n"
    )


def test_the_table_shows_paths_shapes_and_totals() -> None:
    text = render(summary(BLOCKS), "table", places=True)
    assert "│ pair_1/unit_1/dense │ Dense │ (N, 8)" in text
    assert " Total parameters: 274 (1.07 KB)" in text
    assert " Cost: 240 MACs for N = 1" in text
    assert "in  x: float32[N, 4]" in text
    assert ":3:5" in text
    assert str(summary(BLOCKS)) == render(summary(BLOCKS), "table")


@pytest.mark.parametrize("places", [False, True])
@pytest.mark.parametrize("text", [BLOCKS, FUNCTIONAL, SMALL.replace("Small", "Größe").replace("logits", "数")])
def test_a_table_of_very_many_rows_looks_like_any_other(
    text: str, places: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = summary(text)
    by_rich = render(found, "table", places=places, width=1000)
    monkeypatch.setattr(plain_table, "MANY", 0)
    assert render(found, "table", places=places, width=1000) == by_rich


def test_markdown() -> None:
    assert render(summarize(graph(BLOCKS), depth=0), "markdown") == (
        "## Deep\n\n"
        "| Layer | Type | Output shape | Parameters | MACs |\n"
        "| --- | --- | --- | ---: | ---: |\n"
        "| `pair` | pair | (N, 8) | 112 | 96 |\n"
        "| `pair_1` | pair | (N, 8) | 144 | 128 |\n"
        "| `dense` | Dense | (N, 2) | 18 | 16 |\n"
        "\n"
        "- Total parameters: 274 (1.07 KB)\n"
        "- Trainable: 274 (1.07 KB)\n"
        "- Non-trainable: 0 (0.00 B)\n"
        "- Cost: 240 MACs for N = 1\n"
        "- Activations: 64.00 B at the peak for N = 1\n"
    )


def test_an_unknown_format_is_refused() -> None:
    with pytest.raises(ValueError, match="table, keras, json, markdown, got 'xml'"):
        render(summary(SMALL), "xml")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0 MACs"), (999, "999 MACs"), (1000, "1 kMACs"), (3_858_000_000, "3.858 GMACs"), ("32*T", "32*T MACs")],
)
def test_large_numbers(value: int | str, text: str) -> None:
    assert large(value, "MACs") == text


@pytest.mark.parametrize(
    ("size", "text"), [(0, "0.00 B"), (1023, "1023.00 B"), (1024, "1.00 KB"), (3 << 60, "3072.00 PB")]
)
def test_memory_sizes(size: int, text: str) -> None:
    assert memory_size(size) == text


def test_keras_order_puts_the_farthest_first_and_ties_by_the_walk() -> None:
    # 1 and 2 read the input 0, 3 reads 2, 4 reads 3 and 1; 5 is an input that nothing reads.
    parents = [[], [0], [0], [2], [3, 1], []]
    assert keras_order(parents, range(6), [4], [0, 5]) == [0, 2, 3, 1, 5, 4]
    assert not is_chain(parents, range(6))
    assert is_chain([[], [0], [1]], range(3))
    assert not is_chain([[], [0], [1]], [0, 1, 1])


def test_constants_and_named_weights_are_no_layers_and_a_weight_of_ones_own_is() -> None:
    text = """
block scaled():
    input x: [..., D]
    weight scale: [D] = "ones"
    output x * scale * 2

model m():
    input x: float32[N, 4]
    e = Dense(2)
    x -> e -> scaled()
    output y = it @ transpose(e.kernel)
"""
    found = summary(text)
    assert [f"{row.path} {row.parameters}" for row in found.layers] == [
        *("e 10", "scaled/scale 2", "scaled/multiply 0", "scaled/multiply_1 0", "transpose 0", "matmul 0"),
    ]
    assert found.parameters.total == sum(row.parameters for row in found.layers)
    assert "kernel" not in render(found, "keras")
