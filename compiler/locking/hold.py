"""Holding a build against its lock: what it is made of before it begins, what came out before it takes its place.

1. Without a lock, one is written; with `update`, a new one.
2. Sources, options, parameters, files and the version of archonnx have to be those of the lock: else nothing is built.
3. The bytes have to be those of the lock: else nothing takes the place of what was there before.
4. Other versions of onnx and numpy are no fault where the bytes are the same: they are told.

The lock is put in its place just before the model is: where that fails, no model appears that no lock speaks of.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from archonnx.compiler.locking import text
from archonnx.compiler.locking.entries import ORDER, Entries, Value, of_build
from archonnx.compiler.sink import sync_folder
from archonnx.contract.diagnostics import ArchonnxError, UsageError
from archonnx.contract.files import replacing

if TYPE_CHECKING:
    from archonnx.compiler.artifact import CompiledModel

VERSIONS = ("onnx", "numpy")  # which bytes do not depend on, as far as anybody knows
LONGEST = 64 << 20  # bytes of a lock that is read

Outcome = Literal["written", "same", "updated"]


@dataclass(frozen=True, slots=True)
class Difference:
    """An entry that is not as the lock has it. `expected` is the lock's; None where there is none."""

    section: str
    name: str
    expected: Value | None
    received: Value | None

    def __str__(self) -> str:
        expected, received = ("none" if v is None else _shown(v) for v in (self.expected, self.received))
        return f"{self.section}: {self.name}: expected {expected}, received {received}"


class LockError(ArchonnxError):
    """A build that is not what its lock says, or a lock that cannot be read. `differences`: the entries that differ."""

    def __init__(self, message: str, differences: tuple[Difference, ...] = ()) -> None:
        self.differences = differences
        super().__init__(message)


@dataclass(slots=True)
class Lock:
    """A lock, and what became of it. notes: what differs and is no fault."""

    path: Path
    outcome: Outcome
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Asked:
    """A model that is to be held against the lock of a path. update: it is written anew."""

    model: CompiledModel
    path: str | os.PathLike[str]
    update: bool = False

    def hold(self, target: str | os.PathLike[str], options: Mapping[str, Any], *, kind: str, seed: int) -> Hold:
        """Compare what the build is made of. Errors as those of Hold."""
        return Hold(self.path, [target], of_build(self.model, options, kind=kind, seed=seed), update=self.update)


