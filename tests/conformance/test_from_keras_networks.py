"""archonnx.from_keras of random networks, and there and back again: to_keras of what was read."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
from keras_harness import TOLERANCE, error
from test_from_keras import compare, randomize
from test_networks import network
from test_whole_models import MODELS, Whole

import archonnx

keras = pytest.importorskip("keras")


@pytest.fixture(autouse=True)
def names_count_anew() -> None:
    keras.utils.clear_session(free_memory=False)


def functional(lines: list[str], height: int | None, width: int | None, seed: int) -> Any:
    """The lines of a network as a functional model of Keras; some layers have names, some steps are operators."""
    rng = random.Random(seed)
    values: list[Any] = [keras.Input((height, width, 4), name="x0")]
    for number, line in enumerate(lines):
        flow, call = line.partition(" = ")[2].split(" -> ")
        indices = [
            int(part) for part in flow.replace("x", " ").replace("(", " ").replace(")", " ").replace(",", " ").split()
        ]
        given = [values[index] for index in indices]
        # TensorFlow convolves channels-first on some processors only.
        layer = eval(call.replace("channels_first", "channels_last"), dict(vars(keras.layers)))
        if rng.random() < 0.3:
            layer = type(layer).from_config({**layer.get_config(), "name": f"named_{number}"})
        made = layer(given if len(given) > 1 else given[0])
        chosen = rng.random()
        values.append(made * 0.5 + 1 if chosen < 0.1 else keras.ops.tanh(made) if chosen < 0.2 else made)
    return keras.Model(values[0], values[-1], name="Net")


@pytest.mark.parametrize("seed", range(24))
def test_a_random_network_is_read_and_given_back(seed: int) -> None:
    model = functional(network(seed), 12, 11, seed)
    randomize(model)
    x = np.random.default_rng(seed).uniform(-1, 1, (2, 12, 11, 4)).astype(np.float32)
    compiled, worst = compare(model, [x])
    assert worst <= TOLERANCE, compiled.text
    keras.utils.clear_session(free_memory=False)
    again = archonnx.to_keras(compiled)
    expected, found = (keras.ops.convert_to_numpy(one(x, training=False)) for one in (model, again))
    assert error(found, expected) <= TOLERANCE
    assert archonnx.from_keras(again).text == compiled.text


# Those of the first networks whose weights need neither height nor width.
@pytest.mark.parametrize("seed", [0, 3, 4, 6, 8, 10, 11, 12])
def test_a_random_network_of_open_sizes_is_read(seed: int) -> None:
    model = functional(network(seed), None, None, seed)
    randomize(model)
    x = np.random.default_rng(seed).uniform(-1, 1, (2, 12, 11, 4)).astype(np.float32)
    compiled, worst = compare(model, [x])
    assert worst <= TOLERANCE, compiled.text
    assert "float32[N, H, W, 4]" in compiled.text


# Keras says that it destroys the mask, and hands on that of the layer inside.
@pytest.mark.filterwarnings("ignore:Layer .* was passed an input with a mask")
@pytest.mark.parametrize("case", MODELS, ids=lambda case: case.name)
def test_a_whole_model_goes_there_and_back(case: Whole) -> None:
    model = case.theirs(keras.layers)
    randomize(model)
    first = archonnx.from_keras(model)
    keras.utils.clear_session(free_memory=False)
    again = archonnx.to_keras(first)
    assert sorted(v.path for v in again.weights) == sorted(v.path for v in model.weights)
    read = archonnx.from_keras(again)
    assert read.text == first.text
    for path, array in first.values().items():
        assert np.array_equal(read.values()[path], array), path
