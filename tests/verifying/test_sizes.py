"""The sizes a model is run with: three batches, two values of each open size, all that `require` says."""

from __future__ import annotations

import pytest

import archonnx
from archonnx.verifying.sizes import NoSizesError, runs


def graph(*lines: str) -> archonnx.CompiledModel:
    return archonnx.compile(text="model A():\n" + "".join(f"    {line}\n" for line in lines))


def test_batches_and_two_values_of_each_open_size() -> None:
    found = runs(graph("input x: float32[N, T, 4]", "input y: float32[N, S, 4]", "output z = x", "output w = y").graph)
    assert [run["N"] for run in found] == [1, 2, 5]
    for symbol in ("T", "S"):
        assert len({run[symbol] for run in found}) >= 2
    assert all(run["T"] != run["S"] for run in found), "two axes of one size hide that they are mistaken for each other"


def test_a_model_of_known_sizes_is_run_once() -> None:
    assert runs(graph("input x: float32[2, 3]", "output y = x").graph) == [{}]


def test_requirements_hold_in_every_run() -> None:
    model = graph(
        "input x: float32[N, T, S]",
        "require T % 6 == 0",
        "require S == T + 2",
        "require T <= 40",
        "output y = x",
    )
    found = runs(model.graph)
    assert len(found) == 3
    assert all(run["T"] % 6 == 0 and run["S"] == run["T"] + 2 and run["T"] <= 40 for run in found)
    assert len({run["T"] for run in found}) >= 2


def test_sizes_of_results_are_at_least_one() -> None:
    model = graph(
        "input x: float32[N, H, W, 3]",
        "require H >= 90",
        "require W >= 90",
        'Conv2D(4, 90, padding="valid")',
        "output y",
    )
    found = runs(model.graph)
    assert len({run["H"] for run in found}) >= 2
    assert all(run["H"] >= 90 and run["W"] >= 90 for run in found)


def test_expressions_in_the_inputs_are_sizes_of_their_symbols() -> None:
    found = runs(graph("input x: float32[N, 2 * T]", "output y = x").graph)
    assert {run["T"] for run in found} >= {16, 7} or len({run["T"] for run in found}) >= 2


def test_a_batch_that_may_be_one_number_alone() -> None:
    found = runs(graph("input x: float32[N, T]", "require N == 4", "output y = x").graph)
    assert {run["N"] for run in found} <= {4}
    assert len({run["T"] for run in found}) >= 2


def test_fixed_symbols_stay() -> None:
    model = graph("input x: float32[N, T]", "output y = x")
    found = runs(model.graph, {"T": 77})
    assert {run["T"] for run in found} == {77}
    assert [run["N"] for run in found] == [1, 2, 5]


def test_requirements_that_nothing_tried_fits_are_said() -> None:
    model = graph("input x: float32[N, T]", "require T > 10 ** 6", "output y = x")
    with pytest.raises(NoSizesError, match=r"A: no sizes of N, T were found .*T >= 1000001|T > 1000000.*--bind"):
        runs(model.graph)
    assert runs(model.graph, {"T": 10**6 + 1})[0]["T"] == 10**6 + 1
