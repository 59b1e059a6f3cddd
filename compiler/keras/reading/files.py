"""Whole models of Keras from files: .keras, and the .h5 of Keras 1 and 2."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from archonnx.contract.diagnostics import ArchonnxError, MachineError

CODE = "it holds Python code, a Lambda or a function of its own, which Keras would have to run"
CODE_SIGNS = ("unsafe", "`lambda`", "Could not interpret activation function identifier")
REBUILD = "build the model without it, and save it again"


def load(path: Path) -> Any:
    """The keras.Model in a file. What asks for code of its own to be run is refused, by Keras' safe mode.

    ArchonnxError where the file is none of Keras, holds no model, or one that Keras cannot build; OSError where it
    cannot be opened; MachineError without Keras.
    """
    from archonnx.compiler.weights.files.formats import open_tensors

    with open_tensors(path) as tensors:  # a damaged file is told apart here, before Keras sees it
        if not tensors.format.startswith("keras"):
            raise ArchonnxError(f"{path}: this is no file of Keras (.keras, .h5), but {tensors.format}")
    if not _holds_model(path):
        raise ArchonnxError(f"{path}: it holds weights without a model; give them to one: archonnx build --weights")
    try:
        import keras
    except ImportError:
        raise MachineError("Keras is not installed: pip install 'archonnx[keras]'") from None
    try:
        return keras.saving.load_model(path, compile=False, safe_mode=True)
    except (ValueError, TypeError, KeyError, AttributeError, NotImplementedError, IndexError) as error:
        said = re.sub(r"\x1b\[\d*m", "", str(error))
        if any(sign in said for sign in CODE_SIGNS):
            raise ArchonnxError(f"{path}: {CODE}; {REBUILD}") from error
        if found := re.search(r"Could not locate (\w+) '([^']+)'", said):
            what = f"it holds the {found[1]} {found[2]}, which is not Keras' own"
            raise ArchonnxError(f"{path}: {what}; {REBUILD}") from error
        said = said.rpartition("Exception encountered: ")[2]
        line = next((line.strip() for line in said.splitlines() if line.strip()), type(error).__name__)
        raise ArchonnxError(f"{path}: Keras cannot build the model in it: {line[:200]}") from error


def _holds_model(path: Path) -> bool:
    """Whether a file of Keras says what the model is, not only its weights."""
    import zipfile

    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            return "config.json" in archive.namelist()
    import h5py

    with h5py.File(path, "r") as file:
        return "model_config" in file.attrs