class Hold:
    """One build and its lock. Making it compares what the build is made of; `compare` what came out, before anything
    is in its place; `put` writes the lock where that is to be done, when nothing but that and renaming is left.

    targets: the paths of what is built, all in one folder. made: what it is made of. update: write the lock anew.
    Raises LockError where that differs or the lock is none, UsageError for a target that is no file, OSError.
    """

    def __init__(
        self,
        lock: str | os.PathLike[str],
        targets: Sequence[str | os.PathLike[str]],
        made: Entries,
        *,
        update: bool = False,
    ) -> None:
        self.path, self.targets = Path(lock), [Path(target) for target in targets]
        for target in self.targets:
            if target.exists() and not target.is_file():
                raise UsageError(f"{target} is no file whose bytes could be held against {self.path}")
        self.entries = text.read(text.write(made))  # names that are no Unicode as the lock has them
        self.known = _read(self.path, update)
        self._check_kind(update)
        outcome: Outcome = "written" if self.known is None else "updated" if update else "same"
        self.lock = Lock(self.path, outcome)
        if update or self.known is None:
            self.known = None
            if not (folder := Path(os.path.realpath(self.path)).parent).is_dir():  # told before the weights are drawn
                raise LockError(f"cannot write {self.path}: there is no folder {folder}; make it first")
            return
        self._refuse([d for d in differences(self.known, self.entries) if not _forgiven(d) and d.section != "result"])

    def _check_kind(self, update: bool) -> None:
        """Raise LockError where the lock is of what is built otherwise: all would differ, and one line says why."""
        known, kind = kind_of(self.known or {}), kind_of(self.entries)
        if known not in (None, kind) and not update:
            what, (be, *_) = self._said()
            raise LockError(
                f"{self.path} is the lock of {known}, and {what} {be} {kind}: name another lock, or write this "
                "one anew: archonnx build --update-lock, update_lock=True"
            )

    def compare(self, result: Mapping[str, Value]) -> None:
        """Compare what was written, before it is put in its place. Raises LockError where it differs."""
        self.entries["result"] = dict(result)
        if self.known is None:
            return
        found = list(differences(self.known, self.entries))
        if any(d.section == "result" for d in found):
            self._refuse(found)
        self.lock.notes = tuple(f"{d.name} is {_shown(d.received)}, {_shown(d.expected)} in the lock" for d in found)

    def put(self) -> None:
        """Write the lock where there is none or it is written anew, down to the disk, so that no power cut keeps the
        model alone. Raises LockError."""
        if self.known is not None:
            return
        try:
            with replacing(self.path) as stream:
                stream.write(text.write(self.entries).encode())
                stream.flush()
                os.fsync(stream.fileno())
            sync_folder(Path(os.path.realpath(self.path)).parent)
        except OSError as error:  # it is not the model that cannot be written
            shown, (_, was, _) = self._said()
            raise LockError(f"cannot write {self.path}: {error.strerror or error}; {shown} {was}") from error

    def _said(self) -> tuple[str, tuple[str, str, str]]:
        """What is built, and what sentences about it go on with."""
        if len(self.targets) == 1:
            return str(self.targets[0]), ("is", "is as it was", "was not written")
        shown = f"{len(self.targets)} models in {self.targets[0].parent}"
        return shown, ("are", "are as they were", "were not written")

    def _refuse(self, found: list[Difference]) -> None:
        if not found:
            return
        count = f"{len(found):,} entr{'y differs' if len(found) == 1 else 'ies differ'}"
        shown, (*_, not_written) = self._said()
        lines = [f"{shown} would not be what {self.path} says, and {not_written}: {count}"]
        lines += [f"  {difference}" for difference in found]
        lines.append("  help: undo what changed, or accept it: archonnx build --update-lock, update_lock=True")
        raise LockError("\n".join(lines), tuple(found))


def kind_of(entries: Entries) -> str | None:
    """What a lock is of, in words; None where it does not say."""
    if "build" not in entries:
        return None
    if "models" in entries["build"]:
        return "models that are built together"
    return "a model in stages" if "stages" in entries["build"] else "a model in one file"


def differences(known: Entries, received: Entries) -> Iterator[Difference]:
    """The entries that are not the same in both, in the order of a lock."""
    for section in ORDER:
        one, two = known.get(section, {}), received.get(section, {})
        for name in sorted({*one, *two}):
            if one.get(name) != two.get(name):
                yield Difference(section, name, one.get(name), two.get(name))


def _forgiven(difference: Difference) -> bool:
    return difference.section == "versions" and difference.name in VERSIONS


def _read(path: Path, update: bool) -> Entries | None:
    """The entries of a lock, None where there is none. With `update` one that is damaged counts as {}.

    What does not begin as a lock does is never written over.
    """
    try:
        with open(path, "rb") as stream:
            data = stream.read(LONGEST)
    except FileNotFoundError:
        return None
    held = data.decode("utf-8", "replace")
    try:
        return text.read(held)
    except text.NoLockError as error:
        if held.startswith(text.FIRST) and update:
            return {}
        help = "write it anew with --update-lock" if held.startswith(text.FIRST) else "name another file, or remove it"
        raise LockError(f"{path} is no lock: {error}; {help}") from None


def _shown(value: Value | None) -> str:
    return (
        str(value) if isinstance(value, int) or value is None else value if value.startswith("sha256:") else repr(value)
    )
