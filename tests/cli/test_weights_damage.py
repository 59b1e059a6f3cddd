"""Files that lie, are cut short, want to run code or are larger than memory, through the command line.

Whatever a file holds, a command ends with its tensors or with one line and exit code 1, and nothing is written then.
"""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from archonnx.cli import main
from archonnx.compiler.weights.files.base import Entry, Format, Tensor
from archonnx.compiler.weights.files.formats import formats, write_tensors

Output = pytest.CaptureFixture[str]
ARRAYS = {
    "a/w": np.arange(12, dtype=np.float32).reshape(3, 4),
    "a/b": np.arange(5, dtype=np.float16),
    "m/k": np.arange(8, dtype=np.int8).reshape(2, 2, 2),
    "none": np.zeros((0, 2), np.float32),
}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "m.arch").write_text("model M():\n    input x: float32[N, 4]\n    Dense(3)\n    output y\n")
    return tmp_path


def tensors(arrays: dict[str, Any]) -> dict[str, Tensor]:
    return {name: Tensor(Entry(a.dtype.name, a.shape), lambda a=a: iter([a.reshape(-1)])) for name, a in arrays.items()}


def refused(path: str, said: str, capsys: Output) -> None:
    """Every command that reads the file says the same one line, and writes nothing."""
    before = sorted(Path().iterdir())
    for command in (
        ["weights", "list", path],
        ["weights", "convert", path, "out.safetensors"],
        ["weights", "diff", path, path],
        ["build", "m.arch", "--weights", path, "-o", "out.onnx"],
    ):
        assert main(command) == 1, command
        captured = capsys.readouterr()
        assert captured.err.startswith(f"error: {path}: "), captured.err
        assert said in captured.err
        assert captured.err.count("\n") == 1
        assert captured.out == ""
    assert sorted(Path().iterdir()) == before


class Evil:
    """Pickled, it asks for a command to be run by whoever loads it."""

    def __init__(self, how: str) -> None:
        self.how = how

    def __reduce__(self) -> tuple[Any, ...]:
        if self.how == "system":
            return os.system, ("touch ran",)
        if self.how == "eval":
            return eval, ("open('ran', 'w')",)
        return subprocess.Popen, (["touch", "ran"],)


@pytest.mark.parametrize("how", ["system", "eval", "Popen"])
@pytest.mark.parametrize("kind", ["zip", "legacy", "plain"])
def test_a_pickle_that_wants_to_run_code(kind: str, how: str, capsys: Output) -> None:
    value = {"w": Evil(how)}
    if kind == "zip":
        with zipfile.ZipFile("evil.pth", "w") as archive:
            archive.writestr("archive/data.pkl", pickle.dumps(value, 2))
            archive.writestr("archive/version", "3\n")
    elif kind == "legacy":
        torch = pytest.importorskip("torch", reason="it writes the old format")
        torch.save(value, "evil.pth", _use_new_zipfile_serialization=False)
    else:
        Path("evil.pth").write_bytes(pickle.dumps(value))
    refused("evil.pth", "" if kind == "plain" else "which no state dictionary needs; nothing of it was run", capsys)
    assert not Path("ran").exists()


def test_an_npz_of_pickled_objects(capsys: Output) -> None:
    np.savez("evil.npz", w=np.array([Evil("system")], object))
    refused("evil.npz", "they are a pickle, which is never run", capsys)
    assert not Path("ran").exists()


HONEST = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ({"w": {**HONEST, "data_offsets": [0, 1 << 40]}}, "its header lies about its offsets"),
        ({"w": {**HONEST, "data_offsets": [8, 0]}}, "which are none"),
        ({"w": {**HONEST, "data_offsets": [-8, 0]}}, "which are none"),
        ({"w": {**HONEST, "data_offsets": [4, 12]}}, "its header lies about its offsets"),
        ({"w": HONEST, "v": HONEST}, "overlaps the one before"),
        ({"w": {**HONEST, "shape": [3]}}, "takes 12 bytes, its offsets span 8"),
        (
            {"w": {**HONEST, "shape": [1 << 40], "data_offsets": [0, 1 << 42]}},
            "its header speaks of 4398046511104 bytes",
        ),
        ({"w": {**HONEST, "shape": [1 << 40, 1 << 40]}}, "which is none"),
        ({"w": {**HONEST, "dtype": "PICKLE"}}, "is of the type 'PICKLE'"),
    ],
)
def test_safetensors_that_lie(header: Any, said: str, capsys: Output) -> None:
    text = json.dumps(header).encode()
    Path("lies.safetensors").write_bytes(len(text).to_bytes(8, "little") + text + bytes(8))
    refused("lies.safetensors", said, capsys)


