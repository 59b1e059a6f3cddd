"""Saving in stages: what is written, and that whatever goes wrong leaves the old model as it was."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import onnx
import pytest
import xxhash

import archonnx
from archonnx.compiler import layout, saving
from archonnx.compiler.sharding import saving as sharded
from archonnx.compiler.sharding.plan import plan_shards
from archonnx.compiler.sharding.saving import save_shards
from archonnx.contract import metadata
from archonnx.contract.diagnostics import ArchonnxError, UsageError
from archonnx.contract.shards import read_manifest

TEXT = "model Chain():\n    input x: float32[N, 16]\n" + "    Dense(16)\n" * 4 + "    output y\n"


def listing(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def process_that_is_gone() -> int:
    command = [sys.executable, "-c", "import os; print(os.getpid())"]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def result(path: Path) -> np.ndarray:
    with archonnx.load(path, "cpu") as session:
        found: np.ndarray = session(np.ones((1, 16), np.float32))
    return found


def test_stages_are_whole_models_beside_a_manifest(tmp_path: Path) -> None:
    target = tmp_path / "chain.shards.json"
    report = save_shards(archonnx.compile(text=TEXT), target, 2, seed=3)
    manifest = read_manifest(target)
    assert listing(tmp_path) == sorted(["chain.shards.json", *(shard.file for shard in manifest.stages)])
    assert [path.name for path in report.files] == [shard.file for shard in manifest.stages]
    assert report.nbytes == sum(path.stat().st_size for path in tmp_path.iterdir())
    assert manifest.metadata[metadata.WEIGHTS] == "initial"
    assert manifest.metadata[metadata.SEED] == "3"
    for number, shard in enumerate(manifest.stages, 1):
        data = (tmp_path / shard.file).read_bytes()
        assert xxhash.xxh3_128(data).hexdigest() == shard.digest
        assert shard.file == f"chain.{number}-of-2.{shard.digest[:16]}.onnx"
        assert len(data) == shard.nbytes
        model = onnx.load_from_string(data)
        onnx.checker.check_model(model, full_check=True)
        assert [value.name for value in model.graph.input] == list(shard.inputs)
        assert model.graph.input[0].type.tensor_type.shape.dim[0].dim_param == "N"


def test_the_same_build_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        save_shards(archonnx.compile(text=TEXT), tmp_path / name / "chain.shards.json", 3)
    first, second = ({p.name: p.read_bytes() for p in (tmp_path / name).iterdir()} for name in ("a", "b"))
    assert first == second


def test_a_new_build_takes_the_old_files_away(tmp_path: Path) -> None:
    target = tmp_path / "chain.shards.json"
    model = archonnx.compile(text=TEXT)
    (tmp_path / "chain.1-of-2.0123456789abcdef.onnx").write_bytes(b"somebody else's")
    save_shards(model, target, 2)
    before = set(listing(tmp_path))
    save_shards(model, target, 3, seed=5)
    manifest = read_manifest(target)
    assert set(listing(tmp_path)) == {
        "chain.shards.json",
        "chain.1-of-2.0123456789abcdef.onnx",
        *(shard.file for shard in manifest.stages),
    }
    save_shards(model, target, 2)
    assert set(listing(tmp_path)) == before


def test_weights_outside_the_model_come_with_each_stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layout, "SMALL", 64)
    target = tmp_path / "chain.shards.json"
    model = archonnx.compile(text=TEXT)
    save_shards(model, target, 2)
    whole = result(target)
    save_shards(model, target, 2, writing={"inline_limit": 100})
    data = [name for name in listing(tmp_path) if name.endswith(".data")]
    assert [name.rsplit(".", 2)[0] for name in data] == ["chain.1-of-2", "chain.2-of-2"]
    assert np.array_equal(result(target), whole)
    save_shards(model, target, 2)
    assert not [name for name in listing(tmp_path) if name.endswith(".data")]


def test_weights_that_are_given_go_to_their_stage(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    model = archonnx.compile(text=TEXT)
    model = model.with_weights({w.path: rng.normal(size=w.shape).astype("f") for w in model.graph.weights()})
    model.save(tmp_path / "chain.onnx")
    save_shards(model, tmp_path / "chain.shards.json", 4)
    assert np.array_equal(result(tmp_path / "chain.onnx"), result(tmp_path / "chain.shards.json"))
    assert read_manifest(tmp_path / "chain.shards.json").metadata[metadata.WEIGHTS] == "given"


def test_a_plan_of_one_s_own_is_followed(tmp_path: Path) -> None:
    model = archonnx.compile(text=TEXT)
    plan = plan_shards(model.graph, 4)
    save_shards(model, tmp_path / "chain.shards.json", plan)
    names = [shard.outputs for shard in read_manifest(tmp_path / "chain.shards.json").stages]
    assert names == [("dense",), ("dense_1",), ("dense_2",), ("y",)]


def test_a_compiled_model_plans_and_saves_its_stages(tmp_path: Path) -> None:
    model = archonnx.compile(text=TEXT)
    plan = model.plan_shards(2, memory=10**6, batch=5)
    assert str(plan).startswith("Chain on 2 devices of 1 MB, float32, N=5\n")
    report = model.save_shards(tmp_path / "chain.shards.json", plan, optimization=1, external_data="always")
    assert [stage.data is not None for stage in report.stages] == [True, True]
    assert result(report.path).shape == (1, 16)
    with pytest.raises(archonnx.ArchonnxError, match="does not fit on 2 devices"):
        model.plan_shards(2, memory=2000)


@pytest.mark.parametrize("name", ["chain.onnx", ".shards.json", "chain.json"])
def test_a_name_that_is_no_manifest_s_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"the manifest's name ends in .shards.json"):
        save_shards(archonnx.compile(text=TEXT), tmp_path / name, 2)
    assert not listing(tmp_path)


@pytest.mark.parametrize("at", ["second stage", "moving", "manifest"])
def test_a_failure_leaves_the_old_model(at: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "chain.shards.json"
    model = archonnx.compile(text=TEXT)
    save_shards(model, target, 2)
    before, y = {p.name: p.read_bytes() for p in tmp_path.iterdir()}, result(target)
    calls = []

    def failing(real: object, which: int) -> object:
        def wrapped(*args: object, **more: object) -> object:
            calls.append(args)
            if len(calls) == which:
                raise OSError(28, "No space left on device")
            return real(*args, **more)  # type: ignore[operator]

        return wrapped

    if at == "second stage":
        monkeypatch.setattr(saving.Saving, "run", failing(saving.Saving.run, 2))
    elif at == "moving":
        monkeypatch.setattr(sharded.os, "replace", failing(os.replace, 4))  # two stages were written, one moved
    else:
        monkeypatch.setattr(sharded.Manifest, "to_json", failing(sharded.Manifest.to_json, 1))
    with pytest.raises(ArchonnxError, match="No space left on device"):
        save_shards(model, target, 3, seed=9)
    monkeypatch.undo()
    assert calls
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before
    assert np.array_equal(result(target), y)


def test_what_builds_that_were_killed_left_is_swept_away(tmp_path: Path) -> None:
    stale = tmp_path / f".chain.{process_that_is_gone()}.0a0b0c0d.stages"
    living = tmp_path / f".chain.{os.getppid()}.0a0b0c0d.stages"
    other = tmp_path / ".other.1.0a0b0c0d.stages"
    for folder in (stale, living, other):
        folder.mkdir()
        (folder / "chain.1-of-2.onnx").write_bytes(b"half")
    save_shards(archonnx.compile(text=TEXT), tmp_path / "chain.shards.json", 2)
    assert [folder.exists() for folder in (stale, living, other)] == [False, True, True]


@pytest.mark.parametrize("held", ['["chain.1-of-2.', "", "{}", "[7]"])
def test_what_is_written_down_in_halves_takes_nothing_away(tmp_path: Path, held: str) -> None:
    target = tmp_path / "chain.shards.json"
    save_shards(archonnx.compile(text=TEXT), target, 2)
    before = listing(tmp_path)
    stale = tmp_path / f".chain.{process_that_is_gone()}.0a0b0c0d.stages"
    stale.mkdir()
    (stale / "moved.json").write_text(held)
    save_shards(archonnx.compile(text=TEXT), target, 2)
    assert listing(tmp_path) == before


def test_what_a_build_that_was_killed_has_moved_is_taken_away_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "chain.shards.json"
    save_shards(archonnx.compile(text=TEXT), target, 2)
    before = set(listing(tmp_path))
    stale = tmp_path / f".chain.{process_that_is_gone()}.0a0b0c0d.stages"
    stale.mkdir()
    moved = ["chain.1-of-2.0123456789abcdef.onnx", "chain.1-of-2.0123456789abcdef.data"]
    others = ["other.1-of-2.0123456789abcdef.onnx", "chain.2-of-2.0123456789abcdef.onnx", "notes.txt"]
    for name in (*moved, *others):
        (tmp_path / name).write_bytes(b"some bytes")
    current = [shard.file for shard in read_manifest(target).stages]
    (stale / "moved.json").write_text(json.dumps([*moved, *current, others[0], "notes.txt", "../chain.onnx"]))
    save_shards(archonnx.compile(text=TEXT), target, 2)
    assert set(listing(tmp_path)) == before | set(others)


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL")
def test_a_build_that_is_killed_at_any_moment_leaves_a_model_that_runs(tmp_path: Path) -> None:
    target = tmp_path / "chain.shards.json"
    save_shards(archonnx.compile(text=TEXT), target, 2)
    code = f"""
