"""Giving tensors the places that those of the same names have in a file of Keras 3: so they can be written as one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from archonnx.compiler.weights.files.base import Tensor, TensorFile, TensorFileError
from archonnx.compiler.weights.files.formats import tensors_of

STATE = "seed_generator_state"  # of a Dropout, say: no weight, but load_weights asks for it
SHOWN = 5


def placed(tensors: Mapping[str, Tensor], like: TensorFile) -> dict[str, Tensor]:
    """The tensors in the places of `like`, which has the same ones; the states of its generators stay what they are.

    Errors: TensorFileError where `like` is of another kind, or names or shapes differ.
    """
    theirs = tensors_of(like)
    if any(tensor.place is None for tensor in theirs.values()):
        raise TensorFileError(like.path, "it is no .keras or .weights.h5, so it says nothing of Keras' groups")
    lacking = [name for name in theirs if name not in tensors and name.rpartition("/")[2] != STATE]
    extra = [name for name in tensors if name not in theirs]
    for names, what in ((lacking, "which are not given"), (extra, "which it does not have")):
        if names:
            verb = "it has" if names is lacking else "given are"
            raise TensorFileError(like.path, f"{verb} {_listed(names)}, {what}", help="names must be the same")
    for name, tensor in tensors.items():
        if tensor.entry.shape != theirs[name].entry.shape:
            raise TensorFileError(like.path, f"{name!r} is {theirs[name].entry} in it, given is {tensor.entry}")
    return {
        name: replace(tensors[name], place=tensor.place) if name in tensors else tensor
        for name, tensor in theirs.items()
    }


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:SHOWN])
    return shown if len(names) <= SHOWN else f"{shown} and {len(names) - SHOWN} more"
