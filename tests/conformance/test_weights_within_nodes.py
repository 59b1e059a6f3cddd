"""The weights of models that hold them within their nodes, as PaddlePaddle does: every one, bit by bit, and back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from packages import file_of

from archonnx.cli import main
from archonnx.compiler.weights.files.formats import open_tensors

# Those of rapidocr-onnxruntime 1.4.4: finding text, reading it, telling which way up it is; how many weights each has,
# all of them in Constant nodes.
MODELS = {
    "ch_PP-OCRv4_det_infer.onnx": 342,
    "ch_PP-OCRv4_rec_infer.onnx": 420,
    "ch_ppocr_mobile_v2.0_cls_infer.onnx": 308,
}


@pytest.mark.parametrize("name", MODELS)
def test_every_weight_is_read_and_comes_back(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = file_of("rapidocr_onnxruntime", f"models/{name}")
    monkeypatch.chdir(tmp_path)
    nodes = [node for node in onnx.load(path).graph.node if node.op_type == "Constant"]
    expected = {node.output[0]: onnx.numpy_helper.to_array(node.attribute[0].t) for node in nodes}
    assert main(["weights", "list", str(path), "--format", "json"]) == 0
    listed = {t["name"]: tuple(t["shape"]) for t in json.loads(capsys.readouterr().out)["tensors"]}
    assert listed == {tensor: array.shape for tensor, array in expected.items()}
    assert len(listed) == MODELS[name]
    assert main(["weights", "convert", str(path), "there.safetensors"]) == 0
    assert main(["weights", "convert", "there.safetensors", "back.onnx"]) == 0
    for file in (path, Path("there.safetensors"), Path("back.onnx")):
        with open_tensors(file) as tensors:
            assert tensors.entries.keys() == expected.keys()
            for tensor, array in expected.items():
                found = tensors.whole(tensor)
                assert found.dtype == array.dtype
                assert np.array_equal(found.view(np.uint8), array.view(np.uint8)) if array.ndim else found == array


def constants(graph: onnx.GraphProto) -> Iterator[tuple[str, np.ndarray[Any, Any]]]:
    """The Constants of a graph and of those within its nodes."""
    for node in graph.node:
        for attribute in node.attribute:
            if node.op_type == "Constant" and attribute.HasField("t"):
                yield node.output[0], onnx.numpy_helper.to_array(attribute.t)
            if attribute.HasField("g"):
                yield from constants(attribute.g)


def test_the_weights_of_a_model_in_the_branches_of_an_if() -> None:
    """silero-vad's main model: one network for each of two rates of sampling, each in a branch."""
    path = file_of("silero_vad", "data/silero_vad.onnx")
    expected = dict(constants(onnx.load(path).graph))
    with open_tensors(path) as tensors:
        assert set(expected) <= set(tensors.entries)
        lstm = [name for name in tensors.entries if name.endswith("decoder.rnn.weight_ih")]
        assert [tensors.entries[name].shape for name in lstm] == [(512, 128)] * 2
        for name in (name for name, array in expected.items() if array.dtype == np.float32):
            assert np.array_equal(tensors.whole(name), expected[name]), name
