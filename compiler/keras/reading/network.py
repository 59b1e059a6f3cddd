"""A functional model of Keras, node by node, as a body; models inside it become blocks."""

from __future__ import annotations

import inspect
import re
from collections.abc import Sequence
from typing import Any

from archonnx.compiler.keras.reading import applying, layers, measured, operations
from archonnx.compiler.keras.reading.arguments import written
from archonnx.compiler.keras.reading.masks import Masks, taken_off
from archonnx.compiler.keras.reading.names import layer_name, scope_of
from archonnx.compiler.keras.reading.steps import (
    ATOM,
    PRODUCT,
    Applied,
    Argument,
    Body,
    Held,
    Slot,
    Step,
    Tensor,
    Text,
    text,
)
from archonnx.compiler.keras.refusals import Refused

WRITTEN = 256  # numbers of a constant array that stand in the text
BUILD = "build it with keras.Sequential, or keras.Model(inputs, outputs)"


class Network:
    """Reads models. What cannot be read is collected in `refused`: name, type, reason."""

    def __init__(self, model: Any) -> None:
        self.refused: list[tuple[str, str, Refused]] = []
        self.applied: dict[int, Applied] = {}  # by the identity of Keras' layer
        self.homes: dict[int, set[int]] = {}  # the models that a layer is applied in
        self._find_homes(model)
        self.body = Body(model.name)
        self.taken: set[int] = set()  # tensors whose masks Keras has taken off when the node runs that is read
        self.held: dict[int, Tensor] = {}
        self.masks = Masks()
        functional = functional_of(model)
        tensors = {}
        for given in functional.inputs:
            name = given._keras_history.operation.name.removesuffix("CLONE")
            tensors[id(given)] = made = _tensor(given, name)
            self.body.inputs.append((name, made))
        self._walk(functional, tensors, self.body)
        self.body.outputs = [(name, tensors[id(t)]) for name, t in _outputs(functional)]

    def _find_homes(self, model: Any) -> None:
        """Which models each layer stands in: one that stands in two cannot be put into a block."""
        import keras

        waiting, seen = [model], set()
        while waiting:
            home = waiting.pop()
            if id(home) in seen:
                continue
            seen.add(id(home))
            for node in _nodes(functional_of(home)):
                self.homes.setdefault(id(node.operation), set()).add(id(home))
                operation = node.operation
                if isinstance(operation, keras.layers.TimeDistributed):
                    operation = operation.layer
                    self.homes.setdefault(id(operation), set()).add(id(home))
                if _is_readable_model(operation):
                    waiting.append(operation)

    def _walk(self, functional: Any, tensors: dict[int, Tensor], body: Body) -> None:
        """The steps of a graph of Keras, whose inputs are in `tensors`, added to the body."""
        order, lost = taken_off(functional)
        for node in _nodes(functional):
            if all(id(t) in tensors for t in node.outputs):
                continue  # an input
            now = order.get(id(node), 0)
            self.taken = {id(tensors[id(t)]) for t in node.input_tensors if lost.get(id(t), now) < now}
            hint = _hint(node.operation)
            made: Sequence[Tensor] = [_tensor(t, hint) for t in node.outputs]
            try:
                made = self._node(node, made, tensors, body)
            except Refused as refused:
                self.refused.append((node.operation.name, type(node.operation).__name__, refused))
            tensors.update((id(t), one) for t, one in zip(node.outputs, made, strict=True))

    def _node(self, node: Any, results: Sequence[Tensor], tensors: dict[int, Tensor], body: Body) -> Sequence[Tensor]:
        """What stands for the results of one node; usually `results`, once a step gives them."""
        import keras

        operation = node.operation

        def ours(value: Any) -> Any:
            return tensors[id(value)] if isinstance(value, keras.KerasTensor) else value

        args, kwargs = node.arguments.convert(ours)
        if _is_readable_model(operation):
            return self._model(operation, args, results, body)
        if isinstance(operation, keras.layers.Layer):
            return self._layer(operation, args, kwargs, results, body)
        try:
            given = dict(inspect.signature(operation.call).bind(*args, **kwargs).arguments)
        except TypeError as error:
            raise Refused(f"its call is not understood: {error}", operations.USE_LAYERS) from None
        made = operations.expression(operation, given, results, lambda array: self._constant(array, body))
        if isinstance(made, Tensor):
            return [made]
        self._add(body, made)
        return results

    def _constant(self, array: Any, body: Body) -> Tensor:
        """An array of Keras' call, as a buffer of the body that holds its numbers."""
        import keras
        import numpy as np

        values = np.asarray(keras.ops.convert_to_numpy(array))
        made = Tensor(str(values.dtype), tuple(values.shape), "constant")
        body.weights.append(Held(made, "constant", values, _initializer(values), trainable=False))
        return made

    def _layer(
        self, layer: Any, args: Sequence[Any], kwargs: dict[str, Any], results: Sequence[Tensor], body: Body
    ) -> Sequence[Tensor]:
        if len(results) == 1:
            results[0].hint = layer.name.rpartition(".")[2] if scope_of(layer.name)[0] else layer.name
        own = _own(layer)
        if own == "HeldWeight":
            return [self._held(layer, body, results[0])]
        if own == "HeldConstant":
            import keras

            return [self._constant(keras.ops.convert_to_tensor(layer.values, dtype=layer.held), body)]
        if own == "MaskSetter":
            return [args[0]]
        if own == "HeldConstant":
            return [self._constant(layer.call(None), body)]
        if own == "MeasuredFunction":
            body.steps.append(measured.step(layer, args[0], results))
            return results
        if own == "StochasticDepth":
            return [args[0]]
        if own == "LayerScale":
            body.steps.append(Step(results, text(Slot(args[0], ATOM)), self._layer_scale(layer), layer))
            return results
        made = self.applied.get(id(layer))
        if made is None:
            made = self.applied[id(layer)] = self._constructor(layer)
        kind = layers.kind_of(layer)
        call = applying.call_of(layer, kind, args, kwargs)
        for name, value in call.arguments.items():
            if Argument(name, value) not in made.arguments:
                if made.uses:
                    raise Refused(f"it is called with and without {name}", "call it in one way")
                made.arguments.append(Argument(name, value))
        came = self.masks.came(kind, call, self.taken)
        made.uses += 1
        self._add(body, Step(results, call.text(came.off), made, layer))
        self.masks.after(kind, layer, call, came, results[0])
        return results

    def _add(self, body: Body, step: Step) -> None:
        body.steps.append(step)
        self.masks.made(step)

    def _held(self, layer: Any, body: Body, result: Tensor) -> Tensor:
        found = self.held.get(id(layer))
        if found is None:
            found = self.held[id(layer)] = result
            start = '"zeros"' if layer.held_trainable else _initializer(layer.value.numpy())
            body.weights.append(Held(result, layer.name, layer.value, start, layer.held_trainable))
        return found

    def _layer_scale(self, layer: Any) -> Applied:
        """The layer of ConvNeXt that scales channels, as a block."""
        made = self.applied.get(id(layer))
        if made is None:
            made = self.applied[id(layer)] = Applied("layer_scale", layer_name(layer.name))
            x = Tensor("float32", (None,) * 4, "x")
            gamma, y = Tensor("float32", (layer.projection_dim,), "gamma"), Tensor("float32", (None,) * 4, "y")
            start = f"Constant({layer.init_values!r})"
            made.body = Body("layer_scale", [("x", x)], [Held(gamma, "gamma", layer.gamma, start, layer.trainable)])
            made.body.steps.append(Step([y], text(x, " * ", gamma, level=PRODUCT)))
            made.body.outputs = [("y", y)]
        made.uses += 1
        return made

    def _model(self, model: Any, args: Sequence[Any], results: Sequence[Tensor], body: Body) -> Sequence[Tensor]:
        """A model inside: a block, or its steps where a layer of it is applied elsewhere too."""
        functional = functional_of(model)
        given = _given(model, functional, args[0])
        if self._stands_elsewhere(functional, model):
            tensors = {id(t): one for t, one in zip(functional.inputs, given, strict=True)}
            self._walk(functional, tensors, body)
            return [tensors[id(t)] for t in functional.outputs]
        made = self.applied.get(id(model))
        if made is None:
            made = self.applied[id(model)] = self._block(model)
        made.uses += 1
        parts: list[Any] = [x for tensor in given for x in (", ", Slot(tensor))][1:]
        stands = text("(", *parts, ")") if len(given) > 1 else Text((Slot(given[0], ATOM),))
        body.steps.append(Step(results, stands, made, model))
        return results

    def _block(self, model: Any) -> Applied:
        """A model inside as a block."""
        functional = functional_of(model)
        made = Applied(model.name, layer_name(model.name))
        made.body = inner = Body(model.name)
        tensors = {}
        for number, t in enumerate(functional.inputs):
            name = _input_name(t._keras_history.operation.name, number if len(functional.inputs) > 1 else None)
            tensors[id(t)] = one = _tensor(t, name)
            inner.inputs.append((name, one))
        self._walk(functional, tensors, inner)
        inner.outputs = [(name, tensors[id(t)]) for name, t in _outputs(functional)]
        return made

    def _constructor(self, layer: Any) -> Applied:
        """A layer's constructor; TimeDistributed runs a model too, which becomes a block."""
        import keras

        inside = layer.layer if isinstance(layer, keras.layers.TimeDistributed) else None
        if inside is None or not _is_readable_model(inside):
            return layers.constructor(layer)
        if self._stands_elsewhere(functional_of(inside), inside) or id(inside) in self.applied:
            raise Refused(f"the model inside, {inside.name}, is applied elsewhere too", "give it layers of its own")
        made = Applied("TimeDistributed", layer_name(layer.name), keras=layer)
        made.frozen = not layer.trainable and bool(layer.weights)
        made.inside = self.applied[id(inside)] = self._block(inside)
        return made

    def _stands_elsewhere(self, functional: Any, model: Any) -> bool:
        for node in _nodes(functional):
            if not node.is_input and len(self.homes.get(id(node.operation), ())) > 1:
                return True
            if _is_readable_model(node.operation) and self._stands_elsewhere(
                functional_of(node.operation), node.operation
            ):
                return True
        return False


