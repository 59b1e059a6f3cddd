"""The registry finds every layer by its name; those of other packages are in test_plugins.py."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from archonnx.compiler.layers import registry


def test_finds_the_layers_of_the_issue() -> None:
    wanted = """Conv2D DepthwiseConv2D MaxPooling2D AveragePooling2D GlobalAveragePooling2D GlobalMaxPooling2D
    ZeroPadding2D Dense Flatten Reshape Activation ReLU Softmax BatchNormalization Dropout Add Multiply Concatenate
    Rescaling Resizing CenterCrop Normalization""".split()
    assert set(wanted) <= set(registry.layer_names())


def test_every_layer_is_found_by_its_name_and_says_what_it_is() -> None:
    for name in registry.layer_names():
        layer = registry.find_layer(name)
        assert layer is not None
        assert layer.__name__ == name
        assert layer.__doc__, name
        assert not layer.__doc__.startswith("\n"), name
        assert layer.example, name
        assert layer.formula, name
        assert max(map(len, layer.formula.splitlines())) <= 120, name
        assert all(operator[:1].isupper() and operator.isalnum() for operator in layer.onnx), name
        for argument in layer.declared.values():
            assert argument.doc.endswith("."), f"{name}.{argument.name}"


def test_names_are_sorted_and_none_is_private() -> None:
    names = registry.layer_names()
    assert names == sorted(names)
    assert not [name for name in names if name.startswith("_")]


def test_an_unknown_name_is_none() -> None:
    assert registry.find_layer("Conv2DD") is None
    assert registry.find_function("no_such_function") is None


@pytest.mark.parametrize("name", ["Layer", "KerasLayer", "Domain", "_Conv", "__init__", "", "relu", "Relu"])
def test_what_is_no_layer_is_none(name: str) -> None:
    assert registry.find_layer(name) is None


def test_a_small_model_loads_few_layers(project: Path) -> None:
    program = """
import sys
from archonnx.compiler.layers.registry import find_layer
assert find_layer("Dense") is not None
loaded = [name for name in sys.modules if name.startswith("archonnx.compiler.layers.")]
assert "archonnx.compiler.layers.resizing" not in loaded, loaded
assert not {"numpy", "onnx", "rich", "PIL"} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", program], check=True, env=os.environ | {"PYTHONPATH": str(project / "src")})


def test_aliases_are_those_of_keras() -> None:
    keras = pytest.importorskip("keras", reason="Keras' own aliases are what ours are held against")
    of_keras = {alias: name for alias, name in registry.ALIASES.items() if hasattr(keras.layers, alias)}
    for alias, name in registry.ALIASES.items():
        assert registry.find_layer(alias) is registry.find_layer(name) is not None
        theirs = getattr(keras.layers, name, None)
        # What Keras calls its class, and prints in summaries, may be another name than the one that it exports.
        assert getattr(keras.layers, alias, None) is theirs or getattr(theirs, "__name__", None) == alias
    ours = {getattr(keras.layers, name): name for name in registry.layer_names() if hasattr(keras.layers, name)}
    second = {
        name: ours[value] for name, value in vars(keras.layers).items() if isinstance(value, type) and value in ours
    }
    assert {name: ours for name, ours in second.items() if name != ours} == of_keras


def test_what_is_not_offered_is_a_layer_of_keras_and_none_of_ours() -> None:
    keras = pytest.importorskip("keras", reason="whether Keras has a layer is asked of it")
    for name in registry.NOT_OFFERED:
        assert hasattr(keras.layers, name)
        assert registry.find_layer(name) is None


def test_every_layer_of_keras_is_here_or_its_name_is_answered() -> None:
    keras = pytest.importorskip("keras", reason="which layers there are is asked of Keras")
    from archonnx.compiler.elaborate.calls import KERAS_MODEL_WORDS

    bases = {"InputSpec", "Layer", "Wrapper"}  # nothing that a model applies
    answered = {*registry.NOT_OFFERED, *KERAS_MODEL_WORDS, *bases}
    theirs = {name for name in dir(keras.layers) if name[:1].isupper()}
    assert {name for name in theirs - answered if registry.find_layer(name) is None} == set()
