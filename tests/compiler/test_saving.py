"""Saving: what is in the file, that tools read it, and that whatever goes wrong leaves things as they were."""

from __future__ import annotations

import hashlib
import os
import runpy
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import xxhash

from archonnx.compiler import streaming
from archonnx.compiler.graph import TensorType
from archonnx.compiler.ir import OperatorGraph
from archonnx.compiler.saving import save
from archonnx.compiler.sink import Sink
from archonnx.compiler.streaming import SaveError
from archonnx.contract import metadata
from archonnx.contract.diagnostics import CompileError, MachineError

HELPERS = Path(__file__).with_name("operator_graphs.py")
graphs = SimpleNamespace(**runpy.run_path(str(HELPERS)))

# SHA-256 of the file of operator_graphs.dense() with seed 3, version string taken out.
GOLDEN = "ff9cc64dc433f1a6cd0e00c3a6a033784d51114ce61c35ea6215557e081121b2"


# What scripts run in other processes begin with.
START = f"""
import os, resource, runpy, signal, sys
from archonnx.compiler.saving import save
from archonnx.contract.diagnostics import MachineError
graphs = runpy.run_path({str(HELPERS)!r})
"""


def in_another_process(code: str, path: Path, **env: str) -> subprocess.CompletedProcess[str]:
    paths = {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", code, str(path)]
    return subprocess.run(command, env={**os.environ, **paths, **env}, capture_output=True, text=True)


def run(path: Path, **inputs: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, inputs)[0])


def props(model: onnx.ModelProto) -> dict[str, str]:
    return {p.key: p.value for p in model.metadata_props}


