"""Every layer against Keras: names, order and defaults of arguments, masks, shapes, parameters and values."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
from keras_harness import Case, error, random_inputs, run_archonnx, run_keras
from layer_cases import CASES, NAMES

from archonnx.compiler.layers import domains
from archonnx.compiler.layers.activations import ACTIVATIONS, ALIASES
from archonnx.compiler.layers.base import REQUIRED, Layer
from archonnx.compiler.layers.registry import find_layer, layer_names

pytest.importorskip("keras")

LAYERS = [layer for layer in map(find_layer, layer_names()) if layer is not None and layer.keras is not None]


@pytest.mark.parametrize("case", CASES, ids=[case.id for case in CASES])
def test_computes_what_keras_computes(case: Case) -> None:
    arrays = random_inputs(case)
    ours, weights = run_archonnx(case, arrays)
    theirs = run_keras(case, arrays, weights)
    assert ours.value.shape == theirs.value.shape
    assert ours.value.dtype == theirs.value.dtype
    assert (ours.trainable, ours.other) == (theirs.trainable, theirs.other)
    assert error(ours.value, theirs.value) <= case.tolerance


def test_every_layer_of_keras_here_has_a_case() -> None:
    assert {layer.__name__ for layer in LAYERS} - {case.layer for case in CASES} == set()


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
    theirs = eval(case.call, dict(vars(keras.layers)))
    if layer.masking == "use":
        assert "mask" in inspect.signature(theirs.call).parameters
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
