"""Models from the cache: the same numbers, the same places, and never another model's."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
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
from archonnx.contract.diagnostics import ArchonnxError, MachineError
from archonnx.runtime.caching import contents, graphs, keys, store
from archonnx.runtime.errors import ModelFileError, RunError

Make = Callable[..., onnx.ModelProto]
X = np.linspace(-1, 1, 3 * 8 * 8, dtype=np.float32).reshape(1, 3, 8, 8)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Models of any size are worth it."""
    monkeypatch.setattr(graphs, "_SMALL", 0)


def network(make: Make, scale: float = 1.0, **more: Any) -> onnx.ModelProto:
    """A convolution that onnxruntime orders for the processor, and operators that it folds and fuses."""
    random = np.random.default_rng(0)
    weights = (scale * random.standard_normal((16, 3, 3, 3))).astype(np.float32)
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"], name="net/conv", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c"], ["r"], name="net/relu"),
        helper.make_node("Add", ["one", "one"], ["two"], name="net/two"),
        helper.make_node("Mul", ["r", "two"], ["y"], name="net/mul"),
    ]
    initializers = [numpy_helper.from_array(weights, "w"), numpy_helper.from_array(np.ones(1, np.float32), "one")]
    return make({"x": ("float32", ["N", 3, 8, 8])}, nodes, {"y": ("float32", None)}, initializers, **more)


