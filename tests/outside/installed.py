"""Installs a package from its source into a folder of its own, as pip does for a user, without a network."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def install(source: Path, folder: Path) -> Path:
    """The folder that the package is installed into; building writes into a copy, not into `source`."""
    copy, site = folder / "source", folder / "site"
    shutil.copytree(source, copy, ignore=shutil.ignore_patterns("__pycache__"))
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "install", "--no-index"]
    command = [*pip, "--no-deps", "--no-build-isolation", "--no-compile", "--target", str(site), str(copy)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    return site


def environment(*sites: Path) -> dict[str, str]:
    """The environment of a process that sees archonnx and these folders."""
    path = os.pathsep.join([str(ROOT / "src"), *map(str, sites)])
    return {**os.environ, "PYTHONPATH": path, "PYTHONWARNINGS": "error", "COLUMNS": "160"}


def archonnx(*words: str, sites: tuple[Path, ...] = (), cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run the command line in a process of its own."""
    command = [sys.executable, "-m", "archonnx", *words]
    return subprocess.run(command, env=environment(*sites), cwd=cwd, capture_output=True, text=True, check=False)
