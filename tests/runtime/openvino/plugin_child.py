"""A process that runs models on OpenVINO and prints what it found as JSON: `python plugin_child.py FOLDER`.

The plug-in offers itself on Intel's processors alone, though OpenVINO runs on others. So that the way to it is tested
on those too, this process tells it that its processor is Intel's.
"""

from __future__ import annotations

import ctypes
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

INTEL = 0x8086


def call_it_intel() -> None:
    """Write Intel's number over the vendor of onnxruntime's device, which lies behind its kind. Exits with 77 where
    it does not lie there."""
    device = onnxruntime.get_ep_devices()[0].device
    if device.vendor_id == INTEL:
        return
    inner = ctypes.c_void_p.from_address(id(device) + object.__basicsize__).value
    kind, vendor = (ctypes.c_uint32 * 2).from_address(inner or 0) if inner else (None, None)
    if (kind, vendor) != (int(onnxruntime.OrtHardwareDeviceType.CPU.value), device.vendor_id):
        sys.exit(77)
    ctypes.c_uint32.from_address((inner or 0) + 4).value = INTEL


def error(action: Any) -> str:
    from archonnx.contract.diagnostics import ArchonnxError

    try:
        action()
    except ArchonnxError as caught:
        return f"{type(caught).__name__}: {caught}"
    return "no error"


def bound_runs(session: Any) -> dict[str, Any]:
    """What runs of a bound session come to, of a model that gives -x, the places of numbers in x that are not 0, and x
    itself."""
    x = np.array([[1, 2]], np.float32)
    bound = session.bind(x)
    results = []
    for value in (1, 2, 3):
        x[:] = value
        results.append([array.ravel().tolist() for array in bound().values()])
    small, right = (np.empty((2, size), np.int64) for size in (1, 2))
    wrong = error(lambda: session(x, out={"places": small}))
    session(x, out={"places": right})
    empty = session.bind(np.empty((0, 2), np.float32))().minus.shape
    x[0, 0] = 0
    fewer = error(bound)
    x[0, 0] = 4
    again = bound().minus.tolist()
    return {
        "results": results,
        "wrong": wrong,
        "right": right.tolist(),
        "empty": empty,
        "fewer": fewer,
        "again": again,
    }


def settled_runs(session: Any) -> list[Any]:
    """The results of a bound session whose shapes are known before it runs, and whether they stay where they were."""
    x, total = np.zeros(3, np.float32), np.zeros(3, np.float32)
    out = np.empty(3, np.float32)
    bound = session.bind(x, total, out={"y": out})
    places = [array.ctypes.data for array in bound.outputs.values()]
    found = []
    for value in range(4):
        x[:], total[:] = value, 10 * value
        same = bound().y is out and places == [array.ctypes.data for array in bound.outputs.values()]
        found.append([*out.tolist(), *bound.outputs.next.tolist(), same])
    return found


def main(folder: Path) -> None:
    from archonnx.runtime.devices import diagnose
    from archonnx.runtime.loading import load

    random = np.random.default_rng(0)
    found: dict[str, Any] = {"works": diagnose().works["openvino"], "auto": diagnose().auto}
    for path in sorted(folder.glob("same_*.onnx")):
        here, there = load(str(path), "cpu"), load(str(path), "openvino", threads=1)
        feeds = {}
        for spec in here.inputs:
            shape = [size if isinstance(size, int) else 2 for size in spec.shape or ()]
            whole = spec.dtype.startswith("int")
            feeds[spec.name] = (
                random.integers(0, 9, shape, spec.dtype) if whole else random.standard_normal(shape, "f4")
            )
        first, second = (np.asarray(session(feeds), np.float64) for session in (here, there))
        worst = np.abs(first - second).max() / np.abs(first).max()
        found[path.stem] = {
            "device": there.device,
            "placement": there.placement().nodes,
            "error": worst,
            "threads": there.threads,
        }
    for path in sorted(folder.glob("refused_*.onnx")):
        found[path.stem] = error(lambda path=path: load(str(path), "openvino"))
    reshape = load(str(folder / "fails_reshape.onnx"), "openvino")
    found["reshape"] = error(lambda: reshape(np.ones(6, np.float32), np.array([4, 5])))
    single = load(str(folder / "fails_reshape.onnx"), "openvino", threads=1)
    single(np.ones(6, np.float32), np.array([2, 3]))
    shapes = ([4, 5], [2, 3])
    found["single"] = [error(lambda shape=shape: single(np.ones(6, np.float32), np.array(shape))) for shape in shapes]
    reshape = load(str(folder / "fails_reshape.onnx"), "openvino")
    found["wide"] = error(lambda: reshape(np.ones(6, np.float32), np.array([2**40, 5])))
    cached = load(str(folder / "steps.onnx"), "openvino")._engine
    assert cached is not None
    total = onnxruntime.OrtValue.ortvalue_from_numpy(np.zeros(3, np.float32))
    for _ in range(3):
        last, kept = cached.step({"x": np.full(3, 2, np.float32)}, {"total": total}, "y", ["next"])
        total = kept["next"]
    found["steps"] = last.tolist()
    nothing = load(str(folder / "nothing.onnx"), "openvino")
    found["nothing"] = error(lambda: nothing(np.empty((0, 5), np.float32)))
    found["settled"] = settled_runs(load(str(folder / "steps.onnx"), "openvino"))
    found["bound"] = bound_runs(load(str(folder / "bound.onnx"), "openvino"))
    print(json.dumps(found))


if __name__ == "__main__":
    call_it_intel()
    main(Path(sys.argv[1]))
