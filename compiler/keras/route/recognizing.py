"""Which constants of another tool's graph are weights of the model, by what they hold, in any order of axes.

A weight whose numbers are all the same says little: it is taken for a constant that its own layer reads, or for one of
its shape that no layer with weights reads.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import permutations
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from archonnx.compiler.recipes import Constant, Draw, Evaluation, Recipe

if TYPE_CHECKING:
    from onnx import TensorProto

    from archonnx.compiler.graph import Node, Weight

Array: TypeAlias = NDArray[Any]
MOST_AXES = 5
Key: TypeAlias = tuple[str, int, int]


class Recognizer:
    """Knows the weights of a model by the sums of their bits, and each one's layer."""

    def __init__(self, nodes: Iterable[Node], evaluation: Evaluation) -> None:
        self.evaluation = evaluation
        self.by_key: dict[Key, list[Weight]] = defaultdict(list)
        self.plain: set[int] = set()  # ids of weights that hold one number only
        self.taken: set[int] = set()
        seen: set[int] = set()
        for node in nodes:
            for weight in node.layer.weights.values():
                if id(weight) in seen or not weight.size:
                    continue
                seen.add(id(weight))
                array = Draw(weight).whole(evaluation)
                self.by_key[_key(array)].append(weight)
                if (array.reshape(-1) == array.reshape(-1)[0]).all():
                    self.plain.add(id(weight))

    def recipe(self, proto: TensorProto, readers: Sequence[Node]) -> Recipe:
        """The weight that a constant is, with its axes moved and its shape changed; else the constant itself."""
        from onnx import numpy_helper

        array = numpy_helper.to_array(proto)
        if array.dtype.kind in "OUS" or not array.size:
            return Constant(array)
        return self.weight_in(array, readers) or Constant(array)

    def weight_in(self, array: Array, readers: Sequence[Node]) -> Recipe | None:
        """The weight that an array holds, as a recipe of the array; None where it holds none."""
        own = {id(weight) for node in readers for weight in node.layer.weights.values()}

        def telling(weight: Weight) -> bool:
            """Whether the weight may be meant: what holds one number only needs its layer, or its very shape."""
            if id(weight) in own or id(weight) not in self.plain:
                return True
            return not own and id(weight) not in self.taken and tuple(weight.shape) == array.shape != ()

        candidates = [w for w in self.by_key.get(_key(array), ()) if telling(w)]
        candidates.sort(key=lambda w: (id(w) not in own, id(w) in self.taken))  # stable: else in the model's order
        for weight in candidates:
            perm = _order(Draw(weight).whole(self.evaluation), array)
            if perm is not None:
                self.taken.add(id(weight))
                return Draw(weight).transpose(perm).reshape(array.shape)
        return None


def _key(array: Array) -> Key:
    """The same for two arrays of the same numbers in any order: type, size, and the sum of their bits."""
    flat = np.ascontiguousarray(array).reshape(-1)
    bits = flat.view(f"u{flat.dtype.itemsize}") if flat.dtype.itemsize in (1, 2, 4, 8) else flat.view(np.uint8)
    return str(flat.dtype), flat.size, int(bits.sum(dtype=np.uint64))


def _order(weight: Array, array: Array) -> tuple[int, ...] | None:
    """The order of the weight's axes in which its numbers are the array's, None where there is none."""
    if weight.ndim > MOST_AXES or weight.size != math.prod(array.shape):
        return None
    flat = array.reshape(-1)
    for perm in permutations(range(weight.ndim)):
        turned = weight.transpose(perm)
        head = turned[(0,) * (weight.ndim - 1)].reshape(-1) if weight.ndim else turned.reshape(-1)
        if np.array_equal(head, flat[: head.size]) and np.array_equal(turned.reshape(-1), flat):
            return perm
    return None
