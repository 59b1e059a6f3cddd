"""The graph of a whole model without its weights, put together again of its stages: what is asked of it as a whole."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from archonnx.contract.dtypes import DTYPES
from archonnx.runtime.skeleton import skeleton

if TYPE_CHECKING:
    from archonnx.contract.shards import Manifest, Value


def merged(files: Sequence[str], manifest: Manifest) -> bytes:
    """A ModelProto of all nodes of the stages. Names are those of the whole in every stage, so what several hold, such
    as a weight, comes once. Raises OSError where a file is gone."""
    import onnx

    whole = onnx.ModelProto()
    made: set[str] = set()
    versions: dict[str, int] = {}
    for file in files:
        stage = onnx.load_from_string(skeleton(file))
        whole.ir_version = max(whole.ir_version, stage.ir_version)
        versions.update((each.domain, each.version) for each in stage.opset_import)
        for node in stage.graph.node:
            names = [name for name in node.output if name]
            if not made.issuperset(names):
                whole.graph.node.append(node)
                made.update(names)
        for tensor in stage.graph.initializer:
            if tensor.name not in made:
                whole.graph.initializer.append(tensor)
                made.add(tensor.name)
        known = {value.name for value in whole.graph.value_info}
        values = [*stage.graph.value_info, *stage.graph.output]
        whole.graph.value_info.extend(value for value in values if value.name not in known)
    whole.graph.name = manifest.model
    for domain, version in versions.items():
        whole.opset_import.add(domain=domain, version=version)
    whole.graph.input.extend(map(_info, manifest.inputs))
    whole.graph.output.extend(map(_info, manifest.outputs))
    results = {value.name for value in manifest.outputs}
    inner = [value for value in whole.graph.value_info if value.name not in results]
    del whole.graph.value_info[:]
    whole.graph.value_info.extend(inner)
    found: bytes = whole.SerializeToString()
    return found


def _info(value: Value) -> object:
    from onnx import helper

    return helper.make_tensor_value_info(value.name, DTYPES[value.dtype].onnx, list(value.shape))
