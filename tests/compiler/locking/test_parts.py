"""`save_shards(lock=)` and `save_all(lock=)`: what they report and refuse, and what failures on the way leave."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import archonnx
from archonnx.compiler import committing, saving
from archonnx.compiler.artifact import CompiledModel
from archonnx.compiler.locking import hold
from archonnx.compiler.locking.hold import Lock, LockError
from archonnx.compiler.sharding import saving as sharded
from archonnx.contract.diagnostics import ArchonnxError, UsageError

TEXT = """
block reader():
    input x: [N, 16]
    output y = x -> Dense(16, name="read")

model Both():
    input x: float32[N, 16]
    output z = x -> reader() -> Dense(16, name="write")

model Reader():
    input x: float32[N, 16]
    output y = x -> reader()
"""


def compiled(name: str, text: str = TEXT) -> CompiledModel:
    return archonnx.compile(text=text, model=name)


def stages(folder: Path, **options: Any) -> Lock | None:
    return compiled("Both").save_shards(folder / "m.shards.json", 2, lock=folder / "m.lock", **options).lock


def models(folder: Path, **options: Any) -> Lock | None:
    named = {folder / f"{name}.onnx": compiled(name) for name in ("Both", "Reader")}
    return archonnx.save_all(named, lock=folder / "m.lock", **options).lock


WAY = pytest.mark.parametrize("save", [stages, models])
Save = Callable[..., Lock | None]


def everything(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@WAY
def test_what_became_of_the_lock_is_reported(tmp_path: Path, save: Save) -> None:
    lock = tmp_path / "m.lock"
    assert save(tmp_path, update_lock=True) == Lock(lock, "written")
    assert save(tmp_path) == Lock(lock, "same")
    with pytest.raises(LockError, match="seed: expected 0, received 5") as error:
        save(tmp_path, seed=5)
    assert [(d.section, d.name, d.expected, d.received) for d in error.value.differences] == [("build", "seed", 0, 5)]
    assert save(tmp_path, seed=5, update_lock=True) == Lock(lock, "updated")
    assert compiled("Both").save_shards(tmp_path / "n.shards.json", 2).lock is None
    assert archonnx.save_all({tmp_path / "n.onnx": compiled("Both")}).lock is None


@WAY
@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"seed": 0.5}, "seed is a whole number"),
        ({"weights": "some"}, 'weights is "init" or "none"'),
        ({"external_data": "perhaps"}, 'external_data is "auto"'),
    ],
)
def test_what_is_no_choice_is_told_as_without_a_lock(
    tmp_path: Path, save: Save, wrong: dict[str, Any], said: str
) -> None:
    save(tmp_path)
    before = everything(tmp_path)
    with pytest.raises(UsageError, match=said):
        save(tmp_path, **wrong)
    assert everything(tmp_path) == before


@WAY
def test_a_lock_in_no_folder_is_told_before_anything_is_drawn(
    tmp_path: Path, save: Save, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(saving.Saving, "run", failing(saving.Saving.run, 1))
    model, lock = compiled("Both"), tmp_path / "nowhere" / "m.lock"
    with pytest.raises(LockError, match=r"m\.lock: there is no folder .*nowhere; make it first"):
        if save is stages:
            model.save_shards(tmp_path / "m.shards.json", 2, lock=lock)
        else:
            archonnx.save_all({tmp_path / "m.onnx": model}, lock=lock)


def test_a_lock_that_is_written_anew_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="update_lock belongs to lock"):
        compiled("Both").save_shards(tmp_path / "m.shards.json", 2, update_lock=True)
    with pytest.raises(UsageError, match="update_lock belongs to lock"):
        archonnx.save_all({tmp_path / "m.onnx": compiled("Both")}, update_lock=True)
    assert not everything(tmp_path)


@WAY
def test_what_is_no_file_is_held_against_nothing(tmp_path: Path, save: Save) -> None:
    for name in ("m.shards.json", "Reader.onnx"):
        os.mkfifo(tmp_path / name)
    with pytest.raises(UsageError, match="is no file whose bytes could be held"):
        save(tmp_path)
    assert not (tmp_path / "m.lock").exists()


def failing(real: Callable[..., Any], which: int) -> Callable[..., Any]:
    count = 0

    def call(*arguments: Any, **more: Any) -> Any:
        nonlocal count
        count += 1
        if count == which:
            raise OSError(28, "No space left on device")
        return real(*arguments, **more)

    return call


@pytest.mark.parametrize(
    ("save", "where", "name", "which"),
    [
        (stages, saving.Saving, "run", 2),  # the second stage
        (stages, sharded.os, "replace", 1),  # moving the first
        (stages, sharded.Manifest, "to_json", 2),  # the first is for the lock
        (models, saving.Saving, "_write_model", 2),
        (models, committing, "_place", 1),
        (models, committing, "sync_folder", 1),
        (stages, hold, "replacing", 1),  # the lock itself
        (models, hold, "replacing", 1),
    ],
)
def test_a_failure_in_the_middle_leaves_the_old_files_and_the_old_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, save: Save, where: Any, name: str, which: int
) -> None:
    save(tmp_path, external_data="always")
    before = everything(tmp_path)
    monkeypatch.setattr(where, name, failing(getattr(where, name), which))
    with pytest.raises(ArchonnxError, match="No space left on device"):
        save(tmp_path, external_data="always", seed=1, update_lock=True)
    monkeypatch.undo()
    assert everything(tmp_path) == before


def test_models_of_texts_of_one_name_and_arrays_are_told_apart(tmp_path: Path) -> None:
    other = compiled("Both", TEXT.replace("16", "8"))
    values = {path: value + number for number, (path, value) in enumerate(other.values().items())}
    named = {tmp_path / "a.onnx": compiled("Reader"), tmp_path / "b.onnx": other.with_weights(values)}
    archonnx.save_all(named, lock=tmp_path / "m.lock")
    held = tomllib.loads((tmp_path / "m.lock").read_text())
    assert set(held["sources"]) == {"text.arch", "text.arch (2)"}
    assert held["build"]["a.onnx: weights"] == "initial"
    assert held["build"]["b.onnx: weights"] == "given"
    assert held["build"]["seed"] == 0, "a.onnx is drawn"
    assert "data" not in held["build"], "nothing is shared"
    assert set(held["weights"]) == {"b.onnx: (arrays)"}
    values["write/bias"] += np.float32(1)
    with pytest.raises(LockError, match=r"weights: b\.onnx: \(arrays\): expected sha256:"):
        archonnx.save_all({**named, tmp_path / "b.onnx": other.with_weights(values)}, lock=tmp_path / "m.lock")


def test_a_file_of_weights_of_several_models_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from archonnx.compiler.locking import entries

    compiled("Reader").save_weights(tmp_path / "w.safetensors", seed=3)
    read: list[Path] = []
    digest = entries.file_digest

    def counted(path: Path) -> str:
        read.append(path)
        return digest(path)

    monkeypatch.setattr(entries, "file_digest", counted)
    reader = compiled("Reader").with_weights(tmp_path / "w.safetensors")
    again = compiled("Reader").with_weights(tmp_path / "w.safetensors")
    archonnx.save_all({tmp_path / "a.onnx": reader, tmp_path / "b.onnx": again}, lock=tmp_path / "m.lock")
    assert [path.name for path in read].count("w.safetensors") == 1


def test_stages_of_ten_and_more_stand_in_their_order(tmp_path: Path) -> None:
    text = "model Chain():\n    input x: float32[N, 4]\n" + "    Dense(4)\n" * 11 + "    output y\n"
    archonnx.compile(text=text).save_shards(tmp_path / "m.shards.json", 11, lock=tmp_path / "m.lock")
    held = tomllib.loads((tmp_path / "m.lock").read_text())
    assert list(held["stages"]) == [f"{number:02}" for number in range(1, 12)]
    assert held["stages"]["11"] == "dense_10"
    assert [name for name in held["result"] if name.endswith(": onnx")] == [
        f"stage {number:02}: onnx" for number in range(1, 12)
    ]