def functional_of(model: Any) -> Any:
    """The functional model behind one of Keras. Refused where there is none."""
    import keras
    from keras.src.models.functional import Functional

    if isinstance(model, keras.Sequential):
        if not model.built or model._functional is None:
            raise Refused("its input's shape is not known yet", "begin with keras.Input(shape), or call it once")
        return model._functional
    if not _is_readable_model(model):
        if isinstance(model, Functional):
            raise Refused("its class has a `call` of its own, which is Python code", BUILD)
        raise Refused("it is of a class of its own, whose `call` is Python code", BUILD)
    return model


def _is_readable_model(model: Any) -> bool:
    """Whether the graph of Keras says all that a model computes."""
    import keras
    from keras.src.models.functional import Functional

    if isinstance(model, keras.Sequential):
        return type(model).call is keras.Sequential.call
    return isinstance(model, Functional) and type(model).call is Functional.call


def _own(layer: Any) -> str:
    """The name of a layer of our own, or of one of keras.applications, that is read in its own way."""
    module, name = type(layer).__module__, type(layer).__name__
    if module == "archonnx.compiler.keras.held":
        return name
    if module == "keras.src.applications.convnext" and name in ("LayerScale", "StochasticDepth"):
        return name
    return ""


def _tensor(given: Any, hint: str) -> Tensor:
    import keras

    return Tensor(keras.backend.standardize_dtype(given.dtype), tuple(given.shape), hint)


