"""ONNX's LSTM, GRU and RNN, step by step: any of their activations, both directions, sequences of several lengths.

x [steps, batch, features]; kernel and recurrent [directions, gates * units, features or units]; bias [directions,
2 * gates * units]; the results are [steps, directions, batch, units] and the last states.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import torch
from torch.nn import functional

from archonnx.compiler.torch.operators.moving import reverse_sequence

Curve = Callable[[torch.Tensor], torch.Tensor]
States = list[torch.Tensor]
# With the numbers alpha and beta where they are not given; None: it takes none.
CURVES: dict[str, tuple[Callable[..., torch.Tensor], float | None, float | None]] = {
    "affine": (lambda x, a, b: a * x + b, 1.0, 0.0),
    "elu": (lambda x, a, b: functional.elu(x, a), 1.0, None),
    "hardsigmoid": (lambda x, a, b: torch.clamp(a * x + b, 0, 1), 0.2, 0.5),
    "leakyrelu": (lambda x, a, b: functional.leaky_relu(x, a), 0.01, None),
    "relu": (lambda x, a, b: torch.relu(x), None, None),
    "scaledtanh": (lambda x, a, b: a * torch.tanh(b * x), 1.0, 1.0),
    "sigmoid": (lambda x, a, b: torch.sigmoid(x), None, None),
    "softplus": (lambda x, a, b: torch.logaddexp(x, torch.zeros_like(x)), None, None),
    "softsign": (lambda x, a, b: functional.softsign(x), None, None),
    "tanh": (lambda x, a, b: torch.tanh(x), None, None),
    "thresholdedrelu": (lambda x, a, b: torch.where(x > a, x, torch.zeros_like(x)), 1.0, None),
}


def _curves(names: Sequence[str], alphas: Sequence[float], betas: Sequence[float]) -> Iterator[Curve]:
    """The activations in order; each takes its numbers from the front of what is left, if it takes any."""
    first, second = list(alphas), list(betas)
    for name in names:
        function, alpha, beta = CURVES[name.lower()]
        a = first.pop(0) if alpha is not None and first else alpha
        b = second.pop(0) if beta is not None and second else beta
        yield partial(_with, function, a, b)


def _with(function: Callable[..., torch.Tensor], a: float | None, b: float | None, x: torch.Tensor) -> torch.Tensor:
    return function(x, a, b)


def _rnn_step(z: torch.Tensor, states: States, r: torch.Tensor, rb: Any, f: list[Curve], after: bool) -> Any:
    return [f[0](z + functional.linear(states[0], r, rb))]


def _lstm_step(z: torch.Tensor, states: States, r: torch.Tensor, rb: Any, f: list[Curve], after: bool) -> Any:
    h, c = states
    i, o, forget, new = (z + functional.linear(h, r, rb)).chunk(4, -1)
    c = f[0](forget) * c + f[0](i) * f[1](new)
    return [f[0](o) * f[2](c), c]


def _gru_step(z: torch.Tensor, states: States, r: torch.Tensor, rb: Any, f: list[Curve], after: bool) -> Any:
    (h,) = states
    units = h.shape[-1]
    update, reset, new = z.chunk(3, -1)
    gates = functional.linear(h, r[: 2 * units], None if rb is None else rb[: 2 * units])
    update, reset = f[0](update + gates[..., :units]), f[0](reset + gates[..., units:])
    late, bias = r[2 * units :], None if rb is None else rb[2 * units :]
    held = reset * functional.linear(h, late, bias) if after else functional.linear(reset * h, late, bias)
    new = f[1](new + held)
    return [new + update * (h - new)]


def _direction(
    step: Callable[..., list[torch.Tensor]],
    x: torch.Tensor,
    w: torch.Tensor,
    r: torch.Tensor,
    bias: torch.Tensor | None,
    lengths: torch.Tensor | None,
    states: list[torch.Tensor],
    curves: list[Curve],
    after: bool,
) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """All steps of one direction: the results, and the last states."""
    wb, rb = (None, None) if bias is None else bias.chunk(2)
    projected = functional.linear(x, w, wb)
    results = []
    for t in range(x.shape[0]):
        made = step(projected[t], states, r, rb, curves, after)
        result = made[0]
        if lengths is not None:
            alive = (t < lengths)[:, None]
            made = [torch.where(alive, new, old) for new, old in zip(made, states, strict=True)]
            result = torch.where(alive, result, torch.zeros_like(result))
        states = made
        results.append(result)
    return torch.stack(results) if results else projected.new_zeros((0, *states[0].shape)), states


def _operator(step: Callable[..., list[torch.Tensor]], count: int, usual: Sequence[str]) -> Callable[..., Any]:
    def apply(
        x: torch.Tensor,
        w: torch.Tensor,
        r: torch.Tensor,
        bias: torch.Tensor | None = None,
        lengths: torch.Tensor | None = None,
        *initials: torch.Tensor | None,
        hidden_size: int,
        direction: str = "forward",
        activations: Sequence[str] | None = None,
        activation_alpha: Sequence[float] = (),
        activation_beta: Sequence[float] = (),
        linear_before_reset: int = 0,
        results: int = 1,
    ) -> tuple[torch.Tensor, ...]:
        ways, batch = w.shape[0], x.shape[1]
        curves = list(_curves(activations or [*usual] * ways, activation_alpha, activation_beta))
        limit = None if lengths is None else lengths.to(x.device)
        every, ended = [], []
        for way in range(ways):
            backwards = direction == "reverse" or way == 1
            starts = [
                t[way] if t is not None else x.new_zeros((batch, hidden_size)) for t in (*initials, None, None)[:count]
            ]
            own = curves[way * len(usual) : (way + 1) * len(usual)]
            given = _reversed(x, limit) if backwards else x
            y, states = _direction(
                step, given, w[way], r[way], None if bias is None else bias[way], limit, starts, own,
                bool(linear_before_reset),
            )  # fmt: skip
            every.append(_reversed(y, limit) if backwards else y)
            ended.append(states)
        made = [torch.stack(every, 1), *(torch.stack([s[i] for s in ended]) for i in range(count))]
        return tuple(made[:results])

    return apply


def _reversed(x: torch.Tensor, lengths: torch.Tensor | None) -> torch.Tensor:
    """The steps of each sequence from its last to its first."""
    if lengths is None:
        return torch.flip(x, (0,))
    return reverse_sequence(x, lengths, batch_axis=1, time_axis=0)


OPERATORS: dict[str, Callable[..., Any]] = {
    "GRU": _operator(_gru_step, 1, ("Sigmoid", "Tanh")),
    "LSTM": _operator(_lstm_step, 2, ("Sigmoid", "Tanh", "Tanh")),
    "RNN": _operator(_rnn_step, 1, ("Tanh",)),
}
