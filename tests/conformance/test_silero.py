"""silero-vad's trained weights, of the package silero-vad, in VoiceActivity of models/voice.arch."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import onnx
import onnx.utils
import onnxruntime
import pytest
from keras_harness import error
from transformers_harness import Array, session_of

import archonnx

found = importlib.util.find_spec("silero_vad")  # importing it asks for more than its files
if found is None or found.origin is None:
    pytest.skip("`make test` installs it: pip install --no-deps of tests/packages.txt", allow_module_level=True)
DATA = Path(found.origin).parent / "data"
ONNX = DATA / "silero_vad_16k_sequence.onnx"


def sounds(windows: int) -> dict[str, Array]:
    """Noise that swells, with a hum: windows of 576 samples, and states that are not zeros."""
    draw = np.random.default_rng(3)
    time = np.arange(windows * 576).reshape(windows, 576) / 16000
    loud = draw.uniform(0, 0.5, (windows, 1))
    audio = loud * draw.standard_normal((windows, 576)) * 0.3 + loud * np.sin(2 * np.pi * 180 * time)
    h, c = draw.standard_normal((2, 1, 128))
    return {name: array.astype(np.float32) for name, array in (("audio", audio), ("h", h), ("c", c))}


@pytest.mark.parametrize(("file", "by"), [(ONNX, "silero"), (DATA / "silero_vad_16k_op15.onnx", "op15")])
def test_the_network_computes_what_their_file_computes(file: Path, by: str, tmp_path: Path) -> None:
    inputs = sounds(60)
    theirs = onnxruntime.InferenceSession(ONNX, providers=["CPUExecutionProvider"])
    probabilities, h, c = theirs.run(None, {"input": inputs["audio"], "h": inputs["h"][None], "c": inputs["c"][None]})
    assert probabilities.min() < 0.1 < 0.5 < probabilities.max()
    with session_of(file, tmp_path, "voice", "VoiceActivity", by) as session:
        results = session(**inputs)
        assert error(results["probabilities"], probabilities) <= 1e-5
        assert error(results["h_next"], h[0]) <= 1e-5
        assert error(results["c_next"], c[0]) <= 1e-5


LSTM = """
model Decoder():
    input x: float32[N, T, 128]
    input h: float32[N, 128]
    input c: float32[N, 128]
    (y, hn, cn) = (x, h, c) -> LSTM(128, return_sequences=True, return_state=True)
    output y
    output hn
    output cn
"""
LSTM_MAP = """
layout onnx
lstm/kernel = onnx::LSTM_209
lstm/recurrent_kernel = onnx::LSTM_210
lstm/bias = onnx::LSTM_211
ignore stft.*
ignore encoder.*
ignore output.*
"""


def test_the_lstm_alone_computes_what_their_node_computes(tmp_path: Path) -> None:
    node = next(one for one in onnx.load(ONNX).graph.node if one.op_type == "LSTM")
    onnx.utils.extract_model(ONNX, tmp_path / "node.onnx", [node.input[0], "h", "c"], list(node.output))
    draw = np.random.default_rng(4)
    x, (h, c) = (
        draw.standard_normal((5, 1, 128)).astype(np.float32),
        draw.standard_normal((2, 1, 1, 128)).astype(np.float32),
    )
    theirs = onnxruntime.InferenceSession(tmp_path / "node.onnx", providers=["CPUExecutionProvider"])
    expected = theirs.run(None, {node.input[0]: x, "h": h, "c": c})
    (tmp_path / "lstm.map").write_text(LSTM_MAP)
    model = archonnx.compile(text=LSTM).with_weights(ONNX, map=tmp_path / "lstm.map")
    results = archonnx.load(model)(x=x.swapaxes(0, 1), h=h[0], c=c[0])
    assert error(results["y"], expected[0][:, 0].swapaxes(0, 1)) <= 1e-6
    assert error(results["hn"], expected[1][0]) <= 1e-6
    assert error(results["cn"], expected[2][0]) <= 1e-6
