"""`onnx`, the operators that a layer says it becomes, against those that its cases really give, in both directions."""

from __future__ import annotations

import ast
from collections import defaultdict
from functools import cache

import pytest
from keras_harness import Case
from layer_cases import CASES, TORCH_CASES

import archonnx
from archonnx.compiler.ir import Operator
from archonnx.compiler.layers.base import Layer
from archonnx.compiler.layers.domains import Activation, Optional
from archonnx.compiler.layers.registry import find_layer, layer_names
from archonnx.contract.dtypes import DTYPES

LIBRARY = [layer for layer in map(find_layer, layer_names()) if layer is not None]
# What only moves and converts: no layer has to name it, and one that is nothing else may. Nor is the arithmetic of
# sizes and masks named, which is what takes and gives whole numbers and truth alone.
MOVING = set(
    "Transpose Cast Unsqueeze Squeeze Reshape Shape Concat Slice Identity Expand Gather GatherND Split Pad".split()
)


@cache
def emitted() -> tuple[dict[str, dict[str, str]], dict[str, set[str]]]:
    """Over all cases whose activation is the default, by layer: what a case gives beside the arithmetic of sizes, with
    that case; and all that is given."""
    telling: dict[str, dict[str, str]] = defaultdict(dict)
    all_given: dict[str, set[str]] = defaultdict(set)
    for case in (*CASES, *TORCH_CASES):
        if plain(case):
            model = archonnx.compile(text=case.text(), **({"opset": case.opset} if case.opset else {}))
            owners = {node.path: node.layer for node in model.graph.nodes}
            for operator in model.lower().everywhere():
                layer = owners.get(operator.layer)
                if layer is None or holds_layer(layer):
                    continue
                all_given[layer.type_name].add(operator.type)
                if not computes_sizes(operator):
                    telling[layer.type_name].setdefault(operator.type, case.id)
    return telling, all_given


def computes_sizes(operator: Operator) -> bool:
    return all(
        DTYPES[t.dtype].kind in ("int", "uint", "bool") for t in (*operator.inputs, *operator.outputs) if t is not None
    )


def plain(case: Case) -> bool:
    """Whether the operators are the layer's own: not an activation's, nor the formulas that float64 takes."""
    call = ast.parse(case.call, mode="eval").body
    assert isinstance(call, ast.Call)
    layer = find_layer(case.layer)
    assert layer is not None
    if layer.__name__ == "Activation":
        return "float64" not in case.call
    names = list(layer.declared)
    given = dict(zip(names, call.args, strict=False))
    given |= {keyword.arg or "": keyword.value for keyword in call.keywords}
    acting = [value for name, value in given.items() if is_activation(layer, name)]
    return "float64" not in case.call and all(ast.unparse(value) == "None" for value in acting)


def holds_layer(layer: Layer) -> bool:
    """Whether a layer is run inside, whose operators are its own."""
    values = [v for given in layer.arguments.values() for v in (given if isinstance(given, tuple) else (given,))]
    return layer.runs_cell or layer.runs_layer or any(isinstance(value, Layer) for value in values)


def is_activation(layer: type[Layer], name: str) -> bool:
    domain = layer.declared[name].domain if name in layer.declared else None
    return isinstance(domain.of if isinstance(domain, Optional) else domain, Activation)


@pytest.mark.parametrize("layer", LIBRARY, ids=lambda layer: layer.__name__)
def test_every_operator_given_is_named(layer: type[Layer]) -> None:
    given = emitted()[0].get(layer.__name__, {})
    assert {operator: case for operator, case in given.items() if operator not in {*layer.onnx, *MOVING}} == {}


@pytest.mark.parametrize("layer", LIBRARY, ids=lambda layer: layer.__name__)
def test_every_operator_named_is_given(layer: type[Layer]) -> None:
    """But those that only move, which passes may turn into one another, and Range, in place of very long constants."""
    given = emitted()[1]
    if layer.__name__ in given:
        assert set(layer.onnx) - MOVING - {"Range"} - given[layer.__name__] == set()
