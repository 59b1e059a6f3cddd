"""The networks of keras.applications, randomly initialised: what Keras saves of them gives ours the same results."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from keras_harness import error
from networks import Array, compiled_with, large_files, output_of

keras = pytest.importorskip("keras")

# Keras' own, as it saves a network.
pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file"),
]

TOLERANCE = 1e-5

# Networks whose map is not called `keras`: two of one file.
MAPS = {"MobileNetV2": "keras_v2", "MobileNetV3Small": "keras_v3", "MobileNetV3Large": "keras_v3"}


def random_network(name: str, **arguments: Any) -> Any:
    """The network with logits for its result, its statistics and biases its own."""
    keras.utils.clear_session(free_memory=False)
    keras.utils.set_random_seed(0)
    network = getattr(keras.applications, name)(weights=None, classifier_activation=None, **arguments)
    rng = np.random.default_rng(1)
    for variable in network.weights:
        local = variable.path.rsplit("/", 1)[1]
        if local in ("moving_variance", "variance"):
            variable.assign(rng.uniform(0.5, 1.5, variable.shape))
        elif len(variable.shape) == 1:
            variable.assign_add(rng.normal(0, 0.1, variable.shape))
    for layer in network.layers:
        if hasattr(layer, "finalize_state"):
            layer.finalize_state()
    return network


@pytest.mark.parametrize(
    ("name", "source", "largest", "saved"),
    [
        ("ResNet50", "resnet.arch", 1.0, "weights.keras"),
        ("VGG19", "vgg.arch", 1.0, "saved.weights.h5"),
        ("EfficientNetB0", "efficientnet.arch", 255.0, "saved.weights.h5"),
        ("EfficientNetB0", "efficientnet.arch", 255.0, "weights.h5"),
        ("MobileNetV2", "mobilenet.arch", 1.0, "weights.keras"),
        ("MobileNetV3Small", "mobilenet.arch", 255.0, "saved.weights.h5"),
        ("MobileNetV3Large", "mobilenet.arch", 255.0, "weights.h5"),
    ],
)
def test_a_network_computes_what_keras_computes(name: str, source: str, largest: float, saved: str) -> None:
    image: Array = np.random.default_rng(0).uniform(0, largest, (2, 224, 224, 3)).astype(np.float32)
    with large_files() as folder:
        network = random_network(name, **({"input_shape": (224, 224, 3)} if name.startswith("MobileNetV3") else {}))
        expected = network(image, training=False).numpy()
        if saved.endswith(".weights.h5"):
            network.save_weights(folder / saved)
        else:
            network.save(folder / saved)
        counted = network.count_params()
        del network
        model = compiled_with(folder / saved, MAPS.get(name, "keras"), source, name, activation=None)
        assert sum(w.size for w in model.graph.weights()) == counted
        found = output_of(model, image, folder)
    assert float(expected.std()) > 1e-3, "a result that says something"
    assert error(found, expected) <= TOLERANCE


@pytest.mark.parametrize(
    ("name", "source", "parameters"),
    [
        ("ResNet101", "resnet.arch", {}),
        ("VGG16", "vgg.arch", {"size": 32}),
        ("EfficientNetB7", "efficientnet.arch", {"size": 64}),
    ],
)
def test_the_map_fits_the_larger_networks(name: str, source: str, parameters: dict[str, Any]) -> None:
    size = parameters.get("size", 224)
    keras.utils.clear_session(free_memory=False)
    network = getattr(keras.applications, name)(weights=None, input_shape=(size, size, 3))
    with large_files() as folder:
        network.save_weights(folder / "saved.weights.h5")
        model = compiled_with(folder / "saved.weights.h5", "keras", source, name, **parameters)
        assert model.given.keys() == {w.path for w in model.graph.weights()}
