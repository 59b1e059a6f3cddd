"""bfloat16 on OpenVINO, in a process of its own, where the processor has it."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import archonnx

CHILD = Path(__file__).with_name("precision_child.py")
NETWORK = """
model Network():
    input image: float32[N, 64, 64, 3]
    image -> Conv2D(64, 3, activation="relu") -> Conv2D(64, 3, activation="relu") -> GlobalAveragePooling2D()
      -> Reshape((8, 8)) -> LSTM(32, return_sequences=True) -> LSTM(16) -> Dense(10)
"""


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    if all(importlib.util.find_spec(name) is None for name in ("openvino", "onnxruntime_ep_openvino")):
        pytest.skip("neither OpenVINO nor its plug-in is installed")
    path = tmp_path_factory.mktemp("precision") / "network.onnx"
    archonnx.compile(text=NETWORK).save(path)
    run = subprocess.run(
        [sys.executable, str(CHILD), str(path)], capture_output=True, text=True, check=False, env=dict(os.environ)
    )
    assert run.returncode == 0, run.stderr
    told: dict[str, Any] = json.loads(run.stdout)
    if "BF16" not in told["capabilities"]:
        pytest.skip(f"OpenVINO does not compute in bfloat16 here, but in {told['capabilities'] or 'nothing'}")
    return told


def test_bfloat16_is_computed_where_it_is_asked_for_and_said(found: dict[str, Any]) -> None:
    device, precision, text = found["bfloat16"]
    assert (device, precision) == ("openvino", "bfloat16")
    assert " on openvino in bfloat16:" in text
    assert 1e-5 < found["error"] < 5e-2  # float32's error would lie below


def test_the_library_tells_of_each_layer(found: dict[str, Any]) -> None:
    if found["lowered"] is None:
        pytest.skip("the plug-in of onnxruntime, which runs here, tells nothing of layers")
    told = [(operator, precision) for operator, precision, _ in found["lowered"]]
    assert [precision for operator, precision in told if operator == "Conv"] == ["bfloat16"] * 2
    assert [operator for operator, _ in told].count("LSTM") == 2
    assert ("Gemm", "bfloat16") in told or ("MatMul", "bfloat16") in told
    assert {place.split(":")[1] for _, _, place in found["lowered"]} == {"4", "5"}


def test_an_error_that_is_allowed_lowers_no_further(found: dict[str, Any]) -> None:
    precision, timed, kept = found["1e-05"]
    assert precision == "float32"
    assert set(timed) == {"float32"}
    assert len(kept) == 1
    assert set(found["0.1"][1]) >= {"float32", "bfloat16"}  # and int8, where it stays within


def test_a_device_that_was_named_stays(found: dict[str, Any]) -> None:
    assert found["insists"] == "openvino"
    assert found["nothing"].startswith("MachineError: ")
    assert "nothing on device 'openvino' stays within max_error=1e-12" in found["nothing"]
