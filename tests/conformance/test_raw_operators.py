"""Every node case of the onnx package as raw operators: the same operators in the file, and the expected results.

The cases are those of onnx's own backend tests, and the functions that they are expanded to. What the language cannot
say is left out by a rule of backend_nodes.RULES, and the rule is held against the compiler.
"""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from backend_nodes import RULES, LeftOut, load, opset_of, write
from backend_run import DRAWN, OTHERWISE, compiled, difference, run, same_nodes

import archonnx
from archonnx.compiler.functions.raw import raw_operator
from archonnx.compiler.layers.base import LayerError
from archonnx.compiler.lowering.opsets import NEWEST_OPSET

CASES = load()
TEXTS: dict[str, str] = {}  # the rule of each case that is left out
for case in CASES:
    try:
        write(case)
    except LeftOut as left_out:
        TEXTS[case.name] = left_out.rule
WRITTEN = [case for case in CASES if case.name not in TEXTS]

# What onnxruntime says where it does not run a model that is well-formed; the reference implementation decides.
REFUSALS = re.compile(
    r"has no implementation of|Failed to find kernel|needs the locale|Batchwise recurrent operations|"
    r"of a type that onnxruntime does not exchange with Python|Non per-tensor quantization|"
    r"is not defined for empty set with bool|inconsistent total_sequence_length"
)


@pytest.mark.parametrize("case", WRITTEN, ids=[case.name for case in WRITTEN])
def test_is_the_operator_and_computes_what_it_says(case: Any, tmp_path: Path) -> None:
    model = compiled(case)
    assert same_nodes(case, model) is None
    model.save(tmp_path / "model.onnx")
    outcome = run(tmp_path / "model.onnx", case)
    assert outcome.refused is None or REFUSALS.search(outcome.refused)
    found = difference(case, outcome.results)
    if any(re.fullmatch(name, case.name) for name in OTHERWISE):
        assert outcome.refused is None
        assert found is not None, "onnxruntime gives what is expected now: take it out of OTHERWISE"
        found = difference(case, run(tmp_path / "model.onnx", case, reference=True).results)
    if DRAWN.fullmatch(case.name):
        found = None if found is not None and "differs" in found else found
    assert found is None


FIRST = {(node.op_type, opset_of(case)): case for case in reversed(WRITTEN) for node in case.model.graph.node}
ALONE = [case for case in WRITTEN if case in FIRST.values() and len(case.model.graph.node) == 1]


@pytest.mark.parametrize("case", ALONE, ids=[case.name for case in ALONE])
def test_sizes_may_be_symbols(case: Any, tmp_path: Path) -> None:
    """One case of each operator and operator set, every size of its tensors above 1 a symbol."""
    model = compiled(case, symbols=True)
    model.save(tmp_path / "model.onnx")
    outcome = run(tmp_path / "model.onnx", case)
    assert outcome.refused is None or REFUSALS.search(outcome.refused)
    found = difference(case, outcome.results)
    random = DRAWN.fullmatch(case.name) or any(re.fullmatch(name, case.name) for name in OTHERWISE)
    assert found is None or (random and "differs" in found)


def test_counts() -> None:
    """How many cases there are in onnx 1.23, and how many of them are left out, by rule."""
    counts = dict(Counter(TEXTS.values()))
    for rule, count in counts.items():
        print(f"{count:5} left out: {RULES[rule][0]}")
    print(f"{len(WRITTEN):5} of {len(CASES)} written")
    for rule in RULES:
        assert rule in counts, "no case is left out by it"
    assert counts == {"graph": 44, "domain": 26, "sequence": 13, "deprecated": 3, "older": 1}
    assert (len(CASES), len(WRITTEN)) == (1884, 1797)
    operators = {node.op_type for case in WRITTEN for node in case.model.graph.node}
    assert len(operators) == 182


LEFT_OUT = [case for case in CASES if case.name in TEXTS]


