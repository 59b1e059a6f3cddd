"""Whole networks of keras.applications, written out layer by layer with the arguments that Keras has, against Keras."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from keras_harness import error

import archonnx
from archonnx.compiler.layers.registry import find_layer
from archonnx.compiler.recipes import Draw, Evaluation
from archonnx.compiler.weights.initializers import resolve

keras = pytest.importorskip("keras")


def arguments(layer: Any) -> list[str]:
    """The arguments of a layer of Keras, as text, those of training left out."""
    cls = find_layer(type(layer).__name__)
    assert cls is not None, type(layer).__name__
    given = layer.get_config()
    found = []
    for name in cls.declared:
        value = given.get(name)
        if name in given and name != "dtype" and not isinstance(value, dict):
            found.append(f'{name}="{value}"' if isinstance(value, str) else f"{name}={value!r}")
    return found


def written_out(model: Any) -> str:
    """A functional model of Keras as a source text."""
    names: dict[int, str] = {}
    lines = ["model Application():"]
    for number, layer in enumerate(model.layers):
        names[id(layer.output)] = f"x{number}"
        if type(layer).__name__ == "InputLayer":
            lines.append(f"input x0: float32[N, {', '.join(map(str, layer.batch_shape[1:]))}]")
            continue
        inputs = [names[id(given)] for given in (layer.input if isinstance(layer.input, list) else [layer.input])]
        flow = inputs[0] if len(inputs) == 1 else f"({', '.join(inputs)})"
        call = ", ".join([*arguments(layer), f'name="{layer.name}"'])
        lines.append(f"x{number} = {flow} -> {type(layer).__name__}({call})")
    lines.append(f"output y = {names[id(model.output)]}")
    return "\n    ".join(lines) + "\n"


@pytest.mark.parametrize(("name", "largest"), [("MobileNetV2", 1.0), ("EfficientNetB0", 255.0)])
def test_a_network_of_keras_computes_what_keras_computes(name: str, largest: float, tmp_path: Path) -> None:
    import onnxruntime

    theirs = getattr(keras.applications, name)(weights=None, input_shape=(64, 64, 3), classes=10)
    ours = archonnx.compile(text=written_out(theirs))
    variables = {f"{layer.name}/{v.name}": v for layer in theirs.layers for v in layer.weights}
    assert sorted(weight.path for weight in ours.graph.weights()) == sorted(variables)
    for number, weight in enumerate(ours.graph.weights()):
        if weight.dtype == "float32":
            plain = {"gamma": 1.0, "moving_variance": 1.0, "variance": 1.0}.get(weight.path.rsplit("/", 1)[1])
            if plain is not None or len(weight.shape) == 1:
                rng = np.random.default_rng(number)
                weight.initializer = resolve(((plain or 0.0) + rng.uniform(-0.3, 0.3, weight.shape)).tolist())
            variables[weight.path].assign(Draw(weight).whole(Evaluation(0)).reshape(weight.shape))
    for layer in theirs.layers:
        if hasattr(layer, "finalize_state"):
            layer.finalize_state()
    ours.save(tmp_path / "application.onnx")
    x = np.random.default_rng(0).uniform(0, largest, (2, 64, 64, 3)).astype(np.float32)
    session = onnxruntime.InferenceSession(tmp_path / "application.onnx", providers=["CPUExecutionProvider"])
    reference = keras.ops.convert_to_numpy(theirs(x))
    assert sum(weight.size for weight in ours.graph.weights()) == theirs.count_params()
    assert float(reference.std()) > 1e-3, "a result that says something"
    assert error(session.run(None, {"x0": x})[0], reference) <= 1e-5


def test_a_network_of_keras_needs_one_transpose() -> None:
    theirs = keras.applications.MobileNetV2(weights=None, input_shape=(64, 64, 3), classes=10)
    operators = archonnx.compile(text=written_out(theirs)).lower().operators
    assert [operator.type for operator in operators].count("Transpose") == 1