def _nodes(functional: Any) -> list[Any]:
    """The nodes that give the outputs, each behind those that it reads, what is read first first."""
    entering = {id(t) for t in functional.inputs}
    state: dict[int, bool] = {}
    found: list[Any] = []
    for output in functional.outputs:
        stack: list[tuple[Any, bool]] = [(output, False)]
        while stack:
            item, ready = stack.pop()
            if ready:
                found.append(item)
                continue
            if id(item) in entering:
                continue
            history = item._keras_history
            node = history.operation._inbound_nodes[history.node_index]
            if id(node) in state:
                continue
            state[id(node)] = True
            stack.append((node, True))
            stack.extend((t, False) for t in reversed(node.input_tensors))
    return found


def _initializer(values: Any) -> str:
    """What a constant array starts from, so that the text alone says it where it is short."""
    if values.size and (values == values.flat[0]).all():
        one = values.flat[0].item()
        return f"Constant({one!r})" if one else '"zeros"'
    if values.size <= WRITTEN and values.dtype.kind in "fiub":
        return written(values.tolist())
    return '"zeros"'


def _hint(operation: Any) -> str:
    """What a result may be called: as its layer, or as what an operation is, which Keras counts over all models."""
    import keras

    name = str(operation.name)
    return name if isinstance(operation, keras.layers.Layer) else re.sub(r"_\d+$", "", name)


def _input_name(name: str, number: int | None) -> str:
    """What a block's input is called: a name that Keras counted says nothing."""
    if not re.fullmatch(r"(input_layer|keras_tensor|input)(_\d+)?|.*_clone", name):
        return name
    return "x" if number is None else f"x{number + 1}"


def _outputs(functional: Any) -> list[tuple[str, Any]]:
    """The outputs with their names: keys of a dictionary, else the names of what gives them."""
    struct = functional._outputs_struct
    if isinstance(struct, dict) and all(not isinstance(v, (dict, list, tuple)) for v in struct.values()):
        return [(str(key), struct[key]) for key in struct]
    import keras

    names = [
        t._keras_history.operation.name
        if isinstance(t._keras_history.operation, keras.layers.Layer)
        else "output"
        if len(functional.outputs) == 1
        else f"output_{number}"
        for number, t in enumerate(functional.outputs)
    ]
    return list(zip(names, functional.outputs, strict=True))


def _given(model: Any, functional: Any, given: Any) -> list[Tensor]:
    """The inputs of a model inside, in the order of its own."""
    import keras

    struct = functional._inputs_struct
    if isinstance(given, dict) and not isinstance(struct, dict):
        found = [given.get(t._keras_history.operation.name) for t in functional.inputs]
    else:
        found = keras.tree.flatten(given)
    tensors = [t for t in found if isinstance(t, Tensor)]
    if len(tensors) != len(functional.inputs):
        raise Refused(f"the call of {model.name} gives it other inputs than it has", "give each input a tensor")
    return tensors
