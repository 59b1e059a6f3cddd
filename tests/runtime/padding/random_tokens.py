"""Random graphs over tokens: some give the same with more tokens behind the mask, some do not, some only look as if they
did."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import onnx
from behind import MOST, graph_of, i, n, one
from onnx import TensorProto

T = MOST + 100  # stands for the number of tokens in shapes
Shape = tuple[int, ...]


class Grower:
    """Grows a graph node by node from `x` and its like; shapes have 3 rows, and T where the tokens are."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.nodes: list[onnx.NodeProto] = []
        self.held: dict[str, Any] = {}
        self.floats: dict[str, Shape] = {"x": (3, T, 4), "given": (3, T, 4), "kept": (3, T, 1)}
        self.floats |= {"scores": (3, T, T), "hidden": (3, T, T), "weights": (3, T, T)}
        self.masks: dict[str, Shape] = {"shown3": (3, T, 1), "columns": (3, 1, T)}
        self.count = 0

    def graph(self, size: int) -> onnx.ModelProto:
        for _ in range(20 * size):
            if len(self.nodes) >= size:
                break
            getattr(self, self.random.choice(_STEPS))()
        return graph_of(self.nodes, self.held, outputs=[list(self.floats)[-1]])

    def pick(self) -> tuple[str, Shape]:
        names = list(self.floats)
        name = names[-1] if self.random.random() < 0.6 else self.random.choice(names)
        return name, self.floats[name]

    def add(self, operator: str, inputs: str, shape: Shape, **attributes: Any) -> str:
        self.count += 1
        name = f"v{self.count}"
        self.nodes.append(n(operator, inputs, name, **attributes))
        (self.masks if attributes.get("to") == TensorProto.BOOL or operator in _TESTS else self.floats)[name] = shape
        return name

    def hold(self, array: np.ndarray[Any, Any]) -> str:
        self.count += 1
        self.held[f"w{self.count}"] = array
        return f"w{self.count}"

    def weights(self, *shape: int) -> str:
        rng = np.random.default_rng(self.random.randrange(2**32))
        return self.hold(rng.uniform(-1, 1, shape).astype(np.float32))

    def unary(self) -> None:
        name, shape = self.pick()
        self.add(self.random.choice(["Relu", "Sigmoid", "Neg", "Tanh", "Exp", "Abs"]), name, shape)

    def scaled(self) -> None:
        name, shape = self.pick()
        number = self.hold(one(self.random.choice([0.0, 1.0, -1.0, 0.5, 1e-3, -1e4, -1e9])))
        self.add(self.random.choice(["Mul", "Add", "Sub", "Max", "Min"]), f"{name} {number}", shape)

    def pair(self) -> None:
        (a, first), (b, second) = self.pick(), self.pick()
        try:
            shape = np.broadcast_shapes(first, second)
        except ValueError:
            return
        if len(shape) <= 4:
            self.add(self.random.choice(["Add", "Sub", "Mul", "Max"]), f"{a} {b}", shape)

    def masked(self) -> None:
        (a, first), mask = self.pick(), self.random.choice(list(self.masks))
        number = self.hold(one(self.random.choice([0.0, 0.0, -3.4e38, -1e9, -np.inf, 1.0])))
        try:
            shape = np.broadcast_shapes(first, self.masks[mask])
        except ValueError:
            return
        order = [a, number] if self.random.random() < 0.8 else [number, a]
        self.add("Where", " ".join([mask, *order]), shape)

    def tested(self) -> None:
        kind = self.random.random()
        if kind < 0.3:
            name = self.random.choice(list(self.masks))
            self.add("Not", name, self.masks[name])
        elif kind < 0.6:
            (a, first), (b, second) = self.random.choices(list(self.masks.items()), k=2)
            try:
                shape = np.broadcast_shapes(first, second)
            except ValueError:
                return
            self.add(self.random.choice(["And", "Or"]), f"{a} {b}", shape)
        elif kind < 0.8:
            name, shape = self.pick()
            self.add(self.random.choice(["Greater", "Less", "Equal"]), f"{name} zero", shape)
        else:
            name = self.random.choice(list(self.masks))
            self.add("Cast", name, self.masks[name], to=TensorProto.FLOAT)

    def product(self) -> None:
        name, shape = self.pick()
        if shape[-1] != T and self.random.random() < 0.5:
            self.add("MatMul", f"{name} {self.weights(shape[-1], 4)}", (*shape[:-1], 4))
            return
        other, second = self.pick()
        if len(shape) == len(second) == 3 and shape[-1] == second[-2]:
            self.add("MatMul", f"{name} {other}", (*shape[:-1], second[-1]))

    def turned(self) -> None:
        name, shape = self.pick()
        order = self.random.sample(range(len(shape)), len(shape))
        self.add("Transpose", name, tuple(shape[at] for at in order), perm=order)

    def softmax(self) -> None:
        name, shape = self.pick()
        self.add(
            self.random.choice(["Softmax", "Softmax", "LogSoftmax"]), name, shape, axis=self.random.choice([-1, -1, 1])
        )

    def reduced(self) -> None:
        name, shape = self.pick()
        axis = self.random.choice([*range(len(shape)), *(place for place, size in enumerate(shape) if size == T)])
        operator = self.random.choice(["ReduceSum", "ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceL2"])
        self.add(operator, f"{name} {self.hold(i(axis))}", (*shape[:axis], 1, *shape[axis + 1 :]))

    def cut(self) -> None:
        name, shape = self.pick()
        axis = self.random.randrange(len(shape))
        start, end = self.random.choice([(0, 1), (0, 1), (0, 2**62), (1, 2), (-1, 2**62), (1, 2**62)])
        sizes = {(0, 1): 1, (1, 2): 1, (-1, 2**62): 1, (0, 2**62): shape[axis]}
        size = sizes.get((start, end), shape[axis] - 1)
        if size and (shape[axis] > 1 or start == 0):
            bounds = " ".join(self.hold(i(number)) for number in (start, end, axis))
            self.add("Slice", f"{name} {bounds}", (*shape[:axis], size, *shape[axis + 1 :]))

    def heads(self) -> None:
        name, shape = self.pick()
        if len(shape) == 3 and shape[-1] == 4 and shape[-2] == T:
            parted = self.add("Reshape", f"{name} {self.hold(i(0, 0, 2, 2))}", (3, T, 2, 2))
            if self.random.random() < 0.5:
                self.add("Reshape", f"{parted} {self.hold(i(0, -1, 4))}", (3, T, 4))
        elif len(shape) == 4:
            self.add("Reshape", f"{name} {self.hold(i(3, -1, shape[-1]))}", (3, _product(shape[1:-1]), shape[-1]))

    def summed(self) -> None:
        name, shape = self.pick()
        self.add("CumSum", f"{name} {self.hold(one(self.random.randrange(len(shape)), np.int64))}", shape)

    def triangle(self) -> None:
        name, shape = self.pick()
        self.add("Trilu", name, shape, upper=self.random.randrange(2))

    def normalized(self) -> None:
        name, shape = self.pick()
        if shape[-1] == 4:
            self.add("LayerNormalization", f"{name} {self.weights(4)}", shape)

    def joined(self) -> None:
        name, shape = self.pick()
        axis = self.random.randrange(len(shape))
        self.add("Concat", f"{name} {name}", (*shape[:axis], 2 * shape[axis], *shape[axis + 1 :]), axis=axis)


def _product(shape: Shape) -> int:
    found = 1
    for size in shape:
        found *= size
    return found


_TESTS = frozenset("And Or Not Greater Less Equal".split())
_STEPS = (
    "unary scaled pair pair masked masked tested product product turned softmax softmax reduced reduced cut heads summed "
    "triangle normalized joined"
).split()
