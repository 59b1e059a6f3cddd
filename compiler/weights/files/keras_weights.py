"""The .weights.h5 of Keras 3, written: each tensor in the numbered group that it came from.

A group says of a layer its class and which of that class it is, `layers/conv2d_1/vars/0`, not what it is called, and
names alone do not tell that. So tensors are written that were read from a file of Keras 3, or whose places are those of
one (`archonnx weights convert IN OUT.weights.h5 --like MODEL.keras`); `model.load_weights` reads the result.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import BinaryIO

from archonnx.compiler.weights.files.base import CannotHoldError, Format, Tensor
from archonnx.compiler.weights.files.keras_h5 import HOLDS, open_keras
from archonnx.compiler.weights.files.keras_writing import write_dataset, writing

HELP = "--like MODEL.keras takes it from a file of the model; an .h5 needs none: load_weights(path, by_name=True)"


def write_weights(file: BinaryIO, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Tensors as Keras 3 writes weights, slice by slice. CannotHoldError where one has no place."""
    places: dict[str, str] = {}
    for name, tensor in tensors.items():
        if tensor.place is None:
            raise CannotHoldError(f"the name {name[:100]!r} does not say its place among Keras' groups; {HELP}")
        if places.setdefault(tensor.place[0], name) != name:
            raise CannotHoldError(f"{name!r} and {places[tensor.place[0]]!r} have the same place, {tensor.place[0]}")
    with writing(file) as out:
        for name, tensor in tensors.items():
            assert tensor.place is not None
            place, label = tensor.place
            way, _, key = place.rpartition("/")
            group = out.require_group(way)
            if label:
                group.attrs["name"] = label
            write_dataset(group, key, name, tensor)


FORMAT = Format(
    name="keras-weights",
    title="Keras weights",
    suffixes=(".weights.h5",),
    open=open_keras,
    holds=HOLDS,
    write=write_weights,
    extra="keras",
)
