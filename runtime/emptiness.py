"""Calls with an empty input that would end the process: onnxruntime divides by the size of an axis, which is 0.

LSTM, GRU and some of Einsum do so in onnxruntime 1.32 on the CPU, and no exception tells of it; OpenVINO gives empty
results.
A call is refused where the shapes that follow from its inputs show that one of them would. Where they do not tell, it
runs as ever.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from archonnx.runtime.batching.planning import Bare
from archonnx.runtime.batching.values import Blame
from archonnx.runtime.errors import InputError
from archonnx.runtime.modelfile import ModelFile
from archonnx.runtime.placement import blamed
from archonnx.runtime.runner import Before, Runner

if TYPE_CHECKING:
    import numpy as np

    from archonnx.runtime.awaiting import Stop

    Arrays = Mapping[str, np.ndarray[Any, Any]]
    Shape = tuple[int | None, ...]

_FATAL = frozenset({"LSTM", "GRU", "Einsum"})
_REMEMBERED = 64


def never_fatal(runner: Runner, model: ModelFile, bare: Bare) -> Runner:
    """A runner that refuses calls which would end the process, where the model has operators that may."""
    return Guarded(runner, model, bare) if runner.choice.device == "cpu" and model.operators & _FATAL else runner


class Guarded(Before):
    """A Runner before another one: a call with an empty input is looked at first. Raises InputError."""

    def __init__(self, runner: Runner, model: ModelFile, bare: Bare) -> None:
        super().__init__(runner)
        self._model, self._bare = model, bare
        self._found: dict[tuple[Any, ...], Blame | None] = {}

    def run(self, feeds: dict[str, Any], stop: Stop | None = None) -> list[Any]:
        self._check(feeds)
        return self._runner.run(feeds, stop)

    def bind(self, feeds: Arrays, out: Arrays) -> Any:
        self._check(feeds)
        return self._runner.bind(feeds, out)

    def run_bound(self, binding: Any, feeds: Arrays, out: Arrays, stop: Stop | None = None) -> list[Any]:
        self._check(feeds)
        return self._runner.run_bound(binding, feeds, out, stop)

    def step(
        self, feeds: Arrays, held: Mapping[str, Any], wanted: str, keep: Sequence[str]
    ) -> tuple[np.ndarray[Any, Any], dict[str, Any]]:
        if not held:
            self._check(feeds)
        return self._runner.step(feeds, held, wanted, keep)

    def bare(self, feeds: Arrays) -> Callable[[], None] | None:
        self._check(feeds)
        return self._runner.bare(feeds)

    def _check(self, feeds: Mapping[str, Any]) -> None:
        for name, array in feeds.items():
            if getattr(array, "size", 1) == 0:
                blame = self._blame(feeds)
                if blame is not None:
                    shape = ", ".join(map(str, array.shape))
                    raise InputError(f"input {name} is empty, [{shape}]: {blamed(self._model, blame)}", name)
                return

    def _blame(self, feeds: Mapping[str, Any]) -> Blame | None:
        """The node that would end the process; None where none is known to."""
        shapes = {name: tuple(array.shape) for name, array in feeds.items() if hasattr(array, "shape")}
        key = tuple(shapes.items())
        if key not in self._found:
            bare = self._bare()
            if len(self._found) >= _REMEMBERED:
                self._found.clear()
            self._found[key] = None if bare is None else fatal(bare, shapes)
        return self._found[key]


def fatal(graph: bytes, shapes: Mapping[str, Sequence[int]]) -> Blame | None:
    """The first node of the outermost graph that would end the process by what follows of the inputs' shapes."""
    import onnx
    from onnx import shape_inference

    model = onnx.load_from_string(graph)
    for value in model.graph.input:
        if value.name in shapes:
            known = value.type.tensor_type.shape
            known.ClearField("dim")
            for size in shapes[value.name]:
                known.dim.add().dim_value = size
    del model.graph.value_info[:]
    for value in model.graph.output:
        value.type.tensor_type.ClearField("shape")
    try:
        inferred = shape_inference.infer_shapes(model, data_prop=True)
    except shape_inference.InferenceError:
        return None
    values = [*inferred.graph.input, *inferred.graph.value_info]
    found: dict[str, Shape] = {tensor.name: tuple(tensor.dims) for tensor in inferred.graph.initializer}
    found |= {value.name: _sizes(value.type.tensor_type.shape) for value in values}
    for node in model.graph.node:
        if node.domain in ("", "ai.onnx") and (why := _why(node, found)) is not None:
            return Blame(node.name, node.op_type, f"onnxruntime would end the process at it, as {why}")
    return None


def _sizes(shape: Any) -> Shape:
    return tuple(dim.dim_value if dim.HasField("dim_value") else None for dim in shape.dim)


def _why(node: Any, found: Mapping[str, Shape]) -> str | None:
    """Why onnxruntime would not get past a node; None where it would, or shapes do not tell."""
    given = [found.get(name, ()) for name in node.input]
    if node.op_type in ("LSTM", "GRU") and given:
        batch_first = any(each.name == "layout" and each.i for each in node.attribute)
        steps, rows = (1, 0) if batch_first else (0, 1)
        sequence = given[0]
        if len(sequence) == 3 and sequence[rows] == 0:
            return "its batch is empty; give one example at least"
        if len(sequence) == 3 and node.op_type == "GRU" and sequence[steps] == 0:
            return "its sequences have no steps; give one at least"
    if node.op_type == "Einsum" and any(0 in shape for shape in given) and not in_order(_equation(node)):
        return "a factor of it has no elements; give one at least along each axis"
    return None


def _equation(node: Any) -> str:
    found: bytes = next((each.s for each in node.attribute if each.name == "equation"), b"")
    return found.decode().replace(" ", "")


def in_order(equation: str) -> bool:
    """Whether an Einsum is a product of matrices as its factors lie, or has one factor: these come through. Others are
    turned first, and most of them fail there."""
    factors, arrow, result = equation.partition("->")
    terms = factors.split(",")
    if len(terms) == 1:
        return True
    if len(terms) != 2 or not arrow or "." in equation or any(len(set(term)) != len(term) for term in terms):
        return False
    left, right = terms
    rows = "".join(letter for letter in left if letter in right and letter in result)
    summed = "".join(letter for letter in left if letter in right and letter not in result)
    own = "".join(letter for letter in left if letter not in right)
    others = "".join(letter for letter in right if letter not in left)
    return (left, right, result) == (rows + own + summed, rows + summed + others, rows + own + others)
