"""The same against PyTorch: a module written out beside our call, its weights by expressions over ours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from keras_harness import Array, Case, Ours, error, random_inputs


@dataclass(frozen=True)
class TorchCase(Case):
    """`module` is an expression over `torch` and `nn`; `state` gives its state dictionary.

    state     name in the state dictionary -> expression over `w`, our weights by name in Keras' layout, and `np`
    run       the application over `layer`, `torch` and the inputs x0, ...; a tuple gives several results
    extra     names in the state dictionary that stay as PyTorch made them
    """

    module: str = ""
    state: dict[str, str] = field(default_factory=dict)
    run: str = "layer(x0)"
    extra: tuple[str, ...] = ()


def torch_results(case: TorchCase, weights: Mapping[str, Array], arrays: Sequence[Array]) -> list[Array]:
    """What PyTorch gives, in evaluation mode, in one thread."""
    import torch

    torch.set_num_threads(1)
    layer: Any = eval(case.module, {"torch": torch, "nn": torch.nn})
    state = {
        name: torch.from_numpy(np.array(eval(text, {"w": weights, "np": np}))) for name, text in case.state.items()
    }
    if isinstance(layer, torch.nn.Module):
        loaded = layer.load_state_dict(state, strict=False)
        assert not loaded.unexpected_keys, loaded.unexpected_keys
        assert set(loaded.missing_keys) <= set(case.extra), loaded.missing_keys
        layer.eval()
    names = {f"x{i}": torch.from_numpy(a) for i, a in enumerate(arrays)} | {"layer": layer, "torch": torch}
    with torch.no_grad():
        value = eval(case.run, names)
    values = list(value) if isinstance(value, (list, tuple)) else [value]
    return [v.numpy() for v in values[: case.results]]


def compare_with_torch(case: TorchCase) -> float:
    """Runs both sides and gives the largest error; fails where shapes differ."""
    ours = Ours(case)
    worst = 0.0
    for sizes in case.runs():
        arrays = random_inputs(case, sizes)
        found, expected = ours.run(arrays, sizes), torch_results(case, ours.weights, arrays)
        assert len(found) == len(expected) == case.results
        for y, reference in zip(found, expected, strict=True):
            assert y.shape == reference.shape
            worst = max(worst, error(y, reference))
    return worst
