"""What fills a model: the tensors of a file, or arrays by name."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from archonnx.compiler.recipes import Constant, Recipe, tensors_of
from archonnx.contract import metadata
from archonnx.contract.diagnostics import ArchonnxError


@dataclass(frozen=True, slots=True)
class Given:
    """Tensors by name. `said` is what a message calls their source, `metadata` what came with them."""

    said: str
    tensors: dict[str, Recipe]
    metadata: Mapping[str, str] = field(default_factory=dict)
    format: str = ""  # of a file; "" for arrays

    @property
    def is_file(self) -> bool:
        return bool(self.format)

    @property
    def of_a_graph(self) -> bool:
        """Whether these are the initializers of a graph that archonnx wrote, or were before they were converted.

        They are laid out for its operators then, and that one has its weight's name and shape tells nothing.
        """
        return metadata.VERSION in self.metadata and metadata.SOURCE in self.metadata


def given_tensors(source: str | os.PathLike[str] | Mapping[str, Any]) -> Given:
    """The tensors of a file, or arrays as such.

    Errors: TensorFileError, OSError for a file; ArchonnxError for what is no array.
    """
    from archonnx.compiler.weights.files.formats import open_tensors

    if not isinstance(source, Mapping):
        file = open_tensors(Path(source))
        return Given(os.fspath(source), tensors_of(file), dict(file.metadata), file.format)
    made: dict[str, Recipe] = {}
    for name, value in source.items():
        if not isinstance(name, str):
            raise ArchonnxError(f"the arrays: names are texts, one is {name!r}")
        made[name] = value if isinstance(value, Recipe) else Constant(_array(name, value))
    return Given("the arrays", made)


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
