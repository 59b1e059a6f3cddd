"""The whole way of a large model with real bytes: built, read back by onnx and numpy alone, run.

`python -m tools.bench.scale.large check|run FILE.onnx` are the processes that do the latter two; each prints a line of
JSON.
"""

from __future__ import annotations

import hashlib
import json
import math
import sys
from pathlib import Path
from typing import Any

from tools.bench.scale.builds import OURS, Bench, total
from tools.bench.scale.records import Row
from tools.bench.scale.subjects import ROOT, Subject

READ, RUN = "read back", "one forward pass"
STDDEV = 0.02  # of the weights that GPT-2 is drawn with
EXPECTED = 30.0
TOKENS = 16


def whole(bench: Bench, model: str) -> tuple[list[Row], dict[str, Any]]:
    """A GPT-2 of models/gpt2.arch built, checked and run, and what the last two said of it."""
    subject = Subject(model, ROOT / "models" / "gpt2.arch", model, "")
    folder = bench.folder / "large"
    folder.mkdir(exist_ok=True)
    target = folder / f"{model}.onnx"
    rows, more = [Row(model, way) for way in (OURS, READ, RUN)], {}
    commands = [
        subject.build(bench.python, target),
        *([bench.python, "-m", "tools.bench.scale.large", what, str(target)] for what in ("check", "run")),
    ]
    try:
        for row, command in zip(rows, commands, strict=True):
            said = bench.run(row, command, EXPECTED)
            if row.failure:
                break
            row.nbytes = total(target)
            if row.way != OURS:
                more[row.way] = json.loads(said.strip().splitlines()[-1])
    finally:
        for each in folder.iterdir():
            each.unlink()
        folder.rmdir()
    return [row for row in rows if row.seconds], more


def check(path: Path) -> dict[str, Any]:
    """Read a model's weights, one at a time, by onnx and numpy: how many numbers there are, that all are finite, that
    matrices are spread as they were drawn, and the digest of the files. ValueError where not."""
    import numpy as np
    import onnx

    onnx.checker.check_model(str(path))
    model = onnx.load(str(path), load_external_data=False)
    numbers, matrices = 0, 0
    for tensor in model.graph.initializer:
        array = _array(tensor, path.parent)
        if array.dtype == np.float32:
            numbers += array.size
            if not np.isfinite(array).all():
                raise ValueError(f"{tensor.name} holds numbers that are not finite")
            if array.size > 100_000:
                matrices += 1
                spread = math.sqrt(float(np.mean(np.square(array, dtype=np.float32), dtype=np.float64)))
                if abs(spread / STDDEV - 1) > 0.02:
                    raise ValueError(f"{tensor.name} deviates by {spread:.4f}, and was drawn to deviate by {STDDEV}")
    digest = hashlib.sha256()
    for each in sorted(path.parent.iterdir()):
        with each.open("rb") as file:
            while part := file.read(1 << 24):
                digest.update(part)
    return {"numbers": numbers, "matrices": matrices, "sha256": digest.hexdigest()}


def _array(tensor: Any, folder: Path) -> Any:
    """The numbers of a tensor; those outside the model are read here, as a message keeps what it once held."""
    import numpy as np
    from onnx import external_data_helper, helper, numpy_helper

    if not external_data_helper.uses_external_data(tensor):
        return numpy_helper.to_array(tensor)
    info = external_data_helper.ExternalDataInfo(tensor)
    dtype = helper.tensor_dtype_to_np_dtype(tensor.data_type)
    count = math.prod(tensor.dims)
    if info.length != count * dtype.itemsize:
        raise ValueError(f"{tensor.name} needs {count * dtype.itemsize} bytes, and {info.length} are told")
    array = np.fromfile(folder / info.location, dtype, count, offset=info.offset or 0)
    if array.size != count:
        raise ValueError(f"{info.location} ends before {tensor.name} does")
    return array.reshape(tensor.dims)


def run(path: Path) -> dict[str, Any]:
    """One forward pass of a short text by archonnx's runtime: the size of the scores, and how far they spread."""
    import time

    import numpy as np

    import archonnx

    began = time.perf_counter()
    session = archonnx.load(path, cache="off")
    loaded = time.perf_counter()
    ids = np.random.default_rng(0).integers(0, 1000, (1, TOKENS))
    scores = session({"input_ids": ids, "attention_mask": np.ones_like(ids)})
    took = time.perf_counter() - loaded
    if not np.isfinite(scores).all() or not scores.std() > 0:
        raise ValueError("the scores are not numbers, or all the same")
    return {"shape": list(scores.shape), "deviation": float(scores.std()), "load": loaded - began, "call": took}


if __name__ == "__main__":
    print(json.dumps({"check": check, "run": run}[sys.argv[1]](Path(sys.argv[2]).resolve())))
