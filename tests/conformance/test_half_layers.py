"""Every kind of layer with its weights stored in half, small ones too: what is computed is what rounded weights give."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from layer_cases import CASES
from onnxruntime.capi import onnxruntime_pybind11_state as errors

import archonnx
from archonnx.compiler.passes import store_in_half
from archonnx.compiler.recipes import numpy_dtype

TEXTS = list(dict.fromkeys(case.text() for case in CASES))
PARTS = 4
REFUSED = (errors.Fail, errors.InvalidArgument, errors.RuntimeException)


def run(path: Path, feeds: dict[str, Any]) -> list[Any]:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"]).run(None, feeds)  # type: ignore[no-any-return]


def feeds_of(path: Path) -> dict[str, Any]:
    draw = np.random.default_rng(1)
    feeds: dict[str, Any] = {}
    for value in onnx.load(path).graph.input:
        kind = value.type.tensor_type
        shape = [d.dim_value or 3 for d in kind.shape.dim]
        dtype = onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type)
        made = draw.integers(0, 2, shape) if np.dtype(dtype).kind in "iub" else draw.normal(size=shape)
        feeds[value.name] = made.astype(dtype)
    return feeds


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_layers_compute_with_rounded_weights(
    part: int, dtype: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Against the same layer whose weights were rounded before: equal but for what rounding them otherwise may reorder."""
    monkeypatch.setattr(store_in_half, "LEAST", 2)
    stored = compared = 0
    for text in TEXTS[part :: 6 * PARTS]:
        model = archonnx.compile(text=text)
        report = model.save(tmp_path / "half.onnx", precision=dtype)
        assert report.halving is not None
        if not report.halving.stored:
            continue
        stored += 1
        # What the file holds, in float32: the graph without its casts.
        plain = model.save(tmp_path / "plain.onnx")
        proto, half = onnx.load(plain.path), onnx.load(report.path)
        rounded = {t.name: onnx.numpy_helper.to_array(t) for t in half.graph.initializer}
        for tensor in proto.graph.initializer:
            if tensor.name in report.halving.stored:
                assert rounded[tensor.name].dtype == numpy_dtype(dtype)
                tensor.raw_data = rounded[tensor.name].astype(np.float32).tobytes()
        onnx.save(proto, plain.path)
        try:
            feeds = feeds_of(plain.path)
            wanted = run(plain.path, feeds)
        except REFUSED:  # inputs that the layer does not take: its own tests give it others
            continue
        compared += 1
        for one, two in zip(run(report.path, feeds), wanted, strict=True):
            np.testing.assert_allclose(one, two, rtol=1e-5, atol=1e-6, err_msg=text)
    assert stored > 5
    assert compared > stored * 3 // 4
