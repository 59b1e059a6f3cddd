"""Recurrent layers on OpenVINO whose steps are read by others too: they compute what the CPU does, or are refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

import archonnx
from archonnx.contract.diagnostics import MachineError
from archonnx.runtime.modelfile import read_model
from archonnx.runtime.openvino import reading
from archonnx.runtime.openvino.nodes import read_nodes
from archonnx.runtime.openvino.sequences import check_steps

# Name -> the body of a model with the input s, and whether OpenVINO alone would compute it otherwise.
CASES = {
    "parallel": ("(s -> LSTM(4, return_sequences=True), s -> GRU(4, return_sequences=True)) -> Concatenate()", True),
    "deep beside flat": ("(s -> LSTM(4, return_sequences=True) -> LSTM(4), s -> LSTM(4)) -> Concatenate()", True),
    "backwards": (
        "(s -> GRU(4, return_sequences=True), s -> GRU(4, return_sequences=True, go_backwards=True)) -> Add()",
        True,
    ),
    "beside both directions": (
        "(s -> Bidirectional(LSTM(2, return_sequences=True)), s -> SimpleRNN(4, return_sequences=True)) -> Add()",
        True,
    ),
    "one after the other": ("s -> LSTM(4, return_sequences=True) -> GRU(4, return_sequences=True)", False),
    "last steps": ("(s -> LSTM(4), s -> GRU(4)) -> Concatenate()", False),
    "both directions": ("s -> Bidirectional(GRU(4, return_sequences=True)) -> Bidirectional(GRU(4))", False),
    "beside what reads no steps": ("(s -> LSTM(8, return_sequences=True), s) -> Add() -> Dense(4)", False),
}


def saved(folder: Path, body: str, optimization: Any) -> Path:
    """The model as a file, with weights that are large enough for every step to count."""
    model = archonnx.compile(text=f"model Steps():\n    input s: float32[N, 6, 8]\n    {body}\n    output y\n")
    draw = np.random.default_rng(0)
    arrays = {name: draw.standard_normal(value.shape, np.float32) / 2 for name, value in model.values().items()}
    path = folder / "steps.onnx"
    model.with_weights(arrays).save(path, optimization=optimization)
    return path


def error(session: Any, path: Path, rows: int) -> float:
    feeds = {"s": np.random.default_rng(1).standard_normal((rows, 6, 8), np.float32)}
    (expected,) = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"]).run(None, feeds)
    assert session(feeds).shape == expected.shape
    return float(np.abs(session(feeds) - expected).max() / np.abs(expected).max())


@pytest.mark.parametrize("optimization", [0, 2])
@pytest.mark.parametrize("name", CASES)
def test_the_library_computes_what_the_cpu_does(on_library: Any, tmp_path: Path, name: str, optimization: int) -> None:
    path = saved(tmp_path, CASES[name][0], optimization)
    session = on_library(path, threads=1, cache="off")
    assert all(error(session, path, rows) < 1e-5 for rows in (1, 3))


@pytest.mark.parametrize("name", CASES)
def test_the_rule_for_the_plug_in_refuses_what_openvino_alone_computes_otherwise(
    on_library: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    body, otherwise = CASES[name]
    path = saved(tmp_path, body, 2)
    monkeypatch.setattr(reading, "keep_transposes", lambda graph: None)
    session = on_library(path, threads=1, cache="off")
    assert (error(session, path, 3) > 0.1) == otherwise, "OpenVINO computes it as expected now: take the rule out"
    if not otherwise:
        check_steps(read_model(path), read_nodes(str(path)))
        return
    with pytest.raises(MachineError, match="with steps that others read too") as caught:
        check_steps(read_model(path), read_nodes(str(path)))
    assert str(caught.value).startswith(f"{path}: OpenVINO does not compute as ONNX says: ")
    assert str(caught.value).endswith('; use device="cpu" for it')


def test_what_was_kept_computes_the_same(on_library: Any, tmp_path: Path) -> None:
    path = saved(tmp_path, CASES["parallel"][0], 2)
    for _ in range(2):
        session = on_library(path, threads=1, cache=str(tmp_path))
        assert error(session, path, 3) < 1e-5
