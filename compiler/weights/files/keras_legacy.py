"""The .h5 of Keras 1 and 2, written: `dense/kernel` becomes the weight `dense/kernel` of the layer `dense`.

`model.load_weights(path, by_name=True)` reads it, in every version of Keras. A name without a layer is one of the model
itself. Read is it as all of Keras' files are, by keras_h5.py. The format has no place for metadata.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, BinaryIO

import numpy as np

from archonnx.compiler.weights.files.base import CannotHoldError, Format, Tensor
from archonnx.compiler.weights.files.keras_h5 import BEGINNING, HOLDS, open_keras
from archonnx.compiler.weights.files.keras_writing import MOST_BYTES, write_dataset, writing

TOP = "top_level_model_weights"


def write_h5(file: BinaryIO, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Tensors as Keras 2 writes weights, slice by slice. CannotHoldError where a name or a shape is not held."""
    layers = _layers(tensors)
    with writing(file) as out:
        _strings(out, "layer_names", [layer for layer in layers if layer != TOP])
        for layer, names in layers.items():
            group = out.create_group(layer)
            _strings(group, "weight_names", names)
            for name in names:
                write_dataset(group, name, name, tensors[name])


def _layers(tensors: Mapping[str, Tensor]) -> dict[str, list[str]]:
    """The names of tensors by their layers. CannotHoldError where one is no name of a dataset."""
    layers: dict[str, list[str]] = {}
    above = {name[:at] for name in tensors for at, letter in enumerate(name) if letter == "/"}
    for name in tensors:
        parts = name.split("/")
        if any(part in ("", ".") for part in parts) or "\0" in name or len(name.encode()) > MOST_BYTES:
            raise CannotHoldError(f"HDF5 has no place for the name {name[:100]!r}")
        if name.endswith(":0") or parts[0] == TOP:
            raise CannotHoldError(f"Keras would read the name {name[:100]!r} as another")
        if name in above:
            raise CannotHoldError(f"{name[:100]!r} cannot be a tensor and hold others")
        layers.setdefault(parts[0] if len(parts) > 1 else TOP, []).append(name)
    return layers


def _strings(group: Any, attribute: str, names: Sequence[str]) -> None:
    """A list of names as an attribute, or as several where it is too long for one, as Keras does."""
    parts = list(_parts([name.encode() for name in names]))
    for i, part in enumerate(parts):
        group.attrs[attribute if len(parts) == 1 else f"{attribute}{i}"] = np.array(part, "S") if part else np.empty(0)


def _parts(names: Sequence[bytes]) -> Iterator[list[bytes]]:
    part: list[bytes] = []
    width = 0
    for name in names:
        width = max(width, len(name))
        if part and width * (len(part) + 1) > MOST_BYTES:
            yield part
            part, width = [], len(name)
        part.append(name)
    yield part


FORMAT = Format(
    name="keras-legacy",
    title="Keras 1 and 2",
    suffixes=(".h5", ".hdf5"),
    open=open_keras,
    holds=HOLDS,
    write=write_h5,
    magic=(BEGINNING,),
    extra="keras",
)
