"""Others' models in half precision: their Constant nodes, old operator sets, branches, and weights that were trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from packages import file_of

from archonnx.contract.diagnostics import UsageError
from archonnx.runtime.loading import load
from archonnx.runtime.modelfile import read_model
from archonnx.runtime.precision.candidates import largest_error
from archonnx.runtime.precision.deciding import decide

RANDOM = np.random.default_rng(0)
OCR = "rapidocr_onnxruntime"


def text_line() -> dict[str, Any]:
    """A line of text as its direction is asked for: float32[1, 3, 48, 192], -1 to 1."""
    from PIL import Image, ImageDraw

    picture = Image.new("RGB", (192, 48), "white")
    ImageDraw.Draw(picture).text((10, 8), "Half precision", fill="black", font_size=24)
    return {"x": ((np.asarray(picture, np.float32) / 255 - 0.5) / 0.5).transpose(2, 0, 1)[None].copy()}


def sound() -> dict[str, Any]:
    samples = RANDOM.uniform(-1, 1, (1, 576)).astype(np.float32)
    return {"input": samples, "state": np.zeros((2, 1, 128), np.float32), "sr": np.array(16_000)}


CASES = {
    (OCR, "models/ch_ppocr_mobile_v2.0_cls_infer.onnx"): (text_line, 0.9, 1e-2),
    ("silero_vad", "data/silero_vad.onnx"): (sound, 0.9, 5e-3),
}


@pytest.mark.parametrize("where", CASES, ids=lambda where: Path(where[1]).stem)
def test_most_of_a_model_is_lowered_and_it_says_the_same(where: tuple[str, str]) -> None:
    made, share, bound = CASES[where]
    path, feeds = file_of(*where), made()
    with load(path, "cpu") as session:
        reference = [list(session.run_with_timing(feeds)[0].values())]
    graph, told = decide(str(path), read_model(path), "float16", [feeds], reference, threads=2)
    assert len(told.kept) <= (1 - share) * len(told.nodes)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    half = onnxruntime.InferenceSession(graph.proto.SerializeToString(), options, providers=["CPUExecutionProvider"])
    assert largest_error([half.run(None, feeds)], reference) < bound
    assert told.error < bound


def test_a_model_that_turns_sharply_is_bounded_or_refused() -> None:
    """The one that finds text ends in a sigmoid 50 times as steep: what is rounded there turns pixels over."""
    path = file_of(OCR, "models/ch_PP-OCRv4_det_infer.onnx")
    picture = np.tile(text_line()["x"][:, :, :32, :160], (1, 1, 2, 2))
    feeds = {"x": np.ascontiguousarray(picture)}
    with load(path, "cpu") as session:
        reference = [[session(feeds)]]
    _, told = decide(str(path), read_model(path), "float16", [feeds], reference, threads=2)
    variances = next(node for node in told.kept if node.operator == "BatchNormalization")
    assert variances.error is not None
    assert variances.error > 0.5  # its variances are past the largest half
    assert np.isfinite(told.error)


def test_drawn_inputs_that_a_model_does_not_take_are_told() -> None:
    path = file_of(OCR, "models/ch_PP-OCRv4_rec_infer.onnx")
    with pytest.raises(UsageError, match=r"Concat.*drawn at random, perhaps others fit: give them as data="):
        load(path, "cpu", max_error=1e-2)
    with load(path, "cpu", max_error=1e-2, data=text_line()) as session:
        assert session.precision == "float32"
