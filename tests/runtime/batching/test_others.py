"""Models that others made and their packages ship: what is said of their rows, and that it is so."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from archonnx.runtime.loading import load
from archonnx.verifying.agreement import error

RNG = np.random.default_rng(11)


def shipped(package: str, name: str) -> Path:
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        pytest.skip(f"the package {package} is not installed")
    return next(Path(spec.submodule_search_locations[0]).rglob(name))


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("ch_ppocr_mobile_v2.0_cls_infer.onnx", (3, 3, 48, 192)),
        ("ch_PP-OCRv4_rec_infer.onnx", (3, 3, 48, 64)),
        ("ch_PP-OCRv4_det_infer.onnx", (3, 3, 64, 96)),
    ],
)
def test_pictures_are_read_apart(name: str, shape: tuple[int, ...]) -> None:
    path = shipped("rapidocr_onnxruntime", name)
    x = RNG.uniform(-1, 1, shape).astype(np.float32)
    whole, parts = load(path, "cpu"), load(path, "cpu", batch=2)
    assert parts.whole_batch is None
    assert error(parts(x), whole(x)) < 1e-4


def test_sounds_are_heard_apart_with_their_states() -> None:
    path = shipped("silero_vad", "silero_vad_op18_ifless.onnx")
    feeds: dict[str, Any] = {
        "input": RNG.uniform(-1, 1, (5, 576)).astype(np.float32),
        "state": RNG.uniform(-1, 1, (2, 5, 128)).astype(np.float32),
        "sr": np.array(16000, np.int64),
    }
    whole, parts = load(path, "cpu")(feeds), load(path, "cpu", batch=2)(feeds)
    for name in whole:
        assert error(parts[name], whole[name]) < 1e-4


def test_steps_that_follow_one_another_are_not_rows() -> None:
    """Its first axis is time, which a state goes through."""
    path = shipped("silero_vad", "silero_vad_16k_sequence.onnx")
    session = load(path, "cpu")
    assert session.whole_batch is not None
    assert session.whole_batch.startswith("LSTM (")
