"""Which products stay in floats: in which order they are tried, and what floats are computed in beside int8."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

import archonnx
from archonnx.contract.agreement import error
from archonnx.runtime.int8 import starting
from archonnx.runtime.int8.choosing import choices, first_of, light_choices, share_of, work_of
from archonnx.runtime.int8.lowering import lower
from archonnx.runtime.int8.preparing import prepare
from archonnx.runtime.modelfile import read_model
from archonnx.runtime.precision.deciding import LoweredNode, Lowering
from archonnx.runtime.precision.placing import refusal

sys.path.insert(0, str(Path(__file__).resolve().parent))

from small_models import convolutional, pictures

NAMES = st.sampled_from([f"product{number}" for number in range(12)])
ERRORS = st.floats(0, 1) | st.just(float("inf"))


@given(st.dictionaries(NAMES, st.tuples(ERRORS, st.integers(0, 10**12)), min_size=1), ERRORS, st.floats(1e-9, 1))
def test_what_passes_the_bound_is_kept_and_something_is_left(
    products: dict[str, tuple[float, int]], whole: float, bound: float
) -> None:
    alone = {name: lost for name, (lost, _) in products.items()}
    work = {name: macs for name, (_, macs) in products.items()}
    for several in (choices(alone, bound), light_choices(alone, work, whole, bound)):
        for before, kept in zip([set[str](), *several], several, strict=False):
            assert before < kept < alone.keys()
            assert {name for name, lost in alone.items() if lost > bound} <= kept
    assert 0 <= share_of(alone, work) <= 1


def test_of_equal_losses_the_lightest_stay_in_floats() -> None:
    alone, work = dict.fromkeys("abc", 1e-2), {"a": 10**9, "b": 10**3, "c": 10**6}
    assert light_choices(alone, work, 1.7e-2, 1.5e-2)[0] == {"b"}
    assert light_choices(alone, work, 1.7e-2, 1.1e-2)[0] == {"b", "c"}


@given(st.integers(0, 40), st.integers(0, 40))
def test_the_first_choice_that_holds_is_found_by_few(count: int, place: int) -> None:
    tried: list[int] = []

    def holds(number: int) -> bool:
        tried.append(number)
        return number >= place

    assert first_of(count, holds) == (place if place < count else None)
    assert len(tried) == len(set(tried))
    assert len(tried) <= 1 + count.bit_length()


def test_macs_are_those_of_an_example(tmp_path: Path) -> None:
    model = convolutional().SerializeToString()
    prepared = prepare(model, read_model(model, "net.onnx"), tmp_path)
    found = work_of(prepared, {"image": pictures(2)})
    assert found["point"] == 2 * 6 * 6 * 8 * 8  # the stem has strides of 2
    assert found.keys() == set(prepared.products)


def test_a_heavy_product_is_int8_where_light_ones_lose_as_much() -> None:
    """Two matrices: all but a thousandth of the MACs are the first one's, which loses more."""
    draw = np.random.default_rng(0)
    first = draw.standard_t(2, (256, 1024)).astype(np.float32)  # some weights are far larger than others
    second = draw.normal(0, 1, (1024, 2)).astype(np.float32)
    nodes = [
        helper.make_node("MatMul", ["x", "first"], ["wide"], name="heavy"),
        helper.make_node("Tanh", ["wide"], ["bent"], name="bend"),
        helper.make_node("MatMul", ["bent", "second"], ["y"], name="light"),
    ]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 256])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 2])
    held = [numpy_helper.from_array(first, "first"), numpy_helper.from_array(second, "second")]
    graph = helper.make_graph(nodes, "g", [x], [y], held)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    onnx.checker.check_model(model)
    data, file = model.SerializeToString(), None
    file = read_model(data, "net.onnx")
    samples = [{"x": draw.normal(0, 1e-3, (1, 256)).astype(np.float32)} for _ in range(16)]
    whole = lower(data, file, samples, threads=1)
    assert not whole.lowering.kept
    found = lower(data, file, samples, threads=1, max_error=whole.error * 0.999)
    assert found.error < whole.error
    assert [node.name for node in found.lowering.kept] == ["light"]


