"""What is frozen, computed once: its results stand in for the inputs, and the rest of the model is trained on them.

This module imports Keras: it is imported inside functions only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import wraps
from typing import Any

import keras
import numpy as np

from archonnx.compiler.graph import Value
from archonnx.compiler.keras.building import Built
from archonnx.compiler.keras.training.batches import Batches
from archonnx.compiler.keras.training.matching import Column
from archonnx.compiler.keras.training.plan import Part, Plan

Progress = Callable[[int, int, Mapping[str, float]], None]


def hold_still(layer: Any) -> None:
    """Let a layer of Keras compute as at inference from now on, in training too: no dropout, no augmentation."""
    if "training" not in layer.call_signature_parameters:
        return
    call = layer.call

    @wraps(call)
    def still(*inputs: Any, training: bool | None = None, **options: Any) -> Any:
        return call(*inputs, training=False, **options)

    layer.call = still


def rest_of(built: Built, ends: Sequence[Value], output: Any) -> Any:
    """The model of Keras from these values on, with the same layers."""
    inputs = {name: built.tensors[id(value)] for name, value in _named(built, ends).items()}
    return keras.Model(inputs if len(inputs) > 1 else next(iter(inputs.values())), output, name=built.model.name)


def computed(
    made: Plan, built: Built, ends: Sequence[Value], interrupted: Callable[[], bool], progress: Progress | None
) -> Plan:
    """The same plan, whose examples are what the frozen part gives for them, in memory.

    interrupted: asked after each batch; where it says so, KeyboardInterrupt is raised. progress: called with batches
    done, batches in all, and no values.
    """
    parts = [part for part in (made.training, made.validation, made.test) if part is not None]
    size = made.settings.batch_size
    total, done = sum(-(-len(part.index) // size) for part in parts), 0
    named = _named(built, ends)
    tensors = {name: built.tensors[id(value)] for name, value in named.items() if value.producer is not None}
    entering = built.model.inputs
    frozen = keras.Model(entering if len(entering) > 1 else entering[0], tensors)
    found: dict[int, Part] = {}
    for part in parts:
        columns = _columns(named, part)
        for batch in range(-(-len(part.index) // size)):
            index = part.index[batch * size : (batch + 1) * size]
            x, _ = Batches(part.inputs, part.targets, index, len(index))[0]
            for name, result in frozen(x, training=False).items():
                columns[name].array[index] = keras.ops.convert_to_numpy(result)
            done += 1
            if progress is not None:
                progress(done, total, {})
            if interrupted():
                raise KeyboardInterrupt
        found[id(part)] = Part(columns, part.targets, part.index)
    new = [None if part is None else found[id(part)] for part in (made.training, made.validation, made.test)]
    assert new[0] is not None
    return replace(made, training=new[0], validation=new[1], test=new[2])


def _named(built: Built, ends: Sequence[Value]) -> dict[str, Value]:
    """The values by the names of Keras' tensors, which are to be those of the inputs; an input's is its own."""
    return {built.tensors[id(value)].name: value for value in ends}


def _columns(named: Mapping[str, Value], part: Part) -> dict[str, Column]:
    """The inputs of the rest: those that are read from the data, and room for the results that the others get."""
    columns: dict[str, Column] = {}
    count = int(part.index.max()) + 1
    for name, value in named.items():
        if value.producer is None:
            columns[name] = part.inputs[value.name]
        else:
            shape = tuple(size for size in value.type.shape[1:] if isinstance(size, int))
            columns[name] = Column(name, np.zeros((count, *shape), value.type.dtype), value.type.dtype, shape)
    return columns
