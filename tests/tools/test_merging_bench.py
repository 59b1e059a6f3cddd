"""The bench of merged products runs, on a small model, and its two files differ in what it is about."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import onnx
import pytest

import archonnx

ROOT = Path(__file__).resolve().parents[2]
PARAMETERS = {"layers": 1, "width": 16, "heads": 2, "vocabulary": 1000, "cache": True}


@pytest.fixture
def merging(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module, imported as `python -m tools.bench.merging` does, from the root."""
    monkeypatch.syspath_prepend(str(ROOT))
    import tools.bench.merging

    return tools.bench.merging


@pytest.fixture
def tiny(merging: ModuleType) -> Any:
    return merging.Subject("tiny", "gpt2.arch", "GPT2", PARAMETERS, (1,), 5)


def test_subjects_have_the_inputs_of_their_models(merging: ModuleType) -> None:
    for subject in merging.SUBJECTS:
        shallow = {**subject.parameters, "layers": 1}
        one = merging.Subject(subject.name, subject.file, subject.model, shallow, subject.lengths, subject.past)
        model = archonnx.compile(merging.MODELS / one.file, model=one.model, **shallow)
        assert {given.name for given in model.graph.inputs} == set(one.feeds(one.lengths[0])), one.name


def test_files_differ_in_their_products(merging: ModuleType, tiny: Any, tmp_path: Path) -> None:
    kinds = []
    for merged in (False, True):
        merging.write(tiny, merged, 3, tmp_path / "model.onnx")
        kinds.append([node.op_type for node in onnx.load(tmp_path / "model.onnx").graph.node])
    assert kinds[0].count("MatMul") == kinds[1].count("MatMul") + 2
    assert kinds[1].count("Split") == kinds[0].count("Split") + 1


def test_a_row_is_measured(merging: ModuleType, tiny: Any) -> None:
    (row,) = merging.rows([tiny], ["onnxruntime"], least=3, sessions=2, rounds=1)
    assert len(row.ratios) == 2
    assert row.milliseconds > 0
    assert row.text().startswith("| tiny | onnxruntime | 1 |")