def listing(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


def test_a_saved_model_runs_with_the_weights_that_were_drawn(tmp_path: Path) -> None:
    path = tmp_path / "dense.onnx"
    report = save(graphs.dense(), path, seed=3)
    model = onnx.load(path)
    kernel, bias = (onnx.numpy_helper.to_array(i) for i in model.graph.initializer)
    x = np.linspace(-1, 1, 6, dtype=np.float32).reshape(2, 3)
    assert np.allclose(run(path, x=x), np.maximum(x @ kernel + bias, 0), atol=1e-6)
    assert report.nbytes == path.stat().st_size
    assert report.digest == xxhash.xxh3_128_hexdigest(path.read_bytes())
    assert (report.path, report.data, report.initializers, report.unknown) == (path, None, 2, 0)


def test_a_transposed_kernel_is_written_as_onnx_wants_it(tmp_path: Path) -> None:
    path = tmp_path / "c.onnx"
    graph = graphs.convolution()
    save(graph, path, seed=0)
    kernel = onnx.numpy_helper.to_array(onnx.load(path).graph.initializer[0])
    from archonnx.compiler.recipes import Evaluation

    original = graphs.draw("conv2d/kernel", (3, 3, 3, 8), "he_normal").whole(Evaluation(0))
    assert np.array_equal(kernel, original.transpose(3, 2, 0, 1))
    assert run(path, image=np.ones((2, 6, 6, 3), np.float32)).shape == (2, 288)


def test_the_file_is_what_protobuf_itself_would_write(tmp_path: Path) -> None:
    for make in (graphs.dense, graphs.convolution):
        path = tmp_path / "m.onnx"
        save(make(), path, seed=0)
        model = onnx.load(path)
        assert model.SerializeToString(deterministic=True) == path.read_bytes()
        onnx.checker.check_model(model, full_check=True)


def test_names_types_and_metadata_are_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    save(graphs.dense(), path, seed=3)
    model = onnx.load(path)
    assert model.producer_name == "archonnx"
    assert model.doc_string == "One layer."
    assert [(o.domain, o.version) for o in model.opset_import] == [("", 21)]
    assert model.ir_version == 10
    assert model.graph.name == "Dense"
    assert [i.name for i in model.graph.initializer] == ["dense/kernel", "dense/bias"]
    assert [d.dim_param or d.dim_value for d in model.graph.input[0].type.tensor_type.shape.dim] == ["N", 3]
    assert [v.name for v in model.graph.value_info] == ["dense"]
    said = props(model)
    assert said[metadata.MODEL] == "Dense"
    assert said[metadata.WEIGHTS] == "initial"
    assert said[metadata.SEED] == "3"
    node = {p.key: p.value for p in model.graph.node[1].metadata_props}
    assert node == {
        metadata.LAYER: "y",
        metadata.PLACE: "example.arch:4:5",
        metadata.TRAIL: '["head, applied at example.arch:9:5 (i = 2)"]',
    }


def test_the_bytes_are_the_same_in_every_process(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    save(graphs.dense(), path, seed=3)
    code = START + "save(graphs['dense'](), sys.argv[1], seed=3)"
    for seed in ("1", "2"):
        other = tmp_path / f"{seed}.onnx"
        assert in_another_process(code, other, PYTHONHASHSEED=seed).returncode == 0
        assert other.read_bytes() == path.read_bytes()
    model = onnx.load(path)
    model.ClearField("producer_version")
    assert hashlib.sha256(model.SerializeToString(deterministic=True)).hexdigest() == GOLDEN


@pytest.mark.parametrize(
    ("kernel", "kind"), [("glorot_uniform", "initial"), ("ones", "initial"), ([[1, 2]], "literal")]
)
def test_the_file_says_where_its_weights_come_from(tmp_path: Path, kernel: Any, kind: str) -> None:
    graph = graphs.dense(2, 1, kernel)
    assert save(graph, tmp_path / "m.onnx", seed=0).weights == kind
    assert props(onnx.load(tmp_path / "m.onnx"))[metadata.WEIGHTS] == kind


def test_large_weights_stand_beside_the_model_aligned(tmp_path: Path) -> None:
    graph = graphs.dense(600, 700)
    save(graph, tmp_path / "inside.onnx", seed=0)
    report = save(graph, tmp_path / "m.onnx", seed=0, inline_limit=1000)
    assert report.data is not None
    assert listing(tmp_path) == sorted(["inside.onnx", "m.onnx", report.data.name])
    assert report.nbytes == (tmp_path / "m.onnx").stat().st_size + report.data.stat().st_size
    assert report.data.name == f"m.{xxhash.xxh3_128_hexdigest(report.data.read_bytes())[:16]}.data"
    without = onnx.load(tmp_path / "m.onnx", load_external_data=False)
    kernel, bias = without.graph.initializer
    entries = {e.key: e.value for e in kernel.external_data}
    assert entries == {"location": report.data.name, "offset": "0", "length": str(600 * 700 * 4)}
    assert {e.key: e.value for e in bias.external_data}["offset"] == str(600 * 700 * 4)
    x = np.linspace(-1, 1, 1400, dtype=np.float32).reshape(2, 700)
    assert np.array_equal(run(tmp_path / "m.onnx", x=x), run(tmp_path / "inside.onnx", x=x))
    onnx.checker.check_model(str(tmp_path / "m.onnx"), full_check=True)


def test_data_starts_at_pages(tmp_path: Path) -> None:
    graph = graphs.dense(1030, 1)
    save(graph, tmp_path / "m.onnx", seed=0, inline_limit=0)
    tensors = onnx.load(tmp_path / "m.onnx", load_external_data=False).graph.initializer
    assert [{e.key: e.value for e in t.external_data}["offset"] for t in tensors] == ["0", "8192"]


def test_old_data_goes_when_nothing_refers_to_it_any_more(tmp_path: Path) -> None:
    graph = graphs.dense(100, 100)
    first = save(graph, tmp_path / "m.onnx", seed=0, inline_limit=0).data
    stranger = tmp_path / "m.0123456789abcdef.data"
    stranger.write_bytes(b"not referred to")
    again = save(graph, tmp_path / "m.onnx", seed=0, inline_limit=0).data
    assert again == first
    second = save(graph, tmp_path / "m.onnx", seed=1, inline_limit=0).data
    assert first is not None
    assert second is not None
    assert listing(tmp_path) == sorted(["m.onnx", second.name, stranger.name])
    save(graph, tmp_path / "m.onnx", seed=1)
    assert listing(tmp_path) == sorted(["m.onnx", stranger.name])


def test_without_weights_the_layout_is_written_and_the_graph_is_the_same(tmp_path: Path) -> None:
    graph = graphs.convolution()
    report = save(graph, tmp_path / "none.onnx", seed=0, weights="none")
    save(graph, tmp_path / "init.onnx", seed=0)
    assert listing(tmp_path) == ["init.onnx", "none.onnx"]
    assert report.weights == "none"
    bare = onnx.load(tmp_path / "none.onnx", load_external_data=False)
    full = onnx.load(tmp_path / "init.onnx")
    kernel, shape = bare.graph.initializer
    entries = {e.key: e.value for e in kernel.external_data}
    assert entries["length"] == str(3 * 3 * 3 * 8 * 4)
    assert entries["location"].startswith("none.")
    assert onnx.numpy_helper.to_array(shape).tolist() == [0, -1]
    assert list(bare.graph.node) == list(full.graph.node)
    assert list(bare.graph.value_info) == list(full.graph.value_info)
    assert metadata.SEED not in props(bare)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "int8", "bool", "int4", "uint4", "float8e5m2", "float64"])
