"""Every layer against Keras and PyTorch: names, order and defaults of arguments, masks, shapes, parameters, values."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from typing import Any

import pytest
from cases.activation import NAMES
from keras_harness import Case, compare
from layer_cases import CASES, ELSEWHERE, TORCH_CASES
from torch_harness import TorchCase, compare_with_torch

from archonnx.compiler.layers import domains
from archonnx.compiler.layers.activations import ACTIVATIONS, ALIASES
from archonnx.compiler.layers.base import REQUIRED, Layer
from archonnx.compiler.layers.registry import find_layer, layer_names

pytest.importorskip("keras")

LIBRARY = [layer for layer in map(find_layer, layer_names()) if layer is not None]
LAYERS = [layer for layer in LIBRARY if layer.keras is not None]
# Not counted: what has no effect or is refused whatever it is given, and initializers, as cases bring weights of their own.
NOT_COUNTED = (domains.Ignored, domains.Absent, domains.InitializerDomain)


@pytest.mark.filterwarnings("ignore:You passed .rms_scaling=True:UserWarning")  # asked for, to see what it computes
@pytest.mark.filterwarnings("ignore:Layer .* does not support masking:UserWarning")  # those inside attention
@pytest.mark.parametrize("case", CASES, ids=[case.id for case in CASES])
def test_computes_what_keras_computes(case: Case) -> None:
    assert compare(case) <= case.tolerance


@pytest.mark.parametrize("case", TORCH_CASES, ids=[case.id for case in TORCH_CASES])
def test_computes_what_pytorch_computes(case: TorchCase) -> None:
    pytest.importorskip("torch", reason="PyTorch is what this is held against")
    assert compare_with_torch(case) <= case.tolerance


def test_there_are_enough_cases() -> None:
    assert len(CASES) >= 800
    assert len({case.id for case in CASES}) == len(CASES)
    assert len({case.id for case in TORCH_CASES}) == len(TORCH_CASES)


def test_every_layer_has_a_case() -> None:
    named = {name for case in (*CASES, *TORCH_CASES) for name, _ in calls(case.call)}
    assert {layer.__name__ for layer in LIBRARY} - named - ELSEWHERE.keys() == set()
    assert {layer.__name__ for layer in LAYERS} - {name for case in CASES for name, _ in calls(case.call)} == set()


@pytest.mark.parametrize("layer", LIBRARY, ids=lambda layer: layer.__name__)
def test_every_argument_is_set_by_a_case(layer: type[Layer]) -> None:
    """A layer that stands in ELSEWHERE has its arguments set there, where the reason says."""
    if layer.__name__ in ELSEWHERE:
        return
    wanted = {
        name
        for name, argument in layer.declared.items()
        if not isinstance(argument.domain, NOT_COUNTED) and name != "dtype"
    }
    order = list(layer.declared)
    given: set[str] = set()
    for case in (*CASES, *TORCH_CASES):
        for name, call in calls(f"{case.before}\n{case.call}"):
            if find_layer(name) is layer:
                given |= set(order[: len(call.args)]) | {keyword.arg or "" for keyword in call.keywords}
    assert wanted - given == set()


def calls(text: str) -> Iterator[tuple[str, ast.Call]]:
    """Every call of a layer that a text writes, those inside another's arguments too."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            yield node.func.id, node


@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: layer.__name__)
def test_arguments_are_those_of_keras(layer: type[Layer]) -> None:
    """The same names in the same order with the same defaults; `name` is everything's, `dtype` comes last."""
    import keras

    theirs = [
        p
        for p in inspect.signature(getattr(keras.layers, str(layer.keras)).__init__).parameters.values()
        if p.name not in ("self", "name", "dtype", "kwargs")
    ]
    ours = {name: argument for name, argument in layer.declared.items() if argument.keras and name != "dtype"}
    assert list(ours) == [p.name for p in theirs]
    for p in theirs:
        argument = ours[p.name]
        assert argument.required == (p.default is inspect.Parameter.empty), p.name
        if not argument.required:
            assert parsed(argument.domain, argument.default) == parsed(argument.domain, p.default), p.name


def parsed(domain: domains.Domain, value: Any) -> Any:
    return domain.parse(value)


# Embedding makes a mask, and none reaches it.
MASKED = [layer for layer in LAYERS if layer.__name__ != "Embedding"]


@pytest.mark.parametrize("layer", MASKED, ids=lambda layer: layer.__name__)
def test_masks_pass_where_keras_says_so(layer: type[Layer]) -> None:
    import keras

    case = next(case for case in CASES if case.layer == layer.__name__)
    theirs = eval(case.theirs or case.call, dict(vars(keras.layers)) | {"keras": keras})
    if layer.masking == "use":
        asked = {"mask", "query_mask"} & inspect.signature(theirs.call).parameters.keys()
        assert asked or theirs.supports_masking  # merging layers read the masks off their inputs
    else:
        assert (layer.masking == "pass") == theirs.supports_masking


def test_every_activation_of_keras_is_known() -> None:
    """`threshold` needs two numbers that a name cannot give, and fails in Keras too."""
    from keras.src.activations import ALL_OBJECTS_DICT

    assert {*ACTIVATIONS, *ALIASES, "linear"} == set(ALL_OBJECTS_DICT) - {"threshold"}
    assert set(NAMES) == set(ALL_OBJECTS_DICT) - {"threshold"}


def test_defaults_lie_inside_their_domains() -> None:
    for name in layer_names():
        layer = find_layer(name)
        assert layer is not None
        for argument in layer.declared.values():
            if argument.default is not REQUIRED:
                argument.domain.parse(argument.default)
