"""Examples to train on: arrays by name, out of files or given. What a file stores in place is mapped, not read."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archonnx.compiler.weights.files.npz import NpzFile
from archonnx.contract.diagnostics import ArchonnxError, UsageError, did_you_mean

Array = NDArray[Any]
Source = str | os.PathLike[str] | Mapping[str, Any]


@dataclass(slots=True)
class Data:
    """Arrays by name. `said` is what to call all of them in a message, `said_of` one of them.

    passed_over: names of arrays that hold texts or Python objects.
    """

    said: str
    arrays: dict[str, Array] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    passed_over: list[str] = field(default_factory=list)

    def said_of(self, name: str) -> str:
        return self.files.get(name, self.said)

    @property
    def listed(self) -> str:
        """The arrays for people: `image float64[1797, 8, 8], digit int64[1797]`."""
        texts = [f"{name}, which holds no numbers" for name in self.passed_over]
        numbers = [f"{name} {described(array)}" for name, array in self.arrays.items()]
        return ", ".join([*numbers, *texts]) or "no array"


def described(array: Array) -> str:
    return f"{array.dtype.name}[{', '.join(map(str, array.shape))}]"


def open_data(source: Source, said: str = "the data") -> Data:
    """The arrays of an .npz file, or those given by name, each an array or the path of a file.

    A path in a mapping is FILE.npy, FILE.npz, whose array of that name or only one is meant, or FILE.npz:ARRAY.
    Raises ArchonnxError (TensorFileError for a damaged archive), UsageError, OSError.
    """
    if not isinstance(source, Mapping):
        path = Path(source)
        if path.suffix == ".npy":
            raise UsageError(f"{path}: one array alone has no name; say which input or output it is: NAME={path}")
        members, passed_over = _members(path)
        return Data(str(path), members, passed_over=passed_over)
    data = Data(said)
    for name, value in source.items():
        if isinstance(value, str | os.PathLike):
            data.arrays[name] = _one(name, os.fspath(value))
            data.files[name] = os.fspath(value)
        else:
            data.arrays[name] = np.asarray(value)
    for name, array in data.arrays.items():
        if array.dtype.kind not in "biufV":
            raise ArchonnxError(f"{data.said_of(name)}: {name} is {described(array)}; arrays of numbers are expected")
    return data


def _members(path: Path) -> tuple[dict[str, Array], list[str]]:
    """The arrays of numbers in an archive, and the names of the others."""
    file = NpzFile(path, pass_over=True)
    with file:
        found: dict[str, Array] = {}
        for name in file.entries:
            mapped = file.mapped(name)
            found[name] = file.whole(name) if mapped is None else mapped
        return found, file.passed_over


def _one(name: str, written: str) -> Array:
    """The array that a path names: FILE.npy, FILE.npz, FILE.npz:ARRAY."""
    if written.endswith(".npy"):
        try:
            return np.load(written, mmap_mode="r", allow_pickle=False)  # type: ignore[no-any-return]
        except ValueError as error:
            raise ArchonnxError(f"{written}: this is no array that can be read: {error}") from None
    file, _, key = written.partition(".npz:")
    members, _ = _members(Path(f"{file}.npz" if key else written))
    if key or name in members:
        chosen = key or name
        if chosen not in members:
            near = did_you_mean(chosen, list(members), 1)
            hint = f"did you mean {near[0]}?" if near else f"it holds {', '.join(members) or 'nothing'}"
            raise ArchonnxError(f"{file}.npz: there is no array {chosen}; {hint}")
        return members[chosen]
    if len(members) != 1:
        held = ", ".join(members) or "nothing"
        raise ArchonnxError(f"{written}: there is no array {name} ({held}); name one: {name}={written}:ARRAY")
    return next(iter(members.values()))
