"""A process that runs a model in several precisions on OpenVINO, the plug-in or the library, and prints what it found
as JSON."""

from __future__ import annotations

import json
import sys
from typing import Any

import numpy as np


def error(action: Any) -> str:
    from archonnx.contract.diagnostics import ArchonnxError

    try:
        action()
    except ArchonnxError as caught:
        return f"{type(caught).__name__}: {caught}"
    return "no error"


def main(path: str) -> None:
    from archonnx.runtime.loading import load
    from archonnx.runtime.machine import probe

    plug = probe(cuda=False, openvino=True).openvino
    assert plug
    found: dict[str, object] = {"capabilities": plug.computes}
    if "BF16" in plug.computes:
        image = np.random.default_rng(0).random((1, 64, 64, 3), np.float32)
        exact = load(path, "cpu")(image)
        session = load(path, precision="bfloat16")
        found["bfloat16"] = [session.device, session.precision, repr(session)]
        found["error"] = float(np.abs(session(image) - exact).max() / np.abs(exact).max())
        told = session.lowered
        found["lowered"] = told and [(node.operator, node.precision, node.place) for node in told.nodes]
        for bound in (1e-5, 1e-1):
            with load(path, max_error=bound, data=image) as session:
                within = [trial.candidate.precision for trial in session.choices if trial.seconds]
                found[str(bound)] = [session.precision, within, [str(t.candidate) for t in session.choices if t.kept]]
        found["insists"] = load(path, "openvino", max_error=1e-1, data=image).device
        found["nothing"] = error(lambda: load(path, "openvino", max_error=1e-12, data=image))
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1])
