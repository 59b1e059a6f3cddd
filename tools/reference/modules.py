"""Counts modules of PyTorch: parameters, statistics, and multiply-accumulates as PyTorch's own counter has them.

Modules are made on PyTorch's device `meta`, where tensors have shapes and no numbers: 70 billion parameters take no
memory, and a run no time.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from tools.reference.writing import ROOT, Entry

ALL = "convolutions, dense layers and matrix products"


def prepare() -> None:
    """Let torchvision be imported beside any PyTorch, and modules of the tests by their names."""
    folder = str(ROOT / "tests" / "conformance")
    if folder not in sys.path:
        sys.path.insert(0, folder)
    from importlib import import_module

    import_module("torchvision_operators").install()


def on_meta(make: Callable[[], Any]) -> Any:
    """What `make` makes, without numbers, for running."""
    import torch

    with torch.device("meta"):
        made = make()
    return made.eval() if isinstance(made, torch.nn.Module) else made


def parameters(module: Any) -> dict[str, int]:
    """Of a module, counted as PyTorch's `parameters()` and, with the moving statistics, as Keras does."""
    counted = sum(p.numel() for p in module.parameters())
    statistics = sum(b.numel() for name, b in module.named_buffers() if name.endswith(("running_mean", "running_var")))
    if not statistics:
        return {"total": counted}
    return {"without_statistics": counted, "total": counted + statistics}


def macs(module: Any, *inputs: Any, leave_out: tuple[str, ...] = (), **named: Any) -> int:
    """Multiply-accumulates of one run, without those of the modules whose names end in one of `leave_out`."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    with torch.no_grad(), torch.device("meta"), FlopCounterMode(display=False) as counter:
        module(*inputs, **named)
    total = sum(counter.get_flop_counts()["Global"].values())
    for name, counts in counter.get_flop_counts().items():
        if name.endswith(leave_out) and leave_out:
            total -= sum(counts.values())
    assert total % 2 == 0, "a multiply-accumulate is two operations"
    return int(total // 2)


def entry(source: str, module: Any, *inputs: Any, bind: dict[str, int] | None = None, **options: Any) -> Entry:
    """What is known of a module on the device meta."""
    counted = {"value": macs(module, *inputs, **options), "batch": 1, "counts": ALL}
    return {
        "source": source,
        "parameters": parameters(module),
        "macs": {**counted, "bind": bind} if bind else counted,
    }
