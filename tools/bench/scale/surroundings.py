"""Where peers run: an environment of their own, made once, and whenever packages or the interpreter change."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
PACKAGES = Path(__file__).with_name("packages.txt")
NEWEST = (3, 13)  # the newest Python that TensorFlow has a wheel for
TOLD = ("torch", "torchvision", "onnxscript", "tensorflow-cpu", "keras", "tf2onnx", "onnx", "onnxruntime", "openvino")
VERSIONS = f"""
import json
from importlib import metadata
found = {{}}
for name in {TOLD!r}:
    try:
        found[name] = metadata.version(name)
    except metadata.PackageNotFoundError:
        pass
print(json.dumps(found))
"""


class SetupError(Exception):
    """The peers cannot be installed. The message says why, in a line."""


def cache() -> Path:
    """The folder where the environment lies: $XDG_CACHE_HOME/archonnx-bench, or ~/.cache/archonnx-bench."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "archonnx-bench"


def own() -> list[str]:
    """What archonnx needs to run beside the peers, as pyproject.toml has it."""
    found: list[str] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]
    return found


def stamp() -> str:
    """What an environment was made from: the digest of the packages, and the interpreter's version."""
    packages = PACKAGES.read_bytes() + "\n".join(own()).encode()
    return f"{hashlib.sha256(packages).hexdigest()} {platform.python_version()}"


def prepared(folder: Path, say: Callable[[str], None]) -> Path:
    """The interpreter of the peers' environment in `folder`, made where it is not there or made from other packages.

    Raises SetupError.
    """
    python, made, wanted = folder / "bin" / "python", folder / "made", stamp()
    if python.exists() and made.exists() and made.read_text(encoding="utf-8") == wanted:
        return python
    if sys.version_info[:2] > NEWEST:
        newest = ".".join(map(str, NEWEST))
        raise SetupError(f"TensorFlow has no wheel for Python {platform.python_version()}: run this with {newest}")
    say(f"installing the peers into {folder} (some 3 GB on the disk: a few minutes) ...")
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    pip = [str(python), "-m", "pip", "--disable-pip-version-check", "--quiet", "install", "--retries", "10"]
    for command in ([sys.executable, "-m", "venv", str(folder)], [*pip, "--requirement", str(PACKAGES), *own()]):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            last = (done.stderr or done.stdout).strip().splitlines()[-1:] or [f"exit code {done.returncode}"]
            raise SetupError(f"the peers cannot be installed: {last[0]}")
    made.write_text(wanted, encoding="utf-8")
    return python


def environment() -> dict[str, str]:
    """What processes are started with: modules of this checkout, compiled ones kept, no cache of optimised models."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    path = os.pathsep.join((str(ROOT), str(ROOT / "src")))
    return {**kept, "PYTHONPATH": path, "ARCHONNX_CACHE": "off", "TF_CPP_MIN_LOG_LEVEL": "3"}


def versions(python: Path) -> dict[str, str]:
    """What an interpreter has of the packages that figures depend on."""
    done = subprocess.run([str(python), "-c", VERSIONS], capture_output=True, text=True, check=True)
    found: dict[str, str] = json.loads(done.stdout)
    return found


def machine() -> dict[str, str]:
    """The machine that figures are of."""
    name, memory = platform.processor() or platform.machine(), ""
    for path, key in (("/proc/cpuinfo", "model name"), ("/proc/meminfo", "MemTotal")):
        for line in Path(path).read_text().splitlines() if Path(path).exists() else ():
            if line.startswith(key):
                value = line.partition(":")[2].strip()
                name, memory = (value, memory) if key == "model name" else (name, value)
                break
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    size = f", {int(memory.split()[0]) / 1e6:.0f} GB" if memory else ""
    system = f"{platform.system()}, Python {platform.python_version()}"
    return {"processor": name, "cores": f"{cores} processors{size}", "system": system}
