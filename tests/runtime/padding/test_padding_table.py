"""Every operator of the table: where more tokens behind the mask change nothing by the analysis, onnxruntime finds the
same."""

from __future__ import annotations

import pytest
from behind import proof_of, running, worst
from padding_cases import PLACES, Case, cases

from archonnx.runtime.padding.functions import PLACES as ALL_PLACES
from archonnx.runtime.padding.table import REASONS, TABLE

CASES = list(cases())


@pytest.mark.parametrize("case", [c for c in CASES if c.same], ids=lambda case: case.name)
def test_tokens_behind_the_mask_change_nothing(case: Case) -> None:
    model = case.made()
    proof = proof_of(model)
    assert proof.blame is None, proof.blame
    assert worst(running(model), proof) < 1e-5


@pytest.mark.parametrize("case", [c for c in CASES if not c.same], ids=lambda case: case.name)
def test_what_may_change_is_named(case: Case) -> None:
    blame = proof_of(case.made()).blame
    assert blame is not None
    assert blame.why
    if blame.operator:  # else it is about an output
        assert blame.operator in {node.op_type for node in case.nodes}, blame


def test_every_operator_has_its_cases() -> None:
    same = {(case.domain, case.operator) for case in CASES if case.same}
    changed = {(case.domain, case.operator) for case in CASES if not case.same}
    harmless = {"Identity", "Transpose", "Unsqueeze", "CastLike", *PLACES["float"], *ALL_PLACES}
    harmless |= {"Gelu", "QuickGelu", "FastGelu", "BiasGelu"}
    assert set(TABLE) - same == {("", "StringConcat")}
    assert {key for key in TABLE if key[1] not in harmless} - changed == set()
    assert not {key for key in TABLE if key[1] in REASONS}
