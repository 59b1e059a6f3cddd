"""Activations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.nn import functional

from archonnx.compiler.torch.operators.tensors import together


def _hard_sigmoid(x: torch.Tensor, *, alpha: float = 0.2, beta: float = 0.5) -> torch.Tensor:
    return torch.clamp(x * alpha + beta, 0.0, 1.0)


def _elu(x: torch.Tensor, *, alpha: float = 1.0) -> torch.Tensor:
    return functional.elu(x, alpha)


def _selu(x: torch.Tensor, *, alpha: float = 1.6732631921768188, gamma: float = 1.0507010221481323) -> Any:
    return gamma * torch.where(x > 0, x, alpha * torch.expm1(torch.clamp(x, max=0.0)))


def _leaky(x: torch.Tensor, *, alpha: float = 0.01) -> torch.Tensor:
    return functional.leaky_relu(x, alpha)


def _prelu(x: torch.Tensor, slope: torch.Tensor) -> torch.Tensor:
    x, slope = together(x, slope)
    return torch.where(x > 0, x, slope * x)


def _shrink(x: torch.Tensor, *, lambd: float = 0.5, bias: float = 0.0) -> torch.Tensor:
    zero = torch.zeros_like(x)
    return torch.where(x < -lambd, x + bias, torch.where(x > lambd, x - bias, zero))


def _softmax(x: torch.Tensor, *, axis: int = -1) -> torch.Tensor:
    return torch.softmax(x, axis)


def _log_softmax(x: torch.Tensor, *, axis: int = -1) -> torch.Tensor:
    return torch.log_softmax(x, axis)


def _hardmax(x: torch.Tensor, *, axis: int = -1) -> torch.Tensor:
    return torch.zeros_like(x).scatter(axis, x.argmax(axis, keepdim=True), 1)


def _softplus(x: torch.Tensor) -> torch.Tensor:
    """Exact everywhere; torch.nn.Softplus is a line above 20."""
    return torch.logaddexp(x, torch.zeros_like(x))


OPERATORS: dict[str, Callable[..., Any]] = {
    "Celu": lambda x, alpha=1.0: functional.celu(x, alpha),
    "Elu": _elu,
    "Gelu": lambda x, approximate="none": functional.gelu(x, approximate=approximate),
    "HardSigmoid": _hard_sigmoid,
    "HardSwish": lambda x: x * _hard_sigmoid(x, alpha=1 / 6, beta=0.5),
    "LeakyRelu": _leaky,
    "LogSoftmax": _log_softmax,
    "Mish": functional.mish,
    "PRelu": _prelu,
    "Relu": torch.relu,
    "Selu": _selu,
    "Shrink": _shrink,
    "Sigmoid": torch.sigmoid,
    "Hardmax": _hardmax,
    "Softmax": _softmax,
    "Softplus": _softplus,
    "Softsign": functional.softsign,
    "Swish": lambda x, alpha=1.0: x * torch.sigmoid(alpha * x),
    "Tanh": torch.tanh,
    "ThresholdedRelu": lambda x, alpha=1.0: torch.where(x > alpha, x, torch.zeros_like(x)),
}
