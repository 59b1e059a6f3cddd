"""`archonnx layers NAME`: what is printed of every layer is what its class says."""

from __future__ import annotations

import json

import pytest

import archonnx
from archonnx.cli import main
from archonnx.cli.layer_page import compared, flow, inputs_text
from archonnx.compiler.analysis.layer_facts import applications, example_source, layer_facts, signature
from archonnx.compiler.layers.domains import Absent, Ignored
from archonnx.compiler.layers.registry import find_function, find_layer, function_names, layer_names

Output = pytest.CaptureFixture[str]

DENSE = """\
Dense(units, activation=None, use_bias=True, kernel_initializer="glorot_uniform",
    bias_initializer="zeros", dtype=None)

Fully connected: `activation(x @ kernel + bias)` over the last axis.
"""
DENSE_EXAMPLE = """\
Example
  input x: float32[N, 16]
  Dense(10)

Shapes in the example
  float32[N, 16] -> float32[N, 10]
  kernel  float32[16, 10]
  bias    float32[10]
"""


def test_the_page_of_a_layer(capsys: Output) -> None:
    assert main(["layers", "Dense"]) == 0
    text = capsys.readouterr().out
    assert text.startswith(DENSE)
    assert text.endswith(DENSE_EXAMPLE)
    for line in (
        "  units: a whole number, at least 1; required",
        "      Width of the result.",
        "  lora_rank is None always: low-rank adapters are not offered.",
        "  Every layer also takes name= and trainable=.",
        "Inputs: inputs",
        "Masks: a mask of the input is passed on",
        "Keras: Dense",
        "PyTorch: Linear",
    ):
        assert line in text.splitlines()
    assert "for training alone: kernel_regularizer, " in text


@pytest.mark.parametrize("name", layer_names())
def test_the_facts_of_a_layer(name: str, capsys: Output) -> None:
    layer = find_layer(name)
    assert layer is not None
    facts = layer_facts(name, layer)
    assert facts["documentation"]
    told = {"ignored": facts["ignored"], "refused": [a["name"] for a in facts["refused"]]}
    for argument in layer.declared.values():
        if isinstance(argument.domain, Ignored):
            assert argument.name in told["ignored"]
        elif isinstance(argument.domain, Absent):
            assert argument.name in told["refused"]
        else:
            assert argument.name in signature(facts)
    applied = facts["applied"]
    graph = archonnx.compile(text=example_source(layer.example)).graph
    nodes = applications(graph, name)
    assert (applied is None) == (not nodes)
    if applied is not None:
        assert applied["outputs"] == [str(value.type) for value in nodes[0].outputs]
        assert [w["name"] for w in applied["weights"]] == list(nodes[0].layer.weights)
        assert flow(applied).count(" -> ") == 1
    assert main(["layers", name]) == 0
    page = capsys.readouterr().out
    assert page.startswith(f"{name}(")
    assert not [line for line in page.splitlines() if line != line.rstrip() or len(line) > 120]
    for line in layer.formula.splitlines():
        assert line.strip() in page
    assert main(["layers", name, "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads(json.dumps(facts))


@pytest.mark.parametrize("name", function_names())
def test_the_facts_of_a_function(name: str) -> None:
    function = find_function(name)
    assert function is not None
    facts = layer_facts(name, function)
    assert facts["documentation"]
    assert signature(facts).startswith(f"{name}(")


def test_a_function_has_no_words_that_are_a_layer_s(capsys: Output) -> None:
    assert main(["layers", "softmax"]) == 0
    text = capsys.readouterr().out
    assert "Keras: ops.softmax" in text
    assert "Masks" not in text
    assert "trainable" not in text


def test_examples_are_bodies_or_files() -> None:
    assert example_source("input x: [N]\nReLU()") == "model Example():\n    input x: [N]\n    ReLU()\n"
    whole = "block a():\n    ReLU()\n\nmodel B():\n    input x: [N]\n    a()"
    assert example_source(whole) == whole + "\n"


@pytest.mark.parametrize(
    ("inputs", "text"),
    [
        (["x"], "x"),
        (["x", "mask?"], "x; may be left out: mask"),
        (["q", "v", "k?", "mask?"], "q, v; may be left out: k, mask"),
        (["*inputs"], "inputs (one or more)"),
        (["x", "*initial_state?"], "x; any number of: initial_state"),
        ([], "none"),
    ],
)
def test_inputs_are_told_in_words(inputs: list[str], text: str) -> None:
    assert inputs_text(inputs) == text


def test_errors_are_told_by_peer(monkeypatch: pytest.MonkeyPatch) -> None:
    from archonnx.cli import layer_page

    monkeypatch.setattr(layer_page, "measured", lambda: {"peers": {"keras": "3.15.0"}, "layers": {}})
    assert compared({"keras": {"cases": 1, "error": 2e-7}}) == "Keras 3.15.0 (1 case, largest error 2e-07)"
    assert compared(None) == ""
