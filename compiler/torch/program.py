"""What a module computes, as plain data: steps over numbered values. It can be copied and pickled with the module.

Step       one operator of ONNX by PyTorch's function, a call of a submodule, a constant, or a parameter
Program    steps in order; `fixed` are those that depend on constants and parameters alone
run        the results of a program for inputs, in the module that holds the parameters
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from archonnx.compiler.torch import operators
from archonnx.compiler.torch.calls import CALLS
from archonnx.compiler.torch.operators.moving import cut

ABSENT = -1  # an input that is left out


@dataclass(slots=True)
class Step:
    """`kind` is an operator's type or one of SPECIAL. `clear`: the values that nothing needs after this step.

    at: the layer and its place, for errors.
    """

    kind: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    attributes: dict[str, Any] = field(default_factory=dict)
    clear: tuple[int, ...] = ()
    at: str = ""


@dataclass(slots=True)
class Program:
    """`count` is how many values there are; inputs and outputs are their numbers."""

    inputs: list[int] = field(default_factory=list)
    outputs: list[int] = field(default_factory=list)
    fixed: list[Step] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    count: int = 0

    def number(self) -> int:
        """A new value."""
        self.count += 1
        return self.count - 1

    def settle(self) -> None:
        """Note after which step each value is needed no more."""
        kept = {*self.outputs, *(n for step in self.fixed for n in step.outputs)}
        seen = set(kept)
        for step in reversed(self.steps):
            used = [n for n in (*step.inputs, *step.outputs) if n != ABSENT and n not in seen]
            step.clear = tuple(dict.fromkeys(used))
            seen.update(used)


def run(program: Program, module: torch.nn.Module, given: Sequence[Any]) -> list[Any]:
    """The results. Errors of PyTorch's functions carry a note that names the layer and its place."""
    values: list[Any] = [None] * program.count
    _execute(program.fixed, values, module)
    return _finish(program, values, module, given)


def _finish(program: Program, values: list[Any], module: torch.nn.Module, given: Sequence[Any]) -> list[Any]:
    for number, value in zip(program.inputs, given, strict=True):
        values[number] = value
    _execute(program.steps, values, module)
    return [values[number] for number in program.outputs]


def _execute(steps: Iterable[Step], values: list[Any], module: torch.nn.Module) -> None:
    known = operators.table()
    for step in steps:
        inputs = [None if n == ABSENT else values[n] for n in step.inputs]
        try:
            special = SPECIAL.get(step.kind)
            if special is not None:
                made = special(module, *inputs, **step.attributes)
            else:
                made = known[step.kind](*inputs, **step.attributes)
        except (RuntimeError, ValueError, IndexError, TypeError) as error:
            if step.at and not any(note.startswith("in ") for note in getattr(error, "__notes__", ())):
                error.add_note(f"in {step.at}")
            raise
        if len(step.outputs) == 1:
            values[step.outputs[0]] = made[0] if isinstance(made, tuple) else made
        else:
            for number, value in zip(step.outputs, made, strict=True):
                values[number] = value
        for number in step.clear:
            values[number] = None


def below(module: torch.nn.Module, path: str) -> torch.nn.Module:
    """The submodule of that path; a layer may be called like a method of nn.Module."""
    for name in path.split("."):
        found = module._modules[name]
        assert found is not None
        module = found
    return module


def _parameter(module: torch.nn.Module, *, module_path: str, name: str) -> torch.Tensor:
    owner = below(module, module_path) if module_path else module
    *scopes, last = name.split(".")
    owner = below(owner, ".".join(scopes)) if scopes else owner
    found: torch.Tensor | None = owner._parameters.get(last, owner._buffers.get(last))
    if found is None:
        found = getattr(owner, last)  # a parametrization computes it
        assert isinstance(found, torch.Tensor)
    return found


def _constant(module: torch.nn.Module, *, name: str) -> torch.Tensor:
    found: torch.Tensor = getattr(module, name)
    return found


def _submodule(module: torch.nn.Module, *inputs: Any, path: str, call: str, **options: Any) -> Any:
    called = below(module, path)
    if call != "computed" and any(x is not None and x.device.type == "cpu" for x in inputs):
        own = next(called.parameters(), None)  # what was made of sizes, on the CPU, goes to where the weights are
        if own is not None and own.device.type != "cpu":
            inputs = tuple(None if x is None else x.to(own.device) for x in inputs)
    return CALLS[call](called, *inputs, **options)


def _dropped(module: torch.nn.Module, x: torch.Tensor, *, rate: float) -> torch.Tensor:
    return torch.nn.functional.dropout(x, rate, module.training)


def _view(module: torch.nn.Module, x: torch.Tensor, *, shape: tuple[int, ...]) -> torch.Tensor:
    return x.reshape(shape)


def _cut(module: torch.nn.Module, x: torch.Tensor, *, ranges: tuple[range, ...]) -> torch.Tensor:
    for axis, chosen in enumerate(ranges):
        x = cut(x, axis, chosen)
    return x


def _scan(
    module: torch.nn.Module,
    *inputs: torch.Tensor,
    body: Program,
    num_scan_inputs: int,
    scan_input_axes: Sequence[int] | None = None,
    scan_input_directions: Sequence[int] | None = None,
    scan_output_axes: Sequence[int] | None = None,
    scan_output_directions: Sequence[int] | None = None,
) -> tuple[torch.Tensor, ...]:
    """ONNX's Scan: a body run over slices; its first results are the next states, the others are stacked."""
    states = list(inputs[: len(inputs) - num_scan_inputs])
    axes = scan_input_axes or [0] * num_scan_inputs
    ways = scan_input_directions or [0] * num_scan_inputs
    slices = []
    for x, axis, way in zip(inputs[len(states) :], axes, ways, strict=True):
        parts = list(x.unbind(axis))
        slices.append(parts[::-1] if way else parts)
    fixed: list[Any] = [None] * body.count
    _execute(body.fixed, fixed, module)
    stacked: list[list[torch.Tensor]] = [[] for _ in body.outputs[len(states) :]]
    for given in zip(*slices, strict=True):
        made = _finish(body, list(fixed), module, [*states, *given])
        states = made[: len(states)]
        for kept, value in zip(stacked, made[len(states) :], strict=True):
            kept.append(value)
    results = []
    for number, parts in enumerate(stacked):
        backwards = bool(scan_output_directions and scan_output_directions[number])
        axis = scan_output_axes[number] if scan_output_axes else 0
        results.append(torch.stack(parts[::-1] if backwards else parts, axis))
    return (*states, *results)


SPECIAL: dict[str, Callable[..., Any]] = {
    "Scan": _scan,
    "constant": _constant,
    "cut": _cut,
    "dropped": _dropped,
    "parameter": _parameter,
    "submodule": _submodule,
    "view": _view,
}
