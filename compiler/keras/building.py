"""`to_keras`: the layer graph, node by node, as a functional model of Keras."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from archonnx.compiler.elaborate.references import Reference
from archonnx.compiler.functions.base import Function
from archonnx.compiler.functions.custom import Custom
from archonnx.compiler.functions.raw import Raw
from archonnx.compiler.keras.application import PROJECTED, apply_layer, keras_shape, made_mask, stand_in
from archonnx.compiler.keras.construction import BUILD, Constructor
from archonnx.compiler.keras.functions import apply_function
from archonnx.compiler.keras.names import keras_name, tell_apart
from archonnx.compiler.keras.refusals import NoCounterpartError, Refused, said
from archonnx.compiler.keras.weights import assign
from archonnx.compiler.layers.time_distributed import TimeDistributed
from archonnx.contract.diagnostics import MachineError

if TYPE_CHECKING:
    from archonnx.compiler.artifact import CompiledModel
    from archonnx.compiler.graph import LayerGraph, Node, Value, Weight
    from archonnx.compiler.layers.base import Layer
    from archonnx.compiler.recipes import Evaluation


def to_keras(model: CompiledModel, seed: int = 0) -> Any:
    """A keras.Model that computes what the compiled model does; see `archonnx.to_keras`."""
    return build(model, model.evaluation(seed)).model


@dataclass(frozen=True, slots=True)
class Built:
    """A model of Keras, and what in it stands for what of the layer graph.

    tensors: by the identity of our values. layers: by our paths. variables: each of our weights with the one it is in.
    """

    model: Any
    tensors: Mapping[int, Any]
    layers: Mapping[str, Any]
    variables: Sequence[tuple[Weight, Any]]


def build(model: CompiledModel, evaluation: Evaluation, name: Callable[[str], str] = keras_name) -> Built:
    """The model with the weights that `evaluation` gives. `name` calls layers by their paths.

    Errors: MachineError without Keras, NoCounterpartError.
    """
    try:
        import keras  # noqa: F401  # here for its absence to be told
    except ImportError:
        raise MachineError("Keras is not installed: pip install 'archonnx[keras]'") from None
    building = _Building(model.graph, evaluation, name)
    made = building.model()
    applied = {node.path: building.constructor.made.get(id(node.layer)) for node in model.graph.nodes}
    layers = {path: layer for path, layer in applied.items() if layer is not None}
    return Built(made, building.tensors, layers, building.assign())


class _Building:
    """One model on its way: the tensor of Keras that stands for each value, and the layers so far."""

    def __init__(self, graph: LayerGraph, evaluation: Evaluation, name: Callable[[str], str]) -> None:
        self.graph, self.evaluation, self.name = graph, evaluation, name
        self.tensors: dict[int, Any] = {}  # by the identity of our value
        self.constructor = Constructor()
        self.first: dict[str, Layer] = {}  # the layer that a path meant first
        self.held: dict[str, Any] = {}  # the layers of a block's own weights, by path
        self.refused: list[tuple[Node, Refused]] = []
        self.entering: list[Any] = []
        self.measured: dict[str, tuple[Any, int]] = {}  # the input and axis whose size each symbol is
        self.takes_masks_off = any(node.layer.keras in PROJECTED for node in graph.nodes)

    def model(self) -> Any:
        import keras

        for given in self.graph.inputs:
            shape, kind = keras_shape(given.value.type), given.value.type
            tensor = keras.Input(batch_shape=shape, dtype=kind.dtype, name=given.name, optional=given.optional)
            self.tensors[id(given.value)] = tensor
            self.entering.append(tensor)
            for axis, size in enumerate(kind.shape):
                if not isinstance(size, int) and str(size) in size.symbols():
                    self.measured.setdefault(str(size), (tensor, axis))
        for node in self.graph.nodes:
            try:
                results = self._results(node)
            except Refused as refused:
                self.refused.append((node, refused))
                results = [stand_in(value.type) for value in node.outputs]
            for value, tensor in zip(node.outputs, results, strict=True):
                self.tensors[id(value)] = tensor
        if self.refused:
            raise NoCounterpartError(self.graph.name, self.refused)
        outputs = {output.name: self.tensors[id(output.value)] for output in self.graph.outputs}
        single = next(iter(outputs.values())) if len(outputs) == 1 else outputs
        entering = self.entering[0] if len(self.entering) == 1 else self.entering
        tell_apart(outputs.values())
        return keras.Model(entering, single, name=keras_name(self.graph.name))

    def _results(self, node: Node) -> Sequence[Any]:
        """What stands for the node's results. Refused where it has no counterpart, or Keras will not have it."""
        import keras

        layer = node.layer
        inputs = [self._tensor(value) for value in node.inputs]
        if isinstance(layer, (Custom, Raw)):
            raise Refused("it is an operator of ONNX, which Keras does not run", BUILD)
        if layer.package is not None:
            raise Refused(f"it comes from {layer.package}", BUILD)
        if layer.runs_cell and not hasattr(layer.arguments["cell"], "weights"):
            raise Refused("it runs a block, and Keras' takes a cell", BUILD)
        if isinstance(layer, TimeDistributed):
            _require_one_layer(node, layer)
        try:
            if isinstance(layer, Reference):
                return [self._held(node, layer)]
            if isinstance(layer, Function):
                return apply_function(node, inputs, self.measured)
            operation = self.constructor.operation(layer, inputs[0]) if inputs else None
            if operation is not None:
                return [operation]
            # A block that is applied again has layers of its own, of the same paths and weights.
            applied = self.constructor.layer(self.first.setdefault(node.path, layer), self.name(node.path))
            self.constructor.made[id(layer)] = applied
            if layer.weights and not any(isinstance(x, keras.KerasTensor) for x in inputs):
                inputs[0] = self._constant(node, inputs[0])
            if layer.keras == "Resizing" and inputs[0].dtype != node.outputs[0].type.dtype:
                # Keras rounds what it makes of whole numbers.
                inputs[0] = keras.ops.cast(inputs[0], node.outputs[0].type.dtype)
            used = layer.masking == "use"
            masks = [self._tensor(value.mask) if used and value is not None else None for value in node.inputs]
            if self.takes_masks_off and layer.masking == "use" and layer.inputs == ("*inputs",):
                inputs = [self._masked(node, n, x, m) for n, (x, m) in enumerate(zip(inputs, masks, strict=True))]
            if layer.keras == "MultiHeadAttention":  # heeds a query's mask on the query alone
                inputs[0] = self._masked(node, 0, inputs[0], masks[0])
            results = list(apply_layer(node, applied, inputs, masks))
            if len(results) < len(node.outputs) and layer.makes_mask:
                results.append(made_mask(applied, inputs))
        except (TypeError, ValueError, NotImplementedError) as error:
            raise Refused(f"Keras will not have it: {said(error)}", "change what it names") from error
        return results

    def _tensor(self, value: Value | None) -> Any:
        return None if value is None else self.tensors[id(value)]

    def _masked(self, node: Node, number: int, x: Any, mask: Any) -> Any:
        """The input with its mask set on it, where it has one."""
        from archonnx.compiler.keras.held import MaskSetter

        if mask is None:
            return x
        return MaskSetter(dtype=node.inputs[number].type.dtype, name=f"{self.name(node.name)}.mask_{number}")(x, mask)  # type: ignore[union-attr]

    def _constant(self, node: Node, x: Any) -> Any:
        """Numbers that a layer with weights is applied to, as a tensor of the model: its weights are set later."""
        import keras

        from archonnx.compiler.keras.held import HeldConstant

        if not self.entering:
            raise Refused("the model has no input", "give it one")
        numbers = keras.ops.convert_to_numpy(x)
        made = HeldConstant(numbers.tolist(), str(numbers.dtype), name=f"{self.name(node.name)}.numbers")
        return made(self.entering[0])

    def _held(self, node: Node, layer: Reference) -> Any:
        """A weight of a block, given by a layer that holds it."""
        from archonnx.compiler.keras.held import HeldWeight

        (weight,) = layer.weights.values()
        if weight.path != node.path:
            raise Refused(
                f"it reads {weight.path}, a weight of another layer", "use ReversibleEmbedding, or a weight of a block"
            )
        if not self.entering:
            raise Refused("the model has no input", "give it one")
        if weight.path not in self.held:
            self.held[weight.path] = self.constructor.made[id(layer)] = HeldWeight(
                weight.shape, weight.dtype, weight.trainable, name=self.name(weight.path)
            )
        return self.held[weight.path](self.entering[0])

    def assign(self) -> list[tuple[Weight, Any]]:
        """Set the variables of all layers that were applied to our weights; give each weight with its variable."""
        done: set[int] = set()
        known: dict[int, Weight] = {}
        pairs: list[tuple[Weight, Any]] = []
        for node in self.graph.nodes:
            applied = self.constructor.made.get(id(node.layer))
            if applied is not None and id(applied) not in done:
                done.add(id(applied))
                pairs += assign(applied, node.layer.weights, self.evaluation, known)
        return pairs


def _require_one_layer(node: Node, layer: TimeDistributed) -> None:
    """Refused unless one layer is run on each step, which reads nothing from outside."""
    if getattr(layer.layer.appliable, "layer", None) is None:
        raise Refused(
            f"it runs the block {layer.layer}, and Keras' takes a layer", "write a TimeDistributed for each layer"
        )
    inside = layer.applications[node.name]
    if len(inside.graph.nodes) != 1 or inside.captured or len(inside.graph.inputs) != 1:
        raise Refused("it runs more than one layer on each step", "write a TimeDistributed for each layer")
