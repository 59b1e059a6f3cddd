"""Models to be measured side by side: what each takes, and which of the inputs that were given are its own."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from archonnx.contract.diagnostics import UsageError
from archonnx.contract.endings import is_manifest
from archonnx.runtime.caching.graphs import worth
from archonnx.runtime.contract import Contract
from archonnx.runtime.errors import InputError
from archonnx.runtime.inputs import decode, parse_assignment
from archonnx.runtime.measuring.sizes import batch_axis
from archonnx.runtime.modelfile import Spec, read_model

Say = Callable[[str], None]


@dataclass(slots=True)
class Subject:
    """name: what it is called here; path: its file; given: values by input name; kept: whether a cache keeps it."""

    name: str
    path: str
    contract: Contract
    given: dict[str, Any]
    kept: bool = False

    @property
    def symbols(self) -> set[str]:
        """What sizes can be bound: names, and `input.axis` for an axis without one."""
        from archonnx.contract.dims import symbols_of

        found: set[str] = set()
        for spec in self.contract.inputs:
            for axis, size in enumerate(spec.shape or ()):
                if isinstance(size, str) and size in self.contract.symbols.sizes:
                    found |= symbols_of(self.contract.symbols.sizes[size])
                elif not isinstance(size, int):
                    found.add(f"{spec.name}.{axis}")
        return found

    @property
    def batch(self) -> str | int | None:
        """What its first axis is, as `batch_axis` tells."""
        return batch_axis([spec for spec in self.contract.inputs if not spec.optional])


def read_subject(path: str | os.PathLike[str], name: str) -> Subject:
    """A model file by its outline, or the manifest of one in stages. Raises OSError, ModelFileError, ManifestError."""
    if is_manifest(path):
        from archonnx.runtime.sharding.opening import outline

        return Subject(name, os.fspath(path), Contract(outline(path)), {})
    model = read_model(path, name)
    return Subject(name, os.fspath(path), Contract(model), {}, worth(path, model))


def give(subjects: Sequence[Subject], texts: Sequence[str], data: str | None, say: Say = lambda line: None) -> None:
    """Hand each `name=VALUE`, and each array of an .npz file, to the models that have such an input.

    Raises UsageError for what no model takes, or one is given twice; InputError for content that does not fit, OSError.
    """
    for text in texts:
        takers = [(s, name, value) for s in subjects for name, value in _parsed(text, s.contract.inputs)]
        if not takers:
            parse_assignment(text, subjects[0].contract.inputs)  # says what is wrong with it
        for subject, name, value in takers:
            if name in subject.given:
                raise UsageError(f"--input {name} is given twice")
            spec = next(spec for spec in subject.contract.inputs if spec.name == name)
            subject.given[name] = decode(spec, value, say)
    if data is not None:
        _give_arrays(subjects, data, say)


def _parsed(text: str, specs: Sequence[Spec]) -> list[tuple[str, str]]:
    try:
        return [parse_assignment(text, specs)]
    except UsageError:
        return []


def _give_arrays(subjects: Sequence[Subject], data: str, say: Say) -> None:
    if not data.lower().endswith(".npz"):
        raise UsageError(f"--data {data}: expected an .npz file of arrays called as the inputs are")
    try:
        with open(data, "rb") as stream, zipfile.ZipFile(stream) as archive:
            names = [name.removesuffix(".npy") for name in archive.namelist()]
    except zipfile.BadZipFile as error:
        raise InputError(f"{data}: this is no .npz file, or a damaged one: {error}") from None
    taken = False
    for subject in subjects:
        for spec in subject.contract.inputs:
            if spec.name not in names:
                continue
            if spec.name in subject.given:
                raise UsageError(f"input {spec.name} is given by --input, and by --data {data} too")
            subject.given[spec.name] = decode(spec, f"{data}:{spec.name}", say)
            taken = True
    if not taken:
        takes = ", ".join(str(spec) for spec in subjects[0].contract.inputs) or "none"
        raise UsageError(f"--data {data} holds {', '.join(names) or 'nothing'}; the model's inputs are {takes}")


def check_sizes(subjects: Sequence[Subject], bind: Mapping[str, int], batches: Sequence[int | None]) -> None:
    """Raise UsageError where a size is bound that no model has, or the batch is bound and asked for too."""
    known = sorted(set().union(*(subject.symbols for subject in subjects)))
    for name in bind:
        if name not in known:
            raise UsageError(f"--bind {name}: no model here has such a size; there are {', '.join(known) or 'none'}")
        if any(subject.batch == name for subject in subjects) and batches != (None,):
            raise UsageError(f"--bind {name} is the batch, which --batch gives too: leave one of them out")
