"""What a system refuses: full disks, folders that may not be written, and files of weights that change meanwhile."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import archonnx
from archonnx.cli import main
from archonnx.compiler.streaming import SaveError
from archonnx.compiler.weights.files.base import TensorFileError
from archonnx.contract.diagnostics import MachineError, UsageError

TEXT = """
model Wide(units = 300):
    input x: float32[N, units]
    output y = x -> Dense(units) -> Dense(units)
"""


def listing(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 1 MiB; skipped where none may be mounted."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    try:
        done = subprocess.run(mount, capture_output=True, check=False).returncode == 0
    except OSError:
        done = False
    if not done:
        pytest.skip("no disk may be mounted here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("external", ["always", "never"])
def test_a_disk_that_fills_up_meanwhile_is_one_line(disk: Path, external: Any) -> None:
    model = archonnx.compile(text=TEXT)
    target = disk / "m.onnx"
    archonnx.compile(text=TEXT, units=20).save(target, external_data="always")
    before = listing(disk)

    def fill(done: int, total: int) -> None:
        (disk / "other").write_bytes(bytes(600_000))  # somebody else, once the save has begun

    with pytest.raises(MachineError) as caught:
        model.save(target, external_data=external, progress=fill)
    text = rf"cannot write {target}: No space left on device; the weights take 72[\d],\d\d\d bytes"
    assert re.fullmatch(text, str(caught.value))
    (disk / "other").unlink()
    assert listing(disk) == before
    model.save(target, external_data=external)
    assert archonnx.load(target)(np.ones((1, 300), np.float32)).shape == (1, 300)


def test_a_disk_that_is_too_small_is_told_before(disk: Path) -> None:
    with pytest.raises(MachineError, match=r"the weights take [\d,]+ bytes, and [\d,]+ are free on that disk"):
        archonnx.compile(text=TEXT, units=900).save(disk / "m.onnx")
    assert listing(disk) == {}


LIMITED = """
import resource, sys
import archonnx
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
try:
    archonnx.compile(text=sys.argv[1]).save(sys.argv[2], seed=1, external_data=sys.argv[3])
except archonnx.MachineError as error:
    print(error)
"""


@pytest.mark.parametrize("external", ["always", "never"])
def test_so_is_a_limit_on_the_size_of_files(tmp_path: Path, external: str) -> None:
    target = tmp_path / "m.onnx"
    archonnx.compile(text=TEXT, units=20).save(target, external_data="always")
    before = listing(tmp_path)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", LIMITED, TEXT, str(target), external]
    run = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert re.fullmatch(rf"cannot write {target}: File too large; the weights take 72\d,\d\d\d bytes\n", run.stdout)
    assert listing(tmp_path) == before


NOBODY = """
import os, sys
import archonnx, onnx, numpy
from archonnx.compiler import saving, gate, writer, streaming, together, bare
model = archonnx.compile(text=sys.argv[1])
model.save(os.devnull)
if os.geteuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
for external in ("always", "never"):
    try:
        model.save(sys.argv[2], seed=1, external_data=external)
    except archonnx.ArchonnxError as error:
        print(error)
