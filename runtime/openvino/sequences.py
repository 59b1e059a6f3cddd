"""Recurrent layers whose steps somebody else reads too.

Where OpenVINO 2026.4 takes away the Transposes around such a layer, it takes the one before it from all that read it,
and these take steps for examples. The library is given the Transpose behind a layer in a form that it leaves alone; of
the plug-in's models, which nobody can change, those are refused that it may happen to.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from archonnx.contract.diagnostics import MachineError
from archonnx.runtime.modelfile import ModelFile
from archonnx.runtime.openvino.nodes import Node, told

_LAYERS = frozenset({"GRU", "LSTM", "RNN"})
_SEQUENCES = frozenset(f"{name}Sequence" for name in _LAYERS)
_RESULTS_TURNED = [2, 1, 0, 3]  # [examples, directions, steps, units] to what ONNX gives
_TURNED = [1, 0, 2]  # steps first to examples first, and back

Key = tuple[int, tuple[int, ...]]  # a value's number, and the order in which its axes were put


def keep_transposes(graph: Any) -> None:
    """Write the Transpose behind each layer of one direction as one of three axes. graph: an openvino.Model.

    Layers of both directions are parted by OpenVINO before it looks for Transposes.
    """
    import numpy as np
    from openvino import opset13 as ops

    changed = False
    for layer in graph.get_ordered_ops():
        if layer.get_type_name() not in _SEQUENCES or layer.get_attributes()["direction"] == "bidirectional":
            continue
        for reader in [each.get_node() for each in layer.output(0).get_target_inputs()]:
            if reader.get_type_name() != "Transpose" or _order(reader) != _RESULTS_TURNED:
                continue
            one = ops.constant([1], np.int64)
            turned = ops.transpose(ops.squeeze(layer.output(0), one), ops.constant(_TURNED, np.int64))
            made = ops.unsqueeze(turned, one)
            made.set_friendly_name(reader.get_friendly_name())
            reader.output(0).replace(made.output(0))
            changed = True
    if changed:
        graph.validate_nodes_and_infer_types()


def _order(transpose: Any) -> list[int]:
    """The order that it puts axes in; none where that is computed."""
    constant = transpose.input_value(1).get_node()
    found: list[int] = constant.get_data().tolist() if constant.get_type_name() == "Constant" else []
    return found


def check_steps(model: ModelFile, nodes: Sequence[Node]) -> None:
    """Refuse a model where steps that a layer reads are read by others too, if that layer's Transposes may go.

    nodes: all of the model. Raises MachineError.
    """
    layers = [node for node in nodes if node.operator in _LAYERS]
    if not layers:
        return
    values = _Values(nodes)
    wanted = {name for node in nodes for name in node.inputs} | {spec.name for spec in model.outputs}
    given = {values.turned(spec.name, None) for spec in model.outputs if spec.name in values.transposes}
    for layer in layers:
        if not (layer.outputs and layer.outputs[0] in wanted) or layer.attributes.get("direction") == "bidirectional":
            continue
        turned = values.turned(layer.input(0), _TURNED)
        beside = [each for each in layers if each is not layer and values.turned(each.input(0), _TURNED) == turned]
        beside += values.readers(turned)
        if beside or turned in given:
            what = f"{layer.operator} with steps that others read too ({told([layer, *beside], model)})"
            raise MachineError(f'{model.path}: OpenVINO does not compute as ONNX says: {what}; use device="cpu" for it')


class _Values:
    """The values of a model by number: those that are computed alike have one, and Transposes of one value too."""

    def __init__(self, nodes: Sequence[Node]) -> None:
        self._nodes = nodes
        self._made = {name: (node, at) for node in nodes for at, name in enumerate(node.outputs) if name}
        self._keys: dict[str, Key] = {}
        self._numbers: dict[object, int] = {}
        self.transposes = {node.outputs[0] for node in nodes if _perm(node)}
        for name in self._made:
            self._number(name)

    def turned(self, name: str, order: list[int] | None) -> Key:
        """The key of a value whose axes are put in this order."""
        return _turned(self._keys.get(name) or self._leaf(name), order)

    def readers(self, key: Key) -> list[Node]:
        """What reads the result of a Transpose that has this key, but for Transposes of layers alone."""
        names = {name for name in self.transposes if self._keys[name] == key}
        return [node for node in self._nodes if names.intersection(node.inputs) and not self._before_layers(node)]

    def _before_layers(self, node: Node) -> bool:
        """Whether it is the Transpose before layers, which are looked at themselves, and before nothing else."""
        readers = [each for each in self._nodes if node.outputs[0] in each.inputs]
        return _perm(node) == _TURNED and all(each.operator in _LAYERS for each in readers)

    def _leaf(self, name: str) -> Key:
        return self._numbers.setdefault(name, len(self._numbers)), ()

    def _number(self, name: str) -> None:
        """Give a value its key, after those of what it is made of; graphs may be as deep as they like."""
        waiting = [name]
        while waiting:
            top = waiting[-1]
            node, at = self._made[top]
            open_ones = [each for each in node.inputs if each in self._made and each not in self._keys]
            if top in self._keys or not open_ones:
                waiting.pop()
                self._keys.setdefault(top, self._key(node, at))
            else:
                waiting += open_ones

    def _key(self, node: Node, at: int) -> Key:
        inputs = [self._keys.get(name) or self._leaf(name) for name in node.inputs]
        if node.operator == "Identity" and inputs:
            return inputs[0]
        if perm := _perm(node):
            return _turned(inputs[0], perm)
        same = (node.domain, node.operator, repr(sorted(node.attributes.items())), tuple(inputs), at)
        # Constants have values that are not read here: each is one of its own.
        return self._numbers.setdefault(same if inputs else node.outputs[at], len(self._numbers)), ()


def _perm(node: Node) -> list[int] | None:
    """The order of a Transpose that says one."""
    perm = node.attributes.get("perm")
    return perm if node.operator == "Transpose" and isinstance(perm, list) and node.inputs else None


def _turned(key: Key, order: Sequence[int] | None) -> Key:
    if order is None:
        return key
    number, before = key
    now = tuple(before[axis] for axis in order) if len(before) == len(order) else tuple(order)
    return number, () if now == tuple(range(len(now))) else now