@pytest.mark.parametrize("case", LEFT_OUT, ids=[case.name for case in LEFT_OUT])
def test_what_is_left_out_cannot_be_written(case: Any) -> None:
    rule = TEXTS[case.name]
    code = RULES[rule][1]
    if rule == "domain":
        assert {node.domain for node in case.model.graph.node} - {""} <= {
            "ai.onnx.ml",
            "ai.onnx.preview",
            "ai.onnx.preview.training",
        }
    elif rule == "sequence":
        ports = [*case.model.graph.input, *case.model.graph.output]
        assert any(port.type.WhichOneof("value") != "tensor_type" for port in ports)
    elif rule == "older":
        (node,) = case.model.graph.node
        declared = raw_operator(node.op_type, opset_of(case)).declared
        assert not {attribute.name for attribute in node.attribute} <= declared.keys()
    else:
        refused = []
        for node in case.model.graph.node:
            try:
                raw_operator(node.op_type, opset_of(case))
            except LayerError as error:
                refused.append(error.code)
        assert code in refused


# Operators that no case of onnx's applies: a line, and the type of what it gives. Those that draw numbers have no others.
NO_CASE = {
    "GlobalLpPool": ("x -> onnx.GlobalLpPool(p=2)", "float32[N, 3, 1, 1]"),
    "MaxRoiPool": ("(x, rois) -> onnx.MaxRoiPool(pooled_shape=[2, 2])", "float32[R, 3, 2, 2]"),
    "Multinomial": ("logits -> onnx.Multinomial(sample_size=5, dtype=int64)", "int64[N, 5]"),
    "RandomNormal": ("() -> onnx.RandomNormal(shape=[2, 3], dtype=float32, seed=1.0)", "float32[2, 3]"),
    "RandomNormalLike": ("x -> onnx.RandomNormalLike(scale=2.0)", "float32[N, 3, 8, 8]"),
    "RandomUniform": ("() -> onnx.RandomUniform(shape=[4], high=3.0)", "float32[4]"),
}


@pytest.mark.parametrize("name", NO_CASE)
def test_without_a_case_of_onnx(name: str, tmp_path: Path) -> None:
    line, kind = NO_CASE[name]
    text = f"""
model A():
    input x: float32[N, 3, 8, 8]
    input rois: float32[R, 5]
    input logits: float32[N, 4]
    y = {line}
    output y
    output kept = mean(x) + mean(rois) + mean(logits)
"""
    model = archonnx.compile(text=text)
    assert str(model.graph.outputs[0].value.type) == kind
    model.save(tmp_path / "model.onnx")
    feeds = {
        "x": np.linspace(-1, 1, 2 * 3 * 64, dtype=np.float32).reshape(2, 3, 8, 8),
        "rois": np.array([[0, 0, 0, 4, 4], [1, 2, 2, 6, 6]], dtype=np.float32),
        "logits": np.zeros((2, 4), dtype=np.float32),
    }
    with archonnx.load(tmp_path / "model.onnx", "cpu", threads=1) as session:
        y = session(feeds)["y"]
    sizes = {"N": 2, "R": 2}
    assert y.shape == tuple(d if isinstance(d, int) else sizes[str(d)] for d in model.graph.outputs[0].value.type.shape)
    assert np.isfinite(y).all()


def test_every_operator_of_the_domain_is_applied() -> None:
    """All but those that hold graphs or deal in sequences alone."""
    named = {node.op_type for case in WRITTEN for node in case.model.graph.node}
    known = {schema.name for schema in onnx.defs.get_all_schemas() if not schema.domain and not schema.deprecated}
    assert named & NO_CASE.keys() == set()
    for name in known - named - NO_CASE.keys():
        with pytest.raises(LayerError) as caught:
            raw_operator(name, NEWEST_OPSET)
        assert caught.value.code == "E0904"


DOCUMENT = (Path(__file__).resolve().parents[2] / "docs" / "raw-operators.md").read_text(encoding="utf-8")


def test_the_document_says_how_many() -> None:
    assert f"{len(WRITTEN):,} of {len(CASES):,}" in DOCUMENT
    counts = Counter(TEXTS.values())
    rows = re.findall(r"^\| left out: .* \| (\d+) \|$", DOCUMENT, re.MULTILINE)
    assert sorted(map(int, rows)) == sorted(counts.values())


@pytest.mark.parametrize("block", re.findall(r"^```arch\n(.*?)^```$", DOCUMENT, re.MULTILINE | re.DOTALL))
def test_what_the_document_shows_compiles(block: str, tmp_path: Path) -> None:
    model = archonnx.compile(text=block)
    assert not model.diagnostics
    model.save(tmp_path / "model.onnx")
