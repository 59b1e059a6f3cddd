"""Every layer's example, as `archonnx layers NAME` prints it, is a body that compiles and passes the gate."""

from __future__ import annotations

from pathlib import Path

import pytest

import archonnx
from archonnx.compiler.analysis.layer_facts import example_source
from archonnx.compiler.layers.registry import find_layer, layer_names


@pytest.mark.parametrize("name", layer_names())
@pytest.mark.parametrize("opset", [17, None])
def test_the_example_compiles(name: str, opset: int | None, tmp_path: Path) -> None:
    layer = find_layer(name)
    assert layer is not None
    model = archonnx.compile(text=example_source(layer.example), **({} if opset is None else {"opset": opset}))
    assert name in [node.type_name for node in model.graph.nodes]
    model.save(tmp_path / "example.onnx")


@pytest.mark.parametrize("name", layer_names())
def test_the_operators_named_are_those_used(name: str) -> None:
    """What `onnx` says is true of the example, but for operators of other arguments."""
    layer = find_layer(name)
    assert layer is not None
    model = archonnx.compile(text=example_source(layer.example))
    inside = {f"{node.path}/" for node in model.graph.nodes if node.layer.runs_layer}  # the layers inside are others'
    used = {
        o.type for o in model.lower(optimization=1).operators if not any(o.layer.startswith(path) for path in inside)
    }
    moving = {"Transpose", "Cast", "Unsqueeze", "Squeeze", "Reshape", "Shape", "Concat", "Identity"}
    assert used - moving <= set(layer.onnx) | moving
    assert bool(set(layer.onnx) & used) == bool(layer.onnx)
