"""Graphs of any depth: work and memory grow with the layers, nothing recurses over them, nothing is compared with all.

Counted, not timed: calls of functions, Python's and C's, and the peak of what is allocated.
"""

from __future__ import annotations

import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import archonnx
from archonnx.compiler.analysis.plot import plot
from archonnx.compiler.artifact import CompiledModel, check_file
from archonnx.compiler.syntax.formatter import format_text

FEW, MANY = 90, 360
HEAD = "model Deep():\n    input x: float32[N, 8]\n"


def loop(layers: int) -> str:
    return f"{HEAD}    for i in range({layers}):\n        Dense(8, activation='relu')\n    output y\n"


def lines(layers: int) -> str:
    return HEAD + "    Dense(8, activation='relu')\n" * layers + "    output y\n"


def named(layers: int) -> str:
    return f"{HEAD}    h = x\n" + "    h = h -> Dense(8)\n" * layers + "    output y = h\n"


def numbered(layers: int) -> str:
    return f'{HEAD}    for i in range({layers}):\n        Dense(8, name=f"layer{{i}}")\n    output y\n'


def arrows(layers: int) -> str:
    return f"{HEAD}    y = x -> Dense(8)\n" + "        -> Dense(8)\n" * (layers - 1) + "    output y\n"


def sums(layers: int) -> str:
    return f"{HEAD}    y = x{' + x' * layers}\n    output y\n"


def residual(layers: int) -> str:
    block = "block step():\n    input x\n    y = x -> Dense(8) -> LayerNormalization()\n    output x + y\n\n"
    return f"{block}{HEAD}    for i in range({layers // 3}):\n        step()\n    output y\n"


def nested(layers: int) -> str:
    inner = (
        "block a():\n    for i in range(5):\n        Dense(8)\n\nblock b():\n    for i in range(6):\n        a()\n\n"
    )
    return f"{inner}{HEAD}    for i in range({layers // 30}):\n        b()\n    output y\n"


def convolutions(layers: int) -> str:
    body = "        Conv2D(4, 3, padding='same')\n        BatchNormalization()\n"
    head = "model Deep():\n    input x: float32[N, 4, 4, 4]\n"
    return f"{head}    for i in range({layers // 2}):\n{body}    output y\n"


def branches(layers: int) -> str:
    return f"{HEAD}    [x -> Dense(2) for i in range({layers})] -> Concatenate()\n    output y\n"


SHAPES = [loop, lines, numbered, arrows, sums, residual, nested, convolutions, branches]


def compiled(text: str) -> CompiledModel:
    return archonnx.compile(text=text)


def everything(text: str, folder: Path) -> None:
    """All that is done with a source: formatted, compiled, summed up, drawn, lowered, checked and written."""
    format_text(text, "deep.arch")
    model = compiled(text)
    str(model.summary())
    plot(model.graph, folder / "deep.svg")
    model.save(folder / "deep.onnx", weights="none")


def calls(work: Callable[[], object]) -> int:
    """How many functions a piece of work calls."""
    count = 0

    def counted(frame: object, event: str, argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(counted)
    try:
        work()
    finally:
        sys.setprofile(before)
    return count


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.__name__)
def test_four_times_the_layers_are_four_times_the_work(shape: Callable[[int], str], tmp_path: Path) -> None:
    everything(shape(30), tmp_path)  # imports, and what is made once
    few, many = (calls(lambda n=n: everything(shape(n), tmp_path)) for n in (FEW, MANY))  # type: ignore[misc]
    assert many < 4.2 * few


@pytest.mark.parametrize("shape", [lines, branches], ids=lambda shape: shape.__name__)
def test_four_times_the_layers_are_four_times_the_memory(shape: Callable[[int], str], tmp_path: Path) -> None:
    everything(shape(30), tmp_path)
    peaks: list[int] = []
    for layers in (FEW, MANY):
        tracemalloc.start()
        try:
            everything(shape(layers), tmp_path)
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
    assert peaks[1] < 4.5 * peaks[0]


@pytest.mark.parametrize("shape", [named, arrows, sums], ids=lambda shape: shape.__name__)
def test_twenty_thousand_layers_are_checked(shape: Callable[[int], str], tmp_path: Path) -> None:
    path = tmp_path / "deep.arch"
    path.write_text(shape(20_000), encoding="utf-8")
    report = check_file(path)
    assert report.diagnostics == ()
    (model,) = report.models
    assert len(model.graph.nodes) == 20_000
    assert model.graph.outputs[0].value.producer is model.graph.nodes[-1]


def test_what_is_deep_gives_the_right_numbers(tmp_path: Path) -> None:
    text = f"{HEAD}    for i in range(1500):\n        it * 0.5 + x\n    output y\n"
    compiled(text).save(tmp_path / "deep.onnx")
    x = np.arange(16, dtype=np.float32).reshape(2, 8)
    expected = x
    for _ in range(1500):
        expected = expected * np.float32(0.5) + x
    found = archonnx.load(tmp_path / "deep.onnx")({"x": x})
    np.testing.assert_allclose(found, expected, rtol=1e-6)
