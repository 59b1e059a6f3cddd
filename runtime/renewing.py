"""Models of operator sets that are older than onnxruntime's kernels, written anew in the oldest that it has."""

from __future__ import annotations

import logging
import os
import re
from dataclasses import replace
from typing import Any

from archonnx.runtime.modelfile import ModelFile
from archonnx.runtime.translate import OLDEST_OPSET

log = logging.getLogger("archonnx.runtime")
_FROM = OLDEST_OPSET - 1
# What changed from one to the other, and is converted rightly, as onnx's own models of that age show.
_CONVERTED = frozenset(
    "Add AveragePool BatchNormalization Div Dropout Gemm Mul Pow Sub And Or Xor Equal Greater Less".split()
)


def renewed(source: str | bytes, model: ModelFile, error: Exception) -> tuple[bytes, ModelFile] | None:
    """A model that onnxruntime refused for its age, as onnx.version_converter writes it anew, with its outline; None
    for other refusals, and where it cannot be converted."""
    opset = model.opsets.get("", OLDEST_OPSET)
    if opset != _FROM or "Could not find an implementation for" not in str(error) or model.external:
        return None
    import onnx
    from google.protobuf.message import DecodeError

    try:
        proto = onnx.load_from_string(source) if isinstance(source, bytes) else onnx.load(os.fspath(source))
        if (doubtful := _doubtful(proto.graph)) is not None:
            log.info("%s is not converted to opset %d: %s may come to mean another", model.path, OLDEST_OPSET, doubtful)
            return None
        made = onnx.version_converter.convert_version(proto, OLDEST_OPSET)
    except (
        onnx.version_converter.ConvertError,
        onnx.defs.SchemaError,
        RuntimeError,
        ValueError,
        OSError,
        DecodeError,
    ) as why:
        reason = re.sub(r"\S+\.(?:h|cc):\d+: ", "", " ".join(str(why).split()))
        log.info("%s cannot be converted to opset %d: %s", model.path, OLDEST_OPSET, reason)
        return None
    log.warning(
        "%s is of opset %d, which onnxruntime does not implement: it was converted to opset %d for this session",
        model.path,
        opset,
        OLDEST_OPSET,
    )
    return made.SerializeToString(), replace(model, opsets={**model.opsets, "": OLDEST_OPSET})


def _doubtful(graph: Any) -> str | None:
    """An operator that changed between the two, and whose conversion is not known to be right; None without such.

    onnx's converter leaves PRelu as it is, whose slopes were along the channels, and are along the last axis since.
    """
    import onnx

    single = {each.name for each in graph.initializer if all(size == 1 for size in each.dims)}
    for node in graph.node:
        if any(attribute.HasField("g") or attribute.graphs for attribute in node.attribute):
            return str(node.op_type)
        schema = onnx.defs.get_schema(node.op_type, OLDEST_OPSET, "")
        if schema.since_version <= _FROM or node.op_type in _CONVERTED:
            continue
        if node.op_type != "PRelu" or node.input[1] not in single:
            return str(node.op_type)
    return None