@pytest.mark.parametrize("suffix", [".pth", ".safetensors", ".npz", ".onnx", ".gguf", ".h5"])
def test_files_that_are_cut_short(suffix: str, capsys: Output) -> None:
    if suffix == ".h5":
        pytest.importorskip("h5py", reason="Keras' files are HDF5")
    write_tensors(Path(f"a{suffix}"), tensors(ARRAYS))
    data = Path(f"a{suffix}").read_bytes()
    for length in (len(data) - 1, len(data) * 3 // 4, len(data) // 2, 100, 9):
        Path(f"cut{suffix}").write_bytes(data[:length])
        refused(f"cut{suffix}", "", capsys)


@pytest.mark.parametrize("data", [b"no HDF5 at all", b"\x89HDF\r\n\x1a\n" + bytes(200)])
@pytest.mark.parametrize("name", ["a.h5", "a.weights.h5", "a.keras"])
def test_files_of_keras_that_are_none(name: str, data: bytes, capsys: Output) -> None:
    pytest.importorskip("h5py", reason="Keras' files are HDF5")
    Path(name).write_bytes(data)
    refused(name, "it is no HDF5 file that can be read", capsys)


def test_a_pickle_whose_tensors_cannot_be_read_in_slices_says_so(capsys: Output) -> None:
    torch = pytest.importorskip("torch", reason="it pickles its tensors")
    Path("a.pth").write_bytes(pickle.dumps({"w": torch.zeros(3)}))
    refused("a.pth", "so its tensors cannot be read slice by slice; load it and write it by torch.save", capsys)


def written(form: Format, path: Path) -> Path:
    """A file of a format that may be damaged."""
    if form.name == "torch-legacy":
        torch = pytest.importorskip("torch", reason="it writes the old format")
        state = {name: torch.from_numpy(array.copy()) for name, array in ARRAYS.items()}
        torch.save(state, path, _use_new_zipfile_serialization=False)
    else:
        write_tensors(path, tensors(ARRAYS), {"by": "me"})
    return path


def endings(paths: list[list[str]], capsys: Any) -> None:
    """Each command lists or converts, or says one line; never is it a defect."""
    for argv in paths:
        code = main(["weights", *argv])
        captured = capsys.readouterr()
        lines = [line for line in captured.err.splitlines() if not line.startswith("warning: ")]
        assert code in (0, 1), captured.err
        assert len(lines) == (0 if code == 0 and argv[0] != "convert" else 1), captured.err
        assert Path("out.safetensors").exists() == (code == 0 and argv[0] == "convert")
    Path("out.safetensors").unlink(missing_ok=True)


@pytest.mark.parametrize("name", [name for name in formats() if not name.startswith("keras")])
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(1, 255)), min_size=1, max_size=3))
def test_flipped_bytes_give_tensors_or_one_line(
    name: str, changes: list[tuple[float, int]], folder: Path, capsys: Output
) -> None:
    form = formats()[name]
    path = folder / f"a{form.suffixes[0]}"
    written(form, path)
    files = sorted(folder.glob("a*")) if form.pieces else [path]
    victim = files[int(changes[0][0] * 97) % len(files)]
    data = bytearray(victim.read_bytes())
    for place, flip in changes:
        data[int(place * len(data))] ^= flip
    victim.write_bytes(data)
    endings([["list", path.name], ["convert", path.name, "out.safetensors"]], capsys)


FLIPPED = """
import random, sys
from pathlib import Path
from archonnx.cli import main

for seed in range(8):
    random.seed(seed)
    data = bytearray(Path("a.h5").read_bytes())
    for _ in range(3):
        data[random.randrange(len(data))] ^= random.randrange(1, 256)
    Path("b.h5").write_bytes(data)
    code = main(["weights", "convert", "b.h5", "out.npz"])
    assert code in (0, 1), code
    assert Path("out.npz").exists() == (code == 0)
    Path("out.npz").unlink(missing_ok=True)
"""


def test_flipped_bytes_of_hdf5_give_tensors_or_one_line() -> None:
    pytest.importorskip("h5py", reason="Keras' files are HDF5")
    write_tensors(Path("a.h5"), tensors(ARRAYS))
    done = subprocess.run(
        [sys.executable, "-c", FLIPPED], capture_output=True, text=True, timeout=120, env=environment()
    )
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stderr.splitlines() if not line.startswith("warning: ")]
    assert len(lines) == 8, done.stderr


LIMITED = """
import resource, sys
from pathlib import Path
import numpy as np
from archonnx.cli import main

np.savez("small.npz", w=np.zeros(3, np.float32))
small = ["a.safetensors", "a.npz", "a.onnx", "a.gguf", "a.pth"]
for name in small:  # what is imported is imported
    assert main(["weights", "convert", "small.npz", name]) == 0
assert main(["weights", "diff", *small[:2]]) == 0
size = int(next(line for line in open("/proc/self/status") if line.startswith("VmSize")).split()[1]) << 10
resource.setrlimit(resource.RLIMIT_AS, (size + ROOM, size + ROOM))
assert main(["weights", "convert", "large.safetensors", "b.pth"]) == 0
assert main(["weights", "convert", "b.pth", "b.onnx"]) == 0
assert main(["weights", "convert", "b.onnx", "b.npz", "--dtype", "float16"]) == 0
assert main(["weights", "diff", "large.safetensors", "b.npz", "--tolerance", "0"]) == 0
assert main(["weights", "convert", "b.npz", "b.gguf"]) == 0
np.empty(FILE, np.uint8)
"""


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OPENBLAS_NUM_THREADS": "1"}


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the limit on memory is Linux'")
def test_files_larger_than_memory_are_converted_and_compared() -> None:
    count = 80_000_000  # of float32: 320 MB, of which the disk holds nothing
    text = json.dumps({"w": {"dtype": "F32", "shape": [count // 1000, 1000], "data_offsets": [0, 4 * count]}}).encode()
    with open("large.safetensors", "wb") as stream:
        stream.write(len(text).to_bytes(8, "little") + text)
        stream.truncate(8 + len(text) + 4 * count)
    code = f"ROOM, FILE = {200 << 20}, {4 * count}\n" + LIMITED
    # glibc keeps room for each thread that has ever been, which counts here and is no memory.
    with_one = {**environment(), "MALLOC_ARENA_MAX": "1"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=280, env=with_one)
    # The last line shows that the file as a whole would not fit.
    assert "Unable to allocate 305. MiB" in done.stderr, done.stderr
    assert "assert main" not in done.stderr, done.stderr
