"""Runs what a node case was compiled to: by onnxruntime where it can, else by onnx's reference implementation."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from backend_nodes import Array, arrays, write
from onnx import AttributeProto, NodeProto, numpy_helper
from onnx.reference import ReferenceEvaluator

import archonnx
from archonnx.compiler.artifact import CompiledModel
from archonnx.compiler.lowering.lower import lower
from archonnx.compiler.writer import build
from archonnx.contract.diagnostics import ArchonnxError, CompileError

# Where onnxruntime gives other numbers than the case expects; onnx's reference implementation decides.
OTHERWISE = {
    r"test_training_dropout(?!_zero).*": "it drops other elements: the case's seed is numpy's",
    r"test_attention_4d_with_past_and_present_qk_matmul_bias_[34]d_mask_causal": "the lowest float32 stands for -inf",
    r"test_maxunpool_export_with_output_shape": "its indices are read as of the smaller shape",
    r"test_resize_downsample_scales_(linear|cubic)_align_corners": "the last place is computed from the rounded size",
}
# Cases whose results are drawn: dtype and shape are compared.
DRAWN = re.compile(r"test_bernoulli.*")


@dataclass(frozen=True)
class Outcome:
    """The results of a case, and why onnxruntime did not give them, None where it did."""

    results: list[Array]
    refused: str | None


def compiled(case: Any, *, symbols: bool = False) -> CompiledModel:
    """A case compiled; with the types of what comes between operators where the compiler asks for one."""
    written = write(case, symbols=symbols)
    try:
        return archonnx.compile(text=written.text, opset=written.opset)
    except CompileError as error:
        if [d.code for d in error.diagnostics] != ["E0906"] or len(case.model.graph.node) == 1:
            raise
    written = write(case, symbols=symbols, announce=True)
    return archonnx.compile(text=written.text, opset=written.opset)


def nodes_of(model: CompiledModel) -> list[NodeProto]:
    """The raw operators as the lowering writes them, before any pass looks at them."""
    return list(build(lower(model.graph, opset=model.opset, optimization=0), {}).graph.node)


def run(path: Path, case: Any, *, reference: bool = False) -> Outcome:
    """The outputs o0, o1, ... of a written case for the case's own inputs. `reference`: leave onnxruntime alone."""
    given = arrays(case.data_sets[0][0])
    count = len(case.data_sets[0][1])
    refused = "it was not asked"
    if not reference:
        try:
            with archonnx.load(path, "cpu", threads=1) as session:
                feeds = {spec.name: _input(spec.name, given) for spec in session.inputs}
                results, _ = session.run_with_timing(feeds)
                return Outcome([np.asarray(results[f"o{k}"]) for k in range(count)], None)
        except ArchonnxError as error:
            refused = str(error)
    model = onnx.load(path)
    feeds = {port.name: _input(port.name, given) for port in model.graph.input}
    with np.errstate(all="ignore"):  # the cases divide by zero on purpose
        values = ReferenceEvaluator(model).run([f"o{k}" for k in range(count)], feeds)
    return Outcome([np.asarray(v) for v in values], refused)


def _input(name: str, given: Sequence[Array]) -> Array:
    return given[int(name[1:])] if name.startswith("i") else np.ones(1, np.float32)


def difference(case: Any, found: Sequence[Array]) -> str | None:
    """What is wrong with the results of a case, None where they are the expected ones within the case's tolerances."""
    for k, (y, wanted) in enumerate(zip(found, arrays(case.data_sets[0][1]), strict=True)):
        text = wanted.dtype.kind in "OUS"
        if y.shape != wanted.shape or (y.dtype != wanted.dtype and not text):
            return f"o{k} is {y.dtype}{list(y.shape)}, expected {wanted.dtype}{list(wanted.shape)}"
        if text:
            if y.astype(str).tolist() != wanted.astype(str).tolist():
                return f"o{k} is {y.tolist()}, expected {wanted.tolist()}"
        elif wanted.dtype.kind in "biu":
            if not np.array_equal(y, wanted):
                return f"o{k} differs"
        else:
            error = _error(y, wanted)
            if error > (1e-3 if y.dtype.itemsize <= 2 else 1e-5):  # float16 and less: a rounding at the largest number
                close = np.allclose(
                    y.astype(np.float64), wanted.astype(np.float64), case.rtol, case.atol, equal_nan=True
                )
                if not close:
                    return f"o{k} differs by {error:.1e} of its largest number"
    return None


def _error(y: Array, wanted: Array) -> float:
    """max|y - wanted| / max(1e-6, max|wanted|); infinite where one is finite and the other is not."""
    exact = np.complex128 if wanted.dtype.kind == "c" else np.float64
    a, b = y.astype(exact), wanted.astype(exact)
    finite = np.isfinite(b)
    if not np.array_equal(a[~finite], b[~finite], equal_nan=True) or not np.isfinite(a[finite]).all():
        return math.inf
    return float(np.abs(a[finite] - b[finite]).max(initial=0) / max(1e-6, np.abs(b[finite]).max(initial=0)))


def same_nodes(case: Any, model: CompiledModel) -> str | None:
    """What differs between the operators of a case that its outputs need and those written for it, else None."""
    ours = [node for node in nodes_of(model) if "kept" not in node.output]
    theirs = needed(case)
    if [node.op_type for node in ours] != [node.op_type for node in theirs]:
        return f"operators are {[node.op_type for node in ours]}, expected {[node.op_type for node in theirs]}"
    read = {name for node in theirs for name in node.input} | {port.name for port in case.model.graph.output}
    for mine, node in zip(ours, theirs, strict=True):
        if _given(mine.input) != _given(node.input):
            return f"{node.op_type} has the inputs {list(mine.input)}, expected {list(node.input)}"
        wanted = {i for i, name in enumerate(node.output) if name in read}
        if not wanted <= _given(mine.output) <= _given(node.output):
            return f"{node.op_type} has the outputs {list(mine.output)}, expected {list(node.output)}"
        made, asked = _attributes(mine), _attributes(node)
        schema = onnx.defs.get_schema(node.op_type, model.opset)
        for name in made.keys() - asked.keys():  # a default may be written out
            asked[name] = _plain(schema.attributes[name].default_value)
        if made != asked:
            return f"{node.op_type} has the attributes {made}, expected {asked}"
    return None


def needed(case: Any) -> list[NodeProto]:
    """The operators of a case that its outputs need, in order."""
    graph = case.model.graph
    read = {port.name for port in graph.output}
    kept: list[NodeProto] = []
    for node in reversed(graph.node):
        if read & set(node.output):
            kept.append(node)
            read |= set(node.input)
    return kept[::-1]


def _given(names: Sequence[str]) -> set[int]:
    return {i for i, name in enumerate(names) if name}


def _attributes(node: NodeProto) -> dict[str, Any]:
    return {attribute.name: _plain(attribute) for attribute in node.attribute}


def _plain(attribute: AttributeProto) -> Any:
    value = onnx.helper.get_attribute_value(attribute)
    if attribute.type == AttributeProto.TENSOR:
        array = numpy_helper.to_array(value)
        return str(array.dtype), array.shape, array.tolist() if array.dtype == object else array.tobytes()
    return (attribute.type, list(value) if attribute.type > AttributeProto.GRAPH else value)
