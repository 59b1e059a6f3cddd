"""Arguments that the tables of cases do not count: those without effect, those refused, initializers, and `dtype`.

Nothing here names a layer: each layer's own cases, with one argument more, say whether the argument does what its
domain promises.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from keras_harness import Array, Case, Ours, random_inputs
from layer_cases import CASES, TORCH_CASES

import archonnx
from archonnx.compiler.artifact import CompiledModel
from archonnx.compiler.layers.base import Argument, Layer
from archonnx.compiler.layers.domains import Absent, Ignored, InitializerDomain, Optional
from archonnx.compiler.layers.registry import ALIASES, find_layer, layer_names
from archonnx.contract.diagnostics import CompileError
from archonnx.contract.metadata import digest

LIBRARY = [layer for layer in map(find_layer, layer_names()) if layer is not None and layer.keras is not None]
# What Keras takes, by the end of the argument's name; for others the default says what kind of value it is.
TYPICAL = {"_regularizer": '"l2"', "_constraint": '"max_norm"', "seed": "7"}
OTHERS = {bool: "True", int: "3", float: "0.25", str: '"other"', type(None): "7"}
RENAMED = {"depthwise": "kernel"}  # initializers that are not called after their weight, which in Keras is `kernel`
LOW, HIGH = 0.375, 0.4375  # bounds of a distribution that no layer starts from


def arguments(*domains: type) -> list[Any]:
    """Every (layer, argument) whose domain is of these classes."""
    return [
        pytest.param(layer, argument, id=f"{layer.__name__}-{argument.name}")
        for layer in LIBRARY
        for argument in layer.declared.values()
        if isinstance(argument.domain, domains)
    ]


@cache
def cases_of(layer: type[Layer]) -> list[Case]:
    """The cases that apply the layer itself, in the default operator set first."""
    found = [c for c in (*CASES, *TORCH_CASES) if ALIASES.get(c.layer, c.layer) == layer.__name__]
    return sorted(found, key=lambda case: case.opset or 0)


def given(case: Case, layer: type[Layer]) -> set[str]:
    """The arguments that a case's call gives, by position or by name."""
    call = parsed(case)
    return set(list(layer.declared)[: len(call.args)]) | {keyword.arg or "" for keyword in call.keywords}


def parsed(case: Case) -> ast.Call:
    call = ast.parse(case.call, mode="eval").body
    assert isinstance(call, ast.Call)
    return call


def holds_layer(case: Case) -> bool:
    """Whether a layer stands among the arguments of a case's call."""
    inside = (node for node in ast.walk(parsed(case)) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name))
    return sum(find_layer(node.func.id) is not None for node in inside if isinstance(node.func, ast.Name)) > 1


def with_argument(case: Case, name: str, value: str) -> Case:
    """The case with one argument more."""
    call = parsed(case)
    call.keywords.append(ast.keyword(name, ast.parse(value, mode="eval").body))
    return replace(case, call=ast.unparse(call))


def without(layer: type[Layer], name: str) -> Iterator[Case]:
    """The layer's cases that do not give the argument; failing those, its cases with the argument taken away."""
    cases = cases_of(layer)
    yield from (case for case in cases if name not in given(case, layer))
    for case in cases:
        if name in given(case, layer):
            call = parsed(case)
            call.args = call.args[: list(layer.declared).index(name)]
            call.keywords = [keyword for keyword in call.keywords if keyword.arg != name]
            yield replace(case, call=ast.unparse(call))


def compiled(case: Case) -> CompiledModel:
    return archonnx.compile(text=case.text(), **({"opset": case.opset} if case.opset else {}))


def saved(case: Case, path: Path) -> bytes:
    """The model's bytes, but for the digest of its source, which two texts that mean the same have not in common."""
    model = compiled(case)
    model.save(path)
    data = path.read_bytes()
    for text in model.sources.values():
        assert digest(text).encode() in data
        data = data.replace(digest(text).encode(), b"")
    return data


def other_value(argument: Argument, unlike: Any) -> str:
    """A value such as Keras takes, as source, other than `unlike`."""
    for end, value in TYPICAL.items():
        if argument.name.endswith(end):
            return value
    value = OTHERS[type(unlike)] if not isinstance(unlike, tuple | list) else "(7, 7)"
    return "False" if unlike is True else value


