"""Formulas of layers: there is one, it fits the page, and it names the inputs and the weights."""

from __future__ import annotations

import pytest

import archonnx
from archonnx.compiler.layers.base import Layer
from archonnx.compiler.layers.registry import find_layer, layer_names

MODULES = """activation activation_axes activation_curves activation_lines adaptive_pooling border_padding convolution dense
grid_sample group_normalization local_response_normalization lp_pooling masks merging normalization padding pooling
preprocessing recurrent regularization reshaping resizing rms_normalization separable_convolution shuffling
time_distributed transposed_convolution""".split()
LAYERS = [layer for layer in map(find_layer, layer_names()) if layer and layer.__module__.rpartition(".")[2] in MODULES]
# Read by nothing: Keras keeps it from adapting.
UNREAD = {("Normalization", "count")}


@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: layer.__name__)
def test_a_formula_names_inputs_and_weights(layer: type[Layer]) -> None:
    assert layer.formula
    assert all(len(line) <= 120 for line in layer.formula.splitlines())
    lines = layer.example.splitlines()
    text = layer.example if lines[0].startswith("block") else "\n    ".join(["model Example():", *lines])
    graph = archonnx.compile(text=text + "\n").graph
    names = {name.strip("*?") for name in layer.inputs}
    for node in graph.nodes:
        if type(node.layer) is layer and not layer.runs_cell and not layer.runs_layer:
            names |= {name for name in node.layer.weights if (layer.__name__, name) not in UNREAD}
    assert [name for name in sorted(names) if name not in layer.formula] == []
