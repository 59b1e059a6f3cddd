"""Model files that change, or go, while a session runs, and a GPU that is lost."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper, numpy_helper

import archonnx
from archonnx.contract.diagnostics import MachineError
from archonnx.runtime import engine, guarding
from archonnx.runtime.caching import graphs
from archonnx.runtime.devices import CPU, CUDA, Choice
from archonnx.runtime.errors import RunError
from archonnx.runtime.guarding import Guarded, Watch, lost_device
from archonnx.runtime.modelfile import ModelFile, read_model
from archonnx.runtime.settings import Settings

Make = Callable[..., onnx.ModelProto]
X = np.ones((1, 64), np.float32)


@pytest.fixture
def outside(make: Make, tmp_path: Path) -> Path:
    """A model whose weights lie in m.data, and are used where they lie."""
    weights = numpy_helper.from_array(np.ones(64, np.float32), "w")
    nodes = [helper.make_node("Mul", ["x", "w"], ["y"], name="net/mul")]
    model = make({"x": ("float32", ["N", 64])}, nodes, None, [weights])
    onnx.save_model(model, tmp_path / "m.onnx", save_as_external_data=True, location="m.data", size_threshold=0)
    return tmp_path


def rewrite(path: Path, value: int = 0) -> None:
    """Other bytes in the same file, some time after it was written."""
    time.sleep(0.01)  # past the tick of the file system's clock
    with open(path, "r+b") as stream:
        stream.write(bytes([value]) * path.stat().st_size)


def test_onnxruntime_itself_gives_what_is_in_the_file_now(outside: Path) -> None:
    """Why this is watched: once it maps no more, the watch can go."""
    session = onnxruntime.InferenceSession(outside / "m.onnx", providers=["CPUExecutionProvider"])
    assert session.run(None, {"x": X})[0].sum() == 64
    rewrite(outside / "m.data")
    assert session.run(None, {"x": X})[0].sum() == 0


@pytest.mark.parametrize("way", ["call", "out", "bound", "bare"])
def test_weights_that_were_written_to_are_an_error_and_no_number(outside: Path, way: str) -> None:
    session = archonnx.load(outside / "m.onnx", "cpu")
    runner = session._engine
    assert runner is not None
    bound, bare, out = session.bind(X), runner.bare({"x": X}), np.empty((1, 64), np.float32)
    assert bare is not None
    ways: dict[str, Callable[[], Any]] = {
        "call": lambda: session(X),
        "out": lambda: session(X, out=out),
        "bound": bound,
        "bare": bare,
    }
    ways[way]()
    rewrite(outside / "m.data")
    with pytest.raises(RunError, match=r"its weights in .*m\.data were written to after it was loaded: load it again"):
        ways[way]()
    assert archonnx.load(outside / "m.onnx", "cpu")(X).sum() == 0


@pytest.mark.parametrize("few", [True, False])
def test_weights_that_were_cut_short_are_an_error_and_no_crash(
    outside: Path, few: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guarding, "_OPEN", 16 if few else 0)
    session = archonnx.load(outside / "m.onnx", "cpu")
    time.sleep(0.01)
    os.truncate(outside / "m.data", 0)
    with pytest.raises(RunError, match="were written to"):
        session(X)


@pytest.mark.parametrize("few", [True, False])
@pytest.mark.parametrize("how", ["deleted", "replaced"])
def test_files_that_go_while_a_session_runs_are_used_on(
    outside: Path, how: str, few: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guarding, "_OPEN", 16 if few else 0)
    session = archonnx.load(outside / "m.onnx", "cpu")
    for name in ("m.onnx", "m.data"):
        if how == "deleted":
            (outside / name).unlink()
        else:
            (outside / "new").write_bytes(bytes((outside / name).stat().st_size))
            os.replace(outside / "new", outside / name)
    assert session(X).sum() == 64


def test_a_file_with_its_weights_inside_may_be_rewritten(make: Make, tmp_path: Path) -> None:
    weights = numpy_helper.from_array(np.ones(200_000, np.float32), "w")
    node = helper.make_node("Mul", ["x", "w"], ["y"], name="net/mul")
    onnx.save(make({"x": ("float32", [1])}, [node], None, [weights]), tmp_path / "m.onnx")
    session = archonnx.load(tmp_path / "m.onnx", "cpu")
    rewrite(tmp_path / "m.onnx")
    assert session(np.ones(1, np.float32)).sum() == 200_000
    os.truncate(tmp_path / "m.onnx", 0)
    assert session(np.ones(1, np.float32)).sum() == 200_000


def test_a_model_from_the_cache_does_not_hang_on_its_own_files(outside: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graphs, "_SMALL", 0)
    monkeypatch.setattr(graphs, "_OUTSIDE", 0)
    session = archonnx.load(outside / "m.onnx", "cpu", cache=outside / "cache")
    rewrite(outside / "m.data")
    assert session(X).sum() == 64


def test_what_is_written_during_a_run_is_an_error(outside: Path) -> None:
    class Session:
        def run(self, *args: Any) -> list[Any]:
            rewrite(outside / "m.data")
            return [1]

    guarded = Guarded(Session(), Watch([outside / "m.data"]))
    with pytest.raises(RuntimeError, match="were written to"):
        guarded.run(None, {})


LOST = "CUDA failure 719: unspecified launch failure ; GPU=0 ; hostname=h ; file=/x/cuda_call.cc ; line=1 ; expr=e;"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (LOST, "CUDA error 719: unspecified launch failure"),
        ("x.cc:129 CudaCall CUDA failure 700: an illegal memory access was encountered ; GPU=0 ;", "CUDA error 700: "),
        ("CUDA failure 214: uncorrectable ECC error encountered ; GPU=0", "CUDA error 214: "),
        ("CUDA error 999: unknown error", "CUDA error 999: unknown error"),
        ("CUDA failure 2: out of memory ; GPU=0 ;", None),
        ("CUDNN failure 3000: CUDNN_STATUS_NOT_SUPPORTED ; GPU=0", None),
        ("Non-zero status code returned while running Reshape node", None),
    ],
)
def test_errors_that_mean_a_lost_gpu(text: str, found: str | None) -> None:
    said = lost_device(text)
    assert said is None if found is None else said is not None and said.startswith(found)


def test_a_lost_gpu_is_the_machines_fault_and_the_session_runs_no_more(
    outside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No GPU was there to be lost: onnxruntime's session is one that says what it says of one."""
    runs = []
    true = onnxruntime.InferenceSession

    class Session:
        def __init__(self, source: Any, options: Any, **more: Any) -> None:
            self.inner = true(source, options, providers=["CPUExecutionProvider"])

        def get_providers(self) -> list[str]:
            return [CUDA.name, CPU.name]

        def get_provider_graph_assignment_info(self) -> list[Any]:
            return []

        def run(self, *args: Any) -> Any:
            runs.append(1)
            if len(runs) > 1:
                raise RuntimeError(f"Non-zero status code. Name:'net/mul' Status Message: {LOST}")
            return self.inner.run(*args)

        def __getattr__(self, name: str) -> Any:
            return getattr(self.inner, name)

    monkeypatch.setattr(onnxruntime, "InferenceSession", Session)
    path = str(outside / "m.onnx")
    asked = Settings("cuda", graphs=False)
    started: Any = engine.start(path, read_model(path), Choice("cuda", (CUDA, CPU), "asked for"), asked)
    assert started.run({"x": X})[0].sum() == 64
    for _ in range(2):
        with pytest.raises(
            MachineError, match=r"the GPU was lost while the model ran \(CUDA error 719: .*start it again"
        ):
            started.run({"x": X})
    assert len(runs) == 2  # the third never reached it


def test_two_threads_may_run_a_guarded_session(outside: Path) -> None:
    session = archonnx.load(outside / "m.onnx", "cpu")
    found: list[float] = []
    threads = [threading.Thread(target=lambda: found.extend(float(session(X).sum()) for _ in range(50))) for _ in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [64.0] * 100


def test_models_without_other_files_are_not_watched(make: Make, load: Callable[..., Any]) -> None:
    session = load(make({"x": ("float32", [1])}, "Relu"), threads=1)
    assert isinstance(session._engine._session, onnxruntime.InferenceSession)
    assert ModelFile("m").external == {}


def test_files_are_closed_with_their_watch(outside: Path) -> None:
    def count() -> int:
        return len(os.listdir("/proc/self/fd"))

    if not os.path.isdir("/proc/self/fd"):
        pytest.skip("this system does not tell which files are open")
    before = count()
    watch = Watch([outside / "m.data"])
    assert count() == before + 1
    del watch
    assert count() == before