import sys
import archonnx
from archonnx.compiler.sharding.saving import save_shards
model = archonnx.compile(text={TEXT!r})
save_shards(model, {str(tmp_path / "warm.shards.json")!r}, 2)
print("go", flush=True)
for seed in range(1, 10**6):
    save_shards(model, {str(target)!r}, 2 + seed % 3, seed=seed)
"""
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    draw = random.Random(1)
    for _ in range(3):
        process = subprocess.Popen([sys.executable, "-c", code], env=env, stdout=subprocess.PIPE)
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(draw.uniform(0, 0.3))
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        assert np.isfinite(result(target)).all()
    save_shards(archonnx.compile(text=TEXT), target, 2)
    assert not [name for name in listing(tmp_path) if name.endswith(".stages") and name.startswith(".chain.")]


@pytest.mark.skipif(os.name != "posix", reason="locks of folders")
def test_builds_of_one_target_at_once_leave_one_of_them_whole(tmp_path: Path) -> None:
    """Two processes build the same names, in part the same stages, over and over; the last manifest has its stages."""
    target = tmp_path / "chain.shards.json"
    code = f"""
import sys
import archonnx
from archonnx.compiler.sharding.saving import save_shards
model = archonnx.compile(text={TEXT!r})
for number in range(12):
    save_shards(model, {str(target)!r}, 2 + (number + int(sys.argv[1])) % 2)
"""
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    processes = [subprocess.Popen([sys.executable, "-c", code, str(number)], env=env) for number in range(2)]
    assert [process.wait() for process in processes] == [0, 0]
    manifest = read_manifest(target)
    assert set(listing(tmp_path)) == {target.name, *(shard.file for shard in manifest.stages)}
    assert np.isfinite(result(target)).all()