def own(path: Path, x: Any = X) -> Any:
    """What onnxruntime gives by itself."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: x})[0]


def entry_of(cache: Path) -> Path:
    (found,) = (cache / "graphs").glob("[!.]*")
    return found


def test_the_second_start_comes_from_the_cache(make: Make, tmp_path: Path) -> None:
    path, cache = tmp_path / "m.onnx", tmp_path / "cache"
    onnx.save(network(make), path)
    plain, first, second = (archonnx.load(path, "cpu", cache=where) for where in ("off", cache, cache))
    assert [session.cached for session in (plain, first, second)] == [False, False, True]
    assert all(session.load_time > 0 for session in (plain, first, second))
    for session in (plain, first, second):
        np.testing.assert_array_equal(session(X), plain(X))
        np.testing.assert_allclose(session(X), own(path), rtol=1e-5, atol=1e-5)
    assert first.placement(N=2) == second.placement(N=2) == plain.placement(N=2)
    assert [node.name for node in second.placement().parts[0].nodes] == ["net/conv", "net/relu", "net/mul"]
    assert second.inputs == plain.inputs


def test_a_model_of_ours_keeps_its_places(tmp_path: Path) -> None:
    source = tmp_path / "m.arch"
    source.write_text(
        "model A():\n    input x: float32[N, 6]\n    input k: int64[2]\n    d = x -> Dense(4, activation='relu')\n"
        "    y: float32[A, B] = (d, k) -> onnx.Reshape()\n    output y\n"
    )
    archonnx.compile(source).save(tmp_path / "m.onnx", seed=1)
    messages, places = [], []
    for _ in range(2):
        session = archonnx.load(tmp_path / "m.onnx", "cpu", cache=tmp_path / "cache")
        places.append([(node.layer, node.place) for node in session.placement().parts[0].nodes])
        with pytest.raises(RunError) as caught:
            session(np.ones((1, 6), np.float32), np.array([3, 3]))
        messages.append((str(caught.value), caught.value.place))
    assert session.cached
    assert messages[0] == messages[1]
    assert messages[0][1] == "m.arch:5:34"
    assert places[0] == places[1]


def test_another_model_in_the_same_file_is_never_taken_for_the_first(make: Make, tmp_path: Path) -> None:
    path, cache = tmp_path / "m.onnx", tmp_path / "cache"
    onnx.save(network(make), path)
    archonnx.load(path, "cpu", cache=cache)
    before = path.stat()
    onnx.save(network(make, scale=3.0), path)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size
    session = archonnx.load(path, "cpu", cache=cache)
    assert not session.cached
    np.testing.assert_allclose(session(X), own(path), rtol=1e-5, atol=1e-5)


def test_weights_in_another_file_are_part_of_the_model(make: Make, tmp_path: Path) -> None:
    path, cache = tmp_path / "m.onnx", tmp_path / "cache"
    for scale in (1.0, 3.0):
        model = network(make, scale)
        onnx.save_model(model, path, save_as_external_data=True, location="m.data", size_threshold=0)
        for found in (False, True):
            session = archonnx.load(path, "cpu", cache=cache)
            assert session.cached is found
            np.testing.assert_allclose(session(X), own(path), rtol=1e-5, atol=1e-5)
        (tmp_path / "m.data").unlink()


def test_a_copy_of_the_model_elsewhere_comes_from_the_same_entry(make: Make, tmp_path: Path) -> None:
    for name in ("a.onnx", "b.onnx"):
        onnx.save(network(make), tmp_path / name)
    assert not archonnx.load(tmp_path / "a.onnx", "cpu", cache=tmp_path / "cache").cached
    session = archonnx.load(tmp_path / "b.onnx", "cpu", cache=tmp_path / "cache")
    assert session.cached
    assert session.path == str(tmp_path / "b.onnx")


@pytest.mark.parametrize("name", ["graph.onnx", "graph.data"])
def test_a_damaged_entry_is_made_again_and_said(
    make: Make, tmp_path: Path, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    path, cache = tmp_path / "m.onnx", tmp_path / "cache"
    onnx.save(network(make), path)
    archonnx.load(path, "cpu", cache=cache).close()
    time.sleep(0.01)  # past the tick of the file system's clock
    spoilt = entry_of(cache) / name
    data = bytearray(spoilt.read_bytes())
    data[len(data) // 2] ^= 0x40
    spoilt.write_bytes(data)
    with caplog.at_level(logging.WARNING, "archonnx.runtime"):
        session = archonnx.load(path, "cpu", cache=cache)
    assert [record.getMessage().partition(": ")[2] for record in caplog.records] == [f"{name} was changed, or damaged"]
    assert not session.cached
    np.testing.assert_allclose(session(X), own(path), rtol=1e-5, atol=1e-5)
    assert archonnx.load(path, "cpu", cache=cache).cached


def reseal(entry: Path, info: dict[str, Any]) -> None:
    """Write other notes with an entry, whose files are as they were."""
    found = json.loads((entry / "entry.json").read_text())
    (entry / "entry.json").write_text(json.dumps({**found, "info": info}))


@pytest.mark.parametrize("info", [{}, {"ran": 3}, {"ran": {"CPU": [1]}}])
def test_notes_that_make_no_sense_are_damage(
    make: Make, tmp_path: Path, info: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    path, cache = tmp_path / "m.onnx", tmp_path / "cache"
    onnx.save(network(make), path)
    archonnx.load(path, "cpu", cache=cache).close()
    reseal(entry_of(cache), info)
    assert not archonnx.load(path, "cpu", cache=cache).cached
    assert "which nodes ran where" in caplog.text
    assert archonnx.load(path, "cpu", cache=cache).cached


@pytest.mark.parametrize("named", [True, False])
def test_a_folder_that_cannot_be_written_is_no_failure(
    make: Make, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, named: bool
) -> None:
    """Of one that somebody named it is a warning."""
    path = tmp_path / "m.onnx"
    onnx.save(network(make), path)
    (tmp_path / "file").touch()
    folder = str(tmp_path / "file" / "cache")
    monkeypatch.setenv("ARCHONNX_CACHE", folder)
    with caplog.at_level(logging.INFO, "archonnx.runtime"):
        session = archonnx.load(path, "cpu", cache=folder if named else "auto")
    (said,) = (record for record in caplog.records if "is loaded without a cache" in record.getMessage())
    assert said.levelno == (logging.WARNING if named else logging.INFO)
    np.testing.assert_allclose(session(X), own(path), rtol=1e-5, atol=1e-5)


def test_a_full_disk_is_no_failure(make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import shutil

    path, cache = tmp_path / "m.onnx", tmp_path / "cache"
    onnx.save(network(make), path)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: shutil._ntuple_diskusage(10, 10, 0))  # type: ignore[attr-defined]
    session = archonnx.load(path, "cpu", cache=cache)
    np.testing.assert_allclose(session(X), own(path), rtol=1e-5, atol=1e-5)
    assert list((cache / "graphs").iterdir()) == []


def test_what_was_saved_short_is_not_kept(make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, cache = tmp_path / "m.onnx", tmp_path / "cache"
    onnx.save(network(make), path)
    true = graphs.ran_by

    def cut(session: Any) -> Any:
        for data in cache.glob("graphs/.*/graph.data"):
            os.truncate(data, 100)
        return true(session)

    monkeypatch.setattr(graphs, "ran_by", cut)
    session = archonnx.load(path, "cpu", cache=cache)
    np.testing.assert_allclose(session(X), own(path), rtol=1e-5, atol=1e-5)
    assert list((cache / "graphs").iterdir()) == []


def test_what_onnxruntime_cannot_save_is_loaded_as_it_is(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    path, cache = tmp_path / "m.onnx", tmp_path / "cache"
    onnx.save(network(make), path)
    true, tried = onnxruntime.InferenceSession, []

    def session(source: Any, options: Any, **more: Any) -> Any:
        tried.append(bool(options.optimized_model_filepath))
        if options.optimized_model_filepath:
            raise RuntimeError("no serialization of this")
        return true(source, options, **more)

    monkeypatch.setattr(onnxruntime, "InferenceSession", session)
    with caplog.at_level(logging.INFO, "archonnx.runtime"):
        for _ in range(2):
            np.testing.assert_allclose(archonnx.load(path, "cpu", cache=cache)(X), own_plain(true, path), rtol=1e-5)
    assert tried == [True, False, False]  # the second start does not try again
    assert "is not kept in the cache: no serialization of this" in caplog.text


def test_what_onnxruntime_saves_and_does_not_load_is_loaded_as_it_is(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """As some models with constants in several branches of one name: it writes them, and refuses what it wrote."""
    path, cache = tmp_path / "m.onnx", tmp_path / "cache"
    onnx.save(network(make), path)
    true = onnxruntime.InferenceSession

    def session(source: Any, options: Any, **more: Any) -> Any:
        if str(source).endswith("graph.onnx"):
            raise RuntimeError("Graph must be in single static assignment (SSA) form")
        return true(source, options, **more)

    monkeypatch.setattr(onnxruntime, "InferenceSession", session)
    with caplog.at_level(logging.INFO, "archonnx.runtime"):
        for _ in range(2):
            np.testing.assert_allclose(archonnx.load(path, "cpu", cache=cache)(X), own_plain(true, path), rtol=1e-5)
    assert [record for record in caplog.records if record.levelname == "WARNING"] == []
    assert "is not kept in the cache: Graph must be in" in caplog.text


@pytest.mark.skipif(os.name != "posix", reason="there are no such modes here")
def test_a_cache_beside_a_model_may_be_read_by_others_and_the_users_own_may_not(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "m.onnx"
    onnx.save(network(make), path)
    monkeypatch.delenv("ARCHONNX_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    before = os.umask(0o022)
    try:
        archonnx.load(path, "cpu")
        archonnx.load(path, "cpu", cache="beside")
    finally:
        os.umask(before)
    assert (tmp_path / "home" / "archonnx").stat().st_mode & 0o777 == 0o700
    entry = entry_of(tmp_path / "m.onnx.cache")
    for each in (entry.parent.parent, entry.parent, entry, *entry.iterdir()):
        assert each.stat().st_mode & 0o044 == 0o044, each


def test_an_entry_that_may_not_be_read_is_no_damage(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    path, cache = tmp_path / "m.onnx", tmp_path / "cache"
    onnx.save(network(make), path)
    archonnx.load(path, "cpu", cache=cache)

    def refuse(path: Any) -> Any:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(store, "stamp", refuse)
    with caplog.at_level(logging.INFO, "archonnx.runtime"):
        assert archonnx.load(path, "cpu", cache=cache)(X).shape == (1, 16, 8, 8)
    assert "is loaded without a cache: [Errno 13] Permission denied" in caplog.text
    assert entry_of(cache).is_dir()


def own_plain(session: Any, path: Path) -> Any:
    return session(path, providers=["CPUExecutionProvider"]).run(None, {"x": X})[0]


def test_of_a_model_that_changes_while_it_is_loaded_the_new_one_is_kept(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    path, cache = tmp_path / "m.onnx", tmp_path / "cache"
    onnx.save(network(make), path)
    true, scales = graphs.ran_by, [3.0]

    def late(session: Any) -> Any:
        if scales:
            onnx.save(network(make, scale=scales.pop()), path)
        return true(session)

    monkeypatch.setattr(graphs, "ran_by", late)
    with caplog.at_level(logging.INFO, "archonnx.runtime"):
        session = archonnx.load(path, "cpu", cache=cache)
    assert "written to while it was loaded" in caplog.text
    assert len(list((cache / "graphs").iterdir())) == 1
    again = archonnx.load(path, "cpu", cache=cache)
    assert again.cached
    expected = own_plain(onnxruntime.InferenceSession, path)
    for each in (session, again):
        np.testing.assert_array_equal(each(X), expected)


@pytest.mark.parametrize("what", ["processor", "onnxruntime", "archonnx"])
def test_another_processor_or_version_is_another_entry(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    path, cache = tmp_path / "m.onnx", tmp_path / "cache"
    onnx.save(network(make), path)
    archonnx.load(path, "cpu", cache=cache)
    if what == "processor":
        monkeypatch.setattr(keys, "processor", lambda: "another one, without avx512f")
    elif what == "onnxruntime":
        monkeypatch.setattr(onnxruntime, "__version__", "1.99.0")
    else:
        monkeypatch.setattr(keys, "__version__", "9.9.9")
    assert not archonnx.load(path, "cpu", cache=cache).cached
    assert len(list((cache / "graphs").iterdir())) == 2


@pytest.mark.parametrize(
    ("nodes", "error"),
    [
        ([helper.make_node("NoSuchOperator", ["x"], ["y"], name="net/odd")], ModelFileError),
        ([helper.make_node("Relu", ["nowhere"], ["y"], name="net/relu")], ModelFileError),
        ([helper.make_node("Det", ["x"], ["y"], name="net/det")], MachineError),
    ],
)
def test_a_model_that_does_not_load_fails_as_without_a_cache(
    make: Make, tmp_path: Path, nodes: list[onnx.NodeProto], error: type[ArchonnxError]
) -> None:
    path, said = tmp_path / "m.onnx", []
    onnx.save(make({"x": ("float64", [1, 2, 2])}, nodes, {"y": ("float64", None)}), path)
    for where in ("off", str(tmp_path / "cache")):
        with pytest.raises(error) as caught:
            archonnx.load(path, "cpu", cache=where)
        said.append(str(caught.value))
    assert said[0] == said[1]
    assert list((tmp_path / "cache" / "graphs").iterdir()) == []


def test_defaults_that_may_be_replaced_still_may(make: Make, tmp_path: Path) -> None:
    node = helper.make_node("Mul", ["x", "k"], ["y"], name="net/mul")
    initial = numpy_helper.from_array(np.full(1, 2, np.float32), "k")
    model = make({"x": ("float32", [3]), "k": ("float32", [1])}, [node], None, [initial])
    onnx.save(model, tmp_path / "m.onnx")
    for found in (False, True):
        session = archonnx.load(tmp_path / "m.onnx", "cpu", cache=tmp_path / "cache")
        assert session.cached is found
        assert session(np.ones(3, np.float32)).tolist() == [2, 2, 2]
        assert session(x=np.ones(3, np.float32), k=np.full(1, 5, np.float32)).tolist() == [5, 5, 5]


def test_bytes_and_compiled_models_are_not_kept(make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARCHONNX_CACHE", str(tmp_path / "cache"))
    archonnx.load(network(make).SerializeToString(), "cpu")
    archonnx.load(archonnx.compile(text="model A():\n    input x: float32[N, 3]\n    Dense(2)\n"), "cpu")
    assert not (tmp_path / "cache").exists()


def test_small_models_are_not_kept(make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graphs, "_SMALL", 2**20)
    onnx.save(network(make), tmp_path / "m.onnx")
    archonnx.load(tmp_path / "m.onnx", "cpu", cache=tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


def test_a_settled_model_is_not_hashed_again(make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not contents.boot():
        pytest.skip("this system does not tell when it started, so that every file is hashed each time")
    path, cache = tmp_path / "m.onnx", tmp_path / "cache"
    onnx.save(network(make), path)
    monkeypatch.setattr(contents, "SETTLED", -1)
    archonnx.load(path, "cpu", cache=cache)
    monkeypatch.setattr(contents, "digest", lambda path: pytest.fail(f"{path} is hashed"))
    assert archonnx.load(path, "cpu", cache=cache).cached


START = """
import sys, json, numpy as np, archonnx
session = archonnx.load(sys.argv[1], "cpu", cache=sys.argv[2])
print(json.dumps(session(np.load(sys.argv[3])).sum().item()))
"""


def test_processes_that_start_at_once_all_run(make: Make, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    weights = numpy_helper.from_array(random.standard_normal((600, 600)).astype(np.float32), "w")
    node = helper.make_node("MatMul", ["x", "w"], ["y"], name="net/matmul")
    path, x = tmp_path / "m.onnx", random.standard_normal((2, 600)).astype(np.float32)
    onnx.save(make({"x": ("float32", ["N", 600])}, [node], None, [weights]), path)
    np.save(tmp_path / "x.npy", x)
    command = [sys.executable, "-c", START, str(path), str(tmp_path / "cache"), str(tmp_path / "x.npy")]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(4)]
    for process in running:
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
        assert json.loads(out) == pytest.approx(float(own(path, x).sum()), rel=1e-4)
        assert err == ""
    assert [path.name for path in (tmp_path / "cache" / "graphs").glob(".*")] == []
    assert archonnx.load(path, "cpu", cache=tmp_path / "cache").cached
