"""onnxruntime's profile as runs: what lies in what, and texts that are no profile."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archonnx.contract.diagnostics import MachineError
from archonnx.runtime.profiling.events import read_runs

Tree = tuple[int, list[Any]]  # own microseconds, and the nodes inside


def event(name: str, ts: int, dur: int, operator: str = "Add", **args: Any) -> dict[str, Any]:
    told = {"op_name": operator, "provider": "CPUExecutionProvider", **args}
    return {"cat": "Node", "name": f"{name}_kernel_time", "ts": ts, "dur": dur, "ph": "X", "args": told}


def run(ts: int, dur: int) -> dict[str, Any]:
    return {"cat": "Session", "name": "model_run", "ts": ts, "dur": dur, "ph": "X", "args": {}}


def written(tree: Tree, ts: int, into: list[dict[str, Any]]) -> int:
    """Append a node and what is inside of it as onnxruntime does, each when it ends. Gives when it ended."""
    own, inside = tree
    at = ts + 1  # a node begins before what is in it
    for each in inside:
        at = written(each, at, into)
    end = at + own
    into.append(event(f"node{len(into)}", ts, end - ts, "Loop" if inside else "Add"))
    return end


trees = st.recursive(
    st.tuples(st.integers(0, 50), st.just([])),
    lambda inner: st.tuples(st.integers(0, 50), st.lists(inner, max_size=4)),
    max_leaves=12,
)


@given(st.lists(trees, max_size=6))
def test_no_time_is_counted_twice(nodes: list[Tree]) -> None:
    events: list[dict[str, Any]] = []
    at, whole = 1000, 0
    for tree in nodes:
        end = written(tree, at, events)
        whole += end - at
        at = end
    (found,) = read_runs(json.dumps([*events, run(1000, at - 1000)]))
    assert sum(each.seconds for each in found.events) == pytest.approx(whole / 1e6)
    assert found.between == pytest.approx(0.0, abs=1e-9)
    assert sum(not each.nested for each in found.events) == len(nodes)
    assert len(found.events) == len(events)


def test_runs_end_where_the_model_does() -> None:
    events = [
        {"cat": "Session", "name": "session_initialization", "ts": 0, "dur": 9, "ph": "X", "args": {}},
        event("a", 10, 5, output_type_shape=[{"float": [1, 3]}, {"int64": []}]),
        run(8, 10),
        event("a", 20, 7, output_type_shape=[{"float": [1, 3]}]),
        event("b", 27, 1, activation_size="8", parameter_size="4", output_size="12"),
        run(20, 12),
        event("a", 50, 7),  # of a run that never ended
    ]
    first, second = read_runs(json.dumps(events))
    assert [each.name for each in first.events] == ["a"]
    assert first.events[0].outputs == (("float", (1, 3)), ("int64", ()))
    assert [(each.name, each.moved) for each in second.events] == [("a", None), ("b", 24)]
    assert (first.seconds, second.seconds) == (pytest.approx(10e-6), pytest.approx(12e-6))
    assert second.between == pytest.approx(4e-6)


def test_a_node_of_a_gpu_takes_what_its_kernels_take() -> None:
    launched = event("conv", 10, 3, "Conv")
    kernel = {"cat": "Kernel", "name": "sgemm", "ts": 14, "dur": 40, "args": {"parent_name": "conv_kernel_time"}}
    more = {**kernel, "dur": 5}
    (found,) = read_runs(json.dumps([launched, kernel, more, event("shape", 13, 1), run(10, 60)]))
    assert [each.seconds for each in found.events] == [pytest.approx(45e-6), pytest.approx(1e-6)]


@pytest.mark.parametrize(("text", "says"), [('[{"name": "a"', "damaged"), ("{}", "no list"), ("3", "no list")])
def test_what_is_no_profile(text: str, says: str) -> None:
    with pytest.raises(MachineError, match=says):
        read_runs(text)


@given(st.recursive(st.none() | st.integers() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)))
def test_any_list_is_read(value: Any) -> None:
    assert read_runs(json.dumps([value])) == []


def test_shapes_that_are_none_are_not_made_up() -> None:
    events = [
        event(str(n), n, 1, output_type_shape=shape) for n, shape in enumerate(["x", [3], [{"float": "?"}], None])
    ]
    (found,) = read_runs(json.dumps([*events, run(0, 9)]))
    assert [each.outputs for each in found.events] == [None] * 4
