"""References of Keras' applications and of Digits: `python -m tools.reference.keras [--check]`.

Layers are written down of one size of a family, the smallest, and of both VGGs, which have few: of all sizes they would
be a third of a megabyte that says little more. Those of MobileNetV3 are not: Keras' has convolutions of 1x1 at its end,
where ours has dense layers, and writes out what ours calls hard_sigmoid; the numbers are the same.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from functools import partial
from math import prod
from typing import Any

from tools.reference.writing import Entries, Entry, main

APPLICATIONS = {
    "vgg": ("VGG16", "VGG19"),
    "resnet": ("ResNet50", "ResNet101", "ResNet152"),
    "efficientnet": tuple(f"EfficientNetB{n}" for n in range(8)),
    "mobilenet": ("MobileNetV2", "MobileNetV3Small", "MobileNetV3Large"),
}
LAYERED = ("VGG16", "VGG19", "ResNet50", "EfficientNetB0", "MobileNetV2")
COUNTED = "counted by tools/reference/keras.py"


def entries() -> Entries:
    """What Keras' models count."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    import keras

    found: dict[str, dict[str, Entry]] = {}
    for stem, names in APPLICATIONS.items():
        found[stem] = {}
        for name in names:
            size: dict[str, Any] = {"input_shape": (224, 224, 3)} if name.startswith("MobileNetV3") else {}
            model = made(partial(getattr(keras.applications, name), weights=None, **size))
            found[stem][name] = entry(f"applications.{name}", model, name in LAYERED)
    found["digits"] = {"Digits": entry("model of the same layers", made(digits), layers=True)}
    return found


def made(make: Callable[[], Any]) -> Any:
    """A model whose layers have the names that they have in a process of their own."""
    import keras

    keras.utils.clear_session(free_memory=False)
    return make()


def digits() -> Any:
    """Three convolutions with batch normalization on a picture of 8 by 8, and a dense layer."""
    from keras import Sequential, layers

    made = Sequential([layers.Input((8, 8, 1)), layers.Rescaling(1 / 16)])
    made.add(layers.RandomTranslation(0.1, 0.1))
    made.add(layers.RandomRotation(0.03))
    for filters in (16, 32, 64):
        made.add(layers.Conv2D(filters, 3, padding="same", use_bias=False))
        made.add(layers.BatchNormalization())
        made.add(layers.ReLU())
    for layer in (layers.MaxPooling2D(2), layers.Dropout(0.4), layers.Flatten(), layers.Dense(10)):
        made.add(layer)
    return made


def entry(what: str, model: Any, layers: bool) -> Entry:
    import keras

    trainable = sum(prod(v.shape) for v in model.trainable_variables)
    found: Entry = {
        "source": f"keras {keras.__version__} {what}, {COUNTED}",
        "parameters": {
            "total": model.count_params(),
            "trainable": trainable,
            "non_trainable": model.count_params() - trainable,
        },
        "macs": {"value": sum(map(_macs, model.layers)), "counts": "convolutions and dense layers"},
    }
    if layers:
        found["layers"] = [_row(layer) for layer in model.layers]
    return found


def _row(layer: Any) -> list[Any]:
    shape = list(layer.output.shape) if type(layer).__name__ != "InputLayer" else list(layer.batch_shape)
    return [layer.name, type(layer).__name__, shape, layer.count_params()]


def _macs(layer: Any) -> int:
    """The multiply-accumulates of a convolution or a dense layer: its kernel, once for each place of what it gives."""
    kind = type(layer).__name__
    if kind not in ("Conv2D", "DepthwiseConv2D", "Dense"):
        assert not getattr(layer, "kernel", None), f"{layer.name} is a {kind}, which is not counted"
        return 0
    _, *places, _ = layer.output.shape
    return int(prod(places) * prod(layer.kernel.shape))


if __name__ == "__main__":
    sys.exit(main(entries, __doc__))
