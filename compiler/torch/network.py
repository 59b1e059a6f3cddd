"""The modules of ours: the whole network, its scopes, layers that operators compute, and what training draws.

This module imports PyTorch: it is imported inside functions only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from archonnx.compiler.torch.program import Program, run
from archonnx.contract.diagnostics import UsageError


class Scope(torch.nn.Module):
    """Holds the layers and the weights of a block."""


class Computed(torch.nn.Module):
    """A layer that PyTorch has no module for: its weights, and the operators that it becomes for each application."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind, self.constants = kind, 0
        self.programs: dict[int, Program] = {}

    def forward(self, *inputs: torch.Tensor, use: int = 0) -> Any:
        made = run(self.programs[use], self, inputs)
        return made[0] if len(made) == 1 else tuple(made)

    def extra_repr(self) -> str:
        return self.kind


class Network(torch.nn.Module):
    """A compiled model. Inputs come in their order, by name, or as one dictionary; several outputs are a dictionary."""

    def __init__(self, name: str, inputs: Sequence[tuple[str, str]], outputs: Sequence[str]) -> None:
        super().__init__()
        self.program, self.constants = Program(), 0
        self.model_name, self.input_names, self.output_names = name, [n for n, _ in inputs], list(outputs)
        self.whole_inputs = {name: getattr(torch, dtype) for name, dtype in inputs if dtype.startswith(("int", "uint"))}

    def forward(self, *inputs: Any, **named: Any) -> Any:
        if len(inputs) == 1 and isinstance(inputs[0], Mapping) and not named:
            given = self._arranged((), dict(inputs[0]))
        else:
            given = self._arranged(inputs, named)
        made = run(self.program, self, given)
        return made[0] if len(made) == 1 else dict(zip(self.output_names, made, strict=True))

    def _arranged(self, inputs: Sequence[Any], named: Mapping[str, Any]) -> list[Any]:
        """The inputs in their order. UsageError where one is missing, given twice, or none of the model's."""
        found: dict[str, Any] = {}
        if len(inputs) <= len(self.input_names):
            found = dict(zip(self.input_names, inputs, strict=False))
        twice = found.keys() & named.keys()
        given = {**found, **named}
        if len(found) != len(inputs) or twice or given.keys() != set(self.input_names):
            takes = ", ".join(self.input_names) or "no input"
            got = ", ".join([f"{len(inputs)} by position"] * bool(inputs) + sorted(named)) or "nothing"
            raise UsageError(f"{self.model_name} takes {takes}, each once; got {got}")
        return [self._checked(name, given[name]) for name in self.input_names]

    def _checked(self, name: str, value: Any) -> torch.Tensor:
        if not isinstance(value, torch.Tensor):
            raise UsageError(f"the input {name} of {self.model_name} is a torch.Tensor, got {type(value).__name__}")
        wanted = self.whole_inputs.get(name)
        return value.to(wanted) if wanted is not None and not value.is_floating_point() else value

    def extra_repr(self) -> str:
        return f"{self.model_name}({', '.join(self.input_names)}) -> {', '.join(self.output_names)}"


class Frozen:
    """A normalization whose weights are frozen: training leaves its running statistics, and uses them, as in Keras."""

    def train(self, mode: bool = True) -> Any:
        learns = any(p.requires_grad for p in self.parameters())  # type: ignore[attr-defined]
        return super().train(mode and learns)  # type: ignore[misc]


class FrozenBatchNorm1d(Frozen, torch.nn.BatchNorm1d):
    """BatchNorm1d that learns nothing."""


class FrozenBatchNorm2d(Frozen, torch.nn.BatchNorm2d):
    """BatchNorm2d that learns nothing."""


class FrozenBatchNorm3d(Frozen, torch.nn.BatchNorm3d):
    """BatchNorm3d that learns nothing."""


class DropoutOfShape(torch.nn.Module):
    """Dropout that is the same along the axes where `shape` is 1."""

    def __init__(self, rate: float, shape: Sequence[int | None]) -> None:
        super().__init__()
        self.rate, self.shape = rate, tuple(shape)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not self.training or not self.rate:
            return x
        sizes = [x.shape[axis] if size is None else size for axis, size in enumerate(self.shape)]
        return x * torch.nn.functional.dropout(torch.ones(sizes, dtype=x.dtype, device=x.device), self.rate)

    def extra_repr(self) -> str:
        return f"p={self.rate}, shape={self.shape}"


class GaussianNoise(torch.nn.Module):
    """Adds normal noise in training."""

    def __init__(self, deviation: float) -> None:
        super().__init__()
        self.deviation = deviation

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + torch.randn_like(x) * self.deviation if self.training else x

    def extra_repr(self) -> str:
        return f"std={self.deviation}"


class GaussianDropout(torch.nn.Module):
    """Multiplies by normal noise around 1 in training, of the variance that Dropout of that rate has."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not self.training or not self.rate:
            return x
        deviation: float = (self.rate / (1 - self.rate)) ** 0.5
        return x * (1 + torch.randn_like(x) * deviation)

    def extra_repr(self) -> str:
        return f"p={self.rate}"