def test_what_stays_in_floats_is_told_in_what_it_runs() -> None:
    nodes = (LoweredNode("a", "Conv", None, None, "int8", None), LoweredNode("b", "Gemm", None, None, "float32", 1e-3))
    beside = Lowering("int8", 5e-3, nodes).beside("bfloat16", 7e-3)
    assert [node.precision for node in beside.nodes] == ["int8", "bfloat16"]
    assert str(beside).splitlines()[0] == "1 of 2 nodes in int8, 7.0e-03 off"
    assert "Gemm (b) in bfloat16" in str(beside)
    plain = Lowering("int8", 5e-3, nodes)
    assert plain.beside("float32", 1.0) is plain


def test_floats_beside_int8_are_tried_in_bfloat16_where_an_error_is_allowed() -> None:
    reason = refusal("openvino", "bfloat16")
    if reason is not None:
        pytest.skip(reason)
    model = convolutional().SerializeToString()
    images = pictures(16)
    session = archonnx.load(model, "openvino", max_error=0.5, data=images, threads=1)
    found = {str(trial.candidate): trial for trial in session.choices}
    assert {"openvino int8", "openvino int8 and bfloat16", "openvino bfloat16"} <= found.keys()
    mixed = found["openvino int8 and bfloat16"]
    assert mixed.failed is None
    assert mixed.error is not None
    assert 0 < mixed.error <= 0.5
    ordered = archonnx.load(model, "openvino", precision="int8", data=images, threads=1)
    assert ordered.computes == "int8"
    assert not any("and" in str(trial.candidate) for trial in ordered.choices)
    with archonnx.load(model, "cpu", threads=1) as exact:
        assert error(session(images), exact(images)) <= 0.5


def test_what_was_quantized_is_kept_for_these_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, cache = tmp_path / "net.onnx", tmp_path / "cache"
    path.write_bytes(convolutional().SerializeToString())
    images, more = pictures(16), {"precision": "int8", "cache": cache, "threads": 1}
    first = archonnx.load(path, "cpu", data=images, **more)

    def never(*args: Any, **options: Any) -> None:
        raise AssertionError("it is quantized anew")

    with monkeypatch.context() as patched:
        patched.setattr(starting, "lower", never)
        again = archonnx.load(path, "cpu", data=images, **more)
        assert again.precision == "int8"
        assert str(again.lowered) == str(first.lowered)
        assert again(images[:3]).tobytes() == first(images[:3]).tobytes()
        with pytest.raises(AssertionError, match="anew"):
            archonnx.load(path, "cpu", data=pictures(16, seed=1), **more)
        with pytest.raises(AssertionError, match="anew"):
            archonnx.load(path, "cpu", data=images, **more, max_error=0.4)
        with pytest.raises(AssertionError, match="anew"):
            archonnx.load(path, "cpu", data=images, **{**more, "cache": "off"})
    (entry,) = (cache / "int8").glob("*/model.onnx")
    entry.write_bytes(entry.read_bytes()[:-1])
    assert archonnx.load(path, "cpu", data=images, **more)(images[:3]).tobytes() == first(images[:3]).tobytes()


def test_a_bound_that_nothing_keeps_is_searched_for_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(convolutional().SerializeToString())
    calls: list[str] = []
    lowered = starting.lower

    def counted(*args: Any, **options: Any) -> Any:
        calls.append("")
        return lowered(*args, **options)

    monkeypatch.setattr(starting, "lower", counted)
    for _ in range(2):
        options = {"max_error": 1e-9, "data": pictures(8), "cache": tmp_path / "cache", "threads": 1}
        session = archonnx.load(path, "cpu", **options)
        (trial,) = (trial for trial in session.choices if trial.candidate.precision == "int8")
        assert trial.failed is not None
        assert trial.failed.startswith(f"{path}: int8 does not stay within max_error=1e-09")
    assert len(calls) == 1
