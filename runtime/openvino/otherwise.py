"""Operators that OpenVINO computes otherwise than ONNX says, and tells nothing of: models with them are refused.

Found by running the onnx package's node cases on OpenVINO 2026.4, by the plug-in and by the library
(tests/runtime/openvino/test_node_cases.py).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from archonnx.contract.diagnostics import MachineError
from archonnx.runtime.modelfile import ModelFile
from archonnx.runtime.openvino.nodes import Node, told
from archonnx.runtime.skeleton import skeleton


def check_nodes(source: str | bytes, model: ModelFile, nodes: Sequence[Node]) -> None:
    """Refuse a model with such an operator. nodes: all of the model. Raises MachineError."""
    found: dict[str, list[Node]] = {}
    for node in nodes:
        rule = _RULES.get(node.operator) if node.domain in ("", "ai.onnx") else None
        what = rule(node) if rule else None
        if what is not None:
            found.setdefault(f"{node.operator} with {what}", []).append(node)
    tiles = [node for node in nodes if node.operator == "Tile" and node.domain in ("", "ai.onnx")]
    if tiles:
        odd = _computed_tiles(source, tiles, nodes, model)
        if odd:
            found["Tile with counts that are computed and 4 axes or more"] = odd
    if found:
        those = "; ".join(f"{what} ({told(each, model)})" for what, each in found.items())
        raise MachineError(f'{model.path}: OpenVINO does not compute as ONNX says: {those}; use device="cpu" for it')


def _recurrent(node: Node) -> str | None:
    if node.attributes.get("layout", 0):
        return "examples first (layout=1)"
    return "peepholes" if node.operator == "LSTM" and node.input(7) else None


def _pool(node: Node) -> str | None:
    """A window that begins in the padding at the end gives nothing; OpenVINO gives it a place of its own."""
    kernel, count = node.attributes.get("kernel_shape"), 0
    if not node.attributes.get("ceil_mode", 0) or not isinstance(kernel, list):
        return None
    count = len(kernel)
    strides, dilations = (_list(node, name, [1] * count) for name in ("strides", "dilations"))
    ends = _list(node, "pads", [0] * 2 * count)[count:]
    sizes = zip(kernel, strides, dilations, ends, strict=True)
    alone = any((k - 1) * dilation + 1 <= end + stride - 1 for k, stride, dilation, end in sizes)
    return "ceil_mode=1 and windows that may begin in the padding" if alone else None


def _list(node: Node, name: str, default: list[int]) -> list[int]:
    found = node.attributes.get(name)
    return found if isinstance(found, list) else default


def _resize(node: Node) -> str | None:
    for name in ("antialias", "exclude_outside"):
        if node.attributes.get(name, 0):
            return f"{name}=1"
    policy = node.attributes.get("keep_aspect_ratio_policy", "stretch")
    return None if policy == "stretch" else f'keep_aspect_ratio_policy="{policy}"'


def _attention(node: Node) -> str | None:
    for name in ("left_window_size", "right_window_size"):
        if node.attributes.get(name, -1) != -1:
            return name
    return "is_causal=1 and a past" if node.attributes.get("is_causal", 0) and node.input(4) else None


def _dft(node: Node) -> str | None:
    return next((f"{name}=1" for name in ("onesided", "inverse") if node.attributes.get(name, 0)), None)


def _mode(mode: str) -> Callable[[Node], str | None]:
    return lambda node: f'mode="{mode}"' if str(node.attributes.get("mode", "")).lower() == mode.lower() else None


_RULES: dict[str, Callable[[Node], str | None]] = {
    "Attention": _attention,
    "AveragePool": _pool,
    "BitShift": lambda node: "whole numbers that have a sign, or shifts of 32 bits and more",
    "DFT": _dft,
    "GRU": _recurrent,
    "LSTM": _recurrent,
    "LpPool": _pool,
    "MaxPool": _pool,
    "RNN": _recurrent,
    "Resize": _resize,
    "RoiAlign": _mode("max"),
    "SpaceToDepth": _mode("CRD"),
}


def _computed_tiles(source: str | bytes, tiles: Sequence[Node], nodes: Sequence[Node], model: ModelFile) -> list[Node]:
    """Those whose result OpenVINO leaves as its memory was: they have counts that are no constant, and 4 axes, or more,
    or an unknown number of them."""
    constants = {output for node in nodes if node.operator == "Constant" for output in node.outputs}
    tiles = [node for node in tiles if node.input(1) not in constants | model.initializers]
    if not tiles:
        return []
    import onnx

    graph = onnx.shape_inference.infer_shapes(onnx.load_from_string(skeleton(source))).graph
    axes = {each.name: len(each.dims) for each in graph.initializer}
    for value in [*graph.input, *graph.value_info]:
        if value.type.tensor_type.HasField("shape"):
            axes[value.name] = len(value.type.tensor_type.shape.dim)
    return [node for node in tiles if not node.outer or axes.get(node.input(0), 4) >= 4]