@pytest.mark.parametrize(("layer", "argument"), arguments(Ignored))
def test_what_is_ignored_has_no_effect(layer: type[Layer], argument: Argument, tmp_path: Path) -> None:
    case = next(without(layer, argument.name))
    more = with_argument(case, argument.name, other_value(argument, argument.default))
    assert more.text() != case.text()
    assert saved(more, tmp_path / "model.onnx") == saved(replace(case), tmp_path / "model.onnx")


@pytest.mark.parametrize(("layer", "argument"), arguments(Absent))
def test_what_is_absent_is_refused_with_its_reason(layer: type[Layer], argument: Argument) -> None:
    domain = argument.domain
    assert isinstance(domain, Absent)
    case = next(without(layer, argument.name))
    more = with_argument(case, argument.name, other_value(argument, domain.absent))
    with pytest.raises(CompileError) as caught:
        compiled(more)
    (found,) = caught.value.diagnostics
    assert found.code == "E0403"
    assert found.message.startswith(f"{argument.name} of {layer.__name__} is {domain.absent} ({domain.reason})")
    assert found.place is not None
    line = more.text().splitlines()[found.place.line - 1]
    assert line[: found.place.column - 1].endswith(f"{argument.name}=")
    allowed = "None" if domain.absent is None else repr(domain.absent)
    compiled(with_argument(case, argument.name, allowed))


def drawn(case: Case) -> dict[str, Array]:
    """The initial values of the weights of a case's layer, by name below the layer."""
    from archonnx.compiler.recipes import Draw, Evaluation

    found = {}
    for node in compiled(case).graph.nodes:
        if type(node.layer).__name__ == ALIASES.get(case.layer, case.layer):
            for name, weight in node.layer.weights.items():
                found[name] = Draw(weight).whole(Evaluation(0)).reshape(weight.shape)
    return found


@pytest.mark.parametrize(("layer", "argument"), arguments(InitializerDomain, Optional))
def test_an_initializer_sets_its_weight(layer: type[Layer], argument: Argument) -> None:
    """Exactly the weights of its name change, and what changes is drawn from what the argument says."""
    domain = argument.domain.of if isinstance(argument.domain, Optional) else argument.domain
    if not isinstance(domain, InitializerDomain):
        return
    changed: dict[str, Array] = {}
    for case in without(layer, argument.name):
        before = drawn(case)
        after = drawn(with_argument(case, argument.name, f"RandomUniform({LOW}, {HIGH}, seed=1)"))
        assert {n: w.shape for n, w in before.items()} == {n: w.shape for n, w in after.items()}
        changed = {n: after[n][before[n] != after[n]] for n in after if not np.array_equal(before[n], after[n])}
        if changed:
            break
    assert changed, f"no case of {layer.__name__} has a weight that {argument.name} sets"
    stem = argument.name.removesuffix("_initializer").removesuffix("s")
    for name, values in changed.items():
        assert stem in name or RENAMED.get(stem, stem) in name
        assert np.all((values >= LOW) & (values <= HIGH)), name


@pytest.mark.parametrize("dtype", ["float16", "float64"])
@pytest.mark.parametrize("layer", [x for x in LIBRARY if "dtype" in x.declared], ids=lambda layer: layer.__name__)
def test_dtype_is_that_of_the_result(layer: type[Layer], dtype: str) -> None:
    """What gives floats gives them in `dtype`, and the model runs; `dtype` may be refused, where its domain says so.

    A layer inside, an activation or a cell, has a `dtype` of its own, and what comes out last is its.
    """
    if isinstance(layer.declared["dtype"].domain, Absent | Ignored):
        return
    seen = []
    for case in without(layer, "dtype"):
        if case.opset is not None:
            continue
        kind = compiled(case).graph.outputs[0].value.type.dtype
        if kind in seen:
            continue
        seen.append(kind if not holds_layer(case) else "")
        more = with_argument(case, "dtype", f'"{dtype}"')
        ours = Ours(more)
        found = ours.model.graph.outputs[0].value.type.dtype
        assert found == (dtype if kind.startswith("float") else kind) or (found == kind and holds_layer(case))
        sizes = case.runs()[0]
        values = ours.run(random_inputs(case, sizes), sizes)
        assert str(values[0].dtype) == found
        if "float32" in seen and not holds_layer(case):
            return
    assert seen
