"""Operator graphs as text: one line an operator, for people who look into a graph and for tests of passes.

input x: float32[N, 8, 8, 3]
weight conv/kernel: float32[3, 3, 3, 4]
t: float32[N, 3, 8, 8] = Transpose(x) perm=[0, 3, 1, 2]
c: float32[N, 4, 8, 8] = Conv(t, conv/kernel.transpose(3, 2, 0, 1)) kernel_shape=[3, 3]
output y = c
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from archonnx.compiler.ir import Operator, OperatorGraph, Tensor

if TYPE_CHECKING:
    from archonnx.compiler.recipes import Recipe


def format_graph(graph: OperatorGraph) -> str:
    """The graph, its weights before its operators; a tensor is shown by its name."""
    lines = [f"input {tensor.name}: {tensor.type}" for tensor in graph.inputs]
    weights = {}
    for constant in graph.constants():
        assert constant.recipe is not None
        for weight in constant.recipe.weights():
            weights[weight.path] = f"weight {weight.path}: {weight.dtype}{list(weight.shape)}"
    lines += weights.values()
    lines += [line for operator in graph.operators for line in _operator(operator)]
    lines += [f"output {name} = {_value(tensor)}" for name, tensor in graph.outputs]
    return "\n".join(lines) + "\n"


def _operator(operator: Operator) -> list[str]:
    """One line; the lines of bodies below it, indented."""
    results = ", ".join(f"{tensor.name}: {tensor.type}" for tensor in operator.outputs)
    inputs = ", ".join("None" if tensor is None else _value(tensor) for tensor in operator.inputs)
    bodies = operator.bodies
    plain = {name: value for name, value in operator.attributes.items() if name not in bodies}
    attributes = "".join(f" {name}={value!r}" for name, value in plain.items())
    domain = f"{operator.domain}." if operator.domain else ""
    lines = [f"{results} = {domain}{operator.type}({inputs}){attributes}"]
    for name, body in bodies.items():
        lines.append(f"    {name}:")
        lines += [f"        input {tensor.name}: {tensor.type}" for tensor in body.inputs]
        lines += [f"        {line}" for inner in body.operators for line in _operator(inner)]
        lines += [f"        output {given} = {_value(tensor)}" for given, tensor in body.outputs]
    return lines


def _value(tensor: Tensor) -> str:
    return tensor.name if tensor.recipe is None else format_recipe(tensor.recipe)


def format_recipe(recipe: Recipe) -> str:
    """`dense/kernel.reshape(2, 5).transpose(1, 0)`; whole numbers as they are, other literals with a dtype."""
    from archonnx.compiler import recipes

    if isinstance(recipe, recipes.Draw):
        return recipe.weight.path
    if isinstance(recipe, recipes.Placeholder):
        return recipe.name
    if isinstance(recipe, recipes.Constant):
        literal = str(recipe.array.tolist()) if recipe.size <= 64 else f"<{recipe.size} numbers>"
        return literal if recipe.dtype == "int64" else f"{recipe.dtype}({literal})"
    if isinstance(recipe, recipes.Concat):
        return f"concat({', '.join(map(format_recipe, recipe.sources))}, axis={recipe.axis})"
    if isinstance(recipe, recipes.Scaled):
        return f"{format_recipe(recipe.source)}.scaled({format_recipe(recipe.factor)}, axis={recipe.axis})"
    if isinstance(recipe, recipes.NormFactor):
        return f"factor({', '.join(map(format_recipe, recipe.inputs()))}, {recipe.epsilon})"
    if isinstance(recipe, recipes.Shifted):
        return f"shifted({', '.join(map(format_recipe, recipe.inputs()))})"
    if isinstance(recipe, recipes.Transpose):
        change = f"transpose({', '.join(map(str, recipe.perm))})"
    elif isinstance(recipe, recipes.Reshape):
        change = f"reshape({', '.join(map(str, recipe.shape))})"
    elif isinstance(recipe, recipes.Cast):
        change = f"cast({recipe.dtype})"
    elif isinstance(recipe, recipes.Halved):
        change = f"stored({recipe.dtype})"
    elif isinstance(recipe, recipes.Slice):
        change = f"[{', '.join(f'{r.start}:{r.stop}:{r.step}' for r in recipe.ranges)}]"
    elif isinstance(recipe, recipes.Blockwise):
        how = recipe.how
        kind = type(recipe).__name__.removeprefix("Block").lower()
        change = f"{kind}({how.bits}, {how.size}{', symmetric' if how.symmetric else ''})"
    else:
        raise TypeError(f"no text for {type(recipe).__name__}")
    (source,) = recipe.inputs()
    return f"{format_recipe(source)}{'' if change.startswith('[') else '.'}{change}"
