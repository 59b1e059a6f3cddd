"""What OpenVINO would compute otherwise than a model says, and does not tell: such models and values are refused.

On the processor it computes float64 in float32, whole numbers of 64 bits in 32 (those beyond wrap round), and texts
damage its memory.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from archonnx.contract.diagnostics import MachineError
from archonnx.runtime.errors import InputError
from archonnx.runtime.modelfile import ModelFile

if TYPE_CHECKING:
    import numpy as np

_INT32 = (-(1 << 31), (1 << 31) - 1)
WIDE = frozenset({"int64", "uint64", "uint32"})  # what becomes int32
_MEND = 'use device="cpu" for it'


def check_model(model: ModelFile) -> None:
    """Refuse a model with float64 or texts anywhere. Raises MachineError, with the input or output where it is one."""
    for kind, specs in (("input", model.inputs), ("output", model.outputs)):
        for spec in specs:
            if spec.kind != "tensor":
                reason = f"{kind} {spec.name} is {spec.type}, OpenVINO takes tensors alone"
                raise MachineError(f"{model.path}: {reason}; {_MEND}")
            if spec.dtype in _REASONS:
                raise MachineError(f"{model.path}: {kind} {spec.name} is {spec.type}, {_REASONS[spec.dtype]}; {_MEND}")
    for dtype, reason in _REASONS.items():
        if dtype in model.dtypes:
            raise MachineError(f"{model.path}: it has {dtype} inside, {reason}; {_MEND}")


_REASONS = {"float64": "which OpenVINO computes in float32", "string": "which OpenVINO does not carry"}


def check_values(feeds: Mapping[str, np.ndarray[Any, Any]]) -> None:
    """Refuse whole numbers that 32 bits do not hold. Raises InputError."""
    low, high = _INT32
    for name, array in feeds.items():
        if array.dtype.name not in WIDE or not array.size:
            continue
        odd = next((int(n) for n in (array.min(), array.max()) if not low <= int(n) <= high), None)
        if odd is not None:
            reason = f"{odd} does not fit int32, in which OpenVINO computes whole numbers"
            raise InputError(f'input {name}: {reason}; use device="cpu"', name)