def test_every_dtype_is_written_as_onnx_reads_it(tmp_path: Path, dtype: str) -> None:
    graph = graphs.dense()
    odd = graphs.constant("odd", [1, 0, 1], dtype)
    wide = graphs.tensor("wide", 3)
    graph.operators.append(graphs.operator("Cast", [odd], wide, to=1))
    graph.outputs.append(("wide", wide))
    save(graph, tmp_path / "m.onnx", seed=0)
    array = onnx.numpy_helper.to_array(onnx.load(tmp_path / "m.onnx").graph.initializer[2])
    assert array.astype(np.float32).tolist() == [1, 0, 1]


@pytest.mark.parametrize("dtype", ["float8e8m0", "int2", "uint2", "float4e2m1"])
def test_so_are_those_that_came_later(tmp_path: Path, dtype: str) -> None:
    values = [0.5, 1, 4] if dtype == "float8e8m0" else [1, 0, 1, 1, 1]
    graph = OperatorGraph("Late", 25)
    held = graphs.tensor("held", len(values), dtype=dtype)
    graph.operators = [graphs.operator("Identity", [graphs.constant("said", values, dtype)], held)]
    graph.outputs = [("held", held)]
    save(graph, tmp_path / "m.onnx", seed=0)
    array = onnx.numpy_helper.to_array(onnx.load(tmp_path / "m.onnx").graph.initializer[0])
    assert array.astype(np.float32).tolist() == values


def test_strings_are_constants_too(tmp_path: Path) -> None:
    graph = OperatorGraph("Words", 21)
    words = graphs.tensor("words", 2, dtype="string")
    graph.operators = [graphs.operator("Identity", [graphs.constant("said", ["yes", "né"])], words)]
    graph.outputs = [("words", words)]
    save(graph, tmp_path / "m.onnx", seed=0)
    assert run(tmp_path / "m.onnx").tolist() == ["yes", "né"]
    save(graph, tmp_path / "m.onnx", seed=0, inline_limit=0)
    assert listing(tmp_path) == ["m.onnx"]


