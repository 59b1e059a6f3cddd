"""Operators that OpenVINO computes otherwise than ONNX says, and tells nothing of: models with them are refused.

Found by running the onnx package's node cases on OpenVINO 2026.4, by the plug-in and by the library
(tests/runtime/openvino/test_otherwise.py).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from archonnx.contract.diagnostics import MachineError
from archonnx.runtime.modelfile import ModelFile
from archonnx.runtime.openvino.depending import DEPENDING, Surroundings
from archonnx.runtime.openvino.nodes import Node, told


def check_nodes(source: str | bytes, model: ModelFile, nodes: Sequence[Node]) -> None:
    """Refuse a model with such an operator. nodes: all of the model. Raises MachineError."""
    found: dict[str, list[Node]] = {}
    around = Surroundings(source, model, nodes)
    for node in nodes:
        if node.domain not in ("", "ai.onnx"):
            continue
        rule, further = _RULES.get(node.operator), DEPENDING.get(node.operator)
        what = (rule(node) if rule else None) or (further(node, around) if further else None)
        if what is not None:
            found.setdefault(f"{node.operator} with {what}", []).append(node)
    if found:
        those = "; ".join(f"{what} ({told(each, model)})" for what, each in found.items())
        raise MachineError(f'{model.path}: OpenVINO does not compute as ONNX says: {those}; use device="cpu" for it')


def _recurrent(node: Node) -> str | None:
    if node.attributes.get("layout", 0):
        return "examples first (layout=1)"
    if node.operator == "LSTM" and node.input(7):
        return "peepholes"
    if node.input(4):
        return "lengths of the sequences"
    return "input_forget=1" if node.attributes.get("input_forget", 0) else None


def _transposed(node: Node) -> str | None:
    """It pads otherwise, or not at all where sizes are open."""
    padding = str(node.attributes.get("auto_pad", "NOTSET"))
    if padding.startswith("SAME"):
        return f'auto_pad="{padding}"'
    return "output_shape" if "output_shape" in node.attributes else None


def _pool(node: Node) -> str | None:
    """A window that begins in the padding at the end gives nothing; OpenVINO gives it a place of its own."""
    if node.attributes.get("storage_order", 0) and len(node.outputs) > 1:
        return "storage_order=1"
    if node.attributes.get("ceil_mode", 0) and node.attributes.get("count_include_pad", 0):
        return "ceil_mode=1 and count_include_pad=1"
    kernel = node.attributes.get("kernel_shape")
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
    "ConvTranspose": _transposed,
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
