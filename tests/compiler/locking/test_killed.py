"""Builds with a lock that are killed before each change of a folder, one after the other: no new model without its
lock, every model whole, and the next build leaves what one that was never killed does."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import onnx
import pytest
import xxhash

from archonnx.compiler import wire
from archonnx.contract import metadata
from archonnx.contract.shards import read_manifest

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals and forks of POSIX")

TEXT = """
block reader():
    input x: [N, 16]
    output y = x -> Dense(16, name="read")

model Both():
    input x: float32[N, 16]
    output z = x -> reader() -> Dense(16) -> Dense(16)

model Reader():
    input x: float32[N, 16]
    output y = x -> reader()
"""

# A process that has everything imported and forks a child for each build: in a copy of the folder `before`, killed
# before its change number 1, 2, ... of a folder, until one ends by itself. It prints how many those were.
SERVER = """
import os, shutil, signal, sys
import archonnx
text, way, before, root = sys.argv[1:]
both, reader = (archonnx.compile(text=text, model=name) for name in ("Both", "Reader"))

def build(folder, seed):
    lock = os.path.join(folder, "m.lock")
    more = {"seed": seed, "external_data": "always", "lock": lock, "update_lock": True}
    if way == "one":
        both.save(os.path.join(folder, "m.onnx"), **more)
    elif way == "stages":
        both.save_shards(os.path.join(folder, "m.shards.json"), 2, **more)
    else:
        archonnx.save_all({os.path.join(folder, f"{m.name}.onnx"): m for m in (both, reader)}, data="m", **more)

def killed_at(number):
    count = 0
    def counting(real):
        def call(*args, **more):
            nonlocal count
            count += 1
            if count == number:
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*args, **more)
        return call
    for name in ("replace", "rename", "link", "unlink", "mkdir", "rmdir"):
        setattr(os, name, counting(getattr(os, name)))

os.mkdir(before)
if root.endswith("old"):
    build(before, 0)
else:
    warm = os.path.join(root, "warm")
    os.mkdir(warm)
    build(warm, 0)
    shutil.rmtree(warm)
number, ended = 0, -signal.SIGKILL
while ended == -signal.SIGKILL:
    number += 1
    folder = os.path.join(root, f"{number}")
    shutil.copytree(before, folder)
    child = os.fork()
    if child == 0:
        try:
            killed_at(number)
            build(folder, 1)
        except BaseException as error:
            print(repr(error), file=sys.stderr, flush=True)
            os._exit(1)
        os._exit(0)
    ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
assert ended == 0, ended
for again in range(1, number):
    shutil.copytree(os.path.join(root, f"{again}"), os.path.join(root, f"{again}-again"))
    build(os.path.join(root, f"{again}-again"), 1)
print(number)
"""


def sha(path: Path) -> str:
    return "sha256:" + hashlib.sha256(path.read_bytes()).hexdigest()


def seed_of(model: Path) -> int:
    """The seed of a model that is whole: its data are there, and are those that their name says."""
    with open(model, "rb") as stream:
        names = {region.external.get("location", "") for region in wire.walk(stream).regions} - {""}
    for name in names:
        data = model.with_name(name).read_bytes()
        assert name.split(".")[-2] == xxhash.xxh3_128(data).hexdigest()[:16]
    said = {p.key: p.value for p in onnx.load(model, load_external_data=False).metadata_props}
    return int(said[metadata.SEED])


def models_of(folder: Path, way: str) -> dict[str, int]:
    """The models that are in place, with what each was drawn from, and the file that the lock's result calls so."""
    if way != "stages":
        return {path.name: seed_of(path) for path in folder.glob("*.onnx")}
    target = folder / "m.shards.json"
    if not target.exists():
        return {}
    manifest = read_manifest(target)
    for shard in manifest.stages:
        assert xxhash.xxh3_128((folder / shard.file).read_bytes()).hexdigest() == shard.digest
        assert seed_of(folder / shard.file) == int(manifest.metadata[metadata.SEED])
    return {target.name: int(manifest.metadata[metadata.SEED])}


def entry_of(name: str, way: str) -> str:
    return {"one": "onnx", "stages": "manifest", "models": f"{name}: onnx"}[way]


@pytest.mark.parametrize("before", ["old", "nothing"])
@pytest.mark.parametrize("way", ["one", "stages", "models"])
def test_at_no_moment_is_a_model_in_place_that_its_lock_does_not_know(tmp_path: Path, way: str, before: str) -> None:
    root = tmp_path / before
    root.mkdir()
    command = [sys.executable, "-c", SERVER, TEXT, way, str(tmp_path / "before"), str(root)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    last = int(done.stdout)
    whole = sorted(path.name for path in (root / f"{last}").iterdir())
    seen = set()
    for number in range(1, last + 1):
        folder = root / f"{number}"
        found = models_of(folder, way)
        lock = tomllib.loads((folder / "m.lock").read_text()) if (folder / "m.lock").exists() else None
        seed = lock["build"]["seed"] if lock is not None else None
        seen.add((seed, tuple(sorted(found.values()))))
        for name, drawn in found.items():
            assert seed == 1 or drawn == 0, f"{name} is new after change {number - 1}, and its lock is not"
            if lock is not None and drawn == seed:
                assert lock["result"][entry_of(name, way)] == sha(folder / name)
        if number < last:
            assert sorted(path.name for path in (root / f"{number}-again").iterdir()) == whole
    count = 2 if way == "models" else 1
    old = (0, (0,) * count) if before == "old" else (None, ())
    assert {old, (1, (1,) * count)} < seen, "the lock is new before the last model is"
    assert last > 3
