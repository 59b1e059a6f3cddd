"""Models that OpenVINO's library has compiled, from the cache."""

from __future__ import annotations

import logging
import time
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

import archonnx
from archonnx.contract.diagnostics import MachineError
from archonnx.runtime.caching import graphs
from archonnx.runtime.errors import RunError

X = np.linspace(-1, 1, 3 * 8 * 8, dtype=np.float32).reshape(1, 3, 8, 8)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Models of any size are worth it."""
    monkeypatch.setattr(graphs, "_SMALL", 0)


@pytest.fixture
def path(make: Any, tmp_path: Path) -> Path:
    """A convolution, its activation and a reshape that some shapes fail."""
    weights = np.random.default_rng(0).standard_normal((4, 3, 3, 3)).astype(np.float32)
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"], name="net/conv", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c"], ["r"], name="net/relu"),
        helper.make_node("Reshape", ["r", "s"], ["y"], name="net/reshape"),
    ]
    inputs = {"x": ("float32", ["N", 3, 8, 8]), "s": ("int64", [2])}
    model = make(inputs, nodes, {"y": ("float32", None)}, [numpy_helper.from_array(weights, "w")])
    onnx.save(model, tmp_path / "m.onnx")
    return tmp_path / "m.onnx"


SHAPE = np.array([4, 64])


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_the_second_start_comes_from_the_cache(on_library: Any, path: Path, precision: str) -> None:
    cache = path.parent / "cache"
    try:
        plain = on_library(path, cache="off", precision=precision)
    except MachineError as error:
        pytest.skip(str(error))
    first, second = (on_library(path, cache=cache, precision=precision) for _ in range(2))
    assert [session.cached for session in (plain, first, second)] == [False, False, True]
    for session in (first, second):
        np.testing.assert_array_equal(session(X, SHAPE), plain(X, SHAPE))
        assert session.placement() == plain.placement()
        assert session.precision == precision
        with pytest.raises(RunError) as caught:
            session(X, np.array([5, 5]))
        assert caught.value.node == "net/reshape"
        np.testing.assert_array_equal(session(X, SHAPE), plain(X, SHAPE))  # compiled anew after the failure


def test_what_is_kept_may_be_read_by_those_who_may_read_the_folder(on_library: Any, path: Path) -> None:
    on_library(path, cache="beside")
    modes = {each.stat().st_mode & 0o777 for each in (path.parent / "m.onnx.cache").glob("blobs/*/graph.*")}
    blobs = {each.stat().st_mode & 0o777 for each in (path.parent / "m.onnx.cache").glob("blobs/*/*.blob")}
    assert blobs == modes


def test_each_precision_has_an_entry_of_its_own(on_library: Any, path: Path) -> None:
    cache = path.parent / "cache"
    on_library(path, cache=cache)
    try:
        lower = on_library(path, cache=cache, precision="bfloat16")
    except MachineError as error:
        pytest.skip(str(error))
    assert not lower.cached
    assert len(list((cache / "blobs").glob("[!.]*"))) == 2


@pytest.mark.parametrize("name", ["graph.xml", "graph.bin", "*.blob"])
def test_a_damaged_entry_is_made_again_and_said(
    on_library: Any, path: Path, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    cache = path.parent / "cache"
    expected = on_library(path, cache=cache)(X, SHAPE)
    time.sleep(0.01)  # past the tick of the file system's clock
    for spoilt in cache.glob(f"blobs/*/{name}"):
        data = bytearray(spoilt.read_bytes())
        data[len(data) // 2] ^= 0x40
        spoilt.chmod(0o600)
        spoilt.write_bytes(data)
    with caplog.at_level(logging.WARNING, "archonnx.runtime"):
        session = on_library(path, cache=cache)
    assert len([record for record in caplog.records if "was changed, or damaged" in record.getMessage()]) == 1
    assert not session.cached
    np.testing.assert_array_equal(session(X, SHAPE), expected)
    assert on_library(path, cache=cache).cached


def test_another_model_in_the_same_file_is_another_entry(on_library: Any, path: Path) -> None:
    cache = path.parent / "cache"
    first = on_library(path, cache=cache)(X, SHAPE)
    model = onnx.load(path)
    weights = numpy_helper.to_array(model.graph.initializer[0])
    model.graph.initializer[0].CopyFrom(numpy_helper.from_array(weights * 2, "w"))
    onnx.save(model, path)
    session = on_library(path, cache=cache)
    assert not session.cached
    np.testing.assert_allclose(session(X, SHAPE), 2 * first, rtol=1e-5, atol=1e-6)


def test_a_model_that_openvino_refuses_says_the_same_with_a_cache(openvino: Any, make: Any, tmp_path: Path) -> None:
    node = helper.make_node("Det", ["x"], ["y"], name="net/det")
    onnx.save(make({"x": ("float32", [3, 3])}, [node], {"y": ("float32", None)}), tmp_path / "m.onnx")
    said = []
    for cache in ("off", str(tmp_path / "cache")):
        with pytest.raises(MachineError) as caught:
            archonnx.load(tmp_path / "m.onnx", "openvino", cache=cache)
        said.append(str(caught.value))
    assert said[0] == said[1]
    assert list((tmp_path / "cache").rglob("*.xml")) == []


def test_what_cannot_be_kept_is_loaded_as_it_is(
    openvino: Any, on_library: Any, path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*args: Any, **more: Any) -> None:
        raise RuntimeError("no serialization of this")

    monkeypatch.setattr(openvino, "save_model", refuse)
    with caplog.at_level(logging.INFO, "archonnx.runtime"):
        for _ in range(2):
            assert on_library(path, cache=path.parent / "cache")(X, SHAPE).shape == (4, 64)
    assert "cannot be kept in the cache: no serialization of this" in caplog.text
    assert "is not kept in the cache: no serialization of this" in caplog.text


def test_bytes_are_not_kept(on_library: Any, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARCHONNX_CACHE", str(path.parent / "cache"))
    on_library(path.read_bytes())
    assert not (path.parent / "cache").exists()
