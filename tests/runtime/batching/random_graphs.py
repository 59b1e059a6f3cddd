"""Random graphs of the table's operators: some keep rows apart, some mix them, some only look as if they did not.

Sizes that the file holds are as often as not those of the batch, so that a graph that mixes rows still runs.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
from apart import Input, graph_of
from onnx import helper

ROWS = 6
Shape = tuple[int, ...]  # with ROWS rows


class Grower:
    """Grows a graph node by node; the shapes are those of ROWS rows."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.nodes: list[onnx.NodeProto] = []
        self.held: dict[str, np.ndarray[Any, Any]] = {}
        self.values: dict[str, Shape] = {}
        self.inputs: dict[str, Input] = {}
        self.count = 0

    def graph(self, size: int) -> tuple[onnx.ModelProto, dict[str, Input]]:
        sizes = [2, 3, 4, ROWS]
        for number in range(self.random.choice([1, 1, 2])):
            shape: list[Any] = [self.random.choice(sizes) for _ in range(self.random.choice([1, 2, 2]))]
            shape.insert(self.random.choice([0, 0, 0, len(shape)]), "N")
            self.inputs[f"x{number}"] = Input(*shape)
            self.values[f"x{number}"] = tuple(ROWS if s == "N" else s for s in shape)
        if self.random.random() < 0.2:
            self.inputs["s"] = Input(self.random.choice(sizes), self.random.choice(sizes))
            self.values["s"] = self.inputs["s"].shape  # type: ignore[assignment]
        while len(self.nodes) < size:
            getattr(self, self.random.choice(_STEPS))()
        last = [name for name in self.nodes[-1].output if name in self.values]
        outputs = last or [list(self.values)[-1]]
        return graph_of(self.nodes, self.inputs, outputs, self.held), self.inputs

    def pick(self) -> tuple[str, Shape]:
        names = list(self.values)
        name = self.random.choice(names[-3:] + names)
        return name, self.values[name]

    def axis(self, shape: Shape) -> int:
        return self.random.randrange(len(shape))

    def hold(self, array: np.ndarray[Any, Any]) -> str:
        self.count += 1
        self.held[f"w{self.count}"] = array
        return f"w{self.count}"

    def ints(self, *numbers: int) -> str:
        return self.hold(np.array(numbers, np.int64))

    def add(self, operator: str, inputs: list[str], *shapes: Shape | None, **attributes: Any) -> list[str]:
        """Add a node; the shapes of the outputs that others may take, None for one of whole numbers."""
        self.count += 1
        names = [f"v{self.count}_{n}" for n in range(len(shapes))]
        self.nodes.append(helper.make_node(operator, inputs, names, name=f"n{self.count}", **attributes))
        self.values |= {
            name: shape for name, shape in zip(names, shapes, strict=True) if shape is not None and 0 not in shape
        }
        return names

    def weights(self, *shape: int) -> str:
        rng = np.random.default_rng(self.random.randrange(2**32))
        return self.hold(rng.uniform(-1, 1, shape).astype(np.float32))

    def unary(self) -> None:
        name, shape = self.pick()
        self.add(self.random.choice(["Relu", "Sigmoid", "Neg", "Tanh", "Identity"]), [name], shape)

    def constant(self) -> None:
        name, shape = self.pick()
        kept = tuple(self.random.choice([size, size, 1]) for size in shape)[self.random.randrange(len(shape) + 1) :]
        self.add(self.random.choice(["Add", "Mul", "Max"]), [name, self.weights(*kept)], shape)

    def pair(self) -> None:
        (a, first), (b, second) = self.pick(), self.pick()
        try:
            shape = np.broadcast_shapes(first, second)
        except ValueError:
            return
        if len(shape) <= 4 and np.prod(shape) < 5000:
            self.add(self.random.choice(["Add", "Sub", "Mul"]), [a, b], shape)

    def matmul(self) -> None:
        name, shape = self.pick()
        width = self.random.choice([2, 3, ROWS])
        if self.random.random() < 0.6:
            self.add("MatMul", [name, self.weights(shape[-1], width)], (*shape[:-1], width))
        elif len(shape) > 1:
            self.add("MatMul", [self.weights(width, shape[-2]), name], (*shape[:-2], width, shape[-1]))

    def products(self) -> None:
        (a, first), (b, second) = self.pick(), self.pick()
        if len(first) > 1 and len(second) > 1 and first[-1] == second[-2]:
            try:
                outer = np.broadcast_shapes(first[:-2], second[:-2])
            except ValueError:
                return
            self.add("MatMul", [a, b], (*outer, first[-2], second[-1]))

    def gemm(self) -> None:
        name, shape = self.pick()
        if len(shape) == 2:
            turned = self.random.randrange(2)
            inner, outer = (shape[0], shape[1]) if turned else (shape[1], shape[0])
            bias = self.random.choice([(3,), (outer, 1), (1, 3)])
            self.add("Gemm", [name, self.weights(inner, 3), self.weights(*bias)], (outer, 3), transA=turned)

    def transpose(self) -> None:
        name, shape = self.pick()
        order = self.random.sample(range(len(shape)), len(shape))
        self.add("Transpose", [name], tuple(shape[at] for at in order), perm=order)

    def regroup(self, shape: Shape) -> list[int]:
        """Another shape of as many places."""
        sizes = list(shape)
        for _ in range(self.random.choice([1, 1, 2])):
            at = self.random.randrange(len(sizes))
            if self.random.random() < 0.5 and len(sizes) > 1:
                at = min(at, len(sizes) - 2)
                sizes[at : at + 2] = [sizes[at] * sizes[at + 1]]
            else:
                part = self.random.choice([d for d in range(1, sizes[at] + 1) if sizes[at] % d == 0])
                sizes[at : at + 1] = self.random.choice([[part, sizes[at] // part], [sizes[at] // part, part]])
        return sizes if len(sizes) <= 4 else list(shape)

    def reshape(self) -> None:
        name, shape = self.pick()
        sizes = self.regroup(shape)
        target = list(sizes)
        for place, size in enumerate(sizes):
            if place < len(shape) and shape[place] == size and self.random.random() < 0.5:
                target[place] = 0
        if self.random.random() < 0.6:
            target[self.axis(tuple(target))] = -1
        self.add("Reshape", [name, self.ints(*target)], tuple(sizes))

    def reshape_by_shape(self) -> None:
        """As exporters do: sizes that are taken out of Shape, and joined to others."""
        name, shape = self.pick()
        sizes = self.regroup(shape)
        (measured,) = self.add("Shape", [name], None)
        parts, opened = [], False
        for size in sizes:
            same = [place for place, each in enumerate(shape) if each == size]
            whole = [place for place, each in enumerate(shape) if size % each == 0 and each > 1]
            if same and self.random.random() < 0.6:
                parts += self.add("Gather", [measured, self.ints(self.random.choice(same))], None)
            elif whole and self.random.random() < 0.6:
                place = self.random.choice(whole)
                (taken,) = self.add("Gather", [measured, self.ints(place)], None)
                parts += self.add("Mul", [taken, self.ints(size // shape[place])], None)
            elif not opened and self.random.random() < 0.5:
                parts, opened = [*parts, self.ints(-1)], True
            else:
                parts.append(self.ints(size))
        (target,) = self.add("Concat", parts, None, axis=0)
        self.add("Reshape", [name, target], tuple(sizes))

    def expand(self) -> None:
        """What is the same for all, once for each place of some axis of another value."""
        name, shape = self.pick()
        place = self.axis(shape)
        (measured,) = self.add("Shape", [name], None)
        (taken,) = self.add("Slice", [measured, self.ints(place), self.ints(place + 1)], None)
        (target,) = self.add("Concat", [taken, self.ints(3)], None, axis=0)
        kind = self.random.choice(["Expand", "Expand", "ConstantOfShape", "Tile"])
        if kind == "ConstantOfShape":
            self.add(kind, [target], (shape[place], 3))
        elif kind == "Expand":
            self.add(kind, [self.weights(1, 3), target], (shape[place], 3))
        else:
            self.add(kind, [self.weights(2, 1), target], (2 * shape[place], 3))

    def repeat(self) -> None:
        name, shape = self.pick()
        times = [self.random.choice([1, 1, 2]) for _ in shape]
        self.add("Tile", [name, self.ints(*times)], tuple(a * b for a, b in zip(shape, times, strict=True)))

    def softmax(self) -> None:
        name, shape = self.pick()
        self.add(self.random.choice(["Softmax", "LogSoftmax", "LpNormalization"]), [name], shape, axis=self.axis(shape))

    def normalize(self) -> None:
        name, shape = self.pick()
        axis = self.axis(shape)
        self.add("LayerNormalization", [name, self.weights(*shape[axis:])], shape, axis=axis)

    def cumulate(self) -> None:
        name, shape = self.pick()
        self.add("CumSum", [name, self.hold(np.array(self.axis(shape), np.int64))], shape)

    def reduce(self) -> None:
        name, shape = self.pick()
        axes = sorted(self.random.sample(range(len(shape)), self.random.choice([1, 1, min(2, len(shape))])))
        keep = self.random.randrange(2)
        if not keep and len(axes) == len(shape):
            return
        kept = tuple(1 if place in axes else size for place, size in enumerate(shape) if keep or place not in axes)
        self.add(
            self.random.choice(["ReduceMean", "ReduceMax", "ReduceSum"]), [name, self.ints(*axes)], kept, keepdims=keep
        )

    def join(self) -> None:
        (a, shape), (b, other) = self.pick(), self.pick()
        axis = self.axis(shape)
        if self.random.random() < 0.5:
            other = tuple(2 if place == axis else size for place, size in enumerate(shape))
            b = self.weights(*other)
        if len(shape) != len(other) or any(
            x != y for at, (x, y) in enumerate(zip(shape, other, strict=True)) if at != axis
        ):
            return
        joined = tuple(x + y if at == axis else x for at, (x, y) in enumerate(zip(shape, other, strict=True)))
        self.add("Concat", [a, b], joined, axis=axis)

    def cut(self) -> None:
        name, shape = self.pick()
        axis = self.axis(shape)
        start = self.random.choice([0, 0, 1])
        end = self.random.choice([shape[axis], 2**63 - 1, max(start + 1, shape[axis] - 1)])
        size = min(end, shape[axis]) - start
        if size > 0:
            kept = tuple(size if place == axis else each for place, each in enumerate(shape))
            self.add("Slice", [name, self.ints(start), self.ints(end), self.ints(axis)], kept)

    def gather(self) -> None:
        name, shape = self.pick()
        axis = self.axis(shape)
        chosen = [self.random.randrange(shape[axis]) for _ in range(self.random.choice([1, 2, shape[axis]]))]
        self.add("Gather", [name, self.ints(*chosen)], (*shape[:axis], len(chosen), *shape[axis + 1 :]), axis=axis)

    def look_up(self) -> None:
        """Numbers that rows have, as places in a table."""
        name, shape = self.pick()
        if len(shape) > 2:
            return
        (whole,) = self.add("ArgMax", [name], None, axis=self.axis(shape), keepdims=1)
        axis = self.nodes[-1].attribute[0].i
        kept = tuple(1 if place == axis else size for place, size in enumerate(shape))
        self.add("Gather", [self.weights(ROWS, 2), whole], (*kept, 2))

    def split(self) -> None:
        name, shape = self.pick()
        axis = self.axis(shape)
        if shape[axis] % 2 == 0:
            half = tuple(size // 2 if place == axis else size for place, size in enumerate(shape))
            self.add("Split", [name], half, half, axis=axis, num_outputs=2)

    def flatten(self) -> None:
        name, shape = self.pick()
        at = self.random.randrange(len(shape) + 1)
        self.add("Flatten", [name], (int(np.prod(shape[:at])), int(np.prod(shape[at:]))), axis=at)

    def unsqueeze(self) -> None:
        name, shape = self.pick()
        if len(shape) < 4:
            at = self.random.randrange(len(shape) + 1)
            self.add("Unsqueeze", [name, self.ints(at)], (*shape[:at], 1, *shape[at:]))

    def squeeze(self) -> None:
        name, shape = self.pick()
        ones = [place for place, size in enumerate(shape) if size == 1]
        if ones and len(shape) > 1:
            at = self.random.choice(ones)
            self.add("Squeeze", [name, self.ints(at)], (*shape[:at], *shape[at + 1 :]))

    def top(self) -> None:
        name, shape = self.pick()
        axis = self.axis(shape)
        kept = tuple(2 if place == axis else size for place, size in enumerate(shape))
        if shape[axis] > 1:
            self.add("TopK", [name, self.ints(2)], kept, None, axis=axis)

    def pad(self) -> None:
        name, shape = self.pick()
        axis = self.axis(shape)
        sizes = [int(place == axis) for place in range(len(shape))] * 2
        self.add("Pad", [name, self.ints(*sizes)], tuple(s + 2 if p == axis else s for p, s in enumerate(shape)))


_STEPS = [
    name
    for name, value in vars(Grower).items()
    if isinstance(value, Callable)  # type: ignore[arg-type]
    and name not in ("__init__", "graph", "pick", "axis", "hold", "ints", "add", "weights", "regroup")
]
