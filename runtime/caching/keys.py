"""What an entry of the cache depends on besides the model: versions, the processor, settings."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from archonnx._version import __version__

_LINES = ("vendor_id", "cpu family", "model", "stepping", "flags", "CPU implementer", "CPU part", "Features")


@cache
def processor(info: Path = Path("/proc/cpuinfo")) -> str:
    """The processor and what it can do, as far as the system tells: onnxruntime orders weights to suit it."""
    try:
        text = info.read_text()
    except OSError:
        return f"{platform.machine()} {platform.processor()} {platform.mac_ver()[0]}".strip()
    found: dict[str, str] = {}
    for line in text.splitlines():
        name, colon, value = line.partition(":")
        if colon and name.strip() in _LINES:
            found.setdefault(name.strip(), value.strip())
    return " ".join([platform.machine(), *(found[name] for name in _LINES if name in found)])


def facts(engine: str, versions: Mapping[str, str], settings: Mapping[str, Any]) -> dict[str, Any]:
    """All of it as data. engine: who makes the entry; versions: of the libraries that do; settings: that they are
    given."""
    return {
        "archonnx": __version__,
        "engine": engine,
        "processor": processor(),
        "settings": dict(settings),
        "system": f"{platform.system()} {platform.machine()}",
        "versions": dict(versions),
    }


def key_of(contents: Mapping[str, str], about: Mapping[str, Any]) -> str:
    """The name of an entry. contents: the hash of each file of the model, by its name there."""
    text = json.dumps([dict(contents), dict(about)], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:40]
