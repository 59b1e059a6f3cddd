"""Operator graphs from text, the inverse of lowering.text, and what the tests of passes do with them."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from textwrap import dedent
from typing import Any

import numpy as np

from archonnx.compiler.graph import TensorType, Weight
from archonnx.compiler.ir import Operator, OperatorGraph, Tensor
from archonnx.compiler.lowering.text import format_graph
from archonnx.compiler.passes.verify import broken_rules
from archonnx.compiler.recipes import Constant, Draw
from archonnx.compiler.weights.initializers import resolve
from archonnx.contract.diagnostics import Place
from archonnx.contract.dims import Dim, Facts, parse_condition, parse_dim

_RESULT = re.compile(r"(?P<name>[^\s:,]+): (?P<type>\w+\[[^\]]*\])")
_CALL = re.compile(r"^(?:(?P<domain>[\w.]+)\.)?(?P<type>\w+)\((?P<inputs>.*?)\)(?P<attributes>(?: \w+=.*)?)$")
_SPLIT = re.compile(r",\s*(?![^\[(]*[\])])")


def parse_type(text: str) -> TensorType:
    dtype, _, dims = text.rstrip("]").partition("[")
    return TensorType(dtype, tuple(parse_dim(d.strip()) for d in dims.split(",") if d.strip()))


def parse_graph(text: str, opset: int = 20) -> tuple[OperatorGraph, Facts]:
    """The graph of a text as `format_graph` writes it, with `require CONDITION` lines for facts."""
    graph, facts = OperatorGraph("test", opset), Facts()
    tensors: dict[str, Tensor] = {}
    weights: dict[str, Weight] = {}

    def value(text: str) -> Tensor | None:
        if text == "None":
            return None
        if text in tensors:
            return tensors[text]
        if text[0] in "[-" or text[0].isdigit():
            recipe: Any = Constant(ast.literal_eval(text), "int64")
        elif (literal := re.fullmatch(r"(\w+)\((.*)\)", text)) is not None:
            recipe = Constant(ast.literal_eval(literal[2]), literal[1])
        else:
            name, *changes = text.split(".")
            recipe = Draw(weights[name])
            for change in changes:
                method, _, numbers = change.rstrip(")").partition("(")
                recipe = getattr(recipe, method)(tuple(int(n) for n in numbers.split(",")))
        return Tensor(text, TensorType(recipe.dtype, recipe.shape), recipe=recipe)

    for line in dedent(text).strip().splitlines():
        word, _, rest = line.partition(" ")
        if word == "require":
            condition = parse_condition(rest)
            assert not isinstance(condition, bool)
            facts.require(condition)
        elif word == "input":
            name, kind = rest.split(": ")
            tensors[name] = Tensor(name, parse_type(kind), stands_for=name)
            graph.inputs.append(tensors[name])
        elif word == "weight":
            name, kind = rest.split(": ")
            weight_type = parse_type(kind)
            shape = tuple(d for d in weight_type.shape if isinstance(d, int))
            place = Place("test.arch", 1, 1, 1, 1)
            weights[name] = Weight(name, weight_type.dtype, shape, resolve("random_normal"), True, place)
        elif word == "output":
            name, source = rest.split(" = ")
            found = value(source)
            assert found is not None
            graph.outputs.append((name, found))
        else:
            results, call = line.split(" = ", 1)
            parts = _CALL.match(call)
            assert parts is not None, call
            inputs = [value(i.strip()) for i in _SPLIT.split(parts["inputs"]) if i.strip()]
            pairs = re.findall(r" (\w+)=((?:\[[^\]]*\]|'[^']*'|\S+))", parts["attributes"])
            attributes = {name: ast.literal_eval(v) for name, v in pairs}
            operator = Operator(parts["type"], inputs, [], attributes, parts["domain"] or "")
            for match in _RESULT.finditer(results):
                tensor = Tensor(match["name"], parse_type(match["type"]), operator, stands_for=match["name"])
                operator.outputs.append(tensor)
                tensors[tensor.name] = tensor
            operator.name = f"{operator.outputs[0].name}/{operator.type}"
            graph.operators.append(operator)
    return graph, facts


def after(text: str, change: Callable[[OperatorGraph, Facts], OperatorGraph], opset: int = 20) -> str:
    """The text of a graph once a pass has worked on the graph of another text, named and without what is dead."""
    from archonnx.compiler.lowering.naming import assign_names
    from archonnx.compiler.passes.remove_dead import remove_dead

    graph, facts = parse_graph(text, opset)
    assert list(broken_rules(graph)) == []
    graph = change(graph, facts)
    assert list(broken_rules(graph)) == []
    graph = remove_dead(graph)
    assign_names(graph)
    return format_graph(graph)


def expected(text: str) -> str:
    return dedent(text).strip() + "\n"


def run(
    graph: OperatorGraph, feeds: Mapping[str, np.ndarray[Any, Any]], folder: Path
) -> dict[str, np.ndarray[Any, Any]]:
    """What onnxruntime makes of a graph, its own optimisations off, by output."""
    import onnxruntime

    from archonnx.compiler.lowering.naming import assign_names
    from archonnx.compiler.saving import save

    assign_names(graph)
    path = folder / "graph.onnx"
    save(graph, path, seed=3)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    names = [name for name, _ in graph.outputs]
    return dict(zip(names, session.run(names, dict(feeds)), strict=True))


def feeds_for(graph: OperatorGraph, sizes: Mapping[str, int]) -> dict[str, np.ndarray[Any, Any]]:
    """Random inputs of a graph for these values of its symbols."""
    draw = np.random.default_rng(5)

    def extent(dim: Dim) -> int:
        return dim if isinstance(dim, int) else dim.evaluate(sizes)

    feeds = {}
    for tensor in graph.inputs:
        shape = tuple(extent(d) for d in tensor.shape)
        if tensor.dtype.startswith("float"):
            feeds[tensor.name] = draw.standard_normal(shape).astype(tensor.dtype)
        elif tensor.dtype == "bool":
            feeds[tensor.name] = draw.integers(0, 2, shape).astype(bool)
        else:
            feeds[tensor.name] = draw.integers(0, 9, shape).astype(tensor.dtype)
    return feeds


def check_equal(
    text: str,
    change: Callable[[OperatorGraph, Facts], OperatorGraph],
    folder: Path,
    sizes: Mapping[str, int] | None = None,
    opset: int = 20,
) -> None:
    """A pass changes nothing that can be seen from outside."""
    before, _ = parse_graph(text, opset)
    graph, facts = parse_graph(text, opset)
    changed = change(graph, facts)
    assert list(broken_rules(changed)) == []
    feeds = feeds_for(before, sizes or {"N": 2})
    wanted, found = run(before, feeds, folder), run(changed, feeds, folder)
    assert wanted.keys() == found.keys()
    for name, array in wanted.items():
        assert found[name].dtype == array.dtype
        assert found[name].shape == array.shape
        np.testing.assert_allclose(found[name], array, rtol=1e-5, atol=1e-5)
