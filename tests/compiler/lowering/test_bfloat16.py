"""bfloat16 in operator sets whose operators do not take it: float32 between casts, and a file that onnx accepts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import archonnx
from archonnx.compiler.lowering.opsets import takes

STEPS, IMAGE, VOLUME = "float32[N, T, 4]", "float32[N, 8, 8, 4]", "float32[N, 4, 4, 4, 2]"
# What a processor runs, as operators that compute are cast around in operator set 17.
RUN = [
    ("Conv2D(6, 3, 2, 'same'", IMAGE),
    ("Conv1D(6, 3", STEPS),
    ("Conv3D(6, 2", VOLUME),
    ("DepthwiseConv1D(3", STEPS),
    ("DepthwiseConv2D(3, depth_multiplier=2", IMAGE),
    ("SeparableConv1D(5, 3", STEPS),
    ("SeparableConv2D(5, 3", IMAGE),
    ("Conv1DTranspose(5, 3, 2", STEPS),
    ("Conv2DTranspose(5, 3, 2, 'same'", IMAGE),
    ("Conv3DTranspose(5, 3, 2", VOLUME),
    ("MaxPooling1D(2", STEPS),
    ("MaxPooling2D(3, 2, 'same'", IMAGE),
    ("AveragePooling2D(3, 2, 'same'", IMAGE),
    ("AveragePooling3D(2", VOLUME),
    ("AdaptiveAveragePooling2D(4", IMAGE),
    ("LpPooling2D(2, 2", IMAGE),
    ("UpSampling2D(2", IMAGE),
    ("UpSampling2D(2, interpolation='bilinear'", IMAGE),
    ("Resizing(5, 7", IMAGE),
    ("CircularPadding2D(2", IMAGE),
    ("PixelShuffle(2", IMAGE),
    ("PixelUnshuffle(2", IMAGE),
    ("ChannelShuffle(2", IMAGE),
    ("Reshape((-1, 2)", IMAGE),
]
# Operators that took bfloat16 from the first, for which onnxruntime has no kernel on a processor.
COMPILED = [
    ("Conv2D(6, 3, 2, 'same', activation='relu'", IMAGE),
    ("GlobalAveragePooling2D(", IMAGE),
    ("GlobalMaxPooling3D(", VOLUME),
    ("AdaptiveAveragePooling1D(3", STEPS),
    ("AdaptiveMaxPooling2D((3, 5)", IMAGE),
    ("ReflectionPadding2D(2", IMAGE),
    ("ZeroPadding3D(1", VOLUME),
    ("Dense(5, activation='gelu'", STEPS),
]
PAIRS = ["Concatenate(", "Dot(2", "Dot((1, 1)"]


def run(flow: str, kinds: tuple[str, ...], dtype: str, opset: int, folder: Path) -> np.ndarray[Any, Any]:
    """What a model of one layer gives, in float32."""
    import onnxruntime

    inputs = [f"input x{number}: {kind}" for number, kind in enumerate(kinds)]
    line = f'y = {flow}{"" if flow.endswith("(") else ", "}dtype="{dtype}")'
    text = "\n    ".join(["model A():", *inputs, line, 'output z = cast(y, "float32")']) + "\n"
    path = folder / f"{dtype}.onnx"
    archonnx.compile(text=text, opset=opset).save(path)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    rng = np.random.default_rng(0)
    feeds = {}
    for given in session.get_inputs():
        shape = [size if isinstance(size, int) else {"N": 2, "T": 7}[size] for size in given.shape]
        feeds[given.name] = rng.uniform(-1, 1, shape).astype(np.float32)
    found: np.ndarray[Any, Any] = session.run(None, feeds)[0]
    return found


@pytest.mark.parametrize(("call", "kind"), RUN, ids=[call for call, _ in RUN])
def test_computes_in_float32_between_casts(call: str, kind: str, tmp_path: Path) -> None:
    """Within bfloat16's eight bits of the same in float32, run by a processor that has no kernel in bfloat16."""
    narrow, wide = (run(f"x0 -> {call}", (kind,), dtype, 17, tmp_path) for dtype in ("bfloat16", "float32"))
    assert narrow.shape == wide.shape
    assert np.abs(narrow - wide).max() <= 2e-2 * np.abs(wide).max()


@pytest.mark.parametrize("call", PAIRS)
def test_so_do_layers_of_two_inputs(call: str, tmp_path: Path) -> None:
    kinds = ("float32[N, T, 4]", "float32[N, T, 4]")
    narrow, wide = (run(f"(x0, x1) -> {call}", kinds, dtype, 17, tmp_path) for dtype in ("bfloat16", "float32"))
    assert np.abs(narrow - wide).max() <= 2e-2 * np.abs(wide).max()


@pytest.mark.parametrize("opset", [17, 20, 22, 24, 28])
def test_onnx_accepts_it_in_every_operator_set(opset: int, tmp_path: Path) -> None:
    lines = [f"{call}, dtype='bfloat16')".replace("(, ", "(") for call, _ in (*RUN, *COMPILED)]
    kinds = [kind for _, kind in (*RUN, *COMPILED)]
    inputs = [f"input x{number}: {kind}" for number, kind in enumerate(kinds)]
    flows = [f"y{number} = x{number} -> {line}\n    output y{number}" for number, line in enumerate(lines)]
    text = "\n    ".join(["model A():", *inputs, *flows]) + "\n"
    archonnx.compile(text=text, opset=opset).save(tmp_path / "model.onnx")


@pytest.mark.parametrize(("opset", "expected"), [(21, ["Cast", "Cast", "Conv", "Cast"]), (22, ["Cast", "Conv"])])
def test_casts_stand_where_the_operator_set_asks_for_them(opset: int, expected: list[str]) -> None:
    text = (
        "model A():\n    input x: float32[N, 3, 8]\n    Conv1D(4, 3, data_format='channels_first', dtype='bfloat16')\n"
    )
    found = [operator.type for operator in archonnx.compile(text=text, opset=opset).lower().operators]
    assert found == expected


def test_what_an_operator_takes() -> None:
    assert not takes("Conv", 21, ("bfloat16", "bfloat16", None))
    assert takes("Conv", 22, ("bfloat16", "bfloat16", None))
    assert takes("Concat", 17, ("bfloat16",) * 5)
    assert not takes("Einsum", 20, ("bfloat16", "bfloat16"))
    assert takes("Gather", 17, ("bfloat16", "int64"))
    assert not takes("Gather", 17, ("bfloat16", "bfloat16"))
