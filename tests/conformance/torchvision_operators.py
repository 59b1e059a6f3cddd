"""Lets torchvision be imported beside a PyTorch that its compiled part was not built for, as one without CUDA.

torchvision declares what its operators give as it is imported, and fails where they could not be loaded. Networks need none of
them: here the two that it asks for are declared, without anything behind them. transformers imports torchvision where it is there.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any

SCHEMA = "{}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
OPERATORS = ("nms", "qnms")

_declared: list[Any] = []  # a declaration lasts as long as its library


class _BeforeTorchvision(MetaPathFinder):
    """Finds nothing; looks on when torchvision is looked for."""

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        if (
            name == "torchvision"
            and not _declared
            and (found := PathFinder.find_spec(name)) is not None
            and found.origin
        ):
            _declare(Path(found.origin).parent)
        return None


def _declare(folder: Path) -> None:
    import torch

    try:
        for compiled in folder.glob("_C*"):
            torch.ops.load_library(compiled)
    except OSError:
        library = torch.library.Library("torchvision", "DEF")
        for name in OPERATORS:
            library.define(SCHEMA.format(name))
        _declared.append(library)


def install() -> None:
    """From here on `import torchvision` works. It costs nothing until then."""
    if not any(isinstance(finder, _BeforeTorchvision) for finder in sys.meta_path):
        sys.meta_path.insert(0, _BeforeTorchvision())
