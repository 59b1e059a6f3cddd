"""What is measured of the zoo, in models/measured.json: sizes of built files, times to build, errors against peers.

{"machine": "...", "peers": {"keras": "3.15.1", ...},
 "models": {"VGG19": {"file": "vgg", "size": 574..., "seconds": 0.9, "error": 3e-07, "against": "Keras"}}}
"""

from __future__ import annotations

import json
import os
import platform
import tempfile
import time
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from tools.docs.measuring import rounded_up
from tools.docs.zoo_peers import PEERS, error_of
from tools.reference.writing import MODELS, path_of

RECORD = MODELS / "measured.json"
TOLERANCE = 1e-4
PACKAGES = ("keras", "torch", "torchvision", "transformers", "onnxruntime")


def models() -> dict[str, str]:
    """Every model that has a reference of its own -> its file, in the order of files and models."""
    found: dict[str, str] = {}
    for file in sorted(MODELS.glob("*.arch")):
        path = path_of(file.stem)
        known = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        found |= {name: file.stem for name, entry in known.items() if "same_as" not in entry}
    return found


def recorded() -> dict[str, Any]:
    """What was measured last."""
    found: dict[str, Any] = json.loads(RECORD.read_text(encoding="utf-8")) if RECORD.is_file() else {}
    return {"machine": found.get("machine", ""), "peers": found.get("peers", {}), "models": found.get("models", {})}


def missing() -> list[str]:
    """The models whose size or error, where there is a peer to run, has not been measured."""
    rows = recorded()["models"]
    return [
        name
        for name, stem in models().items()
        if rows.get(name, {}).get("file") != stem
        or (name in PEERS and not PEERS[name].optional and "error" not in rows[name])
    ]


def measure(names: Sequence[str], progress: Callable[[int, int], None]) -> list[str]:
    """Measure these models, and record each as it is done; what is known of others stays. Gives what went wrong."""
    known = models()
    failures: list[str] = []
    _built("gates", "AND")  # so that no model's time holds that of imports
    for done, name in enumerate(names):
        progress(done, len(names))
        row = {"file": known[name], **_built(known[name], name)}
        before = recorded()["models"].get(name, {})
        row |= {key: before[key] for key in ("error", "against") if key in before and name in PEERS}
        if name in PEERS:
            free = available_memory()
            if free < PEERS[name].memory:
                failures.append(f"{name}: {PEERS[name].memory:g} GB of memory are needed, {free:.1f} GB are free")
            else:
                with tempfile.TemporaryDirectory(prefix="archonnx-") as folder:
                    error = error_of(name, Path(folder))
                if not error <= TOLERANCE:
                    failures.append(f"{name}: error {error:.1e}, allowed {TOLERANCE:.0e}: not recorded")
                    continue
                row |= {"error": rounded_up(error), "against": PEERS[name].said}
        _record(name, row)
    progress(len(names), len(names))
    return failures


def _built(stem: str, name: str) -> dict[str, Any]:
    """How large the file of a model is with its weights, and how long all but the weights takes."""
    import archonnx
    from archonnx.compiler import writer

    with tempfile.TemporaryDirectory(prefix="archonnx-") as folder:
        began = time.process_time()
        model = archonnx.compile(MODELS / f"{stem}.arch", name)
        model.save(Path(folder) / "model.onnx", weights="none")
        seconds = time.process_time() - began
    skeleton = writer.build(model.lower(), {})
    weights = sum(one.recipe.nbytes for one in skeleton.initializers)
    return {"size": skeleton.whole().ByteSize() + weights, "seconds": round(seconds, 2)}


def available_memory() -> float:
    """Memory in GB that can be had, as Linux tells it; elsewhere what is free."""
    try:
        told = Path("/proc/meminfo").read_text(encoding="utf-8")
        return int(next(line.split()[1] for line in told.splitlines() if line.startswith("MemAvailable:"))) / 1e6
    except OSError:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9


def machine() -> str:
    """The processor, as the system names it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.machine()


def _record(name: str, row: dict[str, Any]) -> None:
    known = models()
    rows = {**recorded()["models"], name: row}
    body = ",\n".join(f"  {json.dumps(n)}: {json.dumps(rows[n])}" for n in known if n in rows)
    peers = {}
    for package in PACKAGES:
        try:
            peers[package] = version(package).partition("+")[0]
        except PackageNotFoundError:
            continue
    head = f' "machine": {json.dumps(machine())},\n "peers": {json.dumps(peers)},\n'
    RECORD.write_text(f'{{\n{head} "models": {{\n{body}\n }}\n}}\n', encoding="utf-8")
