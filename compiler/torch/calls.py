"""How modules of PyTorch are called: most take tensors and give one, recurrent ones take and give states."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from archonnx.compiler.torch.operators.moving import reverse_sequence


def _plain(module: Any, *inputs: torch.Tensor) -> Any:
    return module(*inputs)


def _recurrent(
    module: Any, x: torch.Tensor, *initials: torch.Tensor, sequences: bool, backwards: bool
) -> tuple[torch.Tensor, ...]:
    """nn.LSTM, GRU, RNN: x [batch, steps, features]; states [batch, units], those of a layer or direction together.

    Gives the results of all steps, or the last ones, and the last states. Backwards, time runs from the last step.
    """
    count = 2 if isinstance(module, torch.nn.LSTM) else 1
    if backwards:
        x = torch.flip(x, (1,))
    states = None
    if initials:
        stacked = [torch.stack(initials[i::count]) for i in range(count)]
        states = tuple(stacked) if count == 2 else stacked[0]
    y, ended = module(x, states)
    parts = ended if isinstance(ended, tuple) else (ended,)
    last = [part[number] for number in range(parts[0].shape[0]) for part in parts]
    if sequences:
        return (y, *last)
    if module.bidirectional:
        return (torch.cat([parts[0][-2], parts[0][-1]], -1), *last)
    return (parts[0][-1], *last)


def _packed(
    module: Any, x: torch.Tensor, lengths: torch.Tensor, *initials: torch.Tensor, backwards: bool
) -> tuple[torch.Tensor, ...]:
    """nn.LSTM, GRU, RNN over sequences of these lengths: x [batch, steps, features], what counts standing first.

    Gives [steps, directions, batch, units], zeros behind the length, and the last states [directions, batch, units]:
    where the length is 0 the first ones. PyTorch takes no such length: one step is run there, and left out.
    """
    from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

    count, steps = 2 if isinstance(module, torch.nn.LSTM) else 1, x.shape[1]
    lengths = lengths.to(x.device)
    x = _turned(x, lengths) if backwards else x
    given = [torch.stack(initials[i::count]) for i in range(count)] if initials else []
    states = None if not given else tuple(given) if count == 2 else given[0]
    packed = pack_padded_sequence(x, lengths.clamp(min=1).cpu(), batch_first=True, enforce_sorted=False)
    y, ended = module(packed, states)
    y, _ = pad_packed_sequence(y, batch_first=True, total_length=steps)
    y = torch.where((torch.arange(steps, device=x.device) < lengths[:, None])[..., None], y, torch.zeros_like(y))
    y = _turned(y, lengths) if backwards else y
    last = ended if isinstance(ended, tuple) else (ended,)
    first = given or [torch.zeros_like(part) for part in last]
    none = (lengths == 0)[:, None]
    after = [torch.where(none, start, part) for start, part in zip(first, last, strict=True)]
    return (y.reshape(*y.shape[:2], len(after[0]), -1).permute(1, 2, 0, 3), *after)


def _turned(x: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
    """The steps of each sequence from its last to its first."""
    return reverse_sequence(x, lengths, batch_axis=0, time_axis=1)


def _cell(module: Any, x: torch.Tensor, *states: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """nn.LSTMCell, GRUCell, RNNCell: the result, then the states."""
    made = module(x, states if len(states) > 1 else states[0])
    after = made if isinstance(made, tuple) else (made,)
    return (after[0], *after)


def _attention(
    module: Any, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, mask: torch.Tensor | None = None
) -> Any:
    """nn.MultiheadAttention; the mask is added to the scores, [steps, source] or [batch * heads, steps, source]."""
    return module(query, key, value, attn_mask=mask, need_weights=False)[0]


def _computed(module: Any, *inputs: torch.Tensor, use: int) -> Any:
    """A layer that its own operators compute."""
    return module(*inputs, use=use)


CALLS: dict[str, Callable[..., Any]] = {
    "attention": _attention,
    "cell": _cell,
    "computed": _computed,
    "packed": _packed,
    "plain": _plain,
    "recurrent": _recurrent,
}
