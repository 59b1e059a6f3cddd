"""transformers' own modules beside our models of models/: random weights, which travel through files and a map."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

import archonnx

os.environ["HF_HUB_OFFLINE"] = "1"  # nothing is asked of a server

MODELS = Path(__file__).resolve().parents[2] / "models"
Array = np.ndarray[Any, Any]


def random_module(kind: str, config: str, seed: int = 0, **options: Any) -> Any:
    """A module of transformers by the names of its class and its configuration's; no weight of it is all 0 or all 1."""
    import torch
    import transformers

    torch.manual_seed(seed)
    module = getattr(transformers, kind)(getattr(transformers, config)(**options)).eval()
    with torch.no_grad():
        for parameter in module.parameters():
            if parameter.ndim == 1:
                parameter += 0.1 * torch.randn_like(parameter)
    return module


@contextmanager
def session_of(
    source: Path | dict[str, Any], folder: Path, file: str, model: str, by: str | None, **parameters: Any
) -> Iterator[archonnx.Session]:
    """Our model with weights of a file, through the map beside it, compiled, saved and loaded; its file goes again."""
    compiled = archonnx.compile(MODELS / f"{file}.arch", model, **parameters).with_weights(source, map=by)
    inside = folder / "ours"
    inside.mkdir()
    try:
        compiled.save(inside / "model.onnx")
        session = archonnx.load(inside / "model.onnx")
        assert not session.initial_weights
        yield session
    finally:
        shutil.rmtree(inside)


def tokens(vocabulary: int, batch: int, steps: int, seed: int = 0) -> dict[str, Array]:
    """Random texts, of random lengths up to `steps`, padded: input_ids, attention_mask, token_type_ids, int64."""
    draw = np.random.default_rng(seed)
    lengths = draw.integers(1, steps + 1, (batch, 1))
    lengths[0] = steps
    return {
        "input_ids": draw.integers(0, vocabulary, (batch, steps)),
        "attention_mask": (np.arange(steps) < lengths).astype(np.int64),
        "token_type_ids": (np.arange(steps) >= lengths // 2).astype(np.int64),
    }


def theirs(module: Any, inputs: dict[str, Array]) -> Any:
    """What a module of transformers gives for arrays; its outputs by name."""
    import torch

    with torch.no_grad():
        return module(**{name: torch.from_numpy(array) for name, array in inputs.items()})