"""


def test_a_folder_that_may_not_be_written_is_one_line() -> None:
    with tempfile.TemporaryDirectory() as name:  # below /tmp itself: pytest's own folders are closed to others
        folder = Path(name)
        target = folder / "m.onnx"
        archonnx.compile(text=TEXT, units=20).save(target, external_data="always")
        before = listing(folder)
        target.chmod(0o666)
        folder.chmod(0o555)
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        run = subprocess.run(
            [sys.executable, "-c", NOBODY, TEXT, str(target)], capture_output=True, text=True, env=environment
        )
        folder.chmod(0o755)
        assert run.stdout.splitlines() == [f"cannot write {target}: Permission denied"] * 2, run.stderr
        assert listing(folder) == before


def _cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def _written_to(path: Path) -> None:
    status = path.stat()
    with open(path, "r+b") as stream:
        stream.seek(-4, os.SEEK_END)
        stream.write(b"\0\0\0\0")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 1))  # however coarse the clock of the disk is


def _replaced(path: Path) -> None:
    other = path.with_name("new")
    other.write_bytes(path.read_bytes())
    os.replace(other, path)


def _gone(path: Path) -> None:
    path.unlink()


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (_cut, "it is cut short|was written to while it was read"),
        (_written_to, "it was written to while it was read; run this again when it is complete"),
        (_replaced, "it was replaced while it was read"),
        (_gone, "it is gone while it was read"),
    ],
)
@pytest.mark.parametrize("name", ["w.safetensors", "w.npz", "w.pth", "w.onnx", "w.safetensors.index.json"])
@pytest.mark.parametrize("external", ["always", "never"])
def test_weights_that_change_while_they_are_read_are_never_a_file(
    tmp_path: Path, name: str, change: Any, what: str, external: Any
) -> None:
    source, out = tmp_path / name, tmp_path / "out"
    out.mkdir()
    plain = archonnx.compile(text=TEXT)
    plain.save_weights(source, seed=4, layout="none")
    model = plain.with_weights(source)
    plain.save(out / "m.onnx", seed=0, external_data="always")
    before = listing(out)
    changed = False

    def meanwhile(done: int, total: int) -> None:
        nonlocal changed
        if not changed and done > total // 2:
            changed = True
            read = source if name != "w.safetensors.index.json" else next(tmp_path.glob("*-of-*"))
            change(read)

    with pytest.raises(TensorFileError, match=what):
        model.save(out / "m.onnx", external_data=external, progress=meanwhile)
    assert changed
    assert listing(out) == before


@pytest.mark.parametrize("name", ["w.safetensors", "w.pth", "w.onnx"])
def test_nor_are_they_converted_or_exported(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    model = archonnx.compile(text=TEXT)
    model.save_weights(name, seed=4, layout="none")
    (tmp_path / "out.npz").write_bytes(b"old")
    (tmp_path / "wide.arch").write_text(TEXT)

    class Changing:
        """Progress that changes the file while it is read."""

        def __init__(self, *_: Any) -> None:
            pass

        def __enter__(self) -> Any:
            return self

        def __exit__(self, *_: Any) -> None:
            pass

        def __call__(self, done: int, total: int) -> None:
            _written_to(tmp_path / name)

    for command in (["convert", name, "out.npz"], ["export", "wide.arch", "out.npz", "--weights", name]):
        monkeypatch.setattr("archonnx.cli.weights.Steps", Changing)
        monkeypatch.setattr("archonnx.cli.weights_export.Steps", Changing)
        assert main(["weights", *command]) == 1
        assert (tmp_path / "out.npz").read_bytes() == b"old"


def test_weights_inside_past_what_onnx_holds_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    large = archonnx.compile(text=TEXT, units=20_000)
    with pytest.raises(UsageError) as caught:
        large.save(tmp_path / "m.onnx", external_data="never")
    text = str(caught.value)
    assert "it has 3,200,16" in text
    assert "a file of ONNX at most 2,147,483,647" in text
    assert "--external-data auto" in text
    with pytest.raises(UsageError, match="leave 'never' out"):
        large.save(tmp_path / "m.onnx", external_data="never", weights="none")
    with pytest.raises(UsageError, match='external_data is "auto", "always" or "never", got'):
        large.save(tmp_path / "m.onnx", external_data="sometimes")  # type: ignore[arg-type]
    assert listing(tmp_path) == {}


def test_data_with_the_right_name_and_wrong_bytes_is_mended(tmp_path: Path) -> None:
    model = archonnx.compile(text=TEXT)
    data = model.save(tmp_path / "m.onnx", external_data="always").data
    assert data is not None
    right, number = data.read_bytes(), data.stat().st_ino
    model.save(tmp_path / "m.onnx", external_data="always")
    assert data.stat().st_ino == number  # it is there already
    data.write_bytes(bytes(len(right)))
    model.save(tmp_path / "m.onnx", external_data="always")
    assert data.read_bytes() == right
    assert len(listing(tmp_path)) == 2


def test_a_model_that_cannot_be_put_in_place_takes_its_new_data_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = archonnx.compile(text=TEXT)
    model.save(tmp_path / "m.onnx", external_data="always", seed=0)
    before = listing(tmp_path)

    def fail(*_: Any) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("archonnx.contract.drafts.os.replace", fail)
    with pytest.raises(SaveError, match="Input/output error"):
        model.save(tmp_path / "m.onnx", external_data="always", seed=1)
    assert listing(tmp_path) == before
