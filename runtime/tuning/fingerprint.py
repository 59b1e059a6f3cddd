"""What a plan was made for: the content of the model, the machine, the versions of what computes."""

from __future__ import annotations

import hashlib
import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import metadata as distributions
from pathlib import Path

from archonnx._version import __version__
from archonnx.runtime.caching import contents
from archonnx.runtime.caching.contents import PIECE, ChangedError, content
from archonnx.runtime.caching.folders import OFF, cache_folder
from archonnx.runtime.caching.store import Store
from archonnx.runtime.machine import ORT_WHEELS, allowed_cores, physical_cores, read_driver
from archonnx.runtime.modelfile import ModelFile

_COMPUTE = (*ORT_WHEELS, "onnxruntime-ep-openvino", "openvino")  # distributions whose version decides how fast it is
# Features of a processor that kernels are chosen by, as Linux calls them.
_FEATURES = frozenset(
    "sse4_2 avx avx2 fma f16c avx_vnni avx512f avx512bw avx512vl avx512_vnni avx512_bf16 avx512_fp16 amx_tile amx_bf16 "
    "amx_int8 amx_fp16 asimd asimddp asimdhp i8mm bf16 sve sve2 sme".split()
)


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """model: the digest of its content; machine: processor, its features, the cores allowed, GPUs; versions: of
    archonnx and of what computes."""

    model: str
    machine: Mapping[str, str]
    versions: Mapping[str, str]

    def differs(self, here: Fingerprint) -> str | None:
        """Why a plan with this one does not fit here, in a few words; None where it does."""
        if self.model != here.model:
            return "the model has changed since, or is another one"
        for name in sorted(self.machine.keys() | here.machine.keys()):
            was, found = self.machine.get(name), here.machine.get(name)
            if was != found:
                return f"it was made on another machine ({name}: {was or 'none'}; here {found or 'none'})"
        for name in sorted(self.versions.keys() | here.versions.keys()):
            was, found = self.versions.get(name), here.versions.get(name)
            if was != found:
                return f"it was made with {name} {was or 'not installed'}, {_here(name, found)}"
        return None


def _here(name: str, found: str | None) -> str:
    return f"here is {found}" if found else f"here {name} is not installed"


def fingerprint(source: str | bytes, model: ModelFile, kept: str = OFF) -> Fingerprint:
    """Of this model, here and now. kept: the cache, as `load` takes it, which notes hashes of files.

    Raises OSError where the model or its data cannot be read.
    """
    return Fingerprint(digest(source, model, kept), machine(), versions())


def digest(source: str | bytes, model: ModelFile, kept: str = OFF) -> str:
    """64 digits: of the file and of the data files beside it, by their names; where it lies does not matter."""
    if isinstance(source, bytes):
        pieces = range(0, max(len(source), 1), PIECE)
        inner = b"".join(hashlib.sha256(source[start : start + PIECE]).digest() for start in pieces)
        return hashlib.sha256(hashlib.sha256(inner).digest()).hexdigest()
    folder = cache_folder(kept, source)
    found = hashlib.sha256(_of_file(source, folder))
    for name in sorted(model.external):
        found.update(name.encode("utf-8", "surrogateescape"))
        found.update(_of_file(os.path.join(os.path.dirname(source), name), folder))
    return found.hexdigest()


def _of_file(path: str, kept: Path | None) -> bytes:
    try:
        return bytes.fromhex(content(path, Store(kept).records).digest if kept else contents.digest(path))
    except ChangedError:  # what it was while it was read is no other plan's model either
        return bytes.fromhex(contents.digest(path))


def machine(root: Path = Path("/"), environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """What decides which way is the fastest, as texts to compare. GPUs are asked for where onnxruntime could use
    them."""
    name, features = _processor(root)
    found = {"system": f"{platform.system()} {platform.machine()}", "processor": name}
    if features:
        found["features"] = features
    physical = physical_cores(root)
    found["cores"] = f"{allowed_cores(root)} allowed" + (f", {physical} physical" if physical else "")
    if _has_cuda():
        gpus = [f"{gpu.name}, {gpu.memory / 2**30:.0f} GiB" for gpu in read_driver().gpus]
        found["gpus"] = "; ".join(gpus) or "none"
    return found


def _processor(root: Path) -> tuple[str, str]:
    """Its name and features: of /proc/cpuinfo where there is one, else what Python knows."""
    try:
        text = (root / "proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:  # no Linux
        return platform.processor() or platform.machine(), ""
    lines = (line.partition(":") for line in text.split("\n\n")[0].splitlines())
    fields = {name.strip(): value.strip() for name, _, value in lines}
    features = _FEATURES & set(fields.get("flags", fields.get("Features", "")).split())
    name = fields.get("model name") or fields.get("CPU part") or platform.machine()
    return name, " ".join(sorted(features))


def _has_cuda() -> bool:
    try:
        import onnxruntime
    except ImportError:
        return False
    return "CUDAExecutionProvider" in getattr(onnxruntime, "get_available_providers", list)()


def versions() -> dict[str, str]:
    """archonnx and the distributions that compute, those that are installed."""
    return dict(_installed())


@cache  # what a process has imported stays as it is
def _installed() -> dict[str, str]:
    found = {"archonnx": __version__}
    for name in _COMPUTE:
        try:
            found[name] = distributions.version(name)
        except distributions.PackageNotFoundError:
            continue
    return found
