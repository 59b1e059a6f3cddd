"""Every operator of the table: where it keeps rows apart by the analysis, onnxruntime finds the same."""

from __future__ import annotations

import pytest
from apart import running, verdict_of, worst
from batching_cases import HARMLESS, Case, cases

from archonnx.runtime.batching.table import DRAWS, REASONS, TABLE

CASES = list(cases())


@pytest.mark.parametrize("case", [c for c in CASES if c.apart], ids=lambda case: case.name)
def test_rows_that_run_apart_give_what_they_give_together(case: Case) -> None:
    model, inputs = case.made()
    verdict = verdict_of(model, inputs)
    assert verdict.blame is None, verdict.blame
    assert all(axis is not None for axis in verdict.axes.values())
    assert worst(running(model), inputs, verdict) < 1e-5


@pytest.mark.parametrize("case", [c for c in CASES if not c.apart], ids=lambda case: case.name)
def test_what_mixes_rows_is_named(case: Case) -> None:
    model, inputs = case.made()
    blame = verdict_of(model, inputs).blame
    assert blame is not None
    assert (blame.node, blame.operator) == ("net/node", case.operator)
    assert blame.why


def test_every_operator_has_its_cases() -> None:
    apart = {(case.domain, case.operator) for case in CASES if case.apart}
    mixing = {(case.domain, case.operator) for case in CASES if not case.apart}
    elsewhere = {("", "Shape"), ("", "Size"), ("", "ConstantOfShape")}  # in test_analysis: they take or give numbers
    assert set(TABLE) - apart - elsewhere == set()
    assert {key for key in TABLE if key[1] not in HARMLESS} - mixing - elsewhere == set()
    assert not {key for key in TABLE if key[1] in REASONS or key[1] in DRAWS}
