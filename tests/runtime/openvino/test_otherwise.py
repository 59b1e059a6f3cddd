"""The onnx package's node cases on OpenVINO's library: as ONNX says, or refused."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from backend_nodes import arrays
from backend_nodes import load as load_cases
from hypothesis import given
from hypothesis import strategies as st
from onnx import helper

from archonnx.contract.diagnostics import MachineError
from archonnx.runtime.openvino import otherwise, starting
from archonnx.runtime.openvino.nodes import read_nodes

CASES = {case.name: case for case in load_cases()}
# What OpenVINO computes otherwise, with the words that it is refused with.
REFUSED = {
    "test_attention_4d_with_past_and_present_qk_matmul_bias_3d_mask_causal": "Attention with is_causal=1 and a past",
    "test_attention_local_window": "Attention with left_window_size",
    "test_bitshift_right_int32_negative_input": "BitShift with whole numbers that have a sign",
    "test_dft_rfft_opset19": "DFT with onesided=1",
    "test_gru_batchwise": r"GRU with examples first \(layout=1\)",
    "test_lstm_batchwise": r"LSTM with examples first \(layout=1\)",
    "test_lstm_with_peepholes": "LSTM with peepholes",
    "test_maxpool_2d_ceil_output_size_reduce_by_one": "MaxPool with ceil_mode=1 and windows that may begin in the padding",
    "test_resize_downsample_sizes_cubic_antialias": "Resize with antialias=1",
    "test_resize_upsample_scales_cubic_A_n0p5_exclude_outside": "Resize with exclude_outside=1",
    "test_resize_upsample_sizes_nearest_not_larger": 'Resize with keep_aspect_ratio_policy="not_larger"',
    "test_roialign_mode_max": 'RoiAlign with mode="max"',
    "test_simple_rnn_batchwise": r"RNN with examples first \(layout=1\)",
    "test_spacetodepth_crd_mode_example": 'SpaceToDepth with mode="CRD"',
    "test_tile": "Tile with counts that are computed and 4 axes or more",
}
# Differences that are told in docs/devices.md, and not refused.
KNOWN = {
    "DynamicQuantizeLinear": "a number that lies between two goes to the other one, for an error of float32",
    "NonMaxSuppression": "boxes whose overlap is the threshold itself",
}
DRAWN = {"Bernoulli", "RandomNormalLike", "RandomUniformLike"}
TOLD = set(KNOWN) | DRAWN


def first_cases() -> list[Any]:
    """One case of each operator, none that is refused above."""
    found: dict[str, Any] = {}
    for name, case in CASES.items():
        if len(case.model.graph.node) == 1 and name not in REFUSED:
            found.setdefault(case.model.graph.node[0].op_type, case)
    return [case for operator, case in found.items() if operator not in TOLD]


def same(session: Any, case: Any) -> bool:
    """Whether a case's results are the expected ones."""
    for inputs, expected in case.data_sets:
        feeds = dict(zip([value.name for value in case.model.graph.input], arrays(inputs), strict=True))
        results = session.run_with_timing(feeds)[0].values()
        for mine, theirs in zip(results, arrays(expected), strict=True):
            if (mine.shape, mine.dtype) != (theirs.shape, theirs.dtype):
                return False
            with np.errstate(invalid="ignore"):  # what OpenVINO never wrote may hold signalling NaNs
                wide = [array.astype(np.float64) for array in (mine, theirs)]
            if not np.allclose(*wide, rtol=max(case.rtol, 1e-3), atol=max(case.atol, 1e-4), equal_nan=True):
                return False
    return True


@pytest.mark.parametrize("case", first_cases(), ids=[case.name for case in first_cases()])
def test_operators_are_computed_as_onnx_says_or_refused(on_library: Any, case: Any) -> None:
    try:
        session = on_library(case.model, threads=1)
    except MachineError as error:
        assert "OpenVINO" in str(error)
        return
    assert same(session, case)


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_computed_otherwise_is_refused(on_library: Any, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    with pytest.raises(MachineError, match=REFUSED[name]) as caught:
        on_library(CASES[name].model)
    assert str(caught.value).endswith('; use device="cpu" for it')
    monkeypatch.setattr(starting, "check_nodes", lambda *args: None)
    try:
        session = on_library(CASES[name].model, threads=1)
    except MachineError:
        return  # the library itself refuses it; the plug-in does not
    assert not same(session, CASES[name]), "OpenVINO gives what is expected now: take the rule out"


def test_all_rules_are_tried() -> None:
    tried = {CASES[name].model.graph.node[0].op_type for name in REFUSED}
    assert otherwise._RULES.keys() - {"AveragePool", "ConvTranspose", "LpPool"} <= tried  # these in test_depending.py


@given(st.integers(1, 9), st.integers(1, 4), st.integers(1, 4), st.integers(1, 2), st.integers(0, 3), st.integers(0, 3))
def test_pools_are_taken_where_no_window_begins_in_the_padding(
    size: int, kernel: int, stride: int, dilation: int, begin: int, end: int
) -> None:
    """The rule looks at no sizes: what it takes is right for each."""
    attributes = {"kernel_shape": [kernel], "strides": [stride], "dilations": [dilation], "pads": [begin, end]}
    node = helper.make_node("MaxPool", ["x"], ["y"], ceil_mode=1, **attributes)
    model = helper.make_model(helper.make_graph([node], "g", [], []))
    (read,) = read_nodes(model.SerializeToString())
    window = (kernel - 1) * dilation + 1
    places = itertools.takewhile(lambda at: at + window < size + begin + end + stride, itertools.count(0, stride))
    if otherwise._pool(read) is None:
        assert all(at < size + begin for at in places)


def test_nodes_are_read_with_their_attributes_wherever_they_lie() -> None:
    inner = helper.make_node("Tile", ["v", "counts"], ["w"], name="inner")
    branch = helper.make_graph([inner], "b", [], [])
    nodes = [
        helper.make_node("If", ["c"], ["y"], then_branch=branch, else_branch=branch),
        helper.make_node("Resize", ["x", "", "s"], ["z"], mode="cubic", antialias=1, axes=[-1, 2]),
    ]
    found = read_nodes(helper.make_model(helper.make_graph(nodes, "g", [], [])).SerializeToString())
    assert [(node.operator, node.outer) for node in found] == [
        ("If", True),
        ("Resize", True),
        ("Tile", False),
        ("Tile", False),
    ]
    assert found[1].attributes == {"mode": "cubic", "antialias": 1, "axes": [-1, 2]}
    assert (found[1].input(1), found[1].input(2), found[1].input(3)) == ("", "s", "")