def test_progress_goes_from_start_to_end(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    save(graphs.dense(100, 100), tmp_path / "m.onnx", seed=0, progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (100 * 100 * 4 + 400,) * 2
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


def test_a_wrong_graph_leaves_no_file_and_an_old_one_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    wrong = graphs.dense()
    wrong.operators[0].outputs[0].type = TensorType("float32", (5, 5))
    with pytest.raises(CompileError, match="E0991"):
        save(wrong, path, seed=0)
    assert listing(tmp_path) == []
    save(graphs.dense(), path, seed=0)
    before = path.read_bytes()
    with pytest.raises(CompileError):
        save(wrong, path, seed=0)
    assert path.read_bytes() == before
    assert listing(tmp_path) == ["m.onnx"]


class Stop(BaseException):
    """Not an Exception, as KeyboardInterrupt is none."""


@pytest.mark.parametrize("limit", [0, 1 << 30])
def test_an_interrupted_save_leaves_everything_as_it_was(tmp_path: Path, limit: int) -> None:
    path = tmp_path / "m.onnx"
    save(graphs.dense(100, 100), path, seed=0, inline_limit=limit)
    before = {name: (tmp_path / name).read_bytes() for name in listing(tmp_path)}

    def stop(done: int, total: int) -> None:
        raise Stop

    with pytest.raises(Stop):
        save(graphs.dense(100, 100), path, seed=1, inline_limit=limit, progress=stop)
    assert {name: (tmp_path / name).read_bytes() for name in listing(tmp_path)} == before


@pytest.mark.parametrize("limit", [0, 1 << 30])
def test_what_cannot_be_read_back_is_not_put_in_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    path = tmp_path / "m.onnx"
    save(graphs.dense(100, 100), path, seed=0, inline_limit=limit)
    before = {name: (tmp_path / name).read_bytes() for name in listing(tmp_path)}
    settle = streaming.settle

    def damage(sink: Sink) -> None:
        settle(sink)
        with open(sink.stream.name, "r+b") as again:
            again.seek(600)
            byte = again.read(1)
            again.seek(600)
            again.write(bytes([byte[0] ^ 1]))

    monkeypatch.setattr(streaming, "settle", damage)
    with pytest.raises(SaveError, match="what was written"):
        save(graphs.dense(100, 100), path, seed=1, inline_limit=limit)
    assert {name: (tmp_path / name).read_bytes() for name in listing(tmp_path)} == before


def test_a_model_that_fails_takes_its_new_data_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise SaveError("no")

    monkeypatch.setattr(streaming.Saving, "_verify", fail)
    with pytest.raises(SaveError):
        save(graphs.dense(100, 100), tmp_path / "m.onnx", seed=0, inline_limit=0)
    assert listing(tmp_path) == []


def test_a_killed_save_leaves_the_old_model_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    save(graphs.dense(), path, seed=0)
    before = path.read_bytes()
    code = START + "stop = lambda *_: os.kill(os.getpid(), signal.SIGKILL)"
    code += "\nsave(graphs['dense'](1000, 1000), sys.argv[1], seed=1, progress=stop)"
    assert in_another_process(code, path).returncode == -9
    assert path.read_bytes() == before
    save(graphs.dense(), path, seed=2)
    assert path.read_bytes() != before


FULL = """
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    save(graphs["dense"](300, 300), sys.argv[1], seed=1)
except MachineError as error:
    print(error)
"""


def test_a_full_disk_is_one_line_and_leaves_the_old_model(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    save(graphs.dense(), path, seed=0)
    before = path.read_bytes()
    assert (
        in_another_process(START + FULL, path).stdout
        == f"cannot write {path}: File too large; the weights take 361,200 bytes\n"
    )
    assert path.read_bytes() == before
    assert listing(tmp_path) == ["m.onnx"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_device_is_written_as_it_stands() -> None:
    with pytest.raises(MachineError, match="cannot write /dev/full: No space left on device"):
        save(graphs.dense(), "/dev/full", seed=0)
    assert save(graphs.dense(), os.devnull, seed=0).nbytes > 0
    with pytest.raises(SaveError, match="is no file that can have data beside it"):
        save(graphs.dense(100, 100), os.devnull, seed=0, inline_limit=0)


def test_where_nothing_can_be_written_the_error_says_why(tmp_path: Path) -> None:
    with pytest.raises(SaveError, match=r"it is a folder; name a file in it, such as .*model[.]onnx"):
        save(graphs.dense(), tmp_path, seed=0)
    missing = tmp_path / "no" / "m.onnx"
    with pytest.raises(SaveError, match=r"there is no folder .*no; make it first"):
        save(graphs.dense(), missing, seed=0)
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(SaveError, match="there is no folder"):
        save(graphs.dense(), tmp_path / "file" / "m.onnx", seed=0)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_may_not_be_written_is_one_line(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(SaveError, match="Permission denied"):
            save(graphs.dense(), tmp_path / "m.onnx", seed=0)
    finally:
        tmp_path.chmod(0o700)


def test_a_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    link = tmp_path / "m.onnx"
    link.symlink_to(tmp_path / "real" / "m.onnx")
    save(graphs.dense(), link, seed=0)
    assert link.is_symlink()
    assert (tmp_path / "real" / "m.onnx").is_file()
