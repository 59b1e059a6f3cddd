"""What fills a model: the tensors of a file, or arrays by name."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from archonnx.compiler.recipes import Constant, Recipe, tensors_of
from archonnx.contract.diagnostics import ArchonnxError


def given_tensors(source: str | os.PathLike[str] | Mapping[str, Any]) -> tuple[str, str, dict[str, Recipe]]:
    """What a message calls a source, its format ("" for arrays), and its tensors by name.

    Errors: TensorFileError, OSError for a file; ArchonnxError for what is no array.
    """
    from archonnx.compiler.weights.files.formats import open_tensors

    if not isinstance(source, Mapping):
        file = open_tensors(Path(source))
        return os.fspath(source), file.format, tensors_of(file)
    made: dict[str, Recipe] = {}
    for name, value in source.items():
        if not isinstance(name, str):
            raise ArchonnxError(f"the arrays: names are texts, one is {name!r}")
        made[name] = value if isinstance(value, Recipe) else Constant(_array(name, value))
    return "the arrays", "", made


def _array(name: str, value: Any) -> Any:
    """An array of what NumPy reads, and of tensors of PyTorch, of bfloat16 too, which NumPy does not have."""
    import numpy as np

    if type(value).__module__.partition(".")[0] == "torch" and hasattr(value, "detach"):
        plain = value.detach().cpu()
        if str(plain.dtype) == "torch.bfloat16":
            import ml_dtypes

            return plain.float().numpy().astype(ml_dtypes.bfloat16)
        value = plain.numpy()
    try:
        made = np.asarray(value)
    except ValueError as error:
        raise ArchonnxError(f"the arrays: {name} is no array of numbers: {error}") from None
    if made.dtype.kind in "OUSMm":
        raise ArchonnxError(f"the arrays: {name} is no array of numbers but of dtype {made.dtype}")
    return made
