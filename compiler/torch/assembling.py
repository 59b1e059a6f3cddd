"""From operators to a program: values get numbers, constants and weights become steps of their own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from archonnx.compiler.ir import Operator, OperatorGraph, Tensor
from archonnx.compiler.keras.refusals import Refused
from archonnx.compiler.torch.limits import MANY
from archonnx.compiler.torch.making import DOMAIN
from archonnx.compiler.torch.recipes import Parameter
from archonnx.compiler.weights.recipe import Evaluation, Recipe
from archonnx.compiler.weights.sources import Constant
from archonnx.compiler.weights.transforms import Cast, Concat, Reshape, Slice, Sum, Transpose
from archonnx.contract.dtypes import DTYPES

if TYPE_CHECKING:
    import torch

    from archonnx.compiler.torch.program import Program

# Inputs that operators read as numbers, which would have to come back from a device.
READ = {"Pad": (1, 2, 3), "Resize": (1, 2, 3)}
LARGE = 1024  # elements of whole numbers that go to the device with the module


class Assembling:
    """Fills a program for one module. `owner` is that module, which holds the constants; `path` its path.

    over: gives a recipe over parameters (recipes.over_parameters). outer: the program around a body's.
    """

    def __init__(self, program: Program, owner: Any, path: str, over: Callable[[Recipe], Recipe]) -> None:
        self.program, self.owner, self.path, self.over = program, owner, path, over
        self.numbers: dict[int, int] = {}  # by the identity of a tensor
        self.made: dict[Any, int] = {}  # by the key of a recipe

    def receive(self, tensor: Tensor) -> None:
        """One more input."""
        self.numbers[id(tensor)] = self.program.number()
        self.program.inputs.append(self.numbers[id(tensor)])

    def give(self, tensor: Tensor) -> None:
        """One more output."""
        self.program.outputs.append(self.number(tensor))

    def number(self, tensor: Tensor | None, read: bool = False) -> int:
        """The number of a value; of a constant or weight too, for which there are steps then.

        read: whether the operator reads its numbers, so that a constant stays on the CPU.
        """
        from archonnx.compiler.torch.program import ABSENT

        if tensor is None:
            return ABSENT
        if id(tensor) in self.numbers or tensor.recipe is None:
            return self.numbers[id(tensor)]
        recipe = self.over(tensor.recipe)
        if read and isinstance(recipe, Constant):
            return self._constant(recipe, stays=True)
        return self._recipe(recipe)

    def operator(self, operator: Operator, at: str) -> None:
        """One step."""
        kind, attributes = operator.type, dict(operator.attributes)
        if operator.domain == DOMAIN:
            kind = "submodule"
        elif operator.domain:
            kind = f"{operator.domain}::{operator.type}"
        if kind in MANY:
            attributes["results"] = len(operator.outputs)
        for name, body in operator.bodies.items():
            attributes[name] = self._body(body, at)
        read = READ.get(kind, ())
        inputs = [self.number(t, i in read) for i, t in enumerate(operator.inputs)]
        self.step(kind, inputs, operator.outputs, attributes, at)

    def step(
        self, kind: str, inputs: Sequence[int], outputs: Sequence[Tensor], attributes: dict[str, Any], at: str
    ) -> None:
        """A step whose results are these tensors."""
        from archonnx.compiler.torch.program import Step

        for tensor in outputs:
            self.numbers[id(tensor)] = self.program.number()
        numbers = tuple(self.numbers[id(t)] for t in outputs)
        self.program.steps.append(Step(kind, tuple(inputs), numbers, attributes, at=at))

    def _body(self, body: OperatorGraph, at: str) -> Program:
        from archonnx.compiler.torch.program import Program

        inner = Assembling(Program(), self.owner, self.path, self.over)
        for tensor in body.inputs:
            inner.receive(tensor)
        for operator in body.operators:
            inner.operator(operator, at)
        for _, tensor in body.outputs:
            inner.give(tensor)
        inner.program.settle()
        return inner.program

    def _recipe(self, recipe: Recipe) -> int:
        key = recipe.key()
        if key not in self.made:
            self.made[key] = self._steps_of(recipe)
        return self.made[key]

    def _fixed(self, kind: str, inputs: Sequence[int], **attributes: Any) -> int:
        from archonnx.compiler.torch.program import Step

        number = self.program.number()
        self.program.fixed.append(Step(kind, tuple(inputs), (number,), attributes))
        return number

    def _steps_of(self, recipe: Recipe) -> int:
        if isinstance(recipe, Constant):
            return self._constant(recipe)
        if isinstance(recipe, Parameter):
            module = recipe.module if not self.path else "" if recipe.module == self.path else recipe.module
            return self._fixed("parameter", (), module_path=module, name=recipe.name)
        given = [self._recipe(source) for source in recipe.inputs()]
        if isinstance(recipe, Transpose):
            return self._fixed("Transpose", given, perm=recipe.perm)
        if isinstance(recipe, Reshape):
            return self._fixed("view", given, shape=recipe.shape)
        if isinstance(recipe, Cast):
            return self._fixed("Cast", given, to=DTYPES[recipe.dtype].onnx)
        if isinstance(recipe, Slice):
            return self._fixed("cut", given, ranges=recipe.ranges)
        if isinstance(recipe, Concat):
            return self._fixed("Concat", given, axis=recipe.axis)
        assert isinstance(recipe, Sum)
        return self._fixed("Sum", given)

    def _constant(self, recipe: Constant, *, stays: bool = False) -> int:
        """Numbers that meet data go to the device with the module; sizes stay on the CPU, where they are read."""
        tensor = tensor_of(recipe, Evaluation(0))
        name = f"_constant_{self.owner.constants}"
        self.owner.constants += 1
        if not stays and (tensor.is_floating_point() or tensor.numel() > LARGE):
            self.owner.register_buffer(name, tensor, persistent=False)
        else:
            self.owner.__dict__[name] = tensor
        return self._fixed("constant", (), name=name)


def tensor_of(recipe: Recipe, evaluation: Evaluation) -> torch.Tensor:
    """The numbers of a recipe as a tensor of PyTorch. Refused where it has no such type."""
    import numpy as np
    import torch

    array = recipe.whole(evaluation).reshape(recipe.shape)
    if recipe.dtype == "bfloat16":
        return torch.from_numpy(np.array(array.view(np.int16))).view(torch.bfloat16)
    if recipe.dtype == "string" or not hasattr(torch, recipe.dtype):
        raise Refused(f"it holds {recipe.dtype}, which PyTorch has no tensor of", "cast it to another type")
    return torch.from_numpy(np.array(array))
