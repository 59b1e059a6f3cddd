"""What became of each node where a precision is a hint: what OpenVINO tells of the graph that it runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from archonnx.runtime.modelfile import ModelFile
from archonnx.runtime.precision.deciding import LoweredNode, Lowering
from archonnx.runtime.settings import Precision

_NAMES: dict[str, Precision] = {"f32": "float32", "bf16": "bfloat16", "f16": "float16"}
_BRINGS = frozenset({"Const", "Input", "Output", "Reorder", "Convert"})  # what it adds to bring numbers elsewhere
_SHAPES = frozenset({"Reshape", "Transpose", "ShapeOf", "Broadcast"})  # what may stand for a part of another operator
_SHAPED = frozenset({"Reshape", "Transpose", "Squeeze", "Unsqueeze", "Flatten", "Expand"})
_RECURRENT = {"LSTM", "GRU", "RNN"}


def lowering_of(
    executed: Any, model: ModelFile, made: Mapping[str, str], precision: Precision, error: float | None
) -> Lowering:
    """The nodes that are found by name in the graph that runs, in its order. A node of which OpenVINO made several is
    lowered where one of these is.

    executed: `Compiled.executed`; made: value -> the node that makes it; precision: that was asked for; error: of the
    whole, where it was measured.
    """
    found: dict[str, Precision] = {}
    recurrent: list[Precision] = []  # which lose their names, and stay in order

    for node in executed.get_ordered_ops():
        info = node.get_rt_info()
        kind, type_ = (_told(info, key) for key in ("layerType", "runtimePrecision"))
        if kind in _BRINGS or type_ not in _NAMES:
            continue
        if kind.startswith("RNN"):
            recurrent.append(_NAMES[type_])
        for layer in _told(info, "originalLayersNames").split(","):
            name = made.get(layer) or _node(layer, model)
            part = name is not None and kind in _SHAPES and model.nodes[name].operator not in _SHAPED
            if name is not None and not part and found.get(name) != precision:
                found[name] = _NAMES[type_]
    names = [name for name, place in model.nodes.items() if place.operator in _RECURRENT]
    if len(names) == len(recurrent):
        found |= dict(zip(names, recurrent, strict=True))
    nodes = []
    for name, each in found.items():
        place = model.nodes[name]
        why = "" if each == precision else "OpenVINO leaves it so"
        nodes.append(LoweredNode(name, place.operator, place.layer, place.place, each, None, why))
    return Lowering(precision, error, tuple(nodes))


def _told(info: Any, key: str) -> str:
    return str(info[key].value) if key in info else ""


def _node(layer: str, model: ModelFile) -> str | None:
    """The model's node that a layer of OpenVINO comes of: `conv2d/Conv` of `conv2d/Conv/WithoutBiases`."""
    while layer and layer not in model.nodes:
        layer = layer.rpartition("/")[0]
    return layer or None
