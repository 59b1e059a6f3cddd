"""The reference of silero-vad's network: `python -m tools.reference.silero [--check]`.

Counted of a file of the package silero-vad (tests/packages.txt), for one window: its tensors, and the kernels of its
convolutions, once for each place of what they give when they are run. Of the spectra's five frames the file throws the
first away, and it is left out here. ONNX' LSTM holds two biases that are only ever added up; they are counted as one.
"""

from __future__ import annotations

import importlib.util
import sys
from importlib.metadata import version
from math import prod
from pathlib import Path
from typing import Any

from tools.reference.writing import Entries, main

FILE = "silero_vad_16k_sequence.onnx"


def entries() -> Entries:
    """What is in the package's file."""
    import onnx

    found = importlib.util.find_spec("silero_vad")  # importing it asks for more than its files
    if found is None or found.origin is None:
        raise SystemExit("silero-vad is not installed: pip install --no-deps -r tests/packages.txt")
    model = onnx.load(Path(found.origin).parent / "data" / FILE)
    tensors = {one.name: list(one.dims) for one in model.graph.initializer}
    lstm = next(node for node in model.graph.node if node.op_type == "LSTM")
    kernel, recurrent, biases = (tensors[name] for name in lstm.input[1:4])
    fixed = sum(prod(dims) for name, dims in tensors.items() if name.startswith("stft."))
    total = sum(map(prod, tensors.values())) - prod(biases) // 2
    steps = prod(kernel) + prod(recurrent)
    return {
        "voice": {
            "VoiceActivity": {
                "source": f"silero-vad {version('silero-vad')} {FILE}, counted by tools/reference/silero.py",
                "parameters": {"total": total, "trainable": total - fixed, "non_trainable": fixed},
                "macs": {
                    "value": _convolutions(model, tensors) + steps,
                    "counts": "convolutions and the LSTM",
                },
            }
        }
    }


def _convolutions(model: Any, tensors: dict[str, list[int]]) -> int:
    """Multiply-accumulates of the convolutions of one window."""
    import numpy as np
    import onnx
    import onnxruntime

    nodes = [node for node in model.graph.node if node.op_type == "Conv"]
    magnitudes = next(node for node in model.graph.node if node.op_type == "Sqrt")  # of the frames that are kept
    assert nodes[0].input[1].startswith("stft.")
    del model.graph.output[:]
    for node in (magnitudes, *nodes[1:]):
        model.graph.output.append(onnx.ValueInfoProto(name=node.output[0]))
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    states = {name: np.zeros((1, 1, 128), np.float32) for name in ("h", "c")}
    given = session.run(None, {"input": np.zeros((1, 576), np.float32), **states})
    shapes = [array.shape for array in given]
    assert all(batch == 1 for batch, *_ in shapes)
    return sum(places * prod(tensors[node.input[1]]) for node, (_, _, places) in zip(nodes, shapes, strict=True))


if __name__ == "__main__":
    sys.exit(main(entries, __doc__))
