"""Random architectures from the layer table: what is inferred is what runs, and nothing that is written crashes.

Every layer is drawn with arguments from its own domains on inputs of every rank, alone and in chains.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from architectures import LAYERS, SIZES, Writer, careless, size_of
from hypothesis import given, settings
from hypothesis import strategies as st

import archonnx
from archonnx.compiler.layers.base import Layer
from archonnx.compiler.syntax.formatter import format_text

SEEDS = st.integers(0, 2**32 - 1)
EXAMPLES = settings().max_examples
# What a table is asked for has to be in it, and a signal be as long as what is mirrored at its ends: what a layer before
# them gives may not be.
CHAINED = [layer for layer in LAYERS if layer.__name__ not in ("Embedding", "ReversibleEmbedding", "MelSpectrogram")]


def execute(text: str, folder: Path) -> None:
    """Compile, run with onnxruntime, and hold every result against what was inferred."""
    model = archonnx.compile(text=text)
    path = folder / "random.onnx"
    model.save(path)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    rng = np.random.default_rng(5)
    feeds: dict[str, Any] = {}
    for one in model.graph.inputs:
        shape = [size_of(dim) for dim in one.value.type.shape]
        dtype = one.value.type.dtype
        if dtype == "bool":
            feeds[one.name] = rng.random(shape) < 0.6
        elif dtype.startswith("float"):
            feeds[one.name] = rng.uniform(-1, 1, shape).astype(dtype)
        else:
            feeds[one.name] = np.zeros(shape, dtype)  # an index that every table has
    asked = {i.name for i in session.get_inputs()}
    results = session.run(None, {name: array for name, array in feeds.items() if name in asked})
    for output, array in zip(model.graph.outputs, results, strict=True):
        kind = output.value.type
        assert len(kind.shape) == array.ndim, f"{output.name}: inferred {kind}, executed {array.shape}"
        for dim, size in zip(kind.shape, array.shape, strict=True):
            if isinstance(dim, int) or dim.symbols() <= SIZES.keys():
                assert size_of(dim) == size, f"{output.name}: inferred {kind}, executed {array.shape}"


@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: layer.__name__)
@settings(max_examples=max(6, EXAMPLES // 10), database=None, derandomize=True)
@given(seed=SEEDS)
def test_each_layer_alone(layer: type[Layer], seed: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    writer = Writer(seed)
    writer.lines = [writer.input(i, writer.pick([1, 2, 3, 4, 4, 5])) for i in range(3)]
    for number in range(6):
        writer.offer(f"y{number} = {writer.source(layer, ['x0', 'x1', 'x2'])} -> {writer.call(layer)}")
        if number == 2:  # those that come of one input's shape alone
            writer.lines[1:3] = (
                [writer.lines[0].replace("x0", name) for name in ("x1", "x2")]
                if len(writer.lines) == 3
                else writer.lines[1:3]
            )
    if len(writer.lines) > 3:
        execute(writer.close(), tmp_path_factory.mktemp("alone"))


@pytest.mark.parametrize("part", range(4))
@settings(max_examples=max(10, EXAMPLES // 4), database=None, derandomize=True)
@given(seed=SEEDS)
def test_chains_of_layers(part: int, seed: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    writer = Writer(seed + part, CHAINED)
    writer.grow(6)
    execute(writer.close(), tmp_path_factory.mktemp("chain"))


@settings(max_examples=max(20, EXAMPLES // 2), database=None, derandomize=True)
@given(seed=SEEDS)
def test_formatting_changes_no_graph(seed: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    writer = Writer(seed, CHAINED)
    writer.grow(4)
    written = careless(writer.close(), seed)
    formatted = format_text(written, "a.arch")
    assert format_text(formatted, "a.arch") == formatted
    first, second = archonnx.compile(text=written), archonnx.compile(text=formatted)
    assert graph_of(first) == graph_of(second)


def graph_of(model: Any) -> list[Any]:
    """Everything of the operators but the places that they come from."""
    graph = model.lower()
    named = lambda tensors: [None if t is None else (t.name, str(t.type)) for t in tensors]  # noqa: E731
    return [
        (
            o.type,
            o.name,
            named(o.inputs),
            named(o.outputs),
            sorted((k, str(v)) for k, v in o.attributes.items() if k != "body"),
        )
        for o in graph.operators
    ] + [named(graph.inputs), [name for name, _ in graph.outputs]]
