"""The same source, options, seed and version give the same file, in any process and any surroundings.

`pytest tests/conformance/test_same_bytes.py --rewrite-digests` writes digests.json, where a change of the bytes is meant.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from same_bytes import VARIANTS

ROOT = Path(__file__).resolve().parents[2]
DIGESTS = Path(__file__).with_name("digests.json")
KEPT = ("PATH", "HOME", "SYSTEMROOT", "VIRTUAL_ENV", "LD_LIBRARY_PATH")


Digests = dict[str, str]


def started(
    folder: Path, models: Path, prefix: str, cwd: Path, *, umask: int, **environment: str
) -> subprocess.Popen[str]:
    """A process that builds every case."""
    folder.mkdir()
    (folder / "cache").mkdir()
    given = {name: os.environ[name] for name in KEPT if name in os.environ}
    given |= {"PYTHONPATH": str(ROOT / "src"), "XDG_CACHE_HOME": str(folder / "cache"), **environment}
    return subprocess.Popen(
        [sys.executable, str(ROOT / "tests/conformance/same_bytes.py"), str(folder), str(models), prefix],
        cwd=cwd,
        env=given,
        umask=umask,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )


def ended(process: subprocess.Popen[str]) -> Digests:
    """The digests that a process tells."""
    out, err = process.communicate()
    assert process.returncode == 0, err
    found: Digests = json.loads(out.splitlines()[-1])
    assert set(VARIANTS) <= set(found)
    return found


def without_cpu_features() -> dict[str, str]:
    """NumPy's own loops for newer processors switched off, those that this one has, and another's kernels in its BLAS."""
    from numpy._core import _multiarray_umath as core

    features = [name for name in core.__cpu_dispatch__ if core.__cpu_features__.get(name)]
    other = {"OPENBLAS_CORETYPE": "Nehalem"} if platform.machine() in ("x86_64", "AMD64") else {}
    return {**other, **({"NPY_DISABLE_CPU_FEATURES": " ".join(features)} if features else {})}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Digests, Digests]:
    """What two processes build at once, in surroundings that differ in all that could matter.

    One as a person does it, models by name; the other on one processor, from a copy of the models by a path.
    """
    folder = tmp_path_factory.mktemp("a folder with spaces, ümläute")
    models = folder / "checkout" / "models"
    shutil.copytree(ROOT / "models", models, ignore=shutil.ignore_patterns("__pycache__"))
    here = started(
        folder / "here",
        ROOT / "models",
        "zoo:",
        folder,
        umask=0o022,
        PYTHONHASHSEED="0",
        LANG="C.UTF-8",
        TZ="UTC",
        OMP_NUM_THREADS="4",
    )
    elsewhere = started(
        folder / "elsewhere",
        models,
        f"..{os.sep}checkout{os.sep}models{os.sep}",
        models.parent,
        umask=0o077,
        SAME_BYTES_CPUS="1",
        PYTHONHASHSEED="4242",
        PYTHONUTF8="1",
        LANG="C",
        LC_ALL="C",
        TZ="Asia/Kathmandu",
        OMP_NUM_THREADS="1",
        OPENBLAS_NUM_THREADS="1",
        COLUMNS="40",
        NO_COLOR="1",
        **without_cpu_features(),
    )
    return ended(here), ended(elsewhere)


def test_two_processes_give_the_same_bytes(built: tuple[Digests, Digests]) -> None:
    here, elsewhere = built
    assert len(here) > 30
    assert [name for name in here if here[name] != elsewhere.get(name)] == []
    assert set(elsewhere) == set(here)
    assert len(set(here.values())) == len(here), "two cases give one file: is an option without effect?"


def test_the_bytes_are_those_that_were_written_down(
    built: tuple[Digests, Digests], request: pytest.FixtureRequest
) -> None:
    """Says when a change of the code changes files. Where that is meant: --rewrite-digests, and a word in CHANGELOG.md."""
    here, _ = built
    if request.config.getoption("--rewrite-digests"):
        DIGESTS.write_text(json.dumps(here, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    known = json.loads(DIGESTS.read_text(encoding="utf-8"))
    changed = sorted(name for name in {*known, *here} if known.get(name) != here.get(name))
    assert not changed, f"other bytes than before; where that is meant, add --rewrite-digests: {changed}"
